//! What the services say when they refuse, and what to do about it.

use super::endpoint::Endpoint;
use crate::cli::services::answers::said;
use crate::cli::services::http::Reply;
use crate::keys::ServiceError;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::DATE;
use serde_json::Value;

/// The clocks of client and service may differ by so many seconds.
const SKEW: i64 = 15 * 60;

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Something is wrapped.
    Encrypt,
    /// Something is unwrapped.
    Decrypt,
}

impl Operation {
    /// The last part of the path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt-data",
            Self::Decrypt => "decrypt-data",
        }
    }

    /// The action that a policy has to allow.
    fn action(self) -> &'static str {
        match self {
            Self::Encrypt => "kms:cmk:encryptData",
            Self::Decrypt => "kms:cmk:decryptData",
        }
    }
}

/// Why KMS did not do it; `secret` is never shown.
#[must_use]
pub fn of_kms(
    operation: Operation,
    endpoint: &Endpoint,
    reply: &Reply,
    secret: &str,
) -> ServiceError {
    let (code, words) = code_and_words(reply);
    let hint = match code.as_str() {
        "KMS.0209" => Some("enable the key in the console of KMS".to_owned()),
        "KMS.0210" => Some("the key is going to be deleted: cancel that in the console".to_owned()),
        "KMS.0205" | "KMS.0207" => Some(unknown_key()),
        "KMS.0306" => Some(forbidden(operation)),
        _ => None,
    };
    let hint = hint.or_else(|| match reply.status {
        StatusCode::FORBIDDEN => Some(forbidden(operation)),
        StatusCode::NOT_FOUND => Some(unknown_key()),
        StatusCode::BAD_REQUEST if operation == Operation::Decrypt => {
            Some("was the data key wrapped by this very key?".to_owned())
        }
        _ => general(reply, &words),
    });
    error(
        "Huawei Cloud KMS",
        endpoint,
        reply,
        [&code, &words],
        secret,
        hint,
    )
}

/// Why the identity service did not say what the project is.
#[must_use]
pub fn of_iam(endpoint: &Endpoint, reply: &Reply) -> ServiceError {
    let (code, words) = code_and_words(reply);
    let hint = match reply.status {
        StatusCode::FORBIDDEN => {
            Some("set HUAWEICLOUD_SDK_PROJECT_ID, or allow iam:projects:listProjects".to_owned())
        }
        _ => general(reply, &words),
    };
    error(
        "Huawei Cloud IAM",
        endpoint,
        reply,
        [&code, &words],
        "",
        hint,
    )
}

fn error(
    service: &str,
    endpoint: &Endpoint,
    reply: &Reply,
    words: [&String; 2],
    secret: &str,
    hint: Option<String>,
) -> ServiceError {
    let secret = (!secret.is_empty()).then_some(secret);
    let mut parts = vec![format!(
        "{service} ({}): {}",
        endpoint.authority(),
        reply.status
    )];
    parts.extend(words.map(|words| said(words, secret)));
    parts.retain(|part| !part.is_empty());
    let error = ServiceError::new(parts.join(": "));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// In one of the two shapes that gateway and services have.
fn code_and_words(reply: &Reply) -> (String, String) {
    let body = reply.json().unwrap_or_default();
    let inner = [&body["error"], &body];
    let text = |names: [&str; 2]| {
        let mut values = inner
            .iter()
            .flat_map(|value| names.iter().map(|name| &value[*name]));
        let found = values.find_map(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    (text(["error_code", "code"]), text(["error_msg", "message"]))
}

fn unknown_key() -> String {
    "is there a key of this id in this region, and in this project?".to_owned()
}

fn forbidden(operation: Operation) -> String {
    format!(
        "missing: a policy that allows {} (kms:cmk:crypto in the older kind of policy) on this key",
        operation.action()
    )
}

/// What to do that is the same for all services.
fn general(reply: &Reply, words: &str) -> Option<String> {
    let hint = match reply.status {
        StatusCode::UNAUTHORIZED => return Some(unauthorized(reply, words)),
        StatusCode::TOO_MANY_REQUESTS => "too many requests at a time: try again in a moment",
        status if status.is_redirection() => "redirects are not followed",
        status if status.is_server_error() => "a fault of the service: try again in a moment",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn unauthorized(reply: &Reply, words: &str) -> String {
    let skew = skew(reply, Timestamp::now());
    let hint = match skew {
        Some(seconds) if seconds.abs() > SKEW => {
            return format!(
                "the clock of this machine is {} minutes {}: set it right",
                seconds.abs() / 60,
                if seconds > 0 { "fast" } else { "slow" }
            );
        }
        _ if words.contains("not exist") => "HUAWEICLOUD_SDK_AK is no access key",
        _ if words.contains("reach the limit") => {
            "the access key is locked for five minutes, after too many wrong signatures"
        }
        _ if words.to_ascii_lowercase().contains("token") || words.contains("expired") => {
            "keys that are good for a time need HUAWEICLOUD_SDK_SECURITY_TOKEN, and new ones when \
             that is over"
        }
        _ => "is HUAWEICLOUD_SDK_SK the one that belongs to HUAWEICLOUD_SDK_AK?",
    };
    hint.to_owned()
}

/// By how many seconds our clock is ahead of the service's.
fn skew(reply: &Reply, now: Timestamp) -> Option<i64> {
    let date = reply.headers.get(DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(now.as_second() - theirs.as_second())
}
