//! Coverage-guided fuzzing of `fuzz::ovsdb_socket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::ovsdb_socket(input));
