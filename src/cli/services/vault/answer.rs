//! What Vault and OpenBao answer: a value, or an error with the next step.

use crate::cli::services::http::Reply;
use crate::cli::services::limits::Trouble;
use crate::keys::ServiceError;
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

/// The most characters of a server's own words that are repeated.
const MOST: usize = 300;

/// A request as errors tell of it.
pub struct Asked<'a> {
    /// The server.
    pub server: &'a Url,
    /// How.
    pub method: &'a Method,
    /// For what, as policies spell it: `transit/decrypt/KEY`.
    pub path: &'a str,
    /// Whether there was a token to send.
    pub with_token: bool,
}

impl Asked<'_> {
    /// The value of an answer; `None` where nothing is at that place.
    ///
    /// # Errors
    /// Where the server did not do as it was asked.
    pub fn value(&self, reply: &Reply) -> Result<Option<Value>, Trouble> {
        let json = reply.json();
        if reply.status.is_success() {
            return Ok(Some(json.unwrap_or_default()));
        }
        let reasons = json.as_ref().map(reasons).unwrap_or_default();
        if reply.status == StatusCode::NOT_FOUND && json.is_some() && reasons.is_empty() {
            return Ok(None);
        }
        if reply.status.is_redirection() {
            return Err(Trouble::lasting(self.redirected(reply)));
        }
        let is_sealed = reasons.contains("sealed");
        let error = self.refused(reply.status, &reasons);
        // what Vault calls a standby, or not yet up to date, is so for a moment
        let is_passing = matches!(reply.status.as_u16(), 412 | 472 | 473);
        Err(if is_sealed {
            Trouble::lasting(error)
        } else if is_passing {
            Trouble::passing(error, None)
        } else {
            reply.trouble(error)
        })
    }

    /// An error about this request.
    pub fn error(&self, reason: &str) -> ServiceError {
        let (server, path) = (origin(self.server), self.path);
        ServiceError::new(format!("Vault at {server}: {path}: {reason}"))
    }

    fn refused(&self, status: StatusCode, reasons: &str) -> ServiceError {
        let said = said(reasons);
        let number = status.as_u16();
        let reason = match said.as_str() {
            "" => format!("the answer has status {number}, and says no more"),
            said => format!("{said} (status {number})"),
        };
        let error = self.error(&reason);
        let has = |words: &[&str]| words.iter().any(|word| reasons.contains(word));
        if has(&["missing client token"]) || number == 403 && !self.with_token {
            return error.hint(
                "there is no token: set VAULT_TOKEN, or let `vault login` (`bao login`) write \
                 ~/.vault-token; token helpers are not asked",
            );
        }
        if number == 403 {
            return self.denied(error, has(&["error occurred"]) && !has(&["invalid token"]));
        }
        match self.advice(number, &has) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// A token that may not. Servers word it differently where there is a token, but no right.
    fn denied(&self, error: ServiceError, is_policy: bool) -> ServiceError {
        let capability = match *self.method {
            Method::GET => "read",
            Method::DELETE => "delete",
            _ => "update",
        };
        let path = self.path;
        let policy = format!(
            "the token's policy must hold: path \"{path}\" {{ capabilities = [\"{capability}\"] }}"
        );
        if is_policy {
            return error.hint(policy);
        }
        error
            .hint(
                "the token may have expired or been revoked, or be of another server or namespace \
                 (VAULT_NAMESPACE): `vault token lookup` tells, `vault login` makes a new one",
            )
            .hint(format!("if it is valid, {policy}"))
    }

    fn advice(&self, status: u16, has: &dyn Fn(&[&str]) -> bool) -> Option<&'static str> {
        let hint = if has(&["no handler for route"]) {
            "no engine is mounted there: is the path of the engine right, and VAULT_NAMESPACE?"
        } else if has(&["key not found"]) {
            "there is no such key: is its name right, and VAULT_NAMESPACE, or was it deleted?"
        } else if has(&["too old"]) {
            "the key's min_decryption_version is above the version that this was encrypted with: \
             lower it, then write the file anew with `bulla rotate`"
        } else if has(&["ciphertext", "message authentication"]) {
            "what the file holds for this key was changed, or is of another key of that name: \
             compare it with the last good version in git"
        } else if has(&["sealed"]) {
            "an operator has to unseal the server"
        } else if status == 429 {
            "the server has a limit on requests: wait a moment"
        } else if status >= 500 || matches!(status, 472 | 473) {
            "is the server up and active? `vault status` tells"
        } else {
            return None;
        };
        Some(hint)
    }

    fn redirected(&self, reply: &Reply) -> ServiceError {
        let location = reply.headers.get(LOCATION);
        let location = location.and_then(|to| to.to_str().ok()?.parse::<Url>().ok());
        let to = location.map_or_else(|| "another place".to_owned(), |to| origin(&to));
        self.error(&format!("sent on to {}, which was not followed", said(&to)))
            .hint(
                "the token is for the server that was named: if a standby sends on to the active \
                 server, let VAULT_AGENT_ADDR or the key's address be one that answers itself",
            )
    }
}

/// An address without what may be secret.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The errors that an answer lists, one a line.
fn reasons(answer: &Value) -> String {
    let errors = answer.get("errors").and_then(Value::as_array);
    let errors = errors.into_iter().flatten().filter_map(Value::as_str);
    errors.collect::<Vec<_>>().join("\n")
}

/// A server's own words in one line, without what a terminal would obey.
fn said(words: &str) -> String {
    let lines = words
        .lines()
        .map(|line| line.trim().trim_start_matches("* "));
    let lines = lines.filter(|line| !line.is_empty() && !line.ends_with("occurred:"));
    let line = lines.collect::<Vec<_>>().join("; ");
    let shown = line.chars().filter(|c| !c.is_control());
    shown.take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_one_plain_line() {
        let words = "1 error occurred:\n\t* permission denied\n\n";
        assert_eq!(said(words), "permission denied");
        let words = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";
        assert_eq!(said(words), "permission denied; invalid token");
        assert_eq!(said("a\u{1b}[31mb\r\nc"), "a[31mb; c");
        assert_eq!(said(&"x".repeat(1000)).len(), MOST);
    }
}
