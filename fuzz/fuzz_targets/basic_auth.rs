//! The credentials of `Authorization: Basic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::basic_auth(data));
