//! Where the service is: Google's own address, that of another universe, or one of the user's.

use crate::cli::environment::{
    Environment, GOOGLE_CLOUD_UNIVERSE_DOMAIN, SOPS_GCP_KMS_ENDPOINT, SOPS_GCP_KMS_UNIVERSE_DOMAIN,
};
use crate::keys::ServiceError;
use reqwest::Url;

/// The universe of everybody who names none.
const UNIVERSE: &str = "googleapis.com";

/// An address that credentials may be sent to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: Url,
}

impl Endpoint {
    /// The address that the environment names, or that goes with the credentials.
    ///
    /// # Errors
    /// Where a variable holds none, or one of another universe than the credentials'.
    pub fn find(environment: &Environment, universe: Option<&str>) -> Result<Self, ServiceError> {
        if let Some(text) = environment.text(SOPS_GCP_KMS_ENDPOINT) {
            return parse(text)
                .map_err(|reason| unusable(SOPS_GCP_KMS_ENDPOINT, text, reason))
                .map(|url| Self { url });
        }
        let named = [SOPS_GCP_KMS_UNIVERSE_DOMAIN, GOOGLE_CLOUD_UNIVERSE_DOMAIN]
            .into_iter()
            .find_map(|name| Some((name, environment.text(name)?)));
        let Some((variable, wanted)) = named else {
            let host = format!("cloudkms.{}", universe.unwrap_or(UNIVERSE));
            let url = parse(&host).map_err(|reason| unusable("the credentials", &host, reason))?;
            return Ok(Self { url });
        };
        if universe.is_some_and(|universe| universe != wanted) {
            let universe = universe.unwrap_or_default();
            return Err(ServiceError::new(format!(
                "the credentials are of the universe {universe:?}, and {variable} is {wanted:?}"
            ))
            .hint("credentials of one universe are of no use in another"));
        }
        parse(&format!("cloudkms.{wanted}"))
            .map_err(|reason| unusable(variable, wanted, reason))
            .map(|url| Self { url })
    }

    /// Whether the way there is encrypted; otherwise it does not leave this machine.
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// `https://HOST:PORT`.
    pub fn origin(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(443);
        format!("{}://{host}:{port}", self.url.scheme())
    }

    /// The address of a verb of the REST interface.
    pub fn verb(&self, name: &str, verb: &str) -> Url {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/v1/{name}:{verb}"));
        url
    }
}

/// The universe of other services than KMS: that of the credentials, if no other is named.
///
/// # Errors
/// Where another is named.
pub fn universe(environment: &Environment, own: Option<&str>) -> Result<String, ServiceError> {
    let named = environment.text(GOOGLE_CLOUD_UNIVERSE_DOMAIN);
    match (named, own) {
        (Some(named), Some(own)) if named != own => Err(ServiceError::new(format!(
            "the credentials are of the universe {own:?}, and {GOOGLE_CLOUD_UNIVERSE_DOMAIN} is \
             {named:?}"
        ))
        .hint("credentials of one universe are of no use in another")),
        _ => {
            let universe = own.or(named).unwrap_or(UNIVERSE);
            parse(universe).map_err(|reason| unusable("the universe", universe, reason))?;
            Ok(universe.to_owned())
        }
    }
}

/// `HOST[:PORT]`, as gRPC wants it, or a URL.
fn parse(text: &str) -> Result<Url, &'static str> {
    let text = text.trim();
    let text = text.strip_prefix("dns:///").unwrap_or(text);
    let url = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("https://{text}"))
    };
    let url = url.map_err(|_| "it is neither a host nor a URL")?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        _ if !bare => Err("it has more than a host, a port and a path"),
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("credentials would go out in clear: http is for this machine only"),
        _ => Err("it is neither https nor http"),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn unusable(place: &str, text: &str, reason: &str) -> ServiceError {
    // what stands before an `@` may be a password
    let shown = text.rsplit('@').next().unwrap_or_default();
    ServiceError::new(format!("{place}: {shown:?} cannot be used: {reason}")).hint(
        "an endpoint is written like cloudkms.example.com:443 or https://cloudkms.example.com",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)], universe: Option<&str>) -> Result<String, String> {
        let environment = variables.iter().copied().collect();
        Endpoint::find(&environment, universe)
            .map(|endpoint| endpoint.verb("n", "encrypt").into())
            .map_err(|error| error.message)
    }

    #[test]
    fn the_endpoint_goes_before_the_universe_and_that_before_googles() {
        let endpoint = (SOPS_GCP_KMS_ENDPOINT, "kms.example.com:8443");
        let ours = (SOPS_GCP_KMS_UNIVERSE_DOMAIN, "s3nsapis.fr");
        let theirs = (GOOGLE_CLOUD_UNIVERSE_DOMAIN, "example.org");
        for (variables, universe, expected) in [
            (
                &[][..],
                None,
                "https://cloudkms.googleapis.com/v1/n:encrypt",
            ),
            (&[], Some("u.fr"), "https://cloudkms.u.fr/v1/n:encrypt"),
            (&[theirs], None, "https://cloudkms.example.org/v1/n:encrypt"),
            (
                &[theirs, ours],
                None,
                "https://cloudkms.s3nsapis.fr/v1/n:encrypt",
            ),
            (
                &[ours, endpoint],
                Some("u.fr"),
                "https://kms.example.com:8443/v1/n:encrypt",
            ),
        ] {
            assert_eq!(find(variables, universe).as_deref(), Ok(expected));
        }
        let error = find(&[ours], Some("u.fr")).unwrap_err();
        assert!(error.contains("u.fr") && error.contains(ours.0), "{error}");
    }

    #[test]
    fn an_endpoint_is_a_host_or_a_url_and_never_in_clear() {
        let at = |text| find(&[(SOPS_GCP_KMS_ENDPOINT, text)], None);
        for (text, expected) in [
            ("https://h/base/", "https://h/base/v1/n:encrypt"),
            ("dns:///h:443", "https://h/v1/n:encrypt"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1/v1/n:encrypt"),
            ("http://[::1]:1", "http://[::1]:1/v1/n:encrypt"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(expected));
        }
        for text in [
            "http://h",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
        ] {
            let error = at(text).unwrap_err();
            assert!(error.contains("in clear"), "{error}");
        }
        for text in ["ftp://h", "https://h?x", "https://", "a b"] {
            assert!(at(text).is_err(), "{text}");
        }
        let error = at("https://me:hunter2@h").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
