//! Who asks. `GOOGLE_CREDENTIALS` and `GOOGLE_OAUTH_ACCESS_TOKEN` go before the application
//! default credentials, as in sops; what credentials are and how tokens come of them is known to
//! Google's own crate.

use super::SERVICE;
use super::fault::printable;
use crate::cli::environment::{
    Environment, GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_CLOUD_QUOTA_PROJECT, GOOGLE_CREDENTIALS,
    GOOGLE_OAUTH_ACCESS_TOKEN,
};
use crate::cli::services::http;
use crate::cli::services::limits::{ATTEMPTS, CONNECT, REQUEST};
use crate::keys::ServiceError;
use google_cloud_auth::build_errors::Error as BuildError;
use google_cloud_auth::credentials::{
    CacheableResource, Credentials as Provider, external_account, impersonated, mds,
    service_account, user_account,
};
use google_cloud_auth::errors::CredentialsError;
use google_cloud_gax::retry_policy::{Aip194Strict, RetryPolicyArg, RetryPolicyExt};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;
use std::error::Error;
use std::path::{Path, PathBuf};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Where the requests of a user are counted, if not in the project of the credentials.
const QUOTA_HEADER: &str = "x-goog-user-project";

/// Credentials, and what to say of them.
pub struct Credentials {
    source: Source,
    origin: Origin,
    universe: Option<String>,
}

enum Source {
    /// What goes before each request.
    Headers(HeaderMap),
    Provider(Provider),
}

/// Where credentials come from.
enum Origin {
    /// The variable with a token.
    Token,
    /// JSON of a type, in a variable or a file.
    Json {
        place: String,
        kind: String,
        email: Option<String>,
    },
    /// The metadata server, since there is nothing else; and the file that was looked for.
    Metadata(Option<PathBuf>),
}

impl Credentials {
    /// Those that the environment names, or that are where gcloud leaves them. Nothing is asked
    /// of anybody yet.
    ///
    /// # Errors
    /// Where what is named cannot be used.
    pub fn find(environment: &Environment) -> Result<Self, ServiceError> {
        let quota = environment.text(GOOGLE_CLOUD_QUOTA_PROJECT);
        if let Some(value) = environment.text(GOOGLE_CREDENTIALS) {
            let text = of_variable(value)?;
            return Self::of_json(GOOGLE_CREDENTIALS.to_owned(), &text, quota);
        }
        if let Some(token) = environment.text(GOOGLE_OAUTH_ACCESS_TOKEN) {
            return Self::of_token(token, quota);
        }
        if let Some(path) = environment.path(GOOGLE_APPLICATION_CREDENTIALS) {
            let place = format!("{GOOGLE_APPLICATION_CREDENTIALS}: {}", path.display());
            let text = read(path).map_err(|error| {
                ServiceError::new(format!("{place}: {error}"))
                    .hint("GOOGLE_APPLICATION_CREDENTIALS is the path of a file with credentials")
            })?;
            return Self::of_json(place, &text, quota);
        }
        let file = well_known(environment);
        match file.as_deref().map(read) {
            Some(Ok(text)) => {
                let place = file.unwrap_or_default().display().to_string();
                Self::of_json(place, &text, quota)
            }
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                let place = file.unwrap_or_default();
                Err(ServiceError::new(format!("{}: {error}", place.display())))
            }
            _ => Self::of_machine(file, quota),
        }
    }

    fn of_token(token: &str, quota: Option<&str>) -> Result<Self, ServiceError> {
        let bearer = Zeroizing::new(format!("Bearer {}", token.trim()));
        let bearer = HeaderValue::from_str(&bearer);
        let mut bearer = bearer
            .map_err(|_| ServiceError::new(format!("{GOOGLE_OAUTH_ACCESS_TOKEN} is no token")))?;
        bearer.set_sensitive(true);
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        if let Some(quota) = quota {
            let quota = HeaderValue::from_str(quota).map_err(|_| {
                ServiceError::new(format!("{GOOGLE_CLOUD_QUOTA_PROJECT} is no project"))
            })?;
            headers.insert(QUOTA_HEADER, quota);
        }
        Ok(Self {
            source: Source::Headers(headers),
            origin: Origin::Token,
            universe: None,
        })
    }

    fn of_json(place: String, text: &str, quota: Option<&str>) -> Result<Self, ServiceError> {
        let json: Value = serde_json::from_str(text)
            .map_err(|error| ServiceError::new(format!("{place} is no JSON: {error}")))?;
        let field = |name: &str| json[name].as_str().map(printable);
        let Some(kind) = field("type") else {
            let message = format!("{place}: there is no \"type\" of credentials in it");
            return Err(ServiceError::new(message).hint(
                "what `gcloud auth application-default login` or `gcloud iam service-accounts \
                 keys create` writes has one",
            ));
        };
        let (universe, email) = (field("universe_domain"), field("client_email"));
        let provider =
            provider(&kind, json, quota).map_err(|error| unfit(&place, &kind, &error))?;
        let provider = provider.ok_or_else(|| unknown(&place, &kind))?;
        Ok(Self {
            source: Source::Provider(provider),
            origin: Origin::Json { place, kind, email },
            universe,
        })
    }

    fn of_machine(looked: Option<PathBuf>, quota: Option<&str>) -> Result<Self, ServiceError> {
        let builder = quota
            .into_iter()
            .fold(mds::Builder::default(), mds::Builder::with_quota_project_id);
        let provider = builder.build();
        let provider = provider
            .map_err(|error| ServiceError::new(format!("{SERVICE}: no credentials: {error}")))?;
        Ok(Self {
            source: Source::Provider(provider),
            origin: Origin::Metadata(looked),
            universe: None,
        })
    }

    /// The universe that they are of, where they say so.
    pub fn universe(&self) -> Option<&str> {
        self.universe.as_deref()
    }

    /// What goes before a request: a token, which is asked for once.
    ///
    /// # Errors
    /// Where nobody gives one.
    pub async fn headers(&self) -> Result<HeaderMap, ServiceError> {
        let provider = match &self.source {
            Source::Headers(headers) => return Ok(headers.clone()),
            Source::Provider(provider) => provider,
        };
        // who is not on a machine of Google's need not wait long to hear it
        let patience = match self.origin {
            Origin::Metadata(_) => CONNECT,
            _ => REQUEST,
        };
        match timeout(patience, provider.headers(tonic::Extensions::new())).await {
            Ok(Ok(CacheableResource::New { data, .. })) => Ok(data),
            // only for who has the headers already
            Ok(Ok(CacheableResource::NotModified)) => Err(self.refused("no token came")),
            Ok(Err(error)) => Err(self.refused(&reason(&error))),
            Err(_) => {
                let seconds = patience.as_secs();
                Err(self.refused(&format!("no answer within {seconds} seconds")))
            }
        }
    }

    fn refused(&self, reason: &str) -> ServiceError {
        if let Origin::Metadata(looked) = &self.origin {
            return none(looked.as_deref(), reason);
        }
        let who = self.who();
        let message = format!("{SERVICE}: {who} gets no access token: {reason}");
        ServiceError::new(message).hint(self.renewal())
    }

    /// Who asks, in a word or two.
    pub fn who(&self) -> String {
        match &self.origin {
            Origin::Token => format!("the token in {GOOGLE_OAUTH_ACCESS_TOKEN}"),
            Origin::Json {
                email: Some(email), ..
            } => email.clone(),
            Origin::Json { place, kind, .. } => format!("the {kind} of {place}"),
            Origin::Metadata(_) => "the service account of this machine".to_owned(),
        }
    }

    /// What to do about credentials that do not count any more.
    pub fn renewal(&self) -> String {
        match &self.origin {
            Origin::Token => "a token lives for an hour: GOOGLE_OAUTH_ACCESS_TOKEN=$(gcloud auth \
                              print-access-token) is a new one"
                .to_owned(),
            Origin::Json { kind, .. } => match kind.as_str() {
                "authorized_user" => {
                    "`gcloud auth application-default login` logs in again".to_owned()
                }
                "service_account" => "is the key still there and enabled (`gcloud iam \
                                      service-accounts keys list`), the clock of this machine \
                                      right?"
                    .to_owned(),
                "impersonated_service_account" => "`gcloud auth application-default login \
                    --impersonate-service-account` logs in again; it takes \
                    roles/iam.serviceAccountTokenCreator on the account"
                    .to_owned(),
                _ => "is what they are exchanged for still valid, and the workload identity \
                      pool set up for it?"
                    .to_owned(),
            },
            Origin::Metadata(_) => "is a service account attached to this machine?".to_owned(),
        }
    }
}

/// The credentials of a type; `None` for one that is not known.
fn provider(kind: &str, json: Value, quota: Option<&str>) -> Result<Option<Provider>, BuildError> {
    // one failure more or less of who makes tokens is no matter
    let patience = RetryPolicyArg::from(Aip194Strict.with_attempt_limit(ATTEMPTS));
    macro_rules! build {
        ($builder:expr) => {{
            let builder = $builder;
            match quota {
                Some(quota) => builder.with_quota_project_id(quota),
                None => builder,
            }
            .build()
        }};
    }
    let built = match kind {
        "service_account" => build!(service_account::Builder::new(json)),
        "authorized_user" => {
            build!(user_account::Builder::new(json).with_retry_policy(patience))
        }
        "external_account" => {
            build!(external_account::Builder::new(json).with_retry_policy(patience))
        }
        "impersonated_service_account" => {
            build!(impersonated::Builder::new(json).with_retry_policy(patience))
        }
        _ => return Ok(None),
    };
    built.map(Some)
}

/// What the variable holds: JSON itself, or the path of a file with it.
fn of_variable(value: &str) -> Result<Zeroizing<String>, ServiceError> {
    if value.trim_start().starts_with('{') {
        return Ok(Zeroizing::new(value.to_owned()));
    }
    // the value may be a secret that somebody took for JSON or a path: it is not repeated
    read(Path::new(value)).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "it names no file and is no JSON".to_owned(),
            _ => error.to_string(),
        };
        ServiceError::new(format!("{GOOGLE_CREDENTIALS} cannot be used: {reason}"))
            .hint("it is the path of a file with credentials, or what stands in such a file")
    })
}

fn read(path: &Path) -> std::io::Result<Zeroizing<String>> {
    std::fs::read_to_string(path).map(Zeroizing::new)
}

/// Where gcloud leaves the application default credentials.
fn well_known(environment: &Environment) -> Option<PathBuf> {
    let below = "gcloud/application_default_credentials.json";
    if cfg!(windows) {
        return Some(environment.config_dir()?.join(below));
    }
    Some(environment.home()?.join(".config").join(below))
}

fn none(looked: Option<&Path>, reason: &str) -> ServiceError {
    let looked = match looked {
        Some(path) => format!("there is no {}", path.display()),
        None => "there is no home to look into".to_owned(),
    };
    let message = format!(
        "{SERVICE}: no credentials: neither {GOOGLE_CREDENTIALS}, {GOOGLE_OAUTH_ACCESS_TOKEN} nor \
         {GOOGLE_APPLICATION_CREDENTIALS} is set, {looked}, and this machine has none of Google's \
         ({reason})"
    );
    ServiceError::new(message).hint(
        "`gcloud auth application-default login` logs in; a program uses the file of a service \
         account (GOOGLE_APPLICATION_CREDENTIALS)",
    )
}

fn unfit(place: &str, kind: &str, error: &BuildError) -> ServiceError {
    let source = error.source();
    let text = source.map_or_else(|| error.to_string(), ToString::to_string);
    let is_form = source.is_some_and(<dyn Error>::is::<serde_json::Error>);
    let reason = match text.strip_prefix("missing field ") {
        Some(field) => format!("there is no {}", field.replace('`', "\"")),
        // which may repeat a value
        None if is_form => "a field has another form than it should".to_owned(),
        None => printable(&text),
    };
    ServiceError::new(format!(
        "{place}: no credentials of the type {kind}: {reason}"
    ))
}

fn unknown(place: &str, kind: &str) -> ServiceError {
    ServiceError::new(format!(
        "{place}: credentials of the type {kind:?} are not known"
    ))
    .hint(
        "known are service_account, authorized_user, external_account and \
             impersonated_service_account",
    )
    .hint("GOOGLE_OAUTH_ACCESS_TOKEN=$(gcloud auth print-access-token) works for any account")
}

/// Why there is no token, in the words of who refused it and no more: an answer may hold a secret.
fn reason(error: &CredentialsError) -> String {
    let mut last = error.to_string();
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(told) = told(&cause.to_string()) {
            return told;
        }
        if let Some(error) = cause.downcast_ref::<reqwest::Error>() {
            return match error.status() {
                Some(status) => format!("HTTP status {}", status.as_u16()),
                None => http::chain(error),
            };
        }
        last = cause.to_string();
        source = cause.source();
    }
    printable(last.split(['{', '<']).next().unwrap_or_default())
}

/// What the JSON in a text says of an error: RFC 6749, 5.2, or as Google's services have it.
fn told(text: &str) -> Option<String> {
    let json = text.get(text.find('{')?..=text.rfind('}')?)?;
    let json: Value = serde_json::from_str(json).ok()?;
    let error = &json["error"];
    let code = error.as_str().or_else(|| error["status"].as_str());
    let described = json["error_description"].as_str();
    let described = described.or_else(|| error["message"].as_str());
    match (described, code) {
        (Some(described), Some(code)) => Some(printable(&format!("{described} ({code})"))),
        (described, code) => described.or(code).map(printable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(variables: &[(&str, &str)]) -> String {
        match Credentials::find(&variables.iter().copied().collect()) {
            Ok(credentials) => credentials.who(),
            Err(error) => error.message,
        }
    }

    #[test]
    fn variables_go_before_one_another_as_in_sops() {
        let token = (GOOGLE_OAUTH_ACCESS_TOKEN, "secret-token");
        let file = (GOOGLE_APPLICATION_CREDENTIALS, "/no/such/file");
        let json = (GOOGLE_CREDENTIALS, r#"{"type": "hunter2"}"#);
        assert!(message(&[file, token, json]).contains(r#"the type "hunter2" are not known"#));
        assert_eq!(
            message(&[file, token, (GOOGLE_CREDENTIALS, "")]),
            "the token in GOOGLE_OAUTH_ACCESS_TOKEN"
        );
        assert!(message(&[file]).starts_with("GOOGLE_APPLICATION_CREDENTIALS: /no/such/file: "));
    }

    #[test]
    fn what_is_no_credential_is_said_and_not_repeated() {
        for (value, expected) in [
            ("hunter2", "it names no file and is no JSON"),
            (r#"{"private_key": "hunter2""#, "is no JSON: EOF"),
            (r#"{"private_key": "hunter2"}"#, "no \"type\""),
            (
                r#"{"type": "service_account", "private_key": "hunter2"}"#,
                "there is no \"client_email\"",
            ),
            (
                r#"{"type": "external_account", "audience": ["hunter2"]}"#,
                "a field has another form",
            ),
        ] {
            let message = message(&[(GOOGLE_CREDENTIALS, value)]);
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        let message = message(&[(GOOGLE_OAUTH_ACCESS_TOKEN, "hunter2\r\nx: y")]);
        assert_eq!(message, "GOOGLE_OAUTH_ACCESS_TOKEN is no token");
    }

    #[test]
    fn of_an_answer_only_what_says_why_is_told() {
        let text = |text: &str| reason(&CredentialsError::from_msg(false, text));
        let oauth = r#"no, body=<{"error": "invalid_grant", "error_description": "Bad Request",
            "id_token": "hunter2"}>"#;
        assert_eq!(text(oauth), "Bad Request (invalid_grant)");
        let google =
            r#"a [403] error: {"error": {"status": "PERMISSION_DENIED", "message": "no"}}"#;
        assert_eq!(text(google), "no (PERMISSION_DENIED)");
        let other = text(r#"cannot read, body=<{"token": "hunter2"}>"#);
        assert!(other.starts_with("cannot read") && !other.contains("hunter2"));
    }
}
