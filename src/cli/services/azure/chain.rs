//! Where tokens come from: the sources of Azure's default chain, in its order, each by Microsoft's
//! crate. A source that is not set up is passed over; one that is, and fails, ends the search.

use super::certificate::Certificate;
use super::transport::{Asker, Runner};
use super::vault::Audience;
use crate::cli::environment::{
    AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET,
    AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID, AZURE_TOKEN_CREDENTIALS, AZURE_USERNAME,
    Environment,
};
use crate::cli::services::answers::said;
use crate::cli::services::http::Http;
use crate::keys::ServiceError;
use azure_core::credentials::{Secret, TokenCredential};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where a token may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Environment,
    Workload,
    Managed,
    Cli,
    DeveloperCli,
}

/// In the order in which they are asked.
const SOURCES: [Source; 5] = [
    Source::Environment,
    Source::Workload,
    Source::Managed,
    Source::Cli,
    Source::DeveloperCli,
];

/// Why a source gave no token.
enum Miss {
    /// It is not there or not set up: the next one is asked.
    Absent(String),
    /// It is set up, and was refused.
    Failed(ServiceError),
}

/// A credential, or why there is none.
type Found = Result<Arc<dyn TokenCredential>, Miss>;

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Workload => "workload identity",
            Self::Managed => "managed identity",
            Self::Cli => "az",
            Self::DeveloperCli => "azd",
        }
    }

    /// As `AZURE_TOKEN_CREDENTIALS` names it.
    fn credential(self) -> &'static str {
        match self {
            Self::Environment => "EnvironmentCredential",
            Self::Workload => "WorkloadIdentityCredential",
            Self::Managed => "ManagedIdentityCredential",
            Self::Cli => "AzureCLICredential",
            Self::DeveloperCli => "AzureDeveloperCLICredential",
        }
    }

    /// Whether its failure is that of the user's own choice, and not of a machine that happens to
    /// be no machine of Azure, or of a program where nobody has logged in.
    fn is_chosen(self) -> bool {
        matches!(self, Self::Environment | Self::Workload)
    }
}

/// A token for `audience`.
///
/// # Errors
/// Where no source has one; each is named with its reason.
pub async fn token(
    environment: &Environment,
    http: &Http,
    audience: &Audience,
) -> Result<Zeroizing<String>, ServiceError> {
    let search = Search {
        environment,
        asker: Asker::new(environment, http.client()?)?,
        audience,
    };
    let mut reasons = Vec::new();
    for source in chosen(environment)? {
        match search.token(source).await {
            Ok(token) => return Ok(token),
            Err(Miss::Failed(error)) => return Err(error),
            Err(Miss::Absent(reason)) => reasons.push(format!("{}: {reason}", source.name())),
        }
    }
    let message = format!("Azure: no credentials ({})", reasons.join("; "));
    Err(ServiceError::new(message).hint(
        "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
    ))
}

/// The sources that `AZURE_TOKEN_CREDENTIALS` names: all, those of a deployed service, those of a
/// developer, or one.
fn chosen(environment: &Environment) -> Result<Vec<Source>, ServiceError> {
    let Some(name) = environment.text(AZURE_TOKEN_CREDENTIALS) else {
        return Ok(SOURCES.to_vec());
    };
    let name = name.trim();
    match name.to_ascii_lowercase().as_str() {
        "prod" => return Ok(SOURCES[..3].to_vec()),
        "dev" => return Ok(SOURCES[3..].to_vec()),
        _ => {}
    }
    let one = SOURCES
        .into_iter()
        .find(|source| source.credential().eq_ignore_ascii_case(name));
    one.map(|source| vec![source]).ok_or_else(|| {
        let names: Vec<&str> = SOURCES.iter().map(|source| source.credential()).collect();
        let message = "Azure: AZURE_TOKEN_CREDENTIALS names no source of credentials";
        ServiceError::new(message).hint(format!("it may be dev, prod, {}", names.join(", ")))
    })
}

struct Search<'s> {
    environment: &'s Environment,
    asker: Arc<Asker>,
    audience: &'s Audience,
}

impl Search<'_> {
    async fn token(&self, source: Source) -> Result<Zeroizing<String>, Miss> {
        let credential = match source {
            Source::Environment => self.environment(),
            Source::Workload => self.workload(),
            Source::Managed => self.managed(),
            Source::Cli => self.cli(),
            Source::DeveloperCli => self.developer_cli(),
        }?;
        let token = credential.get_token(&[&self.audience.scope], None).await;
        match token {
            Ok(token) => Ok(Zeroizing::new(token.token.secret().to_owned())),
            Err(error) => Err(self.failed(source, &error)),
        }
    }

    /// What the giver of tokens said, or else the crate.
    fn failed(&self, source: Source, error: &azure_core::Error) -> Miss {
        let refusal = self.asker.refusal().unwrap_or_else(|| brief(error));
        if !source.is_chosen() {
            return Miss::Absent(refusal.message);
        }
        let message = format!("Azure: {}: {}", source.name(), refusal.message);
        Miss::Failed(ServiceError { message, ..refusal })
    }

    fn text(&self, name: &str) -> Result<&str, Miss> {
        let text = self.environment.text(name);
        text.ok_or_else(|| Miss::Absent(format!("{name} is not set")))
    }

    fn environment(&self) -> Found {
        let (tenant, client) = (self.text(AZURE_TENANT_ID)?, self.text(AZURE_CLIENT_ID)?);
        if let Some(secret) = self.environment.text(AZURE_CLIENT_SECRET) {
            let options = ClientSecretCredentialOptions {
                client_options: self.asker.options(),
            };
            let secret = Secret::new(secret.to_owned());
            let made =
                ClientSecretCredential::new(tenant, client.to_owned(), secret, Some(options));
            return found(Source::Environment, made);
        }
        let Some(path) = self.environment.path(AZURE_CLIENT_CERTIFICATE_PATH) else {
            let mut reason =
                "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set".to_owned();
            if self.environment.text(AZURE_USERNAME).is_some() {
                reason += ", and a user's name and password are no longer taken";
            }
            return Err(Miss::Absent(reason));
        };
        let certificate = Certificate::read(path, tenant, client, self.environment);
        let certificate = certificate.map_err(|reason| {
            let message = format!("Azure: AZURE_CLIENT_CERTIFICATE_PATH: {reason}");
            Miss::Failed(ServiceError::new(message))
        })?;
        let options = ClientAssertionCredentialOptions {
            client_options: self.asker.options(),
        };
        let (tenant, client) = (tenant.to_owned(), client.to_owned());
        let made = ClientAssertionCredential::new(tenant, client, certificate, Some(options));
        found(Source::Environment, made)
    }

    fn workload(&self) -> Found {
        let file = self.text(AZURE_FEDERATED_TOKEN_FILE)?;
        let (tenant, client) = (self.text(AZURE_TENANT_ID)?, self.text(AZURE_CLIENT_ID)?);
        let options = WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions {
                client_options: self.asker.options(),
            },
            client_id: Some(client.to_owned()),
            tenant_id: Some(tenant.to_owned()),
            token_file_path: Some(PathBuf::from(file)),
        };
        found(
            Source::Workload,
            WorkloadIdentityCredential::new(Some(options)),
        )
    }

    fn managed(&self) -> Found {
        let client = self.environment.text(AZURE_CLIENT_ID);
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: client.map(|id| UserAssignedId::ClientId(id.to_owned())),
            client_options: self.asker.options(),
        };
        found(
            Source::Managed,
            ManagedIdentityCredential::new(Some(options)),
        )
    }

    fn cli(&self) -> Found {
        let options = AzureCliCredentialOptions {
            tenant_id: self.audience.tenant.clone(),
            executor: Some(Arc::new(Runner(self.environment.clone()))),
            ..AzureCliCredentialOptions::default()
        };
        found(Source::Cli, AzureCliCredential::new(Some(options)))
    }

    fn developer_cli(&self) -> Found {
        let options = AzureDeveloperCliCredentialOptions {
            tenant_id: self.audience.tenant.clone(),
            executor: Some(Arc::new(Runner(self.environment.clone()))),
        };
        let made = AzureDeveloperCliCredential::new(Some(options));
        found(Source::DeveloperCli, made)
    }
}

fn found<C: TokenCredential + 'static>(source: Source, made: azure_core::Result<Arc<C>>) -> Found {
    let made = made.map(|credential| credential as Arc<dyn TokenCredential>);
    made.map_err(|error| {
        let error = brief(&error);
        if source.is_chosen() {
            let message = format!("Azure: {}: {}", source.name(), error.message);
            return Miss::Failed(ServiceError { message, ..error });
        }
        Miss::Absent(error.message)
    })
}

/// What the crate says, without the name of its type and where to read more.
fn brief(error: &azure_core::Error) -> ServiceError {
    let text = error.to_string();
    let text = text.split("To troubleshoot, visit").next().unwrap_or("");
    let text = match text.split_once("authentication failed.") {
        Some((_, rest)) => rest,
        None => text,
    };
    ServiceError::new(said(text, None))
}
