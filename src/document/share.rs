//! A large document in shares of its leaves, one for each processor, so that they can be worked
//! at side by side. What comes of the shares is in the order of the leaves.

use super::{Document, Kind};
use std::num::NonZero;
use std::ops::Range;
use std::thread::{self, Builder, Scope, ScopedJoinHandle};

/// A run of leaves, by their numbers on the walk, from 0.
pub type Share = Range<usize>;

/// All leaves, however many.
pub const WHOLE: Share = 0..usize::MAX;

/// Fewer leaves than this are not worth a thread of their own.
const LEAST: usize = 1_000;

/// More threads than this wait for memory most of the time.
const MOST: usize = 8;

/// The shares of `document`: all leaves, in order. One only, where it is small.
#[must_use]
pub fn shares(document: &Document) -> Vec<Share> {
    // A leaf beneath an alias is met more often than it is counted here: the last share is
    // the larger for it, and ends with the document.
    let is_leaf = |kind| matches!(kind, Kind::Scalar | Kind::Comment);
    let nodes = &document.nodes;
    let leaves = nodes
        .iter()
        .filter(|n| !n.is_key && is_leaf(n.kind))
        .count();
    if leaves < 2 * LEAST {
        return vec![WHOLE];
    }
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let count = processors.min(leaves / LEAST).min(MOST);
    let start = |number| leaves * number / count;
    let end = |number| match number {
        _ if number == count => WHOLE.end,
        _ => start(number),
    };
    (0..count).map(|n| start(n)..end(n + 1)).collect()
}

/// Does `work` for every share, at the same time, and gives what comes of it in their order.
pub fn side_by_side<T: Send>(shares: Vec<Share>, work: impl Fn(Share) -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let mut shares = shares.into_iter();
        let first = shares.next();
        let others: Vec<_> = shares.map(|s| Running::start(scope, s, work)).collect();
        let first = first.map(work);
        let others = others.into_iter().map(Running::finish);
        first.into_iter().chain(others).collect()
    })
}

/// Work that a thread is at, or that is done where there was no thread to be had.
enum Running<'scope, T> {
    Thread(ScopedJoinHandle<'scope, T>),
    Done(T),
}

impl<'scope, T: Send + 'scope> Running<'scope, T> {
    fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        share: Share,
        work: &'scope (impl Fn(Share) -> T + Sync),
    ) -> Self {
        let again = share.clone();
        match Builder::new().spawn_scoped(scope, move || work(share)) {
            Ok(thread) => Self::Thread(thread),
            Err(_) => Self::Done(work(again)),
        }
    }

    fn finish(self) -> T {
        match self {
            Self::Done(done) => done,
            Self::Thread(thread) => match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Json, ParseOptions, Store};
    use zeroize::Zeroizing;

    fn list(items: usize) -> Document {
        let text = format!("[{}]", vec!["1"; items].join(","));
        let source = Zeroizing::new(text.into_bytes());
        Json.parse(source, ParseOptions::default()).unwrap()
    }

    #[test]
    fn a_small_document_has_one_share() {
        assert_eq!(shares(&list(0)), [WHOLE]);
        assert_eq!(shares(&list(2 * LEAST - 1)), [WHOLE]);
    }

    #[test]
    fn shares_follow_one_another_without_a_gap() {
        let shares = shares(&list(10 * LEAST));
        assert!(shares.len() <= MOST);
        assert_eq!(shares[0].start, 0);
        assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(shares.last().unwrap().end, WHOLE.end);
    }

    #[test]
    fn results_come_in_the_order_of_the_shares() {
        let shares: Vec<_> = (0..20).map(|n| n..n + 1).collect();
        let starts = side_by_side(shares, |share| share.start);
        assert_eq!(starts, (0..20).collect::<Vec<_>>());
        assert!(side_by_side(Vec::new(), |share| share).is_empty());
    }
}
