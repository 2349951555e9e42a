#!/usr/bin/env bash
# Sees to it that the engine has the image that the Dockerfile begins with: there already, or pulled, or, where no registry can
# be reached, put together from Debian's packages (libc, a shell, coreutils), this repository's Node, this machine's npm and its
# certificate authorities. For tests: whoever publishes an image takes the real one.
set -euo pipefail

repo="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
image="$(sed -n 's/^ARG NODE_IMAGE=//p' "$repo/Dockerfile")"
packages=(libstdc++6 dash coreutils base-files)

say() { printf 'base-image: %s\n' "$*" >&2; }

if docker image inspect "$image" >/dev/null 2>&1; then exit 0; fi
if timeout 60 docker pull -q "$image" >/dev/null 2>&1; then exit 0; fi

node="$repo/node_modules/node/bin/node"
npm="$(dirname "$(dirname "$(realpath "$(command -v npm)")")")"
for file in "$node" "$npm/bin/npm-cli.js"; do
  [ -e "$file" ] || { say "$image cannot be pulled, nor be made here: no $file"; exit 1; }
done
command -v dpkg-deb >/dev/null || { say "$image cannot be pulled, nor be made here: no dpkg-deb"; exit 1; }

say "$image cannot be pulled; making one that will do"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
root="$work/root"
mkdir -p "$work/debs" "$root/usr/local/bin" "$root/usr/local/lib/node_modules" "$root/etc/ssl/certs" "$root/root"
for part in bin sbin lib lib64; do
  mkdir -p "$root/usr/$part"
  ln -s "usr/$part" "$root/$part"
done
# A new machine has no lists yet.
apt-cache show "${packages[@]}" >/dev/null 2>&1 || apt-get update -qq
read -r -a wanted <<<"$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
  --no-enhances "${packages[@]}" | grep '^[a-z]' | sort -u | tr '\n' ' ')"
(cd "$work/debs" && apt-get -qq -o APT::Sandbox::User= download "${wanted[@]}")
for package in "$work"/debs/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -C "$root" -x --keep-directory-symlink; done
cp "$node" "$root/usr/local/bin/node"
cp -r "$npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
tar -C "$root" -c . | docker import \
  -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$image" >/dev/null
say "made $image: $(docker image inspect -f '{{.Size}}' "$image" | awk '{ printf "%d MB", $1 / 1e6 }')"
