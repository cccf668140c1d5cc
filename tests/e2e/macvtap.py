#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests on macvtaps (<interface type='direct'>): start, ping, pause, migrate, hotplug; and nothing is left of them."""
import os
import re
import signal

import faults
import harness
from harness import guest_xml, wait_for

NIC = '''<interface type='direct'>
  <mac address='52:54:00:77:00:09'/>
  <source dev='up0' mode='bridge'/>
  <model type='virtio'/>
</interface>'''


class Direct(harness.LabTest):
    """Both hosts' uplinks are no bridge ports, but have macvtaps on them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for host in cls.lab.hosts:
            host.ip('link', 'set', 'up0', 'nomaster')
            host.environment['VIRTTEAM_FAULT_FILE'] = os.path.join(host.root, 'fault')
            host.restart_daemon()

    def tearDown(self):
        super().tearDown()
        for host in self.lab.hosts:
            self.assertEqual(self.macvtaps(host), {}, 'host ' + host.name)
            self.assertFalse([f for f in os.listdir(os.path.join(host.root, 'run/virtteam')) if f.endswith('.ports')])

    def macvtaps(self, host):
        """{name: is it up}"""
        lines = host.ip('-o', 'link', 'show', 'type', 'macvtap').splitlines()
        return {re.match(r'\d+: ([^@:]+)', line).group(1): 'UP' in re.search('<(.*?)>', line).group(1).split(',')
                for line in lines}

    def define_direct(self, mode='bridge', dev='up0'):
        xml = guest_xml(self.lab, name=self.domain, team=None)
        xml = xml.replace("<interface type='bridge'>", "<interface type='direct'>")
        self.a.define(xml.replace("<source bridge='br0'/>", "<source dev='%s' mode='%s'/>" % (dev, mode)))

    def boot_direct(self, mode='bridge'):
        self.define_direct(mode)
        self.a.virsh('start', self.domain)
        self.serial().wait(r'VT: ready', 90)
        self.lab.wait_ping()

    def test_modes_work_and_end_with_the_guest(self):
        for mode in ('bridge', 'vepa', 'private'):
            self.boot_direct(mode)
            (name,) = self.macvtaps(self.a)
            self.assertIn("<target dev='%s'/>" % name, self.a.virsh('dumpxml', self.domain).stdout)
            self.assertNotIn(name, self.a.virsh('dumpxml', '--inactive', self.domain).stdout)
            shown = self.a.ip('-d', 'link', 'show', name)
            self.assertIn('macvtap mode ' + mode, shown)
            self.assertIn(harness.vt.MAC, shown)
            self.a.virsh('destroy', self.domain)
            self.assertEqual(self.macvtaps(self.a), {})

    def test_it_takes_frames_only_while_the_guest_runs(self):
        self.boot_direct()
        (name,) = self.macvtaps(self.a)
        self.assertTrue(self.macvtaps(self.a)[name])
        self.a.virsh('suspend', self.domain)
        wait_for(lambda: not self.macvtaps(self.a)[name], 20, 'the macvtap to go down')
        self.a.virsh('resume', self.domain)
        wait_for(lambda: self.macvtaps(self.a)[name], 20, 'the macvtap to come up')
        self.lab.wait_ping()

    def test_migrates_there_and_back(self):
        self.boot_direct()
        probe = self.lab.ping()
        try:
            for source, to in ((self.a, self.b), (self.b, self.a)):
                self.migrate(source, to, '--persistent')
                self.assertEqual(self.settled(), to)
                wait_for(lambda h=source: not self.macvtaps(h), 20, 'the macvtap of the source to go')
                self.assert_alive()
        finally:
            result = probe.stop()
        print('# %s' % {k: v for k, v in result.items() if not isinstance(v, list)})
        self.assertGreater(result['received'], result['sent'] // 2)

    def test_a_cancelled_migration_leaves_the_guest_reachable(self):
        self.boot_direct()
        self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        self.a.virsh('domjobabort', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.assertEqual(self.settled(), self.a)
        self.assertEqual(self.macvtaps(self.b), {})
        self.assert_alive()

    def test_hotplug_and_detach(self):
        self.boot_direct()
        path = os.path.join(self.lab.dir, 'nic.xml')
        with open(path, 'w') as f:
            f.write(NIC)
        self.a.virsh('attach-device', self.domain, path)
        self.assertEqual(sorted(self.macvtaps(self.a).values()), [True, True])
        self.a.virsh('detach-device', self.domain, path)
        wait_for(lambda: len(self.macvtaps(self.a)) == 1, 30, 'the macvtap to go')
        self.lab.wait_ping()

    def test_an_attach_that_ends_with_the_daemon_leaves_nothing(self):
        if not faults.has_faults():
            self.skipTest('this build has no fault injection (-Dfault-injection=true)')
        self.boot_direct()
        before = self.macvtaps(self.a)
        path = os.path.join(self.lab.dir, 'nic.xml')
        with open(path, 'w') as f:
            f.write(NIC)
        for action in ('kill-before', 'kill-after'):
            for step in ('make-macvtap', 'make-tap', 'plug'):
                with self.subTest(step=step, action=action):
                    with open(self.a.environment['VIRTTEAM_FAULT_FILE'], 'w') as f:
                        f.write('attach/%s:%s' % (step, action))
                    self.assertNotEqual(self.a.virsh('attach-device', self.domain, path, check=False).returncode, 0)
                    with open(self.a.environment['VIRTTEAM_FAULT_FILE'], 'w'):
                        pass
                    self.a.daemon.wait(harness.patient(20))
                    self.a.start_daemon()
                    self.a.wait_state(self.domain, 'running')
                    if (step, action) == ('plug', 'kill-after'):
                        # QEMU has it: it was attached.
                        wait_for(lambda: len(self.macvtaps(self.a)) == 2, 30, 'the interface to be there')
                        self.a.virsh('detach-device', self.domain, path)
                    wait_for(lambda: self.macvtaps(self.a) == before, 30, lambda: '%s to be %s' % (self.macvtaps(self.a), before))
        self.assert_alive()

    def test_missing_interface_below_is_refused_with_nothing_left(self):
        self.define_direct(dev='nowhere0')
        failed = self.a.virsh('start', self.domain, check=False)
        self.assertIn('nowhere0', failed.stderr)
        self.assertFalse(self.a.qemu_pids())

    def test_daemon_killed_with_and_without_its_guest(self):
        self.boot_direct()
        self.a.restart_daemon()
        self.assertEqual(list(self.macvtaps(self.a).values()), [True])
        self.lab.wait_ping()
        self.a.virsh('suspend', self.domain)
        wait_for(lambda: not any(self.macvtaps(self.a).values()), 20, 'the macvtap to go down')
        self.a.kill_daemon()
        for pid in self.a.qemu_pids():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.a.qemu_pids(), 20, 'QEMU to end')
        self.a.start_daemon()
        wait_for(lambda: not self.macvtaps(self.a), 30, 'the macvtap to go')

    def test_every_step_of_a_start_may_be_the_last(self):
        if not faults.has_faults():
            self.skipTest('this build has no fault injection (-Dfault-injection=true)')
        self.define_direct()
        steps = ('make-macvtaps', 'make-taps', 'spawn', 'write-status')
        self.assertEqual(faults.strike_steps(self, self.a, steps, lambda: self.macvtaps(self.a)), 2 * len(steps))


if __name__ == '__main__':
    harness.main()
