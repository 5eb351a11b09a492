//! How one value is written in YAML as new text: in the style that sops would choose, or
//! in the style in which its token stands. What is written reads back as the same value.

use super::resolve::{Resolved, resolve};
use super::shape::{Shape, is_ambiguous};
use crate::document::scalar::{canonical, float_yaml, parse_float};
use crate::document::{Style, Type, Value};
use base64::Engine;

/// Where new text is to stand.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Columns that the lines of a block scalar are indented by; at least 1.
    pub indent: usize,
    /// How much deeper that is than the collection around it: the digit of a block header.
    pub step: usize,
    /// Inside brackets.
    pub in_flow: bool,
    /// The key of an entry, without a `?`: always one line.
    pub is_key: bool,
    /// Whether a block scalar may end in empty lines (`|+`): only where none follow the text.
    pub may_keep: bool,
    /// The line end of the text, `"\n"` or `"\r\n"`.
    pub newline: &'static [u8],
}

impl Default for Context {
    /// The value of an entry at the left margin of a text as sops lays it out.
    fn default() -> Self {
        Self {
            indent: 4,
            step: 4,
            in_flow: false,
            is_key: false,
            may_keep: false,
            newline: b"\n",
        }
    }
}

/// True where the string `text` may stand without quotes: nothing in it has a meaning in YAML
/// there, and neither YAML 1.2 nor 1.1 takes it for anything but a string.
#[must_use]
pub fn plain_ok(text: &[u8], in_flow: bool) -> bool {
    Shape::of(text).is_plain(text, in_flow)
}

/// Writes a string as sops would: plain, quoted, or as a literal block (without the line end
/// behind its last line, which must follow). Bytes that are no UTF-8 become `!!binary`.
pub fn write_string(text: &[u8], context: &Context, out: &mut Vec<u8>) {
    let shape = Shape::of(text);
    let Ok(string) = std::str::from_utf8(text) else {
        out.extend_from_slice(b"!!binary ");
        let code = base64::engine::general_purpose::STANDARD.encode(text);
        return out.extend_from_slice(code.as_bytes());
    };
    let needs_escape = shape.odd || shape.astral || shape.tab;
    if text == b"<<" {
        out.extend_from_slice(b"!!merge <<");
    } else if !needs_escape && shape.is_plain(text, context.in_flow) {
        out.extend_from_slice(text);
    } else if shape.lines {
        if !literal_block(string, &shape, context, out) {
            write_double(string, out);
        }
    } else if needs_escape || is_ambiguous(text) {
        write_double(string, out);
    } else {
        write_single(string, out);
    }
}

/// Writes a value from its canonical text as sops would.
pub fn write_scalar(ty: Type, text: &[u8], context: &Context, out: &mut Vec<u8>) {
    match ty {
        Type::Null => out.extend_from_slice(b"null"),
        Type::Str => write_string(text, context, out),
        Type::Int | Type::Time => out.extend_from_slice(text),
        Type::Bool => out.extend_from_slice(&text.to_ascii_lowercase()),
        Type::Float => match parse_float(text) {
            // Where sops writes `-0`, it reads another value.
            Some(number) if number == 0.0 && number.is_sign_negative() => {
                out.extend_from_slice(b"-0.0");
            }
            Some(number) => out.extend_from_slice(float_yaml(number).as_bytes()),
            None => out.extend_from_slice(text),
        },
    }
}

/// Writes a decrypted value in the place of its token, in the style of the token.
///
/// Of a block scalar the lines are written, without the line end behind the last; `header` is
/// the header that stays before them (`|2-`), and no empty line may follow a block with `+`.
/// Returns false, and writes nothing, where this style cannot hold the value so that it reads
/// back: then [`write_scalar`] can.
pub fn write_in_style(
    style: Style,
    value: Value<'_>,
    context: &Context,
    header: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    if value.ty != Type::Str {
        return style == Style::Plain && write_plain_value(value, context, out);
    }
    let text = value.text;
    let shape = Shape::of(text);
    let Ok(string) = std::str::from_utf8(text) else {
        return false;
    };
    match style {
        Style::Plain if shape.is_plain(text, context.in_flow) => out.extend_from_slice(text),
        Style::Single if !shape.lines && !shape.odd => write_single(string, out),
        Style::Double => double(string, false, out),
        Style::Literal | Style::Folded if !shape.odd => {
            return block_body(string, style == Style::Folded, context, header, out);
        }
        _ => return false,
    }
    true
}

/// As the text stands where YAML reads that as the same value, else as sops writes it.
fn write_plain_value(value: Value<'_>, context: &Context, out: &mut Vec<u8>) -> bool {
    let Some(text) = canonical(value.ty, value.text) else {
        return value.ty == Type::Null && {
            write_scalar(value.ty, b"", context, out);
            true
        };
    };
    // sops has only one spelling of truth in a token, and another one in the file.
    let is_own = value.ty != Type::Bool || value.text != &*text;
    let reads_back = |found: Resolved| found.ty == value.ty && found.text == text;
    if is_own && resolve(value.text, b"", false).is_ok_and(reads_back) {
        out.extend_from_slice(value.text);
    } else {
        write_scalar(value.ty, &text, context, out);
    }
    true
}

/// Writes `text` in double quotes, on one line, with the escapes that sops uses.
pub fn write_double(text: &str, out: &mut Vec<u8>) {
    double(text, true, out);
}

/// Writes `text`, which must be one line of printable characters, in single quotes.
pub fn write_single(text: &str, out: &mut Vec<u8>) {
    out.push(b'\'');
    for (i, part) in text.split('\'').enumerate() {
        if i > 0 {
            out.extend_from_slice(b"''");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\'');
}

fn double(text: &str, escape_astral: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut done = 0;
    for (at, c) in text.char_indices() {
        let is_raw = match c {
            '"' | '\\' | '\u{2028}' | '\u{2029}' | '\u{FEFF}' => false,
            ' '..='~' | '\u{A0}'..='\u{FFFD}' => true,
            _ => c > '\u{FFFF}' && !escape_astral,
        };
        if !is_raw {
            out.extend_from_slice(&text.as_bytes()[done..at]);
            escape(c, out);
            done = at + c.len_utf8();
        }
    }
    out.extend_from_slice(&text.as_bytes()[done..]);
    out.push(b'"');
}

fn escape(c: char, out: &mut Vec<u8>) {
    let letter = match c {
        '\0' => '0',
        '\x07' => 'a',
        '\x08' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\x0B' => 'v',
        '\x0C' => 'f',
        '\r' => 'r',
        '\x1B' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            let escape = match code {
                0..=0xFF => format!("\\x{code:02X}"),
                0x100..=0xFFFF => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
            return out.extend_from_slice(escape.as_bytes());
        }
    };
    out.push(b'\\');
    out.push(letter as u8);
}

/// Writes `text` with the header of a literal block, where that reads back.
fn literal_block(text: &str, shape: &Shape, context: &Context, out: &mut Vec<u8>) -> bool {
    let in_place = !context.in_flow && !context.is_key && context.indent > 0;
    if !in_place || shape.odd || shape.astral || shape.space_at_line_end {
        return false;
    }
    let line_ends = text.len() - text.trim_end_matches('\n').len();
    let needs_keep = line_ends > 1 || line_ends == text.len();
    // A TAB counts as indentation to some readers, though not to YAML.
    let needs_digit = text.starts_with([' ', '\n', '\t']);
    if needs_keep && !context.may_keep || needs_digit && !(1..=9).contains(&context.step) {
        return false;
    }
    out.push(b'|');
    if needs_digit {
        out.extend_from_slice(context.step.to_string().as_bytes());
    }
    match line_ends {
        _ if needs_keep => out.push(b'+'),
        0 => out.push(b'-'),
        _ => {}
    }
    out.extend_from_slice(context.newline);
    let body = text.strip_suffix('\n').unwrap_or(text);
    write_lines(body.split('\n'), context, out);
    true
}

/// The lines of a block scalar under `header`, where it can hold `text`.
fn block_body(
    text: &str,
    folded: bool,
    context: &Context,
    header: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    let Some(stem) = chomped(text, header) else {
        return false;
    };
    let content = stem.trim_start_matches('\n');
    let has_digit = header.iter().take(3).any(u8::is_ascii_digit);
    let is_found = has_digit || !content.starts_with([' ', '\t']);
    if context.indent == 0 || context.in_flow || !is_found {
        return false;
    }
    let body = text.strip_suffix('\n').unwrap_or(text);
    if !folded {
        write_lines(body.split('\n'), context, out);
        return true;
    }
    if !body.split('\n').all(is_empty_or_visible) {
        return false;
    }
    let rest = Some(body);
    write_lines(Folding { rest, due: false }, context, out);
    true
}

/// `text` without its last line ends, where the chomping of `header` leaves just these.
fn chomped<'a>(text: &'a str, header: &[u8]) -> Option<&'a str> {
    let stem = text.trim_end_matches('\n');
    let line_ends = text.len() - stem.len();
    let signs = header.get(1..header.len().min(3)).unwrap_or_default();
    let fits = if signs.contains(&b'-') {
        line_ends == 0
    } else if signs.contains(&b'+') {
        line_ends > 0
    } else {
        line_ends == 1
    };
    (fits && !stem.is_empty()).then_some(stem)
}

fn is_empty_or_visible(line: &str) -> bool {
    line.is_empty() || !line.trim_matches([' ', '\t']).is_empty()
}

/// The lines of a folded block: between two neighbouring lines that folding would join
/// stands an empty one.
struct Folding<'a> {
    rest: Option<&'a str>,
    /// An empty line is due.
    due: bool,
}

impl<'a> Iterator for Folding<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if std::mem::take(&mut self.due) {
            return Some("");
        }
        let folds = |line: &str| !line.is_empty() && !line.starts_with([' ', '\t']);
        let rest = self.rest?;
        let (line, rest) = match rest.split_once('\n') {
            Some((line, rest)) => (line, Some(rest)),
            None => (rest, None),
        };
        let next = rest.map_or("", |rest| rest.trim_start_matches('\n'));
        self.due = folds(line) && folds(next);
        self.rest = rest;
        Some(line)
    }
}

fn write_lines<'a>(lines: impl Iterator<Item = &'a str>, context: &Context, out: &mut Vec<u8>) {
    for (i, line) in lines.enumerate() {
        if i > 0 {
            out.extend_from_slice(context.newline);
        }
        if !line.is_empty() {
            out.resize(out.len() + context.indent, b' ');
            out.extend_from_slice(line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use granit_parser::{Event, Parser, ScalarStyle};
    use proptest::prelude::*;

    /// Every scalar of `yaml`, by an independent reader: type and canonical text.
    fn scalars(yaml: &[u8]) -> Vec<(Type, Vec<u8>)> {
        let yaml = std::str::from_utf8(yaml).unwrap();
        let mut found = Vec::new();
        for event in Parser::new_from_str(yaml) {
            let (event, _) = event.unwrap_or_else(|error| panic!("{error} in {yaml:?}"));
            if let Event::Scalar(text, style, _, tag) = event {
                let tag = tag.map_or(String::new(), |tag| {
                    let (handle, suffix) = tag.parts();
                    format!("{handle}{suffix}")
                });
                let quoted = style != ScalarStyle::Plain;
                let value = resolve(text.as_bytes(), tag.as_bytes(), quoted).unwrap();
                found.push((value.ty, value.text.into_owned()));
            }
        }
        found
    }

    /// Places for a new value: what stands before, the context, what stands behind.
    fn places() -> Vec<(&'static str, Context, &'static str)> {
        let context = Context::default();
        let entry = Context {
            indent: 4,
            step: 2,
            ..context
        };
        let item = Context {
            indent: 2,
            step: 2,
            may_keep: true,
            ..context
        };
        let flow = Context {
            in_flow: true,
            ..context
        };
        let key = Context {
            is_key: true,
            ..context
        };
        let crlf = Context {
            newline: b"\r\n",
            may_keep: true,
            ..context
        };
        vec![
            ("m:\n  k: ", entry, "\n\n  z: 1\n"),
            ("- ", item, "\n- z\n"),
            ("[", flow, ", z]\n"),
            ("{k: ", flow, "}\n"),
            ("", key, ": z\n"),
            ("a: z\r\nk: ", crlf, "\r\nb: z\r\n"),
            (
                "- - k: ",
                Context {
                    indent: 8,
                    step: 4,
                    ..context
                },
                "\n# c\n",
            ),
        ]
    }

    fn reads_back(text: &[u8]) {
        for (before, context, behind) in places() {
            let mut yaml = before.as_bytes().to_vec();
            write_string(text, &context, &mut yaml);
            yaml.extend_from_slice(behind.as_bytes());
            let found = scalars(&yaml);
            assert!(
                found.contains(&(Type::Str, text.to_vec())),
                "{:?}",
                String::from_utf8_lossy(&yaml)
            );
        }
    }

    const HEADERS: [&str; 10] = ["|", "|-", "|+", "|2", "|2-", ">", ">-", ">+", ">2", ">2+"];

    /// Writes `text` in the place of a token of every style; returns how many could hold it.
    fn reads_back_in_style(text: &[u8]) -> usize {
        let mut held = 0;
        let value = Value {
            ty: Type::Str,
            text,
        };
        for (before, context, behind) in places() {
            for style in [Style::Plain, Style::Single, Style::Double] {
                let mut yaml = before.as_bytes().to_vec();
                if write_in_style(style, value, &context, b"", &mut yaml) {
                    held += 1;
                    yaml.extend_from_slice(behind.as_bytes());
                    let found = scalars(&yaml);
                    assert!(found.contains(&(Type::Str, text.to_vec())), "{yaml:?}");
                }
            }
        }
        for header in HEADERS {
            let style = if header.starts_with('|') {
                Style::Literal
            } else {
                Style::Folded
            };
            let mut yaml = format!("m:\n  k: {header}\n").into_bytes();
            let context = Context {
                indent: 4,
                step: 2,
                ..Context::default()
            };
            if write_in_style(style, value, &context, header.as_bytes(), &mut yaml) {
                held += 1;
                yaml.extend_from_slice(b"\n  z: 1\n");
                let found = scalars(&yaml);
                let answer = String::from_utf8_lossy(&yaml);
                assert!(
                    found.contains(&(Type::Str, text.to_vec())),
                    "{answer:?} {found:?}"
                );
            }
        }
        held
    }

    fn spelled(text: &str) -> String {
        let mut out = Vec::new();
        let context = Context {
            may_keep: true,
            ..Context::default()
        };
        write_string(text.as_bytes(), &context, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_spelled_as_sops_spells_them() {
        for (text, yaml) in [
            ("some text", "some text"),
            ("", r#""""#),
            ("yes", r#""yes""#),
            ("123", r#""123""#),
            ("12:30", r#""12:30""#),
            ("1_0", r#""1_0""#),
            ("2024-01-01", r#""2024-01-01""#),
            ("- x", "'- x'"),
            ("@x", "'@x'"),
            ("x:", "'x:'"),
            ("it's: so", "'it''s: so'"),
            ("a #b", "'a #b'"),
            ("a#b", "a#b"),
            ("---x", "'---x'"),
            (" x", "' x'"),
            ("a\tb", r#""a\tb""#),
            ("x\r\ny", r#""x\r\ny""#),
            ("\u{1F600}", r#""\U0001F600""#),
            ("\u{7F}\u{85}", r#""\x7F\N""#),
            ("a\u{A0}b", "a\u{A0}b"),
            ("a\nb", "|-\n    a\n    b"),
            ("a\nb\n", "|\n    a\n    b"),
            ("a\n\n", "|+\n    a\n"),
            (" a\nb", "|4-\n     a\n    b"),
            ("\na", "|4-\n\n    a"),
            ("\n", "|4+\n"),
            ("a \nb", r#""a \nb""#),
            ("<<", "!!merge <<"),
            ("ENC[AES256_GCM,data:x]", "ENC[AES256_GCM,data:x]"),
        ] {
            assert_eq!(spelled(text), yaml);
        }
    }

    #[test]
    fn a_tab_at_the_start_of_a_block_does_not_lose_the_text() {
        assert_eq!(spelled("\ta\nb"), "|4-\n    \ta\n    b");
        reads_back(b"\ta\nb");
    }

    #[test]
    fn bytes_that_are_no_text_become_binary() {
        reads_back(b"\xFF\xFEabc");
        reads_back(b"a\n\x80");
    }

    #[test]
    fn inside_brackets_nothing_breaks_the_line_or_the_list() {
        let context = Context {
            in_flow: true,
            ..Context::default()
        };
        for (text, yaml) in [
            ("a,b", "'a,b'"),
            ("a\nb", r#""a\nb""#),
            ("a b", "a b"),
            ("a:b", "'a:b'"),
        ] {
            let mut out = Vec::new();
            write_string(text.as_bytes(), &context, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), yaml);
            assert_eq!(plain_ok(text.as_bytes(), true), text == yaml);
        }
    }

    fn opened(style: Style, ty: Type, text: &str, header: &str) -> Option<String> {
        let mut out = Vec::new();
        let context = Context {
            indent: 2,
            step: 2,
            ..Context::default()
        };
        let value = Value {
            ty,
            text: text.as_bytes(),
        };
        write_in_style(style, value, &context, header.as_bytes(), &mut out)
            .then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_value_keeps_its_spelling_where_yaml_reads_it_so() {
        for (ty, text, yaml) in [
            (Type::Float, "1.50", "1.50"),
            (Type::Float, "1e3", "1e3"),
            (Type::Float, "1000", "1000"),
            (Type::Float, "2000000", "2e+06"),
            (Type::Float, "+Inf", ".inf"),
            (Type::Float, "-0", "-0.0"),
            (Type::Int, "007", "007"),
            (Type::Int, "010", "10"),
            (Type::Bool, "True", "true"),
            (Type::Bool, "TRUE", "TRUE"),
            (Type::Bool, "1", "true"),
            (
                Type::Time,
                "2024-01-02T00:00:00.50Z",
                "2024-01-02T00:00:00.50Z",
            ),
        ] {
            assert_eq!(opened(Style::Plain, ty, text, "").as_deref(), Some(yaml));
        }
        assert_eq!(opened(Style::Double, Type::Int, "7", ""), None);
        assert_eq!(opened(Style::Plain, Type::Int, "x", ""), None);
    }

    #[test]
    fn a_string_keeps_the_style_of_its_token() {
        for (style, header, text, yaml) in [
            (Style::Single, "", "it's", "'it''s'"),
            (Style::Double, "", "a\tb\u{1F600}", "\"a\\tb\u{1F600}\""),
            (Style::Plain, "", "a \u{1F600}", "a \u{1F600}"),
            (Style::Literal, "|", "a \n b\n", "  a \n   b"),
            (Style::Literal, "|2-", " a", "   a"),
            (Style::Literal, "|+", "a\n\n", "  a\n"),
            (Style::Folded, ">", "a\nb\n", "  a\n\n  b"),
            (
                Style::Folded,
                ">-",
                "a\n\nb\n c\nd",
                "  a\n\n\n  b\n   c\n  d",
            ),
        ] {
            assert_eq!(
                opened(style, Type::Str, text, header).as_deref(),
                Some(yaml)
            );
        }
    }

    #[test]
    fn a_style_that_cannot_hold_a_string_says_so() {
        for (style, header, text) in [
            (Style::Plain, "", "yes"),
            (Style::Plain, "", ""),
            (Style::Single, "", "a\nb"),
            (Style::Literal, "|", "a"),
            (Style::Literal, "|", "a\n\n"),
            (Style::Literal, "|-", "a\n"),
            (Style::Literal, "|-", "\n a"),
            (Style::Literal, "|-", "a\rb"),
            (Style::Literal, "|+", "\n"),
            (Style::Folded, ">-", "a\n \nb"),
        ] {
            assert_eq!(opened(style, Type::Str, text, header), None, "{text:?}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[a-z0-9]{1,3}",
            3 => "[ \n\t]{1,3}",
            2 => "[-?:,\\[\\]{}#&*!|>'\"%@`~=<.+_\\\\]{1,2}",
            1 => prop::sample::select(vec![
                "\r", "\0", "\u{7F}", "\u{85}", "\u{A0}", "\u{2028}", "\u{FEFF}", "\u{FFFE}",
                "\u{1F600}", "é", "---", "...", ": ", " #", "- ", "null", "yes", "\n\n", "\x1B",
            ]).prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn every_string_reads_back_everywhere(text in text()) {
            reads_back(text.as_bytes());
        }

        #[test]
        fn every_string_reads_back_in_every_style_that_takes_it(text in text()) {
            // Double quotes hold everything, in each of the seven places.
            prop_assert!(reads_back_in_style(text.as_bytes()) >= 7);
        }

        #[test]
        fn bytes_read_back(text in prop::collection::vec(any::<u8>(), 0..12)) {
            reads_back(&text);
        }
    }
}
