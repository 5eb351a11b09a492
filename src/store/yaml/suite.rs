//! The parser against the YAML test suite, another parser, and any bytes at all.

use super::parse::parse;
use crate::document::{Document, Kind, NodeId, Type};
use crate::store::{ParseError, ParseOptions};
use granit_parser::{Event, Parser};
use proptest::prelude::*;
use std::fs;
use zeroize::Zeroizing;

/// What the suite says is invalid and yaml.v3 reads all the same, so files that sops has
/// encrypted may hold it.
const READ_AS_YAML_V3_DOES: &[(&str, &str)] = &[
    ("9C9N", "brackets go on at the column of the key"),
    ("9JBA", "`]#` begins a comment"),
    ("CVW2", "`,#` begins a comment"),
    ("DK95-01", "quotes go on behind a tab"),
    ("G5U8", "`-` alone in brackets is text"),
    ("HRE5", "`\\'` is an escape"),
    ("MUS6-00", "`%YAML 1.1#` begins a comment"),
    ("QB6E", "quotes go on at the column of the key"),
    ("S98Z", "blank lines longer than the indentation"),
    ("SU5Z", "`\"#` begins a comment"),
    ("X4QW", "`>#` begins a comment"),
    ("Y79Y-03", "brackets go on behind a tab"),
    ("YJV2", "`-` alone in brackets is text"),
];

/// Where yaml.v3 and YAML 1.2 both read a text, and differently: yaml.v3's reading counts, because
/// the hash of a file is over it.
const MEANT_AS_YAML_V3_DOES: &[(&str, &str)] = &[
    ("4ABK", "`value:,` in brackets ends in a colon"),
    ("652Z", "`?foo` in brackets is the key foo"),
    ("FRK4", "`foo :,` in brackets ends in a colon"),
    ("HM87-01", "`?x` in brackets is the key x"),
    ("JEF9-02", "blanks at the end of the text are no line"),
    (
        "L24T-01",
        "a block scalar ends without a line break where the text does",
    ),
    ("Y2GN", "`&an:chor` is the anchor an"),
];

const DUPLICATES: ParseOptions = ParseOptions {
    allow_duplicate_keys: true,
    is_plain: false,
};

fn cases(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/yaml-test-suite/");
    let mut cases: Vec<_> = fs::read_dir(format!("{root}{folder}"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    cases.sort();
    cases
}

fn read(text: &[u8]) -> Result<Document, ParseError> {
    parse(Zeroizing::new(text.to_vec()), DUPLICATES)
}

fn listed(list: &[(&str, &str)], name: &str) -> bool {
    list.iter().any(|(listed, _)| *listed == name)
}

/// What is wrong with the spans and numbers of a document; nothing, if all is well.
fn problems(document: &Document) -> Vec<String> {
    let mut problems = Vec::new();
    let mut wrong = |id: usize, what: &str| problems.push(format!("node {id}: {what}"));
    // The collections that are open: where they end, and where their last child did.
    let mut open: Vec<(NodeId, usize, u32)> = Vec::new();
    for (id, node) in document.nodes.iter().enumerate() {
        open.retain(|(end, ..)| *end as usize > id);
        if node.end as usize <= id || node.end as usize > document.nodes.len() {
            wrong(id, "ends before it begins");
        }
        if node.outer_start > node.span.start
            || node.span.start > node.span.end
            || node.span.end as usize > document.source.len()
        {
            wrong(id, "is out of bounds");
        }
        if node.body_start < node.span.start || node.body().end > node.span.end {
            wrong(id, "has a body that is not inside of it");
        }
        if node.kind == Kind::Comment {
            if document.source[node.span.start as usize] != b'#' {
                wrong(id, "is a comment without a sign");
            }
            continue;
        }
        if let Some((end, parent, last)) = open.last_mut() {
            let parent = &document.nodes[*parent];
            if node.outer_start < parent.span.start || node.span.end > parent.span.end {
                wrong(id, "is not inside of its parent");
            }
            if node.end > *end || node.outer_start < *last {
                wrong(id, "overlaps");
            }
            *last = node.span.end;
        }
        if matches!(node.kind, Kind::Mapping | Kind::Sequence) {
            open.push((node.end, id, node.span.start));
        }
    }
    problems
}

/// Nodes in the order of the text, as both parsers can tell them. A null is told by its type,
/// because no parser has to say how it was spelled.
fn ours(document: &Document) -> Vec<String> {
    let told = |id: usize| {
        let node = &document.nodes[id];
        Some(match node.kind {
            Kind::Comment => return None,
            Kind::Mapping => "{".to_owned(),
            Kind::Sequence => "[".to_owned(),
            Kind::Alias => "*".to_owned(),
            // The other parser does not decode base64.
            Kind::Scalar if document.slice(node.tag).ends_with(b"binary") => "?".to_owned(),
            Kind::Scalar if node.ty == Type::Str => {
                String::from_utf8_lossy(document.value(id as NodeId).text).into_owned()
            }
            Kind::Scalar => "?".to_owned(),
        })
    };
    (0..document.nodes.len()).filter_map(told).collect()
}

fn theirs(text: &str) -> Option<Vec<String>> {
    let mut nodes = Vec::new();
    for event in Parser::new_from_str(text) {
        nodes.push(match event.ok()?.0 {
            Event::MappingStart(..) => "{".to_owned(),
            Event::SequenceStart(..) => "[".to_owned(),
            Event::Alias(..) => "*".to_owned(),
            Event::Scalar(text, ..) => text.into_owned(),
            _ => continue,
        });
    }
    Some(nodes)
}

#[test]
fn every_valid_case_is_read() {
    let cases = cases("valid");
    assert_eq!(cases.len(), 308);
    for (name, text) in cases {
        let document = read(&text).unwrap_or_else(|e| panic!("{name}: {e} at {}", e.offset));
        assert_eq!(problems(&document), [""; 0], "{name}");
    }
}

#[test]
fn every_invalid_case_is_refused_but_those_that_yaml_v3_reads() {
    let cases = cases("invalid");
    assert_eq!(cases.len(), 94);
    for (name, text) in cases {
        match read(&text) {
            Err(wrong) => {
                assert!(!listed(READ_AS_YAML_V3_DOES, &name), "{name}: {wrong}");
                assert!(wrong.offset <= text.len(), "{name}: at {}", wrong.offset);
            }
            Ok(document) => {
                assert!(listed(READ_AS_YAML_V3_DOES, &name), "{name} is read");
                assert_eq!(problems(&document), [""; 0], "{name}");
            }
        }
    }
}

#[test]
fn a_third_parser_finds_the_same_comments() {
    let mut compared = 0;
    for (name, text) in cases("valid") {
        let text = String::from_utf8(text).unwrap();
        let allocator = oxc_yaml_parser::Allocator::default();
        let Ok(root) = oxc_yaml_parser::Parser::new(&allocator, &text).parse() else {
            continue;
        };
        let document = read(text.as_bytes()).unwrap();
        let comments = document.nodes.iter().filter(|n| n.kind == Kind::Comment);
        let mut ours: Vec<u32> = comments.map(|n| n.span.start).collect();
        ours.sort_unstable();
        let theirs: Vec<u32> = root.comments.iter().map(|c| c.span.start).collect();
        assert_eq!(ours, theirs, "{name}");
        compared += 1;
    }
    assert!(compared > 290, "only {compared} were compared");
}

#[test]
fn another_parser_finds_the_same_nodes() {
    let mut compared = 0;
    for (name, text) in cases("valid") {
        let text = String::from_utf8(text).unwrap();
        let Some(theirs) = theirs(&text) else {
            continue;
        };
        let document = read(text.as_bytes()).unwrap();
        let ours = ours(&document);
        // A document without content is a null to one and nothing to the other.
        if document.branches.iter().any(|branch| branch.root.is_none()) {
            continue;
        }
        let same = ours.len() == theirs.len()
            && ours
                .iter()
                .zip(&theirs)
                .all(|(one, other)| one == "?" || one == other);
        let differs = listed(MEANT_AS_YAML_V3_DOES, &name);
        assert_eq!(same, !differs, "{name}: {ours:?}, they say {theirs:?}");
        compared += 1;
    }
    assert!(compared > 280, "only {compared} were compared");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(wrong) = read(&text) {
            prop_assert!(wrong.offset <= text.len());
        }
    }

    #[test]
    fn whatever_is_read_has_spans_in_order(text in "([-?:,\\[\\]{}#&*!|>'\"%@ \t\n\r.0-9a-c~é\u{85}]|: |- |# |\n  |\n    |---\n|\\.\\.\\.\n){0,60}") {
        match read(text.as_bytes()) {
            Ok(document) => prop_assert_eq!(problems(&document), [""; 0]),
            Err(wrong) => prop_assert!(wrong.offset <= text.len()),
        }
    }

    #[test]
    fn every_comment_becomes_a_node(lines in prop::collection::vec("( {0,6}(- ){0,2}([a-c]{1,2}: ?)?([a-c]|\\[ ?|\\],?|\\{|\\}|\\|)?( ?# [x-z])?)", 0..12)) {
        let text = lines.join("\n");
        if let Ok(document) = read(text.as_bytes()) {
            let nodes = document.nodes.iter().filter(|n| n.kind == Kind::Comment);
            let blocks = document.nodes.iter().filter(|n| n.body() != n.span);
            let count = |span| memchr::memchr_iter(b'#', document.slice(span)).count();
            let in_blocks: usize = blocks.map(|n| count(n.body())).sum();
            let in_text: usize = document.nodes.iter().filter(|n| n.kind == Kind::Scalar && n.body() == n.span)
                .map(|n| count(n.span)).sum();
            let signs = memchr::memchr_iter(b'#', text.as_bytes()).count();
            prop_assert_eq!(nodes.count() + in_blocks + in_text, signs);
        }
    }
}
