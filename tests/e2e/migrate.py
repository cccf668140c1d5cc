#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Live migration that goes well, with and without a team, in all the ways virsh can ask for it."""
import re
import time
import xml.etree.ElementTree as ElementTree

import harness
from harness import guest_xml, wait_for
from lab import run


class Teamed(harness.LabTest):
    """A team is unplugged, the guest migrates, the team is plugged together again."""

    def there_and_back(self, team):
        serial = self.boot(team=team)
        probe = self.lab.ping()
        try:
            for source, to in ((self.a, self.b), (self.b, self.a)):
                mark = serial.end()
                self.migrate(source, to, '--persistent')
                self.assertEqual(source.state(self.domain), 'shut off')
                self.assertEqual(to.state(self.domain), 'running')
                serial.wait(r'failover primary slave:\w+ unregistered', 30, mark)
                serial.wait(r'failover primary slave:\w+ registered', 30, mark)
                self.assert_primary(serial, mark)
                self.assertEqual(self.settled(), to)
                self.assert_alive()
        finally:
            result = probe.stop()
        # What is lost is measured in bench/; here only: the guest was there at the beginning, and at the end.
        self.assertGreater(result['received'], result['sent'] // 3)
        self.assert_alive()

    def test_vmxnet3_there_and_back(self):
        self.there_and_back('vmxnet3')

    def test_e1000e_there_and_back(self):
        self.there_and_back('e1000e')

    def test_the_guest_sees_master_standby_and_primary(self):
        serial = self.boot()
        roles = sorted(role for role, _, _ in serial.links().values())
        self.assertEqual(roles, ['master', 'primary', 'standby'])

    def test_monitor_events_of_the_switch(self):
        serial = self.boot()
        at_source = self.listen(self.a, 'qemu-monitor-event', '--event', 'UNPLUG_PRIMARY')
        at_destination = self.listen(self.b, 'qemu-monitor-event', '--event', 'FAILOVER_NEGOTIATED')
        mark = serial.end()
        self.migrate(self.a, self.b)
        self.assert_primary(serial, mark)
        at_source.wait('UNPLUG_PRIMARY')
        at_destination.wait('FAILOVER_NEGOTIATED')

    def test_lifecycle_and_job_events_on_both_hosts(self):
        self.boot()
        source, to = [self.listen(h, 'event', '--all') for h in self.lab.hosts]
        self.migrate(self.a, self.b, '--persistent')
        source.wait(r"event 'lifecycle' for domain '?%s'?: Stopped Migrated" % self.domain)
        source.wait(r"event 'job-completed' for domain")
        source.wait(r"event 'migration-iteration' for domain")
        to.wait(r"event 'lifecycle' for domain '?%s'?: Started Migrated" % self.domain)
        to.wait(r"event 'lifecycle' for domain '?%s'?: Resumed Migrated" % self.domain)

    def test_progress_is_real_and_the_unplug_is_seen(self):
        self.boot()
        self.a.virsh('migrate-setspeed', self.domain, '8')
        migration = self.start_migration(self.a, self.b)
        seen = []

        def finished():
            fields = self.job_phase(self.a)
            if fields:
                seen.append(fields)
            return migration.poll() is not None
        wait_for(finished, 90, 'the migration to end', 0.1)
        self.assertEqual(migration.returncode, 0, migration.communicate())
        processed = [f['Memory processed'] for f in seen if 'Memory processed' in f]
        self.assertGreater(len(set(processed)), 2, seen[:3] + seen[-3:])
        done = self.a.virsh('domjobinfo', '--completed', self.domain, check=False)
        if done.returncode == 0:
            self.assertRegex(done.stdout, r'Job type:\s+Completed')
            self.assertRegex(done.stdout, r'Total downtime|Memory processed')

    def test_paused_guest_cannot_eject_and_is_told_of(self):
        serial = self.boot(policy="unplug-timeout='3'")
        self.a.virsh('suspend', self.domain)
        failed = self.migrate(self.a, self.b, check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertEqual(self.a.state(self.domain), 'paused')
        self.a.virsh('resume', self.domain)
        self.assertEqual(self.settled(), self.a)
        self.assert_alive()
        self.assertNotIn('Oops', serial.text())

    def test_metadata_of_the_team_reads_and_sets(self):
        self.a.define(guest_xml(self.lab))
        text = self.a.virsh('metadata', self.domain, harness.vt.NAMESPACE).stdout
        self.assertIn("emulated='yes'", text.replace('"', "'"))
        new = "<teaming><team persistent='ua-standby' emulated='yes' unplug-timeout='7'/></teaming>"
        self.a.virsh('metadata', self.domain, harness.vt.NAMESPACE, '--key', 'virtteam', '--set', new, '--config')
        self.assertIn("unplug-timeout", self.a.virsh('dumpxml', '--inactive', self.domain).stdout)
        bad = "<teaming><team persistent='ua-standby' emulated='yes'/><team persistent='ua-nobody'/></teaming>"
        failed = self.a.virsh('metadata', self.domain, harness.vt.NAMESPACE, '--key', 'virtteam', '--set', bad, '--config',
                              check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn('ua-nobody', failed.stderr)

    def test_tcp_connection_of_the_guest_survives(self):
        serial = self.boot(options='vt.tcp=7000')
        probe = self.lab.probe('tcp', harness.vt.GUEST_IP, '--port', '7000', '--rate', '50', '--grace', '60000')
        wait_for(lambda: run('ip', 'netns', 'exec', self.lab.namespace, 'ss', '-Htn', 'state', 'established', 'dst',
                             harness.vt.GUEST_IP).stdout, 30, 'the connection to be there')
        mark = serial.end()
        self.migrate(self.a, self.b)
        self.assert_primary(serial, mark)
        self.assert_alive()
        result = probe.stop()
        self.assertGreater(result['received'], 0)
        self.assertEqual(result['lost'], 0, result)


class Single(harness.LabTest):
    """What every migration has, on a guest with one virtio NIC."""
    can_run_on_stock = True
    domain = 'single1'

    def test_plain_migration_leaves_the_definition_behind(self):
        self.boot_once()
        before = self.a.virsh('domid', self.domain).stdout
        self.migrate(self.a, self.b)
        self.assertTrue(before.strip().isdigit())
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'shut off \(migrated\)')
        self.assertRegex(self.b.virsh('domstate', '--reason', self.domain).stdout, r'running \(migrated\)')
        self.assertRegex(self.b.virsh('dominfo', self.domain).stdout, r'Persistent:\s+no')
        self.assertEqual(self.settled(), self.b)
        self.assert_alive()

    def test_persistent_and_undefinesource(self):
        self.boot_once()
        self.migrate(self.a, self.b, '--persistent', '--undefinesource')
        self.assertIsNone(self.a.state(self.domain))
        self.assertRegex(self.b.virsh('dominfo', self.domain).stdout, r'Persistent:\s+yes')
        self.assertEqual(self.settled(), self.b)

    def test_suspend_leaves_it_paused_at_the_destination(self):
        self.boot_once()
        self.migrate(self.a, self.b, '--suspend')
        self.assertRegex(self.b.virsh('domstate', self.domain).stdout, r'paused')
        self.b.virsh('resume', self.domain)
        self.assertEqual(self.settled(), self.b)
        self.assert_alive()

    def test_paused_guest_stays_paused(self):
        self.boot_once()
        self.a.virsh('suspend', self.domain)
        self.migrate(self.a, self.b)
        self.assertRegex(self.b.virsh('domstate', self.domain).stdout, r'paused')
        self.b.virsh('resume', self.domain)
        self.assert_alive()

    def test_verbose_shows_progress(self):
        self.boot_once()
        done = self.migrate(self.a, self.b, '--verbose')
        self.assertRegex(done.stdout + done.stderr, r'Migration: \[\s*\d+(\.\d+)? ?%\]')

    def test_timeout_suspends_and_gets_it_through(self):
        self.boot_once()
        self.a.virsh('migrate-setspeed', self.domain, '4')
        done = self.migrate(self.a, self.b, '--timeout', '2', '--timeout-suspend')
        self.assertEqual(done.returncode, 0)
        self.b.wait_state(self.domain, 'running')
        self.assertEqual(self.settled(), self.b)

    def test_migrateuri_with_an_own_port(self):
        self.boot_once()
        self.migrate(self.a, self.b, '--migrateuri', 'tcp://%s:49555' % self.b.address)
        self.assertEqual(self.settled(), self.b)

    def test_migration_over_a_unix_socket(self):
        self.boot_once()
        self.migrate(self.a, self.b, '--migrateuri', 'unix://%s/migrate.sock' % self.lab.dir)
        self.assertEqual(self.settled(), self.b)

    def test_new_name_at_the_destination(self):
        self.boot_once()
        self.a.virsh('migrate', '--live', self.domain, self.b.uri, '--dname', 'renamed', timeout=120)
        self.assertEqual(self.b.state('renamed'), 'running')
        self.assertIsNone(self.b.state(self.domain))

    def test_speed_and_downtime_are_kept_and_read(self):
        self.boot_once()
        self.a.virsh('migrate-setspeed', self.domain, '77')
        self.assertEqual(self.a.virsh('migrate-getspeed', self.domain).stdout.strip(), '77')
        self.a.virsh('migrate-setmaxdowntime', self.domain, '123')
        self.assertEqual(self.a.virsh('migrate-getmaxdowntime', self.domain).stdout.strip(), '123')
        # Stock tells QEMU at once, virtteamd with the next migration's other parameters.
        self.assertEqual(self.a.qmp(self.domain, 'query-migrate-parameters')['downtime-limit'],
                         self.differs(300, 123, 'an idle QEMU keeps its defaults'))

    def test_bandwidth_limits_it(self):
        self.boot_once()
        started = time.monotonic()
        self.migrate(self.a, self.b, '--bandwidth', '16')
        self.assertGreater(time.monotonic() - started, 1.5)
        self.assertEqual(self.settled(), self.b)

    def test_changed_during_migration_is_refused(self):
        self.boot_once()
        self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        second = self.migrate(self.a, self.b, check=False)
        self.assertNotEqual(second.returncode, 0)
        if not harness.STOCK:
            # Stock waits half a minute for the job, then refuses as well.
            changed = self.a.virsh('domif-setlink', self.domain, harness.vt.MAC, 'down', check=False)
            self.assertIn('migrat', changed.stderr)
        self.a.virsh('domjobabort', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.assertEqual(self.settled(), self.a)

    def test_destination_xml_is_checked_against_the_source(self):
        self.boot_once()
        xml = self.a.virsh('dumpxml', '--migratable', self.domain).stdout
        path = self.lab.dir + '/other.xml'
        with open(path, 'w') as f:
            f.write(re.sub(r"(<memory[^>]*>)\d+", r'\g<1>524288', xml))
        failed = self.a.virsh('migrate', '--live', '--xml', path, self.domain, self.b.uri, check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertEqual(self.settled(), self.a)

    def test_destination_sees_the_same_machine(self):
        self.boot_once()
        before = ElementTree.fromstring(self.a.virsh('dumpxml', '--migratable', self.domain).stdout)
        self.migrate(self.a, self.b)
        after = ElementTree.fromstring(self.b.virsh('dumpxml', '--migratable', self.domain).stdout)

        def addresses(root):
            return [(d.tag, tuple(sorted(d.find('address').attrib.items()))) for d in root.find('devices')
                    if d.find('address') is not None]
        self.assertEqual(addresses(before), addresses(after))
        self.assertEqual(before.find('os/type').attrib, after.find('os/type').attrib)


if __name__ == '__main__':
    harness.main()
