//! The audit log: what is recorded where, and that nothing happens which cannot be recorded.

use crate::support::{Audited, Case, Postgres, Sandbox, age_key, repository, servers::free_port};
use serde_json::Value;
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};

const PLAIN: &str = "a: value-one\nb: 2\n";

/// A file of alice's at `name`.
fn encrypted(sandbox: &Sandbox, name: &str) {
    sandbox.config("");
    sandbox.encrypted_by_sops(name, PLAIN);
}

/// The entries of a log of JSON lines.
fn entries(text: &str) -> Vec<Value> {
    let entry = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    text.lines().map(entry).collect()
}

/// `action file` of each entry, and forgets them.
fn take(audited: &Audited) -> Vec<String> {
    let path = audited.sandbox.root().join("log");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path);
    let named = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().expect("a text").to_owned();
        let file = text("file");
        let file = file.rsplit('/').next().unwrap_or_default();
        format!("{} {file}", text("action"))
    };
    entries(&text).iter().map(named).collect()
}

/// A machine whose log is the file `log` beside the work folder.
fn with_file(more: &str) -> Audited {
    let audited = Audited::new("");
    let path = audited.sandbox.root().join("log");
    let path = path.display();
    audited.configure(&format!("backends:\n  file:\n    - path: {path}\n{more}"));
    encrypted(&audited.sandbox, "f.yaml");
    audited
}

/// A roundabout way to a file, which the log does not repeat.
fn winding(sandbox: &Sandbox) -> String {
    let folder = sandbox.work();
    let folder = folder.file_name().expect("a name").display();
    format!("../{folder}/./f.yaml")
}

#[test]
fn the_database_holds_what_sops_would_have_written() {
    let postgres = Postgres::start();
    let audited = Audited::new(&postgres.configuration("127.0.0.1", "sslmode=disable"));
    let sandbox = &audited.sandbox;
    let file = sandbox.path("f.yaml").display().to_string();
    let here = sandbox.work().display().to_string();
    let (alice, bob) = (age_key("alice").recipient, age_key("bob").recipient);
    let winding = winding(sandbox);
    let changes = sandbox.edit_script("echo 'c: 3' >> \"$1\"");
    let nothing = sandbox.edit_script("true");
    let event = |action: &str| format!("{action} root {file}");
    let here = |action: &str| format!("{action} root {here}");
    let lines: &[(&[&str], &str, &[String])] = &[
        (&["decrypt", "f.yaml"], "", &[event("decrypt")]),
        (&["-d", "f.yaml"], "", &[event("decrypt")]),
        (
            &["decrypt", "--extract", "[\"a\"]", &winding],
            "",
            &[event("decrypt")],
        ),
        (&["decrypt", "-i", "f.yaml"], "", &[event("decrypt")]),
        (
            &["decrypt", "--input-type=yaml", "--output-type=yaml"],
            "<",
            &[here("decrypt")],
        ),
        (
            &["encrypt", "--age", &alice, "plain.yaml"],
            "",
            &[event("encrypt").replace("f.", "plain.")],
        ),
        (
            &["encrypt", "--filename-override", "x.yaml"],
            "a: 1\n",
            &[here("encrypt")],
        ),
        (
            &["set", "f.yaml", "[\"a\"]", "5"],
            "",
            &[event("decrypt"), event("encrypt")],
        ),
        (
            &["unset", "f.yaml", "[\"a\"]"],
            "",
            &[event("decrypt"), event("encrypt")],
        ),
        (
            &["rotate", "-i", "f.yaml"],
            "",
            &[event("rotate"), event("decrypt"), event("encrypt")],
        ),
        (
            &["edit", "f.yaml"],
            "changes",
            &[event("decrypt"), event("encrypt")],
        ),
        (&["edit", "f.yaml"], "nothing", &[event("decrypt")]),
        (&["exec-env", "f.yaml", "true"], "", &[event("decrypt")]),
        (
            &["exec-file", "f.yaml", "cat {} > /dev/null"],
            "",
            &[event("decrypt")],
        ),
        (&["updatekeys", "-y", "f.yaml"], "", &[]),
        (
            &["groups", "add", "-i", "-f", "f.yaml", "--age", &bob],
            "",
            &[],
        ),
        (&["filestatus", "f.yaml"], "", &[]),
        (&["decrypt", "f.yaml"], "as bob", &[]),
        (&["rotate", "-i", "f.yaml"], "as bob", &[event("rotate")]),
    ];
    for (args, how, expected) in lines {
        for program in ["sops", "bulla"] {
            encrypted(sandbox, "f.yaml");
            let both = format!("creation_rules:\n  - age: {alice},{bob}\n");
            sandbox.file(".sops.yaml", both).file("plain.yaml", PLAIN);
            let case = match program {
                "sops" => audited.sops(args),
                _ => audited.bulla(args),
            };
            let output = match *how {
                "<" => case.stdin(sandbox.read("f.yaml")),
                "changes" => case.editor(&changes),
                "nothing" => case.editor(&nothing),
                "as bob" => case.identity("bob"),
                text => case.stdin(text),
            }
            .output();
            let events = postgres.take_events();
            assert_eq!(events, *expected, "{program} {args:?}: {output:?}");
            let fails = ["as bob", "nothing"].contains(how);
            assert_eq!(
                output.status.success(),
                !fails,
                "{program} {args:?}: {output:?}"
            );
        }
    }
}

#[test]
fn a_database_is_reached_over_tls_as_its_connection_string_says() {
    let postgres = Postgres::with_tls();
    let audited = Audited::new("");
    encrypted(&audited.sandbox, "f.yaml");
    let [ca, other, own] = ["ca.crt", "other.crt", "self.crt"].map(|name| postgres.file(name));
    let decrypt = |host: &str, query: &str| {
        audited.configure(&postgres.configuration(host, query));
        audited
            .bulla(&["decrypt", "f.yaml"])
            .never_says("p%25w")
            .never_says("p%w")
    };
    let works = |host: &str, query: &str| {
        decrypt(host, query).expect_stdout(PLAIN).run();
        assert_eq!(postgres.take_events().len(), 1, "{host} {query}");
    };
    let fails = |host: &str, query: &str, why: &str| {
        decrypt(host, query).status(1).expect_stderr_has(why).run();
        assert_eq!(postgres.take_events(), [""; 0], "{host} {query}");
    };
    for query in ["", "sslmode=require", "sslmode=prefer"] {
        works("127.0.0.1", query);
    }
    works("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={ca}"));
    works(
        "localhost",
        &format!("sslmode=verify-full&sslrootcert={ca}"),
    );
    let certificate = "invalid peer certificate";
    let full = format!("sslmode=verify-full&sslrootcert={ca}");
    fails("127.0.0.1", &full, certificate);
    fails(
        "localhost",
        &format!("sslmode=verify-ca&sslrootcert={other}"),
        certificate,
    );
    fails("localhost", &format!("sslrootcert={other}"), certificate);
    fails(
        "localhost",
        "sslmode=verify-full&sslrootcert=system",
        certificate,
    );
    fails("localhost", "sslrootcert=/no/such/file", "/no/such/file");
    fails("127.0.0.1", "sslmode=disable", "no encryption");
    // sops over the same TLS
    audited.configure(&postgres.configuration("127.0.0.1", "sslmode=require"));
    audited
        .sops(&["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    assert_eq!(postgres.take_events().len(), 1);
    // a certificate that signed itself, trusted as it is
    for (from, to) in [("self.crt", "server.crt"), ("self.key", "server.key")] {
        let text = std::fs::read(postgres.file(from)).unwrap();
        std::fs::write(postgres.file(to), text).unwrap();
    }
    postgres.sql("SELECT pg_reload_conf()");
    let start = std::time::Instant::now();
    let changed = || {
        let case = decrypt("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={ca}"));
        !case.output().status.success()
    };
    while !changed() {
        assert!(
            start.elapsed().as_secs() < 60,
            "the server keeps its certificate"
        );
    }
    postgres.take_events();
    works(
        "localhost",
        &format!("sslmode=verify-full&sslrootcert={own}"),
    );
    fails(
        "127.0.0.1",
        &format!("sslmode=verify-full&sslrootcert={own}"),
        certificate,
    );
    fails(
        "localhost",
        &format!("sslmode=verify-full&sslrootcert={other}"),
        certificate,
    );
}

#[test]
fn a_database_that_refuses_says_why_and_what_to_do() {
    let postgres = Postgres::start();
    let audited = Audited::new(&postgres.configuration("127.0.0.1", "sslmode=disable"));
    encrypted(&audited.sandbox, "f.yaml");
    let decrypt = || {
        let case = audited.bulla(&["decrypt", "f.yaml"]).status(1);
        case.expect_stderr_has("audit log: /etc/sops/audit.yaml: backends.postgres[0]: ")
            .expect_stderr_has("hint: nothing was decrypted or written")
            .never_says("p%")
    };
    postgres.sql("REVOKE INSERT ON audit_event FROM sops");
    decrypt()
        .expect_stderr_has("permission denied for table audit_event")
        .expect_stderr_has("GRANT INSERT ON audit_event")
        .run();
    postgres.sql("ALTER TABLE audit_event RENAME TO elsewhere");
    decrypt()
        .expect_stderr_has("relation \"audit_event\" does not exist")
        .expect_stderr_has("CREATE TABLE audit_event (id SERIAL PRIMARY KEY, timestamp")
        .run();
    postgres.sql("ALTER TABLE elsewhere RENAME TO audit_event");
    postgres.sql("GRANT INSERT ON audit_event TO sops; ALTER ROLE sops PASSWORD 'another'");
    decrypt()
        .expect_stderr_has("password authentication failed for user \"sops\"")
        .expect_stderr_has("pg_hba.conf")
        .run();
    postgres.sql("ALTER ROLE sops PASSWORD 'p%w''d @1'");
    audited.configure(&postgres.configuration("127.0.0.1", ""));
    decrypt()
        .expect_stderr_has("server does not support TLS")
        .expect_stderr_has("sslmode=disable")
        .run();
    let port = postgres.port;
    let configure = |connection: &str| {
        audited.configure(&format!(
            "backends: {{postgres: [{{connection_string: \"{connection}\"}}]}}"
        ));
    };
    // a password with a blank that was not quoted: the server would repeat the pieces
    configure(&format!(
        "host=127.0.0.1 port={port} user=postgres sslmode=disable dbname=postgres password=a p%1=b"
    ));
    decrypt()
        .expect_stderr_has("no name; values that hold blanks need quotes")
        .run();
    configure(&format!(
        "host=127.0.0.1 port={port} user=sops sslmode=disable dbname=postgres \
         password='p%w\\\\'d @1' hunter2=b"
    ));
    decrypt()
        .expect_stderr_has("refuses a run-time parameter")
        .never_says("hunter2")
        .run();
    // text in columns of other types, pairs, a socket: all as lib/pq
    postgres.sql(
        "CREATE TYPE act AS ENUM ('decrypt', 'encrypt', 'rotate'); \
         ALTER TABLE audit_event ALTER action TYPE act USING action::act, \
         ALTER username TYPE varchar(64), ALTER file TYPE varchar(4096)",
    );
    let folder = postgres.file("");
    configure(&format!(
        "host={folder} port={port} user=sops dbname=postgres application_name='the log'"
    ));
    audited
        .bulla(&["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    let events = "SELECT action, username FROM audit_event";
    assert_eq!(postgres.sql(events), "decrypt|root\n");
}

#[test]
fn nothing_happens_where_the_log_is_broken() {
    let audited = Audited::new("");
    let sandbox = &audited.sandbox;
    encrypted(sandbox, "f.yaml");
    sandbox.file("plain.yaml", PLAIN);
    let before = (sandbox.read("f.yaml"), sandbox.names());
    let ran = sandbox.path("ran").display().to_string();
    let touch = format!("touch {ran}");
    let bob = age_key("bob").recipient;
    let down = format!(
        "backends: {{postgres: [{{connection_string: \"postgres://u:hunter2@127.0.0.1:{}/d\"}}]}}",
        free_port()
    );
    // takes connections, and says nothing
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silence = format!(
        "backends: {{postgres: [{{connection_string: \"connect_timeout=1 host=127.0.0.1 port={}\"}}]}}",
        silent.local_addr().unwrap().port()
    );
    let broken = [
        (&*down, "Connection refused"),
        (&*silence, "no answer within 1 seconds"),
        (
            "backends: {file: [{path: /no/such/folder/log}]}",
            "cannot append to /no/such/folder/log",
        ),
        (
            "backends: {syslog: [{socket: /no/such/socket}]}",
            "cannot connect to /no/such/socket",
        ),
        ("backends: {file: [{path: /a}\nhunter2", "not YAML"),
        (
            "backends: {mysql: [{connection_string: hunter2}]}",
            "backends.mysql means nothing here",
        ),
        (
            "backends: {postgres: [{connection_string: hunter2}]}",
            "there is no `=` behind a name",
        ),
    ];
    let commands: &[&[&str]] = &[
        &["decrypt", "f.yaml"],
        &["decrypt", "-i", "f.yaml"],
        &["exec-env", "f.yaml", &touch],
        &["exec-file", "f.yaml", &touch],
        &["edit", "f.yaml"],
        &["set", "f.yaml", "[\"a\"]", "1"],
        &["rotate", "-i", "f.yaml"],
        &["groups", "add", "-i", "-f", "f.yaml", "--age", &bob],
        &["encrypt", "plain.yaml"],
        &["encrypt", "--output", "new.yaml", "plain.yaml"],
    ];
    for (text, why) in broken {
        audited.configure(text);
        for args in commands {
            audited
                .bulla(args)
                .editor(&touch)
                .status(1)
                .expect_stderr_has("audit log: ")
                .expect_stderr_has("/etc/sops/audit.yaml")
                .expect_stderr_has(why)
                .expect_stderr_has("hint: ")
                .never_says("hunter2")
                .never_says("value-one")
                .run();
            assert_eq!(
                (sandbox.read("f.yaml"), sandbox.names()),
                before,
                "{args:?}"
            );
        }
    }
    // what cannot be read is not what is not there
    std::fs::remove_file(audited.folder().join("audit.yaml")).unwrap();
    audited
        .bulla(&["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    std::fs::create_dir(audited.folder().join("audit.yaml")).unwrap();
    audited
        .bulla(&["decrypt", "f.yaml"])
        .status(1)
        .expect_stderr_has("cannot read /etc/sops/audit.yaml")
        .run();
}

#[test]
fn a_broken_log_is_a_warning_where_the_configuration_says_so() {
    let audited =
        with_file("  syslog:\n    - socket: /no/such/socket\nbulla:\n  on_failure: warn\n");
    let outcome = audited
        .bulla(&["set", "f.yaml", "[\"a\"]", "5"])
        .expect_stderr_has("warning: audit log: /etc/sops/audit.yaml: backends.syslog[0]: cannot connect to /no/such/socket")
        .expect_stderr_has("; not recorded there")
        .run();
    let warnings = outcome.stderr.matches("warning").count();
    assert_eq!(warnings, 1, "{}", outcome.stderr);
    assert_eq!(take(&audited), ["decrypt f.yaml", "encrypt f.yaml"]);
}

#[test]
fn a_line_says_when_who_what_which_file_and_by_which_key() {
    let audited = with_file("");
    let sandbox = &audited.sandbox;
    audited
        .bulla(&["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    audited
        .bulla(&["set", "f.yaml", "[\"a\"]", "\"value-two\""])
        .run();
    let path = sandbox.root().join("log");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(sandbox.mode(&path), 0o600);
    assert!(text.ends_with('\n') && !text.contains("value-"), "{text}");
    let entries = entries(&text);
    assert_eq!(entries.len(), 3);
    let alice = age_key("alice").recipient;
    for (entry, (action, opened_by)) in entries.iter().zip([
        ("decrypt", vec![&*alice]),
        ("decrypt", vec![&*alice]),
        ("encrypt", vec![]),
    ]) {
        let keys: Vec<_> = entry.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "time",
                "user",
                "uid",
                "action",
                "file",
                "opened_by",
                "bulla"
            ]
        );
        assert_eq!(entry["user"], "root");
        assert_eq!(entry["uid"], 0);
        assert_eq!(entry["action"], action);
        assert_eq!(entry["file"], sandbox.path("f.yaml").to_str().unwrap());
        assert_eq!(entry["opened_by"], serde_json::json!(opened_by));
        assert_eq!(entry["bulla"], env!("CARGO_PKG_VERSION"));
        let time: jiff::Timestamp = entry["time"].as_str().unwrap().parse().unwrap();
        let age = jiff::Timestamp::now().duration_since(time).as_secs();
        assert!((0..600).contains(&age), "{time}");
    }
}

#[test]
fn every_command_that_opens_or_writes_is_in_the_log() {
    let audited = with_file("");
    let sandbox = &audited.sandbox;
    let bob = age_key("bob").recipient;
    let lines: &[(&[&str], &[&str])] = &[
        (
            &["groups", "add", "-i", "-f", "f.yaml", "--age", &bob],
            &["rekey f.yaml"],
        ),
        (&["updatekeys", "-y", "f.yaml"], &["rekey f.yaml"]),
        (
            &["encrypt", "--output", "new.yaml", "plain.yaml"],
            &["encrypt plain.yaml"],
        ),
        // its values are compared with those that are there
        (
            &["encrypt", "--output", "new.yaml", "plain.yaml"],
            &["decrypt new.yaml"],
        ),
        (&["why", "f.yaml"], &[]),
        (&["filestatus", "f.yaml"], &[]),
        (
            &["set", "--idempotent", "f.yaml", "[\"b\"]", "2"],
            &["decrypt f.yaml"],
        ),
        (&["edit", "made.yaml"], &["encrypt made.yaml"]),
    ];
    sandbox.file("plain.yaml", PLAIN);
    let editor = sandbox.edit_script("echo 'c: 3' >> \"$1\"");
    let both = format!(
        "creation_rules:\n  - age: {},{bob}\n",
        age_key("alice").recipient
    );
    for (args, expected) in lines {
        encrypted(sandbox, "f.yaml");
        sandbox.file(".sops.yaml", &both);
        let output = audited.bulla(args).editor(&editor).output();
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert_eq!(take(&audited), *expected, "{args:?}");
    }
}

#[test]
fn an_edit_is_kept_where_the_log_breaks_meanwhile() {
    let audited = with_file("");
    let sandbox = &audited.sandbox;
    let log = sandbox.root().join("log");
    let log = log.display();
    let before = sandbox.read("f.yaml");
    let editor = sandbox.edit_script(&format!("echo 'c: 3' >> \"$1\"; rm {log}; mkdir {log}"));
    audited
        .bulla(&["edit", "f.yaml"])
        .editor(&editor)
        .status(1)
        .expect_stderr_has("Is a directory")
        .expect_stderr_has("your edit is kept, encrypted")
        .run();
    assert_eq!(sandbox.read("f.yaml"), before);
    std::fs::remove_dir(sandbox.root().join("log")).unwrap();
    let editor = sandbox.edit_script("true");
    audited
        .bulla(&["edit", "--resume", "f.yaml"])
        .editor(&editor)
        .run();
    assert_eq!(take(&audited).last().unwrap(), "encrypt f.yaml");
    let plain = sandbox.bulla(["decrypt", "f.yaml"]);
    plain.expect_stdout(format!("{PLAIN}c: 3\n")).run();
}

#[test]
fn syslog_hears_of_it_in_either_form_and_over_either_kind_of_socket() {
    let audited = Audited::new("");
    let sandbox = &audited.sandbox;
    encrypted(sandbox, "f.yaml");
    let socket = |name: &str| sandbox.root().join(name);
    let (datagram, stream) = (socket("datagram"), socket("stream"));
    let receiver = UnixDatagram::bind(&datagram).unwrap();
    let listener = UnixListener::bind(&stream).unwrap();
    let limit = std::time::Duration::from_mins(1);
    receiver.set_read_timeout(Some(limit)).unwrap();
    audited.configure(&format!(
        "backends:\n  syslog:\n  - {{socket: {}}}\n  - {{socket: {}, format: rfc5424, facility: local3}}\n",
        datagram.display(),
        stream.display()
    ));
    audited
        .bulla(&["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
    let mut buffer = [0; 8192];
    let count = receiver.recv(&mut buffer).unwrap();
    let message = std::str::from_utf8(&buffer[..count]).unwrap();
    let (head, entry) = message.split_once(": ").unwrap();
    let pid = head
        .strip_prefix("<86>bulla[")
        .and_then(|rest| rest.strip_suffix(']'));
    let pid: u32 = pid.expect(head).parse().unwrap();
    assert_eq!(entries(entry)[0]["action"], "decrypt");
    let (mut accepted, _) = listener.accept().unwrap();
    let mut message = String::new();
    std::io::Read::read_to_string(&mut accepted, &mut message).unwrap();
    let (head, same) = message.split_at(message.find('{').unwrap());
    let head: Vec<&str> = head.split(' ').collect();
    let [priority, time, host, name, number, id, data, ""] = head[..] else {
        panic!("{head:?}")
    };
    assert_eq!(
        (priority, name, id, data),
        ("<158>1", "bulla", "decrypt", "-")
    );
    assert_eq!(number.parse(), Ok(pid));
    assert!(time.parse::<jiff::Timestamp>().is_ok() && !host.is_empty());
    assert_eq!(same, format!("{entry}\n"));
    // nobody listens any more
    drop((receiver, listener));
    audited
        .bulla(&["decrypt", "f.yaml"])
        .status(1)
        .expect_stderr_has("cannot connect to")
        .run();
}

#[test]
fn no_variable_and_no_flag_says_where_the_log_is() {
    // A user could use any to go unseen; what tests need, they do with a namespace.
    let audited = with_file("");
    let elsewhere = audited.sandbox.root().join("empty");
    std::fs::write(&elsewhere, "").unwrap();
    let case = |case: Case| {
        case.env("SOPS_AUDIT_CONFIG", &elsewhere)
            .env("BULLA_AUDIT", &elsewhere)
            .env("PGHOST", "127.0.0.1")
            .env("USER", "mallory")
            .env("LOGNAME", "mallory")
    };
    case(audited.bulla(&["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    let text = std::fs::read_to_string(audited.sandbox.root().join("log")).unwrap();
    assert_eq!(entries(&text)[0]["user"], "root");
    for folder in ["src/cli/audit", "src/cli/audit/postgres"] {
        for entry in std::fs::read_dir(repository(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let source = std::fs::read_to_string(&path).unwrap();
                let asks = [
                    "env::var",
                    "option_env!",
                    "environment.value(",
                    "environment.path(",
                ];
                let found = asks.iter().find(|word| source.contains(**word));
                assert_eq!(found, None, "{}", path.display());
            }
        }
    }
}

#[test]
fn no_command_can_come_to_a_data_key_or_to_tokens_past_the_log() {
    let sources = |folder: &str| {
        let mut found = Vec::new();
        let mut folders = vec![repository(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let source = std::fs::read_to_string(&path).unwrap();
                    let source = source.split("#[cfg(test)]").next().unwrap().to_owned();
                    let name = path.strip_prefix(repository("src/cli")).unwrap().to_owned();
                    found.push((name.display().to_string(), source));
                }
            }
        }
        found
    };
    let sources = sources("src/cli");
    for (word, homes) in [
        // whoever opens a file asks the keyring, which tells the log
        (".unwrap_data_key(", &["keyring.rs"][..]),
        // these give no data key to decrypt with
        (".open_silently(", &["publish/recreate.rs", "rekey.rs"]),
        (".try_all(", &["keyring.rs", "why.rs"]),
        // whoever encrypts a file seals it, which tells the log
        ("Encryption {", &["save.rs"]),
        ("seal_draft(", &["draft.rs", "save.rs"]),
    ] {
        let mut found: Vec<&str> = sources
            .iter()
            .filter(|(_, source)| source.contains(word))
            .map(|(name, _)| &**name)
            .collect();
        found.sort_unstable();
        assert_eq!(found, homes, "{word}");
    }
}
