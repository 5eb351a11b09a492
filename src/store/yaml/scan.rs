//! From bytes to tokens, one at a time, as libyaml does it: a stack of indentations, and for every
//! bracket that is open the place where a key may have begun that is known to be one at its `:`.

use super::comments::Comments;
use super::text::{Result, bom_len, break_len, byte, error, is_space_or_end};
use super::token::{Block, Kind, Token};
use crate::document::Span;
use crate::store::MAX_DEPTH;
use std::collections::HashSet;

mod indicators;
mod lines;
mod outside;

/// A place where a key may have begun.
#[derive(Clone, Copy)]
struct Candidate {
    /// Its token, counted from the first one ever.
    token: usize,
    start: usize,
    column: usize,
    line: u32,
    /// It has to be a key, because it stands where the keys of a block mapping do.
    required: bool,
    /// A tab stands before it, so no block mapping may begin here.
    after_tab: bool,
    /// It begins with a bracket.
    bracket: bool,
}

/// The longest flow collection that is looked through for the `:` that makes it a key.
const LONGEST_FLOW_KEY: usize = 1024;

/// How many tokens yaml.v3 reads ahead, this one included. Which comment belongs to which token
/// depends on it.
const AHEAD: usize = 3;

/// Cuts a text into tokens.
pub(super) struct Scanner<'s> {
    pub(super) source: &'s [u8],
    pub(super) at: usize,
    line_start: usize,
    pub(super) line: u32,
    /// Line breaks since the last byte that was no blank.
    pub(super) newlines: u32,
    tokens: Vec<Token>,
    /// The place of the next token in `tokens`.
    next: usize,
    /// How many tokens were before `tokens[0]`.
    dropped: usize,
    /// How many tokens yaml.v3 would have in store.
    ahead: usize,
    /// The next token is in store and its comments are found.
    ready: bool,
    ended: bool,
    /// The last two tokens made.
    pub(super) last: (Kind, u32),
    pub(super) before_last: (Kind, u32),
    /// The column of the innermost block collection's entries, -1 outside of any.
    pub(super) indent: i64,
    indents: Vec<i64>,
    /// The kinds of the brackets that are open.
    flows: Vec<Kind>,
    /// For the block level and each open bracket.
    candidates: Vec<Option<Candidate>>,
    key_allowed: bool,
    /// A tab stands between the start of the line, or the last indicator, and here.
    after_tab: bool,
    directives_allowed: bool,
    /// What block scalars' tokens do not hold.
    pub(super) blocks: Vec<Block>,
    /// Anchors whose names end in a colon.
    pub(super) colon_anchors: HashSet<&'s [u8]>,
    pub(super) comments: Comments,
}

impl<'s> Scanner<'s> {
    /// Begins at the start of `source`, which has been checked.
    pub(super) fn new(source: &'s [u8]) -> Self {
        let start = bom_len(source);
        let first = (Kind::StreamStart, start as u32);
        Self {
            source,
            at: start,
            line_start: start,
            line: 0,
            newlines: 0,
            tokens: Vec::with_capacity(128),
            next: 0,
            dropped: 0,
            ahead: 0,
            ready: false,
            ended: false,
            last: first,
            before_last: first,
            indent: -1,
            indents: Vec::with_capacity(16),
            flows: Vec::new(),
            candidates: vec![None],
            key_allowed: true,
            after_tab: false,
            directives_allowed: true,
            blocks: Vec::new(),
            colon_anchors: HashSet::new(),
            comments: Comments::default(),
        }
    }

    /// The next token, without taking it.
    ///
    /// # Errors
    /// Where the text has no token.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<Token> {
        if !self.ready {
            self.fill()?;
        }
        let mut token = self.tokens[self.next];
        if token.opens {
            token.kind = Kind::BlockMapping;
        }
        Ok(token)
    }

    /// Takes the token that [`Scanner::peek`] has shown.
    #[inline]
    pub(super) fn skip(&mut self) {
        let token = &mut self.tokens[self.next];
        if token.opens {
            token.opens = false;
        } else {
            self.next += 1;
        }
        self.ahead = self.ahead.saturating_sub(1);
        self.ready = false;
    }

    /// Reads on until it is certain what the next token is, and which comments are its own.
    #[inline(never)]
    fn fill(&mut self) -> Result<()> {
        loop {
            let waits = self.waits()?;
            let enough = self.ahead >= AHEAD || self.ended;
            if enough && !waits {
                break;
            }
            self.fetch()?;
        }
        self.ready = true;
        Ok(())
    }

    /// True where the next token may still turn out to be a key.
    fn waits(&mut self) -> Result<bool> {
        while let Some(token) = self.tokens.get(self.next) {
            if token.kind != Kind::Candidate {
                return Ok(false);
            }
            let number = self.dropped + self.next;
            let level = self
                .candidates
                .iter()
                .rposition(|c| c.is_some_and(|c| c.token == number));
            if let Some(level) = level {
                if self.is_key(level)? {
                    return Ok(true);
                }
                self.candidates[level] = None;
            }
            self.next += 1;
        }
        Ok(false)
    }

    /// Whether a `:` here would make a key of the candidate at `level`.
    fn is_key(&self, level: usize) -> Result<bool> {
        let Some(key) = self.candidates[level] else {
            return Ok(false);
        };
        let in_braces = level > 0 && self.flows[level - 1] == Kind::FlowMapping;
        let too_long = key.bracket && self.at - key.start > LONGEST_FLOW_KEY;
        if too_long || key.line < self.line && !in_braces {
            if key.required {
                return error(key.start, "could not find expected ':'");
            }
            return Ok(false);
        }
        Ok(true)
    }

    #[inline]
    pub(super) fn byte(&self, at: usize) -> u8 {
        byte(self.source, at)
    }

    pub(super) fn column(&self) -> usize {
        self.at - self.line_start
    }

    pub(super) fn in_flow(&self) -> bool {
        !self.flows.is_empty()
    }

    /// Goes over a line break of `len` bytes.
    #[inline]
    pub(super) fn newline(&mut self, len: usize) {
        self.at += len;
        self.line_start = self.at;
        self.line += 1;
        self.newlines += 1;
    }

    /// Makes the token that begins at `start` and ends here.
    #[inline]
    pub(super) fn push(&mut self, kind: Kind, start: usize) {
        let column = start - self.line_start;
        self.push_token(Token::scalar(
            kind,
            Span::new(start, self.at),
            column,
            false,
        ));
    }

    pub(super) fn push_token(&mut self, token: Token) {
        if self.next >= 256 {
            self.tokens.drain(..self.next);
            self.dropped += self.next;
            self.next = 0;
        }
        self.tokens.push(token);
        self.ahead += 1;
        self.before_last = self.last;
        self.last = (token.kind, token.start);
    }

    /// Makes a scalar's token.
    pub(super) fn push_scalar(&mut self, kind: Kind, span: Span, column: usize, cook: bool) {
        self.push_token(Token::scalar(kind, span, column, cook));
    }

    /// Makes the next token, or several.
    fn fetch(&mut self) -> Result<()> {
        let gap = (self.at, self.line);
        self.skip_to_token(gap)?;
        let column = self.column();
        if self.indent > column as i64 && !self.in_flow() {
            self.unroll(column as i64, gap.0);
        }
        if self.at >= self.source.len() {
            return self.stream_end();
        }
        let first = self.byte(self.at);
        if column == 0 && matches!(first, b'%' | b'-' | b'.') && self.outside(first)? {
            return Ok(());
        }
        let separates = if self.in_flow() { b',' } else { b':' };
        let owner = if first == separates {
            self.last.1 as usize
        } else {
            self.at
        };
        self.directives_allowed = false;
        self.dispatch(first)?;
        let comment = matches!(self.byte(self.at), b' ' | b'#' | b'\t');
        if comment && self.last.0 != Kind::BlockEntry && self.newlines == 0 {
            self.line_comment(owner);
        }
        Ok(())
    }

    fn dispatch(&mut self, first: u8) -> Result<()> {
        let flow = self.in_flow();
        match first {
            b'[' => self.flow_start(Kind::FlowSequence),
            b'{' => self.flow_start(Kind::FlowMapping),
            b']' if flow => {
                self.flow_end(Kind::FlowSequenceEnd);
                Ok(())
            }
            b'}' if flow => {
                self.flow_end(Kind::FlowMappingEnd);
                Ok(())
            }
            b',' if flow => self.flow_entry(),
            b'-' if is_space_or_end(self.source, self.at + 1) => self.block_entry(),
            b'?' if flow || is_space_or_end(self.source, self.at + 1) => self.key(),
            b':' if self.is_value() => self.value(),
            b'*' => self.named(Kind::Alias),
            b'&' => self.named(Kind::Anchor),
            b'!' => self.tag(),
            b'|' if !flow => self.block_scalar(Kind::Literal),
            b'>' if !flow => self.block_scalar(Kind::Folded),
            b'\'' => self.quoted(Kind::Single),
            b'"' => self.quoted(Kind::Double),
            b']' | b'}' | b',' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                error(self.at, "found a character that cannot start any token")
            }
            _ => self.plain(),
        }
    }

    /// Whether the `:` here separates a key from its value.
    fn is_value(&self) -> bool {
        if is_space_or_end(self.source, self.at + 1) {
            return true;
        }
        if !self.in_flow() {
            return false;
        }
        // Behind what ends by itself a colon needs no space, nor where nothing can follow it.
        let ends_by_itself = matches!(
            self.last.0,
            Kind::Single
                | Kind::Double
                | Kind::FlowSequenceEnd
                | Kind::FlowMappingEnd
                | Kind::Alias
                | Kind::Tag
        );
        ends_by_itself || matches!(self.byte(self.at + 1), b',' | b'[' | b']' | b'{' | b'}')
    }

    /// Goes over blanks, comments and line breaks, from `gap`, an offset and a line, on.
    fn skip_to_token(&mut self, gap: (usize, u32)) -> Result<()> {
        self.after_tab = false;
        loop {
            if self.byte(self.at) == 0xEF
                && self.column() == 0
                && bom_len(&self.source[self.at..]) > 0
            {
                self.at += 3;
                self.line_start = self.at;
            }
            loop {
                match self.byte(self.at) {
                    b' ' => self.at += 1,
                    b'\t' => {
                        self.at += 1;
                        self.after_tab = true;
                    }
                    _ => break,
                }
            }
            if self.last.0 == Kind::BlockEntry {
                self.turn_line_comment();
            }
            if self.byte(self.at) == b'#' {
                self.scan_comments(gap);
            }
            let len = break_len(self.source, self.at);
            if len == 0 {
                return Ok(());
            }
            self.newline(len);
            self.after_tab = false;
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    /// Ends the block collections that are indented deeper than `column`.
    fn unroll(&mut self, column: i64, gap: usize) {
        let mut mark = gap as i64 - 1;
        while self.indent > column {
            mark = self.comments.end_of_block(mark, self.indent);
            self.push_token(Token::mark(Kind::BlockEnd, mark.max(0) as usize, 0));
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Begins a block collection at `column` where it is deeper than the one around it.
    fn roll(&mut self, column: usize) -> Result<bool> {
        if self.in_flow() || self.indent >= column as i64 {
            return Ok(false);
        }
        self.indents.push(self.indent);
        self.indent = column as i64;
        self.check_depth()?;
        Ok(true)
    }

    fn check_depth(&self) -> Result<()> {
        if self.indents.len() + self.flows.len() > MAX_DEPTH {
            return error(self.at, "the text is nested too deeply");
        }
        Ok(())
    }

    /// Notes that a key may begin here.
    pub(super) fn save_candidate(&mut self, bracket: bool) -> Result<()> {
        self.save_candidate_at(self.at, bracket)
    }

    /// Notes that a key may begin at `start`, on this line.
    pub(super) fn save_candidate_at(&mut self, start: usize, bracket: bool) -> Result<()> {
        if !self.key_allowed {
            return Ok(());
        }
        self.drop_candidate()?;
        let column = start - self.line_start;
        let candidate = Candidate {
            token: self.dropped + self.tokens.len(),
            start,
            column,
            line: self.line,
            required: !self.in_flow() && self.indent == column as i64,
            after_tab: self.after_tab,
            bracket,
        };
        // It is no token yet, so it counts for nothing that looks at tokens.
        let made = (self.last, self.before_last);
        self.push(Kind::Candidate, start);
        self.ahead -= 1;
        (self.last, self.before_last) = made;
        let level = self.flows.len();
        self.candidates[level] = Some(candidate);
        Ok(())
    }

    /// Gives up the candidate at the current level.
    pub(super) fn drop_candidate(&mut self) -> Result<()> {
        match self.candidates[self.flows.len()].take() {
            Some(key) if key.required => error(key.start, "could not find expected ':'"),
            _ => Ok(()),
        }
    }

    /// Whether a plain scalar here, with a `:` behind it, is a key of a block mapping.
    pub(super) fn is_key_allowed(&self) -> bool {
        self.key_allowed && self.flows.is_empty()
    }

    /// Whether a key may begin behind this token.
    pub(super) fn allow_key(&mut self, allowed: bool) {
        self.key_allowed = allowed;
    }
}
