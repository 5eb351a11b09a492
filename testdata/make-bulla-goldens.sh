#!/usr/bin/env bash
# Adds the golden files of a version of bulla: make-bulla-goldens.sh PATH-OF-BULLA. What one
# version has written every later one must read: folders are added, never made anew.
set -euo pipefail
bulla=$(realpath "${1:?usage: make-bulla-goldens.sh PATH-OF-BULLA}")
cd "$(dirname "$0")"
out=$("$bulla" --version | tr ' ' '-')
[ ! -e "$out" ] || { echo "$out is there already, and stays as it is" >&2; exit 1; }
mkdir "$out"

alice=$(sed -n 's/^# public key: //p' keys/alice.txt)
{
    echo "# Files written by bulla ${out#bulla-}"
    echo
    echo "Written by \`testdata/make-bulla-goldens.sh\` from the files of \`testdata/plain\` and"
    echo "\`testdata/beyond-sops\`, for the"
    echo "recipient of \`testdata/keys/alice.txt\`: \`bulla encrypt --age A NAME\`; those of"
    echo "\`xchacha/\` with \`--cipher XCHACHA20_POLY1305\`. Every one decrypts to the plain file."
} > "$out/README.md"
mkdir "$out/xchacha"
for file in plain/* beyond-sops/*; do
    name=$(basename "$file")
    "$bulla" encrypt --age "$alice" "$file" > "$out/$name"
    "$bulla" encrypt --age "$alice" --cipher XCHACHA20_POLY1305 "$file" > "$out/xchacha/$name"
done
