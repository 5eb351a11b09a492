//! A file that is going to take the place of another one: made beside it, under a name of its own,
//! gone with every way out but success.

use super::{
    output::{Content, Warning},
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
    new.set_permissions(fs::Permissions::from_mode(mode))?;
    if !copy_xattrs(old, new) {
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
