#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Print src/conf/libvirt-names.c: which child elements and attributes libvirt's domain schema has where.

    tools/libvirt-names.py [/usr/share/libvirt/schemas] > src/conf/libvirt-names.c

Only names are taken, keyed by parent and element, so that whatever virtteam does not implement can be
refused by name, and told apart from what nobody knows.
"""
import os
import sys
import xml.etree.ElementTree as ET

RNG = '{http://relaxng.org/ns/structure/1.0}'
QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0'


def load(directory):
    defines, done = {}, set()

    def read(name):
        if name in done:
            return
        done.add(name)
        root = ET.parse(os.path.join(directory, name)).getroot()
        for node in root.iter(RNG + 'include'):
            read(node.get('href'))
            for define in node.iter(RNG + 'define'):
                defines.setdefault(define.get('name'), []).append(define)
        for define in root.findall(RNG + 'define'):
            defines.setdefault(define.get('name'), []).append(define)

    read('domain.rng')
    return defines


def names_of(node):
    """The names an <element> or <attribute> pattern stands for, those of foreign namespaces left out."""
    if node.get('ns') not in (None, ''):
        return []
    if node.get('name'):
        return [node.get('name')] if ':' not in node.get('name') else []
    first = list(node)[0] if len(node) else None
    if first is None or first.tag not in (RNG + 'choice', RNG + 'name'):
        return []
    return [n.text.strip() for n in first.iter(RNG + 'name') if n.get('ns') in (None, '')]


def main():
    defines = load(sys.argv[1] if len(sys.argv) > 1 else '/usr/share/libvirt/schemas')
    rows, seen = {}, set()

    def walk(node, parent, element, refs):
        for child in node:
            if child.tag == RNG + 'ref':
                name = child.get('name')
                key = (parent, element, name)
                if name in refs:
                    continue
                if key in seen:
                    continue
                seen.add(key)
                for define in defines.get(name, []):
                    walk(define, parent, element, refs | {name})
            elif child.tag == RNG + 'element':
                for name in names_of(child):
                    rows[(parent, element)][1].add(name)
                    rows.setdefault((element, name), (set(), set()))
                    walk(child, element, name, refs)
            elif child.tag == RNG + 'attribute':
                for name in names_of(child):
                    rows[(parent, element)][0].add(name)
            else:
                walk(child, parent, element, refs)

    rows[('', 'domain')] = (set(), set())
    for define in defines['domaincontents']:
        walk(define, '', 'domain', frozenset())
    rows[('', 'domain')][0].add('id')

    print('/* SPDX-License-Identifier: LGPL-2.1-or-later */')
    print('/* Made by tools/libvirt-names.py from the names in libvirt\'s domain schema; do not edit. */')
    print('/* clang-format off */')
    print('#include "conf/libvirt-names.h"\n')
    print('const VtLibvirtName vt_libvirt_names[] = {')
    places = {parent + '/' + element: names for (parent, element), names in rows.items()}
    for place in sorted(places):  # strcmp() order: bsearch() reads it
        attrs, children = places[place]
        print('    { "%s", "%s", "%s" },' % (place, ' '.join(sorted(attrs)), ' '.join(sorted(children))))
    print('};\n')
    print('const gsize vt_libvirt_names_count = G_N_ELEMENTS(vt_libvirt_names);')


main()
