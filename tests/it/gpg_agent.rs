//! Identity files and ssh keys behind a passphrase: a terminal, and a real gpg-agent.

use crate::support::{Case, Sandbox, age_key, bulla, repository, testdata};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PLAIN: &str = "password: hunter2\n";
const PASSPHRASE: &str = "correct horse";

/// Who `passphrase.armor` and `passphrase.bin` in `testdata/keys` open for.
const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";

/// A sandbox with a file for A, whose identity lies under a passphrase.
fn locked() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let key = private(&sandbox, "keys/passphrase.armor");
    sandbox.file("f.yaml", PLAIN);
    sandbox.bulla(["encrypt", "-i", "--age", A, "f.yaml"]).run();
    (sandbox, key)
}

/// A copy of a file of `testdata` that only its owner can read.
fn private(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.root().join(Path::new(name).file_name().unwrap());
    std::fs::write(&path, testdata(name)).unwrap();
    sandbox.mode_of(&path, 0o600);
    path
}

/// A command on no terminal.
fn alone(sandbox: &Sandbox, args: &[&str]) -> Case {
    Case::within(sandbox, Path::new("setsid"))
        .args(["--wait".as_ref(), bulla().as_os_str()])
        .args(args)
}

#[test]
fn the_passphrase_of_an_identity_file_is_asked_for_on_the_terminal() {
    let (sandbox, armored) = locked();
    for key in [armored, private(&sandbox, "keys/passphrase.bin")] {
        sandbox
            .on_terminal(
                &["Passphrase of identity", PASSPHRASE],
                &["decrypt", "f.yaml"],
            )
            .env("SOPS_AGE_KEY_FILE", key)
            .expect_stdout_has("hunter2")
            .never_says(PASSPHRASE)
            .run();
    }
}

#[test]
fn a_passphrase_is_asked_for_once_in_a_run_and_only_where_it_is_needed() {
    let (sandbox, key) = locked();
    let two = format!("{A},{}", age_key("bob").recipient);
    sandbox.file("g.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "--age", &two, "g.yaml"])
        .run();
    // bob's identity is at hand: nobody is asked, though there is nobody to ask
    alone(&sandbox, &["decrypt", "g.yaml"])
        .env("SOPS_AGE_KEY_FILE", &key)
        .env("SOPS_AGE_KEY", age_key("bob").identity)
        .expect_stdout(PLAIN)
        .run();
    // two keys, and the one passphrase of a file with neither identity
    sandbox.file("h.yaml", PLAIN);
    let others = format!(
        "{},{}",
        age_key("bob").recipient,
        age_key("carol").recipient
    );
    sandbox
        .bulla(["encrypt", "-i", "--age", &others, "h.yaml"])
        .run();
    let shown = sandbox
        .on_terminal(
            &["Passphrase of identity", PASSPHRASE],
            &["decrypt", "h.yaml"],
        )
        .env("SOPS_AGE_KEY_FILE", &key)
        .any_stdout()
        .status(128)
        .run();
    assert_eq!(shown.text().matches("Passphrase of").count(), 1);
}

#[test]
fn a_wrong_passphrase_has_a_hint_of_its_own() {
    let (sandbox, key) = locked();
    sandbox
        .on_terminal(&["Passphrase of identity", "wrong"], &["decrypt", "f.yaml"])
        .env("SOPS_AGE_KEY_FILE", key)
        .expect_stdout_has("'SOPS_AGE_KEY_FILE': wrong")
        .expect_stdout_has("hint: the passphrase of 'SOPS_AGE_KEY_FILE' was wrong")
        .never_says("no identity yet")
        .status(128)
        .run();
}

#[test]
fn without_terminal_and_agent_the_passphrase_is_said_to_be_missing() {
    let (sandbox, key) = locked();
    alone(&sandbox, &["decrypt", "f.yaml"])
        .env("SOPS_AGE_KEY_FILE", key)
        .expect_stderr_has("there is no terminal to ask on")
        .expect_stderr_has("hint: run the command in a terminal, or beside a gpg-agent")
        .status(128)
        .run();
}

#[test]
fn the_passphrase_of_an_ssh_key_is_asked_for_where_the_file_is_for_it() {
    let sandbox = Sandbox::new();
    let ssh = sandbox.home().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    std::fs::copy(
        private(&sandbox, "keys/ssh-locked.key"),
        ssh.join("id_ed25519"),
    )
    .unwrap();
    let recipient = String::from_utf8(testdata("keys/ssh.pub")).unwrap();
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "--age", recipient.trim(), "f.yaml"])
        .run();
    sandbox
        .on_terminal(
            &["Passphrase of ssh key", PASSPHRASE],
            &["decrypt", "f.yaml"],
        )
        .no_identity()
        .expect_stdout_has("hunter2")
        .never_says(PASSPHRASE)
        .run();
    sandbox
        .on_terminal(&["Passphrase of ssh key", "wrong"], &["decrypt", "f.yaml"])
        .no_identity()
        .expect_stdout_has("hint: the passphrase of")
        .expect_stdout_has("id_ed25519' was wrong")
        .status(128)
        .run();
    // a file for somebody else asks for nothing
    sandbox.encrypted("g.yaml", PLAIN);
    alone(&sandbox, &["decrypt", "g.yaml"])
        .expect_stdout(PLAIN)
        .run();
}

/// A gpg-agent of its own, with a pinentry that answers with the file `pin` in its folder.
struct Agent {
    home: PathBuf,
}

impl Agent {
    fn new(sandbox: &Sandbox) -> Self {
        let home = sandbox.root().join("gnupg");
        std::fs::create_dir(&home).unwrap();
        sandbox.mode_of(&home, 0o700);
        let pinentry = home.join("pinentry");
        symlink(repository("tests/it/support/pinentry.sh"), &pinentry).unwrap();
        let agent = Self { home };
        let started = agent
            .gpg("gpg-agent")
            .args([
                "--daemon",
                "--allow-preset-passphrase",
                "--pinentry-program",
            ])
            .arg(&pinentry)
            // it keeps them open
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("gpg-agent");
        assert!(started.success());
        agent
    }

    fn gpg(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("GNUPGHOME", &self.home);
        command
    }

    fn pin(&self, pin: &str) {
        std::fs::write(self.home.join("pin"), pin).unwrap();
    }

    /// How often the pinentry was asked since the last time.
    fn asked(&self) -> usize {
        let file = self.home.join("asked");
        let asked = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(file);
        asked.lines().count()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.gpg("gpgconf").args(["--kill", "gpg-agent"]).output();
    }
}

#[test]
fn gpg_agent_asks_remembers_and_forgets_what_was_wrong() {
    let (sandbox, key) = locked();
    let agent = Agent::new(&sandbox);
    let decrypt = || {
        alone(&sandbox, &["decrypt", "f.yaml"])
            .env("SOPS_AGE_KEY_FILE", &key)
            .env("GNUPGHOME", &agent.home)
            .env("GPG_TTY", "/dev/null")
            .never_says(PASSPHRASE)
    };
    agent.pin("wrong");
    decrypt()
        .expect_stderr_has("'SOPS_AGE_KEY_FILE': wrong")
        .expect_stderr_has("hint: the passphrase of 'SOPS_AGE_KEY_FILE' was wrong")
        .status(128)
        .run();
    assert_eq!(agent.asked(), 1);
    agent.pin(PASSPHRASE);
    for asked in [1, 0, 0] {
        decrypt().expect_stdout(PLAIN).run();
        assert_eq!(agent.asked(), asked);
    }
}

#[test]
fn a_question_of_gpg_agent_that_is_cancelled_is_not_asked_again() {
    let (sandbox, key) = locked();
    let agent = Agent::new(&sandbox);
    alone(&sandbox, &["decrypt", "f.yaml"])
        .env("SOPS_AGE_KEY_FILE", &key)
        .env("GNUPGHOME", &agent.home)
        .expect_stderr_has("bulla: warning: no passphrase was given to gpg-agent")
        .expect_stderr_has("none was given")
        .status(128)
        .run();
    assert_eq!(agent.asked(), 1);
}

#[test]
fn a_passphrase_that_sops_would_find_in_gpg_agent_is_found() {
    let (sandbox, key) = locked();
    let agent = Agent::new(&sandbox);
    // the name that sops gives it: base32 of the first 25 bytes of the SHA-256 of passphrase.bin
    // as it is without armor
    let file = String::from_utf8(testdata("keys/passphrase.armor")).unwrap();
    let name = Command::new("python3")
        .args(["-c", NAME, &file])
        .output()
        .expect("python3");
    let name = String::from_utf8(name.stdout).unwrap();
    let preset = ["/usr/lib/gnupg", "/usr/libexec", "/usr/local/libexec"]
        .map(|folder| Path::new(folder).join("gpg-preset-passphrase"))
        .into_iter()
        .find(|path| path.exists())
        .expect("gpg-preset-passphrase");
    let done = agent
        .gpg(preset.to_str().unwrap())
        .args(["--preset", "--passphrase", PASSPHRASE, name.trim()])
        .output()
        .expect("gpg-preset-passphrase");
    assert!(done.status.success(), "{done:?}");
    alone(&sandbox, &["decrypt", "f.yaml"])
        .env("SOPS_AGE_KEY_FILE", &key)
        .env("GNUPGHOME", &agent.home)
        .expect_stdout(PLAIN)
        .run();
    assert_eq!(agent.asked(), 0);
}

const NAME: &str = "
import base64, hashlib, sys
body = ''.join(line for line in sys.argv[1].split('\\n') if line and not line.startswith('-'))
digest = hashlib.sha256(base64.b64decode(body)).digest()
print('SopsAge' + base64.b32encode(digest[:25]).decode())
";
