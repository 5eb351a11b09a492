//! Buffers of secret bytes that leave no copy behind when they grow.

use zeroize::Zeroizing;

/// Makes room for `additional` more bytes. Where the buffer has to move, the old place is wiped,
/// which `Vec`'s own growth does not do.
pub(crate) fn reserve(buffer: &mut Zeroizing<Vec<u8>>, additional: usize) {
    let needed = buffer.len().saturating_add(additional);
    if needed <= buffer.capacity() {
        return;
    }
    let capacity = needed.max(buffer.capacity().saturating_mul(2));
    let mut grown = Zeroizing::new(Vec::with_capacity(capacity));
    grown.extend_from_slice(buffer);
    *buffer = grown;
}

/// Empties a buffer that is used again and again, and makes room for what `bytes` are written as,
/// so that hardly anything can make it grow.
pub(crate) fn renew(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    buffer.clear();
    reserve(buffer, bytes.len() * 2 + 256);
}

/// Appends `bytes`, as [`reserve`] does.
pub(crate) fn append(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    reserve(buffer, bytes.len());
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_keeps_the_bytes_and_doubles_the_room() {
        let mut buffer = Zeroizing::new(Vec::new());
        for byte in 0..100u8 {
            append(&mut buffer, &[byte]);
        }
        assert_eq!(*buffer, (0..100).collect::<Vec<u8>>());
        assert!(buffer.capacity() >= 128);
    }

    #[test]
    fn a_buffer_with_room_stays_where_it_is() {
        let mut buffer = Zeroizing::new(Vec::with_capacity(64));
        let place = buffer.as_ptr();
        append(&mut buffer, &[7; 64]);
        assert_eq!(buffer.as_ptr(), place);
    }
}
