//! Coverage-guided fuzzing of `fuzz::connections`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::connections(input));
