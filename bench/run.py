#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virtteam costs and saves, each beside its reference in the same run: tables of ratios.

    bench/run.py [--runs N] [--emulator QEMU] [switch] [life] [memory]      (all three without a name; root)

switch: packets lost and longest silence of a migration under 200 pings a second, and its wall time, by virsh and
        virtteam beside the same by plain QMP
life:   define + start + destroy of a guest with one virtio NIC beside stock libvirtd
memory: resident memory of the idle daemon beside stock libvirtd's
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tools'))
import lab as vt  # noqa: E402
import rawswitch  # noqa: E402
import stock  # noqa: E402

vt.EMULATOR = vt.QEMU  # as stock libvirtd has it

NAME = 'bench1'


def add_emulator(parser):
    parser.add_argument('--emulator', default=vt.NEWER_QEMU, help='a QEMU, 9.0 or newer (that of tests/vfio)')


def migrate_with(emulator):
    """What runs the guests that are migrated, whoever conducts: an older QEMU loses memory (docs/migration.md, "Without KVM")."""
    if not os.access(emulator, os.X_OK):
        raise SystemExit('%s is not there: run tests/vfio/setup.sh, or name another QEMU with --emulator' % emulator)
    vt.EMULATOR = vt.QEMU = emulator


def table(title, head, rows):
    """Print a table in Markdown, columns aligned."""
    rows = [head] + [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    print('\n%s\n' % title)
    for number, row in enumerate(rows):
        print('| ' + ' | '.join(c.ljust(w) for c, w in zip(row, widths)) + ' |')
        if number == 0:
            print('| ' + ' | '.join('-' * w for w in widths) + ' |')
    sys.stdout.flush()


def ratio(ours, reference):
    return '%.2f' % (ours / reference) if reference else '-'


def measure_virsh(lab, primary, options='', memory_mib=256):
    """As rawswitch.measure(), but started and migrated by virsh and virtteamd."""
    lab.a.define(vt.guest_xml(lab, name=NAME, team=primary, options=options, memory_mib=memory_mib))
    lab.a.virsh('start', NAME)
    serial = vt.Serial(os.path.join(lab.dir, NAME + '.serial'))
    serial.wait('VT: ready', 120)
    if primary:
        serial.wait(r'VT: links.*primary:\w+:up', 60)
    lab.wait_ping()
    time.sleep(1.5)
    probe = lab.ping()
    time.sleep(1.5)
    mark = serial.end()
    started = time.monotonic()
    lab.a.virsh('migrate', '--live', NAME, lab.b.uri, timeout=120)
    wall = time.monotonic() - started
    if primary:
        serial.wait(r'VT: links.*primary:\w+:up', 60, mark)
    time.sleep(4)
    result = probe.stop()
    lab.b.virsh('destroy', NAME)
    lab.a.virsh('undefine', NAME)
    os.unlink(serial.path)
    return dict(result, wall_s=wall)


def switch(runs, emulator):
    migrate_with(emulator)
    big = {'options': 'vt.fill=768', 'memory_mib': 1152}
    kinds = (('virtio only', None, {}), ('virtio only, 768 MiB of data', None, big), ('vmxnet3', 'vmxnet3', {}),
             ('vmxnet3, 768 MiB of data', 'vmxnet3', big), ('e1000e', 'e1000e', {}))
    rows = []
    raw = {}
    ours = {}
    with vt.Lab(daemons=False) as lab:
        for name, primary, more in kinds:
            raw[name] = [rawswitch.measure(lab, primary, **more) for _ in range(runs)]
    with vt.Lab() as lab:
        for host in lab.hosts:
            host.virsh('domcapabilities', '--emulatorbin', emulator, timeout=120)  # known before a guest comes
        for name, primary, more in kinds:
            ours[name] = [measure_virsh(lab, primary, **more) for _ in range(runs)]

    def middle(results, key):
        return statistics.median(r[key] for r in results)
    for name, _, _ in kinds:
        for who, results in (('plain QMP', raw[name]), ('virtteam', ours[name])):
            rows.append([name, who, '%g' % middle(results, 'lost'), '%.3f' % (middle(results, 'longest_gap_ms') / 1000),
                         '%g' % middle(results, 'duplicates'), '%.2f' % middle(results, 'wall_s'),
                         ratio(middle(results, 'longest_gap_ms'), middle(raw[name], 'longest_gap_ms')),
                         ratio(middle(results, 'wall_s'), middle(raw[name], 'wall_s'))])
    table('Live migration under 200 pings a second (median of %d; wall time from the start of the destination\'s QEMU '
          'to the guest running there)' % runs,
          ['primary', 'conducted by', 'lost', 'longest silence (s)', 'duplicates', 'wall (s)', 'silence ratio',
           'wall ratio'], rows)


def life_seconds(host, lab, cycles):
    """Seconds of one define + start + destroy + undefine, over one connection."""
    path = os.path.join(lab.dir, 'life.xml')
    with open(path, 'w') as f:
        f.write(vt.guest_xml(lab, name=NAME, team=None))
    script = 'define %s\nstart %s\ndestroy %s\nundefine %s\n' % (path, NAME, NAME, NAME)
    times = []
    for number in range(cycles + 1):
        started = time.monotonic()
        done = subprocess.run(['virsh', '-q', '-c', host.uri], input=script, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        if done.returncode != 0 or 'error' in done.stderr:
            raise vt.LabError('virsh: ' + done.stderr)
        if number > 0:
            times.append(time.monotonic() - started)
    return statistics.median(times)


def life(runs):
    cycles = max(runs * 3, 5)
    with vt.Lab() as lab:
        ours = life_seconds(lab.a, lab, cycles)
    if not stock.available():
        table('define + start + destroy (median of %d)' % cycles, ['daemon', 'seconds'], [['virtteamd', '%.3f' % ours]])
        return
    with stock.StockLab() as lab:
        theirs = life_seconds(lab.a, lab, cycles)
    table('define + start + destroy + undefine of one guest (median of %d)' % cycles, ['daemon', 'seconds', 'ratio'],
          [['virtteamd', '%.3f' % ours, ratio(ours, theirs)], ['stock libvirtd', '%.3f' % theirs, '1.00']])


def memory_kib(pid):
    with open('/proc/%d/smaps_rollup' % pid) as f:
        fields = dict(line.split(':', 1) for line in f if ':' in line and 'kB' in line)
    return int(fields['Rss'].split()[0]), int(fields['Pss'].split()[0])


def memory(_runs):
    rows = []
    for name, make in (('virtteamd', vt.Lab), ('stock libvirtd', stock.StockLab if stock.available() else None)):
        if make is None:
            continue
        with make() as lab:
            time.sleep(5)
            rows.append([name, *memory_kib(lab.a.daemon.pid)])
    reference = rows[-1][1]
    table('Resident memory of the idle daemon', ['daemon', 'RSS (MB)', 'PSS (MB)', 'RSS ratio'],
          [[n, '%.1f' % (r / 1024), '%.1f' % (p / 1024), ratio(r, reference)] for n, r, p in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('what', nargs='*', help='switch, life, memory; all when none is named')
    parser.add_argument('--runs', type=int, default=3)
    add_emulator(parser)
    args = parser.parse_args()
    known = {'memory': memory, 'life': life, 'switch': lambda runs: switch(runs, args.emulator)}
    if set(args.what) - set(known):
        parser.error('there is no %s' % ', '.join(set(args.what) - set(known)))
    for name, function in known.items():
        if not args.what or name in args.what:
            function(args.runs)
    return 0


if __name__ == '__main__':
    sys.exit(main())
