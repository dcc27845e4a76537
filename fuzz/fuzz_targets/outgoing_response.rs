//! A response to a request of Sideman's own.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::outgoing_response(data));
