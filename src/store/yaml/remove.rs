//! Taking an entry or item out of a YAML text, so that its neighbours read as before.

use super::block::values;
use super::edit::{after_break, blanks_at, is_block_scalar, next_line, replace, sign_between};
use super::text::{break_len, is_break_or_end, line_end};
use crate::document::{Data, Document, Kind, Node, NodeId, Span, Splice, Style};
use crate::store::Layout;

/// See [`crate::store::Store::remove`].
pub fn remove(document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
    let parts = Parts::of(document, id, child);
    let node = document.node(id);
    if parts.before.is_none() && parts.next.is_none() {
        let empty = match node.kind {
            Kind::Mapping => Data::Map(Vec::new()),
            _ => Data::List(Vec::new()),
        };
        return vec![replace(document, id, &empty, Layout::default())];
    }
    let span = if node.style == Style::Flow {
        parts.flow_span(document)
    } else {
        parts.block_span(document)
    };
    vec![Splice::new(span, b"")]
}

/// An entry or item among its neighbours.
struct Parts {
    around: NodeId,
    /// The key of the entry, or the item itself.
    first: NodeId,
    value: NodeId,
    /// The value before.
    before: Option<NodeId>,
    /// The key or item behind.
    next: Option<NodeId>,
}

impl Parts {
    fn of(document: &Document, id: NodeId, child: NodeId) -> Self {
        let first = document.key_of(id, child).unwrap_or(child);
        Self {
            around: id,
            first,
            value: child,
            before: values(document, id).take_while(|&c| c < first).last(),
            next: values(document, id).find(|&c| c > child),
        }
    }

    fn flow_span(&self, document: &Document) -> Span {
        match (self.before, self.next) {
            (Some(before), _) => {
                let from = document.node(before).span.end as usize;
                let to = document.node(self.first).outer_start as usize;
                let comma = sign_between(document, b',', from, to);
                Span::new(
                    comma.unwrap_or(from),
                    document.node(self.value).span.end as usize,
                )
            }
            (None, next) => Span {
                start: document.node(self.first).outer_start,
                end: next.map_or(document.node(self.value).span.end, |next| {
                    document.node(next).outer_start
                }),
            },
        }
    }

    /// Whole lines; for the first entry of a mapping behind a dash up to the next entry.
    fn block_span(&self, document: &Document) -> Span {
        let source = &document.source;
        let start = begin(document, self.around, self.first, self.before);
        let line = start - trailing_spaces(&source[..start]);
        let alone = line == 0 || after_break(source, line);
        if !alone && let Some(next) = self.next {
            return Span::new(start, begin(document, self.around, next, Some(self.value)));
        }
        let above = self
            .before
            .and_then(|before| scalar_above(document, before, line));
        let value_end = document.node(self.value).span.end as usize;
        match (next_line(source, value_end), above) {
            (Some(end), Some(above)) => Span::new(line, behind_joining(document, above, end)),
            (Some(end), None) => Span::new(line, end),
            (None, Some(_)) => Span::new(line, source.len()),
            // The last line has no line end: the one before it goes instead.
            (None, None) => Span::new(before_break(source, line), source.len()),
        }
    }
}

/// Where an entry or item begins: at its `?` or `-`, or at its key `first`.
fn begin(document: &Document, around: NodeId, first: NodeId, before: Option<NodeId>) -> usize {
    let from = match before {
        Some(before) => document.node(before).span.end,
        None => document.node(around).span.start,
    };
    let sign = match document.node(around).kind {
        Kind::Sequence => b'-',
        _ => b'?',
    };
    let start = document.node(first).outer_start as usize;
    sign_between(document, sign, from as usize, start).unwrap_or(start)
}

fn trailing_spaces(text: &[u8]) -> usize {
    text.iter().rev().take_while(|&&b| b == b' ').count()
}

/// The place before the line end that ends at `at`.
fn before_break(source: &[u8], at: usize) -> usize {
    let is_break = |length: &usize| at >= *length && break_len(source, at - length) == *length;
    // The longest first: a CR may belong to the LF behind it.
    (1..=3)
        .rev()
        .find(is_break)
        .map_or(at, |length| at - length)
}

/// The block scalar that the value `before` ends in, where only blank lines follow it up to `line`.
fn scalar_above(document: &Document, before: NodeId, line: usize) -> Option<&Node> {
    let mut inside = (before..document.node(before).end).rev();
    let last = inside.find(|&id| document.node(id).kind != Kind::Comment)?;
    let last = document.node(last);
    // A comment may follow the header.
    let end = line_end(&document.source, last.span.end as usize);
    let between = document.source.get(end..line)?;
    (is_block_scalar(last) && between.trim_ascii().is_empty()).then_some(last)
}

/// The end of the lines from `at` on that would become a part of the block scalar `above`, if
/// they came to stand right behind it.
fn behind_joining(document: &Document, above: &Node, mut at: usize) -> usize {
    let source = &document.source;
    let header = above.span.start as usize..line_end(source, above.span.start as usize);
    let sign = |b: &&u8| !matches!(b, b'|' | b'>' | b'1'..=b'9' | b'-');
    let keeps = source[header].iter().find(sign) == Some(&b'+');
    let indent = above.indent as usize;
    let mut joining = at;
    loop {
        let blanks = blanks_at(source, at);
        let is_empty = is_break_or_end(source, at + blanks);
        if !is_empty && !matches!(source[at + blanks], b'#' | b'\t') {
            return joining;
        }
        if !is_empty && blanks < indent {
            return joining;
        }
        let joins = !is_empty || keeps || blanks > indent || above.body().is_empty();
        let next = next_line(source, at);
        if joins {
            joining = next.unwrap_or(source.len());
        }
        match next {
            Some(next) => at = next,
            None => return joining,
        }
    }
}
