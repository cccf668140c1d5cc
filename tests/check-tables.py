#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `virtteamd --print-tables` prints stands in the docs, word for word.

    check-tables.py VIRTTEAMD DOC...            compare
    check-tables.py --update VIRTTEAMD DOC...   write the tables into the docs

A table "# TITLE" of the program's belongs between the lines "<!-- begin: TITLE -->" and "<!-- end -->".
"""

import re
import subprocess
import sys

PLACE = re.compile(r"(<!-- begin: ([^\n]+) -->\n)(.*?)(<!-- end -->\n)", re.S)


def tables_of(program):
    text = subprocess.run([program, "--print-tables"], check=True, capture_output=True, text=True).stdout
    parts = re.split(r"^# (.+)\n", text, flags=re.M)
    return {title: body.strip("\n") for title, body in zip(parts[1::2], parts[2::2])}


def check(path, tables, update):
    with open(path, encoding="utf-8") as file:
        old = file.read()
    problems = []
    for _, title, _, _ in PLACE.findall(old):
        if title not in tables:
            problems.append(f"{path}: virtteamd prints no table '{title}'")
    if not PLACE.search(old):
        problems.append(f"{path}: there is no place for a table")
    new = PLACE.sub(lambda m: f"{m[1]}{tables.get(m[2], '')}\n{m[4]}", old)
    if new == old or problems:
        return problems
    if update:
        with open(path, "w", encoding="utf-8") as file:
            file.write(new)
        return []
    return [f"{path}: differs from virtteamd --print-tables; run tests/check-tables.py --update VIRTTEAMD {path}"]


def main():
    args = sys.argv[1:]
    update = args[:1] == ["--update"]
    program, *docs = args[update:]
    tables = tables_of(program)
    problems = [problem for doc in docs for problem in check(doc, tables, update)]
    print("\n".join(problems + [f"check-tables: {len(problems)} problem(s)"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
