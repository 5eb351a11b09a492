//! The throw-away age keys of `testdata/keys`.

use super::repository;

/// An age identity and its recipient.
pub(crate) struct Key {
    /// `age1…`
    pub(crate) recipient: String,
    /// `AGE-SECRET-KEY-1…`
    pub(crate) identity: String,
}

/// The key called `name`: `alice`, `bob`, `carol` or `mallory`.
pub(crate) fn age_key(name: &str) -> Key {
    let path = repository("testdata/keys").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let find = |prefix: &str| {
        text.lines()
            .find_map(|line| line.find(prefix).map(|at| line[at..].to_owned()))
            .unwrap_or_else(|| panic!("no {prefix} in {}", path.display()))
    };
    Key {
        recipient: find("age1"),
        identity: find("AGE-SECRET-KEY-1"),
    }
}
