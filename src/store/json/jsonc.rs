//! JSON with comments, as editors and compilers read their settings: the same tokens as JSON, with
//! `//` and `/* */` comments, and a comma allowed before a closing bracket.

use super::emit::{self, Form};
use super::{Dialect, Json, comments, spell, tokens};
use crate::document::{Data, Document, Kind, NodeId, Span, Splice, Value};
use crate::store::{EmitError, Layout, ParseError, ParseOptions, Store};
use zeroize::Zeroizing;

/// The store of JSON with comments.
///
/// A text without comments and trailing commas is plain JSON, encrypted as well, so that sops
/// reads it. Names of files that end in `.json` are of this store where their programs allow
/// comments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jsonc;

impl Jsonc {
    /// Whether a file that ends in `.json` may hold comments: by its path, in lower case.
    pub(in crate::store) fn is_of_file(path: &str) -> bool {
        let (folder, name) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
        let folder = folder.rsplit(['/', '\\']).next().unwrap_or("");
        let stem = name.strip_suffix(".json");
        stem.is_some_and(|stem| {
            FOLDERS.contains(&folder)
                || STEMS.contains(&stem)
                || STEM_ENDS.iter().any(|end| stem.ends_with(end))
                || is_compiler_configuration(stem)
        })
    }
}

impl Store for Jsonc {
    fn name(&self) -> &'static str {
        "jsonc"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".jsonc", ".code-workspace", ".code-snippets"]
    }

    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        options: ParseOptions,
    ) -> Result<Document, ParseError> {
        tokens::parse(source, options, Dialect::Comments)
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
        match document.node(id).kind {
            Kind::Comment => comment(document, id, token).append_to(out),
            _ => Json.seal_into(document, id, token, out),
        }
    }

    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span {
        match document.node(id).kind {
            Kind::Comment => comment(document, id, value.text).append_to(out),
            _ => Json.open_into(document, id, value, out),
        }
    }

    /// A comment has no comma, so the item stays, as nothing, beside it.
    fn open_list_comment(&self, document: &Document, id: NodeId, text: &[u8]) -> Splice {
        let mut new = block(text);
        spell::append(&mut new, b" null");
        let span = document.node(id).span;
        Splice { span, text: new }
    }

    fn expand(
        &self,
        document: &Document,
        alias: NodeId,
        leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    ) -> Splice {
        Json.expand(document, alias, leaf)
    }

    fn attach(&self, document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice> {
        Json.attach(document, metadata, layout)
    }

    fn detach(&self, document: &Document) -> Vec<Splice> {
        Json.detach(document)
    }

    fn replace(
        &self,
        document: &Document,
        id: NodeId,
        data: &Data,
        layout: Layout,
    ) -> Result<Splice, EmitError> {
        Json.replace(document, id, data, layout)
    }

    fn insert(
        &self,
        document: &Document,
        id: Option<NodeId>,
        key: Option<&[u8]>,
        data: &Data,
        layout: Layout,
    ) -> Result<Vec<Splice>, EmitError> {
        Json.insert(document, id, key, data, layout)
    }

    fn remove(&self, document: &Document, id: NodeId, child: NodeId) -> Vec<Splice> {
        Json.remove(document, id, child)
    }

    fn emit(&self, branches: &[Data], layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        emit::whole(branches, &form(layout))
    }

    fn emit_value(&self, data: &Data, layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError> {
        emit::text(data, &form(layout))
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }
}

fn form(layout: Layout) -> Form {
    Form {
        comments: true,
        ..Form::sops(layout)
    }
}

/// `tsconfig.json`, `tsconfig.build.json`, `jsconfig-base.json`.
fn is_compiler_configuration(stem: &str) -> bool {
    let rest = stem
        .strip_prefix("tsconfig")
        .or_else(|| stem.strip_prefix("jsconfig"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// A comment with another text, in its own signs.
fn comment(document: &Document, id: NodeId, text: &[u8]) -> Splice {
    let span = document.node(id).span;
    let text = if comments::is_line(&document.source, span.start as usize) {
        line(text)
    } else {
        block(text)
    };
    Splice { span, text }
}

/// A comment to the end of its line; of several lines, one each.
fn line(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + 2));
    spell::append(&mut out, b"//");
    for &byte in text {
        spell::append(&mut out, &[byte]);
        if matches!(byte, b'\n' | b'\r') {
            spell::append(&mut out, b"//");
        }
    }
    out
}

/// A comment in signs on both sides; what would end it early is written apart.
fn block(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + 4));
    spell::append(&mut out, b"/*");
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, b"*/") {
        spell::append(&mut out, &rest[..=at]);
        spell::append(&mut out, b" ");
        rest = &rest[at + 1..];
    }
    spell::append(&mut out, rest);
    spell::append(&mut out, b"*/");
    out
}

/// Folders in which every `.json` file may hold comments.
const FOLDERS: [&str; 2] = [".vscode", ".devcontainer"];

/// Names, without `.json`, of files that may hold comments. Those that Visual Studio Code takes for
/// JSON with comments.
const STEMS: [&str; 8] = [
    "devcontainer",
    ".devcontainer",
    ".eslintrc",
    ".babelrc",
    "babel.config",
    "typedoc",
    "api-extractor",
    "language-configuration",
];

/// Ends of such names.
const STEM_ENDS: [&str; 3] = [".language-configuration", "-color-theme", ".code-snippets"];

const EXAMPLE: &str = r#"{
	// Replace this by your own values; comments are encrypted, too.
	"greeting": "Replace what stands here by your own secrets.",
	"password": "correct horse battery staple", // on the line of its value
	"hosts": [
		"one.example.org",
		"two.example.org"
	],
	"number": 1234.56789,
	"switches": [
		true,
		false
	]
}
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{LeafKind, NoMarking, Path, splice};
    use crate::store;
    use proptest::prelude::*;

    fn parse(text: impl AsRef<[u8]>) -> Result<Document, ParseError> {
        let source = Zeroizing::new(text.as_ref().to_vec());
        Jsonc.parse(source, ParseOptions::default())
    }

    fn spliced(document: &Document, mut splices: Vec<Splice>) -> String {
        String::from_utf8(splice(&document.source, &mut splices).to_vec()).unwrap()
    }

    fn metadata() -> Data {
        Data::Map(vec![(b"mac".to_vec(), Data::str("ENC[x]"))])
    }

    /// Kind, additional data and text of every leaf, a line each.
    fn leaves(document: &Document) -> String {
        let mut leaves = document.leaves(NoMarking);
        let mut lines = String::new();
        while let Some(leaf) = leaves.advance() {
            let sign = match (leaf.kind, document.node(leaf.id).inline) {
                (LeafKind::Value, _) => "",
                (LeafKind::Comment, false) => "#",
                (LeafKind::Comment, true) => "<",
            };
            let aad = String::from_utf8_lossy(leaves.aad()).into_owned();
            let text = String::from_utf8_lossy(document.value(leaf.id).text);
            lines += &format!("{sign}{aad}{text}\n");
        }
        lines
    }

    /// The text encrypted as far as a store goes, and decrypted again.
    fn there_and_back(text: &str) -> String {
        let document = parse(text).unwrap();
        let (mut splices, mut values) = (Vec::new(), Vec::new());
        let mut leaves = document.leaves(NoMarking);
        while let Some(leaf) = leaves.advance() {
            if document.value(leaf.id).text.is_empty() {
                continue;
            }
            splices.push(Jsonc.seal(&document, leaf.id, b"ENC[x]"));
            values.push((leaf.id, leaves.aad().to_vec()));
        }
        splices.extend(Jsonc.attach(&document, &metadata(), Layout::default()));
        let sealed = parse(spliced(&document, splices)).unwrap();
        assert!(sealed.has_metadata());
        let mut splices = Jsonc.detach(&sealed);
        let mut values = values.into_iter();
        let mut leaves = sealed.leaves(NoMarking);
        while let Some(leaf) = leaves.advance() {
            if sealed.value(leaf.id).text != b"ENC[x]" {
                continue;
            }
            let (id, aad) = values.next().unwrap();
            assert_eq!(aad, leaves.aad());
            let node = document.node(id);
            if node.kind == Kind::Comment {
                splices.push(Jsonc.open(&sealed, leaf.id, document.value(id)));
            } else {
                // How values come back is the matter of JSON's own tests.
                let raw = document.slice(node.span).to_vec();
                splices.push(Splice::new(sealed.node(leaf.id).span, raw));
            }
        }
        assert!(values.next().is_none());
        spliced(&sealed, splices)
    }

    fn attached(text: &str) -> String {
        let document = parse(text).unwrap();
        let text = spliced(
            &document,
            Jsonc.attach(&document, &metadata(), Layout::default()),
        );
        parse(&text).unwrap();
        text
    }

    fn find(document: &Document, path: &str) -> NodeId {
        document.find(0, &Path::parse(path).unwrap()).unwrap()
    }

    fn removed(text: &str, above: &str, path: &str) -> String {
        let document = parse(text).unwrap();
        let ids = (find(&document, above), find(&document, path));
        let text = spliced(&document, Jsonc.remove(&document, ids.0, ids.1));
        parse(&text).unwrap();
        text
    }

    fn inserted(text: &str, above: &str, key: Option<&str>) -> String {
        let document = parse(text).unwrap();
        let (id, key) = (find(&document, above), key.map(str::as_bytes));
        let splices = Jsonc.insert(&document, Some(id), key, &Data::int(9), Layout::default());
        let text = spliced(&document, splices.unwrap());
        parse(&text).unwrap();
        text
    }

    #[test]
    fn comments_have_the_place_of_what_they_are_about() {
        let text = "// head\n{ // first\n  \"a\": 1, // on a\n  /* on b */ \"b\": /* in b */ [\n    \
            2, // on 2\n    // own\n    3 /* on 3 */, /* on 4 */ 4\n  ], // behind b\n  // last\n} /* tail */";
        assert_eq!(
            leaves(&parse(text).unwrap()),
            "#: head\n#: first\n<: on a\na:1\n#: on b \n#: in b \n<b: on 2\nb:2\n#b: own\n\
             <b: on 3 \nb:3\n#b: on 4 \nb:4\n#: behind b\n#: last\n#: tail \n"
        );
    }

    #[test]
    fn what_is_not_json_is_told_from_what_is() {
        assert_eq!(parse("{\"a\": [1]}").unwrap().beyond_sops, None);
        for text in ["{} //", "{\"a\": 1,}", "{\"a\": [1,]}"] {
            let beyond = parse(text).unwrap().beyond_sops;
            assert!(
                matches!(beyond, Some((crate::document::BeyondSops::Dialect, _))),
                "{text}"
            );
        }
        for (text, offset) in [
            ("[1 /* x", 3),
            ("[,]", 1),
            ("[1,,]", 3),
            ("{,}", 1),
            ("[1] / 2", 4),
            ("[1] /", 4),
            ("{\"a\" # x\n: 1}", 5),
        ] {
            assert_eq!(parse(text).err().unwrap().offset, offset, "{text}");
        }
    }

    #[test]
    fn metadata_stands_behind_the_line_of_the_last_member() {
        for (text, expected) in [
            (
                "{\n  \"a\": 1, // on a\n  // end\n}\n",
                "{\n  \"a\": 1, // on a\n  \"sops\": {\n    \"mac\": \"ENC[x]\"\n  },\n  // end\n}\n",
            ),
            (
                "{\n  \"a\": 1 // on a\n}",
                "{\n  \"a\": 1, // on a\n  \"sops\": {\n    \"mac\": \"ENC[x]\"\n  }\n}",
            ),
            (
                "{\"a\":1 // on a\n}",
                "{\"a\":1, // on a\n\"sops\":{\"mac\":\"ENC[x]\"}\n}",
            ),
            (
                "{ // nothing\n}",
                "{\n\t\"sops\": {\n\t\t\"mac\": \"ENC[x]\"\n\t}\n // nothing\n}",
            ),
            (
                "// a\n[1] // b",
                "{\"bulla:root\": // a\n[1] // b\n, \"sops\": {\"mac\": \"ENC[x]\"}}",
            ),
        ] {
            assert_eq!(attached(text), expected);
            assert_eq!(there_and_back(text), text);
        }
    }

    #[test]
    fn a_removed_member_takes_no_comment_with_it() {
        for (text, above, path, expected) in [
            (
                "{\n  \"a\": 1, // on a\n  \"b\": 2\n}",
                "",
                "a",
                "{\n   // on a\n  \"b\": 2\n}",
            ),
            (
                "{\n  \"a\": 1, // on a\n  \"b\": 2\n}",
                "",
                "b",
                "{\n  \"a\": 1 // on a\n}",
            ),
            (
                "{\n  \"a\": 1, // on a\n  \"b\": 2,\n}",
                "",
                "b",
                "{\n  \"a\": 1, // on a\n}",
            ),
            (
                "{\n  \"a\": 1,\n  \"b\": 2, // on b\n}",
                "",
                "b",
                "{\n  \"a\": 1,\n   // on b\n}",
            ),
            (
                "{\"a\": 1, // on a\n\"b\": 2}",
                "",
                "b",
                "{\"a\": 1 // on a\n}",
            ),
            ("{\"a\": 1,}", "", "a", "{}"),
            ("{/* x */ \"a\": 1,}", "", "a", "{/* x */}"),
            (
                "{\"a\": [1 /* x */, 2]}",
                "a",
                "a[0]",
                "{\"a\": [ /* x */ 2]}",
            ),
            ("{\"a\": [1, 2,]}", "a", "a[1]", "{\"a\": [1,]}"),
        ] {
            assert_eq!(removed(text, above, path), expected);
        }
    }

    #[test]
    fn a_new_member_stands_behind_the_comments_of_the_last() {
        for (text, above, key, expected) in [
            ("[1, // x\n]", "", None, "[1, // x\n9,\n]"),
            ("[\n  1 // x\n]", "", None, "[\n  1, // x\n  9\n]"),
            (
                "{\n  \"a\": 1 /* x */\n}",
                "",
                Some("b"),
                "{\n  \"a\": 1 /* x */,\n  \"b\": 9\n}",
            ),
            ("{\n  // x\n}", "", Some("b"), "{\n  // x\n  \"b\": 9\n}"),
            ("{ // x\n}", "", Some("b"), "{ // x\n\"b\": 9\n}"),
            ("[\n  1,\n]", "", None, "[\n  1,\n  9,\n]"),
        ] {
            assert_eq!(inserted(text, above, key), expected);
        }
    }

    #[test]
    fn comments_are_written_into_a_new_text() {
        let comment = |text: &str, inline| {
            (
                Vec::new(),
                Data::Comment(Zeroizing::new(text.as_bytes().to_vec()), inline),
            )
        };
        let data = Data::Map(vec![
            comment(" one\n two", false),
            comment(" on a", true),
            (b"a".to_vec(), Data::int(1)),
            (b"b".to_vec(), Data::Map(vec![comment("in b", false)])),
            comment(" on c", true),
            (b"c".to_vec(), Data::List(vec![])),
            comment("end", false),
        ]);
        let emitted = Jsonc.emit(&[data], Layout { indent: Some(2) }).unwrap();
        let expected = "{\n  // one\n  // two\n  \"a\": 1, // on a\n  \"b\": {\n    //in b\n  },\n  \
            // on c\n  \"c\": []\n  //end\n}\n";
        assert_eq!(std::str::from_utf8(&emitted).unwrap(), expected);
        let example = parse(EXAMPLE).unwrap();
        let again = Jsonc.emit(&[example.data(0)], Layout::default()).unwrap();
        assert_eq!(&again[..], EXAMPLE.as_bytes());
    }

    #[test]
    fn a_comment_never_ends_early() {
        assert_eq!(&block(b"a*/b**/*/")[..], b"/*a* /b** /* /*/");
        assert_eq!(&line(b"a\nb")[..], b"//a\n//b");
        let document = parse("[\"ENC[x]\"]").unwrap();
        let opened = spliced(
            &document,
            vec![Jsonc.open_list_comment(&document, 1, b" x")],
        );
        assert_eq!(opened, "[/* x*/ null]");
    }

    #[test]
    fn files_are_known_by_name() {
        let name = |path| store::by_file_name(path).map(Store::name);
        for path in [
            "a.jsonc",
            "tsconfig.json",
            "x/TSConfig.build.json",
            "jsconfig-base.json",
            ".vscode/settings.json",
            "x/.devcontainer/devcontainer.json",
            ".devcontainer.json",
            "a.code-workspace",
            ".eslintrc.json",
        ] {
            assert_eq!(name(path), Some("jsonc"), "{path}");
        }
        for path in [
            "a.json",
            "package.json",
            "mytsconfig.json",
            "tsconfigs.json",
            "vscode/a.json",
        ] {
            assert_eq!(name(path), Some("json"), "{path}");
        }
    }

    /// JSON with comments: every `\u{1}` of a text may become space and comments.
    fn text() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "-?[1-9][0-9]{0,3}(\\.5)?",
            "\"[a-z/*]{0,4}\"",
            Just("true".to_owned())
        ];
        let json = leaf.prop_recursive(4, 24, 4, |inner| {
            let list = (prop::collection::vec(inner.clone(), 0..4), any::<bool>()).prop_map(
                |(items, comma)| {
                    let comma = if comma && !items.is_empty() {
                        ",\u{1}"
                    } else {
                        ""
                    };
                    format!("[\u{1}{}\u{1}{comma}]", items.join("\u{1},\u{1}"))
                },
            );
            let map =
                (prop::collection::vec(inner, 0..4), any::<bool>()).prop_map(|(items, comma)| {
                    let comma = if comma && !items.is_empty() {
                        ",\u{1}"
                    } else {
                        ""
                    };
                    let entry = |(i, item)| format!("\"k{i}\"\u{1}:\u{1}{item}");
                    let entries: Vec<String> = items.iter().enumerate().map(entry).collect();
                    format!("{{\u{1}{}\u{1}{comma}}}", entries.join("\u{1},\u{1}"))
                });
            prop_oneof![list, map]
        });
        let space = "(|| |\n|\n  |\r\n|\t)(|||//c?[a-z\"]{0,3}\n|/\\*[a-z\n*]{0,4} \\*/|// x\r\n  |/\\*\\*/)(| |\n)";
        (json, prop::collection::vec(space, 1..12)).prop_map(|(json, spaces)| {
            let mut spaces = spaces.iter().cycle();
            let mut text = String::new();
            for char in format!("\u{1}{json}\u{1}").chars() {
                match char {
                    '\u{1}' => text += spaces.next().unwrap(),
                    other => text.push(other),
                }
            }
            text
        })
    }

    proptest! {
        #[test]
        fn what_parses_comes_back(text in text()) {
            prop_assert_eq!(there_and_back(&text), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"a1 \\\\/*\n-]{0,40}") {
            if let Ok(document) = parse(&text) {
                prop_assert_eq!(spliced(&document, Vec::new()), text.clone());
                prop_assert_eq!(there_and_back(&text), text);
            }
        }

        #[test]
        fn any_member_can_go_and_one_can_come(text in text(), at in any::<prop::sample::Index>()) {
            let document = parse(&text).unwrap();
            let ids: Vec<NodeId> = (0..).take(document.nodes.len()).collect();
            let id = ids[at.index(ids.len())];
            let node = document.node(id);
            let comments = |document: &Document| {
                document.nodes.iter().filter(|n| n.kind == Kind::Comment).count()
            };
            if matches!(node.kind, Kind::Mapping | Kind::Sequence) {
                let key = (node.kind == Kind::Mapping).then_some(&b"new"[..]);
                let data = Data::str("new value");
                let splices = Jsonc.insert(&document, Some(id), key, &data, Layout::default());
                let after = parse(spliced(&document, splices.unwrap())).unwrap();
                prop_assert_eq!(comments(&after), comments(&document));
                let texts = after.nodes.iter().filter(|n| n.ty == crate::document::Type::Str);
                prop_assert!(texts.count() > 0);
            }
            let above = document.parent(id).filter(|_| !node.is_key && node.kind == Kind::Scalar);
            if let Some(above) = above {
                let after = spliced(&document, Jsonc.remove(&document, above, id));
                let after = parse(after).unwrap();
                let inside = document.key_of(above, id).is_some_and(|key| {
                    let between = document.node(key).span.end..node.span.start;
                    document.nodes.iter().any(|n| n.kind == Kind::Comment && between.contains(&n.span.start))
                });
                prop_assert!(inside || comments(&after) == comments(&document));
            }
        }
    }
}
