#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The switchdev back end on a kernel that has such a NIC: netdevsim, in a machine of its own (TCG). Open vSwitch's, too,
with the datapath of its kernel module.

    tests/switchdev/run.py           run its tests there; the recordings are made, and thrown away
    tests/switchdev/run.py --record  and put the new recordings there

tests/switchdev/setup.sh has to be run before (it builds the module), and tests/vfio/setup.sh, whose initramfs and QEMU are
used. VT_BUILD, VT_GUEST and VT_VFIO as in tests/vfio/run.py; VT_SWITCHDEV is setup.sh's folder (build/switchdev). No part of
./check: there the recordings are played.
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'vfio'))
import vfiolab  # noqa: E402
from vfiolab import EMULATOR, VFIO, vt  # noqa: E402

SWITCHDEV = os.environ.get('VT_SWITCHDEV', os.path.join(vt.BUILD, 'switchdev'))
RECORDINGS = os.path.join(HERE, '..', 'netlinkdata')
LIMIT_S = 1800


def read(path):
    try:
        with open(path, errors='replace') as f:
            return f.read()
    except OSError:
        return ''


def write_go(folder):
    path = os.path.join(folder, 'go')
    with open(path, 'w') as f:
        f.write("#!/bin/sh\nexport VT_BUILD='%s' VT_SWITCHDEV='%s'\nexec sh '%s' \"$1\"\n" % (
            os.path.realpath(vt.BUILD), os.path.realpath(SWITCHDEV), os.path.join(HERE, 'inside.sh')))
    os.chmod(path, 0o755)
    return path


def run_machine(folder, share):
    """Boot, run inside.sh, power off; its exit status."""
    words = ['console=ttyS0', 'no_timer_check', 'panic=-1', 'quiet', 'mitigations=off', 'rdinit=/init',
             'vt.kernel=' + os.path.realpath(os.path.join(vt.GUEST, 'kernel')), 'vt.run=' + write_go(folder)]
    console = os.path.join(folder, 'console')
    argv = [EMULATOR, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-machine', 'q35,usb=off,vmport=off',
            '-accel', 'tcg,tb-size=256', '-cpu', 'max', '-m', '1024', '-kernel', os.path.join(vt.GUEST, 'vmlinux'),
            '-initrd', os.path.join(VFIO, 'host.cpio'), '-serial', 'file:' + console,
            '-fsdev', 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap',
            '-device', 'virtio-9p-pci,fsdev=root,mount_tag=root',
            '-fsdev', 'local,id=share,path=%s,security_model=none' % share,
            '-device', 'virtio-9p-pci,fsdev=share,mount_tag=share', '-append', ' '.join(words)]
    subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
    print(read(os.path.join(share, 'out')))
    status = read(os.path.join(share, 'status')).strip()
    if not status:
        print('Bail out! the machine ended early:\n# ' + '\n# '.join(read(console)[-3000:].splitlines()))
        return 1
    return int(status)


def main():
    for path, remedy in ((os.path.join(SWITCHDEV, 'netdevsim.ko'), 'tests/switchdev/setup.sh'),
                         (os.path.join(VFIO, 'host.cpio'), 'tests/vfio/setup.sh')):
        if not os.path.exists(path):
            print("Bail out! there is no '%s': run %s first" % (path, remedy))
            return 1
    with tempfile.TemporaryDirectory(prefix='vt-switchdev-') as folder:
        share = os.path.join(folder, 'share')
        os.mkdir(share)
        status = run_machine(folder, share)
        made = sorted(name for name in os.listdir(share) if name.endswith('.txt'))
        print('# recorded: ' + ', '.join(made))
        if status == 0 and '--record' in sys.argv:
            for name in made:
                shutil.copyfile(os.path.join(share, name), os.path.join(RECORDINGS, name))
    return status


if __name__ == '__main__':
    sys.exit(main())
