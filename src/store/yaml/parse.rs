//! x
use crate::document::Document;
use crate::store::{ParseError, ParseOptions};
use zeroize::Zeroizing;
pub fn parse(_: Zeroizing<Vec<u8>>, _: ParseOptions) -> Result<Document, ParseError> {
    Err(ParseError {
        problem: String::new(),
        offset: 0,
        hint: None,
    })
}
