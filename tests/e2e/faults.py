#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every step of starting and of migrating a guest fails, and the daemon is killed at it: nothing is left behind.

Needs a build with -Dfault-injection=true. The steps are read from the sources' tables, so a new step is covered at once.
"""
import json
import os
import re
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

import harness
import traces
from harness import LabError, guest_xml, wait_for
from tables import sequences, walks

CONFIG = os.path.join(harness.vt.BUILD, 'vt-config.h')


def has_faults():
    try:
        with open(CONFIG) as f:
            return re.search(r'#define VT_FAULT_INJECTION 1', f.read()) is not None
    except OSError:
        return False


class FaultTest(harness.LabTest):
    """Common to all: the file that asks for faults."""
    asked = None

    def setUp(self):
        self.struck = set()  # faults that have killed a daemon
        super().setUp()

    @classmethod
    def setUpClass(cls):
        if not has_faults():
            raise unittest.SkipTest('this build has no fault injection (-Dfault-injection=true)')
        cls.fault_path = os.path.join(tempfile.gettempdir(), 'vt-fault-%d' % os.getpid())
        os.environ['VIRTTEAM_FAULT_FILE'] = cls.fault_path
        cls.clear()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        if has_faults():
            super().tearDownClass()
            os.unlink(cls.fault_path)

    @classmethod
    def clear(cls):
        with open(cls.fault_path, 'w'):
            pass

    def tearDown(self):
        self.clear()
        super().tearDown()

    def ask(self, sequence, step, action):
        self.ask_all('%s/%s:%s' % (sequence, step, action))

    def ask_all(self, *faults):
        """Faults that strike when it comes to them; only the last may kill a daemon."""
        self.asked = faults[-1]
        with open(self.fault_path, 'w') as f:
            f.write(','.join(faults))

    def revive(self, expected=False):
        """Start the daemons that a fault has killed; how many. A client may see the end before the process is gone."""
        killed = 0
        deadline = time.monotonic() + 5
        while expected and time.monotonic() < deadline and all(h.daemon.poll() is None for h in self.lab.hosts):
            time.sleep(0.05)
        self.clear()
        for host in self.lab.hosts:
            if host.daemon.poll() is not None:
                self.struck.add(self.asked)
                host.start_daemon()
                killed += 1
        return killed

    def links(self, host):
        return [n for n in re.findall(r'^\d+: ([^:@]+)', host.ip('-o', 'link', 'show'), re.M) if n.startswith('vnet')]


def strike_steps(test, host, steps, left):
    """Fail each of the steps of a start, and kill the daemon before and after it; left() must tell of nothing then.

    The guest is defined on the host, whose daemon reads host.environment['VIRTTEAM_FAULT_FILE']. Returns how often the daemon was killed.
    """
    killed = 0
    for step in steps:
        for action in ('fail', 'kill-before', 'kill-after'):
            with test.subTest(step=step, action=action):
                with open(host.environment['VIRTTEAM_FAULT_FILE'], 'w') as f:
                    f.write('start/%s:%s' % (step, action))
                done = host.virsh('start', test.domain, check=False)
                test.assertNotEqual(done.returncode, 0)
                with open(host.environment['VIRTTEAM_FAULT_FILE'], 'w'):
                    pass
                if action != 'fail':
                    host.daemon.wait(harness.patient(20))
                    host.start_daemon()
                    killed += 1
                host.wait_state(test.domain, 'shut off')
                wait_for(lambda: not host.qemu_pids(), 20, 'QEMU to end')
                wait_for(lambda: not left(), 20, lambda: '%s to go' % left())
    host.virsh('start', test.domain)
    host.virsh('destroy', test.domain)
    test.assertFalse(left())
    return killed


class Start(FaultTest):
    """define, start with a fault, look, start without it."""

    def check_nothing_left(self):
        wait_for(lambda: self.a.state(self.domain) in ('shut off', 'running', 'paused'), 30, 'the guest to have a state')
        if self.a.state(self.domain) == 'shut off':
            wait_for(lambda: not self.a.qemu_pids(), 20, 'QEMU to end')
            wait_for(lambda: not self.links(self.a), 10, lambda: 'taps to go: %s' % self.links(self.a))
        else:
            self.assertEqual(len(self.a.qemu_pids()), 1)
            self.a.virsh('destroy', self.domain)
        self.a.virsh('start', self.domain)
        self.assertEqual(self.a.state(self.domain), 'running')
        self.a.virsh('destroy', self.domain)
        wait_for(lambda: not self.a.qemu_pids() and not self.links(self.a), 20, 'everything to go')

    def each_step(self, sequence, action):
        self.a.define(guest_xml(self.lab))
        struck = 0
        for step in sequences()[sequence]:
            with self.subTest(step=step):
                self.ask(sequence, step, action)
                if sequence == 'stop':
                    self.a.virsh('start', self.domain)
                    self.a.virsh('destroy', self.domain, check=False)
                else:
                    done = self.a.virsh('start', self.domain, check=False)
                    struck += done.returncode != 0
                killed = self.revive('kill' in action)
                struck += killed
                self.assertTrue(action == 'fail' or killed or 'undo' in action, 'the daemon was not killed at it')
                self.check_nothing_left()
        if sequence != 'stop':
            self.assertGreater(struck, 0)

    def test_each_step_of_start_fails(self):
        self.each_step('start', 'fail')

    @walks('start')
    def test_daemon_is_killed_before_each_step_of_start(self):
        self.each_step('start', 'kill-before')

    def test_daemon_is_killed_after_each_step_of_start(self):
        self.each_step('start', 'kill-after')

    @walks('stop')
    def test_daemon_is_killed_before_each_step_of_stop(self):
        self.each_step('stop', 'kill-before')


class Devices(FaultTest):
    """Both legs leave and come back; whatever is struck, guest, definitions and host agree afterwards."""
    domain = 'plug1'
    aliases = {'ua-standby', 'ua-primary'}
    # Steps that do nothing for an emulated leg on a bridge: one walk over them is enough.
    idle = ('take-port', 'choose-vf', 'take-host-device', 'raise-memlock', 'make-macvtap', 'add-port', 'set-link')

    def interfaces(self, *options):
        root = ElementTree.fromstring(self.a.virsh('dumpxml', self.domain, *options).stdout)
        return {i.find('alias').get('name'): ElementTree.tostring(i, encoding='unicode')
                for i in root.findall('devices/interface')}

    def picture(self):
        """What each side says there is."""
        found = {d['name'] for d in self.a.qmp(self.domain, 'qom-list', path='/machine/peripheral')}
        return {'live': set(self.interfaces()), 'config': set(self.interfaces('--inactive')),
                'QEMU': found & self.aliases, 'taps': len(self.links(self.a))}

    def agreed(self):
        picture = self.picture()
        legs = picture['live']
        if '--config' not in self.options:
            picture['config'] = legs
        return picture if picture == {'live': legs, 'config': legs, 'QEMU': legs, 'taps': len(legs)} else None

    def settle(self):
        wait_for(lambda: self.a.state(self.domain) == 'running', 30, 'the guest to be found')
        return wait_for(self.agreed, 40, lambda: 'all to agree: %s' % self.picture(), 0.2)['live']

    def call(self, command, alias, check=True):
        path = os.path.join(self.lab.dir, alias + '.xml')
        with open(path, 'w') as f:
            f.write(self.xml[alias])
        return self.a.virsh(command, self.domain, path, *self.options, check=check)

    def bring(self, legs):
        """To exactly these legs; the transient leaves first and comes last."""
        there = self.settle()
        for alias in ('ua-primary', 'ua-standby'):
            if alias in there and (alias not in legs or (alias == 'ua-primary' and 'ua-standby' not in there & legs)):
                self.call('detach-device', alias)
        there = self.settle()
        for alias in ('ua-standby', 'ua-primary'):
            if alias in legs and alias not in there:
                self.call('attach-device', alias)
        self.assertEqual(self.settle(), legs)

    def each_step(self, leg, action):
        ports = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 8
        self.boot(extra=ports)
        self.xml = self.interfaces('--inactive')
        # The persistent definition has a policy for the team, which it cannot be without.
        self.options = ('--live', '--config') if leg == 'ua-primary' else ('--live',)
        kept = self.aliases if leg == 'ua-primary' else {'ua-standby'}
        struck = 0
        walk = [('detach-device', 'detach')] + [('attach-device', n) for n in ('attach', 'plug')]
        for command, sequence in walk:
            for step in sequences()[sequence]:
                if action == 'fail' and step == 'adopt':
                    continue  # it fails only when the guest has ended
                if action != 'kill-before' and step in self.idle:
                    continue
                with self.subTest(sequence=sequence, step=step):
                    self.bring(kept if command == 'detach-device' else kept - {leg})
                    self.ask(sequence, step, action)
                    done = self.call(command, leg, check=False)
                    struck += self.revive('kill' in action) + (done.returncode != 0)
                    self.settle()
        self.assertGreater(struck, 6)
        self.bring(self.aliases)
        if leg == 'ua-primary':  # the guest gives a new standby no address
            self.assert_alive(30)

    def test_each_step_fails(self):
        self.each_step('ua-primary', 'fail')

    @walks('detach', 'attach', 'plug')
    def test_daemon_is_killed_before_each_step_of_the_primary(self):
        self.each_step('ua-primary', 'kill-before')

    def test_daemon_is_killed_after_each_step_of_the_standby(self):
        self.each_step('ua-standby', 'kill-after')


class Migrate(FaultTest):
    """The guest goes to and fro; wherever it is after a fault, it is there once, and can migrate again."""
    settings = {'team_unplug_timeout_ms': 20000}

    def each_step(self, action):
        names = [n for n in sorted(sequences()) if n.startswith('mig')]
        self.assertNotEqual(names, [])
        self.boot()
        here = self.a
        struck = 0
        for name in names:
            for step in sequences()[name]:
                with self.subTest(sequence=name, step=step):
                    there = self.b if here is self.a else self.a
                    # The source is asked to go on only when the destination fails.
                    ahead = ['migrate-await/await:fail'] if name == 'migrate-return' and action != 'fail' else []
                    self.ask_all(*ahead, '%s/%s:%s' % (name, step, action))
                    done = self.migrate(here, there, '--persistent', check=False)
                    struck += self.revive('kill' in action and done.returncode != 0) + (done.returncode != 0)
                    try:
                        here = self.settled(90)
                        traces.wait_none(self.b if here is self.a else self.a)
                        self.assert_alive(30)
                    except LabError:
                        # Begin afresh, so that the next step is judged by itself.
                        for host in self.lab.hosts:
                            host.reset()
                        self.boot()
                        here = self.a
                        raise
                    serial = self.serial()
                    wait_for(lambda s=serial: 'primary' in [r for r, _, _ in s.links().values()], 60,
                             'the primary to be back')
        self.assertGreater(struck, len(names))

    def test_each_step_fails(self):
        self.each_step('fail')

    @walks('migrate-await', 'migrate-listen', 'migrate-out', 'migrate-return')
    def test_a_daemon_is_killed_before_each_step(self):
        self.each_step('kill-before')

    def test_a_daemon_is_killed_after_each_step(self):
        self.each_step('kill-after')


class Switch(FaultTest):
    """To standby and back; whatever fails, the guest is on standby and kept there, or has its primary."""
    settings = {'team_unplug_timeout_ms': 20000}
    words = {'team-standby': 'standby', 'team-primary': 'primary'}

    def virtteam(self, *words):
        program = os.path.join(harness.vt.BUILD, 'src', 'cli', 'virtteam')
        return harness.vt.run(program, 'team', '--root', self.a.root, self.domain, *words, check=False, timeout=120)

    def place(self):
        """'standby' or 'primary', once definition, QEMU, host and guest agree about it; else None."""
        told = self.virtteam('--json')
        team = json.loads(told.stdout)[0] if told.returncode == 0 else {}
        has = 'ua-primary' in [d['name'] for d in self.a.qmp(self.domain, 'qom-list', path='/machine/peripheral')]
        if 'ua-primary' not in self.a.virsh('dumpxml', self.domain).stdout:
            raise AssertionError('the definition has lost the primary')
        if (team.get('kept'), team.get('active'), team.get('feed'), has) == ('user', 'standby', 'standby', False):
            return 'standby'
        if (team.get('kept'), team.get('active'), team.get('feed'), has) == (None, 'primary', 'primary', True):
            return 'primary'
        return None

    def wait_place(self):
        return wait_for(self.place, 60, lambda: 'the team to be somewhere; it is: %s' % self.virtteam('--json').stdout,
                        0.3)

    def each_step(self, action):
        self.boot()
        struck = 0
        for name, word in self.words.items():
            for step in sequences()[name]:
                with self.subTest(sequence=name, step=step):
                    if self.wait_place() == word:
                        self.virtteam('primary' if word == 'standby' else 'standby')
                        self.assertNotEqual(self.wait_place(), word)
                    self.ask(name, step, action)
                    done = self.virtteam(word)
                    struck += done.returncode != 0
                    self.revive('kill' in action and done.returncode != 0)
                    place = self.wait_place()
                    if action == 'fail' and done.returncode != 0:
                        self.assertNotEqual(place, word)
                    self.assert_alive(30)
        self.assertGreaterEqual(struck, sum(len(sequences()[n]) for n in self.words) - 1)

    def test_each_step_fails(self):
        self.each_step('fail')

    @walks('team-standby', 'team-primary')
    def test_the_daemon_is_killed_before_each_step(self):
        self.each_step('kill-before')

    def test_the_daemon_is_killed_after_each_step(self):
        self.each_step('kill-after')


if __name__ == '__main__':
    harness.main()
