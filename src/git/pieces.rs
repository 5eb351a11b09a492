//! Three-way merge of sequences: lines of texts, items of lists.

use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::hash::Hash;
use std::ops::Range;

/// A stretch of the merged sequence, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As in the base, and in both.
    Base(Range<usize>),
    /// As one side has it, or both alike.
    Ours(Range<usize>),
    /// As the other side has it.
    Theirs(Range<usize>),
    /// Both have put something new at the same place; neither has touched what the other has.
    Both(Range<usize>, Range<usize>),
    /// Both have changed the same stretch, differently.
    Conflict(Range<usize>, Range<usize>),
}

/// A stretch of the base, and what a side has in its place.
#[derive(Clone)]
struct Edit {
    base: Range<usize>,
    side: Range<usize>,
}

/// Merges what two sides made of `base`.
pub(super) fn pieces<T: Hash + Eq + Ord>(base: &[T], ours: &[T], theirs: &[T]) -> Vec<Piece> {
    let (our_edits, their_edits) = (edits(base, ours), edits(base, theirs));
    let mut merging = Merging {
        pieces: Vec::new(),
        base: 0,
        same: |o, t| ours[o] == theirs[t],
    };
    let (mut ours, mut theirs) = (&our_edits[..], &their_edits[..]);
    loop {
        (ours, theirs) = match (ours, theirs) {
            ([], []) => break,
            ([our, rest @ ..], others) if others.first().is_none_or(|t| is_before(our, t)) => {
                merging.take(our, Piece::Ours);
                (rest, others)
            }
            (others, [their, rest @ ..]) if others.first().is_none_or(|o| is_before(their, o)) => {
                merging.take(their, Piece::Theirs);
                (others, rest)
            }
            _ => merging.collide(ours, theirs),
        };
    }
    merging.keep_to(base.len());
    merging.pieces
}

/// Whether an edit lies before another, and touches it at most. Two that insert at the same place
/// collide.
fn is_before(one: &Edit, other: &Edit) -> bool {
    one.base.end <= other.base.start && one.base != other.base
}

fn edits<T: Hash + Eq + Ord>(base: &[T], side: &[T]) -> Vec<Edit> {
    let operations = capture_diff_slices(Algorithm::Patience, base, side);
    let mut edits: Vec<Edit> = Vec::new();
    for operation in operations {
        if matches!(operation, DiffOp::Equal { .. }) {
            continue;
        }
        let (base, side) = (operation.old_range(), operation.new_range());
        match edits.last_mut() {
            Some(last) if last.base.end == base.start && last.side.end == side.start => {
                (last.base.end, last.side.end) = (base.end, side.end);
            }
            _ => edits.push(Edit { base, side }),
        }
    }
    edits
}

struct Merging<S> {
    pieces: Vec<Piece>,
    /// How far the base is used up.
    base: usize,
    /// Whether an item of ours is one of theirs.
    same: S,
}

impl<S: Fn(usize, usize) -> bool> Merging<S> {
    /// The base goes on as it is up to `end`.
    fn keep_to(&mut self, end: usize) {
        if self.base < end {
            self.pieces.push(Piece::Base(self.base..end));
        }
        self.base = self.base.max(end);
    }

    fn take(&mut self, edit: &Edit, piece: fn(Range<usize>) -> Piece) {
        self.keep_to(edit.base.start);
        if !edit.side.is_empty() {
            self.pieces.push(piece(edit.side.clone()));
        }
        self.base = edit.base.end;
    }

    /// Edits of both sides that lie over one another; what is left of both.
    fn collide<'e>(
        &mut self,
        mut ours: &'e [Edit],
        mut theirs: &'e [Edit],
    ) -> (&'e [Edit], &'e [Edit]) {
        let (mut our, mut their) = (ours[0].clone(), theirs[0].clone());
        (ours, theirs) = (&ours[1..], &theirs[1..]);
        let start = our.base.start.min(their.base.start);
        loop {
            let end = our.base.end.max(their.base.end);
            if let [next, rest @ ..] = ours
                && next.base.start < end
            {
                (our.base.end, our.side.end) = (next.base.end, next.side.end);
                ours = rest;
            } else if let [next, rest @ ..] = theirs
                && next.base.start < end
            {
                (their.base.end, their.side.end) = (next.base.end, next.side.end);
                theirs = rest;
            } else {
                break;
            }
        }
        let end = our.base.end.max(their.base.end);
        self.keep_to(start);
        let piece = self.settled(
            widened(&our, start, end),
            widened(&their, start, end),
            start == end,
        );
        self.pieces.push(piece);
        self.base = end;
        (ours, theirs)
    }

    fn settled(&self, ours: Range<usize>, theirs: Range<usize>, inserted: bool) -> Piece {
        let mut pairs = ours.clone().zip(theirs.clone());
        if ours.len() == theirs.len() && pairs.all(|(o, t)| (self.same)(o, t)) {
            Piece::Ours(ours)
        } else if inserted {
            Piece::Both(ours, theirs)
        } else {
            Piece::Conflict(ours, theirs)
        }
    }
}

/// What a side has in the place of `start..end` of the base, all of whose changes there are
/// between the ends of `edit`.
fn widened(edit: &Edit, start: usize, end: usize) -> Range<usize> {
    let before = edit.base.start - start;
    let behind = end - edit.base.end;
    edit.side.start - before..edit.side.end + behind
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The merge as a text of words; `<a|b>` is a conflict, `+` stands between what both put in.
    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        let words = |text: &'static str| text.split_whitespace().collect::<Vec<_>>();
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let (base, ours, theirs) = (words(leak(base)), words(leak(ours)), words(leak(theirs)));
        let text = |piece: &Piece| match piece {
            Piece::Base(range) => base[range.clone()].join(" "),
            Piece::Ours(range) => ours[range.clone()].join(" "),
            Piece::Theirs(range) => theirs[range.clone()].join(" "),
            Piece::Both(o, t) => {
                format!(
                    "{} + {}",
                    ours[o.clone()].join(" "),
                    theirs[t.clone()].join(" ")
                )
            }
            Piece::Conflict(o, t) => {
                format!(
                    "<{}|{}>",
                    ours[o.clone()].join(" "),
                    theirs[t.clone()].join(" ")
                )
            }
        };
        let pieces = pieces(&base, &ours, &theirs);
        let texts: Vec<_> = pieces.iter().map(text).collect();
        texts
            .join(" ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn changes_of_both_sides_are_taken_even_beside_one_another() {
        assert_eq!(merged("a b c", "x b c", "a b y"), "x b y");
        assert_eq!(merged("a b", "x b", "a y"), "x y");
        assert_eq!(merged("a b c", "b c", "a b"), "b");
        assert_eq!(merged("a b", "a n b", "a x"), "a n x");
    }

    #[test]
    fn the_same_change_on_both_sides_is_one() {
        assert_eq!(merged("a b c", "a x c", "a x c"), "a x c");
        assert_eq!(merged("a c", "a b c", "a b c"), "a b c");
    }

    #[test]
    fn what_both_put_in_the_same_place_is_told_from_what_they_changed() {
        assert_eq!(merged("a c", "a x c", "a y c"), "a x + y c");
        assert_eq!(merged("a b c", "a x c", "a y c"), "a <x|y> c");
        assert_eq!(merged("a b c d", "a x y d", "a b z d"), "a <x y|b z> d");
        assert_eq!(merged("a b c", "a c", "a y c"), "a <|y> c");
    }

    fn short() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0u8..5, 0..12)
    }

    proptest! {
        #[test]
        fn a_side_that_did_nothing_leaves_the_other_as_it_is(base in short(), side in short()) {
            let text = |pieces: Vec<Piece>, ours: &[u8], theirs: &[u8]| {
                let part = |piece| match piece {
                    Piece::Base(range) => base[range].to_vec(),
                    Piece::Ours(range) => ours[range].to_vec(),
                    Piece::Theirs(range) => theirs[range].to_vec(),
                    Piece::Both(..) | Piece::Conflict(..) => vec![99],
                };
                pieces.into_iter().flat_map(part).collect::<Vec<u8>>()
            };
            prop_assert_eq!(text(pieces(&base, &side, &base), &side, &base), side.clone());
            prop_assert_eq!(text(pieces(&base, &base, &side), &base, &side), side.clone());
            prop_assert_eq!(text(pieces(&base, &side, &side), &side, &side), side);
        }

        #[test]
        fn every_range_lies_in_its_sequence(base in short(), ours in short(), theirs in short()) {
            for piece in pieces(&base, &ours, &theirs) {
                match piece {
                    Piece::Base(range) => prop_assert!(base.get(range).is_some()),
                    Piece::Ours(range) => prop_assert!(ours.get(range).is_some()),
                    Piece::Theirs(range) => prop_assert!(theirs.get(range).is_some()),
                    Piece::Both(o, t) | Piece::Conflict(o, t) => {
                        prop_assert!(ours.get(o).is_some() && theirs.get(t).is_some());
                    }
                }
            }
        }
    }
}
