//! The configuration that applies to a file, and the plan it makes for encrypting it.

use super::args::{Recipients, Selectors};
use super::encrypt::SealingFlags;
use super::failure::{Failure, Outcome, Status, warn};
use super::{Context, input};
use crate::config::{Config, Matched, Rule, RuleKey, Stores, candidates, companion};
use crate::crypto::Cipher;
use crate::document::Data;
use crate::keys::{AwsOptions, KeyGroup, KeyGroups, MasterKey, PROVIDERS, Provider};
use crate::metadata::Selection;
use crate::store::{Layout, Store, Yaml};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A configuration file that was found and read.
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Its directory, absolute: paths in rules are relative to it.
    pub directory: PathBuf,
    /// What it says.
    pub config: Config,
}

/// How a file is to be encrypted.
pub struct Plan {
    /// The recipients.
    pub keys: KeyGroups,
    /// Which leaves are encrypted.
    pub selection: Selection,
    /// The MAC covers encrypted leaves only.
    pub mac_only_encrypted: bool,
    /// The cipher of new tokens.
    pub cipher: Cipher,
}

/// Finds and reads the configuration for `file`: the one that `--config` names, else the
/// nearest from the file's directory upwards, else from the working directory upwards.
///
/// # Errors
/// Where a configuration was found, or named, and cannot be read.
pub fn find(context: &Context, file: Option<&Path>) -> Outcome<Option<Found>> {
    let path = match locate(context, file) {
        Ok(path) => path,
        Err(misnamed) => {
            if let Some(misnamed) = misnamed {
                let name = misnamed.display();
                warn(format!(
                    "{name} is not read: the configuration is called .sops.yaml"
                ));
            }
            return Ok(None);
        }
    };
    read(context, path).map(Some)
}

/// As [`find`], for what is nice to know: a configuration that cannot be read says nothing.
pub fn find_silently(context: &Context, file: Option<&Path>) -> Option<Found> {
    read(context, locate(context, file).ok()?).ok()
}

fn read(context: &Context, path: PathBuf) -> Outcome<Found> {
    let name = path.display().to_string();
    let text = std::fs::read(&path)
        .map_err(|error| Failure::new(Status::General, format!("{name}: {error}")))?;
    let not_loaded = |failure: Failure| Failure {
        status: Status::General,
        message: format!("error loading config: {}", failure.message),
        ..failure
    };
    let document =
        input::parse(&name, &Yaml, Zeroizing::new(text), context.parsing()).map_err(not_loaded)?;
    let root = document.branches.first().and_then(|branch| branch.root);
    let data = root.map_or_else(Data::null, |root| document.data(root));
    let absolute = absolute(&path)?;
    Ok(Found {
        config: Config::from_data(&data, &path)?,
        directory: absolute.parent().unwrap_or(&absolute).to_path_buf(),
        path,
    })
}

/// How new text in the format of `store` is laid out: as the flag says, else as the configuration
/// for `file` says. A broken configuration says nothing.
pub fn layout(context: &Context, file: Option<&Path>, store: &dyn Store) -> Layout {
    let configured = || {
        let path = locate(context, file).ok()?;
        let text = Zeroizing::new(std::fs::read(&path).ok()?);
        let document = Yaml.parse(text, context.parsing()).ok()?;
        let data = document.data(document.branches.first()?.root?);
        let stores = Stores::from_data(&data, &path).ok()?;
        match store.name() {
            "yaml" => stores.yaml,
            "binary" => stores.json_binary,
            _ => stores.json,
        }
    };
    Layout {
        indent: context.global.indent.or_else(configured),
    }
}

/// The path of the configuration; where there is none, perhaps that of a file which bears the
/// wrong name.
pub fn locate(context: &Context, file: Option<&Path>) -> Result<PathBuf, Option<PathBuf>> {
    if let Some(path) = &context.global.config {
        return Ok(path.clone());
    }
    let working = std::env::current_dir().ok();
    let own = file.and_then(|file| std::path::absolute(file).ok());
    let own = own.as_deref().and_then(Path::parent);
    let starts = own.into_iter().chain(working.as_deref());
    let mut ignored = None;
    for candidate in starts.flat_map(|start| candidates(start).collect::<Vec<_>>()) {
        if candidate.is_file() {
            return Ok(candidate);
        }
        let misnamed = companion(&candidate);
        if ignored.is_none() && misnamed.is_file() {
            ignored = Some(misnamed);
        }
    }
    Err(ignored)
}

/// The rule for `file` in a configuration.
pub fn rule<'f>(found: &'f Found, file: &Path) -> Outcome<Option<Matched<'f>>> {
    Ok(found.config.rule_for(&absolute(file)?, &found.directory))
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Failure::new(Status::General, format!("{}: {error}", path.display())))
}

/// The plan for a new file: flags first, then the rule that matches its path.
///
/// # Errors
/// Where there are no recipients, or flags and rules cannot be followed.
pub fn plan(
    context: &Context,
    file: Option<&Path>,
    recipients: &Recipients,
    selectors: &Selectors,
    sealing: &SealingFlags,
) -> Outcome<Plan> {
    let aws = given_aws(recipients)?;
    let given = given_keys(recipients, &aws)?;
    let found = find(context, file)?;
    let matched = match (&found, file) {
        (Some(found), Some(file)) => rule(found, file)?,
        _ => None,
    };
    tell(context, found.as_ref(), matched.as_ref());
    let rule = matched.map(|matched| matched.rule);
    if given.is_empty() && rule.is_none() {
        return Err(no_keys(found.as_ref(), file));
    }
    combine(given, found.as_ref().zip(rule), &aws, selectors, sealing)
}

/// As [`plan`], but a rule must match.
///
/// # Errors
/// As there, and where there is no configuration or no rule for the file.
pub fn rule_plan(
    context: &Context,
    file: &Path,
    recipients: &Recipients,
    selectors: &Selectors,
    sealing: &SealingFlags,
) -> Outcome<Plan> {
    let Some(found) = find(context, Some(file))? else {
        return Err(no_keys(None, Some(file)));
    };
    let aws = given_aws(recipients)?;
    let matched = rule(&found, file)?;
    tell(context, Some(&found), matched.as_ref());
    match matched {
        Some(matched) => combine(
            given_keys(recipients, &aws)?,
            Some((&found, matched.rule)),
            &aws,
            selectors,
            sealing,
        ),
        None => Err(no_keys(Some(&found), Some(file))),
    }
}

/// The plan for a file that is encrypted anew to be published: as its rule says, and nothing else.
///
/// # Errors
/// Where the rule cannot be followed.
#[cfg(feature = "http")]
pub fn recreation(found: &Found, rule: &Rule) -> Outcome<Plan> {
    combine(
        KeyGroup::new(),
        Some((found, rule)),
        &AwsOptions::default(),
        &Selectors::default(),
        &SealingFlags::default(),
    )
}

/// Says which configuration and which rule count.
fn tell(context: &Context, found: Option<&Found>, matched: Option<&Matched<'_>>) {
    let config = found.map(|found| found.path.display().to_string());
    match (config, matched) {
        (None, _) => context.tell("no configuration"),
        (Some(config), None) => context.tell(format_args!("{config}: no rule matches")),
        (Some(config), Some(matched)) => {
            let number = matched.index + 1;
            context.tell(format_args!("{config}: creation rule {number} counts"));
        }
    }
}

fn no_keys(found: Option<&Found>, file: Option<&Path>) -> Failure {
    let name = file.map_or("standard input".into(), |file| file.display().to_string());
    if let Some(found) = found {
        let config = found.path.display();
        let message =
            format!("{name}: error loading config: no matching creation rules found in {config}");
        let hint = format!("`bulla explain {name}` shows why; or give recipients with --age");
        Failure::new(Status::General, message).hint(hint)
    } else {
        let message = format!("{name}: config file not found, and no keys provided");
        Failure::new(Status::General, message)
            .hint("give recipients with --age, or make a .sops.yaml: `bulla init`")
    }
}

fn combine(
    given: KeyGroup,
    rule: Option<(&Found, &Rule)>,
    aws: &AwsOptions,
    selectors: &Selectors,
    sealing: &SealingFlags,
) -> Outcome<Plan> {
    let groups = match rule {
        Some((found, rule)) if given.is_empty() => rule_groups(found, rule, aws)?,
        _ => vec![given],
    };
    let mut keys = groups.iter().flatten();
    warn_of_idle(aws, keys.any(|key| key.provider() == "kms"));
    let rule = rule.map(|(_, rule)| rule);
    if rule.is_some_and(|rule| rule.require_seal) {
        let message =
            "the rule demands a seal (bulla.require_seal), which this version cannot write";
        return Err(Failure::new(Status::General, message));
    }
    let threshold = sealing
        .shamir_secret_sharing_threshold
        .or(rule.map(|rule| rule.shamir_threshold))
        .unwrap_or(0);
    let fields = selectors.fields();
    if fields.len() > 1 {
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        let message = format!("cannot use more than one of {}", names.join(", "));
        return Err(Failure::new(Status::Conflict, message));
    }
    let chosen = Selection::from_fields(fields)
        .map_err(|error| Failure::new(Status::General, error).hint(REGEX_HINT))?;
    let named = rule.and_then(|rule| rule.cipher);
    let named = named.and_then(|name| Cipher::from_name(name.as_bytes()));
    Ok(Plan {
        keys: KeyGroups { groups, threshold },
        selection: chosen
            .or_else(|| rule.and_then(|rule| rule.selection.clone()))
            .unwrap_or_default(),
        mac_only_encrypted: selectors.mac_only_encrypted
            || rule.is_some_and(|rule| rule.mac_only_encrypted),
        cipher: sealing.cipher.or(named).unwrap_or_default(),
    })
}

const REGEX_HINT: &str =
    "patterns are those of Go's RE2; sops would silently match nothing and leave secrets in clear";

/// What flags tell AWS keys.
fn given_aws(recipients: &Recipients) -> Outcome<AwsOptions> {
    aws_options(
        recipients.encryption_context.as_deref(),
        recipients.aws_profile.as_deref(),
    )
}

/// New keys for the recipients given by flag or environment.
fn given_keys(recipients: &Recipients, aws: &AwsOptions) -> Outcome<KeyGroup> {
    let mut keys = KeyGroup::new();
    for (provider, list) in recipients.given() {
        if let Some(provider) = Provider::find(provider) {
            keys.extend(provider.parse(list, aws)?);
        }
    }
    Ok(keys)
}

fn rule_groups(found: &Found, rule: &Rule, aws: &AwsOptions) -> Outcome<Vec<KeyGroup>> {
    let key = |(at, key): (usize, &RuleKey)| rule_key(key, at + 1, aws);
    let group = |keys: &Vec<RuleKey>| keys.iter().enumerate().map(key).collect();
    let groups: Outcome<_> = rule.groups.iter().map(group).collect();
    groups.map_err(|failure: Failure| {
        let failure = failure.of(format!("error loading config: {}", found.path.display()));
        let keys = rule.groups.iter().flatten();
        let meant = keys.filter_map(|key| found.config.names.suggestion(&key.id));
        match { meant }.next() {
            Some(name) => failure.hint(format!("did you mean {name:?}?")),
            None => failure,
        }
    })
}

/// What a key that a rule names is called in files, as far as that can be told.
pub fn rule_key_id(key: &RuleKey) -> String {
    let (text, aws) = spelled(key, &AwsOptions::default());
    provider_of(key).map_or_else(|| text.clone(), |provider| provider.id_of(&text, &aws))
}

/// A new key that a rule names; flags tell AWS keys what the rule does not.
fn rule_key(key: &RuleKey, place: usize, aws: &AwsOptions) -> Outcome<Box<dyn MasterKey>> {
    let Some(provider) = provider_of(key) else {
        let message = format!("the rule names a key of an unknown kind, {}", key.provider);
        return Err(Failure::new(Status::General, message));
    };
    let (text, aws) = spelled(key, aws);
    Ok(provider.parse_one(&text, place, &aws)?)
}

fn provider_of(key: &RuleKey) -> Option<&'static Provider> {
    let mut providers = PROVIDERS.iter();
    providers.find(|provider| provider.config_field == key.provider)
}

/// A key of a rule as a flag takes it, and what it says about AWS.
fn spelled(key: &RuleKey, flags: &AwsOptions) -> (String, AwsOptions) {
    let text = |name| {
        let text = key.extra.entry(name).and_then(Data::text);
        text.unwrap_or_default().to_owned()
    };
    let pair = |(name, value): &(Vec<u8>, Data)| {
        let name = String::from_utf8_lossy(name).into_owned();
        (name, value.text().unwrap_or_default().to_owned())
    };
    let context = match key.extra.entry("context") {
        Some(Data::Map(entries)) if !entries.is_empty() => entries.iter().map(pair).collect(),
        _ => flags.context.clone(),
    };
    let profile = Some(text("aws_profile")).filter(|profile| !profile.is_empty());
    let profile = profile.unwrap_or_else(|| flags.profile.clone());
    let named = match text("role") {
        role if role.is_empty() => key.id.clone(),
        role => format!("{}+{role}", key.id),
    };
    (named, AwsOptions { context, profile })
}

/// What AWS keys are told by flags.
///
/// # Errors
/// Where the context is none.
pub fn aws_options(context: Option<&str>, profile: Option<&str>) -> Outcome<AwsOptions> {
    AwsOptions::new(context.unwrap_or_default(), profile.unwrap_or_default())
        .map_err(|error| Failure::new(Status::BadContext, error))
}

/// Says that what flags tell AWS keys is without effect where there is none (`has_keys`).
pub fn warn_of_idle(aws: &AwsOptions, has_keys: bool) {
    let flags = [
        ("--encryption-context", !aws.context.is_empty()),
        ("--aws-profile", !aws.profile.is_empty()),
    ];
    for (flag, _) in flags.into_iter().filter(|(_, given)| *given && !has_keys) {
        warn(format!(
            "{flag}: no AWS key is named, so it is without effect"
        ));
    }
}
