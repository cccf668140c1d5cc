#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""XML that would fail or silently not work later is refused at define time, and says why."""
import harness
from harness import guest_xml

TRANSIENT = "<teaming type='transient' persistent='ua-standby'/>"
SECOND = '''
    <interface type='bridge'><mac address='52:54:00:77:00:02'/><source bridge='br0'/><model type='vmxnet3'/>
      <teaming type='transient' persistent='ua-standby'/><alias name='ua-third'/><rom enabled='no'/></interface>'''

# name, what is replaced, by what, words that the message must have
BAD = [
    ('alias-that-nobody-has', TRANSIENT, "<teaming type='transient' persistent='ua-nobody'/>", ['ua-nobody']),
    ('transient-without-persistent', TRANSIENT, "<teaming type='transient'/>", ['persistent']),
    ('teaming-without-type', "<teaming type='persistent'/>", '<teaming/>', ['type']),
    ('teaming-of-unknown-type', "<teaming type='persistent'/>", "<teaming type='bonded'/>", ['bonded']),
    ('persistent-that-is-not-virtio', "<model type='virtio'/>", "<model type='e1000e'/>", ['e1000e', 'virtio']),
    ('transient-that-names-itself', TRANSIENT, "<teaming type='transient' persistent='ua-primary'/>", ['ua-primary']),
    ('two-transients-for-one-persistent', '\n    <rng', SECOND + '\n    <rng', ['ua-standby']),
    ('macs-that-differ', "<mac address='52:54:00:77:00:02'/>\n      <source bridge='br0'/>\n      <model type='vmxnet3'/>",
     "<mac address='52:54:00:77:00:03'/>\n      <source bridge='br0'/>\n      <model type='vmxnet3'/>",
     ['52:54:00:77:00:03', '52:54:00:77:00:02']),
    ('emulated-transient-without-leave', " emulated='yes'", '', ['emulated']),
    ('emulated-transient-of-a-model-that-is-not-pcie', "<model type='vmxnet3'/>", "<model type='rtl8139'/>", ['rtl8139']),
    ('machine-without-pcie', "machine='q35'", "machine='pc'", ['q35']),
    ('transient-on-the-root-bus', '<alias name=\'ua-primary\'/>',
     "<alias name='ua-primary'/><address type='pci' domain='0' bus='0' slot='9' function='0'/>", ['pcie-root', 'address']),
    ('multifunction-transient', '<alias name=\'ua-primary\'/>',
     "<alias name='ua-primary'/><address type='pci' domain='0' bus='5' slot='0' function='0' multifunction='on'/>",
     ['multifunction']),
    ('team-element-for-nobody', "<virtteam:team persistent='ua-standby'",
     "<virtteam:team persistent='ua-ghost'/>\n      <virtteam:team persistent='ua-standby'", ['ua-ghost']),
    ('team-element-with-a-bad-word', "emulated='yes'", "emulated='perhaps'", ['perhaps']),
    ('team-element-with-a-bad-number', "emulated='yes'", "emulated='yes' unplug-timeout='soon'", ['soon']),
    ('team-element-with-an-unknown-attribute', "emulated='yes'", "emulated='yes' colour='red'", ['colour']),
    ('malformed-document', '</devices>', '</device>', ['device']),
    ('another-document', "<domain type='qemu'>", "<network><domain type='qemu'>", ['domain']),
    ('unknown-domain-type', "<domain type='qemu'>", "<domain type='xen'>", ['xen']),
    ('no-name', '<name>team1</name>', '', ['name']),
    ('name-with-a-slash', '<name>team1</name>', '<name>a/b</name>', ['a/b']),
    ('bad-uuid', '5a1c0de0-0000-4000-8000-000000000001', 'not-a-uuid', ['not-a-uuid']),
    ('no-memory', "<memory unit='MiB'>256</memory>", '', ['memory']),
    ('unit-that-is-none', "unit='MiB'", "unit='stones'", ['stones']),
    ('no-vcpu-at-all', '<vcpu>1</vcpu>', '<vcpu>0</vcpu>', ['vcpu']),
    ('bad-mac', "<mac address='52:54:00:77:00:02'/>", "<mac address='52:54:zz'/>", ['52:54:zz']),
    ('multicast-mac', '52:54:00:77:00:02', '53:54:00:77:00:02', ['53:54:00:77:00:02']),
    ('bridge-without-a-name', "<source bridge='br0'/>", '', ['bridge']),
    ('interface-type-not-supported', "<interface type='bridge'>\n      <mac address='52:54:00:77:00:02'/>\n      <source bridge='br0'/>\n      <model type='virtio'/>",
     "<interface type='vhostuser'>\n      <mac address='52:54:00:77:00:02'/>\n      <source bridge='br0'/>\n      <model type='virtio'/>",
     ['vhostuser']),
    ('element-not-supported-yet', '\n    <rng', "\n    <vsock model='virtio'><cid auto='yes'/></vsock>\n    <rng", ['vsock']),
    ('two-devices-of-one-alias', '<alias name=\'ua-primary\'/>', "<alias name='ua-standby'/>", ['ua-standby']),
    ('pci-address-taken-twice', "</backend></rng>\n    <memballoon model='virtio'/>",
     "</backend><address type='pci' bus='1' slot='0'/></rng>\n    <memballoon model='virtio'><address type='pci' bus='1' slot='0'/>"
     '</memballoon>', ['address', '0000:01:00.0']),
    ('disk-without-target', '\n    <rng', "\n    <disk type='file' device='disk'><source file='/x'/></disk>\n    <rng", ['target']),
]


class Refusals(harness.LabTest):
    """One test a row of the table."""

    def check(self, old, new, words):
        good = guest_xml(self.lab)
        self.assertIn(old, good, 'the table and the guest XML have come apart')
        failed = self.a.define(good.replace(old, new), check=False)
        self.assertNotEqual(failed.returncode, 0, 'it was accepted: ' + self.a.virsh('list', '--all').stdout)
        for word in words:
            self.assertIn(word, failed.stderr)
        self.assertEqual(self.a.virsh('list', '--all', '--name').stdout.split(), [])

    def test_good_document_is_accepted(self):
        self.a.define(guest_xml(self.lab))

    def test_every_message_is_a_sentence_of_its_own(self):
        messages = set()
        for _, old, new, _ in BAD:
            messages.add(self.a.define(guest_xml(self.lab).replace(old, new), check=False).stderr.strip().split('\n')[-1])
        self.assertGreaterEqual(len(messages), len(BAD) - 3)


def add_rows():
    for name, old, new, words in BAD:
        def test(self, old=old, new=new, words=words):
            self.check(old, new, words)
        setattr(Refusals, 'test_' + name.replace('-', '_'), test)


add_rows()

if __name__ == '__main__':
    harness.main()
