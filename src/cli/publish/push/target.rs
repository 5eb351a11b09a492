//! What is published, and where to: entries by name, and a store of some provider that has them or
//! not. Nothing is written before it is known what is there.

use crate::cli::publish::recreate::Origin;
use crate::cli::services::REQUEST;
use crate::keys::ServiceError;
use futures_util::future::LocalBoxFuture;
use std::time::Duration;
use zeroize::Zeroizing;

/// What a service is waited for.
pub type Work<'a, T> = LocalBoxFuture<'a, Result<T, ServiceError>>;

/// A store that holds entries by name.
pub trait Target {
    /// The name there of a file, or of the value of it to which `steps` lead.
    ///
    /// # Errors
    /// Where no such name can be there: what is wrong with it.
    fn name(&self, file: &str, steps: &[String]) -> Result<String, String>;

    /// Where the entry of this name is, for people.
    fn place(&self, name: &str) -> String;

    /// What is there under a name.
    fn read<'a>(&'a self, name: &'a str) -> Work<'a, Found>;

    /// Puts an entry there. `found` is what [`Target::read`] gave.
    fn write<'a>(&'a self, entry: &'a Entry, found: &'a Found) -> Work<'a, ()>;

    /// What tells an entry of this name from all others, where that is not how it is written.
    fn identity(&self, name: &str) -> String {
        self.place(name)
    }

    /// How the External Secrets Operator is told of an entry.
    fn remote_key(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// Something to be published.
pub struct Entry {
    /// What it is called in the store.
    pub name: String,
    /// The way to the value in its file; empty for a whole file.
    pub steps: Vec<String>,
    /// What is stored.
    pub content: Zeroizing<Vec<u8>>,
    /// How it is compared with what is there.
    pub kind: Kind,
}

/// What a content is.
pub enum Kind {
    /// Bytes, and nothing else.
    Bytes,
    /// A JSON object of the values of a file.
    Values,
    /// An encrypted file that no other run makes in the same way, and what tells whether it is of
    /// the same origin; see [`Origin`].
    Recreated(Origin),
}

/// What is in a store under a name.
pub enum Found {
    /// Nothing.
    Nothing,
    /// Something.
    Content(Zeroizing<Vec<u8>>),
    /// Something that cannot be the same: of another type, or locked up.
    Other,
    /// It may not be looked at.
    Unknown(ServiceError),
}

/// The parts of a name with `separator` between them.
pub fn joined(prefix: &str, file: &str, steps: &[String], separator: &str) -> String {
    let mut name = format!("{prefix}{file}");
    for step in steps {
        name.push_str(separator);
        name.push_str(step);
    }
    name
}

/// A name where slashes, dots and `more` become dashes, as there is nothing else for them.
pub fn dashed(name: &str, more: &[char]) -> String {
    let is_other = |c: char| c == '/' || c == '.' || more.contains(&c);
    name.chars()
        .map(|c| if is_other(c) { '-' } else { c })
        .collect()
}

/// A name that has only letters, digits and `others`, and at most `most` of them.
///
/// # Errors
/// What is wrong with it.
pub fn checked(name: String, others: &[char], most: usize) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(&c);
    if let Some(odd) = name.chars().find(|c| !fits(*c)) {
        return Err(format!("{name:?}: names have no {odd:?} there"));
    }
    if name.is_empty() || name.len() > most {
        return Err(format!("{name:?}: names have 1 to {most} characters there"));
    }
    Ok(name)
}

/// How long a store is waited for that is sent `body`.
#[must_use]
pub fn patience(body: &[u8]) -> Duration {
    const BYTES_A_SECOND: usize = 100_000;
    REQUEST + Duration::from_secs((body.len() / BYTES_A_SECOND) as u64)
}

/// A text as a part of a URL: letters, digits, `-._~` and `kept` stand there as they are.
#[must_use]
pub fn percent_encoded(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric() || "-._~".contains(letter) || kept.contains(letter) {
            encoded.push(letter);
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_has_other_uses_for_is_encoded() {
        assert_eq!(percent_encoded("a/b c+ä~", "/"), "a/b%20c%2B%C3%A4~");
        assert_eq!(percent_encoded("a/b", ""), "a%2Fb");
    }

    #[test]
    fn names_are_made_to_fit_and_refused_where_they_cannot() {
        let steps = ["a.b".to_owned(), "0".to_owned()];
        let name = joined("p/", "dir/f.yaml", &steps, "/");
        assert_eq!(name, "p/dir/f.yaml/a.b/0");
        assert_eq!(dashed(&name, &[]), "p-dir-f-yaml-a-b-0");
        assert_eq!(checked("a_b".to_owned(), &['_'], 3), Ok("a_b".to_owned()));
        assert!(checked("a b".to_owned(), &['_'], 3).is_err());
        assert!(checked("abcd".to_owned(), &[], 3).is_err());
    }
}
