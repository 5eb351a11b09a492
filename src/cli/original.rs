//! A file as it was read, so that it can be told whether somebody else has changed it since.

use super::{
    lock::{Lock, Patience},
    output::OutputError,
};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A file as it was read, so that a later change of it loses nobody else's work.
pub struct Original {
    path: PathBuf,
    target: PathBuf,
    digest: [u8; 32],
    text: Zeroizing<Vec<u8>>,
    lock: Lock,
}

impl Original {
    /// Reads a file that is going to be changed, and keeps other writers off until it is dropped.
    ///
    /// # Errors
    /// [`OutputError::Lock`] where another process is at it for longer than `patience`,
    /// [`OutputError::NotAFile`] for what cannot be replaced, [`OutputError::Read`].
    pub fn claim(path: &Path, patience: Patience<'_>) -> Result<Self, OutputError> {
        let failed = |source| read_error(path, source);
        let target = fs::canonicalize(path).map_err(failed)?;
        if !fs::metadata(&target).map_err(failed)?.is_file() {
            let path = path.to_path_buf();
            return Err(OutputError::NotAFile { path });
        }
        let lock = Lock::acquire(&target, patience)?;
        let text = read_file(lock.file()).map_err(failed)?;
        Ok(Self {
            path: path.to_path_buf(),
            target,
            digest: Sha256::digest(&*text).into(),
            text,
            lock,
        })
    }

    /// What was read.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Gives away what was read; whether the file changed is still noticed.
    pub fn take_text(&mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut self.text)
    }

    /// Whether `bytes` are what was read.
    pub(super) fn is_text(&self, bytes: &[u8]) -> bool {
        Sha256::digest(bytes)[..] == self.digest
    }

    /// Whether the path still leads to the same target, and `file`, which stands there, still says
    /// what was read.
    pub(super) fn is_still(&self, file: &File) -> io::Result<bool> {
        let there = fs::canonicalize(&self.path).is_ok_and(|path| path == self.target);
        Ok(there && digest(file)? == self.digest)
    }

    pub(super) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The path as the user gave it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, behind all symbolic links.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }
}

/// Neither text nor digest: a short secret could be guessed from it.
impl fmt::Debug for Original {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Original")
            .field("path", &self.path)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// Reads a file, a pipe or a device that is not going to be changed; waits for no lock.
///
/// # Errors
/// [`OutputError::Read`].
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, OutputError> {
    File::open(path)
        .and_then(|file| read_file(&file))
        .map_err(|source| read_error(path, source))
}

/// Reads to the end, without a copy left behind in memory when the buffer grows.
/// `expected` is how many bytes there probably are.
///
/// # Errors
/// What reading gives.
pub(super) fn read_whole(mut source: impl Read, expected: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(vec![0; expected.clamp(4 << 10, MOST) + 1]);
    let mut length = 0;
    loop {
        match source.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length > MOST {
            let problem = "files of 4 GiB and more are too large";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        if length == text.len() {
            let mut longer = Zeroizing::new(vec![0; length * 2]);
            longer[..length].copy_from_slice(&text);
            text = longer;
        }
    }
    text.truncate(length);
    Ok(text)
}

/// The bytes of the largest file that is read.
const MOST: usize = u32::MAX as usize - 1;

pub(super) fn read_error(path: &Path, source: io::Error) -> OutputError {
    let path = path.to_path_buf();
    OutputError::Read { path, source }
}

fn read_file(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = file.metadata()?.len();
    read_whole(file, length)
}

fn digest(mut file: &File) -> io::Result<[u8; 32]> {
    file.rewind()?;
    let mut digest = Sha256::new();
    let mut block = Zeroizing::new(vec![0; 64 << 10]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(digest.finalize().into()),
            Ok(count) => digest.update(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_at_the_end_whatever_was_expected() {
        let text = vec![7; 20_000];
        for expected in [0, 5, 20_000, 1 << 20] {
            assert_eq!(*read_whole(&text[..], expected).unwrap(), text);
        }
    }
}
