#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that are not what net_failover expects: a bond of their own, no STANDBY, no driver for the primary."""
import re
import xml.etree.ElementTree as ElementTree

import harness
from harness import wait_for

# Bonds both NICs itself, and its virtio driver does not know STANDBY.
BONDS = {'options': 'vt.nostandby vt.bond'}


class OtherGuest(harness.LabTest):
    """What both classes need."""

    def boot_other(self, policy, options, primary=True):
        """Boot it; its serial line. With a primary: when that is up."""
        serial = self.boot(policy=policy, options=options, wait=False)
        serial.wait(r'VT: ready', 90)
        if primary:
            serial.wait(r'VT: links[^\n]*primary:\w+:up', 60)
        self.lab.wait_ping()
        return serial

    def orchestration(self, host):
        text = host.virsh('metadata', self.domain, 'urn:virtteam:domain:1').stdout
        return re.search(r'orchestration=[\'"](\w+)', text).group(1)

    def has_primary(self, host):
        devices = host.qmp(self.domain, 'qom-list', path='/machine/peripheral')
        return 'ua-primary' in [d['name'] for d in devices]

    def pair_of_primary(self, host):
        return host.qmp(self.domain, 'qom-get', path='/machine/peripheral/ua-primary', property='failover_pair_id')

    def wait_log(self, host, pattern, timeout=40):
        wait_for(lambda: re.search(pattern, host.daemon_log()), timeout,
                 lambda: '/%s/ in the log: %s' % (pattern, host.daemon_log()[-1500:]), 0.2)

    def there_and_back(self, serial, leaves=True):
        """Ping goes on while the guest goes to the other host and comes back."""
        for source, to in ((self.a, self.b), (self.b, self.a)):
            mark = serial.end()
            probe = self.lab.ping(rate=50)
            try:
                self.migrate(source, to)
                self.assertEqual(self.settled(), to)
                if leaves:
                    # On standby alone in between, then on its primary again.
                    serial.wait(r'VT: links(?![^\n]*primary)[^\n]*standby:virtio_net:up', 40, mark)
                    self.assert_primary(serial, mark)
                wait_for(lambda h=to: self.has_primary(h), 30, 'QEMU of host %s to have the primary' % to.name)
                self.assert_alive()
            finally:
                result = probe.stop()
            # A machine that is busy with other things loses some; a guest that is cut off loses seconds.
            self.assertGreater(result['received'], result['sent'] // 2)


class Guests(OtherGuest):
    """Guests that get along, each in its way."""

    def test_bond_under_management(self):
        serial = self.boot_other("orchestration='management'", **BONDS)
        self.assertRegex(serial.text(), r'bond0:master:bonding:up')
        self.there_and_back(serial)

    def test_bond_that_auto_has_to_find_out_about(self):
        serial = self.boot_other("orchestration='auto'", **BONDS)
        self.assertEqual(self.orchestration(self.a), 'management')
        self.assertEqual(self.pair_of_primary(self.a), '')
        self.there_and_back(serial)
        # It is a matter of this run alone.
        inactive = self.a.virsh('metadata', self.domain, 'urn:virtteam:domain:1', '--config').stdout
        self.assertIn('auto', inactive)

    def test_bond_under_qemu_is_told(self):
        self.boot_other("orchestration='qemu'", primary=False, **BONDS)
        self.wait_log(self.a, r'has not negotiated STANDBY, so QEMU keeps the primary')
        self.assertFalse(self.has_primary(self.a))
        self.migrate(self.a, self.b)
        self.assertEqual(self.settled(), self.b)
        self.wait_log(self.a, r'migrates on the standby of team .ua-standby. alone')
        self.assert_alive()
        self.wait_log(self.b, r'has not negotiated STANDBY, so QEMU keeps the primary')

    def test_auto_leaves_a_guest_that_negotiates_to_qemu(self):
        serial = self.boot_other("orchestration='auto'", '')
        self.assertEqual(self.orchestration(self.a), 'auto')
        self.assertEqual(self.pair_of_primary(self.a), 'ua-standby')
        self.there_and_back(serial)
        self.assertEqual(self.orchestration(self.a), 'auto')

    def test_no_driver_for_the_primary(self):
        for orchestration in ('qemu', 'management'):
            with self.subTest(orchestration):
                serial = self.boot_other("orchestration='%s'" % orchestration, 'vt.noprimary', primary=False)
                wait_for(lambda: self.has_primary(self.a), 20, 'QEMU to have the primary')
                self.there_and_back(serial, leaves=False)
                self.assertNotIn('primary', serial.text().replace('vt.noprimary', ''))
                self.remove_guests()


class Replug(OtherGuest):
    """A destination on which the primary cannot be plugged at first."""

    def cannot_be_plugged(self, orchestration):
        serial = self.boot(policy="orchestration='%s'" % orchestration)
        self.a.virsh('migrate-setspeed', self.domain, '4')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        root = ElementTree.fromstring(self.b.virsh('dumpxml', self.domain).stdout)
        tap = root.find("devices/interface/alias[@name='ua-primary']/../target").get('dev')
        self.b.qmp(self.domain, 'netdev_del', id='hostua-primary')
        # A link that has gone would be a reason of its own to keep the guest on standby.
        self.addCleanup(self.b.run, 'ip', 'link', 'del', 'other', check=False)
        self.b.ip('link', 'add', tap, 'type', 'veth', 'peer', 'name', 'other')
        self.b.ip('link', 'set', tap, 'master', 'br0', 'up')
        self.b.ip('link', 'set', 'other', 'up')
        mark = serial.end()
        self.a.virsh('migrate-setspeed', self.domain, '1000')
        status, _, err = self.ends(migration)
        self.assertEqual(status, 0, err)
        self.assertEqual(self.settled(), self.b)
        self.wait_log(self.b, r'a primary could not be plugged in, the guest is on standby')
        self.assert_alive()
        self.assertFalse(self.has_primary(self.b))
        self.assertIn('ua-primary', self.b.virsh('dumpxml', self.domain).stdout)
        # What was in the way is gone; nobody has to say so.
        self.b.qmp(self.domain, 'netdev_add', type='user', id='hostua-primary')
        serial.wait(r'failover primary slave:\w+ registered', 60, mark)
        wait_for(lambda: self.has_primary(self.b), 20, 'QEMU to have the primary')

    def test_that_qemu_was_to_plug(self):
        self.cannot_be_plugged('qemu')

    def test_that_the_driver_was_to_plug(self):
        self.cannot_be_plugged('management')


if __name__ == '__main__':
    harness.main()
