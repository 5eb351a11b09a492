//! What a string has in it that decides in which YAML styles it can be written.

use super::resolve::is_string;

/// What in a text decides in which styles it can be written.
#[derive(Default)]
pub(super) struct Shape {
    /// It has line feeds.
    pub(super) lines: bool,
    /// It has characters that only an escape can hold: controls, other line breaks.
    pub(super) odd: bool,
    /// It has characters beyond the 16-bit ones, which sops escapes.
    pub(super) astral: bool,
    /// It has a TAB.
    pub(super) tab: bool,
    /// It has bytes above 127, so it might be no UTF-8.
    high: bool,
    /// It has a space before a line feed or at its end.
    pub(super) space_at_line_end: bool,
    /// It has something that means another thing than text outside of brackets, or inside.
    block_indicator: bool,
    flow_indicator: bool,
}

/// What a byte may do to a text; all others are just text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Text,
    Feed,
    Space,
    Tab,
    Control,
    High,
    Colon,
    Hash,
    Bracket,
}

static CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Text; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'\n' => Class::Feed,
            b' ' => Class::Space,
            b'\t' => Class::Tab,
            0..=0x1F | 0x7F => Class::Control,
            0x80.. => Class::High,
            b':' => Class::Colon,
            b'#' => Class::Hash,
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => Class::Bracket,
            _ => Class::Text,
        };
        byte += 1;
    }
    classes
}

impl Shape {
    /// Looks at every byte once, and once more where one is not just text or a space.
    pub(super) fn of(text: &[u8]) -> Self {
        const ORDINARY: u16 = 1 << Class::Text as u16 | 1 << Class::Space as u16;
        let mut shape = Self::default();
        shape.first(text);
        let class = |byte: &u8| 1 << CLASSES[usize::from(*byte)] as u16;
        let classes = text.iter().fold(0, |classes, byte| classes | class(byte));
        if classes | ORDINARY == ORDINARY {
            shape.space_at_line_end = text.last() == Some(&b' ');
        } else {
            shape.look(text);
        }
        shape
    }

    /// What single bytes do.
    fn look(&mut self, text: &[u8]) {
        for (i, &byte) in text.iter().enumerate() {
            let is_blank_or_end = |byte: Option<&u8>| matches!(byte, None | Some(b' ' | b'\t'));
            match CLASSES[usize::from(byte)] {
                Class::Feed => self.lines = true,
                Class::Space => {
                    self.space_at_line_end |= matches!(text.get(i + 1), None | Some(b'\n'));
                }
                Class::Tab => self.tab = true,
                Class::Control => self.odd = true,
                Class::High => self.high_byte(&text[i..]),
                Class::Colon => {
                    self.flow_indicator = true;
                    self.block_indicator |= is_blank_or_end(text.get(i + 1));
                }
                Class::Hash if i > 0 => {
                    self.block_indicator |= is_blank_or_end(text.get(i - 1));
                }
                Class::Hash | Class::Text => {}
                Class::Bracket => self.flow_indicator = true,
            }
        }
    }

    /// What only the start of a text does.
    fn first(&mut self, text: &[u8]) {
        const INDICATORS: &[u8] = b"#,[]{}&*!|>'\"%@`";
        let is_indicator = match text {
            [b'-' | b'?' | b':'] | [b'-' | b'?' | b':', b' ' | b'\t', ..] => true,
            [b'-', b'-', b'-', ..] | [b'.', b'.', b'.', ..] => true,
            [first, ..] => INDICATORS.contains(first),
            [] => false,
        };
        self.block_indicator |= is_indicator;
    }

    /// A byte above 127 and what follows it.
    fn high_byte(&mut self, rest: &[u8]) {
        self.high = true;
        self.odd |= matches!(
            rest,
            [0xC2, ..0xA0, ..]
                | [0xE2, 0x80, 0xA8 | 0xA9, ..]
                | [0xEF, 0xBB, 0xBF, ..]
                | [0xEF, 0xBF, 0xBE | 0xBF, ..]
        );
        self.astral |= rest[0] >= 0xF0;
    }

    /// True where the text, written without quotes, is read as the same string by everyone.
    pub(super) fn is_plain(&self, text: &[u8], in_flow: bool) -> bool {
        let is_blank = |byte: Option<&u8>| matches!(byte, None | Some(b' ' | b'\t'));
        let has_edge = is_blank(text.first()) || is_blank(text.last());
        let is_syntax = self.block_indicator || in_flow && self.flow_indicator;
        if has_edge || is_syntax || self.lines || self.odd || is_ambiguous(text) {
            return false;
        }
        !self.high || std::str::from_utf8(text).is_ok()
    }
}

/// True where the text, written without quotes, is no string to YAML 1.2 or 1.1.
pub(super) fn is_ambiguous(text: &[u8]) -> bool {
    !is_string(text) || is_old_bool(text) || is_base_60(text)
}

/// The words that YAML 1.1 takes for booleans and 1.2 does not.
fn is_old_bool(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [b"y", b"n", b"yes", b"no", b"on", b"off"];
    // In lower case, in capitals, and with a capital first.
    let is_cased = || {
        let rest = text.get(1..).unwrap_or_default();
        rest.iter().all(u8::is_ascii_lowercase) || text.iter().all(u8::is_ascii_uppercase)
    };
    text.len() <= 3 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) && is_cased()
}

/// Numbers of YAML 1.1 with digits up to 59: `12:30`, `-1:30:00.5`.
fn is_base_60(text: &[u8]) -> bool {
    let unsigned = text
        .strip_prefix(b"+")
        .or(text.strip_prefix(b"-"))
        .unwrap_or(text);
    if !unsigned.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let is_digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'_';
    let mut parts = unsigned.split(|byte| *byte == b':');
    let whole = parts.next().is_some_and(|part| part.iter().all(is_digit));
    let mut parts = parts.peekable();
    if !whole || parts.peek().is_none() {
        return false;
    }
    while let Some(part) = parts.next() {
        let sixtieth = match (parts.peek(), part.iter().position(|byte| *byte == b'.')) {
            (None, Some(point)) if part[point + 1..].iter().all(is_digit) => &part[..point],
            _ => part,
        };
        if !matches!(sixtieth, [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_to_the_base_60_are_ambiguous() {
        for text in ["1:30", "190:20:30", "-1:2.5", "+1_0:59:0._", "21:59:43.10"] {
            assert!(is_base_60(text.as_bytes()), "{text}");
        }
        for text in [
            "1:60", "1:", ":1", "1:2:", "1.5:30", "1:2.5:3", "a:30", "1:-2", "1:030", "30",
        ] {
            assert!(!is_base_60(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn words_of_yaml_1_1_are_ambiguous() {
        for text in [
            "y",
            "No",
            "OFF",
            "~",
            "null",
            "",
            "1e3",
            ".inf",
            "2024-01-02",
        ] {
            assert!(is_ambiguous(text.as_bytes()), "{text}");
        }
        for text in ["oFF", "yess", "nan", "1.2.3", "<<", "="] {
            assert!(!is_ambiguous(text.as_bytes()), "{text}");
        }
    }
}
