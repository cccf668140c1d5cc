#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The reference: a guest migrated between the lab's two hosts by plain QMP, without virtteam.

    tools/rawswitch.py [--primary vmxnet3|e1000e|none] [--runs N] [--json]

The guest, the network and the measurement are those of the tests; what conducts the switch is QEMU alone, which is
what libvirt's <teaming> leaves it to.
"""
import argparse
import json
import os
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as vt  # noqa: E402


class Qmp:
    """A QMP connection, one command at a time; events are kept with their time of arrival."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        vt.wait_for(lambda: self.socket.connect_ex(path) == 0, 20, 'QMP socket ' + path)
        self.file = self.socket.makefile('rw')
        self.events = []
        self.file.readline()
        self.command('qmp_capabilities')

    def command(self, name, **arguments):
        self.file.write(json.dumps({'execute': name, 'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise vt.LabError('QEMU closed its monitor at ' + name)
            message = json.loads(line)
            if 'event' in message:
                self.events.append(message)
            elif 'error' in message:
                raise vt.LabError('%s: %s' % (name, message['error']['desc']))
            else:
                return message['return']


class RawGuest:
    """One QEMU on one host, with its taps on the bridge."""

    def __init__(self, lab, host, primary, incoming=False, options='', name='raw', ip=vt.GUEST_IP, mac=vt.MAC,
                 memory_mib=256, serial=None):
        self.host = host
        self.serial_path = os.path.join(lab.dir, '%s.serial' % (serial or name))
        monitor = os.path.join(host.root, name + '.qmp')
        nics = ['standby'] + (['primary'] if primary else [])
        argv = [vt.QEMU, '-name', name, '-nodefaults', '-no-user-config', '-display', 'none',
                '-machine', 'pc-q35-7.2,usb=off', '-accel', 'tcg', '-cpu', 'qemu64', '-m', str(memory_mib), '-smp', '1',
                '-kernel', vt.GUEST + '/vmlinux', '-initrd', vt.GUEST + '/initrd.cpio',
                '-append', vt.kernel_words(ip, options),
                '-chardev', 'file,id=c0,path=%s,append=on' % self.serial_path, '-device', 'isa-serial,chardev=c0',
                '-qmp', 'unix:%s,server=on,wait=off' % monitor,
                '-object', 'rng-random,id=rng0,filename=/dev/urandom']
        for index, leg in enumerate(nics):
            tap = '%s%d' % (name[:8], index)
            host.ip('tuntap', 'add', tap, 'mode', 'tap')
            host.ip('link', 'set', tap, 'master', 'br0', 'up')
            argv += ['-device', 'pcie-root-port,id=pci.%d,bus=pcie.0,chassis=%d,port=%d,addr=%d' % (
                         index + 1, index + 1, index + 8, index + 1),
                     '-netdev', 'tap,id=h%s,ifname=%s,script=no,downscript=no' % (leg, tap)]
        argv += ['-device', 'virtio-net-pci,id=net0,netdev=hstandby,mac=%s,bus=pci.1,romfile=%s' % (
            mac, ',failover=on' if primary else '')]
        if primary:
            argv += ['-device', '%s,id=net1,netdev=hprimary,mac=%s,bus=pci.2,romfile=,failover_pair_id=net0' % (
                primary, mac)]
        if incoming:
            argv += ['-incoming', 'defer']
        else:
            argv += ['-S']
        with open(os.path.join(host.root, name + '.log'), 'a') as log:
            self.process = host.popen(argv, stdout=log, stderr=log)
        self.qmp = Qmp(monitor)

    def end(self):
        self.process.kill()
        self.process.wait()
        for line in self.host.run('ip', '-o', 'link', 'show', 'type', 'tun').stdout.splitlines():
            name = line.split(': ')[1]
            self.host.run('ip', 'link', 'del', name, check=False)


def migrate(source, destination, timeout=60):
    """One migration over TCP; (wall seconds, final query-migrate)."""
    for guest in (source, destination):
        guest.qmp.command('migrate-set-capabilities', capabilities=[{'capability': 'events', 'state': True}])
    uri = 'tcp:%s:49300' % destination.host.address
    destination.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate-set-parameters', **{'max-bandwidth': 1 << 30, 'downtime-limit': 300})
    started = time.monotonic()
    source.qmp.command('migrate', uri=uri)
    while True:
        status = source.qmp.command('query-migrate')
        if status.get('status') in ('completed', 'failed', 'cancelled'):
            break
        if time.monotonic() - started > timeout:
            raise vt.LabError('migration is still %s after %d s' % (status.get('status'), timeout))
        time.sleep(0.02)
    if status['status'] != 'completed':
        raise vt.LabError('migration %s: %s' % (status['status'], status.get('error-desc', '')))
    vt.wait_for(lambda: destination.qmp.command('query-status')['status'] == 'running', 20, 'the destination', 0.01)
    return time.monotonic() - started, status


def measure(lab, primary, settle=4.0, options='', memory_mib=256):
    """Boot, ping, migrate from a to b: a dict of what was seen."""
    source = RawGuest(lab, lab.a, primary, options=options, memory_mib=memory_mib)
    serial = vt.Serial(source.serial_path)
    serial.mark = serial.end()
    source.qmp.command('cont')
    serial.wait(r'VT: ready', 120)
    if primary:
        serial.wait(r'VT: links.*primary:\w+:up', 30)
    lab.wait_ping()
    time.sleep(1.5)
    probe = lab.ping()
    time.sleep(1.5)
    started = time.monotonic()
    destination = RawGuest(lab, lab.b, primary, incoming=True, options=options, memory_mib=memory_mib)
    prepared = time.monotonic() - started
    mark = serial.end()
    wall, status = migrate(source, destination)
    if primary:
        serial.wait(r'VT: links.*primary:\w+:up', 60, mark)
    time.sleep(settle)
    result = probe.stop()
    source.end()
    destination.end()
    os.unlink(serial.path)
    result.update(wall_s=round(prepared + wall, 3), switch_s=round(wall, 3), downtime_ms=status.get('downtime'), total_ms=status.get('total-time'))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--primary', default='all')
    parser.add_argument('--runs', type=int, default=1)
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args()
    primaries = ['none', 'vmxnet3', 'e1000e'] if args.primary == 'all' else [args.primary]
    rows = []
    with vt.Lab(daemons=False) as lab:
        for primary in primaries:
            for _ in range(args.runs):
                result = measure(lab, None if primary == 'none' else primary)
                rows.append(dict(result, primary=primary))
                if not args.json:
                    gaps = ' '.join('%.2f' % (g['ms'] / 1000) for g in result['gaps'][:3])
                    print("%-8s lost %4d of %d, duplicates %d, longest gaps %s s, wall %.2f s (with the destination's start), downtime %s ms" % (
                        primary, result['lost'], result['sent'], result['duplicates'], gaps, result['wall_s'],
                        result['downtime_ms']), flush=True)
        if args.json:
            json.dump(rows, sys.stdout, indent=1)
        elif args.runs > 1:
            for primary in primaries:
                mine = [r for r in rows if r['primary'] == primary]
                print('%-8s median: lost %g, longest gap %.2f s' % (
                    primary, statistics.median(r['lost'] for r in mine),
                    statistics.median(r['longest_gap_ms'] for r in mine) / 1000))
    return 0


if __name__ == '__main__':
    sys.exit(main())
