//! YAML as sops reads and writes it.

pub mod resolve;
pub mod spell;
