//! Heads of replies over uwsgi.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::reply_uwsgi(data));
