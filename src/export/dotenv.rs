//! For readers of dotenv files: `NAME=value`, quoted where it has to be.
//!
//! There is no standard. What is written here is read alike by shells (`set -a; . ./.env`), Docker
//! Compose and the libraries of node, Python, Ruby and Go; what they read differently is refused.
//! sops's own dotenv files know no quotes: for those there is `decrypt --output-type dotenv`.

use super::{ExportError, NOT_AN_IDENTIFIER, NOT_UTF8, is_identifier, refuse};
use crate::document::secret::append;
use crate::variables::Variable;
use zeroize::Zeroizing;

/// A line for each variable, or several where its value has several.
///
/// # Errors
/// [`ExportError`] for what readers do not agree on.
pub fn dotenv(variables: &[Variable]) -> Result<Zeroizing<Vec<u8>>, ExportError> {
    let mut text = Zeroizing::default();
    for variable in variables {
        refuse(!is_identifier(&variable.name), variable, NOT_AN_IDENTIFIER)?;
        let value = variable.value.as_slice();
        refuse(std::str::from_utf8(value).is_err(), variable, NOT_UTF8)?;
        let has_return = value.contains(&b'\r');
        refuse(
            has_return,
            variable,
            "readers of dotenv files lose carriage returns",
        )?;
        let quote: &[u8] = if value.iter().copied().all(is_harmless) {
            b""
        } else if fits_single(value) {
            b"'"
        } else {
            let problem = "readers of dotenv files do not agree on a value with single quotes (or \
                           a backslash before another, or at the end) beside `$` and the like";
            refuse(!fits_double(value), variable, problem)?;
            b"\""
        };
        for part in [&variable.name, b"=".as_slice(), quote, value, quote, b"\n"] {
            append(&mut text, part);
        }
    }
    Ok(text)
}

/// What needs no quotes anywhere.
fn is_harmless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./:@%+,-".contains(&byte)
}

/// Nothing is special between single quotes, but that Python's reader takes a backslash before a
/// backslash or a quote away.
fn fits_single(value: &[u8]) -> bool {
    let is_escape = value.windows(2).any(|pair| pair == br"\\");
    !value.contains(&b'\'') && !is_escape && !value.ends_with(br"\")
}

/// Between double quotes most readers have escapes, each others.
fn fits_double(value: &[u8]) -> bool {
    !value.iter().any(|byte| br#""$\`"#.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fakes::of_one;

    #[test]
    fn quotes_are_such_as_every_reader_understands() {
        for (value, expected) in [
            ("", Some("A=\n")),
            (
                "postgres://u:p@h:5432/d",
                Some("A=postgres://u:p@h:5432/d\n"),
            ),
            ("a b", Some("A='a b'\n")),
            ("a#b", Some("A='a#b'\n")),
            ("a=", Some("A='a='\n")),
            ("$HOME `x` \"q\" \\n", Some("A='$HOME `x` \"q\" \\n'\n")),
            ("one\ntwo\n", Some("A='one\ntwo\n'\n")),
            ("it's", Some("A=\"it's\"\n")),
            ("it's\ntwo", Some("A=\"it's\ntwo\"\n")),
            ("é", Some("A='é'\n")),
            ("it's $5", None),
            ("it's \\", None),
            ("a\\\\b", None),
            ("a\\", None),
            ("a\r\nb", None),
        ] {
            assert_eq!(of_one(dotenv, "A", value).as_deref(), expected, "{value:?}");
        }
        assert_eq!(of_one(dotenv, "A", b"\xff"), None);
        assert_eq!(of_one(dotenv, "A.B", "x"), None);
    }
}
