//! The header of the PROXY protocol.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::proxy_protocol(data));
