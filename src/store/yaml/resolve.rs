//! Types of plain scalars.

use crate::document::Type;
use std::borrow::Cow;

/// What a scalar means.
pub struct Resolved<'a> {
    /// Its type.
    pub ty: Type,
    /// Its canonical text.
    pub text: Cow<'a, [u8]>,
    /// True for a number that sops has no room for.
    pub beyond_sops: bool,
}

/// The type and canonical text of a scalar spelled `text` under `tag`.
///
/// # Errors
/// Where the text is not of the type that the tag demands.
pub fn resolve<'a>(text: &'a [u8], tag: &[u8], quoted: bool) -> Result<Resolved<'a>, &'static str> {
    let null = !quoted && tag.is_empty() && matches!(text, b"" | b"~" | b"null");
    Ok(Resolved {
        ty: if null { Type::Null } else { Type::Str },
        text: Cow::Borrowed(text),
        beyond_sops: false,
    })
}
