//! Signatures of requests by `SDK-HMAC-SHA256`, as Huawei Cloud's guide to signing defines it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// How `x-sdk-date` is written, as `strftime` has it.
pub const DATE: &str = "%Y%m%dT%H%M%SZ";

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// What is signed.
pub struct Request<'r> {
    /// In capitals.
    pub method: &'r str,
    /// Made of letters that need no escape.
    pub path: &'r str,
    /// Sorted, and of letters that need no escape.
    pub query: &'r str,
    /// The body.
    pub body: &'r str,
    /// By names in small letters; `x-sdk-date` is one of them.
    pub headers: Vec<(&'static str, String)>,
}

/// The headers of a request, its signature among them.
pub struct Signed(Vec<(&'static str, String)>);

impl Signed {
    /// In no order that matters.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl Request<'_> {
    /// Signs with a pair of access keys.
    #[must_use]
    pub fn by(mut self, access: &str, secret: &str) -> Signed {
        self.headers.sort_unstable();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let date = self.headers.iter().find(|(name, _)| *name == "x-sdk-date");
        let date = date.map_or("", |(_, date)| date);
        let request = hex(&Sha256::digest(self.canonical(&names)));
        let text = format!("{ALGORITHM}\n{date}\n{request}");
        let signature = hex(&hmac(secret.as_bytes(), text.as_bytes()));
        let value =
            format!("{ALGORITHM} Access={access}, SignedHeaders={names}, Signature={signature}");
        let mut headers = self.headers;
        headers.push(("authorization", value));
        Signed(headers)
    }

    fn canonical(&self, names: &str) -> String {
        let slash = if self.path.ends_with('/') { "" } else { "/" };
        let line = |(name, value): &(&str, String)| format!("{name}:{}\n", value.trim());
        let headers: String = self.headers.iter().map(line).collect();
        let body = hex(&Sha256::digest(self.body));
        format!(
            "{}\n{}{slash}\n{}\n{headers}\n{names}\n{body}",
            self.method, self.path, self.query
        )
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    // HMAC takes keys of any length
    let mut mac = mac.expect("a key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(method: &str, query: &str, body: &str) -> String {
        let request = Request {
            method,
            path: "/path",
            query,
            body,
            headers: vec![("x-sdk-date", "20060102T150405Z".to_owned())],
        };
        let signed = request.by("AccessKey", "SecretKey");
        let found = signed.headers().find(|(name, _)| *name == "authorization");
        found.expect("a signature").1.to_owned()
    }

    #[test]
    fn it_is_what_the_vendors_own_vectors_say() {
        let expected = "SDK-HMAC-SHA256 Access=AccessKey, SignedHeaders=x-sdk-date, Signature=";
        assert_eq!(
            signature("GET", "limit=1", ""),
            format!("{expected}5a2ce64c865e0e6046321c6f3d5a77ba8413eeaf355c3166c03d58d02ac79624")
        );
        assert_eq!(
            signature("POST", "key=value", "{\"Name\":\"test\",\"Id\":1}\n"),
            format!("{expected}cecc2af119b18ab70b4d094c0750f3b42c02f254903179a0fc2cc72fc9db4f59")
        );
    }
}
