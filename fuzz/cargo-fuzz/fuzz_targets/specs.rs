//! Coverage-guided fuzzing of `fuzz::specs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::specs(input));
