//! `bulla edit`: scripted editors; what is saved, what is kept, and that no plaintext stays behind.

use crate::support::{Case, Sandbox, age_key, bulla, line_of, strip_metadata, tokens};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PLAIN: &str = "# head\na: 1\nb:   'two' # beside\n\nlist: [x, x]\n";

fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
}

/// Fails where a plaintext, or anything else, is left in a place for temporary files.
#[track_caller]
fn assert_nothing_left(sandbox: &Sandbox) {
    for folder in [sandbox.tmp(), sandbox.run_dir()] {
        let left = files_below(&folder);
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn the_editor_sees_the_plaintext_and_changes_are_saved() {
    let sandbox = encrypted();
    let seen = sandbox.root().join("seen");
    let editor = sandbox.edit_script(&format!(
        "cp \"$1\" '{}'; sed -i 's/two/three/' \"$1\"",
        seen.display()
    ));
    sandbox.bulla(["edit", "f.yaml"]).editor(&editor).run();
    assert_eq!(std::fs::read_to_string(seen).unwrap(), PLAIN);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(PLAIN.replace("two", "three"))
        .run();
    assert_nothing_left(&sandbox);
    assert_eq!(sandbox.names(), ["f.yaml"]);
}

#[test]
fn unchanged_values_keep_their_tokens() {
    let sandbox = encrypted();
    let before = sandbox.read_text("f.yaml");
    let editor = sandbox.edit_script("sed -i 's/two/three/' \"$1\"");
    sandbox.bulla(["edit", "f.yaml"]).editor(&editor).run();
    let after = sandbox.read_text("f.yaml");
    let (old, new) = (
        tokens(line_of(&before, "b:"))[0],
        tokens(line_of(&after, "b:"))[0],
    );
    assert_ne!(old, new);
    assert_eq!(
        strip_metadata(&before).replace(old, new),
        strip_metadata(&after)
    );
}

#[test]
fn an_unchanged_file_is_not_written() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    for editor in ["true", "touch"] {
        sandbox
            .bulla(["edit", "f.yaml"])
            .editor(editor)
            .any_stderr()
            .status(200)
            .run();
    }
    assert_eq!(sandbox.read("f.yaml"), before);
    assert_nothing_left(&sandbox);
}

#[test]
fn a_failing_or_missing_editor_changes_nothing() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    let failing = sandbox.edit_script("echo broken > \"$1\"; exit 3");
    let killed = sandbox.edit_script("kill -KILL $$");
    for editor in ["false", "no-such-editor", &failing, &killed, "'unclosed"] {
        sandbox
            .bulla(["edit", "f.yaml"])
            .editor(editor)
            .expect_stderr_has("bulla: ")
            .status(201)
            .run();
    }
    assert_eq!(sandbox.read("f.yaml"), before);
    assert_nothing_left(&sandbox);
}

#[test]
fn the_plaintext_is_private_and_outside_of_the_repository() {
    let sandbox = encrypted();
    let seen = sandbox.root().join("seen");
    let editor = sandbox.edit_script(&format!(
        "{{ stat -c '%a' \"$1\" \"$(dirname \"$1\")\"; basename \"$1\"; dirname \"$1\"; }} > '{}'; echo c: 3 >> \"$1\"",
        seen.display()
    ));
    sandbox.bulla(["edit", "f.yaml"]).editor(&editor).run();
    let seen = std::fs::read_to_string(seen).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[..3], ["600", "700", "f.yaml"]);
    assert!(!Path::new(lines[3]).starts_with(sandbox.work()), "{seen}");
    assert!(!Path::new(lines[3]).exists(), "its folder is gone");
}

#[test]
fn an_editor_dumps_no_core_with_the_plaintext_in_it() {
    let sandbox = encrypted();
    let limit = sandbox.root().join("limit");
    let editor = sandbox.edit_script(&format!("ulimit -S -c > '{}'", limit.display()));
    let script = format!(
        "ulimit -S -c 17; SOPS_EDITOR='{editor}' exec '{}' edit f.yaml",
        bulla().display()
    );
    Case::within(&sandbox, Path::new("/bin/sh"))
        .args(["-c", &script])
        .any_stderr()
        .status(200)
        .run();
    assert_eq!(std::fs::read_to_string(limit).unwrap(), "0\n");
}

#[test]
fn editors_are_looked_for_in_the_order_of_sops() {
    let sandbox = encrypted();
    let editor = |mark: &str| sandbox.edit_script(&format!("echo {mark}: 1 >> \"$1\""));
    let (first, second, third) = (editor("first"), editor("second"), editor("third"));
    sandbox
        .bulla(["edit", "f.yaml"])
        .env("SOPS_EDITOR", first)
        .env("EDITOR", &second)
        .run();
    sandbox
        .bulla(["edit", "f.yaml"])
        .env("EDITOR", &second)
        .env("VISUAL", &third)
        .run();
    sandbox
        .bulla(["edit", "f.yaml"])
        .env("VISUAL", &third)
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(format!("{PLAIN}first: 1\nsecond: 1\nthird: 1\n"))
        .run();
}

#[test]
fn the_editor_may_have_arguments_in_quotes() {
    let sandbox = encrypted();
    let seen = sandbox.root().join("seen");
    let script = sandbox.edit_script(&format!(
        "printf '%s|' \"$@\" > '{}'; for last; do :; done; echo c: 3 >> \"$last\"",
        seen.display()
    ));
    sandbox
        .bulla(["edit", "f.yaml"])
        .editor(&format!("{script} -x 'two words' \"a\\\"b\" c\\ d"))
        .run();
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.starts_with("-x|two words|a\"b|c d|"), "{seen}");
    assert!(seen.ends_with("/f.yaml|"), "{seen}");
}

#[test]
fn well_known_editors_are_told_to_leave_no_traces() {
    for (name, flags) in [
        ("vim", &["-n", "NONE"][..]),
        ("nvim", &["-n", "NONE"]),
        ("nano", &[]),
        ("code", &["--wait"]),
    ] {
        let sandbox = encrypted();
        let seen = sandbox.root().join("seen");
        let tool = sandbox.root().join("bin").join(name);
        std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
        std::fs::write(
            &tool,
            format!(
                "#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\nfor last; do :; done\necho c: 3 >> \"$last\"\n",
                seen.display()
            ),
        )
        .unwrap();
        sandbox.mode_of(&tool, 0o755);
        sandbox
            .bulla(["edit", "f.yaml"])
            .editor(tool.to_str().unwrap())
            .any_stderr()
            .run();
        let seen = std::fs::read_to_string(seen).unwrap();
        let given: Vec<&str> = seen.lines().collect();
        for flag in flags {
            assert!(given.contains(flag), "{name}: no {flag} in {given:?}");
        }
        assert!(
            given.last().unwrap().ends_with("/f.yaml"),
            "{name}: {given:?}"
        );
    }
}

#[test]
fn an_invalid_result_is_shown_and_opened_again() {
    let sandbox = encrypted();
    let count = sandbox.root().join("count");
    let editor = sandbox.edit_script(&format!(
        "echo x >> '{0}'; if [ $(wc -l < '{0}') = 1 ]; then echo 'broken: [' >> \"$1\"; else sed -i 's/broken: \\[/fixed: 1/' \"$1\"; fi",
        count.display()
    ));
    sandbox
        .bulla(["edit", "f.yaml"])
        .editor(&editor)
        .stdin("\n\n")
        .expect_stderr_has("f.yaml:")
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(format!("{PLAIN}fixed: 1\n"))
        .run();
    assert_nothing_left(&sandbox);
}

#[test]
fn an_invalid_result_that_nobody_can_mend_is_kept_for_resume() {
    let sandbox = encrypted();
    let before = sandbox.read("f.yaml");
    let editor = sandbox.edit_script("echo 'secret-edit: [' >> \"$1\"");
    let out = sandbox
        .bulla(["edit", "f.yaml"])
        .editor(&editor)
        .expect_stderr_has("--resume")
        .status(2)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before, "{}", out.stderr);
    assert_nothing_left(&sandbox);
    for path in files_below(sandbox.root()) {
        let script = path.extension().is_some_and(|end| end == "sh");
        let bytes = std::fs::read(&path).unwrap();
        let clear = String::from_utf8_lossy(&bytes).contains("secret-edit");
        assert!(script || !clear, "in clear: {}", path.display());
    }
    let mend = sandbox.edit_script("sed -i 's/secret-edit: \\[/mended: 1/' \"$1\"");
    sandbox
        .bulla(["edit", "--resume", "f.yaml"])
        .editor(&mend)
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(format!("{PLAIN}mended: 1\n"))
        .run();
}

#[test]
fn a_file_that_changed_underneath_is_noticed_and_the_edit_kept() {
    let sandbox = encrypted();
    let other = Sandbox::new();
    other.encrypted("f.yaml", "other: 1\n");
    let editor = sandbox.edit_script(&format!(
        "echo mine: 1 >> \"$1\"; cp '{}' '{}'",
        other.path("f.yaml").display(),
        sandbox.path("f.yaml").display()
    ));
    sandbox
        .bulla(["edit", "f.yaml"])
        .editor(&editor)
        .expect_stderr_has("--resume")
        .status(3)
        .run();
    assert_eq!(sandbox.read("f.yaml"), other.read("f.yaml"));
    assert_nothing_left(&sandbox);
    let finish = sandbox.edit_script("echo finished: 1 >> \"$1\"");
    sandbox
        .bulla(["edit", "--resume", "f.yaml"])
        .editor(&finish)
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(format!("{PLAIN}mine: 1\nfinished: 1\n"))
        .run();
}

#[test]
fn a_kept_edit_outlives_later_edits_until_it_is_resumed() {
    let sandbox = encrypted();
    let edit = |script: &str, arguments: &[&str], status: i32| {
        let editor = sandbox.edit_script(script);
        sandbox
            .bulla(arguments)
            .editor(&editor)
            .status(status)
            .any_stderr()
            .run()
    };
    edit("echo first: 1 >> \"$1\"; exit 1", &["edit", "f.yaml"], 201);
    edit("echo second: 1 >> \"$1\"; exit 1", &["edit", "f.yaml"], 201);
    edit("echo third: 1 >> \"$1\"", &["edit", "f.yaml"], 0);

    edit("true", &["edit", "--resume", "f.yaml"], 0);
    let second = format!("{PLAIN}second: 1\n");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(second)
        .run();
    edit("true", &["edit", "--resume", "f.yaml"], 0);
    let first = format!("{PLAIN}first: 1\n");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(first)
        .run();
    edit("true", &["edit", "--resume", "f.yaml"], 1);
}

#[test]
fn a_resumed_edit_of_a_file_that_changed_since_is_warned_about() {
    let sandbox = encrypted();
    let failing = sandbox.edit_script("echo mine: 1 >> \"$1\"; exit 1");
    sandbox
        .bulla(["edit", "f.yaml"])
        .editor(&failing)
        .status(201)
        .any_stderr()
        .run();
    let resume = |sandbox: &Sandbox| {
        let editor = sandbox.edit_script("exit 1");
        let run = sandbox.bulla(["edit", "--resume", "f.yaml"]);
        run.editor(&editor).status(201).any_stderr().run().stderr
    };
    assert!(!resume(&sandbox).contains("not what it was"));
    sandbox.bulla(["set", "f.yaml", "a", "2"]).run();
    assert!(resume(&sandbox).contains("not what it was"));
}

#[test]
fn there_is_nothing_to_resume_without_a_kept_edit() {
    encrypted()
        .bulla(["edit", "--resume", "f.yaml"])
        .editor("true")
        .expect_stderr_has("no unsaved edit")
        .status(1)
        .run();
}

#[test]
fn with_the_metadata_shown_changes_are_saved_all_the_same() {
    for flag in ["-s", "--show-master-keys"] {
        let sandbox = encrypted();
        let editor = sandbox.edit_script("grep -q '^sops:' \"$1\"; sed -i 's/two/three/' \"$1\"");
        sandbox
            .bulla(["edit", flag, "f.yaml"])
            .editor(&editor)
            .any_stderr()
            .run();
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stdout(PLAIN.replace("two", "three"))
            .run();
        sandbox.sops(["decrypt", "f.yaml"]).any_stdout().run();
    }
}

#[test]
fn a_recipient_added_to_the_shown_metadata_can_read() {
    let sandbox = encrypted();
    let bob = age_key("bob").recipient;
    let editor = sandbox.edit_script(&format!(
        "sed -i 's/^\\( *\\)age:$/&\\n\\1    - recipient: {bob}/' \"$1\""
    ));
    sandbox
        .bulla(["edit", "-s", "f.yaml"])
        .editor(&editor)
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identity("bob")
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn a_new_file_starts_from_a_template() {
    let sandbox = Sandbox::new();
    sandbox.config("");
    let seen = sandbox.root().join("seen");
    let editor = sandbox.edit_script(&format!(
        "cp \"$1\" '{}'; echo 'fresh: value' > \"$1\"",
        seen.display()
    ));
    sandbox.bulla(["edit", "new.yaml"]).editor(&editor).run();
    assert!(std::fs::metadata(&seen).unwrap().len() > 20, "a template");
    sandbox
        .bulla(["decrypt", "new.yaml"])
        .expect_stdout("fresh: value\n")
        .run();
    assert_eq!(sandbox.names(), [".sops.yaml", "new.yaml"]);
}

#[test]
fn a_template_left_as_it_was_makes_no_file() {
    let sandbox = Sandbox::new();
    sandbox.config("");
    sandbox
        .bulla(["edit", "new.yaml"])
        .editor("true")
        .any_stderr()
        .status(200)
        .run();
    assert!(!sandbox.exists("new.yaml"));
}

#[test]
fn a_new_file_without_keys_is_refused_before_the_editor() {
    let sandbox = Sandbox::new();
    let editor = sandbox.edit_script("touch started; echo x: 1 > \"$1\"");
    sandbox
        .bulla(["edit", "new.yaml"])
        .editor(&editor)
        .expect_stderr_has("hint:")
        .status(1)
        .run();
    assert!(sandbox.names().is_empty());
}

#[test]
fn without_the_key_no_editor_starts() {
    let sandbox = encrypted();
    let editor = sandbox.edit_script("touch started");
    sandbox
        .bulla(["edit", "f.yaml"])
        .no_identity()
        .editor(&editor)
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
    assert_eq!(sandbox.names(), ["f.yaml"]);
}

#[test]
fn the_reserved_key_and_an_empty_file_are_not_saved() {
    for content in ["sops: mine", ""] {
        let sandbox = encrypted();
        let before = sandbox.read("f.yaml");
        let editor = sandbox.edit_script(&format!("printf '%s' '{content}' > \"$1\""));
        let out = sandbox.bulla(["edit", "f.yaml"]).editor(&editor);
        let status = if content.is_empty() { 92 } else { 203 };
        out.any_stderr().status(status).run();
        assert_eq!(sandbox.read("f.yaml"), before);
    }
}

#[test]
fn secrets_of_the_environment_do_not_reach_the_editor() {
    let sandbox = encrypted();
    let seen = sandbox.root().join("seen");
    let editor = sandbox.edit_script(&format!("env > '{}'; echo c: 3 >> \"$1\"", seen.display()));
    sandbox
        .bulla(["edit", "f.yaml"])
        .identities(&["alice"])
        .editor(&editor)
        .run();
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(!seen.contains("AGE-SECRET-KEY"), "{seen}");
}

#[test]
fn a_signal_leaves_no_plaintext_and_loses_nothing_that_was_saved() {
    // an editor that follows the signal, and one that has to be ended
    for (signal, trap) in [("TERM", ""), ("HUP", ""), ("TERM", "trap '' TERM;")] {
        let sandbox = encrypted();
        let before = sandbox.read("f.yaml");
        let started = sandbox.root().join("started");
        let editor = sandbox.edit_script(&format!(
            "{trap} echo c: 3 >> \"$1\"; echo \"$1\" > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 20",
            started.display()
        ));
        let mut child = Command::new(bulla())
            .args(["edit", "f.yaml"])
            .current_dir(sandbox.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", sandbox.home())
            .env("XDG_STATE_HOME", sandbox.home().join(".state"))
            .env("TMPDIR", sandbox.tmp())
            .env("XDG_RUNTIME_DIR", sandbox.run_dir())
            .env("SOPS_AGE_KEY_FILE", sandbox.key_file("alice"))
            .env("EDITOR", editor)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !started.exists() {
            assert!(Instant::now() < deadline, "the editor did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        let plaintext = std::fs::read_to_string(&started).unwrap();
        assert!(Path::new(plaintext.trim()).exists());
        let kill = Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        let status = child.wait().unwrap();
        let number = if signal == "TERM" { 15 } else { 1 };
        assert_eq!(status.signal(), Some(number), "{signal}: {status}");
        assert!(!Path::new(plaintext.trim()).exists(), "{signal}");
        assert_nothing_left(&sandbox);
        assert_eq!(sandbox.read("f.yaml"), before);
        let drafts = sandbox.home().join(".state/bulla/drafts");
        assert_eq!(sandbox.mode(&drafts), 0o700);
        let kept = files_below(&drafts);
        assert_eq!(kept.len(), 1, "{signal}: {kept:?}");
        assert_eq!(sandbox.mode(&kept[0]), 0o600);
        sandbox
            .bulla(["edit", "--resume", "f.yaml"])
            .editor("true")
            .run();
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .expect_stdout(format!("{PLAIN}c: 3\n"))
            .run();
    }
}

#[test]
fn drafts_of_older_versions_become_as_private_as_new_ones() {
    let sandbox = encrypted();
    let drafts = sandbox.home().join(".state/bulla/drafts");
    std::fs::create_dir_all(&drafts).unwrap();
    sandbox.mode_of(&drafts, 0o755);
    std::fs::write(drafts.join("old.json"), "{}").unwrap();
    sandbox.mode_of(&drafts.join("old.json"), 0o644);
    let editor = sandbox.edit_script("echo c: [ >> \"$1\"");
    sandbox
        .bulla(["edit", "f.yaml"])
        .editor(&editor)
        .expect_stderr_has("--resume")
        .status(2)
        .run();
    assert_eq!(sandbox.mode(&drafts), 0o700);
    let kept = files_below(&drafts);
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|draft| sandbox.mode(draft) == 0o600));
}

#[test]
fn bulla_with_a_file_edits_it() {
    let sandbox = encrypted();
    let editor = sandbox.edit_script("sed -i 's/two/three/' \"$1\"");
    sandbox.bulla(["f.yaml"]).editor(&editor).run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(PLAIN.replace("two", "three"))
        .run();
}

#[test]
fn the_mode_and_the_link_are_kept() {
    let sandbox = encrypted();
    sandbox.mode_of(&sandbox.path("f.yaml"), 0o604);
    std::os::unix::fs::symlink("f.yaml", sandbox.path("link.yaml")).unwrap();
    let editor = sandbox.edit_script("echo c: 3 >> \"$1\"");
    sandbox.bulla(["edit", "link.yaml"]).editor(&editor).run();
    assert!(sandbox.path("link.yaml").is_symlink());
    assert_eq!(sandbox.mode(&sandbox.path("f.yaml")), 0o604);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(format!("{PLAIN}c: 3\n"))
        .run();
}

#[test]
fn no_file_is_named() {
    Case::new()
        .args(["edit"])
        .expect_stderr_has("bulla: ")
        .status(100)
        .run();
}

#[test]
fn a_file_of_several_documents_keeps_them() {
    let plain = "# one\na: 1\n---\n# two\na: 2\nb: [x]\n---\n- three\n";
    let sandbox = Sandbox::new();
    sandbox
        .file("f.yaml", plain)
        .bulla([
            "encrypt",
            "-i",
            "--age",
            &age_key("alice").recipient,
            "f.yaml",
        ])
        .any_stderr()
        .run();
    sandbox
        .bulla(["edit", "f.yaml"])
        .editor("sed -i 's/a: 2/a: 22/'")
        .any_stderr()
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(plain.replace("a: 2", "a: 22"))
        .run();
}
