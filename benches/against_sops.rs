//! Real sops and bulla, side by side in one run: `cargo bench --bench against_sops`.
//!
//! Decrypt, encrypt and extract of a file of 12 values and of a large one, in YAML and JSON, and of
//! a binary file: the median wall-clock time of interleaved runs, and the peak memory of a run of
//! its own (Linux). `BULLA_BENCH_VALUES` is the size of the large file (100000),
//! `BULLA_BENCH_MIB` that of the binary one (64); `BULLA_BENCH_KINDS` says which are run
//! (`yaml,json,bin`). A run of sops that takes longer than `BULLA_BENCH_LIMIT` seconds (60) is cut
//! off and shown as `> 60 s`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a tool for developers: it prints, and what is wrong ends it"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A throw-away key of the test data.
const KEY: &str = include_str!("../testdata/keys/alice.txt");
/// Runs of a command on the small file, and on the large one.
const SMALL_RUNS: usize = 41;
const LARGE_RUNS: usize = 5;

/// What is measured.
#[derive(Clone, Copy)]
enum Task {
    Decrypt,
    Encrypt,
    Extract,
}

/// A program, its times and its memory on one task.
struct Measure {
    median: Duration,
    /// The time is the limit: the run was cut off.
    cut: bool,
    /// KiB, where the system tells.
    memory: Option<u64>,
}

fn main() {
    // Cargo passes `--bench`; a test run of all targets passes nothing and only wants to compile.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let values = usize::try_from(number("BULLA_BENCH_VALUES", 100_000)).unwrap();
    let limit = Duration::from_secs(number("BULLA_BENCH_LIMIT", 60));
    let bulla = PathBuf::from(env!("CARGO_BIN_EXE_bulla"));
    let sops = peer();
    let folder = tempfile::tempdir().unwrap();

    println!(
        "file            task      sops      bulla     ratio    sops memory  bulla memory  ratio"
    );
    let mebibytes = usize::try_from(number("BULLA_BENCH_MIB", 64)).unwrap();
    let kinds = std::env::var("BULLA_BENCH_KINDS").unwrap_or_else(|_| "yaml,json,bin".to_owned());
    for kind in kinds.split(',') {
        let sizes = match kind {
            "bin" => vec![(mebibytes, LARGE_RUNS)],
            _ => vec![(12, SMALL_RUNS), (values, LARGE_RUNS)],
        };
        for (size, runs) in sizes {
            let plain = folder.path().join(format!("plain-{size}.{kind}"));
            std::fs::write(&plain, content(kind, size)).unwrap();
            let encrypted = folder.path().join(format!("encrypted-{size}.{kind}"));
            // By bulla: sops may take minutes for it, and reads it as its own.
            let output = command(&bulla, Task::Encrypt, &plain).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            std::fs::write(&encrypted, output.stdout).unwrap();
            for task in [Task::Decrypt, Task::Encrypt, Task::Extract] {
                let file = match task {
                    Task::Encrypt => &plain,
                    Task::Decrypt | Task::Extract => &encrypted,
                };
                let [theirs, ours] = measure([&sops, &bulla], task, file, runs, limit);
                let unit = if kind == "bin" { " MiB" } else { "" };
                print(&format!("{size}{unit} {kind}"), task, &theirs, &ours);
            }
        }
    }
}

/// Real sops, where `tests/peers.sh` puts it.
fn peer() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers.sh");
    let output = Command::new("bash").arg(script).output().unwrap();
    assert!(
        output.status.success(),
        "tests/peers.sh cannot install sops"
    );
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// A file of `size` values, or MiB where it is binary.
fn content(kind: &str, size: usize) -> Vec<u8> {
    if kind != "bin" {
        return text(kind, size).into_bytes();
    }
    // Bytes without a pattern that anybody could make use of (xorshift).
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(size << 17).flatten().collect()
}

/// A file of `size` values: strings, numbers and booleans, ten to a mapping.
fn text(kind: &str, size: usize) -> String {
    let value = |n: usize| match n % 4 {
        0 => format!("\"secret value number {n}\""),
        1 => format!("{}", n * 7919),
        2 => format!("\"https://example.com/{n}?token=abcdef\""),
        _ => format!("{}", n.is_multiple_of(3)),
    };
    let groups: Vec<Vec<usize>> = (0..size)
        .collect::<Vec<_>>()
        .chunks(10)
        .map(<[usize]>::to_vec)
        .collect();
    let mut text = String::new();
    for (at, group) in groups.iter().enumerate() {
        if kind == "yaml" {
            text += &format!("# group {at}\ngroup{at}:\n");
            for n in group {
                text += &format!("    key{n}: {}\n", value(*n));
            }
        } else {
            let entries: Vec<String> = group
                .iter()
                .map(|n| format!("\t\t\"key{n}\": {}", value(*n)))
                .collect();
            let comma = if at + 1 < groups.len() { "," } else { "" };
            text += &format!(
                "\t\"group{at}\": {{\n{}\n\t}}{comma}\n",
                entries.join(",\n")
            );
        }
    }
    if kind == "yaml" {
        text
    } else {
        format!("{{\n{text}}}\n")
    }
}

/// The command line of a task, the same for both programs.
fn command(program: &Path, task: Task, file: &Path) -> Command {
    let mut command = Command::new(program);
    let recipient = KEY
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "));
    match task {
        Task::Decrypt => command.arg("decrypt"),
        Task::Encrypt => command.args(["encrypt", "--age", recipient.unwrap()]),
        Task::Extract if file.extension().is_some_and(|end| end == "bin") => {
            command.args(["decrypt", "--extract", "[\"data\"]"])
        }
        Task::Extract => command.args(["decrypt", "--extract", "[\"group0\"][\"key2\"]"]),
    };
    command
        .arg(file)
        .env_clear()
        .env("SOPS_AGE_KEY", KEY.lines().last().unwrap())
        .env("SOPS_DISABLE_VERSION_CHECK", "true")
        .current_dir(file.parent().unwrap())
        .stdin(Stdio::null());
    command
}

/// Times of both programs, run in turns so that a busy moment of the machine meets both.
fn measure(
    programs: [&Path; 2],
    task: Task,
    file: &Path,
    runs: usize,
    limit: Duration,
) -> [Measure; 2] {
    let mut times = [Vec::new(), Vec::new()];
    let mut cut = [false; 2];
    for _ in 0..runs {
        for at in 0..2 {
            // One run that was cut off says it all.
            if cut[at] {
                continue;
            }
            let began = Instant::now();
            let child = command(programs[at], task, file)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            cut[at] = !finishes(child, limit);
            times[at].push(if cut[at] { limit } else { began.elapsed() });
        }
    }
    [0, 1].map(|at| {
        times[at].sort();
        Measure {
            median: if cut[at] {
                limit
            } else {
                times[at][times[at].len() / 2]
            },
            cut: cut[at],
            // Several looks at a short run: one may come too late, or before the program began.
            memory: (0..if runs == SMALL_RUNS { 15 } else { 1 })
                .filter_map(|_| memory(programs[at], task, file, limit))
                .max(),
        }
    })
}

/// Waits for a child; one that is still there at the limit is killed.
fn finishes(mut child: Child, limit: Duration) -> bool {
    let began = Instant::now();
    // Short naps at first, for the small files; longer ones later, which cost the child nothing.
    let mut nap = Duration::from_micros(50);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return true;
        }
        if began.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            return false;
        }
        std::thread::sleep(nap);
        nap = (nap * 11 / 10).min(Duration::from_millis(5));
    }
}

/// The highest mark of resident memory in KiB, watched from outside while the program runs.
fn memory(program: &Path, task: Task, file: &Path, limit: Duration) -> Option<u64> {
    let mut child = command(program, task, file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let began = Instant::now();
    let mut peak = None;
    while child.try_wait().unwrap().is_none() {
        let mark = std::fs::read_to_string(&status).ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        });
        peak = peak.max(mark);
        if began.elapsed() > limit {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    peak
}

fn print(file: &str, task: Task, theirs: &Measure, ours: &Measure) {
    let task = match task {
        Task::Decrypt => "decrypt",
        Task::Encrypt => "encrypt",
        Task::Extract => "extract",
    };
    let mark = |cut: bool| if cut { ">" } else { "" };
    let time = |measure: &Measure| {
        let seconds = measure.median.as_secs_f64();
        let text = match seconds {
            ..1.0 => format!("{:.1} ms", seconds * 1e3),
            _ => format!("{seconds:.2} s"),
        };
        format!("{}{text}", mark(measure.cut))
    };
    let size = |memory: Option<u64>| {
        memory.map_or("?".to_owned(), |kib| {
            format!("{:.1} MiB", kib as f64 / 1024.0)
        })
    };
    let faster = theirs.median.as_secs_f64() / ours.median.as_secs_f64();
    let smaller = match (theirs.memory, ours.memory) {
        (Some(theirs), Some(ours)) if ours > 0 => format!("{:.1} x", theirs as f64 / ours as f64),
        _ => "?".to_owned(),
    };
    println!(
        "{file:<15} {task:<9} {:<9} {:<9} {:<8} {:<12} {:<13} {smaller}",
        time(theirs),
        time(ours),
        format!("{}{faster:.1} x", mark(theirs.cut)),
        size(theirs.memory),
        size(ours.memory),
    );
}
