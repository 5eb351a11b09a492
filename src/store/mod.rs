//! Stores: one for every file format, all behind one trait.
//!
//! A store knows how a format is written and nothing of keys. It parses a text
//! into a [`Document`] and says which splices change one of its nodes.

use crate::document::{Data, Document, NodeId, Span, Splice, Value};
use zeroize::Zeroizing;

mod flat;
mod hcl;
mod json;
mod properties;
mod yaml;

pub use hcl::Hcl;
pub use json::{Json, Jsonc};
pub use properties::Properties;
pub use yaml::Yaml;

/// Every format.
pub static STORES: [&dyn Store; 5] = [&Jsonc, &Json, &Yaml, &Properties, &Hcl];

/// The first store that knows the file at the path `name` as one of its own.
#[must_use]
pub fn by_file_name(name: &str) -> Option<&'static dyn Store> {
    let name = name.to_ascii_lowercase();
    let mut stores = STORES.iter();
    stores.find(|store| store.is_named(&name)).copied()
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
}

/// How new text is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// Columns a level, where the user chose it; in JSON 0 puts every value on a line of its own at the margin.
    /// `None`: as the text does it, else as sops does.
    pub indent: Option<usize>,
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

    /// Whether the path of a file, in lower case, tells this format.
    fn is_named(&self, path: &str) -> bool {
        self.suffixes().iter().any(|end| path.ends_with(end))
    }

    /// Whether stock sops reads this format. What of a document it could not read all the same
    /// is said by [`Document::beyond_sops`].
    fn known_to_sops(&self) -> bool {
        true
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

    /// The region of a leaf, an alias or a collection in `document`.
    fn region(&self, document: &Document, id: NodeId) -> Span;

    /// Writes a scalar in another way, where it would read as another value once any text follows
    /// it: a block scalar at the end of a text without line end. `None` where it would not.
    fn pin(&self, _: &Document, _: NodeId) -> Option<Splice> {
        None
    }

    /// Puts `token` in the place of a scalar's or comment's value, in its own style.
    fn seal(&self, document: &Document, id: NodeId, token: &[u8]) -> Splice;

    /// Puts a value in the place of the token at `id`, in the style in which the token stands.
    /// `value.text` may be any text that sops reads as that value (`1.50`); it is written as it
    /// is where this format reads it as the same type and value, else in canonical form.
    fn open(&self, document: &Document, id: NodeId, value: Value<'_>) -> Splice;

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
