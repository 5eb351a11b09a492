//! Changes against a model: random texts, and the same change made to their data.

use super::*;
use crate::store::{Json, ParseOptions, Yaml};
use proptest::prelude::*;

fn parsed(store: &dyn Store, text: &str) -> Option<Document> {
    let source = Zeroizing::new(text.as_bytes().to_vec());
    store.parse(source, ParseOptions::default()).ok()
}

fn after_set(text: &str, path: &str, data: &Data) -> String {
    let document = parsed(&Yaml, text).unwrap();
    let path = Path::parse(path).unwrap();
    let new = set(&Yaml, &document, &path, data, Layout::default()).unwrap();
    String::from_utf8(new.unwrap().to_vec()).unwrap()
}

fn after_unset(text: &str, path: &str) -> String {
    let document = parsed(&Yaml, text).unwrap();
    let new = unset(&Yaml, &document, &Path::parse(path).unwrap()).unwrap();
    String::from_utf8(new.to_vec()).unwrap()
}

fn nested_map() -> Data {
    Data::Map(vec![(b"x".to_vec(), Data::int(1))])
}

#[test]
fn a_comment_stays_behind_the_new_value() {
    let lines = Data::str("multi\nline");
    for (text, data, expected) in [
        ("a: 3 # c\n", &lines, "a: \"multi\\nline\" # c\n"),
        ("a: 3  \n", &lines, "a: \"multi\\nline\"  \n"),
        ("a: 3\n", &lines, "a: |-\n    multi\n    line\n"),
        ("a: 3 # c\n", &nested_map(), "a: {x: 1} # c\n"),
        ("a: # c\n  b: d\n", &Data::int(1), "a: 1 # c\n"),
        ("a: # c\n  b: d\n", &lines, "a: \"multi\\nline\" # c\n"),
        ("a: # c\n  b: d\n", &nested_map(), "a: # c\n  x: 1\n"),
        ("a: &n # c\n  b: d\n", &nested_map(), "a: &n # c\n  x: 1\n"),
        ("- # c\n  b: d\n", &nested_map(), "- # c\n  x: 1\n"),
        ("- # c\n  b: d\n", &Data::int(1), "- 1 # c\n"),
        ("a: | # c\n  t\n", &Data::int(1), "a: 1 # c\n"),
        ("a:\n  b: 1 # c\n", &nested_map(), "a:\n  x: 1 # c\n"),
    ] {
        let path = if text.starts_with('-') { "[0]" } else { "a" };
        assert_eq!(after_set(text, path, data), expected);
    }
}

#[test]
fn line_ends_of_a_new_value_are_its_own() {
    for (text, value, expected) in [
        ("a: 1\nb: 2\n", "\n", "a: \"\\n\"\nb: 2\n"),
        ("a: 1\nb: 2\n", "t\n\n", "a: \"t\\n\\n\"\nb: 2\n"),
        ("a: 1\nb: 2\n", "t\n", "a: |\n    t\nb: 2\n"),
        ("a: 1", "t\n", "a: \"t\\n\""),
        ("a: 1", "s\nt", "a: |-\n    s\n    t"),
        ("a: 1\n      # c\n", "s\nt", "a: \"s\\nt\"\n      # c\n"),
    ] {
        assert_eq!(after_set(text, "a", &Data::str(value)), expected);
    }
}

#[test]
fn nothing_at_all_is_replaced_behind_a_blank() {
    for (text, expected) in [
        ("a:\n", "a: {}\n"),
        ("{a: , b: 1}", "{a: {} , b: 1}"),
        ("{a, b: 1}", "{a: {}, b: 1}"),
        ("? a # c\nb: 1\n", "? a # c\n: {}\nb: 1\n"),
    ] {
        assert_eq!(after_set(text, "a", &Data::Map(Vec::new())), expected);
    }
}

#[test]
fn neighbours_of_what_comes_and_goes_keep_their_line_ends() {
    let one = Data::int(1);
    assert_eq!(after_set("a: |\n  x\n  y", "b", &one), "a: \"x\\ny\"\nb: 1");
    for (text, expected) in [
        ("a: |+\n  x\nb: 1\n\nc: 2\n", "a: |+\n  x\nc: 2\n"),
        ("a: |\n  x\nb: 1", "a: |\n  x\n"),
        ("a: |\n  x\nb: 1\n    # c\nc: 2\n", "a: |\n  x\nc: 2\n"),
        ("a: |\n  x\nb: 1\n\nc: 2\n", "a: |\n  x\n\nc: 2\n"),
        ("a: 1\r\nb: 1", "a: 1"),
        ("? b\n: 1\n? c\n: 2\n", "? c\n: 2\n"),
        ("{a: , b: 1}", "{a: }"),
    ] {
        assert_eq!(after_unset(text, "b"), expected);
    }
}

#[test]
fn an_anchor_that_is_still_needed_stays() {
    let text = "a:\n  b: &x 1\nc: *x\nd: [&y 2, *y]\n";
    let document = parsed(&Yaml, text).unwrap();
    for path in ["a", "a.b", "d[0]"] {
        let path = Path::parse(path).unwrap();
        let refused = unset(&Yaml, &document, &path);
        let anchored = AliasError::Anchored(path);
        assert_eq!(refused.err(), Some(ChangeError::Alias(anchored)));
    }
    let path = Path::parse("a").unwrap();
    let refused = set(&Yaml, &document, &path, &Data::int(1), Layout::default());
    let anchored = AliasError::Anchored(path);
    assert_eq!(refused.err(), Some(ChangeError::Alias(anchored)));
    assert_eq!(after_unset(text, "d"), "a:\n  b: &x 1\nc: *x\n".to_owned());
    assert_eq!(
        after_set("- &x 1\n- *x\n", "[0]", &nested_map()),
        "- &x\n  x: 1\n- *x\n"
    );
}

/// A random value and the way it is written; the numbers choose among spellings.
#[derive(Clone, Debug)]
enum Tree {
    Inline(usize, usize),
    Lines(usize, usize, usize),
    Map(usize, Vec<(usize, usize, Tree)>),
    List(usize, Vec<(usize, Tree)>),
    FlowMap(usize, Vec<(usize, Tree)>),
    FlowList(usize, Vec<Tree>),
}

const INLINE: [&str; 14] = [
    "",
    "1",
    "word",
    "'single'",
    "\"d\\n\"",
    "two words",
    "null",
    "1.50",
    "''",
    "yes",
    "a\n   b",
    "{}",
    "[]",
    "\"x: y\"",
];

const FLOW_LEAVES: [&str; 7] = ["x", "1", "'q'", "\"d\"", "", "{}", "p q"];

const HEADERS: [&str; 8] = ["|", "|-", "|+", ">", ">-", ">+", "|2", ">2+"];

/// Lines of a block scalar, `^` for its indentation.
const BODIES: [&str; 9] = [
    "^x\n",
    "^x\n^more\n",
    "^x\n\n",
    "^x\n\n^y\n\n\n",
    "",
    "\n",
    "^x\n^  deep\n",
    "^x\n^\n",
    "\n^x\n",
];

const BESIDE: [&str; 4] = ["", "", " # beside", "  "];

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0..INLINE.len(), 0..4_usize).prop_map(|(a, b)| Tree::Inline(a, b)),
        (0..HEADERS.len(), 0..BODIES.len(), 0..4_usize).prop_map(|(a, b, c)| Tree::Lines(a, b, c)),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let n = 0..12_usize;
        let some = 1..4_usize;
        prop_oneof![
            (
                0..4_usize,
                prop::collection::vec((n.clone(), n.clone(), inner.clone()), some.clone())
            )
                .prop_map(|(a, b)| Tree::Map(a, b)),
            (
                0..8_usize,
                prop::collection::vec((n.clone(), inner.clone()), some.clone())
            )
                .prop_map(|(a, b)| Tree::List(a, b)),
            (
                0..4_usize,
                prop::collection::vec((n.clone(), inner.clone()), 0..4)
            )
                .prop_map(|(a, b)| Tree::FlowMap(a, b)),
            (0..4_usize, prop::collection::vec(inner, 0..4))
                .prop_map(|(a, b)| Tree::FlowList(a, b)),
        ]
    })
}

/// What stands between entries at `column`.
fn between(choice: usize, column: usize, out: &mut String) {
    let pad = " ".repeat(column);
    match choice {
        8 => out.push('\n'),
        9 => out.push_str(&format!("{pad}# above\n")),
        10 => out.push_str(&format!("{pad}      # deep\n")),
        11 => out.push_str(&format!("{pad}    \n")),
        _ => {}
    }
}

/// Writes what stands behind the indicator at `column`, with the line end.
fn write(tree: &Tree, column: usize, in_list: bool, out: &mut String) {
    match tree {
        Tree::Inline(a, b) => {
            let text = INLINE[*a].replace('\n', &format!("\n{}", " ".repeat(column)));
            if !text.is_empty() {
                out.push(' ');
            }
            out.push_str(&text);
            out.push_str(BESIDE[*b]);
            out.push('\n');
        }
        Tree::Lines(a, b, c) => {
            let indent = if *c == 1 && !HEADERS[*a].contains('2') {
                5
            } else {
                2
            };
            let pad = " ".repeat(column + indent);
            out.push_str(&format!(" {}{}\n", HEADERS[*a], BESIDE[*c]));
            out.push_str(&BODIES[*b].replace('^', &pad));
        }
        Tree::Map(beside, entries) => {
            let column = column + 2;
            let mut first = in_list && *beside < 2;
            if first {
                out.push(' ');
            } else {
                out.push_str(BESIDE[*beside]);
                out.push('\n');
            }
            write_entries(entries, column, &mut first, out);
        }
        Tree::List(beside, items) => {
            let column = if in_list || beside % 2 == 0 {
                column + 2
            } else {
                column
            };
            let mut first = in_list && *beside < 4;
            if first {
                out.push(' ');
            } else {
                out.push_str(BESIDE[beside / 2]);
                out.push('\n');
            }
            write_items(items, column, &mut first, out);
        }
        Tree::FlowMap(style, _) | Tree::FlowList(style, _) => {
            out.push(' ');
            write_flow(tree, column + 2, out);
            out.push_str(BESIDE[*style]);
            out.push('\n');
        }
    }
}

fn write_entries(
    entries: &[(usize, usize, Tree)],
    column: usize,
    first: &mut bool,
    out: &mut String,
) {
    for (i, (above, spelling, value)) in entries.iter().enumerate() {
        if !std::mem::take(first) {
            between(*above, column, out);
            out.push_str(&" ".repeat(column));
        }
        match spelling {
            9 => out.push_str(&format!("\"k{i}\":")),
            10 => out.push_str(&format!("? k{i}\n{}:", " ".repeat(column))),
            11 => {
                out.push_str(&format!("? k{i} # key\n"));
                continue;
            }
            _ => out.push_str(&format!("k{i}:")),
        }
        write(value, column, false, out);
    }
}

fn write_items(items: &[(usize, Tree)], column: usize, first: &mut bool, out: &mut String) {
    for (above, value) in items {
        if !std::mem::take(first) {
            between(*above, column, out);
            out.push_str(&" ".repeat(column));
        }
        out.push('-');
        write(value, column, true, out);
    }
}

fn write_flow(tree: &Tree, column: usize, out: &mut String) {
    let line = format!("\n{}", " ".repeat(column));
    let gaps = |style: usize| match style {
        0 => (String::new(), ", ".to_owned()),
        1 => (line.clone(), format!(", # in\n{line}")),
        2 => (" ".to_owned(), " ,".to_owned()),
        _ => (" ".to_owned(), format!(" # in\n{line}, ")),
    };
    match tree {
        Tree::Inline(a, b) => out.push_str(FLOW_LEAVES[(a + b) % FLOW_LEAVES.len()]),
        Tree::Lines(..) => out.push_str("\"two\\nlines\""),
        Tree::Map(style, entries) => {
            let entries: Vec<(usize, Tree)> = entries.iter().map(|e| (e.1, e.2.clone())).collect();
            write_flow(&Tree::FlowMap(style % 4, entries), column, out);
        }
        Tree::List(style, items) => {
            let items = items.iter().map(|item| item.1.clone()).collect();
            write_flow(&Tree::FlowList(style % 4, items), column, out);
        }
        Tree::FlowMap(style, entries) => {
            let (edge, comma) = gaps(*style);
            out.push_str(&format!("{{{edge}"));
            for (i, (spelling, value)) in entries.iter().enumerate() {
                out.push_str(if i > 0 { &comma } else { "" });
                match spelling {
                    9 => out.push_str(&format!("\"k{i}\":")),
                    10 => out.push_str(&format!("? k{i} : ")),
                    11 => {
                        out.push_str(&format!("k{i}"));
                        continue;
                    }
                    _ => out.push_str(&format!("k{i}: ")),
                }
                write_flow(value, column + 2, out);
            }
            out.push_str(&format!("{edge}}}"));
        }
        Tree::FlowList(style, items) => {
            let (edge, comma) = gaps(*style);
            out.push_str(&format!("[{edge}"));
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { &comma } else { "" });
                write_flow(item, column + 2, out);
            }
            out.push_str(&format!("{edge}]"));
        }
    }
}

/// A text: 0 with its line end, 1 without, 2 and 3 the same with CRLF.
fn yaml(tree: &Tree, end: usize) -> String {
    let mut text = String::new();
    match tree {
        Tree::Map(_, entries) => write_entries(entries, 0, &mut false, &mut text),
        Tree::List(_, items) => write_items(items, 0, &mut false, &mut text),
        Tree::FlowMap(..) | Tree::FlowList(..) => {
            write_flow(tree, 2, &mut text);
            text.push('\n');
        }
        _ => {
            text.push_str("k0:");
            write(tree, 0, false, &mut text);
        }
    }
    if end % 2 == 1 {
        text.pop();
    }
    if end >= 2 {
        text = text.replace('\n', "\r\n");
    }
    text
}

/// The same shapes as JSON.
fn write_json(tree: &Tree, column: usize, out: &mut String) {
    const LEAVES: [&str; 7] = ["1", "\"x\"", "null", "true", "{}", "[ ]", "-1.5"];
    let (style, members): (usize, Vec<(bool, &Tree)>) = match tree {
        Tree::Inline(a, b) | Tree::Lines(a, b, _) => {
            return out.push_str(LEAVES[(a + b) % LEAVES.len()]);
        }
        Tree::Map(style, entries) => (*style, entries.iter().map(|e| (true, &e.2)).collect()),
        Tree::FlowMap(style, entries) => (*style, entries.iter().map(|e| (true, &e.1)).collect()),
        Tree::List(style, items) => (*style, items.iter().map(|i| (false, &i.1)).collect()),
        Tree::FlowList(style, items) => (*style, items.iter().map(|i| (false, i)).collect()),
    };
    let is_map = matches!(tree, Tree::Map(..) | Tree::FlowMap(..));
    let line = format!("\n{}", " ".repeat(column));
    let gap = ["", " ", &line, "\t"][style % 4];
    out.push(if is_map { '{' } else { '[' });
    for (i, (is_entry, value)) in members.into_iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        out.push_str(gap);
        if is_entry {
            out.push_str(&format!("\"k{i}\":{}", [" ", "", "\n"][style % 3]));
        }
        write_json(value, column + 2, out);
    }
    out.push_str(gap);
    out.push(if is_map { '}' } else { ']' });
}

/// Values to set.
fn value(choice: usize) -> Data {
    const TEXTS: [&str; 22] = [
        "",
        "x",
        " lead",
        "trail ",
        "# c",
        "a # b",
        "a: b",
        "two\nlines",
        "end\n",
        "ends\n\n",
        "\n",
        "\n\n",
        "  deep\nlines",
        "\nfirst",
        "a\n\nb\n",
        "12",
        "true",
        "- x",
        "{",
        "a,b",
        "x:",
        "tab\there",
    ];
    let entry = |key: &str, value: Data| (key.as_bytes().to_vec(), value);
    match choice.checked_sub(TEXTS.len()) {
        None => Data::str(TEXTS[choice]),
        Some(0) => Data::int(-7),
        Some(1) => Data::bool(true),
        Some(2) => Data::null(),
        Some(3) => Data::Map(Vec::new()),
        Some(4) => Data::List(Vec::new()),
        Some(5) => Data::Map(vec![entry("x", Data::int(1)), entry("y", Data::str("t\n"))]),
        Some(6) => Data::List(vec![Data::str("s\nt"), Data::Map(vec![])]),
        Some(7) => Data::List(vec![Data::Map(vec![entry("a,b", Data::str("u\n\n"))])]),
        Some(8) => Data::Map(vec![entry("l", Data::List(vec![Data::str("v\nw")]))]),
        _ => Data::Map(vec![entry(
            "m",
            Data::List(vec![Data::null(), nested_map()]),
        )]),
    }
}

const VALUES: usize = 32;

/// The data without comments.
fn bare(data: Data) -> Data {
    let is_value = |data: &Data| !matches!(data, Data::Comment(..));
    match data {
        Data::List(items) => Data::List(items.into_iter().filter(is_value).map(bare).collect()),
        Data::Map(entries) => {
            let values = entries.into_iter().filter(|entry| is_value(&entry.1));
            Data::Map(values.map(|(key, value)| (key, bare(value))).collect())
        }
        other => other,
    }
}

fn data_of(document: &Document) -> Data {
    bare(document.data(document.branches[0].root.unwrap()))
}

fn paths(data: &Data, at: &Path, out: &mut Vec<Path>) {
    let below = |step: Step| Path([&at.0[..], &[step]].concat());
    match data {
        Data::List(items) => {
            for (i, item) in items.iter().enumerate() {
                out.push(below(Step::Index(i)));
                paths(item, &below(Step::Index(i)), out);
            }
        }
        Data::Map(entries) => {
            for (key, value) in entries {
                out.push(below(Step::Key(key.clone())));
                paths(value, &below(Step::Key(key.clone())), out);
            }
        }
        _ => {}
    }
}

/// The model of [`set`].
fn model_set(data: &mut Data, steps: &[Step], value: &Data) {
    let Some((first, rest)) = steps.split_first() else {
        *data = value.clone();
        return;
    };
    match (&mut *data, first) {
        (Data::Map(entries), Step::Key(key)) => {
            match entries.iter_mut().find(|entry| entry.0 == *key) {
                Some(entry) => model_set(&mut entry.1, rest, value),
                None => entries.push((key.clone(), nested(rest, value))),
            }
        }
        (Data::List(items), Step::Index(at)) => match items.get_mut(*at) {
            Some(item) => model_set(item, rest, value),
            None => items.push(nested(rest, value)),
        },
        _ => *data = nested(steps, value),
    }
}

/// The model of [`unset`].
fn model_unset(data: &mut Data, steps: &[Step]) {
    match (data, steps) {
        (Data::Map(entries), [Step::Key(key)]) => entries.retain(|entry| entry.0 != *key),
        (Data::List(items), [Step::Index(at)]) => drop(items.remove(*at)),
        (Data::Map(entries), [Step::Key(key), rest @ ..]) => {
            let entry = entries.iter_mut().find(|entry| entry.0 == *key);
            model_unset(&mut entry.unwrap().1, rest);
        }
        (Data::List(items), [Step::Index(at), rest @ ..]) => model_unset(&mut items[*at], rest),
        _ => unreachable!(),
    }
}

/// Where a change is made: at something that is there, or below it.
fn place(document: &Document, data: &Data, choice: usize, below: usize) -> Path {
    let mut all = vec![Path::default()];
    paths(data, &Path::default(), &mut all);
    let mut path = all[choice % all.len()].clone();
    if below > 0 || path.0.is_empty() {
        let at = document.find(0, &path).unwrap();
        let is_list = document.node(at).kind == Kind::Sequence;
        path.0.push(if is_list {
            Step::Index(99)
        } else {
            Step::Key(["new", "a,b", "x: y"][below % 3].into())
        });
    }
    path
}

fn check(store: &dyn Store, text: &str, choice: usize, below: usize, number: usize) {
    let Some(document) = parsed(store, text) else {
        return;
    };
    let data = data_of(&document);
    let path = place(&document, &data, choice, below);
    let value = value(number);
    let layout = Layout::default();
    if let Some(new) = set(store, &document, &path, &value, layout).unwrap() {
        let new = std::str::from_utf8(&new).unwrap();
        let mut expected = data.clone();
        model_set(&mut expected, &path.0, &value);
        let again = parsed(store, new);
        let is_right = again.is_some_and(|again| data_of(&again) == expected);
        assert!(is_right, "set {path}, value {number}\n{text:?}\n{new:?}");
    }
    if document.find(0, &path).is_some() {
        let new = unset(store, &document, &path).unwrap();
        let new = std::str::from_utf8(&new).unwrap();
        let mut expected = data.clone();
        model_unset(&mut expected, &path.0);
        let again = parsed(store, new);
        let is_right = again.is_some_and(|again| data_of(&again) == expected);
        assert!(is_right, "unset {path}\n{text:?}\n{new:?}");
    }
}

proptest! {
    #[test]
    fn yaml_changes_as_its_data_does(
        tree in tree(),
        end in 0..4_usize,
        choice in 0..60_usize,
        below in 0..3_usize,
        number in 0..VALUES,
    ) {
        check(&Yaml, &yaml(&tree, end), choice, below, number);
    }

    #[test]
    fn json_changes_as_its_data_does(
        tree in tree(),
        choice in 0..60_usize,
        below in 0..3_usize,
        number in 0..VALUES,
    ) {
        let mut text = String::new();
        write_json(&tree, 2, &mut text);
        check(&Json, &text, choice, below, number);
    }
}
