//! Tests of the store as a whole.

use super::*;
use crate::document::{NoMarking, Path, Type, same_leaves, splice};
use proptest::prelude::*;

fn parse(text: &[u8]) -> Result<Document, ParseError> {
    Ini.parse(Zeroizing::new(text.to_vec()), ParseOptions::default())
}

fn spliced(document: &Document, mut splices: Vec<Splice>) -> Vec<u8> {
    splice(&document.source, &mut splices).to_vec()
}

fn metadata() -> Data {
    let key = Data::Map(vec![(b"enc".to_vec(), Data::str("-----\na\n-----\n"))]);
    Data::Map(vec![
        (b"age".to_vec(), Data::List(vec![key])),
        (b"encrypted_regex".to_vec(), Data::str("^a#b;`$")),
        (b"mac".to_vec(), Data::str("ENC[x]")),
    ])
}

/// Every leaf as `path=text`, comments behind `;`.
fn leaves(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    let mut leaves = document.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        let text = String::from_utf8_lossy(document.value(leaf.id).text).into_owned();
        let aad = String::from_utf8_lossy(leaves.aad()).into_owned();
        let sign = match leaf.kind {
            crate::document::LeafKind::Comment => ";",
            crate::document::LeafKind::Value => "=",
        };
        found.push(format!("{}{sign}{text}", aad.trim_end_matches(':')));
    }
    found
}

#[track_caller]
fn reads(text: &str, expected: &[&str]) {
    assert_eq!(leaves(&parse(text.as_bytes()).unwrap()), expected);
}

fn normal(text: &str) -> String {
    let document = parse(text.as_bytes()).unwrap();
    String::from_utf8(spliced(&document, Ini.normal_form(&document))).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        4 => "[ab \"'#;=:\\\\`]{0,6}",
        2 => "\"[ab ;]{0,3}\"",
        1 => "`[ab\n;]{0,4}`( # c)?",
        1 => "\"\"\"[ab\n;\"]{0,4}\"\"\"( ; c)?",
        1 => "[ab]{1,2} \\\\\n[ab ;]{0,2}",
    ];
    let key =
        prop_oneof![6 => "[a-c]", 1 => Just("-".to_owned()), 1 => "\"[a-c=]\"", 1 => "`[a:]`"];
    let entry = (" {0,1}", key, " ?[=:] ?", value)
        .prop_map(|(i, key, sign, value)| i + &key + &sign + &value);
    let piece = prop_oneof![
        6 => entry,
        3 => " {0,1}[#;]{1,2} ?[ab;#]{0,3} ?",
        2 => "\\[[a-b]\\]( ; [a-b])?",
        2 => Just(String::new()),
        1 => "[ \t]{1,2}",
    ];
    let lines = prop::collection::vec(piece, 0..9);
    let end = prop_oneof![Just(""), Just("\n"), Just("\n\n")];
    let crlf = prop::bool::weighted(0.2);
    (lines, end, crlf).prop_map(|(lines, end, crlf)| {
        let text = lines.join("\n") + end;
        if crlf {
            text.replace('\n', "\r\n")
        } else {
            text
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(document) = parse(&bytes) {
            Ini.normal_form(&document);
        }
    }

    #[test]
    fn the_normal_form_holds_the_same(text in text()) {
        if let Ok(document) = parse(text.as_bytes()) {
            let normal = parse(&spliced(&document, Ini.normal_form(&document))).unwrap();
            prop_assert_eq!(leaves(&document), leaves(&normal));
            prop_assert!(same_leaves(&document, &normal));
            prop_assert!(Ini.normal_form(&normal).is_empty());
        }
    }

    #[test]
    fn opening_and_detaching_undo_sealing_and_attaching(text in text()) {
        if let Ok(document) = parse(text.as_bytes()) {
            let normal = parse(&spliced(&document, Ini.normal_form(&document))).unwrap();
            let (mut splices, mut texts) = (Vec::new(), Vec::new());
            let mut leaves = normal.leaves(NoMarking);
            while let Some(leaf) = leaves.advance() {
                let value = normal.value(leaf.id);
                if !value.text.is_empty() {
                    splices.push(Ini.seal(&normal, leaf.id, b"ENC[x]"));
                    texts.push((leaves.aad().to_vec(), leaf.id));
                }
            }
            splices.extend(Ini.attach(&normal, &metadata(), Layout::default()));
            let sealed = spliced(&normal, splices);
            let sealed = parse(&sealed).unwrap();
            prop_assert!(Ini.metadata(&sealed) == Ok(Some(metadata())));
            let mut splices = Ini.detach(&sealed);
            let mut leaves = sealed.leaves(NoMarking);
            let mut texts = texts.into_iter();
            while let Some(leaf) = leaves.advance() {
                if sealed.value(leaf.id).text.is_empty() {
                    continue;
                }
                prop_assert_eq!(sealed.value(leaf.id).text, b"ENC[x]");
                let (aad, id) = texts.next().unwrap();
                prop_assert_eq!(leaves.aad(), aad);
                let back = Ini.open(&sealed, leaf.id, normal.value(id));
                let region = normal.slice(Ini.region(&normal, id));
                let is_joined = region.ends_with(b"\\")
                    || region.contains(&b'\\') && region.contains(&b'\n');
                if is_joined {
                    splices.push(Splice::new(back.span, region.to_vec()));
                } else {
                    splices.push(back);
                }
            }
            prop_assert!(texts.next().is_none());
            let opened = String::from_utf8(spliced(&sealed, splices)).unwrap();
            prop_assert_eq!(&opened, std::str::from_utf8(&normal.source).unwrap());
        }
    }

    #[test]
    fn every_value_that_is_spelled_reads_back(value in "[ab \"'#;`\\\\\n\r]{0,8}") {
        if let Some(text) = spelled(value.as_bytes(), crate::document::Style::Plain) {
            let line = [b"k = ", &text[..], b"\nx = y\n"].concat();
            let document = parse(&line).unwrap();
            prop_assert_eq!(leaves(&document), [format!("DEFAULT:k={value}"), "DEFAULT:x=y".to_owned()]);
        }
    }

    #[test]
    fn what_is_emitted_reads_back(text in text()) {
        if let Ok(document) = parse(text.as_bytes()) {
            // What starts like a counted key may be one that INI has no name for.
            if let Ok(emitted) = Ini.emit(&[document.data(0)], Layout::default()) {
                let values = |document: &Document| -> Vec<String> {
                    let mut all = leaves(document);
                    all.retain(|leaf| leaf.split([';', '=']).next().is_some() && !leaf.contains(';'));
                    all
                };
                prop_assert_eq!(values(&document), values(&parse(&emitted).unwrap()));
            }
        }
    }
}

#[test]
fn values_are_read_as_go_ini_does() {
    reads(
        "a=1\n[s]\nb : 'x y' \nc = \"a ; b\"\nd=a#b\ne = '\"'\nf = \"a\"b\"\n- = 1\n-=2\n\
         \"x=y\" = z\ng = \"\"\"l\n m\"\"\"\nh = `#`\ni = a \\\n  b\nj=\n",
        &[
            "DEFAULT:a=1",
            "s:b=x y",
            "s:c=\"a",
            "s;b\"",
            "s:d=a",
            "s;b",
            "s:e=\"",
            "s:f=\"a\"b\"",
            "s:#1=1",
            "s:#2=2",
            "s:x=y=z",
            "s:g=l\n m",
            "s:h=#",
            "s:i=a b",
            "s:j=",
        ],
    );
}

#[test]
fn comments_are_of_what_follows_and_of_their_line() {
    reads(
        "; top\n# more\na = 1 ; behind\n\n; s\n[s] # too\n# k\n[t]\nb=1\n; end\n",
        &[
            "DEFAULT:a=1",
            "DEFAULT;top\n# more\n; behind",
            "DEFAULT;behind",
            "s;s\n# too",
            "t;k",
            "t:b=1",
            "t;end",
        ],
    );
}

#[test]
fn a_key_that_stands_twice_has_its_last_value_in_its_first_place() {
    let text = "a=1\n; b\nb=2\n; a\na=3\n[s]\na=4\n";
    reads(
        text,
        &[
            "DEFAULT:a=3",
            "DEFAULT;a",
            "DEFAULT:b=2",
            "DEFAULT;b",
            "s:a=4",
        ],
    );
    assert_eq!(normal(text), "; a\na=3\n; b\nb=2\n[s]\na=4\n");
}

#[test]
fn comments_are_put_where_one_token_can_stand_for_them() {
    for (text, expected) in [
        ("# a\n\n  # b\nk=1\n", "# a\n# b\nk=1\n"),
        ("#\n# a\n#\nk=1\n", "# a\n#\nk=1\n"),
        ("#\n#\nk=1\n", "#\nk=1\n"),
        ("#\nk=1 # c\n", "k=1 # c\n"),
        ("[a] ; c\n[b] junk\n", "; c\n[a]\n[b]\n"),
        ("k=`v` x\n", "k=`v`\n"),
        ("# a\nk=`v\n` # c\n", "# a\n# c\nk=`v\n`\n"),
        ("k=v \\", "k=\"v \""),
        ("k=\"\"\"", "k='\"\"\"'"),
        ("k=1\n\n#a\n\n#b", "k=1\n\n#a\n#b"),
        ("[a]\nk=x\\\ny\n[a]\nk=1\n", "[a]\nk=xy\n[a]\nk=1\n"),
    ] {
        assert_eq!(normal(text), expected);
    }
    for text in ["; a\n; b\n\nk = \"1\" ; c\n\n[s]\n\n- = x\\\n y\n;end", ""] {
        assert_eq!(normal(text), text);
    }
}

#[test]
fn what_is_no_ini_is_refused_where_it_stands() {
    for (text, offset) in [
        ("a=1\nb\n", 4),
        ("a=1\n[b\n", 4),
        ("[]\n", 0),
        ("a=`x\n", 2),
        ("=1\n", 0),
        ("\"\"=1\n", 0),
        ("\"a=1\n", 0),
        ("[sops]\n[sops]\n", 7),
        ("\u{fffd}", 0),
    ] {
        assert_eq!(
            parse(text.as_bytes()).err().map(|e| e.offset),
            Some(offset),
            "{text:?}"
        );
    }
    assert!(parse(b"\xff\xfea\0").is_err());
}

#[test]
fn metadata_may_stand_anywhere() {
    let text =
        b"[a]\nk=1\n\n; c\n[sops]\nmac = x\nage__list_0__map_enc = \"\"\"a\nb\"\"\"\n\n[b]\nl=2\n";
    let document = parse(text).unwrap();
    assert_eq!(leaves(&document), ["a:k=1", "a;c", "b:l=2"]);
    let found = Ini.metadata(&document).unwrap().unwrap();
    assert_eq!(found.entry("mac").unwrap().text(), Some("x"));
    let text = spliced(&document, Ini.detach(&document));
    assert_eq!(text, b"[a]\nk=1\n\n; c\n[b]\nl=2\n");
    let broken = parse(b"[sops]\na=1\na__map_b=2\n").unwrap();
    assert!(Ini.metadata(&broken).is_err());
}

#[test]
fn the_end_of_the_text_comes_back() {
    for text in [
        "",
        "\n",
        "a=1",
        "a=1\n",
        "a=1\r\n",
        "a=1\r",
        "a=1\n\n\n",
        "; c",
        "\u{feff}",
        "a=1\r\nb=2",
    ] {
        let document = parse(text.as_bytes()).unwrap();
        let attached = Ini.attach(&document, &metadata(), Layout::default());
        let document = parse(&spliced(&document, attached)).unwrap();
        let detached = spliced(&document, Ini.detach(&document));
        assert_eq!(String::from_utf8(detached).unwrap(), text);
    }
}

#[test]
fn metadata_is_laid_out_as_sops_does() {
    let document = parse(b"[a]\nk = 1\n").unwrap();
    let attached = Ini.attach(&document, &metadata(), Layout::default());
    let text = String::from_utf8(spliced(&document, attached)).unwrap();
    assert_eq!(
        text,
        "[a]\nk = 1\n\n[sops]\nage__list_0__map_enc = -----\\na\\n-----\\n\n\
         encrypted_regex      = \"\"\"^a#b;`$\"\"\"\nmac                  = ENC[x]\n"
    );
}

fn find(document: &Document, path: &str) -> NodeId {
    document.find(0, &Path::parse(path).unwrap()).unwrap()
}

#[test]
fn keys_and_sections_are_inserted() {
    let inserted = |text: &str, at: &str, key: &str, data: &Data| {
        let document = parse(text.as_bytes()).unwrap();
        let at = (!at.is_empty()).then(|| find(&document, at));
        let splices = Ini.insert(&document, at, Some(key.as_bytes()), data, Layout::default());
        let text = String::from_utf8(spliced(&document, splices.unwrap())).unwrap();
        parse(text.as_bytes()).unwrap();
        text
    };
    let one = Data::int(1);
    assert_eq!(
        inserted("[a]\n  x:2\n\n[b]\n", "a", "k", &one),
        "[a]\n  x:2\n  k:1\n\n[b]\n"
    );
    assert_eq!(
        inserted("[a]\r\n[b]", "a", "k", &one),
        "[a]\r\nk = 1\r\n[b]"
    );
    assert_eq!(inserted("[a]", "a", "k", &one), "[a]\nk = 1");
    assert_eq!(
        inserted("; c\n[a]\n", "DEFAULT", "k", &one),
        "k = 1\n\n; c\n[a]\n"
    );
    assert_eq!(
        inserted("x=1", "DEFAULT", "a=b", &Data::str("# ")),
        "x=1\n`a=b`=`# `"
    );
    let section = Data::Map(vec![(b"k".to_vec(), Data::str(" x"))]);
    assert_eq!(inserted("", "", "s", &section), "[s]\nk = \" x\"\n");
    assert_eq!(
        inserted("a=1\n", "", "s", &section),
        "a=1\n\n[s]\nk = \" x\"\n"
    );
    assert_eq!(inserted("a=1", "", "s", &section), "a=1\n\n[s]\nk = \" x\"");
}

#[test]
fn values_and_sections_are_replaced() {
    let replaced = |text: &str, at: &str, data: &Data| {
        let document = parse(text.as_bytes()).unwrap();
        let splice = Ini.replace(&document, find(&document, at), data, Layout::default());
        String::from_utf8(spliced(&document, vec![splice.unwrap()])).unwrap()
    };
    assert_eq!(
        replaced("[a]\nk = \"x\" ; c\n", "a.k", &Data::str("y")),
        "[a]\nk = \"y\" ; c\n"
    );
    assert_eq!(
        replaced("[a]\nk=x\n", "a.k", &Data::str("a\nb")),
        "[a]\nk=\"\"\"a\nb\"\"\"\n"
    );
    assert_eq!(
        replaced("[a]\nk=1\nk=2\n", "a.k", &Data::int(3)),
        "[a]\nk=1\nk=3\n"
    );
    let section = Data::Map(vec![(b"l".to_vec(), Data::bool(true))]);
    assert_eq!(
        replaced("[a]\nk=1\n\n[b]\n", "a", &section),
        "[a]\nl = true\n\n[b]\n"
    );
    assert_eq!(replaced("[a]", "a", &section), "[a]\nl = true");
}

#[test]
fn keys_and_sections_are_removed() {
    let removed = |text: &str, at: &str, child: &str| {
        let document = parse(text.as_bytes()).unwrap();
        let at = if at.is_empty() {
            0
        } else {
            find(&document, at)
        };
        let splices = Ini.remove(&document, at, find(&document, child));
        String::from_utf8(spliced(&document, splices)).unwrap()
    };
    let text = "x=1\n\n; a\n[a]\n; k\nk=1 ; c\nl=`a\nb`\nk=2\n[b]\n";
    assert_eq!(
        removed(text, "a", "a.k"),
        "x=1\n\n; a\n[a]\n; k\nl=`a\nb`\n[b]\n"
    );
    assert_eq!(
        removed(text, "a", "a.l"),
        "x=1\n\n; a\n[a]\n; k\nk=1 ; c\nk=2\n[b]\n"
    );
    assert_eq!(removed(text, "", "a"), "x=1\n\n[b]\n");
    assert_eq!(
        removed(text, "", "b"),
        "x=1\n\n; a\n[a]\n; k\nk=1 ; c\nl=`a\nb`\nk=2\n"
    );
    assert_eq!(removed("x=1\n[a]\n", "", "DEFAULT"), "[a]\n");
}

#[test]
fn what_ini_cannot_hold_is_named() {
    let refused = |section: &str, key: &str, data: Data| {
        let keys = Data::Map(vec![(key.as_bytes().to_vec(), data)]);
        let entry = (section.as_bytes().to_vec(), keys);
        let emitted = Ini.emit(&[Data::Map(vec![entry])], Layout::default());
        emitted.unwrap_err().problem
    };
    let list = Data::List(vec![]);
    assert_eq!(
        refused("a", "b", list.clone()),
        "a.b is a list, which INI cannot hold"
    );
    assert_eq!(
        refused("a", "b", Data::null()),
        "a.b is null, which INI cannot hold"
    );
    assert!(refused("a", "-", Data::int(1)).ends_with("cannot be the name of a key in INI"));
    assert!(refused("a", "a\nb", Data::int(1)).ends_with("cannot be the name of a key in INI"));
    assert!(refused("a\n", "b", Data::int(1)).contains("name of a section"));
    assert!(refused("sops", "b", Data::int(1)).contains("sops keeps"));
    assert!(refused("a", "b", Data::str("`\"\"\"\nx")).contains("no quotes for"));
    let flat = Data::Map(vec![(b"a".to_vec(), list)]);
    let problem = Ini.emit(&[flat], Layout::default()).unwrap_err().problem;
    assert_eq!(problem, "a is no section, and INI holds nothing else");
}

#[test]
fn text_is_laid_out_as_sops_does() {
    let comment = |text: &str| (vec![], Data::Comment(Zeroizing::new(text.into()), false));
    let entry = |key: &str, data| (key.as_bytes().to_vec(), data);
    let float = Data::Scalar(Type::Float, Zeroizing::new(b"1000".to_vec()));
    let default = Data::Map(vec![entry("k", Data::str("a;b"))]);
    let section = Data::Map(vec![
        comment(" of section"),
        entry("long key", Data::bool(true)),
        comment("#of key"),
        comment("more"),
        entry("f", float),
        entry("e", Data::str("")),
    ]);
    let data = Data::Map(vec![
        entry("DEFAULT", default),
        comment(" before"),
        entry("s", section),
    ]);
    let text = Ini.emit(&[data], Layout::default()).unwrap();
    assert_eq!(
        String::from_utf8(text.to_vec()).unwrap(),
        "k = `a;b`\n\n; before\n; of section\n[s]\n# of key\n; more\nlong key = true\n\
         f        = 1000.0\ne        = \n"
    );
    let list = Data::List(vec![Data::int(1), Data::str("x")]);
    assert_eq!(
        Ini.emit_value(&list, Layout::default()).unwrap().to_vec(),
        b"[1,\"x\"]"
    );
}

#[test]
fn the_example_is_laid_out_as_we_do() {
    let data = parse(EXAMPLE.as_bytes()).unwrap().data(0);
    let emitted = Ini.emit(&[data], Layout::default()).unwrap();
    assert_eq!(emitted.to_vec(), EXAMPLE.as_bytes());
}
