//! `bulla export`: the values of encrypted files in the format of whoever reads them.

use super::args::{Unlocking, format};
use super::environment::{GITHUB_ENV, GITHUB_OUTPUT};
use super::failure::{Failure, Outcome, Status, warn};
use super::gather::{Gathering, Owners, prefix};
use super::output::{self, Content, OutputError};
use super::{Context, decrypt, save};
use crate::crypto::{Random, SystemRandom};
use crate::document::{Data, Path};
use crate::export::{self as formats, ExportError, Secret, Target};
use crate::store::{Hcl, Json, Layout, Store, Yaml};
use crate::variables::{Naming, Variable};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Print the values of encrypted files for another program
///
/// Top-level keys are the names, as with exec-env; a null is an empty text. What a format cannot
/// hold is an error, and nothing is printed. Trees (json, yaml, tfvars) keep types and nesting.
#[derive(Args)]
#[command(after_help = "\
Examples:
  eval \"$(bulla export --format shell secrets.yaml)\"
  bulla export --format k8s --name web --output secret.yaml secrets.yaml
  bulla export --format github --flatten secrets.yaml     # in a step of a workflow")]
pub struct Export {
    /// The encrypted files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// For whom.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Format,
    /// Only what is at this path: `["database"]["hosts"][0]` or `database.hosts[0]`.
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub extract: Option<Path>,
    /// Join the keys of nested values with `_`; items of lists are named by their index.
    #[arg(long)]
    pub flatten: bool,
    /// What to put before every name.
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true, value_parser = prefix)]
    pub prefix: String,
    /// Write to this file, which only its owner can read, and not to standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// github: what the lines are for.
    #[arg(long, value_name = "TARGET", value_enum)]
    pub to: Option<To>,
    /// k8s: the name of the Secret.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// k8s: the namespace of the Secret.
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// k8s: a label of the Secret; can be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// k8s: values as they are (`stringData`), and not as base64 (`data`).
    #[arg(long)]
    pub string_data: bool,
    /// The format of the files; without it each file tells by its name or content.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub input_type: Option<&'static dyn Store>,
    #[command(flatten)]
    pub unlocking: Unlocking,
}

/// Who reads the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Readers of dotenv files: shells, Docker Compose, libraries
    Dotenv,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// `eval` of sh, bash, zsh: export NAME='value'
    Shell,
    /// docker run --env-file
    Docker,
    /// Terraform: -var-file
    Tfvars,
    /// kubectl apply: the manifest of a Secret
    K8s,
    /// A step of GitHub Actions: masks in the log, lines for `$GITHUB_ENV`
    Github,
    /// GitLab: artifacts:reports:dotenv
    Gitlab,
}

/// What the lines for GitHub are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// Variables of the steps that follow
    Env,
    /// Outputs of this step
    Output,
}

fn path(text: &str) -> Result<Path, String> {
    Path::parse(text).map_err(|error| error.to_string())
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Export {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(self, context: &Context) -> Outcome {
        self.check()?;
        let layout = Layout {
            indent: context.global.indent,
        };
        let gathering = self.gathering();
        let variables = || gathering.variables(context, &self.files);
        let text = match self.format {
            Format::Json => self.tree(context, &Json, layout)?,
            Format::Yaml => self.tree(context, &Yaml, layout)?,
            Format::Tfvars => self.tree(context, &Hcl, layout)?,
            Format::K8s => self.manifest(&variables()?, layout)?,
            Format::Github => return self.hand_over(context, &variables()?),
            Format::Dotenv => formats::dotenv(&variables()?).map_err(failure)?,
            Format::Shell => formats::shell(&variables()?).map_err(failure)?,
            Format::Docker => formats::docker(&variables()?).map_err(failure)?,
            Format::Gitlab => {
                let text = formats::gitlab(&variables()?).map_err(failure)?;
                say_of_reports(text.len());
                text
            }
        };
        self.deliver(context, &text)
    }

    /// Flags of one format are no flags of another.
    fn check(&self) -> Outcome {
        let wrong = |flag, of| {
            let message = format!("{flag} is a flag of --format {of}");
            Err(Failure::new(Status::Conflict, message))
        };
        let is_for_k8s = self.format == Format::K8s;
        let is_for_github = self.format == Format::Github;
        match () {
            () if self.name.is_some() && !is_for_k8s => wrong("--name", "k8s"),
            () if self.namespace.is_some() && !is_for_k8s => wrong("--namespace", "k8s"),
            () if !self.label.is_empty() && !is_for_k8s => wrong("--label", "k8s"),
            () if self.string_data && !is_for_k8s => wrong("--string-data", "k8s"),
            () if self.to.is_some() && !is_for_github => wrong("--to", "github"),
            () if self.output.is_some() && is_for_github => {
                let message = "--format github writes to the file that GITHUB_ENV names, and not to \
                               --output";
                Err(Failure::new(Status::Conflict, message))
            }
            () => Ok(()),
        }
    }

    fn gathering(&self) -> Gathering<'_> {
        Gathering {
            input_type: self.input_type,
            unlocking: &self.unlocking,
            naming: Naming {
                flatten: self.flatten,
                prefix: self.prefix.clone(),
                below: self.extract.clone().unwrap_or_default(),
                null: "",
            },
        }
    }

    fn deliver(&self, context: &Context, text: &[u8]) -> Outcome {
        match &self.output {
            Some(path) => {
                let written = output::write(path, text, Content::Plain, &context.environment);
                save::finish(&path.display().to_string(), written)
            }
            None => output::stdout(text).map_err(unwritten),
        }
    }

    /// The values as a tree, in the format of a store.
    fn tree(
        &self,
        context: &Context,
        store: &dyn Store,
        layout: Layout,
    ) -> Outcome<Zeroizing<Vec<u8>>> {
        let data = if self.flatten {
            let variables = self.gathering().variables(context, &self.files)?;
            let texts = variables.into_iter();
            Data::Map(
                texts
                    .map(|each| (each.name, Data::str(&*each.value)))
                    .collect(),
            )
        } else {
            self.merged(context)?
        };
        Ok(store.emit(&[data], layout)?)
    }

    /// The values of all files, with the keys of their roots side by side.
    fn merged(&self, context: &Context) -> Outcome<Data> {
        let mut owners = Owners::default();
        let mut merged = Vec::new();
        for file in &self.files {
            match self.of_file(context, file)? {
                Data::Map(entries) => {
                    for (key, data) in entries {
                        if matches!(data, Data::Comment(..)) {
                            continue;
                        }
                        owners.take("key", &key, file)?;
                        merged.push(([self.prefix.as_bytes(), &key].concat(), data));
                    }
                }
                data if self.files.len() == 1 && self.prefix.is_empty() => return Ok(data),
                _ => {
                    let file = file.display();
                    let message = format!("{file}: only mappings have keys to be named by");
                    return Err(Failure::new(Status::General, message));
                }
            }
        }
        Ok(Data::Map(merged))
    }

    fn of_file(&self, context: &Context, file: &std::path::Path) -> Outcome<Data> {
        let read = self.gathering().read(context, file)?;
        let checked = decrypt::check_keys(&read.document);
        checked.map_err(|error| Failure::from(error).of(&read.name))?;
        let below = self.extract.clone().unwrap_or_default();
        match read.document.find(0, &below) {
            Some(id) => Ok(read.document.data(id)),
            None if below.0.is_empty() => Ok(Data::Map(Vec::new())),
            None => {
                let message = format!("{}: {below} not found", read.name);
                Err(Failure::new(Status::General, message))
            }
        }
    }

    fn manifest(&self, variables: &[Variable], layout: Layout) -> Outcome<Zeroizing<Vec<u8>>> {
        let Some(name) = self.name.clone() else {
            return Err(Failure::new(Status::General, "a Secret needs a name").hint("--name NAME"));
        };
        let secret = Secret {
            name,
            namespace: self.namespace.clone(),
            labels: self.label.clone(),
            is_text: self.string_data,
        };
        let manifest = secret.manifest(variables);
        let manifest = manifest.map_err(|error| Failure::new(Status::Emit, error))?;
        Ok(Yaml.emit(&[manifest], layout)?)
    }

    /// Masks first: nothing of a step may use a value that its log would show.
    fn hand_over(&self, context: &Context, variables: &[Variable]) -> Outcome {
        let (name, target) = match self.to {
            None | Some(To::Env) => (GITHUB_ENV, Target::Environment),
            Some(To::Output) => (GITHUB_OUTPUT, Target::Output),
        };
        let Some(file) = context.environment.path(name) else {
            let message = format!("{name} is not set, which names the file to write to");
            return Err(Failure::new(Status::NoFile, message)
                .hint("--format github is for a step of a workflow of GitHub Actions"));
        };
        let lines = formats::assignments(variables, target, &delimiter()?).map_err(failure)?;
        output::stdout(&formats::masks(variables)).map_err(unwritten)?;
        output::append(file, &lines).map_err(unwritten)
    }
}

/// A line that nobody can foresee.
fn delimiter() -> Outcome<String> {
    let mut bytes = [0; 16];
    let filled = SystemRandom.fill(&mut bytes);
    filled.map_err(|error| Failure::new(Status::General, error))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("ghadelimiter_{digits}"))
}

fn say_of_reports(bytes: usize) {
    warn("a dotenv report is an artifact: whoever sees those of the job reads the values");
    if bytes > formats::MOST_BYTES {
        let most = formats::MOST_BYTES;
        warn(format!(
            "the report has {bytes} bytes; GitLab takes {most} where nobody has set more"
        ));
    }
}

fn unwritten(error: OutputError) -> Failure {
    Failure::new(Status::Unwritable, error)
}

fn failure(error: ExportError) -> Failure {
    Failure::new(Status::Emit, error)
}
