//! Flags that name keys, one for each kind that the format knows: `--age`, `--add-age`, `--rm-age`.

use super::failure::Outcome;
use crate::keys::{AwsOptions, KeyGroup, Provider};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// What keys are named for: the column of [`ROWS`].
pub const MEMBERS: usize = 0;
/// Keys to be added.
pub const ADDED: usize = 1;
/// Keys to be removed.
pub const REMOVED: usize = 2;

/// The kinds in the order in which sops adds keys, and the flags of each by what they are for.
static ROWS: [(&str, [&str; 3]); 7] = [
    ("kms", ["kms", "add-kms", "rm-kms"]),
    ("pgp", ["pgp", "add-pgp", "rm-pgp"]),
    ("gcp_kms", ["gcp-kms", "add-gcp-kms", "rm-gcp-kms"]),
    ("hckms", ["hckms", "add-hckms", "rm-hckms"]),
    ("azure_kv", ["azure-kv", "add-azure-kv", "rm-azure-kv"]),
    (
        "hc_vault",
        [
            "hc-vault-transit",
            "add-hc-vault-transit",
            "rm-hc-vault-transit",
        ],
    ),
    ("age", ["age", "add-age", "rm-age"]),
];

/// What the flags of a column do, for the help.
static HELP: [&str; 3] = [
    "Keys of the new group; can be given more than once",
    "Keys to be added to the first key group, separated by commas",
    "Keys to be removed from every key group, separated by commas",
];

/// The keys that the flags of a column name, by kind.
#[derive(Clone, Debug, Default)]
pub struct KeyFlags<const COLUMN: usize>(Vec<(&'static str, Vec<String>)>);

/// Keys of a new group.
pub type Members = KeyFlags<MEMBERS>;
/// Keys to be added.
pub type Added = KeyFlags<ADDED>;
/// Keys to be removed.
pub type Removed = KeyFlags<REMOVED>;

impl<const COLUMN: usize> KeyFlags<COLUMN> {
    /// Whether no flag was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a flag of this kind was given.
    pub fn names(&self, kind: &str) -> bool {
        self.0.iter().any(|(given, _)| *given == kind)
    }

    /// New keys, in the order of the table.
    ///
    /// # Errors
    /// Where a text names no key.
    pub fn keys(&self, aws: &AwsOptions) -> Outcome<KeyGroup> {
        let numbered = self.texts();
        let keys = numbered.map(|(provider, place, text)| provider.parse_one(text, place, aws));
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Every text with its provider, and its place (from 1) among those of its provider.
    pub fn texts(&self) -> impl Iterator<Item = (&'static Provider, usize, &str)> {
        self.0.iter().flat_map(|(kind, values)| {
            let texts = values.iter().flat_map(|value| value.split(','));
            let texts = texts.map(str::trim).filter(|text| !text.is_empty());
            let provider = Provider::find(kind);
            texts
                .enumerate()
                .filter_map(move |(at, text)| Some((provider?, at + 1, text)))
        })
    }
}

impl<const COLUMN: usize> FromArgMatches for KeyFlags<COLUMN> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = ROWS.iter().filter_map(|(kind, flags)| {
            let values = matches.get_many::<String>(flags[COLUMN])?;
            Some((*kind, values.cloned().collect()))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<const COLUMN: usize> Args for KeyFlags<COLUMN> {
    fn augment_args(command: Command) -> Command {
        let argument = |(_, flags): &(&'static str, [&'static str; 3])| {
            Arg::new(flags[COLUMN])
                .long(flags[COLUMN])
                .value_name("KEYS")
                .help(HELP[COLUMN])
                .action(ArgAction::Append)
        };
        command.args(ROWS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PROVIDERS;

    fn parse<const COLUMN: usize>(words: &[&str]) -> KeyFlags<COLUMN> {
        let command = KeyFlags::<COLUMN>::augment_args(Command::new("x"));
        let words = std::iter::once("x").chain(words.iter().copied());
        let matches = command.try_get_matches_from(words).expect("flags");
        KeyFlags::from_arg_matches(&matches).expect("keys")
    }

    #[test]
    fn every_kind_has_its_flags() {
        assert_eq!(ROWS.len(), PROVIDERS.len());
        for provider in &PROVIDERS {
            let row = ROWS.iter().find(|row| row.0 == provider.id).expect("a row");
            assert_eq!(row.1[MEMBERS], provider.flag);
        }
    }

    #[test]
    fn flags_are_given_more_than_once_and_take_lists() {
        let flags: Removed = parse(&["--rm-kms", "arn:b,arn:a", "--rm-kms", "arn:c,"]);
        let texts: Vec<_> = flags
            .texts()
            .map(|(of, at, text)| (of.id, at, text))
            .collect();
        let expected = [
            ("kms", 1, "arn:b"),
            ("kms", 2, "arn:a"),
            ("kms", 3, "arn:c"),
        ];
        assert_eq!(texts, expected);
        assert!(parse::<ADDED>(&[]).is_empty());
    }

    #[test]
    fn a_text_that_is_no_key_is_an_error_where_one_is_added_and_not_where_one_goes() {
        let aws = AwsOptions::default();
        let flags: Added = parse(&["--add-age", "hunter2"]);
        let error = flags.keys(&aws).unwrap_err();
        assert!(!error.message.contains("hunter2"), "{}", error.message);
        let flags: Removed = parse(&["--rm-age", "age1old"]);
        assert_eq!(
            flags.texts().next().map(|(_, _, text)| text),
            Some("age1old")
        );
    }
}
