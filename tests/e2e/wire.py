#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wire and the daemon around it: stock virsh against one virtteamd with a guest that has no operating system."""
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import harness
from harness import patient, wait_for

BUILD = os.environ.get('VT_BUILD', os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'build'))
DAEMON = os.environ.get('VT_DAEMON', os.path.join(BUILD, 'src/daemon/virtteamd'))
UUID = 'aaaaaaaa-1111-2222-3333-444444444444'
MAC = '52:54:00:00:00:01'
GUEST = """<domain type='qemu'>
  <name>small</name>
  <uuid>%s</uuid>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <interface type='user'><mac address='%s'/><model type='virtio'/></interface>
    <serial type='pty'/>
    <console type='pty'/>
  </devices>
</domain>
""" % (UUID, MAC)

REMOTE, QEMU, KEEPALIVE = 0x20008086, 0x20008087, 0x6b656570


class Daemon:
    """A virtteamd below a folder of its own."""

    def __init__(self, settings='', arguments=(), env=None, root=True):
        self.dir = tempfile.mkdtemp(prefix='vt-wire-')
        self.root = os.path.join(self.dir, 'root')
        self.arguments = (['--root', self.root] if root else []) + list(arguments)
        self.env = dict(os.environ, **(env or {}))
        self.socket = os.path.join(self.root, 'run/virtteam/virtteamd-sock')
        os.makedirs(os.path.join(self.root, 'etc/virtteam'))
        with open(os.path.join(self.root, 'etc/virtteam/virtteamd.conf'), 'w') as conf:
            conf.write(settings)
        self.guest = os.path.join(self.dir, 'small.xml')
        with open(self.guest, 'w') as xml:
            xml.write(GUEST)
        self.process = None

    def start(self):
        log = open(os.path.join(self.dir, 'log'), 'a')
        self.process = subprocess.Popen([DAEMON, '--log-level', 'debug'] + self.arguments, stdout=log, stderr=log,
                                        env=self.env)
        wait_for(lambda: self.process.poll() is not None or self.answers(), 30, 'virtteamd to listen', 0.05)
        if self.process.poll() is not None:
            raise AssertionError('virtteamd ended: ' + self.log()[-2000:])
        return self

    def answers(self):
        try:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.socket)
            connection.close()
            return True
        except OSError:
            return False

    def end(self, sig=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(patient(20)) if self.process is not None else None

    def log(self):
        with open(os.path.join(self.dir, 'log'), errors='replace') as log:
            return log.read()

    def uri(self, read_only=False, path='system'):
        return 'qemu+unix:///%s?socket=%s' % (path, self.socket + ('-ro' if read_only else ''))

    def virsh(self, *words, uri=None, timeout=40, prefix=()):
        return subprocess.run([*prefix, 'virsh', '-c', uri or self.uri(), *words], timeout=patient(timeout), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, env=dict(os.environ, LC_ALL='C'))

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.virsh('destroy', 'small')
            self.virsh('undefine', 'small')
            self.end()
        self.kill_guests()
        log = self.log() if self.process is not None else ''
        shutil.rmtree(self.dir, ignore_errors=True)
        if 'Sanitizer' in log or 'runtime error' in log:
            raise AssertionError('the sanitizers speak: ' + log[-6000:])

    def kill_guests(self):
        """What a failed test has left: processes that have our folder in their arguments."""
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open('/proc/%s/cmdline' % pid, 'rb') as arguments:
                    if self.dir.encode() in arguments.read() and int(pid) != os.getpid():
                        os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass


class WireTest(unittest.TestCase):
    settings = ''

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.settings).start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.remove()

    def says(self, words, status, pattern, **more):
        """virsh with these words ends with the status and says (on both outputs) what the pattern describes."""
        got = self.daemon.virsh(*words.split(), **more)
        said = got.stdout + got.stderr
        self.assertEqual(got.returncode, status, '%s: %s' % (words, said))
        self.assertRegex(said, re.compile(pattern, re.S | re.M), words)
        return got


# ---- what virsh says -------------------------------------------------------------------------------------------

class Commands(WireTest):
    """Words and exit codes as with stock libvirtd 9.0, in the order of a guest's life."""

    def rows(self, rows):
        for words, status, pattern in rows:
            with self.subTest(words):
                self.says(words, status, pattern)

    def test_host(self):
        self.rows([
            ('version', 0, 'Using API: QEMU 9.0.0\nRunning hypervisor: QEMU [0-9.]+'),
            ('uri', 0, 'qemu\\+unix:///system'),
            ('hostname', 0, '.'),
            ('nodeinfo', 0, 'CPU model: +\\S+\nCPU\\(s\\): +[0-9]+'),
            ('capabilities', 0, '<capabilities>.*<guest>.*</capabilities>'),
            ('domcapabilities', 0, '<domainCapabilities>.*</domainCapabilities>'),
            ('maxvcpus', 0, '^[0-9]+$'),
            ('nodecpumap', 0, 'CPUs present: +[0-9]+\nCPUs online: +[0-9]+\nCPU map: +y'),
            ('nodecpustats', 0, 'user: +[0-9]+\nsystem: +[0-9]+\nidle: +[0-9]+\niowait: +[0-9]+'),
            ('nodecpustats --cpu 0 --percent', 0, 'usage: +[0-9.]+%'),
            ('nodecpustats --cpu 99999', 1, 'the host has no processor 99999 that is online'),
            ('nodememstats', 0, 'total *: +[0-9]+ KiB\nfree *: +[0-9]+ KiB\nbuffers *: +[0-9]+ KiB\ncached *: +[0-9]+ KiB'),
            ('nodememstats --cell 999', 1, 'the host has no NUMA node 999'),
            ('freecell', 0, 'Total: [0-9]+ KiB'),
            ('freecell --all', 0, '0: +[0-9]+ KiB.*Total: +[0-9]+ KiB'),
            ('freecell 999', 1, 'the host has no NUMA node 999'),
            ('freepages --cellno 0 --pagesize 4', 0, '4KiB: [0-9]+'),
            ('freepages --cellno 0 --pagesize 3', 1, 'has no pages of 3 KiB'),
            ('cpu-models x86_64', 0, '^qemu64$'),
            ('cpu-models riscv64', 1, "has no processors of the architecture 'riscv64'"),
            ('list --all', 0, 'Id +Name +State'),
            ('net-list --all', 0, 'Name +State'),
            ('pool-list --all', 0, 'Name +State'),
            ('nodedev-list', 0, ''),
            ('net-info nope', 1, "Network not found: no network with matching name 'nope'"),
            ('vol-info /nope', 1, "Storage volume not found: no storage vol with matching path '/nope'"),
            ('sysinfo', 1, 'this function is not supported by the connection driver: virConnectGetSysinfo'),
            ('dominfo nope', 1, "failed to get domain 'nope'"),
        ])

    def test_life(self):
        self.says('define ' + self.daemon.guest, 0, "Domain 'small' defined from")
        self.rows([
            ('dominfo small', 0, 'State: +shut off.*Persistent: +yes\nAutostart: +disable\nManaged save: +no'),
            ('domstate small --reason', 0, r'shut off \('),
            ('suspend small', 1, 'Requested operation is not valid: domain is not running'),
            ('domcontrol small', 1, 'Requested operation is not valid: domain is not running'),
            ('domjobinfo small', 1, 'Requested operation is not valid: domain is not running'),
            ('start small --paused', 0, "Domain 'small' started"),
            ('domstate small --reason', 0, r'paused \(.*\)'),
            ('resume small', 0, "Domain 'small' resumed"),
            ('start small', 1, 'Domain is already active'),
            ('list', 0, r'^ +[0-9]+ +small +running$'),
            ('domid small', 0, '^[0-9]+$'),
            ('domuuid small', 0, UUID),
            ('domname ' + UUID, 0, '^small$'),
            ('domiflist small', 0, 'user +- +virtio +' + MAC),
            ('domif-getlink small ' + MAC, 0, MAC + ' up'),
            ('domif-setlink small %s down' % MAC, 0, 'Device updated successfully'),
            ('domif-getlink small ' + MAC, 0, MAC + ' down'),
            ('domcontrol small', 0, 'ok'),
            ('domjobinfo small', 0, 'Job type: +None'),
            ('domjobabort small', 1, 'Requested operation is not valid: no job is active on the domain'),
            ('qemu-monitor-command small {"execute":"query-status"}', 0, '"status": ?"running"'),
            ('qemu-monitor-command small --hmp info --version', 1, ''),
            ('qemu-monitor-command small nonsense', 0, 'CommandNotFound'),
            ('metadata small urn:virtteam:domain:1', 1, 'metadata not found'),
            ('desc small --live a description', 0, ''),
            ('desc small', 0, 'a description'),
            ('domstats small', 0, "Domain: 'small'\n +state.state=1"),
            ('dommemstat small', 0, 'actual 65536'),
            ('domblklist small', 0, 'Target'),
            ('domblkstat small', 0, ''),
            ('domblkstat small vda', 1, "domain 'small' has no disk 'vda'"),
            ('domblkinfo small vda', 1, "domain 'small' has no disk 'vda'"),
            ('domifaddr small --source arp', 0, 'Name +MAC address +Protocol +Address'),
            ('domifaddr small', 1, "leases are known to libvirt's network daemon.*--source arp"),
            ('domifaddr small --source agent', 1, 'QEMU guest agent is not connected'),
            ('vcpucount small', 0, 'maximum +live +1'),
            ('autostart small', 0, "Domain 'small' marked as autostarted"),
            ('autostart small --disable', 0, "Domain 'small' unmarked as autostarted"),
            ('domrename small other', 1, 'Requested operation is not valid: cannot rename active domain'),
            ('reset small', 0, "Domain 'small' was reset"),
            ('destroy small --graceful', 0, "Domain 'small' destroyed"),
            ('domstate small --reason', 0, r'shut off \(destroyed\)'),
            ('start small', 0, "Domain 'small' started"),
            ('destroy small', 0, "Domain 'small' destroyed"),
            ('destroy small', 1, 'Requested operation is not valid: domain is not running'),
            ('domrename small other', 0, ''),
            ('undefine other', 0, "Domain 'other' has been undefined"),
            ('undefine other', 1, "failed to get domain 'other'"),
        ])

    def test_bad_xml(self):
        path = os.path.join(self.daemon.dir, 'bad.xml')
        with open(path, 'w') as xml:
            xml.write('<domain')
        self.says('define ' + path, 1, 'Failed to define domain from')


class Events(WireTest):
    def test_what_happens_is_told(self):
        daemon = self.daemon
        plain, monitor = (self.watch(*words) for words in (['event', '--all'], ['qemu-monitor-event']))
        kinds = len(daemon.virsh('event', '--list').stdout.split()) + 1
        wait_for(lambda: len(harness.SAYS_WHO_LISTENS.findall(daemon.log())) >= kinds, 30, 'virsh to listen')
        for words in ('define ' + daemon.guest, 'start small', 'suspend small', 'resume small', 'reset small',
                      'destroy small', 'undefine small'):
            self.says(words, 0, '')
        for what in ('Defined Added', 'Started Booted', 'Suspended Paused', 'Resumed Unpaused', 'Stopped Destroyed',
                     'Undefined Removed'):
            wait_for(lambda w=what: "event 'lifecycle' for domain 'small': " + w in plain(), 30, lambda w=what: w + plain())
        for what in ('STOP', 'RESUME', 'RESET'):
            wait_for(lambda w=what: re.search('event %s at [0-9.]+ for domain .small.' % w, monitor()), 30,
                     lambda w=what: w + monitor())

    def watch(self, *words):
        """A virsh that waits for events until the test is over; a function that gives what it has told."""
        path = os.path.join(self.daemon.dir, words[0])
        with open(path, 'w') as out:
            process = subprocess.Popen(['virsh', '-c', self.daemon.uri(), *words, '--loop'], stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def told():
            with open(path, errors='replace') as f:
                return f.read()
        return told


class Console(WireTest):
    def test_opens_and_closes(self):
        self.says('create ' + self.daemon.guest, 0, "Domain 'small' created from")
        for _ in range(3):  # each one gives the console free for the next
            self.assertIn('Escape character', self.console())
        self.says('destroy small', 0, 'destroyed')

    def console(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp('virsh', ['virsh', '-c', self.daemon.uri(), 'console', 'small'])
        said, end = b'', time.monotonic() + patient(20)
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    said += os.read(terminal, 4096)
                except OSError:
                    break
            if b'Escape character' in said:
                os.write(terminal, b'\x1d')  # alone, or virsh does not take it for the escape
        if time.monotonic() >= end:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(os.waitpid(pid, 0)[1], 0, said)
        return said.decode(errors='replace')


# ---- the wire itself --------------------------------------------------------------------------------------------

class Peer:
    """A client that can say anything."""

    def __init__(self, daemon, open_it=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patient(10))
        self.socket.connect(daemon.socket)
        if open_it:
            self.call(REMOTE, 1, struct.pack('>I', 0) + struct.pack('>I', 0))
            assert self.answer()[5] == 0

    def call(self, program, procedure, payload=b'', version=1, kind=0, serial=1, status=0, length=None):
        body = struct.pack('>IIiiIi', program, version, procedure, kind, serial, status) + payload
        self.socket.sendall(struct.pack('>I', len(body) + 4 if length is None else length) + body)

    def read(self, n):
        data = b''
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                return None
            data += part
        return data

    def answer(self):
        """(program, version, procedure, type, serial, status, payload), or None at end of file."""
        try:
            head = self.read(4)
            if head is None:
                return None
            body = self.read(struct.unpack('>I', head)[0] - 4)
        except ConnectionResetError:
            return None
        return struct.unpack('>IIiiIi', body[:24]) + (body[24:],)

    def error(self):
        """Code, domain and message of the next answer."""
        answer = self.answer()
        assert answer[5] == 1, answer
        code, domain, there, size = struct.unpack('>iiII', answer[6][:16])
        assert there == 1
        return code, domain, answer[6][16:16 + size].decode()


class OddInput(WireTest):
    """As stock libvirtd 9.0 answers."""

    def test_answers(self):
        peer = Peer(self.daemon)
        for words, arguments, want in [
                ('no such procedure', dict(procedure=4711), (39, 7, 'unknown procedure: 4711')),
                ('an event as a call', dict(procedure=318), (39, 7, 'unknown procedure: 318')),
                ('no such program', dict(program=1, procedure=3), (39, 7, 'Cannot find program 1 version 1')),
                ('no such version', dict(procedure=3, version=7), (39, 7, 'Cannot find program 536903814 version 7')),
                ('a status', dict(procedure=3, status=1), (39, 7, 'Unexpected message status 1')),
                ('no arguments', dict(procedure=23), (39, 7, 'Unable to decode message payload')),
                ('a string of 4 GiB', dict(procedure=23, payload=b'\xff' * 8), (39, 7, 'Unable to decode message payload')),
                ('open twice', dict(procedure=1, payload=bytes(8)), (1, 7, 'internal error: connection already open'))]:
            with self.subTest(words):
                peer.call(**{'program': REMOTE, **arguments})
                self.assertEqual(peer.error(), want)

    def test_dropped_and_the_connection_stays(self):
        peer = Peer(self.daemon)
        for kind in (1, 2, 3, 6, 9, -1):
            peer.call(REMOTE, 3, kind=kind)
        peer.call(KEEPALIVE, 2, kind=2)
        peer.call(KEEPALIVE, 7, kind=2)
        peer.call(REMOTE, 3, b'more bytes than it has arguments', serial=9)
        answer = peer.answer()
        self.assertEqual((answer[4], answer[5]), (9, 0))

    def test_connection_ends(self):
        for words, data in [('length 0', bytes(4)), ('length 27', struct.pack('>I', 27) + bytes(30)),
                            ('length 2^32-1', b'\xff' * 32), ('33 descriptors', None), ('HTTP', b'GET / HTTP/1.0\r\n\r\n')]:
            with self.subTest(words):
                peer = Peer(self.daemon)
                if data is None:
                    peer.call(REMOTE, 3, struct.pack('>I', 33), kind=4)
                else:
                    peer.socket.sendall(data)
                self.assertIsNone(peer.answer())
        self.says('list', 0, '')

    def test_before_open_and_after_close(self):
        peer = Peer(self.daemon, open_it=False)
        peer.call(REMOTE, 3)
        self.assertEqual(peer.error(), (1, 7, 'internal error: hypervisor connection not open'))
        peer.call(REMOTE, 2)
        self.assertEqual(peer.answer()[5], 0)
        self.assertIsNone(peer.answer())

    def test_ping_is_answered_while_calls_wait(self):
        peer = Peer(self.daemon)
        peer.call(KEEPALIVE, 1, kind=2, serial=0)
        self.assertEqual(peer.answer()[:3], (KEEPALIVE, 1, 2))

    def test_clients_that_vanish(self):
        for n in range(60):
            peer = Peer(self.daemon)
            peer.call(REMOTE, 3, length=28 + n)
            peer.socket.close()
        self.says('list', 0, '')

    def test_silent_virsh_with_keepalive(self):
        self.says('-k 1 -K 6 event --event lifecycle --timeout 9', 1, 'event loop timed out')


# ---- who may ---------------------------------------------------------------------------------------------------

class Access(WireTest):
    settings = 'unix_sock_rw_perms = "0777"\nunix_sock_ro = 1\n'

    def setUp(self):
        os.chmod(self.daemon.dir, 0o755)
        self.other = ('setpriv', '--reuid', '65534', '--clear-groups', '--')

    def test_read_only(self):
        self.says('define ' + self.daemon.guest, 0, '')
        for uri in (self.daemon.uri(read_only=True), None):
            words = 'destroy small' if uri else '-r destroy small'
            self.says(words, 1, 'operation forbidden: read only access prevents virDomainDestroy', uri=uri)
        self.says('dominfo small', 0, 'shut off', uri=self.daemon.uri(read_only=True))
        self.says('undefine small', 0, '')

    def test_another_user(self):
        self.says('list', 1, 'authentication failed', prefix=self.other)
        self.says('-r list', 0, 'Id', prefix=self.other, uri=self.daemon.uri(read_only=True))

    def test_socket_permissions(self):
        daemon = Daemon().start()
        try:
            self.assertEqual(os.stat(daemon.socket).st_mode & 0o777, 0o700)
            self.assertFalse(os.path.exists(daemon.socket + '-ro'))
        finally:
            daemon.remove()


# ---- the daemon's own life -----------------------------------------------------------------------------------------

class Life(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon()

    def tearDown(self):
        self.daemon.remove()

    def test_guest_outlives_the_daemon(self):
        for sig in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(sig.name):
                self.daemon.start()
                self.assertEqual(self.daemon.virsh('create', self.daemon.guest).returncode, 0)
                before = self.daemon.virsh('dumpxml', 'small').stdout
                status = self.daemon.end(sig)
                self.assertEqual(status, 0 if sig == signal.SIGTERM else -9)
                self.daemon.start()
                wait_for(lambda: self.daemon.virsh('domstate', 'small').stdout.strip() == 'running', 20,
                         'the guest to be found again', 0.2)
                self.assertEqual(self.daemon.virsh('dumpxml', 'small').stdout, before)
                self.assertEqual(self.daemon.virsh('destroy', 'small').returncode, 0)
                self.daemon.end()

    def test_second_daemon_is_refused(self):
        self.daemon.start()
        second = subprocess.run([DAEMON, '--root', self.daemon.root], capture_output=True, text=True, timeout=patient(20))
        self.assertEqual(second.returncode, 1)
        self.assertIn(str(self.daemon.process.pid), second.stderr)
        self.assertEqual(self.daemon.virsh('list').returncode, 0)

    def test_bad_setting_names_the_line(self):
        path = os.path.join(self.daemon.dir, 'bad.conf')
        with open(path, 'w') as conf:
            conf.write('max_clients = 3\n\nmax_cliens = 3\n')
        got = subprocess.run([DAEMON, '--root', self.daemon.root, '--config', path], capture_output=True, text=True,
                             timeout=patient(20))
        self.assertEqual(got.returncode, 1)
        self.assertIn("bad.conf:3: there is no key 'max_cliens'", got.stderr)

    def test_client_limit(self):
        self.daemon = Daemon('max_clients = 2\n').start()
        peers = [Peer(self.daemon) for _ in range(2)]
        third = Peer(self.daemon, open_it=False)
        self.assertIsNone(third.answer())
        peers[0].socket.close()
        wait_for(lambda: self.daemon.virsh('list').returncode == 0, 10, 'a place to be free again', 0.2)

    def test_time_out(self):
        self.daemon.arguments += ['--timeout', '2']
        self.daemon.start()
        self.assertEqual(self.daemon.process.wait(patient(20)), 0)
        self.assertFalse(os.path.exists(self.daemon.socket))

    def test_socket_from_systemd(self):
        path = os.path.join(self.daemon.dir, 'activated')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()

        def pass_it():
            os.dup2(listener.fileno(), 3)
            os.set_inheritable(3, True)
            os.environ['LISTEN_PID'] = str(os.getpid())
        process = subprocess.Popen(['sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh', DAEMON, '--root',
                                    self.daemon.root], preexec_fn=pass_it, close_fds=False)
        try:
            got = self.daemon.virsh('uri', uri='qemu+unix:///system?socket=' + path)
            self.assertEqual(got.returncode, 0, got.stderr)
        finally:
            process.terminate()
            self.assertEqual(process.wait(patient(20)), 0)
        self.assertTrue(os.path.exists(path))

    def test_session(self):
        env = {name: os.path.join(self.daemon.dir, name) for name in
               ('XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME')}
        for path in env.values():
            os.mkdir(path)
        session = Daemon(arguments=['--session'], env=env, root=False)
        session.socket = os.path.join(env['XDG_RUNTIME_DIR'], 'virtteam/virtteamd-sock')
        try:
            session.start()
            got = session.virsh('define', session.guest, uri=session.uri(path='session'))
            self.assertEqual(got.returncode, 0, got.stderr)
            self.assertTrue(os.path.exists(os.path.join(env['XDG_CONFIG_HOME'], 'virtteam/qemu/small.xml')))
            self.assertEqual(session.virsh('uri').returncode, 1)
        finally:
            session.remove()


if __name__ == '__main__':
    harness.main()
