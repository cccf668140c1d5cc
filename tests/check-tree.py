#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every source names its licence in its first lines; po/POTFILES has every file with text for clients; what lies about is told."""

import re
import shutil
import subprocess
import sys

import csource

SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"
SUFFIXES = {".c", ".h", ".py", ".sh", ".build"}
TOP = {"bench", "check", "CONTRIBUTING.md", "COPYING", "demo", "docs", "meson.build", "meson_options.txt", "po", "README.md",
       "src", "tests", "tools"}
TRANSLATED = re.compile(r"(?<![\w>.])N?_\(")


def check_licences(root):
    problems = []
    for folder in ("src", "tests", "tools", "bench", "po"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file() or "__pycache__" in path.parts:
                continue
            if SPDX not in "\n".join(path.read_text().splitlines()[:3]):
                problems.append(f"{path.relative_to(root)}: its first lines have no '{SPDX}'")
    return problems


def check_top(root):
    """What a test or a tool has left where it ran is no part of the tree: nothing of it was committed."""
    if not (root / ".git").exists() or not shutil.which("git"):
        return []
    git = ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z"]
    listed = subprocess.run(git, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    names = {path.split("/")[0] for path in listed.split("\0") if path and not path.startswith(".")}
    return [f"{name}: what is this? The tree has no such file or folder (tests/check-tree.py)" for name in sorted(names - TOP)]


def check_potfiles(root):
    problems = []
    listed = (root / "po" / "POTFILES").read_text().split()
    for name in sorted({n for n in listed if listed.count(n) > 1}):
        problems.append(f"po/POTFILES: {name} is there twice")
    using = set()
    for path in csource.sources(root, ("src",), (".c",)):
        if TRANSLATED.search(csource.blank(path.read_text())):
            using.add(str(path.relative_to(root)))
    problems += [f"po/POTFILES: {name} is missing" for name in sorted(using - set(listed))]
    problems += [f"po/POTFILES: {name} has nothing to translate" for name in sorted(set(listed) - using)]
    return problems


def check_e2e(root):
    """Each class with end-to-end tests is run: tests/e2e/meson.build names the classes where it does not take the file."""
    folder = root / "tests" / "e2e"
    if not (folder / "meson.build").exists():
        return []
    problems = []
    listed = {}
    for name, classes in re.findall(r"\['(\w+)', \[(.*?)\]\]", (folder / "meson.build").read_text()):
        listed.setdefault(name, set()).update(re.findall(r"'(\w+)'", classes) or [None])
    for path in sorted(folder.glob("*.py")):
        text = path.read_text()
        classes = {m[0] for m in re.findall(r"^class (\w+)\(.*?\):\n(.*?)(?=^class |\Z)", text, re.M | re.S) if "    def test_" in m[1]}
        run = listed.get(path.stem, set())
        if None not in run:
            problems += [f"tests/e2e/meson.build: {path.name} {c} is not run" for c in sorted(classes - run)]
            problems += [f"tests/e2e/meson.build: {path.name} has no {c}" for c in sorted(run - classes)]
    return problems


ENVIRONMENT = re.compile(r"""(?:environ(?:\.get\(|\[)|getenv\()["'](V(?:T|IRTTEAM)_\w+)["']|\$\{?(VT_[A-Z_]+)""")


def check_environment(root):
    """What tests and tools read from the environment stands in CONTRIBUTING.md, and nothing else does."""
    document = root / "CONTRIBUTING.md"
    if not document.exists():
        return []
    told = {name for line in document.read_text().splitlines() if line.startswith("| `V")
            for name in re.findall(r"`(V(?:T|IRTTEAM)_\w+)`", line.split("|")[1])}
    read = {}
    for folder in ("src", "tests", "tools", "bench"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".py", ".sh") and "__pycache__" not in path.parts:
                for match in ENVIRONMENT.finditer(path.read_text(errors="replace")):
                    read.setdefault(match[1] or match[2], path.relative_to(root))
    problems = [f"CONTRIBUTING.md: '{name}', which {read[name]} reads, is not told of" for name in sorted(set(read) - told)]
    return problems + [f"CONTRIBUTING.md: nobody reads '{name}'" for name in sorted(told - set(read))]


def main(argv):
    root = csource.root_from_argv(argv)
    return csource.finish("check-tree",
                          check_top(root) + check_licences(root) + check_potfiles(root) + check_e2e(root) + check_environment(root))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
