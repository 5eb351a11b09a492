//! Where the agent's socket is, and whether it is this user's own: a directory that nobody else
//! can look into, with a socket in it that nobody else made.

use crate::cli::environment::{BULLA_AGENT, BULLA_AGENT_SOCK, Environment, XDG_RUNTIME_DIR};
use crate::cli::failure::{Failure, Outcome, Status};
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The longest path that a socket may have on every system.
const LONGEST: usize = 100;

/// The path of a socket.
pub struct Place(PathBuf);

/// Why a socket is not used.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// There is none.
    #[error("no agent is running")]
    Missing,
    /// It cannot be looked at.
    #[error("cannot look at {}: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is somebody else's.
    #[error("{} belongs to another user", .0.display())]
    Foreign(PathBuf),
    /// Others can get at it.
    #[error("{} is open to others (mode {mode:04o})", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is something else.
    #[error("{} is not {expected}", path.display())]
    Other {
        /// What.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
}

impl From<Untrusted> for Failure {
    fn from(error: Untrusted) -> Self {
        let hint = match &error {
            Untrusted::Missing => "`bulla agent start` starts one".to_owned(),
            Untrusted::Open { path, .. } => {
                format!("chmod 700 {}, if it is really yours", path.display())
            }
            _ => format!("choose another place: {BULLA_AGENT_SOCK}"),
        };
        Self::new(Status::General, error).hint(hint)
    }
}

impl Place {
    /// Where the agent is or would be, whether one is wanted or not.
    ///
    /// # Errors
    /// Where there is no place for one.
    pub fn of(environment: &Environment) -> Outcome<Self> {
        let place = Self::anywhere(environment);
        place.map(Self).ok_or_else(|| {
            let message = "there is no place for the socket of an agent";
            Failure::new(Status::General, message).hint(format!(
                "name one in {BULLA_AGENT_SOCK}: an absolute path of at most {LONGEST} bytes"
            ))
        })
    }

    /// Where an agent is to be asked; `None` where none is (`BULLA_AGENT=off`).
    pub fn wanted(environment: &Environment) -> Option<Self> {
        let off = ["off", "no", "false", "0"];
        let choice = environment.text(BULLA_AGENT).unwrap_or_default();
        if off.iter().any(|off| choice.eq_ignore_ascii_case(off)) {
            return None;
        }
        Self::anywhere(environment).map(Self)
    }

    fn anywhere(environment: &Environment) -> Option<PathBuf> {
        if let Some(path) = environment.path(BULLA_AGENT_SOCK) {
            return fits(path).then(|| path.to_path_buf());
        }
        let user = rustix::process::geteuid().as_raw();
        let runtime = environment.path(XDG_RUNTIME_DIR).map(Path::to_path_buf);
        let runtime = runtime.filter(|path| path.is_absolute());
        let usual = PathBuf::from(format!("/run/user/{user}"));
        let runtime = runtime.into_iter().chain([usual]);
        let runtime = runtime
            .filter(|path| is_own(path))
            .map(|path| path.join("bulla"));
        let state = environment.state_dir().map(|path| path.join("agent"));
        let temporary = environment.temp_dir().join(format!("bulla-{user}"));
        let places = runtime.chain(state).chain([temporary]);
        let mut places = places.map(|path| path.join("agent.sock"));
        places.find(|path| fits(path))
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the directory of the socket, where there is none, and makes sure that it is private.
    ///
    /// # Errors
    /// Where it is not.
    pub fn prepare(&self) -> Result<(), Untrusted> {
        let directory = self.directory();
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        made.map_err(|source| io_error(directory, source))?;
        check_directory(directory)
    }

    /// Makes sure that whoever listens here is a process of this user.
    ///
    /// # Errors
    /// Where nobody does, or that is not so.
    pub fn check(&self) -> Result<(), Untrusted> {
        let path = self.path();
        let meta = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Untrusted::Missing);
            }
            meta => meta.map_err(|source| io_error(path, source))?,
        };
        check_directory(self.directory())?;
        check_owner(path, &meta)?;
        if meta.file_type().is_socket() {
            return Ok(());
        }
        let (path, expected) = (path.to_path_buf(), "a socket");
        Err(Untrusted::Other { path, expected })
    }

    fn directory(&self) -> &Path {
        let parent = self.0.parent();
        parent
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new("."))
    }
}

fn fits(path: &Path) -> bool {
    path.is_absolute() && path.as_os_str().len() <= LONGEST
}

fn is_own(directory: &Path) -> bool {
    fs::metadata(directory)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw())
}

fn io_error(path: &Path, source: io::Error) -> Untrusted {
    let path = path.to_path_buf();
    Untrusted::Io { path, source }
}

fn check_owner(path: &Path, meta: &Metadata) -> Result<(), Untrusted> {
    if meta.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Untrusted::Foreign(path.to_path_buf()))
}

/// A link is followed by nobody: it could be turned elsewhere.
fn check_directory(path: &Path) -> Result<(), Untrusted> {
    let meta = fs::symlink_metadata(path).map_err(|source| io_error(path, source))?;
    check_owner(path, &meta)?;
    let path = path.to_path_buf();
    if !meta.is_dir() {
        let expected = "a directory";
        return Err(Untrusted::Other { path, expected });
    }
    match meta.mode() & 0o7777 {
        mode if mode & 0o077 != 0 => Err(Untrusted::Open { path, mode }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    fn place(path: PathBuf) -> Place {
        Place(path)
    }

    #[test]
    fn a_socket_is_used_in_a_private_directory_only() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("d");
        let here = place(directory.join("s"));
        assert!(matches!(here.check(), Err(Untrusted::Missing)));
        here.prepare().unwrap();
        assert!(matches!(here.check(), Err(Untrusted::Missing)));
        let _listener = UnixListener::bind(here.path()).unwrap();
        here.check().unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(
            here.check(),
            Err(Untrusted::Open { mode: 0o750, .. })
        ));
        assert!(here.prepare().is_err());
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let link = root.path().join("link");
        symlink(&directory, &link).unwrap();
        assert!(matches!(
            place(link.join("s")).check(),
            Err(Untrusted::Other { .. })
        ));
        let file = place(directory.join("f"));
        fs::write(file.path(), "").unwrap();
        assert!(matches!(file.check(), Err(Untrusted::Other { .. })));
    }

    #[test]
    fn the_environment_chooses_the_place_and_whether_there_is_one() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().to_str().unwrap();
        let wanted = |variables: &[(&str, &str)]| {
            let environment: Environment = variables.iter().copied().collect();
            Place::wanted(&environment).map(|place| place.0)
        };
        let runtime = ("XDG_RUNTIME_DIR", run);
        let expected = root.path().join("bulla/agent.sock");
        assert_eq!(wanted(&[runtime]), Some(expected));
        assert_eq!(wanted(&[runtime, ("BULLA_AGENT", "off")]), None);
        let named = wanted(&[runtime, ("BULLA_AGENT_SOCK", "/x/s")]);
        assert_eq!(named, Some(PathBuf::from("/x/s")));
        let long = format!("/{}", "x".repeat(LONGEST));
        assert_eq!(wanted(&[runtime, ("BULLA_AGENT_SOCK", &long)]), None);
    }
}
