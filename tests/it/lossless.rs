//! What is encrypted and decrypted again is the same bytes: hard layouts, one by one.

use crate::support::{Sandbox, age_key, testdata, testdata_names};

/// Encrypts and decrypts, and compares; then lets sops read the encrypted file where it can.
#[track_caller]
fn comes_back(name: &str, text: impl AsRef<[u8]>) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file(name, &text);
    let alice = age_key("alice").recipient;
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice, name])
        .any_stderr()
        .run();
    assert_ne!(sandbox.read(name), text.as_ref());
    sandbox.bulla(["decrypt", name]).expect_stdout(&text).run();
    sandbox
}

/// As [`comes_back`], and sops can read it.
#[track_caller]
fn comes_back_and_sops_reads(name: &str, text: impl AsRef<[u8]>) {
    comes_back(name, text)
        .sops(["decrypt", name])
        .any_stdout()
        .run();
}

#[test]
fn every_plain_file_of_the_test_data() {
    for name in testdata_names("plain") {
        comes_back_and_sops_reads(&name, testdata(&format!("plain/{name}")));
    }
}

#[test]
fn line_ends_and_marks() {
    for text in [
        "a: 1",
        "a: 1\n\n\n",
        "\n\na: 1\n",
        "a: 1\r\nb: |\r\n  x\r\n  y\r\nc: 'd\r\n  e'\r\n",
        "\u{feff}a: 1\n",
        "a: 1\rb: 2\r",
        "a: 1\n\t\n# x\n",
        "a: 1 \t \nb: 2\t# c\n",
        "---\na: 1\n",
        "--- # start\na: 1\n...\n",
        "%YAML 1.2\n---\na: 1\n",
        "a: 1\n...\n# behind\n",
        "a: 1\n---\nb: 2\n---\n# only a comment\n",
        "---\n---\na: 1\n",
        "--- {a: 1}\n--- {b: 2}\n",
    ] {
        comes_back("f.yaml", text);
    }
}

#[test]
fn spellings_of_scalars() {
    for value in [
        "0x1F",
        "0o17",
        "0b11",
        "017",
        "+1",
        "1_000",
        "1.50",
        "1e3",
        ".5",
        "-.5e-3",
        "08",
        "~",
        "Null",
        "True",
        "FALSE",
        "yes",
        "190:20:30",
        "2024-1-2",
        "2024-01-02T03:04:05Z",
        "2024-01-02 03:04:05.10",
        ".inf",
        "-.INF",
        ".nan",
        "'it''s'",
        "\"\\x41\\u00e9\\U0001F600\"",
        "\"a\\\n  b\"",
        "'a\n  b'",
        "a\n  b",
        "\"\\/\\e\\N\\_\\L\\P\"",
        "!!str 5",
        "!custom x",
        "!!binary aGk=",
        "! x",
        "&anchor x",
        "&a !!str x",
        "!<tag:yaml.org,2002:str> x",
        "\"\"",
        "''",
        "|\n  a\n\n  b",
        "|-\n  a",
        "|+\n  a\n\n",
        ">\n  a\n  b\n\n  c",
        ">-\n  a\n    b\n  c",
        "|2\n    a\n",
        "|\n\n  a",
        ">+\n  a\n\n\n",
        "| # comment\n  a\n",
        "'#'",
        "a#b",
        "a:b",
        "http://x:80/#y",
        "\"%\"",
        "'@'",
        "[a, 'b', \"c\", {d: e}]",
        "{a, b: , ? c}",
        "[a: b]",
        "[]",
        "{}",
        "[ ]",
    ] {
        comes_back("f.yaml", format!("k: {value}\nlast: x\n"));
    }
}

#[test]
fn block_scalars_where_files_have_them() {
    for text in [
        "l:\n  - |\n\n    a\n  - >-\n    b\n",
        "- |\n a\n- b\n",
        "a: |\n  deeper\n      text\n   than\n  this\nb: 1\n",
        "a: |-\n  {{- if .x }}\n  y: {{ .z }}\n  {{- end }}\n",
        "a: |\n  x\n   \nb: 1\n",
        "a: |\n  x\n  # no comment\n# a comment\nb: 1\n",
        "a:\n  |\n  x\n",
        "a: |\n\ttabs behind\n".replace('\t', "  \t").as_str(),
        "a: |\n",
        "a: >\n\n\n",
        "? |\n  key\n: |\n  value\n",
    ] {
        comes_back("f.yaml", text);
    }
}

#[test]
fn layouts_of_collections() {
    for text in [
        "  a: 1\n  b:\n  - x\n  - y\n",
        "{a: 1, b: [x,\n y]}\n",
        "{\n  \"a\": 1,\n  'b': {c: d,},\n}\n",
        "- - - a\n    - b\n  - c\n- d\n",
        "-   a\n-\n  b\n- k: v\n  l: w\n-\n  m: x\n",
        "? a\n: b\n? c\n",
        "? [complex, key]\n: value\n",
        "a:\n\n\n  b: 1\n\n  c: 2\n",
        "a: {b: {c: {d: [[[]]]}}}\n",
        "\"a\": 1\n'b' : 2\nc   :   3\n",
        "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2\n",
        "a: &x 1\nb: *x\nc: [*x, *x]\n*x : y\n",
        "<<: [{a: 1}, {b: 2}]\nc: 3\n",
    ] {
        comes_back("f.yaml", text);
    }
    let long = "k".repeat(200);
    comes_back_and_sops_reads("f.yaml", format!("{long}: 1\n? {long}x\n: 2\n"));
}

#[test]
fn comments_everywhere() {
    for text in [
        "# only a comment above\na: 1\n",
        "a: 1\n# only a comment below",
        "#\n##\n#!shebang\n#no blank\na: 1 #x\n",
        "a:\n  # c1\n  b: 1 # c2\n  # c3\n\n# c4\nc: 2\n  # c5\n",
        "l:\n  # c1\n  - a # c2\n  # c3\n  -\n    # c4\n    b\n# c5\n  - c\n",
        "l: [ # c1\n  a, # c2\n  # c3\n  b # c4\n] # c5\n",
        "m: { # c1\n  a: 1, # c2\n  # c3\n  b: 2 } # c4\n",
        "a: # c1\n  1\nb: # c2\n  # c3\n  c: 2\n",
        "a: 'x' # 'y'\nb: \"x\" # \"y\"\n",
        "# c1\n---\n# c2\na: 1\n# c3\n...\n# c4\n---\n# c5\nb: 2\n",
        "? # c1\n  a # c2\n: # c3\n  b # c4\n",
        "a: !!str # c1\n  x\nb: &y # c2\n  z\n",
    ] {
        comes_back("f.yaml", text);
    }
}

#[test]
fn json_of_any_layout() {
    for text in [
        "{}",
        "{ }\n",
        "\n\n{\"a\":1}",
        "{\"a\" : 1 ,\r\n\"b\":[ 1 , 2 ] }\r\n",
        "\u{feff}{\"a\": 1}",
        "{\"a\": \"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\"\\\\\"}",
        "{\"a\": [1.0, -0, -0.0, 1E5, 1e-7, 1.50, 0.1e+1, 12345678901234567890, 1e400]}",
        "{\"a\": \"\", \"\": \"b\", \"c\\u0041\": null, \"d\": [[], {}, [[]]]}",
        "{\"a\": \"raw\u{7f}\u{2028}é\"}",
        "[1, \"a\", null]",
        "{\t\"a\"\t:\t{\t\"b\"\t:\ttrue\t}\t}\t",
        "{\"a:b\": 1, \"a\": {\"b\": 1}}",
    ] {
        // An empty object has nothing to encrypt, but gets its metadata.
        comes_back("f.json", text);
    }
}

#[test]
fn deep_and_large_files() {
    let deep = format!("a: {}x{}\n", "[".repeat(900), "]".repeat(900));
    comes_back("f.yaml", deep);
    let blocks: String = (0..400)
        .map(|depth| format!("{}k:\n", " ".repeat(depth)))
        .chain(std::iter::once(format!("{}k: v\n", " ".repeat(400))))
        .collect();
    comes_back("f.yaml", blocks);
    let many: String = (0..5_000).map(|n| format!("key{n}: value {n}\n")).collect();
    comes_back("f.yaml", many);
    comes_back("f.yaml", format!("a: \"{}\"\n", "x".repeat(1 << 20)));
}

#[test]
fn what_sops_changed_is_still_right() {
    let sandbox = comes_back("f.yaml", "a: 0x10\nb: &x 1.50\nc: *x\nd: \"q\"\n");
    sandbox.sops(["set", "f.yaml", "[\"b\"]", "\"new\""]).run();
    let out = sandbox
        .bulla(["decrypt", "--output-type", "json", "f.yaml"])
        .any_stdout()
        .run();
    crate::support::assert_same_data(
        &out.stdout,
        br#"{"a": 16, "b": "new", "c": 1.5, "d": "q"}"#,
        "after sops set",
    );
}

#[test]
fn a_sealed_spelling_that_no_longer_fits_is_ignored() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: >\n  folded\n  text\nb: 1\n");
    let text = sandbox.read_text("f.yaml");
    let at = text.find("\n    bulla:").expect("sealed spellings");
    let before = &text[..at];
    let token = crate::support::tokens(&text)[0].to_owned();
    // The value of another file of the same data key would need a MAC: take `set` by sops instead.
    assert!(before.contains(&token));
    sandbox
        .sops(["set", "f.yaml", "[\"a\"]", "\"one\\ntwo\\n\""])
        .run();
    let out = sandbox
        .bulla(["decrypt", "--extract", "[\"a\"]", "f.yaml"])
        .any_stdout()
        .run();
    assert_eq!(out.text(), "one\ntwo\n");
}

#[test]
fn words_in_brackets_that_sops_would_quote() {
    comes_back_and_sops_reads(
        "f.yaml",
        "a: [\u{e9}\u{1F600}, '\u{1F600}', x\ty, \"x\ty\", {k: \u{1F600}}]\n",
    );
}
