//! PGP keys: files for them, opened through a real gpg, beside real sops in both directions.

use crate::support::{
    Case, Gnupg, PGP_PASSPHRASE, Sandbox, age_key, assert_same_data, pgp_key, strip_metadata,
    testdata, testdata_names, text,
};
use std::path::PathBuf;

const PLAIN: &str = "# head\na:   1\nb: 'two' # beside\n";

/// A file that bulla encrypts for PGP keys, and the gpg that can open it.
fn encrypted(names: &[&str]) -> (Sandbox, Gnupg) {
    let (sandbox, gnupg) = (Sandbox::new(), Gnupg::with(names));
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "--pgp", &fingerprints(names), "f.yaml"])
        .gnupg(&gnupg)
        .run();
    (sandbox, gnupg)
}

fn fingerprints(names: &[&str]) -> String {
    let list: Vec<String> = names.iter().map(|name| pgp_key(name).fingerprint).collect();
    list.join(",")
}

/// A program in gpg's place that writes down its arguments and then does `script`.
fn wrapper(sandbox: &Sandbox, script: &str) -> (PathBuf, PathBuf) {
    let log = sandbox.root().join("gpg.log");
    let script = format!("#!/bin/sh\necho \"$*\" >> {}\n{script}\n", log.display());
    (sandbox.program("gpg-wrapper", &script), log)
}

fn lines(log: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

impl Case {
    fn exec(self, wrapper: &std::path::Path) -> Self {
        self.env("SOPS_GPG_EXEC", wrapper)
    }
}

/// The wrapped keys of a file, as JSON.
fn metadata(sandbox: &Sandbox, name: &str) -> serde_json::Value {
    let read: serde_json::Value = serde_json::from_slice(&sandbox.read(name)).unwrap();
    read["sops"].clone()
}

/// Flags, variables and a configuration.
type Way<'w> = (&'w [&'w str], &'w [(&'w str, &'w str)], String);

#[test]
fn a_fingerprint_comes_by_flag_by_variable_or_by_configuration() {
    let gnupg = Gnupg::with(&["alice"]);
    let alice = pgp_key("alice").fingerprint;
    let spaced = format!("{} {}", &alice[..20], &alice[20..]);
    let ways: [Way<'_>; 6] = [
        (&["--pgp", &alice], &[], String::new()),
        (&["-p", &spaced], &[], String::new()),
        (&[], &[("SOPS_PGP_FP", &alice)], String::new()),
        (&[], &[], format!("creation_rules:\n- pgp: {spaced}\n")),
        (&[], &[], format!("creation_rules:\n- pgp: ['{alice}']\n")),
        (
            &[],
            &[],
            format!("creation_rules:\n- key_groups:\n  - pgp: ['{alice}']\n"),
        ),
    ];
    for (flags, variables, config) in ways {
        let sandbox = Sandbox::new();
        sandbox.file("f.yaml", PLAIN);
        if !config.is_empty() {
            sandbox.file(".sops.yaml", &config);
        }
        let mut case = sandbox
            .bulla(["encrypt", "-i", "f.yaml"])
            .args(flags)
            .gnupg(&gnupg);
        for (name, value) in variables {
            case = case.env(name, value);
        }
        case.run();
        let file = sandbox.read_text("f.yaml");
        assert!(file.contains("\n    pgp:\n"), "{file}");
        assert!(file.contains(&format!(" fp: {alice}\n")), "{file}");
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .gnupg(&gnupg)
            .expect_stdout(PLAIN)
            .run();
    }
}

#[test]
fn an_entry_is_laid_out_as_sops_does() {
    let gnupg = Gnupg::with(&["alice"]);
    let sandbox = Sandbox::new();
    sandbox.file("f.json", r#"{"a": 1}"#);
    sandbox
        .bulla(["encrypt", "-i", "-p", &fingerprints(&["alice"]), "f.json"])
        .gnupg(&gnupg)
        .run();
    let metadata = metadata(&sandbox, "f.json");
    let entry = metadata["pgp"][0].as_object().unwrap();
    let names: Vec<_> = entry.keys().collect();
    assert_eq!(names, ["created_at", "enc", "fp"]);
    assert_eq!(entry["created_at"], metadata["lastmodified"]);
    let enc = entry["enc"].as_str().unwrap();
    assert!(enc.starts_with("-----BEGIN PGP MESSAGE-----\n\n"), "{enc}");
    assert!(enc.ends_with("\n-----END PGP MESSAGE-----"), "{enc}");
}

#[test]
fn a_key_that_gpg_makes_by_default_is_used() {
    let gnupg = Gnupg::empty();
    let make = [
        "--passphrase",
        "",
        "--quick-gen-key",
        "me <me@example.org>",
        "future-default",
        "default",
        "never",
    ];
    gnupg.gpg(&make, b"");
    let listed = text(&gnupg.gpg(&["--list-keys", "--with-colons"], b""));
    let fingerprint = listed
        .lines()
        .find(|line| line.starts_with("fpr:"))
        .map(|line| line.split(':').nth(9).unwrap())
        .unwrap();
    // An address is enough where gpg trusts the key; sops gives the whole fingerprint only.
    for name in [fingerprint, "me@example.org"] {
        let sandbox = Sandbox::new();
        sandbox.file("f.yaml", PLAIN);
        sandbox
            .bulla(["encrypt", "-i", "--pgp", name, "f.yaml"])
            .gnupg(&gnupg)
            .run();
        sandbox
            .sops(["decrypt", "--output-type", "json", "f.yaml"])
            .gnupg(&gnupg)
            .any_stdout()
            .run();
    }
}

#[test]
fn every_golden_file_of_sops_for_pgp_keys_opens() {
    let all = Gnupg::with(&["alice", "bob", "twofold"]);
    let readme = text(&testdata("sops-3.11/pgp/README.md"));
    let mut opened = 0;
    for name in testdata_names("sops-3.11/pgp") {
        let Some((stem, ext)) = name.split_once(".enc.") else {
            continue;
        };
        assert!(readme.contains(&format!("| `{name}` | `sops ")), "{name}");
        let sandbox = Sandbox::new();
        let (file, plain) = (format!("f.{ext}"), format!("types.{ext}"));
        sandbox.copy(&format!("sops-3.11/pgp/{name}"), &file);
        let ours = sandbox.bulla(["decrypt", "--output-type", "json", &file]);
        let ours = if stem == "locked" {
            let (gpg, _) = wrapper(&sandbox, &unlocking());
            let locked = Gnupg::with(&["locked"]);
            ours.gnupg(&locked).exec(&gpg).any_stdout().run()
        } else if stem == "groups" {
            ours.gnupg(&all).identity("alice").any_stdout().run()
        } else {
            ours.gnupg(&all).any_stdout().run()
        };
        let theirs = Sandbox::new();
        theirs.encrypted_by_sops(&plain, testdata(&format!("plain/{plain}")));
        let theirs = theirs
            .sops(["decrypt", "--output-type", "json", &plain])
            .any_stdout()
            .run();
        assert_same_data(&ours.stdout, &theirs.stdout, &name);
        opened += 1;
    }
    assert!(opened >= 10, "only {opened}");
}

/// What a wrapper does that knows the passphrase.
fn unlocking() -> String {
    format!("exec gpg --batch --pinentry-mode loopback --passphrase '{PGP_PASSPHRASE}' \"$@\"")
}

#[test]
fn sops_reads_what_bulla_encrypts_and_bulla_what_sops_encrypts() {
    let (alice, bob) = (pgp_key("alice").fingerprint, age_key("bob").recipient);
    let both = Gnupg::with(&["alice", "bob"]);
    let only_alice = Gnupg::with(&["alice"]).and_public(&["bob"]);
    for name in ["types.yaml", "types.json"] {
        for keys in [
            vec!["--pgp", alice.as_str()],
            vec!["--pgp", alice.as_str(), "--age", bob.as_str()],
            vec!["--pgp", &fingerprints(&["bob", "alice"])],
        ] {
            let (ours, theirs) = (Sandbox::new(), Sandbox::new());
            for sandbox in [&ours, &theirs] {
                sandbox.file(name, testdata(&format!("plain/{name}")));
            }
            let encrypt = |case: Case| case.args(&keys).arg(name).gnupg(&both).run();
            encrypt(ours.bulla(["encrypt", "-i"]));
            encrypt(theirs.sops(["encrypt", "-i"]));
            let decrypt = |case: Case| case.arg(name).gnupg(&only_alice).any_stdout().run();
            let args = ["decrypt", "--output-type", "json"];
            let by_sops = decrypt(ours.sops(args));
            let by_bulla = decrypt(theirs.bulla(args));
            let by_sops_alone = decrypt(theirs.sops(args));
            assert_same_data(&by_sops.stdout, &by_sops_alone.stdout, name);
            assert_same_data(&by_bulla.stdout, &by_sops_alone.stdout, name);
        }
    }
}

/// Three groups, two of which are needed: an age key, a PGP key, and one of either.
fn groups() -> String {
    format!(
        "creation_rules:\n- shamir_threshold: 2\n  key_groups:\n  - age: ['{}']\n  \
         - pgp: ['{}']\n  - age: ['{}']\n    pgp: ['{}']\n",
        age_key("alice").recipient,
        pgp_key("alice").fingerprint,
        age_key("carol").recipient,
        pgp_key("bob").fingerprint,
    )
}

#[test]
fn groups_of_age_and_pgp_keys_are_opened_by_enough_of_them_here_and_there() {
    let everybody = Gnupg::with(&["alice", "bob"]);
    for by_sops in [false, true] {
        let sandbox = Sandbox::new();
        sandbox.file("f.yaml", PLAIN).file(".sops.yaml", groups());
        let args = ["encrypt", "-i", "f.yaml"];
        let encrypt = if by_sops {
            sandbox.sops(args)
        } else {
            sandbox.bulla(args)
        };
        encrypt.gnupg(&everybody).run();
        let ways: [(&[&str], &[&str], bool); 7] = [
            (&[], &["alice", "bob"], true),
            (&["alice"], &["alice"], true),
            (&["alice"], &["bob"], true),
            (&["alice", "carol"], &[], true),
            (&["carol"], &["bob"], false),
            (&["alice"], &[], false),
            (&[], &["alice"], false),
        ];
        for (age, pgp, opens) in ways {
            let gnupg = Gnupg::with(pgp);
            let status = if opens { 0 } else { 128 };
            let decrypt = |case: Case| {
                let case = if age.is_empty() {
                    case
                } else {
                    case.identities(age)
                };
                case.env("GNUPGHOME", gnupg.home())
                    .any_stdout()
                    .any_stderr()
                    .status(status)
                    .run()
            };
            let none = |case: Case| {
                if age.is_empty() {
                    case.no_identity()
                } else {
                    case
                }
            };
            decrypt(none(sandbox.bulla(["decrypt", "f.yaml"])));
            decrypt(none(sandbox.sops(["decrypt", "f.yaml"])));
        }
    }
}

#[test]
fn a_sub_key_is_the_one_that_is_named() {
    let gnupg = Gnupg::with(&["twofold"]);
    for sub_key in pgp_key("twofold").sub_keys {
        let sandbox = Sandbox::new();
        sandbox.file("f.json", r#"{"a": 1}"#);
        let forced = format!("{sub_key}!");
        sandbox
            .bulla(["encrypt", "-i", "--pgp", &forced, "f.json"])
            .gnupg(&gnupg)
            .run();
        let entry = &metadata(&sandbox, "f.json")["pgp"][0];
        assert_eq!(entry["fp"], forced.as_str());
        let enc = entry["enc"].as_str().unwrap();
        let packets = text(&gnupg.gpg(&["--list-packets"], enc.as_bytes()));
        assert!(packets.contains(&sub_key[24..]), "{packets}");
        for case in [sandbox.bulla(["decrypt"]), sandbox.sops(["decrypt"])] {
            case.arg("f.json").gnupg(&gnupg).any_stdout().run();
        }
    }
}

#[test]
fn a_program_in_gpgs_place_is_called_as_sops_calls_it() {
    let asked = |by_sops: bool| {
        let (sandbox, gnupg) = (Sandbox::new(), Gnupg::with(&["alice"]));
        let (gpg, log) = wrapper(&sandbox, "exec gpg \"$@\"");
        sandbox.file("f.json", r#"{"a": 1}"#);
        let run = |args: &[&str]| {
            let case = if by_sops {
                sandbox.sops(args)
            } else {
                sandbox.bulla(args)
            };
            case.gnupg(&gnupg).exec(&gpg).any_stdout().run();
        };
        run(&[
            "encrypt",
            "-i",
            "--pgp",
            &fingerprints(&["alice"]),
            "f.json",
        ]);
        run(&["decrypt", "f.json"]);
        lines(&log)
    };
    assert_eq!(asked(false), asked(true));
}

#[test]
fn a_passphrase_is_asked_for_by_gpg_and_nobody_else() {
    let (sandbox, gnupg) = encrypted(&["locked"]);
    let (gpg, log) = wrapper(&sandbox, &unlocking());
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .exec(&gpg)
        .expect_stdout(PLAIN)
        .run();
    assert_eq!(lines(&log), ["-d"]);
    // Nobody there to answer, on no terminal.
    let cold = Gnupg::with(&["locked"]);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&cold)
        .expect_stderr_has("has to ask for a passphrase, and cannot")
        .expect_stderr_has("hint: `export GPG_TTY=$(tty)`")
        .never_says(PGP_PASSPHRASE)
        .status(128)
        .run();
}

#[test]
fn a_wrong_passphrase_is_told_from_a_missing_key() {
    let (sandbox, gnupg) = encrypted(&["locked"]);
    let (gpg, _) = wrapper(&sandbox, &unlocking().replace("correct", "wrong"));
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .exec(&gpg)
        .expect_stderr_has("gpg was given a wrong passphrase")
        .status(128)
        .run();
}

#[test]
fn a_public_key_that_is_missing_is_named_with_what_to_do() {
    let gnupg = Gnupg::with(&["alice"]);
    let bob = pgp_key("bob").fingerprint;
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla([
            "encrypt",
            "-i",
            "--pgp",
            &fingerprints(&["alice", "bob"]),
            "f.yaml",
        ])
        .gnupg(&gnupg)
        .expect_stderr_has(&format!(
            "cannot encrypt the data key for \"{bob}\": gpg has no public key for it; it says: "
        ))
        .expect_stderr_has(&format!("`gpg --recv-keys {bob}`"))
        .status(1)
        .run();
    assert_eq!(sandbox.read_text("f.yaml"), PLAIN);
}

#[test]
fn a_key_that_nobody_vouches_for_is_named_by_its_fingerprint() {
    let gnupg = Gnupg::empty().and_public(&["bob"]);
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    // A program without a terminal, as gpg would ask on it.
    let (gpg, _) = wrapper(&sandbox, "exec gpg --batch \"$@\"");
    sandbox
        .bulla(["encrypt", "-i", "--pgp", "bob@example.org", "f.yaml"])
        .gnupg(&gnupg)
        .exec(&gpg)
        .expect_stderr_has("gpg does not know whether the key belongs to who is named")
        .expect_stderr_has("hint: name the key by its whole fingerprint")
        .status(1)
        .run();
    sandbox
        .bulla(["encrypt", "-i", "--pgp", &fingerprints(&["bob"]), "f.yaml"])
        .gnupg(&gnupg)
        .exec(&gpg)
        .run();
}

#[test]
fn an_agent_that_does_not_answer_is_told_from_a_missing_key() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    gnupg.stop_agent();
    let (gpg, _) = wrapper(&sandbox, "exec gpg --no-autostart \"$@\"");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .exec(&gpg)
        .expect_stderr_has("gpg cannot reach its agent")
        .expect_stderr_has("hint: `gpg-connect-agent /bye`")
        .status(128)
        .run();
}

#[test]
fn a_text_that_gpg_could_take_for_an_option_is_refused_and_not_repeated() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "--pgp=--hunter2", "f.yaml"])
        .expect_stderr_has("pgp recipient 1 cannot be used: it is not a fingerprint")
        .expect_stderr_has("hint: `gpg --list-keys")
        .never_says("hunter2")
        .status(1)
        .run();
}

#[test]
fn a_gpg_that_is_missing_is_named() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    let hint = "hint: install GnuPG, or name the program in its place in SOPS_GPG_EXEC";
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .env("PATH", "/nowhere")
        .expect_stderr_has("cannot run \"gpg\": there is no such program in PATH")
        .expect_stderr_has(hint)
        .status(128)
        .run();
    sandbox.file("g.yaml", PLAIN);
    sandbox
        .bulla(["encrypt", "-i", "-p", &fingerprints(&["alice"]), "g.yaml"])
        .gnupg(&gnupg)
        .env("SOPS_GPG_EXEC", "/no/such/gpg")
        .expect_stderr_has("cannot run \"/no/such/gpg\": ")
        .expect_stderr_has(hint)
        .status(1)
        .run();
}

#[test]
fn what_gpg_gives_must_be_a_data_key() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    for (script, said) in [
        ("exit 0", "gpg gave nothing, and no error"),
        ("printf hunter2", "what it holds has 7 bytes"),
        ("gpg \"$@\"; printf x", "what it holds has 33 bytes"),
        (
            "exec cat /dev/zero",
            "gpg failed; it says: more was printed",
        ),
        ("exit 9", "gpg failed; it says: exit status: 9"),
    ] {
        let (gpg, _) = wrapper(&sandbox, script);
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .gnupg(&gnupg)
            .exec(&gpg)
            .expect_stderr_has(said)
            .never_says("hunter2")
            .status(128)
            .run();
    }
}

#[test]
fn a_damaged_data_key_is_told_from_a_missing_secret_key() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    let whole = sandbox.read_text("f.yaml");
    let at = whole.find("BEGIN PGP MESSAGE").unwrap() + 80;
    let mut torn = whole.clone();
    torn.replace_range(at..at + 40, "");
    sandbox.file("f.yaml", torn);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .expect_stderr_has("FAILED")
        .status(128)
        .run();
    sandbox.file("f.yaml", whole);
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&Gnupg::empty())
        .expect_stderr_has("gpg has no secret key for it; it says: ")
        .expect_stderr_has("hint: `gpg --list-secret-keys`")
        .status(128)
        .run();
}

#[test]
fn the_report_of_age_and_pgp_keys_is_laid_out_as_by_sops() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN).file(".sops.yaml", groups());
    sandbox
        .bulla(["encrypt", "-i", "f.yaml"])
        .gnupg(&Gnupg::with(&["alice", "bob"]))
        .run();
    let (gpg, _) = wrapper(
        &sandbox,
        "echo 'gpg: WARNING: unsafe permissions' >&2\n\
         echo 'gpg: decryption failed: No secret key' >&2\nexit 2",
    );
    let nobody = Gnupg::empty();
    let report = |case: Case| {
        let said = case
            .gnupg(&nobody)
            .identity("carol")
            .exec(&gpg)
            .any_stderr()
            .status(128)
            .run()
            .stderr;
        said.split_once("Group 0").map(|(_, rest)| rest.to_owned())
    };
    let ours = report(sandbox.bulla(["decrypt", "f.yaml"])).unwrap();
    let (alice, pgp) = (age_key("alice").recipient, pgp_key("alice").fingerprint);
    let expected = format!(
        ": FAILED\n  {alice}: FAILED\n    \
         - | no age identity at hand belongs to this recipient; nothing\n      \
           | found in "
    );
    assert!(ours.starts_with(&expected), "{ours}");
    let expected = format!(
        "\n\nGroup 1: FAILED\n  {pgp}: FAILED\n    \
         - | gpg has no secret key for it; it says: decryption failed: No\n      \
           | secret key\n\nGroup 2: SUCCESS\n\nThe data key is shared among 3 key groups, and \
         2 of them have to be opened.\nOnly 1 could be."
    );
    assert!(ours.contains(&expected), "{ours}");
    // The same skeleton: groups and keys, in this order.
    let theirs = report(sandbox.sops(["decrypt", "f.yaml"])).unwrap();
    let skeleton = |report: &str| -> Vec<String> {
        let lines = report.lines().filter(|line| {
            line.ends_with(": FAILED") || line.ends_with(": SUCCESS") || line.contains("- | ")
        });
        let cut = |line: &str| line.find("- | ").map_or(line.len(), |at| at + 4);
        lines.map(|line| line[..cut(line)].to_owned()).collect()
    };
    assert_eq!(skeleton(&ours), skeleton(&theirs));
}

#[test]
fn gpg_is_left_alone_where_an_age_identity_is_enough() {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let gnupg = Gnupg::with(&["bob"]);
    let (alice, bob) = (age_key("alice").recipient, fingerprints(&["bob"]));
    sandbox
        .bulla(["encrypt", "-i", "--age", &alice, "--pgp", &bob, "f.yaml"])
        .gnupg(&gnupg)
        .run();
    let (gpg, log) = wrapper(&sandbox, "exec gpg \"$@\"");
    sandbox
        .bulla(["decrypt", "--decryption-order", "pgp,age", "f.yaml"])
        .exec(&gpg)
        .expect_stdout(PLAIN)
        .run();
    assert!(lines(&log).is_empty());
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .exec(&gpg)
        .expect_stdout(PLAIN)
        .run();
    assert_eq!(lines(&log), ["-d"]);
}

#[test]
fn age_commands_are_not_run_for_pgp_keys() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    let (command, log) = wrapper(&sandbox, "exit 1");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .env("SOPS_AGE_KEY_CMD", &command)
        .expect_stdout(PLAIN)
        .run();
    assert!(lines(&log).is_empty());
}

#[test]
fn the_same_data_key_is_asked_for_once_in_a_run() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    sandbox.file("g.yaml", sandbox.read("f.yaml"));
    sandbox.file(
        ".sops.yaml",
        format!(
            "creation_rules:\n- pgp: {}\n  age: {}\n",
            fingerprints(&["alice"]),
            age_key("bob").recipient
        ),
    );
    let (gpg, log) = wrapper(&sandbox, "exec gpg \"$@\"");
    sandbox
        .bulla(["updatekeys", "--yes", "f.yaml", "g.yaml"])
        .gnupg(&gnupg)
        .exec(&gpg)
        .any_stdout()
        .any_stderr()
        .run();
    let asked = lines(&log);
    assert_eq!(asked.iter().filter(|line| *line == "-d").count(), 1);
    for name in ["f.yaml", "g.yaml"] {
        sandbox
            .bulla(["decrypt", name])
            .identity("bob")
            .expect_stdout(PLAIN)
            .run();
    }
}

#[test]
fn rotate_adds_and_removes_pgp_keys() {
    let (sandbox, gnupg) = encrypted(&["alice", "bob"]);
    let (alice, bob) = (fingerprints(&["alice"]), fingerprints(&["bob"]));
    let before = sandbox.read_text("f.yaml");
    let entries = |text: &str| text.matches(" fp: ").count();
    assert_eq!(entries(&before), 2);
    sandbox
        .bulla(["rotate", "-i", "--rm-pgp", &bob, "f.yaml"])
        .gnupg(&gnupg)
        .run();
    let without = sandbox.read_text("f.yaml");
    assert!(entries(&without) == 1 && without.contains(&alice));
    let twice = format!("{bob},{alice}");
    sandbox
        .bulla(["rotate", "-i", "--add-pgp", &twice, "f.yaml"])
        .args(["--add-age", &age_key("carol").recipient])
        .gnupg(&gnupg)
        .run();
    let with = sandbox.read_text("f.yaml");
    assert_eq!(entries(&with), 2);
    for case in [
        sandbox
            .bulla(["decrypt", "f.yaml"])
            .gnupg(&Gnupg::with(&["bob"])),
        sandbox.bulla(["decrypt", "f.yaml"]).identity("carol"),
    ] {
        case.expect_stdout(PLAIN).run();
    }
    let missing = sandbox.bulla(["rotate", "-i", "--rm-pgp", &bob, "no.yaml"]);
    missing.any_stderr().status(49).run();
    // The date of an entry is that of the key's coming, not of its last use.
    let date = |text: &str| {
        let at = text.find("created_at: ").unwrap();
        text[at..at + 34].to_owned()
    };
    assert_eq!(date(&before), date(&with));
}

#[test]
fn updatekeys_shows_and_makes_the_change_to_pgp_keys() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    let gnupg = gnupg.and_public(&["bob"]);
    let (alice, bob) = (fingerprints(&["alice"]), fingerprints(&["bob"]));
    let carol = age_key("carol").recipient;
    sandbox.file(
        ".sops.yaml",
        format!("creation_rules:\n- pgp: {bob}\n  age: {carol}\n"),
    );
    let before = sandbox.read_text("f.yaml");
    sandbox
        .bulla(["updatekeys", "--yes", "f.yaml"])
        .gnupg(&gnupg)
        .expect_stdout_has(&format!("Group 1\n+++ {carol}\n+++ {bob}\n--- {alice}\n"))
        .any_stderr()
        .run();
    let after = sandbox.read_text("f.yaml");
    assert_eq!(strip_metadata(&before), strip_metadata(&after));
    sandbox
        .sops(["decrypt", "f.yaml"])
        .gnupg(&Gnupg::with(&["bob"]))
        .any_stdout()
        .run();
    sandbox
        .bulla(["updatekeys", "--yes", "f.yaml"])
        .gnupg(&gnupg)
        .expect_stderr_has("already up to date")
        .run();
}

#[test]
fn explain_and_filestatus_need_no_gpg() {
    let (sandbox, _) = encrypted(&["alice"]);
    let none = |case: Case| case.env("PATH", "/nowhere").no_identity();
    none(sandbox.bulla(["filestatus", "f.yaml"]))
        .expect_stdout("{\"encrypted\":true}\n")
        .run();
    none(sandbox.bulla(["explain", "f.yaml"]))
        .expect_stdout_has(&format!("recipients:    {}\n", fingerprints(&["alice"])))
        .run();
}

#[test]
fn an_edit_asks_gpg_once_and_keeps_the_wrapped_key() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    let entry = |text: &str| text[text.find("\n    pgp:").unwrap()..].to_owned();
    let before = sandbox.read_text("f.yaml");
    let (gpg, log) = wrapper(&sandbox, "exec gpg \"$@\"");
    let editor = sandbox.edit_script("sed -i.old s/two/three/ \"$1\"");
    sandbox
        .bulla(["edit", "f.yaml"])
        .gnupg(&gnupg)
        .exec(&gpg)
        .editor(&editor)
        .any_stderr()
        .run();
    assert_eq!(lines(&log), ["-d"]);
    assert_eq!(entry(&before), entry(&sandbox.read_text("f.yaml")));
    sandbox
        .sops(["decrypt", "--extract", "[\"b\"]", "f.yaml"])
        .gnupg(&gnupg)
        .expect_stdout("three")
        .run();
}

#[test]
fn no_key_of_ours_reaches_gpg() {
    let (sandbox, gnupg) = encrypted(&["alice"]);
    let (gpg, log) = wrapper(
        &sandbox,
        "env | grep -c AGE-SECRET-KEY >> $(dirname $0)/gpg.log\nexec gpg \"$@\"",
    );
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .gnupg(&gnupg)
        .env("SOPS_AGE_KEY", age_key("mallory").identity)
        .exec(&gpg)
        .expect_stdout(PLAIN)
        .run();
    assert_eq!(lines(&log), ["-d", "0"]);
}
