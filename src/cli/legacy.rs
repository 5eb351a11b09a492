//! The spellings of the command line that sops takes and clap does not, turned into ours:
//! long flags with one dash, `--flag=false`, and the old form without a sub-command.

use super::failure::{Failure, Outcome, Status, warn};
use clap::Command;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

/// What is known of a flag: its long name and whether a value follows it.
struct Flag {
    long: String,
    takes_value: bool,
}

/// Every flag of every command, by long name and by its letter.
struct Flags(HashMap<String, Flag>);

/// What the old form chooses a command by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Encrypt,
    Decrypt,
    Rotate,
    Set,
    Edit,
}

/// The arguments (without the program's name) in the form that clap takes; none where the old
/// form lacks its file.
///
/// # Errors
/// Where `--set` lacks its value.
pub fn rewrite(arguments: Vec<OsString>, cli: &Command) -> Outcome<Vec<OsString>> {
    let flags = Flags::of(cli);
    let (words, first) = flags.normalize(arguments);
    let is_command = first.is_some_and(|at| {
        let name = words[at].to_str().unwrap_or_default();
        name == "help" || cli.find_subcommand(name).is_some()
    });
    if let Some(at) = first.filter(|_| is_command) {
        return Ok(command_first(words, at, cli));
    }
    let asked = words
        .iter()
        .find(|word| *word == "--help" || *word == "--version");
    match asked {
        Some(word) => Ok(vec![word.clone()]),
        None if first.is_none() => Ok(words.into_iter().filter(|w| !flags.knows(w)).collect()),
        None => old_form(words, cli),
    }
}

/// The command before its flags. sops ignores most flags in front of it; ours count where the
/// command has them.
fn command_first(mut words: Vec<OsString>, at: usize, cli: &Command) -> Vec<OsString> {
    let mut behind = words.split_off(at);
    let name = behind[0].to_str().unwrap_or_default();
    let known = cli.find_subcommand(name);
    words.retain(|flag| {
        let idle = is_idle(flag, known) && !is_global(flag, cli);
        if idle {
            warn(format!("--{} has no meaning for {name}", name_of(flag)));
        }
        !idle && *flag != "--"
    });
    behind.splice(1..1, words);
    behind
}

impl Flags {
    fn of(cli: &Command) -> Self {
        let mut flags = HashMap::new();
        let mut commands = vec![cli];
        let mut next = 0;
        while let Some(command) = commands.get(next) {
            commands.extend(command.get_subcommands());
            next += 1;
        }
        for argument in commands.into_iter().flat_map(Command::get_arguments) {
            let Some(long) = argument.get_long() else {
                continue;
            };
            let takes_value = argument.get_action().takes_values();
            let names = std::iter::once(long.to_owned())
                .chain(argument.get_short().map(String::from))
                .chain(
                    argument
                        .get_all_aliases()
                        .into_iter()
                        .flatten()
                        .map(String::from),
                );
            for name in names {
                let long = long.to_owned();
                flags.insert(name, Flag { long, takes_value });
            }
        }
        for (name, long) in OLD_FLAGS {
            for name in [name, long] {
                let flag = Flag {
                    long: (*long).to_owned(),
                    takes_value: *long == "set",
                };
                flags.entry((*name).to_owned()).or_insert(flag);
            }
        }
        Self(flags)
    }

    /// Whether a word that [`Flags::normalize`] made is a flag of some command.
    fn knows(&self, word: &OsString) -> bool {
        self.0.contains_key(name_of(word))
    }

    /// Every flag as `--long` or `--long=value`; also the place of the first positional.
    fn normalize(&self, arguments: Vec<OsString>) -> (Vec<OsString>, Option<usize>) {
        let mut words = Vec::with_capacity(arguments.len());
        let mut first = None;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let text = argument.to_str().unwrap_or_default();
            if text == "--" {
                words.push(argument);
                if arguments.len() > 0 {
                    first = first.or(Some(words.len()));
                }
                words.extend(arguments);
                break;
            }
            let Some(flag) = text.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                first = first.or(Some(words.len()));
                words.push(argument);
                continue;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, None),
            };
            match (self.0.get(name), value) {
                (None, _) => words.push(argument),
                (Some(known), Some("1" | "t" | "T" | "true" | "TRUE" | "True"))
                    if !known.takes_value =>
                {
                    words.push(format!("--{}", known.long).into());
                }
                (Some(known), Some("0" | "f" | "F" | "false" | "FALSE" | "False"))
                    if !known.takes_value =>
                {
                    // most flags are off without it; one that is on has an opposite
                    let opposite = format!("no-{}", known.long);
                    if self.0.contains_key(&opposite) {
                        words.push(format!("--{opposite}").into());
                    }
                }
                (Some(known), Some(value)) => {
                    words.push(format!("--{}={value}", known.long).into());
                }
                (Some(known), None) => {
                    let mut word = OsString::from(format!("--{}", known.long));
                    if known.takes_value
                        && let Some(value) = arguments.next()
                    {
                        word.push("=");
                        word.push(value);
                    }
                    words.push(word);
                }
            }
        }
        (words, first)
    }
}

/// Flags that only the old form has: the letter and the name.
const OLD_FLAGS: &[(&str, &str)] = &[
    ("d", "decrypt"),
    ("e", "encrypt"),
    ("r", "rotate"),
    ("set", "set"),
    ("v", "version"),
    ("h", "help"),
];

/// Flags that sops takes with every mode of the old form, also where the mode has no use for them.
const SHARED_FLAGS: &[&str] = &[
    "add-age",
    "add-azure-kv",
    "add-gcp-kms",
    "add-hc-vault-transit",
    "add-hckms",
    "add-kms",
    "add-pgp",
    "age",
    "aws-profile",
    "azure-kv",
    "decryption-order",
    "encrypted-comment-regex",
    "encrypted-regex",
    "encrypted-suffix",
    "encryption-context",
    "extract",
    "filename-override",
    "gcp-kms",
    "hc-vault-transit",
    "hckms",
    "ignore-mac",
    "in-place",
    "input-type",
    "kms",
    "mac-only-encrypted",
    "output",
    "output-type",
    "pgp",
    "rm-age",
    "rm-azure-kv",
    "rm-gcp-kms",
    "rm-hc-vault-transit",
    "rm-hckms",
    "rm-kms",
    "rm-pgp",
    "shamir-secret-sharing-threshold",
    "show-master-keys",
    "unencrypted-comment-regex",
    "unencrypted-regex",
    "unencrypted-suffix",
];

/// The name of a flag that [`Flags::normalize`] made.
fn name_of(flag: &OsString) -> &str {
    let text = flag.to_str().unwrap_or_default();
    let name = text.trim_start_matches('-');
    name.split_once('=').map_or(name, |(name, _)| name)
}

/// Whether every command has `flag`.
fn is_global(flag: &OsString, cli: &Command) -> bool {
    let name = name_of(flag);
    cli.get_arguments()
        .any(|known| known.get_long() == Some(name))
}

/// Whether the old form ignores `flag`, as sops does, because `command` does not have it.
fn is_idle(flag: &OsString, command: Option<&Command>) -> bool {
    let name = name_of(flag);
    let mut known = command.into_iter().flat_map(Command::get_arguments);
    SHARED_FLAGS.contains(&name) && !known.any(|known| known.get_long() == Some(name))
}

/// `[flags] FILE` becomes `COMMAND [flags] FILE`. As with sops the last of several modes wins,
/// in the order encrypt, decrypt, rotate, set.
fn old_form(words: Vec<OsString>, cli: &Command) -> Outcome<Vec<OsString>> {
    let mut modes = Vec::new();
    let mut set = None;
    let mut rest = Vec::new();
    let mut files = Vec::new();
    let mut only_files = false;
    let mut late_in_place = None;
    for word in words {
        let text = word.to_str().unwrap_or_default();
        match text {
            _ if only_files => files.push(word),
            "--" => only_files = true,
            "--encrypt" => modes.push(Mode::Encrypt),
            "--decrypt" => modes.push(Mode::Decrypt),
            "--rotate" => modes.push(Mode::Rotate),
            _ if text.starts_with("--set=") => {
                modes.push(Mode::Set);
                set = Some(text["--set=".len()..].to_owned());
            }
            "--in-place" if !files.is_empty() => late_in_place = Some(word),
            _ if text.starts_with('-') && text != "-" => rest.push(word),
            _ => files.push(word),
        }
    }
    let order = [Mode::Encrypt, Mode::Decrypt, Mode::Rotate, Mode::Set];
    let mode = order.into_iter().rfind(|mode| modes.contains(mode));
    if modes.len() > 1 {
        warn("more than one command given, the last one counts");
    }
    if files.len() > 1 {
        warn("more than one file given, all but the first are ignored");
        files.truncate(1);
    }
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mode = mode.unwrap_or(Mode::Edit);
    // sops passes over flags behind the file. Ours count, but for the one by which a script that
    // prints a plaintext would leave it in the folder.
    match late_in_place {
        Some(_) if mode == Mode::Decrypt => {
            warn("-i behind the file is passed over, as by sops; put it in front");
        }
        late => rest.extend(late),
    }
    if mode == Mode::Edit && rest.iter().any(changes_keys) && !Path::new(&files[0]).exists() {
        let message = format!("{}: no such file", files[0].display());
        return Err(Failure::new(Status::MissingForKeys, message));
    }
    let mut out = vec![OsString::from(command(mode))];
    let known = cli.find_subcommand(command(mode));
    out.extend(rest.into_iter().filter(|flag| !is_idle(flag, known)));
    if mode == Mode::Rotate {
        out.push("--old-form".into());
    }
    out.push("--".into());
    out.append(&mut files);
    if let Some(set) = set.filter(|_| mode == Mode::Set) {
        let (index, value) = split_set(&set)?;
        out.extend([OsString::from(index), OsString::from(value)]);
    }
    Ok(out)
}

fn changes_keys(flag: &OsString) -> bool {
    ["add-", "rm-"]
        .iter()
        .any(|start| name_of(flag).starts_with(start))
}

fn command(mode: Mode) -> &'static str {
    match mode {
        Mode::Encrypt => "encrypt",
        Mode::Decrypt => "decrypt",
        Mode::Rotate => "rotate",
        Mode::Set => "set",
        Mode::Edit => "edit",
    }
}

/// `["a"]["b"] VALUE`: split behind the first `]` that a blank follows.
fn split_set(text: &str) -> Outcome<(&str, &str)> {
    let place = text.find("] ").ok_or_else(|| {
        let message = "--set takes a path and a value in one argument";
        Failure::new(Status::BadSet, message).hint(r#"for example: --set '["a"]["b"] "value"'"#)
    })?;
    Ok((&text[..=place], &text[place + 2..]))
}
