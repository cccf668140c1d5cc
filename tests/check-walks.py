#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-walks.py DIR - each step of each sequence in src/ is one at which an end-to-end test kills the daemon.

A test says so by @tables.walks('start', 'stop', but=('start/tell',)); tests/e2e/tables.py sees to it that it does.
"""
import ast
import glob
import os
import re
import sys

top = sys.argv[1] if len(sys.argv) > 1 else '.'
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'e2e'))
import tables  # noqa: E402

problems = []


def claims(path):
    """(names of sequences, steps left out) of each test in a file that says so."""
    with open(path) as f:
        tree = ast.parse(f.read(), path)
    for node in ast.walk(tree):
        for mark in getattr(node, 'decorator_list', ()):
            if isinstance(mark, ast.Call) and getattr(mark.func, 'id', None) == 'walks':
                left = [ast.literal_eval(k.value) for k in mark.keywords if k.arg == 'but']
                yield node.name, [ast.literal_eval(a) for a in mark.args], left[0] if left else ()


known = {}
for source in sorted(glob.glob(os.path.join(top, 'src', '*', '*.c'))):
    with open(source) as f:
        text = f.read()
    found = tables.of_text(text)
    n = len(re.findall(r'\bVtSeqTable \w+ = \{', text))
    if n != len(found):
        problems.append('%s has %d sequences, of which %d can be read: write their tables like the others' % (source, n, len(found)))
    for name, steps in found.items():
        if name in known:
            problems.append('%s: there is another sequence %s' % (source, name))
        known[name] = steps
walked = set()
for test in sorted(glob.glob(os.path.join(top, 'tests', 'e2e', '*.py'))):
    for function, names, left_out in claims(test):
        if not function.startswith('test_'):
            problems.append('%s: %s is no test' % (test, function))
        for name in names:
            if name not in known:
                problems.append('%s: %s walks %s, which is no sequence' % (test, function, name))
        steps = {'%s/%s' % (name, step) for name in names for step in known.get(name, ())}
        for step in left_out:
            if step not in steps:
                problems.append('%s: %s leaves out %s, which is no step of its sequences' % (test, function, step))
        walked |= steps - set(left_out)
for name, steps in sorted(known.items()):
    for step in steps:
        if '%s/%s' % (name, step) not in walked:
            problems.append('no test kills the daemon at %s/%s' % (name, step))
for problem in problems:
    print(problem)
print('check-walks: %d steps, %d problem(s)' % (sum(len(s) for s in known.values()), len(problems)))
sys.exit(1 if problems or not known else 0)
