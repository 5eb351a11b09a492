//! Who may use the keys, and the servers that make tokens: OAuth (RFC 6749, 6), token exchange
//! (RFC 8693), impersonation, and the metadata server of a machine.

use super::kms::checksum;
use crate::support::http::{HttpReply, HttpRequest, HttpServer};
use crate::support::{repository, text};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// A service account with a key of its own.
pub(crate) const ROBOT: &str = "robot@acme.iam.gserviceaccount.com";

/// The account that may be impersonated.
pub(crate) const TARGET: &str = "target@acme.iam.gserviceaccount.com";

/// Where a token of that account is asked for.
pub(crate) const IMPERSONATE: &str =
    "/v1/projects/-/serviceAccounts/target@acme.iam.gserviceaccount.com:generateAccessToken";

/// A token that is known from the start.
pub(crate) const TOKEN: &str = "ya29.a0-known-from-the-start";

pub(crate) const REFRESH_TOKEN: &str = "1//0-refresh-hunter2";
pub(crate) const CLIENT_SECRET: &str = "GOCSPX-hunter2";
pub(crate) const SUBJECT_TOKEN: &str = "subject-token-hunter2";

/// Tokens and what their owners may not do.
pub(crate) struct Accounts {
    tokens: Mutex<BTreeMap<String, String>>,
    denied: Mutex<BTreeSet<(String, String)>>,
}

impl Default for Accounts {
    fn default() -> Self {
        let tokens = [(TOKEN.to_owned(), "me@acme.com".to_owned())];
        Self {
            tokens: Mutex::new(tokens.into()),
            denied: Mutex::default(),
        }
    }
}

impl Accounts {
    /// The owner of a token, unless it is none.
    pub(crate) fn who(&self, bearer: &str) -> Option<String> {
        if bearer.matches('.').count() == 2 {
            return signed(bearer);
        }
        self.tokens.lock().unwrap().get(bearer).cloned()
    }

    /// Makes a token.
    pub(crate) fn issue(&self, who: &str) -> String {
        let mut tokens = self.tokens.lock().unwrap();
        let sum = checksum(who.as_bytes());
        let token = format!("ya29.{sum:x}-{}-secret", tokens.len());
        tokens.insert(token.clone(), who.to_owned());
        token
    }

    /// Takes a permission away.
    pub(crate) fn deny(&self, who: &str, permission: &str) {
        let pair = (who.to_owned(), permission.to_owned());
        self.denied.lock().unwrap().insert(pair);
    }

    pub(crate) fn is_denied(&self, who: &str, permission: &str) -> bool {
        let pair = (who.to_owned(), permission.to_owned());
        self.denied.lock().unwrap().contains(&pair)
    }
}

/// The throw-away key of the service account, as PEM.
pub(crate) fn robot_key() -> String {
    std::fs::read_to_string(repository("testdata/keys/gcp-service-account.pem")).unwrap()
}

/// What `gcloud iam service-accounts keys create` writes.
pub(crate) fn robot() -> Value {
    json!({
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "4bc0ffee",
        "private_key": robot_key(),
        "client_email": ROBOT,
        "client_id": "1",
        "token_uri": "http://127.0.0.1:1/nobody-asks-here",
        "universe_domain": "googleapis.com",
    })
}

/// The issuer of a token that a service account signed itself (RS256, RFC 7515), which stands for
/// an access token where its scope says so.
fn signed(token: &str) -> Option<String> {
    let (input, signature) = token.rsplit_once('.')?;
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let mut parts = input.split('.').map(|text| {
        let json: Option<Value> = serde_json::from_slice(&part(text)?).ok();
        json
    });
    let (header, claims) = (parts.next()??, parts.next()??);
    let body = robot_key();
    let body: String = body.lines().filter(|line| !line.starts_with('-')).collect();
    let pair = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(body).unwrap()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    public.verify(input.as_bytes(), &part(signature)?).ok()?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let (from, until) = (claims["iat"].as_u64()?, claims["exp"].as_u64()?);
    let scope = claims["scope"].as_str()?;
    let fits = header["alg"] == "RS256"
        && header["kid"] == "4bc0ffee"
        && claims["iss"] == claims["sub"]
        && claims.get("aud").is_none_or(Value::is_null)
        && scope.contains("https://www.googleapis.com/auth/cloud-platform")
        && (from..until).contains(&now)
        && until - from <= 3660;
    fits.then(|| claims["iss"].as_str().unwrap_or_default().to_owned())
}

/// A server that makes tokens: `/token`, `/sts`, [`IMPERSONATE`], and what the metadata server has.
pub(crate) fn tokens(
    accounts: impl Fn() -> Arc<super::kms::Kms> + Send + Sync + 'static,
) -> HttpServer {
    HttpServer::start(move |request| {
        let kms = accounts();
        let path = request.path.split('?').next().unwrap_or_default();
        let made = match (request.method.as_str(), path) {
            ("POST", "/token") => refreshed(request),
            ("POST", "/sts") => exchanged(request),
            ("POST", IMPERSONATE) => impersonated(request, &kms.accounts),
            ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") => {
                machine(request)
            }
            _ => Err(HttpReply::json(404, &json!({"error": "not_found"}))),
        };
        let who = match made {
            Ok(who) => who,
            Err(reply) => return reply,
        };
        let token = kms.accounts.issue(who);
        HttpReply::json(
            200,
            &if path == IMPERSONATE {
                json!({"accessToken": token, "expireTime": "2999-01-01T00:00:00Z"})
            } else {
                json!({
                    "access_token": token,
                    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                    "expires_in": 3599,
                    "token_type": "Bearer",
                })
            },
        )
    })
}

fn refused(status: u16, error: &str, description: &str) -> HttpReply {
    let body = json!({"error": error, "error_description": description});
    HttpReply::json(status, &body)
}

fn refreshed(request: &HttpRequest) -> Result<&'static str, HttpReply> {
    let body = request.json();
    assert_eq!(body["grant_type"], "refresh_token");
    if body["client_secret"] != CLIENT_SECRET {
        return Err(refused(
            401,
            "invalid_client",
            "The OAuth client was not found.",
        ));
    }
    if body["refresh_token"] != REFRESH_TOKEN {
        let description = "Token has been expired or revoked.";
        return Err(refused(400, "invalid_grant", description));
    }
    Ok("me@acme.com")
}

fn exchanged(request: &HttpRequest) -> Result<&'static str, HttpReply> {
    let body = text(&request.body);
    let has = |pair: &str| body.split('&').any(|field| field == pair);
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
    assert!(has(grant), "{body}");
    if !has(&format!("subject_token={SUBJECT_TOKEN}")) {
        let description = "The subject token is expired.";
        return Err(refused(400, "invalid_grant", description));
    }
    Ok("workload@acme")
}

fn impersonated(request: &HttpRequest, accounts: &Accounts) -> Result<&'static str, HttpReply> {
    let bearer = request.header("authorization").replace("Bearer ", "");
    let denied = json!({"error": {
        "code": 403,
        "status": "PERMISSION_DENIED",
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may \
                    not exist).",
    }});
    match accounts.who(&bearer) {
        Some(who) if !accounts.is_denied(&who, "iam.serviceAccounts.getAccessToken") => {
            let scope = "https://www.googleapis.com/auth/cloud-platform";
            assert_eq!(request.json()["scope"], json!([scope]));
            Ok(TARGET)
        }
        _ => Err(HttpReply::json(403, &denied)),
    }
}

fn machine(request: &HttpRequest) -> Result<&'static str, HttpReply> {
    if request.header("metadata-flavor") != "Google" {
        return Err(refused(
            403,
            "forbidden",
            "Missing Metadata-Flavor:Google header.",
        ));
    }
    Ok("machine@acme.iam.gserviceaccount.com")
}
