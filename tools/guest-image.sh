#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# tools/guest-image.sh [DIR] - make the small guest that demo, tests and bench start: DIR/vmlinux and DIR/initrd.cpio
#
# The kernel is Debian's own package, downloaded and unpacked, not installed; user space is one busybox, the project's
# probe and tools/guest-init. vmlinux is taken out of the compressed kernel: QEMU starts it directly (PVH), which saves
# two seconds a boot under TCG. DIR defaults to build/guest below the project. Made again only when its inputs change.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../build/guest}
say() { printf 'guest-image: %s\n' "$*"; }
die() { printf 'guest-image: %s\n' "$*" >&2; exit 1; }
modules='failover net_failover virtio_pci virtio_net virtio_rng virtio_console virtio_balloon virtio_blk vmxnet3 e1000e igbvf bonding button evdev'

mkdir -p "$out"
out=$(cd "$out" && pwd)
for tool in busybox:busybox-static cpio:cpio modprobe:kmod python3:python3 gcc:gcc; do
  PATH=$PATH:/sbin:/usr/sbin command -v "${tool%%:*}" >/dev/null 2>&1 ||
    die "'${tool%%:*}' is missing: run 'tools/setup.sh build guest' (Debian package ${tool##*:})"
done
PATH=$PATH:/sbin:/usr/sbin

stamp=$(cat "$0" "$here/guest-init" "$here/probe.c" "$here/guest-links.c" | sha256sum | cut -d' ' -f1)
if [ -s "$out/vmlinux" ] && [ -s "$out/initrd.cpio" ] && [ -x "$out/probe" ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ]; then
  say "$out is up to date"
  exit 0
fi

# --- the kernel package
if ! ls "$out"/kernel/boot/vmlinuz-* >/dev/null 2>&1; then
  find_kernel() { apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }'; }
  package=$(find_kernel)
  if [ -z "$package" ]; then
    [ "$(id -u)" = 0 ] || die "apt knows no linux-image-amd64: run 'apt-get update' as root, then this again"
    apt-get -q update >/dev/null 2>&1 || true
    package=$(find_kernel)
  fi
  [ -n "$package" ] || die "apt knows no linux-image-amd64: is the network up, and a Debian mirror in /etc/apt?"
  rm -rf "$out/download" "$out/kernel" && mkdir -p "$out/download"
  say "downloading $package (about 70 MB; it is unpacked here, not installed)"
  fetch() { (cd "$out/download" && apt-get -q -o APT::Sandbox::User=root download "$package" >"$out/download.log" 2>&1); }
  if ! fetch; then
    # The lists may be older than the mirror, which keeps only the newest kernel.
    if [ "$(id -u)" = 0 ]; then apt-get -q update >/dev/null 2>&1 || true; package=$(find_kernel); fi
    fetch || { grep -E '^E:' "$out/download.log" >&2 || true
      die "$package could not be downloaded: check the network, or put an unpacked kernel package into $out/kernel"; }
  fi
  dpkg -x "$out"/download/linux-image-*.deb "$out/kernel.new" && mv "$out/kernel.new" "$out/kernel"
  rm -rf "$out/download" "$out/download.log"
  # Only the drivers that a virtual machine can meet are of interest: 400 MB become 60.
  for dir in "$out"/kernel/lib/modules/*/kernel; do
    rm -rf "$dir/drivers/gpu" "$dir/drivers/media" "$dir/sound" "$dir/drivers/net/wireless" "$dir/drivers/staging" "$dir/drivers/infiniband" "$dir/drivers/iio" "$dir/drivers/usb"
  done
fi
version=$(ls "$out/kernel/lib/modules" | head -n 1)
depmod -b "$out/kernel" "$version"

python3 - "$out/kernel/boot/vmlinuz-$version" "$out/vmlinux" <<'P' || die "vmlinuz-$version holds no xz stream"
import lzma, os, sys
data = open(sys.argv[1], 'rb').read()
start = data.find(b'\xfd7zXZ\0')
if start < 0:
    sys.exit(1)
with open(sys.argv[2] + '.new', 'wb') as f:
    f.write(lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data[start:]))
os.rename(sys.argv[2] + '.new', sys.argv[2])
P

# --- the initramfs
root=$out/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/modules" "$root/etc/acpi"
busybox=$(command -v busybox)
cp "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
gcc -O2 -static -o "$root/bin/probe" "$here/probe.c"
gcc -O2 -static -o "$root/bin/guest-links" "$here/guest-links.c"
strip "$root/bin/probe" "$root/bin/guest-links"
gcc -O2 -o "$out/probe" "$here/probe.c"
install -m 755 "$here/guest-init" "$root/init"
for module in $modules; do
  modprobe -d "$out/kernel" -S "$version" --show-depends "$module" 2>/dev/null |
    awk '$1 == "insmod" { print $2 }' |
    while read -r file; do
      name=$(basename "$file" .ko | tr - _)
      [ -e "$root/modules/$name.ko" ] || cp "$file" "$root/modules/$name.ko"
      # order: the module itself, and after which of ours it is wanted
      echo "$module $name" >> "$root/modules/order"
    done
done
# A virtio_net as it was before STANDBY, and as other systems have it: the feature is taken out of the driver's tables.
python3 - "$root/modules/virtio_net.ko" "$root/modules/virtio_net_plain.ko" <<'P' || die "virtio_net of kernel $version lists its features in another way"
import struct, sys
speed_duplex, standby = struct.pack('<I', 63), struct.pack('<I', 62)
data = open(sys.argv[1], 'rb').read()
if speed_duplex + standby not in data:
    sys.exit(1)
# Its signature is not true any more: none is accepted, a wrong one is not.
magic = b'~Module signature appended~\n'
if data.endswith(magic):
    end = len(data) - len(magic)
    data = data[:end - 12 - struct.unpack('>I', data[end - 4:end])[0]]
open(sys.argv[2], 'wb').write(data.replace(speed_duplex + standby, speed_duplex + speed_duplex))
P
plain=$(sed -n 's/^virtio_net \(.*\)/virtio_net_plain \1/p' "$root/modules/order" | sed 's/ virtio_net$/ virtio_net_plain/')
echo "$plain" >> "$root/modules/order"
[ -s "$root/modules/net_failover.ko" ] || die "kernel $version has no net_failover module"
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) > "$out/initrd.cpio.new"
mv "$out/initrd.cpio.new" "$out/initrd.cpio"
rm -rf "$root"
echo "$stamp" > "$out/stamp"
say "kernel $version, $(du -k "$out/initrd.cpio" | cut -f1) KiB initramfs in $out"
