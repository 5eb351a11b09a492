//! Azure Key Vault, as its documentation has it: a vault that asks for a token by a challenge, an
//! authority that gives out tokens, RSA-OAEP-256 behind it.

use crate::support::cloud::{Cloud, tls, tls_text};
use crate::support::http::{HttpReply, HttpRequest, HttpServer};
use crate::support::{Case, Sandbox, age_key, line_of};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest, Sha256};
use rsa::signature::Verifier;
use rsa::{Oaep, RsaPrivateKey, pss};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

const PLAIN: &str = "# head\na:   1\nb: 'two' # beside\n";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "99999999-8888-7777-6666-555555555555";
const SECRET: &str = "s3cret~of the+application&co";
const KEY: &str = "https://v.vault.azure.net/keys/k";
/// The current version of every key, and one before it.
const NOW: &str = "0123456789abcdef0123456789abcdef";
const BEFORE: &str = "fedcba9876543210fedcba9876543210";

const HOSTS: &[&str] = &[
    "login.microsoftonline.com",
    "login.chinacloudapi.cn",
    "login.local.example",
    "*.vault.azure.net",
    "*.managedhsm.azure.net",
    "*.vault.azure.cn",
    "*.vault.local.example",
    "evil.example",
];

/// The token for a scope. Tokens for another are of no use.
fn token_for(scope: &str) -> String {
    format!("token.{}", URL_SAFE_NO_PAD.encode(scope))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

/// The domain that a vault's tokens are for.
fn domain(host: &str) -> &str {
    host.split_once('.').expect("a name below a domain").1
}

fn refusal(status: u16, code: &str, message: &str, inner: Option<&str>) -> HttpReply {
    let mut error = json!({"code": code, "message": message});
    if let Some(inner) = inner {
        error["innererror"] = json!({"code": inner});
    }
    HttpReply::json(status, &json!({"error": error}))
}

/// A vault: `/keys/NAME`, `/keys/NAME/VERSION/encrypt` and `decrypt`.
fn vault(host: &str, request: &HttpRequest) -> HttpReply {
    let authority = if domain(host) == "vault.azure.cn" {
        "https://login.chinacloudapi.cn"
    } else {
        "https://login.microsoftonline.com"
    };
    let resource = format!("https://{}", domain(host));
    let bearer = format!("Bearer {}", token_for(&format!("{resource}/.default")));
    if request.header("authorization") != bearer {
        let asks =
            format!("Bearer authorization=\"{authority}/{TENANT}\", resource=\"{resource}\"");
        let reply = refusal(
            401,
            "Unauthorized",
            "AKV10000: Request is missing a Bearer token.",
            None,
        );
        return reply.with("WWW-Authenticate", asks);
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if query != "api-version=7.4" {
        return refusal(400, "BadParameter", "no such api-version", None);
    }
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["keys", name]) => {
            let id = format!("https://{host}/keys/{name}/{NOW}");
            let key = json!({"kid": id, "kty": "RSA", "key_ops": ["encrypt", "decrypt"]});
            HttpReply::json(200, &json!({"key": key, "attributes": {"enabled": true}}))
        }
        ("POST", ["keys", name, version, verb]) if ["k", "l"].contains(name) => {
            operate(host, name, version, verb, request)
        }
        _ => {
            let message = "A key with (name/id) was not found in this key vault.";
            refusal(404, "KeyNotFound", message, None)
        }
    }
}

fn operate(host: &str, name: &str, version: &str, verb: &str, request: &HttpRequest) -> HttpReply {
    let body = request.json();
    let value = body["value"]
        .as_str()
        .and_then(|value| URL_SAFE_NO_PAD.decode(value).ok());
    let (true, Some(value)) = (body["alg"] == "RSA-OAEP-256", value) else {
        return refusal(400, "BadParameter", "Property has invalid value", None);
    };
    if !request
        .header("content-type")
        .starts_with("application/json")
    {
        return refusal(415, "BadParameter", "not JSON", None);
    }
    let file = if version == NOW {
        "vault-1.key"
    } else {
        "vault-2.key"
    };
    let key = RsaPrivateKey::from_pkcs8_pem(&tls_text(file)).expect("a key");
    let done = match verb {
        "encrypt" => key
            .to_public_key()
            .encrypt(&mut OsRng, Oaep::new::<Sha256>(), &value),
        "decrypt" => key.decrypt(Oaep::new::<Sha256>(), &value),
        _ => return refusal(404, "NotFound", "no such operation", None),
    };
    let Ok(done) = done else {
        return refusal(400, "BadParameter", "The parameter is incorrect.", None);
    };
    let id = format!("https://{host}/keys/{name}/{version}");
    HttpReply::json(
        200,
        &json!({"kid": id, "value": URL_SAFE_NO_PAD.encode(done)}),
    )
}

/// The fields of a form.
fn form(request: &HttpRequest) -> BTreeMap<String, String> {
    let body = String::from_utf8(request.body.clone()).expect("text");
    let unescaped = |text: &str| {
        let bytes = text.replace('+', " ").into_bytes();
        let mut out = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((byte, more)) = rest.split_first() {
            rest = more;
            if *byte == b'%' {
                let hex = std::str::from_utf8(&more[..2]).expect("hex");
                out.push(u8::from_str_radix(hex, 16).expect("hex"));
                rest = &more[2..];
            } else {
                out.push(*byte);
            }
        }
        String::from_utf8(out).expect("text")
    };
    let fields = body.split('&').filter_map(|field| field.split_once('='));
    fields
        .map(|(name, value)| (unescaped(name), unescaped(value)))
        .collect()
}

/// What Entra says when it refuses: lines end as they do there.
fn no_token(status: u16, code: u64, words: &str) -> HttpReply {
    let description =
        format!("AADSTS{code}: {words}\r\nTrace ID: 1\r\nCorrelation ID: 2\r\nTimestamp: 3");
    let error = json!({
        "error": "invalid_client", "error_description": description, "error_codes": [code],
    });
    HttpReply::json(status, &error)
}

/// The authority: tokens for a secret, or for an assertion signed by the application's key.
fn authority(host: &str, request: &HttpRequest) -> HttpReply {
    let form = form(request);
    let has = |name: &str, value: &str| form.get(name).is_some_and(|found| found == value);
    let at = format!("/{TENANT}/oauth2/v2.0/token");
    let kind = request.header("content-type");
    if request.method != "POST" || request.path != at || !kind.starts_with("application/x-www-form")
    {
        return no_token(400, 90_002, "Tenant not found.");
    }
    if !has("grant_type", "client_credentials") || !has("client_id", CLIENT) {
        return no_token(400, 700_016, "Application was not found in the directory.");
    }
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let proved = match form.get("client_assertion") {
        Some(assertion) if has("client_assertion_type", kind) => {
            assertion == "token of a workload"
                || is_signed(assertion, &format!("https://{host}{}", request.path))
        }
        _ => has("client_secret", SECRET),
    };
    if !proved {
        return no_token(401, 7_000_215, "Invalid client secret provided.");
    }
    let token = token_for(&form["scope"]);
    HttpReply::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}),
    )
}

/// Whether an assertion is what Entra's documentation says of such.
fn is_signed(assertion: &str, audience: &str) -> bool {
    let parts: Vec<&str> = assertion.split('.').collect();
    let decoded = |at: usize| URL_SAFE_NO_PAD.decode(parts[at]).expect("base64url");
    let json = |at: usize| serde_json::from_slice::<Value>(&decoded(at)).expect("JSON");
    let (header, claims) = (json(0), json(1));
    let pem = tls_text("application.pem");
    let block = |label: &str| {
        let (begin, end) = (
            format!("-----BEGIN {label}-----"),
            format!("-----END {label}-----"),
        );
        let body = pem
            .split(&begin)
            .nth(1)
            .and_then(|rest| rest.split(&end).next());
        body.expect("a block").replace('\n', "")
    };
    let der = |label| STANDARD.decode(block(label)).expect("base64");
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(der("CERTIFICATE")));
    let key = RsaPrivateKey::from_pkcs8_der(&der("PRIVATE KEY")).expect("a key");
    let key = pss::VerifyingKey::<Sha256>::new(key.to_public_key());
    let signature = decoded(2);
    let signature = pss::Signature::try_from(signature.as_slice()).expect("a signature");
    let signed = assertion.rsplit_once('.').expect("three parts").0;
    let time = |name: &str| claims[name].as_u64().expect("seconds");
    key.verify(signed.as_bytes(), &signature).is_ok()
        && header["alg"] == "PS256"
        && header["x5t#S256"] == thumbprint.as_str()
        && [&claims["iss"], &claims["sub"]] == [CLIENT, CLIENT]
        && claims["aud"] == audience
        && claims["jti"].as_str().is_some_and(|id| id.len() > 15)
        && time("nbf") <= now() + 60
        && (now()..now() + 3600).contains(&time("exp"))
}

/// A cloud where everything is as it should be.
fn cloud() -> Cloud {
    cloud_but(|_, _| None)
}

/// A cloud where it is, but for some requests.
fn cloud_but(
    other: impl Fn(&str, &HttpRequest) -> Option<HttpReply> + Send + Sync + 'static,
) -> Cloud {
    Cloud::start(HOSTS, move |host, request| {
        other(host, request).unwrap_or_else(|| match host.split('.').next() {
            Some("login") => authority(host, request),
            _ => vault(host, request),
        })
    })
}

/// A command of somebody with the application's secret, and no key of age.
fn with_secret(cloud: &Cloud, case: Case) -> Case {
    cloud
        .around(case)
        .no_identity()
        .env("AZURE_TENANT_ID", TENANT)
        .env("AZURE_CLIENT_ID", CLIENT)
        .env("AZURE_CLIENT_SECRET", SECRET)
}

/// A file for keys of Azure.
fn encrypted(cloud: &Cloud, keys: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let case = sandbox.bulla(["encrypt", "-i", "--azure-kv", keys, "f.yaml"]);
    with_secret(cloud, case).run();
    cloud.asked();
    sandbox
}

/// What a decryption that fails says.
fn failed(case: &Case) -> String {
    let output = case.output();
    assert!(!output.status.success(), "it did not fail");
    assert!(output.stdout.is_empty(), "it printed something");
    // the report breaks lines
    let text = String::from_utf8(output.stderr).expect("text");
    let words = text.split_whitespace().filter(|word| *word != "|");
    words.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(text: &str, fragments: &[&str]) {
    for fragment in fragments {
        assert!(text.contains(fragment), "{fragment:?} is not in:\n{text}");
    }
}

#[test]
fn the_current_version_wraps_and_is_stored_and_opens() {
    let cloud = cloud();
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let case = sandbox.bulla(["encrypt", "-i", "--azure-kv", KEY, "f.yaml"]);
    with_secret(&cloud, case).run();
    let token = format!("POST login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
    let path = |verb: &str| format!("v.vault.azure.net/keys/k/{NOW}/{verb}?api-version=7.4");
    let get = "GET v.vault.azure.net/keys/k?api-version=7.4";
    assert_eq!(
        cloud.told(),
        [
            get.to_owned(),
            token.clone(),
            format!("{get} +"),
            format!("POST {} +", path("encrypt")),
        ]
    );
    let text = sandbox.read_text("f.yaml");
    assert!(text.contains(&format!("version: {NOW}\n")), "{text}");
    assert!(
        line_of(&text, "vault_url:").ends_with("https://v.vault.azure.net"),
        "{text}"
    );
    let enc = line_of(&text, "enc:");
    let enc = enc.split_once("enc: ").expect("a value").1;
    assert_eq!(URL_SAFE_NO_PAD.decode(enc).expect("base64url").len(), 256);

    with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    let asked = cloud.asked();
    let (host, first) = &asked[0];
    assert_eq!((host.as_str(), first.body.len()), ("v.vault.azure.net", 0));
    assert_eq!(first.header("authorization"), "");
    let last = &asked.last().expect("a request").1;
    assert_eq!(last.json()["value"], enc);
    assert_eq!(asked.len(), 3);
}

#[test]
fn several_keys_are_asked_at_once_with_one_token_each_cloud() {
    let cloud = cloud();
    let keys = format!(
        "{KEY}/{NOW},https://v.vault.azure.net/keys/l,https://w.vault.azure.net/keys/k/{BEFORE},\
         https://h.managedhsm.azure.net/keys/k/{NOW}"
    );
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let case = sandbox.bulla(["encrypt", "-i", "--azure-kv", &keys, "f.yaml"]);
    with_secret(&cloud, case).run();
    let told = cloud.told();
    let count = |what: &str| told.iter().filter(|line| line.contains(what)).count();
    assert_eq!(
        count("oauth2"),
        2,
        "one for vaults, one for HSMs: {told:#?}"
    );
    assert_eq!(count("/encrypt?api-version=7.4 +"), 4, "{told:#?}");
    let bare = |line: &&String| !line.ends_with('+') && !line.contains("oauth2");
    assert_eq!(
        told.iter().filter(bare).count(),
        3,
        "a challenge a host: {told:#?}"
    );
    with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn nothing_is_asked_where_a_key_of_age_opens_the_file() {
    let cloud = cloud();
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let alice = age_key("alice").recipient;
    let args = [
        "encrypt",
        "-i",
        "--azure-kv",
        KEY,
        "--age",
        &alice,
        "f.yaml",
    ];
    with_secret(&cloud, sandbox.bulla(args)).run();
    cloud.connected();
    cloud
        .around(sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    cloud
        .around(sandbox.bulla(["set", "f.yaml", "a", "2"]))
        .run();
    assert_eq!(cloud.connected(), [""; 0]);
    let offline = with_secret(&cloud, sandbox.bulla(["decrypt", "--offline", "f.yaml"]));
    says(&failed(&offline), &["--offline"]);
    assert_eq!(cloud.connected(), [""; 0]);
}

#[test]
fn a_rule_without_a_version_is_about_every_version() {
    let cloud = cloud();
    let sandbox = encrypted(&cloud, &format!("{KEY}/{BEFORE}"));
    let before = sandbox.read_text("f.yaml");
    let rule = format!("creation_rules:\n  - azure_keyvault: {KEY}\n");
    sandbox.file(".sops.yaml", &rule);
    cloud
        .around(sandbox.bulla(["updatekeys", "--yes", "f.yaml"]))
        .no_identity()
        .expect_stderr_has("already up to date")
        .run();
    assert_eq!(sandbox.read_text("f.yaml"), before);
    assert_eq!(cloud.told(), [""; 0]);

    // a key more: that of Azure is shown as one that stays
    let alice = age_key("alice").recipient;
    sandbox.file(".sops.yaml", format!("{rule}    age: {alice}\n"));
    let update = sandbox.bulla(["updatekeys", "--yes", "f.yaml"]);
    let out = with_secret(&cloud, update)
        .expect_stdout_has(&format!("    {KEY}/\n"))
        .expect_stdout_has(&format!("+++ {alice}\n"))
        .any_stderr()
        .run();
    assert!(!out.text().contains("---"), "{}", out.text());
    assert!(!out.stderr.contains("removed"), "{}", out.stderr);

    let rotate = ["rotate", "-i", "--rm-azure-kv", KEY, "f.yaml"];
    cloud.around(sandbox.bulla(rotate)).run();
    let after = sandbox.read_text("f.yaml");
    assert!(!after.contains("vault_url"), "{after}");
    sandbox
        .bulla(["decrypt", "f.yaml"])
        .expect_stdout(PLAIN)
        .run();
}

#[test]
fn an_address_in_a_file_does_not_get_a_token_that_is_not_its_own() {
    // who asks for a token for somebody else, or sends on to somebody else
    let cloud = cloud_but(|host, request| {
        let asks = |resource: &str| {
            let asks = format!(
                "Bearer authorization=\"https://login.microsoftonline.com/{TENANT}\", resource=\"{resource}\""
            );
            Some(HttpReply::json(401, &json!({})).with("WWW-Authenticate", asks))
        };
        match host {
            "a.vault.azure.net" => asks("https://management.azure.com"),
            "b.vault.azure.net" => asks("https://azure.net"),
            "c.vault.azure.net" => asks("https://managedhsm.azure.net"),
            "d.vault.azure.net" => Some(HttpReply::json(401, &json!({}))),
            "e.vault.azure.net" => {
                let to = "https://evil.example/keys";
                Some(HttpReply::json(307, &json!({})).with("Location", to))
            }
            "f.vault.azure.net" if !request.header("authorization").is_empty() => {
                let to = "https://evil.example/keys";
                Some(HttpReply::json(307, &json!({})).with("Location", to))
            }
            _ => None,
        }
    });
    let sandbox = encrypted(&cloud, &format!("{KEY}/{NOW}"));
    let genuine = sandbox.read_text("f.yaml");
    let opened = |url: &str| {
        let hostile = genuine.replace("https://v.vault.azure.net", url);
        assert_ne!(hostile, genuine);
        sandbox.file("f.yaml", hostile);
        failed(&with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"])))
    };
    for host in ["a", "b", "c"] {
        let text = opened(&format!("https://{host}.vault.azure.net"));
        says(
            &text,
            &[
                "a token that is not for its own domain",
                "no token was sent",
            ],
        );
        assert_eq!(
            cloud.connected().last().map(String::as_str),
            Some(format!("{host}.vault.azure.net:443").as_str())
        );
    }
    says(
        &opened("https://d.vault.azure.net"),
        &["does not say whose token"],
    );
    for host in ["e", "f"] {
        says(
            &opened(&format!("https://{host}.vault.azure.net")),
            &["307", "redirects are not followed"],
        );
    }
    let told = cloud.told();
    let tokens = told.iter().filter(|line| line.contains("oauth2")).count();
    assert_eq!(tokens, 1, "that of the last one: {told:#?}");
    cloud.connected();

    for url in [
        "https://evil.example",
        "https://v.vault.azure.net.evil.example",
        "http://v.vault.azure.net",
        "https://v.vault.azure.net@evil.example",
        "https://evil.example/?.vault.azure.net",
        "https://vault.azure.net",
    ] {
        says(&opened(url), &["Azure Key Vault: "]);
    }
    assert_eq!(cloud.connected(), [""; 0], "nobody was asked");
}

/// Vaults that refuse what is asked with a token, each in the way that its name says.
fn refusing(host: &str, request: &HttpRequest) -> Option<HttpReply> {
    let is_open = !request.header("authorization").is_empty();
    if !is_open || host == "login.microsoftonline.com" {
        return None;
    }
    let policy = "The user, group or application 'appid=1' does not have keys decrypt \
                      permission on key vault 'v;location=eastus'.";
    let rbac = "Caller is not authorized to perform action on resource.\r\nCaller: appid=1\r\n\
                    Action: 'Microsoft.KeyVault/vaults/keys/decrypt/action'\r\n";
    let firewall = "Client address is not authorized and caller is not a trusted service.";
    let issuer = "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/x/";
    Some(match host.split('.').next()? {
        "policy" => refusal(403, "Forbidden", policy, Some("AccessDenied")),
        "rbac" => refusal(403, "Forbidden", rbac, Some("ForbiddenByRbac")),
        "disabled" => refusal(
            403,
            "Forbidden",
            "Operation decrypt is not allowed on a disabled key.",
            Some("KeyDisabled"),
        ),
        "expired" => refusal(
            403,
            "Forbidden",
            "Operation decrypt is not allowed on an expired key.",
            None,
        ),
        "firewall" => refusal(403, "Forbidden", firewall, Some("ForbiddenByFirewall")),
        "gone" => refusal(
            404,
            "KeyNotFound",
            "A key with (name/id) k was not found.",
            None,
        ),
        "tenant" => refusal(401, "Unauthorized", issuer, None),
        "stale" => refusal(
            401,
            "Unauthorized",
            "[TokenExpired] Error validating token.",
            None,
        ),
        "wrong" => refusal(400, "BadParameter", "The parameter is incorrect.", None),
        "ill" => refusal(503, "ServiceUnavailable", "no", None).with("Retry-After", "0"),
        "busy" => refusal(429, "Throttled", "too many", None).with("Retry-After", "0"),
        "echo" => refusal(
            400,
            "BadParameter",
            &String::from_utf8_lossy(&request.body),
            None,
        ),
        "odd" => HttpReply::json(200, &json!({"value": 7})),
        _ => return None,
    })
}

/// What is said of each, and what to do.
const REFUSALS: &[(&str, &[&str])] = &[
    (
        "policy",
        &[
            "does not have keys decrypt permission",
            "permission `decrypt`",
        ],
    ),
    (
        "rbac",
        &[
            "ForbiddenByRbac",
            "missing:",
            "Key Vault Crypto User",
            "keys/decrypt/action",
        ],
    ),
    (
        "disabled",
        &["KeyDisabled", "enable this version of the key"],
    ),
    (
        "expired",
        &["expired key", "a version of the key that is valid"],
    ),
    (
        "firewall",
        &["ForbiddenByFirewall", "lets nobody in from this network"],
    ),
    ("gone", &["404", "KeyNotFound", "az keyvault key recover"]),
    ("tenant", &["AKV10032", "another tenant", "AZURE_TENANT_ID"]),
    ("stale", &["TokenExpired", "az login"]),
    (
        "wrong",
        &["The parameter is incorrect", "wrapped by this version"],
    ),
    ("ill", &["503", "a fault of the service"]),
    ("busy", &["429", "Throttled", "too many requests at a time"]),
    ("odd", &["not what a vault answers"]),
];

#[test]
fn what_a_vault_refuses_is_said_with_what_to_do() {
    let cloud = cloud_but(refusing);
    let sandbox = encrypted(&cloud, &format!("{KEY}/{NOW}"));
    let genuine = sandbox.read_text("f.yaml");
    let opened = |name: &str| {
        let there = genuine.replace("https://v.vault", &format!("https://{name}.vault"));
        sandbox.file("f.yaml", there);
        let case = with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"]));
        failed(&case)
    };
    for (name, fragments) in REFUSALS {
        let text = opened(name);
        says(&text, fragments);
        let host = format!("https://{name}.vault.azure.net/keys/k/{NOW}: FAILED");
        says(&text, &[&host]);
        let told = cloud.told();
        let times = told
            .iter()
            .filter(|line| line.contains("/decrypt?") && line.ends_with('+'));
        let expected = if ["ill", "busy"].contains(name) { 4 } else { 1 };
        assert_eq!(times.count(), expected, "{name}: {told:#?}");
    }
}

#[test]
fn a_vault_that_repeats_what_it_was_sent_is_not_quoted() {
    let cloud = cloud_but(refusing);
    let sandbox = encrypted(&cloud, &format!("{KEY}/{NOW}"));
    let genuine = sandbox.read_text("f.yaml");
    sandbox.file(
        "f.yaml",
        genuine.replace("https://v.vault", "https://echo.vault"),
    );
    let text = failed(&with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"])));
    says(&text, &["not shown"]);
    let enc = line_of(&genuine, "enc:")
        .split_once("enc: ")
        .expect("a value")
        .1
        .to_owned();
    assert!(!text.contains(&enc), "{text}");
    sandbox.file("new.yaml", PLAIN);
    let key = format!("https://echo.vault.azure.net/keys/k/{NOW}");
    let text = failed(&with_secret(
        &cloud,
        sandbox.bulla(["encrypt", "--azure-kv", &key, "new.yaml"]),
    ));
    let asked = cloud.asked();
    let sent = asked.iter().find_map(|(_, request)| {
        let value = request.json()["value"].as_str().map(str::to_owned);
        value.filter(|value| {
            URL_SAFE_NO_PAD
                .decode(value)
                .is_ok_and(|key| key.len() == 32)
        })
    });
    assert!(!text.contains(&sent.expect("a data key")), "{text}");
    says(&text, &["not shown", &key]);
}

#[test]
fn a_passing_fault_passes_and_another_key_is_still_tried() {
    let seen = Mutex::new(HashSet::new());
    let cloud = cloud_but(move |host, request| {
        let path = &request.path;
        if host == "gone.vault.azure.net" && path.contains("/decrypt") {
            return Some(refusal(404, "KeyNotFound", "no", None));
        }
        // everything is refused once
        let what = format!("{host}{path}{}", request.header("authorization"));
        let is_first = seen.lock().expect("requests").insert(what);
        let busy = refusal(429, "Throttled", "too many", None).with("Retry-After", "0");
        is_first.then_some(busy)
    });
    let keys = format!("https://gone.vault.azure.net/keys/k/{NOW},{KEY}");
    let sandbox = encrypted(&cloud, &keys);
    with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    // nobody there at all
    let there = sandbox.read_text("f.yaml");
    sandbox.file(
        "f.yaml",
        there.replace("v.vault.azure.net", "x.vault.usgovcloudapi.net"),
    );
    let text = failed(&with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"])));
    says(
        &text,
        &[
            "Azure Key Vault cannot be reached: x.vault.usgovcloudapi.net",
            "is there a vault of this name",
        ],
    );
}

#[test]
fn a_token_comes_from_a_certificate_a_workload_a_machine_or_a_program() {
    let cloud = cloud();
    let sandbox = encrypted(&cloud, &format!("{KEY}/{NOW}"));
    let decrypt = || {
        cloud
            .around(sandbox.bulla(["decrypt", "f.yaml"]))
            .no_identity()
    };
    let application = || {
        decrypt()
            .env("AZURE_TENANT_ID", TENANT)
            .env("AZURE_CLIENT_ID", CLIENT)
    };

    for sends_chain in ["", "1"] {
        application()
            .env("AZURE_CLIENT_CERTIFICATE_PATH", tls("application.pem"))
            .env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", sends_chain)
            .expect_stdout(PLAIN)
            .run();
    }
    let no_key = application().env("AZURE_CLIENT_CERTIFICATE_PATH", tls("authority.pem"));
    says(
        &failed(&no_key),
        &["AZURE_CLIENT_CERTIFICATE_PATH", "no private key"],
    );
    let ec = application().env("AZURE_CLIENT_CERTIFICATE_PATH", tls("server.key"));
    says(&failed(&ec), &["no certificate in PEM"]);

    sandbox.file("federated", "token of a workload");
    application()
        .env("AZURE_FEDERATED_TOKEN_FILE", sandbox.path("federated"))
        .expect_stdout(PLAIN)
        .run();

    let token = token_for("https://vault.azure.net/.default");
    let given = token.clone();
    let machine = HttpServer::start(move |_| {
        let until = (now() + 3600).to_string();
        HttpReply::json(
            200,
            &json!({"access_token": given, "expires_on": until, "resource": "https://vault.azure.net", "token_type": "Bearer"}),
        )
    });
    decrypt()
        .env("BULLA_METADATA_URL", machine.url())
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .expect_stdout(PLAIN)
        .run();
    let asked = &machine.asked()[0];
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.header("metadata"), "true");
    let path = "/metadata/identity/oauth2/token?api-version=2019-08-01\
                &resource=https%3A%2F%2Fvault.azure.net";
    assert_eq!(asked.path, path);

    let until = now() + 3600;
    let az = format!(
        "#!/bin/sh\nset -eu\nenv | grep -q SOPS_AGE_KEY && exit 9\n\
         test \"$*\" = 'account get-access-token -o json --scope https://vault.azure.net/.default --tenant {TENANT}'\n\
         echo '{{\"accessToken\": \"{token}\", \"expires_on\": {until}, \"tokenType\": \"Bearer\"}}'\n"
    );
    let program = sandbox.program("az", &az);
    let folder = program.parent().expect("a folder").display().to_string();
    let path = format!("{folder}:/usr/bin:/bin");
    decrypt()
        .env("SOPS_AGE_KEY", age_key("bob").identity)
        .env("PATH", &path)
        .env("AZURE_TOKEN_CREDENTIALS", "dev")
        .expect_stdout(PLAIN)
        .run();
    let azd = format!(
        "#!/bin/sh\nset -eu\ntest \"$1 $2\" = 'auth token'\n\
         echo '{{\"token\": \"{token}\", \"expiresOn\": \"2099-01-01T00:00:00Z\"}}'\n"
    );
    sandbox.program("azd", &azd);
    sandbox.program(
        "az",
        "#!/bin/sh\necho \"ERROR: Please run 'az login' to setup account.\" >&2\nexit 1\n",
    );
    decrypt().env("PATH", &path).expect_stdout(PLAIN).run();
    sandbox.program("azd", "#!/bin/sh\nexit 1\n");
    let none = decrypt().env("PATH", &path);
    says(&failed(&none), &["az: ERROR: Please run 'az login'"]);
}

#[test]
fn where_there_is_no_token_every_source_is_named() {
    let cloud = cloud_but(|host, request| {
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let expired = host == "login.microsoftonline.com" && form.contains("client_secret=old");
        let words = "The provided client secret keys for app '1' are expired.";
        expired.then(|| no_token(401, 7_000_222, words))
    });
    let sandbox = encrypted(&cloud, &format!("{KEY}/{NOW}"));
    let nothing = sandbox.tmp().display().to_string();
    let decrypt = || {
        let case = cloud.around(sandbox.bulla(["decrypt", "f.yaml"]));
        case.no_identity().env("PATH", &nothing)
    };
    let text = failed(&decrypt());
    says(
        &text,
        &[
            "Azure: no credentials",
            "environment: AZURE_TENANT_ID is not set",
            "workload identity: AZURE_FEDERATED_TOKEN_FILE is not set",
            "managed identity: not asked",
            "az: az not found on PATH",
            "azd: azd not found on PATH",
            "hint: log in with `az login`",
        ],
    );
    let user = decrypt()
        .env("AZURE_TENANT_ID", TENANT)
        .env("AZURE_CLIENT_ID", CLIENT)
        .env("AZURE_USERNAME", "u")
        .env("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential");
    says(
        &failed(&user),
        &["neither AZURE_CLIENT_SECRET nor", "no longer taken"],
    );
    let odd = decrypt().env("AZURE_TOKEN_CREDENTIALS", "nonsense");
    says(
        &failed(&odd),
        &["names no source of credentials", "AzureCLICredential"],
    );

    let old = with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"]));
    let text = failed(&old.env("AZURE_CLIENT_SECRET", "old"));
    says(
        &text,
        &[
            "AADSTS7000222",
            "are expired",
            "hint: the client secret has expired",
        ],
    );
    assert!(!text.contains("Trace ID"), "{text}");
    let wrong = with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"]));
    let text = failed(&wrong.env("AZURE_CLIENT_SECRET", "hunter2"));
    says(&text, &["AADSTS7000215", "not its id"]);
    assert!(!text.contains("hunter2"), "{text}");
    let tenant = with_secret(&cloud, sandbox.bulla(["decrypt", "f.yaml"]));
    says(
        &failed(&tenant.env("AZURE_TENANT_ID", "other")),
        &["AADSTS90002", "names no tenant"],
    );
}

#[test]
fn other_clouds_have_their_own_authorities_and_domains() {
    let cloud = cloud();
    for (key, authority) in [
        ("https://v.vault.azure.cn/keys/k", "login.chinacloudapi.cn"),
        (
            "https://v.vault.local.example/keys/k",
            "login.local.example",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.file("f.yaml", PLAIN);
        let of = |case: Case| {
            with_secret(&cloud, case).env("AZURE_AUTHORITY_HOST", format!("https://{authority}"))
        };
        of(sandbox.bulla(["encrypt", "-i", "--azure-kv", key, "f.yaml"])).run();
        of(sandbox.bulla(["decrypt", "f.yaml"]))
            .expect_stdout(PLAIN)
            .run();
        let told = cloud.told();
        let token = format!("POST {authority}/{TENANT}/oauth2/v2.0/token");
        assert_eq!(
            told.iter().filter(|line| **line == token).count(),
            2,
            "{told:#?}"
        );
        assert!(
            !told.iter().any(|line| line.contains("microsoftonline")),
            "{told:#?}"
        );
    }
}
