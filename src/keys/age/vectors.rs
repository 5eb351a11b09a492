//! The age vectors of `testdata/vectors/age` (Community Cryptography Test Vectors). Tests only.

use super::identity::{self, Word, decrypt, decryptor};
use super::source::{MAX_WORK_FACTOR, Reason};
use age::secrecy::SecretString;
use age::{Identity, scrypt};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A file of age, what opens it, and what must come of it.
struct Vector {
    name: String,
    expect: String,
    payload: Option<String>,
    identities: Vec<Box<dyn Identity>>,
    file: Vec<u8>,
}

impl Vector {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("vector");
        let end = bytes.windows(2).position(|two| two == b"\n\n");
        let (head, file) = bytes.split_at(end.expect("an empty line") + 2);
        let mut vector = Self {
            name: path.file_name().expect("name").display().to_string(),
            expect: String::new(),
            payload: None,
            identities: Vec::new(),
            file: file.to_vec(),
        };
        for line in std::str::from_utf8(head).expect("text").lines() {
            match line.split_once(": ") {
                Some(("expect", kind)) => kind.clone_into(&mut vector.expect),
                Some(("payload", hash)) => vector.payload = Some(hash.to_owned()),
                Some(("identity", word)) => vector.identities.push(identity(word)),
                Some(("passphrase", words)) => {
                    let mut identity = scrypt::Identity::new(SecretString::from(words.to_owned()));
                    identity.set_max_work_factor(MAX_WORK_FACTOR);
                    vector.identities.push(Box::new(identity));
                }
                _ => assert!(
                    line.is_empty()
                        || ["file key: ", "comment: ", "armored: "]
                            .iter()
                            .any(|known| line.starts_with(known)),
                    "{}: {line}",
                    vector.name
                ),
            }
        }
        vector
    }

    /// The file; an armored one as a data key stands in metadata, blanks around it cut off.
    fn file(&self) -> &[u8] {
        let armored = self.file.trim_ascii().starts_with(b"-----BEGIN");
        if armored {
            self.file.trim_ascii()
        } else {
            &self.file
        }
    }

    /// The payload, or the first reason that is no mismatch: one identity after the other, as
    /// where a data key is unwrapped.
    fn open(&self) -> Result<String, Reason> {
        let mut reason = Reason::NoIdentity;
        if let Err(error) = decryptor(self.file()) {
            return Err(error.into());
        }
        for identity in &self.identities {
            match decrypt(self.file(), &**identity, 1 << 20) {
                Ok(payload) => return Ok(hex(&Sha256::digest(&*payload))),
                Err(error) => reason.learn(error.into()),
            }
        }
        Err(reason)
    }
}

fn identity(word: &str) -> Box<dyn Identity> {
    match identity::identity(word, 1) {
        Ok(Word::Opener(opener)) => opener.identity,
        _ => panic!("{word}"),
    }
}

/// Stanzas without the last, empty line of their body, as age 0.5 wrote them: still read.
const LEGACY: [&str; 2] = ["stanza_missing_body", "stanza_missing_final_line"];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_vector_is_opened_or_refused_as_it_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors/age");
    let paths = std::fs::read_dir(folder).expect("folder");
    let paths: Vec<PathBuf> = paths.map(|entry| entry.expect("entry").path()).collect();
    assert_eq!(paths.len(), 121);
    let mut faults = Vec::new();
    for vector in paths.iter().map(|path| Vector::read(path)) {
        let opened = vector.open();
        let right = match (vector.expect.as_str(), &opened) {
            ("success", Ok(hash)) => Some(hash) == vector.payload.as_ref(),
            // which of the two it is, a passphrase cannot tell
            ("no match", Err(Reason::Changed)) => vector.name.starts_with("scrypt"),
            ("no match", Err(reason)) => *reason == Reason::NoMatch,
            ("HMAC failure", Err(reason)) => *reason == Reason::Changed,
            ("header failure" | "armor failure" | "payload failure", Err(reason)) => {
                !matches!(reason, Reason::NoMatch | Reason::NoIdentity)
            }
            ("header failure", Ok(_)) => LEGACY.contains(&vector.name.as_str()),
            _ => false,
        };
        if !right {
            faults.push(format!("{}: {} {opened:?}", vector.name, vector.expect));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
