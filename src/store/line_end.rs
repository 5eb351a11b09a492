//! The line end of a text, for the lines that are added to it.

/// That of the first line of `source`.
pub(super) fn line_end(source: &[u8]) -> &'static [u8] {
    match memchr::memchr(b'\n', source) {
        Some(at) if at > 0 && source[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    }
}
