//! Beside real sops, in both directions: what one encrypts the other reads, with the same values.

use crate::support::{Sandbox, age_key, assert_same_data, testdata, testdata_names};

/// The flags of the six selectors; the last two are flags of the old form in sops.
const SELECTORS: [&[&str]; 7] = [
    &[],
    &["--unencrypted-suffix", "_unencrypted"],
    &["--encrypted-suffix", "_secret"],
    &["--unencrypted-regex", "^(user|plain)$"],
    &["--encrypted-regex", "^(password|token.*|count)$"],
    &["--unencrypted-comment-regex", "reveal"],
    &["--encrypted-comment-regex", "conceal"],
];

/// Files without a JSON form: several documents, infinities.
const NO_JSON: [&str; 3] = ["multi.yaml", "kubernetes.yaml", "infinite.yaml"];

/// What sops makes of a plain file: encrypted and decrypted by it, as JSON where there is one.
fn by_sops(name: &str) -> Vec<u8> {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops(name, testdata(&format!("plain/{name}")));
    decrypted_by_sops(&sandbox, name)
}

fn decrypted_by_sops(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    let kind = if NO_JSON.contains(&name) {
        "yaml"
    } else {
        "json"
    };
    sandbox
        .sops(["decrypt", "--output-type", kind, name])
        .any_stdout()
        .run()
        .stdout
}

#[track_caller]
fn assert_same(ours: &[u8], theirs: &[u8], name: &str) {
    if !NO_JSON.contains(&name) {
        assert_same_data(ours, theirs, name);
        return;
    }
    // sops keeps flow collections and quotes in no case, comments only in some places.
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8(bytes.to_vec())
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(lines(ours), lines(theirs), "{name}");
}

#[test]
fn sops_reads_what_bulla_encrypts() {
    for name in testdata_names("plain") {
        let sandbox = Sandbox::new();
        sandbox.encrypted(&name, testdata(&format!("plain/{name}")));
        assert_same(&decrypted_by_sops(&sandbox, &name), &by_sops(&name), &name);
    }
}

#[test]
fn bulla_reads_what_sops_encrypts() {
    for name in testdata_names("plain") {
        let sandbox = Sandbox::new();
        sandbox.encrypted_by_sops(&name, testdata(&format!("plain/{name}")));
        let theirs = decrypted_by_sops(&sandbox, &name);
        let kind = if NO_JSON.contains(&name.as_str()) {
            "yaml"
        } else {
            "json"
        };
        let ours = sandbox
            .bulla(["decrypt", "--output-type", kind, &name])
            .any_stdout()
            .run();
        assert_same(&ours.stdout, &theirs, &name);
    }
}

#[test]
fn every_selector_is_understood_by_the_other() {
    let alice = age_key("alice").recipient;
    let names = [
        "selectors.yaml",
        "selectors.json",
        "selectors.env",
        "selectors.ini",
    ];
    for name in names {
        let expected = by_sops(name);
        for flags in SELECTORS {
            if name.ends_with("json") && flags.iter().any(|flag| flag.contains("comment")) {
                continue;
            }
            let plain = testdata(&format!("plain/{name}"));
            let ours = Sandbox::new();
            ours.file(name, &plain)
                .bulla(["encrypt", "-i", "--age", &alice, name])
                .args(flags)
                .any_stderr()
                .run();
            assert_same(&decrypted_by_sops(&ours, name), &expected, name);

            let theirs = Sandbox::new();
            theirs.file(name, &plain);
            let mut args = flags.to_vec();
            args.extend(["-e", "-i", "--age", &alice, name]);
            theirs.sops(args).run();
            let read = theirs
                .bulla(["decrypt", "--output-type", "json", name])
                .any_stdout()
                .run();
            assert_same(&read.stdout, &expected, name);

            // The same leaves are in clear.
            let clear = |sandbox: &Sandbox| -> Vec<String> {
                sandbox
                    .read_text(name)
                    .lines()
                    .take_while(|line| !line.contains("sops"))
                    .filter(|line| !line.contains("ENC[") && line.contains([':', '=']))
                    .filter(|line| !line.trim_end().ends_with([':', '[', '{', '#']))
                    .map(|line| line.trim().trim_end_matches(',').replace(' ', ""))
                    .filter(|line| !line.contains('#'))
                    .collect()
            };
            assert_eq!(clear(&ours), clear(&theirs), "{flags:?}");
        }
    }
}

#[test]
fn scalars_are_typed_as_by_sops() {
    let words = [
        "~",
        "null",
        "nULL",
        "true",
        "True",
        "tRue",
        "yes",
        "on",
        "y",
        "0",
        "-0",
        "+1",
        "007",
        "08",
        "0o7",
        "0O7",
        "0x1F",
        "0b101",
        "0b",
        "1_000",
        "_1",
        "1__0",
        "0x_1",
        "1.5",
        "1.",
        ".5",
        "1e3",
        "1E+3",
        "1e",
        "1_0.5",
        "+.5",
        ".inf",
        "-.Inf",
        ".NaN",
        "1:30",
        "190:20:30",
        "2024-01-02",
        "2024-1-2",
        "2024-01-02T03:04:05Z",
        "2024-01-02t03:04:05+01:00",
        "2024-01-02 03:04:05",
        "2024-01-02 03:04:05 +1",
        "20240102",
        "9223372036854775807",
        "-9223372036854775808",
        "0x7fffffffffffffff",
        "1e308",
        "1e-400",
        "=",
        "<<x",
        "-",
        "?",
        "a: b".trim_end_matches(": b"),
        "!!str 1",
        "!!int '1'",
        "!!float 1",
        "!!bool 'true'",
        "\"1\"",
        "'null'",
    ];
    let text: String = words
        .iter()
        .enumerate()
        .map(|(n, word)| {
            // A lone indicator needs quotes.
            let word = if ["-", "?", "="].contains(word) {
                format!("'{word}'")
            } else {
                (*word).to_owned()
            };
            format!("k{n}: {word}\n")
        })
        .collect();
    let types = |text: &str| -> Vec<String> {
        text.lines()
            .take(words.len())
            .map(|line| line.trim_end_matches(['\'', '"']))
            .map(|line| line[line.rfind("type:").unwrap_or(0)..].to_owned())
            .collect()
    };
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    ours.encrypted("f.yaml", &text);
    theirs.encrypted_by_sops("f.yaml", &text);
    let (a, b) = (
        types(&ours.read_text("f.yaml")),
        types(&theirs.read_text("f.yaml")),
    );
    for (n, word) in words.iter().enumerate() {
        // A null stays as it is spelled; sops spells it anew.
        if b[n].ends_with(": null") {
            assert!(!a[n].contains("type:"), "{word}: {}", a[n]);
        } else {
            assert_eq!(a[n], b[n], "{word}");
        }
    }
    ours.sops(["decrypt", "f.yaml"]).any_stdout().run();
}

#[test]
fn floats_are_hashed_in_the_digits_of_go() {
    // The first lies halfway between two shortest spellings; the others sit at the edges.
    let text = "a: 99.97036743164062\nb: 5e-324\nc: 1.7976931348623157e308\nd: 1e21\ne: 0.1\nf: 123456.7\ng: 9007199254740993.0\nh: 4.35\ni: 1e23\nj: 2.2250738585072011e-308\n";
    let json = "{\"a\": 99.97036743164062, \"b\": 5e-324, \"c\": 1e21, \"d\": 1E-7, \"e\": 4.35}";
    for (name, text) in [("f.yaml", text), ("f.json", json)] {
        let sandbox = Sandbox::new();
        sandbox.encrypted(name, text);
        let theirs = sandbox
            .sops(["decrypt", "--output-type", "json", name])
            .any_stdout()
            .run();
        sandbox.encrypted_by_sops(name, text);
        let ours = sandbox
            .bulla(["decrypt", "--output-type", "json", name])
            .expect_stdout(&theirs.stdout)
            .run();
        assert_same_data(&ours.stdout, &theirs.stdout, name);
    }
}

#[test]
fn extraction_prints_what_sops_prints() {
    let plain = "s: text\nm: |\n    one\n    two\nn: 42\nf: 3.5\nb: true\nz: null\ne: \"\"\nt: 2024-01-02T03:04:05Z\nl:\n    - a\n    - 2\n    - - x\n    - k: v\no:\n    k: v\n    p:\n        q: [1]\n";
    let json = "{\"s\": \"te<xt\", \"n\": 42, \"f\": 1.5, \"b\": false, \"z\": null, \"e\": \"\", \"l\": [\"a\", 2, [3], {\"k\": \"v\"}], \"o\": {\"k\": \"v\", \"p\": {}}}";
    let paths = [
        "[\"s\"]",
        "[\"m\"]",
        "[\"n\"]",
        "[\"f\"]",
        "[\"b\"]",
        "[\"z\"]",
        "[\"e\"]",
        "[\"t\"]",
        "[\"l\"]",
        "[\"l\"][0]",
        "[\"l\"][1]",
        "[\"l\"][2]",
        "[\"l\"][3]",
        "[\"l\"][3][\"k\"]",
        "[\"o\"]",
        "[\"o\"][\"p\"]",
    ];
    for (name, plain) in [("f.yaml", plain), ("f.json", json)] {
        let sandbox = Sandbox::new();
        sandbox.encrypted_by_sops(name, plain);
        for path in paths {
            if name == "f.json" && ["[\"m\"]", "[\"t\"]"].contains(&path) {
                continue;
            }
            for kind in ["yaml", "json"] {
                let args = ["decrypt", "--extract", path, "--output-type", kind, name];
                let theirs = sandbox.sops(args).any_stdout().run();
                sandbox.bulla(args).expect_stdout(&theirs.stdout).run();
            }
        }
    }
}

#[test]
fn converted_output_is_what_sops_writes() {
    for (name, kind) in [
        ("nested.yaml", "json"),
        ("types.yaml", "json"),
        ("empty.yaml", "json"),
        ("strings.yaml", "json"),
        ("types.json", "yaml"),
        ("strings.json", "yaml"),
        ("selectors.json", "yaml"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.encrypted_by_sops(name, testdata(&format!("plain/{name}")));
        let args = ["decrypt", "--output-type", kind, name];
        let theirs = sandbox.sops(args).any_stdout().run();
        sandbox.bulla(args).expect_stdout(&theirs.stdout).run();
    }
}

#[test]
fn files_converted_while_encrypting_are_read_by_the_other() {
    let alice = age_key("alice").recipient;
    for (name, kind) in [("nested.yaml", "json"), ("types.json", "yaml")] {
        let sandbox = Sandbox::new();
        sandbox.copy(&format!("plain/{name}"), name);
        let target = format!("e.{kind}");
        sandbox
            .bulla([
                "encrypt",
                "--age",
                &alice,
                "--output-type",
                kind,
                "--output",
                &target,
                name,
            ])
            .run();
        let ours = sandbox
            .sops(["decrypt", "--output-type", "json", &target])
            .any_stdout()
            .run();
        assert_same_data(&ours.stdout, &by_sops(name), name);
    }
}

#[test]
fn a_file_goes_back_and_forth() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "# head\na: 1\nb:   'two'\n");
    sandbox
        .sops(["set", "f.yaml", "[\"c\"]", "\"by sops\""])
        .run();
    sandbox
        .bulla(["set", "f.yaml", "[\"d\"]", "\"by bulla\""])
        .run();
    sandbox.sops(["rotate", "-i", "f.yaml"]).run();
    sandbox.bulla(["rotate", "-i", "f.yaml"]).any_stderr().run();
    sandbox.sops(["unset", "f.yaml", "[\"a\"]"]).run();
    sandbox.bulla(["unset", "f.yaml", "[\"b\"]"]).run();
    for case in [
        sandbox.sops(["decrypt", "f.yaml"]),
        sandbox.bulla(["decrypt", "f.yaml"]),
    ] {
        case.expect_stdout("# head\nc: by sops\nd: by bulla\n")
            .run();
    }
}

#[test]
fn failures_have_the_status_of_sops() {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("good.yaml", "a: 1\nl: [x]\n");
    sandbox
        .file("plain.yaml", "a: 1\n")
        .file("empty.yaml", "")
        .file("broken.json", "{")
        .file("sops.yaml", "sops: x\n");
    let tampered = sandbox
        .read_text("good.yaml")
        .replacen("data:", "data:AAAA", 1);
    sandbox.file("tampered.yaml", tampered);
    let text = sandbox.read_text("good.yaml");
    let stamp = crate::support::line_of(&text, "lastmodified:");
    sandbox.file(
        "stamp.yaml",
        text.replace(stamp, "    lastmodified: \"2001-01-01T00:00:00Z\""),
    );
    let alice = age_key("alice").recipient;
    for args in [
        &["decrypt", "missing.yaml"][..],
        &["decrypt", "plain.yaml"],
        &["decrypt", "tampered.yaml"],
        &["decrypt", "stamp.yaml"],
        &["decrypt", "--extract", "[\"a\"", "good.yaml"],
        &["decrypt", "--extract", "[\"nope\"]", "good.yaml"],
        &["decrypt", "--extract", "[\"l\"][4]", "good.yaml"],
        &["decrypt", "-i", "--output", "x", "good.yaml"],
        &["encrypt", "--age", &alice, "good.yaml"],
        &["encrypt", "--age", &alice, "empty.yaml"],
        &["encrypt", "--age", &alice, "broken.json"],
        &["encrypt", "--age", &alice, "sops.yaml"],
        &["encrypt", "plain.yaml"],
        &["set", "good.yaml", "[\"a\"]", "{"],
        &["set", "good.yaml", "[\"a\"]"],
        &["unset", "good.yaml", "[\"nope\"]"],
        &["unset", "good.yaml"],
        &["rotate"],
        &["rotate", "missing.yaml"],
        &["rotate", "--add-age", &alice, "missing.yaml"],
        &["edit"],
        &["edit", "good.yaml"],
        &["updatekeys", "-y", "good.yaml"],
        &["-d", "missing.yaml"],
        &["-d", "-i", "--output", "x", "good.yaml"],
    ] {
        let status = |program: &std::path::Path| {
            let output = std::process::Command::new(program)
                .args(args)
                .current_dir(sandbox.work())
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap())
                .env("HOME", sandbox.home())
                .env("TMPDIR", sandbox.tmp())
                .env("SOPS_DISABLE_VERSION_CHECK", "true")
                .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
                .env("EDITOR", "true")
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            output.status.code()
        };
        assert_eq!(
            status(crate::support::bulla()),
            status(crate::support::sops()),
            "{args:?}"
        );
    }
}
