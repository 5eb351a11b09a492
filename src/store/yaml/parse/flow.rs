//! Collections in brackets.

use super::{Parser, Role, State};
use crate::document::Kind;
use crate::store::yaml::text::{Result, error};
use crate::store::yaml::token::{Kind as Sign, Token};
use crate::store::yaml::tree::Properties;

impl Parser<'_> {
    /// Goes over the `,` before any but the first entry; gives the token behind.
    pub(super) fn flow_entry(&mut self, end: Sign, problem: &str) -> Result<Token> {
        let mut token = self.peek()?;
        let Some(frame) = self.frames.last_mut() else {
            return Ok(token);
        };
        if std::mem::take(&mut frame.first) || token.kind == end {
            return Ok(token);
        }
        if token.kind != Sign::FlowEntry {
            return error(token.start as usize, problem);
        }
        self.skip();
        token = self.peek()?;
        Ok(token)
    }

    /// An item of `[…]`, or its end.
    pub(super) fn flow_item(&mut self) -> Result<()> {
        let token = self.flow_entry(Sign::FlowSequenceEnd, "did not find expected ',' or ']'")?;
        match token.kind {
            Sign::FlowSequenceEnd => self.flow_end(token),
            Sign::Key | Sign::Value => {
                let none = Properties::default();
                self.open(Kind::Mapping, State::PairKey, Role::Item, token, none)?;
                if token.kind == Sign::Key {
                    self.skip();
                }
                Ok(())
            }
            _ => self.node(token, Role::Item, false, false),
        }
    }

    /// The key of an item `key: value`.
    pub(super) fn pair_key(&mut self) -> Result<()> {
        self.set_state(State::PairValue);
        let token = self.peek()?;
        match token.kind {
            Sign::Value | Sign::FlowEntry | Sign::FlowSequenceEnd => {
                self.empty(Role::Key, self.tip())
            }
            _ => self.node(token, Role::Key, false, false),
        }
    }

    /// A key of `{…}`, or its end.
    pub(super) fn flow_key(&mut self) -> Result<()> {
        let mut token =
            self.flow_entry(Sign::FlowMappingEnd, "did not find expected ',' or '}'")?;
        match token.kind {
            Sign::FlowMappingEnd => return self.flow_end(token),
            Sign::Key => {
                self.skip();
                let key = token;
                token = self.peek()?;
                self.set_state(State::FlowValue);
                if matches!(
                    token.kind,
                    Sign::Value | Sign::FlowEntry | Sign::FlowMappingEnd
                ) {
                    return self.empty(Role::Key, key.end);
                }
            }
            Sign::Value => {
                self.set_state(State::FlowValue);
                return self.empty(Role::Key, token.start);
            }
            _ => self.set_state(State::FlowAlone),
        }
        self.node(token, Role::Key, false, false)
    }

    /// `: value` in brackets that `end` closes, or nothing.
    pub(super) fn flow_value(&mut self, end: Sign, then: State) -> Result<()> {
        self.set_state(then);
        let token = self.peek()?;
        if token.kind != Sign::Value {
            return self.empty(Role::Value, self.tip());
        }
        self.skip();
        let next = self.peek()?;
        if next.kind == Sign::FlowEntry || next.kind == end {
            return self.empty(Role::Value, token.end);
        }
        self.node(next, Role::Value, false, false)
    }

    /// Ends a collection at its closing bracket.
    pub(super) fn flow_end(&mut self, token: Token) -> Result<()> {
        if let Some(frame) = self.frames.last_mut() {
            frame.tip = token.end;
        }
        self.close(Some(token))?;
        self.skip();
        Ok(())
    }

    /// Begins a collection in brackets.
    pub(super) fn open_flow(
        &mut self,
        kind: Kind,
        state: State,
        role: Role,
        token: Token,
        own: Properties,
    ) -> Result<()> {
        self.open(kind, state, role, token, own)?;
        if !self.pending.is_empty() {
            self.open_comments();
        }
        self.skip();
        Ok(())
    }
}
