#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/switchdev/setup.sh [DIR] - make DIR/netdevsim.ko, an imitation of a NIC in switchdev mode
#
# No kernel package of Debian has the module, but linux-source has its code, and linux-headers what is needed to build it
# for the kernel that tools/guest-image.sh has unpacked (VT_GUEST, build/guest). Both are downloaded (150 MB), unpacked
# into DIR and removed again; nothing is installed. DIR defaults to build/switchdev below the project.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
out=${1:-$top/build/switchdev}
guest=${VT_GUEST:-$top/build/guest}
say() { printf 'switchdev-setup: %s\n' "$*"; }
die() { printf 'switchdev-setup: %s\n' "$*" >&2; exit 1; }
[ -d "$guest/kernel/lib/modules" ] || die "'$guest' has no kernel: run tools/guest-image.sh first"
kernel=$(ls "$guest/kernel/lib/modules" | head -n 1) # 6.1.0-56-amd64
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ -s "$out/netdevsim.ko" ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$kernel" ]; then
  say "$out is up to date"
  exit 0
fi
for tool in gcc make xz dpkg; do command -v $tool >/dev/null 2>&1 || die "'$tool' is missing"; done

series=$(printf '%s' "$kernel" | cut -d. -f1,2)
version=$(apt-cache show "linux-headers-$kernel" 2>/dev/null | awk '$1 == "Version:" { print $2; exit }')
[ -n "$version" ] || die "apt knows no linux-headers-$kernel: run 'apt-get update', and tools/guest-image.sh again if the mirror has a newer kernel"
work=$out/work
rm -rf "$work"
mkdir -p "$work/deb"
say "downloading source and headers of $kernel ($version)"
(cd "$work/deb" && apt-get -q -o APT::Sandbox::User=root download "linux-source-$series=$version" \
  "linux-headers-$kernel=$version" "linux-headers-${kernel%-*}-common=$version" "linux-kbuild-$series=$version" > "$work/log" 2>&1) ||
  { grep -E '^E:' "$work/log" >&2 || true; die "the packages could not be downloaded"; }
for package in "$work"/deb/linux-headers-*.deb "$work"/deb/linux-kbuild-*.deb; do dpkg -x "$package" "$work/root"; done
headers=$work/root/usr/src/linux-headers-$kernel
sed -i "s,/usr/src/,$work/root/usr/src/," "$headers/Makefile"
dpkg --fsys-tarfile "$work"/deb/linux-source-*.deb | tar -xO "./usr/src/linux-source-$series.tar.xz" |
  tar -xJ -C "$work" "linux-source-$series/drivers/net/netdevsim"
say "building netdevsim.ko"
make -C "$headers" M="$work/linux-source-$series/drivers/net/netdevsim" CONFIG_NETDEVSIM=m modules > "$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; die "the module could not be built"; }
strip --strip-debug -o "$out/netdevsim.ko" "$work/linux-source-$series/drivers/net/netdevsim/netdevsim.ko"
rm -rf "$work"
echo "$kernel" > "$out/stamp"
say "netdevsim.ko for $kernel in $out"
