//! An error document of S3.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sideman::fuzzing::s3_error(data));
