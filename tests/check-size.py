#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of at most 900 lines, functions of at most 100, at most 9 parameters.

tests/size-allow.txt names the exceptions, one a line: "PATH SIZE" for a file or "PATH:FUNCTION SIZE" for a
function. The list may only shrink: an entry that is larger than what it allows has to be lowered, one that is
not needed any more has to go.
"""

import sys

import csource

FILE_LINES = 900
FUNCTION_LINES = 100
PARAMETERS = 9


def read_allowed(path):
    allowed = {}
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            allowed[words[0]] = int(words[1])
    return allowed


def main(argv):
    root = csource.root_from_argv(argv)
    allowed = read_allowed(root / "tests" / "size-allow.txt")
    problems, too_large = [], {}
    for path in csource.sources(root):
        name = str(path.relative_to(root))
        text = path.read_text()
        lines = text.count("\n")
        if lines > FILE_LINES:
            too_large[name] = (lines, FILE_LINES)
        for function in csource.functions(text):
            if function.body_lines > FUNCTION_LINES:
                too_large[f"{name}:{function.name}"] = (function.body_lines, FUNCTION_LINES)
            if len(function.params) > PARAMETERS:
                problems.append(
                    f"{name}:{function.line}: {function.name}() has {len(function.params)} parameters, "
                    f"more than {PARAMETERS}: make it a struct"
                )
    for what, (lines, limit) in too_large.items():
        if lines > allowed.get(what, limit):
            problems.append(f"{what} has {lines} lines, more than {allowed.get(what, limit)}")
    for what, lines in allowed.items():
        if what not in too_large:
            problems.append(f"tests/size-allow.txt: {what} needs no exception any more: remove it")
        elif too_large[what][0] < lines:
            problems.append(f"tests/size-allow.txt: {what} has {too_large[what][0]} lines now: lower its {lines}")
    return csource.finish("check-size", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
