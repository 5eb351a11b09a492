# Makes the folder that every case of cases.txt runs in, with real sops ($SOPS). The names say what
# a file is: `plain.*` is in clear, `secret.*` is encrypted for alice.

by_alice() { "$SOPS" encrypt --age "$ALICE" "$@"; }

cat > plain.yaml <<'END'
# head
name: hunter2
count: 42
ratio: 3.5
on: true
nothing: null
empty: ""
note_unencrypted: open
when: 2024-01-02T03:04:05Z
text: |
    first
    second
list:
    - a
    - 2
    - - x
      - k: v
nested:
    # inner
    k: v
    password: pw
    deep:
        last: end
END
printf '{\n\t"name": "hunter2",\n\t"count": 42,\n\t"ratio": 3.5,\n\t"on": true,\n\t"nothing": null,\n\t"empty": "",\n\t"note_unencrypted": "open",\n\t"list": [\n\t\t"a",\n\t\t2,\n\t\t[\n\t\t\t"x"\n\t\t]\n\t],\n\t"nested": {\n\t\t"k": "v",\n\t\t"password": "pw"\n\t}\n}\n' > plain.json
printf '# head\nNAME=hunter2\nCOUNT=42\nEMPTY=\nSPACED= a b \nQUOTED="q"\nLINES=first\\nsecond\nNOTE_unencrypted=open\n' > plain.env
printf '; head\n[first]\nname  = hunter2\ncount = 42\n\n[second]\n; inner\nkey             = value\nnote_unencrypted = open\n' > plain.ini
printf 'any \001\377 bytes\nhere' > plain.bin
printf 'only text\n' > plain.txt
printf 'a: 1\nb: two\n' > flat.yaml
printf '{"a": 1, "b": "two"}' > flat.json
printf 'a: 1\n---\nb: two\n' > multi.yaml
printf 'a: 1\n# note\nb: two # side\n# reveal\nc: 3\n# conceal\nd: 4\n' > comments.yaml
printf 'new: value\n' > new.yaml
printf '"from a file"\n' > value.json

# What cannot be encrypted, or not read.
: > empty.yaml
: > empty.json
: > empty.env
: > empty.bin
printf 'a: [1\n' > broken.yaml
printf '{"a": ' > broken.json
printf 'no equals sign\n' > broken.env
printf '[open\nx=1\n' > broken.ini
printf -- '- a\n- b\n' > list.yaml
printf '["a"]' > list.json
printf 'word\n' > scalar.yaml
printf '7' > scalar.json
printf '1: one\n' > intkey.yaml
printf 'a: 18446744073709551615\n' > uint.yaml
printf 'a: 1\na: 2\n' > double.yaml
printf '{"a": 1, "a": 2}' > double.json
printf 'sops: x\n' > reserved.yaml
printf '{"sops": 1}' > reserved.json
printf 'sops_x=1\n' > reserved.env
printf '[sops]\nx = 1\n' > reserved.ini
printf 'a: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\n' > token.yaml
printf 'a: .inf\n' > infinite.yaml
printf '{"a": 1} trailing' > trailing.json

for file in yaml json env ini bin txt; do
    by_alice "plain.$file" > "secret.$file"
done
by_alice flat.yaml > small.yaml
by_alice flat.json > small.json
by_alice multi.yaml > documents.yaml
by_alice comments.yaml > commented.yaml
by_alice infinite.yaml > unbounded.yaml
"$SOPS" encrypt --age "$BOB" flat.yaml > bob.yaml
"$SOPS" encrypt --age "$ALICE,$BOB" flat.yaml > two.yaml
"$SOPS" encrypt --pgp "$ALICE_PGP" flat.yaml > pgp.yaml
"$SOPS" encrypt --pgp "$BOB_PGP" --age "$ALICE" flat.yaml > mixed.yaml
by_alice --encrypted-regex '^password$' plain.yaml > regex.yaml
by_alice --unencrypted-regex '^k$' plain.yaml > unregex.yaml
by_alice --encrypted-suffix word plain.yaml > suffix.yaml
"$SOPS" --mac-only-encrypted -e --age "$ALICE" --encrypted-regex '^b$' flat.yaml > mac-only.yaml
cp secret.yaml no-ending
cp small.json noend-json
cp small.yaml encrypt

# Configurations: one for a folder, the others to be named.
rule() { printf 'creation_rules:\n  - age: %s\n' "$1"; }
mkdir -p ruled/deep
rule "$ALICE" > ruled/.sops.yaml
cp flat.yaml small.yaml two.yaml bob.yaml secret.json ruled/
cp flat.yaml ruled/deep/
rule "$ALICE,$BOB" > both.cfg
rule "$CAROL" > carol.cfg
{ rule "$ALICE"; printf '    encrypted_regex: ^b$\n'; } > regex.cfg
{ rule "$ALICE"; printf '    encrypted_suffix: _x\n    encrypted_regex: ^b$\n'; } > selectors.cfg
{ rule "$ALICE"; printf '    mac_only_encrypted: true\n    unencrypted_regex: ^a$\n'; } > mac-only.cfg
{ rule "$ALICE"; printf '    unencrypted_comment_regex: reveal\n'; } > comment.cfg
{ rule "$ALICE"; printf '    encrypted_comment_regex: conceal\n'; } > conceal.cfg
{ rule "$ALICE"; printf '    path_regex: prod/\n'; } > nomatch.cfg
{ rule "$ALICE"; printf '    path_regex: "["\n'; } > badregex.cfg
{ rule "$ALICE"; printf 'stores:\n  yaml:\n    indent: 2\n  json:\n    indent: 3\n'; } > indent.cfg
printf 'creation_rules:\n  - pgp: %s\n' "$ALICE_PGP" > pgp.cfg
printf 'creation_rules:\n  - key_groups:\n    - age: [%s]\n    - age: [%s]\n' "$ALICE" "$BOB" > groups.cfg
printf 'creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n    - age: [%s]\n    - age: [%s]\n    - age: [%s]\n' "$ALICE" "$BOB" "$CAROL" > threshold.cfg
printf 'creation_rules: [\n' > broken.cfg
printf 'creation_rules: []\n' > norules.cfg
printf 'creation_rules:\n  - path_regex: .*\n' > nokeys.cfg
printf 'stores: {}\n' > onlystores.cfg
: > empty.cfg
printf 'creation_rules:\n  - age: nonsense\n' > badkey.cfg
"$SOPS" --config groups.cfg encrypt flat.yaml > groups.yaml
"$SOPS" --config threshold.cfg encrypt flat.yaml > threshold.yaml

# Encrypted files with something wrong with them.
sed 's/^b: ENC\[AES256_GCM,data:..../b: ENC[AES256_GCM,data:AAAA/' small.yaml > tampered.yaml
sed 's/lastmodified: ".*"/lastmodified: "2001-01-01T00:00:00Z"/' small.yaml > stamp.yaml
sed 's/note_unencrypted: open/note_unencrypted: changed/' secret.yaml > changed.yaml
sed '/^    mac:/d' small.yaml > nomac.yaml
sed '/^    version:/d' small.yaml > noversion.yaml
sed 's/^    version:.*/    version: nonsense/' small.yaml > badversion.yaml
sed '/^    lastmodified:/d' small.yaml > nostamp.yaml
sed 's/lastmodified: "\(.*\)"/lastmodified: yesterday/' small.yaml > badstamp.yaml
sed 's/^b: .*/b: in clear/' small.yaml > clear.yaml
sed 's/type:int\]/type:other]/' small.yaml > badtype.yaml
sed 's/type:str\]$/type:str]trailing/' small.yaml > longtoken.yaml
sed '/^    age:/,/END AGE/d' small.yaml > nokeys.yaml
sed 's/AGE ENCRYPTED FILE/NO AGE FILE/' small.yaml > badage.yaml
sed 's/^    unencrypted_suffix: .*/    unencrypted_suffix: _u\n    encrypted_suffix: _e/' small.yaml > selectors.yaml
sed '/^a:/d' small.yaml > missing-entry.yaml
{ cat small.yaml; printf 'later: x\n'; } > added.yaml
printf 'a: 1\nsops:\n    mac: x\n' > halfmeta.yaml
printf 'a: 1\nsops: null\n' > nullmeta.yaml
printf '{"a": 1, "sops": []}' > listmeta.json
tr -d '\n\t' < small.json > oneline.json

# What is to be published, mostly where nothing listens.
mkdir -p published/deep
cat > published/.sops.yaml <<END
destination_rules:
  - {path_regex: s3.yaml, s3_bucket: bucket, s3_prefix: prefix/}
  - {path_regex: gcs.yaml, gcs_bucket: bucket}
  - {path_regex: anew.yaml, s3_bucket: bucket, recreation_rule: {age: $BOB}}
  - {path_regex: both.yaml, s3_bucket: bucket, vault_path: path}
  - {path_regex: none.yaml}
  - {path_regex: yaml, vault_path: path, vault_address: "http://127.0.0.1:1"}
END
for name in small s3 gcs anew both none deep/small badorder; do
    cp small.yaml "published/$name.yaml"
done
cp flat.yaml tampered.yaml bob.yaml published/
cp small.json published/other.json
