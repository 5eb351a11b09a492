//! Where scalars end: plain, quoted and block scalars as tokens.

use super::cook::Chomp;
use super::scan::Scanner;
use super::text::{
    Result, break_len, error, hinted, is_blank, is_document_marker, is_space_or_end, line_end,
};
use super::token::{Block, Kind, Token};
use crate::document::Span;
use memchr::{memchr, memchr2, memchr3};

/// What a byte may mean inside of a plain scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Text,
    Colon,
    Hash,
    /// One of `,[]{}`.
    Flow,
    /// The first byte of what may be a line break.
    Break,
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Text; 256];
    table[b':' as usize] = Class::Colon;
    table[b'#' as usize] = Class::Hash;
    table[b',' as usize] = Class::Flow;
    table[b'[' as usize] = Class::Flow;
    table[b']' as usize] = Class::Flow;
    table[b'{' as usize] = Class::Flow;
    table[b'}' as usize] = Class::Flow;
    table[b'\n' as usize] = Class::Break;
    table[b'\r' as usize] = Class::Break;
    table[0xC2] = Class::Break;
    table[0xE2] = Class::Break;
    table
};

/// The first line of a block scalar.
struct Header {
    chomp: Chomp,
    /// The indentation indicator; 0 without one.
    increment: usize,
    /// Where the indicators end.
    end: usize,
}

/// The length of the text in front of `quote` or an escape, 0 where there is more in it than
/// visible ASCII and spaces.
fn visible_len(text: &[u8], quote: u8) -> usize {
    let len = memchr2(quote, b'\\', text).unwrap_or(0);
    let visible = all(&text[..len], |byte| (b' '..=b'~').contains(&byte));
    if visible { len } else { 0 }
}

/// Without a branch in it the loop is done many bytes at a time.
fn all(text: &[u8], is: impl Fn(u8) -> bool) -> bool {
    text.iter().fold(true, |all, &byte| all & is(byte))
}

impl Scanner<'_> {
    /// A plain scalar: text up to `: `, ` #`, in brackets also `,[]{}`, and as long as its lines
    /// are indented.
    pub(super) fn plain(&mut self) -> Result<()> {
        let (start, column) = (self.at, self.column());
        let mut end = self.plain_line();
        if end == start {
            return error(start, "found a character that cannot start any token");
        }
        self.newlines = 0;
        if self.is_key_allowed() && self.byte(end) == b':' && self.byte(start) != b':' {
            return self.plain_key(start);
        }
        self.save_candidate_at(start, false)?;
        self.allow_key(false);
        let mut cook = false;
        while break_len(self.source, self.at) > 0 {
            let continues = self.next_plain_line();
            let next = self.at;
            let more = if continues { self.plain_line() } else { next };
            if more == next {
                // What stands at the start of a line may be a key.
                self.allow_key(true);
                break;
            }
            (end, cook) = (more, true);
            self.newlines = 0;
        }
        self.push_scalar(Kind::Plain, Span::new(start, end), column, cook);
        Ok(())
    }

    /// Goes over the plain text of one line and the blanks behind it; gives where the text ends.
    fn plain_line(&mut self) -> usize {
        let source = self.source;
        let flow = self.in_flow();
        let start = self.at;
        let mut at = if flow {
            start
        } else {
            behind_token(source, start)
        };
        while let Some(&byte) = source.get(at) {
            let ends = match CLASSES[byte as usize] {
                Class::Text => false,
                Class::Colon => {
                    let bracket = flow && matches!(self.byte(at + 1), b'[' | b'{');
                    bracket || is_space_or_end(source, at + 1)
                }
                Class::Hash => at > start && is_blank(source[at - 1]),
                Class::Flow => flow,
                Class::Break => break_len(source, at) > 0,
            };
            if ends {
                break;
            }
            at += 1;
        }
        self.at = at;
        let blanks = source[start..at].iter().rev().take_while(|b| is_blank(**b));
        at - blanks.count()
    }

    /// Goes to the next line that is not blank; true where a plain scalar can go on there.
    fn next_plain_line(&mut self) -> bool {
        let block = !self.in_flow();
        loop {
            self.newline(break_len(self.source, self.at));
            while self.byte(self.at) == b' ' {
                self.at += 1;
            }
            let indented = self.column() as i64 > self.indent;
            let mut text = self.at;
            while is_blank(self.byte(text)) {
                text += 1;
            }
            if block && !indented && text > self.at && break_len(self.source, text) == 0 {
                // Indented by a tab. Whatever this is, it does not go on here.
                return false;
            }
            self.at = text;
            if break_len(self.source, text) > 0 {
                continue;
            }
            let marker = self.column() == 0 && is_document_marker(self.source, text);
            return (indented || !block) && !marker && self.byte(text) != b'#';
        }
    }

    /// A scalar in quotes, which may go on over any lines but document markers.
    pub(super) fn quoted(&mut self, kind: Kind) -> Result<()> {
        self.save_candidate(false)?;
        self.allow_key(false);
        let (start, column) = (self.at, self.column());
        let quote = self.byte(start);
        let mut cook = false;
        self.at += 1 + visible_len(&self.source[start + 1..], quote);
        loop {
            match self.byte(self.at) {
                0 => return error(start, "found the end of the text in a quoted scalar"),
                b'\'' if quote == b'\'' && self.byte(self.at + 1) == b'\'' => {
                    cook = true;
                    self.at += 2;
                }
                byte if byte == quote => break,
                b'\\' if quote == b'"' => {
                    cook = true;
                    let breaks = break_len(self.source, self.at + 1) > 0;
                    self.at += if breaks { 1 } else { 2 };
                }
                b'\n' | b'\r' | 0xC2 | 0xE2 if break_len(self.source, self.at) > 0 => {
                    cook = true;
                    self.newline(break_len(self.source, self.at));
                    if is_document_marker(self.source, self.at) {
                        return error(self.at, "found a document marker in a quoted scalar");
                    }
                }
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.newlines = 0;
        self.push_scalar(kind, Span::new(start, self.at), column, cook);
        Ok(())
    }

    /// A block scalar: a header, then lines that are indented deeper than the block around.
    pub(super) fn block_scalar(&mut self, kind: Kind) -> Result<()> {
        self.drop_candidate()?;
        self.allow_key(true);
        let (start, column) = (self.at, self.column());
        let header = self.block_header(start)?;
        let len = break_len(self.source, self.at);
        if len > 0 {
            self.newline(len);
        }
        let first = self.at;
        let indent = match header.increment {
            0 => self.detect_indent(first)?,
            increment => self.indent.max(0) as usize + increment,
        };
        let (text_end, blank_end) = self.block_lines(indent)?;
        let end = match header.chomp {
            Chomp::Keep => blank_end.or(text_end),
            _ => text_end,
        };
        let body = match end {
            Some(end) => Span::new(first, end),
            None => Span::new(header.end, header.end),
        };
        // The blanks before whatever comes next are not its own.
        let behind = self.at - self.column();
        let lines = Span::new(first, behind.max(text_end.unwrap_or(first)));
        let block = self.blocks.len() as u32;
        self.blocks.push(Block {
            lines,
            body,
            indent: indent as u32,
            chomp: header.chomp,
        });
        let mut token = Token::scalar(kind, Span::new(start, body.end as usize), column, true);
        token.block = block;
        self.push_token(token);
        Ok(())
    }

    /// Reads the indicators behind `|` or `>` and a comment, up to the end of the line.
    fn block_header(&mut self, start: usize) -> Result<Header> {
        let mut header = Header {
            chomp: Chomp::Clip,
            increment: 0,
            end: start + 1,
        };
        self.newlines = 0;
        loop {
            match self.byte(header.end) {
                b'+' if header.chomp == Chomp::Clip => header.chomp = Chomp::Keep,
                b'-' if header.chomp == Chomp::Clip => header.chomp = Chomp::Strip,
                b'0' if header.increment == 0 => {
                    return error(header.end, "found an indentation indicator equal to 0");
                }
                digit @ b'1'..=b'9' if header.increment == 0 => {
                    header.increment = usize::from(digit - b'0');
                }
                _ => break,
            }
            header.end += 1;
        }
        self.at = header.end;
        self.expect_line_end("did not find expected comment or line break")?;
        while is_blank(self.byte(self.at)) {
            self.at += 1;
        }
        if self.byte(self.at) == b'#' {
            self.line_comment(start);
        }
        Ok(header)
    }

    /// The columns of the first line with text, or of the longest blank line before it.
    fn detect_indent(&self, first: usize) -> Result<usize> {
        let mut indent = (self.indent + 1) as usize;
        let mut at = first;
        loop {
            let start = at;
            while self.byte(at) == b' ' {
                at += 1;
            }
            let columns = at - start;
            if self.byte(at) == b'\t' && columns as i64 <= self.indent {
                return hinted(
                    at,
                    "found a tab where the text is indented",
                    "indent with spaces",
                );
            }
            indent = indent.max(columns);
            match break_len(self.source, at) {
                0 => return Ok(indent),
                len => at += len,
            }
        }
    }

    /// Goes over the lines of a block scalar. Gives where the last line with text ends, and the
    /// last blank line behind it.
    fn block_lines(&mut self, indent: usize) -> Result<(Option<usize>, Option<usize>)> {
        let (mut text_end, mut blank_end) = (None, None);
        while self.at < self.source.len() {
            if indent == 0 && is_document_marker(self.source, self.at) {
                break;
            }
            let start = self.at;
            while self.at < start + indent && self.byte(self.at) == b' ' {
                self.at += 1;
            }
            let len = break_len(self.source, self.at);
            if len > 0 {
                blank_end = Some(self.at);
                self.newline(len);
                continue;
            }
            if self.at >= self.source.len() {
                break;
            }
            if self.at < start + indent {
                if self.byte(self.at) == b'\t' {
                    let problem = "found a tab where the text is indented";
                    return hinted(self.at, problem, "indent with spaces");
                }
                break;
            }
            self.at = line_end(self.source, self.at);
            self.newlines = 0;
            (text_end, blank_end) = (Some(self.at), None);
            match break_len(self.source, self.at) {
                0 => break,
                len => self.newline(len),
            }
        }
        Ok((text_end, blank_end))
    }
}

/// The end of the encrypted token that begins at `start`, where nothing in it could end a plain
/// text; else `start`. Most of an encrypted file is passed over here.
fn behind_token(source: &[u8], start: usize) -> usize {
    let text = &source[start..];
    if !text.starts_with(b"ENC[") {
        return start;
    }
    let token = &text[..memchr(b']', text).unwrap_or(0)];
    let ends = memchr3(b' ', b'\t', b'\n', token).is_some() || memchr(b'\r', token).is_some();
    if ends || !token.is_ascii() {
        return start;
    }
    start + token.len()
}
