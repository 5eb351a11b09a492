//! A machine with an `/etc/sops/audit.yaml` of its own: a mount namespace in which `/etc` is a
//! folder of links to what stands in the real one. The program under test has no other way to be
//! told of another file, and must have none.

use super::{Case, Sandbox, bulla, sops};
use std::path::{Path, PathBuf};

/// Puts `/etc` together, and runs the rest of the command line.
const SCRIPT: &str = r#"
set -e
mkdir -p "$1/etc"
mount --rbind /etc "$1/etc"
mount -t tmpfs tmpfs /etc
for entry in "$1"/etc/* "$1"/etc/.[!.]*; do
    case $entry in
    */sops) ;;
    *) [ -e "$entry" ] && ln -s "$entry" /etc/ ;;
    esac
done
ln -s "$1/audit" /etc/sops
shift
exec "$@"
"#;

/// A sandbox whose commands are audited.
pub(crate) struct Audited {
    pub(crate) sandbox: Sandbox,
}

impl Audited {
    /// A sandbox in which `/etc/sops/audit.yaml` says `text`.
    pub(crate) fn new(text: &str) -> Self {
        let audited = Self {
            sandbox: Sandbox::new(),
        };
        std::fs::create_dir(audited.folder()).unwrap();
        audited.configure(text);
        audited
    }

    /// What stands for `/etc/sops`.
    pub(crate) fn folder(&self) -> PathBuf {
        self.sandbox.root().join("audit")
    }

    /// Writes `/etc/sops/audit.yaml`.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.folder().join("audit.yaml"), text).unwrap();
    }

    /// A command line of the program under test.
    pub(crate) fn bulla(&self, args: &[&str]) -> Case {
        self.case(bulla(), args)
    }

    /// A command line of real sops.
    pub(crate) fn sops(&self, args: &[&str]) -> Case {
        self.case(sops(), args)
    }

    fn case(&self, program: &Path, args: &[&str]) -> Case {
        let is_root = nix::unistd::getuid().is_root();
        let flags: &[&str] = if is_root {
            &["--mount"]
        } else {
            &["--map-root-user", "--mount"]
        };
        Case::within(&self.sandbox, Path::new("unshare"))
            .args(flags)
            .args(["sh", "-c", SCRIPT, "sh"])
            .args([self.sandbox.root(), program])
            .args(args)
    }
}
