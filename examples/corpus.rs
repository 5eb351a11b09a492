//! Encrypts and decrypts every YAML, JSON and TOML file of a folder and counts those that come back as
//! the same bytes: `cargo run --example corpus -- FOLDER BULLA [SOPS]`.
//!
//! With a real sops it also counts how many of the encrypted files that sops can read. Ends with
//! status 1 where a file came back different or sops could not read one that it should.

#![allow(
    clippy::exit,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool for developers: it prints, and what is wrong ends it"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A throw-away key of the test data.
const KEY: &str = include_str!("../testdata/keys/alice.txt");
/// How many files are listed of those that failed.
const LISTED: usize = 25;

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Identical,
    Refused,
    Unreadable,
    Different,
    SopsFailed,
}

/// A file's fate, whether sops read it, and the first line of what was said.
struct Report {
    path: PathBuf,
    fate: Fate,
    sops: Option<bool>,
    said: String,
}

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(bulla)) = (arguments.next(), arguments.next()) else {
        println!("usage: corpus FOLDER BULLA [SOPS]");
        std::process::exit(2);
    };
    let sops = arguments.next();
    let files = files(&folder);
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::with_capacity(files.len()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = round_trip(path, &bulla, sops.as_deref());
                    reports.lock().unwrap().push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by(|a, b| (a.fate, &a.path).cmp(&(b.fate, &b.path)));
    print(&folder, &reports);
    let bad = |report: &Report| {
        !matches!(report.fate, Fate::Identical | Fate::Refused) || report.sops == Some(false)
    };
    std::process::exit(i32::from(reports.iter().any(bad)));
}

/// The YAML, JSON and TOML files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if kind(&path).is_some() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The format of a file, by its name.
fn kind(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "yaml" | "yml" => Some("yaml"),
        "json" => Some("json"),
        "toml" => Some("toml"),
        _ => None,
    }
}

/// Encrypts a file, decrypts what came out, and compares.
fn round_trip(path: &Path, bulla: &Path, sops: Option<&Path>) -> Report {
    let original = std::fs::read(path).unwrap();
    let kind = kind(path).unwrap();
    let recipient = KEY
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "));
    let name = format!("file.{kind}");
    let encrypt = [
        "encrypt",
        "--age",
        recipient.unwrap(),
        "--filename-override",
        &name,
    ];
    let decrypt = ["decrypt", "--input-type", kind, "--output-type", kind];

    let encrypted = run(bulla, &encrypt, &original);
    let report = |fate, sops, output: &Output| Report {
        path: path.to_owned(),
        fate,
        sops,
        said: first_line(&output.stderr),
    };
    if !encrypted.status.success() {
        // A status above 2 (and a panic above all) is no opinion on the file's syntax.
        let refused = matches!(encrypted.status.code(), Some(2 | 92 | 203));
        let fate = if refused {
            Fate::Refused
        } else {
            Fate::Unreadable
        };
        return report(fate, None, &encrypted);
    }
    let beyond_sops = String::from_utf8_lossy(&encrypted.stderr).contains("stock sops cannot read");
    let decrypted = run(bulla, &decrypt, &encrypted.stdout);
    if !decrypted.status.success() {
        return report(Fate::Unreadable, None, &decrypted);
    }
    if decrypted.stdout != original {
        return report(Fate::Different, None, &decrypted);
    }
    let Some(sops) = sops.filter(|_| !beyond_sops) else {
        return report(Fate::Identical, None, &decrypted);
    };
    let theirs = run(sops, &decrypt, &encrypted.stdout);
    if theirs.status.success() {
        return report(Fate::Identical, Some(true), &theirs);
    }
    // What sops itself cannot bring back is no fault of ours.
    let alone = run(sops, &encrypt, &original);
    let their_own = alone.status.success() && run(sops, &decrypt, &alone.stdout).status.success();
    let fate = if their_own {
        Fate::SopsFailed
    } else {
        Fate::Identical
    };
    report(fate, their_own.then_some(false), &theirs)
}

/// Runs a program with the key in its environment and `input` on its standard input.
fn run(program: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let identity = KEY.lines().last().unwrap();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir("/")
        .env_clear()
        .env("SOPS_AGE_KEY", identity)
        .env("SOPS_DISABLE_VERSION_CHECK", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(pipe.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

fn first_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or_default().chars().take(160).collect()
}

/// The table, and the first files that did not come back.
fn print(folder: &Path, reports: &[Report]) {
    let mut counts: BTreeMap<&str, [usize; 6]> = BTreeMap::new();
    for report in reports {
        let count = counts.entry(kind(&report.path).unwrap()).or_default();
        count[0] += 1;
        count[1] += usize::from(matches!(report.fate, Fate::Identical | Fate::SopsFailed));
        count[2] += usize::from(report.fate == Fate::Refused);
        count[3] += usize::from(matches!(report.fate, Fate::Different | Fate::Unreadable));
        count[4] += usize::from(report.sops == Some(true));
        count[5] += usize::from(report.sops == Some(false));
    }
    println!("       files  byte-identical  refused  failed  read by sops  not read by sops");
    for (kind, [files, identical, refused, failed, read, unread]) in counts {
        println!(
            "{kind}  {files:>6}  {identical:>14}  {refused:>7}  {failed:>6}  {read:>12}  {unread:>16}"
        );
    }
    let failed = reports
        .iter()
        .filter(|report| report.fate != Fate::Identical);
    for report in failed.clone().take(LISTED) {
        let what = match report.fate {
            Fate::Identical => "identical",
            Fate::Refused => "refused",
            Fate::Unreadable => "failed",
            Fate::Different => "different",
            Fate::SopsFailed => "sops failed",
        };
        let name = report.path.strip_prefix(folder).unwrap_or(&report.path);
        println!("{what}: {}: {}", name.display(), report.said);
    }
    let more = failed.count().saturating_sub(LISTED);
    if more > 0 {
        println!("… and {more} more");
    }
}
