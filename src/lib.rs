//! Encrypted files for git, readable by SOPS, with every byte kept that did not have to change.

pub mod change;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod decrypt;
pub mod document;
pub mod encrypt;
pub mod keys;
pub mod metadata;
pub mod store;
