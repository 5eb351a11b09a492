//! What vaults and the givers of tokens say when they refuse, and what to do about it.

use super::vault::Vault;
use crate::cli::services::answers::said;
use crate::cli::services::http::Reply;
use crate::keys::ServiceError;
use reqwest::StatusCode;
use serde_json::Value;

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Its current version is asked for.
    Get,
    /// Something is wrapped.
    Encrypt,
    /// Something is unwrapped.
    Decrypt,
    /// A secret is read.
    GetSecret,
    /// A secret is set.
    SetSecret,
}

impl Operation {
    /// What it is called in addresses, and as a permission in a vault's access policy.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Get | Self::GetSecret => "get",
            Self::SetSecret => "set",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        }
    }

    /// The data action that a role has to have.
    fn action(self) -> &'static str {
        match self {
            Self::Get => "Microsoft.KeyVault/vaults/keys/read",
            Self::Encrypt => "Microsoft.KeyVault/vaults/keys/encrypt/action",
            Self::Decrypt => "Microsoft.KeyVault/vaults/keys/decrypt/action",
            Self::GetSecret => "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            Self::SetSecret => "Microsoft.KeyVault/vaults/secrets/setSecret/action",
        }
    }

    /// What it is done with, and who may do it with all of them.
    fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::GetSecret | Self::SetSecret => ("secret", "Key Vault Secrets Officer"),
            _ => ("key", "Key Vault Crypto User"),
        }
    }
}

/// Why a vault did not do it.
#[must_use]
pub fn of_vault(
    operation: Operation,
    vault: &Vault,
    reply: &Reply,
    sent: Option<&str>,
) -> ServiceError {
    let body = reply.json().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let error = &body["error"];
    let (code, message) = (text(&error["code"]), text(&error["message"]));
    let inner = text(&error["innererror"]["code"]);
    let code = if inner.is_empty() { code } else { inner };
    let mut parts = vec![format!("Azure Key Vault {}: {}", vault.host, reply.status)];
    parts.extend([code.as_str(), message.as_str()].map(|part| said(part, sent)));
    parts.retain(|part| !part.is_empty());
    let error = ServiceError::new(parts.join(": "));
    match advice(operation, reply.status, &code, &message) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn advice(operation: Operation, status: StatusCode, code: &str, message: &str) -> Option<String> {
    let (verb, (kind, role)) = (operation.verb(), operation.kind());
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let hint = match status {
        StatusCode::FORBIDDEN if code == "KeyDisabled" || has(&["disabled key"]) => {
            "enable this version of the key, or use another: `az keyvault key set-attributes \
             --enabled true`"
                .to_owned()
        }
        StatusCode::FORBIDDEN if has(&["expired key", "not yet valid"]) => {
            "use a version of the key that is valid now".to_owned()
        }
        StatusCode::FORBIDDEN
            if code == "ForbiddenByFirewall" || has(&["Client address", "network access"]) =>
        {
            "the vault lets nobody in from this network: see its firewall, or use its private \
             endpoint"
                .to_owned()
        }
        StatusCode::FORBIDDEN => format!(
            "missing: the {kind} permission `{verb}` in the vault's access policy, or a role with \
             {}, as \"{role}\" has it",
            operation.action()
        ),
        StatusCode::CONFLICT if kind == "secret" => {
            "was a secret of this name deleted? `az keyvault secret recover` brings it back, \
             `az keyvault secret purge` lets it go"
                .to_owned()
        }
        _ if kind == "secret" && !is_of_all(status) => return None,
        StatusCode::NOT_FOUND => "is there a key of this name and version in the vault? a deleted \
                                  one can be recovered: `az keyvault key recover`"
            .to_owned(),
        StatusCode::UNAUTHORIZED if has(&["AKV10032", "Invalid issuer", "issuer"]) => {
            "the vault belongs to another tenant than your credentials: set AZURE_TENANT_ID, or \
             `az login --tenant`"
                .to_owned()
        }
        StatusCode::UNAUTHORIZED => {
            "the vault does not take the token: log in anew (`az login`); is the clock right?"
                .to_owned()
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "the vault gets too many requests at a time: try again in a moment".to_owned()
        }
        StatusCode::BAD_REQUEST if operation == Operation::Decrypt => {
            "was the data key wrapped by this version of this key?".to_owned()
        }
        StatusCode::BAD_REQUEST => "is it an RSA key that may be used to encrypt?".to_owned(),
        status if status.is_redirection() => {
            "redirects are not followed: a token is for one host only".to_owned()
        }
        status if status.is_server_error() => {
            "a fault of the service: try again in a moment, or see https://status.azure.com"
                .to_owned()
        }
        _ => return None,
    };
    Some(hint)
}

/// Whether a status means the same for keys and secrets.
fn is_of_all(status: StatusCode) -> bool {
    let known = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
    known.contains(&status) || status.is_redirection() || status.is_server_error()
}

/// Why no token was given out.
#[must_use]
pub fn of_authority(reply: &Reply) -> ServiceError {
    let body = reply.json().unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let description = text("error_description");
    // what follows is for Microsoft's support
    let words = description.split("Trace ID:").next().unwrap_or_default();
    let words = [words, text("message"), text("error")]
        .map(|part| said(part, None))
        .into_iter()
        .find(|part| !part.is_empty());
    let words = words.unwrap_or_else(|| reply.status.to_string());
    let error = ServiceError::new(words);
    match code_of(&body, description) {
        Some(code) => error.hint(advice_on_login(code)),
        None if reply.is_passing() => error.hint("try again in a moment"),
        None => error,
    }
}

/// The number behind `AADSTS`.
fn code_of(body: &Value, description: &str) -> Option<u64> {
    let listed = body["error_codes"][0].as_u64();
    listed.or_else(|| {
        let rest = description.split("AADSTS").nth(1)?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    })
}

fn advice_on_login(code: u64) -> String {
    match code {
        7_000_222 => {
            "the client secret has expired: make a new one (`az ad app credential \
                      reset`) and set AZURE_CLIENT_SECRET"
        }
        7_000_215 | 50_012 => "AZURE_CLIENT_SECRET is to be the secret's value, not its id",
        700_016 => "is AZURE_CLIENT_ID an application of the tenant in AZURE_TENANT_ID?",
        90_002 | 900_023 => {
            "AZURE_TENANT_ID names no tenant of this cloud; for another cloud, \
                             set AZURE_AUTHORITY_HOST"
        }
        700_027 | 700_030 => {
            "is the certificate in AZURE_CLIENT_CERTIFICATE_PATH one of the \
                              application's, and still valid?"
        }
        700_024 => {
            "is the clock of this machine right? the assertion or federated token is not \
                    valid now"
        }
        70_021 | 700_211..=700_213 => {
            "the application has no federated credential for this \
                                       token: compare issuer, subject and audience"
        }
        500_011 | 500_014 => {
            "the vault is of another cloud than the authority: set \
                              AZURE_AUTHORITY_HOST (https://login.chinacloudapi.cn, \
                              https://login.microsoftonline.us)"
        }
        code => return format!("see https://login.microsoftonline.com/error?code={code}"),
    }
    .to_owned()
}
