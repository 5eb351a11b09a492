//! YAML text from data alone, laid out as sops does: a whole stream, a value to be put
//! behind a key or a dash of an existing text, or one line in brackets.

use super::spell::{Context, write_double, write_scalar, write_string};
use crate::document::{Data, Type};

/// The columns a level that sops indents by.
pub const DEFAULT_INDENT: usize = 4;

/// A key of more bytes stands behind a `?`, on a line of its own.
const LONGEST_KEY: usize = 128;

/// Writes a stream of documents. `indent` is the columns a level as the user gave them: 2 to 9,
/// 0 for the default of sops; anything else is 2.
pub fn emit(branches: &[Data], indent: usize, out: &mut Vec<u8>) {
    let step = match indent {
        0 => DEFAULT_INDENT,
        2..=9 => indent,
        _ => 2,
    };
    let mut emitter = Emitter {
        step,
        aligned: true,
        newline: b"\n",
        out,
    };
    for (i, branch) in branches.iter().enumerate() {
        if i > 0 {
            emitter.out.extend_from_slice(b"---\n");
        }
        emitter.root(branch);
        emitter.out.push(b'\n');
    }
}

/// Writes one value as a document of its own, as `--extract` prints it.
pub fn emit_value(data: &Data, out: &mut Vec<u8>) {
    emit(std::slice::from_ref(data), DEFAULT_INDENT, out);
}

/// Writes what stands behind the `:` of a key at `column`, its levels `indent` columns apart:
/// a blank and a scalar, or a line end and the entries of a collection. A line end must follow.
pub fn emit_block(
    data: &Data,
    column: usize,
    indent: usize,
    newline: &'static [u8],
    out: &mut Vec<u8>,
) {
    Emitter::inside(indent, newline, out).value(data, column, None);
}

/// Writes what stands behind a dash at `column`: a blank, and a scalar or a collection that
/// begins on the same line. A line end must follow.
pub fn emit_item(
    data: &Data,
    column: usize,
    indent: usize,
    newline: &'static [u8],
    out: &mut Vec<u8>,
) {
    Emitter::inside(indent, newline, out).item(data, column, None, false);
}

/// Writes a value on one line, collections in brackets, tokens in double quotes. A comment has
/// no place on such a line and is left out.
pub fn emit_flow(data: &Data, out: &mut Vec<u8>) {
    let context = Context {
        in_flow: true,
        ..Context::default()
    };
    match data {
        Data::Comment(..) => {}
        Data::Scalar(Type::Str, text) if text.starts_with(b"ENC[") => flow_token(text, out),
        Data::Scalar(ty, text) => write_scalar(*ty, text, &context, out),
        Data::Map(_) | Data::List(_) => {
            let [open, close] = brackets(data);
            out.push(open);
            let items = Groups::of(data).filter_map(|group| Some((group.key, group.value?)));
            for (i, (key, value)) in items.enumerate() {
                if i > 0 {
                    out.extend_from_slice(b", ");
                }
                if let Some(key) = key {
                    flow_key(key, &context, out);
                }
                emit_flow(value, out);
            }
            out.push(close);
        }
    }
}

fn flow_token(text: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(text) {
        Ok(text) => write_double(text, out),
        Err(_) => write_string(text, &Context::default(), out),
    }
}

fn flow_key(key: &[u8], context: &Context, out: &mut Vec<u8>) {
    let is_long = key.len() > LONGEST_KEY;
    if is_long {
        out.extend_from_slice(b"? ");
    }
    write_string(key, context, out);
    out.extend_from_slice(if is_long { b" : " } else { b": " });
}

fn brackets(data: &Data) -> [u8; 2] {
    match data {
        Data::List(_) => *b"[]",
        _ => *b"{}",
    }
}

/// A value and the comments that belong to it; comments alone at the end of a collection.
struct Group<'a> {
    /// The lines above.
    above: Vec<&'a [u8]>,
    /// On the line of the value.
    beside: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    value: Option<&'a Data>,
}

/// The groups of a collection, in order; none for anything else.
struct Groups<'a> {
    data: &'a Data,
    next: usize,
}

impl<'a> Groups<'a> {
    fn of(data: &'a Data) -> Self {
        Self { data, next: 0 }
    }

    fn item(&mut self) -> Option<(Option<&'a [u8]>, &'a Data)> {
        let at = self.next;
        self.next += 1;
        match self.data {
            Data::Map(entries) => entries.get(at).map(|(key, value)| (Some(&key[..]), value)),
            Data::List(items) => items.get(at).map(|value| (None, value)),
            _ => None,
        }
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        let mut above: Vec<&[u8]> = Vec::new();
        let mut beside: Vec<&[u8]> = Vec::new();
        while let Some((key, value)) = self.item() {
            match value {
                Data::Comment(text, false) => above.push(text),
                Data::Comment(text, true) => beside.push(text),
                value => {
                    // One comment has room on the line of a value that is one line itself.
                    let fits = |text: &&[u8]| is_one_line(value) && !has_break(text);
                    let last = beside.pop_if(|text| fits(&&**text));
                    above.append(&mut beside);
                    return Some(Group {
                        above,
                        beside: last,
                        key,
                        value: Some(value),
                    });
                }
            }
        }
        above.append(&mut beside);
        (!above.is_empty()).then_some(Group {
            above,
            beside: None,
            key: None,
            value: None,
        })
    }
}

fn is_one_line(data: &Data) -> bool {
    match data {
        Data::Map(entries) => entries.is_empty(),
        Data::List(items) => items.is_empty(),
        _ => true,
    }
}

/// True where a collection has no values; it may have comments.
fn is_empty(data: &Data) -> bool {
    match data {
        Data::Map(entries) => entries.iter().all(|(_, value)| is_comment(value)),
        Data::List(items) => items.iter().all(is_comment),
        _ => false,
    }
}

fn is_comment(data: &Data) -> bool {
    matches!(data, Data::Comment(..))
}

fn is_collection(data: &Data) -> bool {
    matches!(data, Data::Map(_) | Data::List(_))
}

/// True for everything that some reader of YAML takes for a line break.
fn has_break(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).contains(BREAKS)
}

const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

struct Emitter<'o> {
    /// Columns a level.
    step: usize,
    /// Levels stand at multiples of the step, as sops has them; else a step from their parent.
    /// Also says that the whole text is new.
    aligned: bool,
    newline: &'static [u8],
    out: &'o mut Vec<u8>,
}

impl<'o> Emitter<'o> {
    /// An emitter for a piece of an existing text.
    fn inside(indent: usize, newline: &'static [u8], out: &'o mut Vec<u8>) -> Self {
        Self {
            step: indent.max(1),
            aligned: false,
            newline,
            out,
        }
    }

    fn root(&mut self, data: &Data) {
        if is_collection(data) && !is_empty(data) {
            return self.collection(data, 0, true, false);
        }
        for (i, text) in Groups::of(data).flat_map(|group| group.above).enumerate() {
            self.begin(0, i == 0);
            self.comment(text, 0);
        }
        if is_collection(data) {
            self.begin(0, is_one_line(data));
            self.out.extend_from_slice(&brackets(data));
        } else {
            let context = self.context(self.step, self.step);
            self.scalar(data, &context, None);
        }
    }

    /// Begins a line at `column`, unless the text is there already.
    fn begin(&mut self, column: usize, is_there: bool) {
        if !is_there {
            self.out.extend_from_slice(self.newline);
            self.blanks(column);
        }
    }

    fn blanks(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, b' ');
    }

    /// Writes the values of a collection that has some, in lines at `column`, the first of them
    /// on this line if `is_there`. With `hoisted`, the comments above the first are written.
    fn collection(&mut self, data: &Data, column: usize, mut is_there: bool, hoisted: bool) {
        let mut hoisted = hoisted;
        for group in Groups::of(data) {
            if !hoisted {
                self.comments(&group.above, column, &mut is_there);
            }
            let Some(value) = group.value else {
                continue;
            };
            if group.key.is_none() && !hoisted {
                self.hoist(value, column, &mut is_there);
            }
            self.begin(column, std::mem::take(&mut is_there));
            if let Some(key) = group.key {
                self.entry(key, value, column, group.beside);
            } else {
                self.out.push(b'-');
                self.item(value, column, group.beside, true);
            }
            hoisted = false;
        }
    }

    fn comments(&mut self, comments: &[&[u8]], column: usize, is_there: &mut bool) {
        for text in comments {
            self.begin(column, std::mem::take(is_there));
            self.comment(text, column);
        }
    }

    /// Writes the comments above the first value of an item before the item's dash, because
    /// that value begins on the line of the dash.
    fn hoist(&mut self, item: &Data, column: usize, is_there: &mut bool) {
        let mut item = item;
        while !is_empty(item)
            && let Some(group) = Groups::of(item).next()
        {
            self.comments(&group.above, column, is_there);
            match (item, group.value) {
                (Data::List(_), Some(first)) => item = first,
                _ => return,
            }
        }
    }

    fn entry(&mut self, key: &[u8], value: &Data, column: usize, beside: Option<&[u8]>) {
        let deeper = self.deeper(column);
        let context = self.context(deeper, deeper - column);
        if key.len() <= LONGEST_KEY && !has_break(key) {
            let is_key = true;
            write_string(key, &Context { is_key, ..context }, self.out);
            self.out.push(b':');
            return self.value(value, column, beside);
        }
        self.out.extend_from_slice(b"? ");
        write_string(key, &context, self.out);
        self.begin(column, false);
        self.out.push(b':');
        // A comment on this line would not be taken for one of the value's own.
        let is_bare = Groups::of(value)
            .next()
            .is_some_and(|group| group.above.is_empty());
        if is_bare && !is_empty(value) && deeper - column > 1 {
            self.blanks(deeper - column - 1);
            self.collection(value, deeper, true, false);
        } else {
            self.value(value, column, beside);
        }
    }

    /// What stands behind the `:` of an entry at `column`.
    fn value(&mut self, data: &Data, column: usize, beside: Option<&[u8]>) {
        let deeper = self.deeper(column);
        if is_collection(data) && !is_empty(data) {
            return self.collection(data, deeper, false, false);
        }
        let context = self.context(deeper, deeper - column);
        self.out.push(b' ');
        self.scalar(data, &context, beside);
    }

    /// What stands behind a dash at `column`.
    fn item(&mut self, data: &Data, column: usize, beside: Option<&[u8]>, hoisted: bool) {
        self.out.push(b' ');
        if is_collection(data) && !is_empty(data) {
            return self.collection(data, column + 2, true, hoisted);
        }
        let context = self.context(column + 2, 2);
        self.scalar(data, &context, beside);
    }

    /// A scalar or an empty collection, and a comment on its line.
    fn scalar(&mut self, data: &Data, context: &Context, beside: Option<&[u8]>) {
        let start = self.out.len();
        match data {
            Data::Scalar(ty, text) => write_scalar(*ty, text, context, self.out),
            Data::Comment(text, _) => self.comment(text, context.indent),
            Data::Map(_) | Data::List(_) => self.empty(data, context.indent),
        }
        let Some(text) = beside else {
            return;
        };
        // Behind the header of a block scalar, not behind its last line.
        let written = &self.out[start..];
        let line_end = memchr::memchr2(b'\r', b'\n', written).unwrap_or(written.len());
        let lines = self.out.split_off(start + line_end);
        self.out.push(b' ');
        self.comment(text, context.indent);
        self.out.extend_from_slice(&lines);
    }

    /// An empty collection; its comments stand between the brackets.
    fn empty(&mut self, data: &Data, column: usize) {
        let [open, close] = brackets(data);
        self.out.push(open);
        for group in Groups::of(data) {
            self.comments(&group.above, column, &mut false);
            self.begin(column, false);
        }
        self.out.push(close);
    }

    /// A comment, each of its lines behind a sign of its own.
    fn comment(&mut self, text: &[u8], column: usize) {
        for (i, line) in String::from_utf8_lossy(text).split(BREAKS).enumerate() {
            self.begin(column, i == 0);
            self.out.push(b'#');
            self.out.extend_from_slice(line.as_bytes());
        }
    }

    fn deeper(&self, column: usize) -> usize {
        if self.aligned {
            (column / self.step + 1) * self.step
        } else {
            column + self.step
        }
    }

    fn context(&self, indent: usize, step: usize) -> Context {
        Context {
            indent,
            step,
            may_keep: self.aligned,
            newline: self.newline,
            ..Context::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::resolve::resolve;
    use super::*;
    use granit_parser::{Event, Parser, ScalarStyle};
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    fn map<const N: usize>(entries: [(&str, Data); N]) -> Data {
        Data::Map(
            entries
                .map(|(key, value)| (key.as_bytes().to_vec(), value))
                .into(),
        )
    }

    fn comment(text: &str, inline: bool) -> Data {
        Data::Comment(Zeroizing::new(text.as_bytes().to_vec()), inline)
    }

    fn emitted(branches: &[Data], indent: usize) -> String {
        let mut out = Vec::new();
        emit(branches, indent, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn sample() -> Data {
        map([
            ("a", Data::int(1)),
            (
                "l",
                Data::List(vec![
                    map([("k", Data::str("v")), ("m", map([("o", Data::null())]))]),
                    Data::List(vec![Data::str("x"), Data::List(vec![Data::str("a\nb\n")])]),
                ]),
            ),
            ("e", map([])),
            ("f", Data::List(vec![])),
        ])
    }

    #[test]
    fn a_tree_is_laid_out_as_sops_does() {
        // As sops 3.11 prints it, with its own indent and with 3.
        assert_eq!(
            emitted(&[sample()], 0),
            "a: 1\nl:\n    - k: v\n      m:\n        o: null\n    - - x\n      - - |\n          a\n          b\ne: {}\nf: []\n"
        );
        assert_eq!(
            emitted(&[sample()], 3),
            "a: 1\nl:\n   - k: v\n     m:\n      o: null\n   - - x\n     - - |\n         a\n         b\ne: {}\nf: []\n"
        );
    }

    #[test]
    fn documents_stand_behind_dashes() {
        let branches = [
            map([("a", Data::bool(true))]),
            map([]),
            map([("b", Data::int(2))]),
        ];
        assert_eq!(emitted(&branches, 0), "a: true\n---\n{}\n---\nb: 2\n");
    }

    #[test]
    fn any_value_can_be_a_document() {
        for (data, text) in [
            (Data::int(7), "7\n"),
            (Data::null(), "null\n"),
            (
                Data::List(vec![Data::int(1), Data::str("yes")]),
                "- 1\n- \"yes\"\n",
            ),
            (Data::str("a\nb"), "|-\n    a\n    b\n"),
        ] {
            let mut out = Vec::new();
            emit_value(&data, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn comments_stand_above_and_beside_and_behind() {
        let data = map([
            ("", comment(" top", false)),
            ("a", Data::int(1)),
            ("", comment(" above", false)),
            ("", comment(" beside", true)),
            ("b", Data::int(2)),
            (
                "m",
                map([
                    ("", comment(" first", false)),
                    ("c", Data::int(3)),
                    ("", comment(" last", false)),
                ]),
            ),
            ("", comment(" block", true)),
            ("t", Data::str("x\ny")),
            (
                "l",
                Data::List(vec![
                    comment(" item", false),
                    map([("", comment(" in item", false)), ("d", Data::int(4))]),
                    Data::List(vec![comment(" deep", false), Data::int(5)]),
                    comment("", false),
                ]),
            ),
            ("", comment("two\nlines", false)),
        ]);
        assert_eq!(
            emitted(&[data], 0),
            "# top\na: 1\n# above\nb: 2 # beside\nm:\n    # first\n    c: 3\n    # last\n\
             t: |- # block\n    x\n    y\nl:\n    # item\n    # in item\n    - d: 4\n    # deep\n\
             \x20   - - 5\n    #\n#two\n#lines\n"
        );
    }

    #[test]
    fn comments_of_an_empty_collection_stay_in_it() {
        let empty = map([("", comment(" c", false))]);
        assert_eq!(emitted(std::slice::from_ref(&empty), 0), "# c\n{}\n");
        assert_eq!(emitted(&[map([("k", empty)])], 0), "k: {\n    # c\n    }\n");
    }

    #[test]
    fn long_keys_stand_behind_a_question_mark() {
        let key = "k".repeat(129);
        let data = map([
            (&key, map([("a", Data::int(1)), ("b", Data::int(2))])),
            (
                "x\ny",
                map([("", comment(" in", false)), ("z", Data::int(3))]),
            ),
            ("<<", map([("c", Data::int(4))])),
        ]);
        assert_eq!(
            emitted(&[data], 0),
            format!(
                "? {key}\n:   a: 1\n    b: 2\n? |-\n    x\n    y\n:\n    # in\n    z: 3\n!!merge <<:\n    c: 4\n"
            )
        );
    }

    #[test]
    fn a_value_is_spliced_behind_a_key_or_a_dash() {
        let mut out = b"  k:".to_vec();
        emit_block(&sample(), 2, 2, b"\r\n", &mut out);
        let text = "  k:\r\n    a: 1\r\n    l:\r\n      - k: v\r\n        m:\r\n          o: null\r\n      - - x\r\n        - - |\r\n            a\r\n            b\r\n    e: {}\r\n    f: []";
        assert_eq!(String::from_utf8(out).unwrap(), text);
        let mut out = b"k:".to_vec();
        emit_block(&Data::str("a\n b"), 0, 3, b"\n", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "k: |-\n   a\n    b");
        let mut out = b"-".to_vec();
        emit_item(&sample().entry("l").unwrap().clone(), 0, 2, b"\n", &mut out);
        let text = "- - k: v\n    m:\n      o: null\n  - - x\n    - - |\n        a\n        b";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn brackets_hold_a_value_on_one_line() {
        let mut out = Vec::new();
        let data = map([
            ("t", Data::str("ENC[AES256_GCM,data:x]")),
            ("", comment(" gone", false)),
            (
                "l",
                Data::List(vec![
                    Data::int(1),
                    Data::str("a, b"),
                    Data::str("a\nb"),
                    map([]),
                ]),
            ),
        ]);
        emit_flow(&data, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{t: "ENC[AES256_GCM,data:x]", l: [1, 'a, b', "a\nb", {}]}"#
        );
    }

    /// The value that the next events of an independent reader describe.
    fn read(events: &mut dyn Iterator<Item = Event<'_>>) -> Option<Data> {
        loop {
            let event = events.next()?;
            return match event {
                Event::Scalar(value, style, _, tag) => {
                    let tag = tag.map_or(String::new(), |tag| {
                        let (handle, suffix) = tag.parts();
                        format!("{handle}{suffix}")
                    });
                    let quoted = style != ScalarStyle::Plain;
                    let value = resolve(value.as_bytes(), tag.as_bytes(), quoted).unwrap();
                    Some(Data::Scalar(
                        value.ty,
                        Zeroizing::new(value.text.into_owned()),
                    ))
                }
                Event::SequenceStart(..) => {
                    Some(Data::List(std::iter::from_fn(|| read(events)).collect()))
                }
                Event::MappingStart(..) => {
                    let mut entries = Vec::new();
                    while let Some(Data::Scalar(_, key)) = read(events) {
                        entries.push((key.to_vec(), read(events).unwrap()));
                    }
                    Some(Data::Map(entries))
                }
                Event::SequenceEnd | Event::MappingEnd => None,
                _ => continue,
            };
        }
    }

    fn parsed(text: &[u8]) -> Data {
        let text = std::str::from_utf8(text).unwrap();
        let mut events = Parser::new_from_str(text)
            .map(|event| event.unwrap_or_else(|error| panic!("{error} in {text}")).0);
        read(&mut events).unwrap()
    }

    fn without_comments(data: &Data) -> Data {
        match data {
            Data::List(items) => Data::List(
                items
                    .iter()
                    .filter(|i| !is_comment(i))
                    .map(without_comments)
                    .collect(),
            ),
            Data::Map(entries) => Data::Map(
                entries
                    .iter()
                    .filter(|(_, value)| !is_comment(value))
                    .map(|(key, value)| (key.clone(), without_comments(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    fn data() -> impl Strategy<Value = Data> {
        let text = "([a-z0-9:#,' \t\n\\[\\]{}\"|>-]|\u{1F600}|\r|yes|null|long{60}){0,6}";
        let leaf = prop_oneof![
            3 => text.prop_map(Data::str),
            1 => any::<i64>().prop_map(Data::int),
            1 => any::<bool>().prop_map(Data::bool),
            1 => Just(Data::null()),
        ];
        let leaf = leaf.boxed();
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let remark = (" ?[a-z]{0,3}\n?[a-z]?", any::<bool>());
            let remark = remark.prop_map(|(text, inline)| comment(&text, inline));
            let item = prop_oneof![4 => inner.clone(), 1 => remark];
            // Distinct keys: a number behind each.
            let entries = prop::collection::vec((text, item.clone()), 0..4).prop_map(|entries| {
                let named = |(i, (key, value)): (usize, (String, Data))| {
                    let is_remark = is_comment(&value);
                    let key = if is_remark {
                        String::new()
                    } else {
                        format!("{key}{i}")
                    };
                    (key.into_bytes(), value)
                };
                Data::Map(entries.into_iter().enumerate().map(named).collect())
            });
            prop_oneof![
                entries,
                prop::collection::vec(item, 0..4).prop_map(Data::List)
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_emitted_reads_back(data in data(), indent in 0..10_usize) {
            let mut out = Vec::new();
            emit(std::slice::from_ref(&data), indent, &mut out);
            prop_assert!(parsed(&out) == without_comments(&data), "{}", String::from_utf8_lossy(&out));
        }

        #[test]
        fn what_is_spliced_reads_back(data in data(), indent in 1..9_usize) {
            let expected = without_comments(&data);
            let mut out = b"m:\n  k:".to_vec();
            emit_block(&data, 2, indent, b"\n", &mut out);
            out.extend_from_slice(b"\n\n  z: 1\n");
            let text = String::from_utf8_lossy(&out).into_owned();
            let read = parsed(&out);
            prop_assert!(read.entry("m").and_then(|m| m.entry("k")) == Some(&expected), "{}", text);

            let mut out = b"- 1\n-".to_vec();
            emit_item(&data, 0, indent, b"\n", &mut out);
            out.extend_from_slice(b"\n\n- 2\n");
            let list = Data::List(vec![Data::int(1), expected.clone(), Data::int(2)]);
            prop_assert!(parsed(&out) == list, "{}", String::from_utf8_lossy(&out));

            let mut out = b"k: ".to_vec();
            emit_flow(&data, &mut out);
            out.push(b'\n');
            let read = parsed(&out);
            prop_assert!(read.entry("k") == Some(&expected), "{}", String::from_utf8_lossy(&out));
        }
    }
}
