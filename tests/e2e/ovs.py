#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests on bridges of Open vSwitch: a team migrates there and back, ports come and go with their guests.

The switch runs in user space, one on each host: its kernel module is not needed.
"""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

import faults
import harness
from harness import guest_xml, wait_for

SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
PORT = "<virtualport type='openvswitch'><parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f'/></virtualport>"


class Switch:
    """One Open vSwitch with the bridge ovsbr0, which has the host's uplink."""

    def __init__(self, host):
        self.host = host
        self.dir = os.path.join(host.root, 'ovs')
        self.processes = []
        os.makedirs(self.dir, exist_ok=True)
        for name in ('OVS_RUNDIR', 'OVS_LOGDIR', 'OVS_DBDIR', 'OVS_SYSCONFDIR'):
            host.environment[name] = self.dir
        self.environment = dict(os.environ, **host.environment)

    def run(self, *argv, **more):
        return self.host.run(*argv, env=self.environment, **more).stdout

    def spawn(self, *argv):
        self.processes.append(self.host.popen(argv, env=self.environment, stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL))

    def start(self):
        self.run('ovsdb-tool', 'create', self.dir + '/conf.db', SCHEMA)
        self.spawn('ovsdb-server', self.dir + '/conf.db', '--remote=punix:%s/db.sock' % self.dir,
                   '--pidfile=%s/ovsdb-server.pid' % self.dir, '-vconsole:off', '-vsyslog:off')
        wait_for(lambda: os.path.exists(self.dir + '/db.sock'), 30, 'ovsdb-server')
        self.run('ovs-vsctl', '--no-wait', 'init')
        self.start_daemon()
        wait_for(lambda: os.path.exists(self.dir + '/ovs-vswitchd.pid'), 30, 'ovs-vswitchd')
        self.host.ip('link', 'set', 'up0', 'nomaster')
        self.run('ovs-vsctl', '--timeout=30', 'add-br', 'ovsbr0', '--', 'set', 'bridge', 'ovsbr0',
                 'datapath_type=netdev', '--', 'add-port', 'ovsbr0', 'up0')
        self.host.ip('link', 'set', 'ovsbr0', 'up')

    def start_daemon(self):
        self.spawn('ovs-vswitchd', 'unix:%s/db.sock' % self.dir, '--disable-system',
                   '--pidfile=%s/ovs-vswitchd.pid' % self.dir, '-vconsole:off', '-vsyslog:off')

    def kill_daemon(self):
        process = self.processes.pop()
        process.send_signal(signal.SIGKILL)
        process.wait(harness.patient(10))

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait(harness.patient(10))

    def ports(self):
        """Ports other than the uplink."""
        return set(self.run('ovs-vsctl', '--timeout=5', 'list-ports', 'ovsbr0').split()) - {'up0'}

    def pins(self):
        """Static entries: {(mac, vlan): port name}."""
        names = {}
        for line in self.run('ovs-ofctl', 'dump-ports-desc', 'ovsbr0').splitlines():
            found = re.match(r'\s*(\w+)\((\S+)\): addr', line)
            if found:
                names[found.group(1)] = found.group(2)
        table = self.run('ovs-appctl', 'fdb/show', 'ovsbr0')
        return {(m, v): names[p] for p, v, m in re.findall(r'^\s*(\d+)\s+(\d+)\s+(\S+)\s+static', table, re.M)}


@unittest.skipUnless(shutil.which('ovs-vswitchd', path='/usr/sbin:/sbin:' + os.environ.get('PATH', '')),
                     'there is no Open vSwitch (package openvswitch-switch)')
class OpenVSwitch(harness.LabTest):
    """Both hosts have ovsbr0 in place of br0."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.switches = {}
        for host in cls.lab.hosts:
            cls.switches[host] = Switch(host)
            cls.switches[host].start()
            host.environment['VIRTTEAM_FAULT_FILE'] = os.path.join(host.root, 'fault')
            host.restart_daemon()

    @classmethod
    def tearDownClass(cls):
        for switch in cls.switches.values():
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                switch.stop()
        super().tearDownClass()

    def tearDown(self):
        super().tearDown()
        for host, switch in self.switches.items():
            self.assertEqual(switch.ports(), set(), 'host ' + host.name)
            self.assertEqual(switch.pins(), {}, 'host ' + host.name)
            self.assertFalse([f for f in os.listdir(os.path.join(host.root, 'run/virtteam'))
                              if f.endswith(('.ports', '.datapath'))])

    def boot_on_ovs(self, change=lambda xml: xml, **more):
        self.a.define(change(guest_xml(self.lab, name=self.domain, bridge='ovsbr0', **more)))
        self.a.virsh('start', self.domain)
        serial = self.serial()
        serial.wait(r'VT: ready', 90)
        return serial

    def primary_of(self, host):
        """Name of the primary's tap."""
        rows = [line.split() for line in host.virsh('domiflist', self.domain).stdout.splitlines() if line.strip()]
        return next(row[0] for row in rows if 'vmxnet3' in row)

    def pinned_to_primary(self, host):
        return self.switches[host].pins().get((harness.vt.MAC, '0')) == self.primary_of(host)

    def test_a_team_migrates_there_and_back(self):
        serial = self.boot_on_ovs()
        self.assert_primary(serial)
        self.lab.wait_ping()
        wait_for(lambda: self.pinned_to_primary(self.a), 20, 'the primary to be fed')
        probe = self.lab.ping()
        try:
            for source, to in ((self.a, self.b), (self.b, self.a)):
                mark = serial.end()
                self.migrate(source, to, '--persistent')
                self.assert_primary(serial, mark)
                self.assertEqual(self.settled(), to)
                wait_for(lambda h=to: self.pinned_to_primary(h), 20, 'the primary to be fed')
                wait_for(lambda s=source: not self.switches[s].ports(), 20, 'the ports of the source to go')
        finally:
            result = probe.stop()
        print('# %s' % {k: v for k, v in result.items() if not isinstance(v, list)})
        self.assertGreater(result['received'], result['sent'] // 2)
        self.assert_alive()

    def test_a_switch_that_is_started_anew_is_told_again(self):
        serial = self.boot_on_ovs()
        self.assert_primary(serial)
        wait_for(lambda: 'feed primary\n' in self.said_of_team() and self.pinned_to_primary(self.a), 60,
                 'the primary alone to be fed')
        for word in ('back end ovs', 'ports of Open vSwitch'):
            self.assertIn(word, self.said_of_team())
        switch = self.switches[self.a]
        switch.kill_daemon()
        switch.start_daemon()

        def fed():
            with contextlib.suppress(harness.vt.LabError, KeyError):  # it is not up yet
                return self.pinned_to_primary(self.a)
            return False
        wait_for(fed, 120, 'the primary to be fed again')
        self.assertIn('was lost when Open vSwitch was started anew', self.a.daemon_log())
        self.lab.wait_ping()

    def test_a_team_that_the_driver_unplugs_migrates(self):
        serial = self.boot_on_ovs(policy="orchestration='management'")
        self.assert_primary(serial)
        wait_for(lambda: self.pinned_to_primary(self.a), 20, 'the primary to be fed')
        mark = serial.end()
        self.migrate(self.a, self.b)
        self.assert_primary(serial, mark)
        self.assertEqual(self.settled(), self.b)
        wait_for(lambda: self.pinned_to_primary(self.b), 20, 'the primary to be fed')
        self.assert_alive()

    def said_of_team(self):
        cli = os.path.join(os.path.dirname(os.path.dirname(self.lab.daemon_path)), 'cli/virtteam')
        return harness.vt.run(cli, 'team', '--socket', self.a.socket, self.domain).stdout

    def test_a_controlled_bridge_is_refused_and_the_guest_runs_on(self):
        switch = self.switches[self.a]
        switch.run('ovs-vsctl', 'set-controller', 'ovsbr0', 'tcp:127.0.0.1:1')
        try:
            serial = self.boot_on_ovs()
            self.assert_primary(serial)
            wait_for(lambda: 'belongs to a controller' in self.a.daemon_log(), 20, 'the refusal')
            self.assertEqual(switch.pins(), {})
        finally:
            switch.run('ovs-vsctl', 'del-controller', 'ovsbr0')

    def test_vlan_and_ids_of_the_xml_are_on_the_port(self):
        def change(xml):
            return xml.replace("<source bridge='ovsbr0'/>", "<source bridge='ovsbr0'/><vlan><tag id='5'/></vlan>" + PORT, 1)
        self.boot_on_ovs(change, team=None)
        switch = self.switches[self.a]
        (port,) = switch.ports()
        self.assertEqual(switch.run('ovs-vsctl', 'get', 'Port', port, 'tag').strip(), '5')
        ids = switch.run('ovs-vsctl', 'get', 'Interface', port, 'external_ids')
        for word in ('attached-mac="%s"' % harness.vt.MAC, 'iface-id="09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"',
                     'iface-status=active', 'vm-id="5a1c0de0-0000-4000-8000-000000000001"'):
            self.assertIn(word, ids)
        self.assertIn("<virtualport type='openvswitch'>", self.a.virsh('dumpxml', self.domain).stdout)

    def test_found_bridge_is_no_part_of_the_definition(self):
        self.boot_on_ovs(team=None)
        for options in ((), ('--inactive',), ('--migratable',)):
            self.assertNotIn('virtualport', self.a.virsh('dumpxml', *options, self.domain).stdout)
        self.lab.wait_ping()

    def test_a_bridge_that_is_not_there_is_refused_with_nothing_left(self):
        self.a.ip('link', 'add', 'plain', 'type', 'veth', 'peer', 'name', 'plain2')
        try:
            self.a.define(guest_xml(self.lab, name=self.domain, bridge='plain', team=None))
            failed = self.a.virsh('start', self.domain, check=False)
            self.assertIn("no bridge named plain", failed.stderr)
        finally:
            self.a.ip('link', 'del', 'plain')
        self.assertFalse(self.a.qemu_pids())

    def test_hotplug_and_detach(self):
        self.boot_on_ovs(team=None)
        path = os.path.join(self.lab.dir, 'nic.xml')
        with open(path, 'w') as f:
            f.write("<interface type='bridge'><mac address='52:54:00:77:00:09'/><source bridge='ovsbr0'/>"
                    "<model type='virtio'/></interface>")
        self.a.virsh('attach-device', self.domain, path)
        self.assertEqual(len(self.switches[self.a].ports()), 2)
        self.a.virsh('detach-device', self.domain, path)
        wait_for(lambda: len(self.switches[self.a].ports()) == 1, 30, 'the port to go')

    def test_ports_go_with_a_guest_that_dies_while_no_daemon_runs(self):
        serial = self.boot_on_ovs()
        self.assert_primary(serial)
        self.a.kill_daemon()
        for pid in self.a.qemu_pids():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.a.qemu_pids(), 20, 'QEMU to end')
        self.assertEqual(len(self.switches[self.a].ports()), 2)
        self.a.start_daemon()
        wait_for(lambda: not self.switches[self.a].ports(), 30, 'the ports to go')
        wait_for(lambda: not self.switches[self.a].pins(), 30, 'the static entries to go')

    def test_every_step_of_a_start_may_be_the_last(self):
        if not faults.has_faults():
            self.skipTest('this build has no fault injection (-Dfault-injection=true)')
        self.a.define(guest_xml(self.lab, name=self.domain, bridge='ovsbr0'))
        switch = self.switches[self.a]
        steps = ('make-taps', 'add-ports', 'spawn', 'open-datapath', 'write-status')
        self.assertEqual(faults.strike_steps(self, self.a, steps, lambda: switch.ports() or switch.pins()), 2 * len(steps))


if __name__ == '__main__':
    if not os.path.exists(SCHEMA):
        print('1..0 # SKIP there is no Open vSwitch (package openvswitch-switch)')
        sys.exit(0)
    harness.main()
