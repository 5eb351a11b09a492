//! What a command reads: a file or standard input, in a format, parsed.

use super::args::Types;
use super::failure::{Failure, Outcome, Status};
use super::output::{Original, OutputError};
use super::{Context, configuration, lock::Patience, original};
use crate::document::Document;
use crate::store::{self, Excerpt, Layout, ParseError, ParseOptions, Store};
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Whether a file is going to be written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Only read.
    Read,
    /// Changed at once; waits for another writer.
    Change,
    /// Held for as long as an editor runs; another writer is an error.
    Edit,
}

/// A text and where it came from.
pub struct Input {
    /// How it is called in messages.
    pub name: String,
    /// The file where it is going to be changed.
    pub original: Option<Original>,
    /// The path by which rule and format are found, where there is one.
    pub path: Option<PathBuf>,
    /// The format of the text.
    pub store: &'static dyn Store,
    /// The format of what is made of it.
    pub output: &'static dyn Store,
    text: Zeroizing<Vec<u8>>,
    parsing: ParseOptions,
}

impl Input {
    /// Reads `file`, or standard input without one.
    ///
    /// # Errors
    /// Where it cannot be read, or its format is not known.
    pub fn read(
        context: &Context,
        file: Option<&Path>,
        types: &Types,
        name_override: Option<&Path>,
        purpose: Purpose,
    ) -> Outcome<Self> {
        let (original, text) = match file {
            Some(file) => read(file, purpose)?,
            None => (None, standard_input()?),
        };
        let path = name_override.or(file).map(Path::to_path_buf);
        let name = file.map_or("standard input".into(), |file| file.display().to_string());
        let (store, output) = stores(&name, path.as_deref(), types)?;
        Ok(Self {
            name,
            original,
            path,
            store,
            output,
            text,
            parsing: context.parsing(),
        })
    }

    /// Whether the output has another format.
    pub fn converts(&self) -> bool {
        self.output.name() != self.store.name()
    }

    /// How new text in the output format is laid out.
    pub fn layout(&self, context: &Context) -> Layout {
        configuration::layout(context, self.path.as_deref(), self.output)
    }

    /// Parses the text. Can be done once.
    ///
    /// # Errors
    /// Where the text is not of its format; shows the place.
    pub fn parse(&mut self) -> Outcome<Document> {
        let text = std::mem::take(&mut self.text);
        parse(&self.name, self.store, text, self.parsing)
    }
}

/// The text of a file; with it, where it is going to be changed, what tells whether somebody else
/// has changed it since.
fn read(file: &Path, purpose: Purpose) -> Outcome<(Option<Original>, Zeroizing<Vec<u8>>)> {
    let waiting = || super::failure::note("waiting for another process that is changing the file");
    let claimed = match purpose {
        Purpose::Read => return Ok((None, original::read(file).map_err(|e| unreadable(file, e))?)),
        Purpose::Change => Original::claim(file, Patience::with_notice(&waiting)),
        Purpose::Edit => Original::claim(file, Patience::NONE),
    };
    let mut original = claimed.map_err(|error| unreadable(file, error))?;
    let text = original.take_text();
    Ok((Some(original), text))
}

fn unreadable(file: &Path, error: OutputError) -> Failure {
    match &error {
        OutputError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("{}: no such file", file.display());
            Failure::new(Status::NoFile, message)
        }
        _ => Failure::new(Status::Unreadable, error),
    }
}

fn standard_input() -> Outcome<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::new());
    std::io::stdin()
        .lock()
        .read_to_end(&mut text)
        .map_err(|error| Failure::new(Status::Unreadable, format!("standard input: {error}")))?;
    Ok(text)
}

/// The formats of input and output: as the flags say, else as the name says, else alike.
pub fn stores(
    name: &str,
    path: Option<&Path>,
    types: &Types,
) -> Outcome<(&'static dyn Store, &'static dyn Store)> {
    let by_name = path.and_then(|path| store::by_file_name(&path.to_string_lossy()));
    let Some(input) = types.input_type.or(by_name) else {
        let message = format!("{name}: cannot tell the format by the name");
        return Err(Failure::new(Status::Unreadable, message)
            .hint("say it: --input-type yaml, or --input-type json"));
    };
    let output = types.output_type.or(by_name).unwrap_or(input);
    Ok((input, output))
}

/// Parses `text`, which is called `name` in messages.
///
/// # Errors
/// Where the text is not of its format; shows the place.
pub fn parse(
    name: &str,
    store: &dyn Store,
    text: Zeroizing<Vec<u8>>,
    options: ParseOptions,
) -> Outcome<Document> {
    store.parse(text, options).map_err(|error| {
        let failure = not_parsed(name, &error);
        let is_twice = error.problem.contains("twice") && !options.allow_duplicate_keys;
        // metadata may not stand twice whatever is allowed
        if is_twice && !error.problem.contains("\"sops\"") {
            return failure
                .hint("--allow-duplicate-keys reads the file all the same, to rescue it");
        }
        failure
    })
}

/// The failure for a text that does not parse: file, line, column, the line and a caret.
fn not_parsed(name: &str, error: &ParseError) -> Failure {
    let Excerpt {
        line,
        column,
        text,
        before,
    } = &error.excerpt;
    let caret = " ".repeat(*before) + "^";
    let message = format!("{name}:{line}:{column}: {error}\n  {text}\n  {caret}");
    let failure = Failure::new(Status::Unreadable, message);
    match error.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
