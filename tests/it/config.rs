//! `.sops.yaml`: where it is found, which rule counts, what a rule may say, what is refused.

use crate::support::{Case, Outcome, Sandbox, age_key, line_of};

fn recipient(name: &str) -> String {
    age_key(name).recipient
}

/// Encrypts a file and tells whose key it is for.
#[track_caller]
fn encrypts_for(case: Case, name: &str) -> Outcome {
    let out = case.any_stdout().any_stderr().run();
    let text = out.text();
    let line = line_of(&text, "recipient:").to_owned();
    assert!(line.contains(&recipient(name)), "{line}");
    out
}

/// A configuration with one rule a line: a `path_regex` and a name.
fn rules(rules: &[(&str, &str)]) -> String {
    let rules: String = rules
        .iter()
        .map(|(regex, name)| format!("  - path_regex: '{regex}'\n    age: {}\n", recipient(name)))
        .collect();
    format!("creation_rules:\n{rules}")
}

#[test]
fn the_first_rule_that_matches_counts() {
    let sandbox = Sandbox::new();
    sandbox
        .file(
            ".sops.yaml",
            rules(&[("^dev/", "alice"), ("\\.yaml$", "bob"), ("", "carol")]),
        )
        .file("dev/f.yaml", "a: 1\n")
        .file("f.yaml", "a: 1\n")
        .file("f.json", "{\"a\": 1}");
    encrypts_for(sandbox.bulla(["encrypt", "dev/f.yaml"]), "alice");
    encrypts_for(sandbox.bulla(["encrypt", "f.yaml"]), "bob");
    let json = sandbox.bulla(["encrypt", "f.json"]).any_stdout().run();
    assert!(json.text().contains(&recipient("carol")));
}

#[test]
fn paths_are_relative_to_the_configuration_wherever_one_stands() {
    let sandbox = Sandbox::new();
    sandbox
        .file(
            ".sops.yaml",
            rules(&[("^secrets/app\\.yaml$", "alice"), ("", "bob")]),
        )
        .file("secrets/app.yaml", "a: 1\n")
        .file("elsewhere/x", "");
    encrypts_for(sandbox.bulla(["encrypt", "secrets/app.yaml"]), "alice");
    encrypts_for(
        sandbox.bulla(["encrypt", "app.yaml"]).folder("secrets"),
        "alice",
    );
    encrypts_for(
        sandbox
            .bulla(["encrypt", "../secrets/app.yaml"])
            .folder("elsewhere"),
        "alice",
    );
    let absolute = sandbox.path("secrets/app.yaml");
    encrypts_for(
        sandbox.bulla(["encrypt".as_ref(), absolute.as_os_str()]),
        "alice",
    );
    encrypts_for(
        sandbox
            .bulla(["encrypt", "--filename-override", "secrets/app.yaml"])
            .stdin("a: 1\n"),
        "alice",
    );
}

#[test]
fn the_file_s_own_folder_comes_before_the_working_folder() {
    let sandbox = Sandbox::new();
    sandbox
        .file(".sops.yaml", rules(&[("", "alice")]))
        .file("sub/.sops.yaml", rules(&[("", "bob")]))
        .file("sub/f.yaml", "a: 1\n")
        .file("other/f.yaml", "a: 1\n");
    encrypts_for(sandbox.bulla(["encrypt", "sub/f.yaml"]), "bob");
    encrypts_for(
        sandbox.bulla(["encrypt", "f.yaml"]).folder("other"),
        "alice",
    );
    let outside = Sandbox::new();
    outside.file("f.yaml", "a: 1\n");
    let path = outside.path("f.yaml");
    encrypts_for(
        sandbox.bulla(["encrypt".as_ref(), path.as_os_str()]),
        "alice",
    );
}

#[test]
fn a_configuration_is_given_by_flag_or_variable() {
    let sandbox = Sandbox::new();
    sandbox
        .file(".sops.yaml", rules(&[("", "alice")]))
        .file("other.yaml", rules(&[("", "bob")]))
        .file("f.yaml", "a: 1\n");
    encrypts_for(
        sandbox.bulla(["--config", "other.yaml", "encrypt", "f.yaml"]),
        "bob",
    );
    encrypts_for(
        sandbox.bulla(["encrypt", "--config", "other.yaml", "f.yaml"]),
        "bob",
    );
    encrypts_for(
        sandbox
            .bulla(["encrypt", "f.yaml"])
            .env("SOPS_CONFIG", "other.yaml"),
        "bob",
    );
    sandbox
        .bulla(["--config", "missing.yaml", "encrypt", "f.yaml"])
        .expect_stderr_has("missing.yaml")
        .status(1)
        .run();
}

#[test]
fn keys_given_by_flag_win_even_where_no_rule_matches() {
    let sandbox = Sandbox::new();
    sandbox
        .file(".sops.yaml", rules(&[("^never$", "alice")]))
        .file("f.yaml", "a: 1\n");
    sandbox
        .bulla(["encrypt", "f.yaml"])
        .expect_stderr_has("no matching creation rules found")
        .status(1)
        .run();
    encrypts_for(
        sandbox.bulla(["encrypt", "--age", &recipient("bob"), "f.yaml"]),
        "bob",
    );
    sandbox.file(
        ".sops.yaml",
        format!("{}    encrypted_regex: ^a$\n", rules(&[("", "alice")])),
    );
    let out = encrypts_for(
        sandbox.bulla(["encrypt", "--age", &recipient("bob"), "f.yaml"]),
        "bob",
    );
    assert!(
        out.text().contains("encrypted_regex: ^a$"),
        "the rest of the rule counts"
    );
}

#[test]
fn an_empty_list_of_rules_matches_nothing() {
    Case::new()
        .file(".sops.yaml", "creation_rules: []\n")
        .file("f.yaml", "a: 1\n")
        .args(["encrypt", "f.yaml"])
        .expect_stderr_has("no matching creation rules found")
        .status(1)
        .run();
}

#[test]
fn a_broken_configuration_does_not_stop_a_decrypt() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    sandbox.file(".sops.yaml", "creation_rules: [\n");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: 1\n")
        .any_stderr()
        .run();
    sandbox
        .file("p.yaml", "a: 1\n")
        .bulla(["encrypt", "p.yaml"])
        .expect_stderr_has(".sops.yaml")
        .status(1)
        .run();
}

#[test]
fn what_a_rule_may_not_say_is_refused() {
    let key = recipient("alice");
    for (rule, named) in [
        ("path_regex: '(?<=x)'".to_owned(), "(?<=x)"),
        (
            format!("age: {key}\n    encrypted_regex: '['"),
            "encrypted_regex",
        ),
        (
            format!("age: {key}\n    encrypted_regex: a\n    encrypted_suffix: b"),
            "encrypted_suffix",
        ),
        (
            format!("age: {key}\n    shamir_threshold: many"),
            "shamir_threshold",
        ),
        ("age: age1nonsense".to_owned(), "recipient 1"),
        ("age: [[x]]".to_owned(), "age"),
        ("key_groups: [{age: text}]".to_owned(), "age"),
    ] {
        Case::new()
            .file(".sops.yaml", format!("creation_rules:\n  - {rule}\n"))
            .file("f.yaml", "a: 1\n")
            .args(["encrypt", "f.yaml"])
            .expect_stderr_has(".sops.yaml")
            .expect_stderr_has(named)
            .status(1)
            .run();
    }
}

#[test]
fn recipients_are_written_in_every_way_sops_takes() {
    let (alice, bob) = (recipient("alice"), recipient("bob"));
    for age in [
        format!("age: '{alice}, {bob},'"),
        format!("age: [{alice}, {bob}]"),
        format!("age: ['{alice},{bob}']"),
        format!("age: >-\n      {alice},\n      {bob}"),
        format!("key_groups:\n      - age: [{alice}, {bob}]"),
        format!(
            "key_groups:\n      - merge:\n          - age: [{alice}]\n        age: [{bob}, {alice}]"
        ),
    ] {
        let out = Case::new()
            .file(".sops.yaml", format!("creation_rules:\n  - {age}\n"))
            .file("f.yaml", "a: 1\n")
            .args(["encrypt", "f.yaml"])
            .any_stdout()
            .run();
        let text = out.text();
        let found: Vec<_> = text
            .lines()
            .filter(|line| line.contains("recipient: "))
            .map(|line| line.rsplit(' ').next().unwrap())
            .collect();
        assert_eq!(found, [&alice, &bob], "{age}");
    }
}

#[test]
fn key_groups_split_the_key() {
    let sandbox = Sandbox::new();
    sandbox
        .copy("groups.sops.yaml", ".sops.yaml")
        .file("threshold.yaml", "a: 1\n");
    sandbox.bulla(["encrypt", "-i", "threshold.yaml"]).run();
    let text = sandbox.read_text("threshold.yaml");
    assert!(text.contains("shamir_threshold: 2") && text.contains("key_groups:"));
    for pair in [["alice", "bob"], ["alice", "carol"], ["bob", "carol"]] {
        for program in [
            sandbox.bulla(["decrypt", "threshold.yaml"]),
            sandbox.sops(["decrypt", "threshold.yaml"]),
        ] {
            program.identities(&pair).expect_stdout("a: 1\n").run();
        }
    }
    sandbox
        .bulla(["decrypt", "threshold.yaml"])
        .expect_stderr_has("Group 1: FAILED")
        .status(128)
        .run();
}

#[test]
fn a_threshold_that_cannot_be_met_is_refused() {
    let sandbox = Sandbox::new();
    for threshold in [1, 4] {
        let config = String::from_utf8(crate::support::testdata("groups.sops.yaml")).unwrap();
        let config = config.replace(
            "shamir_threshold: 2",
            &format!("shamir_threshold: {threshold}"),
        );
        sandbox
            .file(".sops.yaml", config)
            .file("threshold.yaml", "a: 1\n")
            .bulla(["encrypt", "threshold.yaml"])
            .expect_stderr_has("threshold")
            .status(1)
            .run();
    }
}

#[test]
fn selectors_and_the_mac_s_reach_come_from_the_rule() {
    let sandbox = Sandbox::new();
    for (field, encrypted) in [
        ("encrypted_regex: ^(a|b)$", "ab"),
        ("unencrypted_regex: ^a$", "bc"),
        ("encrypted_suffix: b", "b"),
        ("unencrypted_suffix: c", "ab"),
        ("encrypted_comment_regex: hide", "c"),
        ("unencrypted_comment_regex: hide", "ab"),
    ] {
        sandbox
            .config(field)
            .file("f.yaml", "a: 1\nb: 2\n# hide\nc: 3\n");
        let out = sandbox
            .bulla(["encrypt", "f.yaml"])
            .any_stdout()
            .any_stderr()
            .run();
        let text = out.text();
        for key in ["a", "b", "c"] {
            let line = line_of(&text, &format!("{key}: "));
            assert_eq!(
                line.contains("ENC["),
                encrypted.contains(key),
                "{field}: {line}"
            );
        }
        assert!(text.contains(field), "{field} in\n{text}");
    }
    sandbox.config("encrypted_regex: ^a$\nmac_only_encrypted: true");
    sandbox
        .bulla(["encrypt", "-i", "f.yaml"])
        .any_stderr()
        .run();
    let text = sandbox.read_text("f.yaml").replace("b: 2", "b: 9");
    assert!(text.contains("mac_only_encrypted: true"));
    sandbox.file("f.yaml", text);
    for program in [
        sandbox.bulla(["decrypt", "f.yaml"]),
        sandbox.sops(["decrypt", "f.yaml"]),
    ] {
        program.expect_stdout("a: 1\nb: 9\n# hide\nc: 3\n").run();
    }
}

#[test]
fn regexes_are_those_of_go() {
    for (regex, key) in [
        ("^[a&&b]$", "a"),
        ("^[a&&b]$", "&"),
        ("^[a~~b]$", "~"),
        ("^\\d$", "٣"),
        ("^\\w$", "é"),
        ("^\\Qa.b\\E$", "a.b"),
        ("^\\Qa.b\\E$", "axb"),
        ("(?i)^KEY$", "key"),
        ("^a{,2}$", "a{,2}"),
        ("^[[a]$", "["),
        ("^\\07$", "\\a"),
        ("\\pL", "ž"),
        ("^.$", "é"),
        ("\\bkey\\b", "a key"),
    ] {
        let sandbox = Sandbox::new();
        sandbox
            .config(&format!("encrypted_regex: '{regex}|^sure$'"))
            .file("f.yaml", format!("\"{key}\": 1\nsure: 2\n"));
        let encrypted = |case: Case| {
            let text = case.any_stdout().any_stderr().run().text();
            assert!(line_of(&text, "sure:").contains("ENC["), "{regex}");
            text.lines().next().unwrap().contains("ENC[")
        };
        assert_eq!(
            encrypted(sandbox.bulla(["encrypt", "f.yaml"])),
            encrypted(sandbox.sops(["encrypt", "f.yaml"])),
            "{regex} on {key}"
        );
    }
}

#[test]
fn the_other_name_of_the_file_is_warned_about() {
    let sandbox = Sandbox::new();
    sandbox
        .file(".sops.yml", rules(&[("", "alice")]))
        .file("f.yaml", "a: 1\n");
    sandbox
        .bulla(["encrypt", "f.yaml"])
        .expect_stderr_has(".sops.yml")
        .status(1)
        .run();
}

#[test]
fn unknown_keys_are_ignored_like_sops_does() {
    let sandbox = Sandbox::new();
    let config = format!(
        "anything: [1]\ncreation_rules:\n  - age: {}\n    hc_vault_uris: x\n    require_seal: false\nstores: {{yaml: {{indent: 2}}}}\n",
        recipient("alice")
    );
    sandbox.file(".sops.yaml", config).file("f.yaml", "a: 1\n");
    encrypts_for(sandbox.bulla(["encrypt", "f.yaml"]), "alice");
}

#[test]
fn the_indent_of_a_store_is_for_new_text() {
    let sandbox = Sandbox::new();
    let config = format!(
        "stores:\n  yaml:\n    indent: 2\n  json:\n    indent: 3\ncreation_rules:\n  - age: {}\n",
        recipient("alice")
    );
    sandbox
        .file(".sops.yaml", config)
        .file("f.yaml", "a:\n      b: 1\n")
        .file("f.json", "{\"a\": [1]}");
    let out = sandbox.bulla(["encrypt", "f.yaml"]).any_stdout().run();
    assert!(
        out.text().starts_with("a:\n      b: ENC["),
        "old text keeps its own"
    );
    sandbox.bulla(["encrypt", "-i", "f.json"]).run();
    sandbox
        .bulla(["decrypt", "--output-type", "yaml", "f.json"])
        .expect_stdout("a:\n  - 1\n")
        .run();
    sandbox.bulla(["encrypt", "-i", "f.yaml"]).run();
    sandbox
        .bulla(["decrypt", "--output-type", "json", "f.yaml"])
        .expect_stdout("{\n   \"a\": {\n      \"b\": 1\n   }\n}\n")
        .run();
}

#[test]
fn a_cipher_is_chosen_by_rule() {
    let sandbox = Sandbox::new();
    sandbox
        .config("cipher: XCHACHA20_POLY1305")
        .file("f.yaml", "a: 1\n");
    sandbox
        .bulla(["encrypt", "-i", "f.yaml"])
        .expect_stderr_has("stock sops")
        .run();
    assert!(
        sandbox
            .read_text("f.yaml")
            .contains("ENC[XCHACHA20_POLY1305,")
    );
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: 1\n")
        .run();
}

/// A configuration that names alice, bob and carol, and the groups `ops` and `all`.
fn with_names(rules: &str) -> String {
    format!(
        "# people\nbulla:\n    recipients:\n        alice: {}\n        bob: {}\n        carol: [{}]\n    \
         groups:\n        ops: [alice, bob]\n        all: [ops, carol]\ncreation_rules:\n{rules}",
        recipient("alice"),
        recipient("bob"),
        recipient("carol")
    )
}

/// Only these open `f.yaml`.
fn opened_by(sandbox: &Sandbox, names: &[&str]) {
    for name in ["alice", "bob", "carol"] {
        let case = sandbox.bulla(["decrypt", "f.yaml"]).identity(name);
        if names.contains(&name) {
            case.any_stdout().run();
        } else {
            case.any_stderr().status(128).run();
        }
    }
}

#[test]
fn names_stand_for_recipients_in_rules() {
    for (rule, names) in [
        ("    - age: [ops]\n", &["alice", "bob"][..]),
        ("    - age: 'carol, bob'\n", &["carol", "bob"]),
        (
            "    - bulla: {recipients: [all]}\n",
            &["alice", "bob", "carol"],
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox
            .file(".sops.yaml", with_names(rule))
            .file("f.yaml", "a: 1\n");
        sandbox.bulla(["encrypt", "-i", "f.yaml"]).run();
        opened_by(&sandbox, names);
    }
}

#[test]
fn stock_sops_reads_a_configuration_with_names_beside_plain_fields() {
    let sandbox = Sandbox::new();
    let rule = format!(
        "    - age: {}\n      bulla: {{recipients: [ops]}}\n",
        recipient("alice")
    );
    sandbox
        .file(".sops.yaml", with_names(&rule))
        .file("f.yaml", "a: 1\n");
    sandbox.sops(["encrypt", "-i", "f.yaml"]).run();
    opened_by(&sandbox, &["alice"]);
    sandbox
        .bulla(["updatekeys", "-y", "f.yaml"])
        .expect_stdout_has(&format!(
            "    {} (alice)\n+++ {} (bob)\n",
            recipient("alice"),
            recipient("bob")
        ))
        .any_stderr()
        .run();
    opened_by(&sandbox, &["alice", "bob"]);
}

#[test]
fn expanded_a_configuration_says_the_same_to_both() {
    let sandbox = Sandbox::new();
    let rules = format!(
        "    # one\n    - path_regex: f   # beside\n      age: [ops]\n    - path_regex: g\n      \
         shamir_threshold: 2\n      key_groups:\n          - age: [alice] # her\n          \
         - bulla: {{recipients: [bob]}}\n    - age: {}\n# end\n",
        recipient("carol")
    );
    sandbox
        .file(".sops.yaml", with_names(&rules))
        .file("f.yaml", "a: 1\n")
        .file("g.yaml", "a: 1\n");
    let before = sandbox.read("f.yaml");
    let out = sandbox.bulla(["config", "expand"]).any_stdout().run();
    let (alice, bob, carol) = (recipient("alice"), recipient("bob"), recipient("carol"));
    let expected = format!(
        "# people\ncreation_rules:\n    # one\n    - path_regex: f   # beside\n      age:\n          \
         - {alice} # alice\n          - {bob} # bob\n    - path_regex: g\n      shamir_threshold: 2\n      \
         key_groups:\n          - age: [{alice}] # her\n          - age:\n                - {bob} # bob\n    \
         - age: {carol}\n# end\n"
    );
    assert_eq!(out.text(), expected);
    assert_eq!(sandbox.read("f.yaml"), before);
    sandbox.bulla(["config", "expand", "-i"]).run();
    assert_eq!(sandbox.read_text(".sops.yaml"), expected);
    sandbox
        .bulla(["config", "expand"])
        .expect_stdout(&expected)
        .run();
    for name in ["f.yaml", "g.yaml"] {
        sandbox.sops(["encrypt", "-i", name]).run();
        let found = sandbox.bulla(["explain", name]).any_stdout().run().text();
        assert!(found.contains(&bob) && !found.contains(&carol), "{found}");
    }
    opened_by(&sandbox, &["alice", "bob"]);
}

#[test]
fn names_behind_anchors_are_replaced_where_they_stand() {
    for rules in [
        "    - &one\n      age: [ops]\n    - <<: *one\n      path_regex: x\n",
        "    - age: &them [ops]\n    - age: *them\n",
        "    - <<: &all {age: [ops]}\n    - <<: *all\n",
    ] {
        let sandbox = Sandbox::new();
        sandbox
            .file(".sops.yaml", with_names(rules))
            .file("f.yaml", "a: 1\n");
        sandbox.bulla(["config", "expand", "-i"]).run();
        let text = sandbox.read_text(".sops.yaml");
        assert!(text.contains('&') && text.contains('*'), "{text}");
        sandbox.sops(["encrypt", "-i", "f.yaml"]).run();
        opened_by(&sandbox, &["alice", "bob"]);
    }
}

#[test]
fn names_that_cannot_be_replaced_are_told_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let text = format!(
        "common: &common {{key_groups: [{{age: [ops]}}, {{age: [carol]}}]}}\n{}",
        with_names("    - <<: *common\n")
    );
    sandbox.file(".sops.yaml", &text);
    for args in [&["config", "expand", "-i"][..], &["config", "expand"]] {
        sandbox
            .bulla(args)
            .expect_stderr_has("some names stand where they cannot be replaced")
            .expect_stderr_has("nothing was changed")
            .status(1)
            .run();
    }
    assert_eq!(sandbox.read_text(".sops.yaml"), text);
}

#[test]
fn mistakes_among_names_are_told_with_what_was_meant() {
    for (config, said) in [
        (
            with_names("    - bulla: {recipients: [opps]}\n"),
            "creation_rules[0].bulla.recipients[0]: there is no recipient or group called \"opps\"; did you mean \"ops\"?",
        ),
        (
            with_names("    - age: alcie\n"),
            "hint: did you mean \"alice\"?",
        ),
        (
            "bulla: {groups: {a: [b], b: [a]}}\n".to_owned(),
            "bulla.groups.b[0]: groups go in a circle: a -> b -> a",
        ),
        (
            "bulla: {recipients: {a: AGE-SECRET-KEY-1QQQ}}\n".to_owned(),
            "bulla.recipients.a: what stands there is neither a name nor a recipient",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.file(".sops.yaml", config).file("f.yaml", "a: 1\n");
        sandbox
            .bulla(["encrypt", "-i", "f.yaml"])
            .expect_stderr_has(said)
            .never_says("1QQQ")
            .status(1)
            .run();
        assert_eq!(sandbox.read_text("f.yaml"), "a: 1\n");
    }
}

#[test]
fn there_must_be_a_configuration_to_expand() {
    Case::new()
        .args(["config", "expand"])
        .expect_stderr_has("config file not found")
        .status(1)
        .run();
}
