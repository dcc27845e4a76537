//! What the application says by X-Accel-* and X-Sendfile.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::accel(data));
