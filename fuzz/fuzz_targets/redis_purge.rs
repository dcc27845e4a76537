//! Entries of the stream that tells of purges.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::redis_purge(data));
