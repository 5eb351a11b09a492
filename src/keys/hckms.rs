//! Huawei Cloud KMS: a key is named by its region and its id.

use super::service_key::{Fields, entry, service_key, text};
use super::{Address, Cause, NameError, Provider};

/// The row of the table.
pub(super) const PROVIDER: Provider = Provider {
    id: "hckms",
    flag: "hckms",
    env: "SOPS_HUAWEICLOUD_KMS_IDS",
    config_field: "hckms",
    has_created_at: true,
    parse: |text, _| Ok(service_key(&PROVIDER, fields(text)?)),
    from_data: |data| super::service_key::from_data(&PROVIDER, data),
    address: |data| Address::Hckms(text(data, "key_id")),
};

/// `REGION:UUID`, each trimmed by whoever asks for it.
fn fields(text: &str) -> Result<Fields, Cause> {
    let id = text.trim();
    let parts = id.split_once(':');
    if parts.is_none_or(|(region, key)| region.trim().is_empty() || key.trim().is_empty()) {
        let expected = "REGION:ID, like eu-west-101:12345678-1234-1234-1234-123456789abc";
        return Err(NameError { expected }.into());
    }
    Ok(vec![entry("key_id", id)])
}
