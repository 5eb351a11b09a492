//! Data to text, laid out as Terraform's own formatter does.

use super::{newline, spell};
use crate::document::{Data, Document, Path, Step, Value};
use crate::store::flat::{append, refused};
use crate::store::{EmitError, Layout};
use zeroize::Zeroizing;

/// How new text is laid out.
#[derive(Clone)]
pub(super) struct Form {
    /// The line end, and the indentation of the line on which the text begins.
    pub(super) line: Vec<u8>,
    /// The indentation of one level.
    pub(super) unit: Vec<u8>,
}

impl Form {
    pub(super) fn new(newline: &[u8], indent: &[u8], layout: Layout) -> Self {
        Self {
            line: [newline, indent].concat(),
            unit: vec![b' '; layout.indent.unwrap_or(2)],
        }
    }

    /// The form of what begins on the line of `at`.
    pub(super) fn at(document: &Document, at: usize, layout: Layout) -> Self {
        let start = memchr::memrchr(b'\n', &document.source[..at]).map_or(0, |n| n + 1);
        let line = &document.source[start..];
        let blanks = line.iter().take_while(|b| matches!(b, b' ' | b'\t'));
        Self::new(newline(document), &line[..blanks.count()], layout)
    }

    /// This form, one level deeper.
    pub(super) fn deeper(&self) -> Self {
        Self {
            line: [&self.line[..], &self.unit].concat(),
            unit: self.unit.clone(),
        }
    }
}

/// Appends an attribute, or the lines of a comment, without a line end.
///
/// # Errors
/// [`EmitError`] for a key that is no identifier.
pub(super) fn attribute(
    key: &[u8],
    data: &Data,
    form: &Form,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), EmitError> {
    if let Data::Comment(text, _) = data {
        comment(text, form, out);
        return Ok(());
    }
    if !is_identifier(key) {
        let place = Path(vec![Step::Key(key.to_vec())]);
        return refused(format!("{place} cannot be the name of an attribute in HCL"));
    }
    append(out, key);
    append(out, b" = ");
    write(data, form, out);
    Ok(())
}

/// A value as text.
pub(super) fn value(data: &Data, form: &Form) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::default();
    write(data, form, &mut out);
    out
}

/// Appends data; as deep as a store nests.
fn write(data: &Data, form: &Form, out: &mut Zeroizing<Vec<u8>>) {
    let deeper = || form.deeper();
    match data {
        Data::Scalar(ty, text) => append(out, &spell::scalar(Value { ty: *ty, text })),
        Data::Comment(text, _) => comment(text, form, out),
        Data::List(items) if items.is_empty() => append(out, b"[]"),
        Data::Map(entries) if entries.is_empty() => append(out, b"{}"),
        Data::List(items) => {
            let inner = deeper();
            append(out, b"[");
            for item in items {
                append(out, &inner.line);
                write(item, &inner, out);
                if !matches!(item, Data::Comment(..)) {
                    append(out, b",");
                }
            }
            append(out, &form.line);
            append(out, b"]");
        }
        Data::Map(entries) => {
            let inner = deeper();
            append(out, b"{");
            for (key, value) in entries {
                append(out, &inner.line);
                if !matches!(value, Data::Comment(..)) {
                    object_key(key, out);
                    append(out, b" = ");
                }
                write(value, &inner, out);
            }
            append(out, &form.line);
            append(out, b"}");
        }
    }
}

/// A key of an object as it is written.
pub(super) fn object_key(key: &[u8], out: &mut Zeroizing<Vec<u8>>) {
    if is_identifier(key) && !matches!(key, b"for" | b"true" | b"false" | b"null") {
        append(out, key);
    } else {
        spell::quote(key, out);
    }
}

fn is_identifier(text: &[u8]) -> bool {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let is_first = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    text.first().is_some_and(is_first) && text.iter().all(is_part)
}

fn comment(text: &[u8], form: &Form, out: &mut Zeroizing<Vec<u8>>) {
    for (number, line) in text.split(|b| *b == b'\n').enumerate() {
        if number > 0 {
            append(out, &form.line);
        }
        append(out, b"#");
        append(out, line);
    }
}
