//! Plaintexts in a private directory, served to a command: as ordinary files, or through pipes
//! that hold nothing while nobody reads.
//!
//! A pipe is fed by threads. As soon as somebody has opened it, another pipe is put in its place,
//! so that who opens it next gets the whole text, too, and not the rest of the first one's.

use super::private_dir::{PrivateDir, PrivateDirError};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The files or pipes that are being served.
pub struct Served {
    paths: Vec<PathBuf>,
    progress: Arc<Progress>,
    is_files: bool,
}

/// What the threads and the command tell one another.
#[derive(Default)]
pub struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many of the pipes nobody has read yet.
    unread: usize,
    /// The command has ended.
    ended: bool,
    /// The directory is going: no pipe may be made in it any more.
    closing: bool,
}

/// Writes `texts` to files called `names`.
///
/// # Errors
/// Where one cannot be written.
pub fn files(
    directory: &PrivateDir,
    names: &[PathBuf],
    texts: &[Zeroizing<Vec<u8>>],
) -> Result<Served, PrivateDirError> {
    let written = names.iter().zip(texts);
    let paths: Result<_, _> = written
        .map(|(name, text)| directory.write_at(name, text))
        .collect();
    Ok(Served {
        paths: paths?,
        progress: Arc::default(),
        is_files: true,
    })
}

/// Has `texts` read from pipes called `names`.
///
/// # Errors
/// Where one cannot be made.
#[cfg(all(unix, not(target_vendor = "apple")))]
pub fn pipes(
    directory: &PrivateDir,
    names: &[PathBuf],
    texts: Vec<Zeroizing<Vec<u8>>>,
) -> Result<Served, PrivateDirError> {
    let progress = Arc::new(Progress::default());
    progress.state().unread = names.len();
    let mut paths = Vec::with_capacity(names.len());
    for (name, text) in names.iter().zip(texts) {
        let path = directory.pipe_at(name)?;
        paths.push(path.clone());
        let progress = Arc::clone(&progress);
        let feeder = std::thread::Builder::new().name("pipe".into());
        let started = feeder.spawn({
            let path = path.clone();
            let text = Arc::new(text);
            move || feed::feed(&path, &text, &progress)
        });
        started.map_err(|source| PrivateDirError::Write { path, source })?;
    }
    Ok(Served {
        paths,
        progress,
        is_files: false,
    })
}

/// There are none: files are served.
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
pub fn pipes(
    directory: &PrivateDir,
    names: &[PathBuf],
    texts: Vec<Zeroizing<Vec<u8>>>,
) -> Result<Served, PrivateDirError> {
    files(directory, names, &texts)
}

impl Served {
    /// Where they are.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// What can be told that the command has ended.
    pub fn teller(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Waits until every pipe has been read once, or the command has ended.
    pub fn wait_until_read(&self) {
        let state = self.progress.state();
        let progress = &self.progress.changed;
        drop(progress.wait_while(state, |state| state.unread > 0 && !state.ended));
    }

    /// No more is served; what lies in files is overwritten. A thread that waits for a reader
    /// goes on waiting, and ends with this process.
    pub fn end(self, directory: &PrivateDir) {
        self.progress.state().closing = true;
        if self.is_files {
            for path in &self.paths {
                directory.wipe(path);
            }
        }
    }
}

impl Progress {
    /// The command has ended.
    pub fn tell_ended(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(unix, not(target_vendor = "apple")))]
mod feed {
    use super::Progress;
    use crate::cli::failure::warn;
    use crate::cli::private_dir::{make_pipe, open_to_write};
    use std::fs::{self, File};
    use std::io::{self, Write};
    use std::os::unix::fs::FileTypeExt;
    use std::path::Path;
    use std::sync::Arc;
    use zeroize::Zeroizing;

    /// Writes `text` to whoever opens the pipe at `path`, until the pipe is gone.
    pub(super) fn feed(path: &Path, text: &Arc<Zeroizing<Vec<u8>>>, progress: &Arc<Progress>) {
        let mut is_first = true;
        // waits for a reader
        while let Some(mut pipe) = open_pipe(path) {
            let renewed = renew(path, progress);
            let counts = std::mem::take(&mut is_first);
            let (text, progress) = (Arc::clone(text), Arc::clone(progress));
            // its own thread: somebody may open the next pipe before having read this one
            let writer = std::thread::Builder::new().spawn(move || {
                write(&mut pipe, &text);
                drop(pipe);
                if counts {
                    progress.state().unread -= 1;
                    progress.changed.notify_all();
                }
            });
            if let Err(error) = &writer {
                warn(format!("cannot write to {}: {error}", path.display()));
            }
            if writer.is_err() || renewed.is_err() {
                return;
            }
        }
    }

    fn write(pipe: &mut File, text: &[u8]) {
        match pipe.write_all(text) {
            // who stops reading early has had enough
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                warn(format!("a pipe cannot be written to: {error}"));
            }
            _ => {}
        }
    }

    /// The pipe at `path`; `None` where somebody has put something else there.
    fn open_pipe(path: &Path) -> Option<File> {
        let file = open_to_write(path).ok()?;
        let is_pipe = file.metadata().ok()?.file_type().is_fifo();
        is_pipe.then_some(file)
    }

    /// Puts a new pipe in the place of the one that is there.
    fn renew(path: &Path, progress: &Progress) -> io::Result<()> {
        let state = progress.state();
        if state.closing {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut new = path.as_os_str().to_owned();
        new.push(".next");
        make_pipe(Path::new(&new))?;
        fs::rename(new, path)
    }
}
