//! Decrypting: every token gives way to its value, the metadata block goes, the MAC is verified.
//!
//! Pure, and all or nothing: no byte of plaintext leaves before the MAC was verified.

mod envelope;
mod fingerprints;
mod opener;

pub(crate) use opener::Opener;

use crate::crypto::{DataKey, MacShare, OpenError, Stash, Token, TokenError, TokenType};
use crate::document::scalar::is_plain_int;
use crate::document::share::{Share, WHOLE, Walk, in_turn, workers};
use crate::document::{
    Document, Draft, Leaf, LeafKind, Leaves, NoMarking, NodeId, Path, Type, Value, canonical,
    same_leaves, secret,
};
use crate::metadata::{Metadata, Selection, Spelling};
use crate::store::{ParseOptions, Store};
use fingerprints::{Fingerprints, misspelled};
use std::collections::{HashMap, HashSet};
use zeroize::Zeroizing;

/// How a document is decrypted.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecryptOptions {
    /// Accept a wrong or missing MAC.
    pub ignore_mac: bool,
    /// How the store reads the result, where it has to.
    pub parsing: ParseOptions,
}

/// A decrypted text.
pub struct Decrypted {
    /// The whole file.
    pub text: Zeroizing<Vec<u8>>,
    /// What the user should hear about.
    pub warnings: Vec<DecryptWarning>,
}

/// Something that did not keep the file from being decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptWarning {
    /// A comment that should be encrypted is not; older versions of sops wrote such files.
    #[error("a comment in {0} is not encrypted")]
    PlainComment(Place),
    /// A comment could not be decrypted and stays as it is.
    #[error("a comment in {0} cannot be decrypted and stays as it is")]
    LockedComment(Place),
    /// The MAC is wrong or missing, and the user said to go on.
    #[error(
        "the MAC does not match and is ignored: values may have been added, removed or changed"
    )]
    MacIgnored,
}

/// A path, shown as `the root` where it is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(pub Path);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.0.is_empty() {
            write!(f, "the root")
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// Why a document was not decrypted. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// A value that must be encrypted is not.
    #[error("the value at {0} is not encrypted, though the file's rule says it must be")]
    NotEncrypted(Place),
    /// A token names a type that does not exist.
    #[error("the token at {0} has an unknown type")]
    UnknownType(Place),
    /// A token does not open: changed, moved to another key, or of another data key.
    #[error("the token at {0} does not open: it was changed or moved from another place")]
    Token(Place, #[source] OpenError),
    /// The decrypted text is not of the type that the token names.
    #[error("the value at {place} does not read as {ty}, the type its token names")]
    Type {
        /// Where.
        place: Place,
        /// The type's name in the token.
        ty: &'static str,
    },
    /// The file has no MAC.
    #[error("MAC mismatch: the file has no MAC")]
    NoMac,
    /// The MAC's own token does not open.
    #[error("MAC mismatch: the MAC cannot be decrypted; it, or lastmodified, was changed")]
    LockedMac,
    /// The MAC is another one than that of the values.
    #[error("MAC mismatch: a value was added, removed, moved or changed outside of sops and bulla")]
    Mac,
}

/// Decrypts `document`, whose metadata is `metadata`. Every token that was opened is
/// remembered in `stash`.
///
/// # Errors
/// [`DecryptError`]; see there.
pub fn decrypt(
    document: &Document,
    store: &dyn Store,
    metadata: &Metadata,
    data_key: &DataKey,
    options: DecryptOptions,
    stash: Option<&mut Stash>,
) -> Result<Decrypted, DecryptError> {
    let opener = Opener::new(data_key, metadata);
    if store.envelope().is_some() {
        return envelope::decrypt(document, metadata, &opener, options, stash);
    }
    let mut spellings = open_spellings(&opener, metadata);
    let whole = spellings.remove(Spelling::WHOLE);
    let file = File {
        document,
        store,
        metadata,
        opener: &opener,
        original: None,
    };
    let mut opening = file.open(&spellings, stash)?;
    if let Some(stash) = opening.stash.take() {
        remember_spellings(stash, metadata, &spellings, whole.as_ref());
    }
    let mut warnings = std::mem::take(&mut opening.warnings);
    let mac = std::mem::replace(&mut opening.mac, MacShare::new(false, false));
    let computed = mac.into_mac().finish();
    warnings.extend(opener.verify_mac(&computed, metadata, options.ignore_mac)?);
    // Of the comments of one place one is enough to hear of.
    warnings.dedup();
    let (mut text, expected) = opening.finish();
    // A spelling is used only where it reads as the value of the token.
    for round in 0.. {
        if spellings.is_empty() {
            break;
        }
        let wrong = misspelled(&text, store, options.parsing, &expected, &spellings);
        if wrong.is_empty() {
            break;
        }
        spellings.retain(|path, _| round < MISSPELLED_ROUNDS && !wrong.contains(path));
        text = file.open(&spellings, None)?.finish().0;
    }
    if let Some(whole) = whole.filter(|whole| is_same(store, options.parsing, whole, &text)) {
        text = whole;
    }
    Ok(Decrypted { text, warnings })
}

/// Whether decrypting surely gives `original`; the MAC is verified in any case. Where there are
/// spellings, or edits out of order, only [`decrypt`] can tell.
///
/// # Errors
/// As [`decrypt`].
pub(crate) fn comes_back(
    document: &Document,
    store: &dyn Store,
    metadata: &Metadata,
    data_key: &DataKey,
    original: &[u8],
) -> Result<bool, DecryptError> {
    if store.envelope().is_some() || !metadata.bulla.spelling.is_empty() {
        return Ok(false);
    }
    let opener = Opener::new(data_key, metadata);
    let file = File {
        document,
        store,
        metadata,
        opener: &opener,
        original: Some(original),
    };
    let spellings = Spellings::new();
    let Opening { mac, draft, .. } = file.open(&spellings, None)?;
    opener.verify_mac(&mac.into_mac().finish(), metadata, false)?;
    Ok(draft.is_expected(store.detach(document)))
}

/// Whether two texts hold the same values and comments.
fn is_same(
    store: &dyn Store,
    parsing: ParseOptions,
    one: &Zeroizing<Vec<u8>>,
    other: &Zeroizing<Vec<u8>>,
) -> bool {
    let parse = |text: &Zeroizing<Vec<u8>>| store.parse(text.clone(), parsing);
    matches!((parse(one), parse(other)), (Ok(one), Ok(other)) if same_leaves(&one, &other))
}

/// How often single spellings are dropped before all of them are.
const MISSPELLED_ROUNDS: usize = 3;

/// Opened spellings by the key of their path.
type Spellings = HashMap<String, Zeroizing<Vec<u8>>>;

fn open_spellings(opener: &Opener<'_>, metadata: &Metadata) -> Spellings {
    let mut opened = Spellings::new();
    for spelling in &metadata.bulla.spelling {
        let Ok(token) = Token::parse(spelling.token.as_bytes()) else {
            continue;
        };
        let mut text = Zeroizing::new(Vec::new());
        let aad = Spelling::aad(&spelling.path);
        if opener.open(&token, &aad, &mut text).is_ok() {
            opened.insert(spelling.path.clone(), text);
        }
    }
    opened
}

fn remember_spellings(
    stash: &mut Stash,
    metadata: &Metadata,
    opened: &Spellings,
    whole: Option<&Zeroizing<Vec<u8>>>,
) {
    for spelling in &metadata.bulla.spelling {
        let whole = whole.filter(|_| spelling.path == Spelling::WHOLE);
        if let Some(text) = opened.get(&spelling.path).or(whole) {
            let aad = Spelling::aad(&spelling.path);
            stash.remember(&aad, TokenType::Str, text, spelling.token.as_bytes());
        }
    }
}

/// The type and plaintext that encrypting gives to what was written for an opened value. sops
/// has other spellings in its tokens (`True`, `1000000`) than in its files (`true`, `1e+06`),
/// and a whole floating point number reads as an integer there.
fn met_again<'v>(ty: TokenType, opened: &'v [u8], written: &'v [u8]) -> (TokenType, &'v [u8]) {
    match ty.value() {
        None | Some(Type::Str) => (ty, opened),
        Some(Type::Float) if is_plain_int(written) => (TokenType::Int, written),
        Some(value) => match canonical(value, written) {
            Some(text) if canonical(value, opened).as_ref() == Some(&text) => (ty, written),
            _ => (ty, opened),
        },
    }
}

/// An encrypted document and what it takes to open it.
#[derive(Clone, Copy)]
struct File<'a> {
    document: &'a Document,
    store: &'a dyn Store,
    metadata: &'a Metadata,
    opener: &'a Opener<'a>,
    /// What the text should be; then it is not kept.
    original: Option<&'a [u8]>,
}

impl<'a> File<'a> {
    /// Opens all tokens. The stash and the spellings want the leaves one after the other, else
    /// shares are opened side by side.
    fn open<'s>(
        self,
        spellings: &'a Spellings,
        stash: Option<&'s mut Stash>,
    ) -> Result<Opening<'a, 's>, DecryptError> {
        let mut whole = Opening::new(self, spellings, true);
        let walk = || Walk::new(self.document, &self.metadata.selection);
        if stash.is_some() || !spellings.is_empty() {
            whole.stash = stash;
            whole.walk(&mut walk(), &WHOLE)?;
            return Ok(whole);
        }
        in_turn(
            workers(self.document),
            || (walk(), Opening::new(self, spellings, false)),
            |(walk, opening), share| {
                opening.walk(walk, share)?;
                Ok::<_, DecryptError>(walk.goes_on_behind(share))
            },
            |(_, opening)| {
                whole.mac.append(&mut opening.mac);
                whole.draft.append(&mut opening.draft);
                whole.warnings.append(&mut opening.warnings);
            },
        )?;
        Ok(whole)
    }
}

/// One pass over a share of an encrypted document.
struct Opening<'a, 's> {
    document: &'a Document,
    store: &'a dyn Store,
    metadata: &'a Metadata,
    selection: &'a Selection,
    opener: &'a Opener<'a>,
    spellings: &'a Spellings,
    stash: Option<&'s mut Stash>,
    mac: MacShare,
    draft: Draft<'a>,
    /// The plaintext of the token at hand.
    plaintext: Zeroizing<Vec<u8>>,
    /// What takes the place of that token.
    written: Zeroizing<Vec<u8>>,
    /// Regions that a spelling has replaced.
    spelled: HashSet<NodeId>,
    /// Names of the collections that were met, so that each is made once.
    names: HashMap<NodeId, String>,
    /// Fingerprints of all values in order, kept only where spellings have to be checked.
    expected: Fingerprints,
    /// The additional data of every container, gathered when the first comment does not open.
    containers: Option<Vec<(u32, Vec<u8>)>>,
    warnings: Vec<DecryptWarning>,
}

impl<'a> Opening<'a, '_> {
    fn new(file: File<'a>, spellings: &'a Spellings, is_first: bool) -> Self {
        let File {
            document,
            store,
            metadata,
            opener,
            original,
        } = file;
        let (source, leaves) = (&document.source, document.nodes.len() / 2);
        let draft = match original {
            Some(original) if is_first => Draft::against(source, original),
            // A token is about four times as long as what it holds.
            None if is_first => Draft::new(source, true, true).with_room(source.len() / 4, leaves),
            _ => Draft::new(source, false, true),
        };
        Self {
            document,
            store,
            metadata,
            selection: &metadata.selection,
            opener,
            spellings,
            stash: None,
            mac: MacShare::new(is_first, metadata.mac_only_encrypted),
            draft,
            plaintext: Zeroizing::new(Vec::with_capacity(4096)),
            written: Zeroizing::new(Vec::with_capacity(4096)),
            spelled: HashSet::new(),
            names: HashMap::new(),
            expected: Fingerprints::default(),
            containers: None,
            warnings: Vec::new(),
        }
    }

    fn walk(
        &mut self,
        walk: &mut Walk<'a, &'a Selection>,
        share: &Share,
    ) -> Result<(), DecryptError> {
        while let Some((leaf, leaves, is_of_share)) = walk.advance(share) {
            match leaf.kind {
                _ if !is_of_share => {}
                LeafKind::Comment => self.comment(&leaf, leaves),
                LeafKind::Value => self.value(&leaf, leaves)?,
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        leaf: &Leaf,
        leaves: &Leaves<'_, &'a Selection>,
    ) -> Result<(), DecryptError> {
        let value = self.document.value(leaf.id);
        let covered = self.selection.covers(leaf);
        if value.ty == Type::Null {
            return Ok(());
        }
        if value.ty == Type::Str && value.text.is_empty() {
            self.keep(leaf, value, leaves);
            return Ok(());
        }
        if !covered {
            if !self.metadata.mac_only_encrypted {
                self.mac.update(value.text);
            }
            self.keep(leaf, value, leaves);
            return Ok(());
        }
        self.token(leaf, value, leaves)
    }

    /// A value in clear stays, unless it has a spelling.
    fn keep(&mut self, leaf: &Leaf, value: Value<'_>, leaves: &Leaves<'_, &'a Selection>) {
        if !self.spellings.is_empty() {
            self.expected.push(leaves.aad(), value);
            self.respell(leaf, leaves);
        }
    }

    fn token(
        &mut self,
        leaf: &Leaf,
        value: Value<'_>,
        leaves: &Leaves<'_, &'a Selection>,
    ) -> Result<(), DecryptError> {
        let place = || Place(leaves.path());
        let token = match Token::parse(value.text) {
            Ok(token) if value.ty == Type::Str => token,
            Err(TokenError::Type) => return Err(DecryptError::UnknownType(place())),
            _ => return Err(DecryptError::NotEncrypted(place())),
        };
        self.plaintext.clear();
        self.opener
            .open(&token, leaves.aad(), &mut self.plaintext)
            .map_err(|error| DecryptError::Token(place(), error))?;
        let Some(ty) = token.ty.value() else {
            self.remember(&token, leaves.aad(), false);
            self.list_comment(leaf);
            return Ok(());
        };
        let Some(read) = canonical(ty, &self.plaintext) else {
            return Err(DecryptError::Type {
                place: place(),
                ty: token.ty.name(),
            });
        };
        self.mac.update(&read);
        if !self.spellings.is_empty() {
            self.expected.push(leaves.aad(), Value { ty, text: &read });
        }
        drop(read);
        let is_written = self.replace(leaf, ty, leaves);
        self.remember(&token, leaves.aad(), is_written);
        Ok(())
    }

    /// Remembers the token that was opened for the value that encrypting will meet in its place:
    /// what was `written`, where no spelling has the last word.
    fn remember(&mut self, token: &Token<'_>, aad: &[u8], is_written: bool) {
        let Some(stash) = self.stash.as_deref_mut() else {
            return;
        };
        let written = if is_written { &self.written[..] } else { &[] };
        let (ty, plaintext) = met_again(token.ty, &self.plaintext, written);
        stash.remember(aad, ty, plaintext, token.text);
    }

    /// A comment that sops encrypted as the item of a list.
    fn list_comment(&mut self, leaf: &Leaf) {
        if leaf.via.is_none() {
            let back = self
                .store
                .open_list_comment(self.document, leaf.id, &self.plaintext);
            self.draft.push(back);
        }
    }

    /// Puts the plaintext in the token's place, or the spelling of the leaf or of a
    /// collection around it. Whether `written` has just the value.
    fn replace(&mut self, leaf: &Leaf, ty: Type, leaves: &Leaves<'_, &'a Selection>) -> bool {
        let respelled = !self.spellings.is_empty() && self.respell(leaf, leaves);
        if respelled || leaf.via.is_some() {
            return false;
        }
        self.write(leaf.id, ty);
        true
    }

    fn respell(&mut self, leaf: &Leaf, leaves: &Leaves<'_, &'a Selection>) -> bool {
        let path = leaves.path();
        let named = |steps: usize| Spelling::key(leaf.branch, &Path(path.0[..steps].to_vec()));
        if leaf.via.is_some() {
            // The same collections are met on several paths.
            self.names.clear();
        }
        let whole = std::iter::once((leaf.id, path.0.len()));
        for (id, steps) in leaves.containers().chain(whole) {
            let name = self.names.entry(id).or_insert_with(|| named(steps));
            let Some(text) = self.spellings.get(name.as_str()) else {
                continue;
            };
            if self.spelled.insert(id) {
                let region = self.store.region(self.document, id);
                self.draft.replace(region, text);
            }
            return true;
        }
        false
    }

    fn comment(&mut self, leaf: &Leaf, leaves: &Leaves<'_, &'a Selection>) {
        let text = self.document.value(leaf.id).text;
        let place = || Place(leaves.path());
        let Ok(token) = Token::parse(text) else {
            // A part of a value is as the value is, whatever the selection says of comments.
            let is_part = self.store.belongs_to_value(self.document, leaf.id);
            if self.selection.covers(leaf) && !text.is_empty() && !is_part {
                self.warnings.push(DecryptWarning::PlainComment(place()));
            }
            return;
        };
        let Some(aad) = self.open_comment(&token, leaf.id, leaves.aad()) else {
            self.warnings.push(DecryptWarning::LockedComment(place()));
            return;
        };
        if let Some(stash) = self.stash.as_deref_mut() {
            stash.remember(&aad, TokenType::Comment, &self.plaintext, token.text);
        }
        self.write(leaf.id, Type::Str);
    }

    /// Puts the plaintext, of type `ty`, in the place of the token at `id`.
    fn write(&mut self, id: NodeId, ty: Type) {
        let text = &self.plaintext;
        secret::renew(&mut self.written, text);
        let value = Value { ty, text };
        let written = &mut self.written;
        let span = self.store.open_into(self.document, id, value, written);
        self.draft.replace(span, written);
    }

    /// Opens a comment with the additional data of its container, else of the containers
    /// around it and of the nearest others: rewriting a file can move a comment from one
    /// container to the next. Gives the additional data that fits.
    fn open_comment(&mut self, token: &Token<'_>, id: NodeId, aad: &[u8]) -> Option<Vec<u8>> {
        self.plaintext.clear();
        if self.opener.open(token, aad, &mut self.plaintext).is_ok() {
            return Some(aad.to_vec());
        }
        let at = self.document.node(id).span.start;
        let containers = self
            .containers
            .get_or_insert_with(|| containers(self.document));
        let from = containers.partition_point(|(start, _)| *start < at);
        let mut near: Vec<_> = containers
            [from.saturating_sub(NEAR)..(from + NEAR).min(containers.len())]
            .iter()
            .collect();
        near.sort_by_key(|(start, _)| start.abs_diff(at));
        let others = ancestors(aad).chain(near.into_iter().map(|(_, aad)| aad.as_slice()));
        for other in others {
            self.plaintext.clear();
            if self.opener.open(token, other, &mut self.plaintext).is_ok() {
                return Some(other.to_vec());
            }
        }
        None
    }

    /// Puts aliases back that were keys.
    fn respell_keys(&mut self) {
        for (name, text) in self.spellings {
            let Some((branch, path)) = Spelling::place_of_key(name) else {
                continue;
            };
            let document = self.document;
            let value = document.find(branch, &path);
            let key = value.and_then(|id| document.key_of(document.parent(id)?, id));
            if let Some(key) = key {
                let region = self.store.region(document, key);
                self.draft.replace(region, text);
            }
        }
    }

    fn finish(mut self) -> (Zeroizing<Vec<u8>>, Fingerprints) {
        self.respell_keys();
        // A comment inside of what a spelling has replaced is dropped.
        let text = self.draft.finish(self.store.detach(self.document));
        (text, self.expected)
    }
}

/// How many containers before and behind a comment are tried.
const NEAR: usize = 32;

/// The additional data of every container of comments, by its place.
fn containers(document: &Document) -> Vec<(u32, Vec<u8>)> {
    let mut found: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut leaves = document.leaves(NoMarking);
    while let Some(leaf) = leaves.advance() {
        let start = document.node(leaf.id).span.start;
        let mut aad = leaves.aad();
        if leaf.kind == LeafKind::Value {
            aad = ancestors(aad).next().unwrap_or(b":");
        }
        if leaf.via.is_none() && found.last().is_none_or(|(_, last)| last != aad) {
            found.push((start, aad.to_vec()));
        }
    }
    found.sort_by_key(|(start, _)| *start);
    found
}

/// The additional data of the containers around `aad`, innermost first.
fn ancestors(aad: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = aad;
    std::iter::from_fn(move || {
        let inside = rest.strip_suffix(b":")?;
        rest = match memchr::memrchr(b':', inside) {
            Some(colon) => &rest[..=colon],
            None => b"",
        };
        if !rest.is_empty() {
            Some(rest)
        } else if inside.is_empty() {
            None
        } else {
            Some(b":".as_slice())
        }
    })
}
