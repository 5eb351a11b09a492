//! `export`: values of encrypted files as other programs read them, read by those programs.

use crate::support::{Case, Outcome, Sandbox, age_key, peer};
use serde_json::{Value, json};
use std::process::Command;

/// Values that a careless quoting would change, or run.
const HOSTILE: &[(&str, &str)] = &[
    ("SIMPLE", "s3cret-word"),
    (
        "QUOTES",
        "it's \"quoted\" \\ `touch pwned` $(touch pwned) ${HOME} !x #no",
    ),
    ("LINES", "one\n'two'\n\nEOF\n"),
    ("ENDS", " \t blanks \t "),
    ("TRICK", "'; touch pwned; echo '"),
    ("PERCENT", "100%0A%s"),
    ("EMPTY", ""),
    ("WORD", "yes"),
    ("DIGITS", "0123"),
    ("UNICODE", "pässwörd ✓"),
];

/// An encrypted `f.json` of these values.
fn encrypted(values: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new();
    let tree: serde_json::Map<_, _> = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    sandbox.encrypted("f.json", Value::from(tree).to_string());
    sandbox
}

fn export(sandbox: &Sandbox, format: &str, more: &[&str]) -> Case {
    let words = [&["export", "--format", format], more, &["f.json"]].concat();
    sandbox.bulla(words)
}

fn exported(sandbox: &Sandbox, format: &str, more: &[&str]) -> Outcome {
    export(sandbox, format, more).any_stdout().run()
}

/// What a program prints, run in the work folder.
fn prints(sandbox: &Sandbox, program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).current_dir(sandbox.work());
    command.env("PYTHONPATH", peer("moto-5.2.5"));
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A program that prints the values of an environment, with their ends marked.
fn shows(values: &[(&str, &str)]) -> (String, String) {
    let script = values
        .iter()
        .map(|(name, _)| format!("printf '%s|' \"${name}\"\n"));
    let expected = values.iter().map(|(_, value)| format!("{value}|"));
    (script.collect(), expected.collect())
}

#[test]
fn shells_read_every_value_and_run_none() {
    let sandbox = encrypted(HOSTILE);
    let text = exported(&sandbox, "shell", &[]).text();
    assert!(text.starts_with("export SIMPLE='s3cret-word'\n"), "{text}");
    sandbox.file("lines.sh", &text);
    let (script, expected) = shows(HOSTILE);
    for shell in ["sh", "bash"] {
        let line = format!("eval \"$(cat lines.sh)\"; {script}");
        assert_eq!(prints(&sandbox, shell, &["-c", &line]), expected);
        let line = format!("set -eu; . ./lines.sh; {script}");
        assert_eq!(prints(&sandbox, shell, &["-c", &line]), expected);
    }
    assert!(!sandbox.exists("pwned"));

    let odd = encrypted(&[("good", "x"), ("bad; touch pwned;", "hunter2")]);
    let case = export(&odd, "shell", &[]).status(4).never_says("hunter2");
    case.expect_stderr_has("its name is none of a variable")
        .run();
}

#[test]
fn dotenv_files_are_what_shells_read_and_what_readers_differ_on_is_refused() {
    let agreed = HOSTILE.iter().filter(|(name, _)| *name != "QUOTES");
    let mut held: Vec<(&str, &str)> = agreed.copied().collect();
    held.push(("APOSTROPHE", "it's mine"));
    held.push(("DOLLAR", "a$b\"c\"`d`\\e"));
    held.push(("PEM", "-----BEGIN KEY-----\nab/+=\n-----END KEY-----\n"));
    let sandbox = encrypted(&held);
    sandbox.file(".env", exported(&sandbox, "dotenv", &[]).stdout);
    let (script, expected) = shows(&held);
    let line = format!("set -aeu; . ./.env; {script}");
    assert_eq!(prints(&sandbox, "sh", &["-c", &line]), expected);
    for (name, value) in [("QUOTES", "it's $(hunter2)"), ("CR", "hunter2\r\n")] {
        let sandbox = encrypted(&[(name, value)]);
        let case = export(&sandbox, "dotenv", &[])
            .status(4)
            .never_says("hunter2");
        case.expect_stderr_has(&format!("bulla: {name}: readers of dotenv files"))
            .run();
    }
}

#[test]
fn a_docker_env_file_has_the_rest_of_the_line_or_nothing() {
    let sandbox = encrypted(&HOSTILE[..2]);
    let expected = format!("SIMPLE={}\nQUOTES={}\n", HOSTILE[0].1, HOSTILE[1].1);
    export(&sandbox, "docker", &[])
        .expect_stdout(expected)
        .run();
    let sandbox = encrypted(&[("GOOD", "x"), ("KEY", "hunter2\nhunter3")]);
    let case = export(&sandbox, "docker", &[])
        .status(4)
        .never_says("hunter");
    case.expect_stderr_has("KEY: a docker env file has no values of several lines")
        .run();
}

const TREE: &str = "# head\ndb:\n  host: h # beside\n  port: 5432\n  tls: true\n  ratio: 1.5\n\
                    list: [a, {b: 2}]\nnothing: ~\nword: 'yes'\ntext: |\n  one\n  two\n";

fn tree() -> Value {
    json!({
        "db": { "host": "h", "port": 5432, "tls": true, "ratio": 1.5 },
        "list": ["a", { "b": 2 }],
        "nothing": null,
        "word": "yes",
        "text": "one\ntwo\n",
    })
}

#[test]
fn trees_keep_types_and_nesting_and_other_programs_read_them() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", TREE);
    let run = |words: &[&str]| {
        let words = [&["export", "--format"], words, &["f.yaml"]].concat();
        sandbox.bulla(words).any_stdout().run().text()
    };
    let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(parsed(&run(&["json"])), tree());
    assert_eq!(parsed(&run(&["json", "--extract", "db"])), tree()["db"]);
    assert_eq!(parsed(&run(&["json", "--extract", "list[1].b"])), json!(2));
    let flat = run(&["json", "--flatten", "--prefix", "X_"]);
    let expected = json!({
        "X_db_host": "h", "X_db_port": "5432", "X_db_tls": "true", "X_db_ratio": "1.5",
        "X_list_0": "a", "X_list_1_b": "2", "X_nothing": "", "X_word": "yes", "X_text": "one\ntwo\n",
    });
    assert_eq!(parsed(&flat), expected);

    sandbox.file("out.yaml", run(&["yaml"]));
    sandbox.file("out.json", run(&["json"]));
    let script = "import json, yaml; print(json.dumps([yaml.safe_load(open('out.yaml')), \
                  json.load(open('out.json'))]))";
    let read = parsed(&prints(&sandbox, "python3", &["-c", script]));
    assert_eq!(read, json!([tree(), tree()]));

    // Terraform's language, read back by the store of it
    sandbox.file("out.tfvars", run(&["tfvars"]));
    let recipient = age_key("alice").recipient;
    sandbox
        .bulla(["encrypt", "-i", "--age", &recipient, "out.tfvars"])
        .any_stderr()
        .run();
    let back = ["decrypt", "--output-type", "json", "out.tfvars"];
    let back = sandbox.bulla(back).any_stdout().run().text();
    assert_eq!(parsed(&back), tree());
    sandbox.encrypted("odd.yaml", "a b: hunter2\n");
    let odd = sandbox.bulla(["export", "--format", "tfvars", "odd.yaml"]);
    odd.status(4)
        .expect_stderr_has("a b")
        .never_says("hunter2")
        .run();
}

#[test]
fn files_stand_side_by_side_and_no_name_is_in_two() {
    let sandbox = Sandbox::new();
    sandbox
        .encrypted("a.yaml", "one: 1\n")
        .encrypted("b.json", "{\"two\": {\"x\": \"2\"}}");
    let run = |words: &[&str]| sandbox.bulla([&["export", "--format"], words].concat());
    let both = ["a.yaml", "b.json"];
    run(&[&["shell", "--flatten"], &both[..]].concat())
        .expect_stdout("export one='1'\nexport two_x='2'\n")
        .run();
    let text = run(&[&["json"], &both[..]].concat())
        .any_stdout()
        .run()
        .text();
    let text: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(text, json!({ "one": 1, "two": { "x": "2" } }));
    for format in ["json", "shell"] {
        run(&[format, "a.yaml", "a.yaml"])
            .status(1)
            .expect_stderr_has("one is in two files: a.yaml and a.yaml")
            .any_stderr()
            .run();
    }
    run(&["shell", "b.json"])
        .status(1)
        .expect_stderr_has("b.json: cannot use complex value")
        .expect_stderr_has("hint: --flatten joins")
        .run();
    run(&["shell", "--extract", "two.x", "b.json"])
        .expect_stdout("export x='2'\n")
        .run();
    run(&["shell", "--extract", "two.y", "b.json"])
        .status(1)
        .expect_stderr_has("b.json: two.y not found")
        .run();
    run(&["shell", "--name", "x", "a.yaml"])
        .status(8)
        .expect_stderr_has("--name is a flag of --format k8s")
        .run();
}

#[test]
fn a_file_that_is_written_is_the_owners_alone() {
    let sandbox = encrypted(&HOSTILE[..1]);
    export(&sandbox, "dotenv", &["--output", "out.env"]).run();
    assert_eq!(sandbox.read_text("out.env"), "SIMPLE=s3cret-word\n");
    assert_eq!(sandbox.mode(&sandbox.path("out.env")), 0o600);
}

#[test]
fn a_secret_of_kubernetes_holds_every_value() {
    let sandbox = encrypted(HOSTILE);
    let script = "import base64, json, sys, yaml\n\
                  s = yaml.safe_load(open('s.yaml'))\n\
                  data = {k: base64.b64decode(v, validate=True).decode() for k, v in s.pop('data', {}).items()}\n\
                  data.update(s.pop('stringData', {}))\n\
                  print(json.dumps([s, data]))";
    let expected: serde_json::Map<_, _> = HOSTILE
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    for flags in [&[][..], &["--string-data"]] {
        let names = [
            "--name",
            "web",
            "--namespace",
            "123",
            "--label",
            "app.io/on=true",
        ];
        let flags = [&names[..], flags].concat();
        sandbox.file("s.yaml", exported(&sandbox, "k8s", &flags).stdout);
        let read = prints(&sandbox, "python3", &["-c", script]);
        let head = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": { "name": "web", "namespace": "123", "labels": { "app.io/on": "true" } },
        });
        let read: Value = serde_json::from_str(&read).unwrap();
        assert_eq!(read, json!([head, expected]));
    }
    for (flags, problem) in [
        (&[][..], "a Secret needs a name"),
        (&["--name", "Web"], "the name \"Web\""),
        (
            &["--name", "web", "--label", "a=b c"],
            "the value of a label \"b c\"",
        ),
    ] {
        let status = if flags.is_empty() { 1 } else { 4 };
        export(&sandbox, "k8s", flags)
            .status(status)
            .expect_stderr_has(problem)
            .run();
    }
    let odd = encrypted(&[("a/b", "hunter2")]);
    let odd = export(&odd, "k8s", &["--name", "web"])
        .status(4)
        .never_says("hunter2");
    odd.expect_stderr_has("a/b: a key of a Secret has letters")
        .run();
}

/// What the runner makes of the file that lines are collected in: name and value of each.
fn of_runner(text: &str) -> Vec<(String, String)> {
    let mut lines = text.split_inclusive('\n');
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.trim_end().split_once("<<").expect("a name");
        let mut value = String::new();
        loop {
            let line = lines.next().expect("the delimiter");
            if line.trim_end_matches('\n') == delimiter {
                break;
            }
            value += line;
        }
        let value = value.strip_suffix('\n').unwrap_or(&value).to_owned();
        found.push((name.to_owned(), value));
    }
    found
}

#[test]
fn github_masks_first_and_gets_every_value() {
    let sandbox = encrypted(HOSTILE);
    let file = sandbox.path("github.env");
    sandbox.file("github.env", "EARLIER=1\n");
    let run = || export(&sandbox, "github", &[]).env("GITHUB_ENV", &file);
    let masked = run().any_stdout().run().text();
    // the runner takes the escapes back
    let unescaped = |line: &str| {
        let value = line.strip_prefix("::add-mask::").expect("a command");
        value
            .replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%25", "%")
    };
    let masks: Vec<String> = masked.lines().map(unescaped).collect();
    for (name, value) in HOSTILE.iter().filter(|(name, _)| *name != "EMPTY") {
        assert!(masks.iter().any(|mask| mask == value), "{name}: {masks:?}");
        for line in value.lines().filter(|line| !line.is_empty()) {
            assert!(masks.iter().any(|mask| mask == line), "{name}: {masks:?}");
        }
    }
    assert!(masks.iter().all(|mask| !mask.trim().is_empty()));

    let text = sandbox.read_text("github.env");
    let lines = text.strip_prefix("EARLIER=1\n").expect("what was there");
    let expected: Vec<_> = HOSTILE
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    assert_eq!(of_runner(lines), expected);
    run().any_stdout().run();
    let delimiters: std::collections::HashSet<_> = sandbox
        .read_text("github.env")
        .lines()
        .filter_map(|line| Some(line.split_once("<<ghadelimiter_")?.1.to_owned()))
        .collect();
    assert_eq!(delimiters.len(), 2, "one for each run");

    let output = sandbox.path("github.out");
    let case = export(&sandbox, "github", &["--to", "output"]).env("GITHUB_OUTPUT", &output);
    case.any_stdout().run();
    assert_eq!(of_runner(&sandbox.read_text("github.out")), expected);
    assert_eq!(sandbox.mode(&output), 0o600);

    export(&sandbox, "github", &[])
        .status(100)
        .expect_stderr_has("GITHUB_ENV is not set")
        .run();
    let odd = encrypted(&[("GOOD", "hunter2"), ("GITHUB_PATH", "hunter2")]);
    let case = export(&odd, "github", &[])
        .env("GITHUB_ENV", &file)
        .status(4);
    case.never_says("hunter2")
        .expect_stderr_has("lets nobody set")
        .run();
}

#[test]
fn a_report_of_gitlab_has_plain_lines() {
    let sandbox = encrypted(&[HOSTILE[0], ("URL", "https://u:p@h/?a='b'")]);
    export(&sandbox, "gitlab", &[])
        .expect_stdout("SIMPLE=s3cret-word\nURL=https://u:p@h/?a='b'\n")
        .expect_stderr_has("a dotenv report is an artifact")
        .run();
    let sandbox = encrypted(&[("LONG", &"x".repeat(6000))]);
    export(&sandbox, "gitlab", &[])
        .any_stdout()
        .expect_stderr_has("GitLab takes 5120 where nobody has set more")
        .run();
    let sandbox = encrypted(&[("TWO", "hunter2 hunter3")]);
    let case = export(&sandbox, "gitlab", &[])
        .status(4)
        .never_says("hunter");
    case.expect_stderr_has("TWO: a report of GitLab has no values with blanks")
        .run();
}

#[test]
fn a_name_out_of_a_file_does_not_steer_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.json", "{\"a\\u001b[31mEVIL\": 1}");
    let said = sandbox
        .bulla(["export", "--format", "shell", "f.json"])
        .any_stderr()
        .status(4)
        .run()
        .stderr;
    assert!(!said.contains('\u{1b}') && said.contains("EVIL"), "{said}");
}
