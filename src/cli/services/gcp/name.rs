//! The name of a key of Google Cloud KMS. It comes from a file that anybody may have written, and
//! goes into a path and a header: what does not belong into a name is refused.

use crate::keys::ServiceError;
use reqwest::header::HeaderValue;

/// `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
pub struct KeyName<'a> {
    id: &'a str,
    parts: [&'a str; 4],
}

impl<'a> KeyName<'a> {
    /// Takes an id apart.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(id: &'a str) -> Result<Self, ServiceError> {
        let parts: Vec<&str> = id.split('/').collect();
        match parts[..] {
            [
                "projects",
                p,
                "locations",
                l,
                "keyRings",
                r,
                "cryptoKeys",
                k,
            ] if [p, l, r, k].into_iter().all(is_part) => {
                let parts = [p, l, r, k];
                Ok(Self { id, parts })
            }
            _ => Err(ServiceError::new("the resource id is none of a key").hint(
                "a key is named projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY",
            )),
        }
    }

    /// The whole name.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// The project that it is in.
    pub fn project(&self) -> &'a str {
        self.parts[0]
    }

    /// Flags of gcloud that name the key ring.
    pub fn ring_flags(&self) -> String {
        let [project, location, ring, _] = self.parts;
        format!("--keyring {ring} --location {location} --project {project}")
    }

    /// The key within its ring.
    pub fn key(&self) -> &'a str {
        self.parts[3]
    }

    /// The value of the header by which a request is routed (AIP-4222).
    pub fn routing(&self) -> HeaderValue {
        let name = self.id.replace('/', "%2F").replace(':', "%3A");
        // letters, digits and `-._%` only: see `is_part`
        HeaderValue::from_str(&format!("name={name}")).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Letters, digits and `-_.:` (projects of a domain have a colon).
fn is_part(part: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    !part.is_empty() && part.bytes().all(fits) && !part.bytes().all(|byte| byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_routed_by_its_whole_id() {
        let key =
            KeyName::parse("projects/example.com:p/locations/global/keyRings/r/cryptoKeys/k_1")
                .expect("a name");
        let expected = "name=projects%2Fexample.com%3Ap%2Flocations%2Fglobal%2FkeyRings%2Fr%2F\
                        cryptoKeys%2Fk_1";
        assert_eq!(key.routing(), expected);
        assert_eq!(
            key.ring_flags(),
            "--keyring r --location global --project example.com:p"
        );
    }

    #[test]
    fn what_would_lead_elsewhere_is_no_name() {
        for id in [
            "projects/p/locations/l/keyRings/r",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "projects/../locations/l/keyRings/r/cryptoKeys/k",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k?x=",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k%2f",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k\r\nx: y",
            "projects/p/locations//keyRings/r/cryptoKeys/k",
        ] {
            assert!(KeyName::parse(id).is_err(), "{id}");
        }
    }
}
