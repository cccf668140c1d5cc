#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens to a team in the middle of a migration: reboots, drivers that go, the next migration, a resumed source.

Afterwards exactly one guest runs, and its team is whole again by itself, or it was said why not.
"""
import signal
import xml.etree.ElementTree as ElementTree

import faults
import harness
from harness import wait_for

MANAGED = "orchestration='management'"


class Orders(harness.LabTest):
    def type(self, host, line, effect):
        """Give the guest's shell a line, and wait for what it tells then."""
        serial = self.serial()
        mark = serial.end()
        root = ElementTree.fromstring(host.virsh('dumpxml', self.domain).stdout)
        with open(root.find('devices/serial/source').get('path'), 'wb', buffering=0) as pty:
            pty.write(line.encode() + b'\n')
            serial.wait(effect, 60, mark)  # QEMU looks once a second whether somebody has opened it

    def reset(self, host):
        """As the guest's own reboot: no client may reset it while it migrates."""
        refused = host.virsh('reset', self.domain, check=False)
        self.assertIn('migrat', refused.stderr)
        host.qmp(self.domain, 'system_reset')

    def whole(self, host, serial, since, timeout=90):
        """The guest runs on a host, alone, answers, and has its primary."""
        self.assertEqual(self.settled(timeout), host)
        wait_for(lambda: [r for r, _, s in serial.links(since).values() if r == 'primary' and s == 'up'], timeout,
                 lambda: 'the primary: %s' % serial.text(since)[-1500:])
        self.assert_alive(40)

    def slow(self, host, mib='2'):
        host.virsh('migrate-setspeed', self.domain, mib)

    # --- a guest that reboots
    def test_reset_while_the_unplug_is_waited_for(self):
        serial = self.boot_deaf(policy="unplug-timeout='60'")
        migration = self.start_migration(self.a, self.b)
        self.wait_unplug_asked(self.a)
        mark = serial.end()
        self.reset(self.a)
        status, _, err = self.ends(migration, 100)
        serial.wait(r'VT: ready', 90, mark)
        if status:
            self.assertRegex(err, r'ua-primary')
        self.whole(self.b if status == 0 else self.a, serial, mark)

    def reset_in_the_copy(self):
        """A migration that copies memory slowly, of a guest that has just booted again; (it, the serial line, where the boot began)"""
        serial = self.boot()
        self.slow(self.a)
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        mark = serial.end()
        self.reset(self.a)
        serial.wait(r'VT: ready', 90, mark)
        return migration, serial, mark

    def test_reset_while_memory_is_copied(self):
        migration, serial, mark = self.reset_in_the_copy()
        self.slow(self.a, '1000')
        status, _, err = self.ends(migration, 100)
        self.assertEqual(status, 0, err)
        self.whole(self.b, serial, mark)

    def test_reset_while_memory_is_copied_then_cancelled(self):
        migration, serial, mark = self.reset_in_the_copy()
        self.a.virsh('domjobabort', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.whole(self.a, serial, mark)

    def test_reset_after_it_has_arrived(self):
        # QEMU has to survive what its devices have been through.
        for orchestration in ('qemu', 'management'):
            with self.subTest(orchestration):
                serial = self.boot(policy="orchestration='%s'" % orchestration)
                mark = serial.end()
                self.migrate(self.a, self.b, '--persistent')
                self.assert_primary(serial, mark)
                mark = serial.end()
                self.b.virsh('reset', self.domain)
                serial.wait(r'VT: ready', 90, mark)
                self.whole(self.b, serial, mark)
                self.remove_guests()

    # --- a guest without its driver
    def test_the_primarys_driver_is_unloaded_and_comes_back_elsewhere(self):
        serial = self.boot()
        mark = serial.end()
        self.type(self.a, 'rmmod vmxnet3', r'failover primary slave:\w+ unregistered')
        serial.wait(r'failover primary slave:\w+ unregistered', 30, mark)
        self.assert_alive(30)
        self.migrate(self.a, self.b)
        self.assertEqual(self.settled(), self.b)
        self.assert_alive(30)
        mark = serial.end()
        self.type(self.b, 'insmod /modules/vmxnet3.ko', r'failover primary slave:\w+ registered')
        self.whole(self.b, serial, mark)

    # --- one after the other
    def test_next_migration_while_the_primary_arrives(self):
        serial = self.boot()
        mark = serial.end()
        self.migrate(self.a, self.b, '--persistent')
        self.migrate(self.b, self.a, '--persistent')
        self.migrate(self.a, self.b, '--persistent')
        self.whole(self.b, serial, mark)

    # --- a source that goes on after all
    def test_source_resumed_after_its_client_vanished(self):
        serial = self.boot()
        self.slow(self.a, '8')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        self.b.daemon.send_signal(signal.SIGSTOP)
        try:
            wait_for(lambda: self.a.qmp(self.domain, 'query-migrate').get('status') == 'completed', 60,
                     'everything to be sent')
            wait_for(lambda: 'perform -> perform-done' in self.a.daemon_log(), 30, 'the client to have its answer')
            migration.kill()
            migration.communicate()
            wait_for(lambda: 'It stays paused here' in self.a.daemon_log(), 20, 'the daemon to say what to look at')
        finally:
            self.b.daemon.send_signal(signal.SIGCONT)
        wait_for(lambda: not self.b.qemu_pids(), 30, 'the destination to give up')
        mark = serial.end()
        self.a.virsh('resume', self.domain)
        self.whole(self.a, serial, mark)


class Struck(faults.FaultTest):
    """The same with failures on request."""
    whole = Orders.whole
    slow = Orders.slow

    def test_suspended_guest_whose_destination_fails(self):
        serial = self.boot()
        self.slow(self.a)
        self.ask('migrate-await', 'await', 'fail')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        self.a.virsh('suspend', self.domain)  # as --timeout-suspend does: it was to help the migration
        self.slow(self.a, '1000')
        mark = serial.end()
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.whole(self.a, serial, mark)

    def test_guest_that_cannot_be_resumed_gets_its_primary_when_it_is(self):
        serial = self.boot()
        with open(self.fault_path, 'w') as f:
            f.write('migrate-await/await:fail,migrate-return/resume:fail')
        self.assertNotEqual(self.migrate(self.a, self.b, check=False).returncode, 0)
        self.clear()
        self.assertEqual(self.a.state(self.domain), 'paused')
        self.a.restart_daemon()
        self.a.wait_state(self.domain, 'paused')
        mark = serial.end()
        self.a.virsh('resume', self.domain)
        self.whole(self.a, serial, mark)

    def test_replug_that_fails_at_the_destination_is_tried_again(self):
        serial = self.boot(policy=MANAGED)
        self.ask('team-replug', 'plug', 'fail')
        mark = serial.end()
        self.migrate(self.a, self.b)
        self.assertEqual(self.settled(), self.b)
        wait_for(lambda: 'tried again' in self.b.daemon_log(), 30, 'the failure to be reported')
        self.assert_alive(30)
        serial.wait(r'VT: links(?![^\n]*:primary:)', 120, mark)
        self.clear()
        self.whole(self.b, serial, mark)


if __name__ == '__main__':
    harness.main()
