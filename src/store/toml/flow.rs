//! Splices inside of brackets: members of lists and inline tables, and their commas.

use super::emit::Writer;
use super::parse::{self, Role};
use super::spell;
use crate::document::{Data, Document, Kind, NodeId, Span, Splice, Style};
use crate::store::EmitError;
use crate::store::json::append;
use crate::store::line_end::line_end;
use zeroize::Zeroizing;

/// A value with its key, and the place of its node.
#[derive(Clone, Copy)]
struct Member {
    span: Span,
    node: NodeId,
}

/// The collection in brackets that `id` is, or that a table of dotted keys stands in.
pub(super) fn around(document: &Document, id: NodeId) -> NodeId {
    let mut at = id;
    while document.node(at).style != Style::Flow {
        match document.parent(at) {
            Some(above) => at = above,
            None => return id,
        }
    }
    at
}

/// The members of a collection in brackets, in the order of the text.
fn members(document: &Document, id: NodeId) -> Vec<Member> {
    if document.node(id).kind == Kind::Sequence {
        let children = document.children(id);
        let values = children.filter(|child| document.node(*child).kind != Kind::Comment);
        let member = |node| Member {
            span: document.node(node).span,
            node,
        };
        return values.map(member).collect();
    }
    // The text was parsed before.
    let Ok((_, lines)) = parse::outline(&document.source) else {
        return Vec::new();
    };
    let inside = id + 1..document.node(id).end;
    let lines = lines
        .iter()
        .filter(|line| line.role == Role::Member && inside.contains(&line.node));
    let mut found: Vec<Member> = lines
        .map(|line| Member {
            span: line.span,
            node: line.node,
        })
        .collect();
    found.sort_by_key(|member| member.span.start);
    let mut end = 0;
    found.retain(|member| {
        let is_outermost = member.span.start >= end;
        end = end.max(member.span.end);
        is_outermost
    });
    found
}

/// The comma that follows `at`, behind blanks, line ends and comments.
pub(super) fn comma_behind(source: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match source.get(at)? {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'#' => at += memchr::memchr(b'\n', &source[at..])?,
            b',' => return Some(at),
            _ => return None,
        }
    }
}

fn skip_blanks(source: &[u8], at: usize) -> usize {
    let rest = source.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count()
}

/// The end of the comment that follows `at` on its line.
fn comment_behind(source: &[u8], at: usize) -> Option<usize> {
    let at = skip_blanks(source, at);
    if source.get(at) != Some(&b'#') {
        return None;
    }
    let rest = &source[at..];
    let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let line = &rest[..length];
    Some(at + line.strip_suffix(b"\r").unwrap_or(line).len())
}

/// The blanks at the head of the line that `at` is the first of; `None` where it is not.
fn indentation(source: &[u8], at: usize) -> Option<&[u8]> {
    let start = memchr::memrchr(b'\n', &source[..at])? + 1;
    let before = &source[start..at];
    before
        .iter()
        .all(|b| matches!(b, b' ' | b'\t'))
        .then_some(before)
}

/// Puts a member behind the last one: an item of a list, or an entry under dotted `keys`.
pub(super) fn insert(
    document: &Document,
    id: NodeId,
    keys: &[Vec<u8>],
    data: &Data,
    mut writer: Writer,
) -> Result<Vec<Splice>, EmitError> {
    let source = document.source.as_slice();
    let mut new = Zeroizing::default();
    match keys.split_last() {
        Some((key, way)) => {
            for key in way {
                spell::key(key, &mut new);
                append(&mut new, b".");
            }
            writer.member(key, data, 0)?;
        }
        None => writer.value(data, 0)?,
    }
    append(&mut new, &writer.finish());
    let put = |at: usize, parts: &[&[u8]]| Splice::new(Span::new(at, at), parts.concat());
    let Some(last) = members(document, id).pop() else {
        return Ok(vec![fill(document, id, &new)]);
    };
    let (start, end) = (last.span.start as usize, last.span.end as usize);
    let line_end = line_end(source);
    let indent = indentation(source, start);
    let on_line = [line_end, indent.unwrap_or_default()].concat();
    let apart = if indent.is_some() { &on_line[..] } else { b" " };
    if let Some(comma) = comma_behind(source, end) {
        return Ok(match comment_behind(source, comma + 1) {
            Some(behind) => vec![put(behind, &[&on_line, &new, b","])],
            None => vec![put(comma + 1, &[apart, &new, b","])],
        });
    }
    Ok(match comment_behind(source, end) {
        Some(behind) => vec![put(end, &[b","]), put(behind, &[&on_line, &new])],
        None => vec![put(end, &[b",", apart, &new])],
    })
}

/// Puts a member into brackets without one.
fn fill(document: &Document, id: NodeId, new: &[u8]) -> Splice {
    let node = document.node(id);
    let inside = Span {
        start: node.span.start + 1,
        end: node.span.end - 1,
    };
    let text = match node.kind {
        Kind::Mapping => [b" ", new, b" "].concat(),
        _ => new.to_vec(),
    };
    if document.slice(inside).contains(&b'#') {
        let end = inside.end;
        return Splice::new(Span { start: end, end }, text);
    }
    Splice::new(inside, text)
}

/// Removes `child`, with one comma for each member that goes.
pub(super) fn remove(document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
    let source = document.source.as_slice();
    let gone = child..document.node(child).end;
    let members = members(document, id);
    let goes = |member: &Member| gone.contains(&member.node);
    let kept = members.iter().rev().find(|member| !goes(member));
    let node = document.node(id);
    let inside = Span {
        start: node.span.start + 1,
        end: node.span.end - 1,
    };
    if kept.is_none() && !document.slice(inside).contains(&b'#') {
        return vec![Splice::new(inside, [])];
    }
    let mut splices = Vec::new();
    for member in members.iter().filter(|member| goes(member)) {
        let (start, end) = (member.span.start as usize, member.span.end as usize);
        if let Some(comma) = comma_behind(source, end) {
            splices.extend(with_comma(source, start, end, comma));
        } else {
            let before = kept.and_then(|kept| comma_behind(source, kept.span.end as usize));
            splices.extend(with_comma_before(source, before, start, end));
        }
    }
    splices
        .into_iter()
        .map(|span| Splice::new(span, []))
        .collect()
}

/// A member and the comma behind it.
fn with_comma(source: &[u8], start: usize, end: usize, comma: usize) -> Vec<Span> {
    if source[end..comma].contains(&b'#') {
        return vec![Span::new(start, end), Span::new(comma, comma + 1)];
    }
    vec![or_line(source, start, comma + 1)]
}

/// The last member, and the comma behind the one that then is last.
fn with_comma_before(source: &[u8], comma: Option<usize>, start: usize, end: usize) -> Vec<Span> {
    match comma {
        Some(comma) if source[comma + 1..start].trim_ascii().is_empty() => {
            vec![Span::new(comma, end)]
        }
        Some(comma) => vec![Span::new(comma, comma + 1), or_line(source, start, end)],
        None => vec![or_line(source, start, end)],
    }
}

/// From `start` to `end`; the whole line, where nothing else is on it, else the blanks behind.
fn or_line(source: &[u8], start: usize, end: usize) -> Span {
    let behind = skip_blanks(source, end);
    let line_end = match source.get(behind..) {
        Some([b'\n', ..]) => 1,
        Some([b'\r', b'\n', ..]) => 2,
        _ => 0,
    };
    match indentation(source, start) {
        Some(indent) if line_end > 0 => Span::new(start - indent.len(), behind + line_end),
        _ if line_end > 0 => Span::new(start, end),
        _ => Span::new(start, behind),
    }
}
