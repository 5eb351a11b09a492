//! Encrypted files for git, readable by SOPS, with every byte kept that did not have to change.

pub mod cli;
pub mod document;
pub mod store;
