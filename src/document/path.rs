//! Paths to a node: how they are written, read and resolved.

use super::{Document, Kind, NodeId};
use std::fmt;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into a mapping.
    Key(Vec<u8>),
    /// Into a sequence; counts values from 0, comments do not count.
    Index(usize),
}

/// The way from the root of a branch to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(pub Vec<Step>);

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at character {at} of the path")]
pub struct PathError {
    /// What is wrong.
    pub problem: &'static str,
    /// Which character, from 1.
    pub at: usize,
}

impl Path {
    /// Reads `["a"]["b"][0]` (as sops writes it, quotes of both kinds) and `a.b[0]`, also mixed.
    ///
    /// # Errors
    /// [`PathError`] where the text is neither.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            let error = |problem| PathError {
                problem,
                at: at + 1,
            };
            rest = if let Some(inside) = rest.strip_prefix('[') {
                let (step, behind) = bracket(inside).map_err(error)?;
                steps.push(step);
                behind
            } else {
                let name = match rest.strip_prefix('.') {
                    Some(_) if steps.is_empty() => return Err(error("nothing before the dot")),
                    Some(name) => name,
                    None if steps.is_empty() => rest,
                    None => return Err(error("expected `[` or `.`")),
                };
                let end = name.find(['.', '[']).unwrap_or(name.len());
                if end == 0 {
                    return Err(error("an empty name"));
                }
                steps.push(Step::Key(name.as_bytes()[..end].to_vec()));
                &name[end..]
            };
        }
        Ok(Self(steps))
    }
}

/// The step behind a `[`, and what follows its `]`.
fn bracket(inside: &str) -> Result<(Step, &str), &'static str> {
    for quote in ['"', '\''] {
        if let Some(text) = inside.strip_prefix(quote) {
            let close = format!("{quote}]");
            let end = text.find(&close).ok_or("no closing quote and bracket")?;
            let key = text.as_bytes()[..end].to_vec();
            return Ok((Step::Key(key), &text[end + close.len()..]));
        }
    }
    let end = inside.find(']').ok_or("no closing bracket")?;
    let index = inside[..end].parse().map_err(|_| "not a list index")?;
    Ok((Step::Index(index), &inside[end + 1..]))
}

impl fmt::Display for Path {
    /// `a.b[0]["odd key"]`; what [`Path::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if is_plain(key) => {
                    let dot = if i == 0 { "" } else { "." };
                    write!(f, "{dot}{}", String::from_utf8_lossy(key))?;
                }
                Step::Key(key) => write!(f, "[\"{}\"]", String::from_utf8_lossy(key))?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &[u8]) -> bool {
    !key.is_empty()
        && key
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/') || *b >= 0x80)
}

impl Document {
    /// The node that `path` leads to in branch `branch`, aliases followed on the way.
    #[must_use]
    pub fn find(&self, branch: usize, path: &Path) -> Option<NodeId> {
        let mut at = self.branches.get(branch)?.root?;
        for step in &path.0 {
            let collection = self.node(at).target;
            at = self.step(collection, step)?;
        }
        Some(at)
    }

    /// The child of `id` behind one step.
    #[must_use]
    pub fn step(&self, id: NodeId, step: &Step) -> Option<NodeId> {
        match (self.node(id).kind, step) {
            (Kind::Mapping, Step::Key(key)) => self
                .children(id)
                .skip_while(|&c| {
                    let node = self.node(c);
                    !node.is_key || node.inline || self.key_text(c) != &key[..]
                })
                .find(|&c| !self.node(c).is_key && self.node(c).kind != Kind::Comment),
            (Kind::Sequence, Step::Index(index)) => self
                .children(id)
                .filter(|&c| self.node(c).kind != Kind::Comment)
                .nth(*index),
            _ => None,
        }
    }

    /// The path to a node, for messages and for `sops.bulla.spelling`.
    #[must_use]
    pub fn path(&self, id: NodeId) -> Path {
        let mut steps = Vec::new();
        let branch = self
            .branches
            .iter()
            .find(|b| (b.first..b.end).contains(&id));
        let mut at = branch.and_then(|b| b.root).unwrap_or(id);
        while at < id && id < self.node(at).end {
            let (mut index, mut inside) = (0, None);
            for child in self.children(at) {
                let node = self.node(child);
                if (child..node.end).contains(&id) {
                    inside = Some(child);
                    break;
                }
                if node.is_key {
                    inside = None;
                } else if node.kind != Kind::Comment {
                    index += 1;
                }
            }
            let Some(child) = inside else { break };
            match self.node(at).kind {
                Kind::Sequence if self.node(child).kind != Kind::Comment => {
                    steps.push(Step::Index(index));
                }
                Kind::Mapping => match self.key_of(at, child) {
                    Some(key) => steps.push(Step::Key(self.key_text(key).to_vec())),
                    None => break,
                },
                _ => break,
            }
            at = child;
        }
        Path(steps)
    }

    /// The collection that holds `id`; `None` for a root.
    #[must_use]
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        let first = self
            .branches
            .iter()
            .find(|b| (b.first..b.end).contains(&id));
        let from = first.map_or(0, |b| b.first);
        (from..id).rev().find(|&above| self.node(above).end > id)
    }

    /// The key node of the entry of mapping `id` whose value (or key) is `child`.
    #[must_use]
    pub fn key_of(&self, id: NodeId, child: NodeId) -> Option<NodeId> {
        if self.node(child).kind == Kind::Comment {
            return None;
        }
        self.children(id)
            .take_while(|&c| c <= child)
            .filter(|&c| self.node(c).is_key)
            .last()
    }
}
