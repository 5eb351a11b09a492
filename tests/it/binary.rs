//! Binary files: any bytes, encrypted whole, in the JSON of sops and back, in every command.

use crate::support::{Case, Sandbox, age_key, testdata};

fn alice() -> String {
    age_key("alice").recipient
}

/// Plaintexts of every odd kind.
fn plaintexts() -> Vec<Vec<u8>> {
    let all_bytes: Vec<u8> = (0..=255).collect();
    vec![
        b"".to_vec(),
        b"\n".to_vec(),
        b"\xff\xfe\0\r\n".to_vec(),
        all_bytes.repeat(3_000),
        b"ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]".to_vec(),
        b"{\"data\": \"x\", \"sops\": 1}".to_vec(),
        "sops:\n    mac: x\n".into(),
    ]
}

#[test]
fn every_byte_comes_back_through_both_programs() {
    for plain in plaintexts() {
        let sandbox = Sandbox::new();
        sandbox.encrypted("ours.bin", &plain);
        sandbox.encrypted_by_sops("theirs.bin", &plain);
        for file in ["ours.bin", "theirs.bin"] {
            sandbox.bulla(["decrypt", file]).expect_stdout(&plain).run();
            sandbox.sops(["decrypt", file]).expect_stdout(&plain).run();
        }
        // Apart from tokens and the order of fields they are one file.
        let shape = |name: &str| -> Vec<String> {
            let text = sandbox.read_text(name);
            let mut lines: Vec<_> = text
                .lines()
                .map(|line| {
                    line.split_once(": ")
                        .map_or(line, |(key, _)| key)
                        .replace(',', "")
                })
                .collect();
            lines.sort();
            lines
        };
        assert_eq!(shape("ours.bin"), shape("theirs.bin"));
        assert!(
            sandbox
                .read_text("ours.bin")
                .starts_with("{\n\t\"data\": \"")
        );
    }
}

#[test]
fn files_of_sops_open() {
    let key =
        |name: &str| String::from_utf8(testdata(&format!("sops-3.13.2/key-{name}.txt"))).unwrap();
    for (file, keys, plain) in [
        ("blob.enc.bin", key("a"), "blob.bin"),
        ("empty.enc.bin", key("a"), "empty.bin"),
        (
            "blob.groups.enc.bin",
            key("a") + "\n" + &key("c"),
            "blob.bin",
        ),
    ] {
        Case::new()
            .file("f.bin", testdata(&format!("sops-3.13.2/{file}")))
            .args(["decrypt", "f.bin"])
            .no_identity()
            .env("SOPS_AGE_KEY", keys)
            .expect_stdout(testdata(&format!("sops-3.13.2/{plain}")))
            .run();
    }
    for (name, plain) in [("bytes", "bytes.bin"), ("nothing", "nothing.bin")] {
        Case::new()
            .file(
                "f.bin",
                testdata(&format!("sops-3.11/binary/{name}.enc.bin")),
            )
            .args(["decrypt", "f.bin"])
            .expect_stdout(testdata(&format!("sops-3.11/binary/{plain}")))
            .run();
    }
}

#[test]
fn selectors_are_ignored_with_a_warning_and_none_is_written() {
    for (flag, name) in [
        ("--unencrypted-suffix=data", "unencrypted_suffix"),
        ("--encrypted-suffix=x", "encrypted_suffix"),
        ("--unencrypted-regex=data", "unencrypted_regex"),
        ("--encrypted-regex=x", "encrypted_regex"),
        ("--encrypted-comment-regex=x", "encrypted_comment_regex"),
        ("--unencrypted-comment-regex=x", "unencrypted_comment_regex"),
        ("--mac-only-encrypted", "mac_only_encrypted"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.file("f.bin", "secret");
        sandbox
            .bulla(["encrypt", "-i", "--age", &alice(), flag, "f.bin"])
            .expect_stderr_has(&format!("{name} is ignored: a binary file is one value"))
            .run();
        let text = sandbox.read_text("f.bin");
        assert!(
            !text.contains("secret") && !text.contains("encrypted_"),
            "{text}"
        );
        sandbox
            .sops(["decrypt", "f.bin"])
            .expect_stdout("secret")
            .run();
    }
    let sandbox = Sandbox::new();
    sandbox
        .config("unencrypted_regex: data\nmac_only_encrypted: true")
        .file("f.bin", "secret");
    sandbox.bulla(["encrypt", "-i", "f.bin"]).any_stderr().run();
    assert!(!sandbox.read_text("f.bin").contains("secret"));
    sandbox
        .sops(["decrypt", "f.bin"])
        .expect_stdout("secret")
        .run();
}

#[test]
fn the_indentation_is_that_of_the_configuration() {
    let sandbox = Sandbox::new();
    let rule = format!(
        "stores:\n  json_binary:\n    indent: 3\ncreation_rules:\n  - age: {}\n",
        alice()
    );
    sandbox.file(".sops.yaml", rule).file("f.bin", "x");
    sandbox.bulla(["encrypt", "-i", "f.bin"]).run();
    assert!(
        sandbox
            .read_text("f.bin")
            .starts_with("{\n   \"data\": \"ENC[")
    );
    sandbox.sops(["decrypt", "f.bin"]).expect_stdout("x").run();
}

#[test]
fn set_and_extract_know_the_one_value() {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("f.bin", b"\xff");
    let extract = ["decrypt", "--extract", "[\"data\"]", "f.bin"];
    sandbox.bulla(extract).expect_stdout(b"\xff").run();
    sandbox
        .bulla(["set", "f.bin", "[\"data\"]", "\"new\\n\""])
        .run();
    sandbox.bulla(extract).expect_stdout("new\n").run();
    sandbox
        .sops(["decrypt", "f.bin"])
        .expect_stdout("new\n")
        .run();
    let before = sandbox.read("f.bin");
    sandbox
        .bulla(["set", "--idempotent", "f.bin", "data", "\"new\\n\""])
        .run();
    for args in [
        ["set", "f.bin", "data", "5"],
        ["set", "f.bin", "other", "\"x\""],
    ] {
        sandbox
            .bulla(args)
            .expect_stderr_has("f.bin: a binary file holds one string")
            .status(4)
            .run();
    }
    sandbox
        .bulla(["unset", "f.bin", "data"])
        .expect_stderr_has("f.bin: data: ")
        .status(1)
        .run();
    sandbox
        .bulla(["decrypt", "--extract", "other", "f.bin"])
        .expect_stderr_has("f.bin: other not found")
        .status(1)
        .run();
    assert_eq!(sandbox.read("f.bin"), before);
}

#[test]
fn edit_shows_the_bytes_and_keeps_the_token_of_what_did_not_change() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.bin", "one\n\u{0}two\n");
    let editor =
        sandbox.edit_script("test \"$(head -c 3 \"$1\")\" = one; printf 'three\\377' > \"$1\"");
    sandbox
        .bulla(["edit", "f.bin"])
        .editor(&editor)
        .any_stderr()
        .run();
    for decrypt in [
        sandbox.bulla(["decrypt", "f.bin"]),
        sandbox.sops(["decrypt", "f.bin"]),
    ] {
        decrypt.expect_stdout(b"three\xff").run();
    }
    sandbox
        .bulla(["edit", "-s", "f.bin"])
        .editor(&editor)
        .expect_stderr_has("a binary file has no place for the metadata")
        .status(8)
        .run();
    sandbox.config("");
    let editor = sandbox.edit_script("grep -q 'your own secret' \"$1\"; printf x > \"$1\"");
    sandbox
        .bulla(["edit", "new.key"])
        .editor(&editor)
        .any_stderr()
        .run();
    sandbox
        .sops(["decrypt", "new.key"])
        .expect_stdout("x")
        .run();
}

#[test]
fn rotate_updatekeys_and_filestatus_work_as_on_other_files() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.bin", b"\xff\n");
    let status = |expected: &str| {
        let line = format!("{{\"encrypted\":{expected}}}\n");
        sandbox
            .bulla(["filestatus", "f.bin"])
            .expect_stdout(line)
            .run();
    };
    status("true");
    sandbox.bulla(["rotate", "-i", "f.bin"]).run();
    sandbox
        .sops(["decrypt", "f.bin"])
        .expect_stdout(b"\xff\n")
        .run();
    let (alice, bob) = (alice(), age_key("bob").recipient);
    sandbox.file(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {alice},{bob}\n"),
    );
    let data = |text: String| text.lines().nth(1).unwrap().to_owned();
    let before = data(sandbox.read_text("f.bin"));
    sandbox
        .bulla(["updatekeys", "-y", "f.bin"])
        .any_stdout()
        .expect_stderr_has("f.bin: recipients updated")
        .run();
    assert_eq!(data(sandbox.read_text("f.bin")), before);
    for name in ["alice", "bob"] {
        sandbox
            .bulla(["decrypt", "f.bin"])
            .identity(name)
            .expect_stdout(b"\xff\n")
            .run();
        sandbox
            .sops(["decrypt", "f.bin"])
            .identity(name)
            .expect_stdout(b"\xff\n")
            .run();
    }
    // As stock sops leaves it: with a selector.
    sandbox.sops(["rotate", "-i", "f.bin"]).run();
    assert!(sandbox.read_text("f.bin").contains("unencrypted_suffix"));
    sandbox.bulla(["decrypt", "-i", "f.bin"]).any_stderr().run();
    assert_eq!(sandbox.read("f.bin"), b"\xff\n");
    status("false");
}

#[test]
fn what_is_encrypted_already_is_encrypted_again_only_on_demand() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.bin", "x");
    let once = sandbox.read("f.bin");
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice(), "f.bin"])
        .expect_stderr_has("f.bin: the file is encrypted already")
        .status(203)
        .run();
    sandbox
        .bulla([
            "encrypt",
            "-i",
            "--allow-nested",
            "--age",
            &alice(),
            "f.bin",
        ])
        .run();
    sandbox
        .bulla(["decrypt", "f.bin"])
        .expect_stdout(&once)
        .run();
    sandbox.bulla(["rotate", "-i", "f.bin"]).run();
    sandbox
        .sops(["decrypt", "f.bin"])
        .expect_stdout(&once)
        .run();
    let out = sandbox
        .bulla(["decrypt", "--extract", "data", "f.bin"])
        .expect_stdout(&once)
        .run();
    assert_eq!(out.stdout, once);
}

#[test]
fn a_changed_file_gives_nothing_away() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.bin", "secret-text");
    let text = sandbox.read_text("f.bin");
    let (start, iv) = (text.find("data:").unwrap() + 5, text.find(",iv:").unwrap());
    let other = if text.as_bytes()[start] == b'A' {
        "B"
    } else {
        "A"
    };
    let flipped = format!("{}{other}{}", &text[..start], &text[start + 1..]);
    sandbox
        .file("f.bin", flipped)
        .bulla(["decrypt", "f.bin"])
        .expect_stderr_has("the token at data does not open")
        .never_says("secret")
        .status(25)
        .run();
    let emptied = format!(
        "{}{}",
        &text[..text.find("ENC[").unwrap()],
        &text[text[iv..].find("\",\n").unwrap() + iv..]
    );
    sandbox
        .file("f.bin", emptied)
        .bulla(["decrypt", "f.bin"])
        .expect_stderr_has("MAC mismatch")
        .status(51)
        .run();
    sandbox
        .bulla(["decrypt", "--ignore-mac", "f.bin"])
        .expect_stderr_has("the MAC does not match and is ignored")
        .run();
}

#[test]
fn the_other_cipher_seals_binary_files_too() {
    let sandbox = Sandbox::new();
    sandbox.file("f.bin", b"\xff".repeat(2 << 20));
    let cipher = "--cipher=XCHACHA20_POLY1305";
    sandbox
        .bulla(["encrypt", "-i", cipher, "--age", &alice(), "f.bin"])
        .expect_stderr_has("its cipher is XCHACHA20_POLY1305")
        .run();
    let plain = b"\xff".repeat(2 << 20);
    sandbox
        .bulla(["decrypt", "f.bin"])
        .expect_stdout(plain)
        .run();
}

#[test]
fn an_unchanged_source_leaves_the_output_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.file("p.bin", "x");
    let args = ["encrypt", "--age", &alice(), "--output", "f.bin", "p.bin"];
    sandbox.bulla(args).run();
    let before = sandbox.read("f.bin");
    sandbox.bulla(args).run();
    assert_eq!(sandbox.read("f.bin"), before);
}
