#!/usr/bin/env bash
# Runs a command with a Docker engine, and with the Dockerfile's base image in it:
#
#   scripts/docker/with-engine.sh npm run -s unit -- test/docker
#
# An engine that runs already is used. Where there is none, and this is Debian and root, it installs docker.io, starts an engine
# of its own, which has nothing to do with any other, and ends it after the command. Where no engine is to be had, the command
# runs all the same with QUORATE_NO_DOCKER set to the reason, and tests that need one are skipped with it.
#
# A base image that cannot be pulled is put together from Debian's packages and this repository's Node (base-image.sh).
# QUORATE_DOCKER_DIR: where the own engine keeps its images between runs; /var/lib/quorate-docker if not set.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
dir="${QUORATE_DOCKER_DIR:-/var/lib/quorate-docker}"
engine=''
run=''
# Of the machine, before the engine: whether it forwards, and what it does by default with what is to be forwarded.
forwarding=''
policy=''

say() { printf 'with-engine: %s\n' "$*" >&2; }

without() {
  say "no Docker engine: $*"
  export QUORATE_NO_DOCKER="no Docker engine: $*"
  "${command[@]}"
  exit
}

end_engine() {
  local status=$?
  if [ -n "$engine" ]; then
    say 'ending the engine'
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    restore_network
  fi
  if [ -n "$run" ]; then rm -rf "$run"; fi
  exit "$status"
}

# An engine leaves its bridge, its rules and a closed FORWARD chain behind.
save_network() {
  forwarding="$(cat /proc/sys/net/ipv4/ip_forward)"
  policy="$(iptables -S FORWARD | sed -n 's/^-P FORWARD //p')"
}

restore_network() {
  iptables-save | grep -v -e DOCKER -e docker0 | iptables-restore || true
  iptables -P FORWARD "$policy" || true
  printf '%s' "$forwarding" >/proc/sys/net/ipv4/ip_forward || true
  if command -v ip >/dev/null; then ip link delete docker0 2>/dev/null || true; fi
}

# Without starting the service that the package brings: what this script starts, it ends.
install_engine() {
  local packages=(docker.io iptables) starts=/usr/sbin/policy-rc.d
  say 'installing docker.io'
  apt-get update -qq || return 1
  # Parts of docker.io in newer Debians.
  for package in docker-cli docker-buildx; do
    if [ -n "$(apt-cache madison "$package")" ]; then packages+=("$package"); fi
  done
  if [ ! -e "$starts" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$starts"
    chmod +x "$starts"
  else
    starts=''
  fi
  local status=0
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null || status=1
  if [ -n "$starts" ]; then rm -f "$starts"; fi
  return "$status"
}

start_engine() {
  mkdir -p "$dir"
  exec 9>"$dir/lock"
  flock --wait 600 9 || return 1
  save_network
  # The socket's path must be short.
  run="$(mktemp -d /tmp/quorate-docker-XXXXXX)"
  export DOCKER_HOST="unix://$run/docker.sock"
  dockerd --data-root "$dir/data" --exec-root "$run/exec" --pidfile "$run/pid" -H "$DOCKER_HOST" >"$dir/log" 2>&1 9>&- &
  engine=$!
  for _ in $(seq 120); do
    if docker info >/dev/null 2>&1; then return 0; fi
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.5
  done
  tail -n 5 "$dir/log" >&2
  return 1
}

command=("$@")
if [ "${#command[@]}" -eq 0 ]; then
  say 'usage: with-engine.sh <command> [<argument> ...]'
  exit 2
fi
trap end_engine EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if ! { command -v docker >/dev/null && docker info >/dev/null 2>&1; }; then
  if ! command -v dockerd >/dev/null; then
    [ "$(id -u)" -eq 0 ] || without 'none runs, and only root could install one'
    command -v apt-get >/dev/null || without 'none runs, and this is no Debian to install one on'
    install_engine || without 'docker.io could not be installed'
  fi
  [ "$(id -u)" -eq 0 ] || without 'none runs, and only root could start one'
  start_engine || without "dockerd did not start here; its last words are above"
fi
bash "$here/base-image.sh" || without 'the base image is not to be had'
# testcontainers' own helper would have to be pulled; the tests remove what they make.
export TESTCONTAINERS_RYUK_DISABLED=true QUORATE_DOCKER=yes
"${command[@]}"
