//! Coverage-guided fuzzing of `fuzz::rules`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::rules(input));
