//! age plugins: a real one, `tests/it/support/age-plugin-test.py`, beside age and sops.

use crate::support::{Case, Sandbox, age_key, repository};
use std::path::{Path, PathBuf};

const PLAIN: &str = "password: hunter2\n";

/// A sandbox with the plugin on its PATH, and a key of it.
struct Plugged {
    sandbox: Sandbox,
    recipient: String,
    identity: String,
}

impl Plugged {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        for folder in ["plugins", "plugin-keys"] {
            std::fs::create_dir(sandbox.root().join(folder)).unwrap();
        }
        link(&sandbox.root().join("plugins/age-plugin-test"));
        let plugin = sandbox.root().join("plugins/age-plugin-test");
        let mut plugged = Self {
            sandbox,
            recipient: String::new(),
            identity: String::new(),
        };
        let made = plugged
            .able(Case::within(&plugged.sandbox, &plugin).args(["--generate"]))
            .any_stdout()
            .run();
        let text = made.text();
        let (recipient, identity) = text.trim().split_once('\n').unwrap();
        recipient.clone_into(&mut plugged.recipient);
        identity.clone_into(&mut plugged.identity);
        plugged
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.root().join(name)
    }

    /// A command that finds the plugin, whose keys the plugin finds.
    fn able(&self, case: Case) -> Case {
        let path = std::env::var("PATH").unwrap_or_default();
        case.env("PATH", format!("{}:{path}", self.path("plugins").display()))
            .env("AGE_PLUGIN_TEST_KEYS", self.path("plugin-keys"))
    }

    /// A command of bulla with nothing but the plugin's identity.
    fn bulla(&self, args: &[&str]) -> Case {
        self.able(self.sandbox.bulla(args))
            .no_identity()
            .env("SOPS_AGE_KEY", &self.identity)
    }

    /// The same, on no terminal.
    fn bulla_alone(&self, args: &[&str]) -> Case {
        let alone = Case::within(&self.sandbox, Path::new("setsid"));
        self.able(alone)
            .args(["--wait".as_ref(), crate::support::bulla().as_os_str()])
            .args(args)
            .no_identity()
            .env("SOPS_AGE_KEY", &self.identity)
    }

    /// The same as [`Plugged::bulla`], on a terminal where questions are answered.
    fn bulla_on_terminal(&self, answers: &[&str], args: &[&str]) -> Case {
        self.able(self.sandbox.on_terminal(answers, args))
            .no_identity()
            .env("SOPS_AGE_KEY", &self.identity)
    }

    /// A file for the plugin's recipient.
    fn encrypted(self) -> Self {
        self.sandbox.file("f.yaml", PLAIN);
        self.bulla(&["encrypt", "-i", "--age", &self.recipient, "f.yaml"])
            .run();
        self
    }
}

/// Links the plugin to a name: a copy might still be open for writing in another thread's child.
fn link(name: &Path) {
    let plugin = repository("tests/it/support/age-plugin-test.py");
    std::os::unix::fs::symlink(plugin, name).unwrap();
}

#[test]
fn a_plugin_wraps_and_unwraps_for_bulla_and_sops_alike() {
    let world = Plugged::new().encrypted();
    let theirs = world.able(world.sandbox.sops(["decrypt", "f.yaml"]));
    theirs
        .no_identity()
        .env("SOPS_AGE_KEY", &world.identity)
        .expect_stdout(PLAIN)
        .run();
    world
        .bulla(&["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();

    world.sandbox.file("theirs.yaml", PLAIN);
    let recipient = &world.recipient;
    world
        .able(
            world
                .sandbox
                .sops(["encrypt", "-i", "--age", recipient, "theirs.yaml"]),
        )
        .run();
    world
        .bulla(&["decrypt", "theirs.yaml"])
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn age_opens_the_data_key_that_a_plugin_wrapped() {
    let world = Plugged::new().encrypted();
    let text = world.sandbox.read_text("f.yaml");
    let from = text.find("-----BEGIN AGE").unwrap();
    let to = text.find("-----END AGE ENCRYPTED FILE-----").unwrap();
    let armored: String = text[from..to]
        .lines()
        .chain(["-----END AGE ENCRYPTED FILE-----"])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.to_owned() + "\n")
        .collect();
    world.sandbox.file("key.age", armored);
    world.sandbox.file("identity", &world.identity);
    let opened = world
        .able(Case::within(&world.sandbox, Path::new("age")))
        .args(["-d", "-i", "identity", "key.age"])
        .any_stdout()
        .run();
    assert_eq!(opened.stdout.len(), 32);
}

#[test]
fn a_plugin_is_run_only_where_no_other_identity_helps() {
    let world = Plugged::new();
    let log = world.path("log");
    world.sandbox.file("f.yaml", PLAIN);
    let both = format!("{},{}", age_key("alice").recipient, world.recipient);
    world
        .bulla(&["encrypt", "-i", "--age", &both, "f.yaml"])
        .env("AGE_PLUGIN_TEST_LOG", &log)
        .run();
    let keys = format!("{}\n{}", world.identity, age_key("alice").identity);
    world
        .bulla(&["decrypt", "f.yaml"])
        .env("AGE_PLUGIN_TEST_LOG", &log)
        .env("SOPS_AGE_KEY", keys)
        .expect_stdout(PLAIN)
        .run();
    // and where it is run, it sees no key of ours
    let seen = std::fs::read_to_string(log).unwrap();
    assert_eq!(seen, "--age-plugin=recipient-v1\n");
}

#[test]
fn a_plugin_asks_on_the_terminal() {
    let world = Plugged::new().encrypted();
    let answers = [
        "[1] go on  [2] stop:",
        "1",
        "Name of the token?",
        "red",
        "PIN?",
        "1234",
    ];
    world
        .bulla_on_terminal(&answers, &["decrypt", "f.yaml"])
        .env("AGE_PLUGIN_TEST_MODE", "ask")
        .expect_stdout_has("bulla: age-plugin-test: touch the \u{fffd}[31mtoken")
        .expect_stdout_has("age-plugin-test asks: Is the token in?")
        .expect_stdout_has("password: hunter2")
        .never_says("1234")
        .run();
    world.sandbox.file("g.yaml", PLAIN);
    world
        .bulla_on_terminal(
            &answers,
            &["encrypt", "-i", "--age", &world.recipient, "g.yaml"],
        )
        .env("AGE_PLUGIN_TEST_MODE", "ask")
        .any_stdout()
        .run();
    world
        .bulla(&["decrypt", "g.yaml"])
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn without_a_terminal_a_plugin_gets_no_answer_and_says_why() {
    let world = Plugged::new().encrypted();
    world
        .bulla_alone(&["decrypt", "f.yaml"])
        .env("AGE_PLUGIN_TEST_MODE", "ask")
        .expect_stderr_has("bulla: warning: there is no terminal to ask on")
        .expect_stderr_has("age-plugin-test: the token is not in")
        .status(128)
        .run();
}

#[test]
fn a_plugin_that_is_missing_is_named_with_what_to_do() {
    let world = Plugged::new().encrypted();
    std::fs::remove_file(world.path("plugins/age-plugin-test")).unwrap();
    world
        .bulla(&["decrypt", "f.yaml"])
        .expect_stderr_has("age-plugin-test is not installed")
        .expect_stderr_has("hint: install age-plugin-test")
        .status(128)
        .run();
    world.sandbox.file("g.yaml", PLAIN);
    world
        .bulla(&["encrypt", "-i", "--age", &world.recipient, "g.yaml"])
        .expect_stderr_has("age-plugin-test is not installed")
        .status(1)
        .run();
    assert_eq!(world.sandbox.read_text("g.yaml"), PLAIN);
}

#[test]
fn a_plugin_that_fails_is_said_so_and_nothing_is_written() {
    let world = Plugged::new().encrypted();
    world.sandbox.file("g.yaml", PLAIN);
    for (mode, says) in [
        ("crash", "exit status: 3 (no token in the slot)"),
        ("garbage", "age-plugin-test does not follow"),
        ("refuse", "age-plugin-test: the token"),
    ] {
        // its words are wrapped in the report
        let words = says.split(' ').next().unwrap();
        world
            .bulla(&["decrypt", "f.yaml"])
            .env("AGE_PLUGIN_TEST_MODE", mode)
            .expect_stderr_has(words)
            .status(128)
            .run();
        world
            .bulla(&["encrypt", "-i", "--age", &world.recipient, "g.yaml"])
            .env("AGE_PLUGIN_TEST_MODE", mode)
            .expect_stderr_has(says)
            .status(1)
            .run();
        assert_eq!(world.sandbox.read_text("g.yaml"), PLAIN);
    }
    world
        .bulla(&["decrypt", "f.yaml"])
        .env("AGE_PLUGIN_TEST_MODE", "nothing")
        .expect_stderr_has("no age identity at hand")
        .status(128)
        .run();
    world
        .bulla(&["decrypt", "f.yaml"])
        .env("AGE_PLUGIN_TEST_MODE", "odd")
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn a_plugin_that_hangs_up_is_not_waited_for() {
    let world = Plugged::new().encrypted();
    let start = std::time::Instant::now();
    world
        .bulla(&["decrypt", "f.yaml"])
        .env("AGE_PLUGIN_TEST_MODE", "hangup")
        .expect_stderr_has("ended before its work was done")
        .status(128)
        .run();
    assert!(start.elapsed().as_secs() < 30);
}

#[test]
fn no_plugin_of_the_working_directory_or_of_a_relative_path_is_run() {
    let world = Plugged::new().encrypted();
    let plugins = world.path("plugins");
    std::fs::remove_file(plugins.join("age-plugin-test")).unwrap();
    let log = world.path("log");
    let path = std::env::var("PATH").unwrap_or_default();
    for name in ["age-plugin-test", "bin/age-plugin-test"] {
        let name = world.sandbox.path(name);
        std::fs::create_dir_all(name.parent().unwrap()).unwrap();
        link(&name);
    }
    for path in [format!(".:bin::{path}"), format!("{path}:")] {
        world
            .bulla(&["decrypt", "f.yaml"])
            .env("PATH", path)
            .env("AGE_PLUGIN_TEST_LOG", &log)
            .expect_stderr_has("age-plugin-test is not installed")
            .status(128)
            .run();
    }
    assert!(!log.exists());
}

#[test]
fn a_plugin_called_like_a_path_is_refused() {
    let world = Plugged::new();
    world.sandbox.file("g.yaml", PLAIN);
    // the checksums are right, the names are not
    for recipient in RECIPIENTS {
        world
            .bulla(&["encrypt", "-i", "--age", recipient, "g.yaml"])
            .expect_stderr_has("the name of an age plugin has only the characters")
            .status(1)
            .run();
    }
    let world = world.encrypted();
    for identity in IDENTITIES {
        world
            .bulla(&["decrypt", "f.yaml"])
            .env("SOPS_AGE_KEY", identity)
            .expect_stderr_has("an identity of an age plugin whose name could not be a")
            .status(128)
            .run();
    }
}

const RECIPIENTS: [&str; 3] = [
    "age1../../tmp/x1qyqszqgpqyqszqgpqyqszqgpqyypne9g",
    "age1.x1qyqszqgpqyqszqgpqyqszqgpqyucr44h",
    "age1-x1qyqszqgpqyqszqgpqyqszqgpqy8a6jfp",
];
const IDENTITIES: [&str; 3] = [
    "AGE-PLUGIN-../../TMP/X-1QYQSZQGPQYQSZQGPQYQSZQGPQYRQ33JG",
    "AGE-PLUGIN-.X-1QYQSZQGPQYQSZQGPQYQSZQGPQY5U6726",
    "AGE-PLUGIN--X-1QYQSZQGPQYQSZQGPQYQSZQGPQY5RYQET",
];
