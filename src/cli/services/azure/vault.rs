//! Which hosts are vaults, and whose tokens they may have.

use crate::cli::environment::{AZURE_AUTHORITY_HOST, Environment};
use crate::keys::{AzureAddress, ServiceError};

/// The domains of vaults and managed HSMs in Microsoft's clouds; tokens are for one of them.
const DOMAINS: [&str; 8] = [
    "vault.azure.net",
    "managedhsm.azure.net",
    "vault.azure.cn",
    "managedhsm.azure.cn",
    "managedhsm.chinacloudapi.cn",
    "vault.usgovcloudapi.net",
    "managedhsm.usgovcloudapi.net",
    "vault.microsoftazure.de",
];

/// The authorities of those clouds. Who has set another has a cloud of their own.
const AUTHORITIES: [&str; 8] = [
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "login.partner.microsoftonline.cn",
    "login.microsoftonline.de",
];

/// A vault that may be asked.
#[derive(Debug)]
pub struct Vault {
    /// Its host, with the port where one is named.
    pub host: String,
    /// Its domain; `None` in a cloud of the user's own, where it is what the vault says.
    domain: Option<&'static str>,
}

/// Whom a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audience {
    /// `https://DOMAIN/.default`.
    pub scope: String,
    /// The tenant that the vault belongs to, where it says so.
    pub tenant: Option<String>,
}

impl Vault {
    /// The vault of a key.
    ///
    /// # Errors
    /// Where the address is not that of a key in a vault of Azure.
    pub fn of(key: &AzureAddress, environment: &Environment) -> Result<Self, ServiceError> {
        let host = key.vault_url.strip_prefix("https://").map(|rest| {
            let host = rest.strip_suffix('/').unwrap_or(rest);
            host.to_ascii_lowercase()
        });
        let name = host.as_deref().map_or("", name_of);
        let (Some(host), true) = (&host, is_name(name)) else {
            return Err(refused("the vault's address is not like https://VAULT"));
        };
        if !is_word(&key.name) || !key.version.is_empty() && !is_word(&key.version) {
            let what = "names and versions of keys are made of letters, digits and dashes";
            return Err(refused(what));
        }
        let domain = DOMAINS.into_iter().find(|domain| is_below(name, domain));
        if domain.is_none() && !is_own_cloud(environment) {
            let what = format!("{name} is no host of Azure's vaults, and so gets no token");
            let hint = "the address stands in the file or the configuration: is it right? \
                        in a cloud of your own, set AZURE_AUTHORITY_HOST to its authority";
            return Err(refused(&what).hint(hint));
        }
        Ok(Self {
            host: host.clone(),
            domain,
        })
    }

    /// `https://HOST`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.host)
    }

    /// Whom the token is for that the vault asks for by this `WWW-Authenticate`.
    ///
    /// # Errors
    /// Where that is not the vault's own domain: whoever gets such a token could use it elsewhere.
    pub fn audience(&self, header: &str) -> Result<Audience, ServiceError> {
        let asked = parameter(header, "resource").or_else(|| parameter(header, "scope"));
        let asked = asked.ok_or_else(|| refused("it does not say whose token it wants"))?;
        let resource = asked.trim_end_matches("/.default").trim_end_matches('/');
        let name = name_of(&self.host);
        let domain = resource.strip_prefix("https://").filter(|resource| {
            let own = resource.contains('.') && is_name(resource) && is_below(name, resource);
            own && self.domain.is_none_or(|domain| domain == *resource)
        });
        let Some(domain) = domain else {
            let what = format!("{name} asks for a token that is not for its own domain");
            return Err(refused(&what).hint("no token was sent to it; is its address right?"));
        };
        let authority = parameter(header, "authorization");
        let authority = authority.or_else(|| parameter(header, "authorization_uri"));
        let tenant = authority.and_then(|url| url.strip_prefix("https://")?.split('/').nth(1));
        Ok(Audience {
            scope: format!("https://{domain}/.default"),
            tenant: tenant.filter(|tenant| is_name(tenant)).map(str::to_owned),
        })
    }
}

/// Whether it can be the name of a key, or a version of one.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=127).contains(&text.len()) && text.bytes().all(letter)
}

/// A host without its port; empty where the port is none.
fn name_of(host: &str) -> &str {
    match host.split_once(':') {
        None => host,
        Some((name, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => name,
        Some(_) => "",
    }
}

/// Whether it is made as names of hosts are.
fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(letter);
    text.len() <= 253 && text.split('.').all(label)
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|label| label.len() > 1 && label.ends_with('.'))
}

fn is_own_cloud(environment: &Environment) -> bool {
    let authority = environment.text(AZURE_AUTHORITY_HOST);
    authority.is_some_and(|url| {
        let host = url.trim().trim_start_matches("https://").split('/').next();
        let host = host.unwrap_or_default().to_ascii_lowercase();
        !AUTHORITIES.contains(&name_of(&host))
    })
}

/// A parameter of a bearer challenge: `Bearer name="value", other=value`.
fn parameter<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut parameters = rest
        .split([',', ' '])
        .filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(found, _)| found.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

fn refused(what: &str) -> ServiceError {
    ServiceError::new(format!("Azure Key Vault: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "Bearer authorization=\"https://login.microsoftonline.com/t-1\", \
                          resource=\"https://vault.azure.net\"";

    fn vault(url: &str, authority: &str) -> Result<Vault, ServiceError> {
        let key = AzureAddress {
            vault_url: url.to_owned(),
            name: "n".to_owned(),
            version: String::new(),
        };
        let variables = [(AZURE_AUTHORITY_HOST, authority)];
        Vault::of(&key, &variables.into_iter().collect())
    }

    #[test]
    fn hosts_of_microsoft_are_vaults_and_others_are_not() {
        for url in [
            "https://v.vault.azure.net",
            "https://V.Vault.Azure.Net/",
            "https://h.managedhsm.azure.net",
            "https://v.vault.azure.cn:443",
            "https://v.vault.usgovcloudapi.net",
        ] {
            assert!(vault(url, "").is_ok(), "{url}");
        }
        for url in [
            "http://v.vault.azure.net",
            "https://vault.azure.net",
            "https://.vault.azure.net",
            "https://evil.example",
            "https://v.vault.azure.net.evil.example",
            "https://evilvault.azure.net",
            "https://v.vault.azure.net@evil.example",
            "https://evil.example#.vault.azure.net",
            "https://evil.example?.vault.azure.net",
            "https://evil.example\\.vault.azure.net",
            "https://v.vault.azure.net:x",
            "https://v.vault.azure.net//",
            "https://v%2evault.azure.net",
            "https://",
            "",
        ] {
            assert!(vault(url, "").is_err(), "{url}");
        }
    }

    #[test]
    fn names_that_would_be_more_than_a_part_of_a_path_are_refused() {
        for (name, version) in [("a/b", ""), ("..", ""), ("", ""), ("n", "1?x"), ("n", "..")] {
            let key = AzureAddress {
                vault_url: "https://v.vault.azure.net".to_owned(),
                name: name.to_owned(),
                version: version.to_owned(),
            };
            let none = Environment::default();
            assert!(Vault::of(&key, &none).is_err(), "{name} {version}");
        }
    }

    #[test]
    fn a_token_is_for_the_domain_of_the_vault_and_nothing_else() {
        let azure = vault("https://v.vault.azure.net", "").expect("a vault");
        let audience = azure.audience(PUBLIC).expect("an audience");
        assert_eq!(audience.scope, "https://vault.azure.net/.default");
        assert_eq!(audience.tenant.as_deref(), Some("t-1"));
        let scope = "bearer scope=https://vault.azure.net/.default,authorization=x";
        assert_eq!(azure.audience(scope).map(|asked| asked.tenant), Ok(None));
        for resource in [
            "https://azure.net",
            "https://management.azure.com",
            "https://graph.microsoft.com",
            "https://managedhsm.azure.net",
            "http://vault.azure.net",
            "https://v.vault.azure.net",
            "https://vault.azure.net/x",
            "https://net",
            "",
        ] {
            let header = format!("Bearer authorization=\"https://a/t\", resource=\"{resource}\"");
            assert!(azure.audience(&header).is_err(), "{resource}");
        }
        assert!(azure.audience("").is_err());
        assert!(azure.audience("Basic realm=\"x\"").is_err());
    }

    #[test]
    fn a_cloud_of_ones_own_has_vaults_of_its_own() {
        let url = "https://v.vault.local.example";
        assert!(vault(url, "https://login.microsoftonline.us/").is_err());
        let own = vault(url, "https://login.local.example").expect("a vault");
        let asks = |resource: &str| format!("Bearer resource=\"{resource}\"");
        let audience = own.audience(&asks("https://vault.local.example"));
        let scope = audience.expect("an audience").scope;
        assert_eq!(scope, "https://vault.local.example/.default");
        for other in [
            "https://vault.azure.net",
            "https://example",
            "https://other.example",
        ] {
            assert!(own.audience(&asks(other)).is_err(), "{other}");
        }
    }
}
