#!/usr/bin/env bash
# Encrypts and decrypts every real-world file of the manifest and reports how many come back as
# the same bytes, how many of the encrypted ones real sops reads, and the first that do not.
# Arguments go to cargo: `run.sh` builds the release profile, `run.sh --profile dev` the other.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
files=$("$root/tests/corpus/fetch.sh")
sops=$("$root/tests/peers.sh")
[ $# -gt 0 ] || set -- --profile release
cd "$root"
cargo build --quiet "$@" --bin bulla --example corpus
# Cargo says where it put them.
built=$(cargo build --quiet "$@" --bin bulla --example corpus --message-format json \
    | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
bulla=$(grep '/bulla$' <<< "$built")
corpus=$(grep '/corpus$' <<< "$built")
time "$corpus" "$files" "$bulla" "$sops"
