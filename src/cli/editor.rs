//! The user's editor: which it is, what it must be told to leave nothing behind, and its session.

use super::{
    environment::{BULLA_EDITOR_RAW, Child, EDITOR, Environment, SOPS_EDITOR, TMPDIR, VISUAL},
    process,
    words::{self, WordsError},
};
use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

/// Tried in this order where no variable names an editor.
const USUAL: [&str; 3] = ["vim", "nano", "vi"];

/// Why nothing was edited.
#[derive(Debug, thiserror::Error)]
pub enum EditorError {
    /// No variable names an editor, and none of the usual ones is installed.
    #[error("no editor: {SOPS_EDITOR}, {EDITOR} and {VISUAL} are not set, and none of {} is in PATH", USUAL.join(", "))]
    None,
    /// The variable cannot be split into words.
    #[error("{variable} is not a command line: {source}")]
    Malformed {
        /// The variable.
        variable: &'static str,
        /// Why.
        source: WordsError,
    },
    /// The program that a variable names is not there.
    #[error("{variable} names {}, which is not in PATH", program.display())]
    Missing {
        /// The variable.
        variable: &'static str,
        /// The program.
        program: PathBuf,
    },
    /// It cannot be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A signal is ending this process, and has ended the editor.
    #[error("{} was ended by signal {signal}", program.display())]
    Signal {
        /// The program.
        program: PathBuf,
        /// The signal by which this process has to end, too.
        signal: i32,
    },
    /// It says that it failed, or a signal ended it.
    #[error("{} failed: {status}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
}

/// What is known of an editor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Vim,
    Gvim,
    Neovim,
    Nano,
    Emacs,
    /// Returns at once unless it is told to wait.
    Window,
    /// The same, and keeps copies of what was saved.
    WindowWithHistory,
}

impl Kind {
    /// What `program` is. The names `vi` and `nano` are also given to others, so there counts what
    /// they lead to.
    fn of(program: &Path) -> Option<Self> {
        let real = std::fs::canonicalize(program).ok();
        let known = real.as_deref().and_then(Self::by_name);
        known
            .or_else(|| Self::by_name(program).filter(|kind| real.is_none() || *kind != Self::Nano))
    }

    fn by_name(program: &Path) -> Option<Self> {
        let name = program.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.trim_end_matches(".exe").trim_end_matches(".cmd");
        Some(match name {
            "nvim" | "neovim" => Self::Neovim,
            "vim" | "vimx" => Self::Vim,
            "gvim" | "mvim" => Self::Gvim,
            // Debian's alternatives: vim.basic, vim.tiny, vim.gtk3
            _ if name.starts_with("vim.") => Self::Vim,
            "nano" | "rnano" => Self::Nano,
            "emacsclient" => return None,
            // emacs-nox, emacs-29.4
            _ if name == "emacs" || name.starts_with("emacs-") => Self::Emacs,
            "code" | "code-insiders" | "code-oss" | "codium" | "vscodium" | "cursor"
            | "windsurf" | "idea" | "pycharm" | "goland" | "webstorm" | "clion" | "rustrover" => {
                Self::WindowWithHistory
            }
            "subl" | "sublime_text" | "zed" | "zeditor" | "atom" | "mate" | "bbedit" | "gedit" => {
                Self::Window
            }
            _ => return None,
        })
    }

    /// What it is told before the user's own arguments. Vim 9.0, Neovim 0.7, nano 7.2 and Emacs
    /// 28.2 were tried with a configuration that turns backups, undo and history files on: nothing
    /// was left.
    fn arguments(self) -> &'static [&'static str] {
        // -c and not --cmd: the user's configuration is read between the two
        match self {
            Self::Vim => &["-n", "-i", "NONE", "-c", VIM],
            Self::Gvim => &["-f", "-n", "-i", "NONE", "-c", VIM],
            Self::Neovim => &["-n", "-i", "NONE", "-c", NEOVIM],
            Self::Nano => &["--restricted"],
            Self::Emacs => &["--eval", EMACS],
            Self::Window | Self::WindowWithHistory => &["--wait"],
        }
    }

    /// Whether it writes to `TMPDIR` what it hands to filters, and finds no server by it.
    fn uses_temp_dir(self) -> bool {
        !matches!(self, Self::Window | Self::WindowWithHistory)
    }
}

const VIM: &str = "set nobackup nowritebackup noundofile viminfo=";
const NEOVIM: &str = "set nobackup nowritebackup noundofile shada=";
const EMACS: &str = "(setq make-backup-files nil auto-save-default nil create-lockfiles nil)";

/// An editor that is there, with all its arguments but the file.
#[derive(Clone, Debug)]
pub struct Editor<'a> {
    program: PathBuf,
    arguments: Vec<OsString>,
    kind: Option<Kind>,
    environment: &'a Environment,
}

impl<'a> Editor<'a> {
    /// The editor that `SOPS_EDITOR`, `EDITOR` or `VISUAL` names, the first that is set; else the
    /// first of vim, nano and vi that is installed.
    ///
    /// # Errors
    /// [`EditorError::None`], [`EditorError::Malformed`], [`EditorError::Missing`].
    pub fn find(environment: &'a Environment) -> Result<Self, EditorError> {
        for variable in [SOPS_EDITOR, EDITOR, VISUAL] {
            let Some(line) = environment.text(variable) else {
                continue;
            };
            let malformed = |source| EditorError::Malformed { variable, source };
            // a path with blanks (or with Windows' backslashes) is one word
            let path = Path::new(line);
            let words = if path.is_absolute() && path.is_file() {
                vec![line.to_owned()]
            } else {
                words::split(line).map_err(malformed)?
            };
            let Some((program, arguments)) = words.split_first() else {
                continue;
            };
            let found = environment.program(OsStr::new(program));
            let found = found.ok_or_else(|| EditorError::Missing {
                variable,
                program: program.into(),
            })?;
            return Ok(Self::new(found, arguments, environment));
        }
        let installed = USUAL
            .iter()
            .find_map(|name| environment.program(OsStr::new(name)));
        let program = installed.ok_or(EditorError::None)?;
        Ok(Self::new(program, &[], environment))
    }

    fn new(program: PathBuf, own: &[String], environment: &'a Environment) -> Self {
        let raw = environment.flag(BULLA_EDITOR_RAW);
        let kind = if raw { None } else { Kind::of(&program) };
        let waits = own.iter().any(|word| word == "--wait" || word == "-w");
        let ours = match kind {
            Some(Kind::Window | Kind::WindowWithHistory) if waits => &[],
            Some(kind) => kind.arguments(),
            None => &[],
        };
        let own = own.iter().map(OsString::from);
        Self {
            program,
            arguments: ours.iter().map(OsString::from).chain(own).collect(),
            kind,
            environment,
        }
    }

    /// The program's file.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Whether it is known to keep copies of what was saved where we cannot remove them
    /// (a local history, as in Visual Studio Code).
    #[must_use]
    pub fn keeps_history(&self) -> bool {
        self.kind == Some(Kind::WindowWithHistory)
    }

    /// Has the user edit `file`, on this process' terminal.
    ///
    /// # Errors
    /// [`EditorError::Start`]; [`EditorError::Failed`] where the editor did not end with status 0;
    /// [`EditorError::Signal`] where this process has to end.
    pub fn edit(&self, file: &Path) -> Result<(), EditorError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(file);
        self.environment.scrub(&mut command, Child::Editor);
        if let Some(directory) = file.parent()
            && self.kind.is_some_and(Kind::uses_temp_dir)
        {
            command.env(TMPDIR, directory);
        }
        let ended = process::run(&mut command).map_err(|source| EditorError::Start {
            program: self.program.clone(),
            source,
        })?;
        let program = self.program.clone();
        match (ended.signal, ended.status) {
            (Some(signal), _) => Err(EditorError::Signal { program, signal }),
            (None, status) if status.success() => Ok(()),
            (None, status) => Err(EditorError::Failed { program, status }),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::cli::private_dir::{PrivateDir, sweep};
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};
    use std::{
        fs,
        os::unix::{fs::PermissionsExt, process::ExitStatusExt},
        process::Stdio,
        time::{Duration, Instant},
    };
    use tempfile::TempDir;

    struct Bin {
        directory: TempDir,
    }

    impl Bin {
        fn new(names: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let bin = Self { directory };
            for name in names {
                bin.script(name, "exit 0");
            }
            bin
        }

        /// Makes an executable script, and says how to run it.
        fn script(&self, name: &str, text: &str) -> String {
            let path = self.directory.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            // a shell reads it, as what another thread's child still has open cannot be run
            format!("/bin/sh {}", path.display())
        }

        fn environment(&self, more: &[(&str, &str)]) -> Environment {
            let path = self.directory.path().as_os_str();
            let more = more.iter().map(|(name, value)| (*name, OsStr::new(value)));
            more.chain([("PATH", path)]).collect()
        }

        /// Program and arguments of the editor that is found.
        fn line(&self, variables: &[(&str, &str)]) -> Vec<String> {
            let environment = self.environment(variables);
            let editor = Editor::find(&environment).unwrap();
            let program = editor.program.file_name().unwrap().to_owned();
            let words = [program].into_iter().chain(editor.arguments);
            words.map(|word| word.into_string().unwrap()).collect()
        }
    }

    #[test]
    fn the_first_variable_that_is_set_wins() {
        let bin = Bin::new(&["one", "two", "three", "nano"]);
        let all = [
            ("SOPS_EDITOR", "one"),
            ("EDITOR", "two"),
            ("VISUAL", "three"),
        ];
        assert_eq!(bin.line(&all), ["one"]);
        assert_eq!(bin.line(&all[1..]), ["two"]);
        assert_eq!(
            bin.line(&[("EDITOR", ""), ("VISUAL", "three 'a b'")]),
            ["three", "a b"]
        );
        assert_eq!(bin.line(&[("EDITOR", " ")]), ["nano", "--restricted"]);
    }

    #[test]
    fn no_editor_is_an_error_that_says_which_variable() {
        let bin = Bin::new(&[]);
        let environment = bin.environment(&[]);
        assert!(matches!(Editor::find(&environment), Err(EditorError::None)));
        let environment = bin.environment(&[("EDITOR", "vim 'x")]);
        let error = Editor::find(&environment).unwrap_err();
        assert!(matches!(
            error,
            EditorError::Malformed {
                variable: "EDITOR",
                ..
            }
        ));
        let environment = bin.environment(&[("SOPS_EDITOR", "nothing")]);
        let error = Editor::find(&environment).unwrap_err();
        assert!(matches!(
            error,
            EditorError::Missing {
                variable: "SOPS_EDITOR",
                ..
            }
        ));
    }

    #[test]
    fn known_editors_are_told_to_leave_nothing_and_to_wait() {
        let bin = Bin::new(&[
            "vim",
            "vim.tiny",
            "vi",
            "nvim",
            "emacs-nox",
            "code",
            "subl",
            "ed",
        ]);
        std::os::unix::fs::symlink("vim.tiny", bin.directory.path().join("pico")).unwrap();
        let line = |text| bin.line(&[("EDITOR", text)]);
        assert_eq!(line("vim -R"), ["vim", "-n", "-i", "NONE", "-c", VIM, "-R"]);
        // by what it leads to
        assert_eq!(line("pico"), ["pico", "-n", "-i", "NONE", "-c", VIM]);
        // may be anybody's
        assert_eq!(line("vi"), ["vi"]);
        assert_eq!(line("nvim"), ["nvim", "-n", "-i", "NONE", "-c", NEOVIM]);
        assert_eq!(line("emacs-nox"), ["emacs-nox", "--eval", EMACS]);
        assert_eq!(line("code -n"), ["code", "--wait", "-n"]);
        assert_eq!(line("subl -w"), ["subl", "-w"]);
        assert_eq!(line("ed -s"), ["ed", "-s"]);
        assert_eq!(
            bin.line(&[("EDITOR", "vim"), ("BULLA_EDITOR_RAW", "1")]),
            ["vim"]
        );
    }

    #[test]
    fn an_editor_that_fails_is_an_error() {
        let bin = Bin::new(&[]);
        for (script, code, signal) in [
            ("exit 0", Some(0), None),
            ("exit 3", Some(3), None),
            ("kill -9 $$", None, Some(9)),
        ] {
            let editor = bin.script("editor", script);
            let environment = bin.environment(&[("EDITOR", &editor)]);
            let file = bin.directory.path().join("file");
            match Editor::find(&environment).unwrap().edit(&file) {
                Ok(()) => assert_eq!(code, Some(0)),
                Err(EditorError::Failed { status, .. }) => {
                    assert_eq!((status.code(), status.signal()), (code, signal));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn the_editor_sees_neither_keys_nor_credentials() {
        let bin = Bin::new(&[]);
        let editor = bin.script("editor", "/usr/bin/env > \"$1\"");
        // of the process that runs the test, as only that is inherited
        let mut session = session(&bin, &editor);
        session
            .env("SOPS_AGE_KEY", "hunter2")
            .env("VAULT_TOKEN", "hunter2");
        let status = session.env("SOPS_KEPT", "kept").status().unwrap();
        assert!(status.success());
        let seen = fs::read_to_string(bin.directory.path().join("after")).unwrap();
        assert!(seen.contains("SOPS_KEPT=kept") && !seen.contains("hunter2"));
    }

    /// A process that edits a file with `editor`, and puts what it reads then into `after`.
    fn session(bin: &Bin, editor: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "cli::editor::tests::a_session"])
            .env("SOPS_EDITOR", editor)
            .env("TMPDIR", bin.directory.path())
            .env("BULLA_TEST_PLACE", bin.directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    #[test]
    #[ignore = "run by the other tests, as a process of its own"]
    fn a_session() {
        let environment = Environment::of_process();
        let Some(place) = environment.path("BULLA_TEST_PLACE") else {
            return;
        };
        let private = PrivateDir::new(&environment, 1).unwrap();
        let name = Path::new("secrets.yaml");
        let file = private.write(name, b"password: hunter2\n").unwrap();
        let edited = Editor::find(&environment).unwrap().edit(&file);
        if let Err(EditorError::Signal { signal, .. }) = edited {
            process::end_by(signal);
        }
        edited.unwrap();
        fs::write(place.join("after"), &*private.read(name).unwrap()).unwrap();
        private.close().unwrap();
    }

    /// Whether a secret is anywhere in `directory` after it was edited with a Vim that keeps all it
    /// can; `None` where there is no Vim.
    fn vim_leaves_something(raw: &str) -> Option<bool> {
        Environment::of_process().program(OsStr::new("vim"))?;
        let bin = Bin::new(&[]);
        let home = bin.directory.path().join("home");
        fs::create_dir_all(home.join("kept")).unwrap();
        let settings = "set undofile undodir=~/kept backup backupdir=~/kept directory=~/kept\n\
                        set viminfo='100,<50,s10,h";
        fs::write(home.join(".vimrc"), settings).unwrap();
        let vim = "vim --not-a-term -c 'normal yyp' -c wq";
        let mut session = session(&bin, vim);
        let status = session
            .env("HOME", &home)
            .env("BULLA_EDITOR_RAW", raw)
            .status();
        assert!(status.unwrap().success());
        let after = fs::read_to_string(bin.directory.path().join("after")).unwrap();
        assert_eq!(after.matches("hunter2").count(), 2);
        let files = [home.clone(), home.join("kept")]
            .into_iter()
            .flat_map(fs::read_dir);
        let mut files = files.flatten().map(|entry| entry.unwrap().path());
        Some(files.any(|file| {
            let bytes = fs::read(file).unwrap_or_default();
            bytes.windows(7).any(|window| window == b"hunter2")
        }))
    }

    #[test]
    fn vim_leaves_nothing_unless_it_is_left_alone() {
        assert_ne!(vim_leaves_something("0"), Some(true));
        assert_ne!(vim_leaves_something("1"), Some(false));
    }

    fn wait_for<T>(what: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if let Some(found) = what() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("waited in vain")
    }

    /// Sends `signal` to a process whose editor is open; how it ended, the private directory,
    /// and the editor's process.
    fn interrupted(signal: Signal) -> (ExitStatus, PathBuf, Pid) {
        let bin = Bin::new(&[]);
        let place = bin.directory.path();
        let script = format!(
            "cd {}; echo \"$$ $1\" > starting; /bin/mv starting started\n\
             while [ -e started ] && [ ! -e stop ]; do /bin/sleep 0.05; done",
            place.display()
        );
        let editor = bin.script("editor", &script);
        let mut process = session(&bin, &editor).spawn().unwrap();
        let started = wait_for(|| fs::read_to_string(place.join("started")).ok());
        let (editor, file) = started.trim_end().split_once(' ').unwrap();
        let file = Path::new(file);
        assert!(file.exists());
        kill_process(Pid::from_child(&process), signal).unwrap();
        if matches!(signal, Signal::INT | Signal::QUIT | Signal::KILL) {
            // the editor is not told, and goes on
            std::thread::sleep(Duration::from_millis(200));
            fs::write(place.join("stop"), "").unwrap();
        }
        let status = process.wait().unwrap();
        let editor = Pid::from_raw(editor.parse().unwrap()).unwrap();
        (status, file.parent().unwrap().to_path_buf(), editor)
    }

    #[test]
    fn a_signal_ends_the_editor_then_removes_the_text_then_ends_us() {
        for signal in [Signal::TERM, Signal::HUP] {
            let (status, directory, editor) = interrupted(signal);
            assert_eq!(status.signal(), Some(signal.as_raw()));
            assert!(!directory.exists());
            assert!(test_kill_process(editor).is_err());
        }
    }

    #[test]
    fn interrupts_are_the_editors() {
        for signal in [Signal::INT, Signal::QUIT] {
            let (status, directory, _) = interrupted(signal);
            assert!(status.success());
            assert!(!directory.exists());
        }
    }

    #[test]
    fn what_a_killed_process_left_is_swept_by_the_next() {
        let (status, directory, _) = interrupted(Signal::KILL);
        assert_eq!(status.signal(), Some(9));
        let place = directory.parent().unwrap().as_os_str().to_owned();
        // in /dev/shm another test's sweep may have been faster
        sweep(&[("TMPDIR", place)].into_iter().collect());
        assert!(!directory.exists());
    }
}
