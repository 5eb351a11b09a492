//! For `artifacts:reports:dotenv` of GitLab: `NAME=value`, no quotes, no blanks, no empty lines.

use super::{ExportError, NOT_UTF8, refuse};
use crate::document::secret::append;
use crate::variables::Variable;
use zeroize::Zeroizing;

/// The bytes that a report may have where nobody has set another limit.
pub const MOST_BYTES: usize = 5 << 10;

/// A line for each variable.
///
/// # Errors
/// [`ExportError`] for what a report cannot hold.
pub fn gitlab(variables: &[Variable]) -> Result<Zeroizing<Vec<u8>>, ExportError> {
    let mut text = Zeroizing::default();
    for variable in variables {
        let (name, value) = (&variable.name, variable.value.as_slice());
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_name = !name.is_empty() && name.iter().all(is_word);
        refuse(
            !is_name,
            variable,
            "GitLab takes names of letters, digits and `_`",
        )?;
        let value = std::str::from_utf8(value);
        refuse(value.is_err(), variable, NOT_UTF8)?;
        let value = value.unwrap_or_default();
        let has_blanks = value.contains(|c: char| c.is_whitespace() || c.is_control());
        refuse(
            has_blanks,
            variable,
            "a report of GitLab has no values with blanks or line ends",
        )?;
        for part in [name.as_slice(), b"=", value.as_bytes(), b"\n"] {
            append(&mut text, part);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fakes::of_one;

    #[test]
    fn a_report_has_values_as_they_are_or_none() {
        for (name, value, expected) in [
            ("A1_", "'x'=\"$y\"#", Some("A1_='x'=\"$y\"#\n")),
            ("1", "", Some("1=\n")),
            ("A", "a b", None),
            ("A", "a\nb", None),
            ("A", " a", None),
            ("A-B", "x", None),
        ] {
            assert_eq!(
                of_one(gitlab, name, value).as_deref(),
                expected,
                "{name} {value:?}"
            );
        }
    }
}
