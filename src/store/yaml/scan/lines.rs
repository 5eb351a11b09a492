//! Where the parser reads lines by itself: how it takes over from the scanner, and gives back.

use super::Scanner;
use crate::store::yaml::token::Kind;

impl Scanner<'_> {
    /// Whether what has been read ahead is nothing but the plain key of a block mapping's entry
    /// and its `:`.
    pub(in crate::store::yaml) fn is_at_plain_key(&self) -> bool {
        let [key, text, colon] = &self.tokens[self.next..] else {
            return false;
        };
        let kinds = (key.kind, text.kind, colon.kind) == (Kind::Key, Kind::Plain, Kind::Value);
        let joined = key.start == text.start && text.end == colon.start;
        let here = colon.end as usize == self.at && i64::from(key.column) == self.indent;
        kinds && joined && here && !key.opens
    }

    /// Goes on at `at`, the end of a line, `breaks` line breaks further on; nothing has been read
    /// ahead.
    pub(in crate::store::yaml) fn resume(&mut self, at: usize, breaks: u32) {
        self.dropped += self.tokens.len();
        self.tokens.clear();
        (self.next, self.ahead, self.ready) = (0, 0, false);
        self.last = (Kind::Plain, self.at as u32);
        self.before_last = self.last;
        self.at = at;
        self.line += breaks;
        self.newlines = 0;
    }

    /// A block collection begins whose entries are in `column`.
    pub(in crate::store::yaml) fn enter(&mut self, column: usize) {
        self.indents.push(self.indent);
        self.indent = column as i64;
    }

    /// The innermost block collection ends.
    pub(in crate::store::yaml) fn leave(&mut self) {
        self.indent = self.indents.pop().unwrap_or(-1);
    }
}
