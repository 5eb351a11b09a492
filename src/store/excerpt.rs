//! The line of a text in which an error was noticed, shown without showing a secret.

/// Where in a text something was noticed, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The number of the line, from 1.
    pub line: usize,
    /// The number of the character in its line, from 1.
    pub column: usize,
    /// What is around it in its line, with everything that may be a value masked.
    pub text: String,
    /// How many characters of `text` stand in front of the place.
    pub before: usize,
}

/// Characters of a line that are shown.
const SHOWN: usize = 76;

impl Excerpt {
    /// The excerpt around the byte `offset` of `source`.
    #[must_use]
    pub fn of(source: &[u8], offset: usize) -> Self {
        let at = offset.min(source.len());
        let start = memchr::memrchr(b'\n', &source[..at]).map_or(0, |n| n + 1);
        let end = memchr::memchr(b'\n', &source[at..]).map_or(source.len(), |n| at + n);
        let line = String::from_utf8_lossy(&source[start..end]);
        let column = String::from_utf8_lossy(&source[start..at]).chars().count();
        let from = column.saturating_sub(SHOWN / 2);
        Self {
            line: memchr::memchr_iter(b'\n', &source[..start]).count() + 1,
            column: column + 1,
            text: masked(line.trim_end())
                .chars()
                .skip(from)
                .take(SHOWN)
                .collect(),
            before: column - from,
        }
    }
}

/// A line with everything that may be a value made unreadable: what stands behind its key
/// becomes `*`, but for blanks, quotes and brackets. Where it is not plain that there is a key,
/// the whole line.
fn masked(line: &str) -> String {
    let (key, value) = line.split_at(key_end(line).unwrap_or(0));
    let hidden = value.chars().map(|c| match c {
        '\t' => ' ',
        ' ' | '{' | '}' | '[' | ']' | ':' | ',' | '"' | '\'' => c,
        _ => '*',
    });
    key.chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .chain(hidden)
        .collect()
}

/// The end of the key that a line begins with, behind indentation and dashes: a bare word, or a
/// whole one in quotes, that a colon and a blank follow. `user:password` and `c2VjcmV0==` are none.
fn key_end(line: &str) -> Option<usize> {
    let end = line
        .match_indices(':')
        .find(|(at, _)| {
            line[at + 1..]
                .chars()
                .next()
                .is_none_or(char::is_whitespace)
        })
        .map(|(at, _)| at)?;
    let indicators = [' ', '\t', '-', '?'];
    let key = line[..end].trim_start_matches(indicators).trim_end();
    let bare = ['"', '\'']
        .iter()
        .find_map(|&quote| key.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(key);
    bare.chars().all(is_key_character).then_some(end)
}

fn is_key_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shown_and_no_value() {
        let excerpt = Excerpt::of(b"a: 1\nuser: \xC3\xA9 hunter2 }\nb: 2\n", 22);
        let (line, column, before) = (excerpt.line, excerpt.column, excerpt.before);
        assert_eq!((line, column, before), (2, 17, 16));
        assert_eq!(excerpt.text, "user: * ******* }");
    }

    #[test]
    fn of_a_long_line_only_what_is_around_is_shown() {
        let line = [b"key: ", &b"[".repeat(500)[..]].concat();
        let excerpt = Excerpt::of(&line, 300);
        assert_eq!((excerpt.column, excerpt.before), (301, SHOWN / 2));
        assert_eq!(excerpt.text, "[".repeat(SHOWN));
    }

    #[test]
    fn a_place_behind_the_end_is_the_end() {
        assert_eq!(Excerpt::of(b"", 9).column, 1);
        assert_eq!(Excerpt::of(b"a\n", 9).line, 2);
    }

    #[test]
    fn a_key_is_shown_and_nothing_else() {
        for (line, shown) in [
            ("a_b: hunter2", "a_b: *******"),
            ("  - key:", "  - key:"),
            ("\"k.1\": \"hunter2", "\"k.1\": \"*******"),
            ("  c2VjcmV0/cGFzcw==", "  *****************"),
            ("- \"hunter2: rest", "* \"*******: ****"),
            ("user:password", "****:********"),
            ("two words: more", "*** *****: ****"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
