//! JSON: RFC 8259, read strictly, written as sops does or as the text at hand does; and beside it
//! JSON with comments and trailing commas, of the same tokens.

mod comments;
mod duplicates;
mod edit;
mod emit;
mod jsonc;
mod layout;
mod spell;
mod tokens;

use super::{EmitError, Layout, ParseError, ParseOptions, Store};
use crate::document::{Data, Document, NodeId, Span, Splice, Value};
use emit::Form;
use spell::Escapes;
pub(super) use spell::append;
use zeroize::Zeroizing;

pub use jsonc::Jsonc;

/// Which grammar a text is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// RFC 8259.
    Strict,
    /// With comments, and a comma allowed before a closing bracket.
    Comments,
}

/// The JSON store.
///
/// A root that is no object has no room for metadata. It is put under the key `bulla:root` of an
/// object beside the metadata, and reading sees through that object: paths and additional data
/// are those of the root itself. Stock sops reads the object as it stands, and cannot decrypt it.
///
/// Splices of [`Store::seal`] and [`Store::open`] go together with those of [`Store::attach`] and
/// [`Store::detach`]; the others go alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Store for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".json"]
    }

    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        options: ParseOptions,
    ) -> Result<Document, ParseError> {
        tokens::parse(source, options, Dialect::Strict)
    }

    fn region(&self, document: &Document, id: NodeId) -> Span {
        document.node(id).span
    }

    fn seal_into(
        &self,
        document: &Document,
        id: NodeId,
        token: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        spell::quote(token, Escapes::Few, out);
        document.node(id).span
    }

    /// Infinity and NaN, which JSON cannot write, become strings.
    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        match spell::literal(value) {
            Some(literal) => append(out, literal.as_bytes()),
            None => spell::quote(value.text, Escapes::Few, out),
        }
        document.node(id).span
    }

    /// JSON has no comments: the item is removed.
    fn open_list_comment(&self, document: &Document, id: NodeId, _text: &[u8]) -> Splice {
        edit::remove_list_comment(document, id)
    }

    /// JSON has no aliases, so there is nothing to put in the place of one.
    fn expand(
        &self,
        document: &Document,
        alias: NodeId,
        _leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    ) -> Splice {
        let start = document.node(alias).span.start;
        Splice::new(Span { start, end: start }, [])
    }

    fn attach(&self, document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice> {
        edit::attach(document, metadata, layout)
    }

    fn detach(&self, document: &Document) -> Vec<Splice> {
        edit::detach(document)
    }

    fn replace(
        &self,
        document: &Document,
        id: NodeId,
        data: &Data,
        layout: Layout,
    ) -> Result<Splice, EmitError> {
        edit::replace(document, id, data, layout)
    }

    fn insert(
        &self,
        document: &Document,
        id: Option<NodeId>,
        key: Option<&[u8]>,
        data: &Data,
        layout: Layout,
    ) -> Result<Vec<Splice>, EmitError> {
        let id = id.or(document.branches[0].root).unwrap_or_default();
        edit::insert(document, id, key, data, layout)
    }

    fn remove(&self, document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
        edit::remove(document, id, child)
    }

    fn emit(&self, branches: &[Data], layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        emit::whole(branches, &Form::sops(layout))
    }

    fn emit_value(&self, data: &Data, layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        emit::text(data, &Form::sops(layout))
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }
}

/// A value on one line, without blanks.
///
/// # Errors
/// [`EmitError`] as for [`Store::emit_value`].
pub(super) fn compact(data: &Data) -> Result<Zeroizing<Vec<u8>>, EmitError> {
    let form = Form {
        line: None,
        colon: b":".to_vec(),
        ..Form::sops(Layout::default())
    };
    emit::text(data, &form)
}

const EXAMPLE: &str = r#"{
	"greeting": "Replace what stands here by your own secrets.",
	"password": "correct horse battery staple",
	"hosts": [
		"one.example.org",
		"two.example.org"
	],
	"number": 1234.56789,
	"switches": [
		true,
		false
	]
}
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{LeafKind, NoMarking, Type, splice};
    use proptest::prelude::*;
    use serde_json::Value as Other;

    fn parse(text: &[u8]) -> Result<Document, ParseError> {
        Json.parse(Zeroizing::new(text.to_vec()), ParseOptions::default())
    }

    fn spliced(document: &Document, mut splices: Vec<Splice>) -> Vec<u8> {
        splice(&document.source, &mut splices).to_vec()
    }

    fn metadata() -> Data {
        Data::Map(vec![(b"mac".to_vec(), Data::str("ENC[x]"))])
    }

    /// A value of JSON as text, with its spaces marked by `\u{1}`.
    fn json() -> impl Strategy<Value = String> {
        let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?";
        let char = prop_oneof![
            "[a-zA-Z \u{7f}-\u{ff}\u{2027}-\u{202a}\u{fffd}\u{1f600}]",
            Just("\\\\".to_owned()),
            Just("\\\"".to_owned()),
            Just("\\/".to_owned()),
            Just("\\n".to_owned()),
            Just("\\u00e9".to_owned()),
            Just("\\ud83d\\ude00".to_owned()),
        ];
        let string = prop::collection::vec(char, 0..6).prop_map(|c| format!("\"{}\"", c.concat()));
        let leaf = prop_oneof![
            number,
            string.clone(),
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("null".to_owned()),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            let list = prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[\u{1}{}\u{1}]", items.join("\u{1},\u{1}")));
            let map = prop::collection::vec((string.clone(), inner), 0..5).prop_map(|entries| {
                let entry = |(i, (key, value)): (usize, &(String, String))| {
                    format!("\"{i}{}\u{1}:\u{1}{value}", &key[1..])
                };
                let entries: Vec<String> = entries.iter().enumerate().map(entry).collect();
                format!("{{\u{1}{}\u{1}}}", entries.join("\u{1},\u{1}"))
            });
            prop_oneof![list, map]
        })
    }

    /// A value of JSON in some layout.
    fn text() -> impl Strategy<Value = String> {
        let spaces = prop::collection::vec("( |\n|\t|\r\n|\r|  |\n  |){0,2}", 1..8);
        let uniform = prop_oneof![Just(String::new()), Just(" ".to_owned()), "\n {0,4}"];
        let spaces = prop_oneof![uniform.prop_map(|s| vec![s]), spaces];
        (json(), spaces).prop_map(|(json, spaces)| {
            let mut spaces = spaces.iter().cycle();
            let parts = format!("\u{1}{json}\u{1}");
            let mut text = String::new();
            for char in parts.chars() {
                match char {
                    '\u{1}' => text += spaces.next().unwrap(),
                    other => text.push(other),
                }
            }
            text
        })
    }

    /// Equal but for the last digit, in which `serde_json` is not exact.
    fn is_near(ours: f64, other: f64) -> bool {
        (ours - other).abs() <= other.abs() * 1e-15
    }

    fn agrees(data: &Data, other: &Other) -> bool {
        match (data, other) {
            (Data::Scalar(Type::Null, _), Other::Null) => true,
            (Data::Scalar(Type::Bool, text), Other::Bool(b)) => {
                &text[..] == if *b { &b"True"[..] } else { b"False" }
            }
            (Data::Scalar(Type::Str, text), Other::String(s)) => &text[..] == s.as_bytes(),
            (Data::Scalar(Type::Int | Type::Float, _), Other::Number(n)) => {
                let text = data.text().unwrap();
                n.as_i64().is_some_and(|i| i.to_string() == text)
                    || is_near(text.parse().unwrap(), n.as_f64().unwrap())
            }
            (Data::List(items), Other::Array(others)) => {
                items.len() == others.len() && items.iter().zip(others).all(|(a, b)| agrees(a, b))
            }
            (Data::Map(entries), Other::Object(others)) => {
                entries.len() == others.len()
                    && entries
                        .iter()
                        .zip(others)
                        .all(|(a, b)| a.0 == b.0.as_bytes() && agrees(&a.1, b.1))
            }
            _ => false,
        }
    }

    /// The text with every leaf sealed and metadata attached, as encrypting does.
    fn encrypted(document: &Document) -> (Vec<u8>, Vec<NodeId>) {
        let (mut splices, mut ids) = (Vec::new(), Vec::new());
        let mut leaves = document.leaves(NoMarking);
        while let Some(leaf) = leaves.advance() {
            assert_eq!(leaf.kind, LeafKind::Value);
            splices.push(Json.seal(document, leaf.id, b"ENC[x]"));
            ids.push(leaf.id);
        }
        splices.extend(Json.attach(document, &metadata(), Layout::default()));
        (spliced(document, splices), ids)
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_brackets_make_it_panic(text in "[\\[\\]{}:,\"a1 \\\\-]{0,30}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn values_are_those_of_serde(text in text()) {
            let document = parse(text.as_bytes()).unwrap();
            let other: Other = serde_json::from_str(&text).unwrap();
            prop_assert!(agrees(&document.data(0), &other));
        }

        #[test]
        fn the_same_texts_are_accepted_as_by_serde(
            text in text(), at in any::<prop::sample::Index>(), by in "[\\[\\]{}:,\"a1 \\\\\n\u{1}.e0-]{0,2}", length in 0..3_usize,
        ) {
            let mut bytes = text.into_bytes();
            let start = at.index(bytes.len());
            let end = bytes.len().min(start + length);
            bytes.splice(start..end, by.bytes());
            let options = ParseOptions { allow_duplicate_keys: true, ..ParseOptions::default() };
            let ours = Json.parse(Zeroizing::new(bytes.clone()), options).map(|_| ());
            if let Err(error) = serde_json::from_slice::<Other>(&bytes) {
                let told = error.to_string();
                let is_excepted = told.contains("out of range") || told.contains("surrogate")
                    || told.contains("unexpected end of hex escape");
                prop_assert!(is_excepted || ours.is_err(), "{told}");
            } else {
                prop_assert_eq!(ours, Ok(()));
            }
        }

        #[test]
        fn detaching_undoes_attaching(text in text()) {
            let document = parse(text.as_bytes()).unwrap();
            let attached = spliced(&document, Json.attach(&document, &metadata(), Layout::default()));
            let document = parse(&attached).unwrap();
            prop_assert!(document.has_metadata());
            let detached = spliced(&document, Json.detach(&document));
            prop_assert_eq!(String::from_utf8(detached).unwrap(), text);
        }

        #[test]
        fn opening_undoes_sealing(text in text()) {
            let document = parse(text.as_bytes()).unwrap();
            let (sealed, ids) = encrypted(&document);
            let sealed = parse(&sealed).unwrap();
            let mut splices = Json.detach(&sealed);
            let mut leaves = sealed.leaves(NoMarking);
            for &id in &ids {
                let leaf = leaves.advance().unwrap();
                prop_assert_eq!(sealed.value(leaf.id).text, b"ENC[x]");
                let raw = document.slice(document.node(id).span);
                let value = match document.value(id) {
                    Value { ty: ty @ (Type::Int | Type::Float), .. } => Value { ty, text: raw },
                    value => value,
                };
                splices.push(Json.open(&sealed, leaf.id, value));
            }
            prop_assert!(leaves.advance().is_none());
            let opened = spliced(&sealed, splices);
            let reread = parse(&opened).unwrap();
            prop_assert!(reread.data(0) == document.data(0));
            if !text.contains('\\') {
                prop_assert_eq!(String::from_utf8(opened).unwrap(), text);
            }
        }

        #[test]
        fn what_is_emitted_reads_back(text in text(), indent in prop::option::of(0..5_usize)) {
            let data = parse(text.as_bytes()).unwrap().data(0);
            let emitted = Json.emit(std::slice::from_ref(&data), Layout { indent }).unwrap();
            let ours = parse(&emitted).unwrap().data(0);
            let theirs: Other = serde_json::from_slice(&emitted).unwrap();
            prop_assert!(agrees(&ours, &theirs) && agrees(&data, &theirs));
        }
    }

    #[test]
    fn strings_open_as_people_write_them() {
        let document = parse(br#"{"a": "ENC[x]"}"#).unwrap();
        let opened = |ty, text: &[u8]| {
            let text = spliced(&document, vec![Json.open(&document, 2, Value { ty, text })]);
            String::from_utf8(text).unwrap()
        };
        let text = "<é\u{2028}&>\"\\\n\u{1}";
        assert_eq!(
            opened(Type::Str, text.as_bytes()),
            "{\"a\": \"<é\u{2028}&>\\\"\\\\\\n\\u0001\"}"
        );
        assert_eq!(
            opened(Type::Time, b"2024-01-02T00:00:00Z"),
            r#"{"a": "2024-01-02T00:00:00Z"}"#
        );
        assert_eq!(opened(Type::Float, b"NaN"), r#"{"a": "NaN"}"#);
        assert_eq!(opened(Type::Float, b"1.50"), r#"{"a": 1.50}"#);
        assert_eq!(opened(Type::Bool, b"True"), r#"{"a": true}"#);
    }

    #[test]
    fn several_documents_are_refused() {
        let two = [Data::Map(vec![]), Data::Map(vec![])];
        assert!(Json.emit(&two, Layout::default()).is_err());
        assert_eq!(
            Json.emit(&two[..1], Layout::default()).unwrap()[..],
            b"{}\n"[..]
        );
    }

    #[test]
    fn the_example_is_laid_out_as_we_do() {
        let data = parse(Json.example().as_bytes()).unwrap().data(0);
        let emitted = Json.emit(&[data], Layout::default()).unwrap();
        assert_eq!(&emitted[..], Json.example().as_bytes());
    }
}
