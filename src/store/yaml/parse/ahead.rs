//! Reading ahead: the second half of a large text is read in a thread of its own while the first is,
//! and taken over where the first comes to it in the state that was expected. It makes no
//! difference but to the time.
//!
//! What is read ahead begins at a plain line in the first column, an entry of the root most likely,
//! and ends where lines are not plain any more (see [`super::lines`]).

use super::{Frame, Parser, Role, State, document};
use crate::document::{BeyondSops, Document, Kind, Node, NodeId, Span};
use crate::store::ParseOptions;
use crate::store::yaml::line::Line;
use crate::store::yaml::text::Result;
use crate::store::yaml::token::{Kind as Sign, Token};
use crate::store::yaml::tree::Properties;
use crate::store::yaml::weave::Insert;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Builder};
use zeroize::Zeroizing;

/// Texts of fewer bytes are not worth a thread.
const LEAST: usize = 1 << 20;

/// What is being read ahead.
pub(super) struct Expected {
    /// The first line of it.
    pub(super) start: usize,
    ahead: Receiver<Ahead>,
}

/// What was read ahead. The node 0 stands for the root.
struct Ahead {
    nodes: Vec<Node>,
    cooked: Zeroizing<Vec<u8>>,
    beyond_sops: Option<(BeyondSops, NodeId)>,
    inserts: Vec<Insert>,
    frames: Vec<Frame>,
    /// The first line that was not read, and how many line breaks there are before its own.
    line: Line,
    breaks: u32,
}

/// The document that `source` holds, yet without it.
pub(super) fn read(source: &[u8], options: ParseOptions) -> Result<Document> {
    let Some(start) = place(source) else {
        return document(source, options, true, None);
    };
    thread::scope(|scope| {
        let (give, ahead) = sync_channel(1);
        let thread = Builder::new().spawn_scoped(scope, move || {
            if let Some(ahead) = Ahead::read(source, options, start) {
                // Nobody may want it.
                let _ = give.send(ahead);
            }
        });
        let expected = thread.is_ok().then_some(Expected { start, ahead });
        document(source, options, true, expected)
    })
}

/// A line in the middle of a large text that looks like an entry of the root.
fn place(source: &[u8]) -> Option<usize> {
    if source.len() < LEAST
        || thread::available_parallelism().is_ok_and(|n| n == NonZero::<usize>::MIN)
    {
        return None;
    }
    let middle = source.len() / 2;
    let until = middle + source.len() / 4;
    let mut ends = memchr::memchr_iter(b'\n', &source[middle..until]).map(|at| middle + at);
    let is_entry = |start: usize| {
        let line = Line::read(source, start, 0)?;
        (!line.dash && !line.key.is_empty()).then_some(start)
    };
    ends.find_map(|end| is_entry(end + 1))
}

impl Ahead {
    /// Reads the plain lines from `start` on, as entries of a root.
    fn read(source: &[u8], options: ParseOptions, start: usize) -> Option<Self> {
        let mut parser = Parser::new(source, options);
        let root = Token::mark(Sign::BlockMapping, start, 0);
        let own = Properties::default();
        let opened = parser.open(Kind::Mapping, State::BlockKey, Role::Root, root, own);
        opened.ok()?;
        let line = Line::read(source, start, 0)?;
        let next = line.next(source).filter(|next| parser.takes(&line, next))?;
        let (line, breaks) = parser.plain_lines(line, next).ok()?;
        Some(Self {
            nodes: parser.tree.nodes,
            cooked: parser.tree.cooked,
            beyond_sops: parser.tree.beyond_sops,
            inserts: parser.inserts,
            frames: parser.frames,
            line,
            breaks,
        })
    }
}

impl Parser<'_> {
    /// Takes over what was read ahead, if that begins at `line`. As from
    /// [`Parser::plain_lines`], the line and the breaks behind it.
    #[cold]
    pub(super) fn take_over(&mut self, line: &Line) -> Option<(Line, u32)> {
        let expected = self.ahead.take()?;
        let [root] = &self.frames[..] else {
            return None;
        };
        let is_entry = root.state == State::BlockKey && root.indent == 0 && root.foot.is_empty();
        if !is_entry || root.is_key || root.in_flow || line.column > 0 || line.comments < line.start
        {
            return None;
        }
        let ahead = expected.ahead.recv().ok()?;
        let end = (ahead.line, ahead.breaks);
        self.adopt(ahead);
        Some(end)
    }

    fn adopt(&mut self, ahead: Ahead) {
        let (first, root) = (self.tree.next(), self.frames[0].node);
        let renumbered = |id: NodeId| match id {
            0 => root,
            NodeId::MAX => id,
            _ => id - 1 + first,
        };
        let cooked = self.tree.take_cooked(&ahead.cooked);
        self.tree.nodes.extend(ahead.nodes[1..].iter().map(|node| {
            let mut node = *node;
            (node.end, node.target) = (renumbered(node.end), renumbered(node.target));
            if node.is_cooked {
                let Span { start, end } = node.text_span;
                node.text_span = Span {
                    start: start + cooked,
                    end: end + cooked,
                };
            }
            node
        }));
        if let Some((what, id)) = ahead.beyond_sops {
            self.tree.beyond(what, renumbered(id));
        }
        let branch = self.branches.len().saturating_sub(1);
        self.inserts
            .extend(ahead.inserts.iter().map(|insert| Insert {
                before: renumbered(insert.before),
                container: renumbered(insert.container),
                branch,
                ..*insert
            }));
        for (depth, mut frame) in ahead.frames.into_iter().enumerate() {
            (frame.node, frame.key) = (renumbered(frame.node), renumbered(frame.key));
            if depth == 0 {
                (self.frames[0].key, self.frames[0].tip) = (frame.key, frame.tip);
                continue;
            }
            if frame.state != State::FlatItem {
                self.scanner.enter(frame.indent as usize);
            }
            self.frames.push(frame);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The document that is read where everything from `start` on is read ahead, and without.
    pub(in super::super) fn both(source: &[u8], start: usize) -> [Result<Document>; 2] {
        let options = ParseOptions::default();
        let (give, ahead) = sync_channel(1);
        if let Some(ahead) = Ahead::read(source, options, start) {
            give.send(ahead).unwrap();
        }
        drop(give);
        let expected = Some(Expected { start, ahead });
        [expected, None].map(|expected| document(source, options, true, expected))
    }

    #[test]
    fn the_second_half_of_a_large_text_is_read_ahead() {
        let mut text = String::new();
        for n in 0..40_000 {
            text += &format!("key_{n}:\n  - true\n  - a: 1_000 # d\n");
        }
        let start = place(text.as_bytes()).unwrap();
        assert!((text.len() / 2..text.len() / 2 + 100).contains(&start));
        let ahead = Ahead::read(text.as_bytes(), ParseOptions::default(), start).unwrap();
        assert!(ahead.line.start > text.len() - 100);
        assert_eq!(place(&text.as_bytes()[..LEAST - 1]), None);
    }
}
