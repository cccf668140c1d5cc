#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interfaces of type='network': ports of a stock libvirtd beside each virtteamd, and what happens without it."""
import os
import re
import signal
import tempfile
import time
import unittest

import harness
import lab as vt
import stock
from faults import has_faults
from harness import guest_xml, wait_for

LAN = "<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/></network>"
OWN = "<network><name>own</name><bridge name='virbr7' stp='off'/></network>"
TAP = "<network><name>tap</name><forward mode='bridge'><interface dev='mgmt0'/></forward></network>"
POOL = "<network><name>pool</name><forward mode='hostdev' managed='yes'><pf dev='up0'/></forward></network>"


class NetworkDaemon(stock.StockHost):
    """A stock libvirtd in the namespace of one of the lab's hosts."""

    def __init__(self, host, root=None):
        super().__init__(host.lab, host.name, host.number)
        self.root = root or host.root + '-networks'
        self.socket = os.path.join(self.root, 'sock/libvirt-sock')
        self.uri = 'qemu+unix:///system?socket=' + self.socket
        self.network_uri = 'network+unix:///system?socket=' + self.socket
        os.makedirs(self.root)

    def make_network(self, xml):
        path = os.path.join(self.root, 'network.xml')
        with open(path, 'w') as f:
            f.write(xml)
        # A pool starts only where there are VFs.
        self.virsh('net-define' if xml is POOL else 'net-create', path)

    def ports(self, network):
        return self.virsh('net-port-list', network, check=network != 'pool').stdout.split()

    def pid(self):
        with open(os.path.join(self.root, 'libvirtd.pid')) as f:
            return int(f.read())

    def signal(self, number):
        os.kill(self.pid(), number)


def on_network(xml, network, role='persistent'):
    """The guest's XML with one leg on a virtual network."""
    source = "<source network='%s'/>" % network
    parts = re.split(r'(?s)(<interface type=.bridge.>.*?</interface>)', xml)
    for i, part in enumerate(parts):
        if part.startswith('<interface') and ("type='%s'" % role in part or '<teaming' not in part):
            parts[i] = part.replace("<interface type='bridge'>", "<interface type='network'>").replace(
                "<source bridge='br0'/>", source)
            if role == 'transient':
                parts[i] = re.sub(r"\s*<model type='\w+'/>", '', parts[i])
                parts[i] = re.sub(r"\s*<rom enabled='no'/>", '', parts[i])
            break
    return ''.join(parts)


class NetworkTest(harness.LabTest):
    """A network daemon beside each virtteamd, and the networks of the tests."""

    @classmethod
    def setUpClass(cls):
        if not stock.available():
            raise unittest.SkipTest('stock libvirtd is not installed')
        if has_faults():
            cls.fault_path = os.path.join(tempfile.gettempdir(), 'vt-fault-net-%d' % os.getpid())
            os.environ['VIRTTEAM_FAULT_FILE'] = cls.fault_path
            cls.ask('')
        super().setUpClass()
        cls.nets = []
        for host in cls.lab.hosts:
            net = NetworkDaemon(host)
            cls.nets.append(net)
            net.start_daemon()
            for xml in (LAN, OWN, TAP, POOL):
                net.make_network(xml)
            host.settings.update(network_uri=net.network_uri, network_timeout_ms=6000)
            host.restart_daemon()
        cls.net_a, cls.net_b = cls.nets

    @classmethod
    def tearDownClass(cls):
        for net in getattr(cls, 'nets', ()):
            net.kill_daemon()
        super().tearDownClass()
        if has_faults():
            os.unlink(cls.fault_path)

    @classmethod
    def ask(cls, fault):
        with open(cls.fault_path, 'w') as f:
            f.write(fault)

    def tearDown(self):
        super().tearDown()
        for net, host in zip(self.nets, self.lab.hosts):
            for network in ('lan', 'own', 'tap', 'pool'):
                wait_for(lambda n=net, w=network: not n.ports(w), 20,
                         lambda n=net, w=network: 'ports of %s to go: %s' % (w, n.ports(w)), 0.2)
            notes = os.path.join(host.root, 'var/lib/virtteam/qemu/network-ports')
            wait_for(lambda d=notes: not os.path.isdir(d) or not os.listdir(d), 20, 'the notes of ports to go')

    def interfaces(self, host, *options):
        return re.findall(r'(?s)<interface .*?</interface>', host.virsh('dumpxml', self.domain, *options).stdout)

    def start_fails(self, xml, pattern, timeout=60):
        self.a.define(xml)
        done = self.a.virsh('start', self.domain, check=False, timeout=timeout)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(self.a.state(self.domain), 'shut off')
        self.assertEqual(self.a.qemu_pids(), [])


class Bridges(NetworkTest):
    """Networks that are bridges."""

    def test_a_guest_on_the_hosts_bridge(self):
        self.a.define(on_network(guest_xml(self.lab, team=None), 'lan'))
        self.a.virsh('start', self.domain)
        live = self.interfaces(self.a)[0]
        port = re.search(r"<source network='lan' portid='([-0-9a-f]{36})' bridge='br0'/>", live)
        self.assertTrue(port, live)
        self.assertIn("<interface type='bridge'>", live)
        self.assertEqual(self.net_a.ports('lan'), [port.group(1)])
        self.assertIn("<source network='lan'/>", self.interfaces(self.a, '--inactive')[0])
        self.assertIn("<source network='lan'/>", self.interfaces(self.a, '--migratable')[0])
        self.serial().wait(r'VT: ready', 90)
        self.lab.wait_ping()
        # The link's state is changed by sending the live interface back.
        self.a.virsh('domif-setlink', self.domain, vt.MAC, 'down')
        self.assertIn("<link state='down'/>", self.interfaces(self.a)[0])
        self.a.restart_daemon()
        self.assertIn(port.group(0), self.interfaces(self.a)[0])
        self.a.virsh('domif-setlink', self.domain, vt.MAC, 'up')
        self.assertEqual(self.net_a.ports('lan'), [port.group(1)])
        self.a.virsh('destroy', self.domain)
        self.assertEqual(self.net_a.ports('lan'), [])
        self.assertIn("<interface type='network'>", self.interfaces(self.a)[0])

    def test_a_network_with_a_bridge_of_its_own(self):
        self.a.define(on_network(guest_xml(self.lab, team=None), 'own'))
        self.a.virsh('start', self.domain)
        live = self.interfaces(self.a)[0]
        self.assertIn("<interface type='network'>", live)
        self.assertRegex(live, r"<source network='own' portid='[-0-9a-f]{36}' bridge='virbr7'/>")
        self.assertRegex(self.a.ip('-o', 'link', 'show', 'master', 'virbr7'), r'vnet\d+')

    def test_a_network_of_macvtaps(self):
        self.a.define(on_network(guest_xml(self.lab, team=None), 'tap'))
        self.a.virsh('start', self.domain)
        live = self.interfaces(self.a)[0]
        self.assertIn("<interface type='direct'>", live)
        self.assertRegex(live, r"<source network='tap' portid='[-0-9a-f]{36}' dev='mgmt0' mode='bridge'/>")
        self.assertRegex(self.a.ip('-o', 'link', 'show', 'type', 'macvtap'), r'@mgmt0')
        self.a.restart_daemon()
        self.assertIn("<interface type='direct'>", self.interfaces(self.a)[0])

    def test_a_team_migrates_to_the_network_of_the_other_host(self):
        self.a.define(on_network(guest_xml(self.lab), 'lan'))
        self.a.virsh('start', self.domain)
        serial = self.serial()
        serial.wait(r'VT: ready', 90)
        serial.wait(r'VT: links.*primary:\w+:up', 60)
        before = self.net_a.ports('lan')
        self.migrate(self.a, self.b, '--persistent')
        wait_for(lambda: not self.net_a.ports('lan'), 20, 'the port of the source to go')
        after = self.net_b.ports('lan')
        self.assertEqual(len(after), 1)
        self.assertNotEqual(after, before)
        self.assertIn("<interface type='network'>", self.interfaces(self.b, '--inactive')[0])
        self.assertIn("portid='%s'" % after[0], self.interfaces(self.b)[0])
        self.assert_alive()
        self.b.virsh('undefine', self.domain)

    def test_an_interface_comes_and_goes(self):
        self.boot(team=None)
        path = os.path.join(self.lab.dir, 'attach.xml')
        with open(path, 'w') as f:
            f.write("<interface type='network'><mac address='52:54:00:77:00:42'/><source network='own'/>"
                    "<model type='virtio'/></interface>")
        self.a.virsh('attach-device', self.domain, path, '--live')
        self.assertEqual(len(self.net_a.ports('own')), 1)
        self.a.virsh('detach-device', self.domain, path, '--live')
        wait_for(lambda: not self.net_a.ports('own'), 30, 'the port to go with the interface')


class Trouble(NetworkTest):
    """Networks that are not there, daemons that hang or die."""

    def test_no_such_network(self):
        self.start_fails(on_network(guest_xml(self.lab, team=None), 'nowhere'),
                         r"Network not found: no network with matching name 'nowhere'")

    def test_a_pool_without_a_vf(self):
        xml = on_network(guest_xml(self.lab, policy="unplug-timeout='20'").replace(" emulated='yes'", ''), 'pool',
                         'transient')
        self.start_fails(xml, r"Requested operation is not valid: network 'pool' gives no port: ")

    def test_a_bridge_for_the_transient_is_refused(self):
        xml = on_network(guest_xml(self.lab, policy="unplug-timeout='20'").replace(" emulated='yes'", ''), 'lan',
                         'transient')
        self.start_fails(xml, r"'lan' lends no VFs")

    def test_a_daemon_that_hangs(self):
        xml = on_network(guest_xml(self.lab, team=None), 'lan')
        self.net_a.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            self.start_fails(xml, r'does not answer')
            self.assertLess(time.monotonic() - began, 150)
            # Nobody else has to wait: neither a client that asks, nor a guest that needs no network.
            self.assertLess(self.answer_time(), 60)
        finally:
            self.net_a.signal(signal.SIGCONT)
        self.a.virsh('start', self.domain)
        self.net_a.signal(signal.SIGSTOP)
        try:
            self.a.virsh('destroy', self.domain, timeout=60)
            self.assertIn('0d33906c5b4b4fdba6e302e109e6f4a2', self.a.daemon_log())
        finally:
            self.net_a.signal(signal.SIGCONT)
        self.a.restart_daemon()

    def answer_time(self):
        began = time.monotonic()
        self.a.virsh('list', '--all')
        return time.monotonic() - began

    def test_no_daemon_at_all(self):
        self.b.settings['network_uri'] = 'network+unix:///system?socket=/nowhere/libvirt-sock'
        self.b.restart_daemon()
        try:
            self.b.define(on_network(guest_xml(self.lab, team=None), 'lan'))
            done = self.b.virsh('start', self.domain, check=False)
            self.assertRegex(done.stderr, r'no libvirt network daemon can be reached .*network_uri')
            self.b.virsh('undefine', self.domain)
            self.boot(self.b, team=None, wait=False)
            self.assertEqual(self.b.state(self.domain), 'running')
        finally:
            self.remove_guests()
            self.b.settings['network_uri'] = self.net_b.network_uri
            self.b.restart_daemon()

    def test_a_guest_that_may_runs_on_standby(self):
        xml = guest_xml(self.lab, policy="standby-only='yes'").replace(" emulated='yes'", '')
        self.a.define(on_network(xml, 'pool', 'transient'))
        self.a.virsh('start', self.domain)
        self.assertIn('1eb89d350a4841a5bf9cf4ad2a54636a', self.a.daemon_log())
        self.assertNotIn('ua-primary', str(self.a.qmp(self.domain, 'qom-list', path='/machine/peripheral')))
        self.assertIn("<source network='pool'/>", self.interfaces(self.a)[1])
        said = vt.run(os.path.join(vt.BUILD, 'src/cli/virtteam'), 'team', '--root', self.a.root, self.domain).stdout
        self.assertIn('this host has had no VF for it', said)
        self.serial().wait(r'VT: ready', 90)
        self.lab.wait_ping()
        # It is still known after a restart, and the guest can migrate to a host that has none either.
        self.a.restart_daemon()
        self.assertIn("<source network='pool'/>", self.interfaces(self.a)[1])
        self.migrate(self.a, self.b)
        self.assertEqual(self.b.state(self.domain), 'running')
        self.assertIn('1eb89d350a4841a5bf9cf4ad2a54636a', self.b.daemon_log())
        self.assert_alive()

    @unittest.skipUnless(has_faults(), 'this build has no fault injection (-Dfault-injection=true)')
    def test_a_daemon_killed_at_any_step_leaves_no_port(self):
        self.a.define(on_network(guest_xml(self.lab, team=None), 'lan'))
        for step in ('take-ports', 'choose-vfs', 'build-argv', 'connect-qmp', 'cont'):
            for action in ('kill-before', 'kill-after'):
                with self.subTest(step=step, action=action):
                    self.ask('start/%s:%s' % (step, action))
                    self.a.virsh('start', self.domain, check=False)
                    self.ask('')
                    wait_for(lambda: self.a.daemon.poll() is not None, 10, 'the daemon to be killed')
                    self.a.start_daemon()
                    wait_for(lambda: self.a.state(self.domain) in ('shut off', 'running'), 30,
                             'the guest to be settled')
                    if self.a.state(self.domain) == 'running':
                        self.assertEqual(len(self.net_a.ports('lan')), 1)
                        self.a.virsh('destroy', self.domain)
                    wait_for(lambda: not self.net_a.ports('lan'), 20, 'the port to go', 0.2)

    @unittest.skipUnless(has_faults(), 'this build has no fault injection (-Dfault-injection=true)')
    def test_a_destination_killed_at_any_step_leaves_no_port(self):
        self.a.define(on_network(guest_xml(self.lab, team=None), 'lan'))
        self.a.virsh('start', self.domain)
        self.serial().wait(r'VT: ready', 90)
        port = self.net_a.ports('lan')
        for step in ('take-ports', 'spawn', 'tell'):
            with self.subTest(step=step):
                self.ask('start/%s:kill-after' % step)
                self.assertNotEqual(self.migrate(self.a, self.b, check=False).returncode, 0)
                self.ask('')
                wait_for(lambda: self.b.daemon.poll() is not None, 10, 'the daemon to be killed')
                self.b.start_daemon()
                wait_for(lambda: not self.net_b.ports('lan'), 20, 'the port to go', 0.2)
                wait_for(lambda: not self.b.qemu_pids(), 20, 'the QEMU to go')
                self.a.wait_state(self.domain, 'running')
                self.assertEqual(self.net_a.ports('lan'), port)
        self.migrate(self.a, self.b)
        self.assert_alive()


if __name__ == '__main__':
    harness.main()
