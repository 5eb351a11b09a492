//! `bulla updatekeys`: the keys of a file made those of its rule, after a look and a question.

use crate::support::{Case, Sandbox, age_key, strip_metadata};

const PLAIN: &str = "# head\na:   1\nb: 'two' # beside\n";

/// A file for alice, under a configuration with these recipients.
fn under(recipients: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let list: Vec<String> = recipients
        .iter()
        .map(|name| age_key(name).recipient)
        .collect();
    sandbox.file(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", list.join(",")),
    );
    sandbox
}

#[test]
fn the_difference_is_shown_and_a_question_asked() {
    let (alice, bob) = (age_key("alice").recipient, age_key("bob").recipient);
    let sandbox = under(&["alice", "bob"]);
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["updatekeys", "f.yaml"])
        .stdin("n\n")
        .expect_stdout_has(&format!("Group 1\n    {alice}\n+++ {bob}\n"))
        .expect_stdout_has("Is this okay? (y/n):")
        .any_stderr()
        .run();
    assert_eq!(sandbox.read("f.yaml"), before, "declined");
    sandbox
        .bulla(["updatekeys", "f.yaml"])
        .stdin("y\n")
        .expect_stdout_has(&format!("+++ {bob}"))
        .any_stderr()
        .run();
    for name in ["alice", "bob"] {
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .identity(name)
            .expect_stdout(PLAIN)
            .run();
    }
}

#[test]
fn the_question_is_asked_until_it_is_answered() {
    let sandbox = under(&["alice", "bob"]);
    let before = sandbox.read("f.yaml");
    let out = sandbox
        .bulla(["updatekeys", "f.yaml"])
        .stdin("what\nperhaps\nn\n")
        .any_stdout()
        .any_stderr()
        .run();
    assert_eq!(out.text().matches("Is this okay? (y/n):").count(), 3);
    sandbox
        .bulla(["updatekeys", "f.yaml"])
        .any_stdout()
        .any_stderr()
        .status(1)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn values_keep_their_tokens_when_a_key_is_added() {
    let sandbox = under(&["alice", "bob"]);
    let before = sandbox.read_text("f.yaml");
    sandbox
        .bulla(["updatekeys", "--yes", "f.yaml"])
        .any_stdout()
        .any_stderr()
        .run();
    assert_eq!(
        strip_metadata(&before),
        strip_metadata(&sandbox.read_text("f.yaml"))
    );
    sandbox
        .sops(["decrypt", "f.yaml"])
        .identity("bob")
        .any_stdout()
        .run();
}

#[test]
fn a_key_that_is_gone_from_the_rule_cannot_read_any_more() {
    let alice = age_key("alice").recipient;
    let sandbox = under(&["bob"]);
    sandbox
        .bulla(["updatekeys", "-y", "f.yaml"])
        .expect_stdout_has(&format!("--- {alice}"))
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identity("bob")
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn a_file_that_is_up_to_date_is_not_written() {
    let sandbox = under(&["alice"]);
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["updatekeys", "f.yaml"])
        .any_stdout()
        .any_stderr()
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn groups_and_threshold_follow_the_rule() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("threshold.yaml", PLAIN);
    sandbox.copy("groups.sops.yaml", ".sops.yaml");
    sandbox
        .bulla(["updatekeys", "-y", "threshold.yaml"])
        .expect_stdout_has("+++ shamir_threshold: 2")
        .expect_stdout_has("Group 3")
        .any_stderr()
        .run();
    for program in [
        sandbox.bulla(["decrypt", "threshold.yaml"]),
        sandbox.sops(["decrypt", "threshold.yaml"]),
    ] {
        program.identities(&["bob", "carol"]).any_stdout().run();
    }
    sandbox
        .bulla(["decrypt", "threshold.yaml"])
        .expect_stderr_has("Group 0: SUCCESS")
        .status(128)
        .run();
}

#[test]
fn what_is_missing_is_named() {
    Case::new()
        .args(["updatekeys"])
        .expect_stderr_has("bulla: ")
        .status(100)
        .run();
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
        .bulla(["updatekeys", "-y", "f.yaml"])
        .expect_stderr_has("config file not found")
        .status(1)
        .run();
    sandbox.file(
        ".sops.yaml",
        "creation_rules:\n  - path_regex: other\n    age: x\n",
    );
    sandbox
        .bulla(["updatekeys", "-y", "f.yaml"])
        .expect_stderr_has("no matching creation rules found")
        .status(1)
        .run();
    sandbox.config("");
    sandbox
        .bulla(["updatekeys", "-y", "missing.yaml"])
        .expect_stderr_has("missing.yaml")
        .status(1)
        .run();
    let sandbox = under(&["bob"]);
    sandbox
        .bulla(["updatekeys", "-y", "f.yaml"])
        .no_identity()
        .any_stdout()
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
}

#[test]
fn several_files_are_asked_about_one_by_one_and_failures_are_counted() {
    let sandbox = under(&["alice", "bob"]);
    sandbox.encrypted("g.yaml", PLAIN).file("plain.yaml", PLAIN);
    let before = sandbox.read("f.yaml");
    let args = [
        "updatekeys",
        "f.yaml",
        "plain.yaml",
        "missing.yaml",
        "g.yaml",
    ];
    let out = sandbox
        .bulla(args)
        .stdin("n\ny\n")
        .any_stdout()
        .expect_stderr_has("plain.yaml: sops metadata not found")
        .expect_stderr_has("missing.yaml: no such file")
        .expect_stderr_has("2 of 4 files failed")
        .status(1)
        .run();
    assert_eq!(out.text().matches("Is this okay? (y/n):").count(), 2);
    assert_eq!(sandbox.read("f.yaml"), before, "declined");
    let decrypt = ["decrypt", "g.yaml"];
    sandbox.sops(decrypt).identity("bob").any_stdout().run();
}

#[test]
fn identities_are_gathered_once_for_all_files() {
    let sandbox = under(&["alice", "bob"]);
    sandbox
        .encrypted("g.yaml", PLAIN)
        .encrypted("h.yaml", PLAIN);
    let key = sandbox.key_file("alice");
    let log = sandbox.root().join("log");
    let command = format!(
        "sh -c 'echo ran >> {}; cat {}'",
        log.display(),
        key.display()
    );
    sandbox
        .bulla(["updatekeys", "--yes", "f.yaml", "g.yaml", "h.yaml"])
        .no_identity()
        .env("SOPS_AGE_KEY_CMD", command)
        .any_stdout()
        .any_stderr()
        .run();
    let ran = std::fs::read_to_string(log).unwrap();
    assert_eq!(ran, "ran\n", "once for alice, who is in every file");
    sandbox
        .bulla(["decrypt", "h.yaml"])
        .identity("bob")
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn the_names_of_the_configuration_stand_behind_the_keys() {
    let (alice, bob) = (age_key("alice").recipient, age_key("bob").recipient);
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN).file(
        ".sops.yaml",
        format!("bulla:\n  recipients: {{bob: {bob}}}\n  groups: {{ops: [bob]}}\ncreation_rules:\n  - age: [ops]\n"),
    );
    sandbox
        .bulla(["updatekeys", "--yes", "f.yaml"])
        .expect_stdout_has(&format!("Group 1\n+++ {bob} (bob)\n--- {alice}\n"))
        .any_stderr()
        .run();
    sandbox
        .bulla(["explain", "f.yaml"])
        .expect_stdout_has(&format!("recipients:    {bob} (bob)\n"))
        .run();
}

#[test]
fn the_format_can_be_said() {
    let sandbox = under(&["alice", "bob"]);
    let text = sandbox.read("f.yaml");
    sandbox.file("secrets", &text);
    sandbox
        .bulla(["updatekeys", "--yes", "--input-type", "yaml", "secrets"])
        .any_stdout()
        .any_stderr()
        .run();
    assert!(
        sandbox
            .read_text("secrets")
            .contains(&age_key("bob").recipient)
    );
}
