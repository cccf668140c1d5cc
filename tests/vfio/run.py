#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test on real VFIO: a machine without SR-IOV starts one that has it, under TCG, and the hosts live in there.

    this machine                     the machine within (vfio-host)                      guests
    boots the guest, saves it        two igb with VFs on one wire, an IOMMU              restored from that image,
    (seconds; a minute in there)     two namespaces, each a PF, a virtteamd              migrated with an igbvf

    tests/vfio/run.py [NAME...]      run the tests (those whose name contains NAME); TAP on standard output
    tests/vfio/run.py --keep         no tests: both hosts and a shell in that machine (exit ends it)

tests/vfio/setup.sh has to be run before. VT_BUILD and VT_GUEST as in tools/lab.py; VT_VFIO is setup.sh's folder.
"""
import contextlib
import glob
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import tty

import vfiolab
from vfiolab import EMULATOR, HERE, LabError, vt, wait_for

# Beyond 2.75 GiB SeaBIOS 1.16.3 puts VFs' BARs above 4 GiB, and QEMU 10.0.2 maps those with half of their address.
MEMORY_MIB = 2560
LIMIT_S = 1200
SILENT_S = 420  # inside.py says so before when a test is stuck: after this the machine itself stands still
BOOT_S = 90  # it takes 5 on a machine that has nothing else to do
BOOTS = 3
PANIC = 'Kernel panic'


def boot_image(folder, name='team1.image', options=''):
    """Boot the guest on this machine and save it; the image's path."""
    image = os.path.join(folder, name)
    with vt.Lab(daemons=False) as lab:
        host = lab.a
        host.start_daemon()
        serial = os.path.join(lab.dir, 'team1.serial')
        host.define(vfiolab.guest_xml(serial, options=options, kind='qemu'))
        host.virsh('start', 'team1')
        vt.Serial(serial).wait(r'VT: ready', 120)
        host.virsh('save', 'team1', image, timeout=120)
    return image


def nic(number, mac):
    """One igb; all of them are on one wire."""
    return ['-device', 'pcie-root-port,id=port%d,chassis=%d,slot=%d' % (number, number, number),
            '-netdev', 'hubport,id=wire%d,hubid=1' % number,
            '-device', 'igb,netdev=wire%d,id=pf%d,bus=port%d,mac=%s' % (number, number, number, mac)]


def machine_argv(folder, share, shell):
    """QEMU with the machine within. One more NIC is on the wire, for a client that is on neither host."""
    # On a busy machine the kernel's check of its timer fails, and it panics.
    words = ['console=ttyS0', 'intel_iommu=on', 'no_timer_check', 'panic=-1', 'loglevel=5', 'mitigations=off', 'rdinit=/init',
             'vt.kernel=' + os.path.realpath(os.path.join(vt.GUEST, 'kernel')), 'vt.run=' + os.path.join(folder, 'go')]
    argv = [EMULATOR, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
            '-machine', 'q35,usb=off,vmport=off', '-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', 'max', '-smp', '2',
            '-m', str(MEMORY_MIB), '-device', 'intel-iommu,intremap=on,eim=on,caching-mode=on',
            '-kernel', os.path.join(vt.GUEST, 'vmlinux'), '-initrd', os.path.join(vt.VFIO, 'host.cpio'),
            '-serial', 'file:' + os.path.join(folder, 'console'),
            '-fsdev', 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap',
            '-device', 'virtio-9p-pci,fsdev=root,mount_tag=root',
            '-fsdev', 'local,id=share,path=%s,security_model=none' % share,
            '-device', 'virtio-9p-pci,fsdev=share,mount_tag=share',
            '-object', 'rng-random,id=rng,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng',
            '-netdev', 'hubport,id=wire0,hubid=1', '-device', 'virtio-net-pci,netdev=wire0,mac=' + vfiolab.CLIENT_MAC]
    for number, name in enumerate(('a', 'b'), 1):
        argv += nic(number, vfiolab.PF_MACS[name])
    if shell:
        words.append('vt.shell')
        argv += ['-serial', 'unix:%s,server=on,wait=off' % os.path.join(folder, 'shell')]
    return argv + ['-append', ' '.join(words)]


def write_go(folder, arguments, program=os.path.join(HERE, 'inside.py')):
    """What the machine within runs, with the same folders as here."""
    path = os.path.join(folder, 'go')
    with open(path, 'w') as f:
        f.write("#!/bin/sh\nexport VT_BUILD='%s' VT_GUEST='%s' VT_VFIO='%s'\nexec python3 '%s' \"$1\"%s\n" % (
            os.path.realpath(vt.BUILD), os.path.realpath(vt.GUEST), os.path.realpath(vt.VFIO),
            program, ''.join(" '%s'" % a for a in arguments)))
    os.chmod(path, 0o755)


def read(path, offset=0):
    try:
        with open(path, errors='replace') as f:
            f.seek(offset)
            return f.read()
    except OSError:
        return ''


def start_machine(folder, share, keep):
    """Boot the machine within. On a machine that is busy, one of its CPUs may miss its timer and never come: again."""
    for _ in range(BOOTS):
        with open(os.path.join(folder, 'qemu.log'), 'w') as log:
            machine = subprocess.Popen(machine_argv(folder, share, keep), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline and machine.poll() is None:
            if 'vfio-host: ready' in read(os.path.join(folder, 'console')):
                return machine
            time.sleep(0.2)
        console = read(os.path.join(folder, 'console'))
        if machine.poll() is None:
            machine.kill()
            machine.wait()
        print('# the machine within did not boot: ' + '\n# '.join(
            (console + read(os.path.join(folder, 'qemu.log')))[-1500:].splitlines()), flush=True)
    raise LabError('the machine within did not boot %d times' % BOOTS)


def threads_of(machine):
    """What QEMU's threads wait for and how long they have run: whether it stands still, or turns in circles."""
    for path in sorted(glob.glob('/proc/%d/task/*' % machine.pid)):
        words = read(path + '/stat').rsplit(')', 1)[-1].split()
        if words:
            yield '%s %s %s %.1f s' % (read(path + '/comm').strip(), words[0], read(path + '/wchan'),
                                       (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK'))


def kill(machine, why, folder):
    """End the machine within, and say how it was."""
    print('# %s' % why)
    for text in ('\n'.join(threads_of(machine)), read(os.path.join(folder, 'console'))[-2000:]):
        print('# ' + '\n# '.join(text.splitlines()), flush=True)
    machine.kill()
    machine.wait()


def follow(machine, folder, share, limit_s=LIMIT_S, silent_s=None, at_once=True):
    """Wait until the machine ends; the tests' exit status and what they print, which is printed at once or not at all. The status
    is None after a fault of QEMU's, or of the kernel on its emulated hardware, by which the machine ended or stood still."""
    out = os.path.join(share, 'out')
    told = ''
    done = 0
    started = heard = time.monotonic()
    fault = False
    while True:
        ended = machine.poll() is not None
        text = read(out, done)
        done += len(text.encode())
        told += text
        if at_once:
            sys.stdout.write(text)
            sys.stdout.flush()
        if ended:
            break
        now = time.monotonic()
        heard = now if text else heard
        if silent_s and now - heard > silent_s:
            fault = True
            kill(machine, 'nothing was heard of the machine within for %d s' % silent_s, folder)
        elif now - started > limit_s:
            kill(machine, 'no end after %d s' % limit_s, folder)
        time.sleep(0.3)
    status = read(os.path.join(share, 'status')).strip()
    if status and int(status) != vfiolab.EMULATORS_FAULT and not fault:
        return int(status), told
    console = read(os.path.join(folder, 'console'))[-3000:]
    if not status:
        remark('the machine within has not told how the tests ended; its QEMU: exit status %d' % machine.returncode,
               read(os.path.join(folder, 'qemu.log'))[-2000:], console)
    # A machine that ends without a word of its kernel's has met an assertion of QEMU's, or was reset.
    if fault or status or (PANIC not in console and machine.returncode != -signal.SIGKILL):
        return None, told
    return 1, told + 'Bail out! the machine within ended early\n'


def remark(*texts):
    """Print what is no result."""
    for text in texts:
        for line in text.splitlines():
            print('# ' + line)
    sys.stdout.flush()


def results(told, before):
    """TAP, with its results numbered as those that follow so many others."""
    told = re.sub(r'^((?:not )?ok) (\d+)', lambda m: '%s %d' % (m.group(1), int(m.group(2)) + before), told, flags=re.M)
    return re.sub(r'^1\.\.(\d+)', lambda m: '1..%d' % (int(m.group(1)) + before), told, flags=re.M)


def divide(told):
    """What was printed of stories that were told to their end, what after them, and the names of those that are left."""
    stories = re.search(r'^# stories: (.*)', told, re.M)
    ended = list(re.finditer(r'^# told: (\w+)\n', told, re.M))
    left = [name for name in (stories.group(1).split() if stories else ()) if name not in [m.group(1) for m in ended]]
    end = ended[-1].end() if ended and left else 0
    return told[:end], told[end:], left


def run_tests(folder, share, names, at_once):
    """Run the tests in a machine; their exit status. After a fault that is not theirs, what is left of them in another one."""
    write_go(folder, names)
    machine = start_machine(folder, share, False)
    whole = ''
    try:
        status, told = follow(machine, folder, share, silent_s=SILENT_S, at_once=at_once)
        if status is None and not at_once:
            whole, broken, left = ('', told, names) if names else divide(told)
            sys.stdout.write(whole)
            remark(broken, 'the machine within has ended by a fault of its own: what is left, once more')
            for name in ('out', 'status'):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(share, name))
            write_go(folder, left)
            machine = start_machine(folder, share, False)
            status, told = follow(machine, folder, share, at_once=False)
            told = results(told, len(re.findall(r'^(?:not )?ok ', whole, re.M)))
        if not at_once:
            sys.stdout.write(told)
        if status is None:
            print('Bail out! the machine within ended by a fault of its own')
            return 1
        if status != 0:  # the kernel may know why
            remark('the console:', read(os.path.join(folder, 'console'))[-3000:])
        return status or int('\nnot ok ' in whole)
    finally:
        if machine.poll() is None:
            machine.kill()
            machine.wait()


def converse(machine, path):
    """Connect this terminal with the shell in the machine."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(path)
    old = termios.tcgetattr(0) if os.isatty(0) else None
    if old:
        tty.setraw(0)
    try:
        line.sendall(b'\n')
        while machine.poll() is None:
            for ready in select.select([line, 0], [], [], 1)[0]:
                data = line.recv(65536) if ready is line else os.read(0, 4096)
                if not data:
                    return
                if ready is line:
                    os.write(1, data)
                else:
                    line.sendall(data)
    finally:
        if old:
            termios.tcsetattr(0, termios.TCSADRAIN, old)


def main():
    keep = '--keep' in sys.argv
    names = [a for a in sys.argv[1:] if not a.startswith('--')]
    if os.geteuid() != 0:
        print('1..0 # SKIP network namespaces need root')
        return 0
    if not os.path.exists(os.path.join(vt.VFIO, 'host.cpio')):
        print("Bail out! '%s' is not complete: run tests/vfio/setup.sh first" % vt.VFIO)
        return 1
    folder = tempfile.mkdtemp(prefix='vt-vfio-')
    share = os.path.join(folder, 'share')
    os.mkdir(share)
    machine = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        started = time.monotonic()
        boot_image(share)
        print('# the guest was booted and saved in %.1f s' % (time.monotonic() - started), flush=True)
        if not keep:
            return run_tests(folder, share, names, '-v' in sys.argv)
        write_go(folder, ['--up'])
        machine = start_machine(folder, share, keep)
        wait_for(lambda: os.path.exists(os.path.join(share, 'status')) or machine.poll() is not None, 300,
                 lambda: 'both hosts to be up: ' + read(os.path.join(share, 'out'))[-2000:], 0.2)
        print(read(os.path.join(share, 'out')), flush=True)
        converse(machine, os.path.join(folder, 'shell'))
        return 0
    except LabError as error:
        print('Bail out! %s' % error)
        return 1
    finally:
        if machine and machine.poll() is None:
            machine.kill()
            machine.wait()
        with contextlib.suppress(OSError):
            if os.environ.get('VT_KEEP'):
                print('# kept: ' + folder)
            else:
                shutil.rmtree(folder)


if __name__ == '__main__':
    sys.exit(main())
