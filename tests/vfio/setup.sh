#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/vfio/setup.sh [DIR] - what the test on real VFIO needs beyond the guest of tools/guest-image.sh
#
# DIR (build/vfio below the project) gets
#   qemu/                  Debian's backported QEMU, unpacked, not installed: bookworm's own has no igb, the NIC with VFs
#   qemu-system-x86_64     starts it with its own modules and ROMs
#   host.cpio              the initramfs of the machine in which the two hosts live
# apt works with lists and a cache of its own below DIR; only the mirror and its key are the machine's.
# VT_GUEST is the folder of the guest's kernel (build/guest). Nothing is done when all is there and newer than this file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
out=${1:-$top/build/vfio}
guest=${VT_GUEST:-$top/build/guest}
say() { printf 'vfio-setup: %s\n' "$*"; }
die() { printf 'vfio-setup: %s\n' "$*" >&2; exit 1; }
PATH=$PATH:/sbin:/usr/sbin
[ -d "$guest/kernel/lib/modules" ] || die "'$guest' has no kernel: run tools/guest-image.sh first"
mkdir -p "$out"
out=$(cd "$out" && pwd)
guest=$(cd "$guest" && pwd)

# --- QEMU
mirror() { # URI and key of the machine's Debian mirror, one line; both forms of /etc/apt are known
  awk 'tolower($1) == "uris:" { uri = $2 }
       tolower($1) == "signed-by:" && $2 ~ /^\// { key = $2 }
       /^[ \t]*$/ { if (uri ~ /\/debian\/?$/) exit; uri = key = "" }
       END { if (uri ~ /\/debian\/?$/) print uri, (key ? key : "/usr/share/keyrings/debian-archive-keyring.gpg") }' \
    /etc/apt/sources.list.d/*.sources 2>/dev/null
  awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^https?:.*\/debian\/?$/) {
         print $i, "/usr/share/keyrings/debian-archive-keyring.gpg"; exit } }' /etc/apt/sources.list 2>/dev/null
}
get_qemu() {
  set -- $(mirror | head -n 1)
  [ $# -eq 2 ] || die "no Debian mirror was found in /etc/apt"
  apt=$out/apt
  rm -rf "$apt" "$out/qemu.new"
  mkdir -p "$apt/none" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
  echo "deb [arch=amd64 signed-by=$2] $1 bookworm-backports main" > "$apt/sources.list"
  cat > "$apt/apt.conf" <<C
Dir::Etc::sourcelist "$apt/sources.list"; Dir::Etc::sourceparts "$apt/none"; Dir::Etc::parts "$apt/none";
Dir::Etc::preferences "$apt/none/preferences"; Dir::Etc::preferencesparts "$apt/none";
Dir::State::lists "$apt/lists"; Dir::Cache "$apt/cache"; Acquire::Languages "none"; APT::Sandbox::User "root";
C
  say "downloading QEMU from $1 bookworm-backports (about 12 MB; it is unpacked here, not installed)"
  APT_CONFIG=$apt/apt.conf apt-get -q update > "$apt/log" 2>&1 || true
  (cd "$apt/debs" && for package in qemu-system-x86 qemu-system-data seabios; do
    APT_CONFIG=$apt/apt.conf apt-get -q download "$package/bookworm-backports" >> "$apt/log" 2>&1 || exit 1
  done) || { grep -E '^(E|W|Err):?' "$apt/log" | head -n 8 >&2 || true; die "QEMU could not be downloaded"; }
  for package in "$apt"/debs/*.deb; do dpkg -x "$package" "$out/qemu.new"; done
  rm -rf "$out/qemu" "$apt" "$out/qemu.new/usr/share/doc"
  mv "$out/qemu.new" "$out/qemu"
}
[ -x "$out/qemu/usr/bin/qemu-system-x86_64" ] || get_qemu
# Asked for all it knows, QEMU loads every module it finds, also those of an installed QEMU of another version, and ends;
# so it sees its own in their place.
cat > "$out/qemu-system-x86_64.new" <<W
#!/bin/sh
q='$out/qemu/usr'
m=lib/x86_64-linux-gnu/qemu
exec unshare --mount sh -c 'q=\$1 m=\$2; shift 2
[ ! -d "/usr/\$m" ] || mount --bind "\$q/\$m" "/usr/\$m"
export QEMU_MODULE_DIR="\$q/\$m"
exec "\$q/bin/qemu-system-x86_64" -L "\$q/share/seabios" -L "\$q/share/qemu" "\$@"' qemu "\$q" "\$m" "\$@"
W
mkdir -p "$out/qemu/usr/lib/x86_64-linux-gnu/qemu"
chmod 755 "$out/qemu-system-x86_64.new"
cmp -s "$out/qemu-system-x86_64.new" "$out/qemu-system-x86_64" ||
  mv "$out/qemu-system-x86_64.new" "$out/qemu-system-x86_64"
rm -f "$out/qemu-system-x86_64.new"
"$out/qemu-system-x86_64" -device igb,help > /dev/null ||
  die "the unpacked QEMU does not run, or has no igb"

# --- the initramfs: what is needed to see this machine's own files; all else is loaded from there
version=$(ls "$guest/kernel/lib/modules" | head -n 1)
stamp=$(cat "$0" "$here/host-init" | sha256sum | cut -d' ' -f1)-$version
if [ -s "$out/host.cpio" ] && [ "$(cat "$out/stamp" 2>/dev/null || true)" = "$stamp" ]; then
  say "$out is up to date"
  exit 0
fi
root=$out/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/modules"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
install -m 755 "$here/host-init" "$root/init"
for module in virtio_pci 9p 9pnet_virtio overlay; do
  modprobe -d "$guest/kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }' |
    while read -r file; do
      name=$(basename "$file")
      [ -e "$root/modules/$name" ] || { cp "$file" "$root/modules/$name"; echo "$name" >> "$root/modules/order"; }
    done
done
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) > "$out/host.cpio"
rm -rf "$root"
echo "$stamp" > "$out/stamp"
say "kernel $version, $("$out/qemu-system-x86_64" --version | head -n 1) in $out"
