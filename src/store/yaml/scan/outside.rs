//! What stands outside of documents: directives, markers, the end of the text.

use super::Scanner;
use crate::store::yaml::text::{Result, break_len, error, hinted, is_blank, is_document_marker};
use crate::store::yaml::token::Kind;

impl Scanner<'_> {
    /// Makes the token of what stands outside of documents, if it is that. `first` is at column 0.
    pub(super) fn outside(&mut self, first: u8) -> Result<bool> {
        let kind = match first {
            b'%' if self.in_flow() => return Ok(false),
            b'%' => Kind::Directive,
            _ if !is_document_marker(self.source, self.at) => return Ok(false),
            b'-' => Kind::DocumentStart,
            _ => Kind::DocumentEnd,
        };
        if self.in_flow() {
            return error(self.at, "found a document marker inside of brackets");
        }
        self.unroll(-1, self.at);
        self.drop_candidate()?;
        self.key_allowed = false;
        if kind == Kind::Directive {
            self.directive()?;
            return Ok(true);
        }
        let start = self.at;
        self.at += 3;
        self.newlines = 0;
        self.push(kind, start);
        self.directives_allowed = kind == Kind::DocumentEnd;
        if kind == Kind::DocumentEnd {
            self.expect_line_end("found text behind '...'")?;
        }
        Ok(true)
    }

    pub(super) fn directive(&mut self) -> Result<()> {
        if !self.directives_allowed {
            return hinted(
                self.at,
                "found a directive inside of a document",
                "end the document with '...' before it",
            );
        }
        let start = self.at;
        self.scan_directive();
        self.newlines = 0;
        self.push(Kind::Directive, start);
        self.expect_line_end("found text behind a directive")
    }

    pub(super) fn stream_end(&mut self) -> Result<()> {
        if self.column() != 0 {
            self.line += 1;
        }
        if !self.in_flow() {
            self.unroll(-1, self.at);
        }
        self.drop_candidate()?;
        // Where brackets are still open, what stands before them is no key any more.
        self.candidates.fill(None);
        self.key_allowed = false;
        self.ended = true;
        self.push(Kind::StreamEnd, self.at);
        Ok(())
    }

    /// Nothing but blanks and a comment may stand between here and the end of the line.
    pub(in crate::store::yaml) fn expect_line_end(&mut self, problem: &str) -> Result<()> {
        let mut at = self.at;
        while is_blank(self.byte(at)) {
            at += 1;
        }
        if self.byte(at) != b'#' && self.byte(at) != 0 && break_len(self.source, at) == 0 {
            return error(at, problem);
        }
        Ok(())
    }
}
