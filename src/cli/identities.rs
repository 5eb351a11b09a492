//! Where age identities come from: every place that sops looks in, and what was found there.
//!
//! Nothing is parsed here. Places that cost nothing come first; commands are run only when they
//! are asked for, for one recipient at a time.

use super::{
    environment::{
        Child, Environment, SOPS_AGE_KEY, SOPS_AGE_KEY_CMD, SOPS_AGE_KEY_FILE,
        SOPS_AGE_SSH_PRIVATE_KEY_CMD, SOPS_AGE_SSH_PRIVATE_KEY_FILE,
    },
    original::read_whole,
    words::{self, WordsError},
};
use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};
use zeroize::Zeroizing;

/// The most bytes that are read from one place, as sops has it for encrypted identity files.
const LIMIT: u64 = 16 << 20;

/// A place that is looked in, in the order in which sops names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file that `SOPS_AGE_SSH_PRIVATE_KEY_FILE` names.
    SshFile,
    /// What the command in `SOPS_AGE_SSH_PRIVATE_KEY_CMD` prints.
    SshCommand,
    /// `~/.ssh/id_ed25519`.
    SshEd25519,
    /// `~/.ssh/id_rsa`.
    SshRsa,
    /// `SOPS_AGE_KEY` itself.
    Key,
    /// The file that `SOPS_AGE_KEY_FILE` names.
    KeyFile,
    /// What the command in `SOPS_AGE_KEY_CMD` prints.
    KeyCommand,
    /// The user's `sops/age/keys.txt`.
    UserFile,
}

impl Place {
    /// Whether a private SSH key is found here, else age identities.
    #[must_use]
    pub fn is_ssh(self) -> bool {
        self <= Self::SshRsa
    }

    /// Whether a line may hold several identities, with blanks between.
    #[must_use]
    pub fn allows_several_per_line(self) -> bool {
        self == Self::Key
    }
}

/// Why a place that should hold identities gave none.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More than 16 MiB.
    #[error("more than {} MiB", LIMIT >> 20)]
    TooLarge,
    /// The command cannot be split into words. It is not shown, as it may hold a key.
    #[error("{variable} is not a command line: {source}")]
    Malformed {
        /// The variable.
        variable: &'static str,
        /// Why.
        source: WordsError,
    },
    /// The variable is set, but to no command.
    #[error("{variable} is empty")]
    Empty {
        /// The variable.
        variable: &'static str,
    },
    /// The command cannot be run.
    #[error("cannot run the command in {variable}: {source}")]
    Start {
        /// The variable.
        variable: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The command says that it failed.
    #[error("the command in {variable} failed: {status}")]
    Failed {
        /// The variable.
        variable: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// There is no home or configuration directory to look in.
    #[error("the user's {what} directory is not known")]
    NoDirectory {
        /// `home` or `configuration`.
        what: &'static str,
    },
}

/// What a place holds.
pub enum Content {
    /// Identities or a key, not parsed.
    Text(Zeroizing<Vec<u8>>),
    /// Nothing, and that is no error.
    Missing,
    /// Something that was not to be had.
    Failed(SourceError),
}

/// Without the text.
impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("Text"),
            Self::Missing => formatter.write_str("Missing"),
            Self::Failed(error) => formatter.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl Content {
    fn of(read: Result<Zeroizing<Vec<u8>>, SourceError>) -> Self {
        match read {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Failed(error),
        }
    }
}

/// A file of keys that others than its owner may read or write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is open to others (mode {mode:04o}): chmod 600 it", path.display())]
pub struct Exposed {
    /// The file.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
}

/// A place with what was found there.
#[derive(Debug)]
pub struct Source {
    /// Which place.
    pub place: Place,
    /// How to name it to the user: a variable or a path.
    pub origin: String,
    /// The file, where it is one; beside an SSH key lies its public half.
    pub path: Option<PathBuf>,
    /// What is in it.
    pub content: Content,
    /// What the user should be told of the file.
    pub warning: Option<Exposed>,
}

/// The places that need no command: variables, files that they name, the user's own files. Each
/// is read when the iterator comes to it.
pub fn at_hand(environment: &Environment) -> impl Iterator<Item = Source> {
    let places = [
        Place::Key,
        Place::KeyFile,
        Place::UserFile,
        Place::SshFile,
        Place::SshEd25519,
        Place::SshRsa,
    ];
    places.into_iter().map(|place| match place {
        Place::Key => key(environment),
        Place::KeyFile => named_file(place, SOPS_AGE_KEY_FILE, environment),
        Place::SshFile => named_file(place, SOPS_AGE_SSH_PRIVATE_KEY_FILE, environment),
        Place::UserFile => usual_file(place, "configuration", user_keys_file(environment)),
        Place::SshEd25519 => usual_file(place, "home", ssh_file(environment, "id_ed25519")),
        _ => usual_file(place, "home", ssh_file(environment, "id_rsa")),
    })
}

/// The places that are commands, each run when the iterator comes to it. They are told for which
/// recipient an identity is wanted.
pub fn from_commands(
    environment: &Environment,
    recipient: Option<&str>,
) -> impl Iterator<Item = Source> {
    let places = [
        (Place::KeyCommand, SOPS_AGE_KEY_CMD),
        (Place::SshCommand, SOPS_AGE_SSH_PRIVATE_KEY_CMD),
    ];
    places.into_iter().map(move |(place, variable)| {
        let content = match environment.value(variable) {
            Some(line) => Content::of(output_of(line, variable, recipient, environment)),
            None => Content::Missing,
        };
        source(place, variable, content)
    })
}

/// The file that the user's age identities are kept in, and that new ones are added to.
#[must_use]
pub fn user_keys_file(environment: &Environment) -> Option<PathBuf> {
    let directory = environment.config_dir()?;
    Some(directory.join("sops").join("age").join("keys.txt"))
}

fn ssh_file(environment: &Environment, name: &str) -> Option<PathBuf> {
    Some(environment.home()?.join(".ssh").join(name))
}

fn source(place: Place, origin: &str, content: Content) -> Source {
    Source {
        place,
        origin: origin.to_owned(),
        path: None,
        content,
        warning: None,
    }
}

fn key(environment: &Environment) -> Source {
    let text = environment
        .value(SOPS_AGE_KEY)
        .map(|value| Zeroizing::new(value.as_encoded_bytes().to_vec()));
    let content = text.map_or(Content::Missing, Content::Text);
    source(Place::Key, SOPS_AGE_KEY, content)
}

/// The file that a variable names; that it is not there is an error.
fn named_file(place: Place, variable: &str, environment: &Environment) -> Source {
    let Some(path) = environment.value(variable) else {
        return source(place, variable, Content::Missing);
    };
    Source {
        origin: variable.to_owned(),
        ..file(place, Path::new(path))
    }
}

/// A file that need not be there.
fn usual_file(place: Place, what: &'static str, path: Option<PathBuf>) -> Source {
    let Some(path) = path else {
        let failed = Content::Failed(SourceError::NoDirectory { what });
        return source(place, what, failed);
    };
    match path.metadata() {
        // sops takes any difficulty with an SSH key of this kind for its absence
        Err(error) if place.is_ssh() || error.kind() == io::ErrorKind::NotFound => {
            let missing = source(place, &path.display().to_string(), Content::Missing);
            Source {
                path: Some(path),
                ..missing
            }
        }
        _ => file(place, &path),
    }
}

fn file(place: Place, path: &Path) -> Source {
    let failed = |source| SourceError::Read {
        path: path.to_path_buf(),
        source,
    };
    let opened = File::open(path).map_err(failed);
    let warning = opened.as_ref().ok().and_then(|file| exposed(file, path));
    let read = opened.and_then(|file| {
        let length = file.metadata().map_err(failed)?.len();
        let text = read_whole(file.take(LIMIT + 1), length.min(LIMIT)).map_err(failed)?;
        within_limit(text)
    });
    Source {
        place,
        origin: path.display().to_string(),
        path: Some(path.to_path_buf()),
        content: Content::of(read),
        warning,
    }
}

fn within_limit(text: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    if text.len() as u64 > LIMIT {
        return Err(SourceError::TooLarge);
    }
    Ok(text)
}

#[cfg(unix)]
fn exposed(file: &File, path: &Path) -> Option<Exposed> {
    use std::os::unix::fs::MetadataExt;
    let meta = file.metadata().ok()?;
    let mode = meta.mode() & 0o7777;
    // a pipe that the shell made has whatever mode it has
    (meta.is_file() && mode & 0o077 != 0).then(|| Exposed {
        path: path.to_path_buf(),
        mode,
    })
}

#[cfg(not(unix))]
fn exposed(_file: &File, _path: &Path) -> Option<Exposed> {
    None
}

/// What a command prints. It gets no input, and its complaints go to the user directly.
fn output_of(
    line: &OsStr,
    variable: &'static str,
    recipient: Option<&str>,
    environment: &Environment,
) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let start = |source| SourceError::Start { variable, source };
    let not_found = || start(io::ErrorKind::NotFound.into());
    let line = line.to_str().ok_or(SourceError::Empty { variable })?;
    let words = words::split(line);
    let words = words.map_err(|source| SourceError::Malformed { variable, source })?;
    let (program, arguments) = words.split_first().ok_or(SourceError::Empty { variable })?;
    let program = environment
        .program(OsStr::new(program))
        .ok_or_else(not_found)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    environment.scrub(&mut command, Child::Helper);
    if let Some(recipient) = recipient {
        command.env("SOPS_AGE_RECIPIENT", recipient);
    }
    let mut child = command.spawn().map_err(start)?;
    // taken, so that it is closed before the wait: who prints too much must not block
    let printed = match child.stdout.take() {
        Some(stdout) => read_whole(stdout.take(LIMIT + 1), 0),
        None => Ok(Zeroizing::default()),
    };
    let status = child.wait().map_err(start)?;
    let text = within_limit(printed.map_err(start)?)?;
    if !status.success() {
        return Err(SourceError::Failed { variable, status });
    }
    Ok(text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn write(path: &Path, text: &str, mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn texts(sources: impl Iterator<Item = Source>) -> Vec<(Place, String)> {
        sources
            .filter_map(|source| match source.content {
                Content::Text(text) => {
                    Some((source.place, String::from_utf8(text.to_vec()).unwrap()))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn all_places_are_looked_in() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        write(&at(".ssh/id_ed25519"), "ed", 0o600);
        write(&at(".ssh/id_rsa"), "rsa", 0o600);
        write(&at("config/sops/age/keys.txt"), "user", 0o600);
        write(&at("keys"), "file", 0o644);
        write(&at("ssh"), "ssh", 0o400);
        let environment: Environment = [
            ("HOME", home.path().as_os_str()),
            ("XDG_CONFIG_HOME", at("config").as_os_str()),
            ("SOPS_AGE_KEY", OsStr::new("key")),
            ("SOPS_AGE_KEY_FILE", at("keys").as_os_str()),
            ("SOPS_AGE_SSH_PRIVATE_KEY_FILE", at("ssh").as_os_str()),
        ]
        .into_iter()
        .collect();
        let mut found = texts(at_hand(&environment));
        found.sort();
        let found: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(found, ["ssh", "ed", "rsa", "key", "file", "user"]);

        let warned: Vec<_> = at_hand(&environment).filter_map(|s| s.warning).collect();
        let (path, mode) = (at("keys"), 0o644);
        assert_eq!(warned, [Exposed { path, mode }]);
    }

    #[test]
    fn what_is_named_must_be_there_and_what_is_usual_need_not() {
        let home = tempfile::tempdir().unwrap();
        let environment: Environment = [
            ("HOME", home.path().to_str().unwrap()),
            ("SOPS_AGE_KEY_FILE", "/nonexistent/keys"),
        ]
        .into_iter()
        .collect();
        for source in at_hand(&environment) {
            match source.place {
                Place::KeyFile => {
                    assert_eq!(source.origin, SOPS_AGE_KEY_FILE);
                    let Content::Failed(error) = source.content else {
                        panic!("{source:?}")
                    };
                    assert!(error.to_string().contains("/nonexistent/keys"));
                }
                _ => assert!(matches!(source.content, Content::Missing), "{source:?}"),
            }
        }
        let homeless = Environment::default();
        let failed = at_hand(&homeless).filter(|s| matches!(s.content, Content::Failed(_)));
        assert_eq!(failed.count(), 3);
    }

    fn command(line: &str) -> Source {
        let environment: Environment = [
            ("PATH", "/usr/bin:/bin"),
            ("SOPS_AGE_KEY_CMD", line),
            ("SOPS_AGE_KEY", "hunter2"),
        ]
        .into_iter()
        .collect();
        let mut sources = from_commands(&environment, Some("age1me"));
        sources.next().unwrap()
    }

    #[test]
    fn commands_are_split_without_a_shell_and_told_the_recipient() {
        let source = command("sh -c 'printf %s \"$SOPS_AGE_RECIPIENT\"; cat' # comment");
        assert!(matches!(source.content, Content::Text(text) if *text == b"age1me"));
        let source = command("echo '$HOME;' x");
        assert!(matches!(source.content, Content::Text(text) if *text == b"$HOME; x\n"));
    }

    #[test]
    fn commands_that_fail_say_so_and_not_what_they_are() {
        for line in [
            "sh -c 'echo secret; exit 3'",
            "secret-program",
            "echo 'secret",
            "",
        ] {
            let source = command(line);
            let Content::Failed(error) = &source.content else {
                panic!("{source:?}")
            };
            assert!(error.to_string().contains(SOPS_AGE_KEY_CMD));
            assert!(!format!("{error} {source:?}").contains("secret"));
        }
    }

    #[test]
    fn a_command_that_never_stops_printing_is_stopped() {
        let source = command("cat /dev/zero");
        assert!(matches!(
            source.content,
            Content::Failed(SourceError::TooLarge)
        ));
    }
}
