//! The metadata block: where it goes in a YAML text, and how it goes away again.

use super::emit;
use super::seal::newline;
use super::text::ends_line;
use crate::document::{Branch, Data, Document, Kind, Node, NodeId, Span, Splice, Style};
use crate::store::Layout;

/// The key of the metadata.
const KEY: &[u8] = b"sops";

/// See [`crate::store::Store::attach`].
///
/// Every branch gets the block as its last entry. Where a root is no mapping, there is no
/// place for an entry: the whole file then gets one more document that holds nothing else.
pub fn attach(document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice> {
    let indent = layout
        .indent
        .filter(|&n| n > 0)
        .unwrap_or(emit::DEFAULT_INDENT);
    let block = Block {
        document,
        metadata,
        indent,
    };
    if document.branches.iter().any(|b| !takes_entry(document, b)) {
        return vec![block.document_at_end()];
    }
    let branches = document.branches.iter();
    branches.map(|branch| block.entry(branch)).collect()
}

fn takes_entry(document: &Document, branch: &Branch) -> bool {
    branch
        .root
        .is_none_or(|root| document.node(root).kind == Kind::Mapping)
}

struct Block<'a> {
    document: &'a Document,
    metadata: &'a Data,
    indent: usize,
}

impl Block<'_> {
    fn entry(&self, branch: &Branch) -> Splice {
        let end = branch.span.end as usize;
        match branch.root.map(|root| (root, self.document.node(root))) {
            Some((id, root)) if root.style == Style::Flow => self.flow_entry(id, root),
            Some((_, root)) => self.lines(end, root.indent as usize, KEY, false),
            // Behind comments alone quotes tell that there was no empty mapping.
            None if !is_marked(&self.document.source[..end]) => {
                self.lines(end, 0, b"\"sops\"", false)
            }
            None => self.lines(end, 0, KEY, false),
        }
    }

    fn document_at_end(&self) -> Splice {
        self.lines(self.document.source.len(), 0, KEY, true)
    }

    /// The block as lines at `at`. A text without a line end at its end keeps it so.
    fn lines(&self, at: usize, column: usize, key: &[u8], own_document: bool) -> Splice {
        let newline = newline(self.document);
        let source = &self.document.source;
        let open = at == source.len() && at > 0 && !ends_line(source);
        let mut text = Vec::new();
        if open {
            text.extend_from_slice(newline);
        }
        if own_document {
            text.extend_from_slice(b"---");
            text.extend_from_slice(newline);
        }
        text.resize(text.len() + column, b' ');
        text.extend_from_slice(key);
        text.push(b':');
        emit::emit_block(self.metadata, column, self.indent, newline, &mut text);
        while text.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            text.pop();
        }
        if !open {
            text.extend_from_slice(newline);
        }
        Splice::new(Span::new(at, at), text)
    }

    fn flow_entry(&self, id: NodeId, root: &Node) -> Splice {
        let last = values(self.document, id).last();
        let mut text = Vec::new();
        let at = match last {
            Some(last) => {
                text.extend_from_slice(b", ");
                self.document.node(last).span.end as usize
            }
            None => root.span.start as usize + 1,
        };
        text.extend_from_slice(b"\"sops\": ");
        emit::emit_flow(self.metadata, &mut text);
        Splice::new(Span::new(at, at), text)
    }
}

/// Keys and values of a mapping, or items of a sequence, without comments.
pub fn values(document: &Document, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
    document
        .children(id)
        .filter(|&child| document.node(child).kind != Kind::Comment)
}

/// See [`crate::store::Store::detach`].
pub fn detach(document: &Document) -> Vec<Splice> {
    let own_document = own_document(document);
    let mut splices = Vec::new();
    for (number, branch) in document.branches.iter().enumerate() {
        let (Some(key), Some(root)) = (branch.metadata, branch.root) else {
            continue;
        };
        splices.push(if document.node(root).style == Style::Flow {
            detach_flow(document, root, key)
        } else if number == 0 && is_implicit(document, branch) {
            let span = detach_lines(document, key, false).span;
            Splice::new(span, empty(document, span.start as usize))
        } else {
            detach_lines(document, key, own_document == Some(number))
        });
    }
    splices
}

/// The last branch, where it alone holds the metadata and nothing else.
fn own_document(document: &Document) -> Option<usize> {
    let (last, before) = document.branches.split_last()?;
    let key = last.metadata?;
    let alone = values(document, last.root?).eq([key, document.node(key).end]);
    let only = !before.is_empty() && before.iter().all(|b| b.metadata.is_none());
    (alone && only).then_some(before.len())
}

/// True where nothing but the metadata says that there is a document: without it the document
/// behind would be the first, or none be left. Where sops found an empty mapping it leaves that;
/// where there was none, the key stands in quotes.
fn is_implicit(document: &Document, branch: &Branch) -> bool {
    let (Some(key), Some(root)) = (branch.metadata, branch.root) else {
        return false;
    };
    let is_alone = values(document, root).eq([key, document.node(key).end]);
    let before = &document.source[..document.node(key).outer_start as usize];
    let is_plain = document.node(key).style == Style::Plain;
    is_alone && !is_marked(before) && (is_plain || document.branches.len() > 1)
}

/// Whether a document was begun with its sign in `text`.
fn is_marked(text: &[u8]) -> bool {
    text.starts_with(b"---") || memchr::memmem::find(text, b"\n---").is_some()
}

/// An empty mapping on a line of its own at `at`.
fn empty(document: &Document, at: usize) -> Vec<u8> {
    let newline = newline(document);
    if at == 0 || ends_line(&document.source[..at]) {
        [b"{}", newline].concat()
    } else {
        [newline, b"{}"].concat()
    }
}

fn detach_lines(document: &Document, key: NodeId, own_document: bool) -> Splice {
    let source = &document.source;
    // Only indentation stands before the key, and `---` and a line end before that.
    let key_start = document.node(key).outer_start as usize;
    let mut start = source[..key_start]
        .iter()
        .rposition(|&byte| byte != b' ')
        .map_or(0, |at| at + 1);
    if own_document {
        start = before_line_end(&source[..start]).saturating_sub("---".len());
    }
    let value_end = document.node(document.node(key).end).span.end as usize;
    let Some(line_end) = memchr::memchr(b'\n', &source[value_end..]) else {
        let before = before_line_end(&source[..start]);
        return ended(document, Span::new(before, source.len()));
    };
    ended(document, Span::new(start, value_end + line_end + 1))
}

/// The length of `text` without the line end at its end.
fn before_line_end(text: &[u8]) -> usize {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text).len()
}

/// A file of nothing but metadata becomes an empty mapping, as sops writes it.
fn ended(document: &Document, span: Span) -> Splice {
    let all = span.start == 0 && span.end as usize == document.source.len();
    Splice::new(span, if all { b"{}\n".as_slice() } else { b"" })
}

fn detach_flow(document: &Document, root: NodeId, key: NodeId) -> Splice {
    let value = document.node(key).end;
    let before = values(document, root).take_while(|&c| c < key).last();
    let next = values(document, root).find(|&c| c > value);
    let root = document.node(root);
    let (start, end) = match (before, next) {
        (Some(before), _) => (
            document.node(before).span.end,
            document.node(value).span.end,
        ),
        (None, Some(next)) => (root.span.start + 1, document.node(next).outer_start),
        (None, None) => (root.span.start + 1, document.node(value).span.end),
    };
    let span = Span { start, end };
    Splice::new(span, b"")
}
