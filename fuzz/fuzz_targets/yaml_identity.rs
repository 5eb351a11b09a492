//! See `bulla_fuzz::yaml_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::yaml_identity(bytes));
