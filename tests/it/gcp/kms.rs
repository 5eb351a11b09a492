//! A key service that does what the documentation of Google Cloud KMS says of `encrypt` and
//! `decrypt`, with real keys behind it, whichever way it is asked.

use super::accounts::Accounts;
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

pub(crate) const USE_TO_ENCRYPT: &str = "cloudkms.cryptoKeyVersions.useToEncrypt";
pub(crate) const USE_TO_DECRYPT: &str = "cloudkms.cryptoKeyVersions.useToDecrypt";

/// What the service answers instead of a result: `google.rpc.Status`.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) http: u16,
    pub(crate) status: &'static str,
    pub(crate) grpc: i32,
    pub(crate) message: String,
    pub(crate) info: Option<(String, Vec<(String, String)>)>,
    /// Milliseconds to wait.
    pub(crate) retry: Option<u32>,
}

/// Something that goes wrong.
#[derive(Clone)]
pub(crate) enum Mishap {
    /// It is refused.
    Refuse(Refusal),
    /// The checksum of the answer is another.
    WrongChecksum,
    /// The checksum of the request got lost.
    Unverified,
    /// A server that knows no checksums.
    NoChecksums,
}

/// A request as it came in, whatever way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) verb: &'static str,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) checksum: Option<i64>,
    pub(crate) bearer: String,
    pub(crate) quota_project: String,
}

/// What came out of it, with the fields that checksums have in both answers.
pub(crate) struct Done {
    pub(crate) version: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) checksum: Option<i64>,
    pub(crate) verified: bool,
}

struct Version {
    secret: [u8; 32],
    state: &'static str,
}

/// The service.
pub(crate) struct Kms {
    pub(crate) accounts: Accounts,
    keys: Mutex<BTreeMap<String, Vec<Version>>>,
    mishaps: Mutex<BTreeMap<String, VecDeque<Mishap>>>,
    asked: Mutex<Vec<Asked>>,
}

/// The resource id of a key of the tests.
pub(crate) fn key(name: &str) -> String {
    format!("projects/acme/locations/europe-west3/keyRings/sops/cryptoKeys/{name}")
}

impl Kms {
    /// A service with keys of these names.
    pub(crate) fn new(names: &[&str]) -> Arc<Self> {
        let version = |at: usize| Version {
            secret: [at as u8 + 1; 32],
            state: "ENABLED",
        };
        let keys = names.iter().enumerate();
        let keys = keys.map(|(at, name)| (key(name), vec![version(at)]));
        Arc::new(Self {
            accounts: Accounts::default(),
            keys: Mutex::new(keys.collect()),
            mishaps: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// Lets the next requests for a key go wrong, one each.
    pub(crate) fn mishaps(&self, name: &str, mishaps: impl IntoIterator<Item = Mishap>) {
        let mut queues = self.mishaps.lock().unwrap();
        queues.insert(key(name), mishaps.into_iter().collect());
    }

    /// Takes the only version of a key out of use.
    pub(crate) fn set_state(&self, name: &str, state: &'static str) {
        self.keys.lock().unwrap().get_mut(&key(name)).unwrap()[0].state = state;
    }

    /// Everything that was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// `encrypt` or `decrypt`.
    pub(crate) fn answer(&self, asked: Asked) -> Result<Done, Refusal> {
        self.asked.lock().unwrap().push(asked.clone());
        let mishap = self.mishap(&asked.name);
        if let Some(Mishap::Refuse(refusal)) = mishap {
            return Err(refusal);
        }
        let who = self
            .accounts
            .who(&asked.bearer)
            .ok_or_else(unauthenticated)?;
        let permission = match asked.verb {
            "encrypt" => USE_TO_ENCRYPT,
            _ => USE_TO_DECRYPT,
        };
        if self.accounts.is_denied(&who, permission) {
            return Err(denied(permission, &asked.name));
        }
        if asked.checksum != Some(i64::from(checksum(&asked.bytes))) {
            return Err(invalid("The checksum in field did not match the data."));
        }
        let keys = self.keys.lock().unwrap();
        let versions = keys.get(&asked.name).ok_or_else(|| missing(&asked.name))?;
        let mut done = use_key(versions, &asked)?;
        match mishap {
            Some(Mishap::WrongChecksum) => done.checksum = done.checksum.map(|sum| sum ^ 1),
            Some(Mishap::Unverified) => done.verified = false,
            Some(Mishap::NoChecksums) => (done.checksum, done.verified) = (None, false),
            _ => {}
        }
        Ok(done)
    }

    fn mishap(&self, name: &str) -> Option<Mishap> {
        self.mishaps.lock().unwrap().get_mut(name)?.pop_front()
    }
}

fn use_key(versions: &[Version], asked: &Asked) -> Result<Done, Refusal> {
    let name = |at: usize| format!("{}/cryptoKeyVersions/{}", asked.name, at + 1);
    let usable = |at: usize| {
        let version = &versions[at];
        if version.state == "ENABLED" {
            return Ok(Aes256Gcm::new(&version.secret.into()));
        }
        let (version, state) = (name(at), version.state);
        let message = format!("{version} is not enabled, current state is: {state}.");
        Err(refusal(400, "FAILED_PRECONDITION", 9, &message))
    };
    let (at, bytes) = if asked.verb == "encrypt" {
        let at = versions.len() - 1;
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce).unwrap();
        let mut sealed = asked.bytes.clone();
        let text = sealed.as_mut_slice().into();
        let tag = usable(at)?.encrypt_inout_detached(&nonce.into(), &[], text);
        sealed.extend(tag.unwrap());
        let version = (at as u32).to_be_bytes();
        (at, [&version[..], &nonce, &sealed].concat())
    } else {
        let wrong =
            || invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.");
        let (version, rest) = asked.bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
        let (nonce, sealed) = rest.split_first_chunk::<12>().ok_or_else(wrong)?;
        let at = u32::from_be_bytes(*version) as usize;
        versions.get(at).ok_or_else(wrong)?;
        let (sealed, tag) = sealed.split_last_chunk::<16>().ok_or_else(wrong)?;
        let mut opened = sealed.to_vec();
        let text = opened.as_mut_slice().into();
        let done = usable(at)?.decrypt_inout_detached(&(*nonce).into(), &[], text, &(*tag).into());
        done.map_err(|_| wrong())?;
        (at, opened)
    };
    Ok(Done {
        version: name(at),
        checksum: Some(i64::from(checksum(&bytes))),
        bytes,
        verified: true,
    })
}

/// CRC-32C by the polynomial as it is written, bit by bit from the other end than usual.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            sum = if sum >> 31 == 1 {
                (sum << 1) ^ 0x1edc_6f41
            } else {
                sum << 1
            };
        }
    }
    !sum.reverse_bits()
}

pub(crate) fn refusal(http: u16, status: &'static str, grpc: i32, message: &str) -> Refusal {
    Refusal {
        http,
        status,
        grpc,
        message: message.to_owned(),
        info: None,
        retry: None,
    }
}

impl Refusal {
    /// With `google.rpc.ErrorInfo`.
    pub(crate) fn info(mut self, reason: &str, facts: &[(&str, &str)]) -> Self {
        let owned = |(name, fact): &(&str, &str)| ((*name).to_owned(), (*fact).to_owned());
        self.info = Some((reason.to_owned(), facts.iter().map(owned).collect()));
        self
    }

    /// With `google.rpc.RetryInfo`.
    pub(crate) fn retry(mut self, milliseconds: u32) -> Self {
        self.retry = Some(milliseconds);
        self
    }
}

pub(crate) fn unauthenticated() -> Refusal {
    refusal(
        401,
        "UNAUTHENTICATED",
        16,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
         cookie or other valid authentication credential.",
    )
    .info(
        "ACCESS_TOKEN_EXPIRED",
        &[("service", "cloudkms.googleapis.com")],
    )
}

fn denied(permission: &str, name: &str) -> Refusal {
    let message =
        format!("Permission '{permission}' denied on resource '{name}' (or it may not exist).");
    refusal(403, "PERMISSION_DENIED", 7, &message).info(
        "IAM_PERMISSION_DENIED",
        &[("permission", permission), ("resource", name)],
    )
}

fn missing(name: &str) -> Refusal {
    refusal(404, "NOT_FOUND", 5, &format!("CryptoKey {name} not found."))
}

fn invalid(message: &str) -> Refusal {
    refusal(400, "INVALID_ARGUMENT", 3, message)
}

/// The API is off in the project that requests are counted to.
pub(crate) fn service_disabled() -> Refusal {
    refusal(
        403,
        "PERMISSION_DENIED",
        7,
        "Cloud Key Management Service (KMS) API has not been used in project 123 before or it is \
         disabled.",
    )
    .info(
        "SERVICE_DISABLED",
        &[
            ("consumer", "projects/123"),
            ("service", "cloudkms.googleapis.com"),
        ],
    )
}

/// Too much at a time.
pub(crate) fn exhausted() -> Refusal {
    refusal(
        429,
        "RESOURCE_EXHAUSTED",
        8,
        "Quota exceeded for quota metric 'Cryptographic requests'.",
    )
    .info("RATE_LIMIT_EXCEEDED", &[("consumer", "projects/123")])
    .retry(50)
}

/// A fault of the moment.
pub(crate) fn unavailable() -> Refusal {
    refusal(
        503,
        "UNAVAILABLE",
        14,
        "The service is currently unavailable.",
    )
}
