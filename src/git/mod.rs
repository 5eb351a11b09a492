//! What git asks of encrypted files: to be merged like plain ones. Pure over documents; running
//! git is the command line's.

mod merge;
mod metadata;
mod pieces;
mod tree;
mod unresolved;

pub use merge::{MergeError, Merged, merge, merge_lines};
pub use metadata::{Field, merge_metadata};
pub use tree::Conflict;
pub use unresolved::{Sides, UnresolvedError, open_conflicts, seal_conflicts, value_of};
