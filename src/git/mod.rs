//! What git asks of encrypted files: to be merged like plain ones. Pure over documents; running
//! git is the command line's.

mod merge;
mod metadata;
mod pieces;
mod tree;

pub use merge::{MergeError, Merged, merge};
pub use metadata::{Field, merge_metadata};
pub use tree::Conflict;
