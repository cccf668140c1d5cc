#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts on one machine: what the demo, the end-to-end tests and the benchmarks run on.

    namespace vt-ID-a                 namespace vt-ID-net              namespace vt-ID-b
      virtteamd, QEMU                   the user's client                virtteamd, QEMU
      br0 --- up0 ======================= sw0 (10.77.0.1) ================= up0 --- br0
      mgmt0 192.168.77.1 ================================================== mgmt0 192.168.77.2

ID is the pid of the process that made the lab, so what a killed run left behind is recognised and removed by the
next one. Use it as a context manager, or by hand:

    tools/lab.py up [DIR]     make both hosts, start the daemons, print the URIs, wait for Ctrl-C
    tools/lab.py clean        remove what dead runs left behind
"""
import atexit
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOOLS = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(TOOLS)
GUEST = os.environ.get('VT_GUEST', os.path.join(TOP, 'build', 'guest'))
BUILD = os.environ.get('VT_BUILD', os.path.join(TOP, 'build'))
VFIO = os.environ.get('VT_VFIO', os.path.join(BUILD, 'vfio'))  # what tests/vfio/setup.sh has made
CLIENT_IP = '10.77.0.1'
GUEST_IP = '10.77.0.2'
MEMORY = '/dev/shm'  # a tmpfs of every Linux
MAC = '52:54:00:77:00:02'
NAMESPACE = 'urn:virtteam:domain:1'
QEMU = '/usr/bin/qemu-system-x86_64'
EMULATOR = os.path.join(TOOLS, 'qemu-tcg')  # of guests that migrate: docs/migration.md, "Without KVM"
NEWER_QEMU = os.path.join(VFIO, 'qemu-system-x86_64')
# A wait ends with what it waits for. Its time limit only says when to give up, and tests run on busy machines: they
# set this, and no wait is given up earlier.
patience_s = 0


class LabError(Exception):
    """Something that the lab itself needs did not work, or did not come in time."""


def patient(timeout):
    """A time limit in seconds, as long as it has to be here."""
    return max(timeout, patience_s)


def run(*argv, check=True, timeout=60, **more):
    """Run a command to its end; its output as text. LabError with all it said when it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors='replace',
                          stdin=subprocess.DEVNULL, timeout=patient(timeout), check=False, **more)
    if check and done.returncode != 0:
        raise LabError('%s: exit status %d: %s' % (' '.join(argv), done.returncode, (done.stderr + done.stdout).strip()))
    return done


def wait_for(condition, timeout, what, interval=0.05):
    """Call condition until it returns something true, which is returned; LabError naming what after timeout seconds.

    The longer a look takes, the more rarely it is taken: who waits leaves the machine to those who work.
    """
    started = time.monotonic()
    deadline = started + patient(timeout)
    while True:
        before = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if before > deadline:  # a last look was taken after the time, however long this one was kept waiting
            raise LabError('after %.0f s still waiting for %s' % (now - started, what() if callable(what) else what))
        time.sleep(min(max(interval, 2 * (now - before)), 1))


def alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except (OSError, IndexError):
        return False


def started(pid):
    """When a process began, in seconds as of files."""
    with open('/proc/%d/stat' % pid) as f:
        ticks = int(f.read().rsplit(')', 1)[1].split()[19])
    with open('/proc/uptime') as f:
        return time.time() - float(f.read().split()[0]) + ticks / os.sysconf('SC_CLK_TCK')


def made(pid, folder):
    """Whether a folder is that running process': the number may be another's by now."""
    try:
        return alive(pid) and started(pid) < os.stat(folder).st_mtime + 10
    except (OSError, IndexError):
        return False


def remove_namespace(name):
    """End every process in a namespace that a lab made, then remove it."""
    for _ in range(50):
        pids = [int(p) for p in run('ip', 'netns', 'pids', name, check=False).stdout.split()]
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    run('ip', 'netns', 'del', name, check=False)


def clean():
    """Remove the namespaces and folders of labs whose process is gone."""
    for line in run('ip', 'netns', 'list', check=False).stdout.splitlines():
        match = re.match(r'(vt-(\d+)-(?:a|b|net))\b', line)
        if match and not alive(int(match.group(2))):
            remove_namespace(match.group(1))
    for folder, pattern in ((tempfile.gettempdir(), r'vt-lab-(\d+)'), (MEMORY, r'vt-lab-(\d+)-host[AB]')):
        for name in os.listdir(folder):
            match = re.fullmatch(pattern, name)
            path = os.path.join(folder, name)
            if match and not made(int(match.group(1)), path):
                shutil.rmtree(path, ignore_errors=True)


def virsh_is_lost(pid):
    """Whether a virsh waits for a thread of its own that has ended: for ever.

    The jobs that virsh watches (migrate, save, managedsave, dump) are done by a thread, which at its end tells the main
    loop to quit. If it is refused so fast that the loop does not run yet, the loop never learns of it (virsh 9.0, with
    any daemon; on a busy machine one refused command in a hundred). It catches SIGINT while it watches, and only then.
    """
    try:
        threads = os.listdir('/proc/%d/task' % pid)
        with open('/proc/%d/status' % pid) as f:
            caught = int(re.search(r'^SigCgt:\s*(\w+)', f.read(), re.M).group(1), 16)
    except OSError:
        return False
    return len(threads) <= 2 and bool(caught & 1 << signal.SIGINT - 1)  # the main and the event loop's


def end_virsh(process, timeout, more_input=None):
    """Wait until a virsh has ended; a CompletedProcess, or None if it never will (and is killed). LabError after timeout."""
    deadline = time.monotonic() + patient(timeout)
    was_lost = False
    while True:
        try:
            out, err = process.communicate(more_input, timeout=2)
            return subprocess.CompletedProcess(process.args, process.returncode, out, err)
        except subprocess.TimeoutExpired:
            is_lost = virsh_is_lost(process.pid)
            if time.monotonic() < deadline and not (is_lost and was_lost):
                more_input, was_lost = None, is_lost
                continue
        process.kill()
        process.communicate()
        if is_lost:
            return None
        raise LabError('%s: no answer in %g s' % (' '.join(process.args), patient(timeout)))


class Serial:
    """What a guest wrote on its serial line, over all hosts it has been on (the log is opened for appending)."""

    def __init__(self, path):
        self.path = path
        self.mark = 0

    def text(self, since=None):
        try:
            with open(self.path, 'rb') as f:
                f.seek(self.mark if since is None else since)
                return f.read().decode(errors='replace')
        except FileNotFoundError:
            return ''

    def end(self):
        """Where the log ends now, for 'since'."""
        try:
            return os.path.getsize(self.path)
        except FileNotFoundError:
            return 0

    def wait(self, pattern, timeout=60, since=None):
        """Wait for a regular expression; the match object."""
        def tail():
            return 'the guest to say /%s/; it said last: %s' % (pattern, self.text(since)[-600:])
        return wait_for(lambda: re.search(pattern, self.text(since), re.M), timeout, tail, 0.1)

    def links(self, since=None):
        """The guest's interfaces as it last told them: {name: (role, driver, state)}."""
        lines = re.findall(r'VT: links(.*)\n', self.text(since))  # not one that is being written
        words = [w.split(':') for w in lines[-1].split()] if lines else []
        return {f[0]: tuple(f[1:4]) for f in words if len(f) == 4}


class Probe:
    """A running tools/probe in some namespace."""

    def __init__(self, lab, namespace, *args):
        self.log = os.path.join(lab.dir, 'probe-%d.log' % int(time.time() * 1e6))
        self.process = subprocess.Popen(
            ['ip', 'netns', 'exec', namespace, lab.probe_path, *args, '--log', self.log],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stop(self):
        """End it; its report as a dict."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=patient(20))
        if self.process.returncode != 0:
            raise LabError('probe: ' + err.strip())
        return json.loads(out)


class Host:
    """One of the two hosts: a namespace, a folder, a virtteamd in it."""

    def __init__(self, lab, name, number):
        self.lab = lab
        self.name = name
        self.number = number
        self.namespace = 'vt-%d-%s' % (lab.id, name)
        self.root = os.path.join(lab.dir, 'host' + name.upper())
        self.address = '192.168.77.%d' % number
        self.socket = os.path.join(self.root, 'run/virtteam/virtteamd-sock')
        self.uri = 'qemu+unix:///system?socket=' + self.socket
        self.daemon = None
        self.settings = {}
        self.environment = {}

    # --- the machine
    def make_run(self):
        """DIR/run in memory, as /run is on every host: what is synced there costs nothing."""
        run_dir = os.path.join(MEMORY, '%s-host%s' % (os.path.basename(self.lab.dir), self.name.upper()))
        shutil.rmtree(run_dir, ignore_errors=True)
        os.makedirs(run_dir)
        link = os.path.join(self.root, 'run')
        if not os.path.islink(link):
            os.symlink(run_dir, link)

    def remove_run(self):
        link = os.path.join(self.root, 'run')
        if os.path.islink(link):
            shutil.rmtree(os.readlink(link), ignore_errors=True)

    def make(self):
        os.makedirs(self.root, exist_ok=True)
        self.make_run()
        run('ip', 'netns', 'add', self.namespace)
        self.ip('link', 'set', 'lo', 'up')
        self.ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0')
        run('ip', 'link', 'add', 'up0', 'netns', self.namespace, 'type', 'veth',
            'peer', 'name', 'port' + self.name, 'netns', self.lab.namespace)
        self.ip('link', 'set', 'up0', 'master', 'br0', 'up')
        self.ip('link', 'set', 'br0', 'up')
        run('ip', '-n', self.lab.namespace, 'link', 'set', 'port' + self.name, 'master', 'sw0', 'up')

    def ip(self, *args):
        return run('ip', '-n', self.namespace, *args).stdout

    def run(self, *argv, **more):
        """Run a command on this host."""
        return run('ip', 'netns', 'exec', self.namespace, *argv, **more)

    def popen(self, argv, **more):
        """Start a command on this host; it has the pid of the returned process."""
        return subprocess.Popen(['ip', 'netns', 'exec', self.namespace, *argv], stdin=subprocess.DEVNULL, **more)

    # --- the daemon
    def write_config(self):
        settings = {'migration_address': self.address, 'migration_host': self.address,
                    'host_uuid': '00000000-7654-4321-8888-%012d' % self.number}
        settings.update(self.settings)
        path = os.path.join(self.root, 'etc/virtteam/virtteamd.conf')
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            for key, value in settings.items():
                f.write('%s = %s\n' % (key, value if isinstance(value, int) else '"%s"' % value))

    def start_daemon(self, wait=True, env=None):
        self.write_config()
        environment = dict(os.environ, LSAN_OPTIONS='report_objects=0', **self.environment, **(env or {}))
        environment['ASAN_OPTIONS'] = 'detect_leaks=1:abort_on_error=0:log_path=' + self.root + '/sanitizer'
        environment['UBSAN_OPTIONS'] = 'print_stacktrace=1:halt_on_error=1:log_path=' + self.root + '/sanitizer'
        with open(os.path.join(self.root, 'daemon.log'), 'a') as log:
            self.daemon = self.popen(['unshare', '--uts', 'sh', '-c', 'hostname host%s; exec "$@"' % self.name, 'sh',
                                      self.lab.daemon_path, '--root', self.root, *self.lab.daemon_options],
                                     stdout=log, stderr=log, env=environment, start_new_session=True)
        if wait:
            def up():
                if self.daemon.poll() is not None:
                    raise LabError('virtteamd of host %s ended with status %d: %s' % (
                        self.name, self.daemon.returncode, self.daemon_log()[-2000:]))
                return self.virsh('uri', check=False, timeout=10).returncode == 0
            wait_for(up, 30, lambda: 'virtteamd of host %s: %s' % (self.name, self.daemon_log()[-2000:]), 0.1)

    def daemon_log(self):
        with contextlib.suppress(OSError):
            with open(os.path.join(self.root, 'daemon.log'), errors='replace') as f:
                return f.read()
        return ''

    def kill_daemon(self, signal_number=signal.SIGKILL):
        """End the daemon by a signal and wait until it is gone; guests go on running."""
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal_number)
            self.daemon.wait(patient(20))

    def restart_daemon(self, signal_number=signal.SIGKILL):
        self.kill_daemon(signal_number)
        self.start_daemon()

    def reset(self):
        """Forget everything: daemon, guests, definitions, links; then start the daemon again."""
        self.kill_daemon()
        for pid in self.qemu_pids():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.qemu_pids(), 10, 'the QEMUs of host %s to end' % self.name)
        for part in ('etc', 'var', 'varlib', 'varcache', 'varlog'):
            shutil.rmtree(os.path.join(self.root, part), ignore_errors=True)
        self.make_run()
        for line in self.ip('-o', 'link', 'show').splitlines():
            name = line.split(': ')[1].split('@')[0]
            if name.startswith(('vnet', 'tap')):
                run('ip', '-n', self.namespace, 'link', 'del', name, check=False)
        self.start_daemon()

    # --- its client
    def virsh(self, *args, check=True, timeout=60, options=(), more_input=None):
        """Run stock virsh against this host; a CompletedProcess. LabError when check and it fails."""
        while True:
            done = end_virsh(self.start_virsh(*args, options=options, stdin=subprocess.PIPE), timeout, more_input or '')
            if done:
                break
            print('# virsh %s lost the end of its own thread: once more' % args[0], file=sys.stderr)
        if check and done.returncode != 0:
            raise LabError('host %s: virsh %s: %s' % (self.name, ' '.join(args), (done.stderr + done.stdout).strip()))
        return done

    def start_virsh(self, *args, options=(), stdin=subprocess.DEVNULL):
        """Start virsh in the background; a Popen with pipes."""
        return subprocess.Popen(['virsh', '-q', '-c', self.uri, *options, *args], stdin=stdin,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors='replace')

    def define(self, xml, check=True):
        path = os.path.join(self.lab.dir, 'define-%s.xml' % self.name)
        with open(path, 'w') as f:
            f.write(xml)
        return self.virsh('define', path, check=check)

    def state(self, domain):
        """'running', 'paused', 'shut off', or None when there is no such domain."""
        done = self.virsh('domstate', domain, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def wait_state(self, domain, state, timeout=30):
        wait_for(lambda: self.state(domain) == state, timeout,
                 lambda: '%s on host %s to be %s; it is %s' % (domain, self.name, state, self.state(domain)), 0.1)

    def qmp(self, domain, command, **arguments):
        text = json.dumps({'execute': command, 'arguments': arguments})
        return json.loads(self.virsh('qemu-monitor-command', domain, text).stdout).get('return')

    def qemu_pids(self):
        """Pids of the QEMUs on this host."""
        found = []
        for pid in run('ip', 'netns', 'pids', self.namespace, check=False).stdout.split():
            with contextlib.suppress(OSError):
                with open('/proc/%s/comm' % pid) as f:
                    if f.read().startswith('qemu-system') and alive(int(pid)):
                        found.append(int(pid))
        return found


class Lab:
    """Both hosts and the network between them."""

    def __init__(self, directory=None, daemons=True, keep=False, settings=None):
        self.id = os.getpid()
        self.dir = directory or os.path.join(tempfile.gettempdir(), 'vt-lab-%d' % self.id)
        self.namespace = 'vt-%d-net' % self.id
        self.daemons = daemons
        self.keep = keep or bool(os.environ.get('VT_KEEP'))
        self.daemon_path = os.environ.get('VT_DAEMON', os.path.join(BUILD, 'src/daemon/virtteamd'))
        self.daemon_options = []
        self.probe_path = os.path.join(GUEST, 'probe')
        self.a = Host(self, 'a', 1)
        self.b = Host(self, 'b', 2)
        self.hosts = (self.a, self.b)
        for host in self.hosts:
            host.settings.update(settings or {})
        self.is_up = False
        self.last_words = ''

    def __enter__(self):
        atexit.register(self.down)
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *exc):
        self.down()

    def up(self):
        if os.geteuid() != 0:
            raise LabError('network namespaces need root')
        clean()
        if self.daemons and not os.access(self.daemon_path, os.X_OK):
            raise LabError("'%s' is missing: build first (meson setup build && ninja -C build)" % self.daemon_path)
        if not os.path.exists(self.probe_path):
            raise LabError("'%s' is missing: run tools/guest-image.sh first" % self.probe_path)
        self.is_up = True
        os.makedirs(self.dir, exist_ok=True)
        run('ip', 'netns', 'add', self.namespace)
        net = ['ip', '-n', self.namespace]
        run(*net, 'link', 'set', 'lo', 'up')
        run(*net, 'link', 'add', 'sw0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0')
        run(*net, 'addr', 'add', CLIENT_IP + '/24', 'dev', 'sw0')
        run(*net, 'link', 'set', 'sw0', 'up')
        for host in self.hosts:
            host.make()
        run('ip', 'link', 'add', 'mgmt0', 'netns', self.a.namespace, 'type', 'veth',
            'peer', 'name', 'mgmt0', 'netns', self.b.namespace)
        for host in self.hosts:
            host.ip('addr', 'add', host.address + '/24', 'dev', 'mgmt0')
            host.ip('link', 'set', 'mgmt0', 'up')
        for host in self.hosts:
            if self.daemons:
                host.start_daemon()

    def down(self):
        if not self.is_up:
            return
        self.is_up = False
        # A clean end of the daemons lets the leak checker speak; the guests would outlive them.
        for host in self.hosts:
            if host.daemon and host.daemon.poll() is None:
                host.daemon.send_signal(signal.SIGTERM)
        for host in self.hosts:
            if host.daemon:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    host.daemon.wait(patient(10))
        for host in self.hosts:
            remove_namespace(host.namespace)
        remove_namespace(self.namespace)
        self.last_words = self.sanitizer_reports()
        if not self.keep:
            for host in self.hosts:
                host.remove_run()
            shutil.rmtree(self.dir, ignore_errors=True)

    def sanitizer_reports(self):
        """What ASan, LSan and UBSan have written and no earlier call told, as one text; empty is good."""
        text = ''
        for host in self.hosts:
            with contextlib.suppress(OSError):
                for name in sorted(os.listdir(host.root)):
                    if name.startswith('sanitizer.'):
                        path = os.path.join(host.root, name)
                        with open(path, errors='replace') as f:
                            text += f.read()
                        os.rename(path, os.path.join(host.root, 'told-' + name))
        return text

    def ping(self, address=GUEST_IP, rate=200):
        """Start pinging the guest from the network between the hosts."""
        return Probe(self, self.namespace, 'ping', address, '--rate', str(rate))

    def probe(self, *args):
        return Probe(self, self.namespace, *args)

    def wait_ping(self, address=GUEST_IP, timeout=30):
        """Wait until one ping is answered."""
        def answered():
            return run('ip', 'netns', 'exec', self.namespace, self.probe_path, 'ping', address, '--rate', '10',
                       '--seconds', '0.15', '--grace', '300').stdout.find('"received": 0') < 0
        wait_for(answered, timeout, 'a ping answered by ' + address)

    def running(self, domain):
        """The hosts on which QEMU says that the guest runs."""
        return [h for h in self.hosts if h.state(domain) == 'running']


def kernel_words(ip, options=''):
    """A guest's kernel command line. Without no_timer_check, a kernel that was kept waiting at the wrong moment takes its
    timer for broken, and goes on with what an old PC would do then."""
    return 'console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests no_timer_check vt.ip=%s/24 %s' % (ip, options)


def guest_xml(lab, name='team1', team='vmxnet3', uuid='5a1c0de0-0000-4000-8000-000000000001', ip=GUEST_IP, mac=MAC,
              options='', memory_mib=256, kernel_options='', bridge='br0', machine='q35', serial='pty', extra='',
              teaming=True, policy='', root=True, metadata=''):
    """XML of the small guest.

    team: model of the emulated primary, or None for a guest with a single virtio NIC; options: further vt.* words of
    tools/guest-init; policy: further attributes of the team's element; extra: further devices.
    """
    log = os.path.join(lab.dir, name + '.serial')
    primary = element = ''
    if team:
        primary = '''
    <interface type='bridge'>
      <mac address='%s'/>
      <source bridge='%s'/>
      <model type='%s'/>
      <teaming type='transient' persistent='ua-standby'/>
      <alias name='ua-primary'/>
      <rom enabled='no'/>
    </interface>''' % (mac, bridge, team)
        element = '''
    <virtteam:teaming xmlns:virtteam='%s'>
      <virtteam:team persistent='ua-standby' emulated='yes'%s/>
    </virtteam:teaming>''' % (NAMESPACE, ' ' + policy if policy else '')
    meta = element + metadata
    char = "<serial type='pty'>" if serial == 'pty' else "<serial type='file'><source path='%s.file'/>" % log
    return '''<domain type='qemu'>
  <name>%(name)s</name>
  <uuid>%(uuid)s</uuid>%(meta)s
  <memory unit='MiB'>%(memory)d</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='%(machine)s'>hvm</type>
    <kernel>%(guest)s/vmlinux</kernel>
    <initrd>%(guest)s/initrd.cpio</initrd>
    <cmdline>%(words)s</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>
  <clock offset='utc'/>
  <devices>
    <emulator>%(emulator)s</emulator>
    <controller type='usb' model='none'/>
    <interface type='bridge'>
      <mac address='%(mac)s'/>
      <source bridge='%(bridge)s'/>
      <model type='virtio'/>%(persistent)s
      <alias name='ua-standby'/>
      <rom enabled='no'/>
    </interface>%(primary)s
    %(char)s<log file='%(log)s' append='on'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'/>%(extra)s
  </devices>
</domain>
''' % {'name': name, 'uuid': uuid, 'meta': '\n  <metadata>%s\n  </metadata>' % meta if meta else '',
       'memory': memory_mib, 'emulator': EMULATOR, 'machine': machine, 'guest': GUEST, 'mac': mac, 'bridge': bridge,
       'words': kernel_words(ip, ' '.join(filter(None, (options, kernel_options)))).strip(),
       'persistent': "\n      <teaming type='persistent'/>" if team and teaming else '', 'primary': primary,
       'char': char, 'log': log, 'extra': extra}


def main():
    if sys.argv[1:] == ['clean']:
        clean()
        return 0
    if sys.argv[1:2] != ['up']:
        print(__doc__)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Lab(*sys.argv[2:3]) as lab:
        for host in lab.hosts:
            print('host %s: namespace %s, virsh -c \'%s\'' % (host.name, host.namespace, host.uri))
        with open(os.path.join(lab.dir, 'team1.xml'), 'w') as f:
            f.write(guest_xml(lab))
        print('a teamed guest: %s/team1.xml; its serial line is logged in %s/team1.serial' % (lab.dir, lab.dir))
        print('Ctrl-C ends it all.', flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)
    return 0


if __name__ == '__main__':
    sys.exit(main())
