//! INI as sops reads it, which is as the library go-ini does.
//!
//! Keys before the first section are in a section `DEFAULT`, which is always there. Every value is
//! a string. A `#` or `;` anywhere in a value starts a comment, also inside of `"`; a pair of quotes
//! around a value is not of it; three quotes or backticks hold several lines; a backslash at the end
//! of a line joins the next one. A `-` counts as key `#1`, `#2`. Of a key that stands twice in a
//! section the last value counts. The lines above a key are one comment with what stands behind the
//! value. For sops it comes behind its key, and so it does here: a selector by comments sees it there.
//!
//! A comment on the line of a value may be a part of it that go-ini cuts off (`password = a#b`): it
//! is encrypted wherever the value is. A comment above *and* on the line has two tokens, the first
//! with both, because sops looks at the first only.
//!
//! Encrypted in normal form are texts with: keys that stand twice, comments that are not one line
//! directly below the other or start with an empty one, text behind `]` or behind three quotes.
//!
//! The metadata are the section `[sops]`. Comments before it, or at the end of the text, are of the
//! section before; sops loses them.

mod edit;
mod emit;
mod normal;
mod scan;
mod space;
mod value;

use super::flat::{self, Tree};
use super::{EmitError, Excerpt, Layout, ParseError, ParseOptions, Store};
use crate::document::{Data, Document, Kind, NodeId, Span, Splice, Text, Value};
use normal::texts;
use scan::{Entry, Name, Section, comment_text, scan};
use std::ops::Range;
use value::{Meaning, as_sops, quoted, spelled};
use zeroize::Zeroizing;

/// The section that holds the metadata.
const METADATA: &[u8] = b"sops";

/// What every token starts with.
const TOKEN: &[u8] = b"ENC[";

/// The INI store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ini;

impl Store for Ini {
    fn name(&self) -> &'static str {
        "ini"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".ini"]
    }

    fn metadata(&self, document: &Document) -> Result<Option<Data>, ParseError> {
        let Some(key) = document.branches[0].metadata else {
            return Ok(None);
        };
        let is_key = |&id: &NodeId| document.node(id).is_key;
        let keys: Vec<NodeId> = document.children(key + 1).filter(is_key).collect();
        let entries = keys.iter().map(|&key| {
            let text = unescaped(document.value(key + 1).text);
            (document.key_text(key).to_vec(), Data::str(text))
        });
        let offset = |number: usize| document.node(keys[number]).span.start as usize;
        flat::unflatten(entries.collect())
            .map(Some)
            .map_err(|number| flat::broken_metadata(keys.get(number).map_or(0, |_| offset(number))))
            .map_err(|error| error.shown_in(&document.source))
    }

    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        _options: ParseOptions,
    ) -> Result<Document, ParseError> {
        flat::check_length(&source)?;
        let sections = scan(&source).map_err(|error| error.shown_in(&source))?;
        let mut tree = Tree::new(source.len());
        let mut metadata = None;
        for section in &sections {
            let key = section_node(&mut tree, &source, section);
            if section.name(&source) == METADATA && metadata.replace(key).is_some() {
                return Err(ParseError {
                    problem: "a second section `sops`".to_owned(),
                    offset: section.first(),
                    hint: None,
                    excerpt: Excerpt::of(&source, section.first()),
                });
            }
        }
        Ok(tree.finish(source, metadata))
    }

    fn normal_form(&self, document: &Document) -> Vec<Splice> {
        normal::splices(&document.source)
    }

    fn comments_follow_keys(&self) -> bool {
        true
    }

    fn belongs_to_value(&self, document: &Document, id: NodeId) -> bool {
        document.node(id).inline
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
        let node = document.node(id);
        let (span, text) = match node.kind {
            Kind::Comment => (node.span, Zeroizing::new(token.to_vec())),
            _ => (node.span, quoted(token, node.style)),
        };
        Splice { span, text }.append_to(out)
    }

    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        let node = document.node(id);
        let text = if node.kind == Kind::Comment {
            Zeroizing::new(comment(document, id, value.text))
        } else {
            let text = Zeroizing::new(flat::spelled(value.ty, value.text));
            spelled(&text, node.style).unwrap_or_else(|| quoted(&text, as_sops(&text)))
        };
        let span = node.span;
        Splice { span, text }.append_to(out)
    }

    /// INI has no lists: nothing changes.
    fn open_list_comment(&self, document: &Document, id: NodeId, _text: &[u8]) -> Splice {
        let start = document.node(id).span.start as usize;
        Splice::new(Span::new(start, start), [])
    }

    /// INI has no aliases, so there is nothing to put in the place of one.
    fn expand(
        &self,
        document: &Document,
        alias: NodeId,
        _leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    ) -> Splice {
        let start = document.node(alias).span.start as usize;
        Splice::new(Span::new(start, start), [])
    }

    /// A line end and the section of the metadata follow the text, however it ends.
    fn attach(&self, document: &Document, metadata: &Data, _layout: Layout) -> Vec<Splice> {
        let end = document.source.len();
        let text = emit::metadata(&document.source, metadata);
        vec![Splice::new(Span::new(end, end), text)]
    }

    fn detach(&self, document: &Document) -> Vec<Splice> {
        edit::detach(document)
    }

    fn replace(
        &self,
        document: &Document,
        id: NodeId,
        data: &Data,
        _layout: Layout,
    ) -> Result<Splice, EmitError> {
        edit::replace(document, id, data)
    }

    fn insert(
        &self,
        document: &Document,
        id: Option<NodeId>,
        key: Option<&[u8]>,
        data: &Data,
        _layout: Layout,
    ) -> Result<Vec<Splice>, EmitError> {
        match key {
            Some(key) => edit::insert(document, id.unwrap_or(0), key, data).map(|s| vec![s]),
            None => flat::refused("INI holds sections and keys, not lists".to_owned()),
        }
    }

    fn remove(&self, document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
        edit::remove(document, id, child)
    }

    fn emit(&self, branches: &[Data], _layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        emit::text(flat::only_branch(branches, "INI")?)
    }

    /// As sops does: JSON on one line.
    fn emit_value(&self, data: &Data, _layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        super::json::compact(data)
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }
}

/// Adds a section to the tree: the node of its key.
fn section_node(tree: &mut Tree, source: &[u8], section: &Section) -> NodeId {
    let key = if let Some(header) = &section.header {
        let name = Span::new(header.name.start, header.name.end);
        tree.key(name, Text::Source(name))
    } else {
        let name = tree.cook(section.name(source));
        tree.key(Span::default(), name)
    };
    let end = section.entries.last().map(|entry| entry.value.end);
    let header = section.header.as_ref();
    let end = end.or(header.map(|header| header.name.end)).unwrap_or(0);
    let mapping = tree.open(Span::new(section.first(), end));
    let mut lines = section.block.lines.clone();
    lines.extend(header.and_then(|header| header.comment.clone()));
    block_node(tree, source, &lines, None);
    for group in section.effective(source) {
        if let Some(&last) = group.last() {
            entry_nodes(tree, source, &section.entries[last]);
        }
    }
    block_node(tree, source, &section.trailing.lines, None);
    tree.close(mapping);
    key
}

fn entry_nodes(tree: &mut Tree, source: &[u8], entry: &Entry) {
    match &entry.name {
        Name::Source(name) => {
            let name = Span::new(name.start, name.end);
            tree.key(name, Text::Source(name));
        }
        Name::Counted(name) => {
            let name = tree.cook(name.as_bytes());
            tree.key(Span::new(entry.key, entry.key), name);
        }
    }
    let text = match &entry.value.text {
        Meaning::Source(text) => Text::Source(Span::new(text.start, text.end)),
        Meaning::Joined(text) => tree.cook(text),
    };
    let span = Span::new(entry.value.span.start, entry.value.span.end);
    tree.scalar(span, entry.value.style, text);
    let inline = entry.inline();
    if !entry.has_idle_lines(source) {
        block_node(tree, source, &entry.comment_lines(), inline.clone());
    }
    if let Some(comment) = inline {
        let text = scan::behind_signs(&source[comment.clone()]).len();
        let span = Span::new(comment.end - text, comment.end);
        tree.comment(span, Text::Source(span), true);
    }
}

/// Adds the comment of `lines`; `inline`, a comment behind the value, is a part of its text.
fn block_node(
    tree: &mut Tree,
    source: &[u8],
    lines: &[Range<usize>],
    inline: Option<Range<usize>>,
) {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return;
    };
    let own = Zeroizing::new(comment_text(&texts(source, lines)));
    let end = last.end - space::at_end(&source[last.clone()]);
    let skipped = first.len() - scan::behind_signs(&source[first.clone()]).len();
    let start = (first.start + skipped).min(end);
    let span = Span::new(start, end);
    let mut all = lines.to_vec();
    // Of a token nothing but the token counts.
    all.extend(inline.filter(|_| !own.starts_with(TOKEN)));
    let whole = Zeroizing::new(comment_text(&texts(source, &all)));
    let text = if source[span.range()] == whole[..] {
        Text::Source(span)
    } else {
        tree.cook(&whole)
    };
    tree.comment(span, text, false);
}

/// The text of a comment as it stands behind its sign. Of one that a comment on the line of the
/// value follows, without the last line, which is that comment.
fn comment(document: &Document, id: NodeId, text: &[u8]) -> Vec<u8> {
    let next = document.nodes.get(id as usize + 1);
    let is_inline = document.node(id).inline;
    let is_above_inline = !is_inline && next.is_some_and(|node| node.inline);
    let mut lines: Vec<&[u8]> = text.split(|&b| b == b'\n').collect();
    if is_above_inline && !text.starts_with(TOKEN) {
        lines.pop();
    }
    let mut out = Vec::with_capacity(text.len());
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            let is_signed = line.starts_with(b"#") || line.starts_with(b";");
            match (is_inline, is_signed) {
                _ if space::trimmed(line).is_empty() => continue,
                (true, _) => out.push(b' '),
                (false, true) => out.push(b'\n'),
                (false, false) => out.extend_from_slice(b"\n; "),
            }
        }
        out.extend_from_slice(line);
    }
    if is_above_inline {
        out.truncate(out.len() - space::at_end(&out));
    }
    out
}

/// A value of the metadata with its line feeds.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in memchr::memmem::find_iter(text, b"\\n") {
        out.extend_from_slice(&text[at..found]);
        out.push(b'\n');
        at = found + 2;
    }
    out.extend_from_slice(&text[at..]);
    out
}

const EXAMPLE: &str = "\
[Welcome]
; Replace what stands here by your own secrets.
greeting = hello
password = correct horse battery staple
";

#[cfg(test)]
mod tests;
