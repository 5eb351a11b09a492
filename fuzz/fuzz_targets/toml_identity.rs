//! See `bulla_fuzz::toml_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::toml_identity(bytes));
