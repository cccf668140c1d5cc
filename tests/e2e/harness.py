# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the end-to-end tests share: a lab a class, stock virsh, and TAP for meson.

A test file ends with `harness.main()`. Run one by hand with `python3 tests/e2e/life.py [NAME...]`.
VT_E2E_STOCK=1 runs the files that can against stock libvirtd instead: what it does differently stands in the tests
as `self.differs(...)` with the reason.
"""
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools'))
import lab as vt  # noqa: E402
from lab import LabError, Serial, guest_xml, patient, wait_for  # noqa: E402,F401
import story  # noqa: E402

STOCK = bool(os.environ.get('VT_E2E_STOCK'))
# A guest kernel that does not answer requests to eject a device.
DEAF = {'options': 'vt.noeject', 'kernel_options': 'acpiphp.disable=1'}
# Nothing here is given up because the machine is busy; after a failure the rest need not take that long to fail, too.
PATIENCE_S = 180
PATIENCE_AFTER_FAILURE_S = 60
vt.patience_s = PATIENCE_S
# With log_filters of this, the daemon logs each call, so that one sees who listens.
CALLS = 'virtteam-rpc-dispatch:debug'
SAYS_WHO_LISTENS = re.compile(r'EVENT(?:_CALLBACK)?_REGISTER')


class Listener:
    """A virsh that waits for events of a host; it has told the daemon so."""
    numbers = itertools.count(1)

    def __init__(self, host, *words):
        self.path = os.path.join(host.lab.dir, 'listener-%d' % next(self.numbers))
        before = len(host.daemon_log())
        kinds = len(host.virsh('event', '--list').stdout.split()) if '--all' in words else 1
        with open(self.path, 'w') as out:
            self.process = subprocess.Popen(['virsh', '-q', '-c', host.uri, *words, '--loop'], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out)
        if STOCK:
            time.sleep(3)  # libvirtd does not say so
        else:
            wait_for(lambda: len(SAYS_WHO_LISTENS.findall(host.daemon_log()[before:])) >= kinds, 30, 'virsh to listen')

    def text(self):
        with open(self.path, errors='replace') as f:
            return f.read()

    def wait(self, pattern):
        """Wait until it has told of that; all it has told."""
        wait_for(lambda: re.search(pattern, self.text()), 30, lambda: 'an event /%s/: %s' % (pattern, self.text()[-1500:]))
        return self.text()

    def stop(self):
        self.process.kill()
        self.process.wait()


class LabTest(unittest.TestCase):
    """A class of tests on one lab. After each test every guest is gone again."""

    # What the product waits for ends by the event. Deaf guests have a short limit of their own.
    settings = {}
    can_run_on_stock = False
    domain = 'team1'
    is_clean = True  # the test before has removed its guests

    @classmethod
    def setUpClass(cls):
        if STOCK and not cls.can_run_on_stock:
            raise unittest.SkipTest('speaks of teaming, which stock libvirtd does not conduct')
        if STOCK:
            import stock
            cls.lab = stock.StockLab(settings=cls.settings)
        else:
            cls.lab = vt.Lab(settings={'team_unplug_timeout_ms': 120000, 'log_filters': CALLS, **cls.settings})
        cls.lab.__enter__()
        cls.a, cls.b = cls.lab.hosts

    @classmethod
    def tearDownClass(cls):
        cls.lab.down()
        report = cls.lab.last_words
        if report:
            raise AssertionError('the sanitizers speak: ' + report[:6000])

    def setUp(self):
        was_clean = type(self).is_clean
        type(self).is_clean = False
        try:
            for host in self.lab.hosts:
                if host.daemon is not None and host.daemon.poll() is not None:
                    host.start_daemon()
            if not was_clean:
                self.remove_guests()
        except LabError as error:
            # What an earlier test broke must not fail this one; that the guests could not be removed is told there.
            print('# starting afresh: %s' % error)
            for host in self.lab.hosts:
                host.reset()

    def tearDown(self):
        # The daemons' own words help most when something went wrong.
        report = self.lab.sanitizer_reports()
        if report:
            self.fail('the sanitizers speak: ' + report[:6000])
        self.remove_guests()
        type(self).is_clean = True

    def remove_guests(self):
        for host in self.lab.hosts:
            said = ''
            names = host.virsh('list', '--all', '--name').stdout.split()
            for name in names:
                said += host.virsh('destroy', name, check=False).stderr
                said += host.virsh('undefine', name, check=False).stderr
            wait_for(lambda h=host: not h.qemu_pids(), 20, 'the QEMUs of host %s to end' % host.name)
            if names and host.virsh('list', '--all', '--name').stdout.split():
                raise LabError('host %s still has guests: %s%s' % (host.name, host.virsh('list', '--all').stdout, said))
        for name in os.listdir(self.lab.dir):
            if name.endswith('.serial'):
                os.unlink(os.path.join(self.lab.dir, name))

    # --- steps that many tests take
    def serial(self, name=None):
        return Serial(os.path.join(self.lab.dir, (name or self.domain) + '.serial'))

    def boot(self, host=None, team='vmxnet3', wait=True, **more):
        """Define and start the guest on a host and wait until it is ready (its primary up); its serial line."""
        host = host or self.a
        host.define(guest_xml(self.lab, name=self.domain, team=team, **more))
        host.virsh('start', self.domain)
        serial = self.serial()
        if wait:
            serial.wait(r'VT: ready', 90)
            if team and 'noprimary' not in more.get('options', '') and 'noeject' not in more.get('options', ''):
                serial.wait(r'VT: links.*primary:\w+:up', 60)
            if not team:
                serial.wait(r'VT: links \w+:alone:virtio_net:up', 60)
            self.lab.wait_ping()
        return serial

    def boot_once(self, **more):
        """As boot(): for tests to which a guest is as good that boots but once a class. They go on from an image of it, which
        takes a fifth of the time. Without a team: a restored guest's primary is plugged anew."""
        image = os.path.join(self.lab.dir, 'once.image')
        if os.path.exists(image):
            self.a.define(guest_xml(self.lab, name=self.domain, team=None, **more))
        else:
            said = self.boot(team=None, **more).text(0)
            self.a.virsh('save', self.domain, image, timeout=120)
            with open(image + '.said', 'w') as f:
                f.write(said)
        serial = self.serial()
        shutil.copy(image + '.said', serial.path)
        self.a.virsh('restore', image, timeout=120)
        self.a.wait_state(self.domain, 'running')
        self.lab.wait_ping()
        return serial

    def boot_deaf(self, **more):
        """A guest that ejects nothing; its serial line, once its primary is up."""
        serial = self.boot(**DEAF, **more)
        serial.wait(r'VT: links.*primary:\w+:up', 60)
        return serial

    def migrate_argv(self, to, *options):
        return ('migrate', '--live', *options, self.domain, to.uri)

    def migrate(self, source, to, *options, check=True, timeout=120):
        return source.virsh(*self.migrate_argv(to, *options), check=check, timeout=timeout)

    def start_migration(self, source, to, *options):
        """virsh migrate in the background; a Popen."""
        return source.start_virsh(*self.migrate_argv(to, *options))

    def job_phase(self, host):
        """Words of domjobinfo as a dict; {} when there is no job."""
        out = host.virsh('domjobinfo', self.domain, check=False).stdout
        fields = dict(re.findall(r'^([^:\n]+):\s*(.*?)\s*$', out, re.M))
        return {} if fields.get('Job type', 'None').startswith('None') else fields

    def wait_unplug_asked(self, host, timeout=20):
        """Wait until QEMU has asked the guest to let go of its primary and waits for that."""
        wait_for(lambda: host.qmp(self.domain, 'query-migrate').get('status') == 'wait-unplug', timeout,
                 'the migration to wait for the unplug')

    def wait_transfer(self, host, timeout=30):
        """Wait until memory is being copied."""
        wait_for(lambda: host.qmp(self.domain, 'query-migrate').get('status') == 'active', timeout,
                 'the migration to copy memory')

    def settled(self, timeout=40):
        """Wait until exactly one host has the guest running, and only one QEMU is left anywhere; that host."""
        def one():
            states = {h: h.state(self.domain) for h in self.lab.hosts}
            running = [h for h in self.lab.hosts if states[h] == 'running']
            if len(running) > 1:
                raise AssertionError('the guest runs twice')
            others = [s for s in states.values() if s not in ('running', 'shut off', None)]
            pids = sum(len(h.qemu_pids()) for h in self.lab.hosts)
            return running[0] if len(running) == 1 and not others and pids == 1 else None
        return wait_for(one, timeout, lambda: 'exactly one running guest; states: %s, QEMUs: %s' % (
            {h.name: h.state(self.domain) for h in self.lab.hosts}, {h.name: h.qemu_pids() for h in self.lab.hosts}),
            0.2)

    def assert_alive(self, timeout=20):
        """The guest answers the network."""
        self.lab.wait_ping(timeout=timeout)

    def assert_primary(self, serial, since=None, timeout=60):
        """The guest has its primary, up."""
        serial.wait(r'VT: links[^\n]*primary:\w+:up', timeout, since)

    def listen(self, host, *words):
        """A Listener that ends with the test."""
        listener = Listener(host, *words)
        self.addCleanup(listener.stop)
        return listener

    def ends(self, process, timeout=60):
        """Wait for a background virsh; (exit status, output, errors)."""
        done = vt.end_virsh(process, timeout)
        if done is None:
            raise LabError('%s lost the end of its own thread' % ' '.join(process.args))
        return done.returncode, done.stdout, done.stderr

    def differs(self, ours, stocks, why):
        """The expectation here: ours, or on stock libvirtd theirs, for the reason that is given."""
        assert why
        return stocks if STOCK else ours


class TapResult(unittest.TestResult):
    """Test results as TAP, each failure with its whole story as a diagnostic."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.started = 0.0
        self.teller = story.Story()

    def startTest(self, test):
        super().startTest(test)
        lab = getattr(type(test), 'lab', None)
        if lab is not None and lab.is_up:
            self.teller.begin(lab)
        self.started = time.monotonic()

    def line(self, ok, test, more=''):
        self.number += 1
        name = test.id().split('.', 1)[1] if hasattr(test, 'id') else str(test)
        if name.startswith('unittest.'):
            name = str(test)
        words = name.split('.')[-1].replace('test_', '').replace('_', '-')
        print('%s %d %s%s' % ('ok' if ok else 'not ok', self.number, words, more))
        if self.started:
            print('# %.1f s' % (time.monotonic() - self.started))
        sys.stdout.flush()

    def story(self, test, error):
        """The short form is marked, so that tools/check.py finds it; the rest is in the file that it names."""
        for line in self.teller.tell(test, error):
            print('#! ' + line)
        for line in ''.join(traceback.format_exception(*error)).splitlines():
            print('# ' + line)
        sys.stdout.flush()
        vt.patience_s = PATIENCE_AFTER_FAILURE_S

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line(True, test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(False, test)
        self.story(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.line(False, test)
        self.story(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print('# in %s' % subtest)
            self.line(False, test)
            self.story(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(True, test, ' # SKIP ' + reason)


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith('-')]
    loader = unittest.TestLoader()
    if arguments:
        loader.testNamePatterns = ['*%s*' % a.replace('-', '_') for a in arguments]
    suite = loader.loadTestsFromModule(sys.modules['__main__'])
    if os.geteuid() != 0:
        print('1..0 # SKIP network namespaces need root')
        sys.exit(0)
    result = TapResult()

    def time_is_over(*_):
        # As an error of the test that stands, so that it is told what there is to see.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        result.stop()
        raise LabError('the time of the whole file is over')
    signal.signal(signal.SIGTERM, time_is_over)
    try:
        suite.run(result)
    except KeyboardInterrupt:
        print('Bail out! interrupted')
        sys.exit(130)
    print('1..%d' % result.number)
    sys.exit(0 if result.wasSuccessful() else 1)
