//! A master key that only a service can use: carried along, shown and compared here.

use super::{Address, Cause, MasterKey, Provider, Unlocker, UnwrapError, Wrapped, Wrapper, field};
use crate::document::Data;
use zeroize::Zeroizing;

/// A key of a provider that holds its keys itself. Its entry in the metadata is kept as it is,
/// fields that we do not know included.
#[derive(Clone)]
struct ServiceKey {
    provider: &'static Provider,
    id: String,
    data: Data,
}

/// The fields of an entry.
pub(super) type Fields = Vec<(Vec<u8>, Data)>;

/// Why a text names no key of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct NameError {
    /// What would have been right.
    pub expected: &'static str,
}

/// A field with a text.
pub(super) fn entry(name: &str, text: &str) -> (Vec<u8>, Data) {
    (name.as_bytes().to_vec(), Data::str(text))
}

/// The text of a field; empty where there is none.
pub(super) fn text(data: &Data, name: &str) -> String {
    let text = field(data, name).and_then(Data::text);
    text.unwrap_or_default().to_owned()
}

/// A new key: what it holds is still to be wrapped.
pub(super) fn service_key(provider: &'static Provider, fields: Fields) -> Box<dyn MasterKey> {
    from_data(provider, &Data::Map(fields))
}

/// The key of an entry in the metadata.
pub(super) fn from_data(provider: &'static Provider, data: &Data) -> Box<dyn MasterKey> {
    Box::new(ServiceKey {
        provider,
        id: (provider.address)(data).id(),
        data: data.clone(),
    })
}

impl ServiceKey {
    fn set(&mut self, name: &str, text: &str) {
        let Data::Map(entries) = &mut self.data else {
            return;
        };
        let (name, data) = entry(name, text);
        match entries.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = data,
            None => entries.push((name, data)),
        }
        // as sops writes them
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
}

impl MasterKey for ServiceKey {
    fn provider(&self) -> &'static str {
        self.provider.id
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn address(&self) -> Address {
        (self.provider.address)(&self.data)
    }

    fn is_local(&self) -> bool {
        false
    }

    fn wrapped(&self) -> Option<&str> {
        let text = field(&self.data, "enc")?.text()?;
        (!text.is_empty()).then_some(text)
    }

    fn wrap(&mut self, _: &[u8], _: &mut Wrapper<'_>) -> Result<(), Cause> {
        let provider = self.provider.id;
        Err(UnwrapError::NoService { provider }.into())
    }

    fn take(&mut self, wrapped: Wrapped, now: &str) {
        if field(&self.data, "created_at").is_none() {
            self.set("created_at", now);
        }
        if let Some(version) = &wrapped.version {
            self.set("version", version);
        }
        self.set("enc", &wrapped.enc);
        self.id = self.address().id();
    }

    fn unwrap(&self, _: &mut Unlocker<'_>) -> Result<Zeroizing<Vec<u8>>, Vec<UnwrapError>> {
        let provider = self.provider.id;
        Err(vec![UnwrapError::NoService { provider }])
    }

    fn to_data(&self) -> Data {
        self.data.clone()
    }

    fn boxed_clone(&self) -> Box<dyn MasterKey> {
        Box::new(self.clone())
    }
}
