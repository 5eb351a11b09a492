//! See `bulla_fuzz::jsonc_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::jsonc_identity(bytes));
