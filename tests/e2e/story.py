# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is to see at the moment in which a test fails: all of it for a file, the most telling of it for the log.

CI keeps a few KB of what ./check prints, so the short form has to be enough to find the reason.
"""
import contextlib
import json
import os
import re
import subprocess
import time
import traceback

import lab as vt

FOLDER = os.path.join(vt.BUILD, 'failures')


def ask(*argv, timeout=15):
    """What a command says; a failure is no reason to tell less."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                              errors='replace', timeout=timeout, check=False)
        return done.stdout
    except (OSError, subprocess.SubprocessError) as error:
        return '%s: %s\n' % (argv[0], error)


def inside(host, *argv):
    return ask('ip', 'netns', 'exec', host.namespace, *argv)


def records(text):
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return []


# --- the host's side of a team
def ports(host):
    """Names of the guests' interfaces, and of the way out."""
    return re.findall(r'^\d+: ((?:vnet|macvtap|up)\w*)', inside(host, 'ip', '-o', 'link'), re.M)


def datapath(host):
    """One line: where the bridge takes the guests' MACs to, what is not as usual at the ports, what is copied where."""
    said = []
    for entry in records(inside(host, 'bridge', '-j', 'fdb', 'show')):
        if entry.get('state') != 'permanent' and entry.get('ifname') != 'up0' and 'master' in entry:
            said.append('%s at %s %s' % (entry.get('mac'), entry.get('ifname'), entry.get('state') or 'learned'))
    for port in records(inside(host, 'bridge', '-j', '-d', 'link', 'show')):
        off = [k for k in ('learning', 'flood', 'mcast_flood') if port.get(k) is False]
        if off:
            said.append('%s no %s' % (port.get('ifname'), '/'.join(off)))
    for name in ports(host):
        for way in ('egress', 'ingress'):
            for to in re.findall(r'mirred \((.*?)\)', inside(host, 'tc', 'filter', 'show', 'dev', name, way)):
                said.append('%s %s: %s' % (name, way, to))
    links = re.findall(r'^\d+: ((?:vnet|macvtap)\w*).*? state (\w+)', inside(host, 'ip', '-o', 'link'), re.M)
    return '; '.join(said + ['%s %s' % link for link in links]) or 'nothing'


def everything_of(host, domain):
    """Text of all that can be asked on a host."""
    text = ''
    for argv in (('ip', '-d', '-s', 'link'), ('bridge', '-d', 'link', 'show'), ('bridge', '-s', 'fdb', 'show'),
                 ('ip', 'neigh'), ('tc', 'qdisc', 'show')):
        text += '$ %s\n%s' % (' '.join(argv), inside(host, *argv))
    for name in ports(host):
        for way in ('egress', 'ingress'):
            text += '$ tc -s filter show dev %s %s\n%s' % (name, way, inside(host, 'tc', '-s', 'filter', 'show', 'dev',
                                                                             name, way))
    virsh = ('virsh', '-q', '-c', host.uri)
    for argv in (('list', '--all'), ('domstate', '--reason', domain), ('domjobinfo', domain), ('dumpxml', domain),
                 ('qemu-monitor-command', domain, '{"execute":"query-migrate"}'),
                 ('qemu-monitor-command', domain, '{"execute":"query-status"}'),
                 ('qemu-monitor-command', '--hmp', domain, 'info network'),
                 ('qemu-monitor-command', '--hmp', domain, 'info pci')):
        text += '$ virsh %s\n%s' % (' '.join(argv), ask(*virsh, *argv))
    program = os.path.join(vt.BUILD, 'src', 'cli', 'virtteam')
    text += '$ virtteam team\n' + ask(program, 'team', '--root', host.root, domain)
    pids = ask('ip', 'netns', 'pids', host.namespace).split()
    text += '$ ps\n' + ask('ps', '-o', 'pid,stat,etime,time,wchan:20,args', '-p', ','.join(pids) or '1')
    return text


def log_files(host):
    """{path: text} of what QEMU and the journal of a host left."""
    found = {}
    for folder, _, names in os.walk(host.root):
        for name in names:
            if name.endswith('.log') and name != 'daemon.log':
                with contextlib.suppress(OSError):
                    with open(os.path.join(folder, name), errors='replace') as f:
                        found[os.path.join(folder, name)] = f.read()[-20000:]
    return found


# --- the parts of the short form
def tail(text, lines, width=150):
    """The last lines, each cut at its end."""
    return [line[:width] for line in text.splitlines() if line.strip()][-lines:]


def plain_log(text):
    """A daemon's log without what is the same in every line."""
    lines = [line for line in text.splitlines() if ' debug ' not in line]
    lines = [re.sub(r'^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d\.\d{2})\d*Z', r'\1', line) for line in lines]
    return '\n'.join(re.sub(r' info|virtteam-|dom=\S+ |msgid=\w+ ', '', line) for line in lines)


def plain_serial(text):
    """A guest's serial line: its own words, and what the kernel says of links."""
    return '\n'.join(line for line in text.splitlines() if re.search(
        r'VT:|failover|slave|Linux version|panic|Oops|BUG|Call Trace|stall|hung|vmxnet3|e1000e|pciehp|acpiphp|segfault', line))


def reason(error):
    """The exception's own words, and the lines of the tests that it came from."""
    kind, value, trace = error
    words = ''.join(traceback.format_exception_only(kind, value)).strip()
    if 'the sanitizers speak' in words:
        words = '\n'.join(line.strip()[:160] for line in words.splitlines()
                         if re.search(r'sanitizers|ERROR: |runtime error|SUMMARY|#\d+ .*/(?:src|tests)/', line))[:1200]
    elif len(words) > 700:
        words = words[:450] + ' [...] ' + words[-240:]
    where = ['%s:%d %s' % (os.path.basename(f.filename), f.lineno, f.line) for f in traceback.extract_tb(trace)
             if '/tests/' in f.filename or '/tools/' in f.filename]
    return words, where[-4:]


class Story:
    """Tells of failures; knows where the logs were when the test began."""

    def __init__(self):
        self.marks = {}
        self.began = time.monotonic()

    def begin(self, lab):
        self.began = time.monotonic()
        self.marks = {host: len(host.daemon_log()) for host in lab.hosts}

    def tell(self, test, error):
        """Write the whole story into a file; the short one as lines, the most telling first."""
        lab = getattr(type(test), 'lab', None)
        words, where = reason(error)
        short = words.splitlines() + ['at ' + line for line in where]
        whole = '%s\n\n%s\nafter %.0f s; load %s\n' % (test, ''.join(traceback.format_exception(*error)),
                                                      time.monotonic() - self.began, ask('cat', '/proc/loadavg').strip())
        if lab is not None and lab.is_up:
            short += self.of_hosts(test, lab)
            whole += self.all_of(test, lab)
        path = self.save(test, whole)
        return short + (['the whole story: ' + path] if path else [])

    def of_hosts(self, test, lab):
        domain = getattr(test, 'domain', 'team1')
        serial = vt.Serial(os.path.join(lab.dir, domain + '.serial')).text(0)
        ping = ask('ip', 'netns', 'exec', lab.namespace, lab.probe_path, 'ping', vt.GUEST_IP, '--rate', '10', '--seconds',
                   '0.5', '--grace', '500')
        answered = re.search(r'"received": *(\d+)', ping)
        short = ['now: %s; pings answered: %s of 5; load %s' % (
            ', '.join('%s %s, %d QEMU' % (h.name, ' '.join(ask('virsh', '-q', '-c', h.uri, 'domstate', '--reason', domain).split()),
                                          len(h.qemu_pids())) for h in lab.hosts),
            answered.group(1) if answered else '?', ask('cat', '/proc/loadavg').strip())]
        short += ['datapath %s: %s' % (h.name, datapath(h)[:420]) for h in lab.hosts]
        short += ['guest: ' + line for line in tail(plain_serial(serial), 7, 130)]
        for host in lab.hosts:
            log = host.daemon_log()[self.marks.get(host, 0):]
            short += ['%s: %s' % (host.name, line) for line in tail(plain_log(log), 8, 170)]
        return short

    def all_of(self, test, lab):
        domain = getattr(test, 'domain', 'team1')
        whole = ''
        for name in sorted(os.listdir(lab.dir)):
            if name.endswith('.serial'):
                whole += '\n===== serial line: %s\n%s' % (name, vt.Serial(os.path.join(lab.dir, name)).text(0))
        for host in lab.hosts:
            log = host.daemon_log()
            mark = self.marks.get(host, 0)
            whole += '\n===== virtteamd of host %s, before this test\n%s' % (host.name, log[:mark][-20000:])
            whole += '\n===== virtteamd of host %s, since it began\n%s' % (host.name, log[mark:])
            whole += '\n===== host %s now\n%s' % (host.name, everything_of(host, domain))
            for path, text in log_files(host).items():
                whole += '\n===== %s\n%s' % (path, text)
        return whole

    def save(self, test, text):
        name = re.sub(r'[^\w.-]+', '-', '%s.%s' % (os.path.splitext(os.path.basename(
            getattr(__import__('__main__'), '__file__', 'test')))[0], getattr(test, '_testMethodName', 'class')))
        try:
            os.makedirs(FOLDER, exist_ok=True)
            path = os.path.join(FOLDER, '%s.%d.txt' % (name, os.getpid()))
            with open(path, 'a') as f:
                f.write(text + '\n')
            return os.path.relpath(path, vt.TOP)
        except OSError:
            return None
