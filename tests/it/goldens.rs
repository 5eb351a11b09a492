//! The golden files that real sops wrote, old and new: every one opens, with the same data.

use crate::support::{Sandbox, assert_same_data, repository, testdata, testdata_names};

/// Decrypts a golden file and compares with what sops 3.11 makes of it.
#[track_caller]
fn opens(name: &str) {
    let sandbox = Sandbox::new();
    let file = format!("f.{}", name.rsplit('.').next().unwrap());
    sandbox.copy(&format!("sops-3.11/{name}"), &file);
    let stem = name.split(".enc.").next().unwrap();
    let all = ["alice", "bob", "carol"];
    let json = format!("sops-3.11/{stem}.dec.json");
    let own = format!("sops-3.11/{stem}.dec.{}", file.rsplit('.').next().unwrap());
    if repository("testdata").join(&json).exists() {
        let out = sandbox
            .bulla(["decrypt", "--output-type", "json", &file])
            .identities(&all)
            .any_stdout()
            .run();
        assert_same_data(&out.stdout, &testdata(&json), name);
        sandbox
            .bulla(["decrypt", &file])
            .identities(&all)
            .any_stdout()
            .run();
    } else {
        sandbox
            .bulla(["decrypt", &file])
            .identities(&all)
            .expect_stdout(testdata(&own))
            .run();
    }
}

#[test]
fn every_golden_file_of_sops_3_11_opens() {
    let names = testdata_names("sops-3.11");
    let encrypted: Vec<_> = names.iter().filter(|name| name.contains(".enc.")).collect();
    assert!(encrypted.len() >= 79);
    for name in encrypted {
        opens(name);
    }
}

#[test]
fn simple_files_of_sops_come_back_as_sops_writes_them() {
    for (stem, plain) in [
        ("multi-yaml", "sops-3.11/multi-yaml.dec.yaml"),
        ("infinite-yaml", "sops-3.11/infinite-yaml.dec.yaml"),
        ("kubernetes-yaml", "sops-3.11/kubernetes-yaml.dec.yaml"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.copy(&format!("sops-3.11/{stem}.enc.yaml"), "f.yaml");
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stdout(testdata(plain))
            .run();
    }
}

#[test]
fn every_golden_file_has_its_command() {
    let readme = String::from_utf8(testdata("sops-3.11/README.md")).unwrap();
    for name in testdata_names("sops-3.11") {
        assert!(
            !name.contains(".enc.") || readme.contains(&format!("| `{name}` | `sops ")),
            "{name}"
        );
    }
}

/// A file of sops 3.13.2, its identities, and the plain file it was made from.
const SOPS_3_13: [(&str, &[&str], &str); 21] = [
    ("types.enc.yaml", &["a"], "types.yaml"),
    ("comments.enc.yaml", &["a"], "comments.yaml"),
    ("comments.encre.enc.yaml", &["a"], "comments.yaml"),
    ("comments.unencre.enc.yaml", &["a"], "comments.yaml"),
    ("list-comments.enc.yaml", &["a"], "list-comments.yaml"),
    ("multi.enc.yaml", &["a"], "multi.yaml"),
    ("types.enc.json", &["a"], "types.json"),
    ("types.suffix.enc.yaml", &["a"], "types.yaml"),
    ("types.regex.enc.yaml", &["a"], "types.yaml"),
    ("types.unregex.enc.yaml", &["a"], "types.yaml"),
    ("types.maconly.enc.yaml", &["a"], "types.yaml"),
    ("types.two.enc.yaml", &["b"], "types.yaml"),
    ("types.groups.enc.yaml", &["a", "c"], "types.yaml"),
    ("types.groups.enc.json", &["b", "c"], "types.json"),
    ("types.yaml-as.enc.json", &["a"], "types.yaml"),
    ("types.enc.yaml", &["a", "b", "c"], "types.yaml"),
    ("types.enc.env", &["a"], "types.env"),
    ("types.enc.ini", &["a"], "types.ini"),
    ("types.groups.enc.env", &["a", "c"], "types.env"),
    ("types.groups.enc.ini", &["b", "c"], "types.ini"),
    ("types.pq.enc.yaml", &["pq"], "types.yaml"),
];

#[test]
fn files_of_sops_3_13_open() {
    for (name, keys, plain) in SOPS_3_13 {
        let sandbox = Sandbox::new();
        let file = format!("f.{}", name.rsplit('.').next().unwrap());
        sandbox.copy(&format!("sops-3.13.2/{name}"), &file);
        let identities: Vec<String> = keys
            .iter()
            .map(|key| String::from_utf8(testdata(&format!("sops-3.13.2/key-{key}.txt"))).unwrap())
            .collect();
        let decrypt = |args: &[&str]| {
            sandbox
                .bulla(args)
                .no_identity()
                .env("SOPS_AGE_KEY", identities.join("\n"))
                .any_stdout()
                .run()
        };
        let whole = decrypt(&["decrypt", &file]);
        assert!(!whole.text().contains("ENC["), "{name}\n{}", whole.text());
        if name.starts_with("multi") {
            continue;
        }
        // The data as sops 3.11 sees it in the plain file.
        let other = format!("p.{}", plain.rsplit('.').next().unwrap());
        sandbox.encrypted_by_sops(&other, testdata(&format!("sops-3.13.2/{plain}")));
        let theirs = sandbox
            .sops(["decrypt", "--output-type", "json", &other])
            .any_stdout()
            .run();
        let ours = decrypt(&["decrypt", "--output-type", "json", &file]);
        assert_same_data(&ours.stdout, &with_exact_integers(&theirs.stdout), name);
    }
}

/// sops 3.11 reads numbers of JSON as floats; 3.13.2 keeps integers, and the file has one that tells.
fn with_exact_integers(json: &[u8]) -> Vec<u8> {
    String::from_utf8(json.to_vec())
        .unwrap()
        .replace("9007199254740992", "9007199254740993")
        .into_bytes()
}

#[test]
fn a_post_quantum_file_names_the_key_it_wants() {
    let sandbox = Sandbox::new();
    sandbox.copy("sops-3.13.2/types.pq.enc.yaml", "f.yaml");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stderr_has("Group 0: FAILED")
        .expect_stderr_has("age1pq1")
        .expect_stderr_has(
            "hint: a post-quantum recipient (age1pq1…) opens with the AGE-SECRET-KEY-PQ-1",
        )
        .status(128)
        .run();
}

#[test]
fn no_file_of_sops_3_13_is_forgotten() {
    for name in testdata_names("sops-3.13.2") {
        let known = SOPS_3_13.iter().any(|(known, ..)| *known == name);
        // Binary files have a test of their own.
        let other = !name.contains(".enc.") || name.contains(".bin");
        assert!(known || other, "{name}");
    }
}

#[test]
fn every_golden_file_of_bulla_decrypts_to_its_plain_file() {
    for version in ["bulla-0.1.0", "bulla-0.1.0/xchacha"] {
        let mut opened = 0;
        for name in testdata_names(version) {
            let folders = ["plain", "beyond-sops"].into_iter();
            let mut plain = folders.map(|folder| format!("{folder}/{name}"));
            let Some(plain) = plain.find(|path| repository("testdata").join(path).is_file()) else {
                assert!(["README.md", "xchacha"].contains(&name.as_str()), "{name}");
                continue;
            };
            let sandbox = Sandbox::new();
            sandbox.copy(&format!("{version}/{name}"), &name);
            sandbox
                .bulla(["decrypt", name.as_str()])
                .identities(&["alice"])
                .expect_stdout(testdata(&plain))
                .run();
            opened += 1;
        }
        assert!(opened >= 28, "{version}: only {opened}");
    }
}
