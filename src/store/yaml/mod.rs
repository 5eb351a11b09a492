//! YAML as sops reads and writes it.

pub mod emit;
pub mod resolve;
mod shape;
pub mod spell;
