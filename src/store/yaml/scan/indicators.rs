//! The indicators that make collections: brackets, commas, `-`, `?` and `:`.

use super::Scanner;
use crate::store::yaml::text::{Result, error, hinted};
use crate::store::yaml::token::{Kind, Token};

impl Scanner<'_> {
    pub(super) fn flow_start(&mut self, kind: Kind) -> Result<()> {
        self.save_candidate(true)?;
        self.flows.push(kind);
        self.candidates.push(None);
        self.check_depth()?;
        self.key_allowed = true;
        self.indicator(kind);
        Ok(())
    }

    pub(super) fn flow_end(&mut self, kind: Kind) {
        self.candidates.pop();
        self.flows.pop();
        self.key_allowed = false;
        self.indicator(kind);
    }

    pub(super) fn flow_entry(&mut self) -> Result<()> {
        self.drop_candidate()?;
        self.key_allowed = true;
        self.indicator(Kind::FlowEntry);
        Ok(())
    }

    /// Whether a block collection's entry may begin here; begins the collection where it is the first.
    pub(super) fn block_indicator(&mut self, collection: Kind, problem: &str) -> Result<()> {
        if self.in_flow() {
            return Ok(());
        }
        if !self.key_allowed {
            return error(self.at, problem);
        }
        if self.after_tab {
            return tab_error(self.at);
        }
        if self.roll(self.column())? {
            self.push_token(Token::mark(collection, self.at, self.column()));
        }
        Ok(())
    }

    pub(super) fn block_entry(&mut self) -> Result<()> {
        if self.in_flow() {
            return error(self.at, "found a '-' inside of brackets");
        }
        self.block_indicator(
            Kind::BlockSequence,
            "block sequence entries are not allowed in this context",
        )?;
        self.drop_candidate()?;
        self.key_allowed = true;
        self.indicator(Kind::BlockEntry);
        Ok(())
    }

    pub(super) fn key(&mut self) -> Result<()> {
        self.block_indicator(
            Kind::BlockMapping,
            "mapping keys are not allowed in this context",
        )?;
        self.drop_candidate()?;
        self.key_allowed = !self.in_flow();
        self.indicator(Kind::Key);
        Ok(())
    }

    pub(super) fn value(&mut self) -> Result<()> {
        let level = self.flows.len();
        if self.is_key(level)? && self.is_indented(level) {
            self.make_key(level)?;
            self.key_allowed = false;
        } else {
            self.block_indicator(
                Kind::BlockMapping,
                "mapping values are not allowed in this context",
            )?;
            self.key_allowed = !self.in_flow();
        }
        self.indicator(Kind::Value);
        Ok(())
    }

    /// A key of several lines, which only braces can hold, needs its `:` deeper than the block around.
    pub(super) fn is_indented(&self, level: usize) -> bool {
        let lines = self.candidates[level].is_some_and(|key| key.line < self.line);
        !lines || self.column() as i64 > self.indent
    }

    /// Makes a key of the candidate at `level`.
    pub(super) fn make_key(&mut self, level: usize) -> Result<()> {
        let Some(key) = self.candidates[level].take() else {
            return Ok(());
        };
        let opens = self.roll(key.column)?;
        if key.after_tab && level == 0 {
            return tab_error(key.start);
        }
        let token = &mut self.tokens[key.token - self.dropped];
        token.kind = Kind::Key;
        token.opens = opens;
        token.start = key.start as u32;
        token.end = key.start as u32;
        token.column = key.column as u32;
        self.ahead += if opens { 2 } else { 1 };
        Ok(())
    }

    /// Makes the tokens of a key of a block mapping from `start` to here, and of the `:` that is
    /// here.
    pub(in crate::store::yaml) fn plain_key(&mut self, start: usize) -> Result<()> {
        self.drop_candidate()?;
        let column = start - self.line_start;
        let opens = self.roll(column)?;
        if self.after_tab {
            return tab_error(start);
        }
        let mut key = Token::mark(Kind::Key, start, column);
        key.opens = opens;
        self.push_token(key);
        self.ahead += usize::from(opens);
        self.push(Kind::Plain, start);
        self.key_allowed = false;
        self.indicator(Kind::Value);
        Ok(())
    }

    /// Makes the token of one byte that is here.
    pub(super) fn indicator(&mut self, kind: Kind) {
        let start = self.at;
        self.at += 1;
        self.newlines = 0;
        self.push(kind, start);
    }
}

fn tab_error(at: usize) -> Result<()> {
    let problem = "found a tab where the text is indented";
    hinted(at, problem, "indent with spaces")
}
