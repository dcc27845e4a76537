//! An htpasswd file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::htpasswd(data));
