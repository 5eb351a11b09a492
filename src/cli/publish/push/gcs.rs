//! Google Cloud Storage: a file is an object.

use super::gcp::{Api, Request, Service};
use super::target::{Entry, Found, Target, Work, percent_encoded};
use crate::cli::Context;
use crate::cli::environment::STORAGE_EMULATOR_HOST;
use crate::config::Bucket;
use crate::keys::ServiceError;
use futures_util::FutureExt;
use reqwest::{Method, StatusCode};

static SERVICE: Service = Service {
    title: "Google Cloud Storage",
    host: "storage",
    emulator: Some(STORAGE_EMULATOR_HOST),
};

/// A bucket.
pub struct Gcs<'c> {
    api: Api<'c>,
    bucket: Bucket,
}

impl<'c> Gcs<'c> {
    /// The bucket that a rule names.
    #[must_use]
    pub fn new(context: &'c Context, bucket: &Bucket) -> Self {
        Self {
            api: Api::new(context, &SERVICE),
            bucket: bucket.clone(),
        }
    }

    async fn get(&self, name: &str) -> Result<Found, ServiceError> {
        let (bucket, name) = self.encoded(name);
        let request = Request {
            method: Method::GET,
            path: &format!("/storage/v1/b/{bucket}/o/{name}?alt=media"),
            content_type: "application/octet-stream",
            body: &[],
            permission: "storage.objects.get",
        };
        Ok(match self.api.send(&request).await? {
            Ok(reply) => Found::Content(reply.body),
            Err((reply, _)) if reply.status == StatusCode::NOT_FOUND => Found::Nothing,
            // who may only write is not told whether there is anything
            Err((reply, error)) if reply.status == StatusCode::FORBIDDEN => Found::Unknown(error),
            Err((_, error)) => return Err(error),
        })
    }

    async fn put(&self, entry: &Entry) -> Result<(), ServiceError> {
        let (bucket, name) = self.encoded(&entry.name);
        let request = Request {
            method: Method::POST,
            path: &format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"),
            content_type: "application/octet-stream",
            body: &entry.content,
            permission: "storage.objects.create, and to write over an object storage.objects.delete",
        };
        let answer = self.api.send(&request).await?;
        answer
            .map(drop)
            .map_err(|(reply, error)| match reply.status {
                StatusCode::NOT_FOUND => error.hint("is the bucket's name right, and is it there?"),
                _ => error,
            })
    }

    fn encoded(&self, name: &str) -> (String, String) {
        let bucket = percent_encoded(&self.bucket.bucket, "");
        (bucket, percent_encoded(name, ""))
    }
}

impl Target for Gcs<'_> {
    fn name(&self, file: &str, _: &[String]) -> Result<String, String> {
        let name = format!("{}{file}", self.bucket.prefix);
        if name == "." || name == ".." {
            return Err(format!("{name:?}: no object is called like this"));
        }
        Ok(name)
    }

    fn place(&self, name: &str) -> String {
        format!("gcs://{}/{name}", self.bucket.bucket)
    }

    fn read<'a>(&'a self, name: &'a str) -> Work<'a, Found> {
        self.get(name).boxed_local()
    }

    fn write<'a>(&'a self, entry: &'a Entry, _: &'a Found) -> Work<'a, ()> {
        self.put(entry).boxed_local()
    }
}
