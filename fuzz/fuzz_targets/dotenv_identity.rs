//! See `bulla_fuzz::dotenv_identity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla_fuzz::dotenv_identity(bytes));
