//! Block collections whose lines are plain, read line by line without tokens.
//!
//! A comment belongs to a token according to what the scanner has read by then. It reads no more
//! than a line ahead here, so a line is taken only where the next one is plain as well. Only two
//! places of comments are simple enough: directly above a line, and behind a value.

use super::{Parser, Role, State};
use crate::document::{BeyondSops, Kind, NodeId, Span, Style, Type};
use crate::store::MAX_DEPTH;
use crate::store::yaml::line::Line;
use crate::store::yaml::text::Result;
use crate::store::yaml::token::{Kind as Sign, Token};
use crate::store::yaml::tree::{Place, Properties};
use crate::store::yaml::weave::Insert;

impl Parser<'_> {
    /// Reads on from the key that `token` begins, as long as lines are plain; false where that
    /// one is not, or the next.
    pub(super) fn lines(&mut self, token: Token) -> Result<bool> {
        if !self.by_lines || self.is_commented() || !self.scanner.is_at_plain_key() {
            return Ok(false);
        }
        let source = self.source;
        let first = Line::read(source, token.start as usize, token.column as usize);
        let two = first.and_then(|line| Some((line, line.next(source)?)));
        let Some((mut line, next)) = two.filter(|(line, next)| self.takes(line, next)) else {
            return Ok(false);
        };
        let head = std::mem::take(&mut self.pending.head);
        self.insert(head, self.tree.next(), self.container(), false);
        let breaks;
        (line, breaks) = self.plain_lines(line, next)?;
        self.scanner.resume(line.gap, breaks);
        self.seen = false;
        Ok(true)
    }

    /// Reads `line` and all behind it as long as the next is plain as well. The line that is left,
    /// and how many line breaks there are before its own.
    #[inline]
    pub(super) fn plain_lines(&mut self, mut line: Line, mut next: Line) -> Result<(Line, u32)> {
        let mut breaks = 0;
        let ahead = self.ahead.as_ref().map_or(usize::MAX, |ahead| ahead.start);
        loop {
            breaks += line.breaks;
            if line.start == ahead
                && let Some((line, more)) = self.take_over(&line)
            {
                return Ok((line, breaks + more));
            }
            self.line(&line, &next)?;
            line = next;
            match line.next(self.source) {
                Some(behind) if self.takes(&line, &behind) => next = behind,
                _ => return Ok((line, breaks)),
            }
        }
    }

    /// There are comments that are not simply above the next key.
    fn is_commented(&self) -> bool {
        let pending = &self.pending;
        let above = pending.line.is_empty() && pending.foot.is_empty();
        !above || self.scanner.comments.any_left()
    }

    /// Whether `line` is an entry of the innermost collection, and whole before `next`.
    #[inline]
    pub(super) fn takes(&self, line: &Line, next: &Line) -> bool {
        let Some(frame) = self.frames.last() else {
            return false;
        };
        let fits = match frame.state {
            State::BlockKey => !line.dash,
            State::BlockItem | State::FlatItem => line.dash,
            _ => false,
        };
        // A value may go on in a line that is deeper.
        let whole = line.value.is_empty() || next.column <= line.depth();
        let room = self.frames.len() + 2 < MAX_DEPTH;
        fits && frame.indent as usize == line.column && whole && room
    }

    /// Reads `line`, and begins and ends collections until `next` is of the innermost.
    #[inline]
    fn line(&mut self, line: &Line, next: &Line) -> Result<()> {
        if line.comments < line.start {
            for comment in line.comments_above(self.source) {
                self.line_comment(comment, self.tree.next(), false);
            }
        }
        if line.key.is_empty() {
            if !line.comment.is_empty() {
                self.line_comment(line.comment, self.tree.next(), true);
            }
            self.line_leaf(line.style, line.value, Role::Item)?;
        } else {
            if line.dash {
                let start = line.key.start as usize;
                self.line_open(State::BlockKey, Role::Item, start, line.depth())?;
            }
            self.line_leaf(Style::Plain, line.key, Role::Key)?;
            if !line.comment.is_empty() {
                self.line_comment(line.comment, self.tree.next() - 1, true);
            }
            if !line.value.is_empty() {
                self.line_leaf(line.style, line.value, Role::Value)?;
            } else if let Some(state) = opened(line, next) {
                return self.line_open(state, Role::Value, next.start, next.column);
            } else {
                self.empty(Role::Value, line.key.end + 1)?;
            }
        }
        self.lines_end(next)
    }

    /// Puts `comment` before the node `before` of the innermost collection.
    fn line_comment(&mut self, comment: Span, before: NodeId, inline: bool) {
        self.inserts.push(Insert {
            before,
            front: false,
            container: self.container(),
            branch: self.branches.len().saturating_sub(1),
            span: comment,
            inline,
        });
    }

    /// Ends the collections that `next` is not of.
    #[inline]
    fn lines_end(&mut self, next: &Line) -> Result<()> {
        while let Some(frame) = self.frames.last() {
            let flat = frame.state == State::FlatItem;
            let column = frame.indent as usize;
            // What `?` begins waits for its value still.
            if frame.state == State::BlockValue {
                break;
            }
            if column < next.column || column == next.column && (!flat || next.dash) {
                break;
            }
            if !flat {
                self.scanner.leave();
            }
            self.close(None)?;
        }
        Ok(())
    }

    fn line_open(&mut self, state: State, role: Role, start: usize, column: usize) -> Result<()> {
        let (kind, sign) = match state {
            State::BlockKey => (Kind::Mapping, Sign::BlockMapping),
            _ => (Kind::Sequence, Sign::BlockSequence),
        };
        if state != State::FlatItem {
            self.scanner.enter(column);
        }
        let token = Token::mark(sign, start, column);
        self.open(kind, state, role, token, Properties::default())
    }

    #[inline]
    fn line_leaf(&mut self, style: Style, span: Span, role: Role) -> Result<()> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        frame.tip = span.end;
        if role == Role::Key {
            frame.key = self.tree.next();
        }
        let place = Place {
            is_key: frame.is_key || role == Role::Key,
            in_flow: false,
            indent: frame.indent,
        };
        let (id, ty) = self.tree.leaf(style, span, place)?;
        if role == Role::Key && ty != Type::Str {
            self.tree.beyond(BeyondSops::Key, id);
        }
        Ok(())
    }
}

/// The collection that is the value of `line`, a key alone, where `next` begins one.
#[inline]
fn opened(line: &Line, next: &Line) -> Option<State> {
    match next.column.cmp(&line.depth()) {
        std::cmp::Ordering::Greater if next.dash => Some(State::BlockItem),
        std::cmp::Ordering::Greater => Some(State::BlockKey),
        std::cmp::Ordering::Equal if next.dash => Some(State::FlatItem),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ahead::tests::both;
    use super::super::document;
    use crate::document::Document;
    use crate::store::ParseOptions;
    use crate::store::yaml::text::Result;
    use proptest::prelude::*;
    use std::fmt::Write;

    /// All of what is read, or what is wrong.
    fn shown(text: &[u8], by_lines: bool) -> String {
        shown_of(document(text, ParseOptions::default(), by_lines, None))
    }

    fn shown_of(read: Result<Document>) -> String {
        let read = match read {
            Ok(read) => read,
            Err(wrong) => return format!("{wrong:?}"),
        };
        let mut out = format!(
            "{:?} {:?} {:?}\n",
            read.branches, read.beyond_sops, *read.cooked
        );
        for node in &read.nodes {
            let _ = writeln!(out, "{node:?}");
        }
        out
    }

    /// Nor does it where everything behind some line break is read ahead.
    fn reading_ahead_makes_no_difference(text: &[u8]) {
        for end in memchr::memchr_iter(b'\n', text) {
            let [ahead, without] = both(text, end + 1).map(shown_of);
            assert_eq!(ahead, without, "{end} {}", String::from_utf8_lossy(text));
        }
    }

    fn makes_no_difference(text: &[u8]) {
        assert_eq!(
            shown(text, true),
            shown(text, false),
            "{}",
            String::from_utf8_lossy(text)
        );
        reading_ahead_makes_no_difference(text);
    }

    #[test]
    fn the_short_cut_makes_no_difference_to_the_suite() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/yaml-test-suite");
        for folder in std::fs::read_dir(root).unwrap() {
            let folder = folder.unwrap().path();
            for file in std::fs::read_dir(folder).into_iter().flatten() {
                makes_no_difference(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }

    /// A line of a text, the line break before it not included.
    fn line() -> impl Strategy<Value = String> {
        let indent = prop::sample::select(vec![0usize, 0, 0, 1, 2, 2, 2, 4, 4, 6]);
        let start = prop::sample::select(vec![
            "", "", "", "", "- ", "- ", "-   ", "? ", ": ", "- - ", "!t ",
        ]);
        let text = prop::sample::select(vec![
            "a: 1",
            "b: x y",
            "c:",
            "d:",
            "e: \"q\"",
            "f: 's'",
            "1: 07",
            "g: 2001-01-01",
            "h: -5",
            "x",
            "y z",
            "# c",
            "# d",
            "#",
            "",
            "",
            "i: 1 # e",
            "j: # f",
            "k: [1, # g",
            "2]",
            "l: {m: n}",
            "o: &p q",
            "r: *p",
            "s: |",
            "t: >-",
            "\"u\": v",
            "---",
            "...",
            "w: \u{85}",
            "~: ~",
            "-",
            "%a",
            "v:w: x",
            "z: \tb",
            "aa: 'it''s'",
            "bb: \"a",
            "cc: b\"",
            "dd: ü",
            "ee: –",
        ]);
        (indent, start, text)
            .prop_map(|(indent, start, text)| format!("{}{start}{text}", " ".repeat(indent)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_short_cut_makes_no_difference(lines in prop::collection::vec(line(), 1..14)) {
            let text = lines.join("\n");
            makes_no_difference(text.as_bytes());
            makes_no_difference(format!("{text}\n").as_bytes());
        }

        // Keys that differ and lines that fit get further.
        #[test]
        fn the_short_cut_makes_no_difference_to_fitting_lines(
            lines in prop::collection::vec(
                (0usize..3, prop::bool::ANY, 0usize..12, 0usize..8), 1..20,
            )
        ) {
            let mut text = String::new();
            for (n, (depth, dash, value, above)) in lines.into_iter().enumerate() {
                let value = [
                    "x", "x", "", "", "", "'x'", "x # c", "\"x\"  # c", "\n  # d", "# e", "\n\n# f\n", "'x'#",
                ][value];
                let indent = "  ".repeat(depth);
                let above = ["", "", "", "", "# g\n", "# h\n# i\n", "\n# j\n", "# k\n\n"][above];
                for line in above.lines() {
                    let _ = writeln!(text, "{indent}{line}");
                }
                let dash = if dash { "- " } else { "" };
                let key = if n % 5 == 4 && !dash.is_empty() { String::new() } else { format!("k{n}: ") };
                let _ = writeln!(text, "{indent}{dash}{key}{value}");
            }
            makes_no_difference(text.as_bytes());
        }
    }
}
