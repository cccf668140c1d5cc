# SPDX-License-Identifier: LGPL-2.1-or-later
"""Just enough of C to check the tree: comments, functions, parameters. No preprocessor, no types."""

import re
from pathlib import Path

SKIP_NAMES = {"if", "while", "for", "switch", "return", "sizeof", "do", "else", "__attribute__"}


def sources(root, folders=("src", "tests"), suffixes=(".c", ".h")):
    """All C files below some folders of the tree, sorted."""
    found = []
    for folder in folders:
        found += [p for p in (root / folder).rglob("*") if p.suffix in suffixes and p.is_file()]
    return sorted(found)


def blank(text, keep_comments=False):
    """The text with comments, strings and preprocessor lines turned into blanks; line numbers stay."""
    pattern = re.compile(
        r'(?P<comment>/\*.*?\*/|//[^\n]*)'
        r'|(?P<string>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')'
        r'|(?P<cpp>^[ \t]*#(?:\\\n|/\*.*?\*/|[^\n])*)',
        re.S | re.M,
    )

    def replace(match):
        whole = match.group(0)
        if match.group("comment"):
            return whole if keep_comments else re.sub(r"[^\n]", " ", whole)
        if match.group("string"):
            return '"' + " " * (len(whole) - 2) + '"'
        return re.sub(r"[^\n]", " ", whole)

    return pattern.sub(replace, text)


def matching(text, start, pair="()"):
    """Index of the bracket that closes the one at start; -1 when there is none."""
    depth = 0
    for i in range(start, len(text)):
        if text[i] == pair[0]:
            depth += 1
        elif text[i] == pair[1]:
            depth -= 1
            if depth == 0:
                return i
    return -1


def split_params(text):
    """Names of the parameters of a parameter list; '...' stands for itself, None for one without a name."""
    parts, depth, current = [], 0, ""
    for c in text:
        if c == "," and depth == 0:
            parts.append(current)
            current = ""
            continue
        depth += c in "([{"
        depth -= c in ")]}"
        current += c
    parts.append(current)
    names = []
    for part in (p.strip() for p in parts):
        if part in ("", "void"):
            continue
        if part == "...":
            names.append("...")
            continue
        pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", part)
        bare = re.sub(r"\[[^\]]*\]", "", part)
        plain = re.search(r"(\w+)\s*$", bare)
        names.append(pointer.group(1) if pointer else plain.group(1) if plain else None)
    return names


class Function:
    """A definition (body_lines > 0) or a prototype."""

    def __init__(self, name, line, params, body_lines, head, start):
        self.name, self.line, self.params, self.body_lines = name, line, params, body_lines
        self.head, self.start = head, start


def functions(text):
    """Functions at the top level of a file: definitions, prototypes, and typedefs of function pointers."""
    code = blank(text)
    found, i, start = [], 0, 0
    while i < len(code):
        c = code[i]
        if c == ";":
            statement = code[start:i]
            found += _prototype(code, statement, start)
            start = i + 1
        elif c == "{":
            end = matching(code, i, "{}")
            if end < 0:
                break
            head = code[start:i]
            if head.rstrip().endswith(")") and "=" not in head:
                found += _definition(code, head, start, i, end)
                start = end + 1
            elif not re.search(r"\b(struct|union|enum)\b[^;]*$", head) and "=" not in head:
                start = end + 1
            i = end
        i += 1
    return found


def _call(head):
    """(name, params text, is it a typedef of a function pointer) of a function's head; None otherwise."""
    pointer = re.search(r"^\s*typedef\b[^(]*\(\s*\*\s*(\w+)\s*\)\s*\(", head)
    if pointer:
        open_at = pointer.end() - 1
        return pointer.group(1), head[open_at + 1 : matching(head, open_at)], open_at
    match = re.search(r"\b(\w+)\s*\(", head)
    if not match or match.group(1) in SKIP_NAMES or "typedef" in head:
        return None
    if not head[: match.start()].strip():
        return None  # a macro such as G_DEFINE_QUARK(...)
    open_at = match.end() - 1
    close_at = matching(head, open_at)
    if close_at < 0:
        return None
    return match.group(1), head[open_at + 1 : close_at], open_at


def _line(code, at):
    return code.count("\n", 0, at) + 1


def _first(code, start):
    while start < len(code) and code[start].isspace():
        start += 1
    return start


def _prototype(code, statement, start):
    if "=" in statement or "{" in statement:
        return []
    # Macros without a semicolon (G_DEFINE_AUTOPTR_CLEANUP_FUNC) stand in front of what follows them.
    offset = 0
    while True:
        macro = re.match(r"\s*[A-Z][A-Z0-9_]+\s*\(", statement[offset:])
        if not macro:
            break
        close = matching(statement, offset + macro.end() - 1)
        if close < 0:
            return []
        offset = close + 1
    call = _call(statement[offset:])
    if not call:
        return []
    first = _first(code, start + offset)
    return [Function(call[0], _line(code, first), split_params(call[1]), 0, statement[offset:].strip(), first)]


def _definition(code, head, start, open_at, end):
    call = _call(head)
    if not call:
        return []
    first = _first(code, start)
    lines = _line(code, end) - _line(code, open_at) + 1
    return [Function(call[0], _line(code, first), split_params(call[1]), lines, head.strip(), first)]


def comment_before(text, start):
    """The comment that ends directly above an offset (only blanks between), or ''."""
    above = text[:start].rstrip(" \t")
    if not above.endswith("\n"):
        return ""
    stripped = above.rstrip()
    if not stripped.endswith("*/") or above.count("\n", len(stripped)) > 1:
        return ""
    open_at = stripped.rfind("/*")
    return stripped[open_at:] if open_at >= 0 else ""


def root_from_argv(argv):
    return Path(argv[1]).resolve() if len(argv) > 1 else Path(__file__).resolve().parent.parent


def finish(name, problems):
    """Print what was found; the number of problems decides the exit status."""
    for problem in problems:
        print(problem)
    print(f"{name}: {len(problems)} problem(s)")
    return 1 if problems else 0
