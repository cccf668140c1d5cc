# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest has on a host, by what the host itself says: to see that nothing of it is left where it does not run."""
import json
import os
import re

from lab import MAC, wait_for

# Of the daemon, not of a guest.
KEPT = ('driver.pid', 'autostarted')


def links(host):
    """Names of the host's taps and macvtaps."""
    names = re.findall(r'^\d+: ([^:@]+)', host.ip('-o', 'link', 'show'), re.M)
    return [n for n in names if re.match(r'(vnet|macvtap|tap)\d', n)]


def pinned(host, mac=MAC):
    """Interfaces that a bridge of the host has the MAC pinned to, or that have it themselves."""
    entries = json.loads(host.run('bridge', '-j', 'fdb', 'show').stdout or '[]')
    return [e.get('ifname') for e in entries if e.get('mac') == mac and
            (e.get('state') in ('static', 'permanent') or 'sticky' in e.get('flags', []))]


def filters(host):
    """Queueing disciplines of tc that frames are copied by."""
    found = json.loads(host.run('tc', '-j', 'qdisc', 'show').stdout or '[]')
    return ['%s %s' % (q.get('dev'), q.get('kind')) for q in found if q.get('kind') in ('clsact', 'ingress')]


def unlike(host):
    """Bridge ports that are not a guest's and do not learn or flood as they did."""
    found = json.loads(host.run('bridge', '-j', '-d', 'link', 'show').stdout or '[]')
    return [p['ifname'] for p in found if not re.match(r'vnet\d', p['ifname']) and
            not all(p.get(k, True) for k in ('learning', 'flood', 'mcast_flood'))]


def files(host):
    """Files of guests at run time, and reservations of host devices and of ports of networks."""
    found = []
    state = os.path.join(host.root, 'run/virtteam/qemu')
    if os.path.isdir(state):
        found += [n for n in os.listdir(state) if n not in KEPT]
    for part in ('reservations', 'network-ports'):
        path = os.path.join(host.root, 'var/lib/virtteam/qemu', part)
        if os.path.isdir(path):
            found += ['%s/%s' % (part, n) for n in os.listdir(path)]
    return found


def of_guest(host):
    """All of these as a list of words; empty where no guest runs, and none has left anything."""
    return (['QEMU %d' % p for p in host.qemu_pids()] + ['link ' + n for n in links(host)] +
            ['FDB entry at ' + n for n in pinned(host)] + ['tc ' + f for f in filters(host)] +
            ['port settings of ' + n for n in unlike(host)] + ['file ' + n for n in files(host)])


def wait_none(host, timeout=30):
    """Wait until a host has nothing of a guest."""
    wait_for(lambda: not of_guest(host), timeout,
             lambda: 'host %s to be as before; it has: %s' % (host.name, ', '.join(of_guest(host))), 0.1)


def wait_settled(host, legs=2, timeout=40):
    """Wait until a host has what one guest with so many taps needs when nothing is under way, and not more."""
    def state():
        return {'QEMU': len(host.qemu_pids()), 'taps': len(links(host)), 'pinned': len(pinned(host)),
                'journals': len([f for f in files(host) if f.endswith('.journal')]), 'ports': unlike(host)}
    # With both legs there the MAC stands at the one that is fed; a guest without a team has nothing pinned.
    right = {'QEMU': 1, 'taps': legs, 'pinned': 1 if legs == 2 else 0, 'journals': 0, 'ports': []}
    wait_for(lambda: state() == right, timeout, lambda: 'host %s to have %s; it has %s' % (host.name, right, state()), 0.1)
