//! What AWS says when it says no: the reason in its words, and what to do about it.

use super::super::limits::{ATTEMPTS, REQUEST};
use crate::keys::{KmsAddress, ServiceError};
use aws_config::meta::ProviderChainError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use std::error::Error;
use std::fmt::Debug;

/// The permission to wrap.
pub(super) const ENCRYPT: &str = "kms:Encrypt";

/// The permission to unwrap.
pub(super) const DECRYPT: &str = "kms:Decrypt";

const SIGN_IN: &str = "sign in: AWS_PROFILE, `aws sso login`, AWS_ACCESS_KEY_ID and \
                       AWS_SECRET_ACCESS_KEY, or a role of the machine; \
                       `aws sts get-caller-identity` says who you are";

const ENDED: &str = "the session has ended: sign in again (`aws sso login`), or take the old \
                     AWS_SESSION_TOKEN out of the environment";

const SSO: &str = "sign in again with `aws sso login --profile NAME`";

/// Why KMS did not use a key, where that takes the permission `action`.
pub(super) fn of_key<E, R>(action: &str, key: &KmsAddress, error: &SdkError<E, R>) -> ServiceError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Debug + 'static,
{
    let failed = failed("AWS KMS", error);
    let hint = error.code().and_then(|code| of_kms(code, action, key));
    hint.into_iter().fold(failed, ServiceError::hint)
}

/// Why a role cannot be assumed.
pub(super) fn of_role<R>(role: &str, error: &SdkError<AssumeRoleError, R>) -> ServiceError
where
    R: Debug + 'static,
{
    let failed = failed(&format!("AWS STS, role {role}"), error);
    if error.code() != Some("AccessDenied") {
        return failed;
    }
    failed.hint(
        "who asks needs sts:AssumeRole on the role, and the trust policy of the role must let them",
    )
}

/// Why there are no credentials; `profile` is empty where no key names one.
pub(super) fn of_credentials(profile: &str, error: &CredentialsError) -> ServiceError {
    let whose = match profile {
        "" => String::new(),
        name => format!(" of the profile {name:?}"),
    };
    let reason = reason(error);
    let is_none = matches!(error, CredentialsError::CredentialsNotLoaded(_));
    if is_none && profile.is_empty() {
        let message = format!("AWS: there are no credentials{}", of_profiles(error));
        return ServiceError::new(message).hint(SIGN_IN);
    }
    let failed = ServiceError::new(format!("AWS: no credentials{whose}: {reason}"));
    if reason.to_ascii_lowercase().contains("sso") {
        return failed.hint(SSO);
    }
    if is_none {
        return failed.hint("profiles stand in ~/.aws/config and ~/.aws/credentials");
    }
    failed.hint(SIGN_IN)
}

/// What was found out about profiles on the way: `AWS_PROFILE` may name one that is not there.
fn of_profiles(error: &CredentialsError) -> String {
    let chain = error.source().and_then(|source| {
        let chain = source.downcast_ref::<ProviderChainError<CredentialsError>>();
        chain.map(ProviderChainError::attempts)
    });
    let mut attempts = chain.unwrap_or_default().iter();
    let profile = attempts.find(|attempt| attempt.name() == "Profile");
    let profile = profile.filter(|attempt| attempt.error().source().is_some());
    let text = profile.map(|attempt| format!(" ({})", reason(attempt.error())));
    text.unwrap_or_default()
}

/// What failed when `service` was asked, with what can be said of every service.
fn failed<E, R>(service: &str, error: &SdkError<E, R>) -> ServiceError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Debug + 'static,
{
    if let Some(told) = links(error).find_map(|link| link.downcast_ref::<ServiceError>()) {
        return told.clone();
    }
    match error {
        SdkError::ServiceError(_) => {
            let (said, hint) = (said(error.meta()), of_any(error.meta()));
            let failed = ServiceError::new(format!("{service}: {said}"));
            hint.into_iter().fold(failed, ServiceError::hint)
        }
        SdkError::TimeoutError(_) => {
            let seconds = REQUEST.as_secs();
            let message = format!("{service}: no answer within {seconds} seconds");
            ServiceError::new(message).hint(REACHED)
        }
        SdkError::DispatchFailure(_) => {
            let message = format!("{service} cannot be reached: {}", reason(error));
            ServiceError::new(message).hint(REACHED)
        }
        _ => ServiceError::new(format!("{service}: {}", reason(error))),
    }
}

const REACHED: &str = "is the network up, the region right, a proxy needed (HTTPS_PROXY), \
                       AWS_ENDPOINT_URL meant? `--offline` asks nobody";

/// What any service of AWS may say.
fn of_any(said: &ErrorMetadata) -> Option<String> {
    let text = said.message().unwrap_or_default();
    let is_late = text.contains("Signature expired") || text.contains("not yet current");
    let hint = match said.code()? {
        "ExpiredTokenException" | "ExpiredToken" | "TokenRefreshRequired" => ENDED,
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => CLOCK,
        _ if is_late => CLOCK,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationTokenException" => {
            "AWS does not know who asks: is the access key still active, and AWS_SESSION_TOKEN \
             that of the same session?"
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignatureException" => {
            "the secret access key does not fit the access key"
        }
        "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException" => {
            return Some(format!(
                "asked {ATTEMPTS} times; wait a while, or raise the quota"
            ));
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

const CLOCK: &str = "the clock of this machine is wrong: set it, AWS accepts five minutes";

/// What KMS alone may say.
fn of_kms(code: &str, action: &str, key: &KmsAddress) -> Option<String> {
    let arn = &key.arn;
    Some(match code {
        "AccessDeniedException" => format!(
            "who asks needs {action} on this key, in their own policy and in that of the key; \
             `aws sts get-caller-identity` says who asks"
        ),
        "NotFoundException" => {
            let parts: Vec<&str> = arn.split(':').collect();
            let part = |at| parts.get(at).copied().unwrap_or_default();
            let (region, account) = (part(3), part(4));
            format!("there is no such key or alias in region {region} of account {account}")
        }
        "DisabledException" => {
            format!("somebody disabled the key; `aws kms enable-key --key-id {arn}` enables it")
        }
        "KMSInvalidStateException" => format!(
            "the key waits for its deletion, or has no material: `aws kms describe-key --key-id \
             {arn}`, and `cancel-key-deletion` while there is time"
        ),
        "InvalidCiphertextException" | "IncorrectKeyException" => {
            let context = if key.context.is_empty() {
                "no encryption context".to_owned()
            } else {
                let names: Vec<_> = key.context.keys().map(|name| format!("{name:?}")).collect();
                format!("its encryption context ({})", names.join(", "))
            };
            format!(
                "what stands under `enc` was not made by this key with {context}: was `arn`, \
                 `context` or `enc` changed by hand?"
            )
        }
        "InvalidKeyUsageException" => {
            "a key for encryption is needed (ENCRYPT_DECRYPT), not one for signatures".to_owned()
        }
        _ => return None,
    })
}

/// `CODE: message`.
fn said(said: &ErrorMetadata) -> String {
    let code = said.code().unwrap_or("an error without a name");
    match said.message() {
        Some(message) if !message.is_empty() => format!("{code}: {message}"),
        _ => code.to_owned(),
    }
}

/// The causes of an error, one behind the other; of what a service said, its own words.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    // the first names no more than the kind of error
    for link in links(error).skip(1) {
        if let Some(told) = of_sts(link) {
            texts.push(said(told));
            break;
        }
        let text = link.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
    }
    if texts.is_empty() {
        return error.to_string();
    }
    texts.join(": ")
}

fn of_sts<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e ErrorMetadata> {
    let role = error.downcast_ref::<AssumeRoleError>();
    let role = role.map(ProvideErrorMetadata::meta);
    let web = error.downcast_ref::<AssumeRoleWithWebIdentityError>();
    role.or_else(|| web.map(ProvideErrorMetadata::meta))
}

/// An error and all that is behind it.
fn links<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link: &&'e (dyn Error + 'static)| {
        let link: &'e (dyn Error + 'static) = *link;
        link.source()
    })
}
