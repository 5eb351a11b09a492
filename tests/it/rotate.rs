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
