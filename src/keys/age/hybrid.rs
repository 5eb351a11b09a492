//! Post-quantum keys, `age1pq1…` and `AGE-SECRET-KEY-PQ-1…`: ML-KEM-768 together with X25519
//! (X-Wing) under HPKE, as the age specification has them (c2sp.org/age, "mlkem768x25519").

use super::bech32;
use super::recipient::{RecipientProblem, is_low_order};
use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use std::collections::HashSet;
use std::io;
use zeroize::Zeroizing;

const TAG: &str = "mlkem768x25519";
const INFO: &[u8] = b"age-encryption.org/mlkem768x25519";

/// The prefixes of recipients and identities, in lower case.
const RECIPIENT: &str = "age1pq";
const IDENTITY: &str = "age-secret-key-pq-";

/// Bytes of an X25519 point, which is the last part of a public key and of an encapsulated one.
const POINT_BYTES: usize = 32;

/// Bytes of a wrapped file key: the key, and a tag of Poly1305.
const BODY_BYTES: usize = FILE_KEY_BYTES + 16;

/// The public half.
pub(super) struct Recipient(Box<<XWing as Kem>::PublicKey>);

/// The secret half.
pub(super) struct Identity(Box<<XWing as Kem>::PrivateKey>);

impl Recipient {
    /// The recipient that a text beginning with `age1pq1` is.
    pub(super) fn parse(text: &str) -> Result<Self, RecipientProblem> {
        let decoded = bech32::decode(text).filter(|(prefix, _)| prefix == RECIPIENT);
        let (_, bytes) = decoded.ok_or(RecipientProblem::Hybrid(bech32::INVALID))?;
        let key = <XWing as Kem>::PublicKey::from_bytes(&bytes)
            .map_err(|_| RecipientProblem::Hybrid("not an ML-KEM-768 and an X25519 key"))?;
        if ends_with_low_order(&bytes) {
            return Err(RecipientProblem::LowOrder);
        }
        Ok(Self(Box::new(key)))
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bech32::encode(RECIPIENT, &self.0.to_bytes()))
    }
}

impl age::Recipient for Recipient {
    fn wrap_file_key(
        &self,
        file_key: &FileKey,
    ) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let (encapsulated, body) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            INFO,
            file_key.expose_secret(),
            b"",
        )
        .map_err(|error| EncryptError::Io(io::Error::other(error.to_string())))?;
        let stanza = Stanza {
            tag: TAG.to_owned(),
            args: vec![BASE64_STANDARD_NO_PAD.encode(encapsulated.to_bytes())],
            body,
        };
        Ok((vec![stanza], HashSet::from(["postquantum".to_owned()])))
    }
}

impl Identity {
    /// A new one.
    pub(super) fn generate() -> Self {
        let (secret, _) = XWing::gen_keypair();
        Self(Box::new(secret))
    }

    /// The identity that a text beginning with `AGE-SECRET-KEY-PQ-1` is.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let decoded = bech32::decode(text).filter(|(prefix, _)| prefix == IDENTITY);
        let (_, seed) = decoded.ok_or(bech32::INVALID)?;
        let secret = <XWing as Kem>::PrivateKey::from_bytes(&seed);
        let secret = secret.map_err(|_| "incorrect length")?;
        Ok(Self(Box::new(secret)))
    }

    /// The recipient that belongs to it.
    pub(super) fn to_public(&self) -> Recipient {
        Recipient(Box::new(XWing::sk_to_pk(&self.0)))
    }

    /// Its text.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.0.to_bytes());
        let mut text = bech32::encode(IDENTITY, &seed);
        text.make_ascii_uppercase();
        text
    }

    fn unwrap(&self, stanza: &Stanza) -> Result<Option<FileKey>, DecryptError> {
        let [encapsulated] = &stanza.args[..] else {
            return Err(DecryptError::InvalidHeader);
        };
        let encapsulated = BASE64_STANDARD_NO_PAD.decode(encapsulated);
        let encapsulated = encapsulated.map_err(|_| DecryptError::InvalidHeader)?;
        // hpke goes on with a point that makes the X25519 half known to everybody
        if ends_with_low_order(&encapsulated) || stanza.body.len() != BODY_BYTES {
            return Err(DecryptError::InvalidHeader);
        }
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(&encapsulated)
            .map_err(|_| DecryptError::InvalidHeader)?;
        // Whose stanza it is shows only here: ML-KEM gives another secret instead of an error.
        let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            INFO,
            &stanza.body,
            b"",
        );
        let opened = opened.ok().map(Zeroizing::new);
        Ok(opened.map(|key| FileKey::init_with_mut(|place| place.copy_from_slice(&key))))
    }
}

impl age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != TAG {
            return None;
        }
        self.unwrap(stanza).transpose()
    }
}

/// True where the X25519 point at the end of `key` would make the shared secret zero.
fn ends_with_low_order(key: &[u8]) -> bool {
    key.last_chunk::<POINT_BYTES>()
        .is_none_or(|point| is_low_order(point))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const SECRET: &str =
        "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR";

    fn problem(text: &str) -> RecipientProblem {
        match Recipient::parse(text) {
            Ok(_) => panic!("it was taken"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn the_recipient_of_the_specification_belongs_to_its_identity() {
        let identity = Identity::parse(SECRET).expect("identity");
        let recipient = identity.to_public().to_string();
        assert!(recipient.starts_with("age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzx"));
        assert_eq!(recipient.len(), 1959);
        assert_eq!(*identity.to_text(), SECRET);
        assert_eq!(
            Recipient::parse(&recipient).expect("recipient").to_string(),
            recipient
        );
    }

    #[test]
    fn what_is_wrapped_is_unwrapped_by_its_identity_only() {
        let (ours, other) = (Identity::generate(), Identity::generate());
        let file = age::encrypt_and_armor(&ours.to_public(), b"part").expect("encrypted");
        assert_eq!(age::decrypt(&ours, file.as_bytes()).expect("part"), b"part");
        assert!(matches!(
            age::decrypt(&other, file.as_bytes()),
            Err(DecryptError::NoMatchingKeys)
        ));
    }

    #[test]
    fn a_mistyped_recipient_is_refused() {
        let whole = Identity::parse(SECRET)
            .expect("identity")
            .to_public()
            .to_string();
        let shorter = bech32::encode(RECIPIENT, &[9; 1215]);
        for text in [
            &whole[..1900],
            &whole.replace("x34", "x43"),
            &shorter,
            "age1pq1",
        ] {
            assert!(
                matches!(problem(text), RecipientProblem::Hybrid(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn keys_that_protect_nothing_are_refused() {
        let (_, mut bytes) =
            bech32::decode(&Identity::generate().to_public().to_string()).expect("intact");
        let end = bytes.len() - POINT_BYTES;
        bytes[end..].fill(0);
        let low = bech32::encode(RECIPIENT, &bytes);
        assert_eq!(problem(&low), RecipientProblem::LowOrder);
        // coefficients over the modulus, which FIPS 203 has us refuse
        bytes[..end].fill(0xff);
        bytes[end..].fill(9);
        let over = bech32::encode(RECIPIENT, &bytes);
        assert!(matches!(problem(&over), RecipientProblem::Hybrid(_)));
    }

    #[test]
    fn a_mistyped_identity_is_refused() {
        for text in [
            &SECRET[..60],
            &SECRET.replace("XX7", "X7X"),
            "AGE-SECRET-KEY-PQ-1",
        ] {
            assert!(Identity::parse(text).is_err(), "{text}");
        }
        let long = bech32::encode(IDENTITY, &[9; 33]).to_ascii_uppercase();
        assert!(Identity::parse(&long).is_err());
    }
}
