//! See `bulla_fuzz::binary_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::binary_identity(bytes));
