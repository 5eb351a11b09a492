//! The normal form of a text: what go-ini loses or reads in pieces is put where one token can
//! stand for it, or left out. The whole text is sealed beside it, so nothing is lost.

use super::scan::{Block, Entry, Header, Section, comment_text, scan};
use super::value::{self, Meaning};
use crate::document::{Span, Splice, Style};
use crate::store::line_end::line_end;
use std::collections::HashMap;
use std::ops::Range;

impl Block {
    /// Whether the text of the comment stands in the source as sops has it.
    pub(super) fn is_regular(&self, source: &[u8]) -> bool {
        let adjacent = self.lines.windows(2).all(|w| w[1].start == w[0].end + 1);
        let bare = self.lines.len() > 1 && is_bare(source, &self.lines[0]);
        adjacent && !bare
    }
}

impl Entry {
    /// A comment on the line of the value.
    pub(super) fn inline(&self) -> Option<Range<usize>> {
        let comment = self.value.comment.clone();
        comment.filter(|_| !self.is_in_long_quotes())
    }

    /// The lines of the comment above, and the comment behind long quotes.
    pub(super) fn comment_lines(&self) -> Vec<Range<usize>> {
        let behind = self.value.comment.clone();
        let behind = behind.filter(|_| self.is_in_long_quotes());
        self.block.lines.iter().cloned().chain(behind).collect()
    }

    fn is_in_long_quotes(&self) -> bool {
        matches!(self.value.style, Style::Literal | Style::Folded)
    }

    /// Whether the lines above hold nothing, and a comment on the line does.
    pub(super) fn has_idle_lines(&self, source: &[u8]) -> bool {
        self.inline().is_some() && comment_text(&texts(source, &self.comment_lines())).is_empty()
    }

    fn is_odd(&self, source: &[u8]) -> bool {
        !self.block.is_regular(source)
            || (!self.block.is_empty() && self.has_idle_lines(source))
            || self.comment_lines().len() > self.block.lines.len()
            || self.value.has_junk
            || self.value.hangs_on_the_end
    }
}

/// Lines as bytes.
pub(super) fn texts<'s>(source: &'s [u8], lines: &[Range<usize>]) -> Vec<&'s [u8]> {
    lines.iter().map(|line| &source[line.clone()]).collect()
}

fn is_bare(source: &[u8], line: &Range<usize>) -> bool {
    comment_text(&[&source[line.clone()]]).is_empty()
}

/// The splices that bring a text into normal form.
pub(super) fn splices(source: &[u8]) -> Vec<Splice> {
    // What was parsed once is parsed again.
    let sections = scan(source).unwrap_or_default();
    let mut names: HashMap<&[u8], usize> = HashMap::new();
    for section in &sections {
        *names.entry(section.name(source)).or_default() += 1;
    }
    let mut form = Form {
        source,
        splices: Vec::new(),
    };
    for section in &sections {
        form.header(section);
        form.entries(section, names[section.name(source)] > 1);
        form.trailing(&section.trailing);
    }
    form.splices
}

struct Form<'s> {
    source: &'s [u8],
    splices: Vec<Splice>,
}

impl Form<'_> {
    fn header(&mut self, section: &Section) {
        let Some(header) = &section.header else {
            return;
        };
        let is_odd = !header.rest.is_empty() || !section.block.is_regular(self.source);
        if is_odd {
            let mut lines = section.block.lines.clone();
            lines.extend(header.comment.clone());
            let mut text = self.comment_above(&lines);
            let close = close(header);
            text.extend_from_slice(&self.source[header.start..close]);
            let span = Span::new(section.first(), close.max(header.rest.end));
            self.splices.push(Splice::new(span, text));
        }
    }

    fn entries(&mut self, section: &Section, is_twin: bool) {
        for group in section.effective(self.source) {
            let (first, last) = (group[0], group[group.len() - 1]);
            let entry = &section.entries[last];
            let is_joined = matches!(entry.value.text, Meaning::Joined(_));
            let moves = first != last;
            if moves || entry.is_odd(self.source) || (is_twin && is_joined) {
                let place = &section.entries[first];
                let text = self.entry(entry, is_joined && (moves || is_twin));
                let span = Span::new(place.first(), place.value.end);
                self.splices.push(Splice::new(span, text));
            }
            for &number in &group[1..] {
                let entry = &section.entries[number];
                let span = Span::new(entry.first(), entry.value.next);
                self.splices.push(Splice::new(span, []));
            }
        }
    }

    /// An entry with its comment in regular lines; its value in other words where `respell`.
    fn entry(&self, entry: &Entry, respell: bool) -> Vec<u8> {
        let source = self.source;
        let lines = entry.comment_lines();
        let mut text = if entry.has_idle_lines(source) {
            Vec::new()
        } else if entry.block.is_regular(source) && lines.len() == entry.block.lines.len() {
            source[entry.first()..entry.start].to_vec()
        } else {
            self.comment_above(&lines)
        };
        let value = &entry.value;
        text.extend_from_slice(&source[entry.start..value.span.start]);
        let other = (respell || value.hangs_on_the_end)
            .then(|| value::spelled(value.text.bytes(source), Style::Plain));
        match other.flatten() {
            Some(other) => text.extend_from_slice(&other),
            None => text.extend_from_slice(&source[value.span.clone()]),
        }
        if let Some(comment) = entry.inline() {
            text.extend_from_slice(&source[value.span.end..comment.end]);
        }
        text
    }

    fn trailing(&mut self, block: &Block) {
        if !block.is_regular(self.source) {
            let end = block.lines.last().map_or(block.start, |line| line.end);
            let text = self.comment(&block.lines);
            self.splices
                .push(Splice::new(Span::new(block.start, end), text));
        }
    }

    /// The lines of a comment one directly below the other, without the empty ones it starts with,
    /// without a line end behind the last.
    fn comment(&self, lines: &[Range<usize>]) -> Vec<u8> {
        let bare = lines.iter().take_while(|line| is_bare(self.source, line));
        let bare = bare.count().min(lines.len().saturating_sub(1));
        texts(self.source, &lines[bare..]).join(&b'\n')
    }

    /// As [`Form::comment`], with a line end if there is anything.
    fn comment_above(&self, lines: &[Range<usize>]) -> Vec<u8> {
        let mut text = self.comment(lines);
        match text.last() {
            None => {}
            Some(b'\r') => text.push(b'\n'),
            Some(_) => text.extend_from_slice(line_end(self.source)),
        }
        text
    }
}

/// Where the bracket of a header ends.
fn close(header: &Header) -> usize {
    header.name.end + 1
}
