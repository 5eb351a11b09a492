//! INI files: beside real sops in both directions, and what sops loses.

use crate::support::{Case, Sandbox, age_key, assert_same_data, in_clear, text};

fn alice() -> String {
    age_key("alice").recipient
}

/// Encrypts, decrypts and compares; then sops reads the encrypted file as it reads the plain one.
#[track_caller]
fn comes_back(plain: impl AsRef<[u8]>) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.ini", &plain);
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout(&plain)
        .run();
    let json = |name: &str| {
        let args = ["decrypt", "--output-type", "json", name];
        sandbox.sops(args).any_stdout().run().stdout
    };
    let ours = json("f.ini");
    sandbox.encrypted_by_sops("s.ini", &plain);
    assert_same_data(&ours, &json("s.ini"), &text(plain.as_ref()));
    let args = ["decrypt", "--output-type", "json", "s.ini"];
    let read = sandbox.bulla(args).any_stdout().run();
    assert_same_data(&read.stdout, &ours, &text(plain.as_ref()));
    sandbox
}

#[test]
fn values_and_comments_of_every_kind() {
    for plain in [
        "",
        "; only a comment",
        "a=1\n[s]\nb : 'x y'\nc = \"two\" ; behind\n; d\n# d\nd=\n\n[DEFAULT]\nd=1\n",
        "[a]\r\nk = \"v\"\r\n; c\r\nl= a\\\r\n  b\r\n",
        "[a]\nlong = \"\"\"x\n  y\n\"\"\"\n`=` = `# \"`\n",
        "\u{feff}[a]\nk=1\n\n\n; the end\n\n",
        "[a]\nk=url#x;y\nl = 'it''s'\nm = \"\"\"\"\"\"\n",
        "[a]\nk=1\n[a]\nk=2\n[a]\nl = x \\\n y\n",
        "[x]y] ; z]\nk=1\n",
        "k = v \\",
    ] {
        comes_back(plain);
    }
}

#[test]
fn what_sops_loses_comes_back() {
    for plain in [
        "k=1\n; of k\nk=2\n[a] ; on the line\nl=`v` gone\n",
        "# one\n\n   # two\nk=1\n",
        "k=1\n; the end\n",
        "k = \"a ; b\"\nl = `x\n` ; c\n",
    ] {
        let sandbox = comes_back(plain);
        let sealed = sandbox.read_text("f.ini");
        for clear in [
            "of k",
            "on the line",
            "gone",
            "one",
            "two",
            "the end",
            "; b",
            "; c",
        ] {
            assert!(!in_clear(&sealed).contains(clear), "{clear}: {sealed}");
        }
    }
}

#[test]
fn a_minus_is_a_key_that_sops_can_read_too() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.ini", "[a]\n- = x\n- = y\n");
    let args = ["decrypt", "--extract", "[\"a\"][\"#2\"]", "f.ini"];
    sandbox.sops(args).expect_stdout("y").run();
    sandbox.bulla(args).expect_stdout("y").run();
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout("[a]\n- = x\n- = y\n")
        .run();
}

#[test]
fn a_box_of_comment_signs_is_written_back_by_sops() {
    let sandbox = Sandbox::new();
    let plain = "#\n# Title\n#\nk = 1\n";
    sandbox.encrypted("f.ini", plain);
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout(plain)
        .run();
    sandbox
        .sops(["decrypt", "f.ini"])
        .expect_stdout("; Title\n# \nk = 1\n")
        .run();
}

#[test]
fn what_is_cut_off_a_value_is_as_secret_as_it() {
    let sandbox = Sandbox::new();
    let plain = "[a]\n; above\npassword = sec#ret\nuser = x # note\npassword2 = ;all of it\n";
    let args = [
        "encrypt",
        "-i",
        "--age",
        &alice(),
        "--encrypted-regex",
        "^password",
        "f.ini",
    ];
    sandbox.file("f.ini", plain).bulla(args).run();
    let sealed = sandbox.read_text("f.ini");
    assert!(
        !in_clear(&sealed).contains("#ret") && !sealed.contains("all of it"),
        "{sealed}"
    );
    assert!(sealed.contains("; above\npassword = ENC["));
    assert!(sealed.contains("user = x # note\n"));
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout(plain)
        .run();
    let theirs = sandbox.sops(["decrypt", "f.ini"]).any_stdout().run();
    assert!(
        theirs.text().contains("password  = sec\n"),
        "{}",
        theirs.text()
    );
}

#[test]
fn a_comment_above_and_one_behind_are_both_read_by_sops() {
    let sandbox = Sandbox::new();
    let plain = "; above\nk = v ; behind\n";
    sandbox.encrypted("f.ini", plain);
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout(plain)
        .run();
    sandbox
        .sops(["decrypt", "f.ini"])
        .expect_stdout("; above\n; behind\nk = v\n")
        .run();
}

#[test]
fn a_file_that_sops_changed_loses_its_layout_and_no_value() {
    let sandbox = comes_back("k=1\nk=2\n[a]\nl = x \\\n  y\n");
    sandbox
        .sops(["set", "f.ini", "[\"DEFAULT\"][\"k\"]", "\"3\""])
        .run();
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout("k = 3\n\n[a]\nl = x y\n")
        .run();
}

#[test]
fn set_and_unset_leave_every_other_byte() {
    let sandbox = comes_back("[a]\n  k : \"1\" ; c\n\n; b\n[b]\nx=1\nx=2\ny=3\n; end");
    sandbox
        .bulla(["set", "f.ini", "[\"a\"][\"k\"]", "\"# 2\""])
        .run();
    sandbox.bulla(["set", "f.ini", "a.l", "true"]).run();
    sandbox.bulla(["unset", "f.ini", "b.x"]).run();
    sandbox.bulla(["set", "f.ini", "c.d", "\" \""]).run();
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout("[a]\n  k : `# 2` ; c\n  l : true\n\n; b\n[b]\ny=3\n; end\n\n[c]\nd = \" \"")
        .run();
    sandbox.sops(["decrypt", "f.ini"]).any_stdout().run();
}

#[test]
fn updatekeys_and_rotate_keep_the_text() {
    let plain = "[a]\r\nk = 1 ; c\r\n; x\r\n\r\n; y";
    let sandbox = comes_back(plain);
    let both = format!(
        "creation_rules:\n  - age: {},{}\n",
        alice(),
        age_key("bob").recipient
    );
    sandbox.file(".sops.yaml", both);
    sandbox
        .bulla(["updatekeys", "-y", "f.ini"])
        .any_stdout()
        .any_stderr()
        .run();
    sandbox.bulla(["rotate", "-i", "f.ini"]).run();
    sandbox
        .bulla(["decrypt", "f.ini"])
        .identity("bob")
        .expect_stdout(plain)
        .run();
    sandbox.sops(["decrypt", "f.ini"]).any_stdout().run();
}

#[test]
fn what_ini_cannot_hold_is_refused_by_name() {
    for (key, value, why) in [
        ("a.k", "[1]", "a.k is a list, which INI cannot hold"),
        ("a.n", "null", "a.n is null, which INI cannot hold"),
        ("a.k.x", "1", "a.k is a mapping, which INI cannot hold"),
        ("x", "1", "x is no section, and INI holds nothing else"),
        ("a[\"-\"]", "1", "cannot be the name of a key in INI"),
        ("sops.x", "1", "sops keeps the name sops for its metadata"),
    ] {
        let sandbox = comes_back("[a]\nk=1\n");
        sandbox
            .bulla(["set", "f.ini", key, value])
            .expect_stderr_has(why)
            .status(4)
            .run();
    }
}

#[test]
fn a_section_that_sops_keeps_is_refused() {
    Case::new()
        .file("f.ini", "[sops]\nmac=1\n")
        .args(["encrypt", "--age", &alice(), "f.ini"])
        .expect_stderr_has("encrypted already")
        .status(203)
        .run();
}

#[test]
fn a_line_that_is_nothing_is_refused_and_not_shown() {
    Case::new()
        .file("f.ini", "[a]\nhunter2 swordfish\n")
        .args(["encrypt", "--age", &alice(), "f.ini"])
        .expect_stderr_has("f.ini:2:1: expected a key and `=`")
        .never_says("hunter2")
        .status(2)
        .run();
}

#[test]
fn other_formats_become_ini_and_come_back() {
    let sandbox = Sandbox::new();
    let yaml = "a:\n    # c\n    x: text\n    z: \"l\\nm\"\nb:\n    long: 2.0\n    t: true\n";
    let args = [
        "encrypt",
        "--age",
        &alice(),
        "--output-type",
        "ini",
        "f.yaml",
    ];
    let sealed = sandbox.file("f.yaml", yaml).bulla(args).any_stdout().run();
    sandbox.file("f.ini", sealed.stdout);
    let plain = "; c\n[a]\nx = text\nz = \"\"\"l\nm\"\"\"\n\n[b]\nlong = 2.0\nt    = true\n";
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout(plain)
        .run();
    sandbox
        .sops(["decrypt", "f.ini"])
        .expect_stdout(plain)
        .run();
    sandbox
        .bulla(["decrypt", "--output-type", "yaml", "f.ini"])
        .expect_stdout_has("z: |-\n        l\n        m\n")
        .run();
    sandbox
        .bulla(["decrypt", "--output-type", "dotenv", "f.ini"])
        .expect_stderr_has("DEFAULT is a mapping, which dotenv cannot hold")
        .status(4)
        .run();
}

#[test]
fn metadata_with_real_line_ends_is_read() {
    let sandbox = comes_back("k = 1\n");
    let text = sandbox.read_text("f.ini");
    let (before, enc) = text.split_once("age__list_0__map_enc       = ").unwrap();
    let (enc, behind) = enc.split_once('\n').unwrap();
    let real = enc.replace("\\n", "\n");
    sandbox.file(
        "f.ini",
        format!("{before}age__list_0__map_enc = \"\"\"{real}\"\"\"\n{behind}"),
    );
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout("k = 1\n")
        .run();
}

#[test]
fn a_selector_by_comments_that_looks_one_key_too_far_is_said() {
    let sandbox = Sandbox::new();
    sandbox
        .file("f.ini", "[a]\n# enc\nfirst = 1\nsecond = 2\n")
        .bulla(["encrypt", "-i", "--age", &alice()])
        .args(["--encrypted-comment-regex", "enc", "f.ini"])
        .expect_stderr_has("the comment of a key decides for the next key")
        .run();
    assert!(
        sandbox
            .read_text("f.ini")
            .contains("first = 1\nsecond = ENC[")
    );
    sandbox.sops(["decrypt", "f.ini"]).any_stdout().run();
}

#[test]
fn no_comment_on_the_line_of_a_secret_stays_in_clear_where_the_work_is_shared() {
    // more leaves than one thread takes, so that the borders stand before both kinds of them
    for shift in 0..2 {
        let mut plain = "[s]\n".to_owned() + &"name = b\n".repeat(shift);
        for number in 0..1_500 {
            plain += &format!("pass{number} = hunter{number} # tail{number}\n");
        }
        let sandbox = Sandbox::new();
        sandbox.file("f.ini", &plain);
        let args = ["encrypt", "-i", "--encrypted-regex", "^pass", "--age"];
        let args = args.into_iter().map(str::to_owned);
        sandbox
            .bulla(args.chain([alice(), "f.ini".to_owned()]))
            .run();
        let sealed = sandbox.read_text("f.ini");
        // With the signs around them: in so much base64 a short word may stand by chance.
        let is_open = |number| sealed.contains(&format!("hunter{number} #"));
        assert!(!(0..1_500).any(is_open) && !sealed.contains("# tail"));
        sandbox
            .bulla(["decrypt", "f.ini"])
            .expect_stdout(&plain)
            .run();
    }
}

#[test]
fn comments_that_are_a_part_of_a_value_in_clear_are_not_complained_of() {
    let plain = "[s]\n; secret\na = 1 # x\nb = 2 # y\nc = 3 # z\n";
    let sandbox = Sandbox::new();
    sandbox.file("f.ini", plain);
    let args = [
        "encrypt",
        "-i",
        "--encrypted-comment-regex",
        "secret",
        "--age",
    ];
    let args = args.into_iter().map(str::to_owned);
    sandbox
        .bulla(args.chain([alice(), "f.ini".to_owned()]))
        .any_stderr()
        .run();
    assert!(sandbox.read_text("f.ini").contains("\nb = ENC["));
    sandbox
        .bulla(["decrypt", "f.ini"])
        .expect_stdout(plain)
        .run();
}

#[test]
fn a_backslash_in_a_name_keeps_the_spelling_of_its_value() {
    for plain in [
        "[s]\n\\n=e\\\nb\n",
        "[s]\n\\u005cn=e\\\nb\n",
        "[s\\n]\na=e\\\n",
    ] {
        let sandbox = Sandbox::new();
        sandbox.encrypted("f.ini", plain);
        sandbox
            .bulla(["decrypt", "f.ini"])
            .expect_stdout(plain)
            .run();
        sandbox.sops(["decrypt", "f.ini"]).any_stdout().run();
    }
}
