//! What can go wrong with gpg, told by what it says, and what to do about it.
//!
//! gpg speaks the user's language; what is not recognised is repeated, and has a general hint.

use super::GpgNotRun;

/// Lines of gpg that are repeated, and characters of them.
const LINES: usize = 3;
const CHARACTERS: usize = 400;

/// Why a PGP key could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PgpError {
    /// The text names no key.
    #[error("it is not a fingerprint, nor anything else that gpg knows a key by")]
    Name,
    /// The caller gave no gpg.
    #[error("there is no gpg to ask here")]
    NoGpg,
    /// gpg was not asked, as it might ask the user.
    #[error("gpg was not asked")]
    HeldBack,
    /// gpg did not run.
    #[error(transparent)]
    NotRun(GpgNotRun),
    /// gpg ran, and failed.
    #[error("{problem}{}", repeated(said))]
    Failed {
        /// The key, as the file names it.
        key: String,
        /// What is known of the reason.
        problem: GpgProblem,
        /// What gpg itself says, its last lines as one.
        said: String,
    },
    /// gpg says that it decrypted, and there is nothing.
    #[error("gpg gave nothing, and no error: it may be too old for this message")]
    Empty,
    /// gpg says that it encrypted, and there is no message.
    #[error("gpg printed no PGP message, and no error")]
    NoMessage,
}

/// Why gpg failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpgProblem {
    /// The public key is not in its keyring.
    #[error("gpg has no public key for it")]
    NoPublicKey,
    /// The key has expired, was revoked, or cannot encrypt.
    #[error("gpg does not encrypt to this key")]
    Unusable,
    /// The key was named by something else than its fingerprint, and the user does not trust it.
    #[error("gpg does not know whether the key belongs to who is named")]
    Untrusted,
    /// Nobody could be asked for a passphrase.
    #[error("gpg has to ask for a passphrase, and cannot")]
    CannotAsk,
    /// The user was asked, and did not want to.
    #[error("gpg asked for a passphrase, and was given none")]
    Cancelled,
    /// The passphrase was wrong.
    #[error("gpg was given a wrong passphrase")]
    Passphrase,
    /// The agent does not answer.
    #[error("gpg cannot reach its agent")]
    NoAgent,
    /// The secret key is not in its keyring, nor on a card that it sees.
    #[error("gpg has no secret key for it")]
    NoSecretKey,
    /// The wrapped key is broken.
    #[error("the wrapped data key is damaged")]
    Damaged,
    /// Something else.
    #[error("gpg failed")]
    Other,
}

/// What gpg says in English, and what it means; the first that is found counts. Where it cannot
/// ask it says so first, and then that there is no secret key.
const SIGNS: [(&str, GpgProblem); 21] = [
    ("no assurance", GpgProblem::Untrusted),
    ("operation cancelled", GpgProblem::Cancelled),
    ("inappropriate ioctl", GpgProblem::CannotAsk),
    ("pinentry", GpgProblem::CannotAsk),
    ("/dev/tty", GpgProblem::CannotAsk),
    ("screen or window too small", GpgProblem::CannotAsk),
    ("timeout", GpgProblem::Cancelled),
    ("bad passphrase", GpgProblem::Passphrase),
    ("no agent running", GpgProblem::NoAgent),
    ("no gpg-agent running", GpgProblem::NoAgent),
    ("can't connect to the agent", GpgProblem::NoAgent),
    ("can't connect to the gpg-agent", GpgProblem::NoAgent),
    ("problem with the agent", GpgProblem::NoAgent),
    ("unusable public key", GpgProblem::Unusable),
    ("no public key", GpgProblem::NoPublicKey),
    ("public key not found", GpgProblem::NoPublicKey),
    (": skipped: ", GpgProblem::NoPublicKey),
    ("no valid openpgp data", GpgProblem::Damaged),
    ("crc error", GpgProblem::Damaged),
    ("checksum error", GpgProblem::Damaged),
    ("no secret key", GpgProblem::NoSecretKey),
];

/// Lines that gpg says of things that went well, or that are of no help.
const NOISE: [&str; 9] = [
    "WARNING:",
    "Note:",
    "keybox '",
    "trustdb",
    "encrypted with ",
    "marked as ultimately trusted",
    "marginals needed",
    "depth: ",
    "invalid radix64 character",
];

impl PgpError {
    /// gpg failed on `key` and said `stderr`.
    pub(super) fn failed(key: &str, stderr: &str) -> Self {
        Self::Failed {
            key: key.to_owned(),
            problem: problem(stderr),
            said: said(stderr),
        }
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotRun(_) => {
                "install GnuPG, or name the program in its place in SOPS_GPG_EXEC".to_owned()
            }
            Self::Name => {
                "`gpg --list-keys --with-subkey-fingerprint` shows the fingerprints".to_owned()
            }
            Self::Failed { key, problem, .. } => problem.hint(key),
            Self::Empty => "decrypt with a newer GnuPG, or encrypt anew with an older".to_owned(),
            Self::NoMessage => "see what the program that SOPS_GPG_EXEC names prints".to_owned(),
            Self::NoGpg | Self::HeldBack => return None,
        };
        Some(hint)
    }
}

impl GpgProblem {
    /// What to do about it where it is said of `key`.
    fn hint(self, key: &str) -> String {
        let bare: String = key
            .trim_end_matches('!')
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        match self {
            Self::NoPublicKey => {
                format!("ask its owner for it and `gpg --import FILE`, or `gpg --recv-keys {bare}`")
            }
            Self::Unusable => format!(
                "`gpg --list-keys {bare}` shows whether it has expired, was revoked or cannot encrypt"
            ),
            Self::Untrusted => "name the key by its whole fingerprint".to_owned(),
            Self::CannotAsk => "`export GPG_TTY=$(tty)` lets gpg ask on your terminal; \
                                where there is none, unlock the key in the agent beforehand"
                .to_owned(),
            Self::NoAgent => {
                "`gpg-connect-agent /bye` starts the agent, or says why it does not".to_owned()
            }
            Self::NoSecretKey => "`gpg --list-secret-keys` shows the keys that you have: \
                                  `gpg --import` your backup, plug in your card, or set GNUPGHOME"
                .to_owned(),
            Self::Damaged => "compare with the last good version in git".to_owned(),
            Self::Cancelled | Self::Passphrase => "run the command again".to_owned(),
            Self::Other => "`gpg --list-keys` and `gpg --list-secret-keys` show the keys that \
                            gpg has"
                .to_owned(),
        }
    }
}

fn problem(stderr: &str) -> GpgProblem {
    let text = stderr.to_lowercase();
    let found = SIGNS.iter().find(|(sign, _)| text.contains(sign));
    found.map_or(GpgProblem::Other, |(_, problem)| *problem)
}

/// The last lines of gpg that say something, as one, without what could steer a terminal.
fn said(stderr: &str) -> String {
    let is_noise = |line: &str| NOISE.iter().any(|noise| line.contains(noise));
    let lines = stderr.lines().map(str::trim_end);
    let mut lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with(' ') && !is_noise(line))
        .map(without_program)
        .collect();
    lines.dedup();
    let last = lines[lines.len().saturating_sub(LINES)..].join("; ");
    let printable = last.chars().filter(|c| !c.is_control());
    printable.take(CHARACTERS).collect()
}

/// A line without the `gpg: ` or `gpg2: ` before it.
fn without_program(line: &str) -> &str {
    match line.split_once(": ") {
        Some((program, rest)) if program.starts_with("gpg") => rest,
        _ => line,
    }
}

fn repeated(said: &str) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!("; it says: {said}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FPR: &str = "EB9C95106FDD10C93040894AD0451A069096E5F5";

    #[test]
    fn what_gpg_says_is_understood() {
        for (stderr, expected) in [
            (
                "gpg: 12: skipped: No public key\ngpg: [stdin]: encryption failed: No public key\n",
                GpgProblem::NoPublicKey,
            ),
            (
                "gpg: public key decryption failed: Inappropriate ioctl for device\n\
                 gpg: decryption failed: No secret key\n",
                GpgProblem::CannotAsk,
            ),
            (
                "gpg: public key decryption failed: Operation cancelled\n",
                GpgProblem::Cancelled,
            ),
            (
                "gpg: can't connect to the agent: IPC connect call failed\n\
                 gpg: decryption failed: No secret key\n",
                GpgProblem::NoAgent,
            ),
            (
                "gpg: no gpg-agent running in this session\n\
                 gpg: decryption failed: No secret key\n",
                GpgProblem::NoAgent,
            ),
            (
                "gpg: 8A7A235E9FAF4808: There is no assurance this key belongs to the named user\n\
                 gpg: cannot open '/dev/tty': No such device or address\n",
                GpgProblem::Untrusted,
            ),
            (
                "gpg: error retrieving 'me@x' via WKD: No name\ngpg: me@x: skipped: No name\n",
                GpgProblem::NoPublicKey,
            ),
            (
                "gpg: BC3E: skipped: Unusable public key\n",
                GpgProblem::Unusable,
            ),
            (
                "gpg: decryption failed: No secret key\n",
                GpgProblem::NoSecretKey,
            ),
            ("gpg: no valid OpenPGP data found.\n", GpgProblem::Damaged),
            (
                "gpg: Entschlüsselung fehlgeschlagen: Kein geheimer Schlüssel\n",
                GpgProblem::Other,
            ),
        ] {
            assert_eq!(problem(stderr), expected, "{stderr}");
        }
    }

    #[test]
    fn the_last_lines_that_say_something_are_repeated() {
        let stderr = "gpg: WARNING: unsafe permissions on homedir '/h'\n\
                      gpg: keybox '/h/pubring.kbx' created\n\
                      gpg: one\ngpg: two\n\
                      gpg: encrypted with 255-bit ECDH key, ID 48, created 2026-11-21\n      \"me <me@x>\"\n\
                      gpg: three \u{1b}[2J\r\n\ngpg: three\u{7}\nother: four\n";
        let error = PgpError::failed(FPR, stderr);
        assert_eq!(
            error.to_string(),
            "gpg failed; it says: three [2J; three; other: four"
        );
        assert_eq!(PgpError::failed(FPR, "").to_string(), "gpg failed");
        let long = PgpError::failed(FPR, &"ü".repeat(10_000)).to_string();
        assert!(long.chars().count() < 500);
    }

    #[test]
    fn what_can_be_done_has_a_hint() {
        let hint = |stderr| PgpError::failed(&format!("{FPR}!"), stderr).hint().unwrap();
        assert!(hint("No public key").contains(&format!("gpg --recv-keys {FPR}`")));
        assert!(hint("No secret key").contains("gpg --import"));
        assert!(hint("Inappropriate ioctl").contains("GPG_TTY"));
        assert!(hint("whatever").contains("gpg --list-secret-keys"));
        let missing = GpgNotRun {
            program: "gpg".to_owned(),
            why: "not found".to_owned(),
        };
        let hint = PgpError::NotRun(missing).hint().unwrap();
        assert!(hint.contains("SOPS_GPG_EXEC"));
        assert_eq!(PgpError::HeldBack.hint(), None);
    }
}
