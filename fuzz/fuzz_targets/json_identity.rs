//! See `bulla_fuzz::json_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::json_identity(bytes));
