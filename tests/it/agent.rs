//! The agent: what was unlocked once is not asked for again, for a time, and by nobody else.

use crate::support::{Case, Gnupg, Running, Sandbox, age_key, bulla, pgp_key, testdata};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PLAIN: &str = "password: hunter2\n";
const PASSPHRASE: &str = "correct horse";

/// Who the keys under a passphrase in `testdata/keys` open for.
const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";

/// A machine with two files for A, whose identity lies under a passphrase.
struct Desk {
    sandbox: Sandbox,
    key: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let key = private(&sandbox, "keys/passphrase.armor");
        for name in ["f.yaml", "g.yaml"] {
            sandbox.file(name, PLAIN);
            sandbox.bulla(["encrypt", "-i", "--age", A, name]).run();
        }
        Self { sandbox, key }
    }

    /// A command of somebody who has nothing but that identity.
    fn with_key(&self, case: Case) -> Case {
        case.env("SOPS_AGE_KEY_FILE", &self.key)
    }

    fn agent(&self, arguments: &[&str]) -> Case {
        let all = [&["agent"][..], arguments].concat();
        self.sandbox.bulla(all).no_identity()
    }

    /// Starts an agent, which ends with what this returns.
    fn start(&self, arguments: &[&str]) -> Started<'_> {
        let all = [&["start"][..], arguments].concat();
        let started = self
            .agent(&all)
            .expect_stderr_has("an agent is running (process ");
        started.run();
        Started(self)
    }

    fn socket(&self) -> PathBuf {
        self.sandbox.run_dir().join("bulla/agent.sock")
    }

    /// Decrypts on a terminal where the passphrase is typed.
    fn typed(&self, name: &str) {
        let talk = ["Passphrase of identity", PASSPHRASE];
        let case = self.sandbox.on_terminal(&talk, &["decrypt", name]);
        self.with_key(case)
            .expect_stdout_has("hunter2")
            .never_says(PASSPHRASE)
            .run();
    }

    /// A command where nobody can be asked.
    fn alone(&self, arguments: &[&str]) -> Case {
        let case = Case::within(&self.sandbox, Path::new("setsid"))
            .args(["--wait".as_ref(), bulla().as_os_str()])
            .args(arguments);
        self.with_key(case)
    }

    #[track_caller]
    fn opens(&self, name: &str) {
        self.alone(&["decrypt", name]).expect_stdout(PLAIN).run();
    }

    #[track_caller]
    fn stays_shut(&self, name: &str) {
        let case = self.alone(&["decrypt", name]);
        case.expect_stderr_has("none was given").status(128).run();
    }
}

/// Ends the agent of a desk.
struct Started<'d>(&'d Desk);

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let _ = self.0.agent(&["stop"]).output();
    }
}

/// A copy of a file of `testdata` that only its owner can read.
fn private(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.root().join(Path::new(name).file_name().unwrap());
    std::fs::write(&path, testdata(name)).unwrap();
    sandbox.mode_of(&path, 0o600);
    path
}

#[test]
fn one_passphrase_is_enough_for_all_commands_until_the_agent_forgets() {
    let desk = Desk::new();
    let started = desk.start(&["--lifetime", "2h30m"]);
    assert_eq!(desk.sandbox.mode(&desk.socket()), 0o600);
    assert_eq!(desk.sandbox.mode(desk.socket().parent().unwrap()), 0o700);
    desk.stays_shut("f.yaml");
    desk.typed("f.yaml");
    desk.opens("f.yaml");
    // the identity is held, not what was read with it
    desk.opens("g.yaml");
    let set = desk.alone(&["set", "g.yaml", "[\"new\"]", "1"]);
    set.run();
    desk.alone(&["why", "g.yaml"])
        .expect_stdout_has(&format!("{A}: SUCCESS"))
        .run();
    desk.agent(&["status"])
        .expect_stdout_has("lifetime: 2h30m\n")
        .expect_stdout_has(&format!("holds: {A} (identity of "))
        .expect_stdout_has("for 2h29m")
        .never_says("AGE-SECRET-KEY")
        .run();
    // by the protocol of sops, too
    let uri = format!("unix://{}", desk.socket().display());
    desk.sandbox
        .sops([
            "decrypt",
            "--enable-local-keyservice=false",
            "--keyservice",
            &uri,
            "f.yaml",
        ])
        .no_identity()
        .expect_stdout(PLAIN)
        .run();
    desk.alone(&["decrypt", "f.yaml"])
        .env("BULLA_AGENT", "off")
        .expect_stderr_has("none was given")
        .status(128)
        .run();

    desk.agent(&["lock"])
        .expect_stderr_has("the agent has forgotten")
        .run();
    desk.stays_shut("f.yaml");
    desk.agent(&["lock"])
        .expect_stderr_has("the agent held nothing")
        .run();

    desk.typed("g.yaml");
    desk.opens("f.yaml");
    desk.agent(&["forget", "age1other"])
        .expect_stderr_has("the agent holds nothing for \"age1other\"")
        .expect_stderr_has("hint:")
        .status(1)
        .run();
    desk.agent(&["forget", A]).run();
    desk.stays_shut("f.yaml");
    desk.agent(&["status"])
        .expect_stdout_has("holds: nothing\n")
        .run();
    drop(started);
    assert!(!desk.socket().exists());
    desk.stays_shut("f.yaml");
    desk.typed("f.yaml");
    for action in ["status", "stop", "lock"] {
        desk.agent(&[action])
            .expect_stderr_has("no agent is running")
            .expect_stderr_has("hint: `bulla agent start` starts one")
            .status(1)
            .run();
    }
}

#[test]
fn an_ssh_key_is_unlocked_once() {
    let desk = Desk::new();
    let _started = desk.start(&[]);
    let key = private(&desk.sandbox, "keys/ssh-locked.key");
    let public = String::from_utf8(testdata("keys/ssh.pub")).unwrap();
    for name in ["s.yaml", "t.yaml"] {
        desk.sandbox.file(name, PLAIN);
        let encrypt = ["encrypt", "-i", "--age", public.trim(), name];
        desk.sandbox.bulla(encrypt).run();
    }
    let with_key = |case: Case| {
        case.no_identity()
            .env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", &key)
    };
    let talk = ["Passphrase of ssh key", PASSPHRASE];
    let case = desk.sandbox.on_terminal(&talk, &["decrypt", "s.yaml"]);
    with_key(case).expect_stdout_has("hunter2").run();
    let case = desk.alone(&["decrypt", "t.yaml"]);
    with_key(case).expect_stdout(PLAIN).run();
}

#[test]
fn what_gpg_opened_is_held_file_by_file() {
    let gnupg = Gnupg::with(&["alice"]);
    let desk = Desk::new();
    let _started = desk.start(&[]);
    let pgp = pgp_key("alice").fingerprint;
    let bulla = |arguments: &[&str]| {
        let case = desk.sandbox.bulla(arguments).no_identity();
        case.env("GNUPGHOME", gnupg.home())
    };
    for name in ["p.yaml", "q.yaml"] {
        desk.sandbox.file(name, PLAIN);
        bulla(&["encrypt", "-i", "--pgp", &pgp, name]).run();
    }
    bulla(&["decrypt", "p.yaml"]).expect_stdout(PLAIN).run();
    let without = |name| bulla(&["decrypt", name]).env("GNUPGHOME", "/nonexistent");
    without("p.yaml").expect_stdout(PLAIN).run();
    without("q.yaml").any_stderr().status(128).run();
    desk.agent(&["status"])
        .expect_stdout_has(&format!("holds: {pgp} (a data key), for 7h59m"))
        .run();
    desk.agent(&["forget", &pgp]).run();
    without("p.yaml").any_stderr().status(128).run();
}

#[test]
fn nothing_is_held_for_longer_than_its_lifetime() {
    let desk = Desk::new();
    let _started = desk.start(&["--lifetime=3s"]);
    desk.typed("f.yaml");
    let since = Instant::now();
    desk.opens("f.yaml");
    std::thread::sleep(Duration::from_secs(4).saturating_sub(since.elapsed()));
    desk.stays_shut("f.yaml");
    desk.agent(&["status"])
        .expect_stdout_has("holds: nothing\n")
        .run();
    for time in ["0s", "8", "40d"] {
        desk.agent(&["start", "--lifetime", time])
            .expect_stderr_has("time")
            .status(1)
            .run();
    }
}

#[test]
fn there_is_one_agent_and_a_signal_ends_it_well() {
    let desk = Desk::new();
    let case = desk.agent(&["start", "--foreground"]);
    let mut running = Running::start(&case, &desk.sandbox.root().join("log"));
    running.wait_for("listening on unix://");
    desk.agent(&["start"])
        .expect_stderr_has("an agent is running already (process ")
        .run();
    desk.agent(&["start", "--foreground"])
        .expect_stderr_has("somebody listens there already")
        .status(1)
        .run();
    assert_eq!(running.end_by("-TERM").code(), Some(0));
    assert!(!desk.socket().exists());
}

#[test]
fn an_agent_that_is_gone_or_hangs_delays_nobody_for_long() {
    let desk = Desk::new();
    let bob = age_key("bob").recipient;
    desk.sandbox.file("h.yaml", PLAIN);
    let encrypt = ["encrypt", "-i", "--age", &bob, "h.yaml"];
    desk.sandbox.bulla(encrypt).run();
    let directory = desk.socket().parent().unwrap().to_owned();
    std::fs::create_dir(&directory).unwrap();
    desk.sandbox.mode_of(&directory, 0o700);
    drop(UnixListener::bind(desk.socket()).unwrap());
    let took = || {
        let start = Instant::now();
        desk.stays_shut("f.yaml");
        start.elapsed()
    };
    assert!(took() < Duration::from_secs(2));
    // a socket that was left is replaced
    drop(desk.start(&[]));
    let _hangs = UnixListener::bind(desk.socket()).unwrap();
    assert!(took() < Duration::from_secs(6));
    // who needs no passphrase does not even ask
    let start = Instant::now();
    desk.sandbox
        .bulla(["decrypt", "h.yaml"])
        .identity("bob")
        .expect_stdout(PLAIN)
        .run();
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn an_agent_that_could_be_somebody_elses_is_not_asked() {
    let desk = Desk::new();
    let _started = desk.start(&[]);
    desk.typed("f.yaml");
    let directory = desk.socket().parent().unwrap().to_owned();
    desk.sandbox.mode_of(&directory, 0o755);
    desk.alone(&["decrypt", "f.yaml"])
        .expect_stderr_has("warning: the agent is not asked: ")
        .expect_stderr_has("is open to others (mode 0755)")
        .status(128)
        .run();
    desk.agent(&["start"])
        .expect_stderr_has("is open to others (mode 0755)")
        .expect_stderr_has("hint: chmod 700 ")
        .status(1)
        .run();
    desk.sandbox.mode_of(&directory, 0o700);
    let owned_by = |user| std::os::unix::fs::chown(&directory, Some(user), None);
    owned_by(65534).expect("needs root");
    desk.alone(&["decrypt", "f.yaml"])
        .expect_stderr_has("belongs to another user")
        .status(128)
        .run();
    desk.agent(&["status"])
        .expect_stderr_has("belongs to another user")
        .expect_stderr_has("hint: choose another place: BULLA_AGENT_SOCK")
        .status(1)
        .run();
    owned_by(0).unwrap();
    desk.opens("f.yaml");
}

#[test]
fn the_socket_is_where_the_environment_says() {
    let desk = Desk::new();
    let place = desk.sandbox.root().join("own/place/a.sock");
    let here = |case: Case| case.env("BULLA_AGENT_SOCK", &place);
    let start = here(desk.agent(&["start"]));
    start.expect_stderr_has(&place.display().to_string()).run();
    assert!(place.exists() && !desk.socket().exists());
    here(desk.agent(&["status"]))
        .expect_stdout_has("holds: nothing")
        .run();
    here(desk.agent(&["stop"]))
        .expect_stderr_has("the agent has ended")
        .run();
}
