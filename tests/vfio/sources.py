# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a VF comes from, with real ones: a pool of a stock libvirtd, a policy, and a host that has none for a while."""
import os
import re
import sys
import time

import vfiolab
from vfiolab import VFS, run, vt, wait_for

sys.path.insert(0, os.path.join(vfiolab.HERE, '..', 'e2e'))
import networks  # noqa: E402

UPLINK = 'uplink0'  # the PF of either host: a policy that names it holds on both
LAN = "<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/></network>"
BARE, GIVEN = '1eb89d350a4841a5bf9cf4ad2a54636a', '14035fa832614b658ff497b44d5f5855'
POLICY = " pf='%s' pci-ids='8086:10ca' standby-only='yes'" % UPLINK


def pool_xml(vfs):
    """A pool of these VFs, by address: libvirt 9.0's <pf dev=''/> finds none of a PF in a namespace of its own."""
    addresses = ''
    for domain, bus, slot, function in (re.split('[:.]', vf) for vf in vfs):
        addresses += "<address type='pci' domain='0x%s' bus='0x%s' slot='0x%s' function='0x%s'/>" % (
            domain, bus, slot, function)
    return "<network><name>pool</name><forward mode='hostdev' managed='yes'>%s</forward></network>" % addresses


def source_xml(serial, bdf, source=None):
    """The guest with another <source> for its transient: a network, or none."""
    xml = vfiolab.guest_xml(serial, bdf)
    head, tail = xml.split("<interface type='hostdev' managed='yes'>")
    found = re.search(r'\s*<source><address .*?</source>', tail)
    if source:
        head = head.replace("<interface type='bridge'>", "<interface type='network'>").replace(
            "<source bridge='br0'/>", "<source network='lan'/>")
        tail = tail.replace(found.group(), "\n      <source network='%s'/>" % source)
        return head + "<interface type='network'>" + tail
    head = head.replace("orchestration='qemu'", "orchestration='qemu'" + POLICY)
    return head + "<interface type='hostdev' managed='yes'>" + tail.replace(found.group(), '')


def stories(base):
    """The tests, as one of inside.py's stories."""

    class Sources(base):
        """Neither the guest's driver nor the network is waited for here: the other stories do that."""

        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            for host in cls.lab.hosts:
                host.ip('link', 'set', host.pf, 'down')
                host.ip('link', 'set', host.pf, 'name', UPLINK)
                host.ip('link', 'set', UPLINK, 'up')
                host.real_pf, host.pf = host.pf, UPLINK
            cls.before = {h.name: h.footprint() for h in cls.lab.hosts}

        @classmethod
        def tearDownClass(cls):
            for host in cls.lab.hosts:
                host.ip('link', 'set', UPLINK, 'down')
                host.ip('link', 'set', UPLINK, 'name', host.real_pf)
                host.pf = host.real_pf
            super().tearDownClass()

        def restore_xml(self, host, xml):
            image = os.path.join(self.lab.dir, 'team1.image')
            vfiolab.rewrite_image(os.path.join(self.lab.share, 'team1.image'), image, xml)
            host.virsh('restore', image, timeout=300)
            os.unlink(image)

        def has_primary(self, host):
            return 'ua-primary' in str(host.qmp('team1', 'qom-list', path='/machine/peripheral'))

        def taken(self, host):
            """The one VF of the host that a guest has."""
            self.assertEqual(len(host.reservations()), 1)
            bdf = host.reservations()[0].replace('.json', '')
            self.assertIn(bdf, host.vfs)
            self.assertEqual(vfiolab.driver_of(bdf), 'vfio-pci')
            live = host.virsh('dumpxml', 'team1').stdout
            domain, bus, rest = bdf.split(':')
            self.assertIn("<address type='pci' domain='0x%s' bus='0x%s' slot='0x%s' function='0x%s'/>" % (
                domain, bus, *rest.split('.')), live)
            wait_for(lambda: self.has_primary(host), 180, 'QEMU to have the primary')
            return bdf

        def set_vfs(self, host, number):
            path = vfiolab.sysfs(host.pf_bdf, 'sriov_numvfs')
            with open(path, 'w') as f:
                f.write('0')
            if not number:
                return
            with open(path, 'w') as f:
                f.write(str(number))
            wait_for(lambda: all(vfiolab.driver_of(vf) == 'igbvf' for vf in host.vfs), 180, 'igbvf to take the VFs')
            host.ip('link', 'set', host.pf, 'vf', str(VFS - 1), 'mac', vfiolab.GIVEN_MACS[host.name])

        def test_1_lent_by_a_pool(self):
            daemon = networks.NetworkDaemon(self.a, '/mnt/networks')  # its /run is one of its own
            daemon.start_daemon()
            try:
                for xml in (pool_xml(self.a.vfs), LAN):
                    path = os.path.join(daemon.root, 'network.xml')
                    with open(path, 'w') as f:
                        f.write(xml)
                    daemon.virsh('net-create', path)
                self.a.settings['network_uri'] = daemon.network_uri
                self.a.restart_daemon()
                self.restore_xml(self.a, source_xml(self.serial.path, self.a.vfs[0], 'pool'))
                self.say('the pool lent ' + self.taken(self.a))
                self.assertEqual(len(daemon.ports('pool')), 1)
                self.assertEqual(len(daemon.ports('lan')), 1)
                self.assertIn("<source network='pool'/>", self.a.virsh('dumpxml', 'team1', '--migratable').stdout)
                self.a.virsh('destroy', 'team1')
                self.assertEqual(daemon.ports('pool') + daemon.ports('lan'), [])
            finally:
                daemon.kill_daemon()
            self.assert_clean(self.a)
            self.went_well()

        def test_2_none_is_free(self):
            self.set_vfs(self.a, 0)
            self.restore_xml(self.a, source_xml(self.serial.path, self.a.vfs[0]))
            self.assertIn(BARE, self.a.daemon_log())
            self.assertEqual(self.a.reservations(), [])
            self.assertFalse(self.has_primary(self.a))
            self.lab.wait_ping_from(self.a)
            self.went_well()

        def test_3_migrated_to_a_host_that_has_one(self):
            started = time.monotonic()
            self.a.virsh('migrate', '--live', 'team1', self.b.uri, timeout=300)
            self.say('virsh migrate took %.1f s' % (time.monotonic() - started))
            self.say('the policy chose ' + self.taken(self.b))
            self.b.virsh('destroy', 'team1')
            self.assert_clean(self.b)
            self.went_well()

        def test_4_given_when_there_is_one(self):
            self.restore_xml(self.a, source_xml(self.serial.path, self.a.vfs[0]))
            self.assertFalse(self.has_primary(self.a))
            self.set_vfs(self.a, VFS)
            run(os.path.join(vt.BUILD, 'src/cli/virtteam'), 'team', '--root', self.a.root, 'team1', 'primary',
                timeout=120)
            self.say('the command has brought ' + self.taken(self.a))
            self.assertIn(GIVEN, self.a.daemon_log())
            self.a.virsh('destroy', 'team1')
            self.assert_clean(self.a)

    return Sources
