//! Google Cloud KMS: a key is named by its resource id.

use super::service_key::{Fields, entry, service_key, text};
use super::{Address, Cause, NameError, Provider};

/// The row of the table.
pub(super) const PROVIDER: Provider = Provider {
    id: "gcp_kms",
    flag: "gcp-kms",
    env: "SOPS_GCP_KMS_IDS",
    config_field: "gcp_kms",
    has_created_at: true,
    parse: |text, _| Ok(service_key(&PROVIDER, fields(text)?)),
    from_data: |data| super::service_key::from_data(&PROVIDER, data),
    address: |data| Address::GcpKms(text(data, "resource_id")),
};

/// `projects/P/locations/L/keyRings/R/cryptoKeys/K`, without a version; blanks are taken out.
fn fields(text: &str) -> Result<Fields, Cause> {
    let id = text.replace(' ', "");
    let parts: Vec<&str> = id.split('/').collect();
    let whole = matches!(
        parts[..],
        ["projects", p, "locations", l, "keyRings", r, "cryptoKeys", k]
            if [p, l, r, k].iter().all(|part| !part.is_empty())
    );
    if !whole {
        let expected = "a resource id like \
             projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY, without a version";
        return Err(NameError { expected }.into());
    }
    Ok(vec![entry("resource_id", &id)])
}
