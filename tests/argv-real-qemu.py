#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Give each golden command line to the real QEMU.

QEMU is started paused, with what this machine lacks replaced (taps, VFIO devices, disks, kernels, KVM), and
ended by QMP. It fails when QEMU refuses, warns, or does not show a device that the command line asks for.

usage: argv-real-qemu.py DIRECTORY-WITH-ARGS-FILES [CASE...]
"""
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

QEMU = "qemu-system-x86_64"
START_TIMEOUT_S = 20

EXPECTED = (
    "char device redirected to",
    # CPUs that a guest may ask for, but that this accelerator cannot give in full.
    "warning: TCG doesn't support requested feature",
    "warning: This family of AMD CPU doesn't support hyperthreading",
    "Please configure -smp options properly or try enabling topoext feature.",
    "exceeds the recommended cpus supported by KVM",
)


def split_opts(value):
    """'a,b=c,,d' -> [('a', None), ('b', 'c,d')]"""
    items = []
    for part in re.split(r"(?<!,),(?!,)|(?<=,,),(?!,)", value):
        key, eq, rest = part.partition("=")
        items.append((key, rest.replace(",,", ",") if eq else None))
    return items


def join_opts(items):
    return ",".join(key if value is None else key + "=" + value.replace(",", ",,") for key, value in items)


def set_opt(items, name, value):
    return [(k, value if k == name else v) for k, v in items]


def get_opt(items, name):
    return next((v for k, v in items if k == name), None)


def fake_kernel(path):
    """The smallest file that QEMU takes for a bzImage."""
    image = bytearray(16384)
    image[0x1F1] = 4                              # setup sectors
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x020C)  # boot protocol 2.12
    image[0x211] = 1                              # loaded high
    struct.pack_into("<I", image, 0x22C, 0x7FFFFFFF)
    with open(path, "wb") as out:
        out.write(image)


class Substitute:
    """One command line with what this machine lacks replaced."""

    def __init__(self, words, tmp, qemu, kvm):
        self.tmp, self.kvm, self.count = tmp, kvm, 0
        self.formats = self.find_formats(words)
        self.tcg_only = "kvm" in words and not kvm
        self.monitor = os.path.join(tmp, "monitor")
        self.ids = []
        self.out = [qemu]
        i = 1
        while i < len(words):
            if i + 1 < len(words) and not words[i + 1].startswith("-"):
                self.option(words[i], words[i + 1])
                i += 2
            else:
                self.out.append(words[i])
                i += 1
        if "-S" not in self.out:
            self.out.append("-S")

    def add(self, *words):
        self.out += words

    def path(self, name):
        self.count += 1
        return os.path.join(self.tmp, "%d-%s" % (self.count, name))

    @staticmethod
    def find_formats(words):
        formats = {}
        for option, value in zip(words, words[1:]):
            items = split_opts(value) if option == "-blockdev" else []
            if get_opt(items, "file"):
                formats[get_opt(items, "file")] = get_opt(items, "driver")
        return formats

    def option(self, option, value):
        handler = getattr(self, "do_" + option.strip("-").replace("-", "_"), None)
        if handler:
            handler(value)
        else:
            self.add(option, value)

    def do_accel(self, value):
        self.add("-accel", "tcg" if self.tcg_only else value)

    def do_cpu(self, value):
        self.add("-cpu", "max" if self.tcg_only else value)

    def do_global(self, value):
        if not (self.tcg_only and value.startswith("kvm-")):
            self.add("-global", value)

    def do_kernel(self, value):
        path = self.path("kernel")
        fake_kernel(path)
        self.add("-kernel", path)

    def do_initrd(self, value):
        path = self.path("initrd")
        with open(path, "wb") as out:
            out.write(b"\0" * 512)
        self.add("-initrd", path)

    def do_chardev(self, value):
        items = split_opts(value)
        if get_opt(items, "id") == "charmonitor":
            items = set_opt(items, "path", self.monitor)
        elif get_opt(items, "path"):
            path = self.path("chardev")
            if items[0][0] == "socket" and not get_opt(items, "server"):
                self.listen(path)
            items = set_opt(items, "path", path)
        if get_opt(items, "logfile"):
            items = set_opt(items, "logfile", self.path("log"))
        self.add("-chardev", join_opts(items))

    def listen(self, path):
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.bind(path)
        self.peer.listen(1)

    def do_blockdev(self, value):
        items = split_opts(value)
        if get_opt(items, "filename"):
            path = self.path("disk")
            fmt = self.formats.get(get_opt(items, "node-name"), "raw")
            subprocess.run(["qemu-img", "create", "-q", "-f", fmt, path, "1M"], check=True)
            items = set_opt(items, "filename", path)
        self.add("-blockdev", join_opts(items))

    def do_netdev(self, value):
        items = split_opts(value)
        self.add("-netdev", join_opts([("user", None), ("id", get_opt(items, "id"))]))

    def do_device(self, value):
        items = split_opts(value)
        self.ids.append(get_opt(items, "id"))
        if items[0][0] == "vfio-pci":
            # Any PCIe NIC is as good: what is tested is the address, the pair and the port.
            name = "sub" + get_opt(items, "id")
            self.add("-netdev", "user,id=" + name)
            keep = [(k, v) for k, v in items[1:] if k != "host"]
            items = [("vmxnet3", None), ("netdev", name), ("mac", "52:54:00:ff:00:01")] + keep
            if not get_opt(items, "romfile"):
                items.append(("romfile", ""))
        if get_opt(items, "romfile") and not os.path.exists(get_opt(items, "romfile")):
            items = set_opt(items, "romfile", "")
        self.add("-device", join_opts(items))


class Monitor:
    def __init__(self, path, process):
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(path)
                break
            except OSError:
                self.sock.close()
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        self.sock.settimeout(START_TIMEOUT_S)
        self.file = self.sock.makefile("rw")
        self.file.readline()
        self.call("qmp_capabilities")

    def call(self, name, **args):
        self.file.write(json.dumps({"execute": name, "arguments": args}) + "\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise OSError("the monitor was closed")
            reply = json.loads(line)
            if "error" in reply:
                raise OSError(reply["error"]["desc"])
            if "return" in reply:
                return reply["return"]


def hidden_ids(words):
    """Transients stay away until the guest's driver has negotiated; the guest is paused."""
    return {get_opt(split_opts(v), "id") for o, v in zip(words, words[1:])
            if o == "-device" and get_opt(split_opts(v), "failover_pair_id")}


def run_case(path, qemu, kvm):
    with open(path) as file:
        words = shlex.split(file.read().replace("\\\n", " "))
    # Names of sockets are limited to 107 bytes: a short path.
    with tempfile.TemporaryDirectory(prefix="vt-argv-") as tmp:
        return talk(Substitute(words, tmp, qemu, kvm), words)


def talk(case, words):
    errors = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(case.out, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, cwd=case.tmp)
    problems = []
    try:
        monitor = Monitor(case.monitor, process)
        there = {d["name"] for d in monitor.call("qom-list", path="/machine/peripheral")}
        problems += ["device '%s' is not there" % i for i in set(case.ids) - there - hidden_ids(words)]
        monitor.call("quit")
    except OSError as error:
        problems.append(str(error))
    try:
        process.wait(START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        problems.append("QEMU did not quit")
        process.kill()
        process.wait()
    errors.seek(0)
    problems += [line.strip() for line in errors if not expected(line, words)]
    return problems


def expected(line, words):
    """Where the ptys are; that the tap of a NIC which QEMU hides is not in use yet; what the XML's CPU costs."""
    if any(text in line for text in EXPECTED):
        return True
    match = re.search(r"warning: netdev (sub|host)(\S+) has no peer", line)
    return bool(match and match.group(2) in hidden_ids(words))


def kvm_works(qemu):
    """With a real CPU: some nested hosts have a /dev/kvm that takes no guest."""
    command = [qemu, "-S", "-machine", "q35,accel=kvm", "-cpu", "host", "-nodefaults", "-display", "none",
               "-qmp", "stdio"]
    talk = '{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n'
    return subprocess.run(command, input=talk, text=True, capture_output=True).returncode == 0


def main():
    directory, wanted = sys.argv[1], sys.argv[2:]
    qemu = shutil.which(QEMU)
    if not qemu:
        print("1..0 # SKIP no %s" % QEMU)
        return 0
    kvm = kvm_works(qemu)
    cases = sorted(f[:-5] for f in os.listdir(directory) if f.endswith(".args"))
    cases = [c for c in cases if not wanted or c in wanted]
    print("1..%d" % len(cases))
    failed = not cases
    for number, case in enumerate(cases, 1):
        problems = run_case(os.path.join(directory, case + ".args"), qemu, kvm)
        print("%sok %d %s" % ("not " if problems else "", number, case), flush=True)
        for line in problems:
            print("# " + line)
        failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
