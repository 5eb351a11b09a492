//! Encrypted files for git, readable by SOPS, with every byte kept that did not have to change.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "a test that cannot go on fails, and writes its own files"
    )
)]

pub mod change;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod crypto;
pub mod decrypt;
pub mod document;
pub mod encrypt;
pub mod export;
pub mod git;
pub mod keys;
pub mod metadata;
pub mod store;
pub mod variables;
