//! For a step of GitHub Actions: commands on standard output that mask values in the log, and lines
//! for the file that `GITHUB_ENV` or `GITHUB_OUTPUT` names.

use super::{ExportError, NOT_UTF8, refuse};
use crate::document::secret::append;
use crate::variables::Variable;
use memchr::memmem;
use zeroize::Zeroizing;

/// Which file the lines are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Variables of the steps that follow.
    Environment,
    /// Outputs of this step.
    Output,
}

/// Commands that mask each value, and each line of it: a log is masked line by line. Nothing is
/// masked that would make every log unreadable: nothing, blanks, `true` and `false`.
#[must_use]
pub fn masks(variables: &[Variable]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::default();
    for variable in variables {
        let value = variable.value.as_slice();
        mask(value, &mut text);
        let lines = value.split(|byte| matches!(byte, b'\r' | b'\n'));
        lines
            .filter(|line| *line != value)
            .for_each(|line| mask(line, &mut text));
    }
    text
}

fn mask(value: &[u8], text: &mut Zeroizing<Vec<u8>>) {
    let shown = value.trim_ascii();
    if shown.is_empty() || shown == b"true" || shown == b"false" {
        return;
    }
    append(text, b"::add-mask::");
    for byte in value {
        match byte {
            b'%' => append(text, b"%25"),
            b'\r' => append(text, b"%0D"),
            b'\n' => append(text, b"%0A"),
            byte => append(text, std::slice::from_ref(byte)),
        }
    }
    append(text, b"\n");
}

/// Lines that give each variable its value, up to a line that only `delimiter` makes: it has to be
/// random, so that no value holds it.
///
/// # Errors
/// [`ExportError`] for what GitHub refuses.
pub fn assignments(
    variables: &[Variable],
    target: Target,
    delimiter: &str,
) -> Result<Zeroizing<Vec<u8>>, ExportError> {
    let mut text = Zeroizing::default();
    for variable in variables {
        let (name, value) = (&variable.name, variable.value.as_slice());
        let is_odd = |byte: &u8| !byte.is_ascii_graphic() || *byte == b'<';
        refuse(
            name.iter().any(is_odd),
            variable,
            "GitHub takes names without blanks and `<`",
        )?;
        let is_reserved = target == Target::Environment && is_reserved(name);
        refuse(
            is_reserved,
            variable,
            "GitHub lets nobody set a variable of this name",
        )?;
        refuse(std::str::from_utf8(value).is_err(), variable, NOT_UTF8)?;
        let is_inside = memmem::find(value, delimiter.as_bytes()).is_some();
        refuse(is_inside, variable, "the value holds the delimiter")?;
        let delimiter = delimiter.as_bytes();
        for part in [
            name,
            b"<<".as_slice(),
            delimiter,
            b"\n",
            value,
            b"\n",
            delimiter,
            b"\n",
        ] {
            append(&mut text, part);
        }
    }
    Ok(text)
}

fn is_reserved(name: &[u8]) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with(b"GITHUB_") || name.starts_with(b"RUNNER_") || name == b"NODE_OPTIONS"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fakes::variable;

    #[test]
    fn values_and_each_of_their_lines_are_masked() {
        let all = [
            variable("A", "one"),
            variable("B", "50%\r\n two\n\n"),
            variable("C", ""),
            variable("D", "true"),
        ];
        let expected = "::add-mask::one\n::add-mask::50%25%0D%0A two%0A%0A\n::add-mask::50%25\n\
                        ::add-mask:: two\n";
        assert_eq!(String::from_utf8_lossy(&masks(&all)), expected);
    }

    #[test]
    fn a_value_ends_where_the_delimiter_stands_alone() {
        let text = |name: &str, value: &[u8], target| {
            let text = assignments(&[variable(name, value)], target, "EOF_1").ok()?;
            Some(String::from_utf8_lossy(&text).into_owned())
        };
        let env = Target::Environment;
        let lines = text("A", b"one\nB<<EOF\n", env);
        assert_eq!(lines.as_deref(), Some("A<<EOF_1\none\nB<<EOF\n\nEOF_1\n"));
        assert_eq!(text("A", b"", env).as_deref(), Some("A<<EOF_1\n\nEOF_1\n"));
        for (name, value) in [
            ("A", b"x\nEOF_1\nPATH<<EOF_1\n".as_slice()),
            ("A", b"\xff"),
            ("A<<B", b"x"),
            ("A\nB", b"x"),
            ("A B", b"x"),
            ("GITHUB_TOKEN", b"x"),
            ("node_options", b"x"),
        ] {
            assert_eq!(text(name, value, env), None, "{name}");
        }
        assert!(text("GITHUB_TOKEN", b"x", Target::Output).is_some());
    }
}
