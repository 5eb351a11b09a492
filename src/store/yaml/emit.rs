//! x
use crate::document::Data;
pub fn emit(_: &[Data], _: usize, _: &mut Vec<u8>) {}
pub fn emit_value(_: &Data, _: &mut Vec<u8>) {}
pub fn emit_block(_: &Data, _: usize, _: usize, _: &[u8], _: &mut Vec<u8>) {}
pub fn emit_flow(_: &Data, _: &mut Vec<u8>) {}
pub fn emit_root(_: &Data, _: usize, _: &[u8]) -> Vec<u8> { Vec::new() }
