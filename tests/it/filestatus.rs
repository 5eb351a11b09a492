//! `bulla filestatus`: encrypted or not, without any key.

use crate::support::{Case, Sandbox};

#[test]
fn an_encrypted_file_is_told_from_a_plain_one() {
    let sandbox = Sandbox::new();
    for name in ["f.yaml", "f.json"] {
        sandbox.file(name, "{\"a\": 1}\n");
        sandbox
            .bulla(["filestatus", name])
            .expect_stdout("{\"encrypted\":false}\n")
            .run();
        sandbox.encrypted(name, "{\"a\": 1}\n");
        sandbox
            .bulla(["filestatus", name])
            .no_identity()
            .expect_stdout("{\"encrypted\":true}\n")
            .run();
    }
}

#[test]
fn sops_agrees() {
    let sandbox = Sandbox::new();
    sandbox
        .encrypted("f.yaml", "a: 1\n")
        .file("p.yaml", "a: 1\n");
    for name in ["f.yaml", "p.yaml"] {
        let theirs = sandbox.sops(["filestatus", name]).any_stdout().run();
        sandbox
            .bulla(["filestatus", name])
            .expect_stdout(&theirs.stdout)
            .run();
    }
}

#[test]
fn the_input_type_wins_over_the_name() {
    Case::new()
        .file("f.txt", "a: 1\n")
        .args(["filestatus", "--input-type", "yaml", "f.txt"])
        .expect_stdout("{\"encrypted\":false}\n")
        .run();
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for (name, text) in [("f.yaml", "a: [\n"), ("f.json", "{")] {
        Case::new()
            .file(name, text)
            .args(["filestatus", name])
            .expect_stderr_has(name)
            .status(1)
            .run();
    }
    Case::new()
        .args(["filestatus", "missing.yaml"])
        .expect_stderr_has("missing.yaml")
        .status(1)
        .run();
}

#[test]
fn of_several_files_the_first_counts_and_it_is_said() {
    let sandbox = Sandbox::new();
    sandbox
        .encrypted("f.yaml", "a: 1\n")
        .file("g.yaml", "a: 1\n");
    sandbox
        .bulla(["filestatus", "f.yaml", "g.yaml"])
        .expect_stdout("{\"encrypted\":true}\n")
        .expect_stderr_has("more than one file given, all but the first are ignored")
        .run();
}
