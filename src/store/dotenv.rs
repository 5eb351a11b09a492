//! Dotenv: `KEY=value` lines as sops reads them, and as other readers do where sops refuses to.
//!
//! For sops a line is empty, a comment (`#` is its first byte) or holds `=`. Key and value are all
//! that stands before and behind the first `=`: blanks, `export`, quotes and the CR of a CRLF belong
//! to them. `\n` (two characters) in a value is a line feed. A key may stand twice.
//!
//! What sops refuses is read here, and encrypted in normal form: lines of nothing but blanks, an
//! indented comment, a variable passed on (`export KEY`; it counts as a comment), and a value in
//! quotes that goes on over several lines. A word alone stays refused: it may be a forgotten `=`, or
//! a line of a secret that lacks its quotes, and a comment can be in clear. The last is taken for one only where sops would refuse
//! one of these lines: what sops can read means the same here as there.
//!
//! The metadata are the lines whose key starts with `sops_`. In the document they are one mapping
//! at the end of the root, under the key `sops`.

use super::flat::{self, Tree, refused};
use super::{EmitError, Excerpt, Layout, ParseError, ParseOptions, Store};
use crate::document::secret::append;
use crate::document::{Data, Document, NodeId, Path, Span, Splice, Step, Style, Text, Type, Value};
use memchr::{memchr, memchr2, memmem};
use zeroize::Zeroizing;

/// What the keys of the metadata start with.
const PREFIX: &[u8] = b"sops_";

/// The dotenv store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dotenv;

impl Store for Dotenv {
    fn name(&self) -> &'static str {
        "dotenv"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".env"]
    }

    /// Also `.envrc`, `.env.production`, `web.env.local`.
    fn is_named(&self, name: &str) -> bool {
        let ends = self.suffixes().iter().any(|end| name.ends_with(end));
        ends || name.starts_with(".env") || name.contains(".env.")
    }

    fn metadata(&self, document: &Document) -> Result<Option<Data>, ParseError> {
        let Some(key) = document.branches.iter().find_map(|b| b.metadata) else {
            return Ok(None);
        };
        let keys: Vec<NodeId> = metadata_keys(document, key).collect();
        let entries = keys.iter().map(|&key| {
            let name = document.key_text(key)[PREFIX.len()..].to_vec();
            // Somebody's tools may have given the lines of the file other ends.
            let text = document.value(key + 1).text;
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            (name, Data::str(text))
        });
        let tree = flat::unflatten(entries.collect());
        let offset = |number: usize| document.node(keys[number]).span.start as usize;
        tree.map(Some)
            .map_err(|number| flat::broken_metadata(offset(number)))
            .map_err(|error| error.shown_in(&document.source))
    }

    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        _options: ParseOptions,
    ) -> Result<Document, ParseError> {
        flat::check_length(&source)?;
        let mut tree = Tree::new(source.len());
        let mut metadata = Vec::new();
        for line in lines(&source).map_err(|error| error.shown_in(&source))? {
            match line.what {
                What::Blank => {}
                What::Comment(text) => {
                    let text = Text::Source(Span::new(text, line.end));
                    tree.comment(Span::new(line.start, line.end), text, false);
                }
                What::Entry(_) if source[line.start..].starts_with(PREFIX) => metadata.push(line),
                What::Entry(equals) => entry(&mut tree, &source, &line, equals),
            }
        }
        let key = metadata.first().map(|first| {
            let name = tree.cook(PREFIX.strip_suffix(b"_").unwrap_or(PREFIX));
            let key = tree.key(Span::new(first.start, first.start), name);
            let end = metadata.last().map_or(first.end, |last| last.end);
            let block = tree.open(Span::new(first.start, end));
            for line in &metadata {
                if let What::Entry(equals) = line.what {
                    entry(&mut tree, &source, line, equals);
                }
            }
            tree.close(block);
            key
        });
        Ok(tree.finish(source, key))
    }

    fn normal_form(&self, document: &Document) -> Vec<Splice> {
        // What was parsed once is parsed again.
        let lines = lines(&document.source).unwrap_or_default();
        let odd = lines.into_iter().filter(|line| line.is_odd);
        odd.map(|line| {
            let source = &document.source[..line.end];
            match line.what {
                What::Blank => Splice::new(Span::new(line.start, line.end), []),
                What::Comment(text) => {
                    let text = [b"#", &source[text..]].concat();
                    Splice::new(Span::new(line.start, line.end), text)
                }
                What::Entry(equals) => {
                    let span = Span::new(equals + 1, line.end);
                    let text = one_line(&source[equals + 1..]);
                    Splice { span, text }
                }
            }
        })
        .collect()
    }

    fn held(&self, data: Data) -> Data {
        flat::held(data)
    }

    fn region(&self, document: &Document, id: NodeId) -> Span {
        document.node(id).span
    }

    fn seal_into(
        &self,
        document: &Document,
        id: NodeId,
        token: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        let sign: &[u8] = if is_comment(document, id) { b"#" } else { b"" };
        out.extend_from_slice(sign);
        out.extend_from_slice(token);
        document.node(id).span
    }

    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        let text = if is_comment(document, id) {
            comment(value.text)
        } else {
            one_line(&flat::spelled(value.ty, value.text))
        };
        let span = document.node(id).span;
        Splice { span, text }.append_to(out)
    }

    /// Dotenv has no lists: nothing changes.
    fn open_list_comment(&self, document: &Document, id: NodeId, _text: &[u8]) -> Splice {
        insertion(document.node(id).span.start as usize, [])
    }

    /// Dotenv has no aliases, so there is nothing to put in the place of one.
    fn expand(
        &self,
        document: &Document,
        alias: NodeId,
        _leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    ) -> Splice {
        insertion(document.node(alias).span.start as usize, [])
    }

    /// The lines of the metadata follow those of the data. Blank lines between them tell how the
    /// text ended: one that the text ended without a line end, each further one stands for itself.
    fn attach(&self, document: &Document, metadata: &Data, _layout: Layout) -> Vec<Splice> {
        let source = &document.source;
        let ends = line_feeds_before(source, source.len());
        let mut text = match ends {
            _ if source.is_empty() => Vec::new(),
            0 => b"\n\n".to_vec(),
            1 => Vec::new(),
            _ => b"\n".to_vec(),
        };
        for (name, value) in flat::flatten(metadata) {
            if memchr2(b'=', b'\n', &name).is_none() {
                text.extend([PREFIX, &name, b"=", &one_line(&value), b"\n"].concat());
            }
        }
        vec![insertion(source.len(), text)]
    }

    fn detach(&self, document: &Document) -> Vec<Splice> {
        let Some(key) = document.branches[0].metadata else {
            return Vec::new();
        };
        let source = &document.source;
        let lines: Vec<Span> = metadata_keys(document, key)
            .map(|key| {
                let end = document.node(key + 1).span.end as usize;
                let end = end + usize::from(source.get(end) == Some(&b'\n'));
                Span::new(document.node(key).span.start as usize, end)
            })
            .collect();
        let start = lines.first().map_or(0, |line| line.start as usize);
        let end = lines.last().map_or(0, |line| line.end as usize);
        let length: usize = lines.iter().map(|line| line.range().len()).sum();
        if end < source.len() || end - start > length {
            // Somebody put lines behind the metadata, or between them.
            return lines.into_iter().map(|l| Splice::new(l, [])).collect();
        }
        let extra = match line_feeds_before(source, start) {
            0 | 1 => 0,
            2 => 2,
            _ => 1,
        };
        vec![Splice::new(Span::new(start - extra, end), [])]
    }

    fn replace(
        &self,
        document: &Document,
        id: NodeId,
        data: &Data,
        _layout: Layout,
    ) -> Result<Splice, EmitError> {
        let text = value_text(&document.path(id).to_string(), data)?;
        let span = document.node(id).span;
        Ok(Splice { span, text })
    }

    fn insert(
        &self,
        document: &Document,
        _id: Option<NodeId>,
        key: Option<&[u8]>,
        data: &Data,
        _layout: Layout,
    ) -> Result<Vec<Splice>, EmitError> {
        let Some(key) = key else {
            return refused("dotenv holds a mapping, not a list".to_owned());
        };
        let line = line(key, data)?;
        let block = document.branches[0].metadata.map(|key| key + 1);
        let at = block.map_or(document.source.len(), |block| {
            document.node(block).span.start as usize
        });
        let text = if at == 0 || document.source[at - 1] == b'\n' {
            [&line[..], b"\n"].concat()
        } else {
            [b"\n", &line[..]].concat()
        };
        Ok(vec![insertion(at, text)])
    }

    fn remove(&self, document: &Document, _id: NodeId, child: NodeId) -> Vec<Splice> {
        // An entry is its key and its value.
        let start = document.node(child - 1).span.start as usize;
        let end = document.node(child).span.end as usize;
        let end = end + usize::from(document.source.get(end) == Some(&b'\n'));
        vec![Splice::new(Span::new(start, end), [])]
    }

    fn emit(&self, branches: &[Data], _layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        let mut text = Zeroizing::default();
        for (key, data) in flat::only_branch(branches, "dotenv")? {
            let line = match data {
                Data::Comment(text, _) => comment(text),
                _ => line(key, data)?,
            };
            append(&mut text, &line);
            append(&mut text, b"\n");
        }
        Ok(text)
    }

    fn emit_value(&self, data: &Data, _layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        match data {
            Data::Scalar(Type::Str, text) => Ok(text.clone()),
            _ => refused("the value is no text, and dotenv holds nothing else".to_owned()),
        }
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }
}

fn insertion(at: usize, text: impl Into<Vec<u8>>) -> Splice {
    Splice::new(Span::new(at, at), text)
}

fn is_comment(document: &Document, id: NodeId) -> bool {
    document.node(id).kind == crate::document::Kind::Comment
}

/// The keys in the block of the metadata, whose key is `key`.
fn metadata_keys(document: &Document, key: NodeId) -> impl Iterator<Item = NodeId> {
    let entries = document.children(document.node(key).end);
    entries.filter(|&id| document.node(id).is_key)
}

fn entry(tree: &mut Tree, source: &[u8], line: &Line, equals: usize) {
    let key = Span::new(line.start, equals);
    tree.key(key, Text::Source(key));
    let span = Span::new(equals + 1, line.end);
    let raw = &source[span.range()];
    let text = if memmem::find(raw, b"\\n").is_some() {
        tree.cook(&replaced(raw, b"\\n", b"\n"))
    } else {
        Text::Source(span)
    };
    tree.scalar(span, Style::Plain, text);
}

/// A value on one line.
fn one_line(value: &[u8]) -> Zeroizing<Vec<u8>> {
    replaced(value, b"\n", b"\\n")
}

/// A comment, each line of it behind a sign.
fn comment(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let lines = replaced(text, b"\n", b"\n#");
    Zeroizing::new([b"#", &lines[..]].concat())
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut at = 0;
    for found in memmem::find_iter(text, from) {
        append(&mut out, &text[at..found]);
        append(&mut out, to);
        at = found + from.len();
    }
    append(&mut out, &text[at..]);
    out
}

fn line_feeds_before(source: &[u8], at: usize) -> usize {
    source[..at]
        .iter()
        .rev()
        .take_while(|&&byte| byte == b'\n')
        .count()
}

/// A value as it stands behind the `=`; `place` names it in errors.
fn value_text(place: &str, data: &Data) -> Result<Zeroizing<Vec<u8>>, EmitError> {
    let text = Zeroizing::new(flat::text_of(data, place, "dotenv")?);
    if memmem::find(&text, b"\\n").is_some() {
        let why = "holds a backslash before an n, which dotenv reads as a line feed";
        return refused(format!("{place} {why}"));
    }
    Ok(one_line(&text))
}

/// An entry, without line end.
fn line(key: &[u8], data: &Data) -> Result<Zeroizing<Vec<u8>>, EmitError> {
    let place = Path(vec![Step::Key(key.to_vec())]).to_string();
    if key.starts_with(PREFIX) {
        let why = "starts with `sops_`, which sops keeps for its metadata";
        return refused(format!("{place} {why}"));
    }
    if key.starts_with(b"#") || memchr2(b'=', b'\n', key).is_some() {
        return refused(format!("{place} cannot be a name in dotenv"));
    }
    let value = value_text(&place, data)?;
    Ok(Zeroizing::new([key, b"=", &value].concat()))
}

/// A line, or the lines of a value in quotes.
struct Line {
    start: usize,
    /// Where its line feed stands, or the text ends.
    end: usize,
    what: What,
    /// sops refuses it.
    is_odd: bool,
}

enum What {
    Blank,
    /// A comment whose text starts here.
    Comment(usize),
    /// A key and a value; the `=` stands here.
    Entry(usize),
}

/// All lines of a text.
fn lines(source: &[u8]) -> Result<Vec<Line>, ParseError> {
    let (mut lines, mut start) = (Vec::new(), 0);
    while start < source.len() {
        let end = line_end(source, start);
        let line = match memchr(b'=', &source[start..end]) {
            _ if start == end => Line {
                start,
                end,
                what: What::Blank,
                is_odd: false,
            },
            _ if source[start] == b'#' => Line {
                start,
                end,
                what: What::Comment(start + 1),
                is_odd: false,
            },
            Some(equals) => entry_line(source, start, end, start + equals),
            None => odd_line(source, start, end)?,
        };
        start = line.end + 1;
        lines.push(line);
    }
    Ok(lines)
}

fn line_end(source: &[u8], at: usize) -> usize {
    memchr(b'\n', &source[at..]).map_or(source.len(), |n| at + n)
}

fn entry_line(source: &[u8], start: usize, end: usize, equals: usize) -> Line {
    let further = end_of_quotes(source, equals + 1, end);
    Line {
        start,
        end: further.unwrap_or(end),
        what: What::Entry(equals),
        is_odd: further.is_some(),
    }
}

/// The end of a value that goes on in quotes behind `end`, where sops would refuse one of its lines.
fn end_of_quotes(source: &[u8], start: usize, end: usize) -> Option<usize> {
    let blanks = source[start..end]
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'));
    let open = start + blanks.count();
    let quote = *source[..end].get(open)?;
    if !matches!(quote, b'"' | b'\'' | b'`') {
        return None;
    }
    let close = closing_quote(source, open + 1, quote)?;
    let last = line_end(source, close);
    let behind = source[close + 1..last].trim_ascii();
    let is_value = close > end && (behind.is_empty() || behind.starts_with(b"#"));
    let is_refused = |line: &[u8]| {
        let read = line.is_empty() || line.starts_with(b"#") || memchr(b'=', line).is_some();
        !read
    };
    let mut inside = source[end.min(last)..last].split(|&b| b == b'\n').skip(1);
    (is_value && inside.any(is_refused)).then_some(last)
}

/// Where the quotes end. In double quotes a backslash takes the next byte with it.
fn closing_quote(source: &[u8], from: usize, quote: u8) -> Option<usize> {
    let escape = if quote == b'"' { b'\\' } else { quote };
    let mut at = from;
    loop {
        let found = at + memchr2(quote, escape, source.get(at..)?)?;
        if source[found] == quote {
            return Some(found);
        }
        at = found + 2;
    }
}

/// A line that sops refuses: it has no `=`.
fn odd_line(source: &[u8], start: usize, end: usize) -> Result<Line, ParseError> {
    let line = &source[start..end];
    let mark = if start == 0 {
        &b"\xef\xbb\xbf"[..]
    } else {
        b""
    };
    let text = line.strip_prefix(mark).unwrap_or(line).trim_ascii_start();
    let what = if text.is_empty() {
        What::Blank
    } else if text.starts_with(b"#") {
        What::Comment(end - text.len() + 1)
    } else if is_passed_on(text) {
        What::Comment(start)
    } else {
        return Err(ParseError {
            problem: "expected `KEY=value` or a comment".to_owned(),
            offset: end - text.len(),
            hint: Some(refused_hint(source)),
            excerpt: Excerpt::default(),
        });
    };
    Ok(Line {
        start,
        end,
        what,
        is_odd: true,
    })
}

/// What to do about a text with a line that is none of dotenv.
fn refused_hint(source: &[u8]) -> &'static str {
    if source.starts_with(b"\xff\xfe") || source.starts_with(b"\xfe\xff") {
        "this looks like UTF-16; save it as UTF-8"
    } else {
        "a value of several lines stands in quotes"
    }
}

/// `export KEY`: a variable that is passed on.
fn is_passed_on(text: &[u8]) -> bool {
    let name = match text.strip_prefix(b"export") {
        Some(rest) if rest.starts_with(b" ") || rest.starts_with(b"\t") => rest.trim_ascii(),
        _ => return false,
    };
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    name.first().is_some_and(|b| !b.is_ascii_digit()) && name.iter().all(is_part)
}

const EXAMPLE: &str = "\
# Replace what stands here by your own secrets.
GREETING=hello
PASSWORD=correct horse battery staple
SEVERAL_LINES=one\\ntwo\\nthree
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{NoMarking, same_leaves, splice};
    use proptest::prelude::*;

    fn parse(text: &[u8]) -> Result<Document, ParseError> {
        Dotenv.parse(Zeroizing::new(text.to_vec()), ParseOptions::default())
    }

    fn spliced(document: &Document, mut splices: Vec<Splice>) -> Vec<u8> {
        splice(&document.source, &mut splices).to_vec()
    }

    fn metadata() -> Data {
        let key = Data::Map(vec![(b"enc".to_vec(), Data::str("-----\na\n-----\n"))]);
        Data::Map(vec![
            (b"age".to_vec(), Data::List(vec![key])),
            (b"mac".to_vec(), Data::str("ENC[x]")),
        ])
    }

    /// Keys and values as sops has them, by a reading of its own; `None` where it refuses the text.
    fn as_sops(text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut entries = Vec::new();
        for line in text.split(|&b| b == b'\n') {
            match line.first() {
                None => {}
                Some(b'#') => entries.push((b"#".to_vec(), line[1..].to_vec())),
                Some(_) => {
                    let at = line.iter().position(|&b| b == b'=')?;
                    let mut value = Vec::new();
                    let mut rest = &line[at + 1..];
                    while let Some((&byte, behind)) = rest.split_first() {
                        if let Some(after) = rest.strip_prefix(b"\\n") {
                            value.push(b'\n');
                            rest = after;
                        } else {
                            value.push(byte);
                            rest = behind;
                        }
                    }
                    entries.push((line[..at].to_vec(), value));
                }
            }
        }
        Some(entries)
    }

    fn entries(document: &Document) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Data::Map(entries) = document.data(0) else {
            unreachable!()
        };
        let text = |data: &Data| match data {
            Data::Scalar(_, text) | Data::Comment(text, _) => text.to_vec(),
            _ => Vec::new(),
        };
        entries
            .iter()
            .map(|(key, data)| match data {
                Data::Comment(..) => (b"#".to_vec(), text(data)),
                _ => (key.clone(), text(data)),
            })
            .collect()
    }

    /// The text in normal form with every leaf sealed and metadata behind it, as encrypting does.
    fn encrypted(document: &Document) -> (Document, Vec<u8>) {
        let normal = parse(&spliced(document, Dotenv.normal_form(document))).unwrap();
        let mut splices = Vec::new();
        let mut leaves = normal.leaves(NoMarking);
        while let Some(leaf) = leaves.advance() {
            splices.push(Dotenv.seal(&normal, leaf.id, b"ENC[x]"));
        }
        splices.extend(Dotenv.attach(&normal, &metadata(), Layout::default()));
        let text = spliced(&normal, splices);
        (normal, text)
    }

    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => "[A-C]{1,2}=[a-c \"'#\\\\n=\r]{0,6}",
            2 => "#[a-c =]{0,4}",
            2 => Just(String::new()),
            1 => "[ \t\r]{0,2}",
            1 => " {1,2}#[a-c]{0,2}",
            1 => "(export )?[A-C]{1,2}\r?",
            2 => "[A-C]=[\"'`]([a-c=\\\\n]{0,3}\n){1,3}[a-c]?[\"'`]( #x)?",
        ];
        let end = prop_oneof![Just(""), Just("\n"), Just("\r\n"), Just("\n\n\n")];
        (prop::collection::vec(piece, 0..8), end).prop_map(|(lines, end)| lines.join("\n") + end)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_sops_reads_is_read_as_sops_does(text in text()) {
            if let Some(theirs) = as_sops(text.as_bytes()) {
                let document = parse(text.as_bytes()).unwrap();
                prop_assert!(Dotenv.normal_form(&document).is_empty());
                prop_assert_eq!(entries(&document), theirs);
            }
        }

        #[test]
        fn the_normal_form_holds_the_same_for_us_and_for_sops(text in text()) {
            if let Ok(document) = parse(text.as_bytes()) {
                let text = spliced(&document, Dotenv.normal_form(&document));
                let normal = parse(&text).unwrap();
                prop_assert!(same_leaves(&document, &normal));
                prop_assert!(Dotenv.normal_form(&normal).is_empty());
                prop_assert_eq!(entries(&normal), as_sops(&text).unwrap());
            }
        }

        #[test]
        fn opening_and_detaching_undo_sealing_and_attaching(text in text()) {
            if let Ok(document) = parse(text.as_bytes()) {
                let (normal, sealed) = encrypted(&document);
                let sealed = parse(&sealed).unwrap();
                prop_assert!(Dotenv.metadata(&sealed) == Ok(Some(metadata())));
                let mut splices = Dotenv.detach(&sealed);
                let (mut ours, mut theirs) = (normal.leaves(NoMarking), sealed.leaves(NoMarking));
                while let Some(leaf) = ours.advance() {
                    let there = theirs.advance().unwrap();
                    prop_assert_eq!(ours.aad(), theirs.aad());
                    splices.push(Dotenv.open(&sealed, there.id, normal.value(leaf.id)));
                }
                prop_assert!(theirs.advance().is_none());
                prop_assert_eq!(spliced(&sealed, splices), normal.source.to_vec());
            }
        }

        #[test]
        fn what_is_emitted_reads_back(text in text()) {
            if let Ok(document) = parse(text.as_bytes()) {
                let emitted = Dotenv.emit(&[document.data(0)], Layout::default()).unwrap();
                prop_assert!(same_leaves(&document, &parse(&emitted).unwrap()));
            }
        }
    }

    fn read(text: &str) -> Vec<(String, String)> {
        let utf8 = |bytes| String::from_utf8(bytes).unwrap();
        let entries = entries(&parse(text.as_bytes()).unwrap());
        entries
            .into_iter()
            .map(|(k, v)| (utf8(k), utf8(v)))
            .collect()
    }

    #[track_caller]
    fn reads(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(read(text), expected);
    }

    #[test]
    fn values_are_all_behind_the_first_equals_sign() {
        reads(
            "export A = \"x\" # y\r\n=\nA=1=2\nA=\\\\n\n",
            &[
                ("export A ", " \"x\" # y\r"),
                ("", ""),
                ("A", "1=2"),
                ("A", "\\\n"),
            ],
        );
    }

    #[test]
    fn a_value_in_quotes_goes_on_where_sops_refuses_its_lines() {
        reads(
            "KEY=\"-----BEGIN\nabc=\n\\\" x\n-----END\" # c\nB='\n'\nC=`a\nb\n`\n",
            &[
                ("KEY", "\"-----BEGIN\nabc=\n\\\" x\n-----END\" # c"),
                ("B", "'\n'"),
                ("C", "`a\nb\n`"),
            ],
        );
        reads("A=\"x\nB=y\"\n", &[("A", "\"x"), ("B", "y\"")]);
        reads(
            "A=\"x\nB=\"y\nexport b\n",
            &[("A", "\"x"), ("B", "\"y"), ("#", "export b")],
        );
        reads(
            "A=don't\nexport B\nC='\n",
            &[("A", "don't"), ("#", "export B"), ("C", "'")],
        );
    }

    #[test]
    fn lines_that_sops_refuses_are_comments() {
        reads(
            "\u{feff}  # a\n\t\r\nexport B\n export\tC\r\n",
            &[("#", " a"), ("#", "export B"), ("#", " export\tC\r")],
        );
        reads("  # a=b\n", &[("  # a", "b")]);
    }

    #[test]
    fn other_lines_are_refused_where_they_stand() {
        for text in ["A=1\n  two words", "A=1\n  -----BEGIN"] {
            assert_eq!(parse(text.as_bytes()).err().unwrap().offset, 6);
        }
        assert!(parse(b"A=\"x\nnot closed").is_err());
        for alone in ["1A", "A", "export", "exported", "export A B"] {
            assert!(parse(alone.as_bytes()).is_err(), "{alone}");
        }
    }

    #[test]
    fn metadata_may_stand_anywhere() {
        let text = b"sops_mac=x\r\nA=1\nsops_age__list_0__map_enc=a\\nb\n# c\n";
        let document = parse(text).unwrap();
        let found = Dotenv.metadata(&document).unwrap().unwrap();
        assert_eq!(found.entry("mac").unwrap().text(), Some("x"));
        let text = spliced(&document, Dotenv.detach(&document));
        assert_eq!(text, b"A=1\n# c\n");
        let broken = parse(b"A=1\nsops_a=1\nsops_a__map_b=2\n").unwrap();
        assert!(Dotenv.metadata(&broken).is_err());
        assert!(Dotenv.metadata(&parse(b"SOPS_A=1\n").unwrap()) == Ok(None));
    }

    #[test]
    fn the_end_of_the_text_comes_back() {
        for text in [
            "",
            "\n",
            "\n\n",
            "A=1",
            "A=1\n",
            "A=1\n\n",
            "A=1\n\n\n\n",
            "#\r\n",
            "A=\r",
        ] {
            let document = parse(text.as_bytes()).unwrap();
            let attached = Dotenv.attach(&document, &metadata(), Layout::default());
            let document = parse(&spliced(&document, attached)).unwrap();
            let detached = spliced(&document, Dotenv.detach(&document));
            assert_eq!(String::from_utf8(detached).unwrap(), text);
        }
    }

    #[test]
    fn entries_are_inserted_replaced_and_removed() {
        let text = "A=1\n# c\nB=\"x\ny\"\nC=3";
        let document = parse(text.as_bytes()).unwrap();
        let find = |name: &str| document.find(0, &Path::parse(name).unwrap()).unwrap();
        let layout = Layout::default();
        let to = Data::str("a\nb");
        let inserted = Dotenv.insert(&document, Some(0), Some(b"D"), &to, layout);
        let inserted = spliced(&document, inserted.unwrap());
        assert_eq!(inserted, [text.as_bytes(), b"\nD=a\\nb"].concat());
        let replaced = Dotenv.replace(&document, find("B"), &Data::bool(true), layout);
        let replaced = spliced(&document, vec![replaced.unwrap()]);
        assert_eq!(replaced, b"A=1\n# c\nB=true\nC=3");
        let removed = |name| spliced(&document, Dotenv.remove(&document, 0, find(name)));
        assert_eq!(removed("B"), b"A=1\n# c\nC=3");
        assert_eq!(removed("C"), b"A=1\n# c\nB=\"x\ny\"\n");
    }

    #[test]
    fn what_dotenv_cannot_hold_is_named() {
        let refused = |key: &str, data: Data| {
            let entry = (key.as_bytes().to_vec(), data);
            let emitted = Dotenv.emit(&[Data::Map(vec![entry])], Layout::default());
            emitted.unwrap_err().problem
        };
        let list = Data::List(vec![]);
        assert_eq!(refused("a", list), "a is a list, which dotenv cannot hold");
        assert_eq!(
            refused("a", Data::null()),
            "a is null, which dotenv cannot hold"
        );
        assert_eq!(
            refused("a", Data::str("x\\ny")),
            "a holds a backslash before an n, which dotenv reads as a line feed"
        );
        for key in ["a=b", "#a", "a\nb"] {
            assert!(refused(key, Data::int(1)).ends_with("cannot be a name in dotenv"));
        }
        assert!(refused("sops_x", Data::int(1)).contains("sops keeps"));
        let two = [Data::Map(vec![]), Data::Map(vec![])];
        assert!(Dotenv.emit(&two, Layout::default()).is_err());
        assert!(Dotenv.emit_value(&Data::int(1), Layout::default()).is_err());
    }

    #[test]
    fn values_are_laid_out_as_sops_does() {
        let float = |text: &str| Data::Scalar(Type::Float, Zeroizing::new(text.into()));
        let data = Data::Map(vec![
            (vec![], Data::Comment(Zeroizing::new(b" c".to_vec()), true)),
            (b"i".to_vec(), Data::int(7)),
            (b"f".to_vec(), float("1000")),
            (b"g".to_vec(), float("2000000")),
            (b"b".to_vec(), Data::bool(false)),
            (b"s".to_vec(), Data::str("a\nb")),
        ]);
        let text = Dotenv.emit(&[data], Layout::default()).unwrap();
        let expected = b"# c\ni=7\nf=1000.0\ng=2E+06\nb=false\ns=a\\nb\n";
        assert_eq!(text.to_vec(), expected);
    }

    #[test]
    fn names_of_files() {
        for name in [".env", "prod.env", ".envrc", ".env.local", "web.env.prod"] {
            assert!(Dotenv.is_named(name), "{name}");
        }
        for name in ["env", "x.environment", "env.txt"] {
            assert!(!Dotenv.is_named(name), "{name}");
        }
    }

    #[test]
    fn the_example_is_laid_out_as_we_do() {
        let data = parse(EXAMPLE.as_bytes()).unwrap().data(0);
        let emitted = Dotenv.emit(&[data], Layout::default()).unwrap();
        assert_eq!(emitted.to_vec(), EXAMPLE.as_bytes());
    }
}
