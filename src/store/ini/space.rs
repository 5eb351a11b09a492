//! White space as Go knows it, in bytes that need not be UTF-8.

/// How many bytes of white space `text` starts with.
pub(super) fn at_start(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        let length = (1..=3).find(|&n| text.get(at..at + n).is_some_and(is_space));
        match length {
            Some(length) => at += length,
            None => break,
        }
    }
    at
}

/// How many bytes of white space `text` ends with.
pub(super) fn at_end(text: &[u8]) -> usize {
    let mut end = text.len();
    while end > 0 {
        let length = (1..=end.min(3)).find(|&n| is_space(&text[end - n..end]));
        match length {
            Some(length) => end -= length,
            None => break,
        }
    }
    text.len() - end
}

/// `text` without white space around it.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let text = &text[at_start(text)..];
    &text[..text.len() - at_end(text)]
}

/// Whether `bytes` are one character of white space.
fn is_space(bytes: &[u8]) -> bool {
    match bytes {
        [b' ' | b'\t'..=b'\r'] => true,
        [_] => false,
        _ => std::str::from_utf8(bytes).is_ok_and(|text| {
            let mut chars = text.chars();
            chars.next().is_some_and(char::is_whitespace) && chars.next().is_none()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_trimmed_by_characters() {
        let text = "\u{a0} \u{3000}\u{85}a \u{2028}b\u{200b}\r\n\u{1680}".as_bytes();
        assert_eq!(trimmed(text), "a \u{2028}b\u{200b}".as_bytes());
        assert_eq!(trimmed(b"\xa0x\xe3\x80"), b"\xa0x\xe3\x80");
        assert_eq!(trimmed(b" \t\x0b\x0c\r\n"), b"");
    }
}
