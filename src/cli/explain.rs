//! `bulla explain`: what would happen to a file, without touching anything.

use super::args::{Recipients, Selectors, Types};
use super::configuration::{self, Found};
use super::encrypt::{self, SealingFlags};
use super::failure::{Failure, Outcome, Status};
use super::input::{self, Input, Purpose};
use super::names::Names;
use super::{Context, output, unlock};
use crate::document::{Document, LeafKind, Type};
use crate::keys::KeyGroups;
use crate::metadata::Selection;
use crate::store::Store;
use clap::Args;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Show which rule applies to a file, who could open it, and what would be encrypted
#[derive(Args)]
pub struct Explain {
    /// The file; it need not exist.
    pub file: PathBuf,
    #[command(flatten)]
    pub types: Types,
    #[command(flatten)]
    pub recipients: Recipients,
    #[command(flatten)]
    pub selectors: Selectors,
    #[command(flatten)]
    pub sealing: SealingFlags,
}

impl Explain {
    /// Runs the command.
    ///
    /// # Errors
    /// Where configuration or file cannot be read, or no rule and no flag gives recipients.
    pub fn run(self, context: &Context) -> Outcome {
        let mut text = String::new();
        let found = configuration::find(context, Some(&self.file))?;
        let names = Names::of(found.as_ref());
        explain_rules(&mut text, found.as_ref(), &self.file)?;
        // What was found out is worth showing even where there is no plan.
        output::stdout(text.as_bytes()).map_err(unwritable)?;
        let mut text = String::new();
        let document = self.document(context)?;
        let metadata = match &document {
            Some((document, store)) if document.has_metadata() => Some(unlock::metadata(
                &self.file.display().to_string(),
                *store,
                document,
            )?),
            _ => None,
        };
        let selection = if let Some(metadata) = metadata {
            line(
                &mut text,
                "state",
                "encrypted; what follows is what the file itself says",
            );
            explain_keys(&mut text, &metadata.keys, &names);
            line(&mut text, "cipher", metadata.cipher().name());
            line(&mut text, "changed", &metadata.last_modified);
            metadata.selection
        } else {
            let mut plan = configuration::plan(
                context,
                Some(&self.file),
                &self.recipients,
                &self.selectors,
                &self.sealing,
            )?;
            let (store, _) = input::stores(Some(&self.file), &self.types);
            if store.envelope().is_some() {
                encrypt::encrypt_whole(&self.file.display().to_string(), &mut plan);
            }
            let state = if document.is_some() {
                "plaintext"
            } else {
                "does not exist"
            };
            line(&mut text, "state", state);
            explain_keys(&mut text, &plan.keys, &names);
            line(&mut text, "cipher", plan.cipher.name());
            plan.selection
        };
        line(&mut text, "selector", &selection);
        if let Some((document, _)) = document {
            explain_leaves(&mut text, &document, &selection);
        }
        output::stdout(text.as_bytes()).map_err(unwritable)
    }

    fn document(&self, context: &Context) -> Outcome<Option<(Document, &'static dyn Store)>> {
        if !self.file.exists() {
            return Ok(None);
        }
        let mut input = Input::read(context, Some(&self.file), &self.types, None, Purpose::Read)?;
        let document = input.parse()?;
        Ok(Some((document, input.store)))
    }
}

fn unwritable(error: output::OutputError) -> Failure {
    Failure::new(Status::Unwritable, error)
}

fn line(out: &mut String, name: &str, what: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{:<15}{what}", format!("{name}:"));
}

fn explain_rules(out: &mut String, found: Option<&Found>, file: &Path) -> Outcome {
    let Some(found) = found else {
        line(out, "configuration", "none found");
        return Ok(());
    };
    line(out, "configuration", found.path.display());
    let rules = found.config.creation_rules.as_deref().unwrap_or_default();
    let matched = configuration::rule(found, file)?;
    let others = matched.as_ref().map_or(&[][..], |matched| &matched.others);
    for (index, rule) in rules.iter().enumerate() {
        let pattern = rule
            .path_regex
            .as_ref()
            .map_or("(every file)", |p| p.as_str());
        let passed = others.iter().find(|(other, _)| *other == index);
        let why = match (passed, &matched) {
            (Some((_, why)), _) => why.to_string(),
            (None, Some(_)) => "matches: this rule applies".to_owned(),
            (None, None) => "does not match".to_owned(),
        };
        line(
            out,
            &format!("rule {}", index + 1),
            format!("{pattern}  {why}"),
        );
    }
    for unknown in &found.config.unknown {
        line(out, "unknown key", unknown);
    }
    for ignored in &found.config.ignored {
        let why = "key_groups beside it take its place";
        line(out, "ignored key", format!("{ignored} ({why})"));
    }
    Ok(())
}

fn explain_keys(out: &mut String, keys: &KeyGroups, names: &Names) {
    let several = keys.groups.len() > 1;
    for (number, ids) in keys.ids().into_iter().enumerate() {
        let name = if several {
            format!("group {}", number + 1)
        } else {
            "recipients".to_owned()
        };
        for (i, id) in ids.into_iter().enumerate() {
            let key = names.label(id);
            if i == 0 {
                line(out, &name, key);
            } else {
                let _ = writeln!(out, "{:<15}{key}", "");
            }
        }
    }
    if several {
        line(
            out,
            "threshold",
            format!("{} of {} groups", keys.needed(), keys.groups.len()),
        );
    }
}

fn count(values: usize) -> String {
    let noun = if values == 1 { "value" } else { "values" };
    format!("{values} {noun}")
}

fn explain_leaves(out: &mut String, document: &Document, selection: &Selection) {
    let mut leaves = document.leaves(selection);
    let mut rows = (String::new(), 0, String::new(), 0);
    while let Some(leaf) = leaves.advance() {
        let value = document.value(leaf.id);
        if leaf.kind == LeafKind::Comment || value.ty == Type::Null {
            continue;
        }
        let (list, count) = if selection.covers(&leaf) {
            (&mut rows.0, &mut rows.1)
        } else {
            (&mut rows.2, &mut rows.3)
        };
        *count += 1;
        let _ = writeln!(list, "  {}", leaves.path());
    }
    line(out, "encrypted", count(rows.1));
    out.push_str(&rows.0);
    line(out, "in clear", count(rows.3));
    out.push_str(&rows.2);
}
