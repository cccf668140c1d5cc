#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed at each step of giving a VF to a guest that runs, on command and by itself.

Afterwards the guest has the VF, or nobody has it. The VFs are files: a tree of sysfs' kind lies over the real one where
the daemon runs, and QEMU gets a vmxnet3 in their place (qemu-no-vfio). They are bound to vfio-pci from the start; what real
ones do is tests/vfio's.
"""
import os
import re
import unittest

import faults
import harness
import traces
from harness import guest_xml, wait_for
from tables import sequences, walks

PF, VF = '0000:77:00.0', '0000:77:10.0'
GROUP = 770
WRAPPER = '''#!/bin/sh
# In the mount namespace that `ip netns exec` has made.
mount --bind '%(sysfs)s/devices' /sys/bus/pci/devices || exit 1
[ ! -d /sys/kernel/iommu_groups ] || mount --bind '%(sysfs)s/groups' /sys/kernel/iommu_groups || exit 1
exec '%(daemon)s' "$@"
'''
POLICY = "orchestration='management' standby-only='yes' pci-ids='8086:10ca'"


class Vfs(faults.FaultTest):
    """A host with one VF, and guests that may do without."""

    @classmethod
    def setUpClass(cls):
        if not os.path.isdir('/sys/bus/pci/devices'):
            raise unittest.SkipTest('this kernel has no PCI')
        super().setUpClass()
        cls.sysfs = os.path.join(cls.lab.dir, 'sysfs')
        for bdf, device, number in ((PF, '10c9', GROUP - 1), (VF, '10ca', GROUP)):
            cls.write(bdf, 'vendor', '0x8086\n')
            cls.write(bdf, 'device', '0x%s\n' % device)
            cls.write(bdf, 'class', '0x020000\n')
            cls.write(bdf, 'numa_node', '-1\n')
            cls.write(bdf, 'driver_override', '(null)\n')
            os.makedirs(os.path.join(cls.sysfs, 'groups', str(number), 'devices', bdf))
            cls.link(bdf, 'iommu_group', '../../../../kernel/iommu_groups/%d' % number)
        cls.write(PF, 'sriov_numvfs', '1\n')
        cls.link(PF, 'virtfn0', '../' + VF)
        cls.link(VF, 'physfn', '../' + PF)
        cls.set_free(False)
        wrapper = os.path.join(cls.lab.dir, 'virtteamd-with-vfs')
        with open(wrapper, 'w') as f:
            f.write(WRAPPER % {'sysfs': cls.sysfs, 'daemon': cls.lab.daemon_path})
        os.chmod(wrapper, 0o755)
        cls.lab.daemon_path = wrapper
        cls.a.restart_daemon()

    @classmethod
    def write(cls, bdf, name, text):
        os.makedirs(os.path.join(cls.sysfs, 'devices', bdf), exist_ok=True)
        with open(os.path.join(cls.sysfs, 'devices', bdf, name), 'w') as f:
            f.write(text)

    @classmethod
    def link(cls, bdf, name, target):
        path = os.path.join(cls.sysfs, 'devices', bdf, name)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(target, path)

    @classmethod
    def set_free(cls, free):
        """Without managed='yes' only a VF that is bound to vfio-pci is taken."""
        cls.link(VF, 'driver', '../../drivers/' + ('vfio-pci' if free else 'igbvf'))

    # --- guests
    def define(self, name, number):
        """A guest without an operating system; its VF has no address."""
        xml = guest_xml(self.lab, name=name, team=None, uuid='5a1c0de0-0000-4000-8000-0000000077%02d' % number,
                        mac='52:54:00:76:77:%02d' % number, memory_mib=16, metadata='''
    <virtteam:teaming xmlns:virtteam='%s'><virtteam:team persistent='ua-standby' %s/></virtteam:teaming>''' % (
                            harness.vt.NAMESPACE, POLICY), extra='''
    <interface type='hostdev'><mac address='52:54:00:76:77:%02d'/><teaming type='transient' persistent='ua-standby'/>
      <alias name='ua-primary'/></interface>''' % number)
        xml = re.sub(r'\s*<(kernel|initrd|cmdline)>.*?</\1>', '', xml)
        xml = xml.replace("<alias name='ua-standby'/>", "<teaming type='persistent'/><alias name='ua-standby'/>")
        self.a.define(xml.replace(harness.vt.EMULATOR, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'qemu-no-vfio')))

    def given(self, name):
        """Whether the guest has the VF, once definition, QEMU and reservations agree and nothing is under way: [it]; else None."""
        if self.a.state(name) != 'running':
            return None
        files = traces.files(self.a)
        says = {"slot='0x10'" in self.a.virsh('dumpxml', name).stdout,
                'ua-primary' in [d['name'] for d in self.a.qmp(name, 'qom-list', path='/machine/peripheral')],
                any(f.startswith('reservations/') for f in files)}
        return [says.pop()] if len(says) == 1 and not [f for f in files if f.endswith('.journal')] else None

    def wait_given(self, name):
        return wait_for(lambda: self.given(name), 60, lambda: 'all to agree whether %s has the VF: %s' % (
            name, traces.files(self.a)), 0.1)[0]

    def strike(self, sequence, step, action, act):
        """Act while a fault waits, and let the daemon come back to a host whose VF nobody new can have."""
        def killed():
            # Again, should the guest just have tried by itself, in vain.
            if self.a.daemon.poll() is None:
                act()
            return self.a.daemon.poll() is not None
        self.ask(sequence, step, action)
        self.set_free(True)
        wait_for(killed, 60, 'the daemon to be killed at %s/%s' % (sequence, step), 0.3)
        self.set_free(False)
        self.revive(True)

    def end(self, name):
        self.a.virsh('destroy', name)
        wait_for(lambda: not traces.files(self.a), 30, lambda: 'nothing to be left: %s' % traces.files(self.a))


class Given(Vfs):
    """To a guest that was started without."""
    domain = 'bare1'

    def ask_for_it(self, name=None):
        """It may be at it by itself."""
        harness.vt.run(os.path.join(harness.vt.BUILD, 'src/cli/virtteam'), 'team', '--root', self.a.root,
                       name or self.domain, 'primary', check=False, timeout=120)

    @walks('give-vf', 'hostdev-take')
    def test_on_command(self):
        self.define(self.domain, 1)
        for sequence in ('give-vf', 'hostdev-take'):
            for step in sequences()[sequence]:
                with self.subTest(sequence=sequence, step=step):
                    self.set_free(False)
                    self.a.virsh('start', self.domain)
                    self.assertFalse(self.wait_given(self.domain))
                    self.strike(sequence, step, 'kill-before', self.ask_for_it)
                    self.assertEqual(self.wait_given(self.domain), step == 'adopt')
                    self.end(self.domain)

    @walks('hostdev-return')
    def test_by_itself(self):
        """When another guest gives it back: a daemon that dies while it does so, and then while the other is given it."""
        self.define(self.domain, 1)
        self.define('bare2', 2)
        rows = [('hostdev-return', step, 'kill-before') for step in sequences()['hostdev-return']]
        rows += [('give-vf', step, 'kill-after') for step in ('choose-vf', 'note', 'plug', 'adopt')]
        for sequence, step, action in rows:
            with self.subTest(sequence=sequence, step=step):
                # Not started with it: then QEMU may lock more memory than every root may allow.
                self.a.virsh('start', 'bare2')
                self.set_free(True)
                self.ask_for_it('bare2')
                wait_for(lambda: self.given('bare2') == [True], 60, 'the other guest to have the VF')
                self.a.virsh('start', self.domain)
                self.assertNotIn("slot='0x10'", self.a.virsh('dumpxml', self.domain).stdout)
                self.strike(sequence, step, action, lambda: self.a.virsh('destroy', 'bare2', check=False))
                self.a.wait_state('bare2', 'shut off')
                self.assertEqual(self.wait_given(self.domain), step in ('plug', 'adopt'))
                self.end(self.domain)


if __name__ == '__main__':
    harness.main()
