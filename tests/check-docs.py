#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Header contracts are true: every public function is described, its @names are its parameters, no promises."""

import re
import sys

import csource

# Their names say all there is to say, as does that of a function of one thing (a getter); the rest is described.
SELF_EVIDENT = re.compile(r"_(free|copy|ref|unref|equal|quark|new|clear)$|^vt_(typed_params_add|xdr_write)_")
PARAM = re.compile(r"^[ \t]*(?:/\*\*)?[ \t]*\*?[ \t]*@(\w+|\.\.\.):", re.M)
TITLE = re.compile(r"/\*\*\s*\*\s*(vt_\w+|Vt\w+)\s+-\s")
# TAP's directive, as a string, is no promise of ours.
PROMISE = re.compile(r"""(?<!['"]# )\b(XXX|TODO|FIXME)\b""")


def check_header(name, text):
    problems = []
    described_until = -1  # prototypes in one block share the comment above the first
    for function in csource.functions(text):
        if function.body_lines and "static" not in function.head:
            problems.append(f"{name}:{function.line}: {function.name}() is defined in a header without static")
        comment = csource.comment_before(text, function.start)
        end = text.find(";" if not function.body_lines else "{", function.start)
        if comment:
            problems += check_comment(name, function, comment)
        adjacent = described_until >= 0 and not re.search(r"\n\s*\n", text[described_until : function.start])
        if comment or adjacent:
            described_until = end
        else:
            described_until = -1
            evident = SELF_EVIDENT.search(function.name) or len(function.params) <= 1
            if not evident and function.name.startswith("vt_"):
                problems.append(f"{name}:{function.line}: {function.name}() has no comment")
    return problems


def check_comment(name, function, comment):
    problems = []
    title = TITLE.match(comment)
    if title and title.group(1) != function.name:
        problems.append(f"{name}:{function.line}: the comment is about {title.group(1)}, not {function.name}")
    names = PARAM.findall(comment)
    params = [p for p in function.params if p != "..."]
    names = [n for n in names if n != "..."]
    if names and names != params:
        problems.append(
            f"{name}:{function.line}: {function.name}() has the parameters ({', '.join(map(str, params))}), "
            f"its comment describes ({', '.join(names)})"
        )
    return problems


def check_promises(root):
    problems = []
    for folder in ("src", "tests", "docs", "tools", "bench", "po"):
        for path in sorted((root / folder).rglob("*")):
            if not path.is_file() or path.name == "check-docs.py" or "__pycache__" in path.parts:
                continue
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if PROMISE.search(line):
                    problems.append(f"{path.relative_to(root)}:{number}: {PROMISE.search(line).group(1)}")
    return problems


def main(argv):
    root = csource.root_from_argv(argv)
    problems = []
    for path in csource.sources(root, ("src",), (".h",)):
        problems += check_header(str(path.relative_to(root)), path.read_text())
    problems += check_promises(root)
    return csource.finish("check-docs", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
