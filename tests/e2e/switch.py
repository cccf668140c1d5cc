#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Teams that leave their primary and return to it: on command, and because its link is down."""
import json
import os
import re
import signal

import harness
from harness import wait_for

PROGRAM = os.path.join(harness.vt.BUILD, 'src', 'cli', 'virtteam')
MANAGED = "orchestration='management'"


class SwitchTest(harness.LabTest):
    domain = 'switch1'

    def virtteam(self, host, *words, check=True):
        return harness.vt.run(PROGRAM, 'team', '--root', host.root, self.domain, *words, check=check, timeout=120)

    def team(self, host):
        teams = json.loads(self.virtteam(host, '--json').stdout)
        return teams[0] if len(teams) == 1 else {}

    def wait_team(self, host, timeout=40, **want):
        """Wait until the one team is like that; it."""
        seen = []

        def fits():
            seen[:] = [self.team(host)]
            return seen[0] if want.items() <= seen[0].items() else None
        return wait_for(fits, timeout, lambda: 'a team with %s; it is %s' % (want, seen), 0.2)

    def has_primary(self, host):
        """Whether QEMU has the device."""
        return 'ua-primary' in [d['name'] for d in host.qmp(self.domain, 'qom-list', path='/machine/peripheral')]

    def defined(self, host):
        return 'ua-primary' in host.virsh('dumpxml', self.domain).stdout

    def tap(self, host):
        """The primary's tap."""
        return re.match(r'tap (\w+)', self.team(host)['primary_host']).group(1)

    def leave(self, host, serial):
        """To standby on command; the guest has lost its primary."""
        mark = serial.end()
        said = self.virtteam(host, 'standby').stdout
        self.assertIn("team 'ua-standby' is on standby", said)
        serial.wait(r'failover primary slave:\w+ unregistered', 30, mark)
        self.assertFalse(self.has_primary(host))
        self.assertTrue(self.defined(host))

    def come_back(self, host, serial):
        mark = serial.end()
        self.assertIn("has its primary 'ua-primary' again", self.virtteam(host, 'primary').stdout)
        serial.wait(r'failover primary slave:\w+ registered', 40, mark)
        self.assertTrue(self.has_primary(host))
        self.wait_team(host, primary='plugged', active='primary', feed='primary', kept=None)


class Command(SwitchTest):
    """On command."""

    def there_and_back(self, **more):
        serial = self.boot(**more)
        self.wait_team(self.a, active='primary')
        probe = self.lab.ping()
        try:
            self.leave(self.a, serial)
            team = self.wait_team(self.a, active='standby', feed='standby', kept='user', state='standby')
            self.assertRegex(team['kept_since'], r'^20\d\d-\d\d-\d\dT')
            self.come_back(self.a, serial)
        finally:
            result = probe.stop()
        self.assertGreater(result['received'], result['sent'] * 2 // 3)
        self.assert_alive()

    def test_there_and_back(self):
        self.there_and_back()

    def test_there_and_back_managed(self):
        self.there_and_back(policy=MANAGED)

    def kept_back(self):
        """What QEMU keeps frames in until a primary is gone."""
        return [o['name'] for o in self.a.qmp(self.domain, 'qom-list', path='/objects') if o['name'].startswith('buffer-')]

    def test_nothing_is_kept_back_for_good(self):
        serial = self.boot(team='e1000e')
        self.wait_team(self.a, active='primary')
        self.leave(self.a, serial)
        wait_for(lambda: not self.kept_back(), 30, 'QEMU to let go')
        self.come_back(self.a, serial)
        # As a daemon leaves it that is killed during an eject.
        self.a.qmp(self.domain, 'object-add', **{'qom-type': 'filter-buffer', 'id': 'buffer-ua-standby', 'queue': 'tx',
                                                 'netdev': 'hostua-standby', 'interval': 1000000})
        self.assertEqual(self.kept_back(), ['buffer-ua-standby'])
        self.a.restart_daemon()
        wait_for(lambda: not self.kept_back(), 30, 'QEMU to let go after a restart')
        self.assert_alive()

    def test_what_is_told(self):
        self.boot()
        self.wait_team(self.a, active='primary')
        self.assertIn('already', self.virtteam(self.a, 'primary').stdout)
        self.virtteam(self.a, 'standby', '--team', 'ua-primary')
        self.assertIn('already', self.virtteam(self.a, 'standby', '--team', 'ua-standby').stdout)
        text = self.virtteam(self.a).stdout
        self.assertRegex(text, r'kept by +user, since 20')
        self.assertRegex(text, r'host settings +br0 has the MAC at vnet\d+ \(static\)')
        stats = self.a.virsh('domstats', '--interface', self.domain).stdout
        self.assertIn('team.0.kept=user', stats)
        unknown = self.virtteam(self.a, 'standby', '--team', 'ua-other', check=False)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("has no team 'ua-other'; it has 'ua-standby'", unknown.stderr)
        self.assertEqual(self.virtteam(self.a, 'sideways', check=False).returncode, 2)
        self.a.virsh('suspend', self.domain)
        self.virtteam(self.a, 'primary')
        paused = self.virtteam(self.a, 'standby', check=False)
        self.assertEqual(paused.returncode, 1)
        self.assertIn('is paused', paused.stderr)
        self.a.virsh('resume', self.domain)
        self.wait_team(self.a, active='primary')
        self.a.virsh('destroy', self.domain)
        self.assertIn('is not running', self.virtteam(self.a, 'standby', check=False).stderr)

    def test_daemon_is_killed_meanwhile(self):
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        self.leave(self.a, serial)
        before = self.wait_team(self.a, kept='user', active='standby')
        self.a.restart_daemon(signal.SIGKILL)
        after = self.wait_team(self.a, kept='user', active='standby', feed='standby')
        self.assertEqual(after['kept_since'], before['kept_since'])
        self.assertFalse(self.has_primary(self.a))
        self.assert_alive()
        self.come_back(self.a, serial)

    def test_deaf_guest_keeps_its_primary(self):
        self.boot_deaf()
        failed = self.virtteam(self.a, 'standby', '--timeout', '3', check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("did not eject its primary network device 'ua-primary' (team 'ua-standby') within 3 s",
                      failed.stderr)
        self.assertTrue(self.has_primary(self.a))
        self.wait_team(self.a, kept=None)
        self.assert_alive()

    def migrate_kept(self, **more):
        serial = self.boot(**more)
        self.wait_team(self.a, active='primary')
        self.leave(self.a, serial)
        mark = serial.end()
        self.migrate(self.a, self.b, '--persistent')
        self.assertEqual(self.settled(), self.b)
        self.wait_team(self.b, kept='user', active='standby', feed='standby')
        self.assertFalse(self.has_primary(self.b))
        self.assertTrue(self.defined(self.b))
        self.assert_alive()
        self.assertNotIn('slave:', serial.text(mark))
        self.come_back(self.b, serial)
        self.assert_alive()
        # And an ordinary migration takes the team along as it is.
        self.migrate(self.b, self.a, '--persistent')
        self.wait_team(self.a, kept=None, active='primary')

    def test_migrates_on_standby(self):
        self.migrate_kept()

    def test_migrates_on_standby_managed(self):
        self.migrate_kept(policy=MANAGED)

    def test_failed_migration_keeps_it_on_standby(self):
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        self.leave(self.a, serial)
        self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        busy = self.virtteam(self.a, 'primary', check=False)
        self.assertEqual(busy.returncode, 1)
        self.assertIn('migrat', busy.stderr)
        self.a.virsh('domjobabort', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.assertEqual(self.settled(), self.a)
        self.wait_team(self.a, kept='user', active='standby', feed='standby')
        self.assertFalse(self.has_primary(self.a))
        self.assert_alive()
        self.come_back(self.a, serial)

    def save_kept(self, **more):
        serial = self.boot(**more)
        self.wait_team(self.a, active='primary')
        self.leave(self.a, serial)
        path = os.path.join(self.lab.dir, 'kept.save')
        self.a.virsh('save', self.domain, path, timeout=120)
        mark = serial.end()
        self.a.virsh('restore', path, timeout=120)
        serial.wait(r'failover primary slave:\w+ registered', 40, mark)
        self.wait_team(self.a, kept=None, active='primary')
        self.assert_alive()

    def test_restored_guest_has_its_primary(self):
        self.save_kept()

    def test_restored_guest_has_its_primary_managed(self):
        self.save_kept(policy=MANAGED)

    def test_guest_reboots_on_standby(self):
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        self.leave(self.a, serial)
        mark = serial.end()
        self.a.virsh('reset', self.domain)
        serial.wait(r'VT: ready', 90, mark)
        # QEMU plugs the primary when the guest negotiates anew; it leaves again.
        self.wait_team(self.a, 90, kept='user', active='standby', feed='standby')
        wait_for(lambda: not self.has_primary(self.a), 60, 'the primary to leave again')
        self.lab.wait_ping()
        self.come_back(self.a, serial)


class Link(SwitchTest):
    settings = {'team_link_down_ms': 500, 'team_link_up_ms': 500}

    def carrier(self, host, tap, on):
        host.ip('link', 'set', tap, 'carrier', 'on' if on else 'off')

    def lose_and_heal(self, **more):
        serial = self.boot(**more)
        self.wait_team(self.a, active='primary')
        tap = self.tap(self.a)
        mark = serial.end()
        self.carrier(self.a, tap, False)
        serial.wait(r'failover primary slave:\w+ unregistered', 30, mark)
        team = self.wait_team(self.a, kept='lost', active='standby', feed='standby')
        self.assertEqual(team['kept_why'], "the link of '%s' is down" % tap)
        self.assertEqual(team['watch'], tap + ': lost')
        self.assertFalse(self.has_primary(self.a))
        self.assertTrue(self.defined(self.a))
        self.assert_alive()
        mark = serial.end()
        self.carrier(self.a, tap, True)
        serial.wait(r'failover primary slave:\w+ registered', 40, mark)
        self.wait_team(self.a, kept=None, active='primary', feed='primary', watch=tap + ': well')
        self.assert_alive()

    def test_link_is_lost_and_heals(self):
        self.lose_and_heal()

    def test_link_is_lost_and_heals_managed(self):
        self.lose_and_heal(policy=MANAGED)

    def test_loss_and_command(self):
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        tap = self.tap(self.a)
        self.carrier(self.a, tap, False)
        self.wait_team(self.a, kept='lost', active='standby')
        self.assertIn('when that works again', self.virtteam(self.a, 'primary').stdout)
        self.virtteam(self.a, 'standby')
        self.wait_team(self.a, kept='user, lost')
        self.a.restart_daemon(signal.SIGKILL)
        self.wait_team(self.a, kept='user, lost', active='standby')
        self.carrier(self.a, tap, True)
        self.wait_team(self.a, kept='user', active='standby')
        self.assertFalse(self.has_primary(self.a))
        self.come_back(self.a, serial)

    def test_daemon_is_killed_while_it_is_lost(self):
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        tap = self.tap(self.a)
        self.carrier(self.a, tap, False)
        self.wait_team(self.a, kept='lost', active='standby')
        self.a.kill_daemon()
        self.carrier(self.a, tap, True)
        mark = serial.end()
        self.a.start_daemon()
        serial.wait(r'failover primary slave:\w+ registered', 40, mark)
        self.wait_team(self.a, kept=None, active='primary', feed='primary')

    def test_what_is_lost_here_is_not_lost_there(self):
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        self.carrier(self.a, self.tap(self.a), False)
        self.wait_team(self.a, kept='lost', active='standby')
        mark = serial.end()
        self.migrate(self.a, self.b, '--persistent')
        self.assertEqual(self.settled(), self.b)
        serial.wait(r'failover primary slave:\w+ registered', 40, mark)
        self.wait_team(self.b, kept=None, active='primary')
        self.assert_alive()

    def test_ignored(self):
        self.boot(policy="on-link-loss='ignore'")
        self.wait_team(self.a, active='primary')
        tap = self.tap(self.a)
        self.carrier(self.a, tap, False)
        # Another team would be seen to leave: the notice has been taken in once the next one has.
        self.carrier(self.a, tap, True)
        self.assertEqual(self.team(self.a)['watch'], tap + ': well')
        self.assertTrue(self.has_primary(self.a))


class Hold(SwitchTest):
    """A link that is down for less than team_link_down_ms: nothing is unplugged, and standby is fed all the same."""

    settings = {'team_link_down_ms': 3600000, 'team_link_up_ms': 500}

    def lose(self, serial, role):
        tap = self.tap(self.a)
        mark = serial.end()
        self.a.ip('link', 'set', tap, 'carrier', 'off')
        self.wait_team(self.a, watch=tap + ': suspect', state='lost', feed='fallback', kept=None)
        serial.wait(r'VT: links.* %s:vmxnet3:down' % role, 30, mark)
        self.assertTrue(self.has_primary(self.a))
        return tap

    def heal(self, serial, tap, role):
        mark = serial.end()
        self.a.ip('link', 'set', tap, 'carrier', 'on')
        self.wait_team(self.a, watch=tap + ': well', active='primary', feed='primary')
        serial.wait(r'VT: links.* %s:vmxnet3:up' % role, 30, mark)
        self.assertNotIn('unregister', serial.text(mark))
        self.assert_alive()

    def test_a_bond_goes_over_at_once(self):
        serial = self.boot(options='vt.nostandby vt.bond', policy=MANAGED)
        self.wait_team(self.a, active='primary')
        tap = self.lose(serial, r'\w+:primary')
        self.lab.wait_ping()
        self.heal(serial, tap, r'\w+:primary')

    def test_net_failover_keeps_its_primary(self):
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        tap = self.lose(serial, r'\w+:primary')
        self.heal(serial, tap, r'\w+:primary')

    def test_it_heals_while_the_daemon_is_away(self):
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        tap = self.lose(serial, r'\w+:primary')
        self.a.restart_daemon(signal.SIGKILL)
        self.wait_team(self.a, watch=tap + ': suspect', state='lost', feed='fallback', kept=None)
        self.a.kill_daemon()
        mark = serial.end()
        self.a.ip('link', 'set', tap, 'carrier', 'on')
        self.a.start_daemon()
        self.wait_team(self.a, watch=tap + ': well', active='primary', feed='primary')
        serial.wait(r'VT: links.* \w+:primary:vmxnet3:up', 30, mark)
        self.assert_alive()

    def test_it_lasts(self):
        """As above, until somebody wants the team on standby."""
        serial = self.boot()
        self.wait_team(self.a, active='primary')
        tap = self.lose(serial, r'\w+:primary')
        self.leave(self.a, serial)
        self.wait_team(self.a, active='standby', feed='standby')
        self.lab.wait_ping()
        self.a.ip('link', 'set', tap, 'carrier', 'on')
        self.come_back(self.a, serial)


if __name__ == '__main__':
    harness.main()
