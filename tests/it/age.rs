//! Kinds of age keys and the places they are found in, from the outside.

use crate::support::{Sandbox, age_key, testdata};

const PLAIN: &str = "password: hunter2\n";

/// A new post-quantum key: the file of its identity, and its recipient.
fn post_quantum(sandbox: &Sandbox, name: &str) -> (std::path::PathBuf, String) {
    let file = sandbox.root().join(name);
    let made = sandbox
        .bulla([
            "keygen".as_ref(),
            "--pq".as_ref(),
            "-o".as_ref(),
            file.as_os_str(),
        ])
        .any_stdout()
        .run();
    (file, made.text().trim().to_owned())
}

#[test]
fn a_post_quantum_key_is_made_and_used_like_any_other() {
    let sandbox = Sandbox::new();
    let (file, recipient) = post_quantum(&sandbox, "pq.txt");
    assert!(recipient.starts_with("age1pq1") && recipient.len() == 1959);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\nAGE-SECRET-KEY-PQ-1") && text.contains(&recipient));
    assert_eq!(sandbox.mode(&file), 0o600);

    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "--age", &recipient, "f.yaml"])
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .env("SOPS_AGE_KEY_FILE", &file)
        .expect_stdout(PLAIN)
        .run();
    sandbox
        .bulla(["set", "f.yaml", r#"["password"]"#, r#""new""#])
        .env("SOPS_AGE_KEY_FILE", &file)
        .run();
    sandbox
        .bulla(["rotate", "-i", "f.yaml"])
        .env("SOPS_AGE_KEY_FILE", &file)
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .env("SOPS_AGE_KEY_FILE", &file)
        .expect_stdout("password: new\n")
        .run();
}

#[test]
fn each_kind_of_key_that_fails_has_its_next_step() {
    let sandbox = Sandbox::new();
    let (_, pq) = post_quantum(&sandbox, "pq.txt");
    let (other, _) = post_quantum(&sandbox, "other.txt");
    let ssh = String::from_utf8(testdata("keys/ssh.pub")).unwrap();
    let all = format!("{},{pq},{}", age_key("alice").recipient, ssh.trim());
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "--age", &all, "f.yaml"])
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    // sops 3.11 knows no post-quantum keys, and uses the others
    sandbox
        .sops(["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .env("SOPS_AGE_KEY_FILE", other)
        .expect_stderr_has(
            "hint: a post-quantum recipient (age1pq1…) opens with the AGE-SECRET-KEY-PQ-1…",
        )
        .expect_stderr_has("hint: an ssh recipient opens with its private key")
        .expect_stderr_has("hint: somebody who can open the file adds your recipient")
        .status(128)
        .run();
}

#[test]
fn a_post_quantum_recipient_that_is_cut_off_is_refused() {
    let sandbox = Sandbox::new();
    let (_, recipient) = post_quantum(&sandbox, "pq.txt");
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "--age", &recipient[..1900], "f.yaml"])
        .expect_stderr_has("not a whole post-quantum recipient")
        .status(1)
        .run();
}

#[test]
fn an_ssh_key_is_found_in_every_place_that_sops_looks_in() {
    let sandbox = Sandbox::new();
    let ssh = sandbox.home().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    for (kind, usual) in [("ssh", "id_ed25519"), ("rsa", "id_rsa")] {
        let recipient = String::from_utf8(testdata(&format!("keys/{kind}.pub"))).unwrap();
        let key = sandbox.root().join(kind);
        std::fs::write(&key, testdata(&format!("keys/{kind}.key"))).unwrap();
        sandbox.mode_of(&key, 0o600);
        sandbox.file("f.yaml", PLAIN);
        sandbox
            .bulla(["encrypt", "-i", "--age", recipient.trim(), "f.yaml"])
            .run();
        let decrypt = || sandbox.bulla(["decrypt", "f.yaml"]).no_identity();
        decrypt()
            .env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", &key)
            .expect_stdout(PLAIN)
            .run();
        // the command learns for whom it is asked
        let line = format!(
            "sh -c 'test \"$SOPS_AGE_RECIPIENT\" = \"{}\" && cat \"{}\"'",
            recipient.trim(),
            key.display()
        );
        decrypt()
            .env("SOPS_AGE_SSH_PRIVATE_KEY_CMD", line)
            .expect_stdout(PLAIN)
            .run();
        std::fs::rename(&key, ssh.join(usual)).unwrap();
        decrypt().expect_stdout(PLAIN).run();
        sandbox
            .sops(["decrypt", "f.yaml"])
            .no_identity()
            .expect_stdout(PLAIN)
            .run();
    }
}
