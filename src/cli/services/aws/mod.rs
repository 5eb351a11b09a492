//! AWS: the configuration that its services are asked with, and the client of its KMS.
//!
//! Who asks is found out as every tool of AWS does it: environment, profiles (SSO, processes,
//! roles), web identity, container, instance. A profile that a key names goes before the
//! environment, as with sops.

mod attempts;
mod credentials;
mod errors;
mod kms;
mod trust;

use crate::cli::environment::Environment;
use crate::cli::services::http;
use crate::keys::ServiceError;
use attempts::{retries, timeouts};
use aws_config::identity::IdentityCache;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use credentials::Remembered;
use futures_util::lock::Mutex;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::Path;

/// What was made for AWS in this run: one client, and one look for credentials for each profile
/// and role.
#[derive(Default)]
pub struct Aws {
    web: OnceCell<reqwest::Client>,
    http: OnceCell<SharedHttpClient>,
    made: Mutex<Made>,
    /// By profile, role and region.
    kms: Mutex<HashMap<(String, String, String), aws_sdk_kms::Client>>,
}

#[derive(Default)]
struct Made {
    /// By profile.
    credentials: HashMap<String, SharedCredentialsProvider>,
    configs: HashMap<Who, SdkConfig>,
}

/// Who asks, and where.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Who {
    /// Empty for that of the environment.
    profile: String,
    /// The ARN of a role; empty for none.
    role: String,
    /// `None` for that of the environment or profile.
    region: Option<String>,
}

impl Aws {
    /// The credentials of a configuration for `profile`, for requests that are signed here.
    ///
    /// # Errors
    /// Where there are none, or nobody gives them out.
    pub async fn credentials(
        &self,
        config: &SdkConfig,
        profile: &str,
    ) -> Result<Credentials, ServiceError> {
        let Some(provider) = config.credentials_provider() else {
            return Err(ServiceError::new("AWS: there are no credentials"));
        };
        let found = provider.provide_credentials().await;
        found.map_err(|error| errors::of_credentials(profile, &error))
    }

    /// A client for requests that are signed here, which trusts the certificates in `bundle`.
    ///
    /// # Errors
    /// Where that cannot be read, or holds none.
    pub fn web_client(&self, bundle: &Path) -> Result<reqwest::Client, ServiceError> {
        if let Some(client) = self.web.get() {
            return Ok(client.clone());
        }
        let roots = trust::roots(bundle)?;
        let client = http::build(http::builder().tls_certs_only(roots))?;
        Ok(self.web.get_or_init(|| client).clone())
    }

    /// The configuration for services of AWS in a region: endpoints, HTTP client, credentials (to
    /// be looked for when something is first signed), limits of time and attempts. `profile` and
    /// `role` (an ARN) are empty where there is none; no region is that of the environment or
    /// profile.
    ///
    /// # Errors
    /// Where the region is no name, or the user's bundle of certificates is none.
    pub async fn config(
        &self,
        environment: &Environment,
        profile: &str,
        role: &str,
        region: Option<&str>,
    ) -> Result<SdkConfig, ServiceError> {
        let who = Who {
            profile: profile.to_owned(),
            role: role.to_owned(),
            region: region.map(str::to_owned),
        };
        let mut made = self.made.lock().await;
        if let Some(config) = made.configs.get(&who) {
            return Ok(config.clone());
        }
        let region = region.map(checked_region).transpose()?;
        let http = self.http(environment)?;
        let provider = match made.credentials.get(&who.profile) {
            Some(provider) => provider.clone(),
            None => credentials_of(&mut made, profile, region.clone(), &http).await,
        };
        let mut config = loaded(profile, region, provider, http).await;
        if !who.role.is_empty() {
            let session = credentials::session_name(environment);
            let role = Remembered::of_role(&config, &who.role, &session);
            let provider = SharedCredentialsProvider::new(role);
            config = config.to_builder().credentials_provider(provider).build();
        }
        made.configs.insert(who, config.clone());
        Ok(config)
    }

    /// The client that all share; it uses the proxy that the environment names.
    fn http(&self, environment: &Environment) -> Result<SharedHttpClient, ServiceError> {
        if let Some(http) = self.http.get() {
            return Ok(http.clone());
        }
        let trusted = trust::context(environment)?;
        let http = Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            let tls = Provider::Rustls(CryptoMode::Ring);
            let connector = connector.tls_provider(tls);
            connector.tls_context(trusted.clone()).build()
        });
        Ok(self.http.get_or_init(|| http).clone())
    }
}

/// The credentials of a profile, for every region and role.
async fn credentials_of(
    made: &mut Made,
    profile: &str,
    region: Option<Region>,
    http: &SharedHttpClient,
) -> SharedCredentialsProvider {
    let config = ProviderConfig::without_region()
        .with_region(region)
        .with_behavior_version(Some(behavior()))
        .with_http_client(http.clone())
        .with_retry_config(retries())
        .with_timeout_config(timeouts());
    let found = Remembered::of_profile(profile, config).await;
    let provider = SharedCredentialsProvider::new(found);
    let profile = profile.to_owned();
    made.credentials.insert(profile, provider.clone());
    provider
}

async fn loaded(
    profile: &str,
    region: Option<Region>,
    provider: SharedCredentialsProvider,
    http: SharedHttpClient,
) -> SdkConfig {
    let mut loader = aws_config::defaults(behavior())
        .http_client(http)
        // they are remembered by the provider, for all regions at once
        .identity_cache(IdentityCache::no_cache())
        .credentials_provider(provider)
        .retry_config(retries())
        .timeout_config(timeouts());
    if let Some(region) = region {
        loader = loader.region(region);
    }
    if !profile.is_empty() {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}

/// How the SDK behaves; the next set of defaults is not taken unseen.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// A region, which becomes part of a host's name: files name it, and files are not to be trusted.
fn checked_region(name: &str) -> Result<Region, ServiceError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(is_word) {
        let message = format!("AWS: {name:?} is no region");
        return Err(ServiceError::new(message).hint("a region is called like eu-west-1"));
    }
    Ok(Region::new(name.to_owned()))
}
