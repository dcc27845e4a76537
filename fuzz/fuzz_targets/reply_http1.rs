//! Heads of replies over HTTP.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::reply_http1(data));
