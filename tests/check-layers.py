#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Includes point only down the layers, and modules (a .c and .h pair) form no cycle."""

import re
import sys

import csource

LAYERS = ["util", "conf", "datapath", "qemu", "driver", "rpc", "daemon", "cli"]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)
GENERATED = {"vt-config.h"}


def main(argv):
    root = csource.root_from_argv(argv)
    src = root / "src"
    problems, edges = [], {}
    for path in csource.sources(root, ("src",)):
        name = path.relative_to(src)
        module = str(name.with_suffix(""))
        layer = name.parts[0]
        if layer not in LAYERS:
            problems.append(f"src/{name}: '{layer}' is no layer")
            continue
        for include in INCLUDE.findall(path.read_text()):
            if include in GENERATED:
                continue
            below = include.split("/")[0]
            if below not in LAYERS or not (src / include).is_file():
                problems.append(f'src/{name}: "{include}" is not a path from src/ to a header that exists')
                continue
            if LAYERS.index(below) > LAYERS.index(layer):
                problems.append(f'src/{name}: "{include}" points up from {layer} to {below}')
            target = include.rsplit(".", 1)[0]
            if target != module and not is_family(module, target):
                edges.setdefault(module, set()).add(target)
    problems += [f"cycle of modules: {' -> '.join(c)}" for c in cycles(edges)]
    return csource.finish("check-layers", problems)


def is_family(private, target):
    """driver/domain-private.h is shared by the modules driver/domain-*; it may know their public headers."""
    return private.endswith("-private") and target.startswith(private[: -len("private")])


def cycles(edges):
    """One cycle of every knot."""
    state, found = {}, []

    def walk(node, path):
        state[node] = "open"
        for target in sorted(edges.get(node, ())):
            if state.get(target) == "open":
                found.append(path[path.index(target) :] + [target])
            elif target not in state:
                walk(target, path + [target])
        state[node] = "done"

    sys.setrecursionlimit(10000)
    for node in sorted(edges):
        if node not in state:
            walk(node, [node])
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv))
