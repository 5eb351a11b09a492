//! A machine of its own for each test: a folder to work in, a home, a place for temporary files.

use super::{Case, age_key, bulla, repository, sops, testdata};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders that live as long as the last clone of this value.
#[derive(Clone)]
pub(crate) struct Sandbox {
    root: Arc<tempfile::TempDir>,
}

impl Sandbox {
    /// Empty folders, the ones for private data readable by the owner only.
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new()
            .prefix("bulla-it-")
            .tempdir()
            .expect("a temporary folder");
        let sandbox = Self {
            root: Arc::new(root),
        };
        for folder in ["work", "home/.config", "home/.cache", "run", "tmp"] {
            std::fs::create_dir_all(sandbox.root.path().join(folder)).unwrap();
        }
        sandbox.mode_of(&sandbox.root.path().join("run"), 0o700);
        sandbox
    }

    /// The folder that commands run in.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The home of the user.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Where `TMPDIR` points.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// Where `XDG_RUNTIME_DIR` points.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.root.path().join("run")
    }

    /// A path in the folder that commands run in.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work().join(name)
    }

    /// Writes a file, and the folders it is in.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        self
    }

    /// Copies a file of `testdata` to `name`.
    pub(crate) fn copy(&self, from: &str, name: &str) -> &Self {
        self.file(name, testdata(from))
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A file as text.
    pub(crate) fn read_text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text")
    }

    /// True where there is such a file.
    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The names of everything in the work folder, sorted; a left-over shows here.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(&self.work())
    }

    /// Sets the mode of a file.
    pub(crate) fn mode_of(&self, path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The permission bits of a file.
    pub(crate) fn mode(&self, path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    /// The key called `name` in a file that only its owner can read, which git does not keep.
    pub(crate) fn key_file(&self, name: &str) -> PathBuf {
        let path = self.root.path().join(format!("{name}.txt"));
        std::fs::write(&path, age_key(name).identity + "\n").unwrap();
        self.mode_of(&path, 0o600);
        path
    }

    /// A `.sops.yaml` with one rule: alice's key for everything, and what `more` adds to the rule.
    pub(crate) fn config(&self, more: &str) -> &Self {
        let alice = age_key("alice").recipient;
        let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
        self.file(
            ".sops.yaml",
            format!("creation_rules:\n  - age: {alice}\n{more}"),
        )
    }

    /// A command line of the program under test, run in this sandbox as alice.
    pub(crate) fn bulla<I>(&self, args: I) -> Case
    where
        I: IntoIterator,
        I::Item: AsRef<std::ffi::OsStr>,
    {
        Case::within(self, bulla()).args(args)
    }

    /// A command line of the program under test on a terminal of its own: after each question in
    /// `talk` was seen, the answer behind it is typed. What the terminal shows is its stdout.
    pub(crate) fn on_terminal(&self, talk: &[&str], args: &[&str]) -> Case {
        Case::within(self, Path::new("python3"))
            .args([repository("tests/it/support/terminal.py")])
            .args(talk)
            .args(["--".as_ref(), bulla().as_os_str()])
            .args(args)
    }

    /// A command line of real sops, run in this sandbox as alice.
    pub(crate) fn sops<I>(&self, args: I) -> Case
    where
        I: IntoIterator,
        I::Item: AsRef<std::ffi::OsStr>,
    {
        Case::within(self, sops()).args(args)
    }

    /// Encrypts `plain` with bulla for alice into `name`.
    pub(crate) fn encrypted(&self, name: &str, plain: impl AsRef<[u8]>) -> &Self {
        self.file(name, plain);
        let recipient = age_key("alice").recipient;
        self.bulla(["encrypt", "-i", "--age", &recipient, name])
            .run();
        self
    }

    /// Encrypts `plain` with real sops for alice into `name`.
    pub(crate) fn encrypted_by_sops(&self, name: &str, plain: impl AsRef<[u8]>) -> &Self {
        self.file(name, plain);
        let recipient = age_key("alice").recipient;
        self.sops(["encrypt", "-i", "--age", &recipient, name])
            .run();
        self
    }

    /// An editor that runs `script` in a shell with the file as `$1`; the value of `EDITOR`.
    pub(crate) fn edit_script(&self, script: &str) -> String {
        let count = names_in(self.root.path()).len();
        let path = self.root.path().join(format!("editor-{count}.sh"));
        std::fs::write(&path, format!("set -eu\n{script}\n")).unwrap();
        // Through `sh`, so that no test runs a file that another thread's child still has open.
        format!("sh {}", path.display())
    }

    /// A program of this text that can be run by its path.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.root.path().join(name);
        // Written by another process: one that this process had open for writing while another
        // thread started a child could not be run.
        let mut child = std::process::Command::new("sh")
            .args(["-c", "cat > \"$1\" && chmod 700 \"$1\"", "sh"])
            .arg(&path)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut pipe, script.as_bytes()).unwrap();
        drop(pipe);
        assert!(child.wait().unwrap().success());
        path
    }

    /// The folder over all, for what a test keeps out of the work folder.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }
}

/// The names in a folder, sorted.
fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
