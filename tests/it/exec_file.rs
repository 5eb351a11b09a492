//! `exec-file`: a command that finds the plaintext of encrypted files in files.

use crate::support::{Sandbox, bulla};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PLAIN: &str = "user: root # the first\npassword: hunter2\n";

/// A sandbox with an encrypted `f.yaml`.
fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
}

/// The path that a command wrote to `seen` must be gone, and the directory that it was in.
#[track_caller]
fn assert_gone(sandbox: &Sandbox) {
    let seen = sandbox.read_text("seen");
    let path = Path::new(seen.trim());
    assert!(path.is_absolute(), "{seen}");
    let directory = path.ancestors().find(|folder| {
        let name = folder.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(".bulla-private-")
    });
    assert!(!directory.expect("a private directory").exists(), "{seen}");
}

#[track_caller]
fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

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

fn kill(child: &Child, signal: &str) {
    let killed = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
}

#[test]
fn the_command_reads_every_byte_from_a_pipe_of_the_users_own() {
    let sandbox = encrypted();
    let line = "echo {} > seen; stat -c '%F %a' {} $(dirname {}); cat {}";
    sandbox
        .bulla(["exec-file", "f.yaml", line])
        .expect_stdout(format!("fifo 600\ndirectory 700\n{PLAIN}"))
        .run();
    assert_gone(&sandbox);
    assert!(sandbox.read_text("seen").trim().ends_with("/tmp-file"));
}

#[test]
fn a_pipe_can_be_read_again_and_by_several_at_once() {
    let sandbox = Sandbox::new();
    // more than a pipe holds
    let plain = format!("a: {}\n", "x".repeat(300_000));
    sandbox.encrypted("f.yaml", &plain);
    sandbox
        .bulla([
            "exec-file",
            "f.yaml",
            "cat {} {}; cmp {} {} && echo same; head -c 3 {}",
        ])
        .expect_stdout(format!("{plain}{plain}same\na: "))
        .run();
}

#[test]
fn a_command_that_never_opens_the_pipe_ends_it_all_the_same() {
    let sandbox = encrypted();
    sandbox
        .bulla(["exec-file", "f.yaml", "echo {} > seen"])
        .run();
    assert_gone(&sandbox);
    sandbox
        .bulla([
            "exec-file",
            "f.yaml",
            "rm {}; echo x > {}; cat {}; sleep 0.1; cat {}",
        ])
        .expect_stdout("x\nx\n")
        .run();
}

#[test]
fn no_fifo_is_an_ordinary_file_that_goes() {
    let sandbox = encrypted();
    let line = "echo {} > seen; stat -c '%F %a' {} $(dirname {}); cat {} {}";
    sandbox
        .bulla(["exec-file", "--no-fifo", "f.yaml", line])
        .any_stderr()
        .expect_stdout(format!("regular file 600\ndirectory 700\n{PLAIN}{PLAIN}"))
        .run();
    assert_gone(&sandbox);
    // whatever the command made of it
    let line = "echo {} > seen; echo more >> {}; mkdir -p $(dirname {})/a/b; chmod 400 {}";
    sandbox
        .bulla(["exec-file", "--no-fifo", "f.yaml", line])
        .any_stderr()
        .run();
    assert_gone(&sandbox);
}

#[test]
fn a_link_to_the_file_that_is_left_shows_nothing() {
    let sandbox = encrypted();
    sandbox
        .bulla([
            "exec-file",
            "--no-fifo",
            "f.yaml",
            "mkdir hold; ln {} hold/f || cp {} hold/copy",
        ])
        .any_stderr()
        .run();
    if sandbox.exists("hold/f") {
        let left = sandbox.read_text("hold/f");
        assert!(!left.contains("hunter2"), "{left}");
    }
}

#[test]
fn filename_is_a_path_below_the_private_directory() {
    let sandbox = encrypted();
    for flags in [
        &["--filename", "conf/db.yaml"][..],
        &["--no-fifo", "--filename=conf/db.yaml"],
    ] {
        let command = ["f.yaml", "echo {} > seen; cat {}"];
        let args = ["exec-file"].iter().chain(flags).chain(&command);
        sandbox.bulla(args).any_stderr().expect_stdout(PLAIN).run();
        assert!(sandbox.read_text("seen").trim().ends_with("/conf/db.yaml"));
        assert_gone(&sandbox);
    }
    for name in ["/tmp/x", "../x", "a/../../x", ".."] {
        let args = ["exec-file", "--filename", name, "f.yaml", "echo started"];
        sandbox
            .bulla(args)
            .expect_stderr_has("not a local path")
            .status(1)
            .run();
    }
}

#[test]
fn braces_are_the_path_in_a_line_and_in_arguments() {
    let sandbox = encrypted();
    sandbox
        .bulla(["exec-file", "f.yaml", "--", "cat", "{}"])
        .expect_stdout(PLAIN)
        .run();
    let out = sandbox
        .bulla([
            "exec-file",
            "f.yaml",
            "--",
            "printf",
            "%s|",
            "--file={}",
            "{1}",
            "$HOME",
            "{ }",
        ])
        .any_stdout()
        .run()
        .text();
    let parts: Vec<_> = out.split('|').collect();
    assert!(
        parts[0].starts_with("--file=/") && parts[0].ends_with("/tmp-file"),
        "{out}"
    );
    assert_eq!(parts[1..], ["{1}", "$HOME", "{ }", ""]);
    // as in sops, every one of them
    for case in [sandbox.bulla(["exec-file"]), sandbox.sops(["exec-file"])] {
        let out = case
            .args(["f.yaml", "echo {} {}"])
            .any_stdout()
            .run()
            .text();
        let (a, b) = out.trim().split_once(' ').unwrap();
        assert_eq!(a, b);
    }
}

#[test]
fn several_files_have_numbers() {
    let sandbox = encrypted();
    sandbox.encrypted("g.json", "{\"b\": 2}\n");
    sandbox
        .bulla(["exec-file", "f.yaml", "g.json", "--", "cat", "{2}", "{1}"])
        .expect_stdout(format!("{{\"b\": 2}}\n{PLAIN}"))
        .run();
    sandbox
        .bulla(["exec-file", "f.yaml", "g.json", "--", "cat {2}; echo {}"])
        .expect_stdout("{\"b\": 2}\n{}\n")
        .run();
    sandbox
        .bulla([
            "exec-file",
            "--filename",
            "x",
            "f.yaml",
            "g.json",
            "--",
            "cat",
            "{1}",
        ])
        .expect_stderr_has("--filename names one file")
        .status(8)
        .run();
}

#[test]
fn types_are_as_the_flags_say() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\nb: [x]\n");
    sandbox.file("f.secret", sandbox.read("f.yaml"));
    for (flags, expected) in [
        (
            &["--output-type", "json", "f.yaml"][..],
            "{\n\t\"a\": 1,\n\t\"b\": [\n\t\t\"x\"\n\t]\n}\n",
        ),
        (&["--input-type", "yaml", "f.secret"], "a: 1\nb: [x]\n"),
    ] {
        let args = ["exec-file"].iter().chain(flags).chain(&["cat {}"]);
        sandbox.bulla(args).expect_stdout(expected).run();
    }
    let json = ["exec-file", "--output-type", "json", "f.yaml", "cat {}"];
    let ours = sandbox.bulla(json).any_stdout().run().text();
    sandbox.sops(json).expect_stdout(ours).run();
}

#[test]
fn the_status_is_that_of_the_command() {
    let sandbox = encrypted();
    for (line, status) in [("exit 7", 7), ("echo {} > seen; kill -TERM $$", 143)] {
        sandbox
            .bulla(["exec-file", "f.yaml", line])
            .status(status)
            .run();
    }
    assert_gone(&sandbox);
    for args in [
        &["exec-file"][..],
        &["exec-file", "f.yaml"],
        &["exec-file", "f.yaml", "a", "b"],
    ] {
        sandbox
            .bulla(args)
            .expect_stderr_has("exec-file takes a file and a command")
            .status(1)
            .run();
    }
    sandbox
        .bulla(["exec-file", "missing.yaml", "echo started"])
        .expect_stderr_has("missing.yaml: no such file")
        .status(2)
        .run();
    sandbox
        .bulla(["exec-file", "f.yaml", "--", "no-such-program", "{}"])
        .expect_stderr_has("no-such-program: no such program")
        .status(127)
        .run();
}

#[test]
fn nothing_is_left_whatever_signal_comes() {
    for signal in ["TERM", "HUP", "INT", "QUIT", "USR1"] {
        for flag in ["--no-fifo", "--no-fifo=false"] {
            let sandbox = encrypted();
            let line = "echo {} > new; mv new seen; exec sleep 20";
            let mut child = started(&sandbox, &["exec-file", flag, "f.yaml", line]);
            wait_for(&sandbox.path("seen"));
            kill(&child, signal);
            let status = child.wait().unwrap();
            assert!(
                status.code().is_some_and(|code| code > 128),
                "{signal}: {status}"
            );
            assert_gone(&sandbox);
        }
    }
}

#[test]
fn what_a_killed_one_left_is_swept_by_the_next() {
    let sandbox = encrypted();
    let line = "echo {} > new; mv new seen; exec sleep 2";
    let mut child = started(&sandbox, &["exec-file", "--no-fifo", "f.yaml", line]);
    wait_for(&sandbox.path("seen"));
    kill(&child, "KILL");
    child.wait().unwrap();
    sandbox.bulla(["exec-file", "f.yaml", "true"]).run();
    assert_gone(&sandbox);
}

#[test]
fn in_the_background_the_command_gets_its_file_and_nothing_stays() {
    let sandbox = encrypted();
    let line = "echo {} > seen; sleep 0.2; cat {} > new; mv new out";
    sandbox
        .bulla(["exec-file", "--background", "f.yaml", line])
        .expect_stderr_has("--background is deprecated")
        .run();
    wait_for(&sandbox.path("out"));
    assert_eq!(sandbox.read_text("out"), PLAIN);
    assert_gone(&sandbox);
    // one that never reads it is not waited for longer than it runs
    sandbox
        .bulla(["exec-file", "--background", "f.yaml", "echo {} > seen"])
        .any_stderr()
        .run();
    assert_gone(&sandbox);
    sandbox
        .bulla(["exec-file", "--background", "--no-fifo", "f.yaml", "true"])
        .any_stderr()
        .status(8)
        .run();
}

#[test]
fn another_user_can_read_the_file() {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !is_root {
        // what happens then is told in exec_env.rs
        return;
    }
    for flag in ["--no-fifo", "--no-fifo=false"] {
        let sandbox = encrypted();
        sandbox.mode_of(&sandbox.work(), 0o777);
        sandbox.mode_of(sandbox.root(), 0o755);
        let line = "id -un; stat -c '%U %a' {} $(dirname {}); echo {} > seen; cat {}";
        sandbox
            .bulla(["exec-file", flag, "--user", "nobody", "f.yaml", line])
            .any_stderr()
            .expect_stdout(format!("nobody\nnobody 600\nnobody 700\n{PLAIN}"))
            .run();
        assert_gone(&sandbox);
    }
}

#[test]
fn no_value_is_in_the_arguments_or_the_messages() {
    let sandbox = encrypted();
    sandbox
        .bulla(["exec-file", "f.yaml", "tr '\\0' ' ' < /proc/$$/cmdline; tr '\\0' ' ' < /proc/$PPID/cmdline; cat {} > /dev/null"])
        .any_stdout()
        .never_says("hunter2")
        .run();
    sandbox
        .bulla(["exec-file", "f.yaml", "exec < {}; read line; exit 3"])
        .never_says("hunter2")
        .status(3)
        .run();
}
