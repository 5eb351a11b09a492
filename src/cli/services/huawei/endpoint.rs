//! Where the services of a region are. The region stands in the file, which anybody may have
//! written: whatever it is, the host is one of Huawei Cloud's own, unless the user says otherwise.

use crate::cli::environment::{
    Environment, HUAWEICLOUD_SDK_IAM_ENDPOINT, HUAWEICLOUD_SDK_REGION_KMS_,
};
use crate::keys::ServiceError;
use std::net::IpAddr;

/// Regions under `myhuaweicloud.eu`; all others are under `myhuaweicloud.com`.
const EUROPEAN: [&str; 1] = ["eu-west-101"];

/// The address of a service.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    authority: String,
}

impl Endpoint {
    /// KMS of a region: the first address in `HUAWEICLOUD_SDK_REGION_KMS_REGION`, else that of the
    /// vendor.
    ///
    /// # Errors
    /// Where the region is not a name of a region, or the user's address is none.
    pub fn of_kms(region: &str, environment: &Environment) -> Result<Self, ServiceError> {
        check(region)?;
        let name = region.replace('-', "_").to_ascii_uppercase();
        let name = format!("{HUAWEICLOUD_SDK_REGION_KMS_}{name}");
        match environment.text(&name) {
            Some(addresses) => Self::of_user(addresses.split(',').next().unwrap_or(""), &name),
            None => Ok(Self::of_vendor("kms", region)),
        }
    }

    /// The identity service of a region: `HUAWEICLOUD_SDK_IAM_ENDPOINT`, else that of the vendor.
    ///
    /// # Errors
    /// As [`Self::of_kms`].
    pub fn of_iam(region: &str, environment: &Environment) -> Result<Self, ServiceError> {
        check(region)?;
        match environment.text(HUAWEICLOUD_SDK_IAM_ENDPOINT) {
            Some(address) => Self::of_user(address, HUAWEICLOUD_SDK_IAM_ENDPOINT),
            None => Ok(Self::of_vendor("iam", region)),
        }
    }

    fn of_vendor(service: &str, region: &str) -> Self {
        let top = if EUROPEAN.contains(&region) {
            "eu"
        } else {
            "com"
        };
        Self {
            scheme: "https",
            authority: format!("{service}.{region}.myhuaweicloud.{top}"),
        }
    }

    /// An address that the user has set; unencrypted to this machine only.
    fn of_user(address: &str, variable: &str) -> Result<Self, ServiceError> {
        let address = address.trim().trim_end_matches('/');
        let (scheme, authority) = match address.split_once("://") {
            Some(("https", authority)) => ("https", authority),
            Some(("http", authority)) if is_loopback(authority) => ("http", authority),
            Some(_) => ("", ""),
            None => ("https", address),
        };
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(letter) {
            let message = format!("Huawei Cloud KMS: {variable} is not like https://HOST");
            return Err(ServiceError::new(message));
        }
        Ok(Self {
            scheme,
            authority: authority.to_ascii_lowercase(),
        })
    }

    /// `https://HOST`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// `HOST` or `HOST:PORT`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// Small letters, digits and dashes between them, as in `cn-north-4`.
fn check(region: &str) -> Result<(), ServiceError> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| !part.is_empty() && part.bytes().all(letter);
    if region.len() <= 40 && region.contains('-') && region.split('-').all(part) {
        return Ok(());
    }
    let message = "Huawei Cloud KMS: the key's id begins with no name of a region";
    Err(ServiceError::new(message).hint("an id is REGION:ID, like eu-west-101:12345678-…"))
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Result<IpAddr, _> = address.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kms(region: &str, variable: Option<(&str, &str)>) -> Result<String, ServiceError> {
        let environment: Environment = variable.into_iter().collect();
        Endpoint::of_kms(region, &environment).map(|endpoint| endpoint.url())
    }

    #[test]
    fn every_region_is_a_host_of_the_vendor() {
        let url = |host: &str| Ok(format!("https://{host}"));
        assert_eq!(
            kms("cn-north-4", None),
            url("kms.cn-north-4.myhuaweicloud.com")
        );
        assert_eq!(
            kms("eu-west-101", None),
            url("kms.eu-west-101.myhuaweicloud.eu")
        );
        for region in [
            "evil.example/",
            "evil.example#",
            "a@b",
            "a b-c",
            "cn-north-4.evil",
            "CN-NORTH-4",
            "-",
            "cn-",
            "",
            "cn",
            "cn-nörth-4",
        ] {
            assert!(kms(region, None).is_err(), "{region}");
        }
    }

    #[test]
    fn the_user_may_say_where_it_is() {
        let set = |address| {
            kms(
                "cn-north-4",
                Some(("HUAWEICLOUD_SDK_REGION_KMS_CN_NORTH_4", address)),
            )
        };
        let url = |url: &str| Ok(url.to_owned());
        assert_eq!(
            set("https://Kms.example/,https://b"),
            url("https://kms.example")
        );
        assert_eq!(set("kms.example:8443"), url("https://kms.example:8443"));
        assert_eq!(set("http://127.0.0.1:9"), url("http://127.0.0.1:9"));
        assert_eq!(set("http://[::1]:9"), url("http://[::1]:9"));
        for address in [
            "http://kms.example",
            "ftp://x",
            "https://a/b",
            "https://u@h",
            " ",
        ] {
            assert!(set(address).is_err(), "{address}");
        }
    }
}
