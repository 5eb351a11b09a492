//! The known limits and faults of sops, by number, and that bulla does right where they apply.
//! The numbers are those of the list of faults that bulla was designed against; a missing number
//! is about a format or a command that bulla does not have.

use crate::support::http::{HttpReply, HttpServer};
use crate::support::moto::Moto;
use crate::support::{
    Case, Gnupg, Running, Sandbox, age_key, assert_same_data, line_of, strip_metadata, testdata,
    tokens,
};

fn alice() -> String {
    age_key("alice").recipient
}

/// Encrypts by bulla, decrypts by bulla and sops; what bulla gives back must be the same bytes.
#[track_caller]
fn round_trip(name: &str, plain: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file(name, plain);
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice(), name])
        .any_stderr()
        .run();
    sandbox.bulla(["decrypt", name]).expect_stdout(plain).run();
    sandbox
}

#[test]
fn no_01_an_encrypted_comment_in_a_list_is_no_value() {
    let sandbox = Sandbox::new();
    sandbox
        .copy("sops-3.13.2/list-comments.enc.yaml", "f.yaml")
        .bulla(["decrypt", "f.yaml"])
        .no_identity()
        .env(
            "SOPS_AGE_KEY",
            String::from_utf8(testdata("sops-3.13.2/key-a.txt")).unwrap(),
        )
        .expect_stdout_has("# first")
        .expect_stdout_has("- a")
        .expect_stdout_has("# second")
        .run();
    // Ours stay comments, which every sops opens.
    let ours = round_trip(
        "f.yaml",
        "l:\n    # first\n    - a # beside\n    # second\n    - b\n",
    );
    assert!(
        !ours
            .read_text("f.yaml")
            .contains("- ENC[AES256_GCM,data:\n")
    );
    assert_eq!(ours.read_text("f.yaml").matches("\n    - ").count(), 2);
    ours.sops(["decrypt", "f.yaml"]).any_stdout().run();
}

#[test]
fn no_02_list_indexes_count_values() {
    let sandbox = round_trip(
        "f.yaml",
        "l:\n    # first\n    - a\n    # second\n    - b\n",
    );
    sandbox
        .bulla(["decrypt", "--extract", "[\"l\"][0]", "f.yaml"])
        .expect_stdout("a")
        .run();
    sandbox
        .bulla(["set", "f.yaml", "[\"l\"][1]", "\"c\""])
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("l:\n    # first\n    - a\n    # second\n    - c\n")
        .run();
}

#[test]
fn no_03_an_empty_comment_in_a_list_stays_a_comment() {
    let plain = "l:\n    - a\n    #\n    - b\n";
    let sandbox = round_trip("f.yaml", plain);
    // What sops makes of the bare `#` is its own fault: an empty item.
    let ours = sandbox
        .bulla(["decrypt", "--output-type", "json", "f.yaml"])
        .any_stdout()
        .run();
    assert_same_data(&ours.stdout, b"{\"l\": [\"a\", \"b\"]}", "bulla");
    sandbox.bulla(["rotate", "-i", "f.yaml"]).any_stderr().run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(plain)
        .run();
}

#[test]
fn no_04_comments_that_moved_are_recovered() {
    let sandbox = round_trip(
        "f.yaml",
        "a:\n    b:\n        c: 1\n        # inner\n    # middle\n# outer\nd:\n    - x\n    # tail\n",
    );
    let encrypted = sandbox.read_text("f.yaml");
    assert_eq!(
        tokens(strip_metadata(&encrypted))
            .iter()
            .filter(|token| token.contains("type:comment"))
            .count(),
        4
    );
    // sops reads and writes it; wherever it then puts the comments, none stays locked.
    sandbox.sops(["set", "f.yaml", "[\"e\"]", "1"]).run();
    let out = sandbox.bulla(["decrypt", "f.yaml"]).any_stdout().run();
    for comment in ["# inner", "# middle", "# outer", "# tail"] {
        assert!(out.text().contains(comment), "{comment} in\n{}", out.text());
    }
    assert!(!out.text().contains("ENC["));
}

#[test]
fn no_05_a_text_of_lines_that_starts_with_a_tab_is_no_null() {
    let sandbox = round_trip("f.yaml", "a: \"\\tx\\ny\\n\"\n");
    sandbox
        .bulla(["decrypt", "--extract", "[\"a\"]", "f.yaml"])
        .expect_stdout("\tx\ny\n")
        .run();
    sandbox
        .bulla(["set", "f.yaml", "[\"b\"]", "\"\\tx\\ny\\n\""])
        .run();
    let out = sandbox
        .bulla(["decrypt", "--output-type", "json", "f.yaml"])
        .any_stdout()
        .run();
    assert_same_data(
        &out.stdout,
        br#"{"a": "\tx\ny\n", "b": "\tx\ny\n"}"#,
        "bulla",
    );
}

#[test]
fn no_06_comments_beside_a_value_stay_beside_it() {
    let sandbox = round_trip("f.yaml", "a: 1 # one\nb:\n    - x # two\n");
    let text = sandbox.read_text("f.yaml");
    assert_eq!(tokens(line_of(&text, "a:")).len(), 2);
}

#[test]
fn no_07_edit_with_the_metadata_shown_saves() {
    let sandbox = round_trip("f.yaml", "a: before\n");
    let editor = sandbox.edit_script("sed -i s/before/after/ \"$1\"");
    sandbox
        .bulla(["edit", "-s", "f.yaml"])
        .editor(&editor)
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: after\n")
        .run();
}

#[test]
fn no_08_a_key_that_fails_fails_the_whole() {
    let sandbox = round_trip("f.yaml", "a: 1\n");
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["rotate", "-i", "--add-age", "age1nonsense", "f.yaml"])
        .expect_stderr_has("recipient 1")
        .status(1)
        .run();
    let arn = "arn:aws:kms:eu-west-1:1:key/k";
    sandbox
        .bulla([
            "groups",
            "add",
            "--offline",
            "-i",
            "-f",
            "f.yaml",
            "--kms",
            arn,
        ])
        .expect_stderr_has("not asked (--offline)")
        .status(1)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn no_09_several_documents_are_not_cut_to_one() {
    let plain = "a: 1\n---\nb: 2\n";
    let sandbox = round_trip("f.yaml", plain);
    for args in [
        &["decrypt", "--output-type", "json", "f.yaml"][..],
        &[
            "encrypt",
            "--age",
            &alice(),
            "--output-type",
            "json",
            "p.yaml",
        ],
        &["rotate", "--output-type", "json", "f.yaml"],
    ] {
        sandbox
            .file("p.yaml", plain)
            .bulla(args)
            .expect_stderr_has("document")
            .status(4)
            .run();
    }
}

#[test]
fn no_10_no_rewrite_loses_formatting() {
    let plain =
        "---\n# head\na:   0x10\nb: 'q'\n\nc: &x [1,  2]\nd: *x\ne: !t v\nf: 2024-1-2\n...\n";
    let sandbox = round_trip("f.yaml", plain);
    sandbox.bulla(["set", "f.yaml", "[\"b\"]", "\"r\""]).run();
    sandbox.bulla(["rotate", "-i", "f.yaml"]).any_stderr().run();
    let editor = sandbox.edit_script("sed -i 's/r$/s/; s/: .r./: '\"'\"'s'\"'\"'/' \"$1\"");
    sandbox.bulla(["edit", "f.yaml"]).editor(&editor).run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(plain.replace("'q'", "'s'"))
        .run();
}

#[test]
fn no_11_values_of_ini_that_sops_cuts_or_cannot_write_come_back() {
    for plain in [
        "a = \"'x'\"\nb = 'it\" '\n",
        "a = \"\"\"x\\\"\"\"\nb = 1\n",
        "a=b#c\nd = \"e ; f\"\n",
        "a = `\"\"\"`\n",
    ] {
        round_trip("f.ini", plain);
    }
}

#[test]
fn no_12_keys_of_ini_that_stand_twice_or_are_counted_and_comments_at_the_end_come_back() {
    for plain in [
        "- = 1\n- = 2\n",
        "a = 1\n; of the second\na = 2\n",
        "a = 1\n; the end\n",
    ] {
        round_trip("f.ini", plain);
    }
}

#[test]
fn no_13_unquoted_timestamps_and_floats_in_the_metadata_are_read() {
    let sandbox = round_trip("f.yaml", "a: 1\n");
    let text = sandbox.read_text("f.yaml");
    let stamp = line_of(&text, "lastmodified:");
    let loose = text.replace(
        stamp,
        &format!(
            "{}\n    shamir_threshold: \"0.000000\"",
            stamp.replace('"', "")
        ),
    );
    sandbox.file("f.yaml", loose);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: 1\n")
        .run();
}

#[test]
fn no_13_unquoted_times_and_thresholds_written_as_floats_are_read() {
    let sandbox = round_trip("f.yaml", "a: 1\n");
    let text = sandbox.read_text("f.yaml");
    let line = line_of(&text, "lastmodified:").to_owned();
    let unquoted = line.replace(['"', '\''], "");
    assert_ne!(unquoted, line);
    sandbox.file("f.yaml", text.replace(&line, &unquoted));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: 1\n")
        .run();
    sandbox.copy("groups.sops.yaml", ".sops.yaml");
    let made = sandbox
        .bulla(["encrypt", "--filename-override", "threshold.env"])
        .stdin("A=1\n")
        .any_stdout()
        .any_stderr()
        .run();
    let text = made.text();
    let old = text.replace("sops_shamir_threshold=2", "sops_shamir_threshold=2.000000");
    assert_ne!(old, text);
    sandbox
        .file("old.env", old)
        .bulla(["decrypt", "old.env"])
        .identities(&["alice", "bob"])
        .expect_stdout("A=1\n")
        .run();
}

#[test]
fn no_14_numbers_of_any_size_are_exact() {
    let plain = "{\"a\": 1234567890123456789, \"b\": 12345678901234567890123, \"c\": 1e400, \"d\": 0.1234567890123456789012}";
    let sandbox = round_trip("f.json", plain);
    sandbox
        .bulla(["decrypt", "--extract", "[\"b\"]", "f.json"])
        .expect_stdout("12345678901234567890123")
        .run();
    round_trip(
        "f.yaml",
        "a: 18446744073709551615\nb: 36893488147419103232\n",
    );
}

#[test]
fn no_15_dotenv_keeps_blank_lines_and_line_ends_and_refuses_what_it_cannot_hold() {
    let sandbox = round_trip("f.env", "A=1\r\n\r\n\nB=x\\ny\n\n");
    for (value, why) in [
        ("\"a\\\\n\"", "backslash before an n"),
        ("null", "A is null"),
    ] {
        sandbox
            .bulla(["set", "f.env", "A", value])
            .expect_stderr_has(why)
            .status(4)
            .run();
    }
}

/// What a command tells KMS of AWS, which it asks once.
fn kms_was_told(case: Case) -> serde_json::Value {
    let server =
        HttpServer::start(|_| HttpReply::json(200, &serde_json::json!({"CiphertextBlob": "AAAA"})));
    case.env("AWS_ENDPOINT_URL", server.url())
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "example")
        .run();
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    asked[0].json()
}

#[test]
fn no_17_an_encryption_context_reaches_keys_of_the_configuration() {
    let sandbox = Sandbox::new();
    let arn = "arn:aws:kms:eu-west-1:1:key/k";
    sandbox.file(".sops.yaml", format!("creation_rules:\n  - kms: {arn}\n"));
    let editor = sandbox.edit_script("echo 'a: 1' > \"$1\"");
    for verb in [&["encrypt", "-i"][..], &["edit"]] {
        sandbox.file("f.yaml", "a: 1\n");
        if verb == ["edit"] {
            std::fs::remove_file(sandbox.path("f.yaml")).unwrap();
        }
        let words = [verb, &["--encryption-context", "a:b", "f.yaml"]].concat();
        let told = kms_was_told(sandbox.bulla(words).editor(&editor));
        assert_eq!(told["EncryptionContext"], serde_json::json!({"a": "b"}));
        let text = sandbox.read_text("f.yaml");
        assert!(
            text.contains("context:\n") && text.contains(" a: b\n"),
            "{text}"
        );
    }
}

#[test]
fn no_16_what_is_published_for_others_keeps_its_selector_and_decrypts() {
    let sandbox = Sandbox::new();
    let moto = Moto::start();
    moto.boto("s3", "c.create_bucket(Bucket='bkt') and 1");
    let bob = age_key("bob").recipient;
    let more = format!("age: {bob}");
    let rule = |folder: &str, more: &str| {
        format!(
            "- path_regex: ^{folder}/\n  s3_bucket: bkt\n  s3_prefix: {folder}/\n  recreation_rule: {{{more}}}\n"
        )
    };
    let rules = [
        rule("kept", &more),
        rule("own", &format!("{more}, encrypted_regex: ^a")),
        rule("sops", &more),
    ];
    sandbox.file(
        ".sops.yaml",
        format!("destination_rules:\n{}", rules.concat()),
    );
    let plain = "a: 1\na_unencrypted: x\nb: 2 # note\n";
    let kinds: [(&str, &[&str]); 5] = [
        ("default", &[]),
        ("regex", &["--encrypted-regex", "^b$"]),
        ("comment", &["--unencrypted-comment-regex", "note"]),
        (
            "mac",
            &["--unencrypted-regex", "^b$", "--mac-only-encrypted"],
        ),
        ("cipher", &["--cipher", "XCHACHA20_POLY1305"]),
    ];
    let published = |name: &str, flags: &[&str]| {
        let file = sandbox.file(name, plain);
        let encrypt = ["encrypt", "-i", "--age", &alice(), name];
        file.bulla(encrypt.iter().chain(flags)).any_stderr().run();
        let publish = moto.around(sandbox.bulla(["publish", "-y", name]));
        publish.any_stdout().any_stderr().run();
        let text = moto.object(name);
        let bob = sandbox
            .file("bob.yaml", &text)
            .bulla(["decrypt", "bob.yaml"]);
        bob.identity("bob").expect_stdout(plain).run();
        text
    };
    let clear = |text: &str| -> Vec<String> {
        let lines = strip_metadata(text).lines();
        lines
            .filter(|line| !line.contains("ENC["))
            .map(str::to_owned)
            .collect()
    };
    for (kind, flags) in kinds {
        let name = format!("kept/{kind}.yaml");
        let text = published(&name, flags);
        // in clear is what was, by the same selector, under a MAC of the same values
        let source = sandbox.read_text(&name);
        assert_eq!(clear(&text), clear(&source), "{kind}");
        for field in ["regex:", "suffix:", "mac_only_encrypted:"] {
            let lines = |text: &str| -> Vec<String> {
                let lines = text.lines().filter(|line| line.contains(field));
                lines.map(str::to_owned).collect()
            };
            assert_eq!(lines(&text), lines(&source), "{kind}");
        }
        assert_eq!(text.contains("XCHACHA20"), kind == "cipher");
        if kind != "cipher" {
            sandbox
                .sops(["decrypt", "bob.yaml"])
                .identity("bob")
                .any_stdout()
                .run();
        }
    }
    // the rule's own selector counts
    let text = published("own/f.yaml", &["--encrypted-regex", "^b$"]);
    assert_eq!(line_of(&text, "b:"), "b: 2 # note");
    assert!(text.contains("encrypted_regex: ^a"), "{text}");

    // sops itself publishes what nobody can decrypt
    sandbox.file("sops/f.yaml", plain);
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice(), "sops/f.yaml"])
        .run();
    let publish = moto.around(sandbox.sops(["publish", "-y", "sops/f.yaml"]));
    publish.any_stdout().run();
    sandbox.file("bob.yaml", moto.object("sops/f.yaml"));
    let decrypt = sandbox.sops(["decrypt", "bob.yaml"]).identity("bob");
    decrypt.any_stdout().any_stderr().status(51).run();
}

#[test]
fn no_18_every_key_that_is_named_is_removed() {
    let sandbox = Sandbox::new();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| age_key(name).recipient);
    let all = [alice.as_str(), &bob, &carol].join(",");
    let gone = [bob.as_str(), &carol].join(",");
    sandbox
        .file("f.yaml", "a: 1\n")
        .bulla(["encrypt", "-i", "--age", &all, "f.yaml"])
        .any_stderr()
        .run();
    sandbox
        .bulla(["rotate", "-i", "--rm-age", &gone, "f.yaml"])
        .any_stderr()
        .run();
    let text = sandbox.read_text("f.yaml");
    assert!(text.contains(&alice));
    assert!(!text.contains(&bob) && !text.contains(&carol));
    sandbox
        .sops(["decrypt", "f.yaml"])
        .expect_stdout("a: 1\n")
        .run();
}

#[test]
fn no_19_a_clear_minus_zero_keeps_its_mac() {
    let sandbox = round_trip("f.yaml", "a_unencrypted: -0.0\nb: -0.0\nc: x\n");
    sandbox
        .bulla(["decrypt", "--extract", "c", "f.yaml"])
        .expect_stdout("x")
        .run();
}

#[test]
fn no_20_bytes_that_are_no_text_are_refused_or_kept() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: !!binary /wD+\nb: x\n");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: !!binary /wD+\nb: x\n")
        .run();
    sandbox
        .bulla(["decrypt", "--extract", "[\"a\"]", "f.yaml"])
        .expect_stdout([0xff, 0x00, 0xfe])
        .run();
}

#[test]
fn no_21_a_token_of_type_bytes_is_read_as_text() {
    let sandbox = round_trip("f.yaml", "a: secret-bytes\n");
    let text = sandbox
        .read_text("f.yaml")
        .replacen("type:str]", "type:bytes]", 1);
    sandbox
        .file("f.yaml", text)
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: secret-bytes\n")
        .run();
}

#[test]
fn no_23_equal_values_of_a_list_have_different_tokens() {
    let sandbox = round_trip("f.yaml", "l: [same, same, same]\n");
    for _ in 0..2 {
        let text = sandbox.read_text("f.yaml");
        let found = tokens(line_of(&text, "l:"));
        assert!(found[0] != found[1] && found[1] != found[2] && found[0] != found[2]);
        sandbox.bulla(["rotate", "-i", "f.yaml"]).any_stderr().run();
    }
    let before = sandbox.read_text("f.yaml");
    sandbox.bulla(["set", "f.yaml", "[\"n\"]", "1"]).run();
    let after = sandbox.read_text("f.yaml");
    assert_eq!(line_of(&before, "l:"), line_of(&after, "l:"));
}

#[test]
fn no_25_files_are_replaced_whole() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = round_trip("f.yaml", "a: 1\n");
    let file = sandbox.path("f.yaml");
    let before = std::fs::File::open(&file).unwrap();
    let old = sandbox.read("f.yaml");
    sandbox.bulla(["set", "f.yaml", "[\"a\"]", "2"]).run();
    // The file that was open is as it was: its name leads to another one now.
    let kept = std::io::read_to_string(&before).unwrap();
    assert_eq!(kept.as_bytes(), old);
    assert_ne!(
        before.metadata().unwrap().ino(),
        std::fs::metadata(&file).unwrap().ino()
    );
    sandbox
        .bulla(["decrypt", "--output", "p.yaml", "f.yaml"])
        .run();
    assert_eq!(sandbox.mode(&sandbox.path("p.yaml")), 0o600);
}

#[test]
fn no_26_a_key_service_on_a_socket_is_for_its_user_and_for_what_is_allowed() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    let socket = sandbox.root().join("k.sock");
    let address = socket.display().to_string();
    let case = sandbox.bulla(["keyservice", "--network", "unix", "--address", &address]);
    let case = case.args(["--allow", "pgp"]);
    let mut running = Running::start(&case, &sandbox.root().join("log"));
    running.wait_for("listening on");
    assert_eq!(sandbox.mode(&socket), 0o600);
    sandbox
        .bulla([
            "decrypt",
            "--keyservice",
            &format!("unix://{address}"),
            "f.yaml",
        ])
        .no_identity()
        .expect_stderr_has("is not allowed to use the key")
        .status(128)
        .run();
}

#[test]
fn no_28_a_selector_that_does_not_compile_leaves_nothing_in_clear() {
    let sandbox = Sandbox::new();
    let plain = "password: hunter2\n";
    sandbox
        .config("encrypted_regex: '(?<!x)password'")
        .file("f.yaml", plain);
    sandbox
        .bulla(["encrypt", "-i", "f.yaml"])
        .expect_stderr_has("(?<!x)password")
        .never_says("hunter2")
        .status(1)
        .run();
    assert_eq!(sandbox.read_text("f.yaml"), plain);
    // Nor in the metadata of a file: `set` would write in clear.
    sandbox.config("encrypted_regex: '^password$'");
    sandbox
        .bulla(["encrypt", "-i", "f.yaml"])
        .any_stderr()
        .run();
    let text = sandbox
        .read_text("f.yaml")
        .replace("^password$", "(?<!x)password");
    sandbox
        .file("f.yaml", text)
        .bulla(["set", "f.yaml", "[\"password\"]", "\"new-secret\""])
        .expect_stderr_has("encrypted_regex")
        .never_says("new-secret")
        .status(1)
        .run();
}

#[test]
fn no_29_odd_paths_are_errors_and_no_panics() {
    let sandbox = round_trip("f.yaml", "a: 1\nl: [x]\n");
    for path in [
        "[]",
        "",
        "[\"l\"][-1]",
        "[\"l\"][\"x\"]",
        "[\"a\"][\"x\"]",
        "[0]",
        "[\"l\"][99999999999999999999]",
        "]",
        "[[",
        "a..b",
        "a[",
    ] {
        for command in [
            &["decrypt", "f.yaml", "--extract", path][..],
            &["set", "f.yaml", path, "{"],
            &["unset", "f.yaml", path],
        ] {
            let output = std::process::Command::new(crate::support::bulla())
                .args(command)
                .current_dir(sandbox.work())
                .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let whole = path.is_empty() && command[0] == "decrypt";
            let code = output.status.code();
            assert!(
                whole || [Some(1), Some(7), Some(91)].contains(&code),
                "{command:?}: {code:?}"
            );
            assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
        }
    }
}

#[test]
fn no_30_a_list_can_be_set() {
    let sandbox = round_trip("f.yaml", "a: 1\nb: x\n");
    sandbox
        .bulla(["set", "f.yaml", "[\"a\"]", "[1, \"two\"]"])
        .run();
    let out = sandbox
        .sops(["decrypt", "--output-type", "json", "f.yaml"])
        .any_stdout()
        .run();
    assert_same_data(&out.stdout, br#"{"a": [1, "two"], "b": "x"}"#, "sops");
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["set", "f.yaml", "[0]", "1"])
        .expect_stderr_has("bulla: ")
        .status(7)
        .run();
    assert_eq!(
        sandbox.read("f.yaml"),
        before,
        "no rewrite without a change"
    );
}

#[test]
fn no_31_keys_by_flag_need_no_rule_and_a_decrypt_needs_no_configuration() {
    let sandbox = Sandbox::new();
    sandbox
        .file(
            ".sops.yaml",
            "creation_rules:\n  - path_regex: ^never$\n    age: x\n",
        )
        .file("sub/f.yaml", "a: 1\n");
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice(), "sub/f.yaml"])
        .run();
    sandbox
        .file(".sops.yaml", "{broken")
        .bulla(["decrypt", "sub/f.yaml"])
        .expect_stdout("a: 1\n")
        .any_stderr()
        .run();
}

#[test]
fn no_32_flags_mean_the_same_everywhere() {
    let sandbox = round_trip("f.yaml", "a: 1\n");
    sandbox
        .bulla(["decrypt", "--ignore-mac", "f.yaml"])
        .expect_stdout("a: 1\n")
        .any_stderr()
        .run();
    sandbox.file("p.yaml", "# hide\na: 1\nb: 2\n");
    let out = sandbox
        .bulla([
            "encrypt",
            "--encrypted-comment-regex",
            "hide",
            "--age",
            &alice(),
            "p.yaml",
        ])
        .any_stdout()
        .run();
    assert!(out.text().contains("\nb: 2\n"));
    assert!(out.text().contains("encrypted_comment_regex: hide"));
}

#[test]
fn no_33_edit_without_a_user_does_not_loop() {
    let sandbox = round_trip("f.yaml", "a: 1\n");
    let count = sandbox.root().join("count");
    let editor = sandbox.edit_script(&format!(
        "echo x >> '{}'; echo 'x: [' > \"$1\"",
        count.display()
    ));
    sandbox
        .bulla(["edit", "f.yaml"])
        .editor(&editor)
        .any_stderr()
        .status(2)
        .run();
    let starts = std::fs::read_to_string(count).unwrap().lines().count();
    assert_eq!(starts, 1);
}

#[test]
fn no_34_updatekeys_takes_the_threshold_of_the_rule() {
    let sandbox = round_trip("threshold.yaml", "a: 1\n");
    sandbox
        .copy("groups.sops.yaml", ".sops.yaml")
        .bulla(["updatekeys", "-y", "threshold.yaml"])
        .any_stdout()
        .any_stderr()
        .run();
    assert!(
        sandbox
            .read_text("threshold.yaml")
            .contains("shamir_threshold: 2")
    );
    sandbox
        .config("")
        .bulla(["updatekeys", "-y", "threshold.yaml"])
        .identities(&["alice", "bob"])
        .any_stdout()
        .any_stderr()
        .run();
    assert!(
        !sandbox
            .read_text("threshold.yaml")
            .contains("shamir_threshold")
    );
    sandbox
        .bulla(["decrypt", "threshold.yaml"])
        .expect_stdout("a: 1\n")
        .run();
}

#[test]
fn no_35_any_root_and_any_key() {
    round_trip("f.yaml", "- 1\n- a\n");
    round_trip("f.yaml", "text\n");
    round_trip(
        "f.yaml",
        "1: a\n~: b\ntrue: c\n2024-01-02: d\n[x]: e\n{y: z}: f\n",
    );
    round_trip("f.yaml", "a: 1\n---\n- x\n---\ny\n");
    round_trip("f.json", "[1, [\"a\"]]");
    round_trip("f.json", "\"a\"");
    round_trip("f.json", "5");
}

#[test]
fn no_36_nothing_behind_the_root_is_dropped() {
    for text in [
        "{\"a\": 1} {\"b\": 2}",
        "{\"a\": 1}]",
        "{\"a\": 1, \"a\": 2}",
    ] {
        let sandbox = Sandbox::new();
        sandbox
            .file("f.json", text)
            .bulla(["encrypt", "-i", "--age", &alice(), "f.json"])
            .expect_stderr_has("f.json:1:")
            .status(2)
            .run();
        assert_eq!(sandbox.read_text("f.json"), text);
    }
}

#[test]
fn no_37_a_context_without_a_value_is_no_panic() {
    let sandbox = Sandbox::new();
    let key = "{arn: \"arn:aws:kms:eu-west-1:1:key/k\", context: {a: ~, b: 1}}";
    let rule = format!("creation_rules:\n  - key_groups:\n      - kms: [{key}]\n");
    sandbox.file(".sops.yaml", rule).file("f.yaml", "a: 1\n");
    sandbox
        .bulla(["encrypt", "-i", "f.yaml"])
        .expect_stderr_has("kms[0].context: expected a text, found nothing")
        .status(1)
        .run();
}

#[test]
fn no_38_messages_are_plain_text() {
    let sandbox = Sandbox::new();
    for args in [
        &["filestatus", "missing.yaml"][..],
        &["updatekeys", "-y", "missing.yaml"],
    ] {
        let out = sandbox
            .bulla(args)
            .expect_stderr_has("bulla: ")
            .status(1)
            .run();
        assert!(!out.stderr.contains("level="), "{}", out.stderr);
    }
}

#[test]
fn no_39_keyrings_of_today_are_read() {
    let gnupg = Gnupg::with(&["alice"]);
    assert!(gnupg.home().join("pubring.kbx").exists());
    let sandbox = Sandbox::new();
    let fingerprint = crate::support::pgp_key("alice").fingerprint;
    sandbox
        .file("f.yaml", "a: 1\n")
        .bulla(["encrypt", "-i", "--pgp", &fingerprint, "f.yaml"])
        .gnupg(&gnupg)
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .no_identity()
        .expect_stdout("a: 1\n")
        .run();
}

#[test]
fn no_40_blanks_around_an_identity_are_no_matter() {
    let sandbox = round_trip("f.yaml", "a: 1\n");
    let identity = age_key("alice").identity;
    for key in [
        format!("  {identity}  "),
        format!("\n\t{identity}\r\n\n# x\n"),
    ] {
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .no_identity()
            .env("SOPS_AGE_KEY", key)
            .expect_stdout("a: 1\n")
            .run();
    }
}

#[test]
fn no_41_verbose_says_what_counts_and_never_a_value() {
    let sandbox = Sandbox::new();
    let recipient = age_key("alice").recipient;
    let config = format!("creation_rules:\n- path_regex: x\n- age: {recipient}\n");
    sandbox
        .file(".sops.yaml", config)
        .file("f.yaml", "a: hunter2\n");
    sandbox
        .bulla(["encrypt", "-i", "--verbose", "f.yaml"])
        .expect_stderr_has(".sops.yaml: creation rule 2 counts")
        .run();
    let said = sandbox
        .bulla(["set", "--verbose", "f.yaml", "[\"a\"]", "\"hunter3\""])
        .expect_stderr_has(&format!("f.yaml: opened by {recipient}"))
        .run()
        .stderr;
    assert!(!said.contains("hunter"), "{said}");
    let said = sandbox
        .bulla(["decrypt", "f.yaml"])
        .any_stdout()
        .run()
        .stderr;
    assert_eq!(said, "");
}

#[test]
fn no_42_nobody_is_asked_once_enough_groups_are_open() {
    let sandbox = Sandbox::new();
    let gnupg = Gnupg::with(&["alice"]);
    let fingerprint = crate::support::pgp_key("alice").fingerprint;
    let config = format!(
        "creation_rules:\n- shamir_threshold: 2\n  key_groups:\n  - pgp: [{fingerprint}]\n  - age: [{}]\n  - age: [{}]\n",
        age_key("alice").recipient,
        age_key("bob").recipient
    );
    sandbox
        .file(".sops.yaml", config)
        .file("f.yaml", "a: 1\n")
        .bulla(["encrypt", "-i", "f.yaml"])
        .gnupg(&gnupg)
        .any_stderr()
        .run();
    let gpg = sandbox.program(
        "gpg-that-tells",
        "#!/bin/sh\ntouch \"$HOME/was-asked\"\nexit 1\n",
    );
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identities(&["alice", "bob"])
        .env("SOPS_GPG_EXEC", gpg)
        .expect_stdout("a: 1\n")
        .run();
    assert!(!sandbox.home().join("was-asked").exists());
}

#[test]
fn no_43_the_other_name_of_the_configuration_is_said() {
    let sandbox = Sandbox::new();
    let config = format!("creation_rules:\n  - age: {}\n", alice());
    sandbox
        .file(".sops.yml", config)
        .file("f.yaml", "a: 1\n")
        .bulla(["encrypt", "--age", &alice(), "f.yaml"])
        .any_stdout()
        .expect_stderr_has(".sops.yml")
        .run();
}

#[test]
fn golden_list_comments_of_sops_are_comments_again() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", testdata("sops-3.11/list-comments-yaml.enc.yaml"));
    let out = sandbox.bulla(["decrypt", "f.yaml"]).any_stdout().run();
    for comment in [
        "# above the first",
        "# above the second",
        "# inside the third",
    ] {
        assert!(out.text().contains(comment), "{}", out.text());
    }
    assert_eq!(out.text().matches("- ").count(), 3, "{}", out.text());
}

#[test]
fn no_15_line_ends_and_backslashes_reach_an_environment_as_they_are() {
    let sandbox = round_trip("f.yaml", "a: 'x\\ny'\nb: \"x\\ny\"\nc: \"x\\r\"\nd: ~\n");
    let args = [
        "exec-env",
        "f.yaml",
        "printf '%s|' \"$a\" \"$b\" \"$c\" \"$d\"",
    ];
    sandbox
        .bulla(args)
        .expect_stdout("x\\ny|x\ny|x\r|<nil>|")
        .run();
    sandbox
        .sops(args)
        .expect_stdout("x\\ny|x\ny|x\r|<nil>|")
        .run();
}

#[test]
fn no_27_a_path_is_one_argument_and_a_pipe_can_be_read_again() {
    let sandbox = round_trip("f.yaml", "a: 1\n");
    sandbox
        .bulla([
            "exec-file",
            "--filename",
            "a b",
            "f.yaml",
            "--",
            "cat",
            "{}",
            "{}",
        ])
        .expect_stdout("a: 1\na: 1\n")
        .run();
}

#[test]
fn no_32_and_33_exec_env_takes_its_flags_anywhere_and_knows_types() {
    let sandbox = round_trip("f.yaml", "a: 1\n");
    let text = sandbox
        .read_text("f.yaml")
        .replace("lastmodified: \"2", "lastmodified: \"3");
    sandbox.file("f.txt", text);
    sandbox
        .bulla([
            "exec-env",
            "f.txt",
            "--pristine",
            "env",
            "--ignore-mac",
            "--input-type",
            "yaml",
        ])
        .expect_stdout_has("a=1\n")
        .expect_stderr_has("the MAC does not match and is ignored")
        .run();
}
