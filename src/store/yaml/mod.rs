//! YAML: as accepting as Go's yaml.v3 and as YAML 1.2, and of yaml.v3's opinion where the two differ.
//!
//! Reading: [`text`] checks the bytes, [`scan`] cuts them into [`token`]s and [`comments`] finds what
//! stands between them, [`parse`] puts [`tree`] together, [`cook`] and [`resolve`] say what a
//! scalar means, [`weave`] gives every comment its container.
//! Writing: [`seal`] puts tokens in and values back, [`block`] the metadata, [`edit`] and [`remove`]
//! change one place, [`emit`] writes whole texts, [`spell`] single values.

mod block;
mod comments;
mod cook;
mod edit;
mod emit;
mod line;
mod names;
mod parse;
mod remove;
mod resolve;
mod scalar;
mod scan;
mod seal;
mod shape;
mod spell;
mod text;
mod token;
mod tree;
mod weave;

#[cfg(test)]
mod suite;

use super::{EmitError, Layout, ParseError, ParseOptions, Store};
use crate::document::{Data, Document, NodeId, Span, Splice, Value};
use zeroize::Zeroizing;

/// YAML as Go's yaml.v3 reads it, and all of YAML 1.2.
pub struct Yaml;

impl Store for Yaml {
    fn name(&self) -> &'static str {
        "yaml"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".yaml", ".yml"]
    }

    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        options: ParseOptions,
    ) -> Result<Document, ParseError> {
        parse::parse(source, options)
    }

    fn region(&self, document: &Document, id: NodeId) -> Span {
        seal::region(document, id)
    }

    fn pin(&self, document: &Document, id: NodeId) -> Option<Splice> {
        seal::pin(document, id)
    }

    fn seal_into(
        &self,
        document: &Document,
        id: NodeId,
        token: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        seal::seal(document, id, token, out)
    }

    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        seal::open(document, id, value, out)
    }

    fn open_list_comment(&self, document: &Document, id: NodeId, text: &[u8]) -> Splice {
        seal::open_list_comment(document, id, text)
    }

    fn expand(
        &self,
        document: &Document,
        alias: NodeId,
        leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    ) -> Splice {
        seal::expand(document, alias, leaf)
    }

    fn attach(&self, document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice> {
        block::attach(document, metadata, layout)
    }

    fn detach(&self, document: &Document) -> Vec<Splice> {
        block::detach(document)
    }

    fn replace(
        &self,
        document: &Document,
        id: NodeId,
        data: &Data,
        layout: Layout,
    ) -> Result<Splice, EmitError> {
        Ok(edit::replace(document, id, data, layout))
    }

    fn insert(
        &self,
        document: &Document,
        id: Option<NodeId>,
        key: Option<&[u8]>,
        data: &Data,
        layout: Layout,
    ) -> Result<Vec<Splice>, EmitError> {
        Ok(edit::insert(document, id, key, data, layout))
    }

    fn remove(&self, document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
        remove::remove(document, id, child)
    }

    fn emit(&self, branches: &[Data], layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        let mut out = Zeroizing::new(Vec::new());
        emit::emit(
            branches,
            layout
                .indent
                .filter(|&n| n > 0)
                .unwrap_or(emit::DEFAULT_INDENT),
            &mut out,
        );
        Ok(out)
    }

    fn emit_value(&self, data: &Data, _: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        let mut out = Zeroizing::new(Vec::new());
        emit::emit_value(data, &mut out);
        Ok(out)
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }
}

/// What `edit` offers for a file that does not exist yet.
const EXAMPLE: &str = "\
# Replace this by your own values; comments are encrypted, too.
hello: Welcome! Edit this file as you please.
example_key: example value
# A list
example_list:
    - first value
    - second value
example_number: 1234.56789
example_switches:
    - true
    - false
";
