//! `bulla edit`: an encrypted file in the user's editor.
//!
//! The plaintext is in a private directory while the editor runs, and goes with it on every
//! way out. What was typed is never thrown away: a text that cannot be saved becomes a draft.

use super::args::{Recipients, Selectors, Surplus, Types, Unlocking};
use super::configuration;
use super::editor::{Editor, EditorError};
use super::encrypt::{self, SealingFlags};
use super::failure::{Failure, Outcome, Status, note, warn};
use super::input::{self, Input, Purpose};
use super::output::{self, Content};
use super::private_dir::{self, PrivateDir};
use super::save::{self, SOPS_VERSION, Sealing};
use super::{Context, decrypt, draft, process, unlock};
use crate::crypto::{Cipher, DataKey, Stash};
use crate::document::{Document, splice};
use crate::metadata::Metadata;
use crate::store::{Layout, Store};
use clap::Args;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Edit a file in your editor; a file that does not exist starts from an example
///
/// The editor is the one that `SOPS_EDITOR`, EDITOR or VISUAL names.
#[derive(Args)]
pub struct Edit {
    /// The file.
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub surplus: Surplus,
    /// Bring back the last edit of this file that could not be saved.
    #[arg(long)]
    pub resume: bool,
    /// Show the metadata, too; changes of the recipients are saved.
    #[arg(short, long)]
    pub show_master_keys: bool,
    #[command(flatten)]
    pub recipients: Recipients,
    #[command(flatten)]
    pub selectors: Selectors,
    #[command(flatten)]
    pub sealing: SealingFlags,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub unlocking: Unlocking,
    /// Accepted for sops: edit always writes to the file.
    #[arg(short, long, hide = true)]
    pub in_place: bool,
}

impl Edit {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome {
        self.surplus.warn();
        let file = self.file.clone().ok_or_else(super::no_file)?;
        let editor = Editor::find(&context.environment)
            .map_err(|error| Failure::new(Status::Editor, error))?;
        if editor.keeps_history() {
            let program = editor.program().display();
            warn(format!(
                "{program} keeps copies of saved files in its local history"
            ));
        }
        private_dir::sweep(&context.environment);
        let mut session = if file.exists() {
            self.existing(context, &file)?
        } else {
            self.new_file(context, &file)?
        };
        if self.show_master_keys && session.store.envelope().is_some() {
            let message = "--show-master-keys: a binary file has no place for the metadata";
            return Err(Failure::new(Status::Conflict, message)
                .hint("`bulla updatekeys` changes the recipients"));
        }
        self.resume(context, &file, &mut session)?;
        session.run(&editor)
    }

    fn existing<'a>(&'a self, context: &'a Context, file: &'a Path) -> Outcome<Session<'a>> {
        let mut input = Input::read(context, Some(file), &self.types, None, Purpose::Edit)?;
        let unlocked = unlock::unlock(context, &mut input, &self.unlocking)?;
        let plain = unlocked.decrypt(context, &input, self.unlocking.ignore_mac)?;
        let start = decrypt::converted(context, &input, plain.text)?;
        let mut metadata = unlocked.metadata;
        metadata.raise_version(SOPS_VERSION);
        Ok(Session {
            context,
            file,
            store: input.output,
            cipher: metadata.cipher(),
            metadata,
            data_key: unlocked.data_key,
            stash: plain.stash,
            base: draft::fingerprint(&start),
            start,
            input: Some(input),
            shows_keys: self.show_master_keys,
            resumed: None,
        })
    }

    fn new_file<'a>(&'a self, context: &'a Context, file: &'a Path) -> Outcome<Session<'a>> {
        let (_, store) = input::stores(Some(file), &self.types);
        let mut plan = configuration::plan(
            context,
            Some(file),
            &self.recipients,
            &self.selectors,
            &self.sealing,
        )?;
        if store.envelope().is_some() {
            encrypt::encrypt_whole(&file.display().to_string(), &mut plan);
        }
        let (metadata, data_key) =
            encrypt::new_file(context, plan.keys, plan.selection, plan.mac_only_encrypted)
                .map_err(|failure| Failure {
                    status: Status::NoKey,
                    ..failure
                })?;
        Ok(Session {
            context,
            file,
            store,
            cipher: plan.cipher,
            metadata,
            data_key,
            stash: Stash::new(),
            base: draft::fingerprint(store.example().as_ref()),
            start: Zeroizing::new(store.example().into()),
            input: None,
            shows_keys: self.show_master_keys,
            resumed: None,
        })
    }

    fn resume(&self, context: &Context, file: &Path, session: &mut Session<'_>) -> Outcome {
        if self.resume {
            let draft = draft::load(context, file, &self.unlocking)?;
            if draft.base != session.base {
                warn(format!(
                    "{}: the file is not what it was when this edit began; \
                     saving the edit undoes what has changed in it since",
                    file.display()
                ));
            }
            session.start = draft.text;
            session.resumed = Some(draft.path);
        } else if let Some(path) = draft::of(context, file) {
            note(format!(
                "there is an unsaved edit of {0}; `bulla edit --resume {0}` brings it back \
                 (to give it up, remove {1})",
                file.display(),
                path.display()
            ));
        }
        Ok(())
    }
}

/// A file being edited.
struct Session<'a> {
    context: &'a Context,
    file: &'a Path,
    store: &'static dyn Store,
    metadata: Metadata,
    data_key: DataKey,
    cipher: Cipher,
    stash: Stash,
    /// The [`draft::fingerprint`] of the text in the file.
    base: String,
    /// The text that the editor starts with.
    start: Zeroizing<Vec<u8>>,
    /// The file as it was read; `None` for a new one.
    input: Option<Input>,
    shows_keys: bool,
    /// The draft that the text is from: it need not be changed again to be saved.
    resumed: Option<PathBuf>,
}

impl Session<'_> {
    fn run(mut self, editor: &Editor<'_>) -> Outcome {
        if self.shows_keys && self.resumed.is_none() {
            self.start = self.with_metadata()?;
        }
        let room = 4 * self.start.len() as u64 + (1 << 20);
        let directory = PrivateDir::new(&self.context.environment, room).map_err(unwritable)?;
        if !directory.is_memory() {
            let place = directory.path().display();
            warn(format!(
                "no memory-backed place found: the plaintext is on disk in {place} while you edit"
            ));
        }
        let path = directory
            .write(self.file, &self.start)
            .map_err(unwritable)?;
        let (text, document) = self.edited(editor, &directory, &path)?;
        // First what was typed, then what it was typed in.
        self.save(&text, &document)?;
        directory.close().map_err(unwritable)
    }

    /// Runs the editor until what it leaves can be read.
    fn edited(
        &self,
        editor: &Editor<'_>,
        directory: &PrivateDir,
        path: &Path,
    ) -> Outcome<(Zeroizing<Vec<u8>>, Document)> {
        loop {
            let ended = editor.edit(path);
            if let Err(error @ EditorError::Signal { signal, .. }) = ended {
                self.end(directory, &error, signal);
            }
            let text = directory.read(self.file).map_err(unwritable)?;
            let unchanged = *text == *self.start;
            if let Err(error) = ended {
                let failure = Failure::new(Status::Editor, error);
                return Err(if unchanged {
                    failure
                } else {
                    self.keep(&text, failure)
                });
            }
            if unchanged && self.resumed.is_none() {
                let message = format!("{}: the file has not changed", self.file.display());
                return Err(Failure::new(Status::Unchanged, message));
            }
            match self.parsed(&text) {
                Ok(document) => return Ok((text, document)),
                Err(failure) => {
                    failure.print();
                    if !asks_again() {
                        return Err(self.keep(&text, failure));
                    }
                }
            }
        }
    }

    /// Keeps what was typed and saved, and ends by `signal`, which removes the directory.
    fn end(&self, directory: &PrivateDir, error: &EditorError, signal: i32) -> ! {
        let failure = Failure::new(Status::Editor, error);
        let text = directory.read(self.file).ok();
        let changed = text.filter(|text| **text != *self.start);
        match changed {
            Some(text) => self.keep(&text, failure).print(),
            None => failure.print(),
        }
        process::end_by(signal)
    }

    fn parsed(&self, text: &Zeroizing<Vec<u8>>) -> Outcome<Document> {
        let name = self.file.display().to_string();
        let parse = |text| input::parse(&name, self.store, text, self.context.parsing_plain());
        let document = parse(text.clone())?;
        if document.branches.is_empty() {
            let message = format!("{name}: the file is empty");
            return Err(Failure::new(Status::NoDocuments, message));
        }
        if document.has_metadata() {
            if !self.shows_keys {
                return Err(save::reserved(&name));
            }
            unlock::metadata(&name, self.store, &document)?;
        } else if self.shows_keys {
            let message = format!("{name}: the metadata is gone; leave the `sops` entry in");
            return Err(Failure::new(Status::General, message));
        }
        Ok(document)
    }

    /// The text with the metadata behind it, as `--show-master-keys` shows it.
    fn with_metadata(&self) -> Outcome<Zeroizing<Vec<u8>>> {
        let name = self.file.display().to_string();
        let text = self.start.clone();
        let document = input::parse(&name, self.store, text, self.context.parsing_plain())?;
        let mut metadata = self.metadata.clone();
        metadata.bulla.spelling.clear();
        if metadata.last_modified.is_empty() {
            metadata.last_modified = self.context.now();
        }
        let layout = self.layout();
        let mut splices = self.store.attach(&document, &metadata.to_data(), layout);
        Ok(splice(&document.source, &mut splices))
    }

    fn layout(&self) -> Layout {
        configuration::layout(self.context, Some(self.file), self.store)
    }

    fn save(mut self, text: &[u8], document: &Document) -> Outcome {
        let metadata = self.metadata.clone();
        let saved = self.try_save(document);
        saved.map_err(|failure| {
            self.metadata = metadata;
            self.keep(text, failure)
        })?;
        if let Some(path) = &self.resumed {
            draft::discard(path);
        }
        Ok(())
    }

    fn try_save(&mut self, document: &Document) -> Outcome {
        let name = self.file.display().to_string();
        let plain;
        let document = if self.shows_keys {
            self.take_keys(&unlock::metadata(&name, self.store, document)?)?;
            let mut splices = self.store.detach(document);
            let text = splice(&document.source, &mut splices);
            plain = input::parse(&name, self.store, text, self.context.parsing_plain())?;
            &plain
        } else {
            document
        };
        let selection = self.metadata.selection.clone();
        let sealing = Sealing {
            metadata: self.metadata.clone(),
            data_key: self.data_key.clone(),
            cipher: self.cipher,
            stash: std::mem::take(&mut self.stash),
            allow_nested: false,
            layout: self.layout(),
        };
        let encrypted = save::seal(self.context, Some(self.file), self.store, document, sealing)?;
        encrypt::say_clear(&name, document, &selection, &encrypted);
        match &self.input {
            Some(input) => save::write_back(self.context, input, &encrypted.text),
            None => save::finish(
                &name,
                output::create(self.file, &encrypted.text, Content::Encrypted),
            ),
        }
    }

    /// Takes over recipients and selection from the metadata that was edited.
    fn take_keys(&mut self, edited: &Metadata) -> Outcome {
        let same = edited.keys.same_recipients(&self.metadata.keys)
            && edited.keys.needed() == self.metadata.keys.needed();
        self.metadata.selection = edited.selection.clone();
        self.metadata.mac_only_encrypted = edited.mac_only_encrypted;
        if !same {
            self.metadata.keys = edited.keys.clone();
            self.context.wrap(&mut self.metadata.keys, &self.data_key)?;
        }
        Ok(())
    }

    /// Keeps `text` as a draft, and says so with the failure that made it necessary.
    fn keep(&self, text: &[u8], failure: Failure) -> Failure {
        let (file, resumed) = (self.file, self.resumed.as_deref());
        match draft::keep(
            self.context,
            file,
            &self.metadata,
            &self.data_key,
            text,
            &self.base,
            resumed,
        ) {
            Ok(()) => failure.hint(format!(
                "your edit is kept, encrypted; `bulla edit --resume {}` brings it back",
                file.display()
            )),
            Err(error) => failure.hint(format!("your edit could not be kept: {}", error.message)),
        }
    }
}

/// Waits for the user to say that the editor may open again.
pub fn asks_again() -> bool {
    note("press Enter to edit it again, or type q and Enter to stop");
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.is_ok_and(|n| n > 0) && !line.trim().eq_ignore_ascii_case("q")
}

fn unwritable(error: impl std::fmt::Display) -> Failure {
    Failure::new(Status::Unwritable, error)
}
