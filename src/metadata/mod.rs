//! The metadata of an encrypted file.

pub mod re2;
