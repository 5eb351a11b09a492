//! The key service, both sides, beside real sops; and every way in which the other side fails.

use crate::support::{
    Case, Gnupg, Running, Sandbox, age_key, pgp_key, servers::free_port, testdata,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const PLAIN: &str = "password: hunter2\n";

fn alice() -> String {
    age_key("alice").recipient
}

/// A key service that runs, and its address.
struct Service {
    running: Running,
    uri: String,
    socket: PathBuf,
}

/// Where a test's socket is.
fn socket(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("k.sock")
}

impl Service {
    /// Real sops on a socket or a port, with alice's keys.
    fn of_sops(sandbox: &Sandbox, gnupg: &Gnupg, network: &str) -> Self {
        let socket = socket(sandbox);
        let port = free_port().to_string();
        let address = match network {
            "tcp" => format!("127.0.0.1:{port}"),
            _ => socket.display().to_string(),
        };
        let case = sandbox
            .sops(["keyservice", "--network", network, "--address", &address])
            .env("GNUPGHOME", gnupg.home());
        let mut running = Running::start(&case, &sandbox.root().join("sops.log"));
        let start = Instant::now();
        let connects = || match network {
            "tcp" => TcpStream::connect(&address).is_ok(),
            _ => UnixStream::connect(&socket).is_ok(),
        };
        while !connects() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "{}",
                running.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        running.hang_up();
        let uri = format!("{network}://{address}");
        Self {
            running,
            uri,
            socket,
        }
    }

    /// Ours on a socket, as `case` says but for the address.
    fn at_socket(sandbox: &Sandbox, arguments: &[&str], with: impl Fn(Case) -> Case) -> Self {
        let socket = socket(sandbox);
        let address = socket.display().to_string();
        let all = ["keyservice", "--net", "unix", "--addr", &address];
        let case = with(sandbox.bulla(all.iter().chain(arguments)));
        let mut running = Running::start(&case, &sandbox.root().join("bulla.log"));
        running.wait_for(&format!("listening on unix://{address}\n"));
        let uri = format!("unix://{address}");
        Self {
            running,
            uri,
            socket,
        }
    }

    /// Ours on a port.
    fn at_port(sandbox: &Sandbox, with: impl Fn(Case) -> Case) -> Self {
        let case = with(sandbox.bulla(["keyservice", "--address", "127.0.0.1:0"]));
        let mut running = Running::start(&case, &sandbox.root().join("bulla.log"));
        running.wait_for("listening on tcp://127.0.0.1:");
        let said = running.said();
        let uri = said.trim().rsplit(' ').next().unwrap().to_owned();
        Self {
            running,
            uri,
            socket: socket(sandbox),
        }
    }

    /// A command of somebody without any key who asks this service alone.
    fn client(&self, case: Case) -> Case {
        let empty = case.no_identity().env("GNUPGHOME", "/nonexistent");
        empty
            .env("SOPS_KEYSERVICE", &self.uri)
            .env("SOPS_ENABLE_LOCAL_KEYSERVICE", "false")
    }
}

/// Encrypts and decrypts with keys of each kind that can be here, and with shares of a key, by
/// the commands that `program` makes.
fn round_trips(sandbox: &Sandbox, service: &Service, program: impl Fn(&[&str]) -> Case) {
    let pgp = pgp_key("alice").fingerprint;
    let (age, bob) = (alice(), age_key("bob").recipient);
    for flags in [
        &["--age", &age][..],
        &["--pgp", &pgp],
        &["--age", &age, "--pgp", &pgp],
    ] {
        sandbox.file("f.yaml", PLAIN);
        let encrypt = [&["encrypt", "-i"][..], flags, &["f.yaml"]].concat();
        service.client(program(&encrypt)).run();
        assert!(sandbox.read_text("f.yaml").contains("ENC["));
        let decrypt = service.client(program(&["decrypt", "f.yaml"]));
        decrypt.expect_stdout(PLAIN).run();
    }
    sandbox.file(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{age}]\n      \
             - pgp: [{pgp}]\n      - age: [{bob}]\n"
        ),
    );
    sandbox.file("groups.yaml", PLAIN);
    service
        .client(program(&["encrypt", "-i", "groups.yaml"]))
        .run();
    let decrypt = service.client(program(&["decrypt", "groups.yaml"]));
    decrypt.expect_stdout(PLAIN).run();
}

#[test]
fn our_client_uses_the_keys_of_real_sops() {
    let gnupg = Gnupg::with(&["alice"]);
    for network in ["tcp", "unix"] {
        let sandbox = Sandbox::new();
        let service = Service::of_sops(&sandbox, &gnupg, network);
        round_trips(&sandbox, &service, |arguments| sandbox.bulla(arguments));
        // what its keys opened here, they open there
        sandbox
            .sops(["decrypt", "groups.yaml"])
            .env("GNUPGHOME", gnupg.home())
            .expect_stdout(PLAIN)
            .run();
    }
}

#[test]
fn real_sops_uses_our_keys() {
    let gnupg = Gnupg::with(&["alice"]);
    let home = |case: Case| case.env("GNUPGHOME", gnupg.home());
    for network in ["tcp", "unix"] {
        let sandbox = Sandbox::new();
        let service = match network {
            "tcp" => Service::at_port(&sandbox, home),
            _ => Service::at_socket(&sandbox, &[], home),
        };
        round_trips(&sandbox, &service, |arguments| sandbox.sops(arguments));
        let ours = sandbox.bulla(["decrypt", "groups.yaml"]);
        service.client(ours).expect_stdout(PLAIN).run();
    }
}

#[test]
fn flags_go_before_the_environment_and_what_is_no_address_is_passed_over() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let service = Service::at_port(&sandbox, |case| case);
    let somewhere = format!("tcp://127.0.0.1:{}", free_port());
    // several, in their order, in either form
    for several in [
        sandbox
            .bulla([
                "decrypt",
                "--keyservice",
                &somewhere,
                "--keyservice",
                &service.uri,
                "f.yaml",
            ])
            .env("SOPS_KEYSERVICE", "nonsense"),
        sandbox.bulla(["decrypt", "f.yaml"]).env(
            "SOPS_KEYSERVICE",
            format!(" {somewhere}, {} ,", service.uri),
        ),
    ] {
        several.no_identity().expect_stdout(PLAIN).run();
    }
    sandbox
        .bulla(["decrypt", "--keyservice", "nonsense", "f.yaml"])
        .env("SOPS_KEYSERVICE", &service.uri)
        .no_identity()
        .expect_stderr_has("key service \"nonsense\" is passed over: expected tcp://HOST:PORT")
        .expect_stderr_has("Group 0: FAILED")
        .status(128)
        .run();
    // who has the key needs nobody
    sandbox
        .bulla(["decrypt", "--keyservice", &somewhere, "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn keys_of_this_machine_are_left_out_in_every_spelling() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    for flag in ["=false", "=0", "=f", "=F", "=FALSE", "=False"] {
        let flag = format!("--enable-local-keyservice{flag}");
        sandbox
            .bulla(["decrypt", &flag, "f.yaml"])
            .expect_stderr_has("keys of this machine are left out")
            .status(128)
            .run();
    }
    for (value, status) in [("false", 128), ("", 128), ("0", 128), ("true", 0), ("T", 0)] {
        let case = sandbox
            .bulla(["decrypt", "f.yaml"])
            .env("SOPS_ENABLE_LOCAL_KEYSERVICE", value);
        case.any_stdout().any_stderr().status(status).run();
    }
    sandbox
        .bulla(["decrypt", "--enable-local-keyservice", "f.yaml"])
        .env("SOPS_ENABLE_LOCAL_KEYSERVICE", "false")
        .expect_stdout(PLAIN)
        .run();
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .env("SOPS_ENABLE_LOCAL_KEYSERVICE", "no")
        .expect_stderr_has("SOPS_ENABLE_LOCAL_KEYSERVICE is neither true nor false")
        .status(1)
        .run();
    sandbox.file("p.yaml", PLAIN);
    sandbox
        .bulla([
            "encrypt",
            "--enable-local-keyservice=false",
            "--age",
            &alice(),
            "p.yaml",
        ])
        .expect_stderr_has("could not generate data key")
        .status(1)
        .run();
}

#[test]
fn the_report_has_a_reason_for_each_service() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let nobody = format!("tcp://127.0.0.1:{}", free_port());
    let missing = format!("unix://{}", sandbox.root().join("none").display());
    let bobs = Service::at_port(&sandbox, |case| case.identity("bob"));
    let services = ["--keyservice", &nobody, "--keyservice", &missing];
    let services = [&services[..], &["--keyservice", &bobs.uri]].concat();
    for command in ["decrypt", "why"] {
        let arguments = [&[command, "f.yaml"][..], &services].concat();
        let output = sandbox.bulla(&arguments).identity("carol").output();
        assert_eq!(output.status.code(), Some(128));
        let report = if command == "why" {
            &output.stdout
        } else {
            &output.stderr
        };
        let report = String::from_utf8_lossy(report);
        assert_eq!(report.matches("- | ").count(), 4, "{report}");
        let flat = report.replace("\n      | ", " ");
        assert!(
            flat.contains(&format!("- | key service {nobody}: cannot connect")),
            "{flat}"
        );
        assert!(flat.contains("No such file or directory"), "{flat}");
        assert!(
            flat.contains("no age identity at hand belongs to this recipient"),
            "{flat}"
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains(&format!("hint: nobody listens at {nobody}")),
            "{said}"
        );
        assert!(said.contains("hint: there is no socket "), "{said}");
    }
    // the first that can, does
    sandbox.file("p.yaml", PLAIN);
    let encrypt = ["encrypt", "-i", "--enable-local-keyservice=false", "--age"];
    let recipient = alice();
    let arguments = [&encrypt[..], &[&recipient], &services, &["p.yaml"]].concat();
    sandbox.bulla(&arguments).run();
    sandbox
        .bulla(["decrypt", "p.yaml"])
        .expect_stdout(PLAIN)
        .run();
    sandbox
        .bulla(["decrypt", "--offline", "--keyservice", &bobs.uri, "f.yaml"])
        .no_identity()
        .expect_stderr_has("not asked (--offline)")
        .status(128)
        .run();
}

/// Somebody who listens and is no key service: what is done with each connection.
fn stranger(answer: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap());
        }
    });
    uri
}

#[test]
fn who_is_no_key_service_is_told_from_one_soon() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let http = stranger(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let gone = stranger(drop);
    let silent = stranger(std::mem::forget);
    for (uri, expected) in [
        (http, "what answers there is no key service"),
        (gone, "what answers there is no key service"),
        (silent, "what listens there does not answer"),
    ] {
        let start = Instant::now();
        let output = sandbox
            .bulla(["decrypt", "--keyservice", &uri, "f.yaml"])
            .no_identity()
            .output();
        let said = String::from_utf8_lossy(&output.stderr).replace("\n      | ", " ");
        assert!(said.contains(expected), "{uri}: {said}");
        assert!(
            said.contains("is the address of the key service right?"),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(128));
        assert!(start.elapsed() < Duration::from_secs(20), "{uri}");
    }
}

#[test]
fn nothing_is_done_before_somebody_says_yes() {
    let gnupg = Gnupg::with(&["alice"]);
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let mut service = Service::at_socket(&sandbox, &["--prompt"], |case| case);
    let decrypt = || service.client(sandbox.bulla(["decrypt", "f.yaml"]));
    let question = format!(
        "wants to decrypt with the age key {}: allow it? (y/n):",
        alice()
    );
    let case = decrypt().expect_stdout(PLAIN);
    let asked = std::thread::spawn(move || case.run());
    service.running.wait_for(&question);
    assert!(service.running.said().contains("process "));
    service.running.type_line("maybe");
    service.running.type_line("y");
    asked.join().unwrap();

    let decrypt = || service.client(sandbox.bulla(["decrypt", "f.yaml"]));
    let refused = |case: Case| {
        case.expect_stderr_has("rejected by the user of the")
            .expect_stderr_has("hint: whoever runs the key service decides")
            .status(128)
    };
    let case = refused(decrypt());
    service.running.type_line("n");
    case.run();
    // gpg would have to be there for anything to be done
    sandbox.file("p.yaml", PLAIN);
    let pgp = pgp_key("alice").fingerprint;
    let encrypt = sandbox.bulla(["encrypt", "--pgp", &pgp, "p.yaml"]);
    let case = service
        .client(encrypt)
        .expect_stderr_has("rejected by the user of the");
    service.running.type_line("n");
    case.expect_stderr_has("hint:").status(1).run();
    let said = service.running.said();
    assert!(
        said.contains(&format!("wants to encrypt with the pgp key {pgp}")),
        "{said}"
    );
    // nobody is there any more
    let case = refused(service.client(sandbox.bulla(["decrypt", "f.yaml"])));
    service.running.hang_up();
    case.run();
    drop(gnupg);
}

#[test]
fn only_what_is_allowed_is_used_and_no_key_by_the_name_of_another() {
    let gnupg = Gnupg::with(&["alice", "bob"]);
    let sandbox = Sandbox::new();
    let (age, pgp) = (alice(), pgp_key("alice").fingerprint);
    let (other_age, other_pgp) = (age_key("bob").recipient, pgp_key("bob").fingerprint);
    let all = [
        ("age.yaml", "--age", &age),
        ("pgp.yaml", "--pgp", &pgp),
        ("age2.yaml", "--age", &other_age),
        ("pgp2.yaml", "--pgp", &other_pgp),
    ];
    for (name, flag, key) in all {
        sandbox.file(name, PLAIN);
        let encrypt = sandbox.bulla(["encrypt", "-i", flag, key, name]);
        encrypt.env("GNUPGHOME", gnupg.home()).run();
    }
    // what was made for bob, under the name of alice
    let renamed = sandbox.read_text("age2.yaml").replace(&other_age, &age);
    sandbox.file("age3.yaml", renamed);
    let renamed = sandbox.read_text("pgp2.yaml").replace(&other_pgp, &pgp);
    sandbox.file("pgp3.yaml", renamed);
    let both = |case: Case| case.identities(&["alice", "bob"]).no_identity();
    let both = |case: Case| both(case).env("GNUPGHOME", gnupg.home());
    let opens = |service: &Service, name: &str| {
        let case = service.client(sandbox.bulla(["decrypt", name]));
        let output = case.output();
        let said = String::from_utf8_lossy(&output.stderr).replace("\n      | ", " ");
        match output.status.code() {
            Some(0) => "opened".to_owned(),
            _ if said.contains("not allowed to use the key") => "not allowed".to_owned(),
            _ if said.contains("at hand belongs to this recipient") => "no identity".to_owned(),
            _ if said.contains("with another key than the one") => "another key".to_owned(),
            _ => said,
        }
    };
    let lower = pgp.to_lowercase();
    let allow = ["--allow", &age, "--allow", &lower];
    let service = Service::at_socket(&sandbox, &allow, both);
    for (name, expected) in [
        ("age.yaml", "opened"),
        ("pgp.yaml", "opened"),
        ("age2.yaml", "not allowed"),
        ("pgp2.yaml", "not allowed"),
        ("age3.yaml", "no identity"),
        ("pgp3.yaml", "another key"),
    ] {
        assert_eq!(opens(&service, name), expected, "{name}");
    }
    drop(service);
    let service = Service::at_socket(&sandbox, &["--allow", "age"], both);
    for (name, expected) in [
        ("age.yaml", "opened"),
        ("age2.yaml", "opened"),
        ("pgp.yaml", "not allowed"),
    ] {
        assert_eq!(opens(&service, name), expected, "{name}");
    }
    sandbox
        .bulla(["keyservice", "--allow", "aeg"])
        .expect_stderr_has("--allow: \"aeg\" is neither a kind of key nor the id of one")
        .expect_stderr_has("hint: the kinds are: kms, pgp,")
        .status(1)
        .run();
}

#[test]
fn a_socket_is_for_its_user_alone() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let mut service = Service::at_socket(&sandbox, &[], |case| case);
    assert_eq!(sandbox.mode(&service.socket), 0o600);
    assert!(
        Command::new("id").arg("-u").output().unwrap().stdout == b"0\n",
        "needs root"
    );
    // also where somebody opened the way to it
    sandbox.mode_of(sandbox.root(), 0o755);
    sandbox.mode_of(&service.socket, 0o666);
    let script = "import os, socket, sys\n\
                  os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))\n\
                  s = socket.socket(socket.AF_UNIX)\n\
                  s.connect(sys.argv[1])\n\
                  try:\n s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\4\\0\\0\\0\\0\\0')\n \
                  print(len(s.recv(9)))\n\
                  except OSError: print(0)";
    let greeted = |user: &str| {
        let mut python = Command::new("python3");
        let python = python.args(["-c", script]).arg(&service.socket).arg(user);
        let asked = python.output().unwrap();
        assert!(asked.status.success(), "{asked:?}");
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    };
    // HTTP/2 greets back, by nine bytes at least
    assert_eq!(greeted("0"), "9");
    assert_eq!(greeted("65534"), "0");
    service
        .running
        .wait_for("a connection of user 65534 was refused");
}

#[test]
fn a_signal_ends_it_well_and_its_socket_goes_with_it() {
    for signal in ["-INT", "-TERM"] {
        let sandbox = Sandbox::new();
        let service = Service::at_socket(&sandbox, &[], |case| case);
        assert!(service.socket.exists());
        assert_eq!(service.running.end_by(signal).code(), Some(0));
        assert!(!service.socket.exists());
    }
    let sandbox = Sandbox::new();
    let service = Service::at_port(&sandbox, |case| case);
    assert_eq!(service.running.end_by("-TERM").code(), Some(0));
}

#[test]
fn a_socket_that_was_left_is_replaced_and_no_other() {
    let sandbox = Sandbox::new();
    let path = socket(&sandbox);
    drop(UnixListener::bind(&path).unwrap());
    let service = Service::at_socket(&sandbox, &[], |case| case);
    let address = path.display().to_string();
    let again = ["keyservice", "--network=unix", "--address", &address];
    sandbox
        .bulla(again)
        .expect_stderr_has("somebody listens there already")
        .expect_stderr_has("hint: is a key service running there already?")
        .status(1)
        .run();
    // killed, it leaves its socket behind
    drop(service);
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    sandbox
        .bulla(again)
        .expect_stderr_has("something else than a socket is there")
        .status(1)
        .run();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    sandbox
        .bulla(["keyservice", "--network", "udp"])
        .expect_stderr_has("unknown network \"udp\"")
        .expect_stderr_has("hint: there are: tcp, unix")
        .status(1)
        .run();
}

#[test]
fn a_port_that_others_reach_is_warned_about() {
    let sandbox = Sandbox::new();
    let case = sandbox.bulla(["keyservice", "--addr", "0.0.0.0:0"]);
    let mut running = Running::start(&case, &sandbox.root().join("log"));
    running.wait_for("listening on tcp://0.0.0.0:");
    let said = running.said();
    assert!(said.contains("warning: tcp://0.0.0.0:"), "{said}");
    assert!(said.contains("everybody who reaches this port"), "{said}");
}

#[test]
fn several_clients_are_served_at_once_and_one_passphrase_is_enough_for_all() {
    const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";
    let sandbox = Sandbox::new();
    let key = sandbox.root().join("passphrase.armor");
    std::fs::write(&key, testdata("keys/passphrase.armor")).unwrap();
    sandbox.mode_of(&key, 0o600);
    sandbox.file("f.yaml", PLAIN);
    sandbox.bulla(["encrypt", "-i", "--age", A, "f.yaml"]).run();
    let path = socket(&sandbox);
    let address = path.display().to_string();
    let case = sandbox
        .on_terminal(
            &["Passphrase of identity", "correct horse"],
            &["keyservice", "--network", "unix", "--address", &address],
        )
        .env("SOPS_AGE_KEY_FILE", &key);
    let mut running = Running::start(&case, &sandbox.root().join("log"));
    running.wait_for_file(&path);
    let service = Service {
        running,
        uri: format!("unix://{address}"),
        socket: path,
    };
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let case = service.client(sandbox.bulla(["decrypt", "f.yaml"]));
            std::thread::spawn(move || case.expect_stdout(PLAIN).run())
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn what_was_done_is_told_by_key_and_operation_alone() {
    let sandbox = Sandbox::new();
    sandbox.encrypted("f.yaml", PLAIN);
    let mut service = Service::at_socket(&sandbox, &["--verbose"], |case| case);
    let case = service.client(sandbox.bulla(["decrypt", "f.yaml"]));
    case.expect_stdout(PLAIN).run();
    service
        .running
        .wait_for(&format!("decrypt with age key {} for process ", alice()));
    let said = service.running.said();
    assert_eq!(said.lines().count(), 2, "{said}");
    let identity = age_key("alice").identity;
    assert!(
        !said.contains("hunter2") && !said.contains(&identity),
        "{said}"
    );
}
