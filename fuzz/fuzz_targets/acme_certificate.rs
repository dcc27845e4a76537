//! A certificate of an authority.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::acme_certificate(data));
