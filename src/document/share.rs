//! A document in shares of its leaves, worked at by several threads where it is large. What comes of
//! the shares is joined while the next are worked at, in the order of the leaves.

use super::{Document, Leaf, Leaves, Marking};
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::{self, Builder};

/// A run of leaves, by their numbers on the walk, from 0.
pub type Share = Range<usize>;

/// All leaves, however many.
pub const WHOLE: Share = 0..usize::MAX;

/// The leaves of a share. What comes of so many stays in the cache of a processor until it is joined.
const LEAVES: usize = 256;

/// Fewer nodes than this are not worth a thread of their own.
const LEAST: usize = 2_000;

/// More threads than this wait for memory most of the time.
const MOST: usize = 8;

/// How many threads `document` is worth.
#[must_use]
pub fn workers(document: &Document) -> usize {
    let worth = document.nodes.len() / LEAST;
    if worth < 2 {
        return 1;
    }
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    processors.min(worth).min(MOST)
}

/// The walk over a document, share by share.
pub struct Walk<'d, M> {
    leaves: Leaves<'d, M>,
    /// How many leaves were met.
    met: usize,
}

impl<'d, M: Marking> Walk<'d, M> {
    /// From the first leaf of `document` on.
    #[must_use]
    pub fn new(document: &'d Document, marking: M) -> Self {
        Self {
            leaves: document.leaves(marking),
            met: 0,
        }
    }

    /// The next leaf before the end of `share`, the walk, and whether the leaf is of `share`.
    pub fn advance(&mut self, share: &Share) -> Option<(Leaf, &Leaves<'d, M>, bool)> {
        if self.met >= share.end {
            return None;
        }
        let leaf = self.leaves.advance()?;
        self.met += 1;
        Some((leaf, &self.leaves, self.met > share.start))
    }

    /// Whether there are leaves behind `share`, once all before its end were asked for.
    #[must_use]
    pub fn goes_on_behind(&self, share: &Share) -> bool {
        self.met >= share.end
    }
}

/// Lets `count` workers, each made by `start` in its own thread, do `work` for the shares of a
/// document, at the same time. `join` takes what a worker made of a share, in the order of the
/// shares. `work` tells whether there are leaves behind the share.
///
/// # Errors
/// The first error of `work`, in the order of the shares.
pub fn in_turn<W, E: Send>(
    count: usize,
    start: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &Share) -> Result<bool, E> + Sync,
    join: impl FnMut(&mut W) + Send,
) -> Result<(), E> {
    let turns = Turns {
        next: AtomicUsize::new(0),
        state: Mutex::new(State {
            turn: 0,
            join,
            end: End::Open,
        }),
        passed: Condvar::new(),
    };
    let run = || turns.run(start(), &work);
    thread::scope(|scope| {
        for _ in 1..count {
            // Where there is no thread to be had, the others do its work.
            let _ = Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
    match turns.state.into_inner() {
        Ok(State {
            end: End::Failed(error),
            ..
        }) => Err(error),
        // A panic goes on by itself, out of the scope of the threads.
        _ => Ok(()),
    }
}

/// Whose turn it is.
struct Turns<J, E> {
    /// The share to be worked at next.
    next: AtomicUsize,
    state: Mutex<State<J, E>>,
    /// A turn is over.
    passed: Condvar,
}

struct State<J, E> {
    /// The share to be joined next.
    turn: usize,
    join: J,
    end: End<E>,
}

/// Whether more is to be done.
enum End<E> {
    Open,
    Failed(E),
    /// A worker panicked.
    Panicked,
}

impl<J, E> Turns<J, E> {
    fn run<W>(&self, mut worker: W, work: &impl Fn(&mut W, &Share) -> Result<bool, E>)
    where
        J: FnMut(&mut W),
    {
        let _alarm = Alarm(self);
        let mut goes_on = true;
        while goes_on {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let share = number * LEAVES..(number + 1) * LEAVES;
            let done = work(&mut worker, &share);
            let Some(mut state) = self.wait(number) else {
                return;
            };
            match done {
                Ok(more) => {
                    (state.join)(&mut worker);
                    goes_on = more;
                }
                Err(error) => {
                    state.end = End::Failed(error);
                    goes_on = false;
                }
            }
            state.turn += 1;
            self.passed.notify_all();
        }
    }

    /// Waits for the turn of a share; `None` where it does not come.
    fn wait(&self, number: usize) -> Option<MutexGuard<'_, State<J, E>>> {
        let mut state = self.state.lock().ok()?;
        while matches!(state.end, End::Open) && state.turn != number {
            state = self.passed.wait(state).ok()?;
        }
        matches!(state.end, End::Open).then_some(state)
    }
}

/// Wakes those who wait for a worker that panicked.
struct Alarm<'t, J, E>(&'t Turns<J, E>);

impl<J, E> Drop for Alarm<'_, J, E> {
    fn drop(&mut self) {
        if thread::panicking() {
            if let Ok(mut state) = self.0.state.lock() {
                state.end = End::Panicked;
            }
            self.0.passed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::NoMarking;
    use crate::store::{Json, ParseOptions, Store};
    use zeroize::Zeroizing;

    fn list(items: usize) -> Document {
        let items: Vec<String> = (0..items).map(|n| n.to_string()).collect();
        let source = Zeroizing::new(format!("[{}]", items.join(",")).into_bytes());
        Json.parse(source, ParseOptions::default()).unwrap()
    }

    /// Joins the numbers that `each` makes of the items of a list, by so many threads.
    fn joined(
        items: usize,
        count: usize,
        each: impl Fn(usize) -> Result<usize, usize> + Sync,
    ) -> Result<Vec<usize>, usize> {
        let (document, mut whole) = (list(items), Vec::new());
        let start = || (Walk::new(&document, NoMarking), Vec::new());
        let work = |(walk, made): &mut (Walk<'_, _>, Vec<usize>), share: &Share| {
            while let Some((leaf, _, is_of_share)) = walk.advance(share) {
                if is_of_share {
                    let text = std::str::from_utf8(document.value(leaf.id).text).unwrap();
                    made.push(each(text.parse().unwrap())?);
                }
            }
            Ok::<_, usize>(walk.goes_on_behind(share))
        };
        in_turn(count, start, work, |(_, made)| whole.append(made))?;
        Ok(whole)
    }

    #[test]
    fn a_small_document_has_one_worker() {
        assert_eq!(workers(&list(0)), 1);
        assert_eq!(workers(&list(LEAST)), 1);
        assert!((1..=MOST).contains(&workers(&list(5 * LEAST))));
    }

    #[test]
    fn every_leaf_is_met_once_and_joined_in_order() {
        for items in [
            0,
            1,
            LEAVES - 1,
            LEAVES,
            LEAVES + 1,
            5 * LEAVES,
            7 * LEAVES - 3,
        ] {
            for count in [1, 2, 3, 8] {
                let expected: Vec<usize> = (0..items).collect();
                assert_eq!(joined(items, count, Ok), Ok(expected), "{items} by {count}");
            }
        }
    }

    #[test]
    fn of_several_errors_the_first_one_counts() {
        let fail = |n| if n > 1_000 { Err(n) } else { Ok(n) };
        for count in [1, 2, 5] {
            assert_eq!(joined(4_000, count, fail), Err(1_001));
        }
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let panics = || joined(9 * LEAVES, 3, |n| Ok(n / usize::from(n != LEAVES + 1)));
        assert!(std::panic::catch_unwind(panics).is_err());
    }
}
