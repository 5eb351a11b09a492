//! From one format into another: what sops makes of it, and what has no room is refused by its place.

use crate::support::{Sandbox, age_key, assert_same_data, bulla, sops};
use std::process::{Command, Stdio};

/// The formats that are converted between; a new store is a name more here.
const FORMATS: [&str; 3] = ["yaml", "json", "binary"];

/// One entry of every kind of value, in YAML.
const KINDS: &str = r#"int: 5
negative: -17
float: 1.5
large: 1e+30
small: 1e-07
truth: true
nothing: null
time: 2024-01-02T03:04:05.5Z
text: some text
empty: ""
lines: |
    one
    two
list:
    - 1
    - a
    - true
lists:
    - - 1
      - 2
    - x: y
map:
    x: 1
    y: b
deep:
    a:
        b:
            c: [1, 2.5]
data: the binary
wrapped:
    data: only this
no_map: {}
no_list: []
"#;

fn alice() -> String {
    age_key("alice").recipient
}

/// The keys of [`KINDS`].
fn kinds() -> impl Iterator<Item = &'static str> {
    let lines = KINDS.lines().filter(|line| !line.starts_with(' '));
    lines.filter_map(|line| line.split_once(':').map(|(key, _)| key))
}

/// What a program prints and its status.
fn output(sandbox: &Sandbox, program: &std::path::Path, args: &[&str]) -> (Vec<u8>, Option<i32>) {
    let output = Command::new(program)
        .args(args)
        .env_clear()
        .env("HOME", sandbox.home())
        .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
        .env("SOPS_DISABLE_VERSION_CHECK", "true")
        .current_dir(sandbox.work())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.stdout, output.status.code())
}

/// Runs both programs with the same arguments; where they differ.
fn difference(sandbox: &Sandbox, args: &[&str]) -> Option<String> {
    let ours = output(sandbox, bulla(), args);
    let theirs = output(sandbox, sops(), args);
    let show = |(text, status): &(Vec<u8>, Option<i32>)| {
        format!("{status:?} {:?}", String::from_utf8_lossy(text))
    };
    (ours != theirs).then(|| {
        let args = args.join(" ");
        format!("{args}\n  bulla {}\n  sops  {}", show(&ours), show(&theirs))
    })
}

/// [`KINDS`] in every format that holds it, encrypted by sops: the names of the files.
fn files(sandbox: &Sandbox) -> Vec<&'static str> {
    sandbox.encrypted_by_sops("f.yaml", KINDS);
    let json = sandbox
        .sops(["decrypt", "--output-type", "json", "f.yaml"])
        .any_stdout()
        .run();
    sandbox.encrypted_by_sops("f.json", json.stdout);
    vec!["f.yaml", "f.json"]
}

#[test]
fn every_kind_of_value_is_extracted_into_every_format_as_by_sops() {
    let sandbox = Sandbox::new();
    let mut faults = Vec::new();
    for file in files(&sandbox) {
        for kind in kinds() {
            let path = format!("[\"{kind}\"]");
            for format in FORMATS {
                let args = ["decrypt", "--extract", &path, "--output-type", format, file];
                faults.extend(difference(&sandbox, &args));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn whole_files_become_what_sops_makes_of_them() {
    let sandbox = Sandbox::new();
    let mut faults = Vec::new();
    for file in files(&sandbox) {
        for format in FORMATS.iter().filter(|format| !file.ends_with(**format)) {
            // sops takes the value at `data` and drops the others; see the next test.
            if *format != "binary" {
                let args = ["decrypt", "--output-type", format, file];
                faults.extend(difference(&sandbox, &args));
            }
        }
    }
    sandbox.encrypted_by_sops("f.bin", "a text\n");
    for format in FORMATS {
        let args = ["decrypt", "--output-type", format, "f.bin"];
        faults.extend(difference(&sandbox, &args));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_encrypted_as_another_format_is_what_sops_reads_there() {
    let plain = "a: 1\nb: 1.50\nc: 2024-01-02\nd: [x, true, null]\ne: {f: \"y\"}\n# gone in JSON\n";
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", plain);
    let json = sandbox
        .bulla([
            "encrypt",
            "--age",
            &alice(),
            "--output-type",
            "json",
            "f.yaml",
        ])
        .any_stdout()
        .run();
    sandbox.file("out.json", &json.stdout);
    let expected = br#"{"a": 1, "b": 1.5, "c": "2024-01-02T00:00:00Z", "d": ["x", true, null], "e": {"f": "y"}}"#;
    for program in [sops(), bulla()] {
        let (text, status) = output(&sandbox, program, &["decrypt", "out.json"]);
        assert_eq!(status, Some(0));
        assert_same_data(&text, expected, "JSON of YAML");
    }
    // What JSON reads back is a string, and the token says so.
    assert!(!json.text().contains("type:time"), "{}", json.text());
    let back = sandbox
        .bulla(["rotate", "--output-type", "yaml", "out.json"])
        .any_stdout()
        .run();
    sandbox.file("out.yaml", &back.stdout);
    sandbox
        .sops(["decrypt", "--output-type", "json", "out.yaml"])
        .expect_stdout_has("\"c\": \"2024-01-02T00:00:00Z\"")
        .run();
}

#[test]
fn in_place_the_new_format_stands_under_the_old_name_and_that_is_said() {
    let said = "f.yaml: the file is json now, its name says something else";
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n");
    sandbox
        .bulla(["rotate", "-i", "--output-type", "json", "f.yaml"])
        .expect_stderr_has(said)
        .run();
    sandbox
        .sops([
            "decrypt",
            "--input-type",
            "json",
            "--output-type",
            "yaml",
            "f.yaml",
        ])
        .expect_stdout("a: 1\n")
        .run();
    for args in [
        ["set", "--output-type", "json", "f.yaml", "[\"b\"]", "2"],
        [
            "encrypt",
            "-i",
            "--age",
            &alice(),
            "--output-type=json",
            "f.yaml",
        ],
    ] {
        if args[0] == "set" {
            sandbox.encrypted("f.yaml", "a: 1\n");
        } else {
            sandbox.file("f.yaml", "a: 1\nb: 2\n");
        }
        sandbox.bulla(args).expect_stderr_has(said).run();
        assert!(
            sandbox
                .read_text("f.yaml")
                .starts_with("{\n\t\"a\": \"ENC[")
        );
        sandbox
            .sops([
                "decrypt",
                "--input-type",
                "json",
                "--output-type",
                "yaml",
                "f.yaml",
            ])
            .expect_stdout("a: 1\nb: 2\n")
            .run();
    }
    sandbox.encrypted("f.yaml", "a: 1\n");
    let editor = sandbox.edit_script("grep -q '\"a\": 1' \"$1\"; sed -i 's/1/2/' \"$1\"");
    sandbox
        .bulla(["edit", "--output-type", "json", "f.yaml"])
        .editor(&editor)
        .any_stderr()
        .run();
    sandbox
        .sops([
            "decrypt",
            "--input-type",
            "json",
            "--output-type",
            "yaml",
            "f.yaml",
        ])
        .expect_stdout("a: 2\n")
        .run();
    sandbox
        .bulla([
            "decrypt",
            "-i",
            "--input-type",
            "json",
            "--output-type",
            "yaml",
            "f.yaml",
        ])
        .any_stderr()
        .run();
    assert_eq!(sandbox.read_text("f.yaml"), "a: 2\n");
}

#[test]
fn no_09_several_documents_are_not_cut_down_to_one() {
    let sandbox = Sandbox::new();
    sandbox.file("p.yaml", "a: 1\n---\nb: 2\n");
    sandbox.encrypted("f.yaml", "a: 1\n---\nb: 2\n");
    let encrypt = [
        "encrypt",
        "--age",
        &alice(),
        "--output-type",
        "json",
        "p.yaml",
    ];
    sandbox
        .bulla(encrypt)
        .expect_stderr_has("p.yaml: JSON holds one document, not 2")
        .status(4)
        .run();
    for command in ["decrypt", "rotate"] {
        for format in ["json", "binary"] {
            sandbox
                .bulla([command, "--output-type", format, "f.yaml"])
                .expect_stderr_has("document")
                .status(4)
                .run();
        }
    }
}

#[test]
fn what_has_no_room_is_refused_by_its_place() {
    for (plain, format, said) in [
        ("a: [.inf]\n", "json", "the value at a[0] is a number"),
        (
            "a: !!binary \"/w==\"\n",
            "json",
            "the value at a is not UTF-8",
        ),
        (
            "1: a\n\"1\": b\n",
            "json",
            "the key of 1 is a string like another",
        ),
        ("? [x]\n: b\n", "json", "is a collection"),
        ("data: x\nb: 1\n", "binary", "there is no room for [\"b\"]"),
        (
            "data: 1\n",
            "binary",
            "the value at [\"data\"] is no string",
        ),
        ("b: {}\n", "binary", "there is no room for [\"b\"]"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.file("f.yaml", plain);
        sandbox
            .bulla(["encrypt", "-i", "--age", &alice(), "f.yaml"])
            .any_stderr()
            .run();
        sandbox
            .bulla(["decrypt", "--output-type", format, "f.yaml"])
            .expect_stderr_has(said)
            .status(4)
            .run();
    }
}

#[test]
fn a_binary_file_goes_into_every_format_and_back() {
    for format in ["yaml", "json"] {
        let sandbox = Sandbox::new();
        sandbox.file("f.bin", "one\ntwo\n");
        let name = format!("f.{format}");
        sandbox
            .bulla([
                "encrypt",
                "--age",
                &alice(),
                "--output-type",
                format,
                "--output",
                &name,
                "f.bin",
            ])
            .run();
        for program in [sops(), bulla()] {
            let args = ["decrypt", "--output-type", "binary", &name];
            let expected = (b"one\ntwo\n".to_vec(), Some(0));
            assert_eq!(output(&sandbox, program, &args), expected, "{format}");
        }
    }
}
