//! `bulla groups`: a key group more or less, the same values, opened by sops as well.

use crate::support::{Case, Gnupg, Sandbox, age_key, pgp_key, strip_metadata};

const PLAIN: &str = "# head\na:   1\nb: 'two' # beside\n";
const NAMES: [&str; 3] = ["alice", "bob", "carol"];

fn key(name: &str) -> String {
    age_key(name).recipient
}

fn add(name: &str, more: &[&str]) -> Vec<String> {
    let words = ["groups", "add", "-i", "-f", "f.yaml", "--age"];
    let words = words.iter().map(ToString::to_string);
    let more = more.iter().map(ToString::to_string);
    words.chain([key(name)]).chain(more).collect()
}

fn delete(index: &str, more: &[&str]) -> Vec<String> {
    let words = ["groups", "delete", "-i", "-f", "f.yaml", index];
    words.iter().chain(more).map(ToString::to_string).collect()
}

const THRESHOLD: &str = "--shamir-secret-sharing-threshold";

/// A file with a group for each of the names, of which `needed` open it; made by sops.
fn made_by_sops(names: &[&str], needed: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.encrypted_by_sops("f.yaml", PLAIN);
    for (at, name) in names.iter().enumerate().skip(1) {
        let threshold = if at + 1 < names.len() { at + 1 } else { needed };
        let threshold = threshold.max(2).to_string();
        let held: Vec<&str> = names[..at].to_vec();
        sandbox
            .sops(add(name, &[THRESHOLD, &threshold]))
            .identities(&held)
            .run();
    }
    sandbox
}

/// Every set of the names, as many as `groups` are there.
fn subsets(groups: &[&'static str]) -> Vec<Vec<&'static str>> {
    let chosen = |mask: usize| {
        let names = groups.iter().enumerate();
        let names = names.filter(|(at, _)| mask & (1 << at) != 0);
        names.map(|(_, name)| *name).collect()
    };
    (1..1 << groups.len()).map(chosen).collect()
}

/// Both programs open the file with exactly those sets of keys that are large enough.
fn opens_with(sandbox: &Sandbox, groups: &[&'static str], needed: usize) {
    for names in subsets(groups) {
        for program in [
            sandbox.bulla(["decrypt", "f.yaml"]),
            sandbox.sops(["decrypt", "f.yaml"]),
        ] {
            let program = program.identities(&names).any_stdout().any_stderr();
            if names.len() >= needed {
                program.run();
            } else {
                program.status(128).run();
            }
        }
    }
}

#[test]
fn groups_are_added_to_what_sops_made_whatever_the_threshold() {
    for (count, threshold, needed) in [
        (1, None, 2),
        (1, Some("2"), 2),
        (2, None, 2),
        (2, Some("2"), 2),
        (2, Some("3"), 3),
    ] {
        let sandbox = made_by_sops(&NAMES[..count], count.max(2));
        let before = sandbox.read_text("f.yaml");
        let more: Vec<&str> = threshold.iter().flat_map(|n| [THRESHOLD, n]).collect();
        sandbox
            .bulla(add(NAMES[count], &more))
            .identities(&NAMES)
            .any_stderr()
            .run();
        let after = sandbox.read_text("f.yaml");
        assert_eq!(strip_metadata(&before), strip_metadata(&after));
        opens_with(&sandbox, &NAMES[..=count], needed);
    }
}

#[test]
fn groups_are_deleted_from_what_sops_made_whatever_the_threshold() {
    for (count, needed, index, threshold, left, after) in [
        (3, 2, "0", None, vec!["bob", "carol"], 2),
        (3, 2, "1", Some("2"), vec!["alice", "carol"], 2),
        (3, 3, "2", Some("2"), vec!["alice", "bob"], 2),
        (2, 2, "0", Some("1"), vec!["bob"], 1),
        (2, 2, "1", Some("1"), vec!["alice"], 1),
    ] {
        let sandbox = made_by_sops(&NAMES[..count], needed);
        let more: Vec<&str> = threshold.iter().flat_map(|n| [THRESHOLD, n]).collect();
        sandbox
            .bulla(delete(index, &more))
            .identities(&NAMES)
            .any_stderr()
            .run();
        opens_with(&sandbox, &left, after);
    }
}

#[test]
fn sops_adds_and_deletes_groups_of_what_bulla_made() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    for name in ["bob", "carol"] {
        sandbox
            .bulla(add(name, &[]))
            .identities(&NAMES)
            .any_stderr()
            .run();
    }
    sandbox.sops(delete("1", &[])).identities(&NAMES).run();
    opens_with(&sandbox, &["alice", "carol"], 2);
    sandbox.sops(add("bob", &[])).identities(&NAMES).run();
    opens_with(&sandbox, &["alice", "carol", "bob"], 2);
}

#[test]
fn only_the_metadata_changes_and_of_it_only_the_keys() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let before = sandbox.read_text("f.yaml");
    sandbox
        .bulla(add("bob", &[]))
        .expect_stderr_has("key group 1 added")
        .expect_stderr_has("2 of 2 groups open the file")
        .run();
    let after = sandbox.read_text("f.yaml");
    assert_eq!(strip_metadata(&before), strip_metadata(&after));
    for field in ["mac:", "lastmodified:", "version:"] {
        let line = |text: &str| {
            let found = text.lines().find(|line| line.trim().starts_with(field));
            found.expect("the field").to_owned()
        };
        assert_eq!(line(&before), line(&after));
    }
}

#[test]
fn the_mac_is_not_verified_and_the_file_may_be_json() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", "a: 1\nb_unencrypted: x\n");
    let text = sandbox.read_text("f.yaml").replace(": x", ": y");
    sandbox.file("f.yaml", &text);
    sandbox.bulla(add("bob", &[])).any_stderr().run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .identities(&NAMES)
        .expect_stderr_has("MAC")
        .status(51)
        .run();
    let plain = "{ \"a\":1,\n \"b\" : [true , null] }";
    sandbox.encrypted("f.json", plain);
    let out = sandbox
        .bulla(["groups", "add", "-f", "f.json", "--age", &key("bob")])
        .any_stdout()
        .run();
    sandbox.file("g.json", &out.stdout);
    sandbox
        .bulla(["decrypt", "g.json"])
        .identities(&NAMES)
        .expect_stdout(plain)
        .run();
}

#[test]
fn without_in_place_the_result_goes_to_standard_output() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let before = sandbox.read("f.yaml");
    let out = sandbox
        .bulla([
            "groups",
            "add",
            "--file=f.yaml",
            "--age",
            &key("bob"),
            "--age",
            &key("carol"),
        ])
        .any_stdout()
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
    sandbox.file("g.yaml", &out.stdout);
    for second in ["bob", "carol"] {
        sandbox
            .sops(["decrypt", "g.yaml"])
            .identities(&["alice", second])
            .any_stdout()
            .run();
    }
}

#[test]
fn a_group_whose_key_fails_refuses_the_command() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let before = sandbox.read("f.yaml");
    let arn = "arn:aws:kms:eu-west-1:1:key/k";
    sandbox
        .bulla([
            "groups",
            "add",
            "--offline",
            "-i",
            "-f",
            "f.yaml",
            "--kms",
            arn,
        ])
        .expect_stderr_has(&format!("{arn:?}: not asked (--offline)"))
        .status(1)
        .run();
    sandbox
        .bulla(["groups", "add", "-i", "-f", "f.yaml", "--age", "age1bad"])
        .expect_stderr_has("age recipient 1 cannot be used")
        .status(1)
        .run();
    sandbox
        .bulla(["groups", "add", "-i", "-f", "f.yaml"])
        .expect_stderr_has("no keys given for the new group")
        .status(1)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
}

#[test]
fn what_cannot_be_is_refused_and_leaves_the_file() {
    let sandbox = made_by_sops(&NAMES[..2], 2);
    let before = sandbox.read("f.yaml");
    for (args, said) in [
        (
            delete("0", &[]),
            "lower the threshold with --shamir-secret-sharing-threshold 1",
        ),
        (
            delete("2", &[]),
            "there is no group 2: the file has 2 key groups, counted from 0",
        ),
        (delete("x", &[]), "counted from 0"),
        (
            add("carol", &[THRESHOLD, "4"]),
            "4 key groups would be needed",
        ),
        (add("carol", &[THRESHOLD, "1"]), "threshold"),
        (delete("0", &[THRESHOLD, "x"]), THRESHOLD),
    ] {
        sandbox
            .bulla(args)
            .identities(&NAMES)
            .expect_stderr_has(said)
            .status(1)
            .run();
    }
    sandbox
        .bulla(add("carol", &[]))
        .identity("mallory")
        .expect_stderr_has("Group 0: FAILED")
        .status(1)
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
    let single = Sandbox::new();
    single.encrypted("f.yaml", PLAIN);
    single
        .bulla(delete("0", &[]))
        .expect_stderr_has("the only key group cannot be deleted")
        .status(1)
        .run();
    let alice = age_key("alice").recipient;
    for (args, status) in [
        (&["groups", "delete", "0"][..], 2),
        (&["groups", "add", "-f", "missing.yaml", "--age", &alice], 2),
        (&["groups", "add", "f.yaml"], 1),
        (&["groups", "delete", "-f", "f.yaml"], 1),
    ] {
        Case::new()
            .args(args)
            .expect_stderr_has("bulla: ")
            .status(status)
            .run();
    }
}

#[test]
fn a_context_that_is_none_has_the_status_of_sops() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    sandbox
        .bulla(add("bob", &["--encryption-context", "a:b:c"]))
        .expect_stderr_has("name:value")
        .status(6)
        .run();
}

#[test]
fn a_group_of_another_kind_of_key_is_opened_by_both_programs() {
    let (sandbox, gnupg) = (Sandbox::new(), Gnupg::with(&["alice"]));
    let fingerprint = pgp_key("alice").fingerprint;
    sandbox.encrypted("f.yaml", PLAIN).file(
        ".sops.yaml",
        format!("bulla: {{recipients: {{laptop: {{pgp: {fingerprint}}}}}}}\n"),
    );
    sandbox
        .bulla(["groups", "add", "-i", "-f", "f.yaml", "--pgp", &fingerprint])
        .gnupg(&gnupg)
        .identity("alice")
        .expect_stderr_has(&format!("key group 1 added ({fingerprint} (laptop))"))
        .run();
    for program in [
        sandbox.bulla(["decrypt", "f.yaml"]),
        sandbox.sops(["decrypt", "f.yaml"]),
    ] {
        program
            .gnupg(&gnupg)
            .identity("alice")
            .any_stdout()
            .any_stderr()
            .run();
    }
    sandbox
        .bulla(["why", "f.yaml"])
        .gnupg(&gnupg)
        .identity("alice")
        .expect_stdout_has(&format!(
            "Group 1: SUCCESS\n  {fingerprint}: SUCCESS (laptop)\n"
        ))
        .run();
    sandbox
        .bulla(delete("0", &[THRESHOLD, "1"]))
        .gnupg(&gnupg)
        .identity("alice")
        .expect_stderr_has("one key group is left")
        .run();
    sandbox
        .sops(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .any_stdout()
        .any_stderr()
        .run();
}
