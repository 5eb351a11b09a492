//! `bulla encrypt`: what is replaced and what stays, where it goes, for whom, and what is refused.

use crate::support::{Case, Sandbox, age_key, line_of, strip_metadata, tokens};

const PLAIN: &str = "# head\na:   1   # beside\n\nb: 'two'\nc: \"three\"\nlist: [x,  y]\n";

fn alice() -> String {
    age_key("alice").recipient
}

#[test]
fn only_values_and_comments_are_replaced() {
    let out = Case::new()
        .file("f.yaml", PLAIN)
        .args(["encrypt", "--age", &alice(), "f.yaml"])
        .any_stdout()
        .run();
    let text = out.text();
    let mut body = strip_metadata(&text).to_owned();
    for token in tokens(&text) {
        body = body.replace(token, "@");
    }
    assert_eq!(
        body,
        "#@\na:   @   #@\n\nb: '@'\nc: \"@\"\nlist: ['@',  '@']\n"
    );
    assert_eq!(out.sandbox.read_text("f.yaml"), PLAIN, "the input stays");
}

#[test]
fn tokens_name_cipher_parts_and_type() {
    let out = Case::new()
        .file("f.yaml", "s: x\ni: 1\nf: 1.5\nb: true\nt: 2024-01-02\n")
        .args(["encrypt", "--age", &alice(), "f.yaml"])
        .any_stdout()
        .run();
    let text = out.text();
    for (key, kind) in [
        ("s", "str"),
        ("i", "int"),
        ("f", "float"),
        ("b", "bool"),
        ("t", "time"),
    ] {
        let line = line_of(&text, &format!("{key}: "));
        assert!(line.contains("ENC[AES256_GCM,data:"), "{line}");
        assert!(line.contains(",iv:") && line.contains(",tag:"), "{line}");
        assert!(line.ends_with(&format!(",type:{kind}]")), "{line}");
    }
}

#[test]
fn metadata_stands_last_in_the_order_of_sops_3_13() {
    let out = Case::new()
        .file("f.yaml", "a: 1\n")
        .args(["encrypt", "--age", &alice(), "f.yaml"])
        .any_stdout()
        .run();
    let text = out.text();
    let at = |field: &str| {
        text.find(&format!("\n    {field}:"))
            .unwrap_or_else(|| panic!("no {field} in\n{text}"))
    };
    let fields = [
        "age",
        "lastmodified",
        "mac",
        "unencrypted_suffix",
        "version",
    ];
    assert!(fields.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
    assert!(text.contains("\nsops:\n"));
    assert!(text.contains("version: 3.13.2"));
    assert!(text.contains("unencrypted_suffix: _unencrypted"));
    assert!(text.contains(&format!("recipient: {}", alice())));
}

#[test]
fn null_and_empty_values_stay() {
    let out = Case::new()
        .file("f.yaml", "a: null\nb: \"\"\nc: {}\nd: []\ne: ~\nf:\ng: x\n")
        .args(["encrypt", "--age", &alice(), "f.yaml"])
        .any_stdout()
        .run();
    assert!(
        out.text()
            .starts_with("a: null\nb: \"\"\nc: {}\nd: []\ne: ~\nf:\ng: ENC[")
    );
}

#[test]
fn in_place_replaces_the_file_and_keeps_its_mode() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    sandbox.mode_of(&sandbox.path("f.yaml"), 0o640);
    sandbox
        .bulla(["encrypt", "--age", &alice(), "--in-place", "f.yaml"])
        .run();
    assert!(sandbox.read_text("f.yaml").contains("\nsops:\n"));
    assert_eq!(sandbox.mode(&sandbox.path("f.yaml")), 0o640);
    assert_eq!(sandbox.names(), ["f.yaml"], "nothing is left beside it");
}

#[test]
fn in_place_follows_a_symbolic_link() {
    let sandbox = Sandbox::new();
    sandbox.file("real/f.yaml", PLAIN);
    std::os::unix::fs::symlink("real/f.yaml", sandbox.path("link.yaml")).unwrap();
    sandbox
        .bulla(["encrypt", "--age", &alice(), "-i", "link.yaml"])
        .run();
    assert!(sandbox.path("link.yaml").is_symlink());
    assert!(sandbox.read_text("real/f.yaml").contains("\nsops:\n"));
}

#[test]
fn output_goes_to_another_file() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "--age", &alice(), "f.yaml", "--output", "e.yaml"])
        .run();
    assert_eq!(sandbox.read_text("f.yaml"), PLAIN);
    sandbox
        .bulla(["decrypt", "e.yaml"])
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn in_place_and_output_exclude_one_another() {
    Case::new()
        .file("f.yaml", PLAIN)
        .args([
            "encrypt",
            "--age",
            &alice(),
            "-i",
            "--output",
            "e.yaml",
            "f.yaml",
        ])
        .expect_stderr_has("--output")
        .status(8)
        .run();
}

#[test]
fn standard_input_needs_a_name_for_its_format() {
    let sandbox = Sandbox::new();
    sandbox
        .bulla(["encrypt", "--age", &alice()])
        .stdin(PLAIN)
        .expect_stderr_has("filename-override")
        .status(8)
        .run();
    sandbox
        .bulla([
            "encrypt",
            "--age",
            &alice(),
            "--in-place",
            "--filename-override",
            "f.yaml",
        ])
        .stdin(PLAIN)
        .expect_stderr_has("in-place")
        .status(8)
        .run();
    let out = sandbox
        .bulla([
            "encrypt",
            "--age",
            &alice(),
            "--filename-override",
            "f.yaml",
        ])
        .stdin(PLAIN)
        .any_stdout()
        .run();
    sandbox
        .bulla(["decrypt", "--filename-override", "f.yaml"])
        .stdin(&out.stdout)
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn recipients_come_from_the_environment_too() {
    let out = Case::new()
        .file("f.yaml", PLAIN)
        .args(["encrypt", "f.yaml"])
        .env("SOPS_AGE_RECIPIENTS", age_key("bob").recipient)
        .any_stdout()
        .run();
    assert!(out.text().contains(&age_key("bob").recipient));
    out.sandbox.file("e.yaml", &out.stdout);
    out.sandbox
        .bulla(["decrypt", "e.yaml"])
        .identity("bob")
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn each_of_several_recipients_can_read() {
    let sandbox = Sandbox::new();
    let both = format!(" {}, {},", alice(), age_key("bob").recipient);
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "--age", &both, "f.yaml"])
        .run();
    for name in ["alice", "bob"] {
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .identity(name)
            .expect_stdout(PLAIN)
            .run();
    }
}

#[test]
fn without_a_key_nothing_is_encrypted() {
    Case::new()
        .file("f.yaml", PLAIN)
        .args(["encrypt", "f.yaml"])
        .expect_stderr_has("hint:")
        .status(1)
        .run();
}

#[test]
fn an_unknown_recipient_is_named() {
    Case::new()
        .file("f.yaml", PLAIN)
        .args(["encrypt", "--age", "age1nonsense", "f.yaml"])
        .expect_stderr_has("recipient 1")
        .status(1)
        .run();
}

#[test]
fn what_is_encrypted_already_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice(), "f.yaml"])
        .expect_stderr_has("already")
        .status(203)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn a_key_named_sops_in_any_document_is_refused() {
    for text in ["sops: mine\n", "a: 1\n---\nsops: {x: 1}\n"] {
        Case::new()
            .file("f.yaml", text)
            .args(["encrypt", "--age", &alice(), "f.yaml"])
            .expect_stderr_has("sops")
            .status(203)
            .run();
    }
}

#[test]
fn a_value_that_is_a_token_is_refused_unless_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    let text = sandbox.read_text("f.yaml");
    sandbox.file("torn.yaml", strip_metadata(&text));
    sandbox
        .bulla(["encrypt", "--age", &alice(), "torn.yaml"])
        .expect_stderr_has("--allow-nested")
        .status(23)
        .run();
    let nested = sandbox
        .bulla(["encrypt", "--age", &alice(), "--allow-nested", "torn.yaml"])
        .any_stdout()
        .any_stderr()
        .run();
    sandbox.file("nested.yaml", &nested.stdout);
    sandbox
        .bulla(["decrypt", "nested.yaml"])
        .expect_stdout(strip_metadata(&text))
        .run();
}

#[test]
fn statuses_tell_what_is_wrong_with_the_input() {
    let cases = [
        ("empty.yaml", "", 92),
        ("broken.json", "{\"a\": ", 2),
        ("broken.yaml", "a: [1\n", 2),
        ("after.json", "{\"a\": 1}\n{}\n", 2),
        ("tab.yaml", "a:\n\tb: 1\n", 2),
    ];
    for (name, text, status) in cases {
        Case::new()
            .file(name, text)
            .args(["encrypt", "--age", &alice(), name])
            .expect_stderr_has(name)
            .status(status)
            .run();
    }
    Case::new()
        .args(["encrypt", "--age", &alice(), "missing.yaml"])
        .expect_stderr_has("missing.yaml")
        .status(100)
        .run();
}

#[test]
fn a_syntax_error_shows_file_line_column_and_the_line() {
    Case::new()
        .file("f.yaml", "a: 1\nb: 2\na: 3\n")
        .args(["encrypt", "--age", &alice(), "f.yaml"])
        .expect_stderr_has("f.yaml:3:1")
        .expect_stderr_has("\n  a: ")
        .expect_stderr_has("^")
        .status(2)
        .run();
}

#[test]
fn duplicate_keys_are_refused_everywhere_and_can_be_rescued() {
    for (name, text) in [
        ("f.yaml", "a: 1\nb: 2\na: 3\n"),
        ("f.yaml", "x: 0\n---\nm:\n  a: 1\n  a: 3\n"),
        ("f.yaml", "m: {a: 1, 'a': 3}\n"),
        ("f.json", "{\"a\": 1, \"\\u0061\": 3}\n"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.file(name, text);
        sandbox
            .bulla(["encrypt", "-i", "--age", &alice(), name])
            .expect_stderr_has("twice")
            .expect_stderr_has("hint: --allow-duplicate-keys")
            .status(2)
            .run();
        assert_eq!(sandbox.read_text(name), text);
        sandbox
            .bulla([
                "encrypt",
                "-i",
                "--allow-duplicate-keys",
                "--age",
                &alice(),
                name,
            ])
            .any_stderr()
            .run();
        sandbox
            .bulla(["decrypt", "--allow-duplicate-keys", name])
            .expect_stdout(text)
            .run();
    }
}

#[test]
fn what_yaml_forbids_is_refused_with_its_place() {
    let bomb: String = std::iter::once("a0: &a0 [x, x]\n".to_owned())
        .chain((1..40).map(|n| format!("a{n}: &a{n} [*a{p}, *a{p}]\n", p = n - 1)))
        .collect();
    let deep = format!("a: {}1{}\n", "[".repeat(20_000), "]".repeat(20_000));
    for (text, place) in [
        ("a: *nowhere\n", "f.yaml:1:4"),
        ("a: &a [*a]\n", "f.yaml:1:8"),
        ("a:\n\tb: 1\n", "f.yaml:2:"),
        (&bomb, "f.yaml:"),
        (&deep, "f.yaml:1:"),
    ] {
        Case::new()
            .file("f.yaml", text)
            .args(["encrypt", "--age", &alice(), "f.yaml"])
            .expect_stderr_has(place)
            .status(2)
            .run();
    }
}

#[test]
fn selectors_choose_by_flag() {
    let plain = "token_secret: one\nnote_unencrypted: two\nuser: three\n";
    // Which of the three lines are encrypted.
    let cases: [(&[&str], [bool; 3]); 6] = [
        (&[], [true, false, true]),
        (&["--unencrypted-suffix", "_secret"], [false, true, true]),
        (&["--encrypted-suffix", "_secret"], [true, false, false]),
        (&["--unencrypted-regex", "^user$"], [true, true, false]),
        (
            &["--encrypted-regex", "^(user|note.*)$"],
            [false, true, true],
        ),
        (
            &["--encrypted-regex", "USER|(?i)Token"],
            [true, false, false],
        ),
    ];
    for (flags, encrypted) in cases {
        let out = Case::new()
            .file("f.yaml", plain)
            .args(["encrypt", "--age", &alice(), "f.yaml"])
            .args(flags)
            .any_stdout()
            .any_stderr()
            .run();
        let text = out.text();
        for (line, expected) in ["token_secret", "note_unencrypted", "user"]
            .iter()
            .zip(encrypted)
        {
            let line = line_of(&text, &format!("{line}:"));
            assert_eq!(line.contains("ENC["), expected, "{flags:?}: {line}");
        }
        out.sandbox.file("e.yaml", &out.stdout);
        out.sandbox
            .bulla(["decrypt", "e.yaml"])
            .expect_stdout(plain)
            .run();
    }
}

#[test]
fn comment_selectors_choose_by_the_comment_above() {
    let plain = "# public\na: 1\nb: 2\n# hide\nc:\n    d: 3\ne: 4 # hide\n";
    let cases = [
        ("--encrypted-comment-regex", "hide", "c e"),
        ("--unencrypted-comment-regex", "public", "b c e"),
    ];
    for (flag, regex, encrypted) in cases {
        let out = Case::new()
            .file("f.yaml", plain)
            .args(["encrypt", "--age", &alice(), flag, regex, "f.yaml"])
            .any_stdout()
            .any_stderr()
            .run();
        let text = out.text();
        for (key, leaf) in [("a", "a: "), ("b", "b: "), ("c", "d: "), ("e", "e: ")] {
            let line = line_of(strip_metadata(&text), leaf);
            assert_eq!(line.contains(": ENC["), encrypted.contains(key), "{line}");
        }
        out.sandbox.file("e.yaml", &out.stdout);
        for program in ["bulla", "sops"] {
            let case = match program {
                "bulla" => out
                    .sandbox
                    .bulla(["decrypt", "e.yaml"])
                    .expect_stdout(plain),
                _ => out.sandbox.sops(["decrypt", "e.yaml"]).any_stdout(),
            };
            case.run();
        }
    }
}

#[test]
fn two_selectors_are_refused() {
    Case::new()
        .file("f.yaml", PLAIN)
        .args([
            "encrypt",
            "--age",
            &alice(),
            "--encrypted-suffix",
            "x",
            "--encrypted-regex",
            "y",
            "f.yaml",
        ])
        .expect_stderr_has("encrypted")
        .status(8)
        .run();
}

#[test]
fn a_selector_that_does_not_compile_is_refused() {
    for flag in ["--encrypted-regex", "--unencrypted-regex"] {
        Case::new()
            .file("f.yaml", PLAIN)
            .args(["encrypt", "--age", &alice(), flag, "(?<=x)y", "f.yaml"])
            .expect_stderr_has("(?<=x)y")
            .status(1)
            .run();
    }
}

#[test]
fn a_selector_that_selects_nothing_is_never_silent() {
    Case::new()
        .file("f.yaml", "name: hunter2\n")
        .args([
            "encrypt",
            "--age",
            &alice(),
            "--encrypted-regex",
            "^nothing$",
            "f.yaml",
        ])
        .any_stdout()
        .expect_stderr_has("encrypted_regex")
        .run();
}

#[test]
fn a_clear_value_that_looks_like_a_secret_is_named() {
    Case::new()
        .file("f.yaml", "data: x\npassword: hunter2-hunter2\n")
        .args([
            "encrypt",
            "--age",
            &alice(),
            "--encrypted-regex",
            "^data$",
            "f.yaml",
        ])
        .any_stdout()
        .expect_stderr_has("password")
        .never_says_on_stderr("hunter2-hunter2")
        .run();
}

#[test]
fn encrypting_over_an_encrypted_file_keeps_tokens_of_equal_values() {
    let sandbox = Sandbox::new();
    sandbox.file("p.yaml", "a: 1\nb: two # why\nc: [x, x]\n");
    let encrypt = ["encrypt", "--age", &alice(), "p.yaml", "--output", "e.yaml"];
    sandbox.bulla(encrypt).run();
    let before = sandbox.read_text("e.yaml");
    let stamp = std::fs::metadata(sandbox.path("e.yaml")).unwrap();

    sandbox.bulla(encrypt).run();
    let after = std::fs::metadata(sandbox.path("e.yaml")).unwrap();
    assert_eq!(sandbox.read_text("e.yaml"), before, "nothing changed");
    assert_eq!(stamp.modified().unwrap(), after.modified().unwrap());

    sandbox.file("p.yaml", "a: 1\nb: three # why\nc: [x, x]\nd: new\n");
    sandbox.bulla(encrypt).run();
    let changed = sandbox.read_text("e.yaml");
    assert_eq!(line_of(&changed, "a:"), line_of(&before, "a:"));
    assert_eq!(line_of(&changed, "c:"), line_of(&before, "c:"));
    let (old, new) = (line_of(&before, "b:"), line_of(&changed, "b:"));
    assert_ne!(tokens(old)[0], tokens(new)[0]);
    assert_eq!(tokens(old)[1], tokens(new)[1], "the comment's token");
    sandbox
        .bulla(["decrypt", "e.yaml"])
        .expect_stdout("a: 1\nb: three # why\nc: [x, x]\nd: new\n")
        .run();
}

#[test]
fn encrypting_over_a_file_that_somebody_planted_takes_a_key_of_its_own() {
    let sandbox = Sandbox::new();
    sandbox.file("p.yaml", "a: one\nb: two\nc: three\n");
    // for alice, but by somebody who knows none of the values, or only some
    for planted in ["a: x\nb: y\nc: z\n", "a: one\nb: y\nc: z\n", "d: x\n"] {
        sandbox.encrypted_by_sops("e.yaml", planted);
        let before = sandbox.read_text("e.yaml");
        sandbox
            .bulla(["encrypt", "--age", &alice(), "p.yaml", "--output", "e.yaml"])
            .run();
        let after = sandbox.read_text("e.yaml");
        let wrapped = |text: &str| -> Vec<String> {
            let lines = text.lines().map(str::trim);
            let inside = lines.skip_while(|line| *line != "-----BEGIN AGE ENCRYPTED FILE-----");
            inside.take(4).map(str::to_owned).collect()
        };
        assert_eq!(wrapped(&after).len(), 4);
        assert_ne!(wrapped(&before), wrapped(&after));
        sandbox
            .bulla(["decrypt", "e.yaml"])
            .expect_stdout("a: one\nb: two\nc: three\n")
            .run();
    }
}

#[test]
fn encrypting_over_a_file_keeps_its_mode_and_its_link() {
    let sandbox = Sandbox::new();
    sandbox
        .file("p.yaml", "a: 1\n")
        .file("e.yaml", "old: text\n");
    sandbox.mode_of(&sandbox.path("e.yaml"), 0o640);
    std::os::unix::fs::symlink("e.yaml", sandbox.path("link.yaml")).unwrap();
    sandbox
        .bulla([
            "encrypt",
            "--age",
            &alice(),
            "p.yaml",
            "--output",
            "link.yaml",
        ])
        .run();
    assert_eq!(sandbox.mode(&sandbox.path("e.yaml")), 0o640);
    assert_eq!(sandbox.names(), ["e.yaml", "link.yaml", "p.yaml"]);
    sandbox
        .bulla(["decrypt", "e.yaml"])
        .expect_stdout("a: 1\n")
        .run();
}

#[test]
fn flags_without_effect_are_said() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", "a: 1\n");
    sandbox
        .bulla([
            "encrypt",
            "-i",
            "--age",
            &alice(),
            "--aws-profile",
            "me",
            "--encryption-context=a:b",
            "f.yaml",
        ])
        .expect_stderr_has("--aws-profile: no AWS key is named")
        .expect_stderr_has("--encryption-context: no AWS key is named")
        .run();
    sandbox
        .bulla(["rotate", "-i", "--encryption-context", "a:b", "f.yaml"])
        .expect_stderr_has("--encryption-context: no AWS key is named")
        .run();
    sandbox
        .bulla(["decrypt", "--enable-local-keyservice=true", "f.yaml"])
        .expect_stdout("a: 1\n")
        .run();
}

#[test]
fn encrypting_over_a_file_for_others_makes_a_new_one() {
    let sandbox = Sandbox::new();
    sandbox.file("p.yaml", "a: 1\n");
    sandbox
        .bulla(["encrypt", "--age", &alice(), "p.yaml", "--output", "e.yaml"])
        .run();
    let before = sandbox.read_text("e.yaml");
    let both = format!("{},{}", alice(), age_key("bob").recipient);
    sandbox
        .bulla(["encrypt", "--age", &both, "p.yaml", "--output", "e.yaml"])
        .run();
    let after = sandbox.read_text("e.yaml");
    assert_ne!(line_of(&before, "a:"), line_of(&after, "a:"));
    sandbox
        .bulla(["decrypt", "e.yaml"])
        .identity("bob")
        .expect_stdout("a: 1\n")
        .run();
}

#[test]
fn a_second_cipher_is_chosen_by_flag_and_said() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla([
            "encrypt",
            "-i",
            "--age",
            &alice(),
            "--cipher",
            "XCHACHA20_POLY1305",
            "f.yaml",
        ])
        .expect_stderr_has("sops")
        .run();
    let text = sandbox.read_text("f.yaml");
    assert!(text.contains("ENC[XCHACHA20_POLY1305,data:"));
    assert!(!text.contains("AES256_GCM"));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn what_sops_has_no_room_for_works_and_is_said_once() {
    for (name, text) in [
        ("list.yaml", "- a\n- b: 1\n"),
        ("scalar.yaml", "just text\n"),
        ("keys.yaml", "1: one\ntrue: two\n~: three\n"),
        ("unsigned.yaml", "a: 18446744073709551615\n"),
        ("list.json", "[1, \"two\"]\n"),
        ("scalar.json", "\"text\"\n"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.file(name, text);
        let out = sandbox
            .bulla(["encrypt", "-i", "--age", &alice(), name])
            .expect_stderr_has("stock sops")
            .run();
        assert_eq!(out.stderr.matches("stock sops").count(), 1);
        sandbox.bulla(["decrypt", name]).expect_stdout(text).run();
    }
}

#[test]
fn a_byte_order_mark_that_sops_would_stumble_over_is_kept_and_said() {
    let sandbox = Sandbox::new();
    let plain = "\u{feff}{\"a\": 1}\n";
    sandbox
        .file("f.json", plain)
        .bulla([
            "encrypt",
            "-i",
            "--age",
            &age_key("alice").recipient,
            "f.json",
        ])
        .expect_stderr_has("stock sops cannot read this file: it starts with a byte order mark")
        .run();
    sandbox
        .sops(["decrypt", "f.json"])
        .any_stderr()
        .status(1)
        .run();
    sandbox
        .bulla(["decrypt", "f.json"])
        .expect_stdout(plain)
        .run();
}
