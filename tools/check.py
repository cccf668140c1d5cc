# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./check does once the packages and the guest are there: build twice, run every suite, count."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(TOP)
sys.path.insert(0, os.path.join(TOP, 'tools'))
import lab  # noqa: E402
import stock  # noqa: E402

WAITING = 'deaf-'  # tests that mostly wait for a time limit of QEMU's: beside the others
SIDE_BY_SIDE = 4  # files of tests with guests at a time: each has its own hosts, and waits more than it works
GUESTS = ('vfio', 'e2e')  # suites of such files
DAEMONS = 'ovs'  # suite of what waits for a running switch: begun with the unit tests
# For what runs under the sanitizers: a third less time to build, hardly more to run, and reports still name lines.
FAST_TO_BUILD = ('-Doptimization=1', '-Ddebug=false', '-Dc_args=-g1')
LATE = 124  # in place of an exit status: the time was over
LAST_WORDS_S = 120
SUMMARY_ROOM = 4500  # characters for the failures at the very end: CI keeps little more of what is printed


def say(text):
    print('\n== %s' % text, flush=True)


def build(folder, *options, compiler=None, targets=()):
    """Configure (once) and build a folder, all of it or some targets; False when either fails."""
    environment = dict(os.environ, CC=compiler) if compiler else None
    steps = []
    if os.path.exists(os.path.join(folder, 'build.ninja')):
        steps.append(['meson', 'configure', folder, *options])
    else:
        steps.append(['meson', 'setup', folder, *options])
    steps.append(['ninja', '-C', folder, *targets])
    for argv in steps:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                              env=environment, check=False)
        if done.returncode != 0:
            print(done.stdout[-6000:])
            print('not ok: %s' % ' '.join(argv))
            return False
    return True


class Failure:
    """A case that failed, and what its test said of it, the most telling first."""

    def __init__(self, name, words=()):
        self.name = name
        self.words = [w for w in words if w.strip()]

    def told(self, room):
        """It in so many characters."""
        text = ''
        for word in self.words:
            line = '   %s\n' % word[:400]
            if len(text) + len(line) > room:
                text += '   [...]\n'
                break
            text += line
        return 'failed: %s\n%s' % (self.name, text)


class Count:
    """Tests that passed and failed, single cases where the test told them."""

    def __init__(self):
        self.passed = 0
        self.bad = []

    @property
    def failed(self):
        return len(self.bad)

    def add(self, name, ok, words=()):
        if ok:
            self.passed += 1
        else:
            self.bad.append(Failure(name, words))
            print('not ok: ' + name, flush=True)

    def take(self, name, text, status, is_tap):
        """Count the cases of one output; a test that ends badly without a failed case is one failure."""
        lines = text.splitlines()
        cases = bad = 0
        for i, line in enumerate(lines if is_tap else ()):
            word = line.lstrip()
            if word.startswith('not ok '):
                bad += 1
                self.add('%s: %s' % (name, word.split(' ', 3)[-1]), '# TODO' in word, told_after(lines[i + 1:]))
            elif word.startswith('ok '):
                cases += 1
                self.add(name, True)
        if status != 0 and bad == 0:
            self.add('%s: %s' % (name, 'it was not over in time' if status == LATE else 'exit status %d' % status), False,
                     telling(lines))
        elif cases + bad == 0:
            # A test that has left out all it has (1..0 # SKIP) needs something that the machine lacks.
            self.add(name, status == 0 and not is_tap, telling(lines))

    def summary(self, room):
        """The failures in so many characters: CI keeps only the end of the output."""
        if not self.bad:
            return ''
        shown = self.bad[:6]
        room -= sum(len(f.name) + 12 for f in self.bad)
        text = ''.join(f.told(max(room // len(shown), 250)) for f in shown)
        return text + ''.join('failed: %s\n' % f.name for f in self.bad[6:])


def told_after(lines):
    """What a test says of a case that failed: the lines it marked so (tests/e2e/story.py), else whatever tells something."""
    own = []
    for line in lines:
        if line.startswith(('ok ', 'not ok ', '1..')):
            break
        own.append(line)
    marked = [line[3:] for line in own if line.startswith('#! ')]
    return marked or telling(own or lines)


def telling(lines):
    """The lines of any output that most likely say why."""
    wanted = re.compile(r'Bail out|ERROR|assertion|runtime error|SUMMARY|CRITICAL|^not ok|Error:|#[0-9] .*/(?:src|tests)/')
    found = list(dict.fromkeys(line.strip() for line in lines if wanted.search(line)))[:12]
    return found + [line.strip() for line in lines if line.strip() and line.strip() not in found][-12:]


def run_test(test, folder, env):
    """Run one test of meson's to its end; its output and its exit status. Too late, it may still say where it stands."""
    environment = dict(os.environ, **test['env'], **(env or {}))
    with subprocess.Popen(test['cmd'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors='replace', env=environment, cwd=test['workdir'] or folder) as process:
        for limit, end in ((max(test['timeout'], 30) * 2, process.terminate), (LAST_WORDS_S, process.kill)):
            try:
                text = process.communicate(timeout=limit)[0]
                return text, process.returncode if end == process.terminate else LATE
            except subprocess.TimeoutExpired:
                end()
        return process.communicate()[0], LATE


def keep_output(folder, label, name, text):
    """The whole output of a test, for whoever has the machine."""
    logs = os.path.join(folder, 'check')
    os.makedirs(logs, exist_ok=True)
    path = os.path.join(logs, '%s-%s.log' % (label, name))
    with open(path, 'w') as f:
        f.write(text)
    return path


def jobs_of(folder, label, suite, env=None, only=None):
    """The tests of one meson suite, each with how it is to be run."""
    listed = subprocess.run(['meson', 'introspect', '--tests', folder], stdout=subprocess.PIPE, text=True, check=True)
    tests = [t for t in json.loads(listed.stdout) if any(s.split(':')[-1] == suite for s in t['suite'])]
    return [(label, t, folder, env) for t in tests if only is None or t['name'] in only]


class Pool:
    """Jobs that run so many at a time; those that mostly wait do not count."""

    def __init__(self, width):
        self.workers = concurrent.futures.ThreadPoolExecutor(width)
        self.beside = concurrent.futures.ThreadPoolExecutor(2)
        self.running = []

    def add(self, jobs):
        for job in jobs:
            pool = self.beside if job[1]['name'].startswith(WAITING) else self.workers
            self.running.append(pool.submit(self.timed, job))

    @staticmethod
    def timed(job):
        begun = time.monotonic()
        return (job, *run_test(*job[1:]), time.monotonic() - begun)

    def finish(self, count, title):
        """Wait for all; what failed is told as soon as it is over."""
        started = time.monotonic()
        before = count.passed + count.failed
        for result in concurrent.futures.as_completed(self.running):
            (label, test, folder, _), text, status, seconds = result.result()
            path = keep_output(folder, label, test['name'], text)
            failed = count.failed
            count.take('%s %s' % (label, test['name']), text, status, test['protocol'] == 'tap')
            if seconds > 20:
                print('%s %s: %.0f s' % (label, test['name'], seconds), flush=True)
            if count.failed > failed:
                print(text[-6000:])
                print('the whole output: ' + path, flush=True)
        print('%s: %d cases, %.0f s' % (title, count.passed + count.failed - before, time.monotonic() - started), flush=True)


def run_jobs(jobs, count, title, width=1):
    """Run tests, so many at a time, in this order."""
    pool = Pool(width)
    pool.add(jobs)
    pool.finish(count, title)


def run_suite(folder, count, label, suite):
    width = SIDE_BY_SIDE if suite in (*GUESTS, 'unit') else 1  # many unit tests wait for a time limit
    together = (DAEMONS, suite) if suite == 'unit' else (suite,)
    run_jobs([job for one in together for job in jobs_of(folder, label, one)], count, '%s %s' % (label, suite), width)


def main():
    quick = '--quick' in sys.argv
    only = [a for a in sys.argv[1:] if not a.startswith('-')]
    count = Count()
    suites = ['unit', 'golden', 'lint', 'qemu', 'e2e']
    guests = Pool(SIDE_BY_SIDE)
    started = time.monotonic()
    lab.clean()

    say('build')
    plain = build('build', '-Dwerror=true')
    count.add('build', plain)
    if plain:
        known = {s.split(':')[-1] for t in json.loads(subprocess.run(
            ['meson', 'introspect', '--tests', 'build'], stdout=subprocess.PIPE, text=True, check=True).stdout)
            for s in t['suite']}
        suites = [s for s in suites if s in known] + sorted(known - set(suites) - {'fuzz'})
        suites = [s for s in suites if s in only or not only and s != DAEMONS]
        # The slowest begins now. virtteamd under the sanitizers would be too slow in a guest's guest.
        if not quick and 'vfio' in suites:
            guests.add(jobs_of('build', 'plain', 'vfio'))
        for suite in suites:
            # Tests with guests run once, and under the sanitizers unless that round is left out.
            if suite in GUESTS and (not quick or suite == 'vfio'):
                continue
            say('tests: ' + suite)
            run_suite('build', count, 'plain', suite)
    if not quick:
        say('build with AddressSanitizer and UBSan, and with fault injection')
        sanitized = build('build-asan', '-Dwerror=true', '-Db_sanitize=address,undefined', '-Db_lundef=false',
                          '-Dfault-injection=true', *FAST_TO_BUILD)
        count.add('build with sanitizers', sanitized)
        if sanitized:
            for suite in suites:
                if suite in ('lint', 'qemu', *GUESTS):
                    continue  # nothing of ours is compiled into what they run, or they come below
                say('tests under the sanitizers: ' + suite)
                run_suite('build-asan', count, 'asan', suite)
        if plain and 'e2e' in suites and stock.available():
            guests.add(jobs_of('build', 'stock', 'e2e', {'VT_E2E_STOCK': '1'}, ('life', 'migrate-single')))
        if sanitized and 'e2e' in suites:
            guests.add(jobs_of('build-asan', 'asan', 'e2e'))
        say('tests with guests: on real VFIO, the same life on stock libvirtd, end to end under the sanitizers')
        guests.finish(count, 'guests')
        say('build with libFuzzer')
        fuzzed = build('build-fuzz', '-Dfuzzers=true', '-De2e=false', '-Db_sanitize=address,undefined',
                       '-Db_lundef=false', *FAST_TO_BUILD, compiler='clang-14', targets=('fuzzers',))
        count.add('build with libFuzzer', fuzzed)
        if fuzzed and not only:
            say('every parser fuzzed for a fixed number of runs')
            run_suite('build-fuzz', count, 'fuzz', 'fuzz')
    print('\n%.1f minutes' % ((time.monotonic() - started) / 60))
    print(count.summary(SUMMARY_ROOM), end='')
    print('%d passed, %d failed' % (count.passed, count.failed))
    return 1 if count.failed else 0


if __name__ == '__main__':
    sys.exit(main())
