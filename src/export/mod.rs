//! Variables in the formats of those who read them: each with its own quoting, and its own idea
//! of what it cannot hold, which is an error here and never a value that arrives as another.

mod docker;
mod dotenv;
mod github;
mod gitlab;
mod kubernetes;
mod shell;

pub use docker::docker;
pub use dotenv::dotenv;
pub use github::{Target, assignments, masks};
pub use gitlab::{MOST_BYTES, gitlab};
pub use kubernetes::{Secret, SecretError};
pub use shell::shell;

use crate::document::Path;
use crate::variables::Variable;

/// Why a format cannot hold a variable. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ExportError {
    /// Where the value stands.
    pub path: Path,
    /// What has no room.
    pub problem: &'static str,
}

/// The error about a variable, where `is_wrong`.
fn refuse(is_wrong: bool, variable: &Variable, problem: &'static str) -> Result<(), ExportError> {
    if !is_wrong {
        return Ok(());
    }
    let path = variable.path.clone();
    Err(ExportError { path, problem })
}

/// Whether a name is one of shells: letters, digits and `_`, no digit in front.
fn is_identifier(name: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.iter().all(is_word) && name.first().is_some_and(|first| !first.is_ascii_digit())
}

const NOT_AN_IDENTIFIER: &str =
    "its name is none of a variable there: letters, digits and `_`, no digit in front";

const NOT_UTF8: &str = "the value is not UTF-8, and would be changed or refused there";

#[cfg(test)]
mod fakes {
    use super::*;
    use crate::document::Step;
    use zeroize::Zeroizing;

    /// A format of lines.
    type Export = fn(&[Variable]) -> Result<Zeroizing<Vec<u8>>, ExportError>;

    /// A variable; it stands at the root.
    pub(super) fn variable(name: &str, value: impl AsRef<[u8]>) -> Variable {
        Variable {
            name: name.as_bytes().to_vec(),
            value: Zeroizing::new(value.as_ref().to_vec()),
            path: Path(vec![Step::Key(name.as_bytes().to_vec())]),
        }
    }

    /// What `export` makes of one variable, as text; `None` where it has no room.
    pub(super) fn of_one(export: Export, name: &str, value: impl AsRef<[u8]>) -> Option<String> {
        let value = value.as_ref();
        match export(&[variable(name, value)]) {
            Ok(text) => Some(String::from_utf8_lossy(&text).into_owned()),
            Err(error) => {
                let secret = String::from_utf8_lossy(value).into_owned();
                assert!(
                    secret.len() < 4 || !error.to_string().contains(&secret),
                    "{error}"
                );
                None
            }
        }
    }
}
