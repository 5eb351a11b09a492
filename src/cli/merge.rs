//! `bulla merge`: three versions of a file become one, as git's merge driver.
//!
//! With a key, the decrypted texts are merged and encrypted again, every value that did not change
//! under the token it has. Without one, the encrypted texts are merged; the MAC of such a file is
//! to be made by somebody who has a key.

use super::args::{Types, Unlocking};
use super::failure::{Failure, Outcome, Status, note, warn};
use super::input;
use super::keyring::{Keyring, Opening};
use super::output::{self, Content};
use super::save::{self, Sealing};
use super::unlock;
use super::{Context, original};
use crate::crypto::{DataKey, Stash, SystemRandom};
use crate::decrypt::{DecryptOptions, decrypt};
use crate::document::{Data, Document, splice};
use crate::git::{self, Conflict, Field, merge_metadata, seal_conflicts};
use crate::metadata::Metadata;
use crate::store::{Layout, ParseOptions, Store};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Merge three versions of a file; git calls this as its merge driver
///
/// Values that only one side changed are merged, whatever lines they stand on; recipients are
/// merged as sets. Where both sides changed the same value, ours stands in the file and theirs is
/// kept in it, encrypted: `bulla resolve FILE` settles it. The status is then 1.
#[derive(Args)]
pub struct Merge {
    /// The version that both came from (%O); an empty file where there was none.
    pub base: PathBuf,
    /// Our version (%A); the merge is written here.
    pub ours: PathBuf,
    /// Their version (%B).
    pub theirs: PathBuf,
    /// The file's path in the repository (%P), which tells its format; else that of ours.
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
}

/// The name under which a file is marked whose MAC was not made anew.
pub const UNSEALED: &str = "merged_without_key";

/// A version of the file.
enum Version {
    /// There was no file.
    Nothing,
    /// A plaintext.
    Plain(Document),
    /// An encrypted file.
    Sealed(Document, Box<Metadata>),
}

/// What the merge driver tells git.
enum Verdict {
    /// All is merged: the text, or nothing where ours stays.
    Merged(Option<Vec<u8>>),
    /// Some values are in conflict; the file holds both sides.
    Conflicts(Vec<u8>, Vec<String>),
    /// A plaintext, with git's marks around this many stretches of lines.
    Marked(Vec<u8>, usize),
}

impl Merge {
    /// Runs the command. The status is 1 where there are conflicts.
    ///
    /// # Errors
    /// Where the versions cannot be merged; our file is as it was.
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        let path = self.path.as_deref().unwrap_or(&self.ours);
        let merging = Merging {
            context,
            name: path.display().to_string(),
            store: self
                .types
                .input_type
                .unwrap_or_else(|| input::stores(Some(path), &self.types).0),
            parsing: context.parsing(),
            layout: super::configuration::layout(
                context,
                Some(path),
                input::stores(Some(path), &self.types).0,
            ),
        };
        let verdict = merging.merge(&self)?;
        match verdict {
            Verdict::Merged(None) => Ok(ExitCode::SUCCESS),
            Verdict::Merged(Some(text)) => {
                merging.write(&self.ours, &text)?;
                Ok(ExitCode::SUCCESS)
            }
            Verdict::Marked(text, count) => {
                merging.write(&self.ours, &text)?;
                let name = &merging.name;
                note(format!(
                    "{name}: it is not encrypted, and has {count} conflicts"
                ));
                Ok(ExitCode::from(1))
            }
            Verdict::Conflicts(text, places) => {
                merging.write(&self.ours, &text)?;
                let (name, places) = (&merging.name, places.join(", "));
                note(format!(
                    "{name}: both sides changed {places}; ours stands in the file"
                ));
                // who named the file has not named a command
                let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
                let shown = if name.chars().all(is_plain) {
                    name
                } else {
                    "FILE"
                };
                note(format!(
                    "hint: `bulla resolve {shown}` settles it; then `git add {shown}`"
                ));
                Ok(ExitCode::from(1))
            }
        }
    }
}

/// A merge, and what the texts are read with.
struct Merging<'c> {
    context: &'c Context,
    name: String,
    store: &'static dyn Store,
    parsing: ParseOptions,
    layout: Layout,
}

/// The version that both came from.
struct Base {
    plain: Document,
    metadata: Option<Metadata>,
    /// Its data key is ours still.
    has_our_key: bool,
}

/// An encrypted version that is open.
struct Opened {
    metadata: Metadata,
    key: DataKey,
    plain: Document,
}

impl Merging<'_> {
    fn write(&self, path: &Path, text: &[u8]) -> Outcome {
        let written = output::write(path, text, Content::Encrypted, &self.context.environment);
        save::finish(&self.name, written)
    }

    /// The file, as the audit log names it.
    fn file(&self) -> &Path {
        Path::new(&self.name)
    }

    fn failure(&self, message: impl std::fmt::Display) -> Failure {
        Failure::new(Status::General, format!("{}: {message}", self.name))
            .hint("ours stands in the file; `git checkout --theirs` or `--ours` takes one side")
    }

    fn merge(&self, files: &Merge) -> Outcome<Verdict> {
        let versions = [&files.base, &files.ours, &files.theirs];
        let [base, ours, theirs] = versions.map(|file| self.version(file));
        match (base?, ours?, theirs?) {
            (base, Version::Sealed(ours, our), Version::Sealed(theirs, their)) => {
                let mut keyring = Keyring::new(self.context, &files.unlocking)?;
                let keys = keyring.data_key(Some(self.file()), &our.keys, Opening::Decrypt);
                let keys = keys.and_then(|key| {
                    Ok((
                        key,
                        keyring.data_key(Some(self.file()), &their.keys, Opening::Decrypt)?,
                    ))
                });
                match keys {
                    Ok((our_key, their_key)) => {
                        let sides = [(ours, *our, our_key), (theirs, *their, their_key)];
                        self.with_keys(&mut keyring, base, sides)
                    }
                    Err(failure) if failure.status == Status::NoKey => {
                        self.without_key(base, (&ours, &our), (&theirs, &their))
                    }
                    Err(failure) => Err(failure),
                }
            }
            (base, ours, theirs) if !(is_sealed(&ours) || is_sealed(&theirs)) => {
                Ok(self.plain([&base, &ours, &theirs]))
            }
            _ => Err(self.failure("one side has encrypted the file and the other has not")),
        }
    }

    fn version(&self, file: &Path) -> Outcome<Version> {
        let text = original::read(file).map_err(|error| Failure::new(Status::Unreadable, error))?;
        if text.is_empty() {
            return Ok(Version::Nothing);
        }
        let document = input::parse(&self.name, self.store, text, self.parsing)?;
        if unlock::metadata_data(&self.name, self.store, &document)?.is_none() {
            return Ok(Version::Plain(document));
        }
        let metadata = unlock::metadata(&self.name, self.store, &document)?;
        Ok(Version::Sealed(document, Box::new(metadata)))
    }

    /// Files that are not encrypted, as git merges them.
    fn plain(&self, versions: [&Version; 3]) -> Verdict {
        let texts = versions.map(|version| match version {
            Version::Plain(document) | Version::Sealed(document, _) => document.source.as_slice(),
            Version::Nothing => &[],
        });
        let (text, conflicts) = git::merge_lines(texts);
        if conflicts == 0 {
            return Verdict::Merged(Some(text.to_vec()));
        }
        Verdict::Marked(text.to_vec(), conflicts)
    }

    fn with_keys(
        &self,
        keyring: &mut Keyring<'_>,
        base: Version,
        [ours, theirs]: [(Document, Metadata, DataKey); 2],
    ) -> Outcome<Verdict> {
        self.check_settled([&ours.1, &theirs.1])?;
        let base = self.base(keyring, base, [&ours.2, &theirs.2])?;
        let base_plain = base.as_ref().map(|base| &base.plain);
        let base_metadata = base.as_ref().and_then(|base| base.metadata.as_ref());
        let is_one_key = ours.2 == theirs.2;
        // the side whose data key is not that of the base has rotated it
        let rotated = !is_one_key && base.as_ref().is_some_and(|base| base.has_our_key);
        let their_text = theirs.0.source.to_vec();
        let mut stash = Stash::of_relatives();
        let ours = self.open(ours, (!rotated).then_some(&mut stash))?;
        let theirs = self.open(theirs, (is_one_key || rotated).then_some(&mut stash))?;
        let versions = [&ours.plain, &theirs.plain];
        let parsing = self.parsing_plain();
        let merged = git::merge(self.store, parsing, self.layout, base_plain, versions)
            .map_err(|error| self.failure(error))?;
        let (mut metadata, fields) =
            merge_metadata(base_metadata, &ours.metadata, &theirs.metadata);
        self.check_fields(&fields)?;
        if merged.conflicts.is_empty() {
            if !rotated && is_same(&merged.text, &metadata, &ours) {
                return Ok(Verdict::Merged(None));
            }
            if (rotated || is_one_key) && is_same(&merged.text, &metadata, &theirs) {
                return Ok(Verdict::Merged(Some(their_text)));
            }
        }
        let side = if rotated { &theirs } else { &ours };
        let fits = is_one_key && metadata.keys.groups.len() == 1
            || metadata.keys.same_wrapped(&side.metadata.keys);
        self.say_recipients(&ours.metadata, &metadata);
        if !fits {
            self.context.wrap(&mut metadata.keys, &side.key)?;
        }
        self.seal(merged, metadata, &side.key, stash)
    }

    /// Refuses files that wait for somebody already: what they hold of a conflict would be lost,
    /// and a mark that anybody can set must not stand for a MAC.
    fn check_settled(&self, sides: [&Metadata; 2]) -> Outcome {
        for (side, which) in sides.into_iter().zip(["ours", "theirs"]) {
            let why = if is_unsealed(side) {
                "was merged without a key, and its MAC not made anew"
            } else if side.bulla.conflicts.is_empty() {
                continue;
            } else {
                "holds conflicts that nobody has settled"
            };
            let failure = self.failure(format!("{which} {why}"));
            return Err(failure.hint("on that side: `bulla resolve FILE`, commit, and merge again"));
        }
        Ok(())
    }

    /// Refuses what both sides say of the encryption, differently: to take ours could leave in
    /// clear what theirs encrypts, or keep out whom they let in.
    fn check_fields(&self, fields: &[Field]) -> Outcome {
        let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(self.failure(format!("both sides changed {}", names.join(", "))))
    }

    /// Says who comes and who goes: whoever can write to the other side has named them.
    fn say_recipients(&self, ours: &Metadata, merged: &Metadata) {
        let (before, after) = (ours.keys.ids().concat(), merged.keys.ids().concat());
        for id in after.iter().filter(|id| !before.contains(id)) {
            note(format!("{}: {id} can open the merge, by theirs", self.name));
        }
        for id in before.iter().filter(|id| !after.contains(id)) {
            note(format!(
                "{}: {id} cannot open the merge, by theirs",
                self.name
            ));
        }
    }

    /// The merged text, encrypted, with its conflicts.
    fn seal(
        &self,
        merged: git::Merged,
        mut metadata: Metadata,
        key: &DataKey,
        stash: Stash,
    ) -> Outcome<Verdict> {
        let document = input::parse(&self.name, self.store, merged.text, self.parsing_plain())?;
        let conflicts = &merged.conflicts;
        let sealed = seal_conflicts(conflicts, &metadata, key, &mut SystemRandom)
            .map_err(|error| self.failure(error))?;
        metadata.bulla.conflicts = sealed;
        let places = merged.conflicts.iter().map(place).collect::<Vec<_>>();
        let sealing = Sealing {
            cipher: metadata.cipher(),
            metadata,
            data_key: key.clone(),
            stash,
            allow_nested: false,
            layout: self.layout,
        };
        let encrypted = save::seal(
            self.context,
            Some(self.file()),
            self.store,
            &document,
            sealing,
        )?;
        if places.is_empty() {
            return Ok(Verdict::Merged(Some(encrypted.text)));
        }
        Ok(Verdict::Conflicts(encrypted.text, places))
    }

    fn parsing_plain(&self) -> ParseOptions {
        ParseOptions {
            is_plain: true,
            ..self.parsing
        }
    }

    /// The plaintext that both came from, by the keys of those that came from it where they fit.
    fn base(
        &self,
        keyring: &mut Keyring<'_>,
        base: Version,
        keys: [&DataKey; 2],
    ) -> Outcome<Option<Base>> {
        let (document, metadata) = match base {
            Version::Nothing => return Ok(None),
            Version::Plain(plain) => {
                return Ok(Some(Base {
                    plain,
                    metadata: None,
                    has_our_key: false,
                }));
            }
            Version::Sealed(document, metadata) => (document, *metadata),
        };
        for (key, is_ours) in keys.into_iter().zip([true, false]) {
            if let Ok(plain) = self.decrypted(&document, &metadata, key, None) {
                return Ok(Some(Base {
                    plain,
                    metadata: Some(metadata),
                    has_our_key: is_ours,
                }));
            }
        }
        let key = keyring.data_key(Some(self.file()), &metadata.keys, Opening::Decrypt)?;
        let opened = self.open((document, metadata, key), None)?;
        Ok(Some(Base {
            plain: opened.plain,
            metadata: Some(opened.metadata),
            has_our_key: false,
        }))
    }

    fn open(
        &self,
        (document, metadata, key): (Document, Metadata, DataKey),
        stash: Option<&mut Stash>,
    ) -> Outcome<Opened> {
        let plain = self.decrypted(&document, &metadata, &key, stash)?;
        Ok(Opened {
            metadata,
            key,
            plain,
        })
    }

    fn decrypted(
        &self,
        document: &Document,
        metadata: &Metadata,
        key: &DataKey,
        stash: Option<&mut Stash>,
    ) -> Outcome<Document> {
        let options = DecryptOptions {
            ignore_mac: false,
            parsing: self.parsing,
        };
        let decrypted = decrypt(document, self.store, metadata, key, options, stash)
            .map_err(|error| Failure::from(error).of(&self.name))?;
        for warning in &decrypted.warnings {
            warn(format!("{}: {warning}", self.name));
        }
        input::parse(&self.name, self.store, decrypted.text, self.parsing_plain())
    }

    /// Merges the encrypted texts. What both sides changed is left to somebody who has a key.
    fn without_key(
        &self,
        base: Version,
        (ours, our): (&Document, &Metadata),
        (theirs, their): (&Document, &Metadata),
    ) -> Outcome<Verdict> {
        if !(our.bulla.conflicts.is_empty() && their.bulla.conflicts.is_empty()) {
            return Err(self.failure("a side holds conflicts that nobody has settled"));
        }
        if !shares_a_key(our, their) {
            return Err(self.failure(
                "no key here opens the file, and its data key is not the same on both sides",
            ));
        }
        let (base, base_metadata) = match base {
            Version::Sealed(document, metadata) => (Some(self.bare(&document)?), Some(*metadata)),
            Version::Plain(_) | Version::Nothing => (None, None),
        };
        let (our_bare, their_bare) = (self.bare(ours)?, self.bare(theirs)?);
        let versions = [&our_bare, &their_bare];
        let merged = git::merge(
            self.store,
            self.parsing,
            self.layout,
            base.as_ref(),
            versions,
        )
        .map_err(|error| self.failure(error))?;
        if !merged.conflicts.is_empty() {
            let places = merged.conflicts.iter().map(place).collect::<Vec<_>>();
            let message = format!(
                "no key here opens the file, and both sides changed {}",
                places.join(", ")
            );
            return Err(self.failure(message).hint(
                "somebody who can open it merges it: `git checkout -m FILE` with bulla as the driver",
            ));
        }
        let (mut metadata, fields) = merge_metadata(base_metadata.as_ref(), our, their);
        self.check_fields(&fields)?;
        let sides = [(&our_bare, our, None), (&their_bare, their, Some(theirs))];
        for (bare, side, whole) in sides {
            if *merged.text == *bare.source && is_described_by(side, &metadata) {
                return Ok(Verdict::Merged(whole.map(|whole| whole.source.to_vec())));
            }
        }
        let spelled = |path: &str| our.bulla.spelling.iter().any(|known| known.path == path);
        let more = their
            .bulla
            .spelling
            .iter()
            .filter(|more| !spelled(&more.path));
        metadata.bulla.spelling.extend(more.cloned());
        metadata.bulla.seal = None;
        if !is_unsealed(&metadata) {
            let mark = (UNSEALED.as_bytes().to_vec(), Data::bool(true));
            metadata.bulla.others.push(mark);
        }
        let bare = input::parse(&self.name, self.store, merged.text, self.parsing)?;
        let mut splices = self.store.attach(&bare, &metadata.to_data(), self.layout);
        let text = splice(&bare.source, &mut splices).to_vec();
        warn(format!(
            "{}: merged without a key, so its MAC is not made anew: somebody who can open it runs \
             `bulla resolve {}`",
            self.name, self.name
        ));
        Ok(Verdict::Merged(Some(text)))
    }

    /// An encrypted text without its metadata.
    fn bare(&self, document: &Document) -> Outcome<Document> {
        let bare = splice(&document.source, &mut self.store.detach(document));
        input::parse(&self.name, self.store, bare, self.parsing)
    }
}

fn is_sealed(version: &Version) -> bool {
    matches!(version, Version::Sealed(..))
}

/// Whether a file was merged by somebody who could not make its MAC anew.
pub fn is_unsealed(metadata: &Metadata) -> bool {
    let mut others = metadata.bulla.others.iter();
    others.any(|(name, _)| name == UNSEALED.as_bytes())
}

fn place(conflict: &Conflict) -> String {
    if conflict.path.0.is_empty() {
        return "all of it".to_owned();
    }
    conflict.path.to_string()
}

/// Whether the same thing is wrapped for somebody on both sides: then their data key is one.
fn shares_a_key(ours: &Metadata, theirs: &Metadata) -> bool {
    let theirs: Vec<_> = theirs.keys.groups.iter().flatten().collect();
    let mut ours = ours.keys.groups.iter().flatten();
    ours.any(|our| {
        let mut theirs = theirs.iter();
        theirs.any(|their| their.is_same_as(&**our) && their.wrapped() == our.wrapped())
    })
}

/// Whether the merge is what a side is already.
fn is_same(text: &[u8], metadata: &Metadata, side: &Opened) -> bool {
    *text == **side.plain.source
        && is_described_by(&side.metadata, metadata)
        && !is_unsealed(&side.metadata)
}

/// Whether what a side says of itself is what the merged metadata say.
fn is_described_by(side: &Metadata, metadata: &Metadata) -> bool {
    metadata.keys.same_wrapped(&side.keys)
        && metadata.selection == side.selection
        && metadata.mac_only_encrypted == side.mac_only_encrypted
}
