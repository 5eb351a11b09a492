//! age identities: what the caller found in its places, and what they open.
//!
//! One source that cannot be used does not stop the others; it is told about where nothing
//! opens a file. What is protected by a passphrase stays shut until nothing else helped.

use super::super::Prompt;
use super::bech32;
use super::hybrid;
use super::locked::{Inside, Locked};
use super::plugin::{self, Host, Plugins};
use super::recipient::plugin_name;
use super::source::{
    AgeError, IdentityProblem, IdentitySource, MAX_FILE, Reason, is_age_file, is_private_key,
};
use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor, Identity, ssh};
use std::cell::RefCell;
use std::fmt;
use std::io::{BufRead, Read};
use std::mem::discriminant;
use zeroize::Zeroizing;

/// More bytes than any part of a data key has.
const MAX_PART: usize = 128;

/// All age identities at hand.
#[derive(Default)]
pub struct AgeIdentities {
    open: Vec<Opener>,
    plugged: Vec<Plugged>,
    locked: Vec<Locked>,
    problems: Vec<(String, IdentityProblem)>,
    missing: Vec<String>,
    /// What was unlocked since somebody last asked for it.
    unlocked: Vec<Unlocked>,
    /// Whether an identity opens nothing but what is for its own recipient.
    only_own: bool,
}

/// What a passphrase unlocked, in a form that others open without asking.
pub struct Unlocked {
    /// How its place is called in messages.
    pub origin: String,
    /// Identities as text, or a private ssh key.
    pub content: Zeroizing<Vec<u8>>,
    /// The passphrase of the ssh key.
    pub passphrase: Option<Zeroizing<String>>,
}

/// Without what it holds.
impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unlocked({})", self.origin)
    }
}

/// An identity that is ready, and the recipient that belongs to it.
pub(super) struct Opener {
    pub(super) recipient: String,
    pub(super) identity: Box<dyn Identity + Send + Sync>,
}

/// An identity of a plugin.
struct Plugged {
    origin: String,
    name: String,
    text: Zeroizing<String>,
}

/// What a word is.
pub(super) enum Word {
    Opener(Opener),
    /// The name of the plugin.
    Plugin(String),
}

/// Who may be asked, and the programs that may be run once somebody may.
pub(super) struct Asking<'a> {
    pub(super) prompt: &'a mut dyn Prompt,
    pub(super) plugins: Option<&'a mut dyn Plugins>,
}

impl fmt::Debug for AgeIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgeIdentities")
            .field("open", &self.open.len())
            .field("plugged", &self.plugged.len())
            .field("locked", &self.locked.len())
            .field("problems", &self.problems)
            .field("missing", &self.missing)
            .field("unlocked", &self.unlocked)
            .field("only_own", &self.only_own)
            .finish()
    }
}

impl AgeIdentities {
    /// The identities of all sources, in their order.
    #[must_use]
    pub fn load(sources: impl IntoIterator<Item = IdentitySource>) -> Self {
        let mut identities = Self::default();
        identities.extend(sources);
        identities
    }

    /// Adds the identities of more sources.
    pub fn extend(&mut self, sources: impl IntoIterator<Item = IdentitySource>) {
        for source in sources {
            self.add(source);
        }
    }

    /// The recipients of the identities that are open, without those behind a passphrase or a
    /// plugin.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.open.iter().map(|opener| opener.recipient.as_str())
    }

    /// From now on an identity is tried only on what is for its own recipient, and those of a
    /// plugin on what is for recipients of that plugin.
    pub fn only_own(&mut self) {
        self.only_own = true;
    }

    /// What passphrases unlocked since this was last called.
    pub fn take_unlocked(&mut self) -> Vec<Unlocked> {
        std::mem::take(&mut self.unlocked)
    }

    /// Unlocks what is locked by what `prompt` answers; what cannot be is a problem afterwards.
    pub fn unlock_all(&mut self, prompt: &mut dyn Prompt) {
        while !self.locked.is_empty() {
            self.unlock(0, prompt);
        }
    }

    /// Sources that could not be used, and why.
    #[must_use]
    pub fn problems(&self) -> &[(String, IdentityProblem)] {
        &self.problems
    }

    fn add(&mut self, source: IdentitySource) {
        match source {
            IdentitySource::Missing { origin } => self.missing.push(origin),
            IdentitySource::Failed { origin, why } => {
                self.problem(&origin, IdentityProblem::Failed(why));
            }
            IdentitySource::Text { origin, text } if is_age_file(text.as_bytes()) => {
                self.add_file(origin, text.as_bytes().to_vec());
            }
            IdentitySource::Text { origin, text } if is_private_key(text.as_bytes()) => {
                self.add_ssh(origin, text.as_bytes());
            }
            IdentitySource::Text { origin, text } => self.add_text(&origin, &text),
            IdentitySource::EncryptedFile { origin, bytes } => self.add_file(origin, bytes),
            IdentitySource::Ssh { origin, bytes } => self.add_ssh(origin, &bytes),
        }
    }

    /// Identities word by word; a word that begins with `#` starts a comment.
    fn add_text(&mut self, origin: &str, text: &str) {
        let mut found = false;
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            for word in line.split_whitespace().take_while(|w| !w.starts_with('#')) {
                found = true;
                match identity(word, at + 1) {
                    Ok(Word::Opener(opener)) => self.open.push(opener),
                    Ok(Word::Plugin(name)) => self.plugged.push(Plugged {
                        origin: origin.to_owned(),
                        name,
                        text: Zeroizing::new(word.to_owned()),
                    }),
                    Err(problem) => self.problem(origin, problem),
                }
            }
        }
        if !found {
            self.missing.push(origin.to_owned());
        }
    }

    fn add_file(&mut self, origin: String, bytes: Vec<u8>) {
        if bytes.len() > MAX_FILE {
            self.problem(&origin, IdentityProblem::TooLarge);
        } else {
            self.locked.push(Locked::file(origin, bytes));
        }
    }

    fn add_ssh(&mut self, origin: String, bytes: &[u8]) {
        let identity = ssh::Identity::from_buffer(bytes, None).ok();
        let recipient = identity.clone().map(ssh::Recipient::try_from);
        let (Some(identity), Some(Ok(recipient))) = (identity, recipient) else {
            return self.problem(&origin, IdentityProblem::Ssh);
        };
        let recipient = recipient.to_string();
        if let ssh::Identity::Encrypted(key) = identity {
            self.locked.push(Locked::ssh(origin, recipient, key, bytes));
        } else {
            self.open.push(Opener {
                recipient,
                identity: Box::new(identity),
            });
        }
    }

    /// True where something behind a passphrase or a plugin might open what is encrypted to
    /// `recipient`.
    pub(super) fn would_ask(&self, recipient: &str) -> bool {
        !self.plugged.is_empty() || self.locked.iter().any(|locked| locked.fits(recipient))
    }

    /// What the age file `enc`, made for `recipient`, holds. Without `asking`, nobody is asked and
    /// no plugin run, as it may ask.
    pub(super) fn open(
        &mut self,
        recipient: &str,
        enc: &str,
        asking: Option<Asking<'_>>,
    ) -> Result<Zeroizing<Vec<u8>>, AgeError> {
        let mut reason = Reason::NoIdentity;
        let mut opened = self.try_open(recipient, enc, 0);
        if let Some(mut asking) = asking {
            let mut run = 0;
            loop {
                opened = opened.or_else(|why| {
                    reason.learn(why);
                    self.try_plugins(recipient, enc, run, &mut asking)
                });
                run = self.plugged.len();
                let locked = self.locked.iter().position(|l| l.fits(recipient));
                let (Err(_), Some(at)) = (&opened, locked) else {
                    break;
                };
                let tried = self.open.len();
                self.unlock(at, asking.prompt);
                opened = opened.or_else(|why| {
                    reason.learn(why);
                    self.try_open(recipient, enc, tried)
                });
            }
        }
        opened.map_err(|why| {
            reason.learn(why);
            AgeError {
                reason,
                recipient: recipient.into(),
                problems: self.problems.clone(),
                missing: self.missing.clone(),
            }
        })
    }

    /// Tries the identities from the `first`, the one that belongs to `recipient` before others.
    fn try_open(
        &self,
        recipient: &str,
        enc: &str,
        first: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Reason> {
        let is_other = |opener: &Opener| !same_recipient(&opener.recipient, recipient);
        let mut openers: Vec<&Opener> = self.open[first..].iter().collect();
        openers.retain(|opener| !(self.only_own && is_other(opener)));
        openers.sort_by_key(|opener| is_other(opener));
        let mut reason = Reason::NoIdentity;
        for opener in openers {
            match decrypt(enc.trim().as_bytes(), &*opener.identity, MAX_PART) {
                Ok(part) => return Ok(part),
                Err(error) => reason.learn(error.into()),
            }
        }
        Err(reason)
    }

    /// Tries the identities of plugins from the `first`, those of the recipient's own plugin
    /// before others. Of those others it is only noted that they failed.
    fn try_plugins(
        &mut self,
        recipient: &str,
        enc: &str,
        first: usize,
        asking: &mut Asking<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Reason> {
        let mut reason = Reason::NoIdentity;
        let Some(plugins) = asking.plugins.as_deref_mut() else {
            return Err(reason);
        };
        let own = plugin_name(recipient);
        let is_other = |plugged: &Plugged| own != Some(plugged.name.as_str());
        let mut plugged: Vec<&Plugged> = self.plugged[first..].iter().collect();
        plugged.retain(|plugged| !(self.only_own && is_other(plugged)));
        plugged.sort_by_key(|plugged| is_other(plugged));
        let mut problems = Vec::new();
        for plugged in plugged {
            let identity = plugin::Identity {
                name: &plugged.name,
                text: &plugged.text,
                host: RefCell::new(Host {
                    plugins: &mut *plugins,
                    prompt: &mut *asking.prompt,
                }),
            };
            let opened = decrypt(enc.trim().as_bytes(), &identity, MAX_PART);
            match opened.map_err(Reason::from) {
                Ok(part) => return Ok(part),
                Err(Reason::Plugin(error)) if is_other(plugged) => {
                    problems.push((plugged.origin.clone(), IdentityProblem::Plugin(error)));
                }
                Err(why) => reason.learn(why),
            }
        }
        for (origin, problem) in problems {
            self.problem(&origin, problem);
        }
        Err(reason)
    }

    /// Unlocks what is locked at `at`, which is open or a problem afterwards.
    fn unlock(&mut self, at: usize, prompt: &mut (dyn Prompt + '_)) {
        let locked = self.locked.remove(at);
        let origin = locked.origin.clone();
        match locked.unlock(prompt) {
            Ok((inside, unlocked)) => {
                self.unlocked.push(unlocked);
                match inside {
                    Inside::Text(text) => self.add_text(&origin, &text),
                    Inside::Ssh(opener) => self.open.push(opener),
                }
            }
            Err(problem) => self.problem(&origin, problem),
        }
    }

    /// Takes note of a problem, of each kind one a source: a wrong file has as many as words.
    fn problem(&mut self, origin: &str, problem: IdentityProblem) {
        let kind = discriminant(&problem);
        let known = |(o, p): &(String, IdentityProblem)| o == origin && discriminant(p) == kind;
        if !self.problems.iter().any(known) {
            self.problems.push((origin.to_owned(), problem));
        }
    }
}

/// True for the same key, whatever comment an ssh key has.
pub(super) fn same_recipient(one: &str, other: &str) -> bool {
    let key = |text: &str| {
        let words = text.split_ascii_whitespace().take(2);
        words
            .map(|w| w.trim_end_matches('=').to_owned())
            .collect::<Vec<_>>()
    };
    key(one) == key(other)
}

/// What the word in this line is.
pub(super) fn identity(word: &str, line: usize) -> Result<Word, IdentityProblem> {
    let kind = Zeroizing::new(word.to_ascii_uppercase());
    let damaged = |why| IdentityProblem::Damaged { line, why };
    if kind.starts_with("AGE-PLUGIN-") {
        let (prefix, _) = bech32::decode(word).ok_or_else(|| damaged(bech32::INVALID))?;
        let name = prefix.strip_prefix("age-plugin-");
        let name = name.and_then(|name| name.strip_suffix('-'));
        let name = name.filter(|name| plugin::is_name(name));
        let name = name.ok_or(IdentityProblem::PluginName { line })?;
        Ok(Word::Plugin(name.to_owned()))
    } else if kind.starts_with("AGE-SECRET-KEY-PQ-1") {
        let identity = hybrid::Identity::parse(word).map_err(damaged)?;
        Ok(Word::Opener(Opener {
            recipient: identity.to_public().to_string(),
            identity: Box::new(identity),
        }))
    } else if kind.starts_with("AGE-SECRET-KEY-1") {
        let identity: age::x25519::Identity = word.parse().map_err(damaged)?;
        Ok(Word::Opener(Opener {
            recipient: identity.to_public().to_string(),
            identity: Box::new(identity),
        }))
    } else if kind.starts_with("AGE1") || kind.starts_with("SSH-") {
        Err(IdentityProblem::Recipient { line })
    } else {
        Err(IdentityProblem::Unknown { line })
    }
}

/// An age file, binary or armored, its header read.
pub(super) fn decryptor(file: &[u8]) -> Result<Decryptor<impl BufRead>, DecryptError> {
    Decryptor::new_buffered(ArmoredReader::new(file))
}

/// What an age file holds, up to `limit` bytes of it.
pub(super) fn decrypt(
    file: &[u8],
    identity: &dyn Identity,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let reader = decryptor(file)?.decrypt(std::iter::once(identity))?;
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(limit.min(file.len()) + 64));
    reader.take(limit as u64).read_to_end(&mut plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";
    const A_KEY: &str = include_str!("../../../testdata/keys/a.key");
    const B_KEY: &str = include_str!("../../../testdata/keys/b.key");
    const FOR_A: &str = include_str!("../../../testdata/keys/cli.age");
    const SSH_PUB: &str = include_str!("../../../testdata/keys/ssh.pub");
    const FOR_SSH: &str = include_str!("../../../testdata/keys/ssh.age");
    /// Of a plugin called `x/y`.
    const SLASH: &str = "AGE-PLUGIN-X/Y-1C7TX5E";
    const SSH_KEY: &[u8] = include_bytes!("../../../testdata/keys/ssh.key");

    fn text(text: &str) -> IdentitySource {
        let text = Zeroizing::new(text.to_owned());
        IdentitySource::Text {
            origin: "K".to_owned(),
            text,
        }
    }

    fn file(bytes: &[u8]) -> IdentitySource {
        IdentitySource::sniffed("F".to_owned(), Zeroizing::new(bytes.to_vec()))
    }

    fn open(
        identities: &mut AgeIdentities,
        recipient: &str,
        enc: &str,
    ) -> Result<Vec<u8>, AgeError> {
        identities
            .open(recipient, enc, None)
            .map(|part| part.to_vec())
    }

    fn counted() -> Vec<u8> {
        (0..32).collect()
    }

    #[test]
    fn files_of_other_age_programs_are_opened() {
        for enc in [FOR_A, include_str!("../../../testdata/keys/pyrage.age")] {
            let mut identities = AgeIdentities::load([text(A_KEY)]);
            assert_eq!(open(&mut identities, A, enc), Ok(counted()));
        }
    }

    #[test]
    fn an_identity_that_opens_only_its_own_is_not_tried_on_what_bears_another_name() {
        let other = "age17j6m55js63d6sgqwfgqgfcds3mvyacnmd248dfvqyl5am22l2u3svw8ut4";
        let mut identities = AgeIdentities::load([text(A_KEY)]);
        assert!(open(&mut identities, other, FOR_A).is_ok());
        identities.only_own();
        assert!(open(&mut identities, other, FOR_A).is_err());
        assert!(open(&mut identities, A, FOR_A).is_ok());
    }

    #[test]
    fn a_wrapped_key_is_opened_whatever_a_store_did_to_its_line_ends() {
        let mut identities = AgeIdentities::load([text(A_KEY)]);
        for enc in [
            FOR_A.trim(),
            &FOR_A.replace('\n', "\r\n"),
            &format!("\n {FOR_A}\n\n"),
        ] {
            assert_eq!(open(&mut identities, A, enc), Ok(counted()));
        }
    }

    #[test]
    fn identities_may_stand_among_blanks_comments_and_each_other() {
        let (a, b) = (A_KEY.trim(), B_KEY.trim());
        let texts = [
            format!("# mine\r\n\r\n  {a}\t\r\n"),
            format!("{b} {a}"),
            format!("\u{feff}{a} # that is me\n  # nobody"),
        ];
        for lines in texts {
            let mut identities = AgeIdentities::load([text(&lines)]);
            assert_eq!(identities.problems(), []);
            assert_eq!(open(&mut identities, A, FOR_A), Ok(counted()));
        }
    }

    #[test]
    fn one_bad_source_does_not_stop_the_others() {
        let failed = IdentitySource::Failed {
            origin: "C".to_owned(),
            why: "no".to_owned(),
        };
        let missing = IdentitySource::Missing {
            origin: "M".to_owned(),
        };
        let bad = text(&format!("{}\n{SLASH}\nnonsense", &A_KEY[..30]));
        let mut identities =
            AgeIdentities::load([failed, missing, bad, file(&[0xff]), text(A_KEY)]);
        assert_eq!(open(&mut identities, A, FOR_A), Ok(counted()));
        let kinds: Vec<_> = identities
            .problems()
            .iter()
            .map(|(_, p)| p.clone())
            .collect();
        let expected = [
            IdentityProblem::Failed("no".to_owned()),
            IdentityProblem::Damaged {
                line: 1,
                why: "invalid Bech32 encoding",
            },
            IdentityProblem::PluginName { line: 2 },
            IdentityProblem::Unknown { line: 3 },
            IdentityProblem::Failed("it is not text".to_owned()),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_wrong_file_is_one_problem_however_long_it_is() {
        let identities = AgeIdentities::load([text(&"not a key\n".repeat(1_000))]);
        let expected = ("K".to_owned(), IdentityProblem::Unknown { line: 1 });
        assert_eq!(identities.problems(), [expected]);
    }

    #[test]
    fn no_message_and_no_debug_text_repeats_what_stood_in_a_source() {
        let lines = [
            "hunter2",
            "AGE-PLUGIN-HUNTER2",
            "AGE-SECRET-KEY-PQ-1HUNTER2",
            "AGE-SECRET-KEY-1HUNTER2",
        ];
        let mut identities = AgeIdentities::load([text(&lines.join("\n")), text(B_KEY)]);
        let error = open(&mut identities, A, FOR_A).unwrap_err();
        let said = format!("{error} {error:?} {identities:?}").to_lowercase();
        assert!(!said.contains("hunter2"));
        assert!(!said.contains(&B_KEY.trim()[20..].to_lowercase()));
    }

    #[test]
    fn what_was_in_the_way_is_told() {
        let missing = |origin: &str| IdentitySource::Missing {
            origin: origin.to_owned(),
        };
        let mut none = AgeIdentities::load([missing("X"), missing("Y"), missing("Z"), text("# -")]);
        assert_eq!(
            open(&mut none, A, FOR_A).unwrap_err().to_string(),
            "there is no age identity at hand; nothing found in 'X', 'Y', 'Z' and 'K'"
        );
        let mut wrong = AgeIdentities::load([text(B_KEY), text("x"), missing("Y")]);
        assert_eq!(
            open(&mut wrong, A, FOR_A).unwrap_err().to_string(),
            "no age identity at hand belongs to this recipient; \
             'K': line 1 is not an age identity; nothing found in 'Y'"
        );
    }

    #[test]
    fn a_damaged_data_key_is_told_from_a_missing_identity() {
        let mut identities = AgeIdentities::load([text(A_KEY)]);
        let mut reason = |enc: &str| open(&mut identities, A, enc).unwrap_err().reason;
        assert!(matches!(reason(""), Reason::Damaged(_)));
        assert!(matches!(reason(&FOR_A[..200]), Reason::Damaged(_)));
        let changed = format!("{}A{}", &FOR_A[..330], &FOR_A[331..]);
        assert_ne!(changed, FOR_A);
        assert!(matches!(reason(&changed), Reason::Damaged(_)));
        assert_eq!(
            reason("age-encryption.org/v2\nsomething that has yet to come"),
            Reason::Format
        );
    }

    #[test]
    fn an_ssh_key_opens_what_sops_encrypted_to_it() {
        let mut identities = AgeIdentities::load([file(SSH_KEY)]);
        let key = open(&mut identities, SSH_PUB.trim(), FOR_SSH).expect("part");
        assert_eq!(key[..4], [0xe1, 0x3f, 0x53, 0x35]);
        let rsa = include_bytes!("../../../testdata/keys/rsa.key");
        let mut identities = AgeIdentities::load([file(SSH_KEY), file(rsa)]);
        let enc = include_str!("../../../testdata/keys/rsa.age");
        let key = open(&mut identities, "ssh-rsa AAAA", enc).expect("part");
        assert_eq!(key[..4], [0xee, 0x63, 0xa9, 0x9b]);
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_and_no_panic(
            at in 0..FOR_A.len(),
            byte in "[ -~\n]",
            cut in 0..FOR_A.len(),
        ) {
            let mut enc = FOR_A.to_owned();
            enc.replace_range(at..=at, &byte);
            let mut identities = AgeIdentities::load([text(A_KEY), file(SSH_KEY)]);
            if let Ok(part) = open(&mut identities, A, &enc) {
                prop_assert_eq!(part, counted());
            }
            prop_assert!(open(&mut identities, A, &FOR_A[..cut]).is_err() || cut > 380);
        }
    }
}
