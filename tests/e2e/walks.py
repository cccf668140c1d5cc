#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed at every phase of a migration and at every step of what else a teamed guest goes through.

Afterwards exactly one guest runs, or a complete image is there, and no host has anything of a guest that is not there. The
phases and steps are read from the sources' tables, so a new one is covered at once. Needs -Dfault-injection=true.
"""
import os
import re

import faults
import harness
import traces
from harness import wait_for
from tables import sequences, walks

ADVICE = 'It stays paused here'
MANAGED = "orchestration='management'"


def phases():
    """{'migrate-out': [phases of the source], 'migrate-in': [of the destination]}"""
    with open(os.path.join(harness.vt.TOP, 'src', 'qemu', 'mig-phase.c')) as f:
        rows = re.findall(r'\[VT_MIG_(SRC|DST)_\w+\] = \{ \.name = "([^"]+)"', f.read())
    return {kind: [n for side, n in rows if side == word] for word, kind in (('SRC', 'migrate-out'), ('DST', 'migrate-in'))}


class Walk(faults.FaultTest):
    """A guest goes to and fro while faults strike."""
    settings = {'team_unplug_timeout_ms': 20000}

    def strike(self, here, there, *faults_asked):
        """A migration with these faults, the last of which kills a daemon, which is then started again."""
        marks = {h: len(h.daemon_log()) for h in self.lab.hosts}
        self.ask_all(*faults_asked)
        self.migrate(here, there, '--persistent', check=False)
        wait_for(lambda: any(h.daemon.poll() is not None for h in self.lab.hosts), 20, 'a daemon to be killed')
        self.revive()
        return marks

    def told_to_decide(self, marks):
        """The host on which the guest is left paused, as its daemon says, since neither can know of the other; or None."""
        for host in self.lab.hosts:
            if ADVICE in host.daemon_log()[marks[host]:] and host.state(self.domain) == 'paused':
                return host
        return None

    def find(self, marks):
        """Where the guest runs. What its daemon advises when it cannot know is done as it says."""
        def clear():
            return self.told_to_decide(marks) or len(self.lab.running(self.domain)) == 1
        wait_for(clear, 60, lambda: 'a guest that runs, or advice: %s' % {h.name: h.state(self.domain) for h in self.lab.hosts})
        left = self.told_to_decide(marks)
        self.decided = left is not None
        if left:
            other = self.b if left is self.a else self.a
            # The other daemon may still be at it; it does not take long.
            wait_for(lambda: other.state(self.domain) in ('running', 'shut off', None), 60, 'the other host to know')
            left.virsh('destroy' if other.state(self.domain) == 'running' else 'resume', self.domain)
        return self.settled(60)

    def check(self, here, serial):
        """The guest is whole where it runs, and nowhere else is anything of it."""
        there = self.b if here is self.a else self.a
        traces.wait_none(there)
        self.assert_alive(30)
        wait_for(lambda: 'primary' in [r for r, _, _ in serial.links().values()], 60, 'the primary to be back')
        traces.wait_settled(here)

    def prepare(self, there):
        """For those that want the destination of each migration to be in some state."""

    def outcome(self, arrived, here, there):
        """For those that look at more; there is where the guest is not."""

    def walk(self, rows, **more):
        """Strike each of the faults while the guest migrates."""
        serial = self.boot(**more)
        here = self.a
        self.assertGreater(len(rows), 3)
        for row in rows:
            with self.subTest(fault=row):
                there = self.b if here is self.a else self.a
                self.prepare(there)
                found = self.find(self.strike(here, there, *row))
                arrived, here, there = found is there, found, here if found is there else there
                self.check(here, serial)
                self.outcome(arrived, here, there)


class Phases(Walk):
    """Each phase that is put on disk, at the source and at the destination, which has no definition of the guest before."""
    # What no successor has to know is not there, and these two come of failures: tests/e2e/orders.py.
    left_out = ('none', 'begun', 'awaiting', 'resuming', 'dead', 'left', 'suspended')

    def prepare(self, there):
        there.virsh('undefine', self.domain, check=False)

    def outcome(self, arrived, here, there):
        """It has one when the guest has come, and only then; what was destroyed there as advised had come."""
        self.assertRegex(here.virsh('dominfo', self.domain).stdout, r'Persistent: +yes')
        if not arrived and not self.decided:
            self.assertIsNone(there.state(self.domain))

    def each_phase(self, action):
        rows = []
        for kind, names in sorted(phases().items()):
            for name in names:
                fault = '%s/%s:%s' % (kind, name, action)
                # The source is asked to go on only when the destination fails.
                rows.append(('migrate-await/await:fail', fault) if name == 'returning' else (fault,))
        self.walk([r for r in rows if re.search(r'/(.*):', r[-1]).group(1) not in self.left_out])

    def test_before_each_phase_is_on_disk(self):
        self.each_phase('kill-before')

    def test_after_each_phase_is_on_disk(self):
        self.each_phase('kill-after')


class Ends(Walk):
    """The steps by which QEMU is started at the destination, and ended at the source."""

    def each_step(self, sequence):
        steps = sequences()[sequence]
        self.walk([('%s/%s:kill-before' % (sequence, step),) for step in steps])

    def test_each_step_of_the_start_at_the_destination(self):
        self.each_step('start')

    def test_each_step_of_the_stop_at_the_source(self):
        self.each_step('stop')


class Managed(Walk):
    """Teams that the driver unplugs before a migration and plugs after it."""

    def each_step(self, action):
        rows = [('%s/%s:%s' % (name, step, action),) for name in ('team-unplug', 'unplug', 'team-replug')
                for step in sequences()[name]]
        self.walk(rows, policy=MANAGED)

    @walks('team-unplug', 'unplug', 'team-replug')
    def test_before_each_step(self):
        self.each_step('kill-before')

    def test_after_each_step(self):
        self.each_step('kill-after')


class Images(faults.FaultTest):
    """A guest is saved and restored: there is always either the guest or a complete image, and never both."""
    settings = {'team_unplug_timeout_ms': 20000}
    managed = False

    def remove_guests(self):
        for host in self.lab.hosts:
            for name in host.virsh('list', '--all', '--name').stdout.split():
                host.virsh('managedsave-remove', name, check=False)
        super().remove_guests()

    def is_saved(self):
        if self.managed:
            return 'yes' in re.search(r'Managed save:\s+(\w+)', self.a.virsh('dominfo', self.domain).stdout).group(1)
        return os.path.exists(self.file)

    def save(self, check=True):
        words = ['managedsave', self.domain] if self.managed else ['save', self.domain, self.file]
        return self.a.virsh(*words, check=check, timeout=120)

    def restore(self, check=True):
        words = ['start', self.domain] if self.managed else ['restore', self.file]
        return self.a.virsh(*words, check=check, timeout=120)

    def outcome(self):
        """'runs' or 'saved', once that is all there is; otherwise None."""
        state = self.a.state(self.domain)
        if state == 'running' and len(self.a.qemu_pids()) == 1 and not [f for f in traces.files(self.a) if 'journal' in f]:
            return 'runs'
        return 'saved' if state == 'shut off' and not traces.of_guest(self.a) else None

    def wait_outcome(self):
        return wait_for(self.outcome, 60, lambda: 'a guest or an image: %s, %s' % (
            self.a.state(self.domain), traces.of_guest(self.a)), 0.2)

    def is_whole(self, serial):
        self.assert_alive(30)
        wait_for(lambda: 'primary' in [r for r, _, _ in serial.links().values()], 60, 'the primary to be back')
        traces.wait_settled(self.a)

    def each_step(self, action):
        self.file = os.path.join(self.lab.dir, 'walked.image')
        serial = self.boot()
        struck = 0
        for name in ('save', 'restore'):
            for step in sequences()[name]:
                with self.subTest(sequence=name, step=step):
                    if name == 'restore':
                        self.save()
                        self.assertEqual(self.wait_outcome(), 'saved')
                    self.ask(name, step, action)
                    done = (self.save if name == 'save' else self.restore)(check=False)
                    struck += self.revive(done.returncode != 0)
                    if self.wait_outcome() == 'saved':
                        self.assertTrue(self.is_saved())
                        self.restore()
                    # A file of a client's own stays after it was restored from; a managed image is gone.
                    if self.managed or name == 'save' and done.returncode:
                        wait_for(lambda: self.managed and not self.is_saved() or not self.managed, 20, 'the image to go')
                    self.is_whole(serial)
        self.assertGreaterEqual(struck, sum(len(sequences()[n]) for n in ('save', 'restore')) - 2)

    @walks('save', 'restore')
    def test_before_each_step_with_managed_images(self):
        self.managed = True
        self.each_step('kill-before')

    def test_after_each_step_with_files(self):
        self.each_step('kill-after')


class Plain(faults.FaultTest):
    """A device that is no leg comes and goes; whatever is struck, guest, definitions and host agree afterwards."""
    alias, target = 'virtio-disk0', 'vdb'

    def picture(self):
        """Where the disk is: in the definitions, in QEMU, its image; and what is under way."""
        devices = self.a.qmp(self.domain, 'qom-list', path='/machine/peripheral')
        nodes = self.a.qmp(self.domain, 'query-named-block-nodes')
        xml = [self.a.virsh('dumpxml', self.domain, *options).stdout for options in ((), ('--inactive',))]
        return {'live': self.path in xml[0], 'config': self.path in xml[1],
                'QEMU': self.alias in [d['name'] for d in devices], 'image': self.path in [n['file'] for n in nodes],
                'journals': [n for n in traces.files(self.a) if n.endswith('.journal')]}

    def agreed(self):
        """[whether the disk is there], once all agree and nothing is under way; else None."""
        if self.a.state(self.domain) != 'running':
            return None
        picture = self.picture()
        under_way = picture.pop('journals')
        return [picture['live']] if len(set(picture.values())) == 1 and not under_way else None

    def settle(self):
        return wait_for(self.agreed, 60, lambda: 'all to agree: %s' % self.picture(), 0.2)[0]

    def call(self, command, check=True):
        return self.a.virsh(command, self.domain, self.xml, '--live', '--config', check=check)

    def strike(self, command, sequence, step, action):
        with self.subTest(sequence=sequence, step=step, action=action):
            if self.settle() != (command == 'detach-device'):
                self.call('detach-device' if command == 'attach-device' else 'attach-device')
                self.settle()
            self.ask(sequence, step, action)
            self.call(command, check=False)
            self.assertEqual(self.revive(True), 1)
            self.settle()

    @walks('detach', 'remove-backend')
    def test_a_disk(self):
        self.path = os.path.join(self.lab.dir, 'walked.img')
        self.xml = os.path.join(self.lab.dir, 'walked.xml')
        with open(self.path, 'wb') as f:
            f.truncate(1 << 20)
        with open(self.xml, 'w') as f:
            f.write("<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%s'/>"
                    "<target dev='%s' bus='virtio'/></disk>" % (self.path, self.target))
        self.boot(team=None, extra="<controller type='pci' model='pcie-root'/>" +
                  "<controller type='pci' model='pcie-root-port'/>" * 8)
        # The others do nothing for a disk.
        for sequence, step in (('attach', 'name-device'), ('attach', 'plug'), ('plug', 'add-backend'), ('plug', 'add-device'),
                               ('attach', 'adopt')):
            self.strike('attach-device', sequence, step, 'kill-before')
        for sequence, steps in (('detach', sequences()['detach']), ('unplug', ['ask-guest']),
                                ('remove-backend', sequences()['remove-backend'])):
            for step in steps:
                self.strike('detach-device', sequence, step, 'kill-before')
        for step in sequences()['detach']:
            self.strike('detach-device', 'detach', step, 'kill-after')
        self.assert_alive(30)


if __name__ == '__main__':
    harness.main()
