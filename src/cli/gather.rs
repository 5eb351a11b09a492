//! What `exec-env` and `export` start from: the decrypted values of several files.

use super::args::{Types, Unlocking};
use super::failure::{Failure, Outcome, Status, warn};
use super::{Context, exec, input, unlock};
use crate::document::Document;
use crate::store::Store;
use crate::variables::{Floats, Naming, Variable, VariableError, variables};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How files are read, and what their values are called.
pub struct Gathering<'a> {
    /// The format of the files; without it each file tells.
    pub input_type: Option<&'static dyn Store>,
    /// How they are opened.
    pub unlocking: &'a Unlocking,
    /// Which of their values are wanted, by which names.
    pub naming: Naming,
}

/// A decrypted file.
pub struct Gathered {
    /// How it is called in messages.
    pub name: String,
    /// Its plaintext.
    pub document: Document,
    floats: Floats,
}

/// The text of `--prefix`.
///
/// # Errors
/// Where no name can start so.
pub fn prefix(text: &str) -> Result<String, &'static str> {
    if text.contains(['=', '\0']) {
        return Err("names of variables contain no `=` and no NUL");
    }
    Ok(text.to_owned())
}

impl Gathering<'_> {
    /// The variables of all files.
    ///
    /// # Errors
    /// Where a file cannot be opened, a value cannot be a variable, or two have one name.
    pub fn variables(&self, context: &Context, files: &[PathBuf]) -> Outcome<Vec<Variable>> {
        let mut owners = Owners::default();
        let mut all = Vec::new();
        for file in files {
            let read = self.read(context, file)?;
            let found = variables(&read.document, &read.floats, &self.naming);
            for variable in found.map_err(|error| failure(&error).of(&read.name))? {
                owners.take("variable", &variable.name, file)?;
                all.push(variable);
            }
        }
        Ok(all)
    }

    /// A file, decrypted.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn read(&self, context: &Context, file: &Path) -> Outcome<Gathered> {
        let types = Types {
            input_type: self.input_type,
            output_type: None,
        };
        let mut input = exec::read(context, file, &types)?;
        let unlocked = unlock::unlock(context, &mut input, self.unlocking)?;
        let text = unlocked.plaintext(context, &input, self.unlocking.ignore_mac)?;
        let floats = Floats::of(&unlocked.document);
        drop(unlocked);
        let document = input::parse(&input.name, input.store, text, context.parsing_plain())?;
        let name = input.name;
        if document.branches.len() > 1 {
            warn(format!("{name}: only the first of its documents is used"));
        }
        Ok(Gathered {
            name,
            document,
            floats,
        })
    }
}

/// Which file each name is of.
#[derive(Default)]
pub struct Owners<'f>(HashMap<Vec<u8>, &'f Path>);

impl<'f> Owners<'f> {
    /// Notes that `name`, a `kind` of thing, is of `file`.
    ///
    /// # Errors
    /// Where it is of another already.
    pub fn take(&mut self, kind: &str, name: &[u8], file: &'f Path) -> Outcome {
        let Some(other) = self.0.insert(name.to_vec(), file) else {
            return Ok(());
        };
        let message = format!(
            "the {kind} {} is in two files: {} and {}",
            String::from_utf8_lossy(name),
            other.display(),
            file.display()
        );
        Err(Failure::new(Status::General, message)
            .hint("leave it in one of them, or run the command with one file"))
    }
}

fn failure(error: &VariableError) -> Failure {
    let failure = Failure::new(Status::General, error);
    match error {
        VariableError::Nested(_) => {
            failure.hint("--flatten joins the keys of nested values with `_`")
        }
        _ => failure,
    }
}
