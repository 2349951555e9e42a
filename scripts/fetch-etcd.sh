#!/usr/bin/env bash
# Puts etcd, etcdctl and etcdutl 3.5 into <repo>/.cache/etcd/usr/bin, from Debian's packages, without installing anything into
# the system: apt works on private lists and caches under .cache, and the packages are only unpacked.
#
# Run again, it does nothing. ETCD_BIN_DIR=<dir> says that the binaries are there already.
# ETCD_SUITES overrides the Debian suites that are tried, DEBIAN_MIRROR the mirror.
set -euo pipefail

repo="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="$repo/.cache/etcd"
bin="$cache/usr/bin"
wanted='3.5.'
read -r -a suites <<<"${ETCD_SUITES:-forky sid trixie}"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf 'fetch-etcd: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

have_all() {
  local tool
  for tool in etcd etcdctl etcdutl; do [ -x "$1/$tool" ] || return 1; done
}

if [ -n "${ETCD_BIN_DIR:-}" ]; then
  have_all "$ETCD_BIN_DIR" || fail "ETCD_BIN_DIR=$ETCD_BIN_DIR does not hold etcd, etcdctl and etcdutl"
  say "using ETCD_BIN_DIR=$ETCD_BIN_DIR"
  exit 0
fi
if have_all "$bin"; then
  say "already there: $("$bin/etcd" --version | head -n 1)"
  exit 0
fi
for tool in apt-get apt-cache dpkg-deb; do
  command -v "$tool" >/dev/null ||
    fail "needs $tool (a Debian-like machine); put etcd, etcdctl and etcdutl 3.5 somewhere and set ETCD_BIN_DIR to that folder"
done
[ -r "$keyring" ] || fail "needs $keyring (package debian-archive-keyring), or ETCD_BIN_DIR"

# The mirror that this machine already uses for Debian itself; both forms of apt's source lists, comments left out.
own_mirror() {
  {
    sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/*.sources 2>/dev/null
    sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?//p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null
  } | tr ' ' '\n' | grep -E '^[a-z+]+://.*/debian/?$' | head -n 1
}
mirror="${DEBIAN_MIRROR:-$(own_mirror || true)}"
mirror="${mirror:-http://deb.debian.org/debian}"

mkdir -p "$cache/apt/state/lists/partial" "$cache/apt/cache/archives/partial" "$cache/debs"
: >"$cache/apt/status"
apt_options=(
  -o "Dir::Etc::sourcelist=$cache/apt/sources.list"
  -o "Dir::Etc::sourceparts=-"
  -o "Dir::State=$cache/apt/state"
  -o "Dir::State::status=$cache/apt/status"
  -o "Dir::Cache=$cache/apt/cache"
  -o "APT::Sandbox::User="
  -o "Acquire::Languages=none"
)

for suite in "${suites[@]}"; do
  say "looking in Debian $suite"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$cache/apt/sources.list"
  if ! apt-get "${apt_options[@]}" -qq update; then
    say "no package list of $suite; trying the next suite"
    continue
  fi
  version="$(apt-cache "${apt_options[@]}" madison etcd-server | awk -F'|' -v w="$wanted" '{gsub(/ /,"",$2); if (index($2, w) == 1) {print $2; exit}}')"
  if [ -z "$version" ]; then
    say "$suite has no etcd ${wanted}x"
    continue
  fi
  say "downloading etcd $version from $suite"
  rm -f "$cache"/debs/*.deb
  (cd "$cache/debs" && apt-get "${apt_options[@]}" -qq download "etcd-server=$version" "etcd-client=$version")
  rm -rf "$cache/unpacked" "$cache/usr"
  for package in "$cache"/debs/*.deb; do dpkg-deb -x "$package" "$cache/unpacked"; done
  # Moved in one step, so that a half-unpacked set never looks finished.
  mv "$cache/unpacked/usr" "$cache/usr"
  rm -rf "$cache/unpacked" "$cache/debs" "$cache/apt"
  have_all "$bin" || fail "the packages of etcd $version hold no etcd, etcdctl and etcdutl"
  say "ready: $("$bin/etcd" --version | head -n 1) in $bin"
  exit 0
done
fail "no etcd ${wanted}x in Debian ${suites[*]} at $mirror; set ETCD_BIN_DIR to a folder with etcd, etcdctl and etcdutl"
