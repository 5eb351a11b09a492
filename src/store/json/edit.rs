//! Splices that keep the layout of the text around them.

use super::emit::{self, Form};
use super::layout::{
    Member, ends_line, form_behind, form_of, form_of_root, gap, indentation, is_wrapped, line_end,
    members, outermost, own_members, root, space_before, space_before_next, with_comments,
};
use super::spell::{self, Escapes};
use super::tokens::ROOT_KEY;
use crate::document::{Data, Document, Kind, NodeId, Span, Splice, Style};
use crate::store::{EmitError, Layout};
use zeroize::Zeroizing;

fn insertion(at: u32, text: impl Into<Vec<u8>>) -> Splice {
    Splice::new(Span { start: at, end: at }, text)
}

fn removal(start: u32, end: u32) -> Splice {
    Splice::new(Span { start, end }, [])
}

/// Puts `data` in the place of the value `id`.
pub(super) fn replace(
    document: &Document,
    id: NodeId,
    data: &Data,
    layout: Layout,
) -> Result<Splice, EmitError> {
    let text = emit::text(data, &form_of(document, id, layout))?;
    let span = document.node(id).span;
    Ok(Splice { span, text })
}

/// Puts an entry or item behind the last one of the collection `id`, but before metadata.
pub(super) fn insert(
    document: &Document,
    id: NodeId,
    key: Option<&[u8]>,
    data: &Data,
    layout: Layout,
) -> Result<Vec<Splice>, EmitError> {
    check_container(document, id, key)?;
    emit::refuse_comment(data)?;
    let members = own_members(document, id);
    let Some(last) = members.last() else {
        return insert_first(document, id, key, data, layout);
    };
    let space = space_before_next(document, &members);
    let form = form_behind(document, &space, layout);
    let mut text = Zeroizing::default();
    append_member(key, data, &form, &mut text)?;
    Ok(put_behind(document, *last, &space, &text))
}

/// Puts the text of a member behind `last`, with `space` before it: behind the comments on the
/// line, and with a comma behind it where one stood behind the last.
fn put_behind(document: &Document, last: Member, space: &[u8], text: &[u8]) -> Vec<Splice> {
    let mut gap = gap(document, last.span.end);
    if document.has_metadata() && !gap.has_comment {
        // The comma is that of the metadata, which may go at the same time.
        (gap.comma, gap.line.at) = (None, last.span.end);
    }
    // A comment behind the comma is one of the last member only where its line ends.
    let has_comment = gap.comma.is_some_and(|comma| gap.line.at > comma + 1);
    let must_break = has_comment || gap.line.is_line_comment;
    let line_break = space.iter().position(|b| matches!(b, b'\n' | b'\r'));
    let space = match line_break {
        // Blanks before the line end would be of the comment.
        Some(at) if must_break => &space[at..],
        None if must_break => line_end(document),
        _ => space,
    };
    let (mut new, mut splices) = (Zeroizing::default(), Vec::new());
    if gap.comma.is_none() && gap.room == gap.line.at {
        spell::append(&mut new, b",");
    } else if gap.comma.is_none() {
        splices.push(insertion(gap.room, b","));
    }
    spell::append(&mut new, space);
    spell::append(&mut new, text);
    if gap.comma.is_some() {
        spell::append(&mut new, b",");
    }
    let (start, end) = (gap.line.at, gap.line.at);
    splices.push(Splice {
        span: Span { start, end },
        text: new,
    });
    splices
}

fn check_container(document: &Document, id: NodeId, key: Option<&[u8]>) -> Result<(), EmitError> {
    let problem = match (document.node(id).kind, key) {
        (Kind::Mapping, Some(_)) | (Kind::Sequence, None) => return Ok(()),
        (Kind::Mapping, None) => "an object takes a value only under a key",
        (Kind::Sequence, Some(_)) => "a list has no keys",
        _ => "only an object or a list takes another value",
    };
    Err(EmitError {
        problem: problem.to_owned(),
    })
}

fn append_member(
    key: Option<&[u8]>,
    data: &Data,
    form: &Form,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), EmitError> {
    if let Some(key) = key {
        spell::quote(key, form.escapes, out);
        spell::append(out, &form.colon);
    }
    spell::append(out, &emit::text(data, form)?);
    Ok(())
}

/// Puts a member into a collection that holds nothing, or only the metadata.
fn insert_first(
    document: &Document,
    id: NodeId,
    key: Option<&[u8]>,
    data: &Data,
    layout: Layout,
) -> Result<Vec<Splice>, EmitError> {
    if let Some(metadata) = members(document, id).next() {
        let at = metadata.span.start;
        let space = space_before_next(document, &[metadata]);
        let form = form_behind(document, &space, layout);
        let mut text = Zeroizing::default();
        append_member(key, data, &form, &mut text)?;
        spell::append(&mut text, &[b",", &space[..]].concat());
        let span = Span { start: at, end: at };
        return Ok(vec![Splice { span, text }]);
    }
    let is_comment = |child: &NodeId| document.node(*child).kind == Kind::Comment;
    if let Some(comment) = document.children(id).filter(is_comment).last() {
        return insert_behind_comment(document, comment, key, data, layout).map(|s| vec![s]);
    }
    let whole = match key {
        Some(key) => Data::Map(vec![(key.to_vec(), data.clone())]),
        None => Data::List(vec![data.clone()]),
    };
    replace(document, id, &whole, layout).map(|splice| vec![splice])
}

/// Puts the first member into a collection behind the last of the comments that it holds.
fn insert_behind_comment(
    document: &Document,
    comment: NodeId,
    key: Option<&[u8]>,
    data: &Data,
    layout: Layout,
) -> Result<Splice, EmitError> {
    let span = document.node(comment).span;
    let space = space_before(document, span.start);
    let space = if indentation(space).is_some() {
        space.to_vec()
    } else {
        line_end(document).to_vec()
    };
    let form = form_behind(document, &space, layout);
    let mut text = Zeroizing::new(space);
    append_member(key, data, &form, &mut text)?;
    let (start, end) = (span.end, span.end);
    let span = Span { start, end };
    Ok(Splice { span, text })
}

/// Removes the member of collection `id` whose value is `child`, with one comma. Comments stay.
pub(super) fn remove(document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
    let mut before = None;
    let mut rest = members(document, id);
    while let Some(member) = rest.next() {
        if member.value == child {
            return remove_between(document, id, before, member, rest.next());
        }
        before = Some(member);
    }
    Vec::new()
}

fn remove_between(
    document: &Document,
    id: NodeId,
    before: Option<Member>,
    member: Member,
    next: Option<Member>,
) -> Vec<Splice> {
    let around = document.node(id).span;
    let front = before.map_or(around.start + 1, |before| before.span.end);
    let has_comment =
        gap(document, front).has_comment || gap(document, member.span.end).has_comment;
    match (before, next) {
        _ if has_comment => remove_among_comments(document, front, member),
        (Some(before), _) => vec![removal(before.span.end, member.span.end)],
        (None, Some(next)) => vec![removal(member.span.start, next.span.start)],
        (None, None) => vec![removal(around.start + 1, around.end - 1)],
    }
}

/// Removes a member and the comma behind it, else the one before it, and nothing else that stands
/// between it and its neighbours but the space before it. `front` is the end of what it follows.
fn remove_among_comments(document: &Document, front: u32, member: Member) -> Vec<Splice> {
    let before = gap(document, front);
    let behind = gap(document, member.span.end);
    let mut end = member.span.end;
    let mut splices = Vec::new();
    match (behind.comma, before.comma) {
        (Some(comma), _) if comma == end => end += 1,
        (Some(comma), _) | (None, Some(comma)) => splices.push(removal(comma, comma + 1)),
        (None, None) => {}
    }
    if !before.has_comment && !behind.has_comment && behind.comma.is_none() {
        return vec![removal(front, end)];
    }
    let must_break = before.last.is_line_comment && !ends_line(document, end);
    let start = if behind.has_comment_on_line || must_break {
        member.span.start
    } else {
        before.last.at
    };
    splices.push(removal(start, end));
    splices
}

/// Removes a list item that is a token of a comment.
///
/// Several of one list may go at once, so the choice of the comma must not depend on which do:
/// an item takes the comma before it, and one in a row of comments at the head the comma behind it.
pub(super) fn remove_list_comment(document: &Document, id: NodeId) -> Splice {
    let span = document.node(id).span;
    if is_at_head(document, id) {
        let behind = &document.source[span.end as usize..];
        let rest = match behind.trim_ascii_start().strip_prefix(b",") {
            Some(next) => next.trim_ascii_start(),
            None => behind,
        };
        let end = document.source.len() - rest.len();
        return Splice::new(Span::new(span.start as usize, end), []);
    }
    let before = document.source[..span.start as usize].trim_ascii_end();
    let comma = before.strip_suffix(b",").unwrap_or(before);
    let start = comma.trim_ascii_end().len();
    Splice::new(Span::new(start, span.end as usize), [])
}

/// Whether only tokens of comments stand before the list item `id`.
fn is_at_head(document: &Document, id: NodeId) -> bool {
    let mut before = (0..id).rev();
    let first = before.find(|&b| !is_comment_token(document, b));
    first.is_some_and(|b| document.node(b).kind == Kind::Sequence && document.node(b).end > id)
}

fn is_comment_token(document: &Document, id: NodeId) -> bool {
    let node = document.node(id);
    let text = document.value(id).text;
    node.style == Style::Double && text.starts_with(b"ENC[") && text.ends_with(b",type:comment]")
}

/// Adds the metadata as the last entry of the root object, or around another root.
pub(super) fn attach(document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice> {
    let id = root(document);
    if is_wrapped(document) || document.node(id).kind != Kind::Mapping {
        return wrap(document, id, metadata, layout);
    }
    let members = own_members(document, id);
    let space = space_before_next(document, &members);
    let form = form_behind(document, &space, layout);
    match members[..] {
        [] => vec![fill(document, id, metadata, layout)],
        // What is at the end of this object would be taken for our own wrapping.
        [only] if document.key_text(only.first) == ROOT_KEY => {
            let entry = metadata_entry(metadata, &form);
            let text = [&entry[..], b",", &space].concat();
            vec![insertion(only.span.start, text)]
        }
        [.., last] => put_behind(document, last, &space, &metadata_entry(metadata, &form)),
    }
}

/// `"sops": {...}`. Metadata holds no number that JSON could not write.
fn metadata_entry(metadata: &Data, form: &Form) -> Vec<u8> {
    let form = Form {
        escapes: Escapes::Go,
        ..form.clone()
    };
    let mut out = Zeroizing::new([b"\"sops\"", &form.colon[..]].concat());
    emit::write(metadata, &form, &mut out);
    out.to_vec()
}

/// Puts the metadata into an object without entries, before the space that it holds.
fn fill(document: &Document, id: NodeId, metadata: &Data, layout: Layout) -> Splice {
    let form = Form {
        line: Some(line_end(document).to_vec()),
        ..form_behind(document, b"", layout)
    };
    let deeper = form.clone().deeper(1);
    let entry = metadata_entry(metadata, &deeper);
    let before = deeper.line.unwrap_or_default();
    let text = [&before[..], &entry, line_end(document)].concat();
    insertion(document.node(id).span.start + 1, text)
}

/// Puts an object with the metadata around a root that is none.
fn wrap(document: &Document, id: NodeId, metadata: &Data, layout: Layout) -> Vec<Splice> {
    let form = form_of_root(document, layout);
    let is_list_on_lines = !own_members(document, id).is_empty() && form.line.is_some();
    let form = if is_list_on_lines {
        form.deeper(1)
    } else {
        Form {
            line: None,
            gap: b" ".to_vec(),
            ..form
        }
    };
    let entry = metadata_entry(metadata, &form);
    let space = form.line.as_deref().unwrap_or(b" ");
    let end = if is_list_on_lines {
        line_end(document)
    } else {
        b""
    };
    let span = with_comments(document);
    let prefix = [b"{\"", ROOT_KEY, b"\": "].concat();
    let suffix = [b",", space, &entry, end, b"}"].concat();
    let is_commented = span.end > document.node(id).span.end;
    let suffix = if is_commented {
        [line_end(document), &suffix].concat()
    } else {
        suffix
    };
    vec![insertion(span.start, prefix), insertion(span.end, suffix)]
}

/// Removes what [`attach`] added.
pub(super) fn detach(document: &Document) -> Vec<Splice> {
    let Some(key) = document.branches[0].metadata else {
        return Vec::new();
    };
    let object = outermost(document);
    let around = document.node(object).span;
    if is_wrapped(document) {
        let inside = with_comments(document);
        return vec![
            removal(around.start, inside.start),
            removal(inside.end, around.end),
        ];
    }
    let all: Vec<Member> = members(document, object).collect();
    match all.iter().position(|member| member.first == key) {
        Some(0) if all.len() == 1 => vec![unfill(document, around, all[0])],
        Some(last) if last > 0 && last + 1 == all.len() => {
            remove_among_comments(document, all[last - 1].span.end, all[last])
        }
        _ => remove(document, object, key + 1),
    }
}

/// Removes what [`fill`] put into an object, with one line end. Without one the metadata came in
/// another way, and the space around it goes as well.
fn unfill(document: &Document, around: Span, metadata: Member) -> Splice {
    let behind = gap(document, metadata.span.end);
    let end = behind.comma.map_or(metadata.span.end, |comma| comma + 1);
    let rest = &document.source[end as usize..];
    let end = if rest.starts_with(b"\n") {
        end + 1
    } else if rest.starts_with(b"\r\n") {
        end + 2
    } else {
        let space = rest.len() - rest.trim_ascii_start().len();
        end + Span::new(0, space).end
    };
    removal(gap(document, around.start + 1).last.at, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Path, splice};
    use crate::store::json::Json;
    use crate::store::{ParseOptions, Store};

    fn parse(text: &str) -> Document {
        let source = Zeroizing::new(text.as_bytes().to_vec());
        Json.parse(source, ParseOptions::default()).unwrap()
    }

    fn spliced(document: &Document, mut splices: Vec<Splice>) -> String {
        String::from_utf8(splice(&document.source, &mut splices).to_vec()).unwrap()
    }

    fn metadata() -> Data {
        let item = Data::Map(vec![(b"enc".to_vec(), Data::str("<\n"))]);
        Data::Map(vec![
            (b"age".to_vec(), Data::List(vec![item])),
            (b"mac".to_vec(), Data::str("ENC[x]")),
        ])
    }

    fn attached(text: &str) -> String {
        let document = parse(text);
        spliced(&document, attach(&document, &metadata(), Layout::default()))
    }

    fn detached(text: &str) -> String {
        let document = parse(text);
        spliced(&document, detach(&document))
    }

    fn find(document: &Document, path: &str) -> NodeId {
        document.find(0, &Path::parse(path).unwrap()).unwrap()
    }

    fn removed(text: &str, collection: &str, child: &str) -> String {
        let document = parse(text);
        let ids = (find(&document, collection), find(&document, child));
        let text = spliced(&document, remove(&document, ids.0, ids.1));
        parse(&text);
        text
    }

    fn inserted(text: &str, at: &str, key: Option<&str>, data: &Data) -> String {
        let document = parse(text);
        let (id, key) = (find(&document, at), key.map(str::as_bytes));
        let splices = insert(&document, id, key, data, Layout::default()).unwrap();
        let text = spliced(&document, splices);
        parse(&text);
        text
    }

    fn replaced(text: &str, at: &str, data: &Data) -> String {
        let document = parse(text);
        let splice = replace(&document, find(&document, at), data, Layout::default());
        let text = spliced(&document, vec![splice.unwrap()]);
        parse(&text);
        text
    }

    fn object() -> Data {
        let list = Data::List(vec![Data::int(1), Data::int(2)]);
        Data::Map(vec![(b"x".to_vec(), list), (b"y".to_vec(), Data::null())])
    }

    #[test]
    fn metadata_goes_to_the_end_of_the_root_in_the_layout_of_the_text() {
        assert_eq!(
            attached("{\n\t\"a\": 1\n}\n"),
            "{\n\t\"a\": 1,\n\t\"sops\": {\n\t\t\"age\": [\n\t\t\t{\n\t\t\t\t\"enc\": \
             \"\\u003c\\n\"\n\t\t\t}\n\t\t],\n\t\t\"mac\": \"ENC[x]\"\n\t}\n}\n"
        );
        assert_eq!(
            attached("{\r\n  \"a\" : 1\r\n}"),
            "{\r\n  \"a\" : 1,\r\n  \"sops\" : {\r\n    \"age\" : [\r\n      {\r\n        \
             \"enc\" : \"\\u003c\\n\"\r\n      }\r\n    ],\r\n    \"mac\" : \"ENC[x]\"\r\n  }\r\n}"
        );
        assert_eq!(
            attached(r#"{"a": {"b": 1}}"#),
            r#"{"a": {"b": 1}, "sops": {"age": [{"enc": "\u003c\n"}], "mac": "ENC[x]"}}"#
        );
        assert_eq!(
            attached(r#"{"a":1,"b":2}"#),
            r#"{"a":1,"b":2,"sops":{"age":[{"enc":"\u003c\n"}],"mac":"ENC[x]"}}"#
        );
        assert!(attached("{}").starts_with("{\n\t\"sops\": {\n\t\t\"age\""));
        assert!(attached("{}").ends_with("\"ENC[x]\"\n\t}\n}"));
    }

    #[test]
    fn the_user_chooses_the_indentation() {
        let document = parse("{\n\t\"a\": 1\n}");
        for (indent, line) in [(0, "\n\t\"age\""), (3, "\n\t   \"age\"")] {
            let layout = Layout {
                indent: Some(indent),
            };
            let text = spliced(&document, attach(&document, &metadata(), layout));
            assert!(text.contains(line), "{text}");
            assert_eq!(detached(&text), "{\n\t\"a\": 1\n}");
        }
    }

    #[test]
    fn detaching_undoes_attaching() {
        for text in [
            "{}",
            "{ }",
            "{\n}",
            "{\r\n}\r\n",
            "{\r}",
            " {\n\n\t}\n\n",
            "{\"a\":1}",
            "{ \"a\" : 1 }",
            "\u{feff}{\n  \"a\": 1\n  ,\"b\": 2}\n",
            "{\n\"a\": {}\n}",
            "[]",
            "[\n  1,\n  2\n]\n",
            "[1,2]",
            " 7 ",
            "\"x\"",
            "null\n",
            "{\"bulla:root\": [1]}",
            "{\n\t\"bulla:root\": {}\n}",
            "{\"bulla:root\": 1, \"b\": 2}",
            "[{\"bulla:root\": 1}]",
            "{\"a\"\n:\n1\n,\n\"b\":2}",
        ] {
            let attached = attached(text);
            let document = parse(&attached);
            assert!(document.has_metadata());
            assert_eq!(detached(&attached), text);
            // A new block in the place of the old one: both at once.
            let mut both = detach(&document);
            both.extend(attach(&document, &metadata(), Layout::default()));
            let again = spliced(&document, both);
            assert!(parse(&again).has_metadata());
            assert_eq!(detached(&again), text);
        }
    }

    #[test]
    fn metadata_is_removed_wherever_it_stands() {
        assert_eq!(
            detached("{\n\t\"a\": 1,\n\t\"sops\": {}\n}\n"),
            "{\n\t\"a\": 1\n}\n"
        );
        assert_eq!(detached("{\n\t\"sops\": {\n\t}\n}\n"), "{}\n");
        assert_eq!(detached("{ \"sops\": {} }"), "{}");
        assert_eq!(
            detached("{\n  \"sops\": {},\n  \"a\": 1\n}"),
            "{\n  \"a\": 1\n}"
        );
        assert_eq!(
            detached("{\n  \"a\": 1,\n  \"sops\": {},\n  \"b\": 2\n}"),
            "{\n  \"a\": 1,\n  \"b\": 2\n}"
        );
        assert_eq!(detached(r#"{"\u0073ops": {}, "a": 1}"#), r#"{"a": 1}"#);
        assert_eq!(detached(r#"{"a": {"sops": 1}}"#), r#"{"a": {"sops": 1}}"#);
    }

    #[test]
    fn another_root_is_wrapped_in_an_object() {
        assert_eq!(
            attached("\n[1]\n"),
            "\n{\"bulla:root\": [1], \"sops\": {\"age\": [{\"enc\": \"\\u003c\\n\"}], \
             \"mac\": \"ENC[x]\"}}\n"
        );
        let text = attached("[\n  1\n]");
        assert!(text.starts_with("{\"bulla:root\": [\n  1\n],\n  \"sops\": {\n    \"age\": [\n"));
        assert!(text.ends_with("\"mac\": \"ENC[x]\"\n  }\n}"));
    }

    #[test]
    fn removal_takes_one_comma() {
        let list = "[\n  1,\n  2 ,\n  3\n]";
        assert_eq!(removed(list, "", "[0]"), "[\n  2 ,\n  3\n]");
        assert_eq!(removed(list, "", "[1]"), "[\n  1 ,\n  3\n]");
        assert_eq!(removed(list, "", "[2]"), "[\n  1,\n  2\n]");
        let map = r#"{"a": {"b": 1, "c": [2]}}"#;
        assert_eq!(removed(map, "a", "a.b"), r#"{"a": {"c": [2]}}"#);
        assert_eq!(removed(map, "a", "a.c"), r#"{"a": {"b": 1}}"#);
        assert_eq!(removed(map, "", "a"), "{}");
        assert_eq!(removed("{\n\t\"a\": 1\n}", "", "a"), "{}");
    }

    #[test]
    fn new_members_look_like_their_siblings() {
        let lines = "{\r\n  \"a\": {\r\n    \"b\": 1\r\n  },\r\n  \"l\": [1, 2],\r\n  \"e\": {},\r\n  \"sops\": 0\r\n}";
        let with = |from: &str, to: &str| lines.replace(from, to);
        let one = Data::str("<é\t>");
        assert_eq!(
            inserted(lines, "a", Some("c"), &one),
            with("1\r\n", "1,\r\n    \"c\": \"<é\\t>\"\r\n")
        );
        assert_eq!(
            inserted(lines, "l", None, &Data::int(3)),
            with("[1, 2]", "[1, 2, 3]")
        );
        assert_eq!(
            inserted(lines, "l", None, &object()),
            with("[1, 2]", "[1, 2, {\"x\": [1, 2], \"y\": null}]")
        );
        assert_eq!(
            inserted(lines, "e", Some("k"), &Data::bool(false)),
            with("{}", "{\r\n    \"k\": false\r\n  }")
        );
        assert_eq!(
            inserted(lines, "", Some("k"), &Data::List(vec![Data::int(1)])),
            with("{},", "{},\r\n  \"k\": [\r\n    1\r\n  ],")
        );
    }

    #[test]
    fn empty_collections_take_a_first_member() {
        let x = Data::int(1);
        assert_eq!(inserted("{}", "", Some("a"), &x), "{\n\t\"a\": 1\n}");
        assert_eq!(inserted("[ ]\n", "", None, &x), "[\n\t1\n]\n");
        assert_eq!(inserted(r#"{"a":[]}"#, "a", None, &x), r#"{"a":[1]}"#);
        assert_eq!(
            inserted(r#"{"sops": {}}"#, "", Some("a"), &x),
            r#"{"a": 1, "sops": {}}"#
        );
        assert_eq!(
            inserted("{\n \"sops\": {}\n}", "", Some("a"), &x),
            "{\n \"a\": 1,\n \"sops\": {}\n}"
        );
    }

    #[test]
    fn a_value_is_replaced_in_place() {
        let text = "{\n    \"a\": [\n        1\n    ],\n    \"b\": {\"c\": 1}\n}\n";
        assert_eq!(
            replaced(text, "a", &Data::null()),
            text.replace("[\n        1\n    ]", "null")
        );
        assert_eq!(
            replaced(text, "a[0]", &object()),
            text.replace(
                "  1\n",
                "  {\n            \"x\": [\n                1,\n                2\n            ],\n            \"y\": null\n        }\n"
            )
        );
        assert_eq!(
            replaced(text, "b.c", &object()),
            text.replace("\"c\": 1", "\"c\": {\"x\": [1, 2], \"y\": null}")
        );
        assert_eq!(
            replaced("1\n", "", &Data::List(vec![Data::null()])),
            "[\n\tnull\n]\n"
        );
        assert_eq!(
            replaced("[1,2]", "", &object()),
            r#"{"x": [1,2],"y": null}"#
        );
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        let document = parse(r#"{"a": [], "b": 1}"#);
        let comment = Data::Comment(Zeroizing::default(), false);
        let refused = |at: &str, key: Option<&str>, data: &Data| {
            let (id, key) = (find(&document, at), key.map(str::as_bytes));
            insert(&document, id, key, data, Layout::default()).is_err()
        };
        assert!(refused("", None, &Data::null()));
        assert!(refused("a", Some("k"), &Data::null()));
        assert!(refused("b", None, &Data::null()));
        assert!(refused("a", None, &comment));
        assert!(replace(&document, 1, &comment, Layout::default()).is_err());
    }

    #[test]
    fn any_comments_of_a_list_may_go_together() {
        let text = |items: &[u32]| {
            let item = |i: &u32| match i {
                0..8 => format!("\"ENC[{i},type:comment]\""),
                _ => i.to_string(),
            };
            let items: Vec<String> = items.iter().map(item).collect();
            format!("{{\"a\": [\n  {}\n]}}", items.join(",\n  "))
        };
        for items in [&[0, 1, 9, 2, 8, 3, 4][..], &[9, 0], &[0, 9], &[9, 0, 1, 8]] {
            let document = parse(&text(items));
            let list = find(&document, "a");
            let ids: Vec<NodeId> = document.children(list).collect();
            let comments: Vec<usize> = (0..items.len()).filter(|&i| items[i] < 8).collect();
            for choice in 0..1_u32 << comments.len() {
                let chosen = |i: &usize| choice & (1 << i) != 0;
                let gone: Vec<usize> = (0..comments.len())
                    .filter(chosen)
                    .map(|c| comments[c])
                    .collect();
                let splices = gone.iter().map(|&i| remove_list_comment(&document, ids[i]));
                let left = (0..items.len())
                    .filter(|i| !gone.contains(i))
                    .map(|i| items[i]);
                let left: Vec<u32> = left.collect();
                assert_eq!(spliced(&document, splices.collect()), text(&left));
            }
        }
        let only = parse(r#"["ENC[0,type:comment]", "ENC[1,type:comment]"]"#);
        let splices = [1, 2].map(|id| remove_list_comment(&only, id));
        assert_eq!(spliced(&only, splices.into()), "[]");
    }
}
