//! A real database server with a cluster of its own, on a free port of the loopback; it ends with its
//! test.

use super::servers::free_port;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The password of the user `sops`, `p%w'd @1`, in a URL: with what needs care there and in quotes.
const IN_URL: &str = "p%25w%27d%20%401";

/// How long it may take to start, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(90);

/// What an administrator does once, as sops's documentation has it.
const SETUP: &str = "
    CREATE TABLE audit_event (
      id SERIAL PRIMARY KEY,
      timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
      action TEXT,
      username TEXT,
      file TEXT
    );
    CREATE ROLE sops WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN PASSWORD 'p%w''d @1';
    GRANT INSERT ON audit_event TO sops;
    GRANT USAGE ON audit_event_id_seq TO sops;";

/// A running server.
pub(crate) struct Postgres {
    child: Child,
    folder: tempfile::TempDir,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Postgres {
    /// A server with the table of sops and the user `sops`, without TLS.
    pub(crate) fn start() -> Self {
        Self::with(|_| Vec::new())
    }

    /// A server that takes connections over TLS only. Its certificate is for `localhost`, signed
    /// by the authority in `ca.crt`; `other.crt` is one that has signed nothing.
    pub(crate) fn with_tls() -> Self {
        Self::with(|folder| {
            certificates(folder);
            let hba = folder.join("hba.conf");
            let lines = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
            std::fs::write(&hba, lines).unwrap();
            let file = |name: &str, file: &str| format!("{name}={}", folder.join(file).display());
            vec![
                "ssl=on".to_owned(),
                file("ssl_cert_file", "server.crt"),
                file("ssl_key_file", "server.key"),
                file("hba_file", "hba.conf"),
            ]
        })
    }

    fn with(settings: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("bulla-pg-")
            .tempdir()
            .expect("a temporary folder");
        let (data, port) = (folder.path().join("data"), free_port());
        own(folder.path());
        run(command("initdb")
            .args(["--username=postgres", "--auth-host=scram-sha-256"])
            .args(["--auth-local=trust", "--no-sync", "--encoding=UTF8"])
            .args(["--locale=C", "--pgdata"])
            .arg(&data));
        let settings = settings(folder.path());
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            own(&entry.unwrap().path());
        }
        let mut server = command("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        server.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        server.args(["-c", "fsync=off"]);
        for setting in settings {
            server.args(["-c", &setting]);
        }
        let quiet = server.stdin(Stdio::null()).stdout(Stdio::null());
        let child = quiet.stderr(Stdio::null()).spawn().expect("a server");
        let mut postgres = Self {
            child,
            folder,
            port,
        };
        postgres.wait();
        postgres.sql(SETUP);
        postgres
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while !self.psql("SELECT 1").status().expect("psql").success() {
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "the server ended: {ended:?}");
            assert!(start.elapsed() < PATIENCE, "the server does not start");
            sleep(Duration::from_millis(100));
        }
    }

    /// A file beside the cluster.
    pub(crate) fn file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// A configuration of sops that names this server as `host`, with `query` behind the URL.
    pub(crate) fn configuration(&self, host: &str, query: &str) -> String {
        let port = self.port;
        let url = format!("postgres://sops:{IN_URL}@{host}:{port}/postgres?{query}");
        format!("backends:\n  postgres:\n    - connection_string: \"{url}\"\n")
    }

    /// What comes of a statement, as the administrator.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let output = self.psql(statement).stderr(Stdio::inherit()).output();
        let output = output.expect("psql");
        assert!(output.status.success(), "{statement}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// All events, and forgets them: `action username file` of each.
    pub(crate) fn take_events(&self) -> Vec<String> {
        let rows = "WITH gone AS (DELETE FROM audit_event RETURNING *) \
                    SELECT action || ' ' || username || ' ' || file FROM gone \
                    WHERE timestamp > now() - interval '1 hour' ORDER BY id";
        self.sql(rows).lines().map(String::from).collect()
    }

    fn psql(&self, statement: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", "postgres", "-p", &self.port.to_string(), "-h"])
            .arg(self.folder.path())
            .args(["-c", statement])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        psql
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // a fast shutdown, which leaves no shared memory behind
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.child.wait();
    }
}

/// A program of the server, as a user who is not root: the server refuses to be root's.
fn command(name: &str) -> Command {
    let program = programs().join(name);
    assert!(
        program.is_file(),
        "PostgreSQL is missing; install it with: tests/peers.sh"
    );
    if !nix::unistd::getuid().is_root() {
        return Command::new(program);
    }
    let (user, group) = nobody();
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={user}"), format!("--regid={group}")])
        .arg("--clear-groups")
        .arg(program);
    command
}

/// Where the server's programs are: Debian keeps them out of the path, by version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let folders = versions.map(|version| version.unwrap().path().join("bin"));
    let debian = folders
        .filter(|folder| folder.join("initdb").is_file())
        .max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = || std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    debian.or_else(in_path).unwrap_or_default()
}

fn nobody() -> (u32, u32) {
    let nobody = nix::unistd::User::from_name("nobody").unwrap();
    let nobody = nobody.expect("a user nobody");
    (nobody.uid.as_raw(), nobody.gid.as_raw())
}

/// Gives a file to the user that the server runs as.
fn own(path: &Path) {
    if nix::unistd::getuid().is_root() && !path.ends_with("data") {
        let (user, group) = nobody();
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

/// An authority, a certificate of its for `localhost`, one that signed itself, and a second
/// authority.
fn certificates(folder: &Path) {
    let script = r#"
        set -e
        cd "$1"
        key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3"
        openssl req -x509 $key -subj /CN=ours -keyout ca.key -out ca.crt
        openssl req -x509 $key -subj /CN=other -keyout other.key -out other.crt
        openssl req -x509 $key -subj /CN=localhost -addext subjectAltName=DNS:localhost \
            -keyout self.key -out self.crt
        openssl req $key -subj /CN=localhost -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\n' > server.ext
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3 \
            -extfile server.ext -out server.crt
        chmod 600 ./*.key"#;
    run(Command::new("sh").args(["-c", script, "sh"]).arg(folder));
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
