//! The keys of a role from a credentials endpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::role_keys(data));
