# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests on real VFIO, run by run.py in a machine that has it: inside.py SHARE [NAME...]

SHARE is a folder of the machine outside; it holds the image of the booted guest. `inside.py SHARE --up` only makes both
hosts and leaves them.
"""
import contextlib
import faulthandler
import glob
import os
import re
import sys
import threading
import time
import unittest

import fallover
import killed
import sources
import vfiolab
from probe import Probe  # noqa: F401
from vfiolab import vt, wait_for

sys.path.insert(0, os.path.join(vfiolab.HERE, '..', 'e2e'))
import harness  # noqa: E402
import networks  # noqa: E402
import stock  # noqa: E402

SHARE = sys.argv.pop(1)
GUEST_S = 300  # for what a guest within a guest does in a second or two
STUCK_S = 360  # no step of a test waits for so long, on any machine: something in the kernel does not come back
NOT_PLUGGED = '605098aae002451805b6d3a4af39f490'
STILL_S = 10
INTERRUPTS_ON = 0x200  # of RFLAGS
PING = ('--rate', '20')
# libvirt does not find a PF's VFs by itself when their interfaces are in another namespace than the PF's.
POOL = "<network><name>pool</name><forward mode='hostdev' managed='yes'>%s</forward></network>"


class VfioTest(unittest.TestCase):
    """One story a class, told by its tests in the order of their names: each goes on where the one before ended."""

    orchestration = 'qemu'
    program = 'virtteamd'
    broken = False

    @classmethod
    def setUpClass(cls):
        cls.lab = vfiolab.VfioLab(SHARE, program=cls.program)
        cls.set_up_hosts()
        cls.addClassCleanup(cls.lab.down)
        cls.lab.__enter__()
        cls.a, cls.b = cls.lab.hosts
        cls.serial = vt.Serial(os.path.join(cls.lab.dir, 'team1.serial'))
        cls.before = {h.name: h.footprint() for h in cls.lab.hosts}

    @classmethod
    def set_up_hosts(cls):
        """What a story has to say of them before they are made."""

    @classmethod
    def tearDownClass(cls):
        for host in cls.lab.hosts:
            with open(os.path.join(SHARE, '%s-%s.log' % (cls.__name__, host.name)), 'w') as f:
                f.write(host.daemon_log())
        with open(os.path.join(SHARE, cls.__name__ + '.serial'), 'w') as f:
            f.write(cls.serial.text(0))

    @staticmethod
    def say(text):
        print('# ' + text, flush=True)

    def setUp(self):
        if type(self).broken:
            self.fail('the story broke off before this')
        type(self).broken = True  # until it ends well

    def went_well(self):
        type(self).broken = False

    def tearDown(self):
        if type(self).broken:
            for host in self.lab.hosts:
                with contextlib.suppress(vt.LabError):  # a daemon that does not answer is told of already
                    self.look_at_guest(host)

    def look_at_guest(self, host):
        """The SVM that TCG emulates now and then injects an interrupt while it is being served (docs/hardware.md): the guest then
        waits for a lock of its own, with interrupts off. No test can tell anything after that."""
        places = set()
        for _ in range(STILL_S):
            told = host.virsh('qemu-monitor-command', '--hmp', 'team1', 'info registers', check=False).stdout
            found = re.search(r'RIP=(\w+)\w\w RFL=(\w+).* HLT=0', told)
            if not found or int(found.group(2), 16) & INTERRUPTS_ON:
                return
            places.add(found.group(1))
            time.sleep(1)
        if len(places) == 1:
            print('not ok 0 the guest on host %s stands still at %s00, with interrupts off' % (host.name, places.pop()), flush=True)
            os._exit(vfiolab.EMULATORS_FAULT)

    # --- steps
    def xml(self, host, bdf):
        """The guest as it is on a host, with a VF or none."""
        return vfiolab.guest_xml(self.serial.path, bdf, self.orchestration)

    def restore(self, host, bdf):
        """Run the guest on from the image, with a VF or none."""
        image = os.path.join(self.lab.dir, 'team1.image')
        vfiolab.rewrite_image(os.path.join(SHARE, 'team1.image'), image, self.xml(host, bdf))
        host.virsh('restore', image, timeout=GUEST_S)
        os.unlink(image)

    def restore_with_a_vf(self):
        """Run the guest on from the image, on the first host, until it and the host have switched to its VF."""
        since = self.mark()
        self.restore(self.a, self.a.vfs[0])
        self.wait_primary(since)
        self.wait_feed(self.a, 'primary')

    def wait_primary(self, since, carrier=True):
        """The guest's driver has the VF, and its link is up."""
        started = time.monotonic()
        self.serial.wait(r'VT: links[^\n]*primary:igbvf:up', GUEST_S, since)
        self.say('the VF was up after %.1f s' % (time.monotonic() - started))

    def wait_feed(self, host, feed):
        """The host's datapath has come to its end."""
        wait_for(lambda: 'feed=%s\n' % feed in host.daemon_log()[self.marks[host.name]:], GUEST_S,
                 'host %s to feed %s' % (host.name, feed), 0.3)

    def assert_seen(self, host):
        """The switch was ended by a sign of life: interrupts, since igb counts no frames of its VFs."""
        said = host.daemon_log()[self.marks[host.name]:]
        self.assertIn('(primary-speaks)', said)
        self.assertNotIn('stirring -> settling (tick)', said)

    def mark(self):
        self.marks = {h.name: len(h.daemon_log()) for h in self.lab.hosts}
        return self.serial.end()

    def assert_on_vf(self, host, number=0):
        """The host has set everything for a guest on its VF."""
        self.assertEqual(vfiolab.driver_of(host.vfs[number]), 'vfio-pci')
        self.assertEqual(host.vf_mac(number), vt.MAC)
        self.assertTrue(host.has_fdb(vt.MAC, host.pf, 'master', 'static'), host.fdb())
        self.assertFalse(host.has_fdb(vt.MAC, host.pf, 'self'), host.fdb())
        bridge = host.run('cat', '/sys/class/net/br0/address').stdout.strip()
        self.assertTrue(host.has_fdb(bridge, host.pf, 'self'), host.fdb())
        self.assertEqual(len(host.reservations()), 1)

    def assert_clean(self, host):
        """The host is as it was before the guest."""
        wait_for(lambda: host.footprint() == self.before[host.name], 180,
                 lambda: 'host %s to be as before: %s; it is: %s' % (host.name, self.before[host.name], host.footprint()),
                 0.5)

    def destination_options(self, to, number):
        """What virsh migrate has to be told: another VF."""
        path = os.path.join(self.lab.dir, 'to.xml')
        with open(path, 'w') as f:
            f.write(self.xml(to, to.vfs[number]))
        return '--xml', path

    def ping_both(self):
        """The guest answers its own host's bridge and the other's."""
        for host in self.lab.hosts:
            self.lab.wait_ping_from(host)


class Qemu(VfioTest):
    """QEMU unplugs and plugs."""

    def test_1_restored_with_a_vf(self):
        self.restore_with_a_vf()
        self.assert_seen(self.a)
        self.assertNotIn(NOT_PLUGGED, self.a.daemon_log())
        self.assert_on_vf(self.a)
        self.ping_both()
        self.went_well()

    def migrate(self, source, to, number=0):
        since = self.mark()
        options = self.destination_options(to, number)
        started = time.monotonic()
        probe = vt.Probe(self.lab, to.namespace, 'ping', vt.GUEST_IP, *PING)
        source.virsh('migrate', '--live', *options, 'team1', to.uri, timeout=GUEST_S)
        self.say('virsh migrate took %.1f s' % (time.monotonic() - started))
        self.assert_clean(source)
        self.wait_primary(since)
        self.wait_feed(to, 'primary')
        self.assert_seen(to)
        told = probe.stop()
        self.say('%s; gaps: %s' % (
            ', '.join('%s %s' % (k, told[k]) for k in ('sent', 'lost', 'duplicates', 'longest_gap_ms', 'longest_loss')),
            ', '.join('%(ms)d ms, %(lost)d lost' % g for g in told['gaps'][:3])))
        self.assert_on_vf(to, number)
        self.ping_both()

    def test_2_migrated(self):
        self.migrate(self.a, self.b, 1)
        self.went_well()

    def test_3_migrated_back(self):
        self.migrate(self.b, self.a)
        self.went_well()

    def test_4_daemon_killed_at_the_unplug(self):
        since = self.mark()
        virsh = self.a.start_virsh('migrate', '--live', *self.destination_options(self.b, 0), 'team1', self.b.uri)
        wait_for(lambda: self.asked_to_unplug(self.a), GUEST_S, 'the guest to be asked for its primary', 0.1)
        self.a.kill_daemon()
        virsh.communicate(timeout=GUEST_S)
        self.assertNotEqual(virsh.returncode, 0)
        self.a.start_daemon()
        self.serial.wait(r'primary slave:\w+ unregistered', GUEST_S, since)
        self.wait_primary(self.serial.end())
        self.wait_feed(self.a, 'primary')
        self.assertEqual(self.a.state('team1'), 'running')
        self.assert_on_vf(self.a)
        self.assert_clean(self.b)
        self.ping_both()
        self.went_well()

    def asked_to_unplug(self, host):
        said = host.daemon_log()[self.marks[host.name]:]
        return '"UNPLUG_PRIMARY"' in said or '"device_del"' in said

    def test_5_daemon_killed_then_destroyed(self):
        self.a.restart_daemon()
        self.assertEqual(self.a.state('team1'), 'running')
        self.assert_on_vf(self.a)
        self.ping_both()
        self.a.virsh('destroy', 'team1')
        self.assert_clean(self.a)


class Management(Qemu):
    """The driver unplugs and plugs, and a stock libvirtd on each host lends the VF, where there is one."""

    orchestration = 'management'
    test_4_daemon_killed_at_the_unplug = None  # tests/e2e/manage.py does, in less time

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nets = []
        if not stock.available():
            cls.say('no stock libvirtd: VFs by their addresses')
            return
        for host in cls.lab.hosts:
            net = networks.NetworkDaemon(host)
            cls.nets.append(net)
            cls.addClassCleanup(net.kill_daemon)
            net.start_daemon()
            net.make_network(POOL % ''.join(vfiolab.address_xml(vf) for vf in host.vfs))
            host.settings['network_uri'] = net.network_uri
            host.restart_daemon()

    def test_1_restored_with_a_vf(self):
        since = self.mark()
        self.restore(self.a, None)
        self.lab.wait_ping_from(self.b)
        path = os.path.join(self.lab.dir, 'vf.xml')
        with open(path, 'w') as f:
            f.write(vfiolab.transient_xml('pool' if self.nets else self.a.vfs[0]))
        self.a.virsh('attach-device', 'team1', path, timeout=GUEST_S)
        self.wait_primary(since)
        self.wait_feed(self.a, 'primary')
        self.assert_on_vf(self.a)
        self.ping_both()
        self.went_well()

    def destination_options(self, to, number):
        return () if self.nets else super().destination_options(to, number)

    def assert_on_vf(self, host, number=0):
        super().assert_on_vf(host, 0 if self.nets else number)
        for net in self.nets:
            self.assertEqual(len(net.ports('pool')), 1 if net.name == host.name else 0)

    def assert_clean(self, host):
        super().assert_clean(host)
        for net in self.nets:
            if net.name == host.name:
                self.assertEqual(net.ports('pool'), [])


Sources = sources.stories(VfioTest)
Fallover = fallover.stories(VfioTest)
Killed = killed.stories(VfioTest)


class Macvtap(Qemu):
    """Standby is a macvtap on the PF: no bridge, the igb's own switch decides. A PF and its macvtaps do not hear each other."""

    @classmethod
    def setUpClass(cls):
        vt.run('modprobe', 'macvtap')
        super().setUpClass()
        for host in cls.lab.hosts:
            address = vfiolab.BRIDGE_IPS[host.name] + '/24'
            host.ip('addr', 'del', address, 'dev', 'br0')
            host.ip('link', 'set', host.pf, 'nomaster')
            host.ip('addr', 'add', address, 'dev', host.pf)
        cls.before = {h.name: h.footprint() for h in cls.lab.hosts}

    def xml(self, host, bdf):
        return vfiolab.guest_xml(self.serial.path, bdf, self.orchestration).replace(
            "<interface type='bridge'>", "<interface type='direct'>", 1).replace(
            "<source bridge='br0'/>", "<source dev='%s' mode='bridge'/>" % host.pf, 1)

    def assert_on_vf(self, host, number=0):
        self.assertEqual(vfiolab.driver_of(host.vfs[number]), 'vfio-pci')
        self.assertEqual(host.vf_mac(number), vt.MAC)
        macvtap = host.ip('-o', 'link', 'show', 'type', 'macvtap')
        self.assertEqual(macvtap.count(vt.MAC), 1)
        self.assertNotIn('UP', macvtap.split('<')[1].split('>')[0].split(','))
        self.assertFalse(host.has_fdb(vt.MAC, host.pf, 'self'), host.fdb())
        self.assertEqual(len(host.reservations()), 1)

    def ping_both(self):
        """On the VF the guest hears its own host's PF, too: by the NIC's switch."""
        for host in self.lab.hosts:
            self.lab.wait_ping_from(host)

    # What is not about macvtaps has been shown with a bridge.
    test_3_migrated_back = test_4_daemon_killed_at_the_unplug = test_5_daemon_killed_then_destroyed = None

    def test_6_ended(self):
        self.b.virsh('destroy', 'team1')
        self.assert_clean(self.b)


def waiting_in_the_kernel():
    """Each process that cannot even be killed, and where in the kernel it stands: lines."""
    for path in glob.glob('/proc/[0-9]*/task/*'):
        with contextlib.suppress(OSError):
            with open(path + '/stat') as f:
                name, state = f.read().split('(', 1)[1].rsplit(')', 1)
            if state.split()[0] == 'D':
                with open(path + '/stack') as f:
                    yield '%s: %s' % (name, ' < '.join(re.findall(r'\] (\w+)', f.read())))


class Watchdog(threading.Thread):
    """Ends the tests, and says where they stand, when none of them ends for too long: what hangs in the kernel cannot be
    timed out by whoever called it, and the machine outside sees only that nothing comes."""

    def __init__(self, output):
        super().__init__(daemon=True)
        self.output = output

    def run(self):
        size, since = -1, 0
        while True:
            now = os.fstat(self.output).st_size
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > STUCK_S:
                break
            time.sleep(5)
        held = list(waiting_in_the_kernel())
        print('not ok 0 stuck for %d s\n#! %s' % (STUCK_S, '\n#! '.join(held or ['not in the kernel'])), flush=True)
        faulthandler.dump_traceback(sys.stdout)
        os._exit(vfiolab.EMULATORS_FAULT if held else 1)


def tell_stories():
    """Say which there are, and the end of each, so that run.py knows what is left when the machine does not last."""
    stories = {name: it for name, it in globals().items()
               if isinstance(it, type) and issubclass(it, unittest.TestCase) and it is not VfioTest}
    print('# stories: ' + ' '.join(stories), flush=True)
    for name, story in stories.items():
        story.addClassCleanup(print, '# told: ' + name, flush=True)


def main():
    if '--up' not in sys.argv:
        tell_stories()
        Watchdog(sys.stdout.fileno()).start()
        harness.main()
    lab = vfiolab.VfioLab(SHARE)
    lab.up()
    for host in lab.hosts:
        print('host %s: ip netns exec %s ...; virsh -c \'%s\'; %s with VFs %s' % (
            host.name, host.namespace, host.uri, host.pf, ' '.join(host.vfs)))
        vfiolab.rewrite_image(os.path.join(SHARE, 'team1.image'), '/run/team1-%s.image' % host.name,
                              vfiolab.guest_xml('/run/team1.serial', host.vfs[0]))
        print('virsh -c ... restore /run/team1-%s.image runs a guest with a VF on it' % host.name)
    sys.stdout.flush()
    os._exit(0)  # the daemons stay


if __name__ == '__main__':
    main()
