//! HCL, the language of Terraform: attributes and blocks, `.tfvars` and `.hcl`.
//!
//! Literal values are leaves of their type. Any other expression (a call, a reference, an operator,
//! a template with `${}`) is a leaf of text: its own source, sealed inside of `"${"…"}"`, which is
//! how it is told from a string. A block is an entry under its type and its labels; where several
//! have all of them alike, they are the items of a list.
//!
//! [`parse`] reads, [`spell`] writes single values, [`emit`] whole ones, [`edit`] changes a text.

mod edit;
mod emit;
mod parse;
mod spell;

use super::flat::{only_branch, refused};
use super::line_end::line_end;
use super::{EmitError, Layout, ParseError, ParseOptions, Store};
use crate::document::{Data, Document, Kind, Node, NodeId, Span, Splice, Style, Value};
use zeroize::Zeroizing;

/// The store of HCL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hcl;

/// The attribute that holds the metadata.
const METADATA_KEY: &[u8] = b"sops";

/// The style of a scalar that is no literal.
const EXPRESSION: Style = Style::Single;

/// The style of a collection that only the labels of blocks make.
const LABELS: Style = Style::Plain;

impl Store for Hcl {
    fn name(&self) -> &'static str {
        "hcl"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".tfvars", ".hcl"]
    }

    fn is_known_to_sops(&self) -> bool {
        false
    }

    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        options: ParseOptions,
    ) -> Result<Document, ParseError> {
        parse::parse(source, options)
    }

    fn region(&self, document: &Document, id: NodeId) -> Span {
        let node = document.node(id);
        if is_heredoc(node) {
            lines(document, node)
        } else {
            node.span
        }
    }

    fn seal_into(
        &self,
        document: &Document,
        id: NodeId,
        token: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        let node = document.node(id);
        let text = match node.kind {
            Kind::Comment => return comment(document, node, token).append_to(out),
            _ if is_heredoc(node) => {
                let indent = spell::indentation(document, node);
                [indent, token, newline(document)].concat()
            }
            _ if node.style == EXPRESSION => [spell::OPENING, token, spell::CLOSING].concat(),
            _ => [b"\"", token, b"\""].concat(),
        };
        out.extend_from_slice(&text);
        self.region(document, id)
    }

    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        let node = document.node(id);
        if node.kind == Kind::Comment {
            return comment(document, node, value.text).append_to(out);
        }
        if is_heredoc(node)
            && let Some(text) = spell::heredoc(document, node, value)
        {
            let span = lines(document, node);
            return Splice { span, text }.append_to(out);
        }
        let text = if node.style == EXPRESSION {
            Zeroizing::new(value.text.to_vec())
        } else {
            spell::scalar(value)
        };
        let span = node.span;
        Splice { span, text }.append_to(out)
    }

    /// A comment has no comma, so the item stays, as nothing, beside it.
    fn open_list_comment(&self, document: &Document, id: NodeId, text: &[u8]) -> Splice {
        let comment = spell::comment(b"/*", text);
        let span = document.node(id).span;
        Splice::new(span, [&comment[..], b" null"].concat())
    }

    /// HCL has no aliases, so there is nothing to put in the place of one.
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
        edit::detach(document).into_iter().collect()
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
        let form = emit::Form::new(b"\n", b"", layout);
        let mut text = Zeroizing::default();
        for (key, data) in only_branch(branches, self.name())? {
            emit::attribute(key, data, &form, &mut text)?;
            super::flat::append(&mut text, b"\n");
        }
        Ok(text)
    }

    fn emit_value(&self, data: &Data, layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        if matches!(data, Data::Comment(..)) {
            return refused("a comment is no value".to_owned());
        }
        Ok(emit::value(data, &emit::Form::new(b"\n", b"", layout)))
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }
}

fn is_heredoc(node: &Node) -> bool {
    matches!(node.style, Style::Literal | Style::Folded) && node.kind == Kind::Scalar
}

/// The lines of a heredoc, without the one that ends it.
fn lines(document: &Document, node: &Node) -> Span {
    let text = document.slice(node.span);
    let last = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
    Span::new(node.body_start as usize, node.span.start as usize + last)
}

/// A comment with another text, behind its own sign.
fn comment(document: &Document, node: &Node, text: &[u8]) -> Splice {
    let source = document.slice(node.span);
    let sign = &source[..if source.starts_with(b"#") { 1 } else { 2 }];
    Splice {
        span: node.span,
        text: spell::comment(sign, text),
    }
}

/// The line end of the text.
fn newline(document: &Document) -> &'static [u8] {
    line_end(&document.source)
}

const EXAMPLE: &str = r#"# Replace this by your own values; comments are encrypted, too.
greeting = "Replace what stands here by your own secrets."
password = "correct horse battery staple"
hosts = [
  "one.example.org",
  "two.example.org",
]
limits = {
  number = 1234.56789
  strict = true
}
"#;

#[cfg(test)]
mod tests;
