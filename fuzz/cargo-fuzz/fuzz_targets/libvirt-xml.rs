//! Coverage-guided fuzzing of `fuzz::libvirt_xml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::libvirt_xml(input));
