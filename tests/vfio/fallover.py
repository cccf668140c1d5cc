# SPDX-License-Identifier: LGPL-2.1-or-later
"""Falling over without a migration, with a real VF: the PF's link goes, the VF goes, the VF reports an error."""
import json
import os
import struct
import subprocess

import vfiolab
from vfiolab import VFS, run, vt, wait_for

GUEST_S = 300  # for what a guest within a guest does in a second or two
LOST, HEALED = 'c2e1756595fa4175aa8e2540d74eb659', '6489f37238d040eab9dc3f9fcd387e67'
ERROR = '1e3e48fdd87d442594287632cf1e552d'
COMPLETION_TIMEOUT = 1 << 14  # PCI Express, 7.8.4.2: uncorrectable, not fatal unless somebody has made it so


def inject_aer(bdf, uncorrectable):
    """Let the kernel see an error that a PCI function reports; everything above the root port's interrupt is real.
    Source: Linux, drivers/pci/pcie/aer_inject.c."""
    run('modprobe', 'aer_inject')
    domain, bus, rest = bdf.split(':')
    slot, function = rest.split('.')
    with open('/dev/aer_inject', 'wb', buffering=0) as f:
        f.write(struct.pack('=BBBxIIIIIII', int(bus, 16), int(slot, 16), int(function, 16), uncorrectable, 0, 0, 0, 0, 0,
                            int(domain, 16)))


def stories(base):
    """The tests, as one of inside.py's stories."""

    class Fallover(base):
        """One host is enough: whoever is on it reaches the guest by its standby when the PF's link is down."""

        def xml(self, host, bdf):
            return super().xml(host, bdf).replace("<clock ", "<on_crash>restart</on_crash>\n  <clock ")

        def team(self):
            said = run(os.path.join(vt.BUILD, 'src/cli/virtteam'), 'team', '--root', self.a.root, 'team1', '--json',
                       timeout=120).stdout
            return json.loads(said)[0]

        def wait_team(self, **want):
            seen = []

            def fits():
                seen[:] = [self.team()]
                return seen[0] if want.items() <= seen[0].items() else None
            return wait_for(fits, GUEST_S, lambda: 'a team with %s; it is %s' % (want, seen), 0.5)

        def wait_log(self, text):
            wait_for(lambda: text in self.a.daemon_log()[self.marks['a']:], GUEST_S, 'the log to say ' + text, 0.3)

        def wait_lost(self, why):
            """The guest is on standby, and answers there."""
            self.wait_log(LOST)
            team = self.wait_team(kept='lost', active='standby', feed='standby', state='standby')
            self.assertEqual(team['kept_why'], why)
            self.lab.wait_ping_from(self.a, GUEST_S)
            self.say('on standby: ' + why)

        def wait_healed(self, since):
            self.wait_log(HEALED)
            self.wait_primary(since)
            self.wait_feed(self.a, 'primary')
            self.wait_team(kept=None, active='primary', watch=self.a.pf + ': well')
            self.assert_on_vf(self.a)
            self.ping_both()

        def test_1_restored_with_a_vf(self):
            self.restore_with_a_vf()
            self.assert_on_vf(self.a)
            self.went_well()

        def test_2_link_of_the_pf(self):
            self.mark()
            self.a.ip('link', 'set', self.a.pf, 'down')
            self.wait_lost("the link of '%s' is down" % self.a.pf)
            since = self.mark()
            self.a.ip('link', 'set', self.a.pf, 'up')
            self.wait_healed(since)
            self.went_well()

        def set_vfs(self, number):
            """Write sriov_numvfs; a process, since the kernel waits for the guest to let go of its VF."""
            return subprocess.Popen(['sh', '-c', 'echo %d > %s' % (
                number, vfiolab.sysfs(self.a.pf_bdf, 'sriov_numvfs'))])

        def test_3_vf_taken_away(self):
            self.mark()
            writer = self.set_vfs(0)
            self.addCleanup(writer.kill)
            self.wait_log(LOST)
            self.assertEqual(writer.wait(GUEST_S), 0)
            self.assertFalse(os.path.exists(vfiolab.sysfs(self.a.vfs[0])))
            # Seen before the function was gone, or after.
            self.assertIn(self.a.vfs[0], self.team()['kept_why'])
            self.wait_lost(self.team()['kept_why'])
            self.lab.wait_ping_from(self.b, GUEST_S)
            self.assertEqual(len(self.a.reservations()), 1)
            since = self.mark()
            self.assertEqual(self.set_vfs(VFS).wait(GUEST_S), 0)
            wait_for(lambda: vfiolab.driver_of(self.a.vfs[1]) == 'igbvf', 60, 'igbvf to take the other VF')
            self.a.ip('link', 'set', self.a.pf, 'vf', str(VFS - 1), 'mac', vfiolab.GIVEN_MACS['a'])
            self.wait_healed(since)
            self.went_well()

        def test_4_error_of_the_vf(self):
            """QEMU stops a guest whose device has reported one; it is said of which team it was, and it is reset."""
            self.mark()
            inject_aer(self.a.vfs[0], COMPLETION_TIMEOUT)
            self.wait_log(ERROR)
            said = next(line for line in self.a.daemon_log()[self.marks['a']:].splitlines() if ERROR in line)
            self.assertIn("'ua-primary' (team 'ua-standby', PCI device %s)" % self.a.vfs[0], said)
            self.wait_log('QMP event RESET')
            self.wait_log('QMP event RESUME')
            self.assertEqual(self.a.qmp('team1', 'query-status')['status'], 'running')
            self.assertEqual(self.a.state('team1'), 'running')
            self.a.virsh('destroy', 'team1')
            self.assert_clean(self.a)

    return Fallover
