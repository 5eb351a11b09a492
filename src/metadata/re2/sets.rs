//! Sets of characters under the names that Go gives them, as items of a class
//! in the syntax of the `regex` crate.

use regex::Regex;
use std::borrow::Cow;
use std::fmt::Write;
use std::ops::RangeInclusive;

/// Matches nothing.
pub(super) const NOTHING: &str = r"[^\x00-\x{10FFFF}]";

/// `\d` and its like: ASCII only.
pub(super) fn perl(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "0-9",
        'D' => "[^0-9]",
        's' => r"\t\n\f\r ",
        'S' => r"[^\t\n\f\r ]",
        'w' => "0-9A-Za-z_",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// `[:name:]`, where `name` may begin with `^`.
pub(super) fn posix(name: &str) -> Option<String> {
    let positive = name.strip_prefix('^').unwrap_or(name);
    POSIX_NAMES
        .contains(&positive)
        .then(|| format!("[:{name}:]"))
}

/// Writes a range of code points without the surrogates, which no text holds.
pub(super) fn push_range(items: &mut String, range: RangeInclusive<u32>) {
    let (low, high) = range.into_inner();
    for (low, high) in [(low, high.min(0xD7FF)), (low.max(0xE000), high)] {
        if low <= high {
            // Writing to a string cannot fail.
            let _ = write!(items, r"\x{{{low:X}}}-\x{{{high:X}}}");
        }
    }
}

/// `\p{name}`: a Unicode category or script under the names that Go knows.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the translator: it asks which tables the crate has"
)]
pub(super) fn unicode(name: &str, negated: bool) -> Option<Cow<'static, str>> {
    let sign = if negated { 'P' } else { 'p' };
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if plain.is_empty() || !plain.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    // The surrogates: no text holds one, and the `regex` crate has no table of them.
    if matches!(&*plain, "cs" | "surrogate") {
        return Some(Cow::Borrowed(if negated {
            r"\x00-\x{10FFFF}"
        } else {
            NOTHING
        }));
    }
    // Go knows scripts by their long names only.
    let is_script_code = plain.len() == 4 && !FOUR_LETTER_SCRIPTS.contains(&&*plain);
    let kind = if Regex::new(&format!(r"\p{{gc={plain}}}")).is_ok() {
        "gc"
    } else if is_script_code || matches!(&*plain, "unknown" | "katakanaorhiragana") {
        return None;
    } else {
        Regex::new(&format!(r"\p{{sc={plain}}}")).ok()?;
        "sc"
    };
    Some(Cow::Owned(format!(r"\{sign}{{{kind}={plain}}}")))
}

/// Scripts whose long name looks like the four letters of a code.
const FOUR_LETTER_SCRIPTS: [&str; 8] = [
    "ahom", "cham", "kawi", "lisu", "modi", "newa", "thai", "toto",
];

const POSIX_NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];
