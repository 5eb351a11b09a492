//! `bulla set`: one value changed, every other byte and token kept.

use crate::support::{Case, Sandbox, assert_same_data, line_of, strip_metadata, tokens};

const PLAIN: &str =
    "# head\na: 1\n\nb:   'two' # beside\nlist:\n    # first\n    - x\n    - y\nmap:\n    k: v\n";

fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
}

/// Sets `path` to `value` and compares the plaintext after it.
#[track_caller]
fn sets(path: &str, value: &str, expected: &str) {
    let sandbox = encrypted();
    sandbox.bulla(["set", "f.yaml", path, value]).run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(expected)
        .run();
}

#[test]
fn a_value_is_replaced() {
    sets("[\"a\"]", "2", &PLAIN.replace("a: 1", "a: 2"));
    sets("[\"a\"]", "\"text\"", &PLAIN.replace("a: 1", "a: text"));
    sets("[\"a\"]", "true", &PLAIN.replace("a: 1", "a: true"));
    sets("[\"a\"]", "null", &PLAIN.replace("a: 1", "a: null"));
    sets("[\"a\"]", "1.5", &PLAIN.replace("a: 1", "a: 1.5"));
    sets("[\"list\"][1]", "\"z\"", &PLAIN.replace("- y", "- z"));
    sets("[\"map\"][\"k\"]", "\"w\"", &PLAIN.replace("k: v", "k: w"));
    sets("map.k", "\"w\"", &PLAIN.replace("k: v", "k: w"));
    sets("['map']['k']", "\"w\"", &PLAIN.replace("k: v", "k: w"));
}

#[test]
fn text_that_looks_like_another_type_stays_text() {
    for value in [
        "yes",
        "12",
        "1.5",
        "null",
        "2024-01-02",
        "",
        " x",
        "# x",
        "a: b",
    ] {
        let sandbox = encrypted();
        let json = serde_json::to_string(value).unwrap();
        sandbox.bulla(["set", "f.yaml", "[\"a\"]", &json]).run();
        sandbox
            .bulla(["decrypt", "--extract", "[\"a\"]", "f.yaml"])
            .expect_stdout(value)
            .run();
        sandbox
            .sops(["decrypt", "--extract", "[\"a\"]", "f.yaml"])
            .expect_stdout(value)
            .run();
    }
}

#[test]
fn what_does_not_exist_is_added_at_the_end() {
    sets("[\"new\"]", "\"value\"", &format!("{PLAIN}new: value\n"));
    sets("[\"map\"][\"z\"]", "1", &format!("{PLAIN}    z: 1\n"));
    sets(
        "[\"list\"][2]",
        "\"z\"",
        &PLAIN.replace("    - y\n", "    - y\n    - z\n"),
    );
    sets(
        "[\"list\"][99]",
        "\"z\"",
        &PLAIN.replace("    - y\n", "    - y\n    - z\n"),
    );
}

#[test]
fn a_path_of_several_new_steps_is_made() {
    let sandbox = encrypted();
    sandbox
        .bulla(["set", "f.yaml", "[\"n\"][\"m\"][0][\"k\"]", "5"])
        .run();
    sandbox
        .bulla([
            "decrypt",
            "--output-type",
            "json",
            "--extract",
            "[\"n\"]",
            "f.yaml",
        ])
        .expect_stdout("{\n\t\"m\": [\n\t\t{\n\t\t\t\"k\": 5\n\t\t}\n\t]\n}\n")
        .run();
}

#[test]
fn objects_and_lists_are_values_too() {
    for value in [
        "{\"x\":[1,\"two\",{\"y\":null}],\"z\":{}}",
        "[1,\"two\",[3],{\"k\":true}]",
        "{}",
        "[]",
    ] {
        let sandbox = encrypted();
        sandbox.bulla(["set", "f.yaml", "[\"a\"]", value]).run();
        let out = sandbox
            .bulla([
                "decrypt",
                "--output-type",
                "json",
                "--extract",
                "[\"a\"]",
                "f.yaml",
            ])
            .any_stdout()
            .run();
        assert_same_data(&out.stdout, value.as_bytes(), value);
    }
}

#[test]
fn integers_are_integers_of_any_size() {
    let sandbox = encrypted();
    sandbox
        .bulla(["set", "f.yaml", "[\"a\"]", "9007199254740993"])
        .run();
    assert!(line_of(&sandbox.read_text("f.yaml"), "a:").ends_with("type:int]"));
    sandbox
        .sops(["decrypt", "--extract", "[\"a\"]", "f.yaml"])
        .expect_stdout("9007199254740993\n")
        .run();
}

#[test]
fn unchanged_values_keep_their_tokens() {
    let sandbox = encrypted();
    let before = sandbox.read_text("f.yaml");
    sandbox.bulla(["set", "f.yaml", "[\"a\"]", "2"]).run();
    let after = sandbox.read_text("f.yaml");
    let old = tokens(line_of(&before, "a:"))[0];
    let new = tokens(line_of(&after, "a:"))[0];
    assert_ne!(old, new);
    assert_eq!(
        strip_metadata(&before).replace(old, new),
        strip_metadata(&after)
    );
    assert_eq!(
        line_of(&before, "recipient:"),
        line_of(&after, "recipient:")
    );
    assert_ne!(line_of(&before, "mac:"), line_of(&after, "mac:"));
}

#[test]
fn nothing_changed_writes_nothing_when_asked() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["set", "--idempotent", "f.yaml", "[\"b\"]", "\"two\""])
        .run();
    sandbox
        .bulla([
            "set",
            "--idempotent",
            "f.yaml",
            "[\"map\"]",
            "{\"k\": \"v\"}",
        ])
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
    sandbox
        .bulla(["set", "--idempotent", "f.yaml", "[\"b\"]", "\"three\""])
        .run();
    assert_ne!(sandbox.read("f.yaml"), before);
}

#[test]
fn values_come_from_a_file_or_standard_input() {
    let sandbox = encrypted();
    sandbox.file("value.json", "\"from a file\"\n");
    sandbox
        .bulla(["set", "--value-file", "f.yaml", "[\"a\"]", "value.json"])
        .run();
    sandbox
        .bulla(["decrypt", "--extract", "a", "f.yaml"])
        .expect_stdout("from a file")
        .run();
    sandbox
        .bulla(["set", "--value-stdin", "f.yaml", "[\"a\"]"])
        .stdin("\"from stdin\"")
        .run();
    sandbox
        .bulla(["decrypt", "--extract", "a", "f.yaml"])
        .expect_stdout("from stdin")
        .run();
    sandbox
        .bulla([
            "set",
            "--value-stdin",
            "--value-file",
            "f.yaml",
            "[\"a\"]",
            "value.json",
        ])
        .expect_stderr_has("--value-file")
        .status(1)
        .run();
}

#[test]
fn bad_values_and_paths_are_refused_without_repeating_the_value() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    for (path, value) in [
        ("[\"a\"]", "hunter2"),
        ("[\"a\"]", "\"hunter2"),
        ("[\"a\"]", "\"hunter2\" x"),
        ("[\"a\"]", "{\"k\": hunter2}"),
        ("[\"a\"]", "{\"k\": \"hunter2\", \"k\": 1}"),
        ("", "\"hunter2\""),
        ("[]", "\"hunter2\""),
        ("[\"a\"", "\"hunter2\""),
        ("[\"list\"][-1]", "\"hunter2\""),
        ("[\"list\"][\"x\"]", "\"hunter2\""),
        ("[\"map\"][0]", "\"hunter2\""),
    ] {
        sandbox
            .bulla(["set", "f.yaml", path, value])
            .expect_stderr_has("bulla: ")
            .never_says("hunter2")
            .status(7)
            .run();
    }
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn the_number_of_arguments_counts() {
    for args in [
        &["set"][..],
        &["set", "f.yaml"],
        &["set", "f.yaml", "[\"a\"]"],
        &["set", "--value-stdin", "f.yaml", "[\"a\"]", "1"],
    ] {
        let sandbox = encrypted();
        sandbox
            .bulla(args)
            .expect_stderr_has("bulla: ")
            .status(100)
            .run();
    }
    Case::new()
        .args(["set", "missing.yaml", "[\"a\"]", "1"])
        .expect_stderr_has("missing.yaml")
        .status(2)
        .run();
}

#[test]
fn the_reserved_key_is_refused() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["set", "f.yaml", "[\"sops\"]", "{\"mac\": \"x\"}"])
        .expect_stderr_has("sops")
        .status(203)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn only_the_first_document_is_changed() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n---\na: 2\n");
    sandbox.bulla(["set", "f.yaml", "[\"a\"]", "3"]).run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: 3\n---\na: 2\n")
        .run();
}

#[test]
fn a_scalar_in_the_way_is_replaced() {
    let sandbox = encrypted();
    sandbox
        .bulla(["set", "f.yaml", "[\"a\"][\"k\"]", "\"v\""])
        .run();
    sandbox
        .bulla(["decrypt", "--extract", "a.k", "f.yaml"])
        .expect_stdout("v")
        .run();
}

#[test]
fn a_value_that_would_stay_in_clear_is_said() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", "password: one\n");
    let alice = crate::support::age_key("alice").recipient;
    sandbox
        .bulla([
            "encrypt",
            "-i",
            "--age",
            &alice,
            "--encrypted-regex",
            "^password$",
            "f.yaml",
        ])
        .run();
    sandbox
        .bulla(["set", "f.yaml", "[\"api_token\"]", "\"S3CR3T-NEW-VALUE\""])
        .expect_stderr_has("api_token")
        .never_says("S3CR3T")
        .run();
}

#[test]
fn a_wrong_mac_or_key_stops_it() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\nb_unencrypted: x\n");
    sandbox
        .bulla(["set", "f.yaml", "[\"a\"]", "2"])
        .no_identity()
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
    let text = sandbox.read_text("f.yaml");
    sandbox.file("f.yaml", text.replace("encrypted: x", "encrypted: y"));
    sandbox
        .bulla(["set", "f.yaml", "[\"a\"]", "2"])
        .expect_stderr_has("MAC")
        .status(51)
        .run();
    sandbox
        .bulla(["set", "--ignore-mac", "f.yaml", "[\"a\"]", "2"])
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout("a: 2\nb_unencrypted: y\n")
        .run();
}

#[test]
fn json_keeps_its_layout() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.json", "{ \"a\":1,\n    \"b\" : [1,2] }");
    sandbox
        .bulla(["set", "f.json", "[\"b\"][0]", "\"x\""])
        .run();
    sandbox
        .bulla(["decrypt", "f.json"])
        .expect_stdout("{ \"a\":1,\n    \"b\" : [\"x\",2] }")
        .run();
}

#[test]
fn what_sops_wrote_is_set_too() {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("f.yaml", PLAIN);
    let before = sandbox.read_text("f.yaml");
    sandbox.bulla(["set", "f.yaml", "[\"a\"]", "2"]).run();
    let after = sandbox.read_text("f.yaml");
    assert_eq!(line_of(&before, "b:"), line_of(&after, "b:"));
    sandbox
        .sops(["decrypt", "--extract", "[\"a\"]", "f.yaml"])
        .expect_stdout("2\n")
        .run();
}

#[test]
fn anchors_and_tags_of_ones_own_stay_with_a_new_value() {
    let plain = "a: &x 1\nb: *x\nc: !mine &y old\nd: !!int 3\ne: &m\n  k: v\nf: *m\ng: [&z 1, *z]\nl:\n  - &i 1\n  - *i\n";
    for (path, value, old, new) in [
        ("a", "\"new\"", "&x 1", "&x new"),
        ("a", "{\"k\": 1}", "a: &x 1", "a: &x\n  k: 1"),
        ("a", "[]", "&x 1", "&x []"),
        ("c", "\"12\"", "!mine &y old", "!mine &y \"12\""),
        ("c", "12", "!mine &y old", "&y 12"),
        ("d", "\"t\"", "!!int 3", "t"),
        ("e", "\"flat\"", "&m\n  k: v", "&m flat"),
        ("e", "{}", "&m\n  k: v", "&m {}"),
        ("g[0]", "2", "&z 1", "&z 2"),
        ("l[0]", "2", "- &i 1", "- &i 2"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.encrypted("f.yaml", plain);
        sandbox.bulla(["set", "f.yaml", path, value]).run();
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stdout(plain.replace(old, new))
            .run();
    }
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", plain);
    sandbox.bulla(["unset", "f.yaml", "e.k"]).run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(plain.replace("&m\n  k: v", "&m {}"))
        .run();
}

/// As [`sets`], from another plaintext, and sops reads the value at `path`, too.
#[track_caller]
fn sets_in(plain: &str, path: &str, value: &str, expected: &str) {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", plain);
    sandbox.bulla(["set", "f.yaml", path, value]).run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(expected)
        .run();
    let ours = sandbox
        .bulla(["decrypt", "--output-type", "json", "f.yaml"])
        .any_stdout()
        .run();
    let theirs = sandbox
        .sops(["decrypt", "--output-type", "json", "f.yaml"])
        .any_stdout()
        .run();
    assert_same_data(&ours.stdout, &theirs.stdout, path);
    let ours: serde_json::Value = serde_json::from_slice(&ours.stdout).unwrap();
    let value: serde_json::Value = serde_json::from_str(value).unwrap();
    assert_eq!(ours[path], value);
}

#[test]
fn a_comment_behind_the_value_does_not_become_part_of_a_block() {
    sets_in(
        "a: x  # c\nb: 1\n",
        "a",
        r#""p\nq\n""#,
        "a: \"p\\nq\\n\"  # c\nb: 1\n",
    );
    sets_in(
        "a: [1] # c\nb: 1\n",
        "a",
        r#"{"k": "p\nq"}"#,
        "a: {k: \"p\\nq\"} # c\nb: 1\n",
    );
}

#[test]
fn a_block_at_the_end_of_a_file_without_a_line_end_keeps_its_own() {
    sets_in("a: 1", "a", r#""p\nq\n""#, "a: \"p\\nq\\n\"");
    sets_in("a: 1", "a", r#""p\nq""#, "a: |-\n    p\n    q");
    sets_in("a: 1", "b", r#"["p\n"]"#, "a: 1\nb: [\"p\\n\"]");
}

#[test]
fn an_anchor_that_an_alias_names_stays() {
    for (plain, value, expected) in [
        ("a: &x 1 # c\nb: *x\n", "2", "a: &x 2 # c\nb: *x\n"),
        ("a: &x\n  - 1\nb: *x\n", "2", "a: &x 2\nb: *x\n"),
        ("a: &x [1]\nb: *x\n", "[]", "a: &x []\nb: *x\n"),
        ("a: &x 1\nb: *x\n", "[2]", "a: &x\n    - 2\nb: *x\n"),
        ("a: &x\nb: *x\n", "\"w\"", "a: &x w\nb: *x\n"),
    ] {
        sets_in(plain, "a", value, expected);
    }
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: {k: &x 1}\nb: [*x]\n");
    sandbox
        .bulla(["set", "f.yaml", "a", "1"])
        .status(7)
        .any_stderr()
        .run();
}

#[test]
fn tokens_of_sops_stay_though_it_spells_values_in_another_way_there() {
    for (name, plain) in [
        (
            "f.yaml",
            "a: 1\nb: true\nf: 1.0\ng: 1e6\nh: 1.50\nt: 2024-01-02\ns: x\n",
        ),
        (
            "f.json",
            r#"{"a": 1, "b": true, "f": 1.0, "g": 12345678, "h": 1e3, "s": "x"}"#,
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.encrypted_by_sops(name, plain);
        let before = sandbox.read_text(name);
        sandbox.bulla(["set", name, "a", "2"]).run();
        let after = sandbox.read_text(name);
        let (values, _) = before.split_once("sops").unwrap();
        for token in tokens(values).into_iter().skip(1) {
            assert!(after.contains(token), "{token}\n{after}");
        }
        sandbox.sops(["decrypt", name]).any_stdout().run();
    }
}
