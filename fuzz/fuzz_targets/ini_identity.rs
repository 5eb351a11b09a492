//! See `bulla_fuzz::ini_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::ini_identity(bytes));
