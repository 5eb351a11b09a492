//! The metadata as tables at the end of a text: `[sops]`, `[[sops.age]]` and so on.
//!
//! A line end and the tables are added, and just that is removed again: in a text that ends its
//! last line a blank line parts them from it, another stays without its line end.

use super::emit::Writer;
use super::parse::{self, Line, METADATA_KEY, Role};
use crate::document::{Data, Document, Span, Splice, Step, Type};
use crate::store::Layout;
use crate::store::json::append;
use crate::store::line_end::line_end;
use zeroize::Zeroizing;

/// Adds the metadata behind everything.
pub(super) fn attach(document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice> {
    let source = document.source.as_slice();
    let line_end = line_end(source);
    let mut writer = Writer::new(vec![Step::Key(METADATA_KEY.to_vec())], line_end, layout);
    // What TOML cannot write is missed when the metadata are read back.
    if writer.section(&without_nulls(metadata), &[]).is_err() {
        return Vec::new();
    }
    let block = writer.finish();
    let mut text = Zeroizing::default();
    if !source.is_empty() && source != "\u{feff}".as_bytes() {
        append(&mut text, line_end);
    }
    append(&mut text, &block);
    let span = Span::new(source.len(), source.len());
    vec![Splice { span, text }]
}

/// Data without what TOML has no word for, and nobody misses: an entry that is null says what no
/// entry does. As deep as a store nests.
fn without_nulls(data: &Data) -> Data {
    let is_kept = |data: &Data| !matches!(data, Data::Scalar(Type::Null, _));
    match data {
        Data::Map(entries) => {
            let kept = entries.iter().filter(|(_, value)| is_kept(value));
            Data::Map(
                kept.map(|(key, v)| (key.clone(), without_nulls(v)))
                    .collect(),
            )
        }
        Data::List(items) => {
            let kept = items.iter().filter(|item| is_kept(item));
            Data::List(kept.map(without_nulls).collect())
        }
        other => other.clone(),
    }
}

/// Removes the metadata, wherever it stands.
pub(super) fn detach(document: &Document) -> Vec<Splice> {
    let Some(key) = document.branches[0].metadata else {
        return Vec::new();
    };
    // The text was parsed before.
    let Ok((_, lines)) = parse::outline(&document.source) else {
        return Vec::new();
    };
    let inside = key + 1..document.node(key + 1).end;
    let mut runs: Vec<(Line, Span)> = Vec::new();
    let mut goes_on = false;
    for line in lines.iter().filter(|line| line.role != Role::Member) {
        let is_inside = inside.contains(&line.node);
        match runs.last_mut() {
            Some((_, span)) if is_inside && goes_on => span.end = line.span.end,
            _ if is_inside => runs.push((*line, line.span)),
            _ => {}
        }
        goes_on = is_inside;
    }
    let source = document.source.as_slice();
    let whole = |(first, span): (Line, Span)| Splice::new(whole_lines(source, first, span), []);
    runs.into_iter().map(whole).collect()
}

/// `span` from the beginning of its first line to the end of its last; at the end of a text that
/// has a header there with the line end before.
fn whole_lines(source: &[u8], first: Line, span: Span) -> Span {
    let (start, end) = (span.start as usize, span.end as usize);
    let end = memchr::memchr(b'\n', &source[end..]).map_or(source.len(), |at| end + at + 1);
    let mut before = &source[..start];
    while let [rest @ .., b' ' | b'\t'] = before {
        before = rest;
    }
    if end == source.len() && first.role == Role::Header {
        before = match before {
            [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
            _ => before,
        };
    }
    Span::new(before.len(), end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::splice;
    use crate::store::toml::Toml;
    use crate::store::{ParseOptions, Store};

    fn parsed(text: &str) -> Document {
        let source = Zeroizing::new(text.as_bytes().to_vec());
        Toml.parse(source, ParseOptions::default()).unwrap()
    }

    fn attached(text: &str) -> String {
        let key = Data::Map(vec![(b"enc".to_vec(), Data::str("x\ny\n"))]);
        let metadata = Data::Map(vec![
            (b"age".to_vec(), Data::List(vec![key])),
            (b"mac".to_vec(), Data::str("ENC[x]")),
        ]);
        let document = parsed(text);
        let mut splices = attach(&document, &metadata, Layout::default());
        String::from_utf8(splice(&document.source, &mut splices).to_vec()).unwrap()
    }

    fn detached(text: &str) -> String {
        let document = parsed(text);
        let mut splices = detach(&document);
        String::from_utf8(splice(&document.source, &mut splices).to_vec()).unwrap()
    }

    #[test]
    fn it_stands_at_the_end_as_tables() {
        assert_eq!(
            attached("a = 1\n"),
            "a = 1\n\n[sops]\nmac = \"ENC[x]\"\n\n[[sops.age]]\nenc = \"\"\"\nx\ny\n\"\"\"\n"
        );
        assert!(
            attached("a = 1\r\n").ends_with("[[sops.age]]\r\nenc = \"\"\"\r\nx\r\ny\r\n\"\"\"\r\n")
        );
    }

    #[test]
    fn nulls_are_left_out() {
        let entry = |name: &str, data| (name.as_bytes().to_vec(), data);
        let key = Data::Map(vec![
            entry("arn", Data::str("x")),
            entry("role", Data::null()),
        ]);
        let kms = Data::List(vec![Data::null(), key]);
        let splices = attach(
            &parsed(""),
            &Data::Map(vec![entry("kms", kms)]),
            Layout::default(),
        );
        assert_eq!(splices[0].text.as_slice(), b"[[sops.kms]]\narn = \"x\"\n");
    }

    #[test]
    fn what_was_added_is_removed_and_nothing_else() {
        for text in [
            "",
            "\u{feff}",
            "\n",
            "\r\n",
            " ",
            "a = 1",
            "a = 1\n",
            "a = 1\n\n\n",
            "a = 1\r\nb = 2\n",
            "a = 1\nb = 2\r\n",
            "a = 1 # c",
            "# c\n\n[t] # d\n",
            "[t]\n# c",
        ] {
            let whole = attached(text);
            assert_eq!(detached(&whole), text, "{whole}");
        }
    }

    #[test]
    fn metadata_written_in_other_ways_is_removed_with_its_lines() {
        for (text, expected) in [
            ("sops = { mac = 'x' } # c\na = 1\n", "a = 1\n"),
            (
                "a = 1\n  sops.mac = 'x'\nsops.age = []\nb = 2\n",
                "a = 1\nb = 2\n",
            ),
            (
                "[[sops.age]]\n[a]\nb = 1\n[sops]\nmac = 'x'\n\n# new\n[c]\n",
                "[a]\nb = 1\n\n# new\n[c]\n",
            ),
        ] {
            assert_eq!(detached(text), expected);
        }
    }
}
