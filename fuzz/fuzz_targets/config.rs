//! See `bulla_fuzz::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::config(bytes));
