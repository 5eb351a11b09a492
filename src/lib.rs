//! Encrypted files for git, readable by SOPS, with every byte kept that did not have to change.

pub mod config;
pub mod document;
pub mod metadata;
pub mod store;
