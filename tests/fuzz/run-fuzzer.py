#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run one fuzzer a fixed number of times from a fixed seed: run-fuzzer.py PROGRAM CORPUS."""

import os
import subprocess
import sys
import tempfile


def main(argv):
    program, corpus = argv[1], argv[2]
    with tempfile.TemporaryDirectory() as scratch:
        # What libFuzzer finds goes into the first directory, so the tree's seeds stay as they are.
        found = os.path.join(scratch, "found")
        os.mkdir(found)
        folders = [found] + ([corpus] if os.path.isdir(corpus) else [])
        limits = ["-runs=20000", "-seed=1", "-timeout=10", "-max_len=65536", "-max_total_time=60"]
        return subprocess.run([program, *limits, f"-artifact_prefix={os.getcwd()}/", *folders]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv))
