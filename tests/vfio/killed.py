# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed at each step of taking a real VF and of giving it back, and where it waits for a guest that brings its own.

tests/e2e/vfs.py does the same with VFs that are files; here the kernel binds and unbinds, and so shows what is left. The daemon is
virtteamd-faults: one that fails, or is killed, at the step that a file names.
"""
import os
import re
import sys

import vfiolab
from vfiolab import vt, wait_for

sys.path.insert(0, os.path.join(vfiolab.HERE, '..', 'e2e'))
from tables import sequences  # noqa: E402

GUEST_S = 300  # for what a guest within a guest does in a second or two


def stories(base):
    """The tests, as one of inside.py's stories."""

    class Killed(base):
        program = 'virtteamd-faults'

        @classmethod
        def set_up_hosts(cls):
            cls.fault_path = '/run/vt-fault'
            cls.ask('')
            for host in cls.lab.hosts:
                host.environment['VIRTTEAM_FAULT_FILE'] = cls.fault_path

        @classmethod
        def ask(cls, fault):
            """A fault that strikes when it comes to it."""
            with open(cls.fault_path, 'w') as f:
                f.write(fault)

        def revive(self, host, fault):
            """A fault kills the host's daemon: start it again."""
            wait_for(lambda: host.daemon.poll() is not None, GUEST_S, 'the daemon to be killed at ' + fault, 0.1)
            self.ask('')
            host.start_daemon()

        def define_empty(self):
            """A guest without an operating system, with a VF."""
            xml = self.xml(self.a, self.a.vfs[0]).replace("<memory unit='MiB'>160<", "<memory unit='MiB'>16<")
            self.a.define(re.sub(r'\s*<(kernel|initrd|cmdline)>.*?</\1>', '', xml))

        def start_struck(self, fault):
            """A start that a fault ends: nothing is left of it."""
            with self.subTest(fault=fault):
                self.ask(fault)
                done = self.a.virsh('start', '--paused', 'team1', check=False, timeout=GUEST_S)
                self.assertNotEqual(done.returncode, 0)
                self.assert_nothing_left(fault)

        def assert_nothing_left(self, fault):
            """Of the guest, once its host's daemon is back."""
            self.revive(self.a, fault)
            self.a.wait_state('team1', 'shut off', GUEST_S)
            self.assert_clean(self.a)

        def test_1_while_a_vf_is_taken(self):
            self.define_empty()
            for step in sequences()['hostdev-take']:
                for action in ('kill-before', 'kill-after'):
                    self.start_struck('hostdev-take/%s:%s' % (step, action))
            self.went_well()

        def test_2_while_its_guest_starts(self):
            steps = sequences()['start']
            # The VF is bound; QEMU has it; all is set. tests/e2e/faults.py takes each step, without one.
            for step in steps[steps.index('take-hostdevs') + 1], steps[steps.index('spawn') + 1], steps[-1]:
                self.start_struck('start/%s:kill-before' % step)
            self.went_well()

        def test_3_while_it_is_given_back(self):
            for step in sequences()['hostdev-return']:
                for action in ('kill-before', 'kill-after'):
                    fault = 'hostdev-return/%s:%s' % (step, action)
                    with self.subTest(fault=fault):
                        self.a.virsh('start', '--paused', 'team1', timeout=GUEST_S)
                        self.assertEqual(vfiolab.driver_of(self.a.vfs[0]), 'vfio-pci')
                        self.ask(fault)
                        self.a.virsh('destroy', 'team1', check=False, timeout=GUEST_S)
                        self.assert_nothing_left(fault)
            self.a.virsh('undefine', 'team1')
            self.went_well()

        def test_4_where_a_guest_is_awaited(self):
            self.restore_with_a_vf()
            fault = 'migrate-await/await:kill-after'
            self.mark()
            self.ask(fault)
            virsh = self.a.start_virsh('migrate', '--live', *self.destination_options(self.b, 0), 'team1', self.b.uri)
            self.revive(self.b, fault)
            virsh.communicate(timeout=GUEST_S)
            self.assertNotEqual(virsh.returncode, 0)
            self.assert_clean(self.b)
            self.assertEqual(self.a.state('team1'), 'running')
            wait_for(lambda: vfiolab.driver_of(self.a.vfs[0]) == 'vfio-pci' and self.a.vf_mac(0) == vt.MAC, GUEST_S,
                     'the guest to have its VF', 0.5)
            self.ping_both()
            self.a.virsh('destroy', 'team1')
            self.assert_clean(self.a)
            self.went_well()

    return Killed
