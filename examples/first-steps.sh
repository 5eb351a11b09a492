#!/usr/bin/env bash
# Builds bulla, makes a key, encrypts a real file, edits it, takes one value out of it, and shows
# that every other byte stayed. Works in a folder of its own with a home of its own: your keys
# and files are not touched. Needs Rust and nothing else; says each command before it runs it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
profile=${BULLA_PROFILE:-release}
echo "building bulla ($profile) …"
built=$(cd "$root" && cargo build --quiet --locked --profile "$profile" --bin bulla --message-format json \
    | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/home" "$place/repository"
cp "$root/examples/secrets.yaml" "$place/repository/"
cd "$place/repository"
# The build is done: from here on this is another machine.
export HOME=$place/home PATH=${built%/*}:$PATH
unset XDG_CONFIG_HOME SOPS_CONFIG SOPS_EDITOR VISUAL SOPS_AGE_KEY SOPS_AGE_KEY_FILE SOPS_AGE_RECIPIENTS || true

run() { printf '\n$ %s\n' "$*"; "$@"; }

run bulla init
run bulla encrypt --in-place secrets.yaml
run grep password: secrets.yaml
run bulla decrypt --extract '["database"]["password"]' secrets.yaml
echo
export EDITOR="sed -i.bak s/5432/6543/"
printf '\n$ EDITOR="%s"\n' "$EDITOR"
run bulla edit secrets.yaml
run bulla decrypt --extract database.port secrets.yaml
run bulla decrypt --output plain.yaml secrets.yaml
printf '\n$ diff %s plain.yaml\n' "examples/secrets.yaml"
# Nothing but the port may differ.
diff "$root/examples/secrets.yaml" plain.yaml || true
[ "$(diff "$root/examples/secrets.yaml" plain.yaml | grep -c '^[<>]')" = 2 ]
printf '\nOne line changed; comments, quotes, anchors and blanks are as they were.\n'
