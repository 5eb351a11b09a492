//! For `eval` in sh, bash, zsh and their kin: `export NAME='value'`.

use super::{ExportError, NOT_AN_IDENTIFIER, is_identifier, refuse};
use crate::document::secret::append;
use crate::variables::Variable;
use zeroize::Zeroizing;

/// A line for each variable. Every byte but NUL has room between single quotes; a single quote
/// stands outside of them, behind a backslash.
///
/// # Errors
/// [`ExportError`] for a name that is none of shells: the rest of the line would be a command.
pub fn shell(variables: &[Variable]) -> Result<Zeroizing<Vec<u8>>, ExportError> {
    let mut text = Zeroizing::default();
    for variable in variables {
        refuse(!is_identifier(&variable.name), variable, NOT_AN_IDENTIFIER)?;
        append(&mut text, b"export ");
        append(&mut text, &variable.name);
        append(&mut text, b"='");
        for (at, part) in variable.value.split(|byte| *byte == b'\'').enumerate() {
            if at > 0 {
                append(&mut text, br"'\''");
            }
            append(&mut text, part);
        }
        append(&mut text, b"'\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fakes::{of_one, variable};
    use proptest::prelude::*;

    #[test]
    fn a_quote_stands_outside_of_the_quotes() {
        let text = of_one(shell, "A", "it's $(x) \\ `y`\n!").expect("room");
        assert_eq!(text, "export A='it'\\''s $(x) \\ `y`\n!'\n");
        assert_eq!(of_one(shell, "_a1", "").as_deref(), Some("export _a1=''\n"));
        for name in ["a b", "a;b", "1a", "a-b", "a.b", "é", ""] {
            assert_eq!(of_one(shell, name, "value"), None, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_shell_reads_the_value(value in r#"['"\\$` \n\r\t!*?~#&|;<>(){}a-c\x01\u{e9}-]{0,40}"#) {
            let mut script = shell(&[variable("A", &value)]).expect("room").to_vec();
            script.extend_from_slice(b"printf '%s' \"$A\"");
            let output = std::process::Command::new("sh").arg("-c")
                .arg(String::from_utf8(script).expect("text")).output().expect("sh");
            prop_assert_eq!(String::from_utf8(output.stdout).expect("text"), value);
        }
    }
}
