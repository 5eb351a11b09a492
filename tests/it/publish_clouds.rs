//! `publish` to the stores of Google and Azure, which are small servers here that do what the
//! documentation of each says, and check whatever they are sent.

use crate::support::cloud::Cloud;
use crate::support::http::{HttpReply, HttpRequest, HttpServer};
use crate::support::{Case, Sandbox, age_key};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const PLAIN: &str = "user: alice\npassword: hunter2 # note\nopts:\n  tls: true\n";

/// A configuration with destination rules.
fn rules(sandbox: &Sandbox, rules: &str) {
    sandbox.file(".sops.yaml", format!("destination_rules:\n{rules}"));
}

/// What stands for `%XX` in a part of a URL.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'%' => {
                let digits = std::str::from_utf8(&rest[..2]).expect("digits");
                rest = &rest[2..];
                u8::from_str_radix(digits, 16).expect("a byte")
            }
            b'+' => b' ',
            byte => *byte,
        });
    }
    String::from_utf8(bytes).expect("text")
}

/// The values of a query.
fn query(path: &str) -> BTreeMap<String, String> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

/// An error as all services of Google word it.
fn google_error(code: u16, status: &str, message: &str) -> HttpReply {
    let error = json!({"code": code, "message": message, "status": status});
    HttpReply::json(code, &json!({ "error": error }))
}

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Cloud Storage with a bucket `bkt`: objects are read by `alt=media`, and uploaded simply or, as
/// Google's own clients do it, in parts.
fn storage(request: &HttpRequest, objects: &Objects) -> HttpReply {
    let (path, query) = (
        request.path.split('?').next().unwrap(),
        query(&request.path),
    );
    let query = |name: &str| query.get(name).map(String::as_str);
    let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut objects = objects.lock().unwrap();
    match (request.method.as_str(), parts.as_slice()) {
        (_, ["storage", "v1", "b", bucket, ..] | ["upload", "storage", "v1", "b", bucket, ..])
            if *bucket != "bkt" =>
        {
            google_error(404, "NOT_FOUND", "The specified bucket does not exist.")
        }
        ("GET", ["storage", "v1", "b", _, "o", name]) if query("alt") == Some("media") => {
            match objects.get(*name) {
                Some(body) => HttpReply {
                    status: 200,
                    headers: vec![("content-type", "application/octet-stream".to_owned())],
                    body: body.clone(),
                },
                None => google_error(404, "NOT_FOUND", &format!("No such object: bkt/{name}")),
            }
        }
        ("POST", ["upload", "storage", "v1", "b", _, "o"]) => {
            let (name, body) = match query("uploadType") {
                Some("media") => (query("name").unwrap().to_owned(), request.body.clone()),
                Some("multipart") => parts_of(request),
                other => panic!("uploadType {other:?}"),
            };
            let object = json!({"kind": "storage#object", "name": name, "bucket": "bkt",
                "size": body.len().to_string(), "generation": "1"});
            objects.insert(name, body);
            HttpReply::json(200, &object)
        }
        other => panic!("nobody documents {other:?}"),
    }
}

/// Name and content of a `multipart/related` body.
fn parts_of(request: &HttpRequest) -> (String, Vec<u8>) {
    let boundary = request
        .header("content-type")
        .split("boundary=")
        .nth(1)
        .unwrap();
    let body = String::from_utf8(request.body.clone()).expect("text");
    let boundary = format!("--{boundary}");
    let mut parts = body.split(&boundary).skip(1).map(|part| {
        let (_, content) = part.split_once("\r\n\r\n").unwrap_or_default();
        content.strip_suffix("\r\n").unwrap_or(content)
    });
    let metadata: Value = serde_json::from_str(parts.next().unwrap()).expect("JSON");
    let content = parts.next().unwrap().as_bytes().to_vec();
    (metadata["name"].as_str().unwrap().to_owned(), content)
}

#[test]
fn files_go_to_google_cloud_storage_as_with_sops() {
    let sandbox = Sandbox::new();
    let objects = Objects::default();
    let server = {
        let objects = Arc::clone(&objects);
        HttpServer::start(move |request| storage(request, &objects))
    };
    let host = server.url().replace("http://", "");
    let around = |case: Case| case.env("STORAGE_EMULATOR_HOST", &host);
    let bob = age_key("bob").recipient;
    rules(
        &sandbox,
        &format!(
            "- {{path_regex: ^raw/, gcs_bucket: bkt, gcs_prefix: 'a +ä/', omit_extensions: true}}\n\
             - {{path_regex: ^anew/, gcs_bucket: bkt, recreation_rule: {{age: {bob}}}}}\n\
             - {{path_regex: ^no/, gcs_bucket: other}}\n"
        ),
    );
    for name in ["raw/f.yaml", "anew/g.yaml", "no/f.yaml"] {
        sandbox.encrypted(name, PLAIN);
    }
    let path = sandbox.path("raw/f.yaml").display().to_string();
    let question = format!("uploading {path} to gcs://bkt/a +ä/f ? (y/n): ");
    let args = ["publish", "raw/f.yaml"];
    around(sandbox.sops(args))
        .stdin("y\n")
        .expect_stdout(&question)
        .run();
    let theirs = std::mem::take(&mut *objects.lock().unwrap());
    let run = around(sandbox.bulla(args))
        .stdin("y\n")
        .expect_stdout(&question);
    run.expect_stderr_has("gcs://bkt/a +ä/f: published").run();
    assert_eq!(*objects.lock().unwrap(), theirs);
    assert_eq!(theirs["a +ä/f"], sandbox.read("raw/f.yaml"));
    // the same is not written
    let before = server.asked().len();
    around(sandbox.bulla(["publish", "-y", "raw/f.yaml"]))
        .expect_stderr_has("the same already")
        .run();
    let asked = server.asked().split_off(before);
    assert!(asked.iter().all(|request| request.method == "GET"));

    let anew = ["publish", "-y", "anew/g.yaml"];
    around(sandbox.bulla(anew)).any_stdout().any_stderr().run();
    let made = objects.lock().unwrap()["g.yaml"].clone();
    sandbox
        .file("bob.yaml", &made)
        .sops(["decrypt", "bob.yaml"])
        .identity("bob")
        .any_stdout()
        .run();
    around(sandbox.bulla(anew))
        .any_stdout()
        .expect_stderr_has("the same already")
        .run();
    assert_eq!(objects.lock().unwrap()["g.yaml"], made);

    around(sandbox.bulla(["publish", "-y", "no/f.yaml"]))
        .status(1)
        .expect_stderr_has(
            "gcs://other/f.yaml: Google Cloud Storage: NOT_FOUND: The specified bucket",
        )
        .expect_stderr_has("hint: is the bucket's name right")
        .run();
}

/// The versions of each secret.
type Secrets = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

const TOKEN: &str = "ya29.hunter3";

/// Secret Manager with the project `acme`: `secrets` creates one, `:addVersion` adds a version to
/// it, `versions/latest:access` reads the latest.
fn secret_manager(request: &HttpRequest, secrets: &Secrets) -> HttpReply {
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return google_error(401, "UNAUTHENTICATED", "Request had invalid credentials.");
    }
    let path = request.path.split('?').next().unwrap();
    let Some(rest) = path.strip_prefix("/v1/projects/acme/secrets") else {
        return google_error(
            403,
            "PERMISSION_DENIED",
            "Permission denied on resource project.",
        );
    };
    let mut secrets = secrets.lock().unwrap();
    let name = |rest: &str| {
        rest.trim_start_matches('/')
            .split(['/', ':'])
            .next()
            .unwrap()
            .to_owned()
    };
    let missing = |name: &str| {
        let message = format!("Secret [projects/1/secrets/{name}] not found or has no versions.");
        google_error(404, "NOT_FOUND", &message)
    };
    match request.method.as_str() {
        "POST" if rest.is_empty() => {
            let id = query(&request.path)["secretId"].clone();
            let replication = &request.json()["replication"];
            let is_known = *replication == json!({"automatic": {}})
                || replication["userManaged"]["replicas"][0]["location"].is_string();
            assert!(is_known, "{replication}");
            if secrets.contains_key(&id) {
                return google_error(409, "ALREADY_EXISTS", "Secret already exists.");
            }
            secrets.insert(id.clone(), Vec::new());
            HttpReply::json(200, &json!({"name": format!("projects/1/secrets/{id}")}))
        }
        "POST" if rest.ends_with(":addVersion") => {
            let name = name(rest);
            let Some(versions) = secrets.get_mut(&name) else {
                return missing(&name);
            };
            let data = request.json()["payload"]["data"]
                .as_str()
                .unwrap()
                .to_owned();
            versions.push(String::from_utf8(STANDARD.decode(data).unwrap()).unwrap());
            HttpReply::json(200, &json!({"state": "ENABLED"}))
        }
        "GET" if rest.ends_with("/versions/latest:access") => {
            let name = name(rest);
            match secrets.get(&name).and_then(|versions| versions.last()) {
                Some(latest) if latest == "disabled" => {
                    google_error(400, "FAILED_PRECONDITION", "It is in DISABLED state.")
                }
                Some(latest) => {
                    let payload = json!({"data": STANDARD.encode(latest), "dataCrc32c": "1"});
                    HttpReply::json(200, &json!({ "payload": payload }))
                }
                None => missing(&name),
            }
        }
        other => panic!("nobody documents {other} {rest}"),
    }
}

#[test]
fn values_go_to_the_secret_manager_of_google() {
    let sandbox = Sandbox::new();
    let secrets = Secrets::default();
    let cloud = {
        let secrets = Arc::clone(&secrets);
        Cloud::start(&["secretmanager.local.example"], move |_, request| {
            secret_manager(request, &secrets)
        })
    };
    let run = |args: &[&str]| {
        let case = cloud.around(sandbox.bulla(["publish"].iter().chain(args)));
        let case = case.env("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "local.example");
        let case = case.env("GOOGLE_OAUTH_ACCESS_TOKEN", TOKEN);
        case.never_says("hunter2").never_says(TOKEN)
    };
    rules(
        &sandbox,
        "- {path_regex: ^one/, omit_extensions: true, bulla: {gcp_secret_manager: {project: acme, prefix: app_, locations: [europe-west1]}}}\n\
         - {path_regex: ^each/, bulla: {gcp_secret_manager: {project: acme, content: values}, external_secret: {store: gcp}}}\n\
         - {path_regex: ^file/, bulla: {gcp_secret_manager: {project: acme, content: file}}}\n\
         - {path_regex: ^no/, bulla: {gcp_secret_manager: {project: other}}}\n",
    );
    for folder in ["one", "each", "file", "no"] {
        sandbox.encrypted(&format!("{folder}/f.yaml"), PLAIN);
    }
    let there = |name: &str| secrets.lock().unwrap()[name].clone();

    run(&["--dry-run", "one/f.yaml"])
        .expect_stdout(
            "one/f.yaml -> projects/acme/secrets/app_f: added\n    added: opts.tls\n    added: password\n    added: user\n",
        )
        .run();
    assert!(secrets.lock().unwrap().is_empty());
    let one = ["-y", "one/f.yaml"];
    run(&one)
        .expect_stderr_has("projects/acme/secrets/app_f: published")
        .run();
    let data: Value = serde_json::from_str(&there("app_f")[0]).unwrap();
    assert_eq!(
        data,
        json!({"user": "alice", "password": "hunter2", "opts": {"tls": true}})
    );
    // no version more, until something is another
    run(&one).expect_stderr_has("the same already").run();
    assert_eq!(there("app_f").len(), 1);
    sandbox
        .bulla(["set", "one/f.yaml", "[\"user\"]", "\"bob\""])
        .run();
    run(&["--dry-run", "one/f.yaml"])
        .expect_stdout("one/f.yaml -> projects/acme/secrets/app_f: changed\n    changed: user\n")
        .run();
    run(&one).any_stderr().run();
    assert_eq!(there("app_f").len(), 2);
    // a version that nobody can read is none
    secrets
        .lock()
        .unwrap()
        .insert("app_f".to_owned(), vec!["disabled".to_owned()]);
    run(&one).any_stderr().run();
    assert_eq!(there("app_f").len(), 2);

    let manifest = run(&["-y", "each/f.yaml"])
        .any_stdout()
        .any_stderr()
        .run()
        .text();
    assert_eq!(there("f-yaml-opts-tls"), ["true"]);
    assert_eq!(there("f-yaml-password"), ["hunter2"]);
    assert!(
        manifest.contains(
            "    - secretKey: opts.tls\n      remoteRef:\n        key: f-yaml-opts-tls\n"
        ),
        "{manifest}"
    );
    run(&["-y", "file/f.yaml"]).any_stderr().run();
    assert_eq!(there("f-yaml"), [PLAIN]);

    run(&["-y", "no/f.yaml"])
        .status(1)
        .expect_stderr_has("PERMISSION_DENIED")
        .expect_stderr_has("hint: it takes the permission secretmanager.versions.add")
        .run();
    run(&one)
        .env("GOOGLE_OAUTH_ACCESS_TOKEN", "old")
        .status(1)
        .expect_stderr_has("UNAUTHENTICATED")
        .expect_stderr_has("hint: the token is none, or too old")
        .run();
}

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// An authority that gives a token to whoever knows the secret of the application.
fn authority(request: &HttpRequest) -> HttpReply {
    assert_eq!(request.path, format!("/{TENANT}/oauth2/v2.0/token"));
    let form = query(&format!("?{}", String::from_utf8_lossy(&request.body)));
    assert_eq!(form["client_secret"], "hunter4");
    let token = URL_SAFE_NO_PAD.encode(&form["scope"]);
    HttpReply::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token}),
    )
}

/// A vault: `secrets/NAME` is read by `GET` and set by `PUT`.
fn vault(request: &HttpRequest, secrets: &Secrets) -> HttpReply {
    let error = |status, code: &str, inner: Option<&str>| {
        let mut error = json!({"code": code, "message": format!("it is {code}")});
        if let Some(inner) = inner {
            error["innererror"] = json!({ "code": inner });
        }
        HttpReply::json(status, &json!({ "error": error }))
    };
    let token = URL_SAFE_NO_PAD.encode("https://vault.azure.net/.default");
    if request.header("authorization") != format!("Bearer {token}") {
        assert!(request.body.is_empty(), "a secret before a token");
        let asks = format!(
            "Bearer authorization=\"https://login.microsoftonline.com/{TENANT}\", resource=\"https://vault.azure.net\""
        );
        return error(401, "Unauthorized", None).with("WWW-Authenticate", asks);
    }
    let (path, query) = request.path.split_once('?').unwrap();
    assert_eq!(query, "api-version=7.4");
    let name = path.strip_prefix("/secrets/").expect("a secret").to_owned();
    let mut secrets = secrets.lock().unwrap();
    let versions = secrets.entry(name.clone()).or_default();
    match request.method.as_str() {
        "GET" => match versions.last().map(String::as_str) {
            Some("disabled") => error(403, "Forbidden", Some("SecretDisabled")),
            Some(value) => HttpReply::json(200, &json!({"value": value, "id": name})),
            None => error(404, "SecretNotFound", None),
        },
        "PUT" if name == "deleted" => error(409, "Conflict", Some("ObjectIsDeletedButRecoverable")),
        "PUT" => {
            let body = request.json();
            let value = body["value"].as_str().expect("a value").to_owned();
            let is_json =
                serde_json::from_str::<Value>(&value).is_ok_and(|value| value.is_object());
            assert_eq!(body["contentType"] == json!("application/json"), is_json);
            versions.push(value);
            HttpReply::json(200, &json!({"id": name}))
        }
        other => panic!("nobody documents {other}"),
    }
}

#[test]
fn values_go_to_azure_key_vault() {
    let sandbox = Sandbox::new();
    let secrets = Secrets::default();
    let hosts = &[
        "login.microsoftonline.com",
        "v.vault.azure.net",
        "evil.example",
    ];
    let cloud = {
        let secrets = Arc::clone(&secrets);
        Cloud::start(hosts, move |host, request| match host {
            "login.microsoftonline.com" => authority(request),
            "v.vault.azure.net" => vault(request, &secrets),
            _ => panic!("nobody is to ask {host}"),
        })
    };
    let run = |args: &[&str]| {
        let case = cloud.around(sandbox.bulla(["publish"].iter().chain(args)));
        let case = case
            .env("AZURE_TENANT_ID", TENANT)
            .env("AZURE_CLIENT_ID", "app");
        let case = case.env("AZURE_CLIENT_SECRET", "hunter4");
        case.never_says("hunter2").never_says("hunter4")
    };
    let vault = "vault: 'https://v.vault.azure.net'";
    rules(
        &sandbox,
        &format!(
            "- {{path_regex: ^one/, omit_extensions: true, bulla: {{azure_key_vault: {{{vault}, prefix: app-}}, external_secret: {{store: az}}}}}}\n\
             - {{path_regex: ^each/, omit_extensions: true, bulla: {{azure_key_vault: {{{vault}, content: values}}}}}}\n\
             - {{path_regex: ^deleted, omit_extensions: true, bulla: {{azure_key_vault: {{{vault}}}}}}}\n\
             - {{path_regex: ^evil/, bulla: {{azure_key_vault: {{vault: 'https://evil.example'}}}}}}\n"
        ),
    );
    for name in ["one/f.yaml", "each/a_b.yaml", "deleted.yaml", "evil/f.yaml"] {
        sandbox.encrypted(name, PLAIN);
    }
    let there = |name: &str| secrets.lock().unwrap()[name].clone();
    let place = "https://v.vault.azure.net/secrets";

    let one = ["-y", "one/f.yaml"];
    run(&["--dry-run", "one/f.yaml"])
        .expect_stdout_has(&format!("one/f.yaml -> {place}/app-f: added\n"))
        .run();
    assert!(there("app-f").is_empty());
    run(&one)
        .expect_stdout_has("        key: app-f\n")
        .expect_stderr_has(&format!("{place}/app-f: published"))
        .run();
    let data: Value = serde_json::from_str(&there("app-f")[0]).unwrap();
    assert_eq!(data["opts"], json!({"tls": true}));
    run(&one)
        .any_stdout()
        .expect_stderr_has("the same already")
        .run();
    assert_eq!(there("app-f").len(), 1);
    // one that is disabled cannot be looked at, and is set all the same
    secrets
        .lock()
        .unwrap()
        .insert("app-f".to_owned(), vec!["disabled".to_owned()]);
    run(&one)
        .any_stdout()
        .expect_stderr_has("it cannot be told what is there")
        .expect_stderr_has("published")
        .run();
    assert_eq!(there("app-f").len(), 2);

    run(&["-y", "each/a_b.yaml"]).any_stderr().run();
    assert_eq!(there("a-b-opts-tls"), ["true"]);
    assert_eq!(there("a-b-password"), ["hunter2"]);

    run(&["-y", "deleted.yaml"])
        .status(1)
        .expect_stderr_has("ObjectIsDeletedButRecoverable")
        .expect_stderr_has("hint: was a secret of this name deleted?")
        .run();
    // no token goes to a host that is none of Azure's
    cloud.connected();
    run(&["-y", "evil/f.yaml"])
        .status(1)
        .expect_stderr_has("evil.example is no host of Azure's vaults")
        .run();
    assert!(cloud.connected().is_empty());
}
