#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# tools/setup.sh PURPOSE... - install the packages of tools/packages.txt that are missing (Debian 12, root)
#
# Nothing is done, and no root is needed, when all of them are there already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

[ $# -gt 0 ] || set -- build run guest
wanted=
for purpose; do
  names=$(awk -v p="$purpose" '$1 == p { print $2 }' "$here/packages.txt")
  [ -n "$names" ] || die "'$purpose' is no purpose of tools/packages.txt; known: $(awk '/^[a-z]/ { print $1 }' "$here/packages.txt" | sort -u | tr '\n' ' ')"
  wanted="$wanted $names"
done

command -v dpkg-query >/dev/null 2>&1 ||
  die "this is no Debian system: install by hand what tools/packages.txt lists under its Debian names ($*)"
missing=
for name in $wanted; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || { say "all packages for $* are installed"; exit 0; }
[ "$(id -u)" = 0 ] || die "these packages are missing and only root can install them:$missing"

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
mine=
trap 'rm -f "$log" $mine' EXIT
# Programs are wanted, not services: those of a package (Open vSwitch) are not started. A policy that is there decides.
if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' 2>/dev/null > "$policy"; then
  mine=$policy
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
say "installing:$missing"
# A package source that has nothing to do with these packages may fail; the installation below is what counts.
updated=yes
apt-get -q update >"$log" 2>&1 || { updated=no; grep '^[EW]:' "$log" | head -n 5 >&2 || true; }
# shellcheck disable=SC2086 # a list of package names
if ! apt-get -q -y install --no-install-recommends $missing >"$log" 2>&1; then
  grep -E '^E:|Unable to locate|Failed to fetch|Temporary failure|Could not resolve' "$log" | head -n 10 >&2 || tail -n 10 "$log" >&2
  if grep -qE 'Could not resolve|Temporary failure|Failed to fetch|Could not connect' "$log" || [ $updated = no ]; then
    die "the package server could not be reached: check the network, or install these by other means and try again:$missing"
  fi
  die "apt-get could not install:$missing"
fi
say "installed"
