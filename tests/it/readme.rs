//! The console blocks of README.md, run one after another on one machine, with what they print.
//!
//! A line that starts with `$ ` is a command; the lines below it are what it prints, on both
//! streams. `…` stands for any text within a line, a line of `…` alone for any number of lines.

use crate::support::{Sandbox, bulla, repository, text};
use std::process::{Command, Stdio};

/// A command and the lines it must print.
#[derive(Debug)]
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The steps of all blocks marked `console`.
fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => {
                if let Some(command) = line.strip_prefix("$ ") {
                    steps.push(Step {
                        command: command.to_owned(),
                        expected: Vec::new(),
                    });
                } else {
                    let step = steps.last_mut().expect("a command before its output");
                    step.expected.push(line.to_owned());
                }
            }
        }
    }
    steps
}

/// True where a line is what a pattern with `…` says.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut exact = true;
    for part in parts {
        exact = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    exact && pattern.ends_with('…') || rest.is_empty()
}

/// True where the lines are those of the patterns.
fn all_fit(patterns: &[String], lines: &[&str]) -> bool {
    match (patterns.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((any, rest)), _) if any == "…" => {
            (0..=lines.len()).any(|skipped| all_fit(rest, &lines[skipped..]))
        }
        (Some((pattern, patterns)), Some((line, lines))) => {
            fits(pattern, line) && all_fit(patterns, lines)
        }
        _ => false,
    }
}

#[test]
fn the_console_blocks_do_what_they_say() {
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    let steps = steps(&readme);
    assert!(steps.len() >= 8, "the five-minute use is there");
    let sandbox = Sandbox::new();
    let mut path = bulla().parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    for step in steps {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {}", step.command)])
            .current_dir(sandbox.work())
            .env_clear()
            .env("PATH", &path)
            .env("HOME", sandbox.home())
            .env("TMPDIR", sandbox.tmp())
            .env("XDG_RUNTIME_DIR", sandbox.run_dir())
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = text(&output.stdout);
        let lines: Vec<&str> = printed.lines().collect();
        assert!(
            all_fit(&step.expected, &lines),
            "$ {}\n--- expected\n{}\n--- printed ({})\n{printed}",
            step.command,
            step.expected.join("\n"),
            output.status,
        );
    }
}

#[test]
fn patterns_fit_as_they_should() {
    assert!(fits("a…c", "abbc") && fits("…", "") && fits("a…", "ab") && fits("a", "a"));
    assert!(!fits("a…c", "abd") && !fits("a", "ab") && !fits("a…c", "abcd"));
    let patterns = ["a".to_owned(), "…".to_owned(), "z".to_owned()];
    assert!(all_fit(&patterns, &["a", "b", "c", "z"]) && all_fit(&patterns, &["a", "z"]));
    assert!(!all_fit(&patterns, &["a", "b"]));
}
