//! Coverage-guided fuzzing of `fuzz::flow_texts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::flow_texts(input));
