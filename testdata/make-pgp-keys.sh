#!/usr/bin/env bash
# Makes the PGP keys of testdata/keys anew: throw-away, known to everybody, without an end, and
# old enough for every clock. `locked` has the passphrase "correct horse"; `twofold` has two
# sub-keys that encrypt. Golden files have to be made anew after it: make-pgp-goldens.sh.
set -euo pipefail
cd "$(dirname "$0")/keys"

GNUPGHOME=$(mktemp -d /tmp/bulla-pgp.XXXXXX)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT

# make NAME PASSPHRASE SUB-KEYS
make() {
    local name=$1 fingerprint
    local gpg=(gpg --batch --quiet --passphrase "$2" --pinentry-mode loopback)
    local then=(--faked-system-time 20240101T000000)
    "${gpg[@]}" "${then[@]}" --quick-gen-key "bulla test key $name <$name@example.org>" ed25519 cert,sign never
    fingerprint=$(gpg --list-keys --with-colons "$name@example.org" | awk -F: '/^fpr/ { print $10; exit }')
    for _ in $(seq "$3"); do
        "${gpg[@]}" "${then[@]}" --quick-add-key "$fingerprint" cv25519 encr never
    done
    {
        echo "A key for tests, made by testdata/make-pgp-keys.sh: known to everybody."
        echo "fingerprint: $fingerprint"
        gpg --list-keys --with-colons "$fingerprint" | awk -F: '/^fpr/ && n++ { print "sub-key: " $10 }'
        echo
        "${gpg[@]}" --armor --export-secret-keys "$fingerprint"
    } > "pgp-$name.asc"
}

make alice "" 1
make bob "" 1
make twofold "" 2
make locked "correct horse" 1
