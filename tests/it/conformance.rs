//! The conformance proof: one list of command lines (`conformance/cases.txt`), run by real sops
//! and by bulla in turn, each in a copy of the same folder, and compared: status, stdout, the
//! files left behind, and the fragments of stderr that scripts match.
//!
//! What differs on purpose says why in the list, and fails here once it no longer differs.
//! `BULLA_CASES=text` runs the cases that contain the text and shows what both programs said.

mod compare;
mod list;

use crate::support::{Case, Gnupg, Sandbox, age_key, bulla, pgp_key, repository, sops, text};
use compare::{Aspect, Run};
use list::{Entry, Input, Variables};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Everything that the cases share: made once, changed by none.
struct World {
    /// The folder of fixtures that every run gets a copy of.
    fixtures: BTreeMap<String, Vec<u8>>,
    gnupg: Gnupg,
    variables: Variables,
    /// Where results are decrypted, which writes nothing.
    desk: Sandbox,
}

impl World {
    /// Makes the fixtures with real sops, as `fixtures.sh` says.
    fn new() -> Self {
        let gnupg = Gnupg::with(&["alice", "bob"]);
        let sandbox = Sandbox::new();
        let mut variables = Variables::new();
        for name in ["alice", "bob", "carol", "mallory"] {
            let key = age_key(name);
            variables.insert(name.to_uppercase(), key.recipient);
            variables.insert(format!("{}_KEY", name.to_uppercase()), key.identity);
        }
        for name in ["alice", "bob"] {
            let fingerprint = pgp_key(name).fingerprint;
            variables.insert(format!("{}_PGP", name.to_uppercase()), fingerprint);
        }
        variables.insert("GNUPG".into(), gnupg.home().display().to_string());
        let output = Command::new("sh")
            .arg("-eu")
            .arg(repository("tests/it/conformance/fixtures.sh"))
            .envs(&variables)
            .env("SOPS", sops())
            .env("HOME", sandbox.home())
            .env("XDG_CONFIG_HOME", sandbox.home().join(".config"))
            .env("GNUPGHOME", gnupg.home())
            .env("SOPS_DISABLE_VERSION_CHECK", "true")
            .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
            .current_dir(sandbox.work())
            .output()
            .expect("a shell");
        assert!(
            output.status.success(),
            "fixtures.sh: {}",
            text(&output.stderr)
        );
        Self {
            fixtures: files_below(&sandbox.work()),
            gnupg,
            variables,
            desk: Sandbox::new(),
        }
    }

    /// Runs a case by one of the two programs.
    fn run(&self, entry: &Entry, program: &Path) -> Run {
        let sandbox = Sandbox::new();
        // What the line does not name, it cannot touch.
        let named = |name: &str| entry.text.contains(name.split('/').next().unwrap_or(name));
        for (name, content) in self.fixtures.iter().filter(|(name, _)| named(name)) {
            sandbox.file(name, content);
        }
        std::fs::create_dir(sandbox.path("folder")).unwrap();
        let mut variables = self.variables.clone();
        variables.insert("WORK".into(), sandbox.work().display().to_string());
        variables.insert(
            "ALICE_FILE".into(),
            sandbox.key_file("alice").display().to_string(),
        );
        variables.insert(
            "BOB_FILE".into(),
            sandbox.key_file("bob").display().to_string(),
        );
        let line = entry.line(&variables);
        let mut case = Case::within(&sandbox, program).args(&line.args);
        // No case is to open an editor that waits for somebody.
        case = case.editor("false");
        for (name, value) in &line.environment {
            case = match value {
                Some(value) => case.env(name, value),
                None => case.without(name),
            };
        }
        if let Some(folder) = &line.folder {
            case = case.folder(folder);
        }
        let case = match &line.input {
            Input::Nothing => case,
            Input::Text(text) => case.stdin(text),
            Input::File(name) => case.stdin(&self.fixtures[name]),
        };
        let output = case.output();
        let mut files = files_below(&sandbox.work());
        files.retain(|name, content| self.fixtures.get(name) != Some(content));
        let gone = self.fixtures.keys().filter(|name| named(name));
        let gone = gone.filter(|name| !sandbox.exists(name)).cloned().collect();
        let place = sandbox.work().display().to_string();
        Run {
            status: output.status.code(),
            stdout: output.stdout,
            stderr: text(&output.stderr).replace(&place, "$WORK"),
            files,
            gone,
        }
    }

    /// What a program decrypts `content` to, by everyone's keys.
    fn decrypted(&self, program: &Path, content: &[u8], from: &str, to: &str) -> Vec<u8> {
        let names = ["alice", "bob", "carol"];
        let output = Case::within(&self.desk, program)
            .identities(&names)
            .env("GNUPGHOME", self.gnupg.home())
            .args(["decrypt", "--input-type", from, "--output-type", to])
            .stdin(content)
            .output();
        if output.status.success() {
            output.stdout
        } else {
            compare::NOT_DECRYPTED.to_vec()
        }
    }
}

/// The content of every file below a folder, by its path in it.
fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// What is wrong with a case; nothing where it is as the list says.
fn verdict(world: &World, entry: &Entry, shows: bool) -> Option<String> {
    if shows {
        eprintln!("{entry}");
    }
    let theirs = world.run(entry, sops());
    let ours = world.run(entry, bulla());
    let found = compare::differences(world, entry.relation, &ours, &theirs);
    if shows {
        eprintln!("--- {entry}\n--- sops {theirs}\n--- bulla {ours}\n");
    }
    let aspects: Vec<Aspect> = found.iter().map(|(aspect, _)| *aspect).collect();
    let expected = entry.difference.as_ref().map_or(&[][..], |d| &d.aspects);
    if aspects == expected {
        return None;
    }
    let mut report = format!("{entry}\n");
    for aspect in expected.iter().filter(|aspect| !aspects.contains(aspect)) {
        report += &format!("  {aspect} does not differ: take the exception out\n");
    }
    for (aspect, what) in found.iter().filter(|(a, _)| !expected.contains(a)) {
        report += &format!("  {aspect} differs: {what}\n");
    }
    Some(report)
}

#[test]
fn every_command_line_does_what_it_does_in_sops() {
    let wanted = std::env::var("BULLA_CASES");
    let (shows, wanted) = (wanted.is_ok(), wanted.unwrap_or_default());
    let mut entries = list::read();
    assert!(entries.len() >= 300, "{} cases", entries.len());
    entries.retain(|entry| entry.to_string().contains(&wanted));
    let world = World::new();
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    let threads = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(fault) = verdict(&world, entry, shows) {
                        faults.lock().unwrap().push((entry.number, fault));
                    }
                }
            });
        }
    });
    let mut faults = faults.into_inner().unwrap();
    faults.sort();
    let reports: Vec<String> = faults.into_iter().map(|(_, report)| report).collect();
    assert!(
        reports.is_empty(),
        "{} of {} cases\n{}",
        reports.len(),
        entries.len(),
        reports.join("\n")
    );
}
