//! Which format a file has: by its name as for sops, where that tells more by the name in any case,
//! and where it does not by what is in it.

use crate::support::{Case, Sandbox, age_key};

fn alice() -> String {
    age_key("alice").recipient
}

/// Names that mean a text format to bulla and a binary file to stock sops.
const BEYOND_SOPS: [&str; 3] = ["secrets.YAML", "SECRETS.Yml", "f.Json"];

#[test]
fn what_sops_encrypted_as_binary_stays_binary_whatever_its_name_means_to_bulla() {
    let plain = "{\"a\": 1}\n";
    for name in BEYOND_SOPS {
        let sandbox = Sandbox::new();
        sandbox.encrypted_by_sops(name, plain);
        let same = |expected: &str| {
            sandbox
                .bulla(["decrypt", name])
                .expect_stdout(expected)
                .run();
            sandbox
                .sops(["decrypt", name])
                .expect_stdout(expected)
                .run();
        };
        same(plain);
        sandbox.bulla(["rotate", "-i", name]).run();
        same(plain);
        let editor = sandbox.edit_script("sed -i 's/1/2/' \"$1\"");
        sandbox
            .bulla(["edit", name])
            .editor(&editor)
            .any_stderr()
            .run();
        same("{\"a\": 2}\n");
        sandbox
            .bulla(["set", name, "[\"data\"]", "\"b: 3\\n\""])
            .run();
        same("b: 3\n");
        sandbox.config("").file("more", "");
        sandbox.bulla(["updatekeys", "-y", name]).any_stderr().run();
        sandbox
            .bulla(["filestatus", name])
            .expect_stdout("{\"encrypted\":true}\n")
            .run();
        // sops adds a selector, which changes nothing.
        sandbox.sops(["rotate", "-i", name]).run();
        same("b: 3\n");
    }
}

#[test]
fn such_names_are_encrypted_as_their_format_unless_binary_is_asked_for() {
    for name in BEYOND_SOPS {
        let sandbox = Sandbox::new();
        let plain = "{\"a\": \"x\"}\n";
        sandbox
            .file(name, plain)
            .bulla(["encrypt", "-i", "--age", &alice(), name])
            .any_stderr()
            .run();
        assert!(
            sandbox.read_text(name).starts_with("{\"a\": \"ENC["),
            "{name}"
        );
        sandbox.bulla(["decrypt", name]).expect_stdout(plain).run();
        sandbox.file(name, plain);
        sandbox
            .bulla([
                "encrypt",
                "-i",
                "--input-type",
                "binary",
                "--age",
                &alice(),
                name,
            ])
            .run();
        sandbox.sops(["decrypt", name]).expect_stdout(plain).run();
        sandbox.bulla(["decrypt", name]).expect_stdout(plain).run();
    }
}

#[test]
fn the_names_of_sops_mean_what_they_mean_to_sops() {
    // JSON whose data looks like a binary file is JSON under the name of one.
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("f.json", "{\"data\": \"x\"}\n");
    sandbox
        .bulla(["decrypt", "f.json"])
        .expect_stdout("{\n\t\"data\": \"x\"\n}\n")
        .run();
    // With a type given, sops takes the output's from the name.
    sandbox.file("f.yaml", "text");
    let args = [
        "encrypt",
        "--age",
        &alice(),
        "--input-type",
        "binary",
        "f.yaml",
    ];
    let ours = sandbox.bulla(args).expect_stdout_has("data: ENC[").run();
    let theirs = sandbox.sops(args).expect_stdout_has("data: ENC[").run();
    assert!(ours.text().contains("\nsops:\n") && theirs.text().contains("\nsops:\n"));
}

#[test]
fn encrypted_yaml_and_json_open_under_any_name() {
    let sandbox = Sandbox::new();
    for (from, plain) in [("f.yaml", "a: 1\n"), ("f.json", "{\n\t\"a\": 1\n}\n")] {
        sandbox.encrypted_by_sops(from, plain);
        sandbox.file("secrets.enc", sandbox.read(from));
        sandbox
            .bulla(["decrypt", "secrets.enc"])
            .expect_stdout(plain)
            .run();
        Case::new()
            .args(["decrypt"])
            .stdin(sandbox.read(from))
            .expect_stdout(plain)
            .run();
        sandbox
            .bulla(["filestatus", "secrets.enc"])
            .expect_stdout("{\"encrypted\":true}\n")
            .run();
        sandbox.bulla(["set", "secrets.enc", "[\"a\"]", "2"]).run();
        let changed = plain.replace('1', "2");
        sandbox
            .bulla(["decrypt", "-i", "secrets.enc"])
            .any_stderr()
            .run();
        assert_eq!(sandbox.read_text("secrets.enc"), changed);
    }
    sandbox.encrypted_by_sops("f.bin", "x");
    Case::new()
        .args(["decrypt"])
        .stdin(sandbox.read("f.bin"))
        .expect_stdout("x")
        .run();
}

#[test]
fn a_plain_file_of_no_format_is_binary_and_not_encrypted() {
    for plain in ["", "plain\n", "{\"sops\": {}}", "sops: [\n", "\u{0}"] {
        let case = |command: &str| Case::new().file("f.txt", plain).args([command, "f.txt"]);
        case("decrypt").any_stderr().status(1).run();
        if plain != "{\"sops\": {}}" {
            case("filestatus")
                .expect_stdout("{\"encrypted\":false}\n")
                .run();
            case("decrypt")
                .expect_stderr_has("sops metadata not found")
                .status(1)
                .run();
        }
    }
}

#[test]
fn a_type_that_does_not_exist_is_an_error_that_lists_those_that_do() {
    for flag in ["--input-type", "--output-type"] {
        Case::new()
            .file("f.yaml", "a: 1\n")
            .args(["encrypt", "--age", &alice(), flag, "foo", "f.yaml"])
            .expect_stderr_has("'foo'")
            .expect_stderr_has("there are: ")
            .expect_stderr_has("yaml")
            .expect_stderr_has("binary")
            .status(1)
            .run();
    }
}

#[test]
fn metadata_of_a_later_document_that_differs_is_said_to_be_ignored() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n---\nb: 2\n");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: 1\n---\nb: 2\n")
        .run();
    let text = sandbox.read_text("f.yaml");
    let at = text.rfind("version: ").unwrap();
    sandbox.file("f.yaml", format!("{}version: 3.9.9\n", &text[..at]));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: 1\n---\nb: 2\n")
        .expect_stderr_has(
            "f.yaml: the metadata of document 2 is not that of the first, and is ignored",
        )
        .run();
}

#[test]
fn comments_above_an_empty_mapping_come_back_with_it() {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("f.yaml", "# c\n{}\n");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("# c\n{}\n")
        .run();
    for plain in [
        "# c\n",
        "# c",
        "# c\n{}\n",
        "# c\n---\n{}\n",
        "# c\n# d\n\n",
    ] {
        sandbox.encrypted("f.yaml", plain);
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stdout(plain)
            .run();
        sandbox
            .sops(["decrypt", "f.yaml"])
            .expect_stdout_has("# c\n")
            .run();
        sandbox.bulla(["rotate", "-i", "f.yaml"]).run();
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stdout(plain)
            .run();
    }
}

#[test]
fn the_name_of_the_metadata_is_said_to_be_reserved() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    sandbox
        .bulla(["set", "f.yaml", "[\"sops\"]", "\"x\""])
        .expect_stderr_has("f.yaml: `sops` at the root is reserved")
        .status(203)
        .run();
}

#[test]
fn what_would_be_taken_for_a_binary_file_is_not_written_under_such_a_name() {
    let sandbox = Sandbox::new();
    sandbox.file("f.JSON", "{\"data\": \"x\"}\n");
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice(), "f.JSON"])
        .expect_stderr_has(
            "f.JSON: under this name a file of the one entry `data` is a binary file",
        )
        .status(4)
        .run();
    assert_eq!(sandbox.read_text("f.JSON"), "{\"data\": \"x\"}\n");
}

#[test]
fn the_help_names_every_format_that_there_is() {
    let help = Case::new().args(["encrypt", "--help"]).any_stdout().run();
    let help = help.text();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let names: Vec<&str> = bulla::store::STORES.iter().map(|s| s.name()).collect();
    let listed = format!("The format of the input ({})", names.join(", "));
    assert!(help.contains(&listed), "{help}");
}
