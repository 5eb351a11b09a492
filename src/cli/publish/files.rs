//! Which files are published, and what they are called where they go.

use crate::cli::failure::{Failure, Outcome, Status};
use std::path::{Path, PathBuf};

/// The configuration, which nobody means to publish with the folder it lies in.
const CONFIGURATION: &str = ".sops.yaml";

/// A file to be published.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Its path, as far as the user wrote it.
    pub path: PathBuf,
    /// Its path below what the user named; its own name where that is a file.
    pub name: String,
}

/// The file at `path`; where that is a folder all below it, in the order of their names.
///
/// # Errors
/// Where there is none, or a folder is not to be looked into.
pub fn below(path: &Path, recursive: bool) -> Outcome<Vec<File>> {
    let meta = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !meta.is_dir() {
        let name = path.file_name().unwrap_or(path.as_os_str());
        return Ok(vec![File {
            path: path.to_path_buf(),
            name: text(path, Path::new(name))?,
        }]);
    }
    if !recursive {
        let message = format!(
            "{}: can't operate on a directory without --recursive flag",
            path.display()
        );
        return Err(Failure::new(Status::General, message));
    }
    let mut found = Vec::new();
    // `./folder` is `folder` in the paths of what is in it, as in sops
    let mut open: Vec<PathBuf> = vec![path.components().collect()];
    let root = open[0].clone();
    while let Some(path) = open.pop() {
        let meta = std::fs::symlink_metadata(&path).map_err(|error| unreadable(&path, &error))?;
        if !meta.is_dir() && path != root {
            if path.file_name().is_some_and(|name| name != CONFIGURATION) {
                let name = text(&path, path.strip_prefix(&root).unwrap_or(&path))?;
                found.push(File { path, name });
            }
            continue;
        }
        let entries = std::fs::read_dir(&path).map_err(|error| unreadable(&path, &error))?;
        let entries = entries.map(|entry| entry.map(|entry| path.join(entry.file_name())));
        let mut entries: Vec<PathBuf> = entries
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(&path, &error))?;
        entries.sort();
        open.extend(entries.into_iter().rev());
    }
    Ok(found)
}

/// A name without its extension, where anything is left.
#[must_use]
pub fn without_extension(name: &str) -> &str {
    let start = name.rfind('/').map_or(0, |at| at + 1);
    match name[start..].rfind('.') {
        Some(at) if at > 0 => &name[..start + at],
        _ => name,
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    Failure::new(
        Status::General,
        match error.kind() {
            std::io::ErrorKind::NotFound => format!("{path}: no such file"),
            _ => format!("{path}: {error}"),
        },
    )
}

/// A relative path as a name, with slashes on every system.
fn text(path: &Path, name: &Path) -> Outcome<String> {
    let parts: Option<Vec<&str>> = name.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| {
        let message = format!(
            "{}: a name that is no text cannot be published",
            path.display()
        );
        Failure::new(Status::General, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_names_and_without_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/deep")).unwrap();
        for name in [
            "b/deep/x.yaml",
            "c.yaml",
            "a.yaml",
            "b/.sops.yaml",
            ".sops.yaml",
        ] {
            std::fs::write(root.join(name), "").unwrap();
        }
        let names: Vec<String> = below(root, true)
            .unwrap()
            .into_iter()
            .map(|f| f.name)
            .collect();
        assert_eq!(names, ["a.yaml", "b/deep/x.yaml", "c.yaml"]);
        assert!(
            below(root, false)
                .unwrap_err()
                .message
                .contains("--recursive")
        );
        let one = below(&root.join("c.yaml"), true).unwrap();
        assert_eq!(one[0].name, "c.yaml");
    }

    #[test]
    fn the_last_extension_goes_and_never_the_whole_name() {
        for (name, without) in [
            ("a.yaml", "a"),
            ("d.x/a.enc.yaml", "d.x/a.enc"),
            ("d.x/a", "d.x/a"),
            (".env", ".env"),
            ("d/.env", "d/.env"),
        ] {
            assert_eq!(without_extension(name), without);
        }
    }
}
