//! `bulla completion`, and the few words around it: version, help, unknown flags.

use crate::support::{Case, Sandbox, bulla};
use std::process::Command;

const COMMANDS: [&str; 12] = [
    "encrypt",
    "decrypt",
    "edit",
    "set",
    "unset",
    "rotate",
    "updatekeys",
    "filestatus",
    "init",
    "keygen",
    "explain",
    "completion",
];

#[test]
fn every_shell_gets_a_script_with_all_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let out = Case::new().args(["completion", shell]).any_stdout().run();
        for command in COMMANDS {
            assert!(out.text().contains(command), "{shell}: no {command}");
        }
    }
}

#[test]
fn bash_accepts_its_script() {
    let out = Case::new().args(["completion", "bash"]).any_stdout().run();
    out.sandbox.file("completion.bash", &out.stdout);
    let script = out.sandbox.path("completion.bash");
    let checked = Command::new("bash")
        .arg("-n")
        .arg(&script)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn an_unknown_shell_is_refused() {
    Case::new()
        .args(["completion", "tcl"])
        .expect_stderr_has("tcl")
        .status(1)
        .run();
}

#[test]
fn the_version_is_printed() {
    let version = env!("CARGO_PKG_VERSION");
    for flag in ["--version", "-v"] {
        Case::new()
            .args([flag])
            .expect_stdout(format!("bulla {version}\n"))
            .run();
    }
}

#[test]
fn called_as_sops_it_answers_as_sops() {
    let sandbox = Sandbox::new();
    let link = sandbox.root().join("sops");
    std::os::unix::fs::symlink(bulla(), &link).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    Case::within(&sandbox, &link)
        .args(["--version", "--disable-version-check"])
        .expect_stdout(format!("sops 3.13.2 (bulla {version})\n"))
        .run();
}

#[test]
fn help_lists_every_command() {
    let out = Case::new().args(["--help"]).any_stdout().run();
    for command in COMMANDS {
        assert!(out.text().contains(command), "no {command}");
        Case::new()
            .args([command, "--help"])
            .expect_stdout_has("Usage")
            .run();
    }
}

#[test]
fn an_unknown_flag_or_no_argument_is_refused() {
    Case::new()
        .args(["decrypt", "--nonsense", "f.yaml"])
        .any_stdout()
        .expect_stderr_has("--nonsense")
        .status(1)
        .run();
    Case::new().any_stdout().any_stderr().status(100).run();
}
