//! age recipients. Their text comes out of files that anybody can write: whatever the age
//! library would not survive is refused here first, and nothing is ever executed.

use age::ssh::ParseRecipientKeyError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use std::str::FromStr;

/// Why a text is no recipient that this version encrypts to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientProblem {
    /// Neither `age1…` nor `ssh-…`.
    #[error("unknown recipient type: age recipients begin with `age1` or `ssh-`")]
    Unknown,
    /// The wrong half of a pair of keys.
    #[error("this is a secret key; a recipient is its public half, which begins with `age1`")]
    SecretKey,
    /// More than one line, or something that steers a terminal.
    #[error("it holds a line break or another control character")]
    Control,
    /// `age1pq1…`.
    #[error("post-quantum recipients (`age1pq1…`) are not supported yet by this version")]
    PostQuantum,
    /// `age1NAME1…`.
    #[error(
        "recipients of age plugins (here age-plugin-{name}) are not supported yet by this version"
    )]
    Plugin {
        /// The plugin's name, letters, digits and hyphens only.
        name: String,
    },
    /// `age1NAME1…` with a name that is none.
    #[error("the name of an age plugin has only the characters a-z, 0-9 and `-`")]
    PluginName,
    /// Not what `age-keygen` writes.
    #[error("not a whole age recipient: {0}")]
    X25519(&'static str),
    /// A public key that belongs to no secret one: anybody could open what it encrypts.
    #[error("a public key of low order, which protects nothing")]
    LowOrder,
    /// Not what `ssh-keygen` writes.
    #[error("not a whole ssh public key")]
    Ssh,
    /// An ssh key that age has no way to encrypt to.
    #[error("age can use ssh keys of the types ssh-ed25519 and ssh-rsa only")]
    SshType,
    /// An RSA key of another size than age takes.
    #[error("age can use RSA keys of 2048 to 4096 bits only")]
    SshSize,
}

/// A recipient, ready to encrypt to.
pub(super) enum Recipient {
    X25519(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

impl Recipient {
    /// `part` as an armored age file, with the line end that sops keeps behind it.
    pub(super) fn encrypt(&self, part: &[u8]) -> Result<String, age::EncryptError> {
        match self {
            Self::X25519(recipient) => age::encrypt_and_armor(recipient, part),
            Self::Ssh(recipient) => age::encrypt_and_armor(recipient, part),
        }
    }
}

impl FromStr for Recipient {
    type Err = RecipientProblem;

    fn from_str(text: &str) -> Result<Self, RecipientProblem> {
        if text.contains(char::is_control) {
            Err(RecipientProblem::Control)
        } else if text.starts_with("age1pq1") {
            Err(RecipientProblem::PostQuantum)
        } else if let Some(rest) = text.strip_prefix("age1") {
            match rest.rsplit_once('1') {
                Some((name, _)) => Err(plugin(name)),
                None => x25519(text).map(Self::X25519),
            }
        } else if text.starts_with("ssh-") {
            ssh(text).map(Self::Ssh)
        } else if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
            Err(RecipientProblem::SecretKey)
        } else {
            Err(RecipientProblem::Unknown)
        }
    }
}

fn plugin(name: &str) -> RecipientProblem {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || !name.bytes().all(allowed) {
        return RecipientProblem::PluginName;
    }
    RecipientProblem::Plugin {
        name: name.to_owned(),
    }
}

fn x25519(text: &str) -> Result<age::x25519::Recipient, RecipientProblem> {
    let recipient = text.parse().map_err(RecipientProblem::X25519)?;
    if is_low_order(&bech32_data(text)) {
        return Err(RecipientProblem::LowOrder);
    }
    Ok(recipient)
}

/// The bytes of a Bech32 text (BIP 173) whose checksum was verified before.
fn bech32_data(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const CHECKSUM: usize = 6;
    let data = text.rsplit('1').next().unwrap_or_default().as_bytes();
    let data = &data[..data.len().saturating_sub(CHECKSUM)];
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u16, 0);
    for digit in data {
        let value = ALPHABET.iter().position(|c| c == digit).unwrap_or_default();
        bits = (bits << 5) | u16::try_from(value).unwrap_or_default();
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
        }
    }
    bytes
}

/// The points of low order on Curve25519, last bit off. The age library panics on them.
fn is_low_order(point: &[u8]) -> bool {
    const fn around_p(low: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = low;
        bytes[31] = 0x7f;
        bytes
    }
    const fn small(low: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[0] = low;
        bytes
    }
    const LOW: [[u8; 32]; 7] = [
        small(0),
        small(1),
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
            0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd,
            0xd0, 0x9f, 0x11, 0x57,
        ],
        around_p(0xec),
        around_p(0xed),
        around_p(0xee),
    ];
    let Ok(mut point) = <[u8; 32]>::try_from(point) else {
        return true;
    };
    point[31] &= 0x7f;
    LOW.contains(&point)
}

/// The key of a line as it stands in `authorized_keys`: type, key, comment.
fn ssh(text: &str) -> Result<age::ssh::Recipient, RecipientProblem> {
    let mut words = text.split_ascii_whitespace();
    let (Some(name), Some(key)) = (words.next(), words.next()) else {
        return Err(RecipientProblem::Ssh);
    };
    if !matches!(name, "ssh-ed25519" | "ssh-rsa") {
        return Err(RecipientProblem::SshType);
    }
    let blob = BASE64_STANDARD_NO_PAD.decode(key.trim_end_matches('='));
    if !blob.is_ok_and(|blob| is_ssh_key(&blob)) {
        return Err(RecipientProblem::Ssh);
    }
    format!("{name} {key}")
        .parse()
        .map_err(|error| match error {
            ParseRecipientKeyError::RsaModulusTooLarge
            | ParseRecipientKeyError::RsaModulusTooSmall => RecipientProblem::SshSize,
            _ => RecipientProblem::Ssh,
        })
}

/// True for strings each behind its length (RFC 4251, section 5), none of them only zeros: the
/// age library panics on an integer spelled so.
fn is_ssh_key(mut blob: &[u8]) -> bool {
    while !blob.is_empty() {
        let Some((length, rest)) = blob.split_first_chunk::<4>() else {
            return false;
        };
        let length = u32::from_be_bytes(*length) as usize;
        let Some((string, rest)) = rest.split_at_checked(length) else {
            return false;
        };
        if string.iter().all(|&b| b == 0) {
            return false;
        }
        blob = rest;
    }
    true
}
