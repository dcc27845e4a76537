//! Ranges and their multipart bodies.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::range(data));
