#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that are saved to a file and come back, with their teams."""
import os
import subprocess

import harness
from harness import wait_for

COMPLETE = b'VTSAVED\n'
BY_DRIVER = "orchestration='management'"


class SaveTest(harness.LabTest):
    """What the classes share."""

    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.lab.dir, 'guest.image')
        if os.path.exists(self.file):
            os.unlink(self.file)

    def remove_guests(self):
        for host in self.lab.hosts:
            for name in host.virsh('list', '--all', '--name').stdout.split():
                host.virsh('managedsave-remove', name, check=False)
        super().remove_guests()

    def head(self, path=None):
        try:
            with open(path or self.file, 'rb') as f:
                return f.read(8)
        except FileNotFoundError:
            return None

    def is_back(self, serial, mark, team):
        """It answers; with a team, by its primary, which QEMU has again."""
        self.assert_alive(40)
        self.assertEqual(self.a.state(self.domain), 'running')
        if team:
            wait_for(lambda: any(role == 'primary' and state == 'up' for role, _, state in serial.links(mark).values()),
                     60, lambda: 'the primary to be back: ' + serial.text(mark)[-800:])

    def save_and_restore(self, team, **more):
        serial = self.boot(team=team, **more)
        self.a.virsh('save', self.domain, self.file, timeout=120)
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'shut off \(saved\)')
        self.assertEqual(self.a.qemu_pids(), [])
        self.assertEqual(self.head(), COMPLETE)
        xml = self.a.virsh('save-image-dumpxml', self.file).stdout
        self.assertIn('<name>%s</name>' % self.domain, xml)
        mark = serial.end()
        self.a.virsh('restore', self.file, timeout=120)
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'running \(restored\)')
        self.is_back(serial, mark, team)
        # It went on: it did not boot.
        self.assertNotIn('VT: ready', serial.text(mark))

    def managed(self, team, **more):
        serial = self.boot(team=team, **more)
        self.a.virsh('managedsave', self.domain, timeout=120)
        self.assertRegex(self.a.virsh('dominfo', self.domain).stdout, r'Managed save:\s+yes')
        self.assertIn(self.domain, self.a.virsh('list', '--all', '--with-managed-save', '--name').stdout)
        refused = self.a.virsh('undefine', self.domain, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn('managed', refused.stderr)
        self.assertIn('<name>', self.a.virsh('managedsave-dumpxml', self.domain).stdout)
        mark = serial.end()
        self.a.virsh('start', self.domain, timeout=120)
        self.is_back(serial, mark, team)
        self.assertNotIn('VT: ready', serial.text(mark))
        self.assertRegex(self.a.virsh('dominfo', self.domain).stdout, r'Managed save:\s+no')


class Plain(SaveTest):
    """Guests without a team."""

    def test_plain_guest_is_saved_and_restored(self):
        self.save_and_restore(None)

    def test_managed_image_of_a_plain_guest(self):
        self.managed(None)

    def test_force_boot_forgets_the_image(self):
        serial = self.boot(team=None)
        self.a.virsh('managedsave', self.domain, timeout=120)
        mark = serial.end()
        self.a.virsh('start', '--force-boot', self.domain)
        serial.wait('VT: ready', 90, mark)
        self.assertRegex(self.a.virsh('dominfo', self.domain).stdout, r'Managed save:\s+no')

    def test_undefine_removes_the_image(self):
        self.boot(team=None)
        self.a.virsh('managedsave', self.domain, timeout=120)
        self.a.virsh('undefine', '--managed-save', self.domain)
        self.assertEqual([f for _, _, names in os.walk(self.a.root) for f in names if f.endswith('.save')], [])

    def test_paused_plain_guest_is_saved(self):
        self.boot(team=None)
        self.a.virsh('suspend', self.domain)
        self.a.virsh('save', self.domain, self.file, timeout=120)
        self.a.virsh('restore', self.file, timeout=120)
        self.assertEqual(self.a.state(self.domain), 'paused')
        self.a.virsh('resume', self.domain)
        self.assert_alive()

    def test_what_is_no_image_is_refused(self):
        with open(self.file, 'wb') as f:
            f.write(b'VTSAVE.\n' + bytes(5000))
        failed = self.a.virsh('restore', self.file, check=False)
        self.assertIn('never completed', failed.stderr)
        with open(self.file, 'wb') as f:
            f.write(os.urandom(5000))
        failed = self.a.virsh('restore', self.file, check=False)
        self.assertIn('no save image', failed.stderr)
        self.assertEqual(self.a.qemu_pids(), [])


class Teams(SaveTest):
    """Their primary is unplugged first, and comes back."""

    def test_teamed_guest_is_saved_and_restored(self):
        self.save_and_restore('vmxnet3')

    def test_team_of_the_driver_is_saved_and_restored(self):
        self.save_and_restore('vmxnet3', policy=BY_DRIVER)

    def test_managed_image_of_a_teamed_guest(self):
        self.managed('vmxnet3')

    def test_managed_image_of_a_guest_with_a_team_of_the_driver(self):
        self.managed('vmxnet3', policy=BY_DRIVER)

    def test_team_of_the_driver_comes_back_when_the_guest_is_resumed(self):
        self.saved_paused(policy=BY_DRIVER)

    def test_saved_paused_and_restored_running(self):
        self.saved_paused()

    def saved_paused(self, **more):
        serial = self.boot(**more)
        self.a.virsh('save', '--paused', self.domain, self.file, timeout=120)
        mark = serial.end()
        self.a.virsh('restore', self.file, timeout=120)
        self.assertEqual(self.a.state(self.domain), 'paused')
        self.a.virsh('resume', self.domain)
        self.is_back(serial, mark, 'vmxnet3')

    def test_paused_team_is_refused_with_what_to_do(self):
        self.paused_team_is_refused()

    def test_paused_team_of_the_driver_is_refused_with_what_to_do(self):
        self.paused_team_is_refused(policy=BY_DRIVER)

    def paused_team_is_refused(self, **more):
        serial = self.boot(**more)
        self.a.virsh('suspend', self.domain)
        refused = self.a.virsh('save', self.domain, self.file, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn('ua-primary', refused.stderr)
        self.assertIn('resume', refused.stderr)
        self.assertIsNone(self.head())
        self.assertEqual(self.a.state(self.domain), 'paused')
        mark = serial.end()
        self.a.virsh('resume', self.domain)
        self.assert_alive()
        # Nothing was asked of the guest.
        self.assertNotIn('unregistered', serial.text(mark))

    def test_full_disk_leaves_a_team_of_the_driver_as_it_was(self):
        self.full_disk(policy=BY_DRIVER)

    def test_full_disk_leaves_the_guest_running(self):
        self.full_disk()

    def full_disk(self, **more):
        serial = self.boot(**more)
        small = os.path.join(self.lab.dir, 'small')
        os.makedirs(small, exist_ok=True)
        # The daemon has a mount namespace of its own (ip netns exec).
        inside = ['nsenter', '-t', str(self.a.daemon.pid), '-m']
        subprocess.run(inside + ['mount', '-t', 'tmpfs', '-o', 'size=4m', 'vt-small', small], check=True)
        try:
            mark = serial.end()
            path = os.path.join(small, 'guest.image')
            failed = self.a.virsh('save', self.domain, path, check=False, timeout=120)
            self.assertNotEqual(failed.returncode, 0)
            self.assertIn(path, failed.stderr)
            left = subprocess.run(inside + ['ls', small], stdout=subprocess.PIPE, text=True, check=True)
            self.assertEqual(left.stdout, '')
            self.is_back(serial, mark, 'vmxnet3')
        finally:
            subprocess.run(inside + ['umount', '-l', small], check=True)


class Deaf(SaveTest):
    """It is not unplugged. QEMU takes 30 s to give that up."""
    settings = {'team_unplug_timeout_ms': 6000, 'team_unplug_retries': 0}

    def test_guest_that_does_not_eject_runs_on(self):
        self.boot_deaf()
        failed = self.a.virsh('save', self.domain, self.file, check=False, timeout=60)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn('ua-primary', failed.stderr)
        self.assertIsNone(self.head())
        self.assertEqual(self.a.state(self.domain), 'running')
        self.assert_alive(40)

    def test_team_of_the_driver_that_does_not_eject_runs_on(self):
        self.boot_deaf(policy=BY_DRIVER)
        process = self.a.start_virsh('save', self.domain, self.file)
        wait_for(lambda: self.job_phase(self.a), 20, 'the job to begin')
        status, _, err = self.ends(process)
        self.assertNotEqual(status, 0)
        self.assertIn('ua-primary', err)
        self.assertIsNone(self.head())
        self.assertEqual(self.a.state(self.domain), 'running')
        self.assert_alive(40)
        # and a client may end the wait
        process = self.a.start_virsh('save', self.domain, self.file)
        wait_for(lambda: self.job_phase(self.a), 20, 'the job to begin')
        self.a.virsh('domjobabort', self.domain)
        self.assertNotEqual(self.ends(process)[0], 0)
        self.assertIsNone(self.head())
        self.assertEqual(self.a.state(self.domain), 'running')

    def test_daemon_killed_in_the_middle(self):
        self.boot_deaf()
        process = self.a.start_virsh('save', self.domain, self.file)
        self.wait_unplug_asked(self.a)
        self.assertNotEqual(self.head(), COMPLETE)
        self.a.restart_daemon()
        self.ends(process)
        wait_for(lambda: self.head() is None, 60, 'the file to be removed')
        self.assertEqual(self.a.state(self.domain), 'running')
        self.assertEqual(len(self.a.qemu_pids()), 1)
        self.assert_alive(40)

    def test_abort_while_the_unplug_is_waited_for(self):
        self.boot_deaf()
        process = self.a.start_virsh('save', self.domain, self.file)
        self.wait_unplug_asked(self.a)
        self.assertNotEqual(self.job_phase(self.a), {})
        self.a.virsh('domjobabort', self.domain)
        status, _, err = self.ends(process)
        self.assertNotEqual(status, 0)
        self.assertRegex(err, r'(?i)abort|cancel')
        self.assertIsNone(self.head())
        self.assertEqual(self.a.state(self.domain), 'running')
        self.assert_alive(40)


if __name__ == '__main__':
    harness.main()
