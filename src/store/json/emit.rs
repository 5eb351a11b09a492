//! Data to text, in a given layout.

use super::spell::{self, Escapes};
use crate::document::{Data, Path, Step, Type, Value};
use crate::store::{EmitError, Layout};
use zeroize::Zeroizing;

/// How new text is laid out.
#[derive(Clone)]
pub(super) struct Form {
    /// The line end, with the indentation of the line on which the text begins;
    /// `None` where all stands on one line.
    pub(super) line: Option<Vec<u8>>,
    /// The indentation of one level.
    pub(super) unit: Vec<u8>,
    /// What stands between key and value.
    pub(super) colon: Vec<u8>,
    /// What stands behind a comma that does not end its line.
    pub(super) gap: Vec<u8>,
    /// What is escaped in strings.
    pub(super) escapes: Escapes,
    /// Comments are written, where `line` is set; else they are left out.
    pub(super) comments: bool,
}

impl Form {
    /// The layout of sops: a tab a level, or as many spaces as the user chose.
    pub(super) fn sops(layout: Layout) -> Self {
        Self {
            line: Some(b"\n".to_vec()),
            unit: layout.indent.map_or(b"\t".to_vec(), |n| vec![b' '; n]),
            colon: b": ".to_vec(),
            gap: Vec::new(),
            escapes: Escapes::Go,
            comments: false,
        }
    }

    /// This form, for what stands `levels` deeper.
    pub(super) fn deeper(mut self, levels: usize) -> Self {
        if let Some(line) = &mut self.line {
            line.extend(self.unit.repeat(levels));
        }
        self
    }
}

/// A whole text that holds `branches`, which must be one or none.
///
/// # Errors
/// [`EmitError`] for several, and as [`text`].
pub(super) fn whole(branches: &[Data], form: &Form) -> Result<Zeroizing<Vec<u8>>, EmitError> {
    let empty = Data::Map(Vec::new());
    let data = match branches {
        [] => &empty,
        [data] => data,
        several => {
            let problem = format!("JSON holds one document, not {}", several.len());
            return Err(EmitError { problem });
        }
    };
    let mut out = text(data, form)?;
    spell::append(&mut out, b"\n");
    Ok(out)
}

/// Refuses a comment that should stand alone, where there is nothing to leave it out of.
///
/// # Errors
/// [`EmitError`] for a comment.
pub(super) fn refuse_comment(data: &Data) -> Result<(), EmitError> {
    match data {
        Data::Comment(..) => Err(EmitError {
            problem: "JSON has no comments".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// `data` as text, without a line end behind it.
///
/// # Errors
/// [`EmitError`] for infinity, NaN, bytes that are no text and a comment without a value.
pub(super) fn text(data: &Data, form: &Form) -> Result<Zeroizing<Vec<u8>>, EmitError> {
    refuse_comment(data)?;
    let mut out = Zeroizing::default();
    match write(data, form, &mut out) {
        None => Ok(out),
        Some((path, lost)) => {
            let name = if path.0.is_empty() {
                "the value".to_owned()
            } else {
                format!("the value at {path}")
            };
            let problem = format!("{name} {lost}");
            Err(EmitError { problem })
        }
    }
}

/// What JSON cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Infinity or NaN.
    Number,
    /// Bytes that are not UTF-8.
    Bytes,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Number => "is a number that JSON cannot write",
            Self::Bytes => "is not UTF-8, and JSON holds nothing else",
        })
    }
}

/// A collection that is being written.
struct Frame<'a> {
    rest: Rest<'a>,
    /// Entries or items written.
    count: usize,
    key: &'a [u8],
    /// Comments met since the last value, with whether they stand on the line of the next.
    comments: Vec<(&'a [u8], bool)>,
    /// Comments to be written on the line of the last value.
    inline: Vec<&'a [u8]>,
    /// A line was begun inside of the brackets.
    is_broken: bool,
}

enum Rest<'a> {
    List(std::slice::Iter<'a, Data>),
    Map(std::slice::Iter<'a, (Vec<u8>, Data)>),
}

impl<'a> Frame<'a> {
    /// The next entry (with its key) or item; comments on the way are kept for it.
    fn next(&mut self) -> Option<(Option<&'a [u8]>, &'a Data)> {
        loop {
            let (key, data) = match &mut self.rest {
                Rest::List(items) => (None, items.next()?),
                Rest::Map(entries) => {
                    let (key, data) = entries.next()?;
                    (Some(&key[..]), data)
                }
            };
            if let Data::Comment(text, inline) = data {
                self.comments.push((text, *inline));
                continue;
            }
            self.key = key.unwrap_or_default();
            self.count += 1;
            return Some((key, data));
        }
    }

    fn closing(&self) -> &'static [u8] {
        match self.rest {
            Rest::List(_) => b"]",
            Rest::Map(_) => b"}",
        }
    }

    fn step(&self) -> Step {
        match self.rest {
            Rest::List(_) => Step::Index(self.count - 1),
            Rest::Map(_) => Step::Key(self.key.to_vec()),
        }
    }
}

/// Appends `data` to `out`, comments left out. What JSON cannot write is written as the string
/// that is nearest; gives the path of the first such value.
pub(super) fn write(
    data: &Data,
    form: &Form,
    out: &mut Zeroizing<Vec<u8>>,
) -> Option<(Path, Lost)> {
    let mut stack: Vec<Frame<'_>> = Vec::new();
    let mut quoted = None;
    let mut value = data;
    loop {
        let lost = scalar(value, form.escapes, out).filter(|_| quoted.is_none());
        if let Some(lost) = lost {
            quoted = Some((Path(stack.iter().map(Frame::step).collect()), lost));
        }
        stack.extend(open(value, out));
        let Some(next) = advance(&mut stack, form, out) else {
            return quoted;
        };
        value = next;
    }
}

/// Writes what stands before the next value, which it gives: closing brackets, comma, key.
fn advance<'a>(
    stack: &mut Vec<Frame<'a>>,
    form: &Form,
    out: &mut Zeroizing<Vec<u8>>,
) -> Option<&'a Data> {
    loop {
        let depth = stack.len();
        let frame = stack.last_mut()?;
        let next = frame.next();
        if frame.count > 1 && next.is_some() {
            spell::append(out, b",");
            if form.line.is_none() {
                spell::append(out, &form.gap);
            }
        }
        write_comments(frame, next.map(|next| next.1), form, depth, out);
        let Some((key, value)) = next else {
            if frame.count > 0 || frame.is_broken {
                break_line(form, depth - 1, out);
            }
            spell::append(out, frame.closing());
            stack.pop();
            continue;
        };
        break_line(form, depth, out);
        if let Some(key) = key {
            spell::quote(key, form.escapes, out);
            spell::append(out, &form.colon);
        }
        return Some(value);
    }
}

/// Writes the comments on the line of the last value, then those before the `next` one.
fn write_comments(
    frame: &mut Frame<'_>,
    next: Option<&Data>,
    form: &Form,
    depth: usize,
    out: &mut Zeroizing<Vec<u8>>,
) {
    let has_room = form.comments && form.line.is_some();
    for text in frame.inline.drain(..).filter(|_| has_room) {
        spell::append(out, b" //");
        spell::append(out, text);
    }
    let is_scalar = matches!(next, Some(Data::Scalar(..)));
    for (text, inline) in frame.comments.drain(..).filter(|_| has_room) {
        if inline && is_scalar && memchr::memchr2(b'\n', b'\r', text).is_none() {
            frame.inline.push(text);
            continue;
        }
        for line in text.split(|b| matches!(b, b'\n' | b'\r')) {
            break_line(form, depth, out);
            spell::append(out, b"//");
            spell::append(out, line);
            frame.is_broken = true;
        }
    }
}

fn break_line(form: &Form, depth: usize, out: &mut Zeroizing<Vec<u8>>) {
    if let Some(line) = &form.line {
        spell::append(out, line);
        for _ in 0..depth {
            spell::append(out, &form.unit);
        }
    }
}

/// Writes the bracket that opens a collection.
fn open<'a>(data: &'a Data, out: &mut Zeroizing<Vec<u8>>) -> Option<Frame<'a>> {
    let (rest, bracket) = match data {
        Data::List(items) => (Rest::List(items.iter()), b"["),
        Data::Map(entries) => (Rest::Map(entries.iter()), b"{"),
        Data::Scalar(..) | Data::Comment(..) => return None,
    };
    spell::append(out, bracket);
    Some(Frame {
        rest,
        count: 0,
        key: b"",
        comments: Vec::new(),
        inline: Vec::new(),
        is_broken: false,
    })
}

/// Writes a scalar; says why where JSON cannot and another string took its place.
fn scalar(data: &Data, escapes: Escapes, out: &mut Zeroizing<Vec<u8>>) -> Option<Lost> {
    let Data::Scalar(ty, text) = data else {
        return None;
    };
    let literal = match ty {
        Type::Str | Type::Time => None,
        Type::Int | Type::Float => std::str::from_utf8(text)
            .ok()
            .and_then(|text| spell::number(*ty, text)),
        Type::Bool | Type::Null => spell::literal(Value { ty: *ty, text }),
    };
    match &literal {
        Some(literal) => spell::append(out, literal.as_bytes()),
        None => spell::quote(text, escapes, out),
    }
    match ty {
        Type::Str => std::str::from_utf8(text).is_err().then_some(Lost::Bytes),
        Type::Time => None,
        _ => literal.is_none().then_some(Lost::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(text: &str) -> Data {
        Data::Scalar(Type::Float, Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn map(entries: &[(&str, Data)]) -> Data {
        let entry = |(key, data): &(&str, Data)| (key.as_bytes().to_vec(), data.clone());
        Data::Map(entries.iter().map(entry).collect())
    }

    fn emitted(data: &Data, indent: Option<usize>) -> String {
        let text = text(data, &Form::sops(Layout { indent })).unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn text_is_laid_out_as_sops_does() {
        let comment = Data::Comment(Zeroizing::new(b" c".to_vec()), false);
        let data = map(&[
            ("", comment.clone()),
            (
                "a",
                Data::List(vec![Data::int(1), comment.clone(), Data::null()]),
            ),
            ("b", Data::List(vec![comment])),
            (
                "c",
                map(&[
                    ("<", Data::bool(true)),
                    ("f", float("1000000000000000000000")),
                ]),
            ),
            ("d", map(&[])),
        ]);
        assert_eq!(
            emitted(&data, None),
            "{\n\t\"a\": [\n\t\t1,\n\t\tnull\n\t],\n\t\"b\": [],\n\t\"c\": {\n\
             \t\t\"\\u003c\": true,\n\t\t\"f\": 1e+21\n\t},\n\t\"d\": {}\n}"
        );
        assert_eq!(
            emitted(&map(&[("a", Data::int(1))]), Some(2)),
            "{\n  \"a\": 1\n}"
        );
        assert_eq!(
            emitted(&map(&[("a", Data::int(1))]), Some(0)),
            "{\n\"a\": 1\n}"
        );
    }

    #[test]
    fn what_json_cannot_write_is_named_by_its_path() {
        let data = map(&[(
            "a",
            Data::List(vec![Data::int(1), float("NaN"), float("+Inf")]),
        )]);
        let error = text(&data, &Form::sops(Layout::default())).unwrap_err();
        assert_eq!(
            error.problem,
            "the value at a[1] is a number that JSON cannot write"
        );
        let error = text(&float("-Inf"), &Form::sops(Layout::default())).unwrap_err();
        assert_eq!(
            error.problem,
            "the value is a number that JSON cannot write"
        );
    }

    #[test]
    fn depth_costs_no_stack() {
        let mut data = Data::int(1);
        for _ in 0..2_000 {
            data = Data::List(vec![data]);
        }
        let form = Form {
            line: None,
            ..Form::sops(Layout::default())
        };
        let text = text(&data, &form).unwrap();
        assert_eq!(text.len(), 4_001);
    }
}
