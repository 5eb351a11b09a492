//! See `bulla_fuzz::properties_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::properties_identity(bytes));
