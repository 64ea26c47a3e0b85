//! Coverage-guided fuzzing of `fuzz::netlink`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::netlink(input));
