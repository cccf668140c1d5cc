#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the table of modules in docs/architecture.md from the first sentence of each header; --check only compares."""
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENT = os.path.join(TOP, 'docs', 'architecture.md')
LAYERS = ('daemon', 'rpc', 'driver', 'qemu', 'datapath', 'conf', 'util')
BEGIN, END = '<!-- modules: written by tools/module-table.py -->', '<!-- end of modules -->'


def sentence(path):
    """The first sentence of the comment at the head of a file, after the licence line."""
    with open(path, encoding='utf-8') as f:
        text = f.read()
    match = re.search(r'/\*(?! SPDX)(.*?)\*/', text, re.S)
    words = ' '.join(line.strip(' *') for line in match.group(1).splitlines()).split() if match else []
    said = ' '.join(words)
    said = re.split(r'(?<=[A-Za-z0-9)>\'"])\. |(?<=[a-z])[:] (?=[A-Z])|\.$', said)[0]
    return said.replace('|', '\\|')


def main():
    lines = [BEGIN, '']
    for layer in LAYERS:
        lines += ['**%s**' % layer, '', '| module | what it is |', '| --- | --- |']
        for path in sorted(glob.glob(os.path.join(TOP, 'src', layer, '*.h'))):
            lines.append('| %s | %s |' % (os.path.basename(path)[:-2], sentence(path)))
        lines.append('')
    new = '\n'.join(lines + [END])
    with open(DOCUMENT, encoding='utf-8') as f:
        text = f.read()
    if BEGIN in text:
        changed = text[:text.index(BEGIN)] + new + text[text.index(END) + len(END):]
    else:
        changed = text.replace('@MODULES@', new)
    if '--check' in sys.argv:
        if changed != text:
            print('docs/architecture.md: the table of modules is out of date: run tools/module-table.py')
            return 1
        return 0
    with open(DOCUMENT, 'w', encoding='utf-8') as f:
        f.write(changed)
    return 0


if __name__ == '__main__':
    sys.exit(main())
