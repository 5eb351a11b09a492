//! Identities behind a passphrase: they stay shut until nothing else helped.

use super::super::Prompt;
use super::identity::{Opener, Unlocked, decrypt, decryptor, same_recipient};
use super::source::{IdentityProblem, MAX_FILE, MAX_WORK_FACTOR};
use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{DecryptError, scrypt, ssh};
use sha2::{Digest, Sha256};
use std::io::Read;
use zeroize::Zeroizing;

/// An identity file or an ssh key under a passphrase.
pub(super) struct Locked {
    pub(super) origin: String,
    content: Content,
}

enum Content {
    File(Vec<u8>),
    Ssh {
        recipient: String,
        key: Box<ssh::EncryptedKey>,
        file: Zeroizing<Vec<u8>>,
    },
}

/// What was under the passphrase.
pub(super) enum Inside {
    /// Identities as text.
    Text(Zeroizing<String>),
    /// One identity.
    Ssh(Opener),
}

impl Locked {
    /// An age file.
    pub(super) fn file(origin: String, bytes: Vec<u8>) -> Self {
        let content = Content::File(bytes);
        Self { origin, content }
    }

    /// An ssh key, and the public key that belongs to it.
    pub(super) fn ssh(
        origin: String,
        recipient: String,
        key: ssh::EncryptedKey,
        file: &[u8],
    ) -> Self {
        let content = Content::Ssh {
            recipient,
            key: Box::new(key),
            file: Zeroizing::new(file.to_vec()),
        };
        Self { origin, content }
    }

    /// True where it might open what is encrypted to `recipient`: identity files hold no ssh
    /// keys, and an ssh key says what it opens.
    pub(super) fn fits(&self, recipient: &str) -> bool {
        match &self.content {
            Content::File(_) => !recipient.starts_with("ssh-"),
            Content::Ssh { recipient: own, .. } => same_recipient(own, recipient),
        }
    }

    /// Asks for the passphrase and uses it; also how others open it without asking.
    pub(super) fn unlock(
        self,
        prompt: &mut (dyn Prompt + '_),
    ) -> Result<(Inside, Unlocked), IdentityProblem> {
        let origin = self.origin;
        match self.content {
            Content::File(bytes) => {
                check_passphrase_file(&bytes)?;
                let id = cache_id(&bytes)?;
                let opened = open_file(&bytes, answer(prompt.file_passphrase(&origin, &id))?);
                if opened == Err(IdentityProblem::WrongPassphrase) {
                    prompt.forget(&id);
                }
                let text = opened?;
                let unlocked = Unlocked {
                    origin,
                    content: Zeroizing::new(text.as_bytes().to_vec()),
                    passphrase: None,
                };
                Ok((Inside::Text(text), unlocked))
            }
            Content::Ssh {
                recipient,
                key,
                file,
            } => {
                let passphrase = prompt.passphrase(&format!("ssh key {origin}"));
                let key = key.decrypt(answer(passphrase.clone())?);
                let key = key.map_err(|_| IdentityProblem::WrongPassphrase)?;
                let identity = Box::new(ssh::Identity::from(key));
                let opener = Opener {
                    recipient,
                    identity,
                };
                let unlocked = Unlocked {
                    origin,
                    content: file,
                    passphrase,
                };
                Ok((Inside::Ssh(opener), unlocked))
            }
        }
    }
}

fn answer(given: Option<Zeroizing<String>>) -> Result<SecretString, IdentityProblem> {
    let given = given.ok_or(IdentityProblem::NoPassphrase)?;
    Ok(SecretString::from(given.as_str().to_owned()))
}

/// What sops calls the passphrase of an identity file where it has it remembered.
fn cache_id(file: &[u8]) -> Result<String, IdentityProblem> {
    let mut binary = Vec::new();
    let read = ArmoredReader::new(file).read_to_end(&mut binary);
    read.map_err(|error| IdentityProblem::File(DecryptError::Io(error).into()))?;
    Ok(format!("SopsAge{}", base32(&Sha256::digest(binary)[..25])))
}

/// Base32 (RFC 4648, section 6) of whole groups of five bytes.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let groups = bytes.chunks(5).map(|group| {
        let bits = group
            .iter()
            .fold(0_u64, |bits, &b| bits << 8 | u64::from(b));
        (0..8).rev().map(move |at| (bits >> (5 * at) & 31) as usize)
    });
    groups
        .flatten()
        .map(|at| char::from(ALPHABET[at]))
        .collect()
}

/// Fails where asking for a passphrase would lead nowhere.
fn check_passphrase_file(bytes: &[u8]) -> Result<(), IdentityProblem> {
    match decryptor(bytes) {
        Ok(file) if file.is_scrypt() => Ok(()),
        Ok(_) => Err(IdentityProblem::NoPassphraseFile),
        Err(error) => Err(IdentityProblem::File(error.into())),
    }
}

fn open_file(bytes: &[u8], passphrase: SecretString) -> Result<Zeroizing<String>, IdentityProblem> {
    let mut identity = scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let text = decrypt(bytes, &identity, MAX_FILE).map_err(|error| match error {
        DecryptError::DecryptionFailed => IdentityProblem::WrongPassphrase,
        DecryptError::ExcessiveWork { required, .. } => IdentityProblem::Work { required },
        error => IdentityProblem::File(error.into()),
    })?;
    match std::str::from_utf8(&text) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(IdentityProblem::Failed(
            "what it holds is not text".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::{AgeIdentities, Asking};
    use super::super::source::{IdentitySource, Reason};
    use super::*;
    use proptest::prelude::*;

    const A: &str = "age1x98t8kkpa02pezkupzpeh38rgfadzvmfjvtugacj6nwwjvgzwu7saecaeu";
    const A_KEY: &str = include_str!("../../../testdata/keys/a.key");
    const B_KEY: &str = include_str!("../../../testdata/keys/b.key");
    const FOR_A: &str = include_str!("../../../testdata/keys/cli.age");
    const SSH_PUB: &str = include_str!("../../../testdata/keys/ssh.pub");
    const FOR_SSH: &str = include_str!("../../../testdata/keys/ssh.age");
    const SSH_LOCKED: &[u8] = include_bytes!("../../../testdata/keys/ssh-locked.key");
    const ARMORED: &[u8] = include_bytes!("../../../testdata/keys/passphrase.armor");
    const BINARY: &[u8] = include_bytes!("../../../testdata/keys/passphrase.bin");

    /// Answers every question alike and writes it down.
    struct Answers {
        answer: Option<&'static str>,
        asked: Vec<String>,
    }

    impl Prompt for Answers {
        fn passphrase(&mut self, what: &str) -> Option<Zeroizing<String>> {
            self.asked.push(what.to_owned());
            self.answer.map(|answer| Zeroizing::new(answer.to_owned()))
        }
    }

    fn asking(answers: &mut Answers) -> Asking<'_> {
        Asking {
            prompt: answers,
            plugins: None,
        }
    }

    fn answers(answer: Option<&'static str>) -> Answers {
        Answers {
            answer,
            asked: Vec::new(),
        }
    }

    fn text(text: &str) -> IdentitySource {
        let text = Zeroizing::new(text.to_owned());
        let origin = "K".to_owned();
        IdentitySource::Text { origin, text }
    }

    fn file(bytes: &[u8]) -> IdentitySource {
        IdentitySource::sniffed("F".to_owned(), Zeroizing::new(bytes.to_vec()))
    }

    /// Where the two digits of the work factor stand in [`BINARY`].
    fn work_factor_at() -> usize {
        let found = BINARY.windows(4).position(|bytes| bytes == b" 10\n");
        found.expect("work factor") + 1
    }

    #[test]
    fn the_passphrase_of_an_identity_file_is_asked_once_and_only_if_needed() {
        for bytes in [ARMORED, BINARY] {
            let mut asker = answers(Some("correct horse"));
            let mut identities = AgeIdentities::load([file(bytes), text(A_KEY)]);
            assert!(identities.open(A, FOR_A, Some(asking(&mut asker))).is_ok());
            assert_eq!(asker.asked, [""; 0]);

            let mut identities = AgeIdentities::load([file(bytes), text(B_KEY)]);
            for _ in 0..2 {
                assert!(identities.open(A, FOR_A, Some(asking(&mut asker))).is_ok());
            }
            assert_eq!(asker.asked, ["identity F"]);
        }
    }

    #[test]
    fn an_armored_identity_file_may_stand_in_a_variable() {
        let armored = std::str::from_utf8(ARMORED).expect("text");
        let mut identities = AgeIdentities::load([text(armored)]);
        let mut asker = answers(Some("correct horse"));
        assert!(identities.open(A, FOR_A, Some(asking(&mut asker))).is_ok());
    }

    #[test]
    fn nobody_is_asked_without_a_prompt_or_for_what_cannot_help() {
        let mut identities = AgeIdentities::load([file(ARMORED), file(SSH_LOCKED)]);
        assert_eq!(
            identities.open(A, FOR_A, None).unwrap_err().reason,
            Reason::NoIdentity
        );
        assert!(identities.would_ask(A) && identities.would_ask(SSH_PUB));
        assert!(!identities.would_ask("ssh-ed25519 AAAAother"));
        let mut asker = answers(Some("correct horse"));
        assert!(
            identities
                .open(SSH_PUB, FOR_SSH, Some(asking(&mut asker)))
                .is_ok()
        );
        assert_eq!(asker.asked, ["ssh key F"]);
    }

    #[test]
    fn what_was_unlocked_is_handed_out_once_and_opens_without_a_question_elsewhere() {
        struct Given(Option<Zeroizing<String>>);
        impl Prompt for Given {
            fn passphrase(&mut self, _: &str) -> Option<Zeroizing<String>> {
                self.0.take()
            }
        }
        for (bytes, recipient, enc) in [(ARMORED, A, FOR_A), (SSH_LOCKED, SSH_PUB, FOR_SSH)] {
            let mut identities = AgeIdentities::load([file(bytes)]);
            let mut asker = answers(Some("correct horse"));
            assert!(
                identities
                    .open(recipient, enc, Some(asking(&mut asker)))
                    .is_ok()
            );
            let mut unlocked = identities.take_unlocked();
            assert_eq!((unlocked.len(), identities.take_unlocked().len()), (1, 0));
            let unlocked = unlocked.remove(0);
            assert!(!format!("{unlocked:?}").contains("horse"));
            let source = IdentitySource::sniffed(unlocked.origin, unlocked.content);
            let mut others = AgeIdentities::load([source]);
            others.unlock_all(&mut Given(unlocked.passphrase));
            assert!(others.open(recipient, enc, None).is_ok());
        }
    }

    #[test]
    fn a_wrong_passphrase_names_its_source_and_is_not_asked_for_again() {
        for (bytes, recipient, enc) in [(ARMORED, A, FOR_A), (SSH_LOCKED, SSH_PUB, FOR_SSH)] {
            let mut asker = answers(Some("wrong"));
            let mut identities = AgeIdentities::load([file(bytes)]);
            let error = identities
                .open(recipient, enc, Some(asking(&mut asker)))
                .unwrap_err();
            assert!(
                error.to_string().contains("'F': wrong passphrase"),
                "{error}"
            );
            assert!(
                identities
                    .open(recipient, enc, Some(asking(&mut asker)))
                    .is_err()
            );
            assert_eq!(asker.asked.len(), 1);

            let mut identities = AgeIdentities::load([file(bytes)]);
            let error = identities
                .open(recipient, enc, Some(asking(&mut answers(None))))
                .unwrap_err();
            assert_eq!(
                error.problems,
                [("F".to_owned(), IdentityProblem::NoPassphrase)]
            );
        }
    }

    #[test]
    fn a_wrong_passphrase_does_not_hide_that_other_identities_were_tried() {
        let mut identities = AgeIdentities::load([text(B_KEY), file(ARMORED)]);
        let mut asker = answers(Some("wrong"));
        let error = identities
            .open(A, FOR_A, Some(asking(&mut asker)))
            .unwrap_err();
        assert_eq!(error.reason, Reason::NoMatch);
    }

    #[test]
    fn what_no_passphrase_could_open_is_not_asked_about() {
        let file_problem = |bytes: &[u8]| {
            let mut asker = answers(Some("correct horse"));
            let mut identities = AgeIdentities::load([file(bytes)]);
            let error = identities
                .open(A, FOR_A, Some(asking(&mut asker)))
                .unwrap_err();
            (error.problems[0].1.clone(), asker.asked.len())
        };
        assert_eq!(
            file_problem(FOR_A.as_bytes()),
            (IdentityProblem::NoPassphraseFile, 0)
        );
        let (problem, asked) = file_problem(&ARMORED[..100]);
        assert!(matches!(problem, IdentityProblem::File(_)) && asked == 0);
        let mut huge = ARMORED.to_vec();
        huge.resize(MAX_FILE + 1, b'\n');
        assert_eq!(file_problem(&huge), (IdentityProblem::TooLarge, 0));
    }

    #[test]
    fn an_absurd_work_factor_is_refused_before_it_is_computed() {
        let at = work_factor_at();
        let mut file_bytes = BINARY.to_vec();
        file_bytes[at..at + 2].copy_from_slice(b"23");
        let mut identities = AgeIdentities::load([file(&file_bytes)]);
        let mut asker = answers(Some("correct horse"));
        let error = identities
            .open(A, FOR_A, Some(asking(&mut asker)))
            .unwrap_err();
        assert_eq!(error.problems[0].1, IdentityProblem::Work { required: 23 });
    }

    proptest! {
        #[test]
        fn a_damaged_identity_file_is_an_error_and_no_panic(at in 0..BINARY.len(), byte: u8) {
            // Another work factor is no damage, and may take minutes.
            let factor = work_factor_at();
            prop_assume!(at != factor && at != factor + 1);
            let mut bytes = BINARY.to_vec();
            bytes[at] = byte;
            let mut identities = AgeIdentities::load([file(&bytes)]);
            let mut asker = answers(Some("correct horse"));
            let part = identities.open(A, FOR_A, Some(asking(&mut asker)));
            prop_assert!(part.is_ok() == (bytes == BINARY), "{:?}", part);
        }
    }
}
