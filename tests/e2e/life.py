#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of one guest, by every virsh command that a first day with it needs."""
import os
import pty
import re
import select
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import harness
from harness import guest_xml, wait_for

UUID = '5a1c0de0-0000-4000-8000-000000000001'


class Console:
    """virsh console on a terminal of its own, as it demands."""

    def __init__(self, host, domain):
        master, slave = pty.openpty()
        self.process = subprocess.Popen(['virsh', '-c', host.uri, 'console', '--force', domain], stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True, close_fds=True,
                                        preexec_fn=lambda: __import__('fcntl').ioctl(0, 0x540E, 0))
        os.close(slave)
        self.fd = master
        self.text = ''

    def read_until(self, pattern, timeout=harness.PATIENCE_S):
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError('the console did not say /%s/ but: %r' % (pattern, self.text))
            try:
                self.text += os.read(self.fd, 65536).decode(errors='replace')
            except OSError:
                raise AssertionError('the console ended: %r' % self.text) from None

    def prompt(self):
        """Wait for the guest's shell. What is typed before virsh has its terminal ready is thrown away, so type again."""
        self.read_until('Escape character')
        for _ in range(60):
            self.write('\r')
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    return self.read_until('guest#', 2)
                except AssertionError:
                    continue
        raise AssertionError('no prompt: %r' % self.text)

    def write(self, text):
        os.write(self.fd, text.encode())

    def leave(self):
        self.write('\x1d')
        try:
            return self.process.wait(harness.patient(10))
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self.fd)


class Life(harness.LabTest):
    can_run_on_stock = True
    domain = 'single1'

    def boot_single(self, **more):
        return self.boot(team=None, uuid=UUID, **more)

    def test_define_keeps_what_it_was_given(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None, uuid=UUID))
        self.assertEqual(self.a.virsh('domuuid', self.domain).stdout.strip(), UUID)
        self.assertEqual(self.a.virsh('domname', UUID).stdout.strip(), self.domain)
        self.assertEqual(self.a.virsh('domstate', self.domain).stdout.strip(), 'shut off')
        self.assertEqual(self.a.virsh('domid', self.domain).stdout.strip(), '-')
        root = ElementTree.fromstring(self.a.virsh('dumpxml', self.domain).stdout)
        self.assertEqual(root.get('type'), 'qemu')
        self.assertIsNone(root.get('id'))
        self.assertEqual(root.findtext('memory'), str(256 * 1024))
        self.assertEqual(root.find('os/type').get('machine')[:7], 'pc-q35-')
        self.assertEqual(root.find('devices/interface/alias').get('name'), 'ua-standby')

    def test_define_twice_gives_the_same_addresses(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None, uuid=UUID))
        first = self.a.virsh('dumpxml', self.domain).stdout
        self.a.define(first)
        self.assertEqual(self.a.virsh('dumpxml', self.domain).stdout, first)

    def test_undefine_forgets(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None))
        self.a.virsh('undefine', self.domain)
        failed = self.a.virsh('dominfo', self.domain, check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("failed to get domain '%s'" % self.domain, failed.stderr)

    def test_name_and_uuid_clashes_are_refused(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None, uuid=UUID))
        other = guest_xml(self.lab, name=self.domain, team=None, uuid=UUID.replace('1c0de0', '1c0de1'))
        failed = self.a.define(other, check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn(UUID, failed.stderr)
        failed = self.a.define(guest_xml(self.lab, name='other', team=None, uuid=UUID), check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn(self.domain, failed.stderr)

    def test_start_suspend_resume_destroy(self):
        self.boot_single()
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'running \(booted\)')
        self.assertRegex(self.a.virsh('list').stdout, r'(?m)^\s*\d+\s+%s\s+running' % self.domain)
        info = self.a.virsh('dominfo', self.domain).stdout
        self.assertRegex(info, r'State:\s+running')
        self.assertRegex(info, r'Max memory:\s+262144 KiB')
        self.assertRegex(info, r'CPU\(s\):\s+1')
        self.assertRegex(self.a.virsh('domid', self.domain).stdout, r'^\d+')
        again = self.a.virsh('start', self.domain, check=False)
        self.assertIn('already active', again.stderr)
        self.a.virsh('suspend', self.domain)
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'paused \(user\)')
        self.a.virsh('resume', self.domain)
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'running \(unpaused\)')
        self.assert_alive()
        self.a.virsh('destroy', self.domain)
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'shut off \(destroyed\)')
        self.assertEqual(self.a.qemu_pids(), [])
        self.assertNotEqual(self.a.virsh('destroy', self.domain, check=False).returncode, 0)

    def test_start_paused(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None))
        self.a.virsh('start', '--paused', self.domain)
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'paused')
        self.assertEqual(self.serial().text().find('VT:'), -1)
        self.a.virsh('resume', self.domain)
        self.serial().wait('VT: ready', 60)

    def test_shutdown_by_the_power_button(self):
        serial = self.boot_single()
        self.a.virsh('shutdown', self.domain)
        serial.wait('VT: power button', 20)
        self.a.wait_state(self.domain, 'shut off')
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'shut off \(shutdown\)')

    def test_shutdown_that_the_guest_ignores_leaves_it_running(self):
        serial = self.boot_single(options='vt.shutdown=ignore')
        self.a.virsh('shutdown', self.domain)
        serial.wait('VT: power button', 20)
        time.sleep(1)
        self.assertEqual(self.a.state(self.domain), 'running')

    def test_reboot(self):
        serial = self.boot_single()
        mark = serial.end()
        identifier = self.a.virsh('domid', self.domain).stdout
        self.a.virsh('reboot', self.domain)
        serial.wait('VT: ready', 60, mark)
        self.assertEqual(self.a.state(self.domain), 'running')
        self.assertEqual(self.a.virsh('domid', self.domain).stdout, identifier)
        self.assert_alive()

    def test_dumpxml_live_inactive_and_migratable(self):
        self.boot_single()
        live = ElementTree.fromstring(self.a.virsh('dumpxml', self.domain).stdout)
        self.assertEqual(live.get('id'), self.a.virsh('domid', self.domain).stdout.strip())
        self.assertRegex(live.find('devices/interface/target').get('dev'), r'^vnet\d+$')
        self.assertRegex(live.find('devices/serial/source').get('path'), r'^/dev/pts/\d+$')
        self.assertIsNotNone(live.find('devices/serial/alias'))
        inactive = ElementTree.fromstring(self.a.virsh('dumpxml', '--inactive', self.domain).stdout)
        self.assertIsNone(inactive.get('id'))
        self.assertIsNone(inactive.find('devices/interface/target'))
        migratable = self.a.virsh('dumpxml', '--migratable', self.domain).stdout
        self.assertEqual(ElementTree.fromstring(migratable).findtext('name'), self.domain)

    def test_interfaces_list_and_link(self):
        serial = self.boot_single()
        rows = self.a.virsh('domiflist', self.domain).stdout
        self.assertRegex(rows, r'vnet\d+\s+bridge\s+br0\s+virtio\s+' + harness.vt.MAC)
        mark = serial.end()
        self.a.virsh('domif-setlink', self.domain, harness.vt.MAC, 'down')
        self.assertIn('down', self.a.virsh('domif-getlink', self.domain, harness.vt.MAC).stdout)
        serial.wait(r'VT: links \w+:alone:virtio_net:down', 20, mark)
        mark = serial.end()
        self.a.virsh('domif-setlink', self.domain, harness.vt.MAC, 'up')
        self.assertIn('up', self.a.virsh('domif-getlink', self.domain, harness.vt.MAC).stdout)
        serial.wait(r'VT: links \w+:alone:virtio_net:up', 20, mark)
        self.assert_alive()

    def test_autostart_is_kept_and_done(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None))
        self.a.virsh('autostart', self.domain)
        self.assertRegex(self.a.virsh('dominfo', self.domain).stdout, r'Autostart:\s+enable')
        self.assertIn(self.domain, self.a.virsh('list', '--all', '--autostart', '--name').stdout)
        self.a.virsh('autostart', '--disable', self.domain)
        self.assertRegex(self.a.virsh('dominfo', self.domain).stdout, r'Autostart:\s+disable')

    def test_console_is_a_real_stream(self):
        self.boot_single()
        console = Console(self.a, self.domain)
        console.prompt()
        console.write('echo $((6 * 7))-answer\r')
        console.read_until(r'42-answer')
        self.assertEqual(console.leave(), 0)
        # and once more: the first one has let go of it
        console = Console(self.a, self.domain)
        console.prompt()
        console.write('echo again-$((1 + 1))\r')
        console.read_until(r'again-2')
        console.leave()

    def test_monitor_command(self):
        self.boot_single()
        self.assertEqual(self.a.qmp(self.domain, 'query-status')['status'], 'running')
        self.assertIn('VM status: running', self.a.virsh('qemu-monitor-command', '--hmp', self.domain, 'info status').stdout)
        failed = self.a.virsh('qemu-monitor-command', self.domain, '{"execute":"no-such-command"}')
        self.assertIn('CommandNotFound', failed.stdout)

    def test_what_is_said_of_the_host(self):
        self.assertEqual(self.a.virsh('hostname').stdout.strip(), 'hosta')
        self.assertEqual(self.a.virsh('uri').stdout.strip(), self.a.uri)
        version = self.a.virsh('version').stdout
        self.assertRegex(version, r'Running hypervisor: QEMU \d+\.\d+')
        node = self.a.virsh('nodeinfo').stdout
        self.assertRegex(node, r'CPU model:\s+x86_64')
        self.assertRegex(node, r'CPU\(s\):\s+%d' % os.cpu_count())
        caps = ElementTree.fromstring(self.a.virsh('capabilities').stdout)
        self.assertIsNotNone(caps.find("guest/arch[@name='x86_64']/domain[@type='qemu']"))
        caps = ElementTree.fromstring(self.a.virsh('domcapabilities', '--virttype', 'qemu').stdout)
        self.assertEqual(caps.findtext('domain'), 'qemu')
        self.assertEqual(caps.findtext('arch'), 'x86_64')

    def test_argv_is_what_runs(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None))
        argv = self.a.virsh('domxml-to-native', 'qemu-argv', '--domain', self.domain).stdout
        self.assertIn('-machine', argv)
        self.assertIn('virtio-net-pci', argv)

    def test_events_in_order(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None))
        listener = self.listen(self.a, 'event', '--all', self.domain)
        self.a.virsh('start', self.domain)
        self.serial().wait('VT: ready', 60)
        self.a.virsh('suspend', self.domain)
        self.a.virsh('resume', self.domain)
        self.a.virsh('reboot', self.domain)
        self.serial().wait(r'(?s)VT: ready.*VT: ready', 60)
        self.a.virsh('destroy', self.domain)
        out = listener.wait('Stopped Destroyed')
        lifecycle = re.findall(r"event 'lifecycle' for domain '?%s'?: (.*)" % self.domain, out)
        wanted = ['Started Booted', 'Suspended Paused', 'Resumed Unpaused', 'Stopped Destroyed']
        rest = iter(lifecycle)
        self.assertTrue(all(w in rest for w in wanted), out)
        self.assertRegex(out, r"event 'reboot' for domain")

    def test_monitor_events(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None))
        listener = self.listen(self.a, 'qemu-monitor-event', self.domain)
        self.a.virsh('start', self.domain)
        self.a.virsh('suspend', self.domain)
        listener.wait(r'event RESUME')
        listener.wait(r'event STOP')
        self.a.virsh('destroy', self.domain)

    def test_many_clients_at_once(self):
        self.boot_single()
        clients = [self.a.start_virsh('dumpxml', self.domain) for _ in range(20)]
        for client in clients:
            self.assertEqual(self.ends(client, 60)[0], 0)

    def test_calls_of_one_connection_are_served_concurrently(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None))
        shell = subprocess.Popen(['virsh', '-q', '-c', self.a.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        out, err = shell.communicate('hostname\nlist --all\nstart %s\ndomstate %s\ndestroy %s\n' % ((self.domain,) * 3),
                                     timeout=harness.patient(60))
        self.assertEqual(err, '')
        self.assertIn('running', out)

    def test_metadata_is_kept_and_set(self):
        own = "<note xmlns='urn:example:notes'>ä &lt;b&gt;</note>"
        self.a.define(guest_xml(self.lab, name=self.domain, team=None, metadata=own))
        text = self.a.virsh('metadata', self.domain, 'urn:example:notes').stdout
        self.assertIn('ä &lt;b&gt;', text)
        self.a.virsh('metadata', self.domain, 'urn:example:second', '--key', 'second', '--set', "<x y='1'/>", '--config')
        self.assertIn('y=', self.a.virsh('metadata', self.domain, 'urn:example:second', '--config').stdout)
        self.a.virsh('metadata', self.domain, 'urn:example:notes', '--remove', '--config')
        self.assertNotEqual(self.a.virsh('metadata', self.domain, 'urn:example:notes', '--config', check=False).returncode, 0)

    def test_a_guest_that_cannot_start_says_why(self):
        xml = guest_xml(self.lab, name=self.domain, team=None).replace('/vmlinux<', '/no-such-kernel<')
        self.a.define(xml)
        failed = self.a.virsh('start', self.domain, check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn('no-such-kernel', failed.stderr)
        self.assertEqual(self.a.state(self.domain), 'shut off')
        self.assertEqual(self.a.qemu_pids(), [])

    def test_a_bridge_that_is_not_there_is_named(self):
        self.a.define(guest_xml(self.lab, name=self.domain, team=None, bridge='nobr9'))
        failed = self.a.virsh('start', self.domain, check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn('nobr9', failed.stderr)
        taps = [line for line in self.a.run('ip', '-o', 'link').stdout.splitlines() if 'vnet' in line]
        self.assertEqual(taps, [])

    def test_taps_are_gone_after_the_guest(self):
        self.boot_single()
        self.assertIn('vnet', self.a.run('ip', '-o', 'link').stdout)
        self.a.virsh('destroy', self.domain)
        wait_for(lambda: 'vnet' not in self.a.run('ip', '-o', 'link').stdout, 5, 'the tap to go')


class Restart(harness.LabTest):
    """A daemon that dies does not take its guests along, and finds them again."""
    domain = 'team1'

    def test_running_guest_is_found_again_after_kill(self):
        serial = self.boot()
        before = self.a.virsh('dumpxml', self.domain).stdout
        pids = self.a.qemu_pids()
        self.a.restart_daemon()
        self.assertEqual(self.a.qemu_pids(), pids)
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'running')
        self.assertEqual(self.a.virsh('dumpxml', self.domain).stdout, before)
        self.assert_alive()
        console = Console(self.a, self.domain)
        console.prompt()
        console.write('echo back-$((1 + 1))\r')
        console.read_until('back-2')
        console.leave()
        mark = serial.end()
        self.migrate(self.a, self.b)
        self.assert_primary(serial, mark)
        self.assertEqual(self.settled(), self.b)

    def test_paused_guest_is_found_paused(self):
        self.boot()
        self.a.virsh('suspend', self.domain)
        self.a.restart_daemon()
        self.assertRegex(self.a.virsh('domstate', self.domain).stdout, r'paused')
        self.a.virsh('resume', self.domain)
        self.assert_alive()

    def test_guest_that_ended_meanwhile_is_shut_off(self):
        serial = self.boot()
        self.a.kill_daemon()
        for pid in self.a.qemu_pids():
            os.kill(pid, 9)
        wait_for(lambda: not self.a.qemu_pids(), 10, 'QEMU to end')
        self.a.start_daemon()
        self.a.wait_state(self.domain, 'shut off')
        mark = serial.end()
        self.a.virsh('start', self.domain)
        serial.wait('VT: ready', 90, mark)

    def test_qemu_killed_is_seen(self):
        self.boot()
        for pid in self.a.qemu_pids():
            os.kill(pid, 9)
        self.a.wait_state(self.domain, 'shut off', 10)
        self.assertRegex(self.a.virsh('domstate', '--reason', self.domain).stdout, r'shut off \((crashed|failed)\)')

    def test_definitions_survive(self):
        self.a.define(guest_xml(self.lab))
        before = self.a.virsh('dumpxml', self.domain).stdout
        self.a.restart_daemon()
        self.assertEqual(self.a.virsh('dumpxml', self.domain).stdout, before)

    def test_second_daemon_on_the_same_root_is_refused(self):
        second = self.a.popen([self.lab.daemon_path, '--root', self.a.root], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        _, err = second.communicate(timeout=harness.patient(20))
        self.assertNotEqual(second.returncode, 0)
        self.assertNotEqual(err, '')
        self.a.virsh('list')


if __name__ == '__main__':
    harness.main()
