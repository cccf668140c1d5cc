#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a switch costs the network, by kind of traffic: a table of packets lost, duplicated and the longest silence.

    bench/handover.py [--runs N] [--primary vmxnet3,e1000e,igbvf] [--traffic reply,receive,send,tcp] [--emulator QEMU]
                      [--json FILE]

Each cell is one guest that is migrated N times (there and back in turn) under one kind of traffic, 200 packets a second:

    reply     the guest answers pings; counted at the peer
    receive   datagrams to the guest, which never says a word; counted in the guest
    send      datagrams from the guest, which never hears an answer; counted at the peer
    tcp       one connection, a record a tick, each echoed by the guest; nothing is lost for good, so what counts is the silence

Who conducts: plain QMP with a virtio NIC alone (the limit), plain QMP with QEMU's failover, virtteam with the
orchestrations qemu and management. Medians over the migrations of a cell; all in one run on one machine, as root.

With --primary igbvf the guest's primary is a real VF on vfio-pci, in the machine of tests/vfio (handover_igbvf.py; tests/vfio/setup.sh
has to be run before): a guest in a guest, 20 packets a second, a table of its own beside its own limit.
"""
import argparse
import json
import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tools'))
import lab as vt  # noqa: E402
import rawswitch  # noqa: E402
from run import add_emulator, migrate_with, table  # noqa: E402

NAME = 'bench1'
PORT = 7007
RATE = 200
TRAFFICS = ('reply', 'receive', 'send', 'tcp')


def guest_options(kind, rate):
    """Words for tools/guest-init."""
    return {
        'reply': '',
        'receive': 'vt.sink=%d' % PORT,
        'send': 'vt.udp=%s:%d:%d' % (vt.CLIENT_IP, PORT, rate),
        'tcp': 'vt.tcp=%d' % PORT,
    }[kind]


class Traffic:
    """One kind of traffic during one migration."""

    def __init__(self, lab, kind, serial, per_second=RATE):
        self.kind = kind
        self.serial = serial
        self.interval_ms = 1000 / per_second
        self.mark = serial.end()
        rate = ('--rate', str(per_second))
        if kind == 'reply':
            self.probe = lab.ping(rate=per_second)
        elif kind == 'receive':
            # A fixed neighbour entry: the peer must not ask, because the guest must not answer.
            vt.run('ip', '-n', lab.namespace, 'neigh', 'replace', vt.GUEST_IP, 'lladdr', vt.MAC, 'dev', 'sw0',
                   'nud', 'permanent')
            self.probe = lab.probe('send', vt.GUEST_IP, '--port', str(PORT), *rate)
        elif kind == 'send':
            self.probe = lab.probe('receive', '--port', str(PORT), *rate)
        else:
            self.probe = lab.probe('tcp', vt.GUEST_IP, '--port', str(PORT), *rate)

    def stop(self, patience_s=30):
        """{lost, duplicates, gap_ms}"""
        result = self.probe.stop()
        if self.kind == 'receive':
            sent = result['sent']
            result = json.loads(self.serial.wait(r'VT: sink (\{.*\})\r?\n', patience_s, self.mark).group(1))
            never = max(0, sent - result['sent'])  # after the last that came
            result['lost'] += never
            # The guest's clock stands still while the guest does, the numbers do not.
            result['longest_gap_ms'] = max(result['longest_gap_ms'], max(result['longest_loss'], never) * self.interval_ms)
        elif self.kind == 'reply':
            result['longest_gap_ms'] = max(result['longest_gap_ms'], self.unanswered() * self.interval_ms)
        return {'lost': result['lost'], 'duplicates': result['duplicates'], 'gap_ms': result['longest_gap_ms']}

    def unanswered(self):
        """How many packets were sent after the last that was answered: a silence that never ended."""
        with open(self.probe.log) as f:
            packets = f.read().splitlines()
        return next((i for i, line in enumerate(reversed(packets)) if not line.endswith(' -')), len(packets))


class RawConductor:
    """Plain QMP: what QEMU does by itself."""

    def __init__(self, primary):
        self.primary = primary

    def boot(self, lab, options):
        self.lab = lab
        self.options = options
        self.number = 0
        self.guest = rawswitch.RawGuest(lab, lab.a, self.primary, options=options, name='raw')
        self.serial = vt.Serial(self.guest.serial_path)
        self.serial.mark = self.serial.end()
        self.guest.qmp.command('cont')

    def migrate(self):
        self.number += 1
        here = self.lab.hosts[self.number % 2]
        name = 'raw' if self.number % 2 == 0 else 'rbw'
        there = rawswitch.RawGuest(self.lab, here, self.primary, incoming=True, options=self.options, name=name,
                                   serial='raw')
        rawswitch.migrate(self.guest, there)
        self.old, self.guest = self.guest, there

    def after(self):
        self.old.end()

    def end(self):
        self.guest.end()
        os.unlink(self.serial.path)


class OurConductor:
    """virsh and virtteamd."""

    def __init__(self, primary, orchestration):
        self.primary = primary
        self.orchestration = orchestration

    def boot(self, lab, options):
        policy = "orchestration='%s'" % self.orchestration if self.primary else ''
        lab.a.define(vt.guest_xml(lab, name=NAME, team=self.primary, options=options, policy=policy))
        self.serial = vt.Serial(os.path.join(lab.dir, NAME + '.serial'))
        self.serial.mark = self.serial.end()
        self.here, self.there = lab.a, lab.b
        self.here.virsh('start', NAME)

    def migrate(self):
        self.here.virsh('migrate', '--live', '--persistent', '--undefinesource', NAME, self.there.uri, timeout=120)
        self.here, self.there = self.there, self.here

    def after(self):
        pass

    def end(self):
        self.here.virsh('destroy', NAME)
        self.here.virsh('undefine', NAME)
        os.unlink(self.serial.path)


def tell(lab, conductor):
    """What guest and daemons said last: they are gone when somebody could ask."""
    said = {'the guest': conductor.serial.text(0)} if hasattr(conductor, 'serial') else {}
    said.update(('host ' + host.name, host.daemon_log()) for host in lab.hosts)
    for who, text in said.items():
        print('# %s:\n#   %s' % (who, '\n#   '.join(text[-4000:].splitlines())), flush=True)


def cell(lab, conductor, kind, runs):
    """Boot a guest, migrate it runs times under this traffic; a list of what each did."""
    conductor.boot(lab, guest_options(kind, RATE))
    conductor.serial.wait('VT: ready', 120)
    if conductor.primary:
        conductor.serial.wait(r'VT: links.*primary:\w+:up', 60)
    lab.wait_ping()
    results = []
    try:
        time.sleep(3)
        for _ in range(runs):
            mark = conductor.serial.end()
            traffic = Traffic(lab, kind, conductor.serial)
            time.sleep(1)
            conductor.migrate()
            if conductor.primary:
                conductor.serial.wait(r'VT: links.*primary:\w+:up', 60, mark)
            time.sleep(3.5)
            results.append(traffic.stop())
            conductor.after()
            time.sleep(1)
    except Exception:
        tell(lab, conductor)
        raise
    finally:
        conductor.end()
        vt.run('ip', '-n', lab.namespace, 'neigh', 'flush', 'dev', 'sw0', 'nud', 'permanent', check=False)
    return results


def rows_of(results, limit):
    """Medians of one cell, and what they are of the limit's."""
    lost, duplicates, gap = (statistics.median(r[k] for r in results) for k in ('lost', 'duplicates', 'gap_ms'))
    worst = max(r['gap_ms'] for r in results)
    reference = statistics.median(r['gap_ms'] for r in limit) if limit else gap
    return ['%g' % lost, '%g' % duplicates, '%.0f' % gap, '%.0f' % worst, '%.2f' % (gap / reference) if reference else '-']


def print_table(rows, rate, runs):
    table('Live migration under %d packets a second (median of %d migrations, there and back in turn)' % (rate, runs),
          ['traffic', 'primary', 'conducted by', 'lost', 'duplicates', 'longest silence (ms)', 'the worst (ms)', 'of the limit'], rows)


def measure_igbvf(args):
    """A real VF, in the machine of tests/vfio; a table of its own, since its seconds are others."""
    import handover_igbvf
    rate = args.rate or handover_igbvf.RATE
    found = handover_igbvf.measure({
        'traffic': args.traffic.split(','), 'runs': args.runs, 'rate': rate,
        'conductors': [name for name in handover_igbvf.CONDUCTORS if re.search(args.only, name)]})
    print_table(handover_igbvf.rows(found), rate, args.runs)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=4)
    parser.add_argument('--primary', default='vmxnet3,e1000e')
    parser.add_argument('--traffic', default=','.join(TRAFFICS))
    parser.add_argument('--only', default='', help='a regular expression that the name of the conductor matches')
    parser.add_argument('--json', help='write every single result into this file')
    parser.add_argument('--rate', type=int, help='packets a second with an igbvf; with others it is always %d' % RATE)
    add_emulator(parser)
    args = parser.parse_args()
    primaries = [p for p in args.primary.split(',') if p and p != 'igbvf']
    conductors = [('-', 'plain QMP, virtio only', RawConductor(None)), ('-', 'virtteam, virtio only', OurConductor(None, ''))]
    for primary in primaries:
        conductors += [(primary, 'plain QMP', RawConductor(primary)),
                       (primary, 'virtteam, qemu', OurConductor(primary, 'qemu')),
                       (primary, 'virtteam, management', OurConductor(primary, 'management'))]
    rows = []
    everything = []
    if primaries:
        migrate_with(args.emulator)
    for kind in args.traffic.split(',') if primaries else ():
        limit = None
        for primary, name, conductor in conductors:
            if not re.search(args.only, name):
                continue
            with vt.Lab(daemons=isinstance(conductor, OurConductor)) as lab:
                results = cell(lab, conductor, kind, args.runs)
            limit = limit or results
            rows.append([kind, primary, name] + rows_of(results, limit))
            everything.append({'traffic': kind, 'primary': primary, 'conducted by': name, 'results': results})
            print('%-8s %-8s %-24s %s' % (kind, primary, name, results), file=sys.stderr, flush=True)
    if rows:
        print_table(rows, RATE, args.runs)
    if 'igbvf' in args.primary.split(','):
        everything += measure_igbvf(args)
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(everything, f, indent=1)
    return 0


if __name__ == '__main__':
    sys.exit(main())
