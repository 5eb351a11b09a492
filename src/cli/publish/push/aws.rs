//! Requests to services of AWS for which there is no client crate here: signed as all are, with the
//! credentials, region and endpoints of the SDK's own configuration, and sent by the client that
//! services share.

use super::target::patience;
use crate::cli::Context;
use crate::cli::environment::AWS_CA_BUNDLE;
use crate::cli::services::{Reply, Trouble, patiently, said, send};
use crate::keys::ServiceError;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_types::service_config::ServiceConfigKey;
use reqwest::{Client, Method};
use serde_json::Value;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// A service of AWS.
pub struct Service {
    /// What messages call it.
    pub title: &'static str,
    /// Its id, from which `AWS_ENDPOINT_URL_…` has its name.
    pub id: &'static str,
    /// Its name in hosts and signatures.
    pub name: &'static str,
    /// What stands in front of the verbs of the JSON protocol.
    pub target: &'static str,
}

/// Who asks a service, and where.
pub struct Api<'c> {
    context: &'c Context,
    service: &'static Service,
    profile: String,
    region: Option<String>,
}

/// A request.
pub struct Request<'r> {
    /// `GET`, `PUT`, `POST`.
    pub method: Method,
    /// Behind the endpoint.
    pub path: &'r str,
    /// In front of the endpoint's host, with a dot behind it; or nothing.
    pub host_prefix: &'r str,
    /// Header lines that are signed as well.
    pub headers: &'r [(&'r str, &'r str)],
    /// The body.
    pub body: &'r [u8],
    /// The permission that it takes.
    pub permission: &'static str,
}

/// What a service says where it does not do as it was asked.
pub struct Refusal {
    /// Its name for what is wrong.
    pub code: String,
    /// What to say of it.
    pub error: ServiceError,
}

/// Where a service is, and as who it is asked.
pub struct Place {
    /// `https://HOST`, with no slash at its end.
    pub endpoint: String,
    region: String,
    config: SdkConfig,
}

impl<'c> Api<'c> {
    /// Nothing is looked for before the first request.
    #[must_use]
    pub fn new(
        context: &'c Context,
        service: &'static Service,
        profile: Option<&str>,
        region: Option<&str>,
    ) -> Self {
        Self {
            context,
            service,
            profile: profile.unwrap_or_default().to_owned(),
            region: region.map(str::to_owned),
        }
    }

    /// Where the service is.
    ///
    /// # Errors
    /// Where no region is known.
    pub async fn place(&self) -> Result<Place, ServiceError> {
        let region = self.region.as_deref();
        let environment = &self.context.environment;
        let config = self.context.clients.aws();
        let config = config
            .config(environment, &self.profile, "", region)
            .await?;
        let Some(region) = config.region().map(ToString::to_string) else {
            let message = format!("{}: no region is set", self.service.title);
            return Err(ServiceError::new(message)
                .hint("set AWS_REGION, or a region in the profile, or `region` in the rule"));
        };
        let own = own_endpoint(&config, self.service);
        let endpoint = own.unwrap_or_else(|| endpoint(&config, self.service.name, &region));
        Ok(Place {
            endpoint,
            region,
            config,
        })
    }

    /// Sends a request, again where that may help. What the service refuses for good is an answer.
    ///
    /// # Errors
    /// Where no answer came, or nobody can ask.
    pub async fn send(
        &self,
        place: &Place,
        request: &Request<'_>,
    ) -> Result<Result<Reply, Refusal>, ServiceError> {
        let aws = self.context.clients.aws();
        let credentials = aws.credentials(&place.config, &self.profile).await?;
        patiently(|| self.once(place, request, &credentials)).await
    }

    /// A verb of the JSON protocol.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn call(
        &self,
        verb: &str,
        permission: &'static str,
        body: &Value,
    ) -> Result<Result<Value, Refusal>, ServiceError> {
        let place = self.place().await?;
        let body = Zeroizing::new(body.to_string().into_bytes());
        let verb = format!("{}.{verb}", self.service.target);
        let request = Request {
            method: Method::POST,
            path: "/",
            host_prefix: "",
            headers: &[
                ("content-type", "application/x-amz-json-1.1"),
                ("x-amz-target", &verb),
            ],
            body: &body,
            permission,
        };
        let answer = self.send(&place, &request).await?;
        Ok(answer.map(|reply| reply.json().unwrap_or_default()))
    }

    async fn once(
        &self,
        place: &Place,
        request: &Request<'_>,
        credentials: &Credentials,
    ) -> Result<Result<Reply, Refusal>, Trouble> {
        let url = place.url(request);
        let signature = self.signature(place, &url, request, credentials);
        let client = self.client().map_err(Trouble::lasting)?;
        let mut sent = client
            .request(request.method.clone(), &url)
            .timeout(patience(request.body))
            .body(request.body.to_vec());
        for (name, value) in request.headers {
            sent = sent.header(*name, *value);
        }
        for (name, value) in signature.map_err(Trouble::lasting)? {
            sent = sent.header(name, value);
        }
        let reply = send(self.service.title, sent).await?;
        if reply.status.is_success() {
            return Ok(Ok(reply));
        }
        let (code, message) = reason(&reply);
        let error = self.refused(&code, &message, &reply, request);
        if is_throttled(&code) {
            return Err(Trouble::passing(error, None));
        }
        if reply.is_passing() {
            return Err(reply.trouble(error));
        }
        Ok(Err(Refusal { code, error }))
    }

    /// The client that services share; one of its own where the user has certificates for AWS.
    fn client(&self) -> Result<Client, ServiceError> {
        match self.context.environment.path(AWS_CA_BUNDLE) {
            None => self.context.clients.http().client(),
            Some(bundle) => self.context.clients.aws().web_client(bundle),
        }
    }

    /// The header lines that sign a request.
    fn signature(
        &self,
        place: &Place,
        url: &str,
        request: &Request<'_>,
        credentials: &Credentials,
    ) -> Result<Vec<(String, String)>, ServiceError> {
        let failed = |error: &dyn std::fmt::Display| {
            let title = self.service.title;
            ServiceError::new(format!("{title}: the request cannot be signed: {error}"))
        };
        let mut settings = SigningSettings::default();
        if self.service.name == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&place.region)
            .name(self.service.name)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| failed(&error))?;
        let headers = request.headers.iter().copied();
        let body = SignableBody::Bytes(request.body);
        let signable = SignableRequest::new(request.method.as_str(), url, headers, body)
            .map_err(|error| failed(&error))?;
        let signed = sign(signable, &params.into()).map_err(|error| failed(&error))?;
        let (instructions, _) = signed.into_parts();
        let headers = instructions.headers();
        Ok(headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    fn refused(
        &self,
        code: &str,
        message: &str,
        reply: &Reply,
        request: &Request<'_>,
    ) -> ServiceError {
        let title = self.service.title;
        // a service may repeat what it was sent, and that is a secret
        let sent = String::from_utf8_lossy(request.body);
        let repeats = message.contains("Value '") || message.len() > 3 && sent.contains(message);
        let reason = match (code, message) {
            ("", _) => format!("status {}", reply.status.as_u16()),
            (code, message) if message.is_empty() || repeats => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        let error = ServiceError::new(format!("{title}: {reason}"));
        match hint(code, message, reply, request.permission) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl Place {
    fn url(&self, request: &Request<'_>) -> String {
        let (scheme, host) = self
            .endpoint
            .split_once("://")
            .unwrap_or(("https", &self.endpoint));
        format!("{scheme}://{}{host}{}", request.host_prefix, request.path)
    }
}

/// The endpoint that the user has named for a service, or for all.
fn own_endpoint(config: &SdkConfig, service: &Service) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service.id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let own = config.service_config().and_then(|of| of.load_config(key));
    let url = own.or_else(|| config.endpoint_url().map(str::to_owned))?;
    Some(url.trim_end_matches('/').to_owned())
}

fn endpoint(config: &SdkConfig, name: &str, region: &str) -> String {
    let suffix = match region {
        r if r.starts_with("cn-") => "amazonaws.com.cn",
        r if r.starts_with("us-iso-") => "c2s.ic.gov",
        r if r.starts_with("us-isob-") => "sc2s.sgov.gov",
        r if r.starts_with("us-isof-") => "csp.hci.ic.gov",
        r if r.starts_with("eu-isoe-") => "cloud.adc-e.uk",
        r if r.starts_with("eusc-") => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    let fips = if config.use_fips() == Some(true) {
        "-fips"
    } else {
        ""
    };
    format!("https://{name}{fips}.{region}.{suffix}")
}

/// Code and message of an answer: JSON, or the XML of S3.
fn reason(reply: &Reply) -> (String, String) {
    if let Some(json) = reply.json() {
        let text = |names: [&str; 2]| {
            let texts = names
                .into_iter()
                .filter_map(|name| json.get(name)?.as_str());
            { texts }.next().unwrap_or_default().to_owned()
        };
        let code = text(["__type", "code"]);
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        return (code, said(&text(["message", "Message"]), None));
    }
    let body = String::from_utf8_lossy(&reply.body);
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(said(text, None))
    };
    let code = element("Code").unwrap_or_else(|| match reply.status.as_u16() {
        403 => "AccessDenied".to_owned(),
        404 => "NotFound".to_owned(),
        _ => String::new(),
    });
    (code, element("Message").unwrap_or_default())
}

fn is_throttled(code: &str) -> bool {
    let codes = [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "RequestTimeout",
        "InternalServiceError",
        "TooManyUpdates",
    ];
    codes.contains(&code)
}

/// What to do about a refusal.
fn hint(code: &str, message: &str, reply: &Reply, permission: &str) -> Option<String> {
    let region = reply.headers.get("x-amz-bucket-region");
    let region = region.and_then(|region| region.to_str().ok());
    let is_clock = message.contains("Signature expired") || message.contains("not yet current");
    Some(match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            format!("it takes the permission {permission}")
        }
        "RequestTimeTooSkewed" => CLOCK.to_owned(),
        _ if is_clock => CLOCK.to_owned(),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            "the credentials have expired: log in again (`aws sso login`), or take new ones"
                .to_owned()
        }
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId" => {
            "AWS does not know these credentials: `aws sts get-caller-identity` says whose they are"
                .to_owned()
        }
        "NoSuchBucket" => "is the bucket's name right, and is it there?".to_owned(),
        _ if region.is_some() && reply.status.is_redirection() => {
            format!(
                "the bucket is in {}: set AWS_REGION",
                region.unwrap_or_default()
            )
        }
        _ if reply.status.is_redirection() => {
            "is the region right? AWS_REGION says which".to_owned()
        }
        "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            "is the region right? AWS_REGION says which".to_owned()
        }
        _ => return None,
    })
}

const CLOCK: &str = "the clock of this machine is wrong: set it right";

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::{BehaviorVersion, Region};
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    #[test]
    fn both_forms_of_errors_are_read() {
        for (body, code, message) in [
            (r#"{"__type":"a.b#NoX","message":"m"}"#, "NoX", "m"),
            (r#"{"__type":"NoX","Message":"m"}"#, "NoX", "m"),
            (
                "<Error><Code>NoX</Code><Message>m</Message></Error>",
                "NoX",
                "m",
            ),
            ("", "AccessDenied", ""),
        ] {
            let reason = reason(&reply(403, body));
            assert_eq!(reason, (code.to_owned(), message.to_owned()));
        }
    }

    #[test]
    fn each_partition_has_its_hosts() {
        let config = |fips| {
            SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("x"))
                .use_fips(fips)
                .build()
        };
        for (region, host) in [
            ("eu-west-1", "https://s3.eu-west-1.amazonaws.com"),
            ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "https://s3.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(endpoint(&config(false), "s3", region), host);
        }
        let fips = endpoint(&config(true), "ssm", "us-gov-west-1");
        assert_eq!(fips, "https://ssm-fips.us-gov-west-1.amazonaws.com");
    }

    #[test]
    fn a_refusal_says_the_next_step() {
        let hint = |code, message| hint(code, message, &reply(403, ""), "s3:PutObject").unwrap();
        assert!(hint("AccessDenied", "").contains("s3:PutObject"));
        assert!(hint("RequestTimeTooSkewed", "").contains("clock"));
        assert!(hint("InvalidSignatureException", "Signature expired: 1 is now").contains("clock"));
        assert!(hint("ExpiredTokenException", "").contains("expired"));
        assert!(hint("UnrecognizedClientException", "").contains("credentials"));
    }
}
