//! No secret in any message: every way to fail, with a marked secret in file, value and key.

use crate::support::{Sandbox, age_key, line_of, tokens};

const SECRET: &str = "hunter2-TOPSECRET";

/// Files that fail in different ways, all holding the secret.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let plain = format!(
        "user: root\npassword: {SECRET}\nclear_unencrypted: {SECRET}\nlist: [{SECRET}, b]\n"
    );
    sandbox.encrypted("f.yaml", &plain);
    let text = sandbox.read_text("f.yaml");
    let all = tokens(&text);
    let broken = [
        ("type.yaml", text.replace("type:str]", "type:int]")),
        ("bool.yaml", text.replace("type:str]", "type:bool]")),
        ("swap.yaml", text.replace(all[0], all[1])),
        (
            "mac.yaml",
            text.replace(
                &format!("clear_unencrypted: {SECRET}"),
                &format!("clear_unencrypted: {SECRET}2"),
            ),
        ),
        (
            "nomac.yaml",
            text.replace(line_of(&text, "mac:"), "    x: 1"),
        ),
        (
            "cut.yaml",
            text.replace(all[1], &all[1][..all[1].len() - 12]),
        ),
        ("clear.yaml", format!("added: {SECRET}\n{text}")),
        (
            "syntax.yaml",
            format!("clear_unencrypted: \"{SECRET}\n{text}"),
        ),
        ("twice.yaml", format!("clear_unencrypted: {SECRET}\n{text}")),
        ("version.yaml", text.replace("version: 3", "version: x")),
    ];
    for (name, text) in broken {
        sandbox.file(name, text);
    }
    sandbox
}

#[test]
fn failing_decrypts_give_nothing_away() {
    let sandbox = sandbox();
    let names: Vec<String> = sandbox.names();
    for name in names.iter().filter(|name| *name != "f.yaml") {
        for command in [
            &["decrypt", name][..],
            &["rotate", name],
            &["set", name, "[\"x\"]", "1"],
            &["unset", name, "[\"user\"]"],
            &["decrypt", "--extract", "[\"user\"]", name],
            &["edit", name],
        ] {
            let outcome = std::process::Command::new(crate::support::bulla())
                .args(command)
                .current_dir(sandbox.work())
                .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
                .env("EDITOR", "false")
                .env("RUST_BACKTRACE", "1")
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&outcome.stderr);
            // The one thing shown of a file is the source line of a syntax error in it,
            // which of an encrypted file is what everyone can read anyway.
            let shown = ["syntax.yaml", "twice.yaml"].contains(&name.as_str());
            assert!(
                shown || !stderr.contains("TOPSECRET"),
                "{command:?}: {stderr}"
            );
            assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
            assert!(!outcome.status.success(), "{command:?}");
            assert!(outcome.stdout.is_empty(), "{command:?}");
        }
    }
}

#[test]
fn identities_are_never_shown() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    let mallory = age_key("mallory").identity;
    let torn = &mallory[..mallory.len() - 3];
    for key in [
        mallory.as_str(),
        torn,
        "AGE-SECRET-KEY-1QQQQSECRETSECRET",
        " x",
    ] {
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .no_identity()
            .env("SOPS_AGE_KEY", key)
            .expect_stderr_has("FAILED")
            .never_says(&key[..key.len().min(30)])
            .status(128)
            .run();
        sandbox.file("keys.txt", format!("# mine\n{key}\n"));
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .no_identity()
            .env("SOPS_AGE_KEY_FILE", sandbox.path("keys.txt"))
            .expect_stderr_has("FAILED")
            .never_says(&key[..key.len().min(30)])
            .status(128)
            .run();
    }
    let shown = sandbox.edit_script(&format!("echo {torn}; echo {torn} >&2; exit 1"));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .no_identity()
        .env("SOPS_AGE_KEY_CMD", shown)
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
}

#[test]
fn an_identity_given_for_a_recipient_is_not_repeated() {
    let alice = age_key("alice").identity;
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", "a: 1\n");
    sandbox
        .bulla(["encrypt", "--age", &alice, "f.yaml"])
        .expect_stderr_has("bulla: ")
        .never_says(&alice[..30])
        .status(1)
        .run();
    sandbox
        .file(".sops.yaml", format!("creation_rules:\n  - age: {alice}\n"))
        .bulla(["encrypt", "f.yaml"])
        .expect_stderr_has("bulla: ")
        .never_says(&alice[..30])
        .status(1)
        .run();
}

#[test]
fn help_shows_no_values_of_the_environment() {
    Sandbox::new()
        .bulla(["decrypt", "--help"])
        .env("SOPS_AGE_KEY", SECRET)
        .env("SOPS_AGE_RECIPIENTS", SECRET)
        .expect_stdout_has("Usage")
        .never_says(SECRET)
        .run();
}

#[test]
fn errors_of_the_command_line_do_not_repeat_a_value() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    for args in [
        &[
            "set",
            "f.yaml",
            "[\"a\"]",
            "\"hunter2-TOPSECRET\"",
            "surplus-TOPSECRET",
        ][..],
        &[
            "set",
            "--nonsense",
            "f.yaml",
            "[\"a\"]",
            "\"hunter2-TOPSECRET\"",
        ],
        &["--set", "[\"a\"] hunter2-TOPSECRET", "f.yaml"],
    ] {
        let outcome = std::process::Command::new(crate::support::bulla())
            .args(args)
            .current_dir(sandbox.work())
            .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert!(!outcome.status.success());
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert!(!said.contains("TOPSECRET"), "{said}");
    }
}

#[test]
fn key_files_that_others_can_read_are_warned_about() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    let keys = sandbox.key_file("alice");
    for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        let case = sandbox.bulla(["decrypt", "f.yaml"]).expect_stdout("a: 1\n");
        sandbox.mode_of(&keys, mode);
        if warned {
            case.expect_stderr_has("alice.txt").run();
        } else {
            case.run();
        }
    }
}
