//! The members of a JSON object, found without reading it all: strings are jumped over, and what
//! is within values is not looked at. Whether it is JSON at all is for a parser to say.

use memchr::memchr2;

/// A key without its quotes, escapes as they are, and its value.
pub(super) type Member<'t> = (&'t [u8], &'t [u8]);

/// The members of the object that `text` is; `None` where it is none, or has more than `most`.
pub(super) fn members(text: &[u8], most: usize) -> Option<Vec<Member<'_>>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut rest = text.trim_ascii_start().strip_prefix(b"{")?;
    let mut found = Vec::new();
    while found.len() < most {
        rest = rest.trim_ascii_start();
        let end = string_end(rest)?;
        let key = &rest[1..end - 1];
        rest = rest[end..].trim_ascii_start().strip_prefix(b":")?;
        rest = rest.trim_ascii_start();
        let end = value_end(rest)?;
        found.push((key, rest[..end].trim_ascii_end()));
        let (&sign, behind) = rest[end..].split_first()?;
        if sign == b'}' {
            return behind.trim_ascii_start().is_empty().then_some(found);
        }
        rest = behind;
    }
    None
}

/// The place behind the string that `text` begins with.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    text.first().filter(|&&quote| quote == b'"')?;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        match text[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// The place of the comma or brace behind the value that `text` begins with.
fn value_end(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => {
                at += string_end(&text[at..])?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b',' | b'}' if depth == 0 => return Some(at),
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_end_where_their_brackets_and_strings_do() {
        let text = br#" {"a\"" : [1, {"x": "]}\\"}] , "b":"\"", "c": -1.5 }  "#;
        let found = members(text, 3).unwrap();
        assert_eq!(found[0], (&br#"a\""#[..], &br#"[1, {"x": "]}\\"}]"#[..]));
        assert_eq!(found[1], (&b"b"[..], &br#""\"""#[..]));
        assert_eq!(found[2], (&b"c"[..], &b"-1.5"[..]));
        assert_eq!(members(text, 2), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_takes_it_too_far(text in "[\\[\\]{}:,\"a \\\\]{0,40}") {
            let text = format!("{{{text}");
            if let Some(found) = members(text.as_bytes(), 4) {
                prop_assert!(!found.is_empty() && found.len() <= 4);
            }
        }
    }
}
