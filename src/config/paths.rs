//! Path arithmetic, without a disk: where a configuration may lie, and which text its
//! rules are matched against.

use std::path::{Component, Path, PathBuf};

/// Levels searched for a configuration.
const LEVELS: usize = 100;

/// Where to look for the configuration of what lies in `start`, an absolute directory:
/// `.sops.yaml` there and in every directory above, nearest first.
pub fn candidates(start: &Path) -> impl Iterator<Item = PathBuf> {
    let mut directory = Some(clean(start));
    std::iter::from_fn(move || {
        let here = directory.take()?;
        directory = here.parent().map(Path::to_owned);
        Some(here.join(".sops.yaml"))
    })
    .take(LEVELS)
}

/// The file beside a candidate that bears the wrong name: it is never read, and worth a warning.
#[must_use]
pub fn companion(candidate: &Path) -> PathBuf {
    candidate.with_file_name(".sops.yml")
}

/// The path that rules are matched against: relative to `config_dir` for a file below it,
/// else whole. Both are absolute.
#[must_use]
pub fn subject(file: &Path, config_dir: &Path) -> PathBuf {
    let (file, directory) = (clean(file), clean(config_dir));
    // Below the root sops matches the whole path.
    if directory.parent().is_none() {
        return file;
    }
    match file.strip_prefix(&directory) {
        Ok(below) if below.components().next().is_some() => below.to_owned(),
        _ => file,
    }
}

/// An absolute path without `.`, `..` and doubled separators; links are not followed.
#[must_use]
pub fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                cleaned.pop();
            }
            _ => cleaned.push(component),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_text() {
        for (path, cleaned) in [
            ("/a/./b//c/", "/a/b/c"),
            ("/a/../b", "/b"),
            ("/../../a", "/a"),
            ("/a/b/../..", "/"),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(cleaned), "{path}");
        }
    }

    #[test]
    fn the_subject_is_relative_below_the_configuration_only() {
        let subject = |file, dir| {
            subject(Path::new(file), Path::new(dir))
                .display()
                .to_string()
        };
        assert_eq!(subject("/r/a/b.yaml", "/r"), "a/b.yaml");
        assert_eq!(subject("/r/a/b.yaml", "/r/x/.."), "a/b.yaml");
        assert_eq!(subject("/rest/b.yaml", "/r"), "/rest/b.yaml");
        assert_eq!(subject("/b.yaml", "/r"), "/b.yaml");
        assert_eq!(subject("/a/b.yaml", "/"), "/a/b.yaml");
        assert_eq!(subject("/r", "/r"), "/r");
    }

    #[test]
    fn the_nearest_configuration_comes_first() {
        let found: Vec<_> = candidates(Path::new("/a/x/../b")).collect();
        assert_eq!(
            found,
            ["/a/b/.sops.yaml", "/a/.sops.yaml", "/.sops.yaml"].map(PathBuf::from)
        );
        assert_eq!(companion(&found[1]), Path::new("/a/.sops.yml"));
    }

    #[test]
    fn the_search_ends() {
        let deep = PathBuf::from(format!("/{}", "d/".repeat(500)));
        assert_eq!(candidates(&deep).count(), 100);
    }
}
