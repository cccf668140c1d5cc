#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two teams in one guest, each by itself: on two bridges, under one orchestration, the other, or one each."""
import harness
from harness import guest_xml, wait_for
from lab import run

MAC2 = '52:54:00:77:00:12'
SECOND = '''
    <interface type='bridge'>
      <mac address='%(mac)s'/><source bridge='br1'/><model type='virtio'/>
      <teaming type='persistent'/><alias name='ua-standby2'/><rom enabled='no'/>
    </interface>
    <interface type='bridge'>
      <mac address='%(mac)s'/><source bridge='br1'/><model type='%(model)s'/>
      <teaming type='transient' persistent='ua-standby2'/><alias name='ua-primary2'/><rom enabled='no'/>
    </interface>'''
BOTH_UP = r'VT: links[^\n]*primary:\w+:up[^\n]*primary:\w+:up'
DEAF = 'vt.noeject'


class Teams(harness.LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A second network beside the lab's own: sw1 between the hosts, br1 on each.
        net = ['ip', '-n', cls.lab.namespace]
        run(*net, 'link', 'add', 'sw1', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0')
        run(*net, 'addr', 'add', '10.78.0.1/24', 'dev', 'sw1')
        run(*net, 'link', 'set', 'sw1', 'up')
        for host in cls.lab.hosts:
            port = 'second' + host.name
            host.ip('link', 'add', 'br1', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0')
            run('ip', 'link', 'add', 'up1', 'netns', host.namespace, 'type', 'veth', 'peer', 'name', port, 'netns',
                cls.lab.namespace)
            host.ip('link', 'set', 'up1', 'master', 'br1', 'up')
            host.ip('link', 'set', 'br1', 'up')
            run(*net, 'link', 'set', port, 'master', 'sw1', 'up')

    def boot_two(self, first, second, options='', kernel_options='', model='vmxnet3'):
        """A guest with two teams of these orchestrations; its serial line once both primaries are up."""
        xml = guest_xml(self.lab, name=self.domain, policy=first, kernel_options=kernel_options,
                        options='vt.net=%s,10.78.0.2/24 %s' % (MAC2, options), extra=SECOND % {'mac': MAC2, 'model': model})
        xml = xml.replace('</virtteam:teaming>', "<virtteam:team persistent='ua-standby2' emulated='yes' %s/>"
                          '</virtteam:teaming>' % second)
        self.a.define(xml)
        self.a.virsh('start', self.domain)
        serial = self.serial()
        serial.wait(r'VT: ready', 90)
        serial.wait(BOTH_UP, 60)
        self.both_answer()
        return serial

    def both_answer(self):
        for address in ('10.77.0.2', '10.78.0.2'):
            self.lab.wait_ping(address)

    def primaries(self, host):
        names = [d['name'] for d in host.qmp(self.domain, 'qom-list', path='/machine/peripheral')]
        return {n for n in names if n.startswith('ua-primary')}

    def have_both(self, host):
        wait_for(lambda: self.primaries(host) == {'ua-primary', 'ua-primary2'}, 30, 'both primaries to be back')

    def there_and_back(self, serial):
        probes = [self.lab.ping(address, rate=50) for address in ('10.77.0.2', '10.78.0.2')]
        try:
            for source, to in ((self.a, self.b), (self.b, self.a)):
                mark = serial.end()
                self.migrate(source, to)
                self.assertEqual(self.settled(), to)
                serial.wait(r'(?s)(?:primary slave:\w+ unregistered.*){2}(?:primary slave:\w+ registered.*){2}', 60, mark)
                serial.wait(BOTH_UP, 60, mark)
                self.have_both(to)
                self.both_answer()
        finally:
            results = [probe.stop() for probe in probes]
        for result in results:
            self.assertGreater(result['received'], result['sent'] // 2)

    def test_both_by_qemu(self):
        self.there_and_back(self.boot_two("orchestration='qemu'", "orchestration='qemu'"))

    def test_both_by_the_driver(self):
        self.there_and_back(self.boot_two("orchestration='management'", "orchestration='management'", model='e1000e'))

    def test_one_by_each(self):
        self.there_and_back(self.boot_two("orchestration='qemu'", "orchestration='management'"))

    def test_one_that_is_not_ejected_in_time(self):
        for first, second, named, other in (
                ("orchestration='qemu' unplug-timeout='60'", "orchestration='management' unplug-timeout='3'",
                 "'ua-primary2' (team 'ua-standby2')", "'ua-primary' "),
                ("orchestration='management' unplug-timeout='3'", "orchestration='management' on-timeout='wait'",
                 "'ua-primary' (team 'ua-standby')", "'ua-primary2'")):
            with self.subTest(named=named):
                self.boot_two(first, second, options=DEAF, kernel_options='acpiphp.disable=1')
                failed = self.migrate(self.a, self.b, check=False, timeout=90)
                self.assertNotEqual(failed.returncode, 0)
                self.assertIn(named, failed.stderr)
                self.assertNotIn(other, failed.stderr)
                self.assertEqual(self.settled(), self.a)
                self.have_both(self.a)
                self.both_answer()
                self.remove_guests()

    def test_both_that_are_not_ejected_in_time(self):
        """QEMU waits for all of its own at once, and does not say for which."""
        policy = "orchestration='qemu' unplug-timeout='3'"
        self.boot_two(policy, policy, options=DEAF, kernel_options='acpiphp.disable=1')
        failed = self.migrate(self.a, self.b, check=False, timeout=90)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("runs on here: 'ua-primary' (team 'ua-standby'), 'ua-primary2' (team 'ua-standby2');", failed.stderr)
        self.assertEqual(self.settled(), self.a)
        self.both_answer()

    def test_cancel_brings_both_back(self):
        serial = self.boot_two("orchestration='qemu'", "orchestration='management'")
        self.a.virsh('migrate-setspeed', self.domain, '2')
        migration = self.start_migration(self.a, self.b)
        self.wait_transfer(self.a)
        mark = serial.end()
        self.a.virsh('domjobabort', self.domain)
        self.assertNotEqual(self.ends(migration)[0], 0)
        self.assertEqual(self.settled(), self.a)
        self.have_both(self.a)
        serial.wait(BOTH_UP, 60, mark)
        self.both_answer()


if __name__ == '__main__':
    harness.main()
