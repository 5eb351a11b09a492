//! YAML: as accepting as Go's yaml.v3 and as YAML 1.2, and of yaml.v3's opinion where the two differ.
//!
//! Text flows one way: [`text`] checks the bytes, [`scan`] cuts them into [`token`]s and
//! [`comments`] finds what stands between them, [`parse`] puts [`tree`] together,
//! [`cook`] and [`resolve`] say what a scalar means, [`weave`] gives every comment its container.

mod comments;
mod cook;
mod names;
mod parse;
pub mod resolve;
mod scalar;
mod scan;
mod text;
mod token;
mod tree;
mod weave;

pub use parse::parse;

#[cfg(test)]
mod suite;
