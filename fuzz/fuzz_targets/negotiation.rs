//! Accept-Encoding and Accept.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::negotiation(data));
