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

#[allow(clippy::print_stderr, reason = "who asks for it wants to see it")]
fn show(what: impl std::fmt::Display) {
    eprintln!("{what}");
}

/// What is wrong with a case; nothing where it is as the list says.
#[allow(
    clippy::print_stderr,
    reason = "who asked for the case wants to see it"
)]
fn verdict(world: &World, entry: &Entry, shows: bool) -> Option<String> {
    if shows {
        show(entry);
    }
    let theirs = world.run(entry, sops());
    let ours = world.run(entry, bulla());
    let found = compare::differences(world, entry.relation, &ours, &theirs);
    if shows {
        show(format!(
            "--- {entry}\n--- sops {theirs}\n--- bulla {ours}\n"
        ));
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

/// The page that says what is compatible.
fn page() -> String {
    std::fs::read_to_string(repository(PAGE)).unwrap()
}

const PAGE: &str = "docs/compatibility.md";
const TABLE: (&str, &str) = ("<!-- differences -->\n", "<!-- end -->");

/// The table of intended differences: each reason with the first command line that shows it.
fn table() -> String {
    let mut rows: Vec<(String, String, usize)> = Vec::new();
    for entry in list::read() {
        let Some(difference) = entry.difference else {
            continue;
        };
        match rows
            .iter_mut()
            .find(|(reason, ..)| *reason == difference.reason)
        {
            Some((.., count)) => *count += 1,
            None => rows.push((
                difference.reason,
                format!("{}: `{}`", entry.heading, entry.text.replace('|', "\\|")),
                1,
            )),
        }
    }
    let mut table = String::from("| why | for example | cases |\n|---|---|---|\n");
    for (reason, example, count) in rows {
        table += &format!("| {reason} | {example} | {count} |\n");
    }
    table
}

#[test]
fn the_page_has_the_table_of_intended_differences() {
    let page = page();
    let (start, end) = TABLE;
    let from = page.find(start).unwrap() + start.len();
    let to = page.find(end).unwrap();
    let table = table();
    if std::env::var_os("BULLA_BLESS").is_some() {
        let new = [&page[..from], &table, &page[to..]].concat();
        std::fs::write(repository(PAGE), new).unwrap();
        return;
    }
    assert!(
        page[from..to] == table,
        "the list has changed; make the table anew: BULLA_BLESS=1 cargo nextest run table_of"
    );
}

/// What the page says of a command: the text below its heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page
        .find(&format!("\n### {heading}\n"))
        .unwrap_or_else(|| panic!("the page has no heading {heading}"));
    let rest = &page[start + 1..];
    &rest[..rest.find("\n#").unwrap_or(rest.len())]
}

/// Every flag, `--like-this`, at the start of a line of a help text, and `[$VARIABLE]`.
fn flags_and_variables(help: &str) -> (Vec<String>, Vec<String>) {
    let is_name = |c: char| c == '-' || c.is_ascii_lowercase();
    let flags = help.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("--")?;
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        Some(format!("--{}", &rest[..end]))
    });
    let variables = help.split("[$").skip(1);
    let variables = variables.filter_map(|rest| rest.split(']').next());
    (flags.collect(), variables.map(str::to_owned).collect())
}

#[test]
fn the_page_has_every_flag_and_variable_of_sops() {
    let page = page();
    let sandbox = Sandbox::new();
    let help = |command: &str| {
        let words = command.split(' ').filter(|word| !word.is_empty());
        let output = sandbox.sops(words.chain(["--help"])).output();
        text(&output.stdout)
    };
    let top = help("");
    let listed = top.split("COMMANDS:").nth(1).unwrap();
    let listed = listed.split("GLOBAL OPTIONS:").next().unwrap();
    let mut commands: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| !["help,", "groups"].contains(name))
        .collect();
    commands.extend(["groups add", "groups delete"]);
    assert!(commands.len() >= 14, "{commands:?}");
    commands.push("");
    let mut missing = Vec::new();
    for command in commands {
        let heading = if command.is_empty() {
            "the old form"
        } else {
            command
        };
        let section = section(&page, heading);
        let (flags, variables) = flags_and_variables(&help(command));
        for flag in flags {
            // Of every command, and not worth a row.
            if flag != "--help" && !section.contains(&format!("`{flag}`")) {
                missing.push(format!("{heading}: {flag}"));
            }
        }
        for name in variables {
            if !page.contains(&format!("`{name}`")) {
                missing.push(name);
            }
        }
    }
    assert!(missing.is_empty(), "not on the page: {missing:#?}");
}

#[test]
fn the_page_has_every_variable_of_bulla() {
    let page = page();
    let variables = bulla::cli::environment::VARIABLES.iter();
    let missing: Vec<_> = variables
        .map(|variable| variable.name)
        .filter(|name| !page.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

#[test]
fn the_page_has_every_fault_that_the_list_names() {
    let page = page();
    let numbers = |text: &str| -> Vec<String> {
        let inside = text
            .rsplit_once('(')
            .and_then(|(_, rest)| rest.split_once(')'));
        let words = inside.map_or("", |(inside, _)| inside).split(", ");
        words
            .filter(|word| word.parse::<u8>().is_ok())
            .map(str::to_owned)
            .collect()
    };
    let mut named = 0;
    for entry in list::read() {
        let reason = entry.difference.map_or(String::new(), |d| d.reason);
        for number in numbers(&reason) {
            named += 1;
            assert!(
                page.contains(&format!("\n{number}. ")),
                "{reason}: no fault has this number"
            );
        }
    }
    assert!(named > 10);
}
