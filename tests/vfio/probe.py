# SPDX-License-Identifier: LGPL-2.1-or-later
"""`virtteam probe` on a real PF with real VFs: what it says, what it refuses, and that it leaves nothing behind.

A class of tests for inside.py, which runs in a machine that has such NICs. It needs the PFs as the machine has them
at its start, in no namespace and without VFs, and leaves them so. By hand, with two interfaces on one wire, of which the
first is a PF:

    VT_BUILD=build VT_PROBE=PF,OTHER python3 tests/vfio/probe.py
"""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.environ.get('VT_BUILD', os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'build'))
VIRTTEAM = os.environ.get('VT_VIRTTEAM', os.path.join(BUILD, 'src/cli/virtteam'))
PF_MACS = ('52:54:00:99:00:0a', '52:54:00:99:00:0b')
DRIVER = 'igbvf'


def read(path):
    with open(path) as f:
        return f.read().strip()


def write(path, text):
    with open(path, 'w') as f:
        f.write(text)


def run(*argv, check=True):
    return subprocess.run(argv, check=check, capture_output=True, text=True, timeout=120)


def wait_for(what, seconds=60):
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError('waited %d s in vain' % seconds)
        time.sleep(0.1)


def link_name(path):
    return os.path.basename(os.readlink(path)) if os.path.islink(path) else ''


class Probe(unittest.TestCase):
    """The PF has two VFs that no driver has; another interface is on its wire."""

    @classmethod
    def setUpClass(cls):
        names = os.environ.get('VT_PROBE')
        if names:
            cls.pf, cls.wire = names.split(',')
        else:
            # Namespaces that are gone give them back after a moment.
            wait_for(lambda: all(mac in cls.interfaces() for mac in PF_MACS))
            cls.pf, cls.wire = (cls.interfaces()[mac] for mac in PF_MACS)
        cls.device = os.path.realpath('/sys/class/net/%s/device' % cls.pf)
        cls.bdf = os.path.basename(cls.device)
        cls.root = tempfile.mkdtemp(prefix='vt-probe-')
        cls.autoprobe = read(cls.device + '/sriov_drivers_autoprobe')
        cls.numvfs = read(cls.device + '/sriov_numvfs')
        cls.vfs = []
        write(cls.device + '/sriov_numvfs', '0')
        run('ip', 'link', 'set', cls.wire, 'up')

    @staticmethod
    def interfaces():
        found = {}
        for path in glob.glob('/sys/class/net/*/address'):
            with contextlib.suppress(OSError):
                found[read(path)] = path.split('/')[4]
        return found

    @classmethod
    def make_vfs(cls):
        write(cls.device + '/sriov_drivers_autoprobe', '0')
        write(cls.device + '/sriov_numvfs', '2')
        run('ip', 'link', 'set', cls.pf, 'up')
        cls.vfs = [os.path.realpath('%s/virtfn%d' % (cls.device, i)) for i in range(2)]
        for name in (cls.pf, cls.wire):
            wait_for(lambda: read('/sys/class/net/%s/operstate' % name) == 'up')

    @classmethod
    def tearDownClass(cls):
        write(cls.device + '/sriov_numvfs', '0')
        write(cls.device + '/sriov_drivers_autoprobe', cls.autoprobe)
        for name in (cls.pf, cls.wire):
            run('ip', 'link', 'set', name, 'down')
        if cls.numvfs != '0':
            write(cls.device + '/sriov_numvfs', cls.numvfs)
        shutil.rmtree(cls.root)

    # --- what is there
    def footprint(self):
        """Everything that a probe changes."""
        shown = run('ip', '-d', 'link', 'show', self.pf).stdout
        return {
            'vfs': re.findall(r'^\s+vf .*', shown, re.M),
            'promiscuity': re.findall(r'promiscuity \d+', shown),
            'self': sorted(line for line in run('bridge', 'fdb', 'show', 'dev', self.pf).stdout.splitlines()
                           if not re.match('33:33|01:00:5e', line)),
            'drivers': [link_name(vf + '/driver') for vf in self.vfs],
            'overrides': [read(vf + '/driver_override') for vf in self.vfs],
            'interfaces': sorted(os.listdir('/sys/class/net')),
            'notes': sorted(glob.glob(self.root + '/run/virtteam/probe/*.json')),
        }

    def probe(self, *words, check=True):
        """Run it to its end."""
        argv = [VIRTTEAM, 'probe', '--root', self.root, '--driver', DRIVER] + list(words)
        done = run(*argv, check=False)
        if check and done.returncode != 0:
            self.fail('%s: %s' % (' '.join(argv), done.stderr))
        return done

    def refused(self, message, *words):
        done = self.probe(*words, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(message, done.stderr)

    def interrupted(self, stage, number):
        """Run it until it tells of that stage, and a little longer, then end it; its exit status."""
        probe = subprocess.Popen([VIRTTEAM, 'probe', '--root', self.root, '--driver', DRIVER, '--from', self.wire, self.pf],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for _ in range(stage + 1):
                self.assertTrue(probe.stderr.readline())
            time.sleep(0.4)
            probe.send_signal(number)
            probe.stderr.read()
            return probe.wait(60)
        finally:
            probe.kill()
            probe.wait()
            probe.stderr.close()

    def assert_same(self, before):
        # A namespace whose process was killed lives on for a moment.
        try:
            wait_for(lambda: self.footprint() == before, 20)
        except AssertionError:
            self.assertEqual(self.footprint(), before)

    # --- the story
    def test_1_what_cannot_be_probed(self):
        self.refused('does not belong to a PCI device', 'lo')
        self.refused('There is no PCI device', '0000:ff:1f.7')
        self.refused('has no VFs enabled: echo 2 > /sys/class/net/%s/device/sriov_numvfs' % self.pf, self.pf)
        self.make_vfs()
        run('ip', 'link', 'set', self.pf, 'down')
        self.refused("'%s' is down, and its VFs with it" % self.pf, self.pf)
        run('ip', 'link', 'set', self.pf, 'up')
        wait_for(lambda: read('/sys/class/net/%s/operstate' % self.pf) == 'up')
        self.refused('is the PF itself', '--from', self.pf, self.pf)
        self.refused('has no VF 2', '--vf', '2', self.pf)

    def test_2_the_verdict(self):
        before = self.footprint()
        report = json.loads(self.probe('--json', '--from', self.wire, self.bdf).stdout)
        self.assert_same(before)
        # The emulated igb: what a driven VF's address gets, a VF without driver swallows; with `self` both get it.
        self.assertEqual((report['verdict'], report['late-filter'], report['copies']), ('early', False, True))
        who = {(r['stage'], r['self'], r['from']): r['at'] for r in report['who']}
        self.assertEqual(who['mac-set', False, 'wire'], [])
        self.assertEqual(who['mac-set', True, 'wire'], ['pf'])
        self.assertEqual(who['driver-up', False, 'wire'], ['vf'])
        self.assertEqual(who['driver-up', True, 'wire'], ['pf', 'vf'])
        self.assertEqual(who['driver-up', False, 'other-vf'], ['vf'])
        asks = {r['ask']: r['at'] for r in report['asks']}
        self.assertIn('pf', asks['vf-broadcast'])
        self.assertNotIn('pf', asks['vf-to-bridge'])
        self.assertIn('pf', asks['vf-to-bridge-self'])
        self.assertTrue(report['facts']['driver-takes-mac'])
        kept = json.loads(read('%s/var/lib/virtteam/qemu/probe/%s.json' % (self.root, self.bdf)))
        self.assertEqual(kept, report)

    def test_3_interrupted(self):
        before = self.footprint()
        self.assertEqual(self.interrupted(1, signal.SIGTERM), 1)
        self.assert_same(before)

    def test_4_killed(self):
        before = self.footprint()
        for stage in (0, 3):
            self.assertEqual(self.interrupted(stage, signal.SIGKILL), -signal.SIGKILL)
            self.assertNotEqual(self.footprint()['notes'], [])
            done = self.probe('--restore', self.pf)
            self.assertIn('cut short', done.stderr)
            self.assert_same(before)
        self.assertIn('Nothing to restore', self.probe('--restore', self.pf).stderr)

    def test_5_a_vf_of_vfio(self):
        for vf in self.vfs:
            write(vf + '/driver_override', 'vfio-pci')
            write('/sys/bus/pci/drivers_probe', os.path.basename(vf))
        before = self.footprint()
        self.assertEqual(before['drivers'], ['vfio-pci', 'vfio-pci'])
        self.refused('VF 1: bound to vfio-pci', self.pf)
        with open('/dev/vfio/' + link_name(self.vfs[1] + '/iommu_group'), 'r+b', buffering=0):
            self.refused('The VF 1 of', '--vf', '1', self.pf)
        self.assert_same(before)
        # Nobody has it: it is probed, alone, and given back to VFIO.
        self.assertIn('verdict: early', self.probe('--vf', '1', '--from', self.wire, self.pf).stdout)
        self.assert_same(before)

    def test_6_in_a_namespace(self):
        """The PF in a namespace, where its VFs' drivers never make their interfaces."""
        inside = ['ip', '-n', 'vtprobe']

        def footprint():
            vfs = re.findall(r'^\s+vf .*', run(*inside, '-d', 'link', 'show', self.pf).stdout, re.M)
            return vfs, [link_name(vf + '/driver') for vf in self.vfs], sorted(os.listdir('/sys/class/net'))

        run('ip', 'netns', 'add', 'vtprobe')
        try:
            run('ip', 'link', 'set', self.pf, 'netns', 'vtprobe')
            self.refused('has no network interface here', self.bdf)
            run(*inside, 'link', 'set', self.pf, 'up')
            wait_for(lambda: 'state UP' in run(*inside, 'link', 'show', self.pf).stdout)
            wait_for(lambda: read('/sys/class/net/%s/operstate' % self.wire) == 'up')
            before = footprint()
            for word in (self.pf, self.bdf):
                done = self.probe('--netns', 'vtprobe', '--vf', '1', '--from', self.wire, word)
                self.assertIn('verdict: early', done.stdout)
                wait_for(lambda: footprint() == before)
            run(*inside, 'link', 'set', self.pf, 'netns', '1')
        finally:
            run('ip', 'netns', 'del', 'vtprobe')
            wait_for(lambda: os.path.exists('/sys/class/net/' + self.pf))


if __name__ == '__main__':
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
