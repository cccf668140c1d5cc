# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./demo shows, once the packages, the build and the guest are there."""
import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as vt  # noqa: E402

NAME = 'team1'
BOLD, DIM, END = ('\033[1m', '\033[2m', '\033[0m') if sys.stdout.isatty() else ('', '', '')


def step(text):
    print('\n%s== %s%s' % (BOLD, text, END), flush=True)


def show(text):
    for line in text.rstrip().splitlines():
        print('   ' + line.rstrip(), flush=True)


def virsh(host, *args, quiet=False):
    """Run stock virsh, showing what was typed and what it said."""
    if not quiet:
        words = ["'%s'" % a if re.search(r'[?&;<> ]', a) else a for a in args]
        print('%shost %s$%s virsh %s' % (DIM, host.name, END, ' '.join(words)), flush=True)
    done = host.virsh(*args, timeout=120)
    if not quiet:
        show(done.stdout)
    return done.stdout


def interfaces(serial):
    """The guest's own view."""
    links = serial.links()
    for name, (role, driver, state) in sorted(links.items()):
        show('%-6s %-8s driver %-13s %s' % (name, role, driver, state))
    return links


def loss(result):
    gaps = [g for g in result['gaps'] if g['ms'] > 15]
    return 'pings sent %d, lost %d, answered twice %d, longest silence %.3f s%s' % (
        result['sent'], result['lost'], result['duplicates'], result['longest_gap_ms'] / 1000,
        ' (%s)' % ', '.join('%.3f' % (g['ms'] / 1000) for g in gaps[:4]) if len(gaps) > 1 else '')


def timelines(host):
    """Timeline files on a host."""
    found = set()
    for folder, _, names in os.walk(host.root):
        found.update(os.path.join(folder, n) for n in names if n.endswith('.jsonl'))
    return found


def timeline(lab, result):
    """The timeline of a migration as virtteam draws it from both hosts' files, with the packets that the probe missed."""
    with open(result['timeline']) as f:
        text = f.read()
    for gap in result['gaps']:
        if gap['lost']:
            text += json.dumps({'t': int(gap['at'] * 1e6), 'side': 'probe', 'what': 'lost', 'detail':
                                '%d packets' % gap['lost'], 'duration': int(gap['ms'] * 1000)}) + '\n'
    merged = os.path.join(lab.dir, 'timeline.jsonl')
    with open(merged, 'w') as f:
        f.write(text)
    other = ['--with', result['other']] if result['other'] else []
    done = vt.run(os.path.join(vt.BUILD, 'src/cli/virtteam'), 'timeline', *other, merged, check=False)
    return done.stdout + done.stderr


def migrate(lab, serial, source, to):
    """One live migration under pings; its report."""
    probe = lab.ping()
    time.sleep(1)
    mark = serial.end()
    before = timelines(source) | timelines(to)
    started = time.monotonic()
    virsh(source, 'migrate', '--live', '--verbose', '--persistent', NAME, to.uri)
    wall = time.monotonic() - started
    serial.wait(r'VT: links.*primary:\w+:up', 60, mark)
    time.sleep(3)
    result = probe.stop()
    show('virsh took %.2f s' % wall)
    result['timeline'] = max(timelines(source) - before, key=os.path.getmtime, default=None)
    result['other'] = max(timelines(to) - before, key=os.path.getmtime, default=None)
    return result


def main():
    # Also where a shell in the background had it ignored.
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    started = time.monotonic()
    vt.patience_s = 120  # nothing is given up because the machine is busy
    results = []
    step('two hosts: namespaces with a bridge, a link and a virtteamd each')
    with vt.Lab() as lab:
        for host in lab.hosts:
            show("host %s: virsh -c '%s'" % (host.name, host.uri))
        a, b = lab.hosts

        step('define and start a teamed guest: virtio standby, vmxnet3 as the fast NIC, one MAC')
        path = os.path.join(lab.dir, NAME + '.xml')
        with open(path, 'w') as f:
            f.write(vt.guest_xml(lab, name=NAME, memory_mib=128))  # docs/migration.md, "Without KVM"
        virsh(a, 'define', path)
        virsh(a, 'start', NAME)
        serial = vt.Serial(os.path.join(lab.dir, NAME + '.serial'))
        serial.wait('VT: ready', 90)
        vt.wait_for(lambda: {'master', 'standby', 'primary'} <= {role for role, _, state in serial.links().values() if state == 'up'},
                    60, lambda: 'the team of the guest to be up: %s' % serial.links())
        lab.wait_ping()
        virsh(a, 'list')
        virsh(a, 'domiflist', NAME)

        step('as the guest sees it: the master is what it uses, standby and primary are below it')
        interfaces(serial)

        for source, to in ((a, b), (b, a)):
            step('live migration from host %s to host %s, 200 pings a second all the while' % (source.name, to.name))
            results.append((source, to, migrate(lab, serial, source, to)))
            show('guest on host %s: %s' % (to.name, to.state(NAME)))
            interfaces(serial)
            show(loss(results[-1][2]))

        step('timelines')
        for source, to, result in results:
            print('\n%shost %s to host %s%s' % (BOLD, source.name, to.name, END))
            show(timeline(lab, result) if result['timeline'] else 'no timeline was written')
        step('result')
        for source, to, result in results:
            show('%s -> %s: %s' % (source.name, to.name, loss(result)))
        virsh(a, 'destroy', NAME)
        virsh(a, 'undefine', NAME)
    show('cleaned up; %.0f s' % (time.monotonic() - started))
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print('\ninterrupted; cleaned up')
        sys.exit(130)
    except vt.LabError as error:
        print('demo: %s' % error, file=sys.stderr)
        sys.exit(1)
