//! Amazon S3, and what speaks as it does: a file is an object.

use super::aws::{Api, Place, Request, Service};
use super::target::{Entry, Found, Target, Work, percent_encoded};
use crate::cli::Context;
use crate::config::Bucket;
use crate::keys::ServiceError;
use futures_util::FutureExt;
use reqwest::Method;
use std::net::IpAddr;

static SERVICE: Service = Service {
    title: "S3",
    id: "S3",
    name: "s3",
    target: "",
};

/// A bucket.
pub struct S3<'c> {
    api: Api<'c>,
    bucket: Bucket,
}

impl<'c> S3<'c> {
    /// The bucket that a rule names.
    #[must_use]
    pub fn new(context: &'c Context, bucket: &Bucket) -> Self {
        Self {
            api: Api::new(context, &SERVICE, None, None),
            bucket: bucket.clone(),
        }
    }

    /// Path, and what stands in front of the host: the bucket, where that makes a name that there
    /// is and a certificate is for; else it is a part of the path. As the clients of AWS do it.
    fn address(&self, place: &Place, key: &str) -> (String, String) {
        let bucket = &self.bucket.bucket;
        let key = percent_encoded(key, "/");
        let host = place
            .endpoint
            .split_once("://")
            .map_or("", |(_, host)| host);
        let is_label = |label: &str| {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !label.is_empty() && label.bytes().all(fits)
        };
        let is_tls = place.endpoint.starts_with("https:");
        let has_dots = bucket.contains('.');
        let is_name = bucket.split('.').all(is_label) && !(is_tls && has_dots);
        if is_name && !is_address(host) {
            return (format!("/{key}"), format!("{bucket}."));
        }
        let bucket = percent_encoded(bucket, "");
        (format!("/{bucket}/{key}"), String::new())
    }

    async fn get(&self, key: &str) -> Result<Found, ServiceError> {
        let place = self.api.place().await?;
        let (path, host_prefix) = self.address(&place, key);
        let request = Request {
            method: Method::GET,
            path: &path,
            host_prefix: &host_prefix,
            headers: &[],
            body: &[],
            permission: "s3:GetObject",
        };
        Ok(match self.api.send(&place, &request).await? {
            Ok(reply) => Found::Content(reply.body),
            Err(refusal) => match &*refusal.code {
                "NoSuchKey" | "NotFound" => Found::Nothing,
                // who may only write is not told whether there is anything
                "AccessDenied" => Found::Unknown(refusal.error),
                _ => return Err(refusal.error),
            },
        })
    }

    async fn put(&self, key: &str, content: &[u8]) -> Result<(), ServiceError> {
        let place = self.api.place().await?;
        let (path, host_prefix) = self.address(&place, key);
        let request = Request {
            method: Method::PUT,
            path: &path,
            host_prefix: &host_prefix,
            headers: &[("content-type", "application/octet-stream")],
            body: content,
            permission: "s3:PutObject",
        };
        let answer = self.api.send(&place, &request).await?;
        answer.map(drop).map_err(|refusal| refusal.error)
    }
}

/// Whether nothing can stand in front of a host: an address, or this machine.
fn is_address(host: &str) -> bool {
    let name = host.split('/').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => name,
    };
    let name = name.trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

impl Target for S3<'_> {
    fn name(&self, file: &str, _: &[String]) -> Result<String, String> {
        let name = format!("{}{file}", self.bucket.prefix);
        if name.split('/').any(|part| part == "." || part == "..") {
            return Err(format!("{name:?}: a part of it is . or .."));
        }
        Ok(name)
    }

    fn place(&self, name: &str) -> String {
        format!("s3://{}/{name}", self.bucket.bucket)
    }

    fn read<'a>(&'a self, name: &'a str) -> Work<'a, Found> {
        self.get(name).boxed_local()
    }

    fn write<'a>(&'a self, entry: &'a Entry, _: &'a Found) -> Work<'a, ()> {
        self.put(&entry.name, &entry.content).boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_in_front_of_an_address() {
        for host in [
            "127.0.0.1:9000",
            "127.0.0.1",
            "[::1]:9000",
            "localhost:1",
            "10.0.0.1/s3",
        ] {
            assert!(is_address(host), "{host}");
        }
        for host in [
            "s3.eu-west-1.amazonaws.com",
            "minio.example:9000",
            "localhost.example",
        ] {
            assert!(!is_address(host), "{host}");
        }
    }
}
