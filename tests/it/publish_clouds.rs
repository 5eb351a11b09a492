//! `publish` to the stores of Google and Azure, which are small servers here that do what the
//! documentation of each says, and check whatever they are sent.

use crate::support::http::{HttpReply, HttpRequest, HttpServer};
use crate::support::{Case, Sandbox, age_key};
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
