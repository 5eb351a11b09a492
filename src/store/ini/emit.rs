//! Data to text, laid out as sops does.

use super::scan::scan;
use super::value::{self, as_sops};
use super::{METADATA, space};
use crate::document::secret::append;
use crate::document::{Data, Path, Step, Style};
use crate::store::EmitError;
use crate::store::flat::{self, refused};
use crate::store::line_end::line_end;
use memchr::{memchr, memchr3};
use zeroize::Zeroizing;

/// How a line of a key is laid out.
pub(super) struct Form<'a> {
    /// The blanks before the key.
    pub(super) indent: &'a [u8],
    /// What stands between key and value.
    pub(super) sign: &'a [u8],
    /// The line end.
    pub(super) line_feed: &'a [u8],
}

impl Form<'_> {
    /// The layout of sops.
    pub(super) const SOPS: Self = Self {
        indent: b"",
        sign: b" = ",
        line_feed: b"\n",
    };
}

/// A whole text. What sops would lose of comments stands where it belongs or, without a place, at
/// the next section.
pub(super) fn text(entries: &[(Vec<u8>, Data)]) -> Result<Zeroizing<Vec<u8>>, EmitError> {
    let mut out = Zeroizing::new(Vec::new());
    let mut comment = Vec::new();
    let mut sections = 0;
    for (name, data) in entries {
        if let Data::Comment(text, _) = data {
            comment.push(text.as_slice());
            continue;
        }
        let Data::Map(keys) = data else {
            let place = named(&[name]);
            return refused(format!("{place} is no section, and INI holds nothing else"));
        };
        if sections > 0 && !out.is_empty() {
            append(&mut out, b"\n");
        }
        let own = keys.iter().map_while(|(_, data)| comment_of(data));
        comment.extend(own);
        write_comment(&comment.join(&b'\n'), &mut out);
        comment.clear();
        let is_implicit = sections == 0 && name.eq_ignore_ascii_case(b"DEFAULT");
        if !is_implicit {
            append(&mut out, &header(name, b"\n")?);
        }
        append(&mut out, &lines(name, keys, &Form::SOPS)?);
        sections += 1;
    }
    write_comment(&comment.join(&b'\n'), &mut out);
    Ok(out)
}

fn comment_of(data: &Data) -> Option<&[u8]> {
    match data {
        Data::Comment(text, _) => Some(text),
        _ => None,
    }
}

fn named(steps: &[&[u8]]) -> Path {
    Path(steps.iter().map(|step| Step::Key(step.to_vec())).collect())
}

/// The line of a section.
pub(super) fn header(name: &[u8], line_feed: &[u8]) -> Result<Vec<u8>, EmitError> {
    let place = named(&[name]);
    if name == METADATA {
        return refused(format!("sops keeps the name {place} for its metadata"));
    }
    if name.is_empty() || memchr(b'\n', name).is_some() {
        return refused(format!("{place} cannot be the name of a section in INI"));
    }
    Ok([b"[", name, b"]", line_feed].concat())
}

/// The keys of a section with their comments, each comment above the key it comes behind, as sops
/// has them. Comments before the first key are left out: they are the section's.
pub(super) fn lines(
    section: &[u8],
    keys: &[(Vec<u8>, Data)],
    form: &Form<'_>,
) -> Result<Zeroizing<Vec<u8>>, EmitError> {
    let is_value = |(_, data): &&(Vec<u8>, Data)| comment_of(data).is_none();
    let mut seen = std::collections::HashSet::new();
    let mut spelled = Vec::new();
    for (key, data) in keys.iter().filter(is_value) {
        let place = named(&[section, key]);
        if !seen.insert(key) {
            return refused(format!("{place} stands twice, and INI keeps one of them"));
        }
        let value = Zeroizing::new(flat::text_of(data, &place.to_string(), "INI")?);
        spelled.push(spelled_key(key, &value, &place)?);
    }
    let width = spelled.iter().map(|(key, _)| key.len()).max();
    let width = width.filter(|_| form.sign == Form::SOPS.sign).unwrap_or(0);
    let mut out = Zeroizing::default();
    let mut rest = keys.iter().skip_while(|entry| !is_value(entry)).peekable();
    for (key, value) in &spelled {
        rest.next();
        let mut comment = Vec::new();
        while let Some(text) = rest.peek().and_then(|(_, data)| comment_of(data)) {
            comment.push(text);
            rest.next();
        }
        write_comment(&comment.join(&b'\n'), &mut out);
        append(&mut out, form.indent);
        append(&mut out, key);
        append(&mut out, &vec![b' '; width.saturating_sub(key.len())]);
        append(&mut out, form.sign);
        append(&mut out, value);
        append(&mut out, form.line_feed);
    }
    Ok(out)
}

type Spelled = (Vec<u8>, Zeroizing<Vec<u8>>);

/// Key and value as they are written.
fn spelled_key(key: &[u8], value: &[u8], place: &Path) -> Result<Spelled, EmitError> {
    let Some(value) = value::spelled(value, as_sops(value)) else {
        return refused(format!("{place} holds a text that INI has no quotes for"));
    };
    match key_text(key) {
        Some(key) => Ok((key, value)),
        None => refused(format!("{place} cannot be the name of a key in INI")),
    }
}

/// A key in such quotes that go-ini reads it: in those of sops first.
pub(super) fn key_text(key: &[u8]) -> Option<Vec<u8>> {
    let first = if memchr3(b'"', b'=', b':', key).is_some() {
        Style::Folded
    } else if memchr(b'`', key).is_some() {
        Style::Literal
    } else {
        Style::Plain
    };
    let styles = [first, Style::Folded, Style::Literal, Style::Double];
    let mut texts = styles.into_iter().map(|style| value::quoted(key, style));
    texts.find(|text| is_read_as(text, key)).map(|t| t.to_vec())
}

/// Whether go-ini reads `text` before a `=` as the key `key`.
fn is_read_as(text: &[u8], key: &[u8]) -> bool {
    let line = [text, b" = x\n"].concat();
    let sections = scan(&line).unwrap_or_default();
    let entries: Vec<_> = sections.iter().flat_map(|s| &s.entries).collect();
    matches!(entries[..], [entry]
        if entry.name.bytes(&line) == key && entry.delimiter == text.len() + 1)
}

/// Writes a comment as sops does: behind the sign that a line has, else behind `;`.
fn write_comment(comment: &[u8], out: &mut Zeroizing<Vec<u8>>) {
    for line in comment.split(|&b| b == b'\n') {
        let (sign, text) = match line {
            [sign @ (b'#' | b';'), rest @ ..] => (*sign, rest),
            _ => (b';', line),
        };
        let text = space::trimmed(text);
        if !text.is_empty() {
            append(out, &[&[sign, b' '], text, b"\n"].concat());
        }
    }
}

/// The metadata as the last section, with the line end that parts it from the data.
pub(super) fn metadata(source: &[u8], data: &Data) -> Vec<u8> {
    let line_feed = line_end(source);
    let values = flat::flatten(data).into_iter().filter_map(|(name, text)| {
        // As sops does; a backslash before an n comes back as a line feed.
        let text = text.split(|&b| b == b'\n').collect::<Vec<_>>();
        let text = text.join(&b"\\n"[..]);
        Some((key_text(&name)?, value::spelled(&text, as_sops(&text))?))
    });
    let values: Vec<_> = values.collect();
    let width = values.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = [line_feed, b"[", METADATA, b"]", line_feed].concat();
    for (name, value) in values {
        text.extend_from_slice(&name);
        text.resize(text.len() + width - name.len(), b' ');
        text.extend_from_slice(&[b" = ", &value[..], line_feed].concat());
    }
    text
}
