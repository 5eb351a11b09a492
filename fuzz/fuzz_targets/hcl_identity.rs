//! See `bulla_fuzz::hcl_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::hcl_identity(bytes));
