//! A new text in the making: the source with edits applied, written while they come.
//!
//! Edits that come in the order of the text stand in the new text at once. Where one does not, or
//! overlaps, all of them are kept apart and sorted in the end.

use super::{Span, Splice, drop_contained, secret, splice, unwiped};
use zeroize::Zeroizing;

/// A text that is being edited, from its start on or from the first edit of a share of it.
pub struct Draft<'d> {
    source: &'d [u8],
    /// Whether the new text is a secret, of which no copy may be left when it grows.
    is_secret: bool,
    /// The text that is expected, which then stands in the place of `text`.
    expected: Option<&'d [u8]>,
    /// The new text is another one than expected.
    differs: bool,
    /// What becomes of the source between `from` and `at`.
    text: Zeroizing<Vec<u8>>,
    /// How many bytes that is.
    length: usize,
    from: Option<usize>,
    at: usize,
    /// The edits in `text`, and where in it each of them ends; none where a text is expected.
    edits: Vec<(Span, usize)>,
    /// Those that came out of order.
    late: Vec<Splice>,
}

impl<'d> Draft<'d> {
    /// A draft of `source` that begins with it where `is_first`, else with the first edit.
    #[must_use]
    pub fn new(source: &'d [u8], is_first: bool, is_secret: bool) -> Self {
        Self {
            source,
            is_secret,
            expected: None,
            differs: false,
            length: 0,
            text: Zeroizing::default(),
            from: is_first.then_some(0),
            at: 0,
            edits: Vec::new(),
            late: Vec::new(),
        }
    }

    /// A draft of all of `source` that keeps no text, but compares it to what is `expected`.
    #[must_use]
    pub fn against(source: &'d [u8], expected: &'d [u8]) -> Self {
        let mut draft = Self::new(source, true, true);
        draft.expected = Some(expected);
        draft
    }

    /// Makes room for `bytes` of text and so many edits; growing takes as long as writing them.
    #[must_use]
    pub fn with_room(mut self, bytes: usize, edits: usize) -> Self {
        self.text.reserve_exact(bytes);
        self.edits.reserve_exact(edits);
        self
    }

    /// Puts `text` in the place of `span`.
    pub fn replace(&mut self, span: Span, text: &[u8]) {
        let range = span.range();
        if range.start < self.at {
            self.late.push(Splice::new(span, text));
            return;
        }
        if self.from.is_none() {
            (self.from, self.at) = (Some(range.start), range.start);
        }
        self.write(&self.source[self.at..range.start]);
        self.write(text);
        self.at = range.end;
        if self.expected.is_none() {
            self.edits.push((span, self.length));
        }
    }

    /// As [`Draft::replace`].
    pub fn push(&mut self, edit: Splice) {
        if (edit.span.start as usize) < self.at {
            self.late.push(edit);
        } else {
            self.replace(edit.span, &edit.text);
        }
    }

    /// Takes over the edits of `next`, a draft of the same source that comes behind this one and
    /// is without edits then.
    pub fn append(&mut self, next: &mut Self) {
        self.late.append(&mut next.late);
        match next.from.take() {
            None => {}
            Some(from) if from < self.at => self.late.append(&mut next.splices(from)),
            Some(from) => {
                self.write(&self.source[self.at..from]);
                let start = self.length;
                self.write(&next.text);
                let edits = next.edits.drain(..);
                if self.expected.is_none() {
                    let moved = edits.map(|(span, end)| (span, start + end));
                    self.edits.extend(moved);
                }
                self.at = next.at;
            }
        }
        (next.at, next.length) = (0, 0);
        next.text.clear();
    }

    /// The whole new text, with `last` applied as well. Of the edits made before, those inside of
    /// another one are dropped: its text stands for theirs, too.
    #[must_use]
    pub fn finish(mut self, mut last: Vec<Splice>) -> Zeroizing<Vec<u8>> {
        if self.ends_with(&mut last) {
            return std::mem::take(&mut self.text);
        }
        let mut all = self.splices(0);
        all.append(&mut self.late);
        drop_contained(&mut all);
        all.append(&mut last);
        splice(self.source, &mut all)
    }

    /// Whether the whole new text, with `last` applied as well, is surely the one expected. Where
    /// edits came out of order it is not sure.
    #[must_use]
    pub fn is_expected(mut self, mut last: Vec<Splice>) -> bool {
        let is_whole = self.ends_with(&mut last);
        is_whole && !self.differs && self.expected.is_some_and(|text| text.len() == self.length)
    }

    /// Writes what is left, with `last` applied, where all is in order; false where it is not.
    fn ends_with(&mut self, last: &mut Vec<Splice>) -> bool {
        last.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let first = last.first().map(|edit| edit.span.start as usize);
        if first.is_some_and(|first| first < self.at) || !self.late.is_empty() {
            return false;
        }
        for edit in last.drain(..) {
            assert!(self.at <= edit.span.start as usize, "splices overlap");
            self.push(edit);
        }
        self.write(&self.source[self.at..]);
        true
    }

    fn write(&mut self, bytes: &[u8]) {
        let start = self.length;
        self.length += bytes.len();
        if let Some(expected) = self.expected {
            self.differs |= expected.get(start..self.length) != Some(bytes);
        } else if self.is_secret {
            secret::append(&mut self.text, bytes);
        } else {
            self.text.extend_from_slice(bytes);
        }
    }

    /// The edits in the text, which begins at `from`, each for itself.
    fn splices(&mut self, from: usize) -> Vec<Splice> {
        let (mut at, mut end) = (from, 0);
        let mut splices = Vec::with_capacity(self.edits.len());
        for (span, text_end) in self.edits.drain(..) {
            let start = end + span.range().start - at;
            splices.push(Splice::new(span, &self.text[start..text_end]));
            (at, end) = (span.range().end, text_end);
        }
        splices
    }
}

impl Drop for Draft<'_> {
    /// To wipe a text that is no secret would take longer than it took to write.
    fn drop(&mut self) {
        if !self.is_secret {
            drop(unwiped(std::mem::take(&mut self.text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOURCE: &[u8] = b"0123456789";

    fn draft(is_first: bool, edits: &[(usize, usize, &str)]) -> Draft<'static> {
        let mut draft = Draft::new(SOURCE, is_first, true);
        for (start, end, text) in edits {
            draft.replace(Span::new(*start, *end), text.as_bytes());
        }
        draft
    }

    fn text(draft: Draft<'_>) -> String {
        String::from_utf8(draft.finish(Vec::new()).to_vec()).unwrap()
    }

    #[test]
    fn what_no_edit_touches_stays() {
        assert_eq!(text(draft(true, &[])), "0123456789");
        assert_eq!(text(draft(true, &[(2, 4, "x"), (4, 4, "y")])), "01xy456789");
    }

    #[test]
    fn an_edit_may_come_late_and_one_inside_of_another_is_dropped() {
        let edits = [(6, 8, "x"), (1, 2, "y"), (5, 9, "z")];
        assert_eq!(text(draft(true, &edits)), "0y234z9");
    }

    #[test]
    fn what_comes_last_may_stand_anywhere() {
        let draft = draft(true, &[(6, 8, "x")]);
        let last = [(9, 10), (3, 3)].map(|(start, end)| Splice::new(Span::new(start, end), "+"));
        assert_eq!(*draft.finish(last.into()), b"012+345x8+");
    }

    #[test]
    fn a_draft_knows_the_expected_text() {
        let is = |expected: &[u8], edits: &[(usize, usize, &str)]| {
            let mut draft = Draft::against(SOURCE, expected);
            for (start, end, text) in edits {
                draft.replace(Span::new(*start, *end), text.as_bytes());
            }
            draft.is_expected(vec![Splice::new(Span::new(8, 10), "!")])
        };
        assert!(is(b"01x567!", &[(2, 5, "x")]));
        for other in [&b"01y567!"[..], b"01x567", b"01x567!!", b""] {
            assert!(!is(other, &[(2, 5, "x")]));
        }
        assert!(
            !is(b"0z2x567!", &[(3, 5, "x"), (1, 2, "z")]),
            "it is not sure"
        );
    }

    proptest! {
        // Edits that do not overlap, in any order, in any shares, make what splicing makes.
        #[test]
        fn it_is_what_splicing_makes(
            cuts in prop::collection::vec((0usize..3, 0usize..3, "[a-c]{0,3}"), 0..5),
            order in any::<prop::sample::Index>(),
            share in 0usize..6,
            turned: bool,
        ) {
            let (mut at, mut edits) = (0, Vec::new());
            for (gap, length, text) in &cuts {
                let (start, end) = (at + gap, at + gap + length);
                if end > SOURCE.len() {
                    break;
                }
                edits.push((start, end, text.as_str()));
                at = end;
            }
            let mut splices: Vec<_> = edits
                .iter()
                .map(|(start, end, text)| Splice::new(Span::new(*start, *end), *text))
                .collect();
            let expected = splice(SOURCE, &mut splices);
            // Empty edits at one place keep the order in which they come.
            if turned && !edits.is_empty() && edits.iter().all(|(start, end, _)| start < end) {
                let middle = order.index(edits.len());
                edits.rotate_left(middle);
            }
            let share = share.min(edits.len());
            let mut whole = draft(true, &edits[..share]);
            whole.append(&mut draft(false, &edits[share..]));
            prop_assert_eq!(whole.finish(Vec::new()), expected);
        }
    }
}
