//! Decrypting: every token gives way to its value, the metadata block goes, the MAC is verified.
//!
//! Pure, and all or nothing: no byte of plaintext leaves before the MAC was verified.

mod envelope;
mod fingerprints;
mod opener;

pub(crate) use opener::Opener;

use crate::crypto::{DataKey, Mac, MacShare, OpenError, Stash, Token, TokenError, TokenType};
use crate::document::scalar::is_plain_int;
use crate::document::share::{Share, WHOLE, shares, side_by_side};
use crate::document::{
    Document, Leaf, LeafKind, Leaves, NoMarking, NodeId, Path, Splice, Type, Value, canonical,
    drop_contained, same_leaves, splice,
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
    };
    let (mut opening, mac) = file.open(&spellings, stash)?;
    if let Some(stash) = opening.stash.take() {
        remember_spellings(stash, metadata, &spellings, whole.as_ref());
    }
    let mut warnings = std::mem::take(&mut opening.warnings);
    warnings.extend(opener.verify_mac(&mac.finish(), metadata, options.ignore_mac)?);
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
        text = file.open(&spellings, None)?.0.finish().0;
    }
    if let Some(whole) = whole.filter(|whole| is_same(store, options.parsing, whole, &text)) {
        text = whole;
    }
    Ok(Decrypted { text, warnings })
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
}

impl<'a> File<'a> {
    /// Opens all tokens; with what comes of it the hash of the values. The stash and the
    /// spellings want the leaves one after the other, else shares are opened side by side.
    fn open<'s>(
        self,
        spellings: &'a Spellings,
        stash: Option<&'s mut Stash>,
    ) -> Result<(Opening<'a, 's>, Mac), DecryptError> {
        let mut whole = Opening::new(self, spellings, &WHOLE);
        let mut later: Vec<Opening<'_, '_>> = Vec::new();
        if stash.is_some() || !spellings.is_empty() {
            whole.stash = stash;
            whole.walk(WHOLE)?;
        } else {
            let open = |share: Share| {
                let mut opening = Opening::new(self, spellings, &share);
                opening.walk(share).map(|()| opening)
            };
            let mut opened = side_by_side(shares(self.document), open).into_iter();
            if let Some(first) = opened.next() {
                whole = first?;
            }
            later = opened.collect::<Result<_, _>>()?;
        }
        let mac = MacShare::join(std::iter::once(&whole.mac).chain(later.iter().map(|o| &o.mac)));
        for opening in later {
            whole.splices.extend(opening.splices);
            whole.warnings.extend(opening.warnings);
        }
        Ok((whole, mac))
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
    splices: Vec<Splice>,
    /// The plaintext of the token at hand.
    plaintext: Zeroizing<Vec<u8>>,
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
    fn new(file: File<'a>, spellings: &'a Spellings, share: &Share) -> Self {
        let File {
            document,
            store,
            metadata,
            opener,
        } = file;
        Self {
            document,
            store,
            metadata,
            selection: &metadata.selection,
            opener,
            spellings,
            stash: None,
            mac: MacShare::new(share.start == 0, metadata.mac_only_encrypted),
            splices: Vec::with_capacity(share.len().min(document.nodes.len() / 2)),
            plaintext: Zeroizing::new(Vec::with_capacity(4096)),
            spelled: HashSet::new(),
            names: HashMap::new(),
            expected: Fingerprints::default(),
            containers: None,
            warnings: Vec::new(),
        }
    }

    fn walk(&mut self, share: Share) -> Result<(), DecryptError> {
        let mut leaves = self.document.leaves(self.selection);
        let mut number = 0;
        while number < share.end
            && let Some(leaf) = leaves.advance()
        {
            if share.contains(&number) {
                match leaf.kind {
                    LeafKind::Comment => self.comment(&leaf, &leaves),
                    LeafKind::Value => self.value(&leaf, &leaves)?,
                }
            }
            number += 1;
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
            self.remember(&token, leaves.aad(), None);
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
        let written = self.replace(leaf, ty, leaves);
        self.remember(&token, leaves.aad(), written);
        Ok(())
    }

    /// Remembers the token that was opened for the value that encrypting will meet in its place:
    /// what was `written`, where no spelling has the last word.
    fn remember(&mut self, token: &Token<'_>, aad: &[u8], written: Option<usize>) {
        let Some(stash) = self.stash.as_deref_mut() else {
            return;
        };
        let written = written.map_or(&[][..], |at| &self.splices[at].text);
        let (ty, plaintext) = met_again(token.ty, &self.plaintext, written);
        stash.remember(aad, ty, plaintext, token.text);
    }

    /// A comment that sops encrypted as the item of a list.
    fn list_comment(&mut self, leaf: &Leaf) {
        if leaf.via.is_none() {
            let back = self
                .store
                .open_list_comment(self.document, leaf.id, &self.plaintext);
            self.splices.push(back);
        }
    }

    /// Puts the plaintext in the token's place, or the spelling of the leaf or of a
    /// collection around it. The number of the splice that has just the value, if there is one.
    fn replace(
        &mut self,
        leaf: &Leaf,
        ty: Type,
        leaves: &Leaves<'_, &'a Selection>,
    ) -> Option<usize> {
        let respelled = !self.spellings.is_empty() && self.respell(leaf, leaves);
        if respelled || leaf.via.is_some() {
            return None;
        }
        let value = Value {
            ty,
            text: &self.plaintext,
        };
        self.splices
            .push(self.store.open(self.document, leaf.id, value));
        Some(self.splices.len() - 1)
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
                self.splices.push(Splice::new(region, text.to_vec()));
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
        let value = Value {
            ty: Type::Str,
            text: &self.plaintext,
        };
        self.splices
            .push(self.store.open(self.document, leaf.id, value));
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
                self.splices.push(Splice::new(region, text.to_vec()));
            }
        }
    }

    fn finish(mut self) -> (Zeroizing<Vec<u8>>, Fingerprints) {
        self.respell_keys();
        // A comment inside of what a spelling has replaced.
        drop_contained(&mut self.splices);
        self.splices.extend(self.store.detach(self.document));
        let text = splice(&self.document.source, &mut self.splices);
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
