#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare our QEMU command line with that of a stock libvirt, option by option and device by device.

Each XML is given to both. With --start the stock libvirt really starts the guest, paused, and what it runs is
read from /proc; without it `virsh domxml-to-native` is asked, which leaves out what it cannot know. Disks and
kernels are replaced by files that exist, the same for both; bridges have to be there. libvirt writes most options
as JSON, we as key=value: both are compared as sets of properties.

Differences that are meant are listed below with their reason, and in docs/command-line.md. Any other makes the
program exit with 1.

usage: compare-stock-argv.py --uri URI [--virtteam PROGRAM] [--start] XML...
"""
import argparse
import glob
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import time

HEADS = {"-device": "driver", "-netdev": "type", "-object": "qom-type", "-chardev": "backend", "-machine": "type",
         "-cpu": "model", "-smp": "cpus", "-sandbox": "enable", "-m": "size", "-accel": "accel",
         "-watchdog-action": "action"}
FLAGS = {"-S", "-no-user-config", "-nodefaults", "-no-shutdown", "-no-acpi", "-no-hpet"}

# (option, id, property): regular expressions; and why.
MEANT = [
    ("-object", "masterKey0", ".*", "we hand no secrets to QEMU, so there is no key to protect them with"),
    ("-S", "", ".*", "the run-time state, not the machine"),
    ("-chardev", "charmonitor", "path|fd", "where the monitor is"),
    ("-chardev", ".*", "path|fd|logfile", "libvirt opens files and sockets itself, we let QEMU open them"),
    ("-add-fd", ".*", ".*", "libvirt opens files and sockets itself, we let QEMU open them"),
    ("-netdev", ".*", "fds?|ifname|script|downscript|queues|vhost|vhostfds?", "for people we name the tap, not a number"),
    ("-blockdev", ".*-format", "backing", "libvirt opens backing files one by one, we let QEMU follow the header"),
    ("-cpu", "", "migratable", "libvirt leaves it out without KVM; on is QEMU's default"),
    ("-global", "kvm-pit.*", ".*", "QEMU's own PIT has no such property, and warns"),
    ("-global", "PIIX4_PM.*", ".*", "without ACPI there is no such device, and QEMU warns"),
    ("-chardev", ".*", "append", "libvirt opens the file, and truncates it itself where that is wanted"),
    ("-device", "serial.*", "index", "the first port that is free, not one behind the highest"),
]


def split_opts(value):
    items, word, i = [], "", 0
    while i < len(value):
        if value.startswith(",,", i):
            word, i = word + ",", i + 2
        elif value[i] == ",":
            items.append(word)
            word, i = "", i + 1
        else:
            word, i = word + value[i], i + 1
    return items + [word]


def plain(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    return "null" if value is None else str(value)


def flatten(data, prefix=""):
    out = {}
    for key, value in data.items():
        if isinstance(value, dict):
            out.update(flatten(value, prefix + key + "."))
        else:
            out[prefix + key] = plain(value)
    return out


def props(option, value):
    if value.startswith("{"):
        return flatten(json.loads(value))
    if option in ("-append", "-kernel", "-initrd", "-uuid", "-display", "-global"):
        return {"value": value}
    out = {}
    for number, item in enumerate(split_opts(value)):
        key, eq, rest = item.partition("=")
        if eq:
            out[key] = rest
        elif number == 0:
            out[HEADS.get(option, "value")] = key
        else:
            out[key] = "on"
    return out


def parse(words):
    """{(option, id): properties}"""
    words = words[next(i for i, w in enumerate(words) if "qemu-system" in os.path.basename(w)) + 1:]
    out, i = {}, 0
    while i < len(words):
        option = words[i]
        if option in FLAGS or i + 1 == len(words):
            out[(option, "")] = {}
            i += 1
            continue
        found = props(option, words[i + 1])
        name = found.get("id") or found.get("node-name") or ""
        if option in ("-global", "-add-fd"):
            name = words[i + 1]
        out[(option, name)] = found
        i += 2
    return out


def meant(option, name, prop):
    for want_option, want_name, want_prop, why in MEANT:
        if option == want_option and re.fullmatch(want_name, name) and re.fullmatch(want_prop, prop):
            return why
    return None


def differences(ours, stock):
    for key in list(stock) + [k for k in ours if k not in stock]:
        option, name = key
        if key not in ours or key not in stock:
            yield option, name, "*", "-" if key not in ours else "there", "-" if key not in stock else "there"
            continue
        for prop in sorted(set(ours[key]) | set(stock[key])):
            a, b = ours[key].get(prop), stock[key].get(prop)
            if a != b:
                yield option, name, prop, a, b


def fake_kernel(path):
    image = bytearray(16384)
    image[0x1F1] = 4
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x020C)
    image[0x211] = 1
    struct.pack_into("<I", image, 0x22C, 0x7FFFFFFF)
    with open(path, "wb") as out:
        out.write(image)


def localize(xml, tmp):
    """Replace files by such as exist, KVM by TCG, and give serial logs a place."""
    def disk(match):
        block = match.group(0)
        fmt = re.search(r"<driver[^>]*type='(\w+)'", block)
        path = os.path.join(tmp, "disk%d" % len(os.listdir(tmp)))
        subprocess.run(["qemu-img", "create", "-q", "-f", fmt.group(1) if fmt else "raw", path, "1M"], check=True)
        return re.sub(r"<source file='[^']*'", "<source file='%s'" % path, block)

    def blob(match):
        path = os.path.join(tmp, match.group(1))
        fake_kernel(path)
        return "<%s>%s</%s>" % (match.group(1), path, match.group(1))

    xml = re.sub(r"<disk .*?</disk>", disk, xml, flags=re.S)
    xml = re.sub(r"<(kernel|initrd)>[^<]*</\1>", blob, xml)
    xml = re.sub(r"(<source (?:mode='\w+' )?path=|<log file=)'[^']*/([^'/]*)'", r"\1'%s/\2'" % tmp, xml)
    xml = re.sub(r"<rom file='/[^']*'/>", "", xml)
    xml = re.sub(r"<target dev='\w+' managed='no'/>", "", xml)
    xml = re.sub(r"<source bridge='[^']*'", "<source bridge='br0'", xml)
    return xml.replace("<domain type='kvm'", "<domain type='qemu'").replace("mode='host-passthrough'", "mode='maximum'")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def words_of_running(name):
    wanted = "guest=%s," % name.replace(",", ",,")
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path) as file:
                words = file.read().split("\0")[:-1]
        except OSError:
            continue
        if any(w.startswith(wanted) for w in words) and "qemu-system" in words[0]:
            return words
    return None


def stock_words(uri, path, name, start):
    if not start:
        got = run("virsh", "-c", uri, "domxml-to-native", "qemu-argv", "--xml", path)
        return (shlex.split(got.stdout), "") if got.returncode == 0 else (None, got.stderr.strip())
    got = run("virsh", "-c", uri, "create", "--paused", path)
    if got.returncode:
        return None, got.stderr.strip()
    words = words_of_running(name)
    run("virsh", "-c", uri, "destroy", name)
    time.sleep(0.2)
    return words, "its process was not found"


def compare(path, options):
    """(unexpected, meant) differences as text, or a reason why there is nothing to compare"""
    with open(path) as file, tempfile.TemporaryDirectory(prefix="vt-compare-") as tmp:
        xml = localize(file.read(), tmp)
        local = os.path.join(tmp, "guest.xml")
        with open(local, "w") as out:
            out.write(xml)
        name = re.search(r"<name>(.*?)</name>", xml).group(1)
        got = run(options.virtteam, "argv", local)
        if got.returncode:
            return None, None, "we refuse it: " + got.stderr.strip()
        ours = parse(shlex.split(got.stdout.replace("\\\n", " ")))
        if "mode='host-model'" in xml:
            return None, None, "host-model: libvirt makes a list of features of it, we let QEMU do that"
        words, why = stock_words(options.uri, local, name, options.start)
        if words is None:
            return None, None, "stock libvirt refuses it: " + why.replace("\n", " ")
    bad, good = [], []
    for option, ident, prop, a, b in differences(ours, parse(words)):
        text = "%s %s %s: ours %s, stock %s" % (option, ident, prop, a, b)
        why = meant(option, ident, prop)
        if why:
            good.append(text + "  [" + why + "]")
        else:
            bad.append(text)
    return bad, good, None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--virtteam", default="build/src/cli/virtteam")
    parser.add_argument("--start", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true", help="show meant differences, too")
    parser.add_argument("xml", nargs="+")
    options = parser.parse_args()
    failed = same = skipped = 0
    for path in options.xml:
        bad, good, skip = compare(path, options)
        name = os.path.basename(path)
        if skip:
            skipped += 1
            print("skip %s: %s" % (name, skip))
            continue
        print("%s %s: %d differences, %d meant" % ("DIFF" if bad else "same", name, len(bad), len(good)))
        for line in bad + (good if options.verbose else []):
            print("    " + line)
        failed += bool(bad)
        same += not bad
    print("%d the same, %d differ, %d not comparable" % (same, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
