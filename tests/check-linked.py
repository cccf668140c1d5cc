#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon must not load libvirt's client library at start (driver/net-port-library): check-linked.py PROGRAM..."""
import subprocess
import sys


def main():
    failed = False
    for program in sys.argv[1:]:
        done = subprocess.run(['ldd', program], stdout=subprocess.PIPE, text=True, check=True)
        for line in done.stdout.splitlines():
            if line.strip().startswith('libvirt'):
                print('%s is linked with %s: open it when it is needed' % (program, line.split()[0]))
                failed = True
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
