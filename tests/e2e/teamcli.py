#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `virtteam team` tells about a guest's teams, and domstats with it."""
import json
import os
import re
import signal
import xml.etree.ElementTree as ElementTree

import harness
from harness import guest_xml, wait_for

PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 8
PROGRAM = os.path.join(harness.vt.BUILD, 'src', 'cli', 'virtteam')


class TeamCli(harness.LabTest):
    domain = 'teamcli1'

    def virtteam(self, *words, where=None, check=True):
        return harness.vt.run(PROGRAM, 'team', *(where or ('--root', self.a.root)), *words, check=check)

    def teams(self):
        return json.loads(self.virtteam('--json', self.domain).stdout)

    def wait_team(self, **want):
        """Wait until the one team is like that; it."""
        seen = []

        def fits():
            seen[:] = self.teams()
            return seen[0] if len(seen) == 1 and want.items() <= seen[0].items() else None
        return wait_for(fits, 30, lambda: 'a team with %s; it is %s' % (want, seen), 0.2)

    def stats(self):
        return dict(re.findall(r'^\s*(team\.[^=\n]+)=(.*)$', self.a.virsh('domstats', self.domain).stdout, re.M))

    def test_a_team_that_runs(self):
        self.boot(extra=PORTS)
        team = self.wait_team(standby='yes', primary='plugged', active='primary', feed='primary')
        self.assertEqual((team['name'], team['transient']), ('ua-standby', 'ua-primary'))
        self.assertEqual((team['backend'], team['error']), ('bridge', None))
        self.assertEqual(team['orchestration'], 'qemu')
        self.assertRegex(team['standby_host'], r'^tap vnet\d+, bridge br0$')
        self.assertRegex(team['primary_host'], r'^tap vnet\d+, bridge br0$')
        self.assertNotEqual(team['standby_host'], team['primary_host'])
        stats = self.stats()
        self.assertEqual(stats['team.count'], '1')
        for field in ('name', 'standby', 'primary', 'feed', 'backend', 'active'):
            self.assertEqual(stats['team.0.' + field], team[field])
        text = self.virtteam(self.domain).stdout
        self.assertRegex(text, r'Team ua-standby, MAC ')
        self.assertRegex(text, r'active leg +primary\n')
        self.assertRegex(text, r'ua-primary \(tap vnet\d+, bridge br0\), plugged\n')
        self.assertRegex(text, r'back end bridge, state primary, feed primary\n')

    def test_primary_leaves_and_comes_back(self):
        self.boot(extra=PORTS)
        self.wait_team(primary='plugged', active='primary')
        root = ElementTree.fromstring(self.a.virsh('dumpxml', '--inactive', self.domain).stdout)
        leg = [i for i in root.findall('devices/interface') if i.find('alias').get('name') == 'ua-primary'][0]
        path = os.path.join(self.lab.dir, 'leg.xml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(ElementTree.tostring(leg, encoding='unicode'))
        self.a.virsh('detach-device', self.domain, path, '--live')
        self.wait_team(primary='absent', transient=None, active='standby', standby='yes')
        self.assertIn('none at present', self.virtteam(self.domain).stdout)
        self.a.virsh('attach-device', self.domain, path, '--live')
        self.wait_team(transient='ua-primary', primary='plugged', active='primary', feed='primary')

    def test_daemon_comes_back(self):
        self.boot(extra=PORTS)
        before = self.wait_team(standby='yes', primary='plugged', active='primary', feed='primary')
        self.a.restart_daemon(signal.SIGKILL)
        self.assertEqual(self.wait_team(primary='plugged', active='primary'), before)

    def test_primary_that_nobody_takes(self):
        self.boot(extra=PORTS, options='vt.noprimary')
        team = self.wait_team(standby='yes', primary='plugged')
        self.assertNotEqual(team['active'], 'primary')
        self.a.virsh('destroy', self.domain)
        stopped = self.virtteam(self.domain, check=False)
        self.assertEqual(stopped.returncode, 1)
        self.assertIn('is not running', stopped.stderr)
        stats = self.stats()
        self.assertEqual(stats['team.0.name'], 'ua-standby')
        self.assertNotIn('team.0.primary', stats)

    def test_errors_are_sentences(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None))
        self.assertIn("no domain with matching name 'nobody'", self.virtteam('nobody', check=False).stderr)
        missing = self.virtteam('nobody', where=('--socket', '/nonexistent/sock'), check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("cannot connect to '/nonexistent/sock'", missing.stderr)
        self.assertEqual(self.virtteam(check=False).returncode, 2)
        self.a.virsh('start', self.domain)
        self.assertIn('has no teams', self.virtteam(self.domain).stdout)
        self.assertEqual(self.teams(), [])


if __name__ == '__main__':
    harness.main()
