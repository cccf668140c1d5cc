#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Teams that the driver unplugs and replugs itself (orchestration='management')."""
import json
import os
import time

import harness
from harness import wait_for

MANAGED = "orchestration='management'"


class Managed(harness.LabTest):
    settings = {'team_unplug_retries': 1}

    def has_primary(self, host):
        """Whether QEMU has the device."""
        devices = host.qmp(self.domain, 'qom-list', path='/machine/peripheral')
        return 'ua-primary' in [d['name'] for d in devices]

    def team(self, host):
        program = os.path.join(harness.vt.BUILD, 'src', 'cli', 'virtteam')
        return json.loads(harness.vt.run(program, 'team', '--root', host.root, '--json', self.domain).stdout)[0]

    def comes_back(self, host):
        wait_for(lambda: self.has_primary(host), 20, 'QEMU of host %s to have the primary' % host.name)
        self.assertIn('ua-primary', host.virsh('dumpxml', self.domain).stdout)

    def test_there_and_back(self):
        serial = self.boot(policy=MANAGED)
        probe = self.lab.ping()
        try:
            for source, to in ((self.a, self.b), (self.b, self.a)):
                mark = serial.end()
                self.migrate(source, to, '--persistent')
                self.assertEqual(self.settled(), to)
                serial.wait(r'failover primary slave:\w+ unregistered', 30, mark)
                serial.wait(r'failover primary slave:\w+ registered', 30, mark)
                self.assert_primary(serial, mark)
                self.comes_back(to)
        finally:
            result = probe.stop()
        self.assertGreater(result['received'], result['sent'] // 3)
        self.assert_alive()

    def test_a_second_migration_right_after_the_first(self):
        serial = self.boot(policy=MANAGED)
        mark = serial.end()
        self.migrate(self.a, self.b, '--persistent')
        self.migrate(self.b, self.a, '--persistent')
        self.assertEqual(self.settled(), self.a)
        self.comes_back(self.a)
        self.assert_primary(serial, mark)
        self.assert_alive()

    def test_deaf_guest_runs_on_with_its_primary(self):
        self.boot_deaf(policy=MANAGED + " unplug-timeout='4'")
        started = time.monotonic()
        failed = self.migrate(self.a, self.b, check=False, timeout=60)
        self.assertNotEqual(failed.returncode, 0)
        self.assertGreater(time.monotonic() - started, 3.5)
        self.assertIn('ua-primary', failed.stderr)
        self.assertRegex(failed.stderr, r'(?i)eject|unplug|let go')
        self.assertEqual(self.settled(), self.a)
        self.assertTrue(self.has_primary(self.a))
        self.assert_alive()

    def test_cancel_while_the_unplug_is_waited_for(self):
        self.boot_deaf(policy=MANAGED + " unplug-timeout='600'")
        migration = self.start_migration(self.a, self.b)
        wait_for(lambda: self.job_phase(self.a), 20, 'the job to begin')
        wait_for(lambda: self.team(self.a)['state'] == 'leaving', 30, lambda: 'the guest to be asked: %s' % self.team(self.a))
        self.a.virsh('domjobabort', self.domain)
        status, _, err = self.ends(migration)
        self.assertNotEqual(status, 0)
        self.assertRegex(err, r'(?i)aborted|cancel')
        self.assertEqual(self.settled(), self.a)
        self.assert_alive()

    def test_cancel_while_memory_is_copied(self):
        serial = self.boot(policy=MANAGED)
        self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        self.assertFalse(self.has_primary(self.a))
        mark = serial.end()
        self.a.virsh('domjobabort', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.assertEqual(self.settled(), self.a)
        self.comes_back(self.a)
        serial.wait(r'failover primary slave:\w+ registered', 40, mark)
        self.assert_alive()

    def test_daemon_killed_while_memory_is_copied(self):
        serial = self.boot(policy=MANAGED)
        self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        mark = serial.end()
        self.a.kill_daemon()
        self.ends(migration)
        self.a.start_daemon()
        self.assertEqual(self.settled(), self.a)
        self.comes_back(self.a)
        serial.wait(r'failover primary slave:\w+ registered', 40, mark)
        self.assert_alive()


class Patient(harness.LabTest):
    """on-timeout='wait': the time limit is none, it is said that the guest is waited for, and a client may end it."""

    def waits(self, orchestration):
        self.boot_deaf(policy="orchestration='%s' unplug-timeout='1' on-timeout='wait'" % orchestration)
        mark = len(self.a.daemon_log())
        migration = self.start_migration(self.a, self.b)
        wait_for(lambda: "'ua-primary' (team 'ua-standby'): the guest was asked to eject it 10 s ago and is waited for" in
                 self.a.daemon_log()[mark:], 40, 'the daemon to say that it waits')
        self.assertIsNone(migration.poll())
        self.assertNotEqual(self.job_phase(self.a), {})
        self.assert_alive()
        return migration

    def test_for_a_team_of_qemu(self):
        migration = self.waits('qemu')
        self.a.virsh('destroy', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)

    def test_for_a_team_of_the_driver(self):
        migration = self.waits('management')
        self.a.virsh('domjobabort', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.assertEqual(self.settled(), self.a)
        self.assert_alive()


if __name__ == '__main__':
    harness.main()
