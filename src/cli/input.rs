//! What a command reads: a file or standard input, in a format, parsed.

use super::args::Types;
use super::failure::{Failure, Outcome, Status};
use super::output::{Original, OutputError};
use super::{Context, configuration, lock::Patience, original};
use crate::document::Document;
use crate::store::{self, Excerpt, Layout, ParseError, ParseOptions, Store};
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
    /// The file it was read from; `None` for standard input.
    pub file: Option<PathBuf>,
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
    /// Reads `file`, or standard input without one: an encrypted file, whose content may say its
    /// format where its name does not.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(
        context: &Context,
        file: Option<&Path>,
        types: &Types,
        name_override: Option<&Path>,
        purpose: Purpose,
    ) -> Outcome<Self> {
        let mut input = Self::read_plain(context, file, types, name_override, purpose)?;
        if types.input_type.is_none() {
            input.look_inside(context, types);
        }
        Ok(input)
    }

    /// As [`Input::read`], for a file that is to be encrypted: its content says nothing.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read_plain(
        context: &Context,
        file: Option<&Path>,
        types: &Types,
        name_override: Option<&Path>,
        purpose: Purpose,
    ) -> Outcome<Self> {
        let (original, text) = match file {
            Some(file) => read(file, purpose)?,
            None => (
                None,
                standard_input().map_err(|error| {
                    Failure::new(Status::Unreadable, format!("standard input: {error}"))
                })?,
            ),
        };
        let path = name_override.or(file).map(Path::to_path_buf);
        let (store, output) = stores(path.as_deref(), types);
        Ok(Self {
            name: name(file),
            file: file.map(Path::to_path_buf),
            original,
            path,
            store,
            output,
            text,
            parsing: context.parsing(),
        })
    }

    /// Takes the format from the content, where sops would not tell it by the name: under such a
    /// name sops has written a binary file, whatever format the name means to us, and somebody
    /// with `--input-type` or another name in mind a file of any format.
    fn look_inside(&mut self, context: &Context, types: &Types) {
        let path = self.path.as_deref();
        if path.is_some_and(|path| store::is_name_of_sops(&path.to_string_lossy())) {
            return;
        }
        let is_nameless = self.store.envelope().is_some();
        let found = if is_nameless {
            store::by_content(&self.text, context.parsing())
        } else {
            store::is_envelope(&self.text).then_some(&store::Binary as _)
        };
        if let Some(found) = found {
            self.store = found;
            self.output = types.output_type.unwrap_or(found);
        }
    }

    /// Whether the text is an encrypted file of a format in which any text is a plaintext, too.
    pub fn is_sealed(&self) -> bool {
        self.store.envelope().is_some() && store::is_envelope(&self.text)
    }

    /// The text is plaintext, whatever it looks like.
    pub fn take_as_plain(&mut self) {
        self.parsing.is_plain = true;
    }

    /// Whether `text`, an encrypted file in the output format, would be taken for a binary file
    /// if it stood under the name of this one.
    pub fn would_be_binary(&self, text: &[u8]) -> bool {
        let path = self.path.as_deref();
        let is_told = path.is_none_or(|p| store::is_name_of_sops(&p.to_string_lossy()));
        self.output.envelope().is_none() && !is_told && store::is_envelope(text)
    }

    /// Whether the file's name means another format than that of the output.
    pub fn is_misnamed(&self) -> bool {
        let named = self.path.as_deref().map(named);
        named.is_some_and(|named| named.name() != self.output.name())
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

/// How `file` is called in messages, or standard input without one.
pub fn name(file: Option<&Path>) -> String {
    file.map_or("standard input".into(), |file| file.display().to_string())
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

/// Reads standard input to its end, and leaves no copy of a part of it behind.
///
/// # Errors
/// What reading gives.
pub fn standard_input() -> std::io::Result<Zeroizing<Vec<u8>>> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        // The library's own handle keeps what it has read in a buffer.
        let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
        original::read_whole(std::fs::File::from(stdin), 0)
    }
    #[cfg(not(unix))]
    original::read_whole(std::io::stdin().lock(), 0)
}

/// The formats of input and output: as the flags say, else as the name says. Where sops does not
/// tell a format by the name, the output is like an input that was named.
pub fn stores(path: Option<&Path>, types: &Types) -> (&'static dyn Store, &'static dyn Store) {
    let by_name = path.map_or(&store::Binary as _, named);
    let input = types.input_type.unwrap_or(by_name);
    let is_name_of_sops = path.is_some_and(|p| store::is_name_of_sops(&p.to_string_lossy()));
    // A file whose name says JSON may hold comments; they are not to be lost by a conversion.
    let is_dialect = (input.name(), by_name.name()) == ("jsonc", "json");
    let like = if is_name_of_sops && !is_dialect {
        by_name
    } else {
        input
    };
    (input, types.output_type.unwrap_or(like))
}

/// The format that a name means: where it means no other, a binary file.
fn named(path: &Path) -> &'static dyn Store {
    store::by_file_name(&path.to_string_lossy()).unwrap_or(&store::Binary)
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
pub fn not_parsed(name: &str, error: &ParseError) -> Failure {
    let Excerpt {
        line,
        column,
        text,
        before,
    } = &error.excerpt;
    let caret = " ".repeat(*before) + "^";
    let message = match line {
        0 => format!("{name}: {error}"),
        _ => format!("{name}:{line}:{column}: {error}\n  {text}\n  {caret}"),
    };
    let failure = Failure::new(Status::Unreadable, message);
    match error.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
