//! `bulla init` and `bulla keygen`: from nothing to a key and a configuration.

use crate::support::{Case, Sandbox};

const KEYS: &str = ".config/sops/age/keys.txt";

/// The recipient in what a command printed.
#[track_caller]
fn recipient(text: &str) -> String {
    let at = text
        .find("age1")
        .unwrap_or_else(|| panic!("no recipient in {text}"));
    let end = text[at..]
        .find(|c: char| !c.is_ascii_alphanumeric())
        .map_or(text.len(), |len| at + len);
    text[at..end].to_owned()
}

#[test]
fn a_key_and_a_configuration_are_made() {
    let sandbox = Sandbox::new();
    let out = sandbox
        .bulla(["init"])
        .no_identity()
        .any_stdout()
        .any_stderr()
        .run();
    let keys = sandbox.home().join(KEYS);
    assert_eq!(sandbox.mode(&keys), 0o600);
    let recipient = recipient(&out.text());
    let text = std::fs::read_to_string(&keys).unwrap();
    assert!(text.contains(&recipient) && text.contains("AGE-SECRET-KEY-1"));
    assert!(!out.text().contains("AGE-SECRET-KEY-1"));
    assert!(!out.stderr.contains("AGE-SECRET-KEY-1"));
    let config = sandbox.read_text(".sops.yaml");
    assert!(config.contains(&recipient) && config.contains("creation_rules:"));
    assert!(
        config
            .lines()
            .any(|line| line.trim_start().starts_with('#'))
    );

    sandbox.file("secrets.yaml", "password: hunter2\n");
    sandbox
        .bulla(["encrypt", "-i", "secrets.yaml"])
        .no_identity()
        .any_stderr()
        .run();
    for program in [
        sandbox.bulla(["decrypt", "secrets.yaml"]),
        sandbox.sops(["decrypt", "secrets.yaml"]),
    ] {
        program
            .no_identity()
            .expect_stdout("password: hunter2\n")
            .run();
    }
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let sandbox = Sandbox::new();
    let first = sandbox
        .bulla(["init"])
        .no_identity()
        .any_stdout()
        .any_stderr()
        .run();
    let keys = std::fs::read(sandbox.home().join(KEYS)).unwrap();
    sandbox.file(".sops.yaml", "creation_rules: [] # mine\n");
    let second = sandbox
        .bulla(["init"])
        .no_identity()
        .any_stdout()
        .any_stderr()
        .run();
    assert_eq!(std::fs::read(sandbox.home().join(KEYS)).unwrap(), keys);
    assert_eq!(
        sandbox.read_text(".sops.yaml"),
        "creation_rules: [] # mine\n"
    );
    assert_eq!(recipient(&first.text()), recipient(&second.text()));
}

#[test]
fn a_key_alone_is_made_by_keygen() {
    let sandbox = Sandbox::new();
    let out = sandbox
        .bulla(["keygen"])
        .no_identity()
        .any_stdout()
        .any_stderr()
        .run();
    let keys = sandbox.home().join(KEYS);
    assert!(recipient(&out.text()).len() > 50);
    assert_eq!(sandbox.mode(&keys), 0o600);
    assert!(!sandbox.exists(".sops.yaml"));
}

#[test]
fn the_key_goes_where_the_variables_say() {
    let sandbox = Sandbox::new();
    let other = sandbox.home().join("other");
    sandbox
        .bulla(["keygen"])
        .no_identity()
        .env("XDG_CONFIG_HOME", &other)
        .any_stdout()
        .any_stderr()
        .run();
    assert!(other.join("sops/age/keys.txt").exists());
    let sandbox = Sandbox::new();
    sandbox
        .bulla(["keygen"])
        .no_identity()
        .without("XDG_CONFIG_HOME")
        .any_stdout()
        .any_stderr()
        .run();
    assert!(sandbox.home().join(KEYS).exists());
}

#[test]
fn a_home_that_cannot_be_found_is_said() {
    Case::new()
        .args(["keygen"])
        .no_identity()
        .without("XDG_CONFIG_HOME")
        .without("HOME")
        .any_stdout()
        .expect_stderr_has("home")
        .status(1)
        .run();
}
