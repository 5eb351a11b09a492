//! `bulla config`: the configuration itself, not the files it is for.

use super::args::Types;
use super::configuration;
use super::failure::{Failure, Outcome, Status, note};
use super::input::{self, Input, Purpose};
use super::{Context, output, save};
use crate::change::{self, ChangeError};
use crate::config::{Config as Configuration, Edit, schema};
use crate::document::{Data, Document};
use crate::store::{Layout, Store, Yaml};
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

/// Work on the configuration
#[derive(Args)]
pub struct Config {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Expand(Expand),
    Schema(Schema),
}

/// Print the configuration with recipients in the place of names, for stock sops
///
/// What names stand for is written into the rules, and the names become comments. Everything else
/// stays as it is.
#[derive(Args)]
struct Expand {
    /// Write back to the file.
    #[arg(short, long)]
    in_place: bool,
}

/// Print the JSON Schema of `.sops.yaml`, for editors
#[derive(Args)]
struct Schema {}

impl Config {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Expand(expand) => expand.run(context),
            Verb::Schema(_) => {
                let text = Schema::text()?;
                output::stdout(&text).map_err(|error| Failure::new(Status::Unwritable, error))
            }
        }
    }
}

impl Schema {
    fn text() -> Outcome<Zeroizing<Vec<u8>>> {
        let layout = Layout { indent: Some(2) };
        Ok(crate::store::Json.emit(&[schema()], layout)?)
    }
}

impl Expand {
    fn run(self, context: &Context) -> Outcome {
        let path = configuration::locate(context, None).map_err(|_| {
            Failure::new(Status::General, "config file not found")
                .hint("run it where the .sops.yaml is, or name one with --config")
        })?;
        let types = Types {
            input_type: Some(&Yaml),
            output_type: Some(&Yaml),
        };
        let purpose = if self.in_place {
            Purpose::Change
        } else {
            Purpose::Read
        };
        let general = |failure: Failure| failure.with(Status::General);
        let mut input =
            Input::read(context, Some(&path), &types, None, purpose).map_err(general)?;
        let document = input.parse().map_err(general)?;
        let data = data(&document);
        let config = Configuration::from_data(&data, &path)?;
        let layout = input.layout(context);
        let text = expanded(
            context,
            &input.name,
            document,
            &config.expansion(&data),
            layout,
        )?;
        let written = input::parse(&input.name, &Yaml, text.clone(), context.parsing())?;
        let after = Configuration::from_data(&self::data(&written), &path)?;
        if !after.same_keys(&config) {
            let message = format!(
                "{}: some names stand where they cannot be replaced (behind an alias or a merge key)",
                input.name
            );
            return Err(Failure::new(Status::General, message)
                .hint("write these rules out, without `*` and `<<`; nothing was changed"));
        }
        if self.in_place {
            save::write_back(context, &input, &text)
        } else {
            output::stdout(&text).map_err(|error| Failure::new(Status::Unwritable, error))
        }
    }
}

fn data(document: &Document) -> Data {
    let root = document.branches.first().and_then(|branch| branch.root);
    root.map_or_else(Data::null, |root| document.data(root))
}

/// The text after all edits, one after another.
fn expanded(
    context: &Context,
    name: &str,
    mut document: Document,
    edits: &[Edit],
    layout: Layout,
) -> Outcome<Zeroizing<Vec<u8>>> {
    let failed = |error: ChangeError| {
        Failure::new(Status::General, format!("{name}: {error}"))
            .hint("names cannot be replaced where aliases are involved; nothing was changed")
    };
    for edit in edits {
        let text = match edit {
            Edit::Set(path, data) => {
                change::set(&Yaml, &document, path, data, layout).map_err(failed)?
            }
            Edit::Unset(path) => Some(change::unset(&Yaml, &document, path).map_err(failed)?),
            Edit::Tidy(path) => match change::unset(&Yaml, &document, path) {
                Ok(text) => Some(text),
                Err(ChangeError::Alias(_)) => {
                    note(format!("{name}: {path} stays, as aliases refer to it"));
                    None
                }
                Err(error) => return Err(failed(error)),
            },
        };
        if let Some(text) = text {
            document = input::parse(name, &Yaml, text, context.parsing())?;
        }
    }
    Ok(Zeroizing::new(document.source.to_vec()))
}
