//! Text to nodes: one pass over the bytes, a stack of open collections instead of recursion.
//!
//! The grammar is RFC 8259, nothing more, with a byte order mark allowed in front; the other
//! dialect adds comments and commas before a closing bracket.

use super::Dialect;
use super::duplicates::Duplicates;
use super::spell::{self, Number};
use crate::document::{BeyondSops, Branch, Document, Kind, Node, NodeId, Span, Style, Text, Type};
use crate::store::{Excerpt, MAX_DEPTH, ParseError, ParseOptions};
use zeroize::Zeroizing;

/// The key that holds the metadata.
pub(super) const METADATA_KEY: &[u8] = b"sops";

/// The key under which a root that is no object stands beside the metadata.
pub(super) const ROOT_KEY: &[u8] = b"bulla:root";

const BOM: &[u8] = b"\xef\xbb\xbf";

const NO_COMMENTS: &str = "JSON has no comments; with comments it is read by --input-type jsonc";
const NO_TRAILING_COMMA: &str =
    "remove the comma before the closing bracket, or read the text by --input-type jsonc";
const DOUBLE_QUOTES: &str = "strings and keys stand in double quotes";

/// Reads `source`.
///
/// # Errors
/// [`ParseError`] where it is not JSON, is too deep or too large, or where a key stands twice.
pub(super) fn parse(
    source: Zeroizing<Vec<u8>>,
    options: ParseOptions,
    dialect: Dialect,
) -> Result<Document, ParseError> {
    match document(&source, options, dialect) {
        Ok(document) => Ok(Document { source, ..document }),
        Err(error) => Err(error.shown_in(&source)),
    }
}

/// The document, yet without its source.
fn document(
    source: &[u8],
    options: ParseOptions,
    dialect: Dialect,
) -> Result<Document, ParseError> {
    check_encoding(source)?;
    let mut parser = Parser {
        source,
        at: if source.starts_with(BOM) {
            BOM.len()
        } else {
            0
        },
        options,
        dialect,
        // One long string may be most of a text.
        nodes: Vec::with_capacity((source.len() / 16).min(1 << 20)),
        cooked: Zeroizing::default(),
        open: Vec::new(),
        beyond_sops: None,
        duplicates: Duplicates::default(),
        has_key: false,
        is_within_wrapper: false,
        on_line: None,
        behind_comma: false,
    };
    let start = parser.at;
    parser.text()?;
    let branch = parser.branch(start)?;
    let (nodes, cooked, beyond_sops) = (parser.nodes, parser.cooked, parser.beyond_sops);
    let mark = source.starts_with(BOM).then_some((BeyondSops::Mark, 0));
    Ok(Document {
        source: Zeroizing::default(),
        cooked,
        nodes,
        branches: vec![branch],
        indent_step: 4,
        beyond_sops: beyond_sops.or(mark),
    })
}

pub(super) fn error<T>(
    problem: impl Into<String>,
    offset: usize,
    hint: Option<&'static str>,
) -> Result<T, ParseError> {
    Err(ParseError {
        problem: problem.into(),
        offset,
        hint,
        excerpt: Excerpt::default(),
    })
}

fn check_encoding(source: &[u8]) -> Result<(), ParseError> {
    if source.len() >= u32::MAX as usize {
        return error("a text of 4 GiB or more", 0, None);
    }
    match std::str::from_utf8(source) {
        Ok(_) => Ok(()),
        Err(bad) => {
            let is_utf16 = source.starts_with(b"\xff\xfe") || source.starts_with(b"\xfe\xff");
            let hint = is_utf16.then_some("this looks like UTF-16; save it as UTF-8");
            error("bytes that are not UTF-8", bad.valid_up_to(), hint)
        }
    }
}

/// A text that is being read.
pub(super) struct Parser<'s> {
    pub(super) source: &'s [u8],
    pub(super) at: usize,
    options: ParseOptions,
    dialect: Dialect,
    pub(super) nodes: Vec<Node>,
    cooked: Zeroizing<Vec<u8>>,
    /// The collections around `at`, outermost first.
    open: Vec<NodeId>,
    pub(super) beyond_sops: Option<(BeyondSops, NodeId)>,
    duplicates: Duplicates,
    /// A key was read.
    has_key: bool,
    /// The first key is the one under which a root stands that is no object.
    is_within_wrapper: bool,
    /// The first node of the scalar member that ended on this line: its key, or itself.
    pub(super) on_line: Option<NodeId>,
    /// The comma behind the last member was read.
    pub(super) behind_comma: bool,
}

impl Parser<'_> {
    /// The whole text: a value between spaces.
    fn text(&mut self) -> Result<(), ParseError> {
        self.skip_space()?;
        loop {
            let is_complete = self.value()?;
            if is_complete && !self.next_member()? {
                break;
            }
        }
        if self.peek().is_none() {
            return Ok(());
        }
        let hint = self.comment_hint().or(Some("a JSON file holds one value"));
        error("text behind the value", self.at, hint)
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    /// Goes on to what is neither space nor comment.
    fn skip_space(&mut self) -> Result<(), ParseError> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\n' | b'\r') => {
                    self.at += 1;
                    self.on_line = None;
                }
                Some(b'/') if self.dialect == Dialect::Comments && self.comment()? => {}
                _ => return Ok(()),
            }
        }
    }

    /// What to do about a comment at this place, where the dialect has none.
    fn comment_hint(&self) -> Option<&'static str> {
        match self.peek() {
            Some(b'#') => Some("a comment stands behind `//`, and only in JSON with comments"),
            Some(b'/') if self.dialect == Dialect::Strict => Some(NO_COMMENTS),
            _ => None,
        }
    }

    /// Reads a value; of a collection that is not empty only its bracket and first key.
    /// True where the value is complete.
    fn value(&mut self) -> Result<bool, ParseError> {
        match self.peek() {
            Some(b'"') => self.string(false)?,
            Some(b'{') => return self.open(Kind::Mapping, b'}'),
            Some(b'[') => return self.open(Kind::Sequence, b']'),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true", Type::Bool, b"True")?,
            Some(b'f') => self.word(b"false", Type::Bool, b"False")?,
            Some(b'n') => self.word(b"null", Type::Null, b"")?,
            other => return self.no_value(other),
        }
        let id = self.next_id() - 1;
        let is_value = id > 0 && self.nodes[id as usize - 1].is_key;
        self.on_line = Some(id - u32::from(is_value));
        self.behind_comma = false;
        Ok(true)
    }

    fn no_value<T>(&self, found: Option<u8>) -> Result<T, ParseError> {
        let hint = match found {
            None => return error("the text ends where a value should stand", self.at, None),
            Some(b'/' | b'#') => self.comment_hint(),
            Some(b'\'') => Some(DOUBLE_QUOTES),
            Some(b']' | b'}') if self.is_behind_comma() => Some(NO_TRAILING_COMMA),
            Some(b'N' | b'I') => Some("JSON has no NaN and no infinity"),
            Some(b'T' | b'F') => Some("`true` and `false` are written small"),
            Some(b'+' | b'.') => Some("a number starts with a digit or `-`"),
            _ => None,
        };
        error("expected a value", self.at, hint)
    }

    fn is_behind_comma(&self) -> bool {
        self.source[..self.at].trim_ascii_end().last() == Some(&b',')
    }

    /// Reads what follows a complete value: closing brackets, then a comma and the next key.
    /// False behind the root value.
    fn next_member(&mut self) -> Result<bool, ParseError> {
        loop {
            self.skip_space()?;
            let Some(&id) = self.open.last() else {
                return Ok(false);
            };
            let is_object = self.nodes[id as usize].kind == Kind::Mapping;
            match (self.peek(), is_object) {
                (Some(b','), _) => {
                    self.at += 1;
                    self.behind_comma = true;
                    self.skip_space()?;
                    if self.is_trailing_comma(is_object) {
                        self.beyond_sops.get_or_insert((BeyondSops::Dialect, id));
                        continue;
                    }
                    if is_object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close(id)?,
                (found, _) => return self.no_end(found, is_object),
            }
        }
    }

    /// Whether a closing bracket follows, and the dialect allows it behind a comma.
    fn is_trailing_comma(&self, is_object: bool) -> bool {
        let closing = if is_object { b'}' } else { b']' };
        self.dialect == Dialect::Comments && self.peek() == Some(closing)
    }

    fn no_end<T>(&self, found: Option<u8>, is_object: bool) -> Result<T, ParseError> {
        let (expected, unended) = if is_object {
            ("expected `,` or `}`", "the text ends inside an object")
        } else {
            ("expected `,` or `]`", "the text ends inside a list")
        };
        match found {
            None => error(unended, self.at, None),
            Some(_) => error(expected, self.at, self.comment_hint()),
        }
    }

    /// Reads an opening bracket, and the first key of an object; true where it is closed at once.
    fn open(&mut self, kind: Kind, closing: u8) -> Result<bool, ParseError> {
        // A root that is no object may use all levels, and one more for what stands around it.
        let levels = MAX_DEPTH + usize::from(self.is_within_wrapper);
        if self.open.len() >= levels {
            let problem = format!("more than {MAX_DEPTH} levels of nesting");
            return error(problem, self.at, None);
        }
        let span = Span::new(self.at, self.at);
        let id = self.push(kind, Style::Flow, Type::Null, span, Text::Source(span));
        self.open.push(id);
        self.on_line = None;
        self.at += 1;
        self.skip_space()?;
        if self.peek() == Some(closing) {
            self.close(id)?;
            return Ok(true);
        }
        if kind == Kind::Mapping {
            self.key()?;
        }
        Ok(false)
    }

    /// Reads the closing bracket of `id`, the innermost collection.
    fn close(&mut self, id: NodeId) -> Result<(), ParseError> {
        self.at += 1;
        self.on_line = None;
        self.behind_comma = false;
        self.open.pop();
        let (at, end) = (Span::new(0, self.at).end, self.next_id());
        let node = &mut self.nodes[id as usize];
        node.span.end = at;
        node.end = end;
        if node.kind == Kind::Mapping && !self.options.allow_duplicate_keys {
            return self.check_keys(id);
        }
        Ok(())
    }

    /// Reads a key and its colon. Comments before the value come to stand before the key.
    fn key(&mut self) -> Result<(), ParseError> {
        self.on_line = None;
        let key = self.next_id();
        match self.peek() {
            Some(b'"') => self.string(true)?,
            found => return self.no_key(found),
        }
        if !std::mem::replace(&mut self.has_key, true) {
            self.is_within_wrapper = self.open.len() == 1 && self.key_text(key) == ROOT_KEY;
        }
        self.skip_space()?;
        if self.peek() != Some(b':') {
            let hint = self.comment_hint();
            return error("expected `:` behind the key", self.at, hint);
        }
        self.at += 1;
        self.skip_space()?;
        self.move_behind(key);
        Ok(())
    }

    fn no_key<T>(&self, found: Option<u8>) -> Result<T, ParseError> {
        let hint = match found {
            None => return error("the text ends inside an object", self.at, None),
            Some(b'/' | b'#') => self.comment_hint(),
            Some(b'}') if self.is_behind_comma() => Some(NO_TRAILING_COMMA),
            _ => Some(DOUBLE_QUOTES),
        };
        error("expected a key", self.at, hint)
    }

    fn string(&mut self, is_key: bool) -> Result<(), ParseError> {
        let start = self.at;
        let (end, has_escapes) = self.closing_quote(start)?;
        let inside = Span::new(start + 1, end);
        let raw = &self.source[inside.range()];
        if let Some(at) = first_control(raw) {
            let hint = match raw[at] {
                b'\n' | b'\r' => "a closing quote may be missing; a line end is written `\\n`",
                _ => "it is written as an escape, such as `\\t`",
            };
            return error(
                "a control character in a string",
                start + 1 + at,
                Some(hint),
            );
        }
        let text = if has_escapes {
            let from = self.cooked.len();
            if let Err(at) = spell::unescape(raw, &mut self.cooked) {
                return error("an escape that JSON does not have", start + 1 + at, None);
            }
            self.cooked_text(from)?
        } else {
            Text::Source(inside)
        };
        self.at = end + 1;
        let span = Span::new(start, self.at);
        let id = self.push(Kind::Scalar, Style::Double, Type::Str, span, text);
        self.nodes[id as usize].is_key = is_key;
        Ok(())
    }

    /// The offset of the quote that ends the string begun at `start`, and whether an escape stands between.
    fn closing_quote(&self, start: usize) -> Result<(usize, bool), ParseError> {
        let (mut at, mut has_escapes) = (start + 1, false);
        while let Some(run) = self
            .source
            .get(at..)
            .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
        {
            at += run;
            if self.source[at] == b'"' {
                return Ok((at, has_escapes));
            }
            has_escapes = true;
            at += 2;
        }
        error("a string without a closing quote", start, None)
    }

    /// What was cooked from `from` on.
    fn cooked_text(&self, from: usize) -> Result<Text, ParseError> {
        if self.cooked.len() >= u32::MAX as usize {
            return error("numbers of 4 GiB or more", self.at, None);
        }
        Ok(Text::Cooked(Span::new(from, self.cooked.len())))
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let number = match Number::at_head(&self.source[start..]) {
            Ok(number) => number,
            Err(at) => return error("expected a digit", start + at, None),
        };
        self.at += number.length;
        let span = Span::new(start, self.at);
        let meaning = spell::meaning(&self.source[span.range()], number.is_whole);
        let text = match meaning.canonical {
            Some(canonical) => self.cook(canonical.as_bytes())?,
            None => Text::Source(span),
        };
        let id = self.push(Kind::Scalar, Style::Plain, meaning.ty, span, text);
        if !meaning.in_range {
            self.beyond_sops.get_or_insert((BeyondSops::Number, id));
        }
        match self.peek() {
            Some(b'0'..=b'9') => error("a number that starts with 0", start, None),
            _ => Ok(()),
        }
    }

    fn word(&mut self, word: &[u8], ty: Type, canonical: &[u8]) -> Result<(), ParseError> {
        if !self.source[self.at..].starts_with(word) {
            return error("expected a value", self.at, Some(DOUBLE_QUOTES));
        }
        let span = Span::new(self.at, self.at + word.len());
        self.at += word.len();
        let text = self.cook(canonical)?;
        self.push(Kind::Scalar, Style::Plain, ty, span, text);
        Ok(())
    }

    fn cook(&mut self, canonical: &[u8]) -> Result<Text, ParseError> {
        let from = self.cooked.len();
        spell::append(&mut self.cooked, canonical);
        self.cooked_text(from)
    }

    pub(super) fn next_id(&self) -> NodeId {
        // No more nodes than bytes, and those are fewer than 2^32.
        Span::new(0, self.nodes.len()).end
    }

    pub(super) fn push(
        &mut self,
        kind: Kind,
        style: Style,
        ty: Type,
        span: Span,
        text: Text,
    ) -> NodeId {
        let id = self.next_id();
        let mut node = Node {
            kind,
            style,
            ty,
            is_key: false,
            in_flow: true,
            inline: false,
            span,
            is_cooked: false,
            body_start: span.start,
            outer_start: span.start,
            tag: Span {
                start: span.start,
                end: span.start,
            },
            text_span: span,
            // Bounded by MAX_DEPTH.
            indent: Span::new(0, self.open.len()).end,
            end: id + 1,
            target: id,
        };
        node.set_text(text);
        self.nodes.push(node);
        id
    }

    fn text_of(&self, text: Text) -> &[u8] {
        match text {
            Text::Source(span) => &self.source[span.range()],
            Text::Cooked(span) => &self.cooked[span.range()],
        }
    }

    fn key_text(&self, id: NodeId) -> &[u8] {
        self.text_of(self.nodes[id as usize].text())
    }

    /// Refuses an object in which a key stands twice.
    fn check_keys(&mut self, object: NodeId) -> Result<(), ParseError> {
        let mut duplicates = std::mem::take(&mut self.duplicates);
        let twice = duplicates.first(self.keys(object), |key| self.key_text(key));
        self.duplicates = duplicates;
        match twice {
            Some((first, second)) => self.duplicate(first, second),
            None => Ok(()),
        }
    }

    /// The keys of an object.
    fn keys(&self, object: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let (mut next, end) = (object + 1, self.nodes[object as usize].end);
        let children = std::iter::from_fn(move || {
            let child = (next < end).then_some(next)?;
            next = self.nodes[child as usize].end;
            Some(child)
        });
        children.filter(|&child| self.nodes[child as usize].is_key)
    }

    fn duplicate<T>(&self, first: NodeId, second: NodeId) -> Result<T, ParseError> {
        const SHOWN: usize = 40;
        let text = String::from_utf8_lossy(self.key_text(second));
        let mut name = String::new();
        for char in text.chars().take(SHOWN) {
            match char {
                '\'' => name.push(char),
                _ => name.extend(char.escape_debug()),
            }
        }
        if text.chars().nth(SHOWN).is_some() {
            name.push('…');
        }
        let place = self.nodes[first as usize].span.start as usize;
        let line = 1 + memchr::memchr_iter(b'\n', &self.source[..place]).count();
        error(
            format!("the key \"{name}\" stands twice in one object, first in line {line}"),
            self.nodes[second as usize].span.start as usize,
            None,
        )
    }

    /// The one branch of the text, whose content begins at `start`.
    fn branch(&mut self, start: usize) -> Result<Branch, ParseError> {
        let is_value = |node: &Node| node.kind != Kind::Comment;
        let outermost = self.nodes.iter().position(is_value).unwrap_or_default();
        let root = Span::new(0, outermost).end;
        let mut branch = Branch {
            first: 0,
            end: self.next_id(),
            root: Some(root),
            span: Span::new(start, self.source.len()),
            metadata: None,
        };
        let keys: Vec<NodeId> = if self.nodes[outermost].kind == Kind::Mapping {
            self.keys(root).collect()
        } else {
            self.beyond_sops = Some((BeyondSops::Root, root));
            Vec::new()
        };
        for &key in keys.iter().filter(|&&k| self.key_text(k) == METADATA_KEY) {
            if let Some(first) = branch.metadata.replace(key) {
                return self.duplicate(first, key);
            }
        }
        if let [root, metadata] = keys[..]
            && branch.metadata == Some(metadata)
            && self.key_text(root) == ROOT_KEY
        {
            branch.first = self.move_before(root) + 1;
            branch.end = metadata;
            let inside = &self.nodes[branch.first as usize..];
            // A value follows every key.
            let comments = inside.iter().position(is_value).unwrap_or_default();
            let first = branch.first + Span::new(0, comments).end;
            branch.root = Some(first);
            self.beyond_sops = Some((BeyondSops::Root, first));
        }
        Ok(branch)
    }
}

/// The place of the first control character; looks in a way that compilers make vectors of.
fn first_control(text: &[u8]) -> Option<usize> {
    let least = text.iter().fold(u8::MAX, |least, &b| least.min(b));
    (least < 0x20).then(|| text.iter().position(|&b| b < 0x20))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::NoMarking;

    fn read(text: impl AsRef<[u8]>) -> Result<Document, ParseError> {
        let source = Zeroizing::new(text.as_ref().to_vec());
        parse(source, ParseOptions::default(), Dialect::Strict)
    }

    /// Additional data and canonical text of every leaf, a line each.
    fn leaves(document: &Document) -> String {
        let mut leaves = document.leaves(NoMarking);
        let mut lines = Vec::new();
        while let Some(leaf) = leaves.advance() {
            let value = document.value(leaf.id);
            let text = String::from_utf8_lossy(value.text);
            let aad = String::from_utf8_lossy(leaves.aad()).into_owned();
            lines.push(format!("{aad} {:?} {text}\n", value.ty));
        }
        lines.concat()
    }

    #[test]
    fn leaves_have_types_and_canonical_texts() {
        let text = r#"{"s": "a\u00e9", "n": [1, -0, 1.50, 1e3, true, false, null], "sops": {"x": 1},
            "e": {}, "\u0041": {"b": ["x", ["y"]]}, "l": "\ud800"}"#;
        assert_eq!(
            leaves(&read(text).unwrap()),
            "s: Str aé\nn: Int 1\nn: Int 0\nn: Float 1.5\nn: Float 1000\nn: Bool True\n\
             n: Bool False\nn: Null \nA:b: Str x\nA:b: Str y\nl: Str \u{fffd}\n"
        );
    }

    #[test]
    fn nodes_say_where_they_stand() {
        let text = "\u{feff} {\"a\" : [\"b\", {}]}\n";
        let document = read(text).unwrap();
        let spans: Vec<(&str, u32, NodeId)> = document
            .nodes
            .iter()
            .map(|n| (&text[n.span.range()], n.indent, n.end))
            .collect();
        assert_eq!(
            spans,
            [
                ("{\"a\" : [\"b\", {}]}", 0, 5),
                ("\"a\"", 1, 2),
                ("[\"b\", {}]", 1, 5),
                ("\"b\"", 2, 4),
                ("{}", 2, 5)
            ]
        );
        assert!(document.nodes[1].is_key && !document.nodes[3].is_key);
        assert!(
            document
                .nodes
                .iter()
                .all(|n| n.body() == n.span && n.outer() == n.span)
        );
    }

    #[test]
    fn a_root_that_is_no_object_is_beyond_sops() {
        for text in ["[1]", "1", "\"x\"", "null", " [] "] {
            let found = read(text).unwrap().beyond_sops;
            assert_eq!(found, Some((BeyondSops::Root, 0)), "{text}");
        }
        assert_eq!(
            read("{\"a\": [1e999]}").unwrap().beyond_sops,
            Some((BeyondSops::Number, 3))
        );
        assert_eq!(read("{\"a\": [1e99]}").unwrap().beyond_sops, None);
        assert_eq!(
            read("\u{feff}{}").unwrap().beyond_sops,
            Some((BeyondSops::Mark, 0))
        );
    }

    #[test]
    fn a_wrapped_root_is_walked_as_if_it_stood_alone() {
        for (root, expected) in [
            ("[1, [\"x\"]]", ": Int 1\n: Str x\n"),
            ("true", ": Bool True\n"),
            ("{\"a\": 1}", "a: Int 1\n"),
            ("[]", ""),
        ] {
            let text = format!("{{\"bulla:root\": {root}, \"sops\": {{\"mac\": \"x\"}}}}");
            let document = read(text).unwrap();
            assert_eq!(leaves(&document), expected);
            assert_eq!(leaves(&read(root).unwrap()), expected);
            let branch = document.branches[0];
            let metadata = document.data(branch.metadata.unwrap() + 1);
            assert_eq!(metadata.entry("mac").and_then(|m| m.text()), Some("x"));
            assert_eq!(branch.root, Some(branch.first));
            assert_eq!(document.beyond_sops, Some((BeyondSops::Root, 2)));
        }
        for text in [
            "{\"sops\": 1, \"bulla:root\": 2}",
            "{\"bulla:root\": 2}",
            "{\"bulla:root\": 2, \"sops\": 1, \"a\": 3}",
        ] {
            let document = read(text).unwrap();
            assert!(
                leaves(&document).starts_with("bulla:root: Int 2\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_place_and_the_reason_of_a_mistake_are_told() {
        for (text, offset, problem, hint) in [
            ("", 0, "the text ends where a value should stand", ""),
            ("{", 1, "the text ends inside an object", ""),
            ("[1", 2, "the text ends inside a list", ""),
            (
                "{} {}",
                3,
                "text behind the value",
                "a JSON file holds one value",
            ),
            ("{} // x", 3, "text behind the value", NO_COMMENTS),
            ("{ // x\n}", 2, "expected a key", NO_COMMENTS),
            ("[1 /* x */]", 3, "expected `,` or `]`", NO_COMMENTS),
            (
                "[# x\n]",
                1,
                "expected a value",
                "a comment stands behind `//`, and only in JSON with comments",
            ),
            ("[1, ]", 4, "expected a value", NO_TRAILING_COMMA),
            ("{\"a\": 1,\n}", 9, "expected a key", NO_TRAILING_COMMA),
            ("{\"a\": }", 6, "expected a value", ""),
            ("{\"a\" 1}", 5, "expected `:` behind the key", ""),
            ("{a: 1}", 1, "expected a key", DOUBLE_QUOTES),
            ("['a']", 1, "expected a value", DOUBLE_QUOTES),
            ("[1}", 2, "expected `,` or `]`", ""),
            ("[-]", 2, "expected a digit", ""),
            ("[01]", 1, "a number that starts with 0", ""),
            (
                "[NaN]",
                1,
                "expected a value",
                "JSON has no NaN and no infinity",
            ),
            (
                "[True]",
                1,
                "expected a value",
                "`true` and `false` are written small",
            ),
            ("[\"a]", 1, "a string without a closing quote", ""),
            ("[\"a\\", 1, "a string without a closing quote", ""),
            ("[\"a\\x\"]", 3, "an escape that JSON does not have", ""),
        ] {
            let error = read(text).err().unwrap();
            assert_eq!(
                (error.offset, &error.problem[..], error.hint.unwrap_or("")),
                (offset, problem, hint),
                "{text}"
            );
        }
        assert_eq!(read("[\"a\tb\"]").err().unwrap().offset, 3);
        assert_eq!(read(b"[\"a\xffb\"]").err().unwrap().offset, 3);
        assert!(
            read(b"\xff\xfe[\0]\0")
                .err()
                .unwrap()
                .hint
                .unwrap()
                .contains("UTF-16")
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_by_name_and_place() {
        let error = read("{\n\"a\": {\"k\": 1},\n\"b\": 2,\n\"\\u0061\": 3}")
            .err()
            .unwrap();
        assert_eq!(
            error.problem,
            "the key \"a\" stands twice in one object, first in line 2"
        );
        assert_eq!(error.offset, 25);
        let many: Vec<String> = (0..5_000)
            .map(|i| format!("\"{}\": 1", i % 4_990))
            .collect();
        let error = read(format!("{{{}}}", many.join(","))).err().unwrap();
        assert!(error.problem.starts_with("the key \"0\" "));
        let error = read("{\"it's\\n\": 1, \"it's\\n\": 2}").err().unwrap();
        assert!(error.problem.contains("\"it's\\n\""));
        let long = format!("{{\"{0}\": 1, \"{0}\": 2}}", "é".repeat(60));
        let error = read(long).err().unwrap();
        assert!(error.problem.contains(&format!("\"{}…\"", "é".repeat(40))));
    }

    #[test]
    fn duplicate_keys_are_read_on_request_but_never_metadata() {
        let options = ParseOptions {
            allow_duplicate_keys: true,
            ..ParseOptions::default()
        };
        let read = |text: &str| {
            parse(
                Zeroizing::new(text.as_bytes().to_vec()),
                options,
                Dialect::Strict,
            )
        };
        let document = read("{\"a\": 1, \"a\": {\"sops\": 1, \"sops\": 2}}").unwrap();
        assert_eq!(
            leaves(&document),
            "a: Int 1\na:sops: Int 1\na:sops: Int 2\n"
        );
        let error = read("{\"sops\": 1, \"a\": 2, \"\\u0073ops\": 3}")
            .err()
            .unwrap();
        assert_eq!(error.offset, 20);
    }

    #[test]
    fn nesting_is_read_to_the_limit_and_no_further() {
        let lists = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(read(lists(MAX_DEPTH)).is_ok());
        assert_eq!(read(lists(MAX_DEPTH + 1)).err().unwrap().offset, MAX_DEPTH);
        assert!(read("[".repeat(1_000_000)).is_err());
        let wrapped = |n| format!("{{\"bulla:root\": {}, \"sops\": {{}}}}", lists(n));
        assert!(read(wrapped(MAX_DEPTH)).is_ok());
        assert!(read(wrapped(MAX_DEPTH + 1)).is_err());
    }
}
