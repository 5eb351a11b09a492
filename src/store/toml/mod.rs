//! TOML 1.0 and 1.1: every text comes back as it was, and new text looks like what is around it.
//!
//! TOML spreads a table over a text: `[a.b]` may stand before `[a]`, `a.b.c = 1` is three levels
//! on one line, `[[list]]` adds to a list from afar. The nodes of a document are in the order of
//! the *tree*, each collection where its name comes first; their spans are wherever the text is.
//! Paths, and with them additional data and the MAC, are those of the tree. A table on lines
//! (its style is `Block`) has the span of its header, or of the key that named it first, on to
//! the end of the last line inside of it. What works on lines asks [`parse::outline`] for them.
//! Strings in three quotes have the styles `Folded` (`"""`) and `Literal` (`'''`).

mod edit;
mod emit;
mod flow;
mod metadata;
mod parse;
mod scalar;
mod spell;
mod tables;
mod words;

#[cfg(test)]
mod suite;

use super::{EmitError, Layout, ParseError, ParseOptions, Store};
use crate::document::{Data, Document, Kind, NodeId, Span, Splice, Value};
use emit::Writer;
use spell::Quotes;
use zeroize::Zeroizing;

/// The TOML store.
///
/// A key that stands twice is refused whatever the options: TOML gives it no meaning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toml;

impl Store for Toml {
    fn name(&self) -> &'static str {
        "toml"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".toml"]
    }

    fn is_known_to_sops(&self) -> bool {
        false
    }

    fn parse(&self, source: Zeroizing<Vec<u8>>, _: ParseOptions) -> Result<Document, ParseError> {
        parse::parse(source)
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
        let node = document.node(id);
        match node.kind {
            Kind::Comment => commented(node.span, token),
            _ => quoted(document, node.span, token),
        }
        .append_to(out)
    }

    /// A number that TOML cannot write becomes a string.
    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        let node = document.node(id);
        if node.kind == Kind::Comment {
            return commented(node.span, value.text).append_to(out);
        }
        match spell::literal(value) {
            Some(literal) => Splice::new(node.span, literal.as_bytes()),
            None => quoted(document, node.span, value.text),
        }
        .append_to(out)
    }

    fn open_list_comment(&self, document: &Document, id: NodeId, text: &[u8]) -> Splice {
        edit::open_list_comment(document, id, text)
    }

    /// TOML has no aliases, so there is nothing to put in the place of one.
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
        metadata::attach(document, metadata, layout)
    }

    fn detach(&self, document: &Document) -> Vec<Splice> {
        metadata::detach(document)
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
        edit::insert(document, id.unwrap_or_default(), key, data, layout)
    }

    fn remove(&self, document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
        edit::remove(document, id, child)
    }

    fn emit(&self, branches: &[Data], layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        let mut writer = Writer::new(Vec::new(), b"\n", layout);
        let problem = match branches {
            [] => return Ok(writer.finish()),
            [Data::Map(entries)] => {
                writer.table(entries)?;
                return Ok(writer.finish());
            }
            [_] => "the root of TOML is a table".to_owned(),
            several => format!("TOML holds one document, not {}", several.len()),
        };
        Err(EmitError { problem })
    }

    fn emit_value(&self, data: &Data, layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        let mut writer = Writer::new(Vec::new(), b"\n", layout);
        match data {
            Data::Map(entries) => writer.table(entries)?,
            other => writer.value(other, 0)?,
        }
        Ok(writer.finish())
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }
}

fn commented(span: Span, text: &[u8]) -> Splice {
    let mut out = Zeroizing::default();
    spell::comment(text, &mut out);
    Splice { span, text: out }
}

fn quoted(document: &Document, span: Span, text: &[u8]) -> Splice {
    let mut out = Zeroizing::default();
    spell::string(text, Quotes::of(document.slice(span)), &mut out);
    Splice { span, text: out }
}

const EXAMPLE: &str = r#"# Replace what stands here by your own secrets.
greeting = "hello"
number = 1234.56789
switches = [true, false]

[database]
user = "app"
password = "correct horse battery staple"

[[hosts]]
name = "one.example.org"

[[hosts]]
name = "two.example.org"
"#;
