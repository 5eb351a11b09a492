//! Tokens: what stands in a file for an encrypted value,
//! `ENC[AES256_GCM,data:…,iv:…,tag:…,type:str]`.
//!
//! Taking one apart knows no key; see [`Sealer`](super::Sealer) for opening it.

use super::Cipher;
use crate::document::Type;
use memchr::{memchr, memrchr, memrchr_iter};

/// What a decrypted value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// Text, or bytes that are no text.
    Str,
    /// A whole number.
    Int,
    /// A floating point number.
    Float,
    /// True or false.
    Bool,
    /// A point in time.
    Time,
    /// A comment, without its sign.
    Comment,
    /// Bytes. Never written; sops knows the name, but cannot open such a token.
    Bytes,
}

impl TokenType {
    const ALL: [Self; 7] = [
        Self::Str,
        Self::Int,
        Self::Float,
        Self::Bool,
        Self::Time,
        Self::Comment,
        Self::Bytes,
    ];

    /// The name in a token.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::Comment => "comment",
            Self::Bytes => "bytes",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|ty| ty.name().as_bytes() == name)
    }

    /// The token type for a value of `ty`; `None` for null, which is never encrypted.
    #[must_use]
    pub fn of(ty: Type) -> Option<Self> {
        match ty {
            Type::Null => None,
            Type::Str => Some(Self::Str),
            Type::Int => Some(Self::Int),
            Type::Float => Some(Self::Float),
            Type::Bool => Some(Self::Bool),
            Type::Time => Some(Self::Time),
        }
    }

    /// The type of the value in the token; `None` for a comment, which is no value.
    #[must_use]
    pub fn value(self) -> Option<Type> {
        match self {
            Self::Str | Self::Bytes => Some(Type::Str),
            Self::Int => Some(Type::Int),
            Self::Float => Some(Type::Float),
            Self::Bool => Some(Type::Bool),
            Self::Time => Some(Type::Time),
            Self::Comment => None,
        }
    }
}

/// Why a text cannot be read as a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has not the shape of one.
    #[error("not an encrypted value")]
    Shape,
    /// It has the shape, but names a type that there is not.
    #[error("an encrypted value of unknown type")]
    Type,
}

/// A token, taken apart. The groups are base64 and not yet decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The cipher it names.
    pub cipher: Cipher,
    /// The encrypted value.
    pub data: &'a [u8],
    /// The initialisation vector (nonce).
    pub iv: &'a [u8],
    /// The authentication tag.
    pub tag: &'a [u8],
    /// What the value is. Not authenticated: anyone can change it.
    pub ty: TokenType,
    /// The bytes from `ENC[` to the closing `]`.
    pub text: &'a [u8],
}

impl<'a> Token<'a> {
    /// Reads the token at the start of `text`, as sops does: behind the prefix four groups of
    /// one or more characters, none a line end, each as long as it can be. What follows the last
    /// `]` of the line is ignored. Linear in the length of `text`.
    ///
    /// # Errors
    /// [`TokenError`] where no token stands there, or one of unknown type.
    pub fn parse(text: &'a [u8]) -> Result<Self, TokenError> {
        let shape = Shape::of(text).ok_or(TokenError::Shape)?;
        let ty = TokenType::from_name(shape.ty).ok_or(TokenError::Type)?;
        Ok(Self {
            cipher: shape.cipher,
            data: shape.data,
            iv: shape.iv,
            tag: shape.tag,
            ty,
            text: &text[..shape.len],
        })
    }

    /// True where a token stands at the start of `text`, whatever its type and content.
    #[must_use]
    pub fn looks_like(text: &[u8]) -> bool {
        Shape::of(text).is_some()
    }
}

/// The groups of a token, whatever is in them.
struct Shape<'a> {
    cipher: Cipher,
    data: &'a [u8],
    iv: &'a [u8],
    tag: &'a [u8],
    ty: &'a [u8],
    /// The length of the whole token.
    len: usize,
}

impl<'a> Shape<'a> {
    /// The groups are split off from the right. As each is the longest there can be, the last
    /// place of a separator is its place, if only the groups behind it are not empty.
    fn of(text: &'a [u8]) -> Option<Self> {
        let inner = text.strip_prefix(b"ENC[")?;
        let (cipher, groups) = Cipher::ALL.into_iter().find_map(|cipher| {
            let rest = inner.strip_prefix(cipher.name().as_bytes())?;
            Some((cipher, rest.strip_prefix(b",data:")?))
        })?;
        let line = &groups[..memchr(b'\n', groups).unwrap_or(groups.len())];
        let end = memrchr(b']', line)?;
        let (rest, ty) = split_last(&line[..end], b",type:")?;
        let (rest, tag) = split_last(rest, b",tag:")?;
        let (data, iv) = split_last(rest, b",iv:")?;
        (!data.is_empty()).then(|| Self {
            cipher,
            data,
            iv,
            tag,
            ty,
            len: text.len() - groups.len() + end + 1,
        })
    }
}

/// What stands before and behind the last `separator` that has something behind it.
fn split_last<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let searched = &text[..text.len().saturating_sub(1)];
    let at = memrchr_iter(b',', searched).find(|&at| searched[at..].starts_with(separator))?;
    Some((&text[..at], &text[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::bytes::Regex;
    use std::sync::LazyLock;

    static ORACLE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^(?-u:ENC\[(AES256_GCM|XCHACHA20_POLY1305),data:(.+),iv:(.+),tag:(.+),type:(.+)\])",
        )
        .unwrap()
    });

    /// Groups and length by the very expression, on a regex engine.
    fn oracle(text: &[u8]) -> Option<[&[u8]; 6]> {
        let found = ORACLE.captures(text)?;
        Some([0, 1, 2, 3, 4, 5].map(|group| found.get(group).unwrap().as_bytes()))
    }

    fn ours(text: &[u8]) -> Option<[&[u8]; 6]> {
        let shape = Shape::of(text)?;
        let name = shape.cipher.name().as_bytes();
        let whole = &text[..shape.len];
        Some([whole, name, shape.data, shape.iv, shape.tag, shape.ty])
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = b"ENC[AES256_GCM,data:oYyi,iv:MyID,tag:t5z2,type:str]";
        let token = Token::parse(text).unwrap();
        assert_eq!(token.cipher, Cipher::Aes256Gcm);
        assert_eq!((token.data, token.iv), (&b"oYyi"[..], &b"MyID"[..]));
        assert_eq!((token.tag, token.ty), (&b"t5z2"[..], TokenType::Str));
        assert_eq!(token.text, text);
    }

    #[test]
    fn what_follows_is_ignored_but_nothing_may_stand_before() {
        let token = Token::parse(b"ENC[XCHACHA20_POLY1305,data:a,iv:b,tag:c,type:int] x\n]");
        let token = token.unwrap();
        assert_eq!(token.cipher, Cipher::XChaCha20Poly1305);
        assert!(token.text.ends_with(b"type:int]"));
        let before = b" ENC[AES256_GCM,data:a,iv:b,tag:c,type:int]";
        assert_eq!(Token::parse(before), Err(TokenError::Shape));
        let empty = b"ENC[AES256_GCM,data:,iv:b,tag:c,type:int]";
        assert_eq!(Token::parse(empty), Err(TokenError::Shape));
    }

    #[test]
    fn an_unknown_type_is_told_from_no_token() {
        let text = b"ENC[AES256_GCM,data:a,iv:b,tag:c,type:Str]";
        assert_eq!(Token::parse(text), Err(TokenError::Type));
        assert!(Token::looks_like(text));
        assert!(!Token::looks_like(
            b"ENC[AES256_CBC,data:a,iv:b,tag:c,type:str]"
        ));
    }

    #[test]
    fn every_type_has_a_name_that_leads_back() {
        for ty in TokenType::ALL {
            assert_eq!(TokenType::from_name(ty.name().as_bytes()), Some(ty));
        }
        for ty in [Type::Str, Type::Int, Type::Float, Type::Bool, Type::Time] {
            assert_eq!(TokenType::of(ty).and_then(TokenType::value), Some(ty));
        }
        assert_eq!(TokenType::of(Type::Null), None);
        assert_eq!(TokenType::Comment.value(), None);
    }

    #[test]
    fn groups_of_separators_cost_no_more_than_their_length() {
        let mut text = b"ENC[AES256_GCM,data:".to_vec();
        text.extend(b",iv:x,tag:x,type:x".repeat(100_000));
        assert!(!Token::looks_like(&text));
        text.push(b']');
        assert!(Token::looks_like(&text));
    }

    /// Texts of the pieces of tokens, so that many come close to being one.
    fn nearly_a_token() -> impl Strategy<Value = Vec<u8>> {
        let pieces: [&[u8]; 11] = [
            b",iv:", b",tag:", b",type:", b"]", b",", b"\n", b"\r", b"a", b"\xff", b"str", b"ENC[",
        ];
        let prefixes: [&[u8]; 4] = [
            b"ENC[AES256_GCM,data:",
            b"ENC[AES256_GCM,data:a,iv:",
            b"ENC[XCHACHA20_POLY1305,data:",
            b"ENC[",
        ];
        let prefix = prop::sample::select(prefixes.to_vec());
        let piece = prop::sample::select(pieces.to_vec());
        (prefix, prop::collection::vec(piece, 0..14))
            .prop_map(|(prefix, pieces)| [prefix, &pieces.concat()].concat())
    }

    proptest! {
        #[test]
        fn it_reads_what_the_expression_of_sops_reads(text in nearly_a_token()) {
            prop_assert_eq!(ours(&text), oracle(&text));
        }

        #[test]
        fn so_it_does_for_a_damaged_token(at in 0usize..75, byte: u8, cut in 0usize..76) {
            let mut text = b"ENC[AES256_GCM,data:oYyi,iv:MyIDYbT718JRr11QtBkcj,tag:t5z2Z023,type:str]".to_vec();
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            text.truncate(cut);
            prop_assert_eq!(ours(&text), oracle(&text));
        }
    }
}
