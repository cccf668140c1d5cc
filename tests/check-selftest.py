#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checks find what they are for: each is run on a small tree with one thing wrong in it."""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPDX = "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
GOOD_H = SPDX + "/** Adds one. */\nint vt_good_add(int a, int b);\n"
GOOD_C = SPDX + '#include "util/good.h"\n\nint\nvt_good_add(int a, int b)\n{\n    return a + b;\n}\n'
TABLE = (
    SPDX + 'static const VtStep s_steps[] = {\n    { .name = "one", .start = one },\n};\n'
    'static const VtSeqTable s_table = {\n    .name = "go",\n    .steps = s_steps,\n};\n'
)
LONG = "int\nf(int a)\n{\n" + "    a++;\n" * 99 + "    return a;\n}\n"

# check, files to add or replace, what must be said (None: nothing is wrong)
CASES = [
    ("layers", {}, None),
    ("size", {}, None),
    ("docs", {}, None),
    ("tree", {}, None),
    ("format", {}, None),
    ("layers", {"src/util/up.c": SPDX + '#include "conf/x.h"\n', "src/conf/x.h": SPDX}, "points up"),
    ("layers", {"src/util/up.c": SPDX + '#include "good.h"\n'}, "not a path from src/"),
    (
        "layers",
        {"src/util/a.h": SPDX + '#include "util/b.h"\n', "src/util/b.h": SPDX + '#include "util/a.h"\n'},
        "cycle of modules: util/a -> util/b -> util/a",
    ),
    ("size", {"src/util/long.c": SPDX + LONG}, "src/util/long.c:f has 102 lines"),
    ("size", {"src/util/big.c": SPDX + "\n" * 900}, "src/util/big.c has 901 lines"),
    ("size", {"src/util/p.c": SPDX + f"void f({', '.join('int a%d' % i for i in range(10))});\n"}, "10 parameters"),
    ("size", {"tests/size-allow.txt": "src/util/good.c 950\n"}, "needs no exception"),
    ("size", {"tests/size-allow.txt": "src/util/l.c:f 120\n", "src/util/l.c": SPDX + LONG}, "lower its 120"),
    ("docs", {"src/util/u.h": SPDX + "\nint vt_u(int a, int b);\n"}, "vt_u() has no comment"),
    (
        "docs",
        {"src/util/u.h": SPDX + "/**\n * vt_u - u\n * @a: a\n * @c: c\n */\nint vt_u(int a, int (*b)(int x));\n"},
        "has the parameters (a, b), its comment describes (a, c)",
    ),
    ("docs", {"src/util/u.h": SPDX + "/**\n * vt_v - v\n */\nint vt_u(int a, int b);\n"}, "is about vt_v"),
    ("docs", {"src/util/u.c": SPDX + "/* TO" + "DO: this */\n"}, "src/util/u.c:2"),
    ("tree", {"src/util/u.c": "int a;\n"}, "src/util/u.c: its first lines"),
    ("tree", {"src/util/u.c": SPDX + 'char *a = _("text");\n'}, "po/POTFILES: src/util/u.c is missing"),
    ("tree", {"po/POTFILES": "src/util/good.c\n"}, "has nothing to translate"),
    ("format", {"src/util/u.c": SPDX + "int   a;\n"}, "src/util/u.c: run"),
    ("walks", {"src/util/s.c": TABLE}, "no test kills the daemon at go/one"),
    (
        "walks",
        {"src/util/s.c": TABLE, "tests/e2e/t.py": "@walks('go', but=('go/two',))\ndef test_it(self):\n    pass\n"},
        "leaves out go/two, which is no step",
    ),
    ("walks", {"src/util/s.c": TABLE, "tests/e2e/t.py": "@walks('go')\ndef test_it(self):\n    pass\n"}, None),
]


def run(check, files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / ".clang-format").write_text((HERE.parent / ".clang-format").read_text())
        base = {"src/util/good.h": GOOD_H, "src/util/good.c": GOOD_C, "po/POTFILES": "", "tests/size-allow.txt": ""}
        for name, text in {**base, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run(
            [sys.executable, HERE / f"check-{check}.py", root], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


def main():
    failures = 0
    for check, files, expected in CASES:
        status, output = run(check, files)
        right = status == 0 if expected is None else status == 1 and expected in output
        if not right:
            failures += 1
            print(f"check-{check} on {files}: expected {expected!r}, got status {status}:\n{output}")
    print(f"check-selftest: {len(CASES)} cases, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
