#!/usr/bin/env bash
# Makes the golden files for PGP keys anew with a real sops, in the folder `pgp` beside its
# others: make-pgp-goldens.sh PATH-OF-SOPS. Every file stands for one plain file.
set -euo pipefail
sops=$(realpath "${1:?usage: make-pgp-goldens.sh PATH-OF-SOPS}")
cd "$(dirname "$0")"
version=$("$sops" --version --disable-version-check | sed -n 's/^sops \([0-9]*\.[0-9]*\).*/\1/p')
out=sops-$version/pgp

GNUPGHOME=$(mktemp -d /tmp/bulla-pgp.XXXXXX)
export GNUPGHOME SOPS_DISABLE_VERSION_CHECK=true
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
gpg --batch --quiet --import keys/pgp-*.asc
unset SOPS_AGE_KEY SOPS_AGE_KEY_FILE SOPS_AGE_RECIPIENTS SOPS_PGP_FP SOPS_CONFIG SOPS_GPG_EXEC || true

fingerprint() { sed -n 's/^fingerprint: //p' "keys/pgp-$1.asc"; }
alice=$(fingerprint alice) bob=$(fingerprint bob) locked=$(fingerprint locked)
sub=$(sed -n 's/^sub-key: //p' keys/pgp-twofold.asc | head -n 1)!
age=$(sed -n 's/^# public key: //p' keys/alice.txt)

rm -rf "$out" && mkdir -p "$out"
cat > "$out/README.md" <<END
# Files for PGP keys, written by sops $("$sops" --version --disable-version-check | sed -n 's/^sops //p' | head -n 1)

Written by \`testdata/make-pgp-goldens.sh\` with $(gpg --version | head -n 1). ALICE, BOB, LOCKED are the fingerprints of \`pgp-alice\`, \`pgp-bob\`, \`pgp-locked\` in \`testdata/keys\`, SUB the first sub-key of \`pgp-twofold\`, AGE the recipient of \`alice\`. The plain file is the one that the command names.

| file | command, in \`testdata/plain\` |
|---|---|
END

# golden NAME ARGUMENTS… : runs sops with the arguments and keeps what it prints
golden() {
    local name=$1 shown
    shift
    (cd plain && "$sops" "$@") > "$out/$name"
    shown="sops $*"
    shown=${shown//"$alice"/ALICE} shown=${shown//"$bob"/BOB} shown=${shown//"$locked"/LOCKED}
    shown=${shown//"$sub"/SUB} shown=${shown//"$age"/AGE}
    echo "| \`$name\` | \`$shown\` |" >> "$out/README.md"
}

cat > "$out/groups.sops.yaml" <<END
creation_rules:
  - shamir_threshold: 2
    key_groups:
      - age:
          - $age
      - pgp:
          - $alice
      - age:
          - $(sed -n 's/^# public key: //p' keys/bob.txt)
        pgp:
          - $bob
          - $locked
END

for ext in yaml json; do
    golden "one.enc.$ext" encrypt --pgp "$alice" "types.$ext"
    golden "two.enc.$ext" encrypt --pgp "$alice,$bob" "types.$ext"
    golden "mixed.enc.$ext" encrypt --pgp "$bob" --age "$age" "types.$ext"
    golden "groups.enc.$ext" --config "../$out/groups.sops.yaml" encrypt "types.$ext"
done
golden locked.enc.yaml encrypt --pgp "$locked" types.yaml
golden sub-key.enc.yaml encrypt --pgp "$sub" types.yaml

echo "$(ls "$out" | grep -c '\.enc\.') golden files in $out"
