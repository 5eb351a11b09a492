//! The old form of the command line, without sub-commands.

use crate::support::{Case, Sandbox, age_key};

const PLAIN: &str = "a: 1\nb: two\nlist: [x, y]\n";

fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
}

#[test]
fn encrypt_and_decrypt() {
    let alice = age_key("alice").recipient;
    for (encrypt, decrypt) in [
        ("-e", "-d"),
        ("--encrypt", "--decrypt"),
        ("-encrypt", "-decrypt"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.file("f.yaml", PLAIN);
        sandbox.bulla([encrypt, "-i", "-a", &alice, "f.yaml"]).run();
        sandbox
            .bulla([decrypt, "f.yaml"])
            .expect_stdout(PLAIN)
            .run();
        sandbox
            .bulla([decrypt, "--in-place", "f.yaml"])
            .any_stderr()
            .run();
        assert_eq!(sandbox.read_text("f.yaml"), PLAIN);
    }
}

#[test]
fn flags_in_every_spelling() {
    let sandbox = encrypted();
    for args in [
        &["-d", "--extract", "[\"b\"]", "f.yaml"][..],
        &["-d", "--extract=[\"b\"]", "f.yaml"],
        &["-d", "-extract", "[\"b\"]", "f.yaml"],
        &["--extract", "[\"b\"]", "-d", "f.yaml"],
        &[
            "-d=true",
            "--extract",
            "[\"b\"]",
            "--ignore-mac=false",
            "f.yaml",
        ],
        &["-d", "--extract", "[\"b\"]", "--", "f.yaml"],
    ] {
        sandbox.bulla(args).expect_stdout("two").run();
    }
    sandbox
        .bulla(["--verbose", "-d", "--extract", "[\"b\"]", "f.yaml"])
        .expect_stdout("two")
        .expect_stderr_has("f.yaml: opened by")
        .run();
}

#[test]
fn output_and_types() {
    let sandbox = encrypted();
    sandbox.bulla(["-d", "--output", "p.yaml", "f.yaml"]).run();
    assert_eq!(sandbox.read_text("p.yaml"), PLAIN);
    sandbox
        .bulla(["-d", "--output-type", "json", "--indent", "2", "f.yaml"])
        .expect_stdout(
            "{\n  \"a\": 1,\n  \"b\": \"two\",\n  \"list\": [\n    \"x\",\n    \"y\"\n  ]\n}\n",
        )
        .run();
    sandbox.file("noext", sandbox.read("f.yaml"));
    sandbox
        .bulla([
            "--input-type",
            "yaml",
            "--output-type",
            "yaml",
            "-d",
            "noext",
        ])
        .expect_stdout(PLAIN)
        .run();
    sandbox
        .bulla(["-d", "-i", "--output", "x", "f.yaml"])
        .expect_stderr_has("--output")
        .status(8)
        .run();
}

#[test]
fn set_splits_behind_the_first_bracket_and_blank() {
    let sandbox = encrypted();
    sandbox
        .bulla(["--set", "[\"list\"][0] \"a ] b\"", "f.yaml"])
        .run();
    sandbox
        .bulla(["-d", "--extract", "[\"list\"][0]", "f.yaml"])
        .expect_stdout("a ] b")
        .run();
    sandbox
        .bulla(["--set", "[\"n\"][\"m\"] {\"k\": [1]}", "f.yaml"])
        .run();
    sandbox
        .bulla(["-d", "--extract", "[\"n\"][\"m\"][\"k\"][0]", "f.yaml"])
        .expect_stdout("1\n")
        .run();
    for bad in [
        "[\"a\"]",
        "nonsense",
        "[\"a\"] hunter2",
        "[\"a\"]\"hunter2\"",
    ] {
        sandbox
            .bulla(["--set", bad, "f.yaml"])
            .expect_stderr_has("bulla: ")
            .never_says("hunter2")
            .status(7)
            .run();
    }
}

#[test]
fn rotate_in_the_old_form() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    let bob = age_key("bob").recipient;
    sandbox
        .bulla(["-r", "-i", "--add-age", &bob, "f.yaml"])
        .any_stderr()
        .run();
    assert_ne!(sandbox.read("f.yaml"), before);
    sandbox
        .bulla(["-d", "f.yaml"])
        .identity("bob")
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn edit_is_what_happens_without_a_mode() {
    let sandbox = encrypted();
    let editor = sandbox.edit_script("grep -q '^sops:' \"$1\"; sed -i s/two/three/ \"$1\"");
    sandbox
        .bulla(["-s", "f.yaml"])
        .editor(&editor)
        .any_stderr()
        .run();
    sandbox
        .bulla(["-d", "--extract", "b", "f.yaml"])
        .expect_stdout("three")
        .run();
}

#[test]
fn selectors_in_the_old_form() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let alice = age_key("alice").recipient;
    sandbox
        .bulla([
            "-e",
            "-i",
            "--age",
            &alice,
            "--encrypted-regex",
            "^b$",
            "f.yaml",
        ])
        .any_stderr()
        .run();
    let text = sandbox.read_text("f.yaml");
    assert!(text.starts_with("a: 1\nb: ENC["), "{text}");
    assert!(text.contains("encrypted_regex: ^b$"));
}

#[test]
fn flags_of_other_modes_are_taken_and_ignored() {
    let sandbox = encrypted();
    let bob = age_key("bob").recipient;
    for idle in [
        &["--age", &bob][..],
        &["--kms", "arn:aws:kms:us-east-1:1:key/x"],
        &["--aws-profile", "work"],
        &["--encrypted-regex", "^b$"],
        &["-s"],
        &["--rm-age", &bob],
    ] {
        let arguments = [idle, &["-d", "f.yaml"]].concat();
        sandbox.bulla(arguments).expect_stdout(PLAIN).run();
    }
    let set = ["--set", "[\"b\"] \"three\"", "--output", "x", "f.yaml"];
    sandbox.bulla(set).run();
    assert_eq!(sandbox.names(), ["f.yaml"]);
    sandbox.bulla(["-r", "-i", "--age", &bob, "f.yaml"]).run();
    sandbox
        .bulla(["-d", "--keyservice", "tcp://127.0.0.1:1", "f.yaml"])
        .expect_stdout(PLAIN.replace("two", "three"))
        .run();
    sandbox
        .bulla(["-d", "--resume", "f.yaml"])
        .expect_stderr_has("--resume")
        .status(1)
        .run();
}

#[test]
fn two_modes_are_warned_about_and_the_last_counts() {
    let sandbox = encrypted();
    sandbox
        .bulla(["-e", "-d", "f.yaml"])
        .expect_stdout(PLAIN)
        .expect_stderr_has("warning")
        .run();
}

#[test]
fn a_missing_file_has_the_status_of_sops() {
    for mode in ["-d", "-e", "-r"] {
        Case::new()
            .args([mode, "missing.yaml"])
            .expect_stderr_has("missing.yaml")
            .status(100)
            .run();
        Case::new()
            .args([mode])
            .expect_stderr_has("bulla: ")
            .status(100)
            .run();
    }
}

#[test]
fn a_file_called_like_a_command_needs_its_folder() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("x.yaml", PLAIN);
    sandbox.file("decrypt", sandbox.read("x.yaml"));
    sandbox
        .bulla([
            "-d",
            "--input-type",
            "yaml",
            "--output-type",
            "yaml",
            "./decrypt",
        ])
        .expect_stdout(PLAIN)
        .run();
}
