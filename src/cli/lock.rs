//! Locks: two writers of one file do not undo each other, and a reader never waits.
//!
//! The lock is on the file itself (flock), so it crosses users and containers, leaves nothing
//! behind and ends with its process. A save replaces the file by another one: whoever waited then
//! holds the lock of a file that is no longer there, sees that, and asks again.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(25);

/// Why a lock was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it, and did not let go in time.
    #[error("{} is being changed by another process{}", path.display(), by(*.holder))]
    Busy {
        /// The file.
        path: PathBuf,
        /// The other process, where the system tells.
        holder: Option<u32>,
    },
    /// The file cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn by(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" ({pid})"))
}

/// How long to wait for a lock that another process holds.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    limit: Duration,
    waiting: Option<&'a dyn Fn()>,
}

impl<'a> Patience<'a> {
    /// None: a change that is under way is an error at once. For an editor's session.
    pub const NONE: Self = Self {
        limit: Duration::ZERO,
        waiting: None,
    };

    /// Half a minute; `waiting` is called once if the lock is not to be had within half a second.
    #[must_use]
    pub fn with_notice(waiting: &'a dyn Fn()) -> Self {
        Self {
            limit: Duration::from_secs(30),
            waiting: Some(waiting),
        }
    }

    /// Half a minute, in silence.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            limit: Duration::from_secs(30),
            waiting: None,
        }
    }
}

/// A file that no other writer changes while this lives.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// What the lock is on; `None` where the file system has no locks.
    held: Option<File>,
}

impl Lock {
    /// Locks the file at `path`, which must not be a symbolic link.
    ///
    /// A file system without locks gives one that does not hold others off; a save then still
    /// notices that the file was changed, if not in its very last moment.
    ///
    /// # Errors
    /// [`LockError::Busy`] after `patience`, [`LockError::Open`] where there is no such file.
    pub fn acquire(path: &Path, patience: Patience<'_>) -> Result<Self, LockError> {
        let started = Instant::now();
        let mut notice = patience.waiting;
        let mut pause = Duration::from_millis(1);
        loop {
            let file = File::open(path).map_err(|source| open_error(path, source))?;
            let held = lockable(&file, path).map_err(|source| open_error(path, source))?;
            match held.try_lock() {
                Ok(()) if stands_at(&file, path) => {
                    let held = Some(held);
                    return Ok(Self { file, held });
                }
                // replaced since it was opened
                Ok(()) => {}
                Err(TryLockError::Error(_)) => return Ok(Self { file, held: None }),
                Err(TryLockError::WouldBlock) => {
                    let waited = started.elapsed();
                    if waited >= patience.limit {
                        return Err(LockError::Busy {
                            path: path.to_path_buf(),
                            holder: holder(&file),
                        });
                    }
                    if waited >= Duration::from_millis(500)
                        && let Some(notice) = notice.take()
                    {
                        notice();
                    }
                    std::thread::sleep(pause);
                    pause = PAUSE.min(pause * 2);
                }
            }
        }
    }

    /// The locked file, open for reading.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whether others are really held off from what stands at `path`.
    pub(super) fn guards(&self, path: &Path) -> bool {
        self.held.is_some() && stands_at(&self.file, path)
    }
}

fn open_error(path: &Path, source: io::Error) -> LockError {
    LockError::Open {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(unix)]
fn stands_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// The lock is not on the file here, so it does not matter which one stands there.
#[cfg(not(unix))]
fn stands_at(_file: &File, path: &Path) -> bool {
    path.is_file()
}

/// What is locked in the place of `file`: itself.
#[cfg(unix)]
fn lockable(file: &File, _path: &Path) -> io::Result<File> {
    file.try_clone()
}

/// Windows does not let others read what is locked, so an empty file elsewhere stands for it.
#[cfg(not(unix))]
fn lockable(_file: &File, path: &Path) -> io::Result<File> {
    use sha2::{Digest, Sha256};
    let name = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let name: String = name[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let path = std::env::temp_dir().join(format!("bulla-{name}.lock"));
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// The process that holds the lock of `file`, from the kernel's list.
#[cfg(target_os = "linux")]
fn holder(file: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let meta = file.metadata().ok()?;
    let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    let wanted = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    let list = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = list.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        (fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&wanted.as_str()))
            .then(|| fields[4].parse().ok())?
    });
    pid.filter(|pid| *pid != 0)
}

#[cfg(not(target_os = "linux"))]
fn holder(_file: &File) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first_and_gets_it_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let first = Lock::acquire(&path, Patience::NONE).unwrap();
        let refused = Lock::acquire(&path, Patience::NONE).unwrap_err();
        let LockError::Busy { holder, .. } = refused else {
            panic!("{refused}")
        };
        // file systems may show another device number in the kernel's list
        assert!(holder.is_none_or(|pid| pid == std::process::id()));
        drop(first);
        assert!(Lock::acquire(&path, Patience::NONE).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn who_waited_for_a_file_that_was_replaced_gets_the_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let first = Lock::acquire(&path, Patience::NONE).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let lock = Lock::acquire(&path, Patience::silent()).unwrap();
                assert!(lock.guards(&path));
                io::read_to_string(lock.file()).unwrap()
            });
            std::thread::sleep(Duration::from_millis(50));
            let new = directory.path().join("new");
            std::fs::write(&new, "new").unwrap();
            std::fs::rename(&new, &path).unwrap();
            drop(first);
            assert_eq!(second.join().unwrap(), "new");
        });
    }

    #[test]
    fn a_reader_never_waits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let _lock = Lock::acquire(&path, Patience::NONE).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
    }
}
