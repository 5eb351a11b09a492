//! An edit is plain data: a span and what comes in its place.

use super::{Span, secret};
use zeroize::Zeroizing;

/// A replacement for the bytes in `span`; an empty span inserts.
pub struct Splice {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub text: Zeroizing<Vec<u8>>,
}

impl Splice {
    /// A replacement of `span` by `text`.
    #[must_use]
    pub fn new(span: Span, text: impl Into<Vec<u8>>) -> Self {
        Self {
            span,
            text: Zeroizing::new(text.into()),
        }
    }

    /// Appends what comes to `out`; what goes.
    pub fn append_to(self, out: &mut Zeroizing<Vec<u8>>) -> Span {
        secret::append(out, &self.text);
        self.span
    }
}

/// Text that is no secret, such as that of an encrypted file: wiping it, byte by byte, would take
/// longer than writing it.
#[must_use]
pub fn unwiped(mut text: Zeroizing<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut *text)
}

/// Drops splices that lie inside another one, whose text stands for theirs, too.
pub fn drop_contained(splices: &mut Vec<Splice>) {
    let order = |s: &Splice| (s.span.start, std::cmp::Reverse(s.span.end));
    if !splices.is_sorted_by_key(order) {
        splices.sort_by_key(order);
    }
    let mut end = 0;
    splices.retain(|splice| {
        let contained = splice.span.end <= end && !splice.span.is_empty();
        end = end.max(splice.span.end);
        !contained
    });
}

/// `source` with all `splices` applied. They need not come in order;
/// insertions at one place keep the order in which they were given,
/// and stand before what is replaced there.
///
/// # Panics
/// Where two splices overlap: that is a mistake of a store, and the text would be wrong.
#[must_use]
pub fn splice(source: &[u8], splices: &mut [Splice]) -> Zeroizing<Vec<u8>> {
    let order = |s: &Splice| (s.span.start, s.span.end);
    if !splices.is_sorted_by_key(order) {
        splices.sort_by_key(order);
    }
    // Room for just this text: what is not used would have to be wiped, too.
    let grown: usize = splices.iter().map(|s| s.text.len()).sum();
    let gone: usize = splices.iter().map(|s| s.span.range().len()).sum();
    let room = (source.len() + grown).saturating_sub(gone);
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    let mut at = 0;
    for s in splices.iter() {
        let range = s.span.range();
        assert!(at <= range.start, "splices overlap at byte {}", range.start);
        out.extend_from_slice(&source[at..range.start]);
        out.extend_from_slice(&s.text);
        at = range.end;
    }
    out.extend_from_slice(&source[at..]);
    out
}
