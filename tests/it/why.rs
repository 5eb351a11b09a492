//! `bulla why`: which keys open a file, which do not, and what to do.

use crate::support::{Sandbox, age_key};

fn key(name: &str) -> String {
    age_key(name).recipient
}

/// A file for alice and bob, under a configuration that names alice.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let both = format!("{},{}", key("alice"), key("bob"));
    sandbox.file("f.yaml", "a: hunter2\n");
    sandbox
        .bulla(["encrypt", "-i", "--age", &both, "f.yaml"])
        .run();
    sandbox.file(
        ".sops.yaml",
        format!("bulla:\n  recipients:\n    alice: {}\n", key("alice")),
    );
    sandbox
}

#[test]
fn every_key_is_told_of_also_where_one_is_enough() {
    let (alice, bob) = (key("alice"), key("bob"));
    sandbox()
        .bulla(["why", "f.yaml"])
        .expect_stdout_has(&format!("Group 0: SUCCESS\n  {alice}: SUCCESS (alice)\n"))
        .expect_stdout_has(&format!("  {bob}: FAILED\n    - | "))
        .expect_stdout_has("the data key can be recovered")
        .never_says("hunter2")
        .run();
}

#[test]
fn where_nothing_opens_the_hints_say_whose_it_is_and_what_was_looked_at() {
    let (alice, bob, mallory) = (key("alice"), key("bob"), key("mallory"));
    let sandbox = sandbox();
    sandbox
        .bulla(["why", "f.yaml"])
        .identity("mallory")
        .expect_stdout_has("Group 0: FAILED")
        .expect_stdout_has("the data key cannot be recovered")
        .expect_stderr_has(&format!("this file is for {alice} (alice), {bob}"))
        .expect_stderr_has(&format!("you have {mallory}; looked in "))
        .expect_stderr_has("SOPS_AGE_KEY_FILE")
        .expect_stderr_has("adds your recipient")
        .status(128)
        .run();
    sandbox
        .bulla(["why", "f.yaml"])
        .no_identity()
        .any_stdout()
        .expect_stderr_has("you have no identity that is open")
        .expect_stderr_has("`bulla keygen`")
        .status(128)
        .run();
}

#[test]
fn a_failed_decryption_has_the_same_hints_and_the_names() {
    let (alice, bob) = (key("alice"), key("bob"));
    sandbox()
        .bulla(["decrypt", "f.yaml"])
        .identity("mallory")
        .expect_stderr_has(&format!("  {alice}: FAILED (alice)\n"))
        .expect_stderr_has(&format!("this file is for {alice} (alice), {bob}"))
        .status(128)
        .run();
}

#[test]
fn a_damaged_entry_is_told_from_a_missing_identity() {
    let sandbox = sandbox();
    let text = sandbox.read_text("f.yaml");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if line.trim_start().starts_with("-> X25519") {
            break;
        }
        if line.trim() == "-----BEGIN AGE ENCRYPTED FILE-----" {
            *line = line.replace("BEGIN", "BEGUN");
        }
    }
    sandbox.file("f.yaml", lines.join("\n") + "\n");
    sandbox
        .bulla(["why", "f.yaml"])
        .expect_stdout_has("FAILED (alice)")
        .expect_stderr_has("you have the identity of")
        .expect_stderr_has("(alice)")
        .status(128)
        .run();
}

#[test]
fn a_key_whose_service_is_not_asked_is_told_and_the_others_count() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    let kms = "sops:\n    kms:\n        - arn: arn:k\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: x\n";
    let text = sandbox.read_text("f.yaml").replace("sops:\n", kms);
    sandbox.file("f.yaml", &text);
    sandbox
        .bulla(["why", "--offline", "f.yaml"])
        .expect_stdout_has("arn:k: FAILED")
        .expect_stdout_has("not asked (--offline)")
        .expect_stdout_has("SUCCESS")
        .run();
    sandbox
        .bulla(["why", "--offline", "f.yaml"])
        .no_identity()
        .any_stdout()
        .expect_stderr_has("this file is for")
        .status(128)
        .run();
}

#[test]
fn the_groups_of_a_shared_key_are_told_one_by_one() {
    let sandbox = Sandbox::new();
    sandbox.copy("sops-3.11/threshold-yaml.enc.yaml", "f.yaml");
    let out = sandbox
        .bulla(["why", "f.yaml"])
        .identities(&["alice", "carol"])
        .expect_stdout_has("Group 0: SUCCESS")
        .expect_stdout_has("Group 1: FAILED")
        .expect_stdout_has("Group 2: SUCCESS")
        .run();
    assert!(!out.text().contains("cannot"));
    sandbox
        .bulla(["why", "f.yaml"])
        .expect_stdout_has("Group 2: FAILED")
        .any_stderr()
        .status(128)
        .run();
}

#[test]
fn what_is_not_encrypted_has_no_keys() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", "a: 1\n");
    sandbox
        .bulla(["why", "f.yaml"])
        .expect_stderr_has("sops metadata not found")
        .status(1)
        .run();
}
