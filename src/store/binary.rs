//! Binary files: any bytes at all, encrypted whole, as one string.
//!
//! The encrypted file is the JSON of sops, `{"data": "ENC[…]", "sops": {…}}`. In plain form the
//! whole text is the value at `["data"]`, and nothing else is.

mod members;

use super::{EmitError, Envelope, Excerpt, Json, Layout, ParseError, ParseOptions, Store};
use crate::document::{
    Branch, Data, Document, Kind, Node, NodeId, Span, Splice, Style, Text, Type, Value, secret,
};
use zeroize::Zeroizing;

/// The binary store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Binary;

/// The key of the one value.
const KEY: &str = "data";

/// The first size of a plain file whose encrypted form, a third larger and with its metadata, may
/// have no room below the 4 GiB that a document has.
const TOO_LARGE: u64 = (3 << 30) - (16 << 20);

/// Whether `text` is an encrypted binary file: an object of a token (or nothing) under `data` and
/// an object under `sops`. Linear, and at once done with most other texts.
#[must_use]
pub fn is_envelope(text: &[u8]) -> bool {
    let Some(members) = members::members(text, 2) else {
        return false;
    };
    let value = |key: &[u8]| members.iter().find(|m| m.0 == key).map(|m| m.1);
    let (data, metadata) = (value(KEY.as_bytes()), value(b"sops"));
    members.len() == 2
        && data.is_some_and(|data| data == b"\"\"" || data.starts_with(b"\"ENC["))
        && metadata.is_some_and(|metadata| metadata.starts_with(b"{"))
}

impl Store for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    /// None: every name that means no other format means this one.
    fn suffixes(&self) -> &'static [&'static str] {
        &[]
    }

    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        options: ParseOptions,
    ) -> Result<Document, ParseError> {
        if !options.is_plain && is_envelope(&source) {
            return Json.parse(source, options);
        }
        if source.len() as u64 >= TOO_LARGE {
            return Err(ParseError {
                problem: "a binary file of more than 2.9 GiB".to_owned(),
                offset: 0,
                hint: Some("encrypt it with age itself, and a key for that with bulla"),
                excerpt: Excerpt::default(),
            });
        }
        Ok(plain(source))
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
        out.extend_from_slice(&self.head(Layout::default()));
        out.extend_from_slice(token);
        document.node(id).span
    }

    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        let end = document.node(id).span.end;
        secret::append(out, value.text);
        Span { start: 0, end }
    }

    /// There are no lists: nothing changes.
    fn open_list_comment(&self, document: &Document, id: NodeId, _: &[u8]) -> Splice {
        unchanged(document, id)
    }

    /// There are no aliases: nothing changes.
    fn expand(
        &self,
        document: &Document,
        alias: NodeId,
        _: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    ) -> Splice {
        unchanged(document, alias)
    }

    fn attach(&self, document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice> {
        let end = document.source.len();
        let mut text = self.tail(metadata, layout);
        if end == 0 {
            // Nothing was sealed, so nothing stands before it.
            text.splice(..0, self.head(layout));
        }
        vec![Splice::new(Span::new(end, end), text)]
    }

    /// All behind the value; of an empty file everything.
    fn detach(&self, document: &Document) -> Vec<Splice> {
        let data = find_data(document).map(|id| document.node(id).span);
        let start = match data {
            Some(span) if document.slice(span) != b"\"\"" => span.end as usize,
            _ => 0,
        };
        let span = Span::new(start, document.source.len());
        vec![Splice::new(span, Vec::new())]
    }

    /// As in the JSON that it is.
    fn with_metadata(
        &self,
        document: &Document,
        metadata: &Data,
        layout: Layout,
        options: ParseOptions,
    ) -> Result<Vec<u8>, ParseError> {
        Json.with_metadata(document, metadata, layout, options)
    }

    fn envelope(&self) -> Option<&dyn Envelope> {
        Some(self)
    }

    fn replace(
        &self,
        document: &Document,
        id: NodeId,
        data: &Data,
        _: Layout,
    ) -> Result<Splice, EmitError> {
        match data {
            Data::Scalar(Type::Str, text) if Some(id) == find_data(document) => {
                Ok(Splice::new(document.node(id).span, text.to_vec()))
            }
            _ => Err(refused("the value at [\"data\"] can only be a string")),
        }
    }

    fn insert(
        &self,
        _: &Document,
        _: Option<NodeId>,
        _: Option<&[u8]>,
        _: &Data,
        _: Layout,
    ) -> Result<Vec<Splice>, EmitError> {
        Err(refused("it has no other value than that at [\"data\"]"))
    }

    /// The value cannot go: it stays.
    fn remove(&self, _: &Document, _: NodeId, _: NodeId) -> Vec<Splice> {
        Vec::new()
    }

    fn emit(&self, branches: &[Data], _: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        let [Data::Map(entries)] = branches else {
            return Err(refused(match branches.len() {
                1 => "the root is not a mapping with the one entry `data`".to_owned(),
                many => format!("there are {many} documents, and only one has room"),
            }));
        };
        let mut found = None;
        for (key, value) in entries {
            match value {
                Data::Comment(..) => {}
                Data::Scalar(Type::Str, text) if key == KEY.as_bytes() => found = Some(text),
                _ if key == KEY.as_bytes() => {
                    return Err(refused("the value at [\"data\"] is no string"));
                }
                _ => {
                    let key = String::from_utf8_lossy(key);
                    return Err(refused(format!("there is no room for [\"{key}\"]")));
                }
            }
        }
        let text = found.ok_or_else(|| refused("there is no value at [\"data\"]"))?;
        Ok(text.clone())
    }

    fn emit_value(&self, _: &Data, _: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        Err(refused("the value is no string"))
    }

    fn example(&self) -> &'static str {
        "Replace this by your own secret.\n"
    }
}

impl Envelope for Binary {
    /// `{`, the key, and the quote that opens the string.
    fn head(&self, layout: Layout) -> Vec<u8> {
        let indent = layout.indent.map_or("\t".to_owned(), |n| " ".repeat(n));
        format!("{{\n{indent}\"{KEY}\": \"").into_bytes()
    }

    fn tail(&self, metadata: &Data, layout: Layout) -> Vec<u8> {
        let empty = Data::Map(vec![
            (KEY.into(), Data::str("")),
            (b"sops".to_vec(), metadata.clone()),
        ]);
        // What JSON cannot write is missed when the metadata are read back.
        let text = Json.emit(&[empty], layout).unwrap_or_default();
        let tail = text.get(self.head(layout).len()..);
        tail.unwrap_or_default().to_vec()
    }
}

fn refused(problem: impl Into<String>) -> EmitError {
    let problem = format!("a binary file holds one string: {}", problem.into());
    EmitError { problem }
}

fn unchanged(document: &Document, id: NodeId) -> Splice {
    let start = document.node(id).span.start;
    Splice::new(Span { start, end: start }, Vec::new())
}

/// The node of the one value.
fn find_data(document: &Document) -> Option<NodeId> {
    use crate::document::{Path, Step};
    document.find(0, &Path(vec![Step::Key(KEY.into())]))
}

/// A mapping, the key that the text does not have, and the text as its value.
fn plain(source: Zeroizing<Vec<u8>>) -> Document {
    let whole = Span::new(0, source.len());
    let start = Span::new(0, 0);
    let node = |kind, ty, is_key, span: Span, text, id: NodeId, end| {
        let mut node = Node {
            kind,
            style: Style::Plain,
            ty,
            is_key,
            in_flow: false,
            inline: false,
            is_cooked: false,
            span,
            body_start: span.start,
            outer_start: span.start,
            tag: start,
            text_span: start,
            indent: 0,
            end,
            target: id,
        };
        node.set_text(text);
        node
    };
    let key = Text::Cooked(Span::new(0, KEY.len()));
    let nodes = vec![
        node(
            Kind::Mapping,
            Type::Null,
            false,
            whole,
            Text::Source(start),
            0,
            3,
        ),
        node(Kind::Scalar, Type::Str, true, start, key, 1, 2),
        node(
            Kind::Scalar,
            Type::Str,
            false,
            whole,
            Text::Source(whole),
            2,
            3,
        ),
    ];
    let branch = Branch {
        first: 0,
        end: 3,
        root: Some(0),
        span: whole,
        metadata: None,
    };
    Document {
        source,
        cooked: Zeroizing::new(KEY.as_bytes().to_vec()),
        nodes,
        branches: vec![branch],
        indent_step: 4,
        beyond_sops: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::splice;

    fn parse(text: &[u8], is_plain: bool) -> Document {
        let options = ParseOptions {
            is_plain,
            ..ParseOptions::default()
        };
        Binary
            .parse(Zeroizing::new(text.to_vec()), options)
            .unwrap()
    }

    fn metadata(mac: &str) -> Data {
        Data::Map(vec![(b"mac".to_vec(), Data::str(mac))])
    }

    const SEALED: &str = "{\n\t\"data\": \"ENC[x]\",\n\t\"sops\": {\n\t\t\"mac\": \"m\"\n\t}\n}\n";

    /// Seals and attaches by splices, as for every other format.
    fn sealed(text: &[u8]) -> String {
        let document = parse(text, true);
        let mut splices = Binary.attach(&document, &metadata("m"), Layout::default());
        if !text.is_empty() {
            splices.push(Binary.seal(&document, 2, b"ENC[x]"));
        }
        String::from_utf8(splice(&document.source, &mut splices).to_vec()).unwrap()
    }

    #[test]
    fn any_bytes_are_the_string_at_data() {
        for text in [&b""[..], b"\xff\0\n", b"{", SEALED.as_bytes()] {
            let document = parse(text, true);
            assert!(!document.has_metadata());
            assert_eq!(document.value(2).text, text);
            let mut leaves = document.leaves(crate::document::NoMarking);
            assert_eq!(leaves.advance().unwrap().id, 2);
            assert_eq!(leaves.aad(), b"data:");
            assert!(leaves.advance().is_none());
            let data = [document.data(0)];
            assert_eq!(*Binary.emit(&data, Layout::default()).unwrap(), text);
        }
    }

    #[test]
    fn the_envelope_is_laid_out_as_sops_does() {
        assert_eq!(sealed(b"\xff"), SEALED);
        assert_eq!(sealed(b""), SEALED.replace("ENC[x]", ""));
        let two = Layout { indent: Some(2) };
        let whole = [Binary.head(two), Binary.tail(&metadata("m"), two)].concat();
        let expected = SEALED.replace('\t', "  ").replace("ENC[x]", "");
        assert_eq!(String::from_utf8(whole).unwrap(), expected);
    }

    #[test]
    fn what_is_sealed_opens_and_takes_other_metadata() {
        for text in [&b""[..], b"\xffvalue"] {
            let sealed = parse(sealed(text).as_bytes(), false);
            assert!(sealed.has_metadata());
            let mut splices = Binary.detach(&sealed);
            if !text.is_empty() {
                let ty = Type::Str;
                splices.push(Binary.open(&sealed, 2, Value { ty, text }));
            }
            assert_eq!(*splice(&sealed.source, &mut splices), text);
            let (layout, options) = (Layout::default(), ParseOptions::default());
            let other = Binary.with_metadata(&sealed, &metadata("other"), layout, options);
            let other = parse(&other.unwrap(), false);
            assert!(other.has_metadata() && find_data(&other).is_some());
        }
    }

    #[test]
    fn only_the_object_of_data_and_sops_is_an_envelope() {
        for text in [
            SEALED,
            "\u{feff} {\"sops\":{\"a\":\"}\"},\"data\":\"ENC[AES256_GCM,…\"} ",
            r#"{"data":"","sops":{}}"#,
        ] {
            assert!(is_envelope(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "{",
            "{}",
            r#"{"data":"plain","sops":{}}"#,
            r#"{"data":"ENC[","sops":[]}"#,
            r#"{"data":"ENC[","sops":{},"x":1}"#,
            r#"{"data":"ENC[","data":"ENC["}"#,
            r#"{"data":"ENC["}"#,
            r#"{"data":"ENC[","sops":{}"#,
            r#"{"data":"ENC[","sops":{}} x"#,
            r#"{"data":"ENC[\"#,
            "data: ENC[\nsops: {}",
        ] {
            assert!(!is_envelope(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_string_at_data_is_refused_by_its_place() {
        let problem = |branches: &[Data]| {
            let error = Binary.emit(branches, Layout::default()).unwrap_err();
            error.problem
        };
        let entry = |key: &str, data| (key.into(), data);
        let data = || entry("data", Data::str("x"));
        let both = Data::Map(vec![data(), entry("n", Data::int(1))]);
        assert!(problem(&[both]).ends_with("no room for [\"n\"]"));
        let number = Data::Map(vec![entry("data", Data::int(1))]);
        assert!(problem(&[number]).ends_with("[\"data\"] is no string"));
        let one = Data::Map(vec![data()]);
        assert!(problem(&[one.clone(), one]).contains("2 documents"));
        assert!(problem(&[Data::Map(vec![])]).ends_with("no value at [\"data\"]"));
        assert!(problem(&[Data::str("x")]).contains("not a mapping"));
    }
}
