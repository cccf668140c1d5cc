#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrations that do not come to their end: afterwards exactly one guest runs, with its primary."""
import os
import time

import harness
from harness import guest_xml, wait_for


class Deaf(harness.LabTest):
    """The eject that never comes. QEMU takes 30 s for each migration that is cancelled then: a test that mostly waits."""
    settings = {'team_unplug_timeout_ms': 4000, 'team_unplug_retries': 0}

    def test_deaf_guest_runs_on_with_its_primary(self):
        serial = self.boot_deaf()
        started = time.monotonic()
        failed = self.migrate(self.a, self.b, check=False, timeout=60)
        self.assertNotEqual(failed.returncode, 0)
        self.assertGreater(time.monotonic() - started, 3.5)
        # The error names the team's leg and what did not happen, not a mere "migration failed".
        self.assertIn('ua-primary', failed.stderr)
        self.assertRegex(failed.stderr, r'(?i)eject|unplug|let go')
        self.assertEqual(self.settled(), self.a)
        self.assertIn('primary', [role for role, _, state in serial.links().values() if state == 'up'])
        self.assert_alive()
        self.assertEqual(self.a.qmp(self.domain, 'query-migrate')['status'], 'cancelled')

    def test_stopped_guest_runs_on_after_the_time_limit(self):
        serial = self.boot()
        # Stopped behind the daemon's back, as a guest that hangs is.
        self.a.qmp(self.domain, 'stop')
        failed = self.migrate(self.a, self.b, check=False, timeout=90)
        self.assertNotEqual(failed.returncode, 0)
        mark = serial.end()
        if self.a.qmp(self.domain, 'query-status')['status'] == 'paused':
            self.a.qmp(self.domain, 'cont')
        self.assertEqual(self.settled(), self.a)
        self.assert_alive(40)
        wait_for(lambda: 'primary' in [role for role, _, _ in serial.links().values()], 40,
                 'the primary to be back: %s' % serial.text(mark)[-800:])

    def test_a_second_migration_works_after_one_that_timed_out(self):
        serial = self.boot_deaf()
        for _ in range(2):
            failed = self.migrate(self.a, self.b, check=False)
            self.assertIn('ua-primary', failed.stderr)
        self.assertEqual(self.settled(), self.a)


class CancelTest(harness.LabTest):
    """domjobabort."""

    def cancelled(self, migration):
        status, _, err = self.ends(migration)
        self.assertNotEqual(status, 0)
        self.assertRegex(err, r'(?i)aborted|cancel')


class Cancel(CancelTest):
    """While memory is copied, and when there is nothing to cancel."""

    def test_while_memory_is_copied(self):
        serial = self.boot()
        self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        mark = serial.end()
        self.a.virsh('domjobabort', self.domain)
        self.cancelled(migration)
        self.assertEqual(self.settled(), self.a)
        serial.wait(r'failover primary slave:\w+ registered', 40, mark)
        self.assert_primary(serial, mark)
        self.assert_alive()
        # and nothing of it stays: the next one works
        self.a.virsh('migrate-setspeed', self.domain, '1000')
        mark = serial.end()
        self.migrate(self.a, self.b)
        self.assert_primary(serial, mark)
        self.assertEqual(self.settled(), self.b)

    def test_without_a_job_says_so(self):
        self.boot()
        failed = self.a.virsh('domjobabort', self.domain, check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertRegex(failed.stderr, r'(?i)no job|not (active|running)|nothing')

    def test_guest_destroyed_at_the_source_meanwhile(self):
        self.boot()
        self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        self.a.virsh('destroy', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)
        wait_for(lambda: not self.a.qemu_pids() and not self.b.qemu_pids(), 30, 'both QEMUs to end')
        self.assertEqual(self.a.state(self.domain), 'shut off')
        self.assertIsNone(self.b.state(self.domain))


class Eject(harness.LabTest):
    """Guests that have nothing to eject."""

    def test_guest_without_the_driver_migrates(self):
        # Nobody in the guest holds the primary, but its kernel ejects it: nothing to wait for.
        self.boot(options='vt.noprimary')
        self.migrate(self.a, self.b)
        self.assertEqual(self.settled(), self.b)
        self.assert_alive()

    def test_guest_that_never_negotiated_migrates_or_says_why(self):
        serial = self.boot(options='vt.novirtio', wait=False)
        serial.wait('VT: ready', 90)
        done = self.migrate(self.a, self.b, check=False)
        if done.returncode == 0:
            self.assertEqual(self.settled(), self.b)
        else:
            self.assertIn('STANDBY', done.stderr)
            self.assertEqual(self.settled(), self.a)


class DeafCancel(CancelTest):
    """While the guest is asked to eject its primary."""

    def test_while_the_unplug_is_waited_for(self):
        serial = self.boot_deaf()
        migration = self.start_migration(self.a, self.b)
        self.wait_unplug_asked(self.a)
        self.assertNotEqual(self.job_phase(self.a), {})
        self.a.virsh('domjobabort', self.domain)
        self.cancelled(migration)
        self.assertEqual(self.settled(), self.a)
        self.assert_alive()


class CrashTest(harness.LabTest):
    """kill -9 of what takes part, in a phase."""

    def into(self, phase):
        """A migration from a to b that stands in a phase: (virsh, serial, end of the log then)."""
        if phase == 'unplug':
            serial = self.boot_deaf(policy="unplug-timeout='10'")
        else:
            serial = self.boot()
            self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        (self.wait_unplug_asked if phase == 'unplug' else self.wait_transfer)(self.a)
        return migration, serial, serial.end()

    def stays_at_source(self, serial, phase, mark):
        self.assertEqual(self.settled(90), self.a)
        self.assert_alive()
        if phase == 'transfer':
            serial.wait(r'failover primary slave:\w+ registered', 60, mark)
            self.assert_primary(serial, mark)
        wait_for(lambda: self.b.state(self.domain) is None, 30, 'the destination to forget the guest')

    def client_killed(self, phase):
        migration, serial, mark = self.into(phase)
        migration.kill()
        migration.communicate()
        self.stays_at_source(serial, phase, mark)

    def source_daemon_killed(self, phase):
        migration, serial, mark = self.into(phase)
        self.a.kill_daemon()
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.a.start_daemon()
        self.stays_at_source(serial, phase, mark)

    def destination_daemon_killed(self, phase):
        migration, serial, mark = self.into(phase)
        self.b.kill_daemon()
        # QEMU goes on to its end, which a busy guest may not let come at 2 MiB a second.
        self.a.virsh('migrate-setspeed', self.domain, '1000')
        self.assertNotEqual(self.ends(migration, 100)[0], 0)
        self.b.start_daemon()
        self.stays_at_source(serial, phase, mark)

    def destination_qemu_killed(self, phase):
        migration, serial, mark = self.into(phase)
        for pid in self.b.qemu_pids():
            os.kill(pid, 9)
        status, _, err = self.ends(migration, 100)
        self.assertNotEqual(status, 0)
        self.assertNotEqual(err.strip(), '')
        self.stays_at_source(serial, phase, mark)


class DeafCrash(CrashTest):
    """While the guest is asked to eject its primary, which it does not."""

    def test_client_during_the_unplug(self):
        self.client_killed('unplug')

    def test_source_daemon_during_the_unplug(self):
        self.source_daemon_killed('unplug')

    def test_destination_daemon_during_the_unplug(self):
        self.destination_daemon_killed('unplug')

    def test_destination_qemu_during_the_unplug(self):
        self.destination_qemu_killed('unplug')


class Crash(CrashTest):
    """While memory is copied."""

    def test_client_during_the_transfer(self):
        self.client_killed('transfer')

    def test_source_daemon_during_the_transfer(self):
        self.source_daemon_killed('transfer')

    def test_destination_daemon_during_the_transfer(self):
        self.destination_daemon_killed('transfer')

    def test_destination_qemu_during_the_transfer(self):
        self.destination_qemu_killed('transfer')

    def test_source_qemu_during_the_transfer_leaves_nothing_behind(self):
        migration, _, _ = self.into('transfer')
        for pid in self.a.qemu_pids():
            os.kill(pid, 9)
        self.assertNotEqual(self.ends(migration)[0], 0)
        wait_for(lambda: not self.b.qemu_pids(), 30, 'the destination to give up')
        self.assertEqual(self.a.state(self.domain), 'shut off')
        self.assertIsNone(self.b.state(self.domain))

    def test_both_daemons_during_the_transfer(self):
        migration, serial, mark = self.into('transfer')
        self.a.kill_daemon()
        self.b.kill_daemon()
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.b.start_daemon()
        self.a.start_daemon()
        self.stays_at_source(serial, 'transfer', mark)


class Refused(harness.LabTest):
    """The destination looks before anything is touched at the source."""

    def refused(self, *words, **how):
        done = self.migrate(self.a, self.b, *how.get('options', ()), check=False)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)
        events = [m for m in ('unregistered',) if m in self.serial().text(self.mark)]
        self.assertEqual(events, [], 'the guest lost its primary for a migration that could not work')
        self.assertEqual(self.a.state(self.domain), 'running')
        wait_for(lambda: not self.b.qemu_pids(), 10, 'the QEMU of the destination to end')

    def boot_here(self, **more):
        serial = self.boot(**more)
        self.mark = serial.end()
        return serial

    def test_another_guest_of_that_name(self):
        self.boot_here()
        self.b.define(guest_xml(self.lab, uuid='5a1c0de0-0000-4000-8000-00000000ffff', mac='52:54:00:77:00:99'))
        self.refused(self.domain, '5a1c0de0-0000-4000-8000-00000000ffff')

    def test_that_guest_runs_there_already(self):
        self.boot_here()
        self.b.define(guest_xml(self.lab, ip='10.77.0.3'))
        self.b.virsh('start', self.domain)
        done = self.migrate(self.a, self.b, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(self.domain, done.stderr)
        self.assertEqual(self.a.state(self.domain), 'running')
        self.assertNotIn('unregistered', self.serial().text(self.mark).split('VT: ready')[0])

    def test_that_uuid_under_another_name(self):
        self.boot_here()
        self.b.define(guest_xml(self.lab, name='other'))
        self.refused('other')
        self.b.virsh('undefine', 'other')

    def test_no_such_bridge(self):
        self.boot_here()
        self.b.ip('link', 'set', 'br0', 'name', 'br9')
        try:
            self.refused('br0')
        finally:
            self.b.ip('link', 'set', 'br9', 'name', 'br0')

    def test_machine_type_unknown_to_it(self):
        self.boot_here()
        xml = self.a.virsh('dumpxml', '--migratable', self.domain).stdout.replace('pc-q35-7.2', 'pc-q35-99.9')
        path = self.lab.dir + '/other.xml'
        with open(path, 'w') as f:
            f.write(xml)
        self.refused('pc-q35-99.9', options=('--xml', path))

    def test_emulator_that_is_not_there(self):
        self.boot_here()
        xml = self.a.virsh('dumpxml', '--migratable', self.domain).stdout
        path = self.lab.dir + '/other.xml'
        with open(path, 'w') as f:
            f.write(xml.replace(harness.vt.EMULATOR, '/usr/bin/no-such-qemu'))
        self.refused('/usr/bin/no-such-qemu', options=('--xml', path))

    def test_kernel_that_is_not_there(self):
        copy = self.lab.dir + '/vmlinux'
        os.symlink(harness.vt.GUEST + '/vmlinux', copy)
        self.a.define(guest_xml(self.lab).replace(harness.vt.GUEST + '/vmlinux', copy))
        self.a.virsh('start', self.domain)
        serial = self.serial()
        serial.wait(r'VT: links.*primary:\w+:up', 60)
        self.mark = serial.end()
        os.unlink(copy)
        self.refused('vmlinux')

    def test_migration_to_itself(self):
        self.boot_here()
        failed = self.a.virsh('migrate', '--live', self.domain, self.a.uri, check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertEqual(self.settled(), self.a)

    def test_port_that_is_taken(self):
        self.boot_here()
        blocker = self.b.popen(['python3', '-c', 'import socket,time; s=socket.socket(); s.bind(("%s",49444)); '
                                's.listen(); time.sleep(3600)' % self.b.address])
        wait_for(lambda: ':49444' in self.b.run('ss', '-Hltn').stdout, 20, 'the port to be taken')
        try:
            self.refused('49444', options=('--migrateuri', 'tcp://%s:49444' % self.b.address))
        finally:
            blocker.kill()
            blocker.wait()

    def test_destination_that_cannot_be_reached(self):
        serial = self.boot_here()
        self.b.ip('link', 'set', 'mgmt0', 'down')
        try:
            failed = self.migrate(self.a, self.b, check=False, timeout=180)
            self.assertNotEqual(failed.returncode, 0)
        finally:
            self.b.ip('link', 'set', 'mgmt0', 'up')
        self.assertEqual(self.settled(), self.a)
        self.assert_primary(serial)

    def test_unknown_flags_are_named(self):
        self.boot_here()
        failed = self.migrate(self.a, self.b, '--rdma-pin-all', check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertEqual(self.settled(), self.a)


if __name__ == '__main__':
    harness.main()
