//! The bytes of a YAML text: which are allowed, and which end a line.

use crate::store::{Excerpt, ParseError};

/// What everything here gives that can find the text wrong. The error is boxed, so that what is
/// called for every token has little to give back.
pub(super) type Result<T> = std::result::Result<T, Box<ParseError>>;

/// A [`ParseError`] without a hint.
#[cold]
pub(super) fn error<T>(offset: usize, problem: &str) -> Result<T> {
    Err(Box::new(ParseError {
        problem: problem.to_owned(),
        offset,
        hint: None,
        excerpt: Excerpt::default(),
    }))
}

/// A [`ParseError`] that says what to do.
#[cold]
pub(super) fn hinted<T>(offset: usize, problem: &str, hint: &'static str) -> Result<T> {
    Err(Box::new(ParseError {
        problem: problem.to_owned(),
        offset,
        hint: Some(hint),
        excerpt: Excerpt::default(),
    }))
}

/// The byte at `at`; 0 behind the end, which [`check`] keeps out of the text itself.
#[inline]
pub(super) fn byte(source: &[u8], at: usize) -> u8 {
    source.get(at).copied().unwrap_or(0)
}

/// Space or tab.
#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The length of the line break at `at`, 0 where there is none. As yaml.v3 has it, NEL, LS and PS
/// break lines too, although YAML 1.2 says otherwise.
#[inline]
pub(super) fn break_len(source: &[u8], at: usize) -> usize {
    match byte(source, at) {
        b'\n' => 1,
        b'\r' if byte(source, at + 1) == b'\n' => 2,
        b'\r' => 1,
        0xC2 if byte(source, at + 1) == 0x85 => 2,
        0xE2 if byte(source, at + 1) == 0x80 && byte(source, at + 2) | 1 == 0xA9 => 3,
        _ => 0,
    }
}

/// True where the last line of a text has its line break.
pub(super) fn ends_line(source: &[u8]) -> bool {
    [
        &b"\n"[..],
        b"\r",
        "\u{85}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{2029}".as_bytes(),
    ]
    .iter()
    .any(|line_break| source.ends_with(line_break))
}

/// True for a line break and at the end of the text.
#[inline]
pub(super) fn is_break_or_end(source: &[u8], at: usize) -> bool {
    byte(source, at) == 0 || break_len(source, at) > 0
}

/// True for space, tab, line break, and at the end of the text.
#[inline]
pub(super) fn is_space_or_end(source: &[u8], at: usize) -> bool {
    is_blank(byte(source, at)) || is_break_or_end(source, at)
}

/// Where the line that `at` is in ends, without its break.
pub(super) fn line_end(source: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = source.get(at) {
        match byte {
            b'\n' | b'\r' => break,
            0xC2 | 0xE2 if break_len(source, at) > 0 => break,
            _ => at += 1,
        }
    }
    at
}

/// `---` or `...`, alone or before a space, at `at`, which has to be the start of a line.
pub(super) fn is_document_marker(source: &[u8], at: usize) -> bool {
    let marker = source.get(at..at + 3);
    (marker == Some(b"---") || marker == Some(b"...")) && is_space_or_end(source, at + 3)
}

/// Length of the byte order mark at the start of `source`.
pub(super) fn bom_len(source: &[u8]) -> usize {
    if source.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    }
}

/// Whether `source` is text that YAML may consist of: UTF-8, below 4 GiB, without control
/// characters.
///
/// # Errors
/// Names the first byte that is not.
pub(super) fn check(source: &[u8]) -> Result<()> {
    if u32::try_from(source.len()).is_err() {
        return error(0, "the text is larger than 4 GiB");
    }
    if source.starts_with(b"\xFF\xFE") || source.starts_with(b"\xFE\xFF") {
        return hinted(0, "the text is UTF-16", "save the file as UTF-8");
    }
    if is_plain_ascii(source) {
        return Ok(());
    }
    let text = match std::str::from_utf8(source) {
        Ok(text) => text,
        Err(wrong) => return error(wrong.valid_up_to(), "the text is not valid UTF-8"),
    };
    if is_plainly_fine(source) {
        return Ok(());
    }
    match text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        Some((at, _)) => error(at, "control characters are not allowed"),
        None => Ok(()),
    }
}

/// True where there is nothing but ASCII, without control characters.
fn is_plain_ascii(source: &[u8]) -> bool {
    source.chunks(4096).all(|chunk| {
        // Without a branch, and in bytes all the way, the loop is done many bytes at a time.
        let odd = chunk.iter().fold(0, |odd, &b| {
            // As a signed number, what is no ASCII is below everything else.
            let low = u8::from(b.cast_signed() < 0x20);
            let allowed = u8::from(b == b'\n') | u8::from(b == b'\t') | u8::from(b == b'\r');
            odd | (low & !allowed) | u8::from(b == 0x7F)
        });
        odd == 0
    })
}

/// A quick look that needs no decoding: true where no byte can be part of a forbidden character.
fn is_plainly_fine(source: &[u8]) -> bool {
    source.chunks(4096).all(|chunk| {
        // As above.
        let odd = chunk.iter().fold(0, |odd, &b| {
            let control = u8::from(b < 0x20);
            let allowed = u8::from(b == b'\n') | u8::from(b == b'\t') | u8::from(b == b'\r');
            let other = u8::from(b == 0x7F) | u8::from(b == 0xC2) | u8::from(b == 0xEF);
            odd | (control & !allowed) | other
        });
        odd == 0
    })
}

fn is_allowed(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => !c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(source: &[u8]) -> Option<usize> {
        check(source).err().map(|e| e.offset)
    }

    #[test]
    fn text_is_utf8_without_control_characters() {
        assert_eq!(
            offset("a: ü\u{85}\u{2028}\u{FEFF}😀\t\r\n".as_bytes()),
            None
        );
        assert_eq!(offset(b"a: \xFF"), Some(3));
        assert_eq!(offset(b"a: \0"), Some(3));
        assert_eq!(offset("é\u{7F}".as_bytes()), Some(2));
        assert_eq!(offset("é\u{80}".as_bytes()), Some(2));
        assert_eq!(offset("\u{FFFE}".as_bytes()), Some(0));
    }

    #[test]
    fn utf16_is_named() {
        let wrong = check(b"\xFF\xFEa\0").unwrap_err();
        assert!(wrong.problem.contains("UTF-16"), "{}", wrong.problem);
        assert!(wrong.hint.is_some());
    }

    #[test]
    fn five_characters_break_a_line() {
        for (text, len) in [
            ("\n", 1),
            ("\r", 1),
            ("\r\n", 2),
            ("\u{85}", 2),
            ("\u{2029}", 3),
        ] {
            assert_eq!(break_len(text.as_bytes(), 0), len, "{text:?}");
        }
        assert_eq!(break_len("\u{2027}".as_bytes(), 0), 0);
        assert_eq!(break_len(b"", 0), 0);
    }
}
