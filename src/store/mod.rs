//! Stores: one for every file format, all behind one trait.
//!
//! A store knows how a format is written and nothing of keys. It parses a text
//! into a [`Document`] and says which splices change one of its nodes.

use crate::document::{Data, Document, NodeId, Span, Splice, Value, splice, unwiped};
use zeroize::Zeroizing;

mod binary;
mod dotenv;
mod excerpt;
mod flat;
mod hcl;
mod ini;
mod json;
mod line_end;
mod properties;
mod toml;
mod yaml;

pub use binary::{Binary, is_envelope};
pub use dotenv::Dotenv;
pub use excerpt::Excerpt;
pub use hcl::Hcl;
pub use ini::Ini;
pub use json::{Json, Jsonc};
pub use properties::Properties;
pub use toml::Toml;
pub use yaml::Yaml;

/// Every format. Where a text could be of several, the first of them is meant.
pub static STORES: &[&dyn Store] = &[
    &Json,
    &Jsonc,
    &Toml,
    &Yaml,
    &Hcl,
    &Ini,
    &Dotenv,
    &Properties,
    &Binary,
];

/// The ends of file names by which stock sops tells a format, in the case it wants; every other
/// name means a binary file to it.
const SOPS_SUFFIXES: [&str; 5] = [".yaml", ".yml", ".json", ".env", ".ini"];

/// The store that knows the file name `name` (a path, or its end), in any case.
#[must_use]
pub fn by_file_name(name: &str) -> Option<&'static dyn Store> {
    let name = name.to_ascii_lowercase();
    if Jsonc::is_of_file(&name) {
        return Some(&Jsonc);
    }
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    STORES.iter().find(|store| store.is_named(name)).copied()
}

/// Whether stock sops tells the format by `name`, too.
#[must_use]
pub fn is_name_of_sops(name: &str) -> bool {
    SOPS_SUFFIXES.iter().any(|end| name.ends_with(end))
}

/// The store that an encrypted text shows to have been written with; `None` where it carries no
/// metadata that any store finds.
#[must_use]
pub fn by_content(text: &[u8], options: ParseOptions) -> Option<&'static dyn Store> {
    if is_envelope(text) {
        return Some(&Binary);
    }
    // Without the word there is no metadata, and no need to try.
    memchr::memmem::find(text, b"sops")?;
    let carries = |store: &&&dyn Store| {
        let document = store.parse(Zeroizing::new(text.to_vec()), options);
        store.envelope().is_none() && document.is_ok_and(|document| document.has_metadata())
    };
    STORES.iter().find(carries).copied()
}

/// The store called `name`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Store> {
    STORES.iter().find(|store| store.name() == name).copied()
}

/// The deepest nesting any store reads; deeper input is refused with an error.
pub const MAX_DEPTH: usize = 1_000;

/// Why a text is not of its format, and where. Never holds a value of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ParseError {
    /// What is wrong, in the format's own words.
    pub problem: String,
    /// The byte of the source where it was noticed.
    pub offset: usize,
    /// What to do about it, where there is something to say.
    pub hint: Option<&'static str>,
    /// The place for people; empty until [`ParseError::shown_in`] has made it.
    pub excerpt: Excerpt,
}

impl ParseError {
    /// The error with its place in `source`, the text that was parsed.
    #[must_use]
    pub fn shown_in(mut self, source: &[u8]) -> Self {
        self.excerpt = Excerpt::of(source, self.offset);
        self
    }
}

/// Why data cannot be written in a format. Names the place, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct EmitError {
    /// What the format has no way to write, and where.
    pub problem: String,
}

/// What a store is told about reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseOptions {
    /// Accept a key that stands twice in one mapping.
    pub allow_duplicate_keys: bool,
    /// The text is plaintext: in a format where that can be anything, what looks like an
    /// encrypted file is none.
    pub is_plain: bool,
}

/// How new text is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// Columns a level, where the user chose it; in JSON 0 puts every value on a line of its own at the margin.
    /// `None`: as the text does it, else as sops does.
    pub indent: Option<usize>,
}

/// What stands around the one token of a file that is encrypted whole.
pub trait Envelope: Sync {
    /// Everything before the token.
    fn head(&self, layout: Layout) -> Vec<u8>;

    /// Everything behind the token.
    fn tail(&self, metadata: &Data, layout: Layout) -> Vec<u8>;
}

/// A file format.
///
/// A *region* is what stands for a leaf's value in the text: the whole scalar with its tag and
/// anchor, or only the lines of a block scalar. [`Store::seal`] and [`Store::open`] replace
/// exactly that.
pub trait Store: Sync {
    /// The name that `--input-type` takes.
    fn name(&self) -> &'static str;

    /// The ends of file names that tell this format, with their dot, in lower case.
    fn suffixes(&self) -> &'static [&'static str];

    /// Whether stock sops has a store for this format, too.
    fn is_known_to_sops(&self) -> bool {
        true
    }

    /// Whether a file of this name, in lower case and without folders, is of this format.
    fn is_named(&self, name: &str) -> bool {
        self.suffixes().iter().any(|end| name.ends_with(end))
    }

    /// Parses `source`, in memory proportional to it, without recursion.
    ///
    /// # Errors
    /// [`ParseError`] where the text is not of this format.
    fn parse(
        &self,
        source: Zeroizing<Vec<u8>>,
        options: ParseOptions,
    ) -> Result<Document, ParseError>;

    /// The metadata of `document`, nested as [`crate::metadata`] reads it: that of the first branch
    /// that has any.
    ///
    /// # Errors
    /// [`ParseError`] where the format spells nesting by names, and the names make no tree.
    fn metadata(&self, document: &Document) -> Result<Option<Data>, ParseError> {
        let key = document.branches.iter().find_map(|branch| branch.metadata);
        Ok(key.map(|key| document.data(document.node(key).end)))
    }

    /// What makes of a text one in *normal form*: with the same leaves and comments, but free of
    /// what the reader of sops refuses or loses, and such that tokens alone bring back every byte.
    /// Nothing where the text is in normal form; so is every encrypted text.
    fn normal_form(&self, _: &Document) -> Vec<Splice> {
        Vec::new()
    }

    /// Whether the comment at `id` may be a part of the value before it, for other readers of the
    /// format: then it is as secret as that value.
    fn belongs_to_value(&self, _: &Document, _id: NodeId) -> bool {
        false
    }

    /// Whether a comment comes behind the key it stands above, where a selector looks for it.
    fn comments_follow_keys(&self) -> bool {
        false
    }

    /// What reads back of `data` once it is written: where everything is text, text.
    fn held(&self, data: Data) -> Data {
        data
    }

    /// The region of a leaf, an alias or a collection in `document`.
    fn region(&self, document: &Document, id: NodeId) -> Span;

    /// Writes a scalar in another way, where it would read as another value once any text follows
    /// it: a block scalar at the end of a text without line end. `None` where it would not.
    fn pin(&self, _: &Document, _: NodeId) -> Option<Splice> {
        None
    }

    /// Appends to `out` what puts `token` in the place of a scalar's or comment's value, in its own
    /// style. The span that it replaces.
    fn seal_into(
        &self,
        document: &Document,
        id: NodeId,
        token: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span;

    /// As [`Store::seal_into`], as a splice.
    fn seal(&self, document: &Document, id: NodeId, token: &[u8]) -> Splice {
        let mut text = Zeroizing::default();
        let span = self.seal_into(document, id, token, &mut text);
        Splice { span, text }
    }

    /// Appends to `out` what puts a value in the place of the token at `id`, in the style in which
    /// the token stands. The span that it replaces.
    /// `value.text` may be any text that sops reads as that value (`1.50`); it is written as it
    /// is where this format reads it as the same type and value, else in canonical form.
    fn open_into(
        &self,
        document: &Document,
        id: NodeId,
        value: Value<'_>,
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Span;

    /// As [`Store::open_into`], as a splice.
    fn open(&self, document: &Document, id: NodeId, value: Value<'_>) -> Splice {
        let mut text = Zeroizing::default();
        let span = self.open_into(document, id, value, &mut text);
        Splice { span, text }
    }

    /// Turns the list item at `id`, a token of a comment as sops writes it, into a comment.
    fn open_list_comment(&self, document: &Document, id: NodeId, text: &[u8]) -> Splice;

    /// Puts in the place of an alias what it leads to, with the leaves that `leaf` gives a token for.
    /// `leaf` is asked for every scalar, in the order of the walk.
    fn expand(
        &self,
        document: &Document,
        alias: NodeId,
        leaf: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    ) -> Splice;

    /// Adds a metadata block to every branch. What [`Store::detach`] then removes is exactly this.
    fn attach(&self, document: &Document, metadata: &Data, layout: Layout) -> Vec<Splice>;

    /// Removes the metadata of every branch.
    fn detach(&self, document: &Document) -> Vec<Splice>;

    /// The encrypted text with other metadata in the place of what it has.
    ///
    /// # Errors
    /// [`ParseError`] where the text is of this format only with its metadata.
    fn with_metadata(
        &self,
        document: &Document,
        metadata: &Data,
        layout: Layout,
        options: ParseOptions,
    ) -> Result<Vec<u8>, ParseError> {
        let bare = splice(&document.source, &mut self.detach(document));
        let bare = self.parse(bare, options)?;
        let text = splice(&bare.source, &mut self.attach(&bare, metadata, layout));
        drop(unwiped(bare.source));
        Ok(unwiped(text))
    }

    /// The envelope, where a file of this format is encrypted whole, as one value.
    fn envelope(&self) -> Option<&dyn Envelope> {
        None
    }

    /// Replaces the value at `id`, whatever it was, by `data`.
    ///
    /// # Errors
    /// [`EmitError`] where the format cannot hold it there.
    fn replace(
        &self,
        document: &Document,
        id: NodeId,
        data: &Data,
        layout: Layout,
    ) -> Result<Splice, EmitError>;

    /// Appends an entry (with `key`) or an item (without) to the collection at `id`,
    /// or to the root of branch 0 where there is none (`id` is `None`).
    ///
    /// # Errors
    /// [`EmitError`] where the format cannot hold it there.
    fn insert(
        &self,
        document: &Document,
        id: Option<NodeId>,
        key: Option<&[u8]>,
        data: &Data,
        layout: Layout,
    ) -> Result<Vec<Splice>, EmitError>;

    /// Removes the entry or item of collection `id` whose value is `child`; comments stay.
    fn remove(&self, document: &Document, id: NodeId, child: NodeId) -> Vec<Splice>;

    /// A whole new text that holds `branches`, laid out as sops does.
    ///
    /// # Errors
    /// [`EmitError`] where the format cannot hold them.
    fn emit(&self, branches: &[Data], layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError>;

    /// One value as text, for `--extract` of what is no string.
    ///
    /// # Errors
    /// [`EmitError`] where the format cannot hold it.
    fn emit_value(&self, data: &Data, layout: Layout) -> Result<Zeroizing<Vec<u8>>, EmitError>;

    /// What a new file starts with in the editor.
    fn example(&self) -> &'static str;
}
