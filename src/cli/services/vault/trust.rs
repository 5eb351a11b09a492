//! Which servers may be sent a token and a data key.
//!
//! The address of a Vault stands in the encrypted file, or in the `.sops.yaml` beside it: whoever
//! writes to the repository writes it. So without a list only a server is asked that the user
//! names by means of its own: `VAULT_ADDR`, `BAO_ADDR`, `SOPS_VAULT_URIS` or a flag of this run.
//! With `SOPS_HC_VAULT_ALLOWLIST`, the rules are those of sops; `all` is what sops does without.

use crate::cli::environment::{
    BAO_ADDR, Environment, SOPS_HC_VAULT_ALLOWLIST, SOPS_VAULT_URIS, VAULT_ADDR,
};
use crate::keys::ServiceError;
use clap::ArgMatches;
use reqwest::Url;
use std::net::IpAddr;

/// The flags that name keys, by their ids in the command line.
const FLAGS: [&str; 3] = [
    "hc_vault_transit",
    "hc-vault-transit",
    "add-hc-vault-transit",
];

/// Whom the user wants to be asked.
enum AllowList {
    /// Who is named by the user's own configuration.
    Known,
    /// Everybody.
    All,
    /// Those whose address starts with one of these; none at all where there are none.
    Prefixes(Vec<String>),
}

/// Whether `address` may be asked; `flags` are keys that the command line names.
///
/// # Errors
/// Where it may not, or where the list cannot be read.
pub fn check(
    address: &str,
    environment: &Environment,
    flags: &[String],
) -> Result<(), ServiceError> {
    let is_allowed = match AllowList::of(environment)? {
        AllowList::All => return Ok(()),
        AllowList::Known if is_known(address, environment, flags) => return Ok(()),
        AllowList::Known => return Err(unknown(address)),
        AllowList::Prefixes(prefixes) => {
            let address = format!("{}/", address.strip_suffix('/').unwrap_or(address));
            prefixes.iter().any(|prefix| address.starts_with(prefix))
        }
    };
    if is_allowed {
        return Ok(());
    }
    let message = format!("Vault: {SOPS_HC_VAULT_ALLOWLIST} does not allow {address}");
    Err(ServiceError::new(message).hint(format!(
        "add the address to {SOPS_HC_VAULT_ALLOWLIST} if it is a server of yours: it gets your \
         token"
    )))
}

/// The keys that flags of this command line name.
pub fn named(matches: &ArgMatches) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = Some(matches);
    while let Some(matches) = next {
        for flag in FLAGS {
            if let Ok(Some(values)) = matches.try_get_many::<String>(flag) {
                found.extend(values.flat_map(|value| value.split(',')).map(str::to_owned));
            }
        }
        next = matches.subcommand().map(|(_, matches)| matches);
    }
    found
}

/// The scheme, host and port of an address; `None` where it is none of HTTP.
pub fn origin(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https");
    is_http.then(|| url.origin().ascii_serialization())
}

/// Whether what is sent to `url` stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

impl AllowList {
    fn of(environment: &Environment) -> Result<Self, ServiceError> {
        let text = match environment.text(SOPS_HC_VAULT_ALLOWLIST) {
            None => return Ok(Self::Known),
            Some("all") => return Ok(Self::All),
            Some("none") => return Ok(Self::Prefixes(Vec::new())),
            Some(text) => text,
        };
        let entries = text.split(',').enumerate();
        let prefix = |(at, entry): (usize, &str)| match entry.trim_matches(' ') {
            "" => {
                let place = at + 1;
                let message = format!("Vault: {SOPS_HC_VAULT_ALLOWLIST}: entry {place} is empty");
                Err(ServiceError::new(message))
            }
            entry if entry.ends_with('/') => Ok(entry.to_owned()),
            entry => Ok(format!("{entry}/")),
        };
        entries
            .map(prefix)
            .collect::<Result<_, _>>()
            .map(Self::Prefixes)
    }
}

fn is_known(address: &str, environment: &Environment, flags: &[String]) -> bool {
    let Some(asked) = origin(address) else {
        return false;
    };
    let variables = [VAULT_ADDR, BAO_ADDR, SOPS_VAULT_URIS];
    let values = variables.iter().filter_map(|name| environment.text(name));
    let values = values.flat_map(|value| value.split(','));
    let mut known = values.chain(flags.iter().map(String::as_str));
    known.any(|known| origin(known).as_ref() == Some(&asked))
}

fn unknown(address: &str) -> ServiceError {
    let message = format!("Vault: {address} was not asked: nothing but the file names that server");
    ServiceError::new(message)
        .hint(format!(
            "it would get your token; if it is a server of yours, set {VAULT_ADDR}={address}, or \
             list it in {SOPS_HC_VAULT_ALLOWLIST}"
        ))
        .hint(format!(
            "{SOPS_HC_VAULT_ALLOWLIST}=all asks every server that a file names, as sops does"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: Option<&str>, address: &str, more: &[(&str, &str)]) -> bool {
        let list = list.map(|list| (SOPS_HC_VAULT_ALLOWLIST, list));
        let variables = more.iter().copied().chain(list);
        let environment = variables.collect();
        check(
            address,
            &environment,
            &["https://flag/v1/t/keys/k".to_owned()],
        )
        .is_ok()
    }

    #[test]
    fn a_list_is_one_of_prefixes_as_with_sops() {
        for (list, address, expected) in [
            ("all", "http://any", true),
            ("none", "http://any", false),
            ("https://a:1, https://b/x/", "https://a:1", true),
            ("https://a:1, https://b/x/", "https://a:1/", true),
            ("https://a:1, https://b/x/", "https://a:12", false),
            ("https://a:1, https://b/x/", "https://b/x", true),
            ("https://a:1, https://b/x/", "https://b", false),
            ("https://a,", "https://a", false),
            ("https://a", "https://a@evil", false),
            // what is known besides counts for nothing
            ("https://a", "https://mine", false),
            ("", "https://mine", true),
        ] {
            let mine = [(VAULT_ADDR, "https://mine")];
            assert_eq!(
                allowed(Some(list), address, &mine),
                expected,
                "{list} {address}"
            );
        }
    }

    #[test]
    fn without_a_list_a_server_has_to_be_named_by_the_user() {
        let mine = [
            (VAULT_ADDR, "https://MINE:8200/"),
            (
                SOPS_VAULT_URIS,
                "https://x/v1/a/keys/b,https://y:444/v1/a/keys/b",
            ),
        ];
        for (address, expected) in [
            ("https://mine:8200", true),
            ("https://mine:8200/elsewhere", true),
            ("https://y:444", true),
            ("https://x:443", true),
            ("https://flag", true),
            ("http://flag", false),
            ("http://mine:8200", false),
            ("https://mine:8201", false),
            ("https://mine:8200@evil", false),
            ("https://mine:8200.evil", false),
            ("mine:8200", false),
            ("", false),
        ] {
            assert_eq!(allowed(None, address, &mine), expected, "{address}");
        }
        assert!(!allowed(None, "https://mine", &[]));
    }

    #[test]
    fn this_machine_is_told_by_its_address() {
        for (url, expected) in [
            ("http://localhost:1", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:8200", true),
            ("http://localhost.evil", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&url.parse().expect(url)), expected, "{url}");
        }
    }
}
