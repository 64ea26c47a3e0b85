//! Coverage-guided fuzzing of `fuzz::leases`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::leases(input));
