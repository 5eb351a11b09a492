//! Who asks AWS: credentials of a profile or a role, looked for once in a run.

use super::attempts::NotThere;
use super::errors;
use crate::cli::environment::Environment;
use crate::keys::ServiceError;
use aws_config::SdkConfig;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::imds;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use futures_util::lock::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// The longest wait for the metadata service of an instance, which is near if it is there at all.
const INSTANCE: Duration = Duration::from_millis(500);

/// How often that service is asked.
const INSTANCE_ATTEMPTS: u32 = 2;

/// How long before their end credentials are asked for anew.
const EARLY: Duration = Duration::from_mins(1);

/// How long it is remembered that there are none: all keys of a file are asked for at once.
const NONE_FOR: Duration = Duration::from_secs(10);

/// The longest name of a session.
const SESSION_LENGTH: usize = 64;

/// Credentials that are looked for when they are first needed, and again when they end.
#[derive(Debug)]
pub(super) struct Remembered {
    source: Source,
    last: Mutex<Option<Lookup>>,
}

#[derive(Debug)]
enum Source {
    Profile {
        name: String,
        provider: SharedCredentialsProvider,
    },
    Role {
        arn: String,
        request: Box<AssumeRoleFluentBuilder>,
    },
}

#[derive(Debug)]
struct Lookup {
    at: Instant,
    found: Result<Credentials, ServiceError>,
}

impl Lookup {
    fn is_fresh(&self) -> bool {
        match &self.found {
            Ok(credentials) => credentials
                .expiry()
                .is_none_or(|end| end > SystemTime::now() + EARLY),
            Err(_) => self.at.elapsed() < NONE_FOR,
        }
    }
}

impl Remembered {
    /// The credentials of the profile that a key names, or, where it names none, those of the
    /// environment.
    pub(super) async fn of_profile(name: &str, config: ProviderConfig) -> Self {
        let provider = if name.is_empty() {
            let instance = imds::Client::builder()
                .configure(&config)
                .max_attempts(INSTANCE_ATTEMPTS)
                .connect_timeout(INSTANCE)
                .read_timeout(INSTANCE);
            let chain = DefaultCredentialsChain::builder()
                .configure(config)
                .imds_client(instance.build());
            SharedCredentialsProvider::new(chain.build().await)
        } else {
            let profile = ProfileFileCredentialsProvider::builder()
                .configure(&config)
                .profile_name(name);
            SharedCredentialsProvider::new(profile.build())
        };
        let name = name.to_owned();
        Self::new(Source::Profile { name, provider })
    }

    /// The credentials of a role, for whom the credentials in `config` may assume it.
    pub(super) fn of_role(config: &SdkConfig, arn: &str, session: &str) -> Self {
        let config = aws_sdk_sts::config::Builder::from(config).retry_classifier(NotThere);
        let request = aws_sdk_sts::Client::from_conf(config.build())
            .assume_role()
            .role_arn(arn)
            .role_session_name(session);
        Self::new(Source::Role {
            arn: arn.to_owned(),
            request: Box::new(request),
        })
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            last: Mutex::default(),
        }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut last = self.last.lock().await;
        let lookup = match last.take().filter(Lookup::is_fresh) {
            Some(lookup) => lookup,
            None => Lookup {
                found: self.source.ask().await,
                at: Instant::now(),
            },
        };
        let found = last.insert(lookup).found.clone();
        found.map_err(CredentialsError::provider_error)
    }
}

impl ProvideCredentials for Remembered {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

impl Source {
    async fn ask(&self) -> Result<Credentials, ServiceError> {
        match self {
            Self::Profile { name, provider } => {
                let found = provider.provide_credentials().await;
                found.map_err(|error| errors::of_credentials(name, &error))
            }
            Self::Role { arn, request } => {
                let answer = request.as_ref().clone().send().await;
                let answer = answer.map_err(|error| errors::of_role(arn, &error))?;
                let given = answer.credentials.ok_or_else(|| {
                    ServiceError::new(format!("AWS STS gave no credentials for the role {arn}"))
                })?;
                Ok(Credentials::new(
                    given.access_key_id,
                    given.secret_access_key,
                    Some(given.session_token),
                    SystemTime::try_from(given.expiration).ok(),
                    "AssumeRole",
                ))
            }
        }
    }
}

/// What sops calls the session in which it assumes a role; policies may ask for it.
pub(super) fn session_name(environment: &Environment) -> String {
    named_after(&host(environment))
}

fn named_after(host: &str) -> String {
    // no hyphen: sops means one, but asks for a range
    let is_kept = |c: &char| c.is_ascii_alphanumeric() || "=,.@_".contains(*c);
    let name = "sops@".chars().chain(host.chars().filter(is_kept));
    name.take(SESSION_LENGTH).collect()
}

#[cfg(unix)]
fn host(_: &Environment) -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host(environment: &Environment) -> String {
    let name = environment.text(crate::cli::environment::COMPUTERNAME);
    name.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_called_as_sops_calls_it() {
        assert_eq!(
            named_after("build-7.example.org"),
            "sops@build7.example.org"
        );
        assert_eq!(named_after(""), "sops@");
        assert_eq!(named_after(&"x".repeat(99)).len(), SESSION_LENGTH);
    }
}
