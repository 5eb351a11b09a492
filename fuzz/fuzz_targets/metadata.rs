//! See `bulla_fuzz::metadata`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::metadata(bytes));
