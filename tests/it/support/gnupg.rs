//! A home of gpg of its own, with the throw-away keys of `testdata/keys`.

use super::{Case, repository, text};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A keyring and its agent, which end with this value.
pub(crate) struct Gnupg {
    home: tempfile::TempDir,
}

/// A PGP key of `testdata/keys`.
pub(crate) struct PgpKey {
    /// Its fingerprint.
    pub(crate) fingerprint: String,
    /// Those of its sub-keys.
    pub(crate) sub_keys: Vec<String>,
    file: PathBuf,
}

/// The passphrase of the key `locked`.
pub(crate) const PGP_PASSPHRASE: &str = "correct horse";

/// The PGP key called `name`: `alice`, `bob`, `twofold` or `locked`.
pub(crate) fn pgp_key(name: &str) -> PgpKey {
    let file = repository("testdata/keys").join(format!("pgp-{name}.asc"));
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let all = |start: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(start));
        lines.map(str::to_owned).collect()
    };
    PgpKey {
        fingerprint: all("fingerprint: ").remove(0),
        sub_keys: all("sub-key: "),
        file,
    }
}

impl Gnupg {
    /// A home with nothing in it.
    pub(crate) fn empty() -> Self {
        // Short: the path of the agent's socket has to fit into a hundred bytes.
        let home = tempfile::Builder::new()
            .prefix("bulla-pgp-")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        Self { home }
    }

    /// A home with both halves of some keys.
    pub(crate) fn with(names: &[&str]) -> Self {
        let gnupg = Self::empty();
        for name in names {
            gnupg.gpg(&["--import", pgp_key(name).file.to_str().unwrap()], b"");
        }
        gnupg
    }

    /// Adds the public halves of some keys.
    pub(crate) fn and_public(self, names: &[&str]) -> Self {
        let public = Self::with(names).gpg(&["--export"], b"");
        self.gpg(&["--import"], &public);
        self
    }

    /// The value of `GNUPGHOME`.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs gpg in this home, which must not fail; what it prints.
    pub(crate) fn gpg(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("gpg")
            .arg("--batch")
            .args(arguments)
            .env("GNUPGHOME", self.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("gpg ({error}); install it with: tests/peers.sh"));
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input).expect("gpg reads");
        drop(pipe);
        let output = child.wait_with_output().expect("the end of gpg");
        assert!(
            output.status.success(),
            "gpg {arguments:?}: {}",
            text(&output.stderr)
        );
        output.stdout
    }
}

impl Gnupg {
    /// Ends the agent; the next gpg starts another.
    pub(crate) fn stop_agent(&self) {
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.home())
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        self.stop_agent();
    }
}

impl Case {
    /// gpg's home, and no age identity.
    pub(crate) fn gnupg(self, gnupg: &Gnupg) -> Self {
        self.no_identity().env("GNUPGHOME", gnupg.home())
    }
}
