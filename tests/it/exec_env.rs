//! `exec-env`: a command with the values of encrypted files in its environment.

use crate::support::{Case, Sandbox, age_key, bulla};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PLAIN: &str = "user: root\npassword: hunter2\n";

/// A sandbox with an encrypted `f.yaml`.
fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// A command that is still running, and its number.
fn started(sandbox: &Sandbox, args: &[&str]) -> Child {
    Command::new(bulla())
        .args(args)
        .current_dir(sandbox.work())
        .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[track_caller]
fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kill(child: &Child, signal: &str) {
    let killed = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
}

#[test]
fn the_values_are_in_the_environment_of_the_command() {
    let sandbox = encrypted();
    sandbox
        .bulla(["exec-env", "f.yaml", "echo $user:$password:$TERM"])
        .env("TERM", "vt52")
        .expect_stdout("root:hunter2:vt52\n")
        .run();
    // a value wins over what was there
    sandbox
        .bulla(["exec-env", "f.yaml", "echo $user"])
        .env("user", "me")
        .expect_stdout("root\n")
        .run();
}

#[test]
fn values_are_spelled_as_real_sops_spells_them() {
    let sandbox = Sandbox::new();
    let plain = "s: ' a b '\ni: 0x10\nf: 1.5\none: 1.0\nbig: 2e6\nround: 200000.0\nb: yes\nc: TRUE\n\
                 t: 2024-01-02\nu: 2024-01-02T03:04:05+01:00\nn: ~\ne: ''\n# comment\n\
                 m: |\n  x\n  y\nz: 1e-7\ninf: .inf\nq: '\"''$(x)`y`\\n'\n";
    sandbox.encrypted("ours.yaml", plain);
    sandbox.encrypted_by_sops("theirs.yaml", plain);
    sandbox.encrypted_by_sops(
        "theirs.json",
        r#"{"port": 8080, "x": 1.5, "y": true, "z": null}"#,
    );
    for name in ["ours.yaml", "theirs.yaml", "theirs.json"] {
        let args = ["exec-env", "--pristine", name, "env"];
        let ours = sandbox.bulla(args).any_stdout().run().text();
        let theirs = sandbox.sops(args).any_stdout().run().text();
        assert_eq!(sorted(&ours), sorted(&theirs), "{name}");
    }
}

#[test]
fn pristine_leaves_nothing_else() {
    encrypted()
        .bulla(["exec-env", "--pristine", "f.yaml", "--", "env"])
        .expect_stdout("password=hunter2\nuser=root\n")
        .run();
}

#[test]
fn flags_stand_before_and_behind_and_a_boolean_takes_no_word_with_it() {
    let sandbox = encrypted();
    for args in [
        &["exec-env", "--pristine", "f.yaml", "echo $user"][..],
        &["exec-env", "f.yaml", "--pristine", "echo $user"],
        &["exec-env", "f.yaml", "echo $user", "-pristine"],
        &["exec-env", "--pristine=true", "--", "f.yaml", "echo $user"],
        &["exec-env", "f.yaml", "--", "echo $user"],
        &[
            "exec-env",
            "--decryption-order",
            "age,pgp",
            "f.yaml",
            "echo $user",
        ],
        &[
            "exec-env",
            "--enable-local-keyservice",
            "f.yaml",
            "echo $user",
        ],
    ] {
        sandbox.bulla(args).expect_stdout("root\n").run();
    }
}

#[test]
fn the_status_is_that_of_the_command() {
    let sandbox = encrypted();
    for (line, status, sops) in [
        ("exit 7", 7, 7),
        ("true", 0, 0),
        ("kill -TERM $$", 143, 255),
        ("kill -KILL $$", 137, 255),
    ] {
        sandbox
            .bulla(["exec-env", "f.yaml", line])
            .status(status)
            .run();
        sandbox
            .sops(["exec-env", "f.yaml", line])
            .any_stderr()
            .status(sops)
            .run();
    }
    sandbox
        .bulla(["exec-env", "f.yaml", "no-such-program"])
        .expect_stderr_has("no-such-program: not found")
        .status(127)
        .run();
    sandbox
        .bulla(["exec-env", "f.yaml", "--", "no-such-program", "x"])
        .expect_stderr_has("bulla: no-such-program: no such program")
        .status(127)
        .run();
    sandbox
        .bulla(["exec-env", "f.yaml", "--", "./f.yaml", "x"])
        .expect_stderr_has("bulla: cannot start ./f.yaml: Permission denied")
        .status(126)
        .run();
}

#[test]
fn a_file_and_a_command_are_needed() {
    let sandbox = encrypted();
    for args in [
        &["exec-env"][..],
        &["exec-env", "f.yaml"],
        &["exec-env", "f.yaml", "echo", "x"],
        &["exec-env", "f.yaml", "--"],
    ] {
        sandbox
            .bulla(args)
            .expect_stderr_has("bulla: exec-env takes a file and a command")
            .expect_stderr_has("hint: ")
            .status(1)
            .run();
        sandbox
            .sops(args)
            .expect_stderr_has("missing file to decrypt")
            .status(1)
            .run();
    }
}

#[test]
fn nothing_is_run_where_the_file_does_not_open() {
    let sandbox = encrypted();
    sandbox
        .file("plain.yaml", "a: 1\n")
        .file("broken.yaml", "a: [\n");
    let tampered = sandbox
        .read_text("f.yaml")
        .replace("    version:", "    x: 1\n    version:");
    let tampered = tampered.replace("lastmodified: \"2", "lastmodified: \"3");
    sandbox.file("tampered.yaml", tampered);
    for (name, status, sops) in [
        ("missing.yaml", 2, 2),
        ("broken.yaml", 1, 1),
        ("plain.yaml", 1, 1),
        ("tampered.yaml", 51, 51),
    ] {
        let args = ["exec-env", name, "echo started"];
        sandbox
            .bulla(args)
            .expect_stderr_has(name)
            .status(status)
            .run();
        sandbox.sops(args).any_stderr().status(sops).run();
    }
    sandbox
        .bulla(["exec-env", "--ignore-mac", "tampered.yaml", "echo $user"])
        .expect_stdout("root\n")
        .expect_stderr_has("the MAC does not match and is ignored")
        .run();
    sandbox
        .bulla(["exec-env", "f.yaml", "echo started"])
        .no_identity()
        .any_stderr()
        .status(128)
        .run();
}

#[test]
fn several_files_are_one_environment_and_no_shell_is_asked() {
    let sandbox = encrypted();
    sandbox.encrypted("g.json", r#"{"port": 5432, "name": "$(echo no)"}"#);
    sandbox
        .bulla(["exec-env", "--pristine", "f.yaml", "g.json", "--", "env"])
        .expect_stdout("name=$(echo no)\npassword=hunter2\nport=5432\nuser=root\n")
        .run();
    sandbox
        .bulla([
            "exec-env", "f.yaml", "g.json", "--", "printf", "%s|", "$user", "a b", "*",
        ])
        .expect_stdout("$user|a b|*|")
        .run();
}

#[test]
fn a_variable_in_two_files_is_an_error() {
    let sandbox = encrypted();
    sandbox.encrypted("g.yaml", "port: 1\npassword: hunter3\n");
    sandbox
        .bulla(["exec-env", "f.yaml", "g.yaml", "--", "echo", "started"])
        .expect_stderr_has("the variable password is in two files: f.yaml and g.yaml")
        .never_says("hunter")
        .status(1)
        .run();
}

#[test]
fn nested_values_are_an_error_that_flatten_mends() {
    let sandbox = Sandbox::new();
    let plain = "db:\n  hosts:\n    # the first\n    - a\n    - b\n  port: 1\nempty: {}\n";
    sandbox.encrypted("f.yaml", plain);
    sandbox
        .bulla(["exec-env", "f.yaml", "echo started"])
        .expect_stderr_has("f.yaml: cannot use complex value in environment, offending key db")
        .expect_stderr_has("hint: --flatten")
        .status(1)
        .run();
    sandbox
        .sops(["exec-env", "f.yaml", "echo started"])
        .expect_stderr_has("cannot use complex value in environment; offending key db")
        .status(1)
        .run();
    let flatten = [
        "exec-env",
        "--pristine",
        "--flatten",
        "--prefix",
        "APP_",
        "f.yaml",
        "--",
        "env",
    ];
    sandbox
        .bulla(flatten)
        .expect_stdout("APP_db_hosts_0=a\nAPP_db_hosts_1=b\nAPP_db_port=1\n")
        .run();
    sandbox.encrypted("g.yaml", "a_b: hunter2\na:\n  b: hunter3\n");
    sandbox
        .bulla(["exec-env", "--flatten", "g.yaml", "echo started"])
        .expect_stderr_has("g.yaml: two values for the variable a_b: a_b and a.b")
        .never_says("hunter")
        .status(1)
        .run();
    sandbox
        .bulla(["exec-env", "--prefix", "a=b", "f.yaml", "echo started"])
        .expect_stderr_has("names of variables contain no `=`")
        .status(1)
        .run();
}

#[test]
fn what_no_environment_can_hold_is_an_error_that_names_the_key() {
    let sandbox = Sandbox::new();
    for (plain, said) in [
        (r#"{"a=b": "hunter2"}"#, "a=b"),
        (r#"{"": "hunter2"}"#, "it is empty"),
        (
            r#"{"key": "hunter2\u0000x"}"#,
            "NUL in environment, offending key key",
        ),
        (r#"["hunter2"]"#, "root is not a mapping"),
    ] {
        sandbox.file("f.json", plain);
        sandbox
            .bulla([
                "encrypt",
                "-i",
                "--age",
                &age_key("alice").recipient,
                "f.json",
            ])
            .any_stderr()
            .run();
        sandbox
            .bulla(["exec-env", "f.json", "echo started"])
            .expect_stderr_has("bulla: f.json: cannot use ")
            .expect_stderr_has(said)
            .never_says("hunter2")
            .status(1)
            .run();
    }
    sandbox.encrypted("f.yaml", format!("a: {}\n", "x".repeat(200_000)));
    sandbox
        .bulla(["exec-env", "f.yaml", "echo started"])
        .expect_stderr_has("cannot start /bin/sh")
        .expect_stderr_has("hint: the system has no room")
        .status(1)
        .run();
}

#[test]
fn of_several_documents_the_first_counts_and_it_is_said() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\n---\nb: 2\n");
    let args = ["exec-env", "f.yaml", "echo $a$b"];
    sandbox
        .bulla(args)
        .expect_stdout("1\n")
        .expect_stderr_has("bulla: warning: f.yaml: only the first of its documents is used")
        .run();
    sandbox.sops(args).expect_stdout("1\n").run();
}

#[test]
fn a_binary_file_is_one_variable_as_in_sops() {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("f.txt", "hunter2 = x\n");
    let args = ["exec-env", "f.txt", "printf %s \"$data\""];
    sandbox.bulla(args).expect_stdout("hunter2 = x\n").run();
    sandbox.sops(args).expect_stdout("hunter2 = x\n").run();
    let args = ["exec-file", "f.txt", "cat {}"];
    sandbox.bulla(args).expect_stdout("hunter2 = x\n").run();
}

#[test]
fn input_type_says_the_format() {
    let sandbox = encrypted();
    sandbox.file("f.secret", sandbox.read("f.yaml"));
    sandbox
        .bulla(["exec-env", "--input-type", "yaml", "f.secret", "echo $user"])
        .expect_stdout("root\n")
        .run();
}

#[test]
fn same_process_becomes_the_command() {
    let sandbox = encrypted();
    let line = "echo $$ > pid; echo $user; exit 3";
    let mut child = Command::new(bulla())
        .args(["exec-env", "--same-process", "f.yaml", line])
        .current_dir(sandbox.work())
        .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(sandbox.read_text("pid").trim(), child.id().to_string());
    sandbox
        .bulla([
            "exec-env",
            "--same-process",
            "f.yaml",
            "--",
            "./f.yaml",
            "x",
        ])
        .expect_stderr_has("cannot start ./f.yaml")
        .status(126)
        .run();
}

#[test]
fn background_does_not_wait() {
    let sandbox = encrypted();
    let line = "sleep 0.2; echo $user > new; mv new out";
    sandbox
        .bulla(["exec-env", "--background", "f.yaml", line])
        .expect_stderr_has("--background is deprecated")
        .run();
    assert!(!sandbox.exists("out"));
    wait_for(&sandbox.path("out"));
    assert_eq!(sandbox.read_text("out"), "root\n");
    let both = [
        "exec-env",
        "--background",
        "--same-process",
        "f.yaml",
        "true",
    ];
    sandbox.bulla(both).any_stderr().status(8).run();
    sandbox.sops(both).any_stderr().status(8).run();
}

#[test]
fn signals_are_handed_on_and_the_command_says_when_it_ends() {
    let sandbox = encrypted();
    for signal in ["TERM", "HUP", "INT", "QUIT", "USR1", "USR2"] {
        let line = format!(
            "trap 'echo got > got; exit 42' {signal}; echo > ready; while :; do sleep 0.05; done"
        );
        let mut child = started(&sandbox, &["exec-env", "f.yaml", &line]);
        wait_for(&sandbox.path("ready"));
        kill(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(42), "{signal}");
        assert!(sandbox.exists("got"), "{signal}");
        std::fs::remove_file(sandbox.path("ready")).unwrap();
        std::fs::remove_file(sandbox.path("got")).unwrap();
    }
    let line = "trap '' TERM; echo > ready; while [ ! -e stop ]; do sleep 0.05; done; exit 5";
    let mut child = started(&sandbox, &["exec-env", "f.yaml", line]);
    wait_for(&sandbox.path("ready"));
    kill(&child, "TERM");
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none());
    sandbox.file("stop", "");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn the_command_has_its_core_limit_and_standard_input() {
    let sandbox = encrypted();
    for flag in ["--pristine", "--same-process"] {
        let script = format!(
            "ulimit -S -c 17; exec '{}' exec-env {flag} f.yaml 'ulimit -c; cat'",
            bulla().display()
        );
        Case::within(&sandbox, Path::new("/bin/sh"))
            .args(["-c", &script])
            .stdin("typed\n")
            .expect_stdout("17\ntyped\n")
            .run();
    }
}

#[test]
fn scrub_keeps_bullas_own_keys_from_the_command() {
    let sandbox = encrypted();
    let key = age_key("alice").identity;
    for (flags, seen) in [(&[][..], true), (&["--scrub"], false)] {
        let args = ["exec-env"]
            .iter()
            .chain(flags)
            .chain(&["f.yaml", "echo $user ${SOPS_AGE_KEY:+seen}"]);
        sandbox
            .bulla(args)
            .no_identity()
            .env("SOPS_AGE_KEY", &key)
            .expect_stdout(if seen { "root seen\n" } else { "root\n" })
            .run();
    }
}

#[test]
fn user_runs_the_command_as_somebody_else() {
    let sandbox = encrypted();
    sandbox
        .bulla([
            "exec-env",
            "--user",
            "no-such-user",
            "f.yaml",
            "echo started",
        ])
        .expect_stderr_has("cannot become the user no-such-user: there is no such user")
        .status(1)
        .run();
    let line = "echo $(id -un):$(id -G):$USER:$LOGNAME:$HOME:$user";
    let name = if is_root() { "nobody" } else { &own_name() };
    let case = sandbox.bulla(["exec-env", "--user", name, "f.yaml", line]);
    if !is_root() {
        case.expect_stderr_has("only root may").status(1).run();
        return;
    }
    let groups = printed("id", &["-G", "nobody"]);
    let home = printed("sh", &["-c", "getent passwd nobody | cut -d: -f6"]);
    case.expect_stdout(format!("nobody:{groups}:nobody:nobody:{home}:root\n"))
        .run();
}

fn is_root() -> bool {
    printed("id", &["-u"]) == "0"
}

fn own_name() -> String {
    printed("id", &["-un"])
}

fn printed(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn words_with_a_dash_need_the_dashes_and_it_is_said() {
    encrypted()
        .bulla(["exec-env", "f.yaml", "ls", "-l"])
        .expect_stderr_has("bulla: unexpected argument -l\nhint: ")
        .expect_stderr_has("FILE -- PROGRAM -x")
        .status(1)
        .run();
}
