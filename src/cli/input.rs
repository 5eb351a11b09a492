//! What a command reads: a file or standard input, in a format, parsed; and how a text that
//! does not parse is shown without showing a secret.

use super::args::Types;
use super::failure::{Failure, Outcome, Status};
use super::output::{Original, OutputError};
use super::{Context, configuration, lock::Patience};
use crate::document::Document;
use crate::store::{self, Layout, ParseError, ParseOptions, Store};
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
    /// The file, `None` for standard input.
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
            Some(file) => {
                let mut original = original(file, purpose)?;
                let text = original.take_text();
                (Some(original), text)
            }
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

fn original(file: &Path, purpose: Purpose) -> Outcome<Original> {
    let waiting = || super::failure::note("waiting for another process that is changing the file");
    let read = match purpose {
        Purpose::Read => Original::read(file),
        Purpose::Change => Original::claim(file, Patience::with_notice(&waiting)),
        Purpose::Edit => Original::claim(file, Patience::NONE),
    };
    read.map_err(|error| match &error {
        OutputError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("{}: no such file", file.display());
            Failure::new(Status::NoFile, message)
        }
        _ => Failure::new(Status::Unreadable, error),
    })
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
    // A file whose name says JSON may hold comments; they are not to be lost by a conversion.
    let named = by_name.filter(|named| (input.name(), named.name()) != ("jsonc", "json"));
    let output = types.output_type.or(named).unwrap_or(input);
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
    // The parser takes the text; the place of an error is shown from a copy only it needs.
    let copy = text.clone();
    store
        .parse(text, options)
        .map_err(|error| not_parsed(name, &copy, &error))
}

/// The failure for a text that does not parse: file, line, column, the line and a caret.
pub fn not_parsed(name: &str, text: &[u8], error: &ParseError) -> Failure {
    let at = error.offset.min(text.len());
    let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |n| n + 1);
    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n);
    let number = memchr::memchr_iter(b'\n', &text[..start]).count() + 1;
    let before = String::from_utf8_lossy(&text[start..at]);
    let line = String::from_utf8_lossy(&text[start..end]);
    let column = before.chars().count();
    let shown: String = masked(line.trim_end()).chars().collect();
    let from = column.saturating_sub(SHOWN / 2);
    let window: String = shown.chars().skip(from).take(SHOWN).collect();
    let message = format!(
        "{name}:{number}:{}: {error}\n  {window}\n  {:>width$}",
        column + 1,
        "^",
        width = column - from + 1
    );
    let failure = Failure::new(Status::Unreadable, message);
    match error.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Characters of a line that are shown.
const SHOWN: usize = 76;

/// A line with everything that may be a value made unreadable: what stands behind its key
/// becomes `*`, but for blanks, quotes and brackets. Where it is not plain that there is a key,
/// the whole line.
fn masked(line: &str) -> String {
    let (key, value) = line.split_at(key_end(line).unwrap_or(0));
    let hidden = value.chars().map(|c| match c {
        '\t' => ' ',
        ' ' | '{' | '}' | '[' | ']' | ':' | ',' | '"' | '\'' => c,
        _ => '*',
    });
    key.chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .chain(hidden)
        .collect()
}

/// The end of the key that a line begins with, behind indentation and dashes: a bare word, or a
/// whole one in quotes, that a colon and a blank follow. `user:password` and `c2VjcmV0==` are none.
fn key_end(line: &str) -> Option<usize> {
    let end = line
        .match_indices(':')
        .find(|(at, _)| {
            line[at + 1..]
                .chars()
                .next()
                .is_none_or(char::is_whitespace)
        })
        .map(|(at, _)| at)?;
    let indicators = [' ', '\t', '-', '?'];
    let key = line[..end].trim_start_matches(indicators).trim_end();
    let bare = ['"', '\'']
        .iter()
        .find_map(|&quote| key.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(key);
    bare.chars().all(is_key_character).then_some(end)
}

fn is_key_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_and_nothing_else() {
        for (line, shown) in [
            ("a_b: hunter2", "a_b: *******"),
            ("  - key:", "  - key:"),
            ("\"k.1\": \"hunter2", "\"k.1\": \"*******"),
            ("  c2VjcmV0/cGFzcw==", "  *****************"),
            ("- \"hunter2: rest", "* \"*******: ****"),
            ("user:password", "****:********"),
            ("two words: more", "*** *****: ****"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
