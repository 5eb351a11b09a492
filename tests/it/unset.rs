//! `bulla unset`: one entry taken out, every other byte and token kept.

use crate::support::{Sandbox, line_of};

const PLAIN: &str =
    "# head\na: 1\nb: two # beside\n\nlist:\n    # first\n    - x\n    - y\nmap:\n    k: v\n";

fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
}

#[test]
fn an_entry_or_an_item_is_removed() {
    for (path, expected) in [
        ("[\"a\"]", PLAIN.replace("a: 1\n", "")),
        ("a", PLAIN.replace("a: 1\n", "")),
        ("[\"list\"][1]", PLAIN.replace("    - y\n", "")),
        ("[\"map\"]", PLAIN.replace("map:\n    k: v\n", "")),
        (
            "[\"map\"][\"k\"]",
            PLAIN.replace("map:\n    k: v\n", "map: {}\n"),
        ),
    ] {
        let sandbox = encrypted();
        let before = sandbox.read_text("f.yaml");
        sandbox.bulla(["unset", "f.yaml", path]).run();
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stdout(&expected)
            .run();
        let after = sandbox.read_text("f.yaml");
        assert_eq!(line_of(&before, "b:"), line_of(&after, "b:"), "{path}");
        sandbox.sops(["decrypt", "f.yaml"]).any_stdout().run();
    }
}

#[test]
fn list_indexes_count_values_only() {
    let sandbox = encrypted();
    sandbox.bulla(["unset", "f.yaml", "[\"list\"][0]"]).run();
    let out = sandbox
        .bulla([
            "decrypt",
            "--output-type",
            "json",
            "--extract",
            "[\"list\"]",
            "f.yaml",
        ])
        .any_stdout()
        .run();
    assert_eq!(out.text(), "[\n\t\"y\"\n]");
}

#[test]
fn what_is_not_there_is_an_error_unless_idempotent() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    for path in [
        "[\"nowhere\"]",
        "[\"list\"][9]",
        "[\"a\"][\"x\"]",
        "[\"map\"][\"x\"]",
    ] {
        sandbox
            .bulla(["unset", "f.yaml", path])
            .expect_stderr_has("bulla: ")
            .never_says("two")
            .status(1)
            .run();
    }
    sandbox
        .bulla(["unset", "--idempotent", "f.yaml", "[\"nowhere\"]"])
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn bad_paths_and_counts_are_refused() {
    let sandbox = encrypted();
    for (args, status) in [
        (&["unset", "f.yaml", ""][..], 7),
        (&["unset", "f.yaml", "[]"], 7),
        (&["unset", "f.yaml", "[\"a\""], 7),
        (&["unset", "f.yaml"], 100),
        (&["unset"], 100),
        (&["unset", "missing.yaml", "[\"a\"]"], 2),
    ] {
        sandbox
            .bulla(args)
            .expect_stderr_has("bulla: ")
            .status(status)
            .run();
    }
}

#[test]
fn the_last_entry_leaves_an_empty_mapping() {
    let sandbox = Sandbox::new();
    for (name, plain, expected) in [
        ("f.yaml", "a: 1\n", "{}\n"),
        ("f.json", "{\"a\": 1}\n", "{}\n"),
    ] {
        sandbox.encrypted(name, plain);
        sandbox.bulla(["unset", name, "[\"a\"]"]).run();
        sandbox
            .bulla(["decrypt", name])
            .expect_stdout(expected)
            .run();
    }
}

#[test]
fn an_entry_with_a_question_mark_goes_with_it() {
    for (plain, path, expected) in [
        ("? a\n: x ?\nb: 1\n", "a", "b: 1\n"),
        ("c: x ?\nb: 1\n", "b", "c: x ?\n"),
        ("? a\n: x\n? b\n: 1\n", "b", "? a\n: x\n"),
        (
            "l:\n- ? a\n  : x\n  ? b\n  : 1\n",
            "l[0].a",
            "l:\n- ? b\n  : 1\n",
        ),
        ("m: {? a : 1, ? b : 2}\n", "m.a", "m: {? b : 2}\n"),
        ("m: {? a : 1, ? b : 2}\n", "m.b", "m: {? a : 1}\n"),
        ("\u{feff}a: 1\n? b\n: 2\n", "a", "\u{feff}? b\n: 2\n"),
        ("\u{feff}? b\n: 2\na: 1\n", "b", "\u{feff}a: 1\n"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.encrypted("f.yaml", plain);
        sandbox.bulla(["unset", "f.yaml", path]).run();
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stdout(expected)
            .run();
        sandbox.sops(["decrypt", "f.yaml"]).any_stdout().run();
    }
}

#[test]
fn what_an_alias_stands_for_stays() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: &x 1\nb: *x\n");
    let before = sandbox.read_text("f.yaml");
    sandbox
        .bulla(["unset", "f.yaml", "a"])
        .status(7)
        .any_stderr()
        .run();
    assert_eq!(sandbox.read_text("f.yaml"), before);
}

#[test]
fn an_argument_too_many_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: hunter2\nb: 1\n");
    for args in [
        &["unset", "f.yaml", "[\"a\"]", "surplus"][..],
        &["set", "f.yaml", "[\"a\"]", "\"x", "surplus\""],
    ] {
        sandbox
            .bulla(args)
            .expect_stderr_has("bulla: too many arguments: ")
            .expect_stderr_has("hint: what has blanks in it needs quotes")
            .never_says("surplus")
            .status(100)
            .run();
        sandbox.sops(args).any_stderr().status(100).run();
    }
}
