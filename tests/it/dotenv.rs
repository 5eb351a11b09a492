//! Dotenv files: beside real sops in both directions, and what sops does not read.

use crate::support::{Case, Sandbox, age_key, assert_same_data, in_clear, line_of, text};

fn alice() -> String {
    age_key("alice").recipient
}

/// Encrypts, decrypts and compares; what sops then makes of it.
#[track_caller]
fn comes_back(name: &str, plain: impl AsRef<[u8]>) -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    sandbox
        .file(name, &plain)
        .bulla(["encrypt", "-i", "--age", &alice(), name])
        .any_stderr()
        .run();
    sandbox.bulla(["decrypt", name]).expect_stdout(&plain).run();
    let args = [
        "decrypt",
        "--input-type",
        "dotenv",
        "--output-type",
        "dotenv",
        name,
    ];
    let theirs = sandbox.sops(args).any_stdout().run();
    let theirs = text(&theirs.stdout);
    assert!(!theirs.contains("ENC["), "{theirs}");
    (sandbox, theirs)
}

#[test]
fn what_sops_reads_comes_back_and_sops_gives_the_same_lines() {
    for plain in [
        "A=1\n",
        "# c\nexport A = 'x' # y\nA=\n=\nB=a\\nb\\\\n\n#\n",
        "A=1\r\n# c\r\nB=\"2\"\r\n",
        "A==\n#A=1\nA=2\nA=3",
    ] {
        let (_, theirs) = comes_back("f.env", plain);
        assert_eq!(theirs.trim_end_matches('\n'), plain.trim_end_matches('\n'));
    }
}

#[test]
fn the_text_may_end_in_any_way() {
    for plain in [
        "",
        "\n",
        "\n\n\n",
        "A=1",
        "A=1\n\n",
        "#",
        "#\n",
        "A=1\r\n\r\n",
        " \n",
    ] {
        comes_back("f.env", plain);
    }
}

#[test]
fn what_other_readers_take_comes_back_and_sops_reads_the_same_values() {
    let plain = "# c\r\n\r\nA=1\n   # indented\n\t\nexport PASSED_ON\n\
                 KEY=\"-----BEGIN\nYWJj\nYQ==\n-----END\" # why\nB='\n'\n";
    let (sandbox, theirs) = comes_back("f.env", plain);
    assert_eq!(
        theirs,
        "# c\r\nA=1\n# indented\n#export PASSED_ON\n\
         KEY=\"-----BEGIN\\nYWJj\\nYQ==\\n-----END\" # why\nB='\\n'\n"
    );
    let sealed = sandbox.read_text("f.env");
    for clear in ["indented", "PASSED_ON", "BEGIN", "YWJj", "why"] {
        let shown = in_clear(&sealed).replace("BEGIN AGE", "");
        assert!(!shown.contains(clear), "{sealed}");
    }
    // Every line is one that sops reads: nothing, a comment, or an entry.
    let is_read = |line: &str| line.is_empty() || line.starts_with('#') || line.contains('=');
    assert!(sealed.lines().all(is_read), "{sealed}");
}

#[test]
fn a_line_of_a_secret_without_quotes_is_refused_and_not_left_in_clear_as_a_comment() {
    let sandbox = Sandbox::new();
    sandbox.file("f.env", "KEY=-----BEGIN\nYWJj\n");
    for selector in [&[][..], &["--encrypted-regex", "^KEY$"]] {
        sandbox
            .bulla(["encrypt", "--age", &alice()])
            .args(selector)
            .arg("f.env")
            .expect_stderr_has("f.env:2:1: expected `KEY=value` or a comment")
            .never_says("YWJj")
            .status(2)
            .run();
    }
    sandbox
        .sops(["encrypt", "--age", &alice(), "f.env"])
        .any_stderr()
        .status(2)
        .run();
}

#[test]
fn values_in_clear_are_put_on_one_line_for_sops() {
    let sandbox = Sandbox::new();
    let plain = "PLAIN='{\n \"a\": 1\n}'\n  # c\nSECRET=x\n";
    let args = [
        "encrypt",
        "-i",
        "--age",
        &alice(),
        "--encrypted-regex",
        "^SECRET$",
        "f.env",
    ];
    sandbox.file("f.env", plain).bulla(args).run();
    assert!(
        sandbox
            .read_text("f.env")
            .starts_with("PLAIN='{\\n \"a\": 1\\n}'\n# c\nSECRET=ENC[")
    );
    sandbox
        .sops(["decrypt", "f.env"])
        .expect_stdout("PLAIN='{\\n \"a\": 1\\n}'\n# c\nSECRET=x\n")
        .run();
    sandbox
        .bulla(["decrypt", "f.env"])
        .expect_stdout(plain)
        .run();
}

#[test]
fn a_file_that_sops_changed_loses_its_layout_and_no_value() {
    let (sandbox, _) = comes_back("f.env", "A=1\n\n  # c\nB=\"x\ny\"\n");
    sandbox.sops(["set", "f.env", "[\"A\"]", "\"2\""]).run();
    sandbox
        .bulla(["decrypt", "f.env"])
        .expect_stdout("A=2\n# c\nB=\"x\\ny\"\n")
        .run();
}

#[test]
fn set_and_unset_leave_every_other_byte() {
    let (sandbox, _) = comes_back("f.env", "A=1\r\n\r\n  # c\nB=\"x\ny\"\nC=3");
    sandbox
        .bulla(["set", "f.env", "[\"A\"]", "\"a\\nb\""])
        .run();
    sandbox.bulla(["set", "f.env", "D", "true"]).run();
    sandbox.bulla(["unset", "f.env", "B"]).run();
    sandbox
        .bulla(["decrypt", "f.env"])
        .expect_stdout("A=a\\nb\n\r\n  # c\nC=3\nD=true")
        .run();
    sandbox.sops(["decrypt", "f.env"]).any_stdout().run();
}

#[test]
fn tokens_of_what_did_not_change_stay() {
    let (sandbox, _) = comes_back("f.env", "A=1\nB=2\n# c\n");
    let before = sandbox.read_text("f.env");
    sandbox.bulla(["set", "f.env", "A", "\"9\""]).run();
    let after = sandbox.read_text("f.env");
    let changes = ["A=", "sops_lastmodified=", "sops_mac="];
    let kept = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::to_owned);
        lines
            .filter(|line| !changes.iter().any(|start| line.starts_with(start)))
            .collect()
    };
    assert_eq!(kept(&before), kept(&after));
    assert_ne!(line_of(&before, "A="), line_of(&after, "A="));
}

#[test]
fn updatekeys_and_rotate_keep_the_text() {
    let plain = "A=1\n \nB='x\ny'";
    let (sandbox, _) = comes_back("f.env", plain);
    let both = format!(
        "creation_rules:\n  - age: {},{}\n",
        alice(),
        age_key("bob").recipient
    );
    sandbox.file(".sops.yaml", both);
    sandbox
        .bulla(["updatekeys", "-y", "f.env"])
        .any_stdout()
        .any_stderr()
        .run();
    sandbox.bulla(["rotate", "-i", "f.env"]).run();
    sandbox
        .bulla(["decrypt", "f.env"])
        .identity("bob")
        .expect_stdout(plain)
        .run();
    sandbox.sops(["decrypt", "f.env"]).any_stdout().run();
}

#[test]
fn what_dotenv_cannot_hold_is_refused_by_name() {
    for (key, value, why) in [
        ("[\"A\"]", "[1]", "A is a list, which dotenv cannot hold"),
        (
            "[\"A\"]",
            "{\"b\": 1}",
            "A is a mapping, which dotenv cannot hold",
        ),
        ("[\"N\"]", "null", "N is null, which dotenv cannot hold"),
        ("[\"N\"]", "\"C:\\\\new\"", "holds a backslash before an n"),
        ("[\"a=b\"]", "1", "cannot be a name in dotenv"),
        ("[\"sops_x\"]", "1", "which sops keeps for its metadata"),
    ] {
        let (sandbox, _) = comes_back("f.env", "A=1\n");
        sandbox
            .bulla(["set", "f.env", key, value])
            .expect_stderr_has(why)
            .status(4)
            .run();
    }
}

#[test]
fn names_that_sops_keeps_are_refused() {
    Case::new()
        .file("f.env", "sops_mac=1\n")
        .args(["encrypt", "--age", &alice(), "f.env"])
        .expect_stderr_has("encrypted already")
        .status(203)
        .run();
}

#[test]
fn a_line_that_is_no_entry_is_refused_and_not_shown() {
    Case::new()
        .file("f.env", "A=1\nhunter2 swordfish\n")
        .args(["encrypt", "--age", &alice(), "f.env"])
        .expect_stderr_has("f.env:2:1: expected `KEY=value` or a comment")
        .never_says("hunter2")
        .status(2)
        .run();
}

#[test]
fn other_formats_become_dotenv_and_come_back() {
    let sandbox = Sandbox::new();
    let yaml = "# c\na: text\nb: \"x\\ny\"\nc: 1\nd: 2.0\ne: true\nt: 2024-01-02T03:04:05Z\n";
    let args = [
        "encrypt",
        "--age",
        &alice(),
        "--output-type",
        "dotenv",
        "f.yaml",
    ];
    let sealed = sandbox.file("f.yaml", yaml).bulla(args).any_stdout().run();
    sandbox.file("f.env", sealed.stdout);
    let plain = "# c\na=text\nb=x\\ny\nc=1\nd=2.0\ne=true\nt=2024-01-02T03:04:05Z\n";
    sandbox
        .bulla(["decrypt", "f.env"])
        .expect_stdout(plain)
        .run();
    sandbox
        .sops(["decrypt", "f.env"])
        .expect_stdout(plain)
        .run();
    let ours = sandbox
        .bulla(["decrypt", "--output-type", "json", "f.env"])
        .any_stdout()
        .run();
    let theirs = sandbox
        .sops(["decrypt", "--output-type", "json", "f.env"])
        .any_stdout()
        .run();
    assert_same_data(&ours.stdout, &theirs.stdout, "f.env");
}

#[test]
fn other_names_of_dotenv_files_are_known() {
    for name in [
        ".env",
        "PROD.ENV",
        ".envrc",
        ".env.production",
        "web.env.local",
    ] {
        comes_back(name, "A=1\n  # c\n");
    }
}

#[test]
fn a_name_that_sops_takes_for_binary_is_said_once() {
    let sandbox = Sandbox::new();
    let recipient = alice();
    sandbox
        .file(".env.production", "A=1\n")
        .bulla(["encrypt", "-i", "--age", &recipient, ".env.production"])
        .expect_stderr_has("--input-type dotenv --output-type dotenv")
        .run();
    sandbox
        .sops([
            "decrypt",
            "--input-type",
            "dotenv",
            "--output-type",
            "dotenv",
        ])
        .arg(".env.production")
        .expect_stdout("A=1\n")
        .run();
    sandbox
        .bulla(["set", ".env.production", "[\"A\"]", "\"2\""])
        .run();
    sandbox
        .file("f.env", "A=1\n")
        .bulla(["encrypt", "-i", "--age", &recipient, "f.env"])
        .run();
}

#[test]
fn metadata_of_other_ages_and_line_ends_is_read() {
    let (sandbox, _) = comes_back("f.env", "A=1\nB=2\n");
    let text = sandbox.read_text("f.env");
    // Lines in another order, ends of another system, and a threshold as sops wrote it once.
    let mut lines: Vec<&str> = text.lines().collect();
    lines.reverse();
    let turned = lines.join("\r\n") + "\r\nsops_shamir_threshold=0.000000\r\n";
    sandbox.file("f.env", turned);
    sandbox
        .bulla(["decrypt", "--extract", "A", "f.env"])
        .any_stdout()
        .any_stderr()
        .status(51)
        .run();
    sandbox
        .bulla(["decrypt", "--ignore-mac", "f.env"])
        .expect_stdout("B=2\nA=1\n")
        .any_stderr()
        .run();
}
