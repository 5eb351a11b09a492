//! The command line: the only layer that touches disk, terminal, environment and clock.

pub mod editor;
pub mod environment;
pub mod identities;
pub mod lock;
mod original;
pub mod output;
pub mod private_dir;
pub mod process;
pub mod prompt;
mod replacement;
pub mod words;
