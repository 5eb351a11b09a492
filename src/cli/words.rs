//! A command line in a variable, split into words as sops does (google/shlex): blanks, quotes of
//! both kinds, backslash, comments. Nothing is expanded and no shell is asked.

/// Why a command line has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// A quote is not closed.
    #[error("a quote is not closed")]
    Quote,
    /// A backslash has nothing behind it.
    #[error("nothing follows the last backslash")]
    Backslash,
}

enum State {
    Blank,
    Comment,
    Word,
    Single,
    Double,
}

/// The words of `line`; none where it is blank.
///
/// # Errors
/// [`WordsError`] where the line ends within a quote or behind a backslash.
pub fn split(line: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut state = State::Blank;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        state = match (state, letter) {
            (State::Comment, '\n') | (State::Blank, ' ' | '\t' | '\r' | '\n') => State::Blank,
            (State::Comment, _) | (State::Blank, '#') => State::Comment,
            (State::Word, ' ' | '\t' | '\r' | '\n') => {
                words.push(std::mem::take(&mut word));
                State::Blank
            }
            (State::Blank | State::Word, '\'') => State::Single,
            (State::Blank | State::Word, '"') => State::Double,
            (State::Single, '\'') | (State::Double, '"') => State::Word,
            (before @ (State::Blank | State::Word | State::Double), '\\') => {
                word.push(letters.next().ok_or(WordsError::Backslash)?);
                match before {
                    State::Double => State::Double,
                    _ => State::Word,
                }
            }
            (before, letter) => {
                word.push(letter);
                match before {
                    State::Blank => State::Word,
                    quoted => quoted,
                }
            }
        };
    }
    match state {
        State::Single | State::Double => return Err(WordsError::Quote),
        State::Word => words.push(word),
        State::Blank | State::Comment => {}
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_those_of_shlex() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  \t ", &[]),
            ("vim", &["vim"]),
            ("code  --wait\n-n", &["code", "--wait", "-n"]),
            (
                r#"vim -c "set nu" -c 'set "x"'"#,
                &["vim", "-c", "set nu", "-c", "set \"x\""],
            ),
            (r"/a\ b/vim '' x", &["/a b/vim", "", "x"]),
            (r#"a"b c"'d e'f"#, &["ab cd ef"]),
            (r#""a\"b\n""#, &["a\"bn"]),
            (r"'a\'", &[r"a\"]),
            ("vim # my editor\n -R", &["vim", "-R"]),
            ("vim#1", &["vim#1"]),
            ("#all", &[]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), *words, "{line}");
        }
        assert_eq!(split("vim 'x"), Err(WordsError::Quote));
        assert_eq!(split("vim \"x\\\""), Err(WordsError::Quote));
        assert_eq!(split("vim \\"), Err(WordsError::Backslash));
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in prop::collection::vec("[^']*", 0..6)) {
            let line: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(split(&line.join(" ")).unwrap(), words);
        }
    }
}
