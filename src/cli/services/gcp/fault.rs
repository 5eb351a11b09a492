//! Why the service did not do as it was asked, whichever way it was asked: `google.rpc.Status`
//! with its details, and what to do about it.

use super::credentials::Credentials;
use super::{KeyName, SERVICE};
use crate::cli::services::http::Reply;
use crate::cli::services::limits::Trouble;
use crate::keys::ServiceError;
use prost::Message;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};

/// The most characters of a message of the service that are shown.
const LONGEST: usize = 600;

/// The names of codes where they stand as text.
const CODES: [(Code, &str); 16] = [
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::OutOfRange, "OUT_OF_RANGE"),
    (Code::Unimplemented, "UNIMPLEMENTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::DataLoss, "DATA_LOSS"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];

/// Why there is no answer.
pub enum Failed {
    /// The service was not reached.
    Trouble(Trouble),
    /// It says why.
    Said(Fault),
    /// Its answer is of no use.
    Garbled(&'static str),
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// What the service says of a request that it did not grant.
#[derive(Debug)]
pub struct Fault {
    code: Code,
    message: String,
    /// `google.rpc.ErrorInfo`: a word for the reason, and facts about it.
    reason: String,
    facts: HashMap<String, String>,
    /// `google.rpc.RetryInfo`: how long it wants to be left alone.
    after: Option<Duration>,
}

/// `google.rpc.Status`, of which code and message are known already.
#[derive(Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`
#[derive(Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.ErrorInfo`
#[derive(Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// `google.rpc.RetryInfo`
#[derive(Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RpcDuration>,
}

/// `google.protobuf.Duration`
#[derive(Message)]
struct RpcDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Fault {
    fn new(code: Code, message: &str) -> Self {
        Self {
            code,
            message: printable(message),
            reason: String::new(),
            facts: HashMap::new(),
            after: None,
        }
    }

    /// That of a reply over REST.
    pub fn of_reply(reply: &Reply) -> Self {
        let said = reply.json().unwrap_or_default();
        let error = &said["error"];
        let status = error["status"].as_str().unwrap_or_default();
        let known = CODES.iter().find(|(_, name)| *name == status);
        let code = known.map_or_else(|| code_of(reply.status), |(code, _)| *code);
        let message = match error["message"].as_str() {
            Some(message) => message.to_owned(),
            None => format!("it answered with HTTP status {}", reply.status.as_u16()),
        };
        let mut fault = Self::new(code, &message);
        for detail in error["details"].as_array().into_iter().flatten() {
            fault.take_json(detail);
        }
        let header = reply.headers.get(RETRY_AFTER);
        let header = header.and_then(|after| after.to_str().ok()?.parse().ok());
        fault.after = fault.after.or(header.map(Duration::from_secs));
        fault
    }

    fn take_json(&mut self, detail: &Value) {
        let kind = detail["@type"].as_str().unwrap_or_default();
        if kind.ends_with("google.rpc.ErrorInfo") {
            self.reason = printable(detail["reason"].as_str().unwrap_or_default());
            let facts = detail["metadata"].as_object().into_iter().flatten();
            let facts = facts.filter_map(|(name, fact)| Some((name.clone(), fact.as_str()?)));
            self.facts = facts.map(|(name, fact)| (name, printable(fact))).collect();
        } else if kind.ends_with("google.rpc.RetryInfo") {
            let text = detail["retryDelay"].as_str().unwrap_or_default();
            let seconds = text.strip_suffix('s').and_then(|text| text.parse().ok());
            self.after = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        }
    }

    /// That of a status over gRPC.
    pub fn of_status(status: &Status) -> Self {
        let mut fault = Self::new(status.code(), status.message());
        // what cannot be read of the details is not needed
        let details = RpcStatus::decode(status.details()).unwrap_or_default();
        for detail in &details.details {
            fault.take_message(detail);
        }
        fault
    }

    fn take_message(&mut self, detail: &Any) {
        if detail.type_url.ends_with("google.rpc.ErrorInfo") {
            let info = ErrorInfo::decode(&*detail.value).unwrap_or_default();
            self.reason = printable(&info.reason);
            let facts = info.metadata.into_iter();
            self.facts = facts.map(|(name, fact)| (name, printable(&fact))).collect();
        } else if detail.type_url.ends_with("google.rpc.RetryInfo") {
            let info = RetryInfo::decode(&*detail.value).unwrap_or_default();
            let delay = info.retry_delay.unwrap_or_default();
            let seconds = u64::try_from(delay.seconds).ok();
            let nanos = u64::try_from(delay.nanos).ok().map(Duration::from_nanos);
            self.after = seconds
                .zip(nanos)
                .and_then(|(seconds, nanos)| Duration::from_secs(seconds).checked_add(nanos));
        }
    }

    fn is_passing(&self) -> bool {
        matches!(
            self.code,
            Code::ResourceExhausted
                | Code::Unavailable
                | Code::Internal
                | Code::DeadlineExceeded
                | Code::Aborted
        )
    }

    /// The project that the request was counted to, or that of the key.
    fn consumer<'f>(&'f self, key: &KeyName<'f>) -> &'f str {
        let consumer = self.facts.get("consumer");
        let project = consumer.and_then(|consumer| consumer.strip_prefix("projects/"));
        project.unwrap_or(key.project())
    }
}

/// What was asked, and by whom: what it takes to say what to do.
pub struct Question<'q> {
    pub key: &'q KeyName<'q>,
    /// The one that it takes.
    pub permission: &'static str,
    pub credentials: &'q Credentials,
    pub odd_type: Option<&'q str>,
}

impl Question<'_> {
    /// The error, and whether to ask again.
    pub fn explain(&self, failed: Failed) -> Trouble {
        let mut trouble = match failed {
            Failed::Trouble(trouble) => trouble,
            Failed::Garbled(reason) => {
                let message = format!("its answer cannot be used: {reason}");
                Trouble::passing(ServiceError::new(self.said(&message)), None)
            }
            Failed::Said(fault) => self.refused(&fault),
        };
        if let Some(odd) = self.odd_type {
            let hint = format!(
                "SOPS_GCP_KMS_CLIENT_TYPE is {odd:?}, which is neither grpc nor rest: it was gRPC"
            );
            trouble.error = trouble.error.hint(hint);
        }
        trouble
    }

    fn refused(&self, fault: &Fault) -> Trouble {
        let name = CODES.iter().find(|(code, _)| *code == fault.code);
        let name = name.map_or("OK", |(_, name)| name);
        let kind = match fault.reason.as_str() {
            "" => name.to_owned(),
            reason => format!("{name}, {reason}"),
        };
        let message = self.said(&format!("{} ({kind})", fault.message.trim_end()));
        let mut error = ServiceError::new(message);
        error.hints = self.hints(fault);
        if fault.is_passing() {
            Trouble::passing(error, fault.after)
        } else {
            Trouble::lasting(error)
        }
    }

    /// With the provider, and the key where the service does not name it.
    fn said(&self, message: &str) -> String {
        let id = self.key.id();
        if message.contains(id) {
            format!("{SERVICE}: {message}")
        } else {
            format!("{SERVICE}, {id}: {message}")
        }
    }

    fn hints(&self, fault: &Fault) -> Vec<String> {
        let consumer = fault.consumer(self.key);
        match (fault.reason.as_str(), fault.code) {
            ("SERVICE_DISABLED", _) => vec![self.enable(consumer)],
            (_, Code::FailedPrecondition) if fault.message.contains("has not been used in") => {
                vec![self.enable(consumer)]
            }
            ("BILLING_DISABLED", _) => vec![format!(
                "the project {consumer} has no billing account: `gcloud billing projects link`"
            )],
            ("USER_PROJECT_DENIED" | "CONSUMER_INVALID" | "RESOURCE_PROJECT_INVALID", _) => {
                vec![self.quota(consumer)]
            }
            ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", _) => vec![
                "the token lacks the scope https://www.googleapis.com/auth/cloud-platform \
                 (of a virtual machine: its access scopes)"
                    .to_owned(),
            ],
            (_, Code::Unauthenticated) => vec![self.credentials.renewal()],
            (_, Code::PermissionDenied) => self.grant(fault),
            (_, Code::NotFound) => vec![format!(
                "is the name right? `gcloud kms keys list {}` lists the keys",
                self.key.ring_flags()
            )],
            (_, Code::FailedPrecondition) => self.state(fault),
            (_, Code::InvalidArgument) if self.permission.ends_with("Decrypt") => vec![
                "another key, or a version of it that is gone, wrapped the data key; or enc is \
                 damaged"
                    .to_owned(),
            ],
            (_, Code::ResourceExhausted) => vec![format!(
                "too many requests: wait a minute, or have the quota of cloudkms.googleapis.com \
                 raised for the project {consumer}"
            )],
            (_, Code::Unavailable | Code::Internal | Code::DeadlineExceeded) => {
                vec!["try again later; https://status.cloud.google.com says what is known".into()]
            }
            _ => Vec::new(),
        }
    }

    fn enable(&self, project: &str) -> String {
        format!(
            "`gcloud services enable cloudkms.googleapis.com --project {project}` turns the API \
             on; it takes a few minutes"
        )
    }

    fn quota(&self, project: &str) -> String {
        format!(
            "requests are counted to the project {project}: it takes \
             roles/serviceusage.serviceUsageConsumer there, or another project \
             (GOOGLE_CLOUD_QUOTA_PROJECT, `gcloud auth application-default set-quota-project`)"
        )
    }

    /// Who lacks which permission, and the command that grants it.
    fn grant(&self, fault: &Fault) -> Vec<String> {
        let permission = fault.facts.get("permission").cloned();
        let permission = permission.or_else(|| between(&fault.message, "Permission '", "'"));
        let permission = permission.unwrap_or_else(|| self.permission.to_owned());
        let role = match permission.as_str() {
            "cloudkms.cryptoKeyVersions.useToEncrypt" => "cryptoKeyEncrypter",
            "cloudkms.cryptoKeyVersions.useToDecrypt" => "cryptoKeyDecrypter",
            _ => "cryptoKeyEncrypterDecrypter",
        };
        let (key, flags) = (self.key.key(), self.key.ring_flags());
        vec![
            format!("{} lacks {permission}", self.credentials.who()),
            format!(
                "`gcloud kms keys add-iam-policy-binding {key} {flags} --member MEMBER --role \
                 roles/cloudkms.{role}` grants it"
            ),
        ]
    }

    /// A version of the key that is not in use.
    fn state(&self, fault: &Fault) -> Vec<String> {
        let (key, flags) = (self.key.key(), self.key.ring_flags());
        let version = between(&fault.message, "/cryptoKeyVersions/", " ");
        let version = version.as_deref().unwrap_or("VERSION");
        let version = version.trim_end_matches(['\'', '"', '.', ',']);
        let hint = if fault.message.contains("DESTROY_SCHEDULED") {
            format!(
                "`gcloud kms keys versions restore {version} --key {key} {flags}` keeps it from \
                 being destroyed"
            )
        } else if fault.message.contains("DESTROYED") {
            "nothing brings a destroyed version back: another key of the file is needed".into()
        } else if fault.message.contains("not enabled") || fault.message.contains("DISABLED") {
            format!("`gcloud kms keys versions enable {version} --key {key} {flags}` enables it")
        } else {
            return Vec::new();
        };
        vec![hint]
    }
}

/// What stands between two texts.
fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split(after).next().unwrap_or(rest).to_owned())
}

/// The code that a status of HTTP stands for, where the answer is none of the service's.
fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        429 => Code::ResourceExhausted,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        504 => Code::DeadlineExceeded,
        502..=599 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// A text of somebody else, fit for a terminal.
pub fn printable(text: &str) -> String {
    let shown = |char: char| if char.is_control() { ' ' } else { char };
    let text: String = text.chars().take(LONGEST).map(shown).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;
    use zeroize::Zeroizing;

    const KEY: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k";

    fn reply(status: u16, body: &str) -> Fault {
        Fault::of_reply(&Reply {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
        })
    }

    fn explained(fault: Fault) -> Trouble {
        let environment = [("GOOGLE_OAUTH_ACCESS_TOKEN", "t")].into_iter().collect();
        let credentials = Credentials::find(&environment).expect("a token");
        let key = KeyName::parse(KEY).expect("a name");
        let question = Question {
            key: &key,
            permission: "cloudkms.cryptoKeyVersions.useToDecrypt",
            credentials: &credentials,
            odd_type: None,
        };
        question.explain(Failed::Said(fault))
    }

    #[test]
    fn both_ways_say_the_same() {
        let body = r#"{"error": {"code": 403, "message": "KMS API is off", "status":
            "PERMISSION_DENIED", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED", "metadata": {"consumer": "projects/7"}},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}]}}"#;
        let info = ErrorInfo {
            reason: "SERVICE_DISABLED".into(),
            metadata: [("consumer".into(), "projects/7".into())].into(),
        };
        let delay = RpcDuration {
            seconds: 1,
            nanos: 500_000_000,
        };
        let retry = RetryInfo {
            retry_delay: Some(delay),
        };
        let any = |name: &str, value| Any {
            type_url: format!("type.googleapis.com/google.rpc.{name}"),
            value,
        };
        let details = RpcStatus {
            details: vec![
                any("ErrorInfo", info.encode_to_vec()),
                any("RetryInfo", retry.encode_to_vec()),
            ],
        };
        let details = details.encode_to_vec().into();
        let status = Status::with_details(Code::PermissionDenied, "KMS API is off", details);
        for fault in [reply(403, body), Fault::of_status(&status)] {
            assert_eq!(fault.after, Some(Duration::from_millis(1500)));
            let error = explained(fault).error;
            let expected = "KMS API is off (PERMISSION_DENIED, SERVICE_DISABLED)";
            assert!(error.message.ends_with(expected), "{error}");
            let enable = "gcloud services enable cloudkms.googleapis.com --project 7";
            assert!(error.hints[0].contains(enable), "{:?}", error.hints);
        }
    }

    #[test]
    fn an_answer_of_somebody_else_is_told_by_its_status() {
        for (status, code, again) in [
            (502, "UNAVAILABLE", true),
            (429, "RESOURCE_EXHAUSTED", true),
            (302, "UNKNOWN", false),
            (407, "UNKNOWN", false),
            (401, "UNAUTHENTICATED", false),
        ] {
            let trouble = explained(reply(status, "<html>"));
            assert_eq!(trouble.again, again, "{status}");
            let message = format!("it answered with HTTP status {status} ({code})");
            assert!(trouble.error.message.ends_with(&message));
        }
    }

    #[test]
    fn a_text_of_the_service_drives_no_terminal() {
        let fault = Fault::new(Code::NotFound, &format!("\x1b[2J{}", "x".repeat(2000)));
        assert!(fault.message.starts_with("[2J") && fault.message.len() <= LONGEST);
        let details = Status::with_details(Code::NotFound, "", vec![0xff; 9].into());
        assert!(Fault::of_status(&details).facts.is_empty());
    }
}
