//! `bulla encrypt`: a plaintext file becomes an encrypted one.

use super::args::{Destination, Recipients, Selectors, Surplus, Types, Unlocking};
use super::configuration::{self, Plan};
use super::failure::{Failure, Outcome, Status, note, warn};
use super::input::{Input, Purpose};
use super::output::Content;
use super::reuse::{Existing, Kept, Wanted};
use super::save::{self, Sealing};
use super::{Context, decrypt};
use crate::config::secret_like;
use crate::crypto::{Cipher, DataKey, Stash, SystemRandom};
use crate::document::{Document, LeafKind, Type};
use crate::encrypt::Encrypted;
use crate::keys::KeyGroups;
use crate::metadata::{Metadata, Selection};
use crate::store::{self, Layout, Store};
use clap::Args;
use std::path::{Path, PathBuf};

/// Encrypt a file's values, and leave every other byte as it is
#[derive(Args)]
pub struct Encrypt {
    /// The file; standard input without one (then --filename-override is needed).
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub surplus: Surplus,
    #[command(flatten)]
    pub destination: Destination,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub recipients: Recipients,
    #[command(flatten)]
    pub selectors: Selectors,
    #[command(flatten)]
    pub sealing: SealingFlags,
    /// The name by which rule and format are found, in the place of the file's own.
    #[arg(long, value_name = "NAME")]
    pub filename_override: Option<PathBuf>,
    /// Encrypt values that are encrypted tokens already.
    #[arg(long)]
    pub allow_nested: bool,
    #[command(flatten)]
    pub unlocking: Unlocking,
}

/// How a new file is sealed.
#[derive(Args, Clone, Default)]
pub struct SealingFlags {
    /// The cipher: `AES256_GCM`, which sops reads, or `XCHACHA20_POLY1305`, which it does not.
    #[arg(long, value_name = "NAME", value_parser = cipher)]
    pub cipher: Option<Cipher>,
    /// How many key groups it takes to open the file.
    #[arg(long, value_name = "N")]
    pub shamir_secret_sharing_threshold: Option<usize>,
}

fn cipher(name: &str) -> Result<Cipher, String> {
    Cipher::from_name(name.as_bytes())
        .ok_or_else(|| "there are: AES256_GCM, XCHACHA20_POLY1305".to_owned())
}

impl Encrypt {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome {
        self.surplus.warn();
        self.check()?;
        let purpose = if self.destination.in_place {
            Purpose::Change
        } else {
            Purpose::Read
        };
        let name = self.filename_override.as_deref();
        let file = self.file.as_deref();
        let mut input = Input::read_plain(context, file, &self.types, name, purpose)?;
        let document = self.document(context, &mut input)?;
        let path = input.path.clone();
        let mut plan = configuration::plan(
            context,
            path.as_deref(),
            &self.recipients,
            &self.selectors,
            &self.sealing,
        )?;
        if [input.store, input.output]
            .iter()
            .any(|store| store.envelope().is_some())
        {
            encrypt_whole(&input.name, &mut plan);
        }
        let wanted = Wanted {
            plan: &plan,
            document: &document,
            store: input.output,
            layout: input.layout(context),
            unlocking: &self.unlocking,
            allow_nested: self.allow_nested,
        };
        let output = self.destination.output.as_deref();
        let mut existing = output.and_then(|path| Existing::claim(context, path, &wanted));
        let sealing = match existing.as_mut().and_then(|there| there.kept.take()) {
            Some(Kept::All) => return Ok(()),
            Some(Kept::Key(sealing)) => *sealing,
            None => self.fresh(context, plan, input.layout(context))?,
        };
        let selection = sealing.metadata.selection.clone();
        let encrypted = save::seal(
            context,
            input.file.as_deref(),
            input.output,
            &document,
            sealing,
        )?;
        say_clear(&input.name, &document, &selection, &encrypted);
        if input.output.comments_follow_keys() && selection.is_by_comment() {
            say_comments_follow(&input.name);
        }
        if self.destination.in_place || output.is_some() {
            let written = output.or(path.as_deref());
            self.say_format(written, input.output);
        }
        match existing {
            Some(there) => save::write_back(context, &there.input, &encrypted.text),
            None => save::deliver(
                context,
                &input,
                &self.destination,
                &encrypted.text,
                Content::Encrypted,
            ),
        }
    }

    /// Says what stock sops needs to be told where it would not tell the format by the name.
    fn say_format(&self, written: Option<&Path>, store: &dyn Store) {
        let Some(path) = written else {
            return;
        };
        let is_told = store::is_name_of_sops(&path.to_string_lossy());
        let could_be = matches!(store.name(), "yaml" | "json" | "dotenv" | "ini");
        if is_told || !could_be || self.types.input_type.is_some() {
            return;
        }
        let (path, format) = (path.display(), store.name());
        note(format!(
            "{path}: by this name stock sops takes the file for binary; it needs --input-type {format} --output-type {format}"
        ));
    }

    fn check(&self) -> Outcome {
        save::check_destination(&self.destination, self.file.is_some())?;
        if self.file.is_none() && self.filename_override.is_none() {
            let message =
                "standard input needs --filename-override: the name finds rule and format";
            return Err(Failure::new(Status::Conflict, message));
        }
        Ok(())
    }

    /// The plaintext, in the output format.
    fn document(&self, context: &Context, input: &mut Input) -> Outcome<Document> {
        if input.is_sealed() && !self.allow_nested {
            return Err(save::already_encrypted(&input.name)
                .hint("--allow-nested encrypts it once more, as a binary file"));
        }
        input.take_as_plain();
        let document = input.parse()?;
        if document.branches.is_empty() {
            let message = format!(
                "{}: the file is empty, there is nothing to encrypt",
                input.name
            );
            return Err(Failure::new(Status::NoDocuments, message));
        }
        if document.has_metadata() {
            return Err(save::already_encrypted(&input.name));
        }
        decrypt::convert(context, input, document)
    }

    /// A new data key, wrapped for everyone.
    fn fresh(&self, context: &Context, plan: Plan, layout: Layout) -> Outcome<Sealing> {
        let (metadata, data_key) =
            new_file(context, plan.keys, plan.selection, plan.mac_only_encrypted)?;
        Ok(Sealing {
            metadata,
            data_key,
            cipher: plan.cipher,
            stash: Stash::new(),
            allow_nested: self.allow_nested,
            layout,
        })
    }
}

/// Metadata and data key of a new file.
///
/// # Errors
/// Where a key group is empty, or a recipient cannot be encrypted to.
pub fn new_file(
    context: &Context,
    mut keys: KeyGroups,
    selection: Selection,
    mac_only_encrypted: bool,
) -> Outcome<(Metadata, DataKey)> {
    let data_key = DataKey::generate(&mut SystemRandom)
        .map_err(|error| Failure::new(Status::General, error))?;
    context.wrap(&mut keys, &data_key)?;
    let metadata = Metadata::new(keys, selection, mac_only_encrypted, save::SOPS_VERSION);
    Ok((metadata, data_key))
}

/// A binary file is one value that is always encrypted: says what is ignored of a plan.
pub fn encrypt_whole(name: &str, plan: &mut Plan) {
    let selection = std::mem::take(&mut plan.selection);
    let ignored = selection.field().filter(|_| selection != plan.selection);
    if let Some((field, _)) = ignored {
        warn(format!(
            "{name}: {field} is ignored: a binary file is one value, which is always encrypted"
        ));
    }
    if std::mem::take(&mut plan.mac_only_encrypted) {
        warn(format!(
            "{name}: mac_only_encrypted is ignored: a binary file is one value, which is always encrypted"
        ));
    }
    plan.selection = Selection::All;
}

/// Says that a selector by comments does not do what the text looks like.
fn say_comments_follow(name: &str) {
    warn(format!(
        "{name}: a selector by comments looks one key too far in INI, as in sops: the comment of \
         a key decides for the next key of the section; select by keys instead"
    ));
}

/// How many values in clear are named in warnings.
const NAMED: usize = 5;

/// Says what a user must not be left to find out: that nothing was encrypted, and values that
/// stay in clear and look like secrets.
pub fn say_clear(name: &str, document: &Document, selection: &Selection, encrypted: &Encrypted) {
    if encrypted.clear == 0 {
        return;
    }
    let (mut suspicious, mut values) = (Vec::new(), 0);
    let mut leaves = document.leaves(selection);
    while let Some(leaf) = leaves.advance() {
        let value = document.value(leaf.id);
        let is_nothing = value.ty == Type::Null || value.text.is_empty();
        if leaf.kind == LeafKind::Comment || is_nothing {
            continue;
        }
        values += 1;
        if selection.covers(&leaf) || value.ty != Type::Str {
            continue;
        }
        let path = leaves.path();
        let key = path.0.iter().rev().find_map(|step| match step {
            crate::document::Step::Key(key) => Some(key.as_slice()),
            crate::document::Step::Index(_) => None,
        });
        if let Some(why) = secret_like(key.unwrap_or_default(), value.text) {
            suspicious.push(format!("{path} ({why})"));
        }
    }
    if encrypted.sealed == 0 && values > 0 {
        warn(format!(
            "{name}: no value is encrypted: the selector ({selection}) covers none of them"
        ));
    }
    let more = suspicious.len().saturating_sub(NAMED);
    suspicious.truncate(NAMED);
    if !suspicious.is_empty() {
        let rest = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        let list = suspicious.join(", ");
        warn(format!(
            "{name}: stays in clear and looks like a secret: {list}{rest}"
        ));
    }
}
