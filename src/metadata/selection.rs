//! Which leaves of a file are encrypted.

use super::re2::{Pattern, PatternError};
use crate::document::{Leaf, Marking};

/// The metadata fields that select leaves. At most one of them may be set.
pub const SELECTORS: [&str; 6] = [
    "encrypted_comment_regex",
    "encrypted_regex",
    "encrypted_suffix",
    "unencrypted_comment_regex",
    "unencrypted_regex",
    "unencrypted_suffix",
];

/// The suffix of keys that stay in clear where nothing else is said.
pub const DEFAULT_UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// Decides which leaves are encrypted. Key selectors look at every key on a leaf's path;
/// comment selectors at the comments before a value, or before anything it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything, as in a binary file.
    All,
    /// Everything but what is under a key that ends so.
    UnencryptedSuffix(String),
    /// Only what is under a key that ends so.
    EncryptedSuffix(String),
    /// Everything but what is under a key in which the pattern is found.
    UnencryptedRegex(Pattern),
    /// Only what is under a key in which the pattern is found.
    EncryptedRegex(Pattern),
    /// Everything but what stands behind a comment in which the pattern is found, and that comment.
    UnencryptedCommentRegex(Pattern),
    /// Only what stands behind a comment in which the pattern is found.
    EncryptedCommentRegex(Pattern),
}

/// Why selectors cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// More than one is set.
    #[error("cannot use more than one of {}", names.join(", "))]
    Several {
        /// Those that are set.
        names: Vec<&'static str>,
    },
    /// A regular expression is none.
    #[error("{name} {pattern:?}: {source}")]
    Pattern {
        /// The selector.
        name: &'static str,
        /// Its text.
        pattern: String,
        /// What is wrong with it.
        source: PatternError,
    },
}

impl Default for Selection {
    fn default() -> Self {
        Self::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned())
    }
}

impl Selection {
    /// The selection that `fields` ask for, given by the names in [`SELECTORS`].
    /// Empty texts count as not given; `None` where nothing is given.
    ///
    /// # Errors
    /// [`SelectionError`] where more than one is given or a pattern does not compile.
    pub fn from_fields<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>, SelectionError> {
        let mut given = Vec::new();
        for (name, text) in fields {
            let known = SELECTORS.iter().find(|known| **known == name);
            if let Some(name) = known.filter(|_| !text.is_empty()) {
                given.push((*name, text));
            }
        }
        match given[..] {
            [] => Ok(None),
            [(name, text)] => Self::new(name, text).map(Some),
            _ => Err(SelectionError::Several {
                names: given.iter().map(|(name, _)| *name).collect(),
            }),
        }
    }

    fn new(name: &'static str, text: &str) -> Result<Self, SelectionError> {
        let variant = match name {
            "encrypted_suffix" => return Ok(Self::EncryptedSuffix(text.to_owned())),
            "encrypted_regex" => Self::EncryptedRegex,
            "encrypted_comment_regex" => Self::EncryptedCommentRegex,
            "unencrypted_regex" => Self::UnencryptedRegex,
            "unencrypted_comment_regex" => Self::UnencryptedCommentRegex,
            _ => return Ok(Self::UnencryptedSuffix(text.to_owned())),
        };
        Pattern::new(text)
            .map(variant)
            .map_err(|source| SelectionError::Pattern {
                name,
                pattern: text.to_owned(),
                source,
            })
    }

    /// The metadata field and text; `None` for [`Selection::All`], which has none.
    #[must_use]
    pub fn field(&self) -> Option<(&'static str, &str)> {
        Some(match self {
            Self::All => return None,
            Self::UnencryptedSuffix(suffix) => ("unencrypted_suffix", suffix),
            Self::EncryptedSuffix(suffix) => ("encrypted_suffix", suffix),
            Self::UnencryptedRegex(pattern) => ("unencrypted_regex", pattern.as_str()),
            Self::EncryptedRegex(pattern) => ("encrypted_regex", pattern.as_str()),
            Self::UnencryptedCommentRegex(pattern) => {
                ("unencrypted_comment_regex", pattern.as_str())
            }
            Self::EncryptedCommentRegex(pattern) => ("encrypted_comment_regex", pattern.as_str()),
        })
    }

    /// Whether the token of a comment would keep that comment from being decrypted.
    #[must_use]
    pub fn clears_comment(&self, token: &[u8]) -> bool {
        matches!(self, Self::UnencryptedCommentRegex(pattern) if pattern.is_match(token))
    }

    /// Whether comments decide what is encrypted.
    #[must_use]
    pub fn is_by_comment(&self) -> bool {
        matches!(
            self,
            Self::UnencryptedCommentRegex(_) | Self::EncryptedCommentRegex(_)
        )
    }

    /// Whether a leaf is encrypted. It must come from a walk that was marked by this selection.
    #[must_use]
    pub fn covers(&self, leaf: &Leaf) -> bool {
        match self {
            Self::All => true,
            Self::UnencryptedSuffix(_) | Self::UnencryptedRegex(_) => !leaf.key_marked,
            Self::EncryptedSuffix(_) | Self::EncryptedRegex(_) => leaf.key_marked,
            Self::UnencryptedCommentRegex(_) => !leaf.comment_marked,
            // The comment that asks for encryption has to stay readable itself.
            Self::EncryptedCommentRegex(_) => leaf.comment_marked_before,
        }
    }
}

impl std::fmt::Display for Selection {
    /// `unencrypted_suffix _unencrypted`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field() {
            Some((name, text)) => write!(f, "{name}: {text}"),
            None => write!(f, "everything"),
        }
    }
}

impl Marking for Selection {
    fn key(&self, key: &[u8]) -> bool {
        match self {
            Selection::UnencryptedSuffix(suffix) | Selection::EncryptedSuffix(suffix) => {
                key.ends_with(suffix.as_bytes())
            }
            Selection::UnencryptedRegex(pattern) | Selection::EncryptedRegex(pattern) => {
                pattern.is_match(key)
            }
            _ => false,
        }
    }

    fn comment(&self, text: &[u8]) -> bool {
        match self {
            Selection::UnencryptedCommentRegex(pattern)
            | Selection::EncryptedCommentRegex(pattern) => pattern.is_match(text),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Branch, Document, Kind, LeafKind, Node, NodeId, Span, Style, Type};
    use zeroize::Zeroizing;

    /// A document of one word a line: `#c` is a comment, `k{` opens a mapping under a key,
    /// `}` closes it, `k` is an entry whose value is its key in capitals.
    fn document(words: &str) -> Document {
        let mut nodes = vec![node(Kind::Mapping, Span::default())];
        let mut open = vec![0];
        let mut at = 0;
        for word in words.split(' ') {
            let span = Span::new(at, at + word.len());
            at += word.len() + 1;
            if let Some(key) = word.strip_suffix('{') {
                nodes.push(key_node(span.start as usize, key));
                open.push(nodes.len());
                nodes.push(node(Kind::Mapping, span));
            } else if word == "}" {
                let start = open.pop().unwrap();
                nodes[start].end = id(nodes.len());
            } else if word.starts_with('#') {
                nodes.push(node(Kind::Comment, Span::new(at - word.len(), at - 1)));
            } else {
                nodes.push(key_node(span.start as usize, word));
                nodes.push(node(Kind::Scalar, span));
            }
        }
        nodes[0].end = id(nodes.len());
        for (at, node) in nodes.iter_mut().enumerate() {
            node.target = id(at);
            node.end = node.end.max(id(at + 1));
        }
        let branch = Branch {
            first: 0,
            end: id(nodes.len()),
            root: Some(0),
            span: Span::new(0, words.len()),
            metadata: None,
        };
        Document {
            source: Zeroizing::new(words.as_bytes().to_vec()),
            cooked: Zeroizing::default(),
            nodes,
            branches: vec![branch],
            indent_step: 4,
            beyond_sops: None,
        }
    }

    fn id(index: usize) -> NodeId {
        NodeId::try_from(index).unwrap()
    }

    fn key_node(at: usize, key: &str) -> Node {
        Node {
            is_key: true,
            ..node(Kind::Scalar, Span::new(at, at + key.len()))
        }
    }

    fn node(kind: Kind, span: Span) -> Node {
        Node {
            kind,
            style: Style::Plain,
            ty: Type::Str,
            is_key: false,
            in_flow: false,
            inline: false,
            span,
            is_cooked: false,
            body_start: span.start,
            outer_start: span.start,
            tag: Span::default(),
            text_span: span,
            indent: 0,
            end: 0,
            target: 0,
        }
    }

    /// The words of the leaves that a selector covers; comments with their sign.
    fn covered(words: &str, name: &str, text: &str) -> String {
        let selection = Selection::from_fields([(name, text)]).unwrap().unwrap();
        let document = document(words);
        let mut walk = document.leaves(&selection);
        let mut found = Vec::new();
        while let Some(leaf) = walk.advance() {
            if selection.covers(&leaf) {
                let text = String::from_utf8_lossy(document.value(leaf.id).text).into_owned();
                let sign = ["", "#"][usize::from(leaf.kind == LeafKind::Comment)];
                found.push(format!("{sign}{text}"));
            }
        }
        found.join(" ")
    }

    #[test]
    fn a_suffix_counts_on_every_key_of_the_path() {
        let words = "#top a a_x m_x{ #in b c{ d } } e";
        assert_eq!(covered(words, "encrypted_suffix", "_x"), "a_x #in b d");
        assert_eq!(covered(words, "unencrypted_suffix", "_x"), "#top a e");
    }

    #[test]
    fn a_pattern_is_searched_in_every_key_of_the_path() {
        let words = "#top a secrets{ #in b c{ d } } my_secret e";
        assert_eq!(
            covered(words, "encrypted_regex", "secret"),
            "#in b d my_secret"
        );
        assert_eq!(
            covered(words, "unencrypted_regex", "^sec"),
            "#top a my_secret e"
        );
    }

    #[test]
    fn a_comment_governs_the_value_behind_it_and_all_under_that() {
        let words = "a #enc #also m{ b #note c } d #no e";
        assert_eq!(
            covered(words, "encrypted_comment_regex", "enc"),
            "#also b #note c"
        );
    }

    #[test]
    fn a_comment_that_asks_for_clear_text_stays_clear_itself() {
        let words = "a #clear #also m{ b #note c } d #no e";
        assert_eq!(
            covered(words, "unencrypted_comment_regex", "clear"),
            "a d #no e"
        );
    }

    #[test]
    fn a_marked_comment_inside_a_mapping_ends_with_its_value() {
        let words = "m{ #enc a b } c";
        assert_eq!(covered(words, "encrypted_comment_regex", "enc"), "a");
    }

    #[test]
    fn two_selectors_are_refused_by_name() {
        let fields = [
            ("encrypted_regex", "a"),
            ("unencrypted_regex", ""),
            ("encrypted_suffix", "b"),
        ];
        let error = Selection::from_fields(fields).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot use more than one of encrypted_regex, encrypted_suffix"
        );
    }

    #[test]
    fn a_pattern_that_does_not_compile_is_an_error() {
        let error = Selection::from_fields([("encrypted_regex", "^(a")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "encrypted_regex \"^(a\": missing closing ) at character 2 of the pattern"
        );
    }

    #[test]
    fn every_selector_goes_back_to_its_field() {
        for name in SELECTORS {
            let selection = Selection::from_fields([(name, "x")]).unwrap().unwrap();
            assert_eq!(selection.field(), Some((name, "x")));
        }
        assert_eq!(
            Selection::default().field(),
            Some(("unencrypted_suffix", "_unencrypted"))
        );
        assert_eq!(Selection::All.field(), None);
        assert_eq!(Selection::from_fields([("encrypted_regex", "")]), Ok(None));
    }
}
