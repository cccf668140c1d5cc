# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts with SR-IOV NICs on one machine that has them: tools/lab.py's two hosts, each with a PF as its uplink.

    namespace vt-ID-a                                         namespace vt-ID-b
      virtteamd, QEMU                                           virtteamd, QEMU
      br0 (10.77.0.11) --- PF ========= one wire ========= PF --- br0 (10.77.0.12)
                           VF0, VF1        |               VF0, VF1
                              vt-ID-net: sw0 (10.77.0.1)
      mgmt0 192.168.77.1 ====================================== mgmt0 192.168.77.2
"""
import contextlib
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'tools'))
import lab as vt  # noqa: E402
from lab import LabError, run, wait_for  # noqa: E402

EMULATOR = vt.NEWER_QEMU
PF_MACS = {'a': '52:54:00:99:00:0a', 'b': '52:54:00:99:00:0b'}
BRIDGE_IPS = {'a': '10.77.0.11', 'b': '10.77.0.12'}
CLIENT_MAC = '52:54:00:99:00:0c'
GIVEN_MACS = {'a': '52:54:00:99:02:0a', 'b': '52:54:00:99:02:0b'}
UUID = '5a1c0de0-0000-4000-8000-0000000000f0'
CACHE = '/mnt/cache'  # of what the daemons of all labs in this machine know of QEMU
NO_MAC = '00:00:00:00:00:00'
EMULATORS_FAULT = 75  # exit status: a process of the machine within cannot be ended any more, or a guest in it stands still
VFS = 2
CROWD = 40

MAGIC = b'VTSAVED\n'  # the head of an image, src/qemu/save-image.h
ALIGN = 4096


def sysfs(*parts):
    return os.path.join('/sys/bus/pci/devices', *parts)


def link_name(path):
    """The last component of a symbolic link's target; '' when there is none."""
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ''


def driver_of(bdf):
    """The driver that a PCI function is bound to; '' for none."""
    return link_name(sysfs(bdf, 'driver'))


def interface_of(mac):
    """The interface of this namespace that has an address; one whose namespace is gone comes after a moment."""
    def find():
        for name in os.listdir('/sys/class/net'):
            with contextlib.suppress(OSError), open('/sys/class/net/%s/address' % name) as f:
                if f.read().strip() == mac:
                    return name
        return None
    return wait_for(find, 120, 'an interface with the address ' + mac)


class VfioHost(vt.Host):
    """A host whose uplink is a PF."""

    def make(self):
        run('ip', 'netns', 'add', self.namespace)
        os.makedirs(CACHE, exist_ok=True)
        os.makedirs(os.path.join(self.root, 'var/cache'), exist_ok=True)
        os.symlink(CACHE, os.path.join(self.root, 'var/cache/virtteam'))
        self.pf = interface_of(PF_MACS[self.name])
        self.pf_bdf = link_name('/sys/class/net/%s/device' % self.pf)
        self.ip('link', 'set', 'lo', 'up')
        # Its own MAC: a bridge otherwise takes that of its first port, and the PF filters for itself anyway.
        self.ip('link', 'add', 'br0', 'address', '52:54:00:99:01:0' + self.name, 'type', 'bridge',
                'forward_delay', '0', 'mcast_snooping', '0')
        run('ip', 'link', 'set', self.pf, 'netns', self.namespace)
        self.ip('link', 'set', self.pf, 'master', 'br0', 'up')
        self.ip('link', 'set', 'br0', 'up')
        self.ip('addr', 'add', BRIDGE_IPS[self.name] + '/24', 'dev', 'br0')
        with open(sysfs(self.pf_bdf, 'sriov_numvfs'), 'w') as f:
            f.write(str(VFS))
        self.vfs = [link_name(sysfs(self.pf_bdf, 'virtfn%d' % i)) for i in range(VFS)]
        wait_for(lambda: all(driver_of(vf) == 'igbvf' for vf in self.vfs), 180, 'igbvf to take the VFs')
        # The first VF has no MAC, as they come; the last has one that somebody gave it.
        self.ip('link', 'set', self.pf, 'vf', str(VFS - 1), 'mac', GIVEN_MACS[self.name])
        if self.name == 'b':
            self.crowd()

    def crowd(self):
        """More neighbours on the bridge than the NIC has filters for."""
        self.ip('link', 'add', 'crowd', 'type', 'dummy')
        self.ip('link', 'set', 'crowd', 'master', 'br0', 'up')
        path = os.path.join(self.root, 'crowd')
        with open(path, 'w') as f:
            for i in range(CROWD):
                f.write('fdb add 52:54:00:99:03:%02x dev crowd master static\n' % i)
        self.run('bridge', '-batch', path)

    def start_daemon(self, wait=True, env=None):
        super().start_daemon(False, env)

        def up():
            if self.daemon.poll() is not None:
                raise RuntimeError('virtteamd of host %s ended: %s' % (self.name, self.daemon_log()[-2000:]))
            with contextlib.suppress(LabError):
                return self.virsh('uri', check=False, timeout=60).returncode == 0
        if wait:
            wait_for(up, 240, lambda: 'virtteamd of host %s: %s' % (self.name, self.daemon_log()[-2000:]), 0.1)

    # --- what the host has set
    def vf_settled(self, number):
        """What ip shows of a VF. Without a MAC from the PF, igbvf takes a random one and tells it to the PF."""
        line = self.vf_line(number)
        if number == 0 and self.vf_mac(0) != vt.MAC:
            line = line.replace(self.vf_mac(0), 'its own')
        return line

    def vf_line(self, number):
        """What ip shows of a VF of ours: 'MAC ..., vlan ...'."""
        found = re.search(r'^\s+vf %d\s+(.*)' % number, self.ip('-d', 'link', 'show', self.pf), re.M)
        if not found:
            raise LabError('host %s: ip shows no VF %d' % (self.name, number))
        return found.group(1).strip()

    def vf_mac(self, number):
        return re.search(r'link/ether (\S+)', self.vf_line(number)).group(1)

    def fdb(self):
        """Entries of the bridge and of the PF, without what the kernel made for itself: sorted lines."""
        text = self.run('bridge', 'fdb', 'show').stdout
        return sorted(line.strip() for line in text.splitlines()
                      if not re.match(r'(33:33|01:00:5e|01:80:c2)', line) and ' dev mgmt0' not in line)

    def has_fdb(self, mac, dev, *words):
        return any(line.split()[0] == mac and ' dev %s ' % dev in line + ' ' and all(w in line.split() for w in words)
                   for line in self.fdb())

    def tap(self):
        """The one tap on the bridge; None when there is no guest."""
        found = re.findall(r'^\d+: (vnet\w+|tap\w+):', self.ip('-o', 'link', 'show', 'master', 'br0'), re.M)
        return found[0] if found else None

    def footprint(self):
        """Everything that a guest might leave behind."""
        leases = os.path.join(self.root, 'run/virtteam/qemu')
        return {
            'vfs': [self.vf_settled(i) for i in range(VFS)],
            'drivers': [driver_of(vf) for vf in self.vfs],
            'overrides': [self.override(vf) for vf in self.vfs],
            'fdb': [line for line in self.fdb() if 'permanent' in line or 'static' in line],
            'qdisc': [line for line in self.run('tc', 'qdisc', 'show').stdout.splitlines() if 'clsact' in line],
            'links': sorted(re.findall(r'^\d+: ([^:@]+)', self.ip('-o', 'link', 'show'), re.M)),
            'files': sorted(n for n in (os.listdir(leases) if os.path.isdir(leases) else ())
                            if n.endswith(('.datapath', '.journal', '.pid'))),
            'reserved': self.reservations(),
        }

    def reservations(self):
        """Files of reservations of PCI functions."""
        found = []
        for folder, _, names in os.walk(os.path.join(self.root, 'var')):
            if 'reserv' in folder:
                found += [n for n in names if not n.startswith('.')]
        return sorted(found)

    @staticmethod
    def override(bdf):
        with open(sysfs(bdf, 'driver_override')) as f:
            return f.read().strip()


class VfioLab(vt.Lab):
    """Both hosts, their PFs and a client on one wire; no switch between them."""

    def __init__(self, share, program='virtteamd', **more):
        super().__init__(directory='/mnt/lab', **more)  # not below /run, where stock libvirtd gets a tmpfs
        self.share = share
        self.a = VfioHost(self, 'a', 1)
        self.b = VfioHost(self, 'b', 2)
        self.hosts = (self.a, self.b)
        self.daemon_options = ['--log-level', 'debug']
        # VFIO pins the guest's memory. Root may do so without end, so that a limit that is too low would not be seen:
        # these daemons, and their QEMUs, have not that right.
        self.wrapped = os.path.join(os.path.dirname(self.daemon_path), program)
        self.daemon_path = os.path.join(self.dir, 'virtteamd')

    def up(self):
        # The machine within has an emulated SVM: a guest in there is emulated once, not twice.
        if not os.path.exists('/sys/module/kvm_amd'):
            run('modprobe', 'kvm_amd')
        os.makedirs(self.dir, exist_ok=True)
        with open(self.daemon_path, 'w') as f:
            f.write('#!/bin/sh\nexec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock \'%s\' "$@"\n' % self.wrapped)
        os.chmod(self.daemon_path, 0o755)
        super().up()
        self.connect_client()
        if self.daemons:
            self.ask_emulator()

    def ask_emulator(self):
        """The first look at QEMU takes more than a daemon's patience when this machine is busy: before anything needs it."""
        def known():
            with contextlib.suppress(LabError):
                return self.a.virsh('domcapabilities', '--emulatorbin', EMULATOR, timeout=120)
        wait_for(known, 300, 'virtteamd to know ' + EMULATOR)

    def connect_client(self):
        """Put the NIC of the client below its interface, sw0."""
        if not os.path.exists('/sys/module/virtio_net'):
            run('modprobe', 'virtio_net')
        nic = interface_of(CLIENT_MAC)
        run('ip', 'link', 'set', nic, 'netns', self.namespace)
        run('ip', '-n', self.namespace, 'link', 'set', nic, 'master', 'sw0', 'up')

    def wait_ping_from(self, host, timeout=180, address=vt.GUEST_IP):
        """Wait until the guest answers a host's bridge."""
        def answered():
            return host.run('ping', '-c', '1', '-W', '2', address, check=False).returncode == 0
        wait_for(answered, timeout, 'a ping of host %s to be answered by %s' % (host.name, address), 0.2)


def address_xml(bdf):
    domain, bus, rest = bdf.split(':')
    slot, function = rest.split('.')
    return "<address type='pci' domain='0x%s' bus='0x%s' slot='0x%s' function='0x%s'/>" % (domain, bus, slot, function)


def transient_xml(source):
    """The guest's VF: the address of a PCI function, or the name of a network that lends one."""
    if ':' in source:
        kind, where = "hostdev' managed='yes", '<source>%s</source>' % address_xml(source)
    else:
        kind, where = 'network', "<source network='%s'/>" % source
    return '''
    <interface type='%s'>
      <mac address='%s'/>
      %s
      <teaming type='transient' persistent='ua-standby'/>
      <alias name='ua-primary'/>
      <address type='pci' domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>
    </interface>''' % (kind, vt.MAC, where)


def guest_xml(serial, source=None, orchestration='qemu', options='', kind='kvm'):
    """The guest: the same for the machine in which it boots and for the one in which it runs on, but for its VF."""
    return '''<domain type='%(kind)s'>
  <name>team1</name>
  <uuid>%(uuid)s</uuid>
  <metadata>
    <virtteam:teaming xmlns:virtteam='%(namespace)s'>
      <virtteam:team persistent='ua-standby' orchestration='%(orchestration)s' unplug-timeout='150'/>
    </virtteam:teaming>
  </metadata>
  <memory unit='MiB'>160</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>%(guest)s/vmlinux</kernel>
    <initrd>%(guest)s/initrd.cpio</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 mitigations=off nokaslr vt.ip=%(ip)s/24%(options)s</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model>
    <feature policy='disable' name='svm'/></cpu>
  <clock offset='utc'/>
  <devices>
    <emulator>%(emulator)s</emulator>
    <controller type='usb' model='none'/>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='pci' index='2' model='pcie-root-port'/>
    <controller type='pci' index='3' model='pcie-root-port'/>
    <interface type='bridge'>
      <mac address='%(mac)s'/>
      <source bridge='br0'/>
      <model type='virtio'/>
      <teaming type='persistent'/>
      <alias name='ua-standby'/>
      <rom enabled='no'/>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </interface>%(transient)s
    <serial type='pty'><log file='%(serial)s' append='on'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
''' % {'uuid': UUID, 'namespace': vt.NAMESPACE, 'orchestration': orchestration, 'guest': vt.GUEST, 'ip': vt.GUEST_IP,
       'emulator': EMULATOR, 'mac': vt.MAC, 'transient': transient_xml(source) if source else '', 'serial': serial,
       'options': options, 'kind': kind}


def rewrite_image(source, target, xml):
    """Copy a saved guest's image with another definition. virsh's --xml may not add a device; here it is one that
    the saved QEMU could have had, ejected, as every saved team's is."""
    with open(source, 'rb') as f:
        data = f.read()
    magic, version, flags, length, offset = struct.unpack_from('>8s4I', data)
    if magic != MAGIC or version != 1:
        raise LabError("'%s' is no complete image of a saved guest" % source)
    text = xml.encode()
    begin = (24 + len(text) + ALIGN) // ALIGN * ALIGN
    with open(target, 'wb') as f:
        f.write(struct.pack('>8s4I', magic, version, flags, len(text), begin) + text)
        f.seek(begin)
        f.write(data[offset:])
