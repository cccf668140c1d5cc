# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock libvirtd on the lab's hosts, in private mount and UTS namespaces: to compare with. Nothing of it is installed
as a service, and nothing of the machine's own libvirt is touched."""
import os
import shutil

import lab as vt

START = r'''
hostname "host$1"
mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt
mount --bind "$2/etc" /etc/libvirt
mount --bind "$2/varlib" /var/lib/libvirt
mount --bind "$2/varcache" /var/cache/libvirt
mount --bind "$2/varlog" /var/log/libvirt
for file in hosts passwd group; do cp "/etc/$file" "$2/$file"; done
echo "127.0.0.1 hosta hostb" >> "$2/hosts"
grep -q ^libvirt-qemu: "$2/passwd" || echo libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin >> "$2/passwd"
grep -q ^libvirt-qemu: "$2/group" || echo libvirt-qemu:x:64055: >> "$2/group"
for file in hosts passwd group; do mount --bind "$2/$file" "/etc/$file"; done
mount -t tmpfs tmpfs /run
mkdir -p /run/libvirt /run/lock
exec /usr/sbin/libvirtd --config "$2/libvirtd.conf" --pid-file "$2/libvirtd.pid"
'''


class StockHost(vt.Host):
    """A host whose daemon is the distribution's libvirtd."""

    def __init__(self, lab, name, number):
        super().__init__(lab, name, number)
        self.socket = os.path.join(self.root, 'sock/libvirt-sock')
        self.uri = 'qemu+unix:///system?socket=' + self.socket

    def write_config(self):
        for part in ('etc', 'varlib', 'varcache', 'varlog', 'sock'):
            os.makedirs(os.path.join(self.root, part), exist_ok=True)
        with open(os.path.join(self.root, 'libvirtd.conf'), 'w') as f:
            f.write('unix_sock_dir = "%s/sock"\nauth_unix_ro = "none"\nauth_unix_rw = "none"\n'
                    'unix_sock_rw_perms = "0777"\nhost_uuid = "00000000-7654-4321-9999-%012d"\n'
                    'log_level = 3\nlog_outputs = "3:stderr"\nlisten_tls = 0\nlisten_tcp = 0\n'
                    % (self.root, self.number))
        with open(os.path.join(self.root, 'etc/qemu.conf'), 'w') as f:
            f.write('user = "root"\ngroup = "root"\nsecurity_driver = "none"\ndynamic_ownership = 0\n'
                    'remember_owner = 0\ncgroup_controllers = []\nnamespaces = []\nstdio_handler = "file"\n'
                    'migration_host = "%s"\nmigration_address = "%s"\n' % (self.address, self.address))

    def start_daemon(self, wait=True, env=None):
        self.write_config()
        with open(os.path.join(self.root, 'daemon.log'), 'a') as log:
            self.daemon = self.popen(['unshare', '--mount', '--uts', '--propagation', 'private', 'sh', '-c', START, 'sh',
                                      self.name, self.root], stdout=log, stderr=log, start_new_session=True)
        if wait:
            def up():
                if self.daemon.poll() is not None:
                    raise vt.LabError('libvirtd of host %s ended: %s' % (self.name, self.daemon_log()[-2000:]))
                return self.virsh('uri', check=False, timeout=20).returncode == 0
            vt.wait_for(up, 30, lambda: 'libvirtd of host %s: %s' % (self.name, self.daemon_log()[-2000:]), 0.1)


class StockLab(vt.Lab):
    """The lab with stock libvirtd in place of virtteamd."""
    daemon_path = '/usr/sbin/libvirtd'

    def __init__(self, directory=None, settings=None, **more):
        super().__init__(directory, **more)
        self.daemon_path = StockLab.daemon_path
        self.a = StockHost(self, 'a', 1)
        self.b = StockHost(self, 'b', 2)
        self.hosts = (self.a, self.b)


def available():
    """Whether the distribution's libvirtd and its QEMU driver are there."""
    return os.access(StockLab.daemon_path, os.X_OK) and shutil.which('unshare') is not None
