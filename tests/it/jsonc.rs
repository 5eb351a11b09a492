//! JSON with comments: comes back as it was, comments encrypted; plain JSON stays plain JSON.

use crate::support::{Sandbox, age_key, in_clear, testdata, testdata_names};

const TEXT: &str = "// who reads this\n{\n  \"user\": \"alice\", // the admin\n  /* never\n     print */\n  \"password\": \"hunter2\",\n  \"ports\": [\n    80, // open\n    443,\n  ],\n  // the end\n}\n";

const NOTE: &str = "stock sops cannot read this file: it has comments or trailing commas";

#[track_caller]
fn comes_back(name: &str, text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file(name, text);
    let alice = age_key("alice").recipient;
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice, name])
        .any_stderr()
        .run();
    sandbox.bulla(["decrypt", name]).expect_stdout(text).run();
    sandbox
}

#[test]
fn comments_and_values_are_encrypted_and_come_back() {
    let sandbox = comes_back("f.jsonc", TEXT);
    let encrypted = sandbox.read_text("f.jsonc");
    for secret in ["admin", "never", "hunter2", "443", "the end", "who reads"] {
        assert!(
            !in_clear(&encrypted).contains(secret),
            "{secret} is in clear"
        );
    }
    assert!(encrypted.starts_with("//ENC[AES256_GCM,"));
    assert!(encrypted.contains("/*ENC["));
    assert!(encrypted.contains("  \"sops\": {\n    \"age\""));
}

#[test]
fn hard_layouts_come_back() {
    for text in [
        "{} // c",
        "// c\n{}",
        "{ /* c */ }",
        "{\n  // c\n}",
        "{\"a\":1/**/}",
        "{\"a\"/* x */:/* y */1/* z */,/* w */\"b\"// v\n:2,}",
        "// c\n[1, // d\n 2]/* e\n*/ // f",
        "/* c */ 7 // d",
        "{\"a\": 1\n  , // d\n}",
        "{\"a\": 1 // c\r\n}\r\n",
        "{\"a\": 1, // c\r\"b\": 2}",
        "\u{feff}// c\n{\"a\": \"//\", \"b\": \"/* */\",}\n",
        "{\"a\": 1} // no end of line",
        "{//\n/**/\"a\":1//\n}",
        "{\"a\": {}, // on a\n\"b\": [], // on b\n}",
        "{\"a\": 1, /* of b */ \"b\": 2 /* on b */, /* last */}",
    ] {
        comes_back("f.jsonc", text);
    }
}

#[test]
fn what_sops_cannot_read_is_said_once_and_only_then() {
    let sandbox = Sandbox::new();
    let alice = age_key("alice").recipient;
    sandbox.file("f.jsonc", TEXT);
    let run = sandbox
        .bulla(["encrypt", "-i", "--age", &alice, "f.jsonc"])
        .expect_stderr_has(NOTE)
        .run();
    assert_eq!(run.stderr.matches("stock sops").count(), 1);
    sandbox.file("g.jsonc", "{\"a\": 1}\n");
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice, "g.jsonc"])
        .run();
    sandbox
        .sops([
            "decrypt",
            "--input-type",
            "json",
            "--output-type",
            "json",
            "g.jsonc",
        ])
        .expect_stdout("{\n\t\"a\": 1\n}\n")
        .run();
}

#[test]
fn a_strict_tsconfig_is_a_json_file_for_sops() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("tsconfig.json", "{\n  \"a\": {\"b\": [true]}\n}\n");
    sandbox
        .sops(["decrypt", "tsconfig.json"])
        .expect_stdout("{\n\t\"a\": {\n\t\t\"b\": [\n\t\t\ttrue\n\t\t]\n\t}\n}\n")
        .run();
    sandbox.encrypted_by_sops("jsconfig.json", "{\"a\": \"secret\"}\n");
    sandbox
        .bulla(["decrypt", "jsconfig.json"])
        .expect_stdout("{\n\t\"a\": \"secret\"\n}\n")
        .run();
}

#[test]
fn comments_in_a_json_file_are_refused_with_a_hint() {
    let sandbox = Sandbox::new();
    let alice = age_key("alice").recipient;
    for text in ["{\n  // c\n  \"a\": 1\n}", "{\"a\": 1,}"] {
        sandbox.file("f.json", text);
        sandbox
            .bulla(["encrypt", "--age", &alice, "f.json"])
            .status(2)
            .expect_stderr_has("--input-type jsonc")
            .run();
        sandbox
            .bulla([
                "encrypt",
                "--age",
                &alice,
                "--input-type",
                "jsonc",
                "f.json",
            ])
            .any_stdout()
            .expect_stderr_has(NOTE)
            .run();
    }
}

#[test]
fn one_value_is_set_and_unset_among_comments() {
    let sandbox = comes_back("f.jsonc", TEXT);
    let plain = |expected: &str| {
        sandbox
            .bulla(["decrypt", "f.jsonc"])
            .expect_stdout(expected)
            .run();
    };
    let run = |arguments: &[&str]| {
        sandbox.bulla(arguments).any_stderr().run();
    };
    run(&["set", "f.jsonc", "[\"password\"]", "\"new\""]);
    let text = TEXT.replace("hunter2", "new");
    plain(&text);
    run(&["set", "f.jsonc", "[\"more\"]", "[1]"]);
    let text = text.replace("  // the end", "  \"more\": [\n    1\n  ],\n  // the end");
    plain(&text);
    run(&["unset", "f.jsonc", "[\"ports\"][0]"]);
    let text = text.replace("    80, // open", "     // open");
    plain(&text);
    run(&["set", "f.jsonc", "[\"ports\"][7]", "22"]);
    let text = text.replace("    443,\n", "    443,\n    22,\n");
    plain(&text);
}

#[test]
fn a_comment_on_the_line_selects_its_value() {
    let sandbox = Sandbox::new();
    let text =
        "{\n  \"a\": \"open\",\n  \"b\": \"hidden\", // seal this\n  \"c\": \"open\" // no\n}\n";
    sandbox.file("f.jsonc", text);
    let alice = age_key("alice").recipient;
    sandbox
        .bulla([
            "encrypt",
            "-i",
            "--age",
            &alice,
            "--encrypted-comment-regex",
            "seal",
            "f.jsonc",
        ])
        .expect_stderr_has(NOTE)
        .run();
    let encrypted = sandbox.read_text("f.jsonc");
    assert_eq!(encrypted.matches("\"open\"").count(), 2);
    assert!(!encrypted.contains("hidden"));
    sandbox
        .bulla(["decrypt", "f.jsonc"])
        .expect_stdout(text)
        .run();
}

#[test]
fn conversion_keeps_comments() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "# head\na: 1 # on a\nb:\n    # in b\n    - x\n");
    sandbox
        .bulla(["decrypt", "--output-type", "jsonc", "f.yaml"])
        .expect_stdout(
            "{\n\t// head\n\t\"a\": 1, // on a\n\t\"b\": [\n\t\t// in b\n\t\t\"x\"\n\t]\n}\n",
        )
        .run();
}

#[test]
fn the_files_of_the_test_data_come_back() {
    let names = testdata_names("own-formats");
    for name in names.iter().filter(|name| name.contains(".jsonc")) {
        let text = testdata(&format!("own-formats/{name}"));
        comes_back(name, std::str::from_utf8(&text).unwrap());
    }
}
