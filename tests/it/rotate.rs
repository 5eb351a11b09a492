//! `bulla rotate`: a new data key, the same file.

use crate::support::{Case, Sandbox, age_key, assert_same_data, strip_metadata, testdata, tokens};

const PLAIN: &str = "# head\na:   1\nb: 'two' # beside\n\nlist: [x, y]\n";

fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
}

#[test]
fn every_token_is_new_and_everything_else_the_same() {
    let sandbox = encrypted();
    let before = sandbox.read_text("f.yaml");
    sandbox.bulla(["rotate", "-i", "f.yaml"]).any_stderr().run();
    let after = sandbox.read_text("f.yaml");
    let (old, new) = (tokens(&before), tokens(&after));
    assert_eq!(old.len(), new.len());
    let mut body = strip_metadata(&before).to_owned();
    for (old, new) in old.iter().zip(&new) {
        assert_ne!(old, new);
        body = body.replace(old, new);
    }
    assert_eq!(body, strip_metadata(&after));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    sandbox.sops(["decrypt", "f.yaml"]).any_stdout().run();
}

#[test]
fn the_result_goes_to_standard_output_or_a_file() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    let out = sandbox
        .bulla(["rotate", "f.yaml"])
        .any_stdout()
        .any_stderr()
        .run();
    sandbox
        .bulla(["rotate", "f.yaml", "--output", "g.yaml"])
        .any_stderr()
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
    sandbox.file("h.yaml", &out.stdout);
    for name in ["g.yaml", "h.yaml"] {
        assert_ne!(sandbox.read(name), before);
        sandbox.bulla(["decrypt", name]).expect_stdout(PLAIN).run();
    }
}

#[test]
fn keys_are_added_and_removed() {
    let sandbox = encrypted();
    let (alice, bob) = (age_key("alice").recipient, age_key("bob").recipient);
    sandbox
        .bulla(["rotate", "-i", "--add-age", &bob, "f.yaml"])
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identity("bob")
        .expect_stdout(PLAIN)
        .run();
    sandbox
        .bulla(["rotate", "-i", "--rm-age", &alice, "f.yaml"])
        .any_stderr()
        .run();
    assert!(!sandbox.read_text("f.yaml").contains(&alice));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identity("bob")
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn the_last_key_cannot_be_removed() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla([
            "rotate",
            "-i",
            "--rm-age",
            &age_key("alice").recipient,
            "f.yaml",
        ])
        .expect_stderr_has("bulla: ")
        .status(1)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn groups_and_their_threshold_stay() {
    let sandbox = Sandbox::new();
    sandbox.copy("sops-3.11/threshold-yaml.enc.yaml", "f.yaml");
    sandbox
        .bulla(["rotate", "-i", "f.yaml"])
        .identities(&["bob", "carol"])
        .any_stderr()
        .run();
    let args = ["decrypt", "--output-type", "json", "f.yaml"];
    for program in [sandbox.bulla(args), sandbox.sops(args)] {
        let out = program.identities(&["alice", "carol"]).any_stdout().run();
        let expected = testdata("sops-3.11/threshold-yaml.dec.json");
        assert_same_data(&out.stdout, &expected, "rotated");
    }
    assert!(sandbox.read_text("f.yaml").contains("shamir_threshold: 2"));
}

#[test]
fn statuses_tell_what_is_missing() {
    let bob = age_key("bob").recipient;
    Case::new()
        .args(["rotate"])
        .expect_stderr_has("bulla: ")
        .status(100)
        .run();
    Case::new()
        .args(["rotate", "missing.yaml"])
        .expect_stderr_has("missing.yaml")
        .status(2)
        .run();
    Case::new()
        .args(["rotate", "--add-age", &bob, "missing.yaml"])
        .expect_stderr_has("missing.yaml")
        .status(49)
        .run();
    encrypted()
        .bulla(["rotate", "f.yaml"])
        .no_identity()
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
}

#[test]
fn a_tampered_file_is_not_rotated() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\nb_unencrypted: x\n");
    let text = sandbox
        .read_text("f.yaml")
        .replace("encrypted: x", "encrypted: y");
    sandbox.file("f.yaml", &text);
    sandbox
        .bulla(["rotate", "-i", "f.yaml"])
        .expect_stderr_has("MAC")
        .status(51)
        .run();
    assert_eq!(sandbox.read_text("f.yaml"), text);
}

#[test]
fn json_is_rotated_in_its_layout() {
    let sandbox = Sandbox::new();
    let plain = "{ \"a\":1,\n \"b\" : [true , null] }";
    sandbox.encrypted("f.json", plain);
    sandbox.bulla(["rotate", "-i", "f.json"]).any_stderr().run();
    sandbox
        .bulla(["decrypt", "f.json"])
        .expect_stdout(plain)
        .run();
}

/// A file for alice and an AWS key, which is in the file under this entry.
fn with_kms(entry: &str) -> Sandbox {
    let sandbox = encrypted();
    let kms = format!(
        "sops:\n    kms:\n        - created_at: \"2026-01-01T00:00:00Z\"\n          enc: x\n          {entry}\n"
    );
    let text = sandbox.read_text("f.yaml").replace("sops:\n", &kms);
    sandbox.file("f.yaml", text);
    sandbox
}

#[test]
fn keys_of_every_kind_are_removed_by_the_id_that_sops_gives_them() {
    let arn = "arn:aws:kms:eu-west-1:1:key/k";
    let role = "arn:aws:iam::1:role/r";
    let with_role = format!("{arn}+{role}");
    let sandbox = with_kms(&format!("arn: {arn}"));
    sandbox
        .bulla(["rotate", "-i", "f.yaml", "--rm-kms", arn])
        .run();
    assert!(!sandbox.read_text("f.yaml").contains(arn));
    let sandbox = with_kms(&format!(
        "arn: {arn}\n          role: {role}\n          context: {{z: \"1\", b: \"2\"}}"
    ));
    sandbox
        .bulla([
            "rotate",
            "-i",
            "f.yaml",
            "--rm-kms",
            &with_role,
            "--encryption-context",
            "z:1,b:2",
        ])
        .run();
    assert!(!sandbox.read_text("f.yaml").contains(arn));
    sandbox.sops(["decrypt", "f.yaml"]).any_stdout().run();
}

#[test]
fn a_key_that_is_not_there_cannot_be_removed_and_that_is_said() {
    let sandbox = encrypted();
    let bob = age_key("bob").recipient;
    sandbox
        .bulla(["rotate", "-i", "f.yaml", "--rm-age", &bob])
        .expect_stderr_has(&format!("there is no age key {bob:?} to be removed"))
        .run();
    let sandbox = with_kms("arn: arn:k\n          role: arn:r");
    let before = sandbox.read("f.yaml");
    sandbox
        .bulla(["rotate", "--offline", "-i", "f.yaml", "--rm-kms", "arn:k"])
        .expect_stderr_has("there is no kms key \"arn:k\"")
        .expect_stderr_has("not asked (--offline)")
        .status(1)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn a_key_whose_service_is_not_asked_is_not_added() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    for (flag, id, _) in [
        ("--add-kms", "arn:aws:kms:eu-west-1:1:key/k", "kms"),
        (
            "--add-gcp-kms",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "gcp_kms",
        ),
        ("--add-hckms", "eu:1", "hckms"),
        ("--add-azure-kv", "https://v/keys/n/1", "azure_kv"),
        (
            "--add-hc-vault-transit",
            "https://v/v1/transit/keys/k",
            "hc_vault",
        ),
    ] {
        sandbox
            .bulla(["rotate", "--offline", "-i", "f.yaml", flag, id])
            .expect_stderr_has(&format!("{id:?}: not asked (--offline)"))
            .status(1)
            .run();
    }
    assert_eq!(sandbox.read("f.yaml"), before);
    Case::new()
        .args(["rotate", "-i", "missing.yaml", "--rm-hckms", "eu:1"])
        .expect_stderr_has("missing.yaml")
        .status(49)
        .run();
}
