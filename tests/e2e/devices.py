#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices that come to a running guest and leave it, by stock virsh."""
import os
import re
import signal
import tempfile
import xml.etree.ElementTree as ElementTree

import harness
from harness import guest_xml, wait_for

PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 8


class Devices(harness.LabTest):
    domain = 'plug1'

    def boot_with_ports(self, **more):
        return self.boot(extra=PORTS, **more)

    def call(self, command, xml, *options, check=True, timeout=60):
        """attach-device, detach-device or update-device with that XML."""
        with tempfile.NamedTemporaryFile('w', suffix='.xml', dir=self.lab.dir) as file:
            file.write(xml)
            file.flush()
            return self.a.virsh(command, self.domain, file.name, *options, check=check, timeout=timeout)

    def devices(self, kind, *options):
        """{alias or target: element} of the devices of a kind."""
        root = ElementTree.fromstring(self.a.virsh('dumpxml', self.domain, *options).stdout)
        found = {}
        for element in root.findall('devices/' + kind):
            alias, target = element.find('alias'), element.find('target')
            found[alias.get('name') if alias is not None else target.get('dev')] = element
        return found

    def leg(self, alias, *options):
        return ElementTree.tostring(self.devices('interface', *options)[alias], encoding='unicode')

    def taps(self):
        return set(re.findall(r'\b(vnet\d+)', self.a.ip('-o', 'link')))

    def test_transient_leaves_and_comes_back(self):
        self.leaves_and_comes_back("orchestration='qemu'")

    def test_transient_of_the_driver_leaves_and_comes_back(self):
        self.leaves_and_comes_back("orchestration='management'")

    def leaves_and_comes_back(self, policy):
        serial = self.boot_with_ports(policy=policy)
        primary = self.leg('ua-primary', '--inactive')
        before = self.taps()
        for _ in range(2):
            mark = serial.end()
            self.call('detach-device', primary, '--live', '--config')
            # Not the line of a moment before, which may come only now.
            serial.wait(r'VT: links(?![^\n]*:primary:)[^\n]*:standby:virtio_net:up\s*$', 120, mark)
            self.assertEqual(set(self.devices('interface')), {'ua-standby'})
            self.assertEqual(set(self.devices('interface', '--inactive')), {'ua-standby'})
            self.assertEqual(len(self.taps()), len(before) - 1)
            self.assert_alive()
            mark = serial.end()
            self.call('attach-device', primary, '--live', '--config')
            self.assert_primary(serial, mark)
            self.assert_alive()
            self.assertEqual(set(self.devices('interface')), {'ua-standby', 'ua-primary'})
            self.assertEqual(set(self.devices('interface', '--inactive')), {'ua-standby', 'ua-primary'})
            self.assertEqual(len(self.taps()), len(before))
        self.assert_alive()
        # What is defined now starts, and is a team.
        self.a.virsh('destroy', self.domain)
        mark = serial.end()
        self.a.virsh('start', self.domain)
        self.assert_primary(serial, mark)

    def test_persistent_leaves_only_after_its_transient(self):
        self.boot_with_ports()
        standby, primary = self.leg('ua-standby', '--inactive'), self.leg('ua-primary', '--inactive')
        refused = self.call('detach-device', standby, '--live', check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn('ua-standby', refused.stderr)
        self.assertEqual(set(self.devices('interface')), {'ua-standby', 'ua-primary'})
        self.call('detach-device', primary, '--live')
        self.call('detach-device', standby, '--live')
        self.assertEqual(self.devices('interface'), {})
        self.assertEqual(self.taps(), set())
        self.call('attach-device', standby, '--live')
        self.call('attach-device', primary, '--live')
        self.assertEqual(set(self.devices('interface')), {'ua-standby', 'ua-primary'})

    def test_transient_comes_only_after_its_persistent(self):
        serial = self.boot_with_ports()
        standby, primary = self.leg('ua-standby', '--inactive'), self.leg('ua-primary', '--inactive')
        for alias in ('ua-primary', 'ua-standby'):
            self.a.virsh('detach-device-alias', self.domain, alias, '--live', '--config')
            wait_for(lambda gone=alias: gone not in self.devices('interface'), 20, alias + ' to be gone')
        self.assertEqual(self.devices('interface', '--inactive'), {})
        refused = self.call('attach-device', primary, '--live', '--config', check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn('ua-standby', refused.stderr)
        self.assertEqual(self.devices('interface'), {})
        self.assertEqual(self.devices('interface', '--inactive'), {})
        mark = serial.end()
        self.call('attach-device', standby, '--live', '--config')
        self.assertEqual(set(self.devices('interface', '--inactive')), {'ua-standby'})
        self.assertEqual(set(self.devices('interface')), {'ua-standby'})
        serial.wait(r'VT: links[^\n]*virtio_net', 20, mark)

    def test_link_that_a_user_takes_down_stays_down(self):
        serial = self.boot_with_ports()
        tap = self.devices('interface')['ua-standby'].find('target').get('dev')
        mark = serial.end()
        self.a.virsh('domif-setlink', self.domain, tap, 'down')
        serial.wait(r'VT: links[^\n]*standby:virtio_net:down', 20, mark)
        self.assert_alive()
        for source, to in ((self.a, self.b), (self.b, self.a)):
            mark = serial.end()
            self.migrate(source, to)
            self.assertEqual(self.settled(), to)
            serial.wait(r'failover primary slave:\w+ registered', 40, mark)
            self.assert_primary(serial, mark)
            self.assertNotIn('standby:virtio_net:up', serial.text(mark))
            interface = ElementTree.fromstring(to.virsh('dumpxml', self.domain).stdout).find(
                "devices/interface/alias[@name='ua-standby']/..")
            self.assertEqual(interface.find('link').get('state'), 'down')
            tap = interface.find('target').get('dev')
            self.assertIn('down', to.virsh('domif-getlink', self.domain, tap).stdout)
            self.assert_alive()
        mark = serial.end()
        self.a.virsh('domif-setlink', self.domain, tap, 'up')
        serial.wait(r'VT: links[^\n]*standby:virtio_net:up', 20, mark)

    def test_one_mac_two_legs(self):
        self.boot_with_ports()
        mac = "<interface type='bridge'><mac address='%s'/><source bridge='br0'/>%%s</interface>" % harness.vt.MAC
        refused = self.call('detach-device', mac % '', '--live', check=False)
        self.assertIn('multiple devices matching MAC address', refused.stderr)
        refused = self.a.virsh('detach-interface', self.domain, 'bridge', '--mac', harness.vt.MAC, '--live', check=False)
        self.assertNotEqual(refused.returncode, 0)
        address = self.devices('interface')['ua-primary'].find('address')
        self.call('detach-device', mac % ElementTree.tostring(address, encoding='unicode'), '--live')
        self.assertEqual(set(self.devices('interface')), {'ua-standby'})

    def test_alias_alone_is_enough(self):
        serial = self.boot_with_ports()
        mark = serial.end()
        self.a.virsh('detach-device-alias', self.domain, 'ua-primary', '--live')
        serial.wait(r'VT: links[^\n]*:standby:virtio_net:up\s*$', 20, mark)
        wait_for(lambda: set(self.devices('interface')) == {'ua-standby'}, 10, 'the primary to be gone')
        refused = self.a.virsh('detach-device-alias', self.domain, 'ua-primary', '--live', check=False)
        self.assertIn('no device found with alias ua-primary', refused.stderr)

    def test_paused_guest_lets_go_when_it_runs(self):
        self.boot_with_ports()
        primary = self.leg('ua-primary', '--inactive')
        self.a.virsh('suspend', self.domain)
        self.call('detach-device', primary, '--live')
        self.assertEqual(set(self.devices('interface')), {'ua-standby', 'ua-primary'})
        self.a.virsh('resume', self.domain)
        wait_for(lambda: set(self.devices('interface')) == {'ua-standby'}, 20, 'the primary to be gone')
        wait_for(lambda: len(self.taps()) == 1, 10, 'its tap to be gone')
        self.call('attach-device', primary, '--live')
        self.assertEqual(set(self.devices('interface')), {'ua-standby', 'ua-primary'})

    def test_daemon_dies_while_a_device_leaves(self):
        self.daemon_dies_meanwhile("orchestration='qemu'")

    def test_daemon_dies_while_a_device_of_its_own_leaves(self):
        self.daemon_dies_meanwhile("orchestration='management'")

    def daemon_dies_meanwhile(self, policy):
        self.boot_with_ports(policy=policy)
        primary = self.leg('ua-primary', '--inactive')
        self.a.virsh('suspend', self.domain)
        self.call('detach-device', primary, '--live')
        self.a.restart_daemon(signal.SIGKILL)
        self.assertEqual(set(self.devices('interface')), {'ua-standby', 'ua-primary'})
        self.a.virsh('resume', self.domain)
        wait_for(lambda: set(self.devices('interface')) == {'ua-standby'}, 20, 'the primary to be gone')
        wait_for(lambda: len(self.taps()) == 1, 10, 'its tap to be gone')

    def test_nic_of_every_kind(self):
        self.boot_with_ports(team=None)
        self.call('attach-device', "<interface type='user'><model type='virtio'/></interface>", '--live')
        self.call('attach-device', "<interface type='ethernet'><model type='e1000e'/></interface>", '--live')
        self.call('attach-device', "<interface type='bridge'><source bridge='br0'/><model type='virtio'/>"
                  "<driver queues='3'/><link state='down'/><alias name='ua-many'/></interface>", '--live')
        nics = self.devices('interface')
        self.assertEqual(len(nics), 4)
        self.assertEqual(len({n.find('mac').get('address') for n in nics.values()}), 4)
        self.assertEqual(self.a.virsh('domif-getlink', self.domain,
                                      nics['ua-many'].find('mac').get('address')).stdout.split()[1], 'down')
        self.assertEqual(len(self.devices('interface', '--inactive')), 1)
        missing = self.call('attach-device', "<interface type='bridge'><source bridge='nobr'/><model type='virtio'/></interface>", '--live',
                            check=False)
        self.assertIn("'nobr'", missing.stderr)
        self.assertEqual(len(self.devices('interface')), 4)
        for alias, nic in nics.items():
            if alias != 'ua-standby':
                self.call('detach-device', ElementTree.tostring(nic, encoding='unicode'), '--live')
        self.assertEqual(set(self.devices('interface')), {'ua-standby'})
        self.assertEqual(len(self.taps()), 1)
        self.assert_alive()

    def test_disk_comes_and_goes(self):
        self.boot_with_ports(team=None)
        image = os.path.join(self.lab.dir, 'plug,1.qcow2')
        harness.vt.run('qemu-img', 'create', '-q', '-f', 'qcow2', image, '1M')
        xml = ("<disk type='file'><driver name='qemu' type='qcow2' cache='none'/><source file='%s'/>"
               "<target dev='vdb' bus='virtio'/><serial>S-1</serial></disk>" % image)
        nodes = self.a.qmp(self.domain, 'query-named-block-nodes')
        for _ in range(2):
            self.call('attach-device', xml, '--live', '--config')
            self.assertEqual(list(self.devices('disk')), ['virtio-disk0'])
            self.assertIn('vdb', self.a.virsh('domblklist', self.domain).stdout)
            again = self.call('attach-device', xml, '--live', check=False)
            self.assertIn("'vdb'", again.stderr)
            self.a.virsh('detach-disk', self.domain, 'vdb', '--live', '--config')
            self.assertEqual(self.devices('disk'), {})
            self.assertEqual(self.devices('disk', '--inactive'), {})
            self.assertEqual(self.a.qmp(self.domain, 'query-named-block-nodes'), nodes)
        bad = self.call('attach-device', xml.replace('qcow2\' cache', 'raw\' cache').replace(image, image + '.not'),
                        '--live', check=False)
        self.assertNotEqual(bad.returncode, 0)
        self.assertEqual(self.a.qmp(self.domain, 'query-named-block-nodes'), nodes)

    def test_config_alone(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None, extra=PORTS))
        nic = "<interface type='bridge'><mac address='52:54:00:77:01:01'/><source bridge='br0'/><model type='virtio'/></interface>"
        self.call('attach-device', nic, '--config')
        self.assertEqual(len(self.devices_by_mac()), 2)
        self.call('update-device', nic.replace('virtio', 'e1000e'), '--config')
        self.assertEqual(self.devices_by_mac()['52:54:00:77:01:01'].find('model').get('type'), 'e1000e')
        self.a.restart_daemon(signal.SIGKILL)
        self.assertEqual(self.devices_by_mac()['52:54:00:77:01:01'].find('model').get('type'), 'e1000e')
        self.call('detach-device', nic, '--config')
        self.assertEqual(len(self.devices_by_mac()), 1)
        gone = self.call('detach-device', nic, '--config', check=False)
        self.assertIn('52:54:00:77:01:01', gone.stderr)

    def devices_by_mac(self):
        root = ElementTree.fromstring(self.a.virsh('dumpxml', '--inactive', self.domain).stdout)
        return {i.find('mac').get('address'): i for i in root.findall('devices/interface')}

    def test_ports_run_out(self):
        self.boot(team=None)
        nic = "<interface type='user'><model type='virtio'/></interface>"
        for _ in range(12):
            done = self.call('attach-device', nic, '--live', check=False)
            if done.returncode:
                break
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r'(?i)port|slot')
        self.assert_alive()


if __name__ == '__main__':
    harness.main()
