//! Anchors, aliases, tags and directives.

use super::scan::Scanner;
use super::text::{Result, byte, error, is_blank, is_space_or_end, line_end};
use super::token::Kind;
use crate::document::Span;

/// A line that begins with `%`.
pub(super) enum Directive {
    /// `%YAML`, of a version that can be read.
    Yaml,
    /// `%TAG` with a handle and what it stands for.
    Tag(Span, Span),
    /// One of no meaning yet.
    Reserved,
}

/// `A-Z`, `a-z`, `0-9`, `_` or `-`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn is_flow_indicator(byte: u8) -> bool {
    matches!(byte, b',' | b'[' | b']' | b'{' | b'}')
}

fn is_uri(byte: u8) -> bool {
    is_word(byte) || b";/?:@&=+$,.!~*'()[]%#".contains(&byte)
}

impl Scanner<'_> {
    /// An anchor or an alias.
    pub(super) fn named(&mut self, kind: Kind) -> Result<()> {
        self.save_candidate(false)?;
        self.allow_key(false);
        let start = self.at;
        let end = self.name_end(start + 1, kind);
        if end == start + 1 {
            return error(
                start,
                "did not find expected alphabetic or numeric character",
            );
        }
        if kind == Kind::Anchor && self.byte(end - 1) == b':' {
            self.colon_anchors.insert(&self.source[start + 1..end]);
        }
        self.at = end;
        self.newlines = 0;
        self.push(kind, start);
        Ok(())
    }

    /// Where a name ends. YAML 1.2 lets it hold almost everything, yaml.v3 only words: where
    /// yaml.v3 could read on behind the word, that is where it ends.
    fn name_end(&self, start: usize, kind: Kind) -> usize {
        let mut word = start;
        while is_word(self.byte(word)) {
            word += 1;
        }
        let next = self.byte(word);
        if word > start && matches!(next, b':' | b'?') {
            let joined = !is_space_or_end(self.source, word + 1);
            if joined && (!self.in_flow() || kind == Kind::Alias) {
                return word;
            }
        }
        let mut end = word;
        while !is_space_or_end(self.source, end) && !is_flow_indicator(self.byte(end)) {
            end += 1;
        }
        let colon = kind == Kind::Alias && end > start + 1 && self.byte(end - 1) == b':';
        if colon && !self.colon_anchors.contains(&self.source[start..end]) {
            end -= 1;
        }
        end
    }

    /// A tag: `!<uri>`, `!handle!suffix` or `!suffix`.
    pub(super) fn tag(&mut self) -> Result<()> {
        self.save_candidate(false)?;
        self.allow_key(false);
        let start = self.at;
        let verbatim = self.byte(start + 1) == b'<';
        let mut end = start + if verbatim { 2 } else { 1 };
        while self.is_tag_byte(end, verbatim) {
            end += 1;
        }
        let shorthand = &self.source[start..end];
        if verbatim {
            if self.byte(end) != b'>' || end == start + 2 {
                return error(start, "did not find the expected '>' of a tag");
            }
            end += 1;
        } else if shorthand.len() > 1 && handle_len(shorthand) == shorthand.len() {
            return error(start, "did not find expected tag URI");
        }
        if !percent_is_fine(&self.source[start..end]) {
            return error(start, "did not find a URI-escaped octet in a tag");
        }
        let closed = self.in_flow() && matches!(self.byte(end), b',' | b']' | b'}');
        if !closed && !is_space_or_end(self.source, end) {
            return error(
                end,
                "did not find expected whitespace or line break behind a tag",
            );
        }
        self.at = end;
        self.newlines = 0;
        self.push(Kind::Tag, start);
        Ok(())
    }

    /// Whether the byte at `at` is of the tag. In brackets `,[]` are not, elsewhere yaml.v3 lets
    /// them be, but a comma not the last.
    fn is_tag_byte(&self, at: usize, verbatim: bool) -> bool {
        match self.byte(at) {
            _ if verbatim => is_uri(self.byte(at)),
            b'#' => false,
            b',' if !self.in_flow() => is_uri(self.byte(at + 1)),
            b',' | b'[' | b']' if self.in_flow() => false,
            byte => is_uri(byte),
        }
    }

    /// Goes over a directive, to its end or to the blanks before its comment.
    pub(super) fn scan_directive(&mut self) {
        let end = line_end(self.source, self.at);
        let mut at = self.at;
        while at < end && !(is_blank(self.byte(at)) && self.byte(at + 1) == b'#') {
            at += 1;
        }
        while is_blank(self.byte(at - 1)) {
            at -= 1;
        }
        self.at = at;
    }
}

/// Length of the handle of a tag: `!`, `!!` or `!word!`; what is behind is the suffix.
pub(super) fn handle_len(tag: &[u8]) -> usize {
    let word = tag[1..].iter().take_while(|b| is_word(**b)).count();
    if byte(tag, word + 1) == b'!' {
        word + 2
    } else {
        1
    }
}

fn percent_is_fine(tag: &[u8]) -> bool {
    let octets = |at: usize| {
        tag.get(at + 1..at + 3)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    memchr::memchr_iter(b'%', tag).all(octets)
}

/// What the directive in `span` of `source` says.
///
/// # Errors
/// A directive that YAML knows, but not in this form.
pub(super) fn directive(source: &[u8], span: Span) -> Result<Directive> {
    let mut words = Words { source, span };
    let name = words.next();
    let name = &source[name.start as usize + 1..name.end as usize];
    match name {
        b"YAML" => {
            let version = words.next();
            // yaml.v3 needs no space before a comment here.
            let text = source[version.range()]
                .split(|b| *b == b'#')
                .next()
                .unwrap_or(&[]);
            if !is_version(text) {
                return error(version.start as usize, "found an incompatible YAML version");
            }
            if text.len() == version.range().len() {
                words.expect_end()?;
            }
            Ok(Directive::Yaml)
        }
        b"TAG" => {
            let (handle, prefix) = (words.next(), words.next());
            let text = &source[handle.range()];
            let is_handle = text.first() == Some(&b'!') && handle_len(text) == text.len();
            if !is_handle || prefix.is_empty() || !source[prefix.range()].iter().all(|b| is_uri(*b))
            {
                return error(
                    span.start as usize,
                    "did not find expected handle and prefix of %TAG",
                );
            }
            words.expect_end()?;
            Ok(Directive::Tag(handle, prefix))
        }
        b"" => error(
            span.start as usize,
            "could not find expected directive name",
        ),
        _ => Ok(Directive::Reserved),
    }
}

fn is_version(text: &[u8]) -> bool {
    match text {
        [b'1', b'.', minor @ ..] => {
            (1..=2).contains(&minor.len()) && minor.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// The words of a line.
struct Words<'s> {
    source: &'s [u8],
    span: Span,
}

impl Words<'_> {
    fn next(&mut self) -> Span {
        let line = &self.source[self.span.range()];
        let blanks = line.iter().take_while(|b| is_blank(**b)).count();
        let len = line[blanks..].iter().take_while(|b| !is_blank(**b)).count();
        let start = self.span.start as usize + blanks;
        self.span.start = (start + len) as u32;
        Span::new(start, start + len)
    }

    fn expect_end(&mut self) -> Result<()> {
        let word = self.next();
        if !word.is_empty() {
            return error(
                word.start as usize,
                "did not find expected comment or line break",
            );
        }
        Ok(())
    }
}
