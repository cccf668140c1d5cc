#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""src/util/message-id.h, the calls that log with an id, and docs/messages.md agree.

Each id is 32 hexadecimal digits, used by no other message, logged by exactly one call, and has a section

    ## recover-found
    `<id>` info: `domain '…' is found again`

in the docs, with the level and the words of that call (a value is written as …), and what to do below it.
--update writes the second line of the sections that exist.
"""

import re
import sys

import csource

DEFINE = re.compile(r'^#define VT_MESSAGE_(\w+)\s+"([^"]*)"$', re.M)
CALL = re.compile(r'vt_log_id_(info|warning|error)\(\s*VT_MESSAGE_(\w+),[^"]*?((?:"(?:\\.|[^"\\])*"\s*)+)')
SECTION = re.compile(r"^## ([a-z0-9-]+)\n(`[^\n]*)\n(.*?)(?=^## |\Z)", re.M | re.S)


def calls(root):
    """Constant -> [(level, words)] of all calls."""
    found = {}
    for path in csource.sources(root, ("src",), (".c",)):
        for level, name, literals in CALL.findall(path.read_text()):
            words = "".join(re.findall(r'"((?:\\.|[^"\\])*)"', literals))
            words = re.sub(r"%[-0-9.]*(?:l|ll|z)?[a-z]", "…", words).replace('\\"', '"')
            found.setdefault(name, []).append((level, words))
    return found


def section_name(constant):
    return constant.lower().replace("_", "-")


def main(argv):
    update = "--update" in argv
    root = csource.root_from_argv([a for a in argv if a != "--update"])
    doc = root / "docs" / "messages.md"
    text = doc.read_text()
    ids = dict(DEFINE.findall((root / "src" / "util" / "message-id.h").read_text()))
    used, problems, lines = calls(root), [], {}
    for constant, value in ids.items():
        if not re.fullmatch("[0-9a-f]{32}", value) or list(ids.values()).count(value) > 1:
            problems.append(f"VT_MESSAGE_{constant}: '{value}' is not 32 hexadecimal digits of its own")
        if len(used.get(constant, [])) != 1:
            problems.append(f"VT_MESSAGE_{constant}: {len(used.get(constant, []))} calls log it, not one")
        else:
            level, words = used[constant][0]
            lines[section_name(constant)] = f"`{value}` {level}: `{words}`"
    problems += [f"VT_MESSAGE_{name} is not in message-id.h" for name in used.keys() - ids.keys()]
    sections = {name: (line, advice) for name, line, advice in SECTION.findall(text)}
    problems += [f"docs/messages.md: no section '{name}'" for name in lines.keys() - sections.keys()]
    for name, (line, advice) in sections.items():
        if name not in lines:
            problems.append(f"docs/messages.md: '{name}' is no message")
        elif line != lines[name] and update:
            text = text.replace(f"## {name}\n{line}\n", f"## {name}\n{lines[name]}\n")
        elif line != lines[name]:
            problems.append(f"docs/messages.md: '{name}' must say {lines[name]}; run tests/check-messages.py --update")
        if not advice.strip():
            problems.append(f"docs/messages.md: '{name}' does not say what to do")
    if update:
        doc.write_text(text)
    return csource.finish("check-messages", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
