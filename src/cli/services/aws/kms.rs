//! Wrapping and unwrapping with keys of AWS KMS.

use super::attempts::NotThere;
use super::{Aws, errors};
use crate::cli::environment::Environment;
use crate::keys::{KmsAddress, ServiceError, Wrapped};
use aws_sdk_kms::primitives::Blob;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::collections::HashMap;
use zeroize::Zeroizing;

impl Aws {
    /// Wraps a part for a key.
    ///
    /// # Errors
    /// Why KMS did not do it, or was not reached.
    pub async fn wrap(
        &self,
        environment: &Environment,
        key: &KmsAddress,
        part: &[u8],
    ) -> Result<Wrapped, ServiceError> {
        let request = self.kms(environment, key).await?.encrypt();
        let request = request
            .key_id(&key.arn)
            .plaintext(Blob::new(part))
            .set_encryption_context(context(key));
        // a future of the SDK is large
        let answer = Box::pin(request.send()).await;
        let answer = answer.map_err(|error| errors::of_key(errors::ENCRYPT, key, &error))?;
        let blob = answer.ciphertext_blob.ok_or_else(nothing)?;
        Ok(Wrapped::new(BASE64_STANDARD.encode(blob)))
    }

    /// Unwraps what a key wrapped.
    ///
    /// # Errors
    /// As [`Self::wrap`], and where `enc` is no base64.
    pub async fn unwrap(
        &self,
        environment: &Environment,
        key: &KmsAddress,
        enc: &str,
    ) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let blob = BASE64_STANDARD.decode(enc).map_err(|_| {
            ServiceError::new("AWS KMS: what stands under `enc` is no base64")
                .hint("the file was changed by hand, or cut; is there an older version?")
        })?;
        let request = self.kms(environment, key).await?.decrypt();
        let request = request
            .key_id(&key.arn)
            .ciphertext_blob(Blob::new(blob))
            .set_encryption_context(context(key));
        let answer = Box::pin(request.send()).await;
        let answer = answer.map_err(|error| errors::of_key(errors::DECRYPT, key, &error))?;
        let part = answer.plaintext.ok_or_else(nothing)?;
        Ok(Zeroizing::new(part.into_inner()))
    }

    /// The client for a key: in its region, as its profile and role.
    async fn kms(
        &self,
        environment: &Environment,
        key: &KmsAddress,
    ) -> Result<aws_sdk_kms::Client, ServiceError> {
        let region = key.region().ok_or_else(|| {
            ServiceError::new(format!("AWS KMS: {:?} is no ARN of a key", key.arn))
                .hint("an ARN looks like arn:aws:kms:eu-west-1:111122223333:key/ID")
        })?;
        let (profile, role) = (&key.aws_profile, &key.role);
        let config = self.config(environment, profile, role, Some(region));
        let config = Box::pin(config).await?;
        let who = (profile.clone(), role.clone(), region.to_owned());
        let mut clients = self.kms.lock().await;
        let client = clients.entry(who).or_insert_with(|| {
            let config = aws_sdk_kms::config::Builder::from(&config).retry_classifier(NotThere);
            aws_sdk_kms::Client::from_conf(config.build())
        });
        Ok(client.clone())
    }
}

/// The encryption context; none where it is empty, as in sops.
fn context(key: &KmsAddress) -> Option<HashMap<String, String>> {
    let pairs = key.context.iter();
    let pairs: HashMap<_, _> = pairs.map(|(k, v)| (k.clone(), v.clone())).collect();
    (!pairs.is_empty()).then_some(pairs)
}

fn nothing() -> ServiceError {
    ServiceError::new("AWS KMS: the answer holds nothing")
}
