//! `bulla init` and `bulla keygen`: an identity, and a first configuration.

use super::failure::{Failure, Outcome, Status};
use super::identities::{self, Content};
use super::output::{self, Content as Written};
use super::{Context, keyring};
use crate::keys::{keygen, keygen_hybrid};
use clap::Args;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Make an age identity and a first `.sops.yaml`
///
/// What is there already is used and never changed.
#[derive(Args)]
pub struct Init {}

/// Make an age identity where sops and bulla look for it, and print its recipient
#[derive(Args)]
pub struct Keygen {
    /// Write the identity to this file.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Make a post-quantum identity (ML-KEM-768 and X25519).
    ///
    /// What is encrypted to it stays closed to the quantum computers of the future, too. Its
    /// recipient, `age1pq1…`, has 1,959 characters, and takes age 1.3 or sops 3.12 and newer.
    #[arg(long)]
    pub pq: bool,
}

impl Init {
    /// Runs the command.
    ///
    /// # Errors
    /// Where a file cannot be written, or the identity that is there cannot be read.
    pub fn run(self, context: &Context) -> Outcome {
        let keys = keys_file(context)?;
        let recipient = if let Some(recipient) = existing(context, &keys)? {
            say(&format!("identity:      {} (was there)\n", keys.display()))?;
            recipient
        } else {
            let recipient = new_identity(&keys, keygen())?;
            say(&format!(
                "identity:      {} (new; keep a copy in a safe place)\n",
                keys.display()
            ))?;
            recipient
        };
        say(&format!("recipient:     {recipient}\n"))?;
        let config = Path::new(".sops.yaml");
        if config.exists() {
            say("configuration: .sops.yaml (was there)\n")?;
        } else {
            let text = CONFIG.replace("RECIPIENT", &recipient);
            output::create(config, text.as_bytes(), Written::Encrypted).map_err(unwritable)?;
            say("configuration: .sops.yaml (new)\n")?;
        }
        say(
            "\nNext: bulla secrets.yaml      edits a new encrypted file\n      bulla explain FILE      shows which rule applies and what would be encrypted\n",
        )
    }
}

impl Keygen {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the file exists or cannot be written.
    pub fn run(self, context: &Context) -> Outcome {
        let keys = match self.output {
            Some(path) => path,
            None => keys_file(context)?,
        };
        if keys.exists() {
            let message = format!(
                "{}: exists already, and is never overwritten",
                keys.display()
            );
            return Err(Failure::new(Status::Unwritable, message)
                .hint("choose another file with --output, or use the identity that is there"));
        }
        let new = if self.pq { keygen_hybrid() } else { keygen() };
        let recipient = new_identity(&keys, new)?;
        say(&format!("{recipient}\n"))
    }
}

fn keys_file(context: &Context) -> Outcome<PathBuf> {
    identities::user_keys_file(&context.environment).ok_or_else(|| {
        Failure::new(
            Status::General,
            "there is no home directory to keep an identity in",
        )
    })
}

/// The recipient of the first identity in `file`, where there is such a file.
fn existing(context: &Context, file: &Path) -> Outcome<Option<String>> {
    if !file.exists() {
        return Ok(None);
    }
    let own = identities::at_hand(&context.environment)
        .filter(|source| source.path.as_deref() == Some(file))
        .filter(|source| !matches!(source.content, Content::Missing));
    let identities = keyring::identities_of(own);
    if let Some(recipient) = identities.recipients().next() {
        Ok(Some(recipient.to_owned()))
    } else {
        let message = format!("{}: no identity can be read from it", file.display());
        Err(Failure::new(Status::General, message)
            .hint("it may be protected by a passphrase; give its recipient with --age"))
    }
}

fn new_identity(file: &Path, (secret, recipient): (Zeroizing<String>, String)) -> Outcome<String> {
    if let Some(directory) = file.parent() {
        private_directories(directory).map_err(|error| {
            Failure::new(
                Status::Unwritable,
                format!("{}: {error}", directory.display()),
            )
        })?;
    }
    let text = Zeroizing::new(format!("# recipient: {recipient}\n{}\n", secret.trim_end()));
    output::create(file, text.as_bytes(), Written::Plain).map_err(unwritable)?;
    Ok(recipient)
}

/// Makes a directory and those above it; new ones are the user's alone.
fn private_directories(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn say(text: &str) -> Outcome {
    output::stdout(text.as_bytes()).map_err(unwritable)
}

fn unwritable(error: output::OutputError) -> Failure {
    Failure::new(Status::Unwritable, error)
}

/// A configuration to start with.
const CONFIG: &str = "\
# Which files are encrypted, for whom, and how much of them. sops reads this file, too.
creation_rules:
  # The first rule whose path_regex is found in a file's path (relative to this directory) counts.
  # Files whose name says that they are secret, and environments: every value is encrypted.
  - path_regex: (^|/)[^/]*(secrets?[^/]*|\\.env(rc|\\.[^/]*)?)$
    age: RECIPIENT
  # Other configuration that you encrypt: only values whose key sounds like a secret.
  - path_regex: \\.(ya?ml|jsonc?|toml|ini|tfvars|hcl|properties)$
    encrypted_regex: (?i)(password|passwd|secret|token|credential|private|api_?key)
    age: RECIPIENT
  # Any other file: all of it.
  - age: RECIPIENT
  # More than one recipient: separate them by commas, or write a list.
";
