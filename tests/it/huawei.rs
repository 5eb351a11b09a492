//! Huawei Cloud KMS, as its documentation has it: every request signed with an access key, AES-GCM
//! behind it.

use crate::support::cloud::Cloud;
use crate::support::http::{HttpReply, HttpRequest, HttpServer};
use crate::support::{Case, Sandbox, age_key, line_of};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::sha2::{Digest, Sha256};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Mutex;

const PLAIN: &str = "# head\na:   1\nb: 'two' # beside\n";
const ID: &str = "12345678-1234-1234-1234-123456789abc";
const KEY: &str = "eu-west-101:12345678-1234-1234-1234-123456789abc";
const HOST: &str = "kms.eu-west-101.myhuaweicloud.eu";
const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const ACCESS: &str = "AKEXAMPLE";
const SECRET: &str = "the/secret+access=key";
const HOSTS: &[&str] = &[
    "*.eu-west-101.myhuaweicloud.eu",
    "*.cn-north-4.myhuaweicloud.com",
];

/// HMAC-SHA256 by its definition (RFC 2104), for keys of at most 64 bytes.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x36));
    let inner = inner.chain_update(text).finalize();
    let outer = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner).finalize().to_vec()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Why the signature of a request is not what the guide to signing says; `None` where it is.
fn fault(host: &str, request: &HttpRequest, secret: &str) -> Option<&'static str> {
    let header = request.header("authorization");
    let Some(header) = header.strip_prefix("SDK-HMAC-SHA256 ") else {
        return Some("no signature");
    };
    let field = |name: &str| {
        let mut fields = header.split(", ").filter_map(|field| field.split_once('='));
        fields
            .find(|(found, _)| *found == name)
            .map_or("", |(_, value)| value)
    };
    let names: Vec<&str> = field("SignedHeaders").split(';').collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    for needed in ["host", "x-sdk-date"] {
        if !names.contains(&needed) {
            return Some("a header is not signed");
        }
    }
    let token = request.header("x-security-token");
    if names != sorted || !token.is_empty() && !names.contains(&"x-security-token") {
        return Some("headers are not sorted, or the token is not signed");
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let value = |name: &&str| match *name {
        "host" => format!("host:{host}\n"),
        name => format!("{name}:{}\n", request.header(name)),
    };
    let canonical = format!(
        "{}\n{path}/\n{query}\n{}\n{}\n{}",
        request.method,
        names.iter().map(value).collect::<String>(),
        names.join(";"),
        hex(Sha256::digest(&request.body)),
    );
    let date = request.header("x-sdk-date");
    let text = format!(
        "SDK-HMAC-SHA256\n{date}\n{}",
        hex(Sha256::digest(canonical))
    );
    let is_date = date.len() == 16 && date.ends_with('Z') && date.as_bytes()[8] == b'T';
    if !is_date {
        return Some("the date is not like 20060102T150405Z");
    }
    let good = field("Signature") == hex(hmac(secret.as_bytes(), text.as_bytes()));
    (!good || request.header("host") != host).then_some("the signature is wrong")
}

fn refused(status: u16, code: &str, words: &str) -> HttpReply {
    HttpReply::json(
        status,
        &json!({"error": {"error_code": code, "error_msg": words}}),
    )
}

/// How the gateway before the services says it.
fn unsigned(words: &str) -> HttpReply {
    let words = format!("Incorrect IAM authentication information: {words}");
    HttpReply::json(
        401,
        &json!({"error_msg": words, "error_code": "APIGW.0301", "request_id": "1"}),
    )
}

/// KMS: `encrypt-data` and `decrypt-data` with one key.
fn kms(host: &str, request: &HttpRequest) -> HttpReply {
    let secret = if request.header("x-security-token") == "temporary" {
        "TSK"
    } else {
        SECRET
    };
    if let Some(fault) = fault(host, request, secret) {
        return unsigned(&format!("verify aksk signature fail, {fault}"));
    }
    let body = request.json();
    let prefix = format!("/v1.0/{PROJECT}/kms/");
    let verb = request.path.strip_prefix(&prefix).unwrap_or_default();
    let kind = request
        .header("content-type")
        .starts_with("application/json");
    if request.method != "POST" || !kind || request.header("x-project-id") != PROJECT {
        return refused(400, "KMS.0201", "Invalid request URL.");
    }
    if body["encryption_algorithm"] != "SYMMETRIC_DEFAULT" {
        return refused(400, "KMS.0308", "Invalid parameter.");
    }
    if body["key_id"] != ID {
        return refused(400, "KMS.0205", "Invalid key ID.");
    }
    let cipher = Aes256Gcm::new(&[7; 32].into());
    let nonce = Nonce::from([9; 12]);
    let text = |name: &str| {
        let text = body[name].as_str().unwrap_or_default();
        STANDARD.decode(text).unwrap_or_default()
    };
    match verb {
        "encrypt-data" => {
            let mut sealed = text("plain_text");
            let tag = cipher.encrypt_inout_detached(&nonce, b"", sealed.as_mut_slice().into());
            sealed.extend_from_slice(&tag.expect("sealed"));
            HttpReply::json(
                200,
                &json!({"key_id": ID, "cipher_text": STANDARD.encode(sealed)}),
            )
        }
        "decrypt-data" => {
            let mut sealed = text("cipher_text");
            let tag = sealed.split_off(sealed.len().saturating_sub(16));
            let tag = tag.as_slice().try_into().unwrap_or_default();
            let opened =
                cipher.decrypt_inout_detached(&nonce, b"", sealed.as_mut_slice().into(), &tag);
            if opened.is_err() {
                return refused(400, "KMS.0308", "Invalid parameter.");
            }
            let plain = STANDARD.encode(sealed);
            HttpReply::json(200, &json!({"key_id": ID, "plain_text": plain}))
        }
        _ => refused(400, "KMS.0201", "Invalid request URL."),
    }
}

/// The identity service: which projects there are.
fn iam(host: &str, request: &HttpRequest) -> HttpReply {
    let secret = if request.header("x-security-token") == "temporary" {
        "TSK"
    } else {
        SECRET
    };
    if let Some(fault) = fault(host, request, secret) {
        return unsigned(fault);
    }
    let is_asked = request.path == "/v3/projects?name=eu-west-101" && request.method == "GET";
    let projects = if is_asked {
        json!([{"id": PROJECT, "name": "eu-west-101"}])
    } else {
        json!([])
    };
    HttpReply::json(200, &json!({"projects": projects, "links": {}}))
}

fn cloud_but(
    other: impl Fn(&str, &HttpRequest) -> Option<HttpReply> + Send + Sync + 'static,
) -> Cloud {
    Cloud::start(HOSTS, move |host, request| {
        other(host, request).unwrap_or_else(|| match host.split('.').next() {
            Some("iam") => iam(host, request),
            _ => kms(host, request),
        })
    })
}

fn with_keys(cloud: &Cloud, case: Case) -> Case {
    cloud
        .around(case)
        .no_identity()
        .env("HUAWEICLOUD_SDK_AK", ACCESS)
        .env("HUAWEICLOUD_SDK_SK", SECRET)
        .env("HUAWEICLOUD_SDK_PROJECT_ID", PROJECT)
}

fn encrypted(cloud: &Cloud) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let case = sandbox.bulla(["encrypt", "-i", "--hckms", KEY, "f.yaml"]);
    with_keys(cloud, case).run();
    cloud.asked();
    sandbox
}

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
fn it_wraps_and_opens_by_signed_requests() {
    let cloud = cloud_but(|_, _| None);
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let case = sandbox.bulla(["encrypt", "-i", "--hckms", KEY, "f.yaml"]);
    with_keys(&cloud, case).run();
    let asked = cloud.asked();
    let [(host, request)] = asked.as_slice() else {
        panic!("{asked:#?}");
    };
    assert_eq!(host, HOST);
    assert!(
        request
            .header("authorization")
            .contains("Access=AKEXAMPLE,")
    );
    let sent = request.json()["plain_text"].as_str().map(str::to_owned);
    let sent = STANDARD.decode(sent.expect("a text")).expect("base64");
    assert_eq!(sent.len(), 32);
    let text = sandbox.read_text("f.yaml");
    assert!(text.contains(&format!("key_id: {KEY}\n")), "{text}");
    assert!(!text.contains(&STANDARD.encode(&sent)), "{text}");
    with_keys(&cloud, sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    let asked = cloud.asked();
    let enc = line_of(&text, "enc:")
        .split_once("enc: ")
        .expect("a value")
        .1;
    assert_eq!(asked[0].1.json()["cipher_text"], enc);
    assert_eq!(asked.len(), 1);

    // the project is asked for where nobody says it, once for several keys
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let keys = format!("{KEY},cn-north-4:{ID}");
    let case = sandbox.bulla([
        "encrypt",
        "-i",
        "--hckms",
        KEY,
        "--age",
        &age_key("alice").recipient,
        "f.yaml",
    ]);
    with_keys(&cloud, case)
        .without("HUAWEICLOUD_SDK_PROJECT_ID")
        .run();
    assert_eq!(
        cloud.told(),
        [
            "GET iam.eu-west-101.myhuaweicloud.eu/v3/projects?name=eu-west-101 +".to_owned(),
            format!("POST {HOST}/v1.0/{PROJECT}/kms/encrypt-data +"),
        ]
    );
    cloud.connected();
    cloud
        .around(sandbox.bulla(["decrypt", "f.yaml"]))
        .expect_stdout(PLAIN)
        .run();
    assert_eq!(cloud.connected(), [""; 0], "the key of age is enough");
    sandbox.file("g.yaml", PLAIN);
    let case = sandbox.bulla(["encrypt", "--hckms", &keys, "g.yaml"]);
    let text = failed(&with_keys(&cloud, case).without("HUAWEICLOUD_SDK_PROJECT_ID"));
    says(
        &text,
        &["no project of cn-north-4", "HUAWEICLOUD_SDK_PROJECT_ID"],
    );
}

#[test]
fn a_region_in_a_file_is_no_other_host() {
    let cloud = cloud_but(|_, _| None);
    let sandbox = encrypted(&cloud);
    cloud.connected();
    let genuine = sandbox.read_text("f.yaml");
    for region in [
        "evil.example/x",
        "evil.example#",
        "a@evil.example",
        "evil.example?",
        "EU-WEST-101",
    ] {
        let id = format!("key_id: '{region}:{ID}'");
        sandbox.file("f.yaml", genuine.replace(&format!("key_id: {KEY}"), &id));
        let text = failed(&with_keys(&cloud, sandbox.bulla(["decrypt", "f.yaml"])));
        says(&text, &["begins with no name of a region"]);
    }
    assert_eq!(cloud.connected(), [""; 0]);
}

#[test]
fn the_address_of_a_region_may_be_the_users() {
    let address = std::sync::Arc::new(Mutex::new(String::new()));
    let known = std::sync::Arc::clone(&address);
    let server =
        HttpServer::start(move |request| kms(&known.lock().expect("its address"), request));
    let url = server.url();
    url.trim_start_matches("http://")
        .clone_into(&mut address.lock().expect("its address"));
    let nowhere = cloud_but(|_, _| None);
    let sandbox = Sandbox::new();
    sandbox.file("f.yaml", PLAIN);
    let key = format!("xx-own-1:{ID}");
    let case = sandbox.bulla(["encrypt", "-i", "--hckms", &key, "f.yaml"]);
    with_keys(&nowhere, case)
        .env("HUAWEICLOUD_SDK_REGION_KMS_XX_OWN_1", &url)
        .run();
    with_keys(&nowhere, sandbox.bulla(["decrypt", "f.yaml"]))
        .env("HUAWEICLOUD_SDK_REGION_KMS_XX_OWN_1", &url)
        .expect_stdout(PLAIN)
        .run();
    assert_eq!(server.asked().len(), 2);
    let case = with_keys(&nowhere, sandbox.bulla(["decrypt", "f.yaml"]));
    let text = failed(&case.env("HUAWEICLOUD_SDK_REGION_KMS_XX_OWN_1", "http://kms.example"));
    says(
        &text,
        &["HUAWEICLOUD_SDK_REGION_KMS_XX_OWN_1 is not like https://HOST"],
    );
}

#[test]
fn access_keys_come_from_a_file_or_the_machine() {
    let cloud = cloud_but(|_, _| None);
    let sandbox = encrypted(&cloud);
    let decrypt = || {
        cloud
            .around(sandbox.bulla(["decrypt", "f.yaml"]))
            .no_identity()
    };
    let text = failed(&decrypt().env("HUAWEICLOUD_SDK_AK", ACCESS));
    says(
        &text,
        &[
            "Huawei Cloud: no credentials",
            "environment: HUAWEICLOUD_SDK_SK is not set",
            ".huaweicloud/credentials: No such file",
            "metadata service: not asked",
            "hint: set HUAWEICLOUD_SDK_AK",
        ],
    );
    let home = sandbox.home().join(".huaweicloud");
    std::fs::create_dir_all(&home).unwrap();
    let file = home.join("credentials");
    for section in ["basic", "default"] {
        let content =
            format!("[{section}]\nak = {ACCESS}\nsk = {SECRET}\nproject_id = {PROJECT}\n");
        std::fs::write(&file, content).unwrap();
        decrypt().expect_stdout(PLAIN).run();
    }
    let moved = sandbox.path("elsewhere");
    std::fs::rename(&file, &moved).unwrap();
    decrypt()
        .env("HUAWEICLOUD_SDK_CREDENTIALS_FILE", &moved)
        .expect_stdout(PLAIN)
        .run();

    let machine =
        HttpServer::start(
            |request| match (request.method.as_str(), request.path.as_str()) {
                ("PUT", "/meta-data/latest/api/token") => {
                    let lifetime = request.header("x-metadata-token-ttl-seconds");
                    assert!(lifetime.parse::<u32>().is_ok_and(|seconds| seconds > 0));
                    let mut reply = HttpReply::json(200, &json!(null));
                    reply.body = b"session".to_vec();
                    reply
                }
                ("GET", "/openstack/latest/securitykey")
                    if request.header("x-metadata-token") == "session" =>
                {
                    HttpReply::json(
                        200,
                        &json!({"credential": {
                    "access": "TAK", "secret": "TSK", "securitytoken": "temporary",
                    "expires_at": "2099-01-01T00:00:00.000000Z"}}),
                    )
                }
                _ => HttpReply::json(401, &json!({})),
            },
        );
    cloud.asked();
    decrypt()
        .env("BULLA_METADATA_URL", machine.url())
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .expect_stdout(PLAIN)
        .run();
    let asked = cloud.asked();
    assert!(
        asked
            .iter()
            .all(|(_, request)| request.header("x-security-token") == "temporary")
    );
    assert_eq!(asked.len(), 2, "the project, and the key");
}

#[test]
fn what_is_refused_is_said_with_what_to_do() {
    let names: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    let cloud = cloud_but(|_, request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let case = body.split("case-").nth(1)?.split('"').next()?;
        Some(match case {
            "disabled" => refused(400, "KMS.0209", "The key has been disabled."),
            "deleted" => refused(400, "KMS.0210", "The key is in Scheduled deletion state and cannot be used."),
            "unknown" => refused(400, "KMS.0205", "Invalid key ID."),
            "forbidden" => refused(403, "KMS.0306", "No access permissions."),
            "wrong" => refused(400, "KMS.0308", "Invalid parameter."),
            "signature" => unsigned("verify aksk signature fail"),
            "access" => unsigned("Get secretKey failed,ak:AKEXAMPLE,err:ak not exist"),
            "expired" => unsigned("the securityToken has expired"),
            "clock" => unsigned("verify aksk signature fail").with("Date", "Wed, 01 Jan 2020 00:00:00 GMT"),
            "busy" => HttpReply::json(429, &json!({"error_code": "APIGW.0308", "error_msg": "The throttling threshold has been reached"})).with("Retry-After", "0"),
            "ill" => HttpReply::json(503, &json!({})).with("Retry-After", "0"),
            "away" => HttpReply::json(302, &json!({})).with("Location", "https://kms.cn-north-4.myhuaweicloud.com/"),
            "echo" => refused(400, "KMS.0202", &body),
            "odd" => HttpReply::json(200, &json!({"cipher_text": 1})),
            _ => return None,
        })
    });
    let sandbox = encrypted(&cloud);
    let genuine = sandbox.read_text("f.yaml");
    for (name, fragments) in CASES {
        let id = format!("key_id: eu-west-101:case-{name}");
        sandbox.file("f.yaml", genuine.replace(&format!("key_id: {KEY}"), &id));
        let text = failed(&with_keys(&cloud, sandbox.bulla(["decrypt", "f.yaml"])));
        says(&text, fragments);
        says(
            &text,
            &[
                "Huawei Cloud KMS",
                &format!("eu-west-101:case-{name}: FAILED"),
            ],
        );
        assert!(!text.contains(SECRET), "{text}");
        let times = if ["busy", "ill"].contains(name) { 4 } else { 1 };
        assert_eq!(cloud.asked().len(), times, "{name}");
    }
    sandbox.file("new.yaml", PLAIN);
    let case = sandbox.bulla(["encrypt", "--hckms", "eu-west-101:case-echo", "new.yaml"]);
    let text = failed(&with_keys(&cloud, case));
    let asked = cloud.asked();
    let sent = asked[0].1.json()["plain_text"].as_str().map(str::to_owned);
    assert!(!text.contains(&sent.expect("a data key")), "{text}");
    says(&text, &["not shown", "eu-west-101:case-echo"]);

    let genuine = genuine.replace("eu-west-101:", "af-south-1:");
    sandbox.file("f.yaml", genuine);
    let text = failed(&with_keys(&cloud, sandbox.bulla(["decrypt", "f.yaml"])));
    says(
        &text,
        &["cannot be reached: kms.af-south-1.myhuaweicloud.com"],
    );
}

const CASES: &[(&str, &[&str])] = &[
    ("disabled", &["KMS.0209", "enable the key"]),
    ("deleted", &["KMS.0210", "going to be deleted"]),
    ("unknown", &["KMS.0205", "a key of this id in this region"]),
    (
        "forbidden",
        &[
            "KMS.0306",
            "missing: a policy that allows kms:cmk:decryptData",
        ],
    ),
    ("wrong", &["KMS.0308", "wrapped by this very key"]),
    ("signature", &["APIGW.0301", "HUAWEICLOUD_SDK_SK"]),
    (
        "access",
        &["ak not exist", "HUAWEICLOUD_SDK_AK is no access key"],
    ),
    (
        "expired",
        &["has expired", "HUAWEICLOUD_SDK_SECURITY_TOKEN"],
    ),
    ("clock", &["the clock of this machine is", "minutes fast"]),
    (
        "busy",
        &["429", "APIGW.0308", "too many requests at a time"],
    ),
    ("ill", &["503", "a fault of the service"]),
    ("away", &["302", "redirects are not followed"]),
    ("odd", &["not what the service answers"]),
];
