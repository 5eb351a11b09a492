//! Files large enough to be worked at by several threads: as small ones, to the byte and to the error.

use crate::support::{Sandbox, tokens};
use std::fmt::Write as _;

const SECTIONS: usize = 1_500;

/// Values and comments of every kind, encrypted or not.
fn plain() -> String {
    let mut text = String::new();
    for n in 0..SECTIONS {
        let _ = write!(
            text,
            "# comment {n}\nkey{n}:\n    - {n}\n    - 'hunter2 {n}'\n    - true\n    - \"\"\n    - ~\nclear{n}_unencrypted: {n}\n",
        );
    }
    text
}

fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", plain());
    sandbox
}

/// The line of the first item of a section.
fn first_item(text: &str, section: usize) -> String {
    let key = format!("\nkey{section}:\n");
    let (_, rest) = text.split_once(&key).unwrap();
    rest.lines().next().unwrap().to_owned()
}

/// Puts the first item of the section before in the place of that of `section`, where it does
/// not open.
fn break_section(sandbox: &Sandbox, section: usize) {
    let text = sandbox.read_text("f.yaml");
    let (own, other) = (first_item(&text, section), first_item(&text, section - 1));
    sandbox.file("f.yaml", text.replace(&own, &other));
}

#[test]
fn the_same_bytes_come_back_with_a_token_for_every_value() {
    let sandbox = encrypted();
    let text = sandbox.read_text("f.yaml");
    let (_, mac) = text.split_once("\n    mac: ").unwrap();
    assert_eq!(tokens(&text).len(), 4 * SECTIONS + tokens(mac).len());
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(plain())
        .run();
}

#[test]
fn a_spelling_far_behind_comes_back() {
    let sandbox = Sandbox::new();
    let text = plain() + "hex: 0x1F\nlast: \"two\\u0020words\"\n";
    sandbox.encrypted("f.yaml", &text);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(text)
        .run();
}

#[test]
fn the_first_error_is_told_whichever_is_found_first() {
    let sandbox = encrypted();
    break_section(&sandbox, SECTIONS - 1);
    let decrypt = || sandbox.bulla(["decrypt", "f.yaml"]).status(25);
    let last = format!("key{}", SECTIONS - 1);
    decrypt()
        .expect_stderr_has(&last)
        .never_says("hunter2")
        .run();
    break_section(&sandbox, 700);
    decrypt()
        .expect_stderr_has("key700")
        .never_says(&last)
        .run();
}

#[test]
fn exchanged_items_and_changed_clear_values_break_the_mac_wherever_they_are() {
    let sandbox = encrypted();
    let whole = sandbox.read_text("f.yaml");
    for section in [1, SECTIONS - 1] {
        let item = first_item(&whole, section);
        let (_, rest) = whole.split_once(&item).unwrap();
        let next = rest.trim_start().lines().next().unwrap();
        let swapped = whole
            .replace(next, "@")
            .replace(item.trim(), next)
            .replace('@', item.trim());
        let clear = format!("clear{section}_unencrypted: ");
        for changed in [swapped, whole.replace(&clear, &format!("{clear}1"))] {
            assert_ne!(changed, whole);
            sandbox
                .file("f.yaml", changed)
                .bulla(["decrypt", "f.yaml"])
                .expect_stderr_has("MAC mismatch")
                .never_says("hunter2")
                .status(51)
                .run();
        }
    }
}
