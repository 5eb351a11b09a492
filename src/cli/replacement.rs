//! A file that is going to take the place of another one: made beside it, under a name of its own,
//! gone with every way out but success.

use super::{
    environment::Environment,
    output::{Content, OutputError, Warning, write_error},
    process::{self, Cleanup},
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// How many letters of chance a temporary name ends with.
const LETTERS: usize = 6;

/// A temporary file beside the one that it is going to be.
pub(super) struct Temporary {
    named: NamedTempFile<File>,
    /// Removes it on a signal; withdrawn after the file itself is gone or in its place.
    _cleanup: Option<Cleanup>,
}

impl Temporary {
    /// Makes `.NAME.bulla-XXXXXX` in the directory of `target`.
    pub(super) fn beside(target: &Path, mode: u32) -> io::Result<Self> {
        let mut cleanup = None;
        let named = tempfile::Builder::new()
            .prefix(&prefix(target))
            .rand_bytes(LETTERS)
            .make_in(directory_of(target), |path| {
                let doomed = path.to_path_buf();
                cleanup = Some(process::on_exit_signal(move || {
                    let _ = fs::remove_file(doomed);
                })?);
                new_file(path, mode)
            })?;
        Ok(Self {
            named,
            _cleanup: cleanup,
        })
    }

    pub(super) fn file(&self) -> &File {
        self.named.as_file()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.named.as_file_mut().write_all(bytes)
    }

    /// Writes all that is going to be in it, down to the disk.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)?;
        self.file().sync_all()
    }

    /// Takes the place of `target`.
    pub(super) fn become_file(self, target: &Path) -> io::Result<()> {
        self.named
            .persist(target)
            .map_err(|refused| refused.error)?;
        Ok(())
    }

    /// Takes the name `target`, if nothing has it.
    pub(super) fn become_new(self, target: &Path) -> io::Result<()> {
        let placed = self.named.persist_noclobber(target);
        placed.map_err(|refused| refused.error)?;
        Ok(())
    }

    /// Stays what and where it is.
    pub(super) fn stay(self) -> io::Result<PathBuf> {
        let (_, path) = self.named.keep().map_err(|refused| refused.error)?;
        Ok(path)
    }
}

/// Why no file was put in the place of another.
pub(super) enum SwapError {
    /// No file can be put there, whatever it is.
    Refused(io::Error),
    /// This one cannot.
    Failed(io::Error),
}

impl SwapError {
    fn of(source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match source.kind() {
            Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::ResourceBusy
            | Kind::CrossesDevices => Self::Refused(source),
            _ => Self::Failed(source),
        }
    }
}

/// Puts a file with `new` and the attributes of `old` at `target`.
pub(super) fn swap(
    target: &Path,
    old: &File,
    new: &[u8],
    content: Content,
    warnings: &mut Vec<Warning>,
) -> Result<(), SwapError> {
    let mut temporary = Temporary::beside(target, 0o600).map_err(SwapError::of)?;
    temporary.write(new).map_err(SwapError::Failed)?;
    let kept = keep_attributes(old, temporary.file(), content, warnings);
    kept.and_then(|()| temporary.file().sync_all())
        .map_err(SwapError::Failed)?;
    temporary.become_file(target).map_err(SwapError::of)?;
    warnings.extend(flush(directory_of(target)));
    Ok(())
}

/// Overwrites `target`, with a copy of `new` elsewhere for as long as it takes.
pub(super) fn overwrite(
    target: &Path,
    new: &[u8],
    environment: &Environment,
    refused: io::Error,
) -> Result<(), OutputError> {
    let not_writable = |source| write_error(target, source);
    let Ok(mut file) = File::options().write(true).open(target) else {
        // that nothing can be put beside it is what the user can mend
        return Err(not_writable(refused));
    };
    let rescue = keep_copy(target, new, environment).map_err(not_writable)?;
    let written = process::undisturbed(|| {
        file.write_all(new)?;
        file.set_len(new.len() as u64)?;
        file.sync_all()
    });
    match written.and_then(|done| done) {
        Ok(()) => {
            // a copy that stays is encrypted and does no harm
            let _ = fs::remove_file(rescue);
            Ok(())
        }
        Err(source) => Err(OutputError::Torn {
            path: target.to_path_buf(),
            rescue,
            source,
        }),
    }
}

/// A flushed copy of encrypted content in the user's state directory, or among temporary files.
fn keep_copy(target: &Path, new: &[u8], environment: &Environment) -> io::Result<PathBuf> {
    let state = environment.state_dir();
    let places = state.into_iter().chain([environment.temp_dir()]);
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for place in places {
        let copied = fs::create_dir_all(&place).and_then(|()| {
            let name = target.file_name().unwrap_or_default();
            let mut copy = Temporary::beside(&place.join(name), 0o600)?;
            copy.fill(new)?;
            let path = copy.stay()?;
            File::open(&place)?.sync_all()?;
            Ok(path)
        });
        match copied {
            Ok(path) => return Ok(path),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The directory in which `path` stands.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes what writers of `target` that were killed left beside it. Only under its lock.
pub(super) fn sweep(target: &Path) {
    let prefix = prefix(target);
    let prefix = prefix.as_encoded_bytes();
    let Ok(entries) = fs::read_dir(directory_of(target)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let letters = name.as_encoded_bytes().strip_prefix(prefix);
        if letters.is_some_and(|letters| {
            letters.len() == LETTERS && letters.iter().all(u8::is_ascii_alphanumeric)
        }) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn prefix(target: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    // a name of 255 bytes leaves no room for more
    let name = target.file_name().filter(|name| name.len() <= 200);
    prefix.push(name.unwrap_or_default());
    prefix.push(".bulla-");
    prefix
}

#[cfg(unix)]
fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn new_file(path: &Path, _mode: u32) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

/// Makes a rename last. Where that is not possible, the file is in place all the same.
#[cfg(unix)]
pub(super) fn flush(directory: &Path) -> Option<Warning> {
    let flushed = File::open(directory).and_then(|directory| directory.sync_all());
    match flushed {
        // some network file systems cannot, and need not
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
        Err(_) => Some(Warning::NotFlushed),
        Ok(()) => None,
    }
}

#[cfg(not(unix))]
pub(super) fn flush(_directory: &Path) -> Option<Warning> {
    None
}

/// Gives `new` owner, mode and extended attributes (access rules among them) of `old`.
#[cfg(unix)]
pub(super) fn keep_attributes(
    old: &File,
    new: &File,
    content: Content,
    warnings: &mut Vec<Warning>,
) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let (was, is) = (old.metadata()?, new.metadata()?);
    if was.nlink() > 1 {
        let count = was.nlink();
        warnings.push(Warning::HardLinks { count });
    }
    let mut mode = was.mode() & 0o7777;
    if was.gid() != is.gid() && fchown(new, None, Some(was.gid())).is_err() {
        warnings.push(Warning::Owner);
        if content == Content::Plain {
            // its rights were meant for another group
            mode &= !0o070;
        }
    }
    if was.uid() != is.uid()
        && fchown(new, Some(was.uid()), None).is_err()
        && !warnings.contains(&Warning::Owner)
    {
        warnings.push(Warning::Owner);
    }
    // a file system without modes gives all its files the same
    let moded = new
        .set_permissions(fs::Permissions::from_mode(mode))
        .is_ok();
    if !(copy_xattrs(old, new) && moded) {
        warnings.push(Warning::Attributes);
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn keep_attributes(
    old: &File,
    new: &File,
    _content: Content,
    _warnings: &mut Vec<Warning>,
) -> io::Result<()> {
    new.set_permissions(old.metadata()?.permissions())
}

/// Copies extended attributes; `false` where one of the user's own is lost.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn copy_xattrs(old: &File, new: &File) -> bool {
    use rustix::{
        fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr},
        io::Errno,
    };
    // the largest list and value that Linux has
    let mut names = vec![0; 64 << 10];
    let count = match flistxattr(old, &mut names[..]) {
        Ok(count) => count,
        Err(error) => return error == Errno::OPNOTSUPP,
    };
    let mut value = vec![0; 64 << 10];
    let mut complete = true;
    for name in names[..count].split(|byte| *byte == 0) {
        if name.is_empty() {
            continue;
        }
        let copied = fgetxattr(old, name, &mut value[..])
            .and_then(|length| fsetxattr(new, name, &value[..length], XattrFlags::empty()));
        // labels of the system are the system's to give
        let matters = !name.starts_with(b"security.") && !name.starts_with(b"trusted.");
        complete &= copied.is_ok() || !matters;
    }
    complete
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
fn copy_xattrs(_old: &File, _new: &File) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn environment(place: &Path) -> Environment {
        [("XDG_STATE_HOME", place.join("state"))]
            .into_iter()
            .collect()
    }

    fn refused() -> io::Error {
        io::ErrorKind::ResourceBusy.into()
    }

    #[test]
    fn overwriting_keeps_the_inode_and_removes_its_copy() {
        let place = tempfile::tempdir().unwrap();
        let environment = environment(place.path());
        let file = place.path().join("file");
        fs::write(&file, "old and longer").unwrap();
        let before = fs::metadata(&file).unwrap().ino();
        overwrite(&file, b"new", &environment, refused()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().ino(), before);
        let state = environment.state_dir().unwrap();
        assert_eq!(fs::read_dir(state).unwrap().count(), 0);
    }

    #[test]
    fn overwriting_that_fails_names_the_copy() {
        let place = tempfile::tempdir().unwrap();
        let environment = environment(place.path());
        let result = overwrite(Path::new("/dev/full"), b"new", &environment, refused());
        let Err(OutputError::Torn { rescue, .. }) = result else {
            panic!("{result:?}")
        };
        assert_eq!(fs::read_to_string(&rescue).unwrap(), "new");
        assert_eq!(
            fs::metadata(&rescue).unwrap().permissions().mode() & 0o7777,
            0o600
        );
    }
}
