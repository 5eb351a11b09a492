//! The self-check: what was written decrypts to what was read, and by the keys that it names.

use super::{EncryptError, Seal};
use crate::crypto::{DataKey, Token, TokenType};
use crate::decrypt::{self, DecryptOptions};
use crate::document::{Document, LeafKind, NodeId};
use crate::metadata::Metadata;
use crate::store::{ParseOptions, Store};
use zeroize::Zeroizing;

/// The metadata as a reader finds it in `document`, the encrypted text. What a format has no way to
/// write would be missed only when the file is opened again, by nobody.
///
/// # Errors
/// [`EncryptError::SelfCheckMetadata`] where it holds other wrapped keys than `written`, or another
/// rule for what is encrypted.
pub(super) fn read_back(
    store: &dyn Store,
    document: &Document,
    written: &Metadata,
) -> Result<Metadata, EncryptError> {
    let data = store.metadata(document).ok().flatten();
    let read = data.and_then(|data| Metadata::from_data_of_any_version(&data).ok());
    let rule = |metadata: &Metadata| metadata.selection.field().map(|(name, _)| name);
    let is_written = |read: &Metadata| {
        read.keys.same_wrapped(&written.keys)
            && rule(written).is_none_or(|name| rule(read) == Some(name))
            && read.mac_only_encrypted == written.mac_only_encrypted
    };
    read.filter(is_written)
        .ok_or(EncryptError::SelfCheckMetadata)
}

/// What the written text is held against.
pub(super) struct Check<'a> {
    pub(super) plain: &'a Document,
    pub(super) has_comments: bool,
    /// What must come back.
    pub(super) original: &'a [u8],
    pub(super) store: &'a dyn Store,
    pub(super) parsing: ParseOptions,
    pub(super) metadata: &'a Metadata,
    pub(super) data_key: &'a DataKey,
}

impl Check<'_> {
    /// Gives `text`, the encrypted file, where it decrypts to the original with what it says of
    /// itself.
    pub(super) fn finish(
        &self,
        text: Zeroizing<Vec<u8>>,
        seal: &mut Seal<'_, '_>,
    ) -> Result<Zeroizing<Vec<u8>>, EncryptError> {
        let mut document = self
            .store
            .parse(text, self.parsing)
            .map_err(EncryptError::SelfCheckParse)?;
        let metadata = read_back(self.store, &document, self.metadata)?;
        if self.has_comments {
            self.rebind_comments(&mut document, seal)?;
        }
        let failed = |error| EncryptError::SelfCheckDecrypt(Box::new(error));
        let (store, key) = (self.store, self.data_key);
        if decrypt::comes_back(&document, store, &metadata, key, self.original).map_err(failed)? {
            return Ok(document.source);
        }
        let options = DecryptOptions {
            parsing: self.parsing,
            ..DecryptOptions::default()
        };
        let back = decrypt::decrypt(&document, store, &metadata, key, options, None);
        let back = back.map_err(failed)?;
        if *back.text == *self.original {
            return Ok(document.source);
        }
        let pairs = back.text.iter().zip(self.original);
        let offset = pairs.take_while(|(a, b)| a == b).count();
        Err(EncryptError::SelfCheck { offset })
    }

    /// A comment belongs to the container that the *encrypted* text puts it in: the metadata
    /// block behind a last comment can move it to another one. Such a comment is sealed
    /// again, for the place where it will be read; the token keeps its length.
    fn rebind_comments(
        &self,
        document: &mut Document,
        seal: &mut Seal<'_, '_>,
    ) -> Result<(), EncryptError> {
        let before = self.containers(self.plain);
        let after = self.containers(document);
        for (old, new) in before.iter().zip(&after) {
            if !old.sealed || old.aad == new.aad {
                continue;
            }
            let text = self.plain.value(old.id).text;
            let token = seal.token(text, TokenType::Comment, &new.aad)?;
            let node = *document.node(new.id);
            let replacement = self.store.seal(document, new.id, token);
            if replacement.text.len() == node.span.range().len() {
                document.source[node.span.range()].copy_from_slice(&replacement.text);
            }
        }
        Ok(())
    }

    /// Every comment in the order of the text.
    fn containers(&self, document: &Document) -> Vec<PlacedComment> {
        let mut found = Vec::new();
        let selection = &self.metadata.selection;
        let mut leaves = document.leaves(selection);
        while let Some(leaf) = leaves.advance() {
            if leaf.kind == LeafKind::Comment {
                let text = document.value(leaf.id).text;
                found.push(PlacedComment {
                    id: leaf.id,
                    sealed: selection.covers(&leaf) && !text.is_empty() && !Token::looks_like(text),
                    aad: leaves.aad().to_vec(),
                });
            }
        }
        found.sort_by_key(|comment| document.node(comment.id).span.start);
        found
    }
}

/// A comment, whether it is encrypted, and the additional data of its container.
struct PlacedComment {
    id: NodeId,
    sealed: bool,
    aad: Vec<u8>,
}
