//! Output: the only place that writes files.
//!
//! A file is replaced by a whole new one or not at all: temporary file beside it, fsync, rename,
//! fsync of the directory, all under its lock and only if it still says what was read. Mode, owner,
//! extended attributes and symbolic links are kept. Where no file can be put beside it (a single
//! file mounted into a container), it is overwritten with a copy kept elsewhere meanwhile.

pub use super::original::Original;

use super::{
    environment::Environment,
    lock::{Lock, LockError, Patience},
    original::read_error,
    process,
    replacement::{SwapError, Temporary, directory_of, flush, overwrite, swap, sweep},
};
use std::{
    fmt,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// What a text is, as far as its file must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nobody reads secrets from it: a new file is made with the usual mode.
    Encrypted,
    /// Secrets: a new file is the user's alone, and no copy is ever kept elsewhere.
    Plain,
}

/// Why a file was not read or not written. Unless it says otherwise, what was there is untouched.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process is changing it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Somebody changed it after it was read.
    #[error("{} was changed by somebody else meanwhile", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The new content cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Only overwriting would be possible, and that puts the only copy at risk.
    #[error("{} cannot be replaced at once ({source}), and plain text is not written otherwise", path.display())]
    NotAtomic {
        /// The file.
        path: PathBuf,
        /// Why no file can be put in its place.
        source: io::Error,
    },
    /// Overwriting failed half-way. The new content is whole in `rescue`.
    #[error("cannot finish writing {}: {source}; what should be in it is in {}", path.display(), rescue.display())]
    Torn {
        /// The file, whose content may be damaged.
        path: PathBuf,
        /// The copy of the new content.
        rescue: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is such a file already.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A directory, or something else that cannot be replaced by a file.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What is none.
        path: PathBuf,
    },
    /// A symbolic link to nothing.
    #[error("{} is a symbolic link to a file that does not exist", path.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
    },
    /// The directory of a new file does not exist.
    #[error("there is no directory {}", path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
}

/// What the user should know of a file that was written well.
#[derive(Debug, PartialEq, Eq)]
pub enum Warning {
    /// Other names of the same file still have the old content.
    HardLinks {
        /// How many names it had.
        count: u64,
    },
    /// The new file belongs to the user who wrote it.
    Owner,
    /// Some extended attributes or access rules were not copied.
    Attributes,
    /// The file was overwritten, because no file can be put in its place.
    NotAtomic,
    /// The directory could not be flushed: a power cut now may bring the old file back.
    NotFlushed,
    /// Plain text stands in a file that others may read.
    Readable {
        /// The permission bits.
        mode: u32,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HardLinks { count } => write!(
                formatter,
                "the file had {count} names (hard links); the others keep the old content"
            ),
            Self::Owner => formatter.write_str("the file's owner could not be kept"),
            Self::Attributes => {
                formatter.write_str("some of the file's extended attributes could not be kept")
            }
            Self::NotAtomic => formatter
                .write_str("the file was overwritten: it cannot be replaced at once where it is"),
            Self::NotFlushed => formatter.write_str("the file's directory could not be flushed"),
            Self::Readable { mode } => write!(
                formatter,
                "the file holds plain text and others may read it (mode {mode:04o})"
            ),
        }
    }
}

/// Puts `new` in the place of what was read. Once for an `Original`: a second time finds the file
/// changed. Nothing is written where `new` is what was read.
///
/// # Errors
/// [`OutputError::Changed`] where the file no longer says what was read. The old file is whole
/// after any error but [`OutputError::Torn`].
pub fn replace(
    original: &Original,
    new: &[u8],
    content: Content,
    environment: &Environment,
) -> Result<Vec<Warning>, OutputError> {
    let target = original.target();
    let changed = || OutputError::Changed {
        path: original.path().to_path_buf(),
    };
    if fs::metadata(target).is_ok_and(|meta| !meta.is_file()) {
        let path = original.path().to_path_buf();
        return Err(OutputError::NotAFile { path });
    }
    let new_lock;
    let lock = match original.lock() {
        lock if lock.guards(target) => lock,
        // it was replaced by a program that knows of no locks
        _ => match Lock::acquire(target, Patience::silent()) {
            Err(LockError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(changed());
            }
            lock => {
                new_lock = lock?;
                &new_lock
            }
        },
    };
    let same = original.is_still(lock.file());
    if !same.map_err(|source| read_error(target, source))? {
        return Err(changed());
    }
    if original.is_text(new) {
        return Ok(Vec::new());
    }
    put(target, lock, new, content, environment)
}

/// Writes `new` to `path` whatever was there, as `--output` does: a file is replaced, a device or
/// pipe written to, and a file that does not exist created.
///
/// # Errors
/// As [`replace`] and [`create`].
pub fn write(
    path: &Path,
    new: &[u8],
    content: Content,
    environment: &Environment,
) -> Result<Vec<Warning>, OutputError> {
    if path == Path::new("/dev/stdout") {
        return stdout(new).map(|()| Vec::new());
    }
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(OutputError::NotAFile {
            path: path.to_path_buf(),
        }),
        Ok(meta) if !meta.is_file() || is_descriptor(path) => {
            let failed = |source| write_error(path, source);
            let mut file = File::options().append(true).open(path).map_err(failed)?;
            file.write_all(new).map_err(failed)?;
            Ok(Vec::new())
        }
        Ok(_) => {
            let target = fs::canonicalize(path).map_err(|e| write_error(path, e))?;
            let lock = Lock::acquire(&target, Patience::silent())?;
            put(&target, &lock, new, content, environment)
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => create(path, new, content),
        Err(source) => Err(write_error(path, source)),
    }
}

/// Appends `new` to a file that somebody else collects lines in; one that is not there is made,
/// readable by its owner only.
///
/// # Errors
/// [`OutputError::Write`].
pub fn append(path: &Path, new: &[u8]) -> Result<(), OutputError> {
    let mut options = File::options();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path);
    let written = file.and_then(|mut file| file.write_all(new));
    written.map_err(|source| write_error(path, source))
}

/// Makes a new file: mode 0600 for plain text, else as the umask has it.
///
/// # Errors
/// [`OutputError::Exists`], [`OutputError::DanglingLink`], [`OutputError::NoDirectory`],
/// [`OutputError::Write`].
pub fn create(path: &Path, new: &[u8], content: Content) -> Result<Vec<Warning>, OutputError> {
    let owned = || path.to_path_buf();
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() && !path.exists() => {
            return Err(OutputError::DanglingLink { path: owned() });
        }
        Ok(_) => return Err(OutputError::Exists { path: owned() }),
        Err(_) => {}
    }
    let directory = directory_of(path);
    if !directory.is_dir() {
        let path = directory.to_path_buf();
        return Err(OutputError::NoDirectory { path });
    }
    let failed = |source| write_error(path, source);
    let mode = match content {
        Content::Encrypted => 0o666,
        Content::Plain => 0o600,
    };
    let mut temporary = Temporary::beside(path, mode).map_err(failed)?;
    temporary.fill(new).map_err(failed)?;
    let placed = temporary.become_new(path);
    placed.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => OutputError::Exists { path: owned() },
        _ => failed(source),
    })?;
    Ok(flush(directory).into_iter().collect())
}

/// Writes to standard output. A reader that has gone away is a quiet end of this process, as by
/// SIGPIPE.
///
/// # Errors
/// [`OutputError::Write`].
pub fn stdout(bytes: &[u8]) -> Result<(), OutputError> {
    let result = unbuffered_stdout().and_then(|mut out| write_patiently(&mut out, bytes));
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::end_by_broken_pipe(),
        done => done.map_err(|source| write_error(Path::new("standard output"), source)),
    }
}

/// Whether [`write`] would put a new file in the place of the one at `path`.
pub(super) fn replaces(path: &Path) -> bool {
    path != Path::new("/dev/stdout") && !is_descriptor(path) && path.is_file()
}

/// Whether a path is another name of something that is open already, be it a file or not.
fn is_descriptor(path: &Path) -> bool {
    let places = ["/dev/fd", "/dev/stderr", "/proc"];
    places.iter().any(|place| path.starts_with(place))
}

pub(super) fn write_error(path: &Path, source: io::Error) -> OutputError {
    let path = path.to_path_buf();
    OutputError::Write { path, source }
}

/// Puts `new` at `target`, whose lock is held and whose content need not be looked at any more.
fn put(
    target: &Path,
    lock: &Lock,
    new: &[u8],
    content: Content,
    environment: &Environment,
) -> Result<Vec<Warning>, OutputError> {
    if lock.guards(target) {
        sweep(target);
    }
    let mut warnings = Vec::new();
    match swap(target, lock.file(), new, content, &mut warnings) {
        Ok(()) => {}
        Err(SwapError::Refused(source)) if content == Content::Encrypted => {
            overwrite(target, new, environment, source)?;
            warnings = vec![Warning::NotAtomic];
        }
        Err(SwapError::Refused(source)) => {
            let path = target.to_path_buf();
            return Err(OutputError::NotAtomic { path, source });
        }
        Err(SwapError::Failed(source)) => return Err(write_error(target, source)),
    }
    if content == Content::Plain {
        warnings.extend(readable(target));
    }
    Ok(warnings)
}

#[cfg(unix)]
fn readable(target: &Path) -> Option<Warning> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(target).ok()?.permissions().mode() & 0o7777;
    (mode & 0o044 != 0).then_some(Warning::Readable { mode })
}

#[cfg(not(unix))]
fn readable(_target: &Path) -> Option<Warning> {
    None
}

/// Standard output without the library's buffer, which would keep the end of a secret.
#[cfg(unix)]
fn unbuffered_stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

#[cfg(not(unix))]
fn unbuffered_stdout() -> io::Result<io::Stdout> {
    Ok(io::stdout())
}

/// Writes all, waiting where the other end made a non-blocking pipe of it.
fn write_patiently(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use tempfile::TempDir;

    struct Place {
        directory: TempDir,
        environment: Environment,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let state = directory.path().join("state");
            Self {
                environment: [("XDG_STATE_HOME", state)].into_iter().collect(),
                directory,
            }
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }

        fn change(&self, path: &Path, new: &str) -> Result<Vec<Warning>, OutputError> {
            let original = Original::claim(path, Patience::silent())?;
            replace(
                &original,
                new.as_bytes(),
                Content::Encrypted,
                &self.environment,
            )
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(self.directory.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn mode_owner_link_and_attributes_are_kept() {
        let place = Place::new();
        let file = place.file("file", "old");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&file, Some(1234), Some(4321)).unwrap();
        }
        let empty = rustix::fs::XattrFlags::empty();
        let attributes = rustix::fs::setxattr(&file, "user.note", b"kept", empty).is_ok();
        let link = place.directory.path().join("link");
        symlink("file", &link).unwrap();

        assert_eq!(place.change(&link, "new").unwrap(), []);

        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("file"));
        assert_eq!(mode(&file), 0o640);
        if root {
            let meta = fs::metadata(&file).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (1234, 4321));
        }
        if attributes {
            let mut value = [0; 8];
            let length = rustix::fs::getxattr(&file, "user.note", &mut value[..]).unwrap();
            assert_eq!(&value[..length], b"kept");
        }
        assert_eq!(place.names(), ["file", "link"]);
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_not_overwritten() {
        let place = Place::new();
        let file = place.file("file", "old");
        let original = Original::claim(&file, Patience::silent()).unwrap();
        // in place as stock sops does, and by a new file as git does
        for by_rename in [false, true] {
            if by_rename {
                let other = place.file("other", "theirs");
                fs::rename(other, &file).unwrap();
            } else {
                fs::write(&file, "theirs").unwrap();
            }
            let result = replace(&original, b"ours", Content::Encrypted, &place.environment);
            assert!(matches!(result, Err(OutputError::Changed { .. })));
            assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        }
        assert_eq!(place.names(), ["file"]);
    }

    #[test]
    fn a_file_that_is_gone_is_a_change() {
        let place = Place::new();
        let file = place.file("file", "old");
        let original = Original::claim(&file, Patience::silent()).unwrap();
        fs::remove_file(&file).unwrap();
        let result = replace(&original, b"new", Content::Encrypted, &place.environment);
        assert!(matches!(result, Err(OutputError::Changed { .. })));
        assert!(!file.exists());
    }

    #[test]
    fn a_link_that_leads_elsewhere_now_is_a_change() {
        let place = Place::new();
        let first = place.file("first", "same");
        place.file("second", "same");
        let link = place.directory.path().join("link");
        symlink("first", &link).unwrap();
        let original = Original::claim(&link, Patience::silent()).unwrap();
        fs::remove_file(&link).unwrap();
        symlink("second", &link).unwrap();
        let result = replace(&original, b"new", Content::Encrypted, &place.environment);
        assert!(matches!(result, Err(OutputError::Changed { .. })));
        assert_eq!(fs::read_to_string(first).unwrap(), "same");
    }

    #[test]
    fn eight_writers_all_succeed_and_lose_nothing() {
        let place = Place::new();
        let file = place.file("file", "0");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let original = Original::claim(&file, Patience::silent()).unwrap();
                        let text = str::from_utf8(original.text()).unwrap();
                        let new = (text.parse::<u32>().unwrap() + 1).to_string();
                        let content = Content::Encrypted;
                        replace(&original, new.as_bytes(), content, &place.environment).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&file).unwrap(), "80");
        assert_eq!(place.names(), ["file"]);
    }

    #[test]
    fn hard_links_are_told_of() {
        let place = Place::new();
        let file = place.file("file", "old");
        fs::hard_link(&file, place.directory.path().join("other")).unwrap();
        let warnings = place.change(&file, "new").unwrap();
        assert_eq!(warnings, [Warning::HardLinks { count: 2 }]);
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_save() {
        let place = Place::new();
        let file = place.file("file", "old");
        place.file(".file.bulla-aB3dE6", "half");
        place.file(".file.bulla-notes.txt", "the user's");
        place.change(&file, "new").unwrap();
        assert_eq!(place.names(), [".file.bulla-notes.txt", "file"]);
    }

    #[test]
    fn new_files_have_the_mode_of_their_content() {
        let place = Place::new();
        let plain = place.directory.path().join("plain");
        create(&plain, b"x", Content::Plain).unwrap();
        assert_eq!(mode(&plain), 0o600);
        let sealed = place.directory.path().join("sealed");
        create(&sealed, b"x", Content::Encrypted).unwrap();
        let usual = place.file("usual", "");
        assert_eq!(mode(&sealed), mode(&usual));
        let again = create(&plain, b"y", Content::Plain);
        assert!(matches!(again, Err(OutputError::Exists { .. })));
        assert_eq!(fs::read_to_string(&plain).unwrap(), "x");
    }

    #[test]
    fn output_goes_where_it_can_and_says_where_it_cannot() {
        let place = Place::new();
        let write = |path: &Path| write(path, b"new", Content::Plain, &place.environment);
        let file = place.file("file", "old");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let warnings = write(&file).unwrap();
        assert_eq!(warnings, [Warning::Readable { mode: 0o644 }]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");

        let link = place.directory.path().join("link");
        symlink("nothing", &link).unwrap();
        let result = write(&link);
        assert!(matches!(result, Err(OutputError::DanglingLink { .. })));
        let result = write(&place.directory.path().join("none/file"));
        assert!(matches!(result, Err(OutputError::NoDirectory { .. })));
        let result = write(place.directory.path());
        assert!(matches!(result, Err(OutputError::NotAFile { .. })));
        let result = write(Path::new("/dev/full"));
        assert!(matches!(result, Err(OutputError::Write { .. })));
        assert_eq!(write(Path::new("/dev/null")).unwrap(), []);

        // what is open already is written to, not replaced
        let mut open = File::create(&file).unwrap();
        open.write_all(b"before ").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        write(Path::new(&format!("/dev/fd/{number}"))).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "before new");
    }

    #[test]
    fn a_long_name_has_room_for_its_temporary_file() {
        let place = Place::new();
        let file = place.file(&"n".repeat(255), "old");
        place.change(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }
}
