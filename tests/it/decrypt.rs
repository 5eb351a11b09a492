//! `bulla decrypt`: what comes back, which keys open it, what tampering leads to, and `--extract`.

use crate::support::{Case, Sandbox, age_key, line_of, tokens};

const PLAIN: &str = "# head\na: 1\nb: two # beside\nlist: [x, yy]\nnested:\n    deep: {k: 'v'}\n";

/// A sandbox with `PLAIN`, encrypted for alice.
fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
}

/// Replaces the first `from` of a file by `to`.
#[track_caller]
fn tamper(sandbox: &Sandbox, name: &str, from: &str, to: &str) {
    let text = sandbox.read_text(name);
    assert!(text.contains(from), "no {from:?} in\n{text}");
    sandbox.file(name, text.replacen(from, to, 1));
}

#[test]
fn the_same_bytes_come_back() {
    let sandbox = encrypted();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    sandbox
        .bulla(["decrypt", "-i", "f.yaml"])
        .any_stderr()
        .run();
    assert_eq!(sandbox.read_text("f.yaml"), PLAIN);
    assert_eq!(sandbox.names(), ["f.yaml"]);
}

#[test]
fn plaintext_is_written_for_its_owner_only() {
    let sandbox = encrypted();
    sandbox
        .bulla(["decrypt", "f.yaml", "--output", "p.yaml"])
        .run();
    assert_eq!(sandbox.read_text("p.yaml"), PLAIN);
    assert_eq!(sandbox.mode(&sandbox.path("p.yaml")), 0o600);
}

#[test]
fn identities_come_from_every_place_sops_looks_at() {
    let alice = age_key("alice");
    let sandbox = encrypted();
    let decrypt = || {
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .no_identity()
            .expect_stdout(PLAIN)
    };
    decrypt().env("SOPS_AGE_KEY", &alice.identity).run();
    decrypt()
        .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
        .run();
    decrypt()
        .env(
            "SOPS_AGE_KEY_CMD",
            format!("cat '{}'", sandbox.key_file("alice").display()),
        )
        .run();
    let two = format!("{} {}", age_key("bob").identity, alice.identity);
    decrypt().env("SOPS_AGE_KEY", two).run();
    let broken = sandbox.root().join("no-such-file");
    decrypt()
        .env("SOPS_AGE_KEY_FILE", broken)
        .env("SOPS_AGE_KEY", &alice.identity)
        .run();
    let keys = sandbox.home().join(".config/sops/age/keys.txt");
    std::fs::create_dir_all(keys.parent().unwrap()).unwrap();
    std::fs::copy(sandbox.key_file("alice"), &keys).unwrap();
    decrypt().run();
    decrypt().without("XDG_CONFIG_HOME").run();
}

#[test]
fn the_key_command_learns_which_recipient_is_wanted() {
    let sandbox = encrypted();
    let seen = sandbox.root().join("seen");
    let script = sandbox.edit_script(&format!(
        "printf %s \"$SOPS_AGE_RECIPIENT\" > '{}'; cat '{}'",
        seen.display(),
        sandbox.key_file("alice").display()
    ));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .no_identity()
        .env("SOPS_AGE_KEY_CMD", script)
        .expect_stdout(PLAIN)
        .run();
    let seen = std::fs::read_to_string(seen).unwrap();
    assert_eq!(seen, age_key("alice").recipient);
}

#[test]
fn without_a_key_each_group_and_key_is_reported() {
    let sandbox = encrypted();
    let alice = age_key("alice").recipient;
    for case in [
        sandbox.bulla(["decrypt", "f.yaml"]).no_identity(),
        sandbox.bulla(["decrypt", "f.yaml"]).identity("mallory"),
    ] {
        case.expect_stderr_has("Group 0: FAILED")
            .expect_stderr_has(&format!("{alice}: FAILED"))
            .never_says("two")
            .status(128)
            .run();
    }
}

#[test]
fn two_of_three_groups_open_a_file() {
    let sandbox = Sandbox::new();
    sandbox.copy("sops-3.11/threshold-yaml.enc.yaml", "f.yaml");
    let plain = sandbox
        .bulla(["decrypt", "f.yaml"])
        .identities(&["alice", "bob"])
        .any_stdout()
        .run();
    for pair in [["alice", "carol"], ["bob", "carol"]] {
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .identities(&pair)
            .expect_stdout(&plain.stdout)
            .run();
    }
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identities(&["bob"])
        .expect_stderr_has("Group 0: FAILED")
        .expect_stderr_has("Group 1: SUCCESS")
        .expect_stderr_has("Group 2: FAILED")
        .status(128)
        .run();
}

#[test]
fn a_threshold_of_zero_needs_every_group() {
    let sandbox = Sandbox::new();
    sandbox.copy("sops-3.11/all-groups-yaml.enc.yaml", "f.yaml");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identities(&["alice", "carol"])
        .any_stdout()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identities(&["bob", "carol"])
        .expect_stderr_has("Group 0: FAILED")
        .status(128)
        .run();
}

#[test]
fn exchanged_list_items_break_the_mac() {
    let sandbox = encrypted();
    let text = sandbox.read_text("f.yaml");
    let found = tokens(line_of(&text, "list:"));
    let (x, yy) = (found[0].to_owned(), found[1].to_owned());
    let swapped = text.replace(&x, "@").replace(&yy, &x).replace('@', &yy);
    sandbox.file("f.yaml", swapped);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stderr_has("MAC mismatch")
        .never_says("yy")
        .status(51)
        .run();
    sandbox
        .bulla(["decrypt", "--ignore-mac", "f.yaml"])
        .expect_stdout(PLAIN.replace("[x, yy]", "[yy, x]"))
        .any_stderr()
        .run();
}

#[test]
fn a_mac_that_is_missing_empty_or_of_another_time_is_refused() {
    for broken in ["missing", "empty", "time"] {
        let sandbox = encrypted();
        let text = sandbox.read_text("f.yaml");
        let mac = format!("{}\n", line_of(&text, "mac:"));
        match broken {
            "missing" => tamper(&sandbox, "f.yaml", &mac, ""),
            "empty" => tamper(&sandbox, "f.yaml", &mac, "    mac: \"\"\n"),
            _ => {
                let line = line_of(&text, "lastmodified:").to_owned();
                tamper(
                    &sandbox,
                    "f.yaml",
                    &line,
                    "    lastmodified: \"2001-02-03T04:05:06Z\"",
                );
            }
        }
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stderr_has("MAC")
            .status(51)
            .run();
        sandbox
            .bulla(["decrypt", "--ignore-mac", "f.yaml"])
            .expect_stdout(PLAIN)
            .any_stderr()
            .run();
    }
}

#[test]
fn a_changed_clear_value_breaks_the_mac() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a_unencrypted: 5432\nb: x\n");
    tamper(&sandbox, "f.yaml", "5432", "5433");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stderr_has("MAC mismatch")
        .status(51)
        .run();
}

#[test]
fn a_changed_token_is_refused_by_its_path() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "outer:\n    pin: plaintext-4711\n");
    let text = sandbox.read_text("f.yaml");
    let token = tokens(&text)[0].to_owned();
    let at = "ENC[AES256_GCM,data:".len();
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    let broken = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    tamper(&sandbox, "f.yaml", &token, &broken);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stderr_has("pin")
        .never_says("plaintext-4711")
        .status(25)
        .run();
}

#[test]
fn a_token_does_not_fit_another_key() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "user: root\nrole: guest\n");
    let text = sandbox.read_text("f.yaml");
    let (user, role) = (tokens(&text)[0].to_owned(), tokens(&text)[1].to_owned());
    let swapped = text
        .replace(&user, "@")
        .replace(&role, &user)
        .replace('@', &role);
    sandbox
        .file("f.yaml", swapped)
        .bulla(["decrypt", "f.yaml"])
        .expect_stderr_has("user")
        .status(25)
        .run();
}

#[test]
fn a_changed_type_gives_nothing_away() {
    for kind in ["int", "float", "bool", "time", "nonsense"] {
        let sandbox = Sandbox::new();
        sandbox.encrypted("f.yaml", "password: hunter2-TOPSECRET\n");
        tamper(&sandbox, "f.yaml", "type:str]", &format!("type:{kind}]"));
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stderr_has("password")
            .never_says("hunter2")
            .never_says("TOPSECRET")
            .status(25)
            .run();
    }
}

#[test]
fn a_clear_value_where_a_token_belongs_is_refused() {
    for value in ["clear", "5", "true", "2024-01-02"] {
        let sandbox = encrypted();
        tamper(
            &sandbox,
            "f.yaml",
            "list:",
            &format!("added: {value}\nlist:"),
        );
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stderr_has("added")
            .status(25)
            .run();
    }
}

#[test]
fn a_file_without_metadata_is_named() {
    Case::new()
        .file("f.yaml", PLAIN)
        .args(["decrypt", "f.yaml"])
        .expect_stderr_has("sops metadata not found")
        .never_says("two")
        .status(1)
        .run();
    Case::new()
        .args(["decrypt", "missing.yaml"])
        .expect_stderr_has("missing.yaml")
        .status(100)
        .run();
}

#[test]
fn broken_metadata_is_an_error_of_its_own() {
    for (from, to) in [
        ("    version: 3.13.2\n", ""),
        ("    version: 3.13.2\n", "    version: nonsense\n"),
        ("    version:", "    encrypted_suffix: _x\n    version:"),
        ("    lastmodified: ", "    lastmodified: x"),
    ] {
        let sandbox = encrypted();
        tamper(&sandbox, "f.yaml", from, to);
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stderr_has("f.yaml")
            .status(1)
            .run();
    }
}

#[test]
fn metadata_is_read_in_any_order_and_quoting() {
    let sandbox = encrypted();
    let text = sandbox.read_text("f.yaml");
    let stamp = line_of(&text, "lastmodified:").to_owned();
    let bare = stamp.replace('"', "");
    let moved = text
        .replace(&format!("{stamp}\n"), "")
        .replace("sops:\n", &format!("sops:\n{bare}\n    shamir_threshold: \"0\"\n    kms: []\n    pgp: null\n    unknown: {{x: [1]}}\n"));
    sandbox
        .file("f.yaml", moved)
        .bulla(["decrypt", "f.yaml"])
        .any_stdout()
        .run();
}

#[test]
fn text_behind_a_token_is_not_part_of_it() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: x\n");
    let text = sandbox.read_text("f.yaml");
    let token = tokens(&text)[0].to_owned();
    tamper(&sandbox, "f.yaml", &token, &format!("{token}trailing"));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: x\n")
        .any_stderr()
        .run();
}

#[test]
fn duplicate_entries_in_the_decryption_order_are_refused() {
    let sandbox = encrypted();
    sandbox
        .bulla(["decrypt", "--decryption-order", "age,age", "f.yaml"])
        .expect_stderr_has("age")
        .status(112)
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .env("SOPS_DECRYPTION_ORDER", "pgp,age,kms")
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn conflicting_destinations_are_refused() {
    let sandbox = encrypted();
    sandbox
        .bulla(["decrypt", "-i", "--output", "x", "f.yaml"])
        .expect_stderr_has("--output")
        .status(8)
        .run();
    sandbox
        .bulla(["decrypt", "-i"])
        .stdin(sandbox.read("f.yaml"))
        .expect_stderr_has("in-place")
        .status(8)
        .run();
    assert!(!sandbox.exists("x"));
}

#[test]
fn nothing_is_written_when_decryption_fails() {
    let sandbox = encrypted();
    sandbox.file("p.yaml", "kept\n");
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["decrypt", "f.yaml", "--output", "p.yaml"])
        .no_identity()
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
    sandbox
        .bulla(["decrypt", "-i", "f.yaml"])
        .no_identity()
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
    assert_eq!(sandbox.read_text("p.yaml"), "kept\n");
    assert_eq!(sandbox.read("f.yaml"), before);
    assert_eq!(sandbox.names(), ["f.yaml", "p.yaml"]);
}

#[test]
fn the_input_type_wins_over_the_name() {
    let sandbox = encrypted();
    sandbox.file("secrets.txt", sandbox.read("f.yaml"));
    sandbox
        .bulla([
            "decrypt",
            "--input-type",
            "yaml",
            "--output-type",
            "yaml",
            "secrets.txt",
        ])
        .expect_stdout(PLAIN)
        .run();
    sandbox
        .bulla(["decrypt", "--input-type", "yaml", "--output-type", "yaml"])
        .stdin(sandbox.read("f.yaml"))
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn yaml_comes_out_as_json_and_json_as_yaml() {
    let sandbox = Sandbox::new();
    sandbox.encrypted(
        "f.yaml",
        "# no place in JSON\na: 1\nb: [x, 2.50, true, null]\nc: {d: 'e<'}\n",
    );
    sandbox
        .bulla(["decrypt", "--output-type", "json", "f.yaml"])
        .expect_stdout(
            "{\n\t\"a\": 1,\n\t\"b\": [\n\t\t\"x\",\n\t\t2.5,\n\t\ttrue,\n\t\tnull\n\t],\n\t\"c\": {\n\t\t\"d\": \"e\\u003c\"\n\t}\n}\n",
        )
        .run();
    sandbox.encrypted(
        "f.json",
        "{\"a\": 1, \"b\": [\"x\", \"yes\", \"\"], \"c\": {}}",
    );
    sandbox
        .bulla(["decrypt", "--output-type", "yaml", "f.json"])
        .expect_stdout("a: 1\nb:\n    - x\n    - \"yes\"\n    - \"\"\nc: {}\n")
        .run();
}

#[test]
fn the_indent_is_chosen_for_new_text_only() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a:\n   b:\n   - 1\n");
    sandbox
        .bulla([
            "decrypt",
            "--indent",
            "2",
            "--output-type",
            "json",
            "f.yaml",
        ])
        .expect_stdout("{\n  \"a\": {\n    \"b\": [\n      1\n    ]\n  }\n}\n")
        .run();
    sandbox
        .bulla(["--indent", "2", "decrypt", "f.yaml"])
        .expect_stdout("a:\n   b:\n   - 1\n")
        .run();
}

#[test]
fn several_documents_have_no_place_in_json() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n---\nb: 2\n");
    sandbox
        .bulla(["decrypt", "--output-type", "json", "f.yaml"])
        .expect_stderr_has("document")
        .status(4)
        .run();
}

#[test]
fn flags_may_stand_behind_the_file() {
    let sandbox = encrypted();
    sandbox
        .bulla(["decrypt", "f.yaml", "--extract", "[\"b\"]"])
        .expect_stdout("two")
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml", "--output-type=yaml", "--ignore-mac"])
        .expect_stdout(PLAIN)
        .any_stderr()
        .run();
}

#[test]
fn one_value_is_extracted_from_yaml() {
    let sandbox = Sandbox::new();
    sandbox.encrypted(
        "f.yaml",
        "s: text\nm: |\n    one\n    two\nn: 42\nf: 1.50\nb: true\nz: null\nt: 2024-01-02\nl:\n    - a\n    # between\n    - b: 1\no:\n    k: v # beside\n",
    );
    for (path, expected) in [
        ("[\"s\"]", "text"),
        ("['s']", "text"),
        ("[\"m\"]", "one\ntwo\n"),
        ("[\"n\"]", "42\n"),
        ("[\"b\"]", "true\n"),
        ("[\"z\"]", "null\n"),
        ("[\"t\"]", "2024-01-02T00:00:00Z\n"),
        ("[\"l\"][0]", "a"),
        ("[\"l\"][1][\"b\"]", "1\n"),
        ("s", "text"),
        ("l[0]", "a"),
        ("l[1].b", "1\n"),
        ("o.k", "v"),
    ] {
        sandbox
            .bulla(["decrypt", "--extract", path, "f.yaml"])
            .expect_stdout(expected)
            .run();
    }
}

#[test]
fn one_value_is_extracted_from_json() {
    let sandbox = Sandbox::new();
    sandbox.encrypted(
        "f.json",
        "{\"s\": \"text\", \"n\": 42, \"f\": 1.5, \"b\": true, \"z\": null, \"l\": [\"a\", 2], \"o\": {\"k\": \"v\"}}",
    );
    for (path, expected) in [
        ("[\"s\"]", "text"),
        ("[\"n\"]", "42"),
        ("[\"f\"]", "1.5"),
        ("[\"b\"]", "true"),
        ("[\"z\"]", "null"),
        ("[\"l\"]", "[\n\t\"a\",\n\t2\n]"),
        ("[\"l\"][1]", "2"),
        ("[\"o\"]", "{\n\t\"k\": \"v\"\n}\n"),
        ("o.k", "v"),
    ] {
        sandbox
            .bulla(["decrypt", "--extract", path, "f.json"])
            .expect_stdout(expected)
            .run();
    }
}

#[test]
fn a_path_that_leads_nowhere_is_told_from_a_bad_one() {
    let sandbox = encrypted();
    for (path, status) in [
        ("[\"nowhere\"]", 1),
        ("[\"list\"][7]", 1),
        ("[\"list\"][\"x\"]", 1),
        ("[\"a\"][\"x\"]", 1),
        ("[\"nested\"][0]", 1),
        ("[\"a\"", 91),
        ("[\"list\"][-1]", 91),
        ("[]", 91),
        ("[\"a\"]x", 91),
    ] {
        sandbox
            .bulla(["decrypt", "--extract", path, "f.yaml"])
            .expect_stderr_has("bulla: ")
            .never_says("two")
            .status(status)
            .run();
    }
}

#[test]
fn an_extract_goes_where_output_says() {
    let sandbox = encrypted();
    sandbox
        .bulla(["decrypt", "--extract", "b", "--output", "value", "f.yaml"])
        .run();
    assert_eq!(sandbox.read_text("value"), "two");
    assert_eq!(sandbox.mode(&sandbox.path("value")), 0o600);
}

#[test]
fn an_empty_first_document_that_sops_wrote_stays_one() {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("f.yaml", "{}\n---\na: 1\n");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("{}\n---\na: 1\n")
        .run();
}

#[test]
fn a_list_of_nothing_but_comments_stays_an_empty_list() {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("f.yaml", "a: [] # c\nb:\n    - [] # d\n    - 1\n");
    let json = "{\n\t\"a\": [],\n\t\"b\": [\n\t\t[],\n\t\t1\n\t]\n}\n";
    sandbox
        .sops(["decrypt", "--output-type", "json", "f.yaml"])
        .expect_stdout(json)
        .run();
    sandbox
        .bulla(["decrypt", "--output-type", "json", "f.yaml"])
        .expect_stdout(json)
        .run();
}

#[test]
fn of_several_files_the_first_counts_and_it_is_said() {
    let sandbox = Sandbox::new();
    sandbox
        .encrypted("f.yaml", "a: 1\n")
        .encrypted("g.yaml", "b: 2\n");
    sandbox
        .bulla(["decrypt", "f.yaml", "g.yaml"])
        .expect_stdout("a: 1\n")
        .expect_stderr_has("more than one file given, all but the first are ignored")
        .run();
    sandbox
        .sops(["decrypt", "f.yaml", "g.yaml"])
        .expect_stdout("a: 1\n")
        .expect_stderr_has("More than one positional argument")
        .run();
}
