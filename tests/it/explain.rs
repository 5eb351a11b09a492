//! `bulla explain`: which rule, which recipients, which leaves; nothing is touched.

use crate::support::{Sandbox, age_key};

#[test]
fn the_rule_the_recipients_and_the_leaves_are_named() {
    let sandbox = Sandbox::new();
    let alice = age_key("alice").recipient;
    let plain = "user: app\npassword: hunter2\nnested:\n  password: x\n  list: [a]\n";
    sandbox.file("prod/app.yaml", plain).file(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - path_regex: ^dev/\n    age: {alice}\n  - path_regex: ^prod/\n    encrypted_regex: ^password$\n    age: {alice}\n  - age: {alice}\n"
        ),
    );
    let out = sandbox
        .bulla(["explain", "prod/app.yaml"])
        .no_identity()
        .expect_stdout_has(".sops.yaml")
        .expect_stdout_has("^prod/")
        .expect_stdout_has("^dev/")
        .expect_stdout_has(&alice)
        .expect_stdout_has("password")
        .expect_stdout_has("nested")
        .never_says("hunter2")
        .run();
    assert!(out.text().contains("encrypted_regex"));
    assert_eq!(sandbox.read_text("prod/app.yaml"), plain);
    assert_eq!(sandbox.names(), [".sops.yaml", "prod"]);
}

#[test]
fn no_matching_rule_is_explained() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", "a: 1\n").file(
        ".sops.yaml",
        "creation_rules:\n  - path_regex: ^never$\n    age: age1x\n",
    );
    let out = sandbox
        .bulla(["explain", "f.yaml"])
        .expect_stdout_has("^never$")
        .expect_stderr_has("no matching creation rules found")
        .status(1)
        .run();
    assert!(out.text().contains(".sops.yaml"));
}

#[test]
fn an_encrypted_file_is_explained_without_a_key() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: hunter2\n");
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["explain", "f.yaml"])
        .no_identity()
        .expect_stdout_has(&age_key("alice").recipient)
        .any_stderr()
        .never_says("hunter2")
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}
