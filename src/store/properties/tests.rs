//! Tests of the properties store: what Java reads, what comes back, what changes.

use super::*;
use crate::document::{LeafKind, NoMarking, Type, splice};
use proptest::prelude::*;

fn parse(text: impl AsRef<[u8]>) -> Result<Document, ParseError> {
    let source = Zeroizing::new(text.as_ref().to_vec());
    Properties.parse(source, ParseOptions::default())
}

fn spliced(document: &Document, mut splices: Vec<Splice>) -> Vec<u8> {
    splice(&document.source, &mut splices).to_vec()
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn metadata() -> Data {
    let key = Data::Map(vec![(b"enc".to_vec(), Data::str("a\nb\n"))]);
    Data::Map(vec![
        (b"age".to_vec(), Data::List(vec![key])),
        (b"mac".to_vec(), Data::str("ENC[x]")),
    ])
}

/// Every leaf, a line each: `key=value`, `#comment`.
fn leaves(text: impl AsRef<[u8]>) -> String {
    let document = parse(text).unwrap();
    let mut leaves = document.leaves(NoMarking);
    let mut lines = String::new();
    while let Some(leaf) = leaves.advance() {
        let text = shown(document.value(leaf.id).text);
        let aad = shown(leaves.aad());
        lines += &match leaf.kind {
            LeafKind::Comment => format!("#{text}\n"),
            LeafKind::Value => format!("{}={text}\n", aad.strip_suffix(':').unwrap()),
        };
    }
    lines
}

/// Every value and comment sealed and metadata attached.
fn sealed(document: &Document) -> Vec<u8> {
    let mut splices = Vec::new();
    let mut leaves = document.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        if !document.value(leaf.id).text.is_empty() {
            splices.push(Properties.seal(document, leaf.id, b"ENC[x=,y:z]"));
        }
    }
    splices.extend(Properties.attach(document, &metadata(), Layout::default()));
    spliced(document, splices)
}

/// The text encrypted as far as a store goes, and decrypted again, with what does not come back by
/// itself put back as a sealed spelling is.
fn there_and_back(text: &[u8]) -> Vec<u8> {
    let document = parse(text).unwrap();
    let encrypted = parse(sealed(&document)).unwrap();
    let key = encrypted.branches[0].metadata.unwrap();
    assert!(encrypted.data(encrypted.node(key).end) == metadata());
    let mut splices = Properties.detach(&encrypted);
    let mut before = document.leaves(NoMarking);
    let mut leaves = encrypted.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        let id = before.advance().unwrap().id;
        assert_eq!(before.aad(), leaves.aad());
        let value = document.value(id);
        if value.text.is_empty() {
            continue;
        }
        assert_eq!(encrypted.value(leaf.id).text, b"ENC[x=,y:z]");
        let here = Properties.open(&document, id, value);
        let there = Properties.open(&encrypted, leaf.id, value);
        let region = Properties.region(&document, id);
        if here.text.as_slice() == document.slice(region) {
            assert!(here.text == there.text, "another spelling there than here");
            splices.push(there);
        } else {
            let raw = document.slice(region).to_vec();
            splices.push(Splice::new(Properties.region(&encrypted, leaf.id), raw));
        }
        // What is written without the spelling means the same.
        let mut alone = vec![here];
        let again = parse(splice(&document.source, &mut alone)).unwrap();
        assert!(again.value(id).text == value.text, "{}", shown(text));
    }
    assert!(before.advance().is_none());
    spliced(&encrypted, splices)
}

fn find(document: &Document, key: &str) -> NodeId {
    let path = Path(vec![Step::Key(key.as_bytes().to_vec())]);
    document.find(0, &path).unwrap()
}

#[test]
fn keys_and_values_are_those_of_java() {
    for (text, expected) in [
        ("a=b", "a=b\n"),
        ("a = b ", "a=b \n"),
        ("a:b\na\tb", "a=b\na=b\n"),
        ("a b = c", "a=b = c\n"),
        ("a==b", "a==b\n"),
        ("a : = b", "a== b\n"),
        ("a", "a=\n"),
        ("=b", "=b\n"),
        ("  # c\n\t! d", "# c\n# d\n"),
        ("a\\=b\\:\\ c=d", "a=b: c=d\n"),
        ("a=\\ b\\tc\\u00e9\\ud83d\\ude00", "a= b\tcé😀\n"),
        ("a=b\\\n  c\\\r\n\td", "a=bcd\n"),
        ("a\\\nb=c", "ab=c\n"),
        ("a=\\\n\nb=c", "a=\nb=c\n"),
        ("a=b\\\\\nc=d", "a=b\\\nc=d\n"),
        ("# a\\\nb=c", "# a\\\nb=c\n"),
        ("a=b\\\n# c", "a=b# c\n"),
        ("\\\n# c", "# c\n"),
        ("a=b\\", "a=b\n"),
        ("\\", ""),
        ("\\\n", ""),
        ("a=b\rc=d", "a=b\nc=d\n"),
        ("a=1\na=\\u0032", "a=1\na=2\n"),
        ("a=\\u0031\na=2", "a=\\u0031\na=2\n"),
        ("\\u0061=\\b", "a=b\n"),
    ] {
        assert_eq!(leaves(text), expected, "{text:?}");
        assert_eq!(shown(&there_and_back(text.as_bytes())), text);
    }
    for (text, offset) in [("a=\\u12", 2), ("a=b\\\n \\uD83x", 6), ("\\ux=", 0)] {
        assert_eq!(parse(text).err().unwrap().offset, offset, "{text}");
    }
}

#[test]
fn metadata_leaves_no_trace_behind_any_end() {
    for text in [
        "",
        "\n",
        "\r",
        "\r\n\r\n",
        "a=b",
        "a=b\n",
        "a=b\n\n",
        "a=b\\",
        "a=b\\\n",
        "a=b\\\n\n",
        "a=b\\\n\n\n",
        "a=b\\\r",
        "a=b\\\r\n",
        "a=b\\\r\n\r\n",
        "c=d\r\na=b\\\n",
        "c=d\na=b\\\r",
        "a=b\\\\",
        "a=b\\\\\n",
        "# c\\",
        "# c\\\n",
        "a=b\\\n  ",
        "\\",
        "\\\n",
        "a\r",
        "\r\na=b",
        " ",
        "a=b\n \x0c",
        "a=\\\n",
    ] {
        assert_eq!(shown(&there_and_back(text.as_bytes())), text, "{text:?}");
    }
}

#[test]
fn metadata_is_found_among_other_lines() {
    let text = "sops_mac=x\na=b\nsops_age__list_0__map_enc=y\nc=d\n";
    let document = parse(text).unwrap();
    let block = document.data(document.node(document.branches[0].metadata.unwrap()).end);
    assert_eq!(block.entry("mac").and_then(Data::text), Some("x"));
    assert_eq!(
        shown(&spliced(&document, Properties.detach(&document))),
        "a=b\nc=d\n"
    );
    assert_eq!(leaves(text), "a=b\nc=d\n");
    assert_eq!(
        parse("a=b\nsops_a=1\nsops_a__map_b=2")
            .err()
            .unwrap()
            .offset,
        4
    );
}

#[test]
fn bytes_of_any_encoding_stay() {
    for text in [
        &b"a=\xe9\n# \xfc\n\xf6=1"[..],
        "ä=é\n# ü\n".as_bytes(),
        b"\xef\xbb\xbfa=b\n",
    ] {
        assert_eq!(there_and_back(text), text);
    }
    assert_eq!(parse(b"a=\xe9").unwrap().value(2).text, b"\xe9");
    assert_eq!(parse("a=\\ud800").unwrap().value(2).text, b"\xed\xa0\x80");
    assert_eq!(
        &spell::value(b"\xed\xa0\x80\xe9\xc3\xa9\x7f", Bytes::Escaped, true)[..],
        b"\\uD800\\u00E9\\u00E9\\u007F"
    );
    assert_eq!(
        &spell::value("😀é".as_bytes(), Bytes::Escaped, true)[..],
        b"\\uD83D\\uDE00\\u00E9"
    );
}

#[test]
fn the_last_of_equal_keys_is_the_one_that_counts() {
    let document = parse("a=1\nb=2\na=3\n").unwrap();
    let id = find(&document, "a");
    assert_eq!(document.value(id).text, b"3");
    let splice = Properties.replace(&document, id, &Data::str("4"), Layout::default());
    assert_eq!(
        shown(&spliced(&document, vec![splice.unwrap()])),
        "a=1\nb=2\na=4\n"
    );
    let Data::Map(entries) = document.data(0) else {
        panic!()
    };
    assert_eq!(entries.len(), 2);
}

#[test]
fn values_are_replaced_and_entries_come_and_go() {
    let replaced = |text: &str, key: &str, data: Data| {
        let document = parse(text).unwrap();
        let splice = Properties.replace(&document, find(&document, key), &data, Layout::default());
        shown(&spliced(&document, vec![splice.unwrap()]))
    };
    assert_eq!(
        replaced("a = b\\\n c\nd=e", "a", Data::str(" x=\n")),
        "a = \\ x=\\n\nd=e"
    );
    assert_eq!(replaced("a", "a", Data::str("x")), "a=x");
    assert_eq!(replaced("a b", "a", Data::str("=é")), "a \\=\\u00E9");
    assert_eq!(replaced("é b", "é", Data::str("é")), "é é");
    assert_eq!(replaced("a=", "a", Data::bool(true)), "a=true");
    let inserted = |text: &str, key: &str| {
        let document = parse(text).unwrap();
        let key = Some(key.as_bytes());
        let splices =
            Properties.insert(&document, Some(0), key, &Data::str("v"), Layout::default());
        shown(&spliced(&document, splices.unwrap()))
    };
    assert_eq!(inserted("", "k"), "k=v\n");
    assert_eq!(inserted("a : b", "# k"), "a : b\n\\#\\ k : v");
    assert_eq!(inserted("a=b\r\n", "k"), "a=b\r\nk=v\r\n");
    assert_eq!(inserted("a=b\\\n", "k"), "a=b\\\n\nk=v\n");
    assert_eq!(inserted("a=b\nsops_mac=x", "k"), "a=b\nk=v\nsops_mac=x");
    let removed = |text: &str, key: &str| {
        let document = parse(text).unwrap();
        shown(&spliced(
            &document,
            Properties.remove(&document, 0, find(&document, key)),
        ))
    };
    assert_eq!(removed("a=b\n  c=d\\\n  e\\\n\n# f\n", "c"), "a=b\n# f\n");
    assert_eq!(removed("a=b\nc=d", "c"), "a=b\n");
}

#[test]
fn what_properties_cannot_hold_is_refused() {
    let document = parse("a=b").unwrap();
    let insert = |key: Option<&[u8]>, data: &Data| {
        Properties
            .insert(&document, Some(0), key, data, Layout::default())
            .is_err()
    };
    assert!(insert(None, &Data::str("x")));
    assert!(insert(Some(b"k"), &Data::List(vec![])));
    assert!(insert(Some(b"k"), &Data::null()));
    assert!(insert(Some(b"sops_k"), &Data::str("x")));
    assert!(
        Properties
            .emit(&[Data::List(vec![])], Layout::default())
            .is_err()
    );
    let example = parse(EXAMPLE).unwrap().data(0);
    assert_eq!(
        &Properties.emit(&[example], Layout::default()).unwrap()[..],
        EXAMPLE.as_bytes()
    );
}

proptest! {
    #[test]
    fn what_parses_comes_back(
        parts in prop::collection::vec(
            "a|b|c|=|:| |\t|\x0c|#|!|\n|\n|\r\n|\r|\\\\|\\\\\n|\\\\u00e9|\\\\uD83D\\\\uDE00|\\\\ud800|é|a=b\n|sops|\\\\t", 0..24,
        ),
    ) {
        let text = parts.concat();
        if parse(&text).is_ok_and(|document| !document.has_metadata()) {
            prop_assert_eq!(shown(&there_and_back(text.as_bytes())), text);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if parse(&bytes).is_ok_and(|document| !document.has_metadata()) {
            prop_assert_eq!(there_and_back(&bytes), bytes);
        }
    }

    #[test]
    fn what_is_written_reads_back(
        key in prop::collection::vec(any::<u8>(), 0..6), value in prop::collection::vec(any::<u8>(), 0..9),
        raw in any::<bool>(), separator in "=| | = |:",
    ) {
        let bytes = if raw { Bytes::Raw } else { Bytes::Escaped };
        let line = entry_line(&key, separator.as_bytes(), &value, bytes);
        prop_assume!(!key.starts_with(PREFIX));
        if key.is_empty() && separator == " " {
            return Ok(());
        }
        let document = parse(&line).unwrap();
        let read = |id: NodeId| document.value(id).text.to_vec();
        if raw || (std::str::from_utf8(&key).is_ok() && std::str::from_utf8(&value).is_ok()) {
            prop_assert_eq!((read(1), read(2)), (key, value));
        }
        prop_assert_eq!(document.node(2).ty, Type::Str);
    }
}
