//! `bulla merge`, by itself and as the merge driver of real git.

use crate::support::{Case, Sandbox, age_key, tokens};
use std::process::Command;

const BASE: &str = "# head\na: 1\nb: two   # why\nlist:\n  - x\n  - y\nsame: s\n";

/// A sandbox with three versions of a file: encrypted once, and changed by each side.
fn versions(base: &str, ours: &[[&str; 2]], theirs: &[[&str; 2]]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted("base.yaml", base);
    for (name, changes) in [("ours.yaml", ours), ("theirs.yaml", theirs)] {
        sandbox.file(name, sandbox.read("base.yaml"));
        for [path, value] in changes {
            sandbox.bulla(["set", name, path, value]).run();
        }
    }
    sandbox
}

fn merge(sandbox: &Sandbox) -> Case {
    sandbox.bulla(["merge", "base.yaml", "ours.yaml", "theirs.yaml", "f.yaml"])
}

fn decrypted(sandbox: &Sandbox, name: &str) -> String {
    sandbox
        .bulla(["decrypt", name])
        .any_stdout()
        .any_stderr()
        .run()
        .text()
}

#[test]
fn different_values_merge_and_untouched_tokens_stay() {
    let sandbox = versions(BASE, &[["a", "10"]], &[["b", "\"three\""]]);
    let (base, theirs) = (
        sandbox.read_text("base.yaml"),
        sandbox.read_text("theirs.yaml"),
    );
    merge(&sandbox).run();
    let plain = BASE.replace("a: 1", "a: 10").replace("two", "three");
    assert_eq!(decrypted(&sandbox, "ours.yaml"), plain);
    let merged = sandbox.read_text("ours.yaml");
    for line in base.lines().filter(|line| line.starts_with("same:")) {
        assert!(merged.contains(line), "{merged}");
    }
    for line in theirs.lines().filter(|line| line.starts_with("b:")) {
        assert!(merged.contains(line), "{merged}");
    }
}

#[test]
fn the_mac_and_the_date_are_never_in_conflict_and_sops_reads_the_merge() {
    let sandbox = versions(BASE, &[["a", "10"]], &[["more", "5"]]);
    merge(&sandbox).run();
    let theirs = sandbox.sops(["decrypt", "ours.yaml"]).any_stdout().run();
    assert!(theirs.text().contains("a: 10") && theirs.text().contains("more: 5"));
}

#[test]
fn a_conflict_leaves_the_file_valid_with_both_sides_in_it() {
    let sandbox = versions(BASE, &[["a", "10"], ["b", "\"ours\""]], &[["a", "20"]]);
    merge(&sandbox)
        .expect_stderr_has("f.yaml: both sides changed a; ours stands in the file")
        .expect_stderr_has("bulla resolve f.yaml")
        .status(1)
        .run();
    assert!(decrypted(&sandbox, "ours.yaml").contains("a: 10\n"));
    let text = sandbox.read_text("ours.yaml");
    assert!(
        text.contains("conflicts:") && !text.contains("20\n"),
        "{text}"
    );
    sandbox.sops(["decrypt", "ours.yaml"]).any_stdout().run();
}

#[test]
fn recipients_merge_as_sets() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("base.yaml", BASE);
    let (bob, carol) = (age_key("bob").recipient, age_key("carol").recipient);
    for (name, recipient) in [("ours.yaml", &bob), ("theirs.yaml", &carol)] {
        sandbox.file(name, sandbox.read("base.yaml"));
        sandbox.file(
            ".sops.yaml",
            format!(
                "creation_rules:\n- age: {},{recipient}\n",
                age_key("alice").recipient
            ),
        );
        sandbox
            .bulla(["updatekeys", "-y", name])
            .any_stdout()
            .any_stderr()
            .run();
    }
    merge(&sandbox)
        .expect_stderr_has(&format!("{carol} can open the merge, by theirs"))
        .run();
    for who in ["alice", "bob", "carol"] {
        sandbox
            .bulla(["decrypt", "ours.yaml"])
            .identity(who)
            .expect_stdout(BASE)
            .run();
    }
}

#[test]
fn a_side_that_did_nothing_takes_the_other_byte_for_byte() {
    let sandbox = versions(BASE, &[], &[["a", "5"]]);
    let theirs = sandbox.read("theirs.yaml");
    merge(&sandbox).run();
    assert_eq!(sandbox.read("ours.yaml"), theirs);
    let sandbox = versions(BASE, &[["a", "5"]], &[]);
    let ours = sandbox.read("ours.yaml");
    merge(&sandbox).run();
    assert_eq!(sandbox.read("ours.yaml"), ours);
}

#[test]
fn a_rotated_data_key_wins_and_the_changes_of_the_other_side_come_along() {
    for (rotated, changed) in [("ours.yaml", "theirs.yaml"), ("theirs.yaml", "ours.yaml")] {
        let sandbox = versions(BASE, &[], &[]);
        sandbox.bulla(["rotate", "-i", rotated]).run();
        sandbox.bulla(["set", changed, "a", "7"]).run();
        let rotated_text = sandbox.read_text(rotated);
        let before: Vec<_> = tokens(&rotated_text).into_iter().take(3).collect();
        merge(&sandbox).run();
        assert_eq!(
            decrypted(&sandbox, "ours.yaml"),
            BASE.replace("a: 1", "a: 7")
        );
        let merged_text = sandbox.read_text("ours.yaml");
        let merged = tokens(&merged_text);
        assert!(before.iter().filter(|token| merged.contains(token)).count() >= 2);
    }
}

#[test]
fn without_a_key_disjoint_changes_merge_and_the_file_is_marked() {
    let sandbox = versions(BASE, &[["a", "10"]], &[["b", "\"three\""]]);
    merge(&sandbox)
        .no_identity()
        .expect_stderr_has("merged without a key")
        .run();
    let text = sandbox.read_text("ours.yaml");
    assert!(text.contains("merged_without_key: true"), "{text}");
    sandbox
        .bulla(["decrypt", "ours.yaml"])
        .any_stderr()
        .status(51)
        .run();
    let plain = BASE.replace("a: 1", "a: 10").replace("two", "three");
    sandbox
        .bulla(["decrypt", "--ignore-mac", "ours.yaml"])
        .any_stderr()
        .expect_stdout(plain)
        .run();
}

#[test]
fn without_a_key_a_conflict_changes_nothing() {
    let sandbox = versions(BASE, &[["a", "10"]], &[["a", "20"]]);
    let ours = sandbox.read("ours.yaml");
    merge(&sandbox)
        .no_identity()
        .expect_stderr_has("both sides changed a")
        .status(1)
        .run();
    assert_eq!(sandbox.read("ours.yaml"), ours);
}

#[test]
fn git_merges_rebases_and_picks_with_it() {
    let sandbox = Sandbox::new();
    let driver = format!("{} merge %O %A %B %P", crate::support::bulla().display());
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(sandbox.root()).args(args);
        for (name, value) in [
            ("HOME", sandbox.root().to_str().expect("UTF-8")),
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_EDITOR", "true"),
            ("SOPS_AGE_KEY", age_key("alice").identity.as_str()),
        ] {
            command.env(name, value);
        }
        let output = command.output().expect("git");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let works = |args: &[&str]| {
        let (success, stderr) = git(args);
        assert!(success, "git {args:?}: {stderr}");
    };
    works(&["init", "-q", "-b", "main"]);
    works(&["config", "merge.bulla.driver", &driver]);
    sandbox.file(".gitattributes", "*.yaml merge=bulla\n");
    sandbox.encrypted("f.yaml", BASE);
    works(&["add", "."]);
    works(&["commit", "-qm", "base"]);
    works(&["checkout", "-qb", "side"]);
    sandbox.bulla(["set", "f.yaml", "b", "\"three\""]).run();
    works(&["commit", "-qam", "theirs"]);
    works(&["checkout", "-q", "main"]);
    sandbox.bulla(["set", "f.yaml", "a", "10"]).run();
    works(&["commit", "-qam", "ours"]);
    works(&["branch", "copy"]);
    works(&["merge", "-q", "--no-edit", "side"]);
    let plain = BASE.replace("a: 1", "a: 10").replace("two", "three");
    assert_eq!(decrypted(&sandbox, "f.yaml"), plain);
    works(&["checkout", "-q", "side"]);
    works(&["rebase", "-q", "copy"]);
    assert_eq!(decrypted(&sandbox, "f.yaml"), plain);
    works(&["checkout", "-q", "copy"]);
    works(&["cherry-pick", "side"]);
    assert_eq!(decrypted(&sandbox, "f.yaml"), plain);
    sandbox.bulla(["set", "f.yaml", "a", "11"]).run();
    works(&["stash", "-q"]);
    sandbox.bulla(["set", "f.yaml", "same", "\"other\""]).run();
    works(&["commit", "-qam", "more"]);
    works(&["stash", "pop"]);
    assert_eq!(
        decrypted(&sandbox, "f.yaml"),
        plain
            .replace("a: 10", "a: 11")
            .replace("same: s", "same: other")
    );
    works(&["commit", "-qam", "ours again"]);
    works(&["checkout", "-qb", "other", "main"]);
    sandbox.bulla(["set", "f.yaml", "a", "12"]).run();
    works(&["commit", "-qam", "theirs again"]);
    let (success, _) = git(&["merge", "-q", "--no-edit", "copy"]);
    assert!(!success, "git sees the conflict");
}

/// A file with a conflict at `a`, ours 10 and theirs 20, and one at `gone`, which they removed.
fn in_conflict() -> Sandbox {
    let base = format!("{BASE}gone: 1\n");
    let sandbox = versions(&base, &[["a", "10"], ["gone", "2"]], &[["a", "20"]]);
    sandbox.bulla(["unset", "theirs.yaml", "gone"]).run();
    merge(&sandbox).any_stderr().status(1).run();
    sandbox.file("f.yaml", sandbox.read("ours.yaml"));
    sandbox
}

#[test]
fn resolve_takes_one_side_or_the_other() {
    for (flag, expected) in [("--ours", "a: 10\n"), ("--theirs", "a: 20\n")] {
        let sandbox = in_conflict();
        sandbox
            .bulla(["resolve", flag, "f.yaml"])
            .expect_stderr_has("2 settled")
            .run();
        let plain = decrypted(&sandbox, "f.yaml");
        assert!(plain.contains(expected), "{plain}");
        assert_eq!(plain.contains("gone: 2"), flag == "--ours");
        assert!(!sandbox.read_text("f.yaml").contains("conflicts:"));
        sandbox
            .bulla(["resolve", "f.yaml"])
            .expect_stderr_has("nothing is left")
            .run();
    }
}

#[test]
fn resolve_opens_just_the_conflicts_in_the_editor() {
    let sandbox = in_conflict();
    let editor = sandbox.program(
        "editor",
        &format!(
            "#!/bin/sh\ncp \"$1\" '{}'\nsed -i 's/result: 10/result: 30/' \"$1\"\n",
            sandbox.path("seen").display()
        ),
    );
    sandbox
        .bulla(["resolve", "f.yaml"])
        .env("SOPS_EDITOR", &editor)
        .expect_stderr_has("2 settled")
        .run();
    let plain = decrypted(&sandbox, "f.yaml");
    assert_eq!(plain, BASE.replace("a: 1", "a: 30") + "gone: 2\n");
    let seen = sandbox.read_text("seen");
    assert!(
        seen.contains("base: 1\n") && seen.contains("theirs: 20\n"),
        "{seen}"
    );
    assert!(!seen.contains("two"), "{seen}");
}

#[test]
fn a_form_that_is_not_one_any_more_changes_nothing() {
    let sandbox = in_conflict();
    let before = sandbox.read("f.yaml");
    let editor = sandbox.program("editor", "#!/bin/sh\necho nonsense > \"$1\"\n");
    sandbox
        .bulla(["resolve", "f.yaml"])
        .env("SOPS_EDITOR", &editor)
        .expect_stderr_has("the list of conflicts is not as it was")
        .status(1)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn the_next_holder_of_a_key_seals_a_file_that_was_merged_without_one() {
    let sandbox = versions(BASE, &[["a", "10"]], &[["b", "\"three\""]]);
    merge(&sandbox).no_identity().any_stderr().run();
    sandbox
        .bulla(["resolve", "ours.yaml"])
        .expect_stderr_has("it was merged without a key")
        .run();
    let plain = BASE.replace("a: 1", "a: 10").replace("two", "three");
    assert_eq!(decrypted(&sandbox, "ours.yaml"), plain);
    sandbox.sops(["decrypt", "ours.yaml"]).any_stdout().run();
}

#[test]
fn a_mark_that_anybody_can_set_is_no_mac() {
    let sandbox = versions(BASE, &[["a", "10"]], &[]);
    let marked = sandbox.read_text("theirs.yaml").replacen(
        "    bulla:\n",
        "    bulla:\n        merged_without_key: true\n",
        1,
    );
    assert!(marked.contains("merged_without_key"), "{marked}");
    let forged: String = marked
        .lines()
        .filter(|line| !line.starts_with("same:"))
        .fold(String::new(), |text, line| text + line + "\n");
    sandbox.file("theirs.yaml", forged);
    let ours = sandbox.read("ours.yaml");
    merge(&sandbox)
        .expect_stderr_has("theirs was merged without a key")
        .status(1)
        .run();
    assert_eq!(sandbox.read("ours.yaml"), ours);
}

#[test]
fn a_key_that_theirs_rotated_is_kept_though_ours_was_wrapped_anew() {
    let sandbox = versions(BASE, &[], &[]);
    let (alice, bob) = (age_key("alice").recipient, age_key("bob").recipient);
    sandbox.file(
        ".sops.yaml",
        format!("creation_rules:\n- age: {alice},{bob}\n"),
    );
    sandbox
        .bulla(["updatekeys", "-y", "ours.yaml"])
        .any_stdout()
        .any_stderr()
        .run();
    sandbox.bulla(["rotate", "-i", "theirs.yaml"]).run();
    let rotated = sandbox.read_text("theirs.yaml");
    merge(&sandbox).any_stderr().run();
    let merged = sandbox.read_text("ours.yaml");
    let values = |text: &str| {
        tokens(text)
            .into_iter()
            .take(5)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&merged), values(&rotated));
    sandbox
        .bulla(["decrypt", "ours.yaml"])
        .identity("bob")
        .expect_stdout(BASE)
        .run();
}

#[test]
fn what_nobody_settled_is_not_merged_over() {
    let sandbox = in_conflict();
    let ours = sandbox.read("ours.yaml");
    merge(&sandbox)
        .expect_stderr_has("ours holds conflicts")
        .status(1)
        .run();
    assert_eq!(sandbox.read("ours.yaml"), ours);
    sandbox
        .bulla(["rotate", "-i", "ours.yaml"])
        .expect_stderr_has("bulla resolve ours.yaml")
        .status(1)
        .run();
}
