//! The X-Accel-* and X-Sendfile headers of a response.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::accel(data));
