//! The audit log as a local file of JSON lines, which is only ever appended to.

use super::record::Record;
use super::settings::FileSettings;
use super::{Backend, BackendError};
use crate::cli::Context;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};

/// A file that can be appended to.
pub struct JsonLines {
    settings: FileSettings,
}

impl JsonLines {
    /// Looks whether the file can be appended to; makes it where it is not there.
    ///
    /// # Errors
    /// Where it cannot be appended to, or is no ordinary file.
    pub fn open(settings: &FileSettings) -> Result<Self, BackendError> {
        let settings = settings.clone();
        appendable(&settings)?;
        Ok(Self { settings })
    }
}

impl Backend for JsonLines {
    /// One write, so that entries of several processes do not mix; on disk when it returns. The
    /// file is opened each time: while an editor runs, another one may have taken its place.
    fn write(&mut self, _context: &Context, record: &Record) -> Result<(), BackendError> {
        let mut file = appendable(&self.settings)?;
        let line = record.line() + "\n";
        let kept = match file.write(line.as_bytes()) {
            Ok(count) if count == line.len() => file.sync_all(),
            Ok(_) => Err(ErrorKind::WriteZero.into()),
            Err(error) => Err(error),
        };
        kept.map_err(|error| {
            let path = self.settings.path.display();
            BackendError::new(format!("cannot write to {path}: {error}"))
                .hint("is the disk full? the last line of the file may be cut off")
        })
    }
}

fn appendable(settings: &FileSettings) -> Result<File, BackendError> {
    let file = opened(settings).map_err(|error| describe(settings, &error))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        let path = settings.path.display();
        return Err(BackendError::new(format!("{path} is no ordinary file")));
    }
    Ok(file)
}

fn opened(settings: &FileSettings) -> io::Result<File> {
    match options().open(&settings.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found,
    }
    match made(settings) {
        // another process was first
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options().open(&settings.path),
        made => made,
    }
}

/// For appending; no symbolic link is followed to where somebody else would have it, and nothing
/// is waited for.
#[cfg(unix)]
fn options() -> OpenOptions {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(flags.bits() as i32);
    options
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true);
    options
}

/// A new file with the group and the permissions of the configuration, whatever the umask is.
#[cfg(unix)]
fn made(settings: &FileSettings) -> io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
    let group = settings.group.as_deref().map(group_id).transpose()?;
    let file = options()
        .create_new(true)
        .mode(0o600)
        .open(&settings.path)?;
    if group.is_some() {
        fchown(&file, None, group)?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(settings.mode))?;
    Ok(file)
}

#[cfg(unix)]
fn group_id(name: &str) -> io::Result<u32> {
    let found = nix::unistd::Group::from_name(name).map_err(io::Error::from)?;
    let unknown = || io::Error::other(format!("there is no group {name}"));
    Ok(found.ok_or_else(unknown)?.gid.as_raw())
}

#[cfg(not(unix))]
fn made(settings: &FileSettings) -> io::Result<File> {
    options().create_new(true).open(&settings.path)
}

fn describe(settings: &FileSettings, error: &io::Error) -> BackendError {
    let path = settings.path.display();
    let described = BackendError::new(format!("cannot append to {path}: {error}"));
    match error.kind() {
        ErrorKind::NotFound => described.hint("the folder must be there: bulla makes none"),
        ErrorKind::PermissionDenied => {
            described.hint("everybody who decrypts on this machine must be able to append to it")
        }
        _ => described,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    fn settings(path: PathBuf) -> FileSettings {
        FileSettings {
            path,
            mode: 0o640,
            group: None,
        }
    }

    fn problem(path: PathBuf) -> String {
        let opened = JsonLines::open(&settings(path));
        opened.err().expect("an error").message
    }

    #[test]
    fn a_new_file_has_the_permissions_of_the_configuration_and_an_old_one_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        JsonLines::open(&settings(path.clone())).unwrap();
        assert_eq!(mode(), 0o640);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        JsonLines::open(&settings(path.clone())).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn links_pipes_folders_and_unknown_groups_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("/etc/hostname", at("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
        assert!(problem(at("link")).contains("symbolic link"));
        assert!(problem(at("pipe")).contains("cannot append"));
        assert!(problem(at("none/log")).contains("No such file"));
        assert!(problem(folder.path().into()).contains("directory"));
        assert!(problem("/dev/null".into()).ends_with("is no ordinary file"));
        let settings = FileSettings {
            group: Some("no-such-group".into()),
            ..settings(at("new"))
        };
        let problem = JsonLines::open(&settings).err().unwrap().message;
        assert!(
            problem.ends_with("there is no group no-such-group"),
            "{problem}"
        );
        assert!(!at("new").exists());
    }
}
