//! A directory for plain text that a program of the user's must see: the user's alone, in memory
//! where there is such a place, never in a work tree, and gone with every way out.
//!
//! It is locked (flock) while its process lives. Whatever bears its name and is not locked was left
//! by a process that was killed, and [`sweep`] removes it; unlike a process number, that holds in
//! containers, too.

use super::{
    environment::{BULLA_REQUIRE_RAM, Environment, XDG_RUNTIME_DIR},
    original::read_whole,
    process::{self, Cleanup},
};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use zeroize::Zeroizing;

const PREFIX: &str = ".bulla-private-";

/// Why there is no such directory, or no such file in it.
#[derive(Debug, thiserror::Error)]
pub enum PrivateDirError {
    /// No place in memory, and the environment asks for one.
    #[error(
        "there is no memory-backed directory to put plain text in, and {BULLA_REQUIRE_RAM} asks for one"
    )]
    NotInMemory,
    /// No place at all.
    #[error("cannot make a private directory in {}: {source}", path.display())]
    Make {
        /// The last place that was tried.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file in it cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file in it cannot be read (any more).
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Where the file was stands something else, which is not followed.
    #[error("{} is no longer a file", path.display())]
    NotAFile {
        /// What stands there.
        path: PathBuf,
    },
    /// It cannot be removed: plain text may be left.
    #[error("cannot remove {}: {source}", path.display())]
    Remove {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A directory that only this user can look into, and that does not outlive this value.
#[derive(Debug)]
pub struct PrivateDir {
    directory: TempDir,
    in_memory: bool,
    _cleanup: Cleanup,
    /// Locked as long as it is open.
    _alive: File,
}

impl PrivateDir {
    /// Makes one, in memory if there is a place with `room` bytes.
    ///
    /// # Errors
    /// [`PrivateDirError::Make`]; [`PrivateDirError::NotInMemory`] where `BULLA_REQUIRE_RAM` is set
    /// and there is no such place.
    pub fn new(environment: &Environment, room: u64) -> Result<Self, PrivateDirError> {
        match Self::in_memory(environment, room) {
            Some(made) => Ok(made),
            None if environment.flag(BULLA_REQUIRE_RAM) => Err(PrivateDirError::NotInMemory),
            None => Self::on_disk(environment),
        }
    }

    /// Makes one that holds nothing but pipes, whose content never reaches a disk.
    ///
    /// # Errors
    /// [`PrivateDirError::Make`].
    pub fn for_pipes(environment: &Environment) -> Result<Self, PrivateDirError> {
        Self::in_memory(environment, 0).map_or_else(|| Self::on_disk(environment), Ok)
    }

    fn in_memory(environment: &Environment, room: u64) -> Option<Self> {
        let memory = memory_places(environment);
        let mut roomy = memory.iter().filter(|place| has_room(place, room));
        roomy.find_map(|place| Self::in_place(place, true).ok())
    }

    fn on_disk(environment: &Environment) -> Result<Self, PrivateDirError> {
        let mut failed = None;
        for path in disk_places(environment) {
            match Self::in_place(&path, false) {
                Ok(made) => return Ok(made),
                Err(source) => failed = Some(PrivateDirError::Make { path, source }),
            }
        }
        Err(failed.unwrap_or_else(|| PrivateDirError::Make {
            path: environment.temp_dir(),
            source: io::Error::other("it is in a work tree"),
        }))
    }

    fn in_place(place: &Path, in_memory: bool) -> io::Result<Self> {
        loop {
            let directory = only_for_us(tempfile::Builder::new().prefix(PREFIX).rand_bytes(10))
                .tempdir_in(place)?;
            let doomed = directory.path().to_path_buf();
            let cleanup = process::on_exit_signal(move || {
                let _ = fs::remove_dir_all(doomed);
            })?;
            // a sweeper that came before the lock may have taken it
            let alive = match hold(directory.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                held => held?,
            };
            if directory.path().exists() {
                return Ok(Self {
                    directory,
                    in_memory,
                    _cleanup: cleanup,
                    _alive: alive,
                });
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether what is in it never reaches a disk (but for swap).
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.in_memory
    }

    /// Writes a new file, readable for the user only, and says where it is. Of `name` the last
    /// component counts.
    ///
    /// # Errors
    /// [`PrivateDirError::Write`].
    pub fn write(&self, name: &Path, bytes: &[u8]) -> Result<PathBuf, PrivateDirError> {
        let path = self.path().join(safe_name(name));
        let written = new_file(&path).and_then(|mut file| file.write_all(bytes));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(PrivateDirError::Write { path, source }),
        }
    }

    /// Writes a new file at exactly `relative`, a path that leads nowhere else; folders on the way
    /// are made. Says where it is.
    ///
    /// # Errors
    /// [`PrivateDirError::Write`].
    pub fn write_at(&self, relative: &Path, bytes: &[u8]) -> Result<PathBuf, PrivateDirError> {
        let path = self.path().join(relative);
        let written = self
            .make_parent(&path)
            .and_then(|()| new_file(&path)?.write_all(bytes));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(PrivateDirError::Write { path, source }),
        }
    }

    /// Makes a pipe (FIFO) at exactly `relative`, as [`PrivateDir::write_at`] does a file.
    ///
    /// # Errors
    /// [`PrivateDirError::Write`].
    #[cfg(all(unix, not(target_vendor = "apple")))]
    pub fn pipe_at(&self, relative: &Path) -> Result<PathBuf, PrivateDirError> {
        let path = self.path().join(relative);
        match self.make_parent(&path).and_then(|()| make_pipe(&path)) {
            Ok(()) => Ok(path),
            Err(source) => Err(PrivateDirError::Write { path, source }),
        }
    }

    fn make_parent(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let parent = path.parent().unwrap_or(self.path());
        builder.recursive(true).create(parent)
    }

    /// Overwrites a file that was written here, as well as a program of the user's can: the system
    /// may have other copies of it.
    pub fn wipe(&self, path: &Path) {
        // to open a pipe that a program put there would wait for a reader
        if !fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()) {
            return;
        }
        let Ok(mut file) = open_to_write(path) else {
            return;
        };
        if let Ok(meta) = file.metadata()
            && meta.is_file()
        {
            let _ = io::copy(&mut io::repeat(0).take(meta.len()), &mut file);
            if !self.in_memory {
                let _ = file.sync_data();
            }
        }
    }

    /// Reads a file that was written here, even if an editor has put another one in its place.
    ///
    /// # Errors
    /// [`PrivateDirError::Read`]; [`PrivateDirError::NotAFile`] for links and the like.
    pub fn read(&self, name: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateDirError> {
        let path = self.path().join(safe_name(name));
        let no_file = fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file());
        if no_file {
            return Err(PrivateDirError::NotAFile { path });
        }
        let read = open_unfollowed(&path).and_then(|file| {
            let length = file.metadata()?.len();
            read_whole(&file, length)
        });
        read.map_err(|source| PrivateDirError::Read { path, source })
    }

    /// Removes it with all that is in it, and says if that failed; dropping it does not.
    ///
    /// # Errors
    /// [`PrivateDirError::Remove`].
    pub fn close(self) -> Result<(), PrivateDirError> {
        let path = self.path().to_path_buf();
        let removed = self.directory.close();
        removed.map_err(|source| PrivateDirError::Remove { path, source })
    }
}

/// Removes what processes of this user that were killed left behind.
pub fn sweep(environment: &Environment) {
    let places = memory_places(environment).into_iter();
    for place in places.chain(disk_places(environment)) {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) && is_ours(&entry.path()) {
                sweep_one(&entry.path());
            }
        }
    }
}

fn sweep_one(path: &Path) {
    // held until it is gone, so that two sweepers and its maker agree
    if let Ok(directory) = open_unfollowed(path)
        && directory.try_lock().is_ok()
    {
        let _ = fs::remove_dir_all(path);
    }
}

/// The last component of `name`, without what would break a terminal or an argument list.
fn safe_name(name: &Path) -> PathBuf {
    let name = name.file_name().unwrap_or(OsStr::new("file"));
    match name.to_str() {
        Some(text) => {
            let safe = text.chars().map(|c| if c.is_control() { '_' } else { c });
            PathBuf::from(safe.collect::<String>())
        }
        None => PathBuf::from(name),
    }
}

/// Temporary directories outside of any work tree.
fn disk_places(environment: &Environment) -> Vec<PathBuf> {
    let mut places = vec![environment.temp_dir()];
    if cfg!(unix) && places[0] != Path::new("/tmp") {
        places.push(PathBuf::from("/tmp"));
    }
    places.retain(|place| !is_in_work_tree(place));
    places
}

fn is_in_work_tree(place: &Path) -> bool {
    let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_path_buf());
    place
        .ancestors()
        .any(|directory| directory.join(".git").exists())
}

/// Directories that live in memory and that others cannot tamper with.
#[cfg(target_os = "linux")]
fn memory_places(environment: &Environment) -> Vec<PathBuf> {
    const RAMFS: u64 = 0x8584_58f6;
    const TMPFS: u64 = 0x0102_1994;
    let user = rustix::process::geteuid().as_raw();
    let runtime = environment.path(XDG_RUNTIME_DIR).map(Path::to_path_buf);
    let usual = [
        PathBuf::from("/dev/shm"),
        PathBuf::from(format!("/run/user/{user}")),
    ];
    let is_memory = |place: &PathBuf| {
        // the type of this field differs between architectures
        #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
        rustix::fs::statfs(place)
            .is_ok_and(|system| matches!(system.f_type as u64 & 0xffff_ffff, RAMFS | TMPFS))
    };
    runtime
        .into_iter()
        .chain(usual)
        .filter(|place| place.is_absolute() && is_safe(place) && is_memory(place))
        .filter(|place| !is_in_work_tree(place))
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn memory_places(_environment: &Environment) -> Vec<PathBuf> {
    let _ = XDG_RUNTIME_DIR;
    Vec::new()
}

/// Ours alone, or root's and sticky.
#[cfg(target_os = "linux")]
fn is_safe(place: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::geteuid().as_raw();
    fs::metadata(place).is_ok_and(|meta| {
        let sticky = meta.uid() == 0 && meta.mode() & 0o1000 != 0;
        meta.is_dir() && (sticky || meta.uid() == user && meta.mode() & 0o022 == 0)
    })
}

#[cfg(unix)]
fn has_room(place: &Path, room: u64) -> bool {
    rustix::fs::statvfs(place)
        .is_ok_and(|system| system.f_bavail.saturating_mul(system.f_frsize) >= room)
}

#[cfg(not(unix))]
fn has_room(_place: &Path, _room: u64) -> bool {
    true
}

#[cfg(unix)]
fn only_for_us<'a, 'b>(
    builder: &'a mut tempfile::Builder<'b, 'b>,
) -> &'a mut tempfile::Builder<'b, 'b> {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o700))
}

/// Windows gives it the access rules of the user's own temporary directory.
#[cfg(not(unix))]
fn only_for_us<'a, 'b>(
    builder: &'a mut tempfile::Builder<'b, 'b>,
) -> &'a mut tempfile::Builder<'b, 'b> {
    builder
}

#[cfg(unix)]
fn is_ours(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == user)
}

/// Nothing tells there whether its process lives.
#[cfg(not(unix))]
fn is_ours(_path: &Path) -> bool {
    false
}

/// Opens and locks the directory. That a file system has no locks means that nobody sweeps it.
#[cfg(unix)]
fn hold(path: &Path) -> io::Result<File> {
    let directory = open_unfollowed(path)?;
    let _ = directory.lock();
    Ok(directory)
}

/// A directory cannot be opened as a file there; any handle does.
#[cfg(not(unix))]
fn hold(_path: &Path) -> io::Result<File> {
    tempfile::tempfile()
}

#[cfg(unix)]
fn open_unfollowed(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    Ok(File::from(file))
}

#[cfg(not(unix))]
fn open_unfollowed(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens a pipe that somebody has opened to read, or waits until somebody does; also a file.
///
/// # Errors
/// As the system says; a link is not followed.
#[cfg(unix)]
pub fn open_to_write(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    Ok(File::from(file))
}

#[cfg(not(unix))]
fn open_to_write(path: &Path) -> io::Result<File> {
    File::options().write(true).open(path)
}

/// Makes a pipe for the user only.
///
/// # Errors
/// Where there is something already, and as the system says.
#[cfg(all(unix, not(target_vendor = "apple")))]
pub fn make_pipe(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, Mode, mkfifoat};
    Ok(mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?)
}

#[cfg(unix)]
fn new_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    // O_EXCL follows no link
    options.write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn new_file(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn environment(temporary: &Path) -> Environment {
        [("TMPDIR", temporary)].into_iter().collect()
    }

    #[test]
    fn it_is_ours_alone_and_goes_with_what_is_in_it() {
        let temporary = tempfile::tempdir().unwrap();
        let private = PrivateDir::new(&environment(temporary.path()), 1).unwrap();
        let path = private.path().to_path_buf();
        let file = private.write(Path::new("a/secrets.yaml"), b"x").unwrap();
        assert_eq!(file, path.join("secrets.yaml"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        fs::create_dir_all(path.join("deep/er")).unwrap();
        private.close().unwrap();
        assert!(!path.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_taken_where_there_is_room() {
        let temporary = tempfile::tempdir().unwrap();
        let environment = environment(temporary.path());
        let expected = !memory_places(&environment).is_empty();
        let private = PrivateDir::new(&environment, 1).unwrap();
        assert_eq!(private.is_memory(), expected);
        let large = PrivateDir::new(&environment, u64::MAX).unwrap();
        assert!(!large.is_memory());
        assert_eq!(large.path().parent(), Some(temporary.path()));
        let strict = [("BULLA_REQUIRE_RAM", "1")].into_iter().collect();
        let refused = PrivateDir::new(&strict, u64::MAX);
        assert!(matches!(refused, Err(PrivateDirError::NotInMemory)));
    }

    #[test]
    fn it_is_never_made_in_a_work_tree() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join(".git")).unwrap();
        let temporary = tree.path().join("tmp");
        fs::create_dir(&temporary).unwrap();
        let private = PrivateDir::new(&environment(&temporary), u64::MAX);
        assert!(private.is_ok_and(|private| !private.path().starts_with(tree.path())));
    }

    #[test]
    fn what_an_editor_put_in_its_place_is_read_unless_it_is_a_link() {
        let temporary = tempfile::tempdir().unwrap();
        let private = PrivateDir::new(&environment(temporary.path()), 1).unwrap();
        let name = Path::new("file");
        let file = private.write(name, b"old").unwrap();
        let new = private.write(Path::new("new"), b"new").unwrap();
        fs::rename(new, &file).unwrap();
        assert_eq!(*private.read(name).unwrap(), b"new");
        fs::remove_file(&file).unwrap();
        assert!(matches!(
            private.read(name),
            Err(PrivateDirError::Read { .. })
        ));
        symlink("/etc/passwd", &file).unwrap();
        assert!(matches!(
            private.read(name),
            Err(PrivateDirError::NotAFile { .. })
        ));
        let again = private.write(name, b"x");
        assert!(matches!(again, Err(PrivateDirError::Write { .. })));
    }

    #[test]
    fn files_and_pipes_stand_exactly_where_they_are_wanted() {
        let temporary = tempfile::tempdir().unwrap();
        let private = PrivateDir::new(&environment(temporary.path()), 1).unwrap();
        let file = private.write_at(Path::new("a/b/c.env"), b"x").unwrap();
        assert_eq!(file, private.path().join("a/b/c.env"));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        let folder = fs::metadata(private.path().join("a")).unwrap();
        assert_eq!(folder.mode() & 0o7777, 0o700);
        private.wipe(&file);
        assert_eq!(fs::read(&file).unwrap(), b"\0");
        let again = private.write_at(Path::new("a/b/c.env"), b"x");
        assert!(matches!(again, Err(PrivateDirError::Write { .. })));
        #[cfg(not(target_vendor = "apple"))]
        {
            use std::os::unix::fs::FileTypeExt;
            let pipe = private.pipe_at(Path::new("p")).unwrap();
            let meta = fs::metadata(pipe).unwrap();
            assert!(meta.file_type().is_fifo());
            assert_eq!(meta.mode() & 0o7777, 0o600);
        }
    }

    #[test]
    fn sweeping_takes_what_nobody_holds() {
        let temporary = tempfile::tempdir().unwrap();
        let environment = environment(temporary.path());
        let private = PrivateDir::new(&environment, u64::MAX).unwrap();
        let stale = temporary.path().join(format!("{PREFIX}stale"));
        fs::create_dir(&stale).unwrap();
        fs::write(stale.join("secret"), "x").unwrap();
        let link = temporary.path().join(format!("{PREFIX}link"));
        symlink("/etc", &link).unwrap();
        sweep(&environment);
        assert!(private.path().exists() && !stale.exists());
        assert!(link.is_symlink() && Path::new("/etc").exists());
    }

    #[test]
    fn sweepers_do_not_keep_others_from_making_one() {
        let place = tempfile::tempdir().unwrap();
        let environment = [("TMPDIR", place.path())].into_iter().collect();
        let sweeping = std::sync::atomic::AtomicBool::new(true);
        let order = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while sweeping.load(order) {
                        sweep(&environment);
                    }
                });
            }
            let made: Vec<_> = (0..300)
                .map(|_| PrivateDir::in_place(place.path(), true).map(|made| made.path().exists()))
                .collect();
            sweeping.store(false, order);
            assert!(made.into_iter().all(|made| made.is_ok_and(|there| there)));
        });
    }

    #[test]
    fn names_are_made_safe() {
        for (name, safe) in [
            ("a/b.yaml", "b.yaml"),
            ("/", "file"),
            ("..", "file"),
            ("a\u{1b}[2Jb\n", "a_[2Jb_"),
            (".env", ".env"),
        ] {
            assert_eq!(safe_name(Path::new(name)), Path::new(safe));
        }
    }
}
