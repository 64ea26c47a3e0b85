//! Coverage-guided fuzzing of `fuzz::flows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::flows(input));
