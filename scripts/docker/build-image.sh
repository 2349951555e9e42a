#!/usr/bin/env bash
# Builds the image and prints its size: build-image.sh [<tag> [<argument of docker build> ...]]. It hands over this machine's npm
# configuration and certificate authorities, as secrets.
set -euo pipefail

repo="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
tag="${1:-quorate}"
docker=docker
# Of two clients, one may lack BuildKit.
if ! docker buildx version >/dev/null 2>&1 && [ -x /usr/bin/docker ]; then docker=/usr/bin/docker; fi

secrets=()
npmrc="${NPM_CONFIG_USERCONFIG:-${HOME:-/root}/.npmrc}"
ca="${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}"
if [ -r "$npmrc" ]; then secrets+=(--secret "id=npmrc,src=$npmrc"); fi
if [ -r "$ca" ]; then secrets+=(--secret "id=ca,src=$ca"); fi

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
if ! DOCKER_BUILDKIT=1 "$docker" build --progress=plain "${secrets[@]}" -t "$tag" "${@:2}" "$repo" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
"$docker" image inspect -f '{{.Size}}' "$tag" | awk -v tag="$tag" '{ printf "%s: %.0f MB\n", tag, $1 / 1e6 }'
