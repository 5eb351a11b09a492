//! The service over REST: `POST /v1/NAME:encrypt` and `:decrypt`, bytes as base64, 64-bit numbers
//! as text.

use super::kms::{Asked, Done, Kms, Refusal};
use crate::support::http::{HttpReply, HttpRequest, HttpServer};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Starts a server; the base path is `/base`.
pub(crate) fn start(kms: &Arc<Kms>) -> HttpServer {
    let kms = Arc::clone(kms);
    HttpServer::start(move |request| reply(&kms, request))
}

/// The answer to a request.
pub(crate) fn reply(kms: &Kms, request: &HttpRequest) -> HttpReply {
    let asked = match asked(request) {
        Ok(asked) => asked,
        Err(reason) => {
            let error = json!({"code": 400, "message": reason, "status": "INVALID_ARGUMENT"});
            return HttpReply::json(400, &json!({"error": error}));
        }
    };
    let verb = asked.verb;
    match kms.answer(asked) {
        Ok(done) => HttpReply::json(200, &answered(verb, &done)),
        Err(refusal) => HttpReply::json(refusal.http, &refused(&refusal)),
    }
}

/// A request, every part of which is looked at.
fn asked(request: &HttpRequest) -> Result<Asked, String> {
    let named = request.path.strip_prefix("/base/v1/");
    let (name, verb) = named
        .and_then(|named| named.rsplit_once(':'))
        .ok_or_else(|| format!("no such path: {}", request.path))?;
    let (verb, field) = match verb {
        "encrypt" => ("encrypt", "plaintext"),
        "decrypt" => ("decrypt", "ciphertext"),
        _ => return Err(format!("no such verb: {verb}")),
    };
    if request.method != "POST" || request.header("content-type") != "application/json" {
        return Err("not JSON that is posted".to_owned());
    }
    let routing = format!("name={}", name.replace('/', "%2F"));
    if request.header("x-goog-request-params") != routing {
        return Err("wrong routing".to_owned());
    }
    let Value::Object(body) = request.json() else {
        return Err("no JSON".to_owned());
    };
    let sum = format!("{field}Crc32c");
    if let Some(other) = body.keys().find(|name| **name != field && **name != sum) {
        return Err(format!("Unknown name \"{other}\": Cannot find field."));
    }
    let bytes = body.get(field).and_then(Value::as_str).unwrap_or_default();
    let bearer = request.header("authorization").strip_prefix("Bearer ");
    Ok(Asked {
        verb,
        name: name.to_owned(),
        bytes: BASE64_STANDARD
            .decode(bytes)
            .map_err(|_| "Base64 decoding failed".to_owned())?,
        checksum: body.get(&sum).and_then(|sum| sum.as_str()?.parse().ok()),
        bearer: bearer.unwrap_or_default().to_owned(),
        quota_project: request.header("x-goog-user-project").to_owned(),
    })
}

fn answered(verb: &str, done: &Done) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let bytes = BASE64_STANDARD.encode(&done.bytes);
    let sum = done.checksum.map(|sum| json!(sum.to_string()));
    let field = if verb == "encrypt" {
        put("name", json!(done.version));
        put("protectionLevel", json!("SOFTWARE"));
        // what is false is left out
        if done.verified {
            put("verifiedPlaintextCrc32c", json!(true));
        }
        "ciphertext"
    } else {
        put("usedPrimary", json!(true));
        "plaintext"
    };
    put(field, json!(bytes));
    if let Some(sum) = sum {
        put(&format!("{field}Crc32c"), sum);
    }
    Value::Object(fields)
}

fn refused(refusal: &Refusal) -> Value {
    let mut details = Vec::new();
    if let Some((reason, facts)) = &refusal.info {
        let facts: Map<String, Value> = facts
            .iter()
            .map(|(name, fact)| (name.clone(), json!(fact)))
            .collect();
        details.push(json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason, "domain": "googleapis.com", "metadata": facts}));
    }
    if let Some(milliseconds) = refusal.retry {
        let delay = format!("{}s", f64::from(milliseconds) / 1000.0);
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": delay}));
    }
    json!({"error": {"code": refusal.http, "message": refusal.message,
        "status": refusal.status, "details": details}})
}
