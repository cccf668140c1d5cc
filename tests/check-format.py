#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every C file is as clang-format 14 writes it; without that very program the check fails."""

import shutil
import subprocess
import sys

import csource

PROGRAM = "clang-format-14"


def main(argv):
    root = csource.root_from_argv(argv)
    if not shutil.which(PROGRAM):
        return csource.finish("check-format", [f"{PROGRAM} is not installed"])
    files = [str(p.relative_to(root)) for p in csource.sources(root)]
    run = subprocess.run(
        [PROGRAM, "--dry-run", "-Werror", "--ferror-limit=1", *files], cwd=root, capture_output=True, text=True
    )
    bad = sorted({line.split(":")[0] for line in run.stderr.splitlines() if "error:" in line})
    problems = [f"{name}: run {PROGRAM} -i on it" for name in bad]
    if run.returncode and not problems:
        problems = run.stderr.splitlines() or [f"{PROGRAM} failed"]
    return csource.finish("check-format", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
