//! Java's `.properties`: come back as they were, and mean to Java what they meant.

use crate::support::{Sandbox, age_key, in_clear, testdata, testdata_names};

const TEXT: &str = "# who reads this\r\n\r\n! and this\r\nuser = alice\r\npassword : hunter2\\\r\n    and more\r\nkey\\ with\\=signs \\u00e9\\t\\ud83d\\ude00\r\nempty=\r\nlonely\r\nuser=bob\r\nopen_unencrypted=x\\:y\r\n";

const NOTE: &str = "stock sops cannot read this file: it has no format named properties";

#[track_caller]
fn comes_back(name: &str, text: impl AsRef<[u8]>) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file(name, &text);
    let alice = age_key("alice").recipient;
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice, name])
        .expect_stderr_has(NOTE)
        .run();
    sandbox.bulla(["decrypt", name]).expect_stdout(text).run();
    sandbox
}

#[test]
fn comments_and_values_are_encrypted_and_come_back() {
    let sandbox = comes_back("f.properties", TEXT);
    let encrypted = sandbox.read_text("f.properties");
    for secret in [
        "who reads",
        "and this",
        "alice",
        "bob",
        "hunter2",
        "more",
        "00e9",
    ] {
        assert!(
            !in_clear(&encrypted).contains(secret),
            "{secret} is in clear"
        );
    }
    for clear in [
        "#ENC[",
        "!ENC[",
        "user = ENC[",
        "password : ENC[",
        "key\\ with\\=signs ENC[",
        "empty=\r\nlonely\r\n",
        "open_unencrypted=x\\:y\r\n",
        "\r\nsops_age__list_0__map_enc=",
    ] {
        assert!(encrypted.contains(clear), "{clear} is missing");
    }
}

#[test]
fn hard_layouts_come_back() {
    for text in [
        &b""[..],
        b"a=b",
        b"a=b\\",
        b"a=b\\\n\n",
        b"a=\xe9\xfc\n# \xf6\n",
        b"a=1\na=\\u0031\na:  1\n",
        b"a=\\u0032\na=2\na=\\u0033\n",
        b"a=\\\n\\\n  b\\\n\n\n",
        b"a=b\rc=d\r",
        b"\xef\xbb\xbfa=b\n",
        b"a=b\\\\\n#\n#\\\n",
        b"a = \\ b  \n",
        b"a=\tb\x0cc\x00d\n",
    ] {
        comes_back("f.properties", text);
    }
}

#[test]
fn a_path_leads_to_what_java_reads() {
    let sandbox = comes_back("f.properties", TEXT);
    let extract = |path: &str, expected: &str| {
        sandbox
            .bulla(["decrypt", "--extract", path, "f.properties"])
            .expect_stdout(expected)
            .run();
    };
    extract("[\"user\"]", "bob");
    extract("[\"password\"]", "hunter2and more");
    extract("[\"key with=signs\"]", "é\t😀");
}

#[test]
fn one_value_is_set_and_unset() {
    let sandbox = comes_back("f.properties", TEXT);
    let run = |arguments: &[&str]| {
        sandbox.bulla(arguments).expect_stderr_has(NOTE).run();
    };
    let plain = |expected: &str| {
        sandbox
            .bulla(["decrypt", "f.properties"])
            .expect_stdout(expected)
            .run();
    };
    run(&["set", "f.properties", "[\"user\"]", "\" carol\""]);
    let text = TEXT.replace("user=bob", "user=\\ carol");
    plain(&text);
    run(&["set", "f.properties", "[\"new one\"]", "7"]);
    let text = text + "new\\ one = 7\r\n";
    plain(&text);
    run(&["unset", "f.properties", "[\"password\"]"]);
    plain(&text.replace("password : hunter2\\\r\n    and more\r\n", ""));
    sandbox
        .bulla(["set", "f.properties", "[\"x\"]", "{\"y\": 1}"])
        .status(4)
        .expect_stderr_has("x is a mapping, which properties cannot hold")
        .run();
}

#[test]
fn other_formats_are_converted() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "# c\na b: 'x=é'\nn: 1.5\nt: true\n");
    sandbox
        .bulla(["decrypt", "--output-type", "properties", "f.yaml"])
        .expect_stdout("# c\na\\ b=x=\\u00E9\nn=1.5\nt=true\n")
        .run();
    let sandbox = comes_back("g.properties", "# c\na=1\nb=2\na=3\n");
    sandbox
        .bulla(["decrypt", "--output-type", "json", "g.properties"])
        .expect_stdout("{\n\t\"b\": \"2\",\n\t\"a\": \"3\"\n}\n")
        .run();
}

#[test]
fn a_broken_escape_is_shown_where_it_stands() {
    let sandbox = Sandbox::new();
    sandbox.file("f.properties", "a=b\nc=\\u12\n");
    let alice = age_key("alice").recipient;
    sandbox
        .bulla(["encrypt", "--age", &alice, "f.properties"])
        .status(2)
        .expect_stderr_has("f.properties:2:3: an escape that is not")
        .run();
}

#[test]
fn the_files_of_the_test_data_come_back() {
    let names = testdata_names("own-formats");
    for name in names.iter().filter(|name| name.contains(".properties")) {
        comes_back(name, testdata(&format!("own-formats/{name}")));
    }
}
