//! `bulla resolve`: settles what a merge left open in a file.

use super::args::{Types, Unlocking};
use super::edit::asks_again;
use super::editor::{Editor, EditorError};
use super::failure::{Failure, Outcome, Status, note, warn};
use super::input::{self, Input, Purpose};
use super::merge::{UNSEALED, is_unsealed};
use super::private_dir::PrivateDir;
use super::save::{self, Sealing};
use super::unlock::{self, Unlocked};
use super::{Context, configuration, process};
use crate::change;
use crate::crypto::Stash;
use crate::document::{Data, Document, Path as DataPath};
use crate::git::{Sides, open_conflicts, value_of};
use crate::store::{Layout, ParseOptions, Store, Yaml};
use clap::Args;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Settle the values that both sides of a merge changed
///
/// Opens just those in the editor, with what both sides made of them. A file that was merged
/// without a key gets its MAC again.
#[derive(Args)]
pub struct Resolve {
    /// The file.
    pub file: Option<PathBuf>,
    /// Take our side everywhere, which is what stands in the file.
    #[arg(long, conflicts_with = "theirs")]
    pub ours: bool,
    /// Take their side everywhere.
    #[arg(long)]
    pub theirs: bool,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
}

/// What is to stand at a place; `None` for nothing.
type Choice = (DataPath, Option<Data>);

impl Resolve {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the file cannot be opened, or what was chosen cannot be put into it; it is as it was.
    pub fn run(self, context: &Context) -> Outcome {
        let file = self.file.clone().ok_or_else(super::no_file)?;
        let mut input = Input::read(context, Some(&file), &self.types, None, Purpose::Edit)?;
        let unlocked = unlock::unlock(context, &mut input, &self.unlocking)?;
        let unsealed = is_unsealed(&unlocked.metadata);
        let count = unlocked.metadata.bulla.conflicts.len();
        if count == 0 && !unsealed {
            note(format!("{}: nothing is left to be settled", input.name));
            return Ok(());
        }
        if unsealed {
            warn(format!(
                "{}: it was merged without a key; every value opens at its place, but that none \
                 was put back to an older one is for you to see in the diff",
                input.name
            ));
        }
        let ignore_mac = unsealed || self.unlocking.ignore_mac;
        let plain = unlocked.decrypt(context, &input, ignore_mac)?;
        let document = input::parse(
            &input.name,
            input.store,
            plain.text,
            context.parsing_plain(),
        )?;
        let choices = if self.ours || count == 0 {
            Vec::new()
        } else {
            let conflicts = open_conflicts(&unlocked.metadata, &unlocked.data_key)
                .map_err(|error| Failure::new(Status::Decrypt, error).of(&input.name))?;
            self.choices(context, &file, &document, &conflicts)?
        };
        let document = settled(context, &input, document, choices)?;
        write(context, &input, unlocked, plain.stash, &document)?;
        note(format!("{}: {count} settled; now `git add` it", input.name));
        Ok(())
    }

    fn choices(
        &self,
        context: &Context,
        file: &Path,
        document: &Document,
        conflicts: &[Sides],
    ) -> Outcome<Vec<Choice>> {
        let failed = |error| Failure::new(Status::Decrypt, error);
        let theirs = conflicts.iter().map(|sides| {
            let theirs = sides.theirs.as_ref();
            let theirs = theirs.map(|json| value_of(&sides.path, json)).transpose();
            Ok((place(&sides.path)?, theirs.map_err(failed)?))
        });
        let theirs = theirs.collect::<Outcome<Vec<Choice>>>()?;
        if self.theirs {
            return Ok(theirs);
        }
        in_editor(context, file, document, conflicts, &theirs)
    }
}

/// The place of a conflict.
fn place(path: &str) -> Outcome<DataPath> {
    DataPath::parse(path).map_err(|error| {
        let message = format!("the file names a conflict at no place: {error}");
        Failure::new(Status::General, message)
    })
}

/// The document with what was chosen.
fn settled(
    context: &Context,
    input: &Input,
    mut document: Document,
    choices: Vec<Choice>,
) -> Outcome<Document> {
    let store = input.store;
    let layout = configuration::layout(context, input.path.as_deref(), store);
    for (path, data) in choices {
        let text = match &data {
            Some(data) if path.0.is_empty() => {
                let text = store.emit(std::slice::from_ref(data), layout);
                Some(text.map_err(|error| Failure::from(error).of(&input.name))?)
            }
            Some(data) => change::set(store, &document, &path, data, layout)
                .map_err(|error| Failure::from(error).of(&input.name))?,
            None if document.find(0, &path).is_none() => None,
            None => Some(
                change::unset(store, &document, &path)
                    .map_err(|error| Failure::from(error).of(&input.name))?,
            ),
        };
        if let Some(text) = text {
            document = input::parse(&input.name, store, text, context.parsing_plain())?;
        }
    }
    Ok(document)
}

fn write(
    context: &Context,
    input: &Input,
    unlocked: Unlocked,
    stash: Stash,
    document: &Document,
) -> Outcome {
    let mut metadata = unlocked.metadata;
    metadata.bulla.conflicts.clear();
    metadata
        .bulla
        .others
        .retain(|(name, _)| name != UNSEALED.as_bytes());
    let sealing = Sealing {
        cipher: metadata.cipher(),
        metadata,
        data_key: unlocked.data_key,
        stash,
        allow_nested: false,
        layout: input.layout(context),
    };
    let encrypted = save::seal(
        context,
        input.file.as_deref(),
        input.store,
        document,
        sealing,
    )?;
    save::write_back(context, input, &encrypted.text)
}

const HEAD: &str = "\
# Both sides of a merge changed these values. What stands under `result` is taken;
# without a `result` there is nothing at that place.
";

/// Lets the user choose in the editor.
fn in_editor(
    context: &Context,
    file: &Path,
    document: &Document,
    conflicts: &[Sides],
    theirs: &[Choice],
) -> Outcome<Vec<Choice>> {
    let editor =
        Editor::find(&context.environment).map_err(|error| Failure::new(Status::Editor, error))?;
    let unwritable =
        |error: super::private_dir::PrivateDirError| Failure::new(Status::Unwritable, error);
    let text = form(document, conflicts, theirs)?;
    let room = 4 * text.len() as u64 + (1 << 20);
    let directory = PrivateDir::new(&context.environment, room).map_err(unwritable)?;
    if !directory.is_memory() {
        let place = directory.path().display();
        warn(format!(
            "no memory-backed place found: the plaintext is on disk in {place} while you edit"
        ));
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = PathBuf::from(format!("{stem}.resolve.yaml"));
    let path = directory.write(&name, &text).map_err(unwritable)?;
    loop {
        match editor.edit(&path) {
            Ok(()) => {}
            Err(error @ EditorError::Signal { signal, .. }) => {
                Failure::new(Status::Editor, error).print();
                process::end_by(signal);
            }
            Err(error) => return Err(Failure::new(Status::Editor, error)),
        }
        let text = directory.read(&name).map_err(unwritable)?;
        match chosen(&name, text, theirs) {
            Ok(choices) => {
                directory.close().map_err(unwritable)?;
                return Ok(choices);
            }
            Err(failure) => {
                failure.print();
                if !asks_again() {
                    return Err(failure);
                }
            }
        }
    }
}

/// What the editor starts with: an entry for each conflict.
fn form(
    document: &Document,
    conflicts: &[Sides],
    theirs: &[Choice],
) -> Outcome<Zeroizing<Vec<u8>>> {
    let failed = |error: crate::git::UnresolvedError| Failure::new(Status::Decrypt, error);
    let mut items = Vec::new();
    for (sides, (path, theirs)) in conflicts.iter().zip(theirs) {
        let base = sides.base.as_ref().map(|json| value_of(&sides.path, json));
        let base = base.transpose().map_err(failed)?;
        let ours = document.find(0, path).map(|id| document.data(id));
        let entries = [
            ("path", Some(Data::str(&sides.path))),
            ("base", base),
            ("ours", ours.clone()),
            ("theirs", theirs.clone()),
            ("result", ours),
        ];
        let entries = entries.into_iter();
        let there = entries.filter_map(|(name, data)| Some((name.as_bytes().to_vec(), data?)));
        items.push(Data::Map(there.collect()));
    }
    let conflicts = Data::Map(vec![(b"conflicts".to_vec(), Data::List(items))]);
    let text = Yaml.emit(&[conflicts], Layout { indent: Some(2) });
    let text = text.map_err(Failure::from)?;
    let mut form = Zeroizing::new(HEAD.as_bytes().to_vec());
    crate::document::secret::append(&mut form, &text);
    Ok(form)
}

/// What the form says: the result at each place.
fn chosen(name: &Path, text: Zeroizing<Vec<u8>>, places: &[Choice]) -> Outcome<Vec<Choice>> {
    let name = name.display().to_string();
    let options = ParseOptions {
        is_plain: true,
        ..ParseOptions::default()
    };
    let document = input::parse(&name, &Yaml, text, options)?;
    let root = document.branches.first().and_then(|branch| branch.root);
    let data = root.map(|root| document.data(root));
    let malformed = || {
        Failure::new(
            Status::General,
            format!("{name}: the list of conflicts is not as it was"),
        )
        .hint("leave every `path` in, in its order; change what stands under `result`")
    };
    let Some(Data::List(items)) = data.as_ref().and_then(|data| data.entry("conflicts")) else {
        return Err(malformed());
    };
    let items: Vec<_> = items
        .iter()
        .filter(|item| matches!(item, Data::Map(_)))
        .collect();
    if items.len() != places.len() {
        return Err(malformed());
    }
    let choice = |(item, (path, _)): (&&Data, &Choice)| {
        let named = item.entry("path").and_then(Data::text);
        if named.and_then(|named| DataPath::parse(named).ok()).as_ref() != Some(path) {
            return Err(malformed());
        }
        Ok((path.clone(), item.entry("result").cloned()))
    };
    items.iter().zip(places).map(choice).collect()
}
