//! age recipients. Their text comes out of files that anybody can write: whatever the age
//! library would not survive is refused here first, and nothing is ever executed.

use super::plugin::{self, Host, PluginError};
use super::{bech32, hybrid};
use age::armor::{ArmoredWriter, Format};
use age::ssh::ParseRecipientKeyError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use std::cell::RefCell;
use std::io::{self, Write};
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
    /// `age1pq1…`, but incomplete or mistyped.
    #[error("not a whole post-quantum recipient: {0}")]
    Hybrid(&'static str),
    /// `age1NAME1…`, but incomplete or mistyped.
    #[error("not a whole recipient of age-plugin-{name}: {why}")]
    Plugin {
        /// The plugin's name, letters, digits and `+-._` only.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// `age1NAME1…` with a name that is none.
    #[error(
        "the name of an age plugin has only the characters a-z, 0-9, `+`, `-`, `.` and `_`, and begins with neither `-` nor `.`"
    )]
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
    Hybrid(hybrid::Recipient),
    Plugin { name: String, text: String },
    Ssh(age::ssh::Recipient),
}

impl Recipient {
    /// `part` as an armored age file, with the line end that sops keeps behind it. A plugin needs
    /// a `host`.
    pub(super) fn encrypt(
        &self,
        part: &[u8],
        host: Option<Host<'_>>,
    ) -> Result<String, age::EncryptError> {
        match self {
            Self::X25519(recipient) => armored(recipient, part),
            Self::Hybrid(recipient) => armored(recipient, part),
            Self::Ssh(recipient) => armored(recipient, part),
            Self::Plugin { name, text } => {
                let Some(host) = host else {
                    let program = format!("age-plugin-{name}");
                    let why = "no programs are run here".to_owned();
                    let error = PluginError::Start { program, why };
                    return Err(io::Error::other(error).into());
                };
                let host = RefCell::new(host);
                let recipient = plugin::Recipient { name, text, host };
                armored(&recipient, part)
            }
        }
    }
}

/// As the age library's own `encrypt_and_armor`, which panics where a recipient fails.
fn armored(recipient: &dyn age::Recipient, part: &[u8]) -> Result<String, age::EncryptError> {
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient))?;
    let mut text = Vec::new();
    let armor = ArmoredWriter::wrap_output(&mut text, Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armor)?;
    writer.write_all(part)?;
    writer.finish()?.finish()?;
    String::from_utf8(text).map_err(|error| io::Error::other(error).into())
}

impl FromStr for Recipient {
    type Err = RecipientProblem;

    fn from_str(text: &str) -> Result<Self, RecipientProblem> {
        if text.contains(char::is_control) {
            Err(RecipientProblem::Control)
        } else if text.starts_with("age1pq1") {
            hybrid::Recipient::parse(text).map(Self::Hybrid)
        } else if let Some(rest) = text.strip_prefix("age1") {
            match rest.rsplit_once('1') {
                Some((name, _)) => plugin(name, text),
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

fn plugin(name: &str, text: &str) -> Result<Recipient, RecipientProblem> {
    if !plugin::is_name(name) || name.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(RecipientProblem::PluginName);
    }
    let name = name.to_owned();
    if bech32::decode(text).is_none() {
        let why = bech32::INVALID;
        return Err(RecipientProblem::Plugin { name, why });
    }
    let text = text.to_owned();
    Ok(Recipient::Plugin { name, text })
}

/// The name of the plugin that a recipient is of.
pub(super) fn plugin_name(recipient: &str) -> Option<&str> {
    let (name, _) = recipient.strip_prefix("age1")?.rsplit_once('1')?;
    Some(name).filter(|name| *name != "pq" && plugin::is_name(name))
}

fn x25519(text: &str) -> Result<age::x25519::Recipient, RecipientProblem> {
    let recipient = text.parse().map_err(RecipientProblem::X25519)?;
    if bech32::decode(text).is_none_or(|(_, point)| is_low_order(&point)) {
        return Err(RecipientProblem::LowOrder);
    }
    Ok(recipient)
}

/// The points of low order on Curve25519, last bit off. The age library panics on them.
pub(super) fn is_low_order(point: &[u8]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";

    /// Zero, a point of order 8 with its last bit set, and p + 1.
    const LOW_ORDER: [&str; 3] = [
        "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
        "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhzqqxqejhu",
        "age1amlllllllllllllllllllllllllllllllllllllllllllllllalselrwrv",
    ];

    /// Exponent and modulus are spelled as zero bytes.
    const ZERO_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAABAAAAAAIAAA==";

    fn problem(text: &str) -> RecipientProblem {
        match text.parse::<Recipient>() {
            Ok(_) => panic!("{text} was taken"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn x25519_and_ssh_recipients_are_taken() {
        let ssh = include_str!("../../../testdata/keys/ssh.pub").trim();
        let rsa = include_str!("../../../testdata/keys/rsa.pub").trim();
        let bare = ssh.split(' ').take(2).collect::<Vec<_>>().join(" ");
        for text in [A, ssh, rsa, &bare] {
            assert!(text.parse::<Recipient>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_this_version_cannot_encrypt_to_is_named() {
        let (name, why) = ("yubikey".to_owned(), bech32::INVALID);
        assert_eq!(
            problem("age1yubikey1qqqq"),
            RecipientProblem::Plugin { name, why }
        );
        assert_eq!(
            problem("ssh-dss AAAAB3NzaC1kc3M"),
            RecipientProblem::SshType
        );
    }

    #[test]
    fn a_plugin_cannot_be_named_like_a_path() {
        for text in [
            "age1../../tmp/x1qqqq",
            "age1a b1qq",
            "age1X1qq",
            "age11qqqq",
            "age1é1qq",
            "age1..1qq",
            "age1-x1qq",
            "age1.x1qq",
            "age1x/y1qq",
            "age1x\\y1qq",
        ] {
            assert_eq!(problem(text), RecipientProblem::PluginName, "{text}");
        }
    }

    #[test]
    fn a_secret_key_is_refused_and_not_repeated() {
        let secret = include_str!("../../../testdata/keys/a.key").trim();
        let problem = problem(secret);
        assert_eq!(problem, RecipientProblem::SecretKey);
        assert!(!problem.to_string().contains(&secret[16..]));
    }

    #[test]
    fn a_mistyped_recipient_is_refused() {
        assert!(matches!(
            problem(&A.replace("x98", "x99")),
            RecipientProblem::X25519(_)
        ));
        assert!(matches!(problem(&A[..40]), RecipientProblem::X25519(_)));
        assert_eq!(problem("me@example.org"), RecipientProblem::Unknown);
        assert_eq!(problem(""), RecipientProblem::Unknown);
        assert_eq!(problem(&format!("{A}\nage1")), RecipientProblem::Control);
    }

    #[test]
    fn points_of_low_order_are_refused_in_every_spelling() {
        for text in LOW_ORDER {
            assert_eq!(problem(text), RecipientProblem::LowOrder, "{text}");
        }
    }

    #[test]
    fn an_rsa_key_of_zeros_is_refused() {
        assert_eq!(problem(ZERO_RSA), RecipientProblem::Ssh);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(age1|ssh-rsa |ssh-ed25519 |age1pq1|)[ -~]{0,120}") {
            let _ = text.parse::<Recipient>();
        }

        #[test]
        fn what_parses_encrypts(blob in proptest::collection::vec(any::<u8>(), 0..80), zeros in 0..8_u8) {
            let mut wire = b"\0\0\0\x07ssh-rsa\0\0\0".to_vec();
            wire.push(zeros);
            wire.extend(std::iter::repeat_n(0, usize::from(zeros)));
            wire.extend(&blob);
            let text = format!("ssh-rsa {}", BASE64_STANDARD_NO_PAD.encode(wire));
            if let Ok(recipient) = text.parse::<Recipient>() {
                prop_assert!(recipient.encrypt(&[0; 32], None).is_ok());
            }
        }
    }
}
