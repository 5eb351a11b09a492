//! Tests of the HCL store: what is read, what comes back, what changes.

use super::*;
use crate::document::{LeafKind, NoMarking, Path, splice};
use proptest::prelude::*;

fn parse(text: impl AsRef<[u8]>) -> Result<Document, ParseError> {
    let source = Zeroizing::new(text.as_ref().to_vec());
    Hcl.parse(source, ParseOptions::default())
}

fn spliced(document: &Document, mut splices: Vec<Splice>) -> String {
    String::from_utf8(splice(&document.source, &mut splices).to_vec()).unwrap()
}

fn metadata() -> Data {
    let key = Data::Map(vec![(b"enc".to_vec(), Data::str("a\n${b}"))]);
    Data::Map(vec![
        (b"age".to_vec(), Data::List(vec![key])),
        (b"mac".to_vec(), Data::str("ENC[x]")),
    ])
}

/// Every leaf, a line each: `key:=value` and its type, `#comment`.
fn leaves(text: &str) -> String {
    let document = parse(text).unwrap();
    let mut leaves = document.leaves(NoMarking);
    let mut lines = String::new();
    while let Some(leaf) = leaves.advance() {
        let value = document.value(leaf.id);
        let text = String::from_utf8_lossy(value.text);
        let aad = String::from_utf8_lossy(leaves.aad()).into_owned();
        let node = document.node(leaf.id);
        lines += &match leaf.kind {
            LeafKind::Comment if node.inline => format!("{aad}<{text}\n"),
            LeafKind::Comment => format!("{aad}#{text}\n"),
            LeafKind::Value if node.style == EXPRESSION => format!("{aad}={{{text}}}\n"),
            LeafKind::Value => format!("{aad}={:?} {text}\n", value.ty),
        };
    }
    lines
}

const TOKEN: &[u8] = b"ENC[x]";

/// The text encrypted as far as a store goes, and decrypted again, with what does not come back by
/// itself put back as a sealed spelling is.
fn there_and_back(text: &str) -> String {
    let document = parse(text).unwrap();
    let (mut splices, mut ids) = (Vec::new(), Vec::new());
    let mut leaves = document.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        if !document.value(leaf.id).text.is_empty() {
            splices.push(Hcl.seal(&document, leaf.id, TOKEN));
            ids.push((leaf.id, leaves.aad().to_vec()));
        }
    }
    splices.extend(Hcl.attach(&document, &metadata(), Layout::default()));
    let encrypted = parse(spliced(&document, splices)).unwrap();
    let key = encrypted.branches[0].metadata.unwrap();
    assert!(encrypted.data(encrypted.node(key).end) == metadata());
    let mut splices = Hcl.detach(&encrypted);
    let mut ids = ids.into_iter();
    let mut leaves = encrypted.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        let found = encrypted.value(leaf.id).text;
        if found.is_empty() {
            continue;
        }
        let (id, aad) = ids.next().unwrap();
        assert_eq!(aad, leaves.aad());
        assert!(encrypted.node(leaf.id).kind == Kind::Comment || found.starts_with(TOKEN));
        let raw = document.slice(document.node(id).span);
        let value = match document.value(id) {
            Value {
                ty: ty @ (crate::document::Type::Int | crate::document::Type::Float),
                ..
            } => Value { ty, text: raw },
            value => value,
        };
        let here = Hcl.open(&document, id, value);
        let there = Hcl.open(&encrypted, leaf.id, value);
        let region = Hcl.region(&document, id);
        if here.span == region && here.text.as_slice() == document.slice(region) {
            assert!(here.text == there.text, "another spelling there than here");
            splices.push(there);
        } else {
            let raw = document.slice(region).to_vec();
            splices.push(Splice::new(Hcl.region(&encrypted, leaf.id), raw));
        }
        // What is written without the spelling means the same.
        let again = parse(spliced(&document, vec![here])).unwrap();
        assert!(again.value(id).text == document.value(id).text, "{text}");
    }
    assert!(ids.next().is_none());
    spliced(&encrypted, splices)
}

fn find(document: &Document, path: &str) -> NodeId {
    document.find(0, &Path::parse(path).unwrap()).unwrap()
}

#[test]
fn literals_have_types_and_everything_else_is_text() {
    for (text, expected) in [
        ("a = 1", "a:=Int 1\n"),
        ("a = -1.50\nb = 1e3\n", "a:=Float -1.5\nb:=Float 1000\n"),
        (
            "a = true\nb=false\nc = null",
            "a:=Bool True\nb:=Bool False\nc:=Null \n",
        ),
        (
            r#"a = "x\n\"\\\u00e9$${y}%%{z}$%""#,
            "a:=Str x\n\"\\é${y}%{z}$%\n",
        ),
        ("a = \"${b}\"", "a:={\"${b}\"}\n"),
        ("a = \"x ${f(\"}\")} y\"", "a:={\"x ${f(\"}\")} y\"}\n"),
        ("a = \"\\q\"", "a:={\"\\q\"}\n"),
        ("a = var.b", "a:={var.b}\n"),
        ("a = f(\n  1,\n  [2],\n) # c\nb = 1 + 2", "#c\n"),
        (
            "a = [1, var.b, [\"c\"],]",
            "a:=Int 1\na:={var.b}\na:=Str c\n",
        ),
        ("a = [1, 2][0]", "a:={[1, 2][0]}\n"),
        ("a = [for x in y : x]", "a:={[for x in y : x]}\n"),
        (
            "a = { for k, v in y : k => v }",
            "a:={{ for k, v in y : k => v }}\n",
        ),
        ("a = { (b) = 1 }", "a:={{ (b) = 1 }}\n"),
        (
            "a = {\n  b = 1, \"c d\" : 2\n  e = {}\n  3 = x ? 1 : 2\n}",
            "a:b:=Int 1\na:c d:=Int 2\na:3:={x ? 1 : 2}\n",
        ),
        ("a = <<E\n x\n  $${y}\nE\n", "a:=Str  x\n  ${y}\n\n"),
        ("a = <<-E\n    x\n\n      y\n  E\n", "a:=Str x\n\n  y\n\n"),
        ("a = <<E\n${x}\nE\nb = 1", "a:={<<E\n${x}\nE}\nb:=Int 1\n"),
        ("a = \"${\"ENC[x]\"}\"", "a:={ENC[x]}\n"),
        ("a = true_x\nfalse = -x", "a:={true_x}\nfalse:={-x}\n"),
    ] {
        let found = leaves(text);
        if expected.starts_with('#') {
            assert_eq!(found, ":< c\na:={f(\n  1,\n  [2],\n)}\nb:={1 + 2}\n");
        } else {
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(there_and_back(text), text);
    }
}

#[test]
fn blocks_are_entries_under_their_type_and_labels() {
    let text = "# on x\nr \"x\" \"y\" {\n  a = 1 # on a\n  # end\n}\n# on z\nr \"x\" z {}\n\
                l {\n  b = 2\n}\nl { b = 3 }\nr \"x\" \"y\" {\n  a = 4\n}\n";
    assert_eq!(
        leaves(text),
        "r:x:y:# on x\nr:x:y:< on a\nr:x:y:a:=Int 1\nr:x:y:# end\nr:x:y:a:=Int 4\nr:x:# on z\nl:b:=Int 2\nl:b:=Int 3\n"
    );
    let document = parse(text).unwrap();
    let value = |path| {
        document
            .data(find(&document, path))
            .text()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (value("r.x.y[1].a"), value("l[1].b")),
        ("4".to_owned(), "3".to_owned())
    );
    assert_eq!(there_and_back(text), text);
}

#[test]
fn comments_have_the_place_of_what_they_are_about() {
    let text = "/* h */ a = 1 // on a\n# own\nb /* in b */ = /* more */ [ # first\n  2, # on 2\n  3 /* on 3 */, \
                // too\n  # last\n] # behind b\n";
    assert_eq!(
        leaves(text),
        ":# h \n:< on a\na:=Int 1\n:# own\n:# in b \n:# more \nb:# first\nb:< on 2\nb:=Int 2\nb:< on 3 \n\
         b:< too\nb:=Int 3\nb:# last\n:# behind b\n"
    );
    assert_eq!(there_and_back(text), text);
}

#[test]
fn metadata_leave_no_trace_behind_any_end() {
    for text in [
        "",
        "\n",
        "\n\n",
        "a = 1",
        "a = 1\r\n",
        "a = 1 # c",
        "# c",
        "/* c */",
        "a = <<E\nx\nE",
        "b {}",
        "\u{feff}a = 1\n",
        "\r",
        "a = 1\r",
        "//b\r",
        "a = 1 # b\r\r\n",
        "a = 1\nb = 2\r",
        "a = 1\r\nb = 2",
        "a = 1\n  ",
        "a = 1\n//",
    ] {
        assert_eq!(there_and_back(text), text);
    }
    let document = parse("a = 1\nsops = { mac = \"x\" } # c\nb = 2\n").unwrap();
    assert_eq!(
        spliced(&document, Hcl.detach(&document)),
        "a = 1\n # c\nb = 2\n"
    );
}

#[test]
fn what_is_not_hcl_is_told_with_its_place() {
    for (text, offset) in [
        ("a", 1),
        ("a = ", 4),
        ("= 1", 0),
        ("a = \"x", 6),
        ("a = \"x\ny\"", 6),
        ("a = [1", 4),
        ("a = (1", 4),
        ("a = )", 4),
        ("a {", 3),
        ("}", 0),
        ("a = 1 }", 6),
        ("a = {\n", 4),
        ("a \"${b}\" {}", 2),
        ("a = 1\n/* x", 6),
        ("a = [1,,]", 7),
        ("a = f(]", 6),
        ("a b c = 1", 6),
        ("sops = {}\nsops = {}", 10),
        ("a = 1\nb = 2\na = 3", 12),
        ("a = { b = 1, \"b\" = 2 }", 13),
        ("a {}\na \"b\" {}", 5),
    ] {
        let found = parse(text).map(|_| ()).unwrap_err_or_text(text);
        assert_eq!(found, offset, "{text}");
    }
    assert!(parse(b"a = \"\xff\"").is_err());
}

/// The offset of the error that must be.
trait Offset {
    fn unwrap_err_or_text(self, text: &str) -> usize;
}

impl Offset for Result<(), ParseError> {
    fn unwrap_err_or_text(self, text: &str) -> usize {
        self.err()
            .unwrap_or_else(|| panic!("{text} is read"))
            .offset
    }
}

#[test]
fn nesting_is_read_to_a_limit() {
    let lists = |n: usize| format!("a = {}{}", "[".repeat(n), "]".repeat(n));
    assert!(parse(lists(150)).is_ok());
    assert!(parse(lists(151)).is_err());
    assert!(parse("a {\n".repeat(100_000)).is_err());
    assert!(parse(format!("a = {}", "(".repeat(1_000_000))).is_err());
    assert!(parse(format!("a = {}1{}", "(".repeat(500), ")".repeat(500))).is_ok());
    assert!(parse(format!("a {} {{}}", "b ".repeat(100_000))).is_err());
}

#[test]
fn members_come_and_go() {
    let inserted = |text: &str, above: &str, key: Option<&str>| {
        let document = parse(text).unwrap();
        let (id, key) = (find(&document, above), key.map(str::as_bytes));
        let splices = Hcl.insert(&document, Some(id), key, &Data::int(9), Layout::default());
        let text = spliced(&document, splices.unwrap());
        parse(&text).unwrap();
        text
    };
    for (text, above, key, expected) in [
        ("a = 1", "", Some("k"), "a = 1\nk = 9"),
        (
            "a = 1\nsops = {}\n",
            "",
            Some("k"),
            "a = 1\nk = 9\nsops = {}\n",
        ),
        ("a = {}", "a", Some("k 1"), "a = { \"k 1\" = 9 }"),
        ("a = { b = 1 }", "a", Some("k"), "a = { b = 1, k = 9 }"),
        (
            "a = {\n  b = 1 # c\n}",
            "a",
            Some("k"),
            "a = {\n  b = 1 # c\n  k = 9\n}",
        ),
        (
            "a = {\n  b = 1,\n}",
            "a",
            Some("k"),
            "a = {\n  b = 1,\n  k = 9,\n}",
        ),
        ("a = [1]", "a", None, "a = [1, 9]"),
        ("a = [1, ]", "a", None, "a = [1, 9, ]"),
        ("a = [\n  1 # c\n]", "a", None, "a = [\n  1, # c\n  9\n]"),
        ("a = [\n  1, # c\n]", "a", None, "a = [\n  1, # c\n  9,\n]"),
        ("a = [<<E\nE\n]", "a", None, "a = [<<E\nE\n,\n9\n]"),
        ("a = [ # c\n]", "a", None, "a = [9, # c\n]"),
        ("b {}", "b", Some("k"), "b {\n  k = 9\n}"),
        ("b { a = 1 }", "b", Some("k"), "b {\n  a = 1\n  k = 9\n}"),
        (
            "b {\n    a = 1\n}",
            "b",
            Some("k"),
            "b {\n    a = 1\n    k = 9\n}",
        ),
        ("b {\n  # c\n}", "b", Some("k"), "b {\n  # c\n  k = 9\n}"),
    ] {
        assert_eq!(inserted(text, above, key), expected);
    }
    let removed = |text: &str, above: &str, path: &str| {
        let document = parse(text).unwrap();
        let ids = (find(&document, above), find(&document, path));
        let text = spliced(&document, Hcl.remove(&document, ids.0, ids.1));
        parse(&text).unwrap();
        text
    };
    for (text, above, path, expected) in [
        ("a = 1\nb = 2\n", "", "a", "b = 2\n"),
        ("a = 1\nb = 2 # c\n", "", "b", "a = 1\n # c\n"),
        ("a = [1, 2]", "a", "a[1]", "a = [1]"),
        ("a = [1, 2]", "a", "a[0]", "a = [ 2]"),
        ("a = [\n  1,\n  2,\n]", "a", "a[1]", "a = [\n  1,\n]"),
        (
            "a = {\n  b = 1\n  c = 2\n}",
            "a",
            "a.b",
            "a = {\n  c = 2\n}",
        ),
        ("a = { b = 1, c = 2 }", "a", "a.c", "a = { b = 1 }"),
        (
            "r \"x\" {\n  a = 1\n}\nr \"y\" {}\n",
            "r",
            "r.x",
            "r \"y\" {}\n",
        ),
        ("r \"x\" {\n  a = 1\n}\n# c\nr \"y\" {}\n", "", "r", "# c\n"),
    ] {
        assert_eq!(removed(text, above, path), expected);
    }
}

#[test]
fn a_value_is_replaced_and_a_block_is_not() {
    let replaced = |text: &str, path: &str, data: &Data| {
        let document = parse(text).unwrap();
        let splice = Hcl.replace(&document, find(&document, path), data, Layout::default())?;
        Ok::<_, EmitError>(spliced(&document, vec![splice]))
    };
    let map = Data::Map(vec![(b"b".to_vec(), Data::List(vec![Data::str("${x}\n")]))]);
    assert_eq!(
        replaced("  a = f(x)\n", "a", &map).unwrap(),
        "  a = {\n    b = [\n      \"$${x}\\n\",\n    ]\n  }\n"
    );
    assert_eq!(
        replaced("a = <<E\nx\nE\n", "a", &Data::bool(true)).unwrap(),
        "a = true\n"
    );
    assert!(replaced("a {}", "a", &map).is_err());
    assert!(replaced("a \"b\" {}", "a", &map).is_err());
    let document = parse("a \"b\" {}").unwrap();
    let insert = |key: Option<&[u8]>| {
        Hcl.insert(&document, Some(0), key, &Data::int(1), Layout::default())
            .is_ok()
    };
    assert!(insert(Some(b"k-1")) && !insert(Some(b"k 1")) && !insert(Some(b"1k")) && !insert(None));
    assert!(Hcl.emit(&[Data::List(vec![])], Layout::default()).is_err());
    let example = parse(EXAMPLE).unwrap().data(0);
    let emitted = Hcl.emit(&[example], Layout::default()).unwrap();
    assert_eq!(std::str::from_utf8(&emitted).unwrap(), EXAMPLE);
}

proptest! {
    #[test]
    fn what_parses_comes_back(
        parts in prop::collection::vec(
            "a|b = |c = 1\n|\n|\r\n| |\"|\"x\"|\\$\\{|%\\{|\\}|\\{|\\[|\\]|\\(|\\)|,|# c|// d|/\\* e \\*/|<<E\n|<<-E\n|  x\n|E\n|1|-2.50|true|null|=|:|\\.|é|\\\\|\\\\n|for |r \"l\" \\{\n|\"\\$\\$\\{\"|/", 0..28,
        ),
    ) {
        let text = parts.concat();
        if parse(&text).is_ok_and(|document| !document.has_metadata()) {
            prop_assert_eq!(there_and_back(&text), text);
        }
    }

    #[test]
    fn texts_of_blocks_come_back(
        parts in prop::collection::vec(
            "a = 1\n|b = \"x\"\n|r \"l\" \\{\n|r \\{\n|\\}\n|# c\n|c = \\[1, # d\n 2\\]\n|d = \\{ e = 1 \\}\n|f = <<-E\n   x\n  y\n E\n|g = h\\(1\\) # i\n", 0..20,
        ),
    ) {
        let mut text = parts.concat();
        let open = text.matches("{\n").count().saturating_sub(text.matches("}\n").count() - text.matches(" }\n").count());
        text += &"}\n".repeat(open);
        if parse(&text).is_ok() {
            prop_assert_eq!(there_and_back(&text), text);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn strings_read_back(text in "[a-z\"\\\\$%{}\n\t\u{0}\u{7f}é]{0,12}") {
        let mut quoted = Zeroizing::new(b"a = ".to_vec());
        spell::quote(text.as_bytes(), &mut quoted);
        let document = parse(&quoted).unwrap();
        prop_assert_eq!(document.value(2).text, text.as_bytes());
        prop_assert_eq!(document.node(2).style, Style::Double);
    }
}
