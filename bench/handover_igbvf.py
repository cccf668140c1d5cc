#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench/handover.py's rows with a real VF: the machine of tests/vfio, in which an igbvf on vfio-pci is the guest's primary.

Outside, for each kind of traffic, a guest is booted for each conductor and saved; a boot in there would take minutes. In
there (this file, run as a program with its folder and the options as JSON) it is restored on one of two hosts that have a PF each,
and migrated there and back. A client on the same wire, on neither host, is the peer. Hosts, daemons and client are the same for all rows.

Every guest's virtio NIC is served by vhost-net, as libvirt does wherever there is KVM: QEMU's own main loop stands still while it plugs or unplugs
a VF. What vhost-net of that kernel cannot do (VIRTIO_F_RING_RESET) is not offered to the guest when it boots outside, where there is none.

What plain QMP has is what libvirt would set: the VF bound to vfio-pci, its MAC set before QEMU starts on either host, and
the bridge's address on the PF. Nobody takes the MAC away.
"""
import importlib.util
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
VFIO_TEST = os.path.join(HERE, '..', 'tests', 'vfio')
sys.path += [os.path.join(HERE, '..', 'tools'), VFIO_TEST]  # after this folder: there is a run.py in both
import handover  # noqa: E402
import rawswitch  # noqa: E402
import vfiolab  # noqa: E402
from vfiolab import vt, wait_for  # noqa: E402

RATE = 20  # what the guest, emulated twice, answers with time to spare
GUEST_S = 300
LIMIT_S = 4 * 3600
RESULTS = 'results.json'
MEMORY_MIB = 160
SETTLE_S = 2  # after the boot, and after each migration
LEAD_S = 1    # traffic before a migration
TRAIL_S = 5   # and after it
CONDUCTORS = {'plain QMP, virtio only': ('virtio', ''), 'plain QMP': ('failover', ''),
              'virtteam, qemu': ('team', 'qemu'), 'virtteam, management': ('team', 'management')}


def guest_words(kind, rate):
    return 'vt.calm ' + handover.guest_options(kind, rate)


def image_name(kind, saved):
    return '%s-%s.image' % (kind, saved)


class RawVfGuest:
    """QEMU by plain QMP, with a virtio NIC, and a VF when one is given. Without a name it boots, else it waits for a guest."""

    def __init__(self, lab, host, saved, options='', bdf=None, name=''):
        accel, incoming = ('kvm', ['-incoming', 'defer']) if name else ('tcg', [])
        name = name or 'raw'
        self.host = host
        self.serial_path = os.path.join(lab.dir, 'raw.serial')
        self.tap = name + '0'
        monitor = os.path.join(host.root, name + '.qmp')
        host.ip('tuntap', 'add', self.tap, 'mode', 'tap', 'vnet_hdr')
        host.ip('link', 'set', self.tap, 'master', 'br0', 'up')
        argv = [vfiolab.EMULATOR, '-name', name, '-nodefaults', '-no-user-config', '-display', 'none', '-S',
                '-machine', 'q35,usb=off', '-accel', accel, '-cpu', 'qemu64,svm=off', '-m', str(MEMORY_MIB), '-smp', '1',
                '-kernel', os.path.join(vt.GUEST, 'vmlinux'), '-initrd', os.path.join(vt.GUEST, 'initrd.cpio'),
                '-append', 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr vt.ip=%s/24 %s' % (vt.GUEST_IP, options),
                '-chardev', 'file,id=c0,path=%s,append=on' % self.serial_path, '-device', 'isa-serial,chardev=c0',
                '-qmp', 'unix:%s,server=on,wait=off' % monitor]
        for index in (1, 2):
            argv += ['-device', 'pcie-root-port,id=pci.%d,bus=pcie.0,chassis=%d,port=%d,addr=%d' % (
                index, index, index + 8, index)]
        argv += ['-netdev', 'tap,id=hstandby,ifname=%s,script=no,downscript=no%s' % (self.tap, ',vhost=on' if accel == 'kvm' else ''),
                 '-device', 'virtio-net-pci,id=net0,netdev=hstandby,mac=%s,bus=pci.1,romfile=%s' % (
                     vt.MAC, ',failover=on' if saved == 'failover' else '')]
        if bdf:
            argv += ['-device', 'vfio-pci,host=%s,id=net1,bus=pci.2,failover_pair_id=net0' % bdf]
        argv += incoming
        log = os.path.join(host.root, name + '.log')
        with open(log, 'a') as f:
            self.process = host.popen(argv, stdout=f, stderr=f)
        try:
            self.qmp = rawswitch.Qmp(monitor)
        except (OSError, vt.LabError):
            with open(log) as f:
                raise vt.LabError('QEMU: ' + f.read()) from None

    def wait_migration(self):
        def over():
            status = self.qmp.command('query-migrate').get('status')
            if status in ('failed', 'cancelled'):
                raise vt.LabError('migration ' + status)
            return status == 'completed'
        wait_for(over, GUEST_S, 'a migration', 0.1)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.host.run('ip', 'link', 'del', self.tap, check=False)


# --- outside

def save_raw(folder, kind, saved, options):
    """Boot the guest for plain QMP and save it."""
    with vt.Lab(daemons=False) as lab:
        guest = RawVfGuest(lab, lab.a, saved, options)
        guest.qmp.command('cont')
        vt.Serial(guest.serial_path).wait('VT: ready', 120)
        guest.qmp.command('stop')
        guest.qmp.command('migrate', uri='file:' + os.path.join(folder, image_name(kind, saved)))
        guest.wait_migration()
        guest.end()


def make_emulator(folder):
    """The QEMU of all guests, outside and within."""
    path = os.path.join(folder, 'qemu-system-x86_64')
    with open(path, 'w') as f:
        f.write("#!/bin/sh\nexec '%s' -global virtio-net-pci.queue_reset=off \"$@\"\n" % vfiolab.EMULATOR)
    os.chmod(path, 0o755)
    vfiolab.EMULATOR = path
    return path


def test_module():
    spec = importlib.util.spec_from_file_location('vfio_run', os.path.join(VFIO_TEST, 'run.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(options):
    """What the machine within has measured: a list of {traffic, primary, conducted by, results}."""
    if not os.path.exists(os.path.join(vt.VFIO, 'host.cpio')):
        raise vt.LabError("'%s' is not complete: run tests/vfio/setup.sh first" % vt.VFIO)
    test = test_module()
    folder = tempfile.mkdtemp(prefix='vt-vfio-')
    share = os.path.join(folder, 'share')
    os.mkdir(share)
    machine = None
    try:
        options = dict(options, emulator=make_emulator(folder))
        for kind in options['traffic']:
            words = guest_words(kind, options['rate'])
            for saved in sorted({CONDUCTORS[name][0] for name in options['conductors']}):
                if saved == 'team':
                    test.boot_image(share, image_name(kind, saved), ' ' + words)
                else:
                    save_raw(share, kind, saved, words)
        test.write_go(folder, [json.dumps(options)], os.path.abspath(__file__))
        machine = test.start_machine(folder, share, False)
        if test.follow(machine, folder, share, LIMIT_S)[0] != 0:
            raise vt.LabError('the machine within has not measured everything')
        with open(os.path.join(share, RESULTS)) as f:
            return json.load(f)
    finally:
        if machine and machine.poll() is None:
            machine.kill()
            machine.wait()
        shutil.rmtree(folder, ignore_errors=True)


def rows(everything):
    """Lines of handover.py's table."""
    limits = {}
    lines = []
    for one in everything:
        limit = limits.setdefault(one['traffic'], one['results'])
        lines.append([one['traffic'], one['primary'], one['conducted by']] + handover.rows_of(one['results'], limit))
    return lines


# --- in the machine within

def bind(bdf, driver):
    """Give a VF to a driver."""
    with open(vfiolab.sysfs(bdf, 'driver_override'), 'w') as f:
        f.write(driver if driver == 'vfio-pci' else '\n')
    if vfiolab.driver_of(bdf):
        with open(vfiolab.sysfs(bdf, 'driver', 'unbind'), 'w') as f:
            f.write(bdf)
    with open('/sys/bus/pci/drivers_probe', 'w') as f:
        f.write(bdf)
    wait_for(lambda: vfiolab.driver_of(bdf) == driver, 30, '%s to have %s' % (driver, bdf))


class RawConductor:
    """Plain QMP."""

    def __init__(self, saved, _):
        self.saved = saved
        self.primary = saved == 'failover'

    def make(self, host):
        self.number += 1
        bdf = host.vfs[0] if self.primary else None
        if bdf:
            bind(bdf, 'vfio-pci')
            host.ip('link', 'set', host.pf, 'vf', '0', 'mac', vt.MAC)
        return RawVfGuest(self.lab, host, self.saved, self.options, bdf, 'raw%d' % self.number)

    def boot(self, lab, kind, options):
        self.lab, self.number, self.options = lab, 0, options
        self.bridges('replace')
        self.guest = self.make(lab.a)
        self.serial = vt.Serial(self.guest.serial_path)
        self.guest.qmp.command('migrate-incoming', uri='file:' + os.path.join(lab.share, image_name(kind, self.saved)))
        self.guest.wait_migration()
        self.guest.qmp.command('cont')

    def bridges(self, action):
        """The bridges' addresses on the PFs: frames of the VFs reach them."""
        for host in self.lab.hosts:
            bridge = host.run('cat', '/sys/class/net/br0/address').stdout.strip()
            host.run('bridge', 'fdb', action, bridge, 'dev', host.pf, 'self')

    def migrate(self):
        there = self.lab.b if self.guest.host is self.lab.a else self.lab.a
        self.old, self.guest = self.guest, self.make(there)
        self.guest.qmp.command('cont')  # as soon as all of it is there
        rawswitch.migrate(self.old, self.guest, GUEST_S)

    def leave(self, guest):
        guest.end()
        if self.primary:
            bind(guest.host.vfs[0], 'igbvf')
            guest.host.ip('link', 'set', guest.host.pf, 'vf', '0', 'mac', vfiolab.NO_MAC)

    def after(self):
        self.leave(self.old)

    def end(self):
        self.leave(self.guest)
        self.bridges('del')
        os.unlink(self.serial.path)


class OurConductor:
    """virsh and virtteamd."""

    primary = True

    def __init__(self, saved, orchestration):
        self.saved, self.orchestration = saved, orchestration

    def boot(self, lab, kind, options):
        self.lab, self.options = lab, options
        self.serial = vt.Serial(os.path.join(lab.dir, 'team1.serial'))
        self.here, self.there = lab.hosts
        image = os.path.join(lab.dir, 'team1.image')
        vfiolab.rewrite_image(os.path.join(lab.share, image_name(kind, self.saved)), image, self.xml(self.here))
        self.here.virsh('restore', image, timeout=GUEST_S)
        os.unlink(image)

    def xml(self, host):
        return vfiolab.guest_xml(self.serial.path, host.vfs[0], self.orchestration, ' ' + self.options)

    def migrate(self):
        path = os.path.join(self.lab.dir, 'to.xml')
        with open(path, 'w') as f:
            f.write(self.xml(self.there))
        mark = len(self.there.daemon_log())
        self.here.virsh('migrate', '--live', '--xml', path, 'team1', self.there.uri, timeout=GUEST_S)
        wait_for(lambda: 'feed=primary\n' in self.there.daemon_log()[mark:], GUEST_S, 'the host to feed the VF', 0.3)
        self.here, self.there = self.there, self.here

    def after(self):
        pass

    def end(self):
        self.here.virsh('destroy', 'team1', check=False)
        for host in self.lab.hosts:
            wait_for(lambda h=host: not h.reservations() and not h.tap(), GUEST_S, 'host %s to be as before' % host.name)
        os.unlink(self.serial.path)


def cell(lab, conductor, kind, options):
    """As handover.cell(), with the patience that emulation in emulation takes."""
    conductor.boot(lab, kind, guest_words(kind, options['rate']))
    if conductor.primary:
        conductor.serial.wait('VT: links[^\n]*primary:igbvf:up', GUEST_S)
    lab.wait_ping(timeout=GUEST_S)
    results = []
    for _ in range(options['runs']):
        time.sleep(SETTLE_S)
        mark = conductor.serial.end()
        traffic = handover.Traffic(lab, kind, conductor.serial, options['rate'])
        time.sleep(LEAD_S)
        conductor.migrate()
        if conductor.primary:
            conductor.serial.wait('VT: links[^\n]*primary:igbvf:up', GUEST_S, mark)
        time.sleep(TRAIL_S)
        results.append(traffic.stop(GUEST_S))
        conductor.after()
    return results


def row(lab, kind, name, options):
    """One row of the table, with a guest of its own."""
    saved, orchestration = CONDUCTORS[name]
    conductor = (OurConductor if saved == 'team' else RawConductor)(saved, orchestration)
    try:
        results = cell(lab, conductor, kind, options)
    except Exception:
        handover.tell(lab, conductor)
        raise
    finally:
        vt.run('ip', '-n', lab.namespace, 'neigh', 'flush', 'dev', 'sw0', 'nud', 'permanent', check=False)
        if hasattr(conductor, 'serial'):
            conductor.end()
    return {'traffic': kind, 'primary': 'igbvf' if conductor.primary else 'igbvf: none', 'conducted by': name,
            'results': results}


def inside(share, options):
    vfiolab.EMULATOR = options['emulator']
    vt.run('modprobe', 'vhost_net')
    everything = []
    started = time.monotonic()
    with vfiolab.VfioLab(share) as lab:
        for kind, name in itertools.product(options['traffic'], options['conductors']):
            done = row(lab, kind, name, options)
            everything.append(done)
            print('# %4.0f s: %-8s %-24s lost %g, longest silence %.0f ms: %s' % (
                time.monotonic() - started, kind, name, statistics.median(r['lost'] for r in done['results']),
                statistics.median(r['gap_ms'] for r in done['results']), json.dumps(done['results'])), flush=True)
            with open(os.path.join(share, RESULTS), 'w') as f:
                json.dump(everything, f)


if __name__ == '__main__':
    inside(sys.argv[1], json.loads(sys.argv[2]))
