//! What the tests are written with: a private machine for each test ([`Sandbox`]), a command and
//! all it must say ([`Case`]), throw-away keys, real sops, and ways to look into files.

mod audited;
mod case;
#[cfg(any(feature = "azure", feature = "huawei"))]
pub(crate) mod cloud;
mod data;
mod gnupg;
pub(crate) mod http;
mod keys;
pub(crate) mod moto;
pub(crate) mod openbao;
mod peers;
mod postgres;
mod running;
mod sandbox;
pub(crate) mod servers;

pub(crate) use audited::Audited;
pub(crate) use case::{Case, Outcome};
pub(crate) use data::{assert_same_data, in_clear, line_of, same_data, strip_metadata, tokens};
pub(crate) use gnupg::{Gnupg, PGP_PASSPHRASE, pgp_key};
pub(crate) use keys::age_key;
pub(crate) use peers::{peer, sops};
pub(crate) use postgres::Postgres;
pub(crate) use running::Running;
pub(crate) use sandbox::Sandbox;

use std::path::{Path, PathBuf};

/// The program under test.
pub(crate) fn bulla() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_bulla"))
}

/// A file or folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The bytes of a file in `testdata`.
pub(crate) fn testdata(path: &str) -> Vec<u8> {
    let path = repository("testdata").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in a folder of `testdata`, sorted.
pub(crate) fn testdata_names(folder: &str) -> Vec<String> {
    let folder = repository("testdata").join(folder);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Bytes as text for a message, whatever they are.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
