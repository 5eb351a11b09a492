#!/usr/bin/env bash
# Makes the golden files for AWS KMS keys anew with a real sops, in the folder `kms` beside its
# others: make-kms-goldens.sh PATH-OF-SOPS. KMS is moto (see tests/peers.sh), with the keys of
# tests/kms-server.py, which never change.
set -euo pipefail
sops=$(realpath "${1:?usage: make-kms-goldens.sh PATH-OF-SOPS}")
cd "$(dirname "$0")"
version=$("$sops" --version --disable-version-check | sed -n 's/^sops \([0-9]*\.[0-9]*\).*/\1/p')
out=sops-$version/kms
cache=${XDG_CACHE_HOME:-$HOME/.cache}
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

PYTHONPATH=$cache/bulla/peers/moto-5.2.5 python3 ../tests/kms-server.py "$port" 2> /dev/null &
trap 'kill $!' EXIT
until curl -s -o /dev/null "http://127.0.0.1:$port"; do sleep 0.2; done
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=AKIAEXAMPLE \
    AWS_SECRET_ACCESS_KEY=example SOPS_DISABLE_VERSION_CHECK=true
unset SOPS_AGE_KEY SOPS_AGE_KEY_FILE SOPS_AGE_RECIPIENTS SOPS_PGP_FP SOPS_CONFIG AWS_PROFILE || true

key() { echo "arn:aws:kms:$1:123456789012:key/$2$2$2$2$2$2$2$2-$2$2$2$2-$2$2$2$2-$2$2$2$2-$2$2$2$2$2$2$2$2$2$2$2$2"; }
one=$(key eu-west-1 1) two=$(key eu-west-1 2) far=$(key us-east-1 3)
alias=arn:aws:kms:eu-west-1:123456789012:alias/one
role=arn:aws:iam::123456789012:role/reader
age=$(sed -n 's/^# public key: //p' keys/alice.txt)

rm -rf "$out" && mkdir -p "$out"
cat > "$out/README.md" <<END
# Files for AWS KMS keys, written by sops $("$sops" --version --disable-version-check | sed -n 's/^sops //p' | head -n 1)

Written by \`testdata/make-kms-goldens.sh\` with moto 5.2.5. ONE and TWO are keys of \`tests/kms-server.py\` in eu-west-1, FAR is one in us-east-1, ALIAS an alias of ONE, ROLE the ARN of a role, AGE the recipient of \`alice\`. The plain file is the one that the command names.

| file | command, in \`testdata/plain\` |
|---|---|
END

# golden NAME ARGUMENTS… : runs sops with the arguments and keeps what it prints
golden() {
    local name=$1 shown
    shift
    (cd plain && "$sops" "$@") > "$out/$name"
    shown="sops $*"
    shown=${shown//"$one"/ONE} shown=${shown//"$two"/TWO} shown=${shown//"$far"/FAR}
    shown=${shown//"$alias"/ALIAS} shown=${shown//"$role"/ROLE} shown=${shown//"$age"/AGE}
    echo "| \`$name\` | \`$shown\` |" >> "$out/README.md"
}

cat > "$out/groups.sops.yaml" <<END
creation_rules:
  - shamir_threshold: 2
    key_groups:
      - kms:
          - arn: $one
            role: $role
            context:
              stage: prod
              app: web
      - age:
          - $age
      - kms:
          - arn: $far
END

for ext in yaml json env ini; do
    golden "one.enc.$ext" encrypt --kms "$one" "types.$ext"
    golden "context.enc.$ext" encrypt --kms "$alias" --encryption-context "stage:prod,app:web" "types.$ext"
    golden "several.enc.$ext" encrypt --kms "$two,$far" --age "$age" "types.$ext"
done
golden role.enc.yaml encrypt --kms "$one+$role" types.yaml
golden groups.enc.yaml --config "../$out/groups.sops.yaml" encrypt types.yaml
golden groups.enc.json --config "../$out/groups.sops.yaml" encrypt types.json

echo "$(ls "$out" | grep -c '\.enc\.') golden files in $out"
