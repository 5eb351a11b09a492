//! Comments between tokens, and the token each belongs to.
//!
//! sops ties a comment's additional data to the collection in which go-yaml's scanner and parser
//! leave it, so their rules are kept here to the letter, oddities included: a run of comment lines
//! is the *head* of the token behind it, the *foot* of one before it, or a *line* comment.

use super::scan::Scanner;
use super::text::{break_len, is_blank, is_break_or_end, line_end};
use super::token::Kind;
use crate::document::Span;
use std::ops::Range;

/// How far go-yaml looks behind a token or a comment for the next comment, in bytes.
const LOOK_AHEAD: usize = 512;

/// How a run of comment lines relates to its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    Line,
    Foot,
}

/// A place in the text.
#[derive(Clone, Copy, Default)]
struct Mark {
    at: i64,
    line: i64,
    /// Counted from 1; 0 for no place at all.
    column: i64,
}

/// Comment lines that stay together.
struct Run {
    place: Place,
    /// The first token that starts here or later takes the run.
    owner: i64,
    start: Mark,
    /// Where the search began that found it.
    searched_from: i64,
    end: i64,
    lines: Range<usize>,
}

/// The comments found so far.
#[derive(Default)]
pub(super) struct Comments {
    /// Every comment line of the text, from its `#` to the end of its line.
    pub(super) lines: Vec<Span>,
    runs: Vec<Run>,
    /// The first run that no token has taken.
    next: usize,
}

/// Comment lines that tokens have taken and no node yet, as places in [`Comments::lines`].
#[derive(Default)]
pub(super) struct Pending {
    pub(super) head: Vec<usize>,
    pub(super) line: Vec<usize>,
    pub(super) foot: Vec<usize>,
}

impl Pending {
    /// True where nothing is pending.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.line.is_empty() && self.foot.is_empty()
    }
}

impl Comments {
    /// True where some comment is not taken.
    #[inline]
    pub(super) fn any_left(&self) -> bool {
        self.next < self.runs.len()
    }

    /// Gives the runs to `pending` that belong to a token at `start` or to one before it.
    pub(super) fn take(&mut self, kind: Kind, start: u32, pending: &mut Pending) {
        while let Some(run) = self.runs.get(self.next) {
            // The end of a block has no head: it goes to whatever comes behind.
            let waits = run.place == Place::Head && kind == Kind::BlockEnd;
            if run.owner > i64::from(start) || waits {
                break;
            }
            let list = match run.place {
                Place::Head => &mut pending.head,
                Place::Line => &mut pending.line,
                Place::Foot => &mut pending.foot,
            };
            list.extend(run.lines.clone());
            self.next += 1;
        }
    }

    /// Where a block at `indent` ends whose end was noticed at `mark`: before the first comment
    /// behind it that is indented as it is.
    pub(super) fn end_of_block(&self, mark: i64, indent: i64) -> i64 {
        let (mut found, mut stop) = (mark, mark);
        for run in self.runs[self.next..].iter().rev() {
            if run.end < stop {
                break;
            }
            if run.start.column == indent + 1 {
                found = run.start.at;
            }
            stop = run.searched_from;
        }
        found
    }
}

/// The search for comments from one place on.
struct Search {
    /// Where it began, or where the last run split off ended.
    from: i64,
    /// The token that a foot belongs to.
    token: (Kind, i64),
    /// The column of the block's entries.
    indent: i64,
    /// The line on which a comment must begin to be a foot: the one below what it follows.
    foot_line: i64,
    /// The place looked at: a line and a column counted from 1.
    line: i64,
    column: i64,
    /// No line without a comment has been seen but perhaps the one being looked at.
    first_empty: bool,
    recent_empty: bool,
    /// Where the run in the making begins, and its first line.
    start: Mark,
    first_line: usize,
}

impl Search {
    /// The run in the making stands left of the block's entries.
    fn is_dedented(&self) -> bool {
        self.start.column - 1 < self.indent
    }

    /// Whether the line break looked at, or the bracket that `closes`, ends the run as a foot.
    fn ends_foot(&self, closes: bool) -> bool {
        let below = self.start.line == self.foot_line && self.token.0 != Kind::Value;
        closes || !self.recent_empty && self.first_empty && (below || self.is_dedented())
    }

    /// Goes on to the next line.
    fn next_line(&mut self) {
        self.first_empty = false;
        self.recent_empty = true;
        self.column = 0;
        self.line += 1;
    }
}

impl Scanner<'_> {
    /// Takes a comment behind the token just made, on its line, as the line comment of the token
    /// at `owner`.
    pub(super) fn line_comment(&mut self, owner: usize) {
        let mut at = self.at;
        while is_blank(self.byte(at)) && at - self.at < LOOK_AHEAD {
            at += 1;
        }
        if self.byte(at) != b'#' || at - self.at >= LOOK_AHEAD {
            return;
        }
        let start = self.mark(at);
        let first_line = self.comments.lines.len();
        self.comment_text(at);
        self.comments.runs.push(Run {
            place: Place::Line,
            owner: owner as i64,
            start,
            searched_from: 0,
            end: 0,
            lines: first_line..first_line + 1,
        });
    }

    /// Behind a `-`: if it begins a sequence, a line comment becomes the head of what follows.
    pub(super) fn turn_line_comment(&mut self) {
        if self.before_last.0 != Kind::BlockSequence {
            return;
        }
        let (at, line) = (self.at, i64::from(self.line));
        let broken = break_len(self.source, at) > 0;
        let comments = &mut self.comments;
        let Some(run) = comments.runs[comments.next..].last_mut() else {
            return;
        };
        if run.place == Place::Line && !broken {
            run.place = Place::Head;
            if run.start.line == line - 1 {
                run.owner = at as i64;
            }
        }
    }

    fn mark(&self, at: usize) -> Mark {
        Mark {
            at: at as i64,
            line: i64::from(self.line),
            column: (self.column() + at - self.at) as i64 + 1,
        }
    }

    /// Notes the comment line that begins at `at` and goes to its end.
    fn comment_text(&mut self, at: usize) {
        self.at = line_end(self.source, at);
        self.newlines = 0;
        self.comments.lines.push(Span::new(at, self.at));
    }

    /// The search from here, a `#`. `gap` is the offset and line where the last token ended.
    fn search(&self, gap: (usize, u32)) -> Search {
        let (kind, start) = match self.last.0 {
            Kind::FlowEntry => self.before_last,
            _ => self.last,
        };
        let (line, column) = (i64::from(self.line), self.column() as i64);
        let foot_line = match self.newlines {
            _ if gap.1 == 0 => -1,
            0 if column > 1 => line + 2,
            newlines => line - i64::from(newlines) + 1,
        };
        Search {
            from: gap.0 as i64,
            token: (kind, i64::from(start)),
            indent: self.indent.max(0),
            foot_line,
            line,
            column,
            first_empty: self.newlines <= 1,
            recent_empty: false,
            start: Mark::default(),
            first_line: self.comments.lines.len(),
        }
    }

    /// Finds the comments from here, a `#`, to the next token. `gap` is the offset and line where
    /// the last token ended.
    pub(super) fn scan_comments(&mut self, gap: (usize, u32)) {
        let mut search = self.search(gap);
        let mut peek = 0;
        while peek < LOOK_AHEAD {
            search.column += 1;
            let at = self.at + peek;
            let byte = self.byte(at);
            if is_blank(byte) {
                peek += 1;
                continue;
            }
            let has_text = search.first_line < self.comments.lines.len();
            let closes = self.in_flow() && matches!(byte, b']' | b'}');
            if closes || is_break_or_end(self.source, at) {
                if has_text && search.ends_foot(closes) {
                    if search.is_dedented() {
                        // It has nothing to do with the token before.
                        search.token.1 = search.start.at;
                    }
                    self.split_foot(&mut search, at);
                }
                if break_len(self.source, at) == 0 {
                    break;
                }
                search.next_line();
                peek += 1;
                continue;
            }
            let column = search.column;
            if has_text && column - 1 < search.indent && column != search.start.column {
                self.split_foot(&mut search, at);
            }
            if byte != b'#' {
                break;
            }
            self.take_line(&mut search, at);
            // The break behind a comment is not looked at again.
            peek = 1;
        }
        if search.first_line < self.comments.lines.len() {
            let end = (self.at + peek) as i64 - 1;
            search.token.1 = search.start.at;
            self.push_run(Place::Head, &search, end);
        }
    }

    /// Takes the comment line at `at` into the run in the making.
    fn take_line(&mut self, search: &mut Search, at: usize) {
        if search.first_line == self.comments.lines.len() {
            search.start = Mark {
                at: at as i64,
                line: search.line,
                column: search.column,
            };
        }
        self.skip_blank_to(at);
        self.comment_text(at);
        search.recent_empty = false;
        search.column = 0;
        search.line = i64::from(self.line);
    }

    /// Goes over blanks and line breaks up to `end`.
    fn skip_blank_to(&mut self, end: usize) {
        while self.at < end {
            match break_len(self.source, self.at) {
                0 => self.at += 1,
                len => self.newline(len),
            }
        }
    }

    /// Ends the run in the making at `end`, as a foot.
    fn split_foot(&mut self, search: &mut Search, end: usize) {
        let end = end as i64;
        self.push_run(Place::Foot, search, end);
        search.from = end;
        search.token.1 = end;
        search.first_line = self.comments.lines.len();
    }

    fn push_run(&mut self, place: Place, search: &Search, end: i64) {
        self.comments.runs.push(Run {
            place,
            owner: search.token.1,
            start: search.start,
            searched_from: search.from,
            end,
            lines: search.first_line..self.comments.lines.len(),
        });
    }
}
