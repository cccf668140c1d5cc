# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./check does once the packages and the guest are there: build twice, run every suite, count."""
import concurrent.futures
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(TOP)
sys.path.insert(0, os.path.join(TOP, 'tools'))
import lab  # noqa: E402
import stock  # noqa: E402

SIDE_BY_SIDE = 4  # files of tests with guests at a time: each has its own hosts, and waits more than it works
GUESTS = ('vfio', 'e2e')  # suites of such files


def say(text):
    print('\n== %s' % text, flush=True)


def build(folder, *options, compiler=None):
    """Configure (once) and build a folder; False when either fails."""
    environment = dict(os.environ, CC=compiler) if compiler else None
    steps = []
    if os.path.exists(os.path.join(folder, 'build.ninja')):
        steps.append(['meson', 'configure', folder, *options])
    else:
        steps.append(['meson', 'setup', folder, *options])
    steps.append(['ninja', '-C', folder])
    for argv in steps:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                              env=environment, check=False)
        if done.returncode != 0:
            print(done.stdout[-6000:])
            print('not ok: %s' % ' '.join(argv))
            return False
    return True


class Count:
    """Tests that passed and failed, single cases where the test told them."""

    def __init__(self):
        self.passed = self.failed = 0
        self.bad = []

    def add(self, name, ok):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            self.bad.append(name)
            print('not ok: ' + name, flush=True)

    def take_tap(self, name, text, status):
        """Count the cases of one TAP output; a test that ends badly without a failed case is one failure."""
        cases = bad = 0
        for line in text.splitlines():
            word = line.lstrip()
            if word.startswith('not ok '):
                bad += 1
                self.add('%s: %s' % (name, word.split(' ', 3)[-1]), '# TODO' in word)
            elif word.startswith('ok '):
                cases += 1
                self.add(name, True)
        if status != 0 and bad == 0:
            self.add('%s: exit status %d' % (name, status), False)
        elif cases + bad == 0:
            self.add(name, status == 0)


def run_test(test, folder, env):
    """Run one test of meson's to its end; its output and its exit status."""
    environment = dict(os.environ, **test['env'], **(env or {}))
    try:
        done = subprocess.run(test['cmd'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors='replace', env=environment, cwd=test['workdir'] or folder, check=False,
                              timeout=max(test['timeout'], 30) * 2)
        return done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b'').decode(errors='replace'), 124


def jobs_of(folder, label, suite, env=None, only=None):
    """The tests of one meson suite, each with how it is to be run."""
    listed = subprocess.run(['meson', 'introspect', '--tests', folder], stdout=subprocess.PIPE, text=True, check=True)
    tests = [t for t in json.loads(listed.stdout) if any(s.split(':')[-1] == suite for s in t['suite'])]
    return [(label, t, folder, env) for t in tests if only is None or t['name'] in only]


def run_jobs(jobs, count, title, width=1):
    """Run tests, so many at a time; what failed is printed whole."""
    started = time.monotonic()
    before = count.passed + count.failed

    def timed(test, folder, env):
        begun = time.monotonic()
        return (*run_test(test, folder, env), time.monotonic() - begun)

    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        running = [(label, test, pool.submit(timed, test, folder, env)) for label, test, folder, env in jobs]
        for label, test, result in running:
            text, status, seconds = result.result()
            failed = count.failed
            count.take_tap('%s %s' % (label, test['name']), text if test['protocol'] == 'tap' else '', status)
            if seconds > 20:
                print('%s %s: %.0f s' % (label, test['name'], seconds), flush=True)
            if count.failed > failed:
                print(text[-12000:])
    print('%s: %d cases, %.0f s' % (title, count.passed + count.failed - before, time.monotonic() - started), flush=True)


def run_suite(folder, count, label, suite):
    width = SIDE_BY_SIDE if suite in (*GUESTS, 'unit') else 1  # many unit tests wait for a time limit
    run_jobs(jobs_of(folder, label, suite), count, '%s %s' % (label, suite), width)


def main():
    quick = '--quick' in sys.argv
    only = [a for a in sys.argv[1:] if not a.startswith('-')]
    count = Count()
    suites = ['unit', 'golden', 'lint', 'qemu', 'e2e']
    guests = []
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
        suites = [s for s in suites if not only or s in only]
        for suite in suites:
            # Tests with guests run once, and under the sanitizers unless that round is left out.
            if suite in GUESTS and (not quick or suite == 'vfio'):
                continue
            say('tests: ' + suite)
            run_suite('build', count, 'plain', suite)
        # The slowest first. virtteamd under the sanitizers would be too slow in a guest's guest.
        if not quick and 'vfio' in suites:
            guests += jobs_of('build', 'plain', 'vfio')
        if not quick and stock.available() and 'e2e' in suites:
            guests += jobs_of('build', 'stock', 'e2e', {'VT_E2E_STOCK': '1'}, ('life', 'migrate'))
    if not quick:
        say('build with AddressSanitizer and UBSan, and with fault injection')
        sanitized = build('build-asan', '-Dwerror=true', '-Db_sanitize=address,undefined', '-Db_lundef=false',
                          '-Dfault-injection=true')
        count.add('build with sanitizers', sanitized)
        if sanitized:
            for suite in suites:
                if suite in ('lint', 'qemu', *GUESTS):
                    continue  # nothing of ours is compiled into what they run, or they come below
                say('tests under the sanitizers: ' + suite)
                run_suite('build-asan', count, 'asan', suite)
            if 'e2e' in suites:
                guests += jobs_of('build-asan', 'asan', 'e2e')
        say('tests with guests: on real VFIO, the same life on stock libvirtd, end to end under the sanitizers')
        run_jobs(guests, count, 'guests', SIDE_BY_SIDE)
        say('build with libFuzzer')
        fuzzed = build('build-fuzz', '-Dfuzzers=true', '-De2e=false', '-Db_sanitize=address,undefined',
                       '-Db_lundef=false', compiler='clang-14')
        count.add('build with libFuzzer', fuzzed)
        if fuzzed and not only:
            say('every parser fuzzed for a fixed number of runs')
            run_suite('build-fuzz', count, 'fuzz', 'fuzz')
    print('\n%.1f minutes' % ((time.monotonic() - started) / 60))
    for name in count.bad:
        print('failed: ' + name)
    print('%d passed, %d failed' % (count.passed, count.failed))
    return 1 if count.failed else 0


if __name__ == '__main__':
    sys.exit(main())
