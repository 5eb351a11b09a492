//! Encrypting: every selected leaf of a document gives way to a token, and a metadata block is added.
//!
//! Pure: the time, the randomness and the key are parameters. What comes out has been
//! decrypted again in memory and compared with what went in.

mod check;
mod envelope;

use crate::crypto::{
    Cipher, DataKey, MacShare, Nonces, Random, SealError, Sealer, SharedRandom, Stash, Token,
    TokenType,
};
use crate::decrypt::DecryptError;
use crate::document::share::{Share, WHOLE, Walk, in_turn, workers};
use crate::document::{
    Document, Draft, Kind, Leaf, LeafKind, Leaves, NodeId, Path, Type, Value, canonical,
    same_leaves, secret, splice, unwiped,
};
use crate::metadata::{Metadata, Selection, Spelling};
use crate::store::{Layout, ParseError, ParseOptions, Store};
use check::Check;
use zeroize::Zeroizing;

/// Everything that decides how a document is encrypted.
pub struct Encryption<'a> {
    /// The format of the document.
    pub store: &'a dyn Store,
    /// How the store reads it back for the self-check.
    pub parsing: ParseOptions,
    /// Recipients, selection and version; date, MAC and spellings are filled in here.
    pub metadata: Metadata,
    /// The key of the tokens.
    pub data_key: &'a DataKey,
    /// The cipher of new tokens.
    pub cipher: Cipher,
    /// Tokens to be used again for values that did not change.
    pub stash: Stash,
    /// Where nonces come from.
    pub random: &'a mut dyn Random,
    /// How the metadata block is laid out.
    pub layout: Layout,
    /// Encrypt values that are tokens already.
    pub allow_nested: bool,
}

/// An encrypted text and what was done.
pub struct Encrypted {
    /// The whole file.
    pub text: Vec<u8>,
    /// How many values and comments are tokens now.
    pub sealed: usize,
    /// How many values stay in clear.
    pub clear: usize,
}

/// Why a document was not encrypted. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EncryptError {
    /// A value is a token already.
    #[error("the value at {0} is an encrypted token already")]
    NestedToken(Path),
    /// A comment stands inside of a key that is a collection, where no token has a place.
    #[error("a comment inside of a key that is a collection cannot be encrypted (near {0})")]
    CommentInKey(Path),
    /// The token of a comment matches `unencrypted_comment_regex`, so it would not be decrypted.
    #[error("the encrypted comment in {0} would match unencrypted_comment_regex")]
    CommentGuard(Path),
    /// The encrypted text did not decrypt to the original: a defect of bulla.
    #[error(
        "self-check failed near byte {offset}: the encrypted text would not decrypt to the original"
    )]
    SelfCheck {
        /// The first byte of the original that would have come back different.
        offset: usize,
    },
    /// As `SelfCheck`: the encrypted text could not even be read.
    #[error("self-check failed: the encrypted text cannot be read")]
    SelfCheckParse(#[source] ParseError),
    /// As `SelfCheck`: the encrypted text could not be decrypted.
    #[error("self-check failed: the encrypted text cannot be decrypted")]
    SelfCheckDecrypt(#[source] Box<DecryptError>),
    /// As `SelfCheck`: the format has no way to write a part of the metadata, without which nobody
    /// could open the file.
    #[error("self-check failed: this format cannot hold the metadata of the file")]
    SelfCheckMetadata,
    /// No nonce could be drawn, or the value is too long for the cipher.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Encrypts `document`.
///
/// # Errors
/// [`EncryptError`]; see there.
pub fn encrypt(document: &Document, how: Encryption<'_>) -> Result<Encrypted, EncryptError> {
    if let Some(envelope) = how.store.envelope() {
        return envelope::encrypt(document, envelope, how);
    }
    let mut splices = how.store.normal_form(document);
    if splices.is_empty() {
        return encrypt_normal(document, &document.source, how);
    }
    let text = splice(&document.source, &mut splices);
    let normal = how.store.parse(text, how.parsing);
    let normal = normal.map_err(EncryptError::SelfCheckParse)?;
    if !same_leaves(document, &normal) {
        let offset = splices[0].span.range().start;
        return Err(EncryptError::SelfCheck { offset });
    }
    encrypt_normal(&normal, &document.source, how)
}

/// Encrypts a document in normal form, whose text was `original` before.
fn encrypt_normal(
    document: &Document,
    original: &Zeroizing<Vec<u8>>,
    how: Encryption<'_>,
) -> Result<Encrypted, EncryptError> {
    let Encryption {
        store,
        parsing,
        mut metadata,
        data_key,
        cipher,
        mut stash,
        random,
        layout,
        allow_nested,
    } = how;
    let (has_comments, has_aliases) = document.has_comments_and_aliases();
    if has_comments {
        refuse_comments_in_keys(document)?;
    }
    let random = SharedRandom::new(random);
    let sealer = Sealer::new(data_key, cipher);
    let file = File {
        document,
        store,
        metadata: &metadata,
        sealer: &sealer,
        random: &random,
        allow_nested,
        has_aliases,
    };
    let Made {
        mac,
        draft,
        mut spellings,
        sealed,
        clear,
    } = file.seal(&mut stash)?;
    if document.source != *original {
        spellings.push((Spelling::WHOLE.to_owned(), original.clone()));
    }
    let mut seal = Seal::new(&sealer, Nonces::new(&random), Some(&mut stash));
    let aad = metadata.last_modified.as_bytes();
    metadata.mac = Some(ascii(seal.mint.token(
        mac.into_mac().finish().as_bytes(),
        TokenType::Str,
        aad,
    )?));
    metadata.bulla.spelling = spellings
        .into_iter()
        .map(|(path, text)| {
            let token = ascii(seal.token(&text, TokenType::Str, &Spelling::aad(&path))?);
            Ok(Spelling { path, token })
        })
        .collect::<Result<_, EncryptError>>()?;
    // A comment between a tag that has to go and its value goes with the tag.
    let text = draft.finish(store.attach(document, &metadata.to_data(), layout));
    let check = Check {
        plain: document,
        has_comments,
        original,
        store,
        parsing,
        metadata: &metadata,
        data_key,
    };
    let text = check.finish(text, &mut seal)?;
    Ok(Encrypted {
        text: unwiped(text),
        sealed,
        clear,
    })
}

/// About the bytes of a token beside what it takes the place of.
const TOKEN: usize = 128;

/// A document that is to be encrypted and what it takes to do so.
#[derive(Clone, Copy)]
struct File<'d, 'a, 'r> {
    document: &'d Document,
    store: &'a dyn Store,
    metadata: &'a Metadata,
    sealer: &'a Sealer,
    random: &'a SharedRandom<'r>,
    allow_nested: bool,
    has_aliases: bool,
}

impl<'d> File<'d, '_, '_> {
    /// Seals all leaves: one after the other where there are tokens to be used again or aliases,
    /// else shares of them side by side.
    fn seal(self, stash: &mut Stash) -> Result<Made<'d>, EncryptError> {
        let selection = &self.metadata.selection;
        // Which scalars are encrypted where they stand; only aliases ask for it.
        let in_place = if self.has_aliases {
            in_place(self.document, selection)
        } else {
            Vec::new()
        };
        let walk = || Walk::new(self.document, selection);
        let mut whole = Made::new(self, true);
        let leaves = self.document.nodes.len() / 2;
        let room = self.document.source.len() + leaves * TOKEN;
        whole.draft = whole.draft.with_room(room, leaves);
        if !stash.is_empty() || !in_place.is_empty() {
            let mut sealing = Sealing::new(self, &in_place, Some(stash));
            std::mem::swap(&mut whole, &mut sealing.made);
            sealing.walk(&mut walk(), &WHOLE)?;
            sealing.finish();
            return Ok(sealing.made);
        }
        in_turn(
            workers(self.document),
            || (walk(), Sealing::new(self, &[], None)),
            |(walk, sealing), share| {
                sealing.walk(walk, share)?;
                Ok::<_, EncryptError>(walk.goes_on_behind(share))
            },
            |(_, sealing)| whole.append(&mut sealing.made),
        )?;
        Ok(whole)
    }
}

fn refuse_comments_in_keys(document: &Document) -> Result<(), EncryptError> {
    let mut nodes = document.nodes.iter();
    match nodes.position(|node| node.kind == Kind::Comment && node.is_key) {
        Some(at) => Err(EncryptError::CommentInKey(document.path(at as NodeId))),
        None => Ok(()),
    }
}

/// A token is ASCII.
fn ascii(token: &[u8]) -> String {
    String::from_utf8_lossy(token).into_owned()
}

/// Null or empty: never encrypted.
fn is_nothing(value: Value<'_>) -> bool {
    value.ty == Type::Null || value.text.is_empty()
}

/// Which scalars are encrypted where they stand.
fn in_place(document: &Document, selection: &Selection) -> Vec<bool> {
    let mut encrypted = vec![false; document.nodes.len()];
    let mut leaves = document.leaves(selection);
    while let Some(leaf) = leaves.advance() {
        let has_text = !document.value(leaf.id).text.is_empty();
        encrypted[leaf.id as usize] |= has_text && leaf.via.is_none() && selection.covers(&leaf);
    }
    encrypted
}

/// Gives tokens: from the stash where the value did not change, else new ones.
struct Seal<'a, 'r> {
    stash: Option<&'a mut Stash>,
    mint: Mint<'a, 'r>,
}

impl<'a, 'r> Seal<'a, 'r> {
    fn new(sealer: &'a Sealer, nonces: Nonces<'r>, stash: Option<&'a mut Stash>) -> Self {
        let mint = Mint {
            sealer,
            nonces,
            token: Vec::new(),
        };
        Self { stash, mint }
    }

    fn token(
        &mut self,
        plaintext: &[u8],
        ty: TokenType,
        aad: &[u8],
    ) -> Result<&[u8], EncryptError> {
        let stash = self.stash.as_deref_mut();
        match stash.and_then(|stash| stash.take(aad, ty, plaintext)) {
            Some(token) => Ok(token),
            None => self.mint.token(plaintext, ty, aad),
        }
    }
}

/// Makes new tokens, each in the place of the last one.
struct Mint<'a, 'r> {
    sealer: &'a Sealer,
    nonces: Nonces<'r>,
    token: Vec<u8>,
}

impl Mint<'_, '_> {
    fn token(
        &mut self,
        plaintext: &[u8],
        ty: TokenType,
        aad: &[u8],
    ) -> Result<&[u8], EncryptError> {
        self.token.clear();
        self.sealer
            .seal(plaintext, ty, aad, &mut self.nonces, &mut self.token)?;
        Ok(&self.token)
    }
}

/// An alias whose leaves are being met.
struct Pending {
    alias: NodeId,
    key: String,
    tokens: Vec<Option<Vec<u8>>>,
    /// True once a leaf is a token at the alias or where it leads.
    expand: bool,
}

/// What comes of sealing a share of the leaves.
struct Made<'d> {
    mac: MacShare,
    draft: Draft<'d>,
    /// What style cannot bring back: the path's text and the source of the region.
    spellings: Vec<(String, Zeroizing<Vec<u8>>)>,
    sealed: usize,
    clear: usize,
}

impl<'d> Made<'d> {
    fn new(file: File<'d, '_, '_>, is_first: bool) -> Self {
        Self {
            mac: MacShare::new(is_first, file.metadata.mac_only_encrypted),
            draft: Draft::new(&file.document.source, is_first, false),
            spellings: Vec::new(),
            sealed: 0,
            clear: 0,
        }
    }

    /// Takes over what comes of the next share.
    fn append(&mut self, next: &mut Self) {
        self.mac.append(&mut next.mac);
        self.draft.append(&mut next.draft);
        self.spellings.append(&mut next.spellings);
        self.sealed += std::mem::take(&mut next.sealed);
        self.clear += std::mem::take(&mut next.clear);
    }
}

/// One pass over a share of a document.
struct Sealing<'d, 'a> {
    document: &'d Document,
    store: &'a dyn Store,
    selection: &'a Selection,
    only_encrypted: bool,
    allow_nested: bool,
    seal: Seal<'a, 'a>,
    pending: Option<Pending>,
    in_place: &'a [bool],
    /// Whether the value that was met last is encrypted.
    last_covered: bool,
    /// The comment that was met last, and whether it is encrypted.
    last_comment: Option<(NodeId, bool)>,
    /// What takes the place of the leaf at hand.
    text: Zeroizing<Vec<u8>>,
    made: Made<'d>,
}

impl<'d, 'a> Sealing<'d, 'a> {
    fn new(file: File<'d, 'a, '_>, in_place: &'a [bool], stash: Option<&'a mut Stash>) -> Self {
        let nonces = Nonces::new(file.random);
        Self {
            document: file.document,
            store: file.store,
            selection: &file.metadata.selection,
            only_encrypted: file.metadata.mac_only_encrypted,
            allow_nested: file.allow_nested,
            seal: Seal::new(file.sealer, nonces, stash),
            pending: None,
            in_place,
            last_covered: false,
            last_comment: None,
            text: Zeroizing::default(),
            made: Made::new(file, false),
        }
    }

    fn walk(
        &mut self,
        walk: &mut Walk<'d, &'a Selection>,
        share: &Share,
    ) -> Result<(), EncryptError> {
        while let Some((leaf, leaves, is_of_share)) = walk.advance(share) {
            // What comes before a share says how its first comment is taken.
            let covered = self.covers(&leaf);
            if is_of_share {
                self.leaf(&leaf, covered, leaves)?;
            }
        }
        Ok(())
    }

    /// Does what is left once all leaves were met.
    fn finish(&mut self) {
        self.finish_alias();
        self.alias_keys();
    }

    fn leaf(
        &mut self,
        leaf: &Leaf,
        covered: bool,
        leaves: &Leaves<'_, &'a Selection>,
    ) -> Result<(), EncryptError> {
        if self.pending.as_ref().map(|p| p.alias) != leaf.via {
            self.finish_alias();
        }
        match leaf.kind {
            LeafKind::Comment => self.comment(leaf, covered, leaves),
            LeafKind::Value => self.value(leaf, leaves),
        }
    }

    /// A key that is an alias of an encrypted value would become the token: it is written out.
    fn alias_keys(&mut self) {
        if self.in_place.is_empty() {
            return;
        }
        let document = self.document;
        for (branch_number, branch) in document.branches.iter().enumerate() {
            for id in branch.first..branch.end {
                let node = document.node(id);
                let is_key = node.kind == Kind::Alias && node.is_key;
                if !is_key || !self.in_place[node.target as usize] {
                    continue;
                }
                let path = document.path(node.end);
                let source = document.slice(self.store.region(document, id)).to_vec();
                let expanded = self.store.expand(document, id, &mut |_| None);
                self.made.draft.push(expanded);
                let key = Spelling::of_key(branch_number, &path);
                self.made.spellings.push((key, Zeroizing::new(source)));
            }
        }
    }

    fn comment(
        &mut self,
        leaf: &Leaf,
        covered: bool,
        leaves: &Leaves<'_, &'a Selection>,
    ) -> Result<(), EncryptError> {
        let text = self.document.value(leaf.id).text;
        // A comment that did not open when the file was read stays the token that it is.
        if text.is_empty() || !covered || Token::looks_like(text) {
            return Ok(());
        }
        let token = self.seal.token(text, TokenType::Comment, leaves.aad())?;
        if self.selection.clears_comment(token) {
            return Err(EncryptError::CommentGuard(leaves.path()));
        }
        secret::renew(&mut self.text, token);
        let span = self
            .store
            .seal_into(self.document, leaf.id, token, &mut self.text);
        self.made.draft.replace(span, &self.text);
        self.made.sealed += 1;
        Ok(())
    }

    /// Whether a leaf is encrypted. A comment that may be a part of a value is as the value is;
    /// where comments decide, a part of the comment above the value, and as that is.
    fn covers(&mut self, leaf: &Leaf) -> bool {
        let covered = self.selection.covers(leaf);
        if leaf.kind == LeafKind::Value {
            self.last_covered = covered;
            return covered;
        }
        if !self.store.belongs_to_value(self.document, leaf.id) {
            self.last_comment = Some((leaf.id, covered));
            return covered;
        }
        match self.last_comment {
            _ if !self.selection.is_by_comment() => covered || self.last_covered,
            Some((id, above)) if id + 1 == leaf.id => above,
            _ => covered,
        }
    }

    fn value(
        &mut self,
        leaf: &Leaf,
        leaves: &Leaves<'_, &'a Selection>,
    ) -> Result<(), EncryptError> {
        let value = self.document.value(leaf.id);
        let covered = self.selection.covers(leaf) && value.ty != Type::Null;
        if covered || !self.only_encrypted {
            self.made.mac.update(value.text);
        }
        let encrypt = covered && !value.text.is_empty();
        if encrypt && !self.allow_nested && Token::looks_like(value.text) {
            return Err(EncryptError::NestedToken(leaves.path()));
        }
        if let Some(alias) = leaf.via {
            self.value_in_alias(leaf, alias, encrypt, leaves)?;
        } else if encrypt {
            self.value_in_place(value, leaf, leaves)?;
        } else {
            self.made.clear += usize::from(!is_nothing(value));
            self.pin(leaf, leaves);
        }
        Ok(())
    }

    /// A value in clear that the metadata block behind it would change is written in another way.
    fn pin(&mut self, leaf: &Leaf, leaves: &Leaves<'_, &'a Selection>) {
        if let Some(splice) = self.store.pin(self.document, leaf.id) {
            let source = self.document.slice(splice.span).to_vec();
            let key = Spelling::key(leaf.branch, &leaves.path());
            self.made.draft.push(splice);
            self.made.spellings.push((key, Zeroizing::new(source)));
        }
    }

    fn value_in_place(
        &mut self,
        value: Value<'_>,
        leaf: &Leaf,
        leaves: &Leaves<'_, &'a Selection>,
    ) -> Result<(), EncryptError> {
        let id = leaf.id;
        let Some(ty) = TokenType::of(value.ty) else {
            return Ok(());
        };
        let plaintext = self.plaintext(id, value);
        let token = self.seal.token(plaintext, ty, leaves.aad())?;
        secret::renew(&mut self.text, token);
        let span = self
            .store
            .seal_into(self.document, id, token, &mut self.text);
        self.made.draft.replace(span, &self.text);
        self.made.sealed += 1;
        let value = Value {
            ty: value.ty,
            text: plaintext,
        };
        secret::renew(&mut self.text, plaintext);
        let back = self
            .store
            .open_into(self.document, id, value, &mut self.text);
        let span = self.store.region(self.document, id);
        let region = self.document.slice(span);
        if back != span || self.text.as_slice() != region {
            let key = Spelling::key(leaf.branch, &leaves.path());
            self.made
                .spellings
                .push((key, Zeroizing::new(region.to_vec())));
        }
        Ok(())
    }

    /// What goes into the token: the source's own spelling of a number or truth value
    /// where sops reads it as the same value, else the canonical text.
    fn plaintext<'v>(&self, id: NodeId, value: Value<'v>) -> &'v [u8]
    where
        'd: 'v,
    {
        let raw = self.document.slice(self.document.node(id).body());
        match value.ty {
            Type::Str | Type::Null => value.text,
            ty => match canonical(ty, raw) {
                Some(read) if *read == *value.text => raw,
                _ => value.text,
            },
        }
    }

    fn value_in_alias(
        &mut self,
        leaf: &Leaf,
        alias: NodeId,
        encrypt: bool,
        leaves: &Leaves<'_, &'a Selection>,
    ) -> Result<(), EncryptError> {
        let value = self.document.value(leaf.id);
        self.made.clear += usize::from(!encrypt && !is_nothing(value));
        let token = match TokenType::of(value.ty).filter(|_| encrypt) {
            Some(ty) => Some(self.seal.token(value.text, ty, leaves.aad())?.to_vec()),
            None => None,
        };
        let there = self.in_place[leaf.id as usize];
        let pending = self.pending.get_or_insert_with(|| Pending {
            alias,
            key: Spelling::key(leaf.branch, &leaves.path_to_alias()),
            tokens: Vec::new(),
            expand: false,
        });
        pending.expand |= encrypt || there;
        pending.tokens.push(token);
        Ok(())
    }

    /// An alias that leads to tokens, or stands where there must be some, is written out.
    fn finish_alias(&mut self) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        if !pending.expand {
            return;
        }
        self.made.sealed += pending.tokens.iter().flatten().count();
        let mut tokens = pending.tokens.into_iter();
        let splice = self.store.expand(self.document, pending.alias, &mut |_| {
            tokens.next().flatten()
        });
        let region = self.store.region(self.document, pending.alias);
        let source = self.document.slice(region).to_vec();
        self.made.draft.push(splice);
        self.made
            .spellings
            .push((pending.key, Zeroizing::new(source)));
    }
}
