//! Coverage-guided fuzzing of `fuzz::documents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::documents(input));
