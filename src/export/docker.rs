//! For `docker run --env-file`: `NAME=value`, all of the line behind the first `=`, no quotes.

use super::{ExportError, NOT_UTF8, refuse};
use crate::document::secret::append;
use crate::variables::Variable;
use zeroize::Zeroizing;

/// The bytes of a line that docker's reader has no room for any more.
const TOO_LONG: usize = 64 << 10;

/// A line for each variable.
///
/// # Errors
/// [`ExportError`] for what no line can hold.
pub fn docker(variables: &[Variable]) -> Result<Zeroizing<Vec<u8>>, ExportError> {
    let mut text = Zeroizing::default();
    for variable in variables {
        let (name, value) = (&variable.name, variable.value.as_slice());
        let is_odd = name.starts_with(b"#") || std::str::from_utf8(name).map_or(true, is_blank);
        refuse(
            is_odd,
            variable,
            "docker takes no name with blanks, or a `#` in front",
        )?;
        refuse(
            value.contains(&b'\n'),
            variable,
            "a docker env file has no values of several lines",
        )?;
        let ends_in_return = value.ends_with(b"\r");
        refuse(
            ends_in_return,
            variable,
            "docker takes a carriage return at the end away",
        )?;
        refuse(std::str::from_utf8(value).is_err(), variable, NOT_UTF8)?;
        let is_long = name.len() + value.len() + 2 >= TOO_LONG;
        refuse(is_long, variable, "docker reads no line of 64 KiB and more")?;
        for part in [name, b"=".as_slice(), value, b"\n"] {
            append(&mut text, part);
        }
    }
    Ok(text)
}

/// Whether a name has characters that docker's reader takes for the end of one, or takes away.
fn is_blank(name: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    name.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fakes::of_one;

    #[test]
    fn a_line_is_a_value_as_it_is_or_none() {
        let value = "'a b' \"$x\" #no = \\n  ";
        let expected = format!("a.b-c={value}\n");
        assert_eq!(of_one(docker, "a.b-c", value), Some(expected));
        assert_eq!(of_one(docker, "A", "").as_deref(), Some("A=\n"));
        assert_eq!(of_one(docker, "A", "a\rb").as_deref(), Some("A=a\rb\n"));
        for (name, value) in [
            ("A", "one\ntwo".to_owned()),
            ("A", "one\n".to_owned()),
            ("A", "one\r".to_owned()),
            ("A", "x".repeat(TOO_LONG)),
            ("A B", "x".to_owned()),
            ("#A", "x".to_owned()),
            ("\u{feff}A", "x".to_owned()),
            ("A\u{a0}", "x".to_owned()),
        ] {
            assert_eq!(of_one(docker, name, value), None, "{name}");
        }
        assert_eq!(of_one(docker, "A", b"\xff"), None);
    }
}
