//! What services say, made fit for one line of a message.

use std::fmt::Write;

/// The most characters of it that are shown.
const SHOWN: usize = 400;

/// What a service said, in one line: no control characters, not too long, and nothing of it where
/// it repeats `secret`, which it was sent.
#[must_use]
pub fn said(text: &str, secret: Option<&str>) -> String {
    if secret.is_some_and(|secret| text.contains(secret)) {
        return "(its words are not shown: they repeat what it was sent)".to_owned();
    }
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if line.len() + word.len() > SHOWN {
            line.push_str(" …");
            break;
        }
        let space = if line.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(line, "{space}{word}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_of_some_length_and_never_the_secret() {
        assert_eq!(said("no\r\n way\u{1b}[1m ", None), "no way [1m");
        assert!(said(&"word ".repeat(1000), None).len() < 420);
        assert!(!said("bad value QUJD", Some("QUJD")).contains("QUJD"));
    }
}
