# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables of steps in the sources, so that a test that walks them meets a new step at once."""
import functools
import glob
import os
import re

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'src')


def of_text(text):
    """{name of a sequence: [names of its steps]} of the tables in one source."""
    found = {}
    steps = {name: re.findall(r'\.name = "([^"]+)"', body)
             for name, body in re.findall(r'static const VtStep (\w+)\[\] = \{(.*?)\n\};', text, re.S)}
    for body in re.findall(r'static const VtSeqTable \w+ = \{(.*?)\n\};', text, re.S):
        name = re.search(r'\.name = "([^"]+)"', body)
        table = re.search(r'\.steps = (?:(\w+)|&(\w+)\[(\d+)\]),', body)
        if name and table and (table.group(1) or table.group(2)) in steps:
            found[name.group(1)] = steps[table.group(1) or table.group(2)][int(table.group(3) or 0):]
    return found


def sequences():
    """{name of a sequence: [names of its steps]} of all tables in the sources."""
    found = {}
    for path in glob.glob(os.path.join(SOURCES, '*', '*.c')):
        with open(path) as f:
            found.update(of_text(f.read()))
    return found


def walks(*names, but=()):
    """Of a test: it kills the daemon at each step of these sequences, but for those it names ('sequence/step').

    tests/check-walks.py reads it, and wants a walk for each step there is. That the daemon was killed at all of them is
    looked at when the test ends, in self.struck, where faults.FaultTest keeps what has killed one.
    """
    def mark(test):
        @functools.wraps(test)
        def walk(self):
            test(self)
            tables = sequences()
            wanted = {'%s/%s' % (name, step) for name in names for step in tables[name]} - set(but)
            left = wanted - {fault.split(':')[0] for fault in self.struck}
            self.assertEqual(sorted(left), [], 'steps at which no daemon was killed')
        return walk
    return mark
