#!/usr/bin/env bash
# Makes the golden files of testdata/sops-3.11 anew with a real sops: make-goldens.sh PATH-OF-SOPS.
# Each file NAME.enc.yaml stands beside what that sops decrypts it to, as JSON
# (NAME.dec.json; several documents and infinities have no place in JSON: NAME.dec.yaml; values that
# have a type in the tokens of a format without types: NAME.dec.env, NAME.dec.ini).
set -euo pipefail
sops=$(realpath "${1:?usage: make-goldens.sh PATH-OF-SOPS}")
cd "$(dirname "$0")"
version=$("$sops" --version --disable-version-check | sed -n 's/^sops \([0-9]*\.[0-9]*\).*/\1/p')
out=sops-$version

recipient() { sed -n 's/^# public key: //p' "keys/$1.txt"; }
alice=$(recipient alice) bob=$(recipient bob) carol=$(recipient carol)
export SOPS_DISABLE_VERSION_CHECK=true
SOPS_AGE_KEY=$(cat keys/alice.txt keys/bob.txt keys/carol.txt | grep -v '^#')
export SOPS_AGE_KEY
unset SOPS_AGE_KEY_FILE SOPS_AGE_RECIPIENTS SOPS_CONFIG || true

rm -rf "$out" && mkdir "$out"
{
    echo "# Files written by sops $("$sops" --version --disable-version-check | sed -n 's/^sops //p' | head -n 1)"
    echo
    echo "Written by \`testdata/make-goldens.sh\`; A, B, C are the recipients of \`alice\`, \`bob\`, \`carol\` in \`testdata/keys\`."
    echo
    echo "| file | command, in \`testdata/plain\` |"
    echo "|---|---|"
} > "$out/README.md"

# golden NAME.enc.EXT ARGUMENTS… : runs sops with the arguments and keeps what it prints
golden() {
    local name=$1 shown
    shift
    (cd plain && "$sops" "$@") > "$out/$name"
    shown="sops $*"
    shown=${shown//"$alice"/A} shown=${shown//"$bob"/B} shown=${shown//"$carol"/C}
    echo "| \`$name\` | \`${shown//|/\\|}\` |" >> "$out/README.md"
    local base=$out/${name%.enc.*} ext=${name##*.}
    if [ "$base" = "$out/yaml-to-env" ] || [ "$base" = "$out/yaml-to-ini" ]; then
        # The types of YAML are in the tokens, and in no text.
        "$sops" decrypt "$out/$name" > "$base.dec.$ext"
        return
    fi
    if [ "$(grep -c '^sops:' "$out/$name")" -gt 1 ] || ! "$sops" decrypt --output-type json "$out/$name" > "$base.dec.json" 2> /dev/null; then
        rm -f "$base.dec.json"
        "$sops" decrypt "$out/$name" > "$base.dec.yaml"
    fi
}

for plain in plain/*.yaml plain/*.json plain/*.env plain/*.ini; do
    plain=${plain#plain/}
    base=${plain%.*} ext=${plain##*.}
    golden "$base-$ext.enc.$ext" encrypt --age "$alice" "$plain"
done

for ext in yaml json env ini; do
    golden "unencrypted-suffix-$ext.enc.$ext" encrypt --age "$alice" --unencrypted-suffix _unencrypted "selectors.$ext"
    golden "encrypted-suffix-$ext.enc.$ext" encrypt --age "$alice" --encrypted-suffix _secret "selectors.$ext"
    golden "unencrypted-regex-$ext.enc.$ext" encrypt --age "$alice" --unencrypted-regex '^(user|plain)$' "selectors.$ext"
    golden "encrypted-regex-$ext.enc.$ext" encrypt --age "$alice" --encrypted-regex '^(password|token.*)$' "selectors.$ext"
    golden "mac-only-$ext.enc.$ext" --mac-only-encrypted encrypt --age "$alice" --encrypted-regex '^nested$' "selectors.$ext"
    golden "two-recipients-$ext.enc.$ext" encrypt --age "$alice,$bob" "types.$ext"
    golden "threshold-$ext.enc.$ext" --config ../groups.sops.yaml encrypt --filename-override "threshold.$ext" "types.$ext"
    golden "all-groups-$ext.enc.$ext" --config ../groups.sops.yaml encrypt --filename-override "all.$ext" "types.$ext"
done
for ext in yaml env ini; do
    golden "unencrypted-comment-regex-$ext.enc.$ext" --unencrypted-comment-regex reveal -e --age "$alice" "selectors.$ext"
    golden "encrypted-comment-regex-$ext.enc.$ext" --encrypted-comment-regex conceal -e --age "$alice" "selectors.$ext"
done
golden yaml-to-env.enc.env encrypt --age "$alice" --output-type dotenv flat.yaml
golden yaml-to-ini.enc.ini encrypt --age "$alice" --output-type ini sections.yaml
golden indent-2-yaml.enc.yaml --indent 2 encrypt --age "$alice" nested.yaml
golden yaml-to-json.enc.json encrypt --age "$alice" --output-type json nested.yaml
golden json-to-yaml.enc.yaml encrypt --age "$alice" --output-type yaml types.json

# Binary files, each beside its plaintext.
mkdir "$out/binary"
: > "$out/binary/nothing.bin"
for byte in $(seq 0 255); do printf "\\x$(printf %x "$byte")"; done > "$out/binary/bytes.bin"
for plain in bytes nothing; do
    (cd "$out/binary" && "$sops" encrypt --age "$alice" "$plain.bin") > "$out/binary/$plain.enc.bin"
    echo "| \`binary/$plain.enc.bin\` | \`sops encrypt --age A $plain.bin\`, in \`$out/binary\` |" >> "$out/README.md"
done

echo "$(ls "$out" | grep -c '\.enc\.') golden files in $out"
./make-pgp-goldens.sh "$sops"
./make-kms-goldens.sh "$sops"
