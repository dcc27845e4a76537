//! A fuzz target of [`crate::fuzzing`]: the application's instructions to the server in front of it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and nothing of it is in the program"
)]

use http::{HeaderMap, StatusCode, header};

use super::{accel, response::Response};
use crate::{body::Body, fuzz_input, rfc::encoded_word};

/// Parses the fields of a response, one per line.
pub fn accel(data: &[u8]) {
    let sent = fuzz_input::fields(data);
    let mut headers = sent.clone();
    let directives = accel::take(&mut headers);
    let is_ours = |name: &str| name.starts_with("x-accel-") || name == "x-sendfile";
    assert!(!headers.keys().any(|name| is_ours(name.as_str())), "a directive goes on");
    for name in sent.keys().filter(|name| !is_ours(name.as_str())) {
        let (before, after) = (sent.get_all(name), headers.get_all(name));
        assert!(before.iter().eq(after.iter()), "{name} was changed");
    }
    match directives.target() {
        Some(accel::AccelTarget::Redirect(value)) => named(&sent, "x-accel-redirect", value),
        Some(accel::AccelTarget::Sendfile(value)) => named(&sent, "x-sendfile", value),
        None => assert!(!sent.contains_key("x-accel-redirect") && !sent.contains_key("x-sendfile")),
    }
    if let Some(target) = directives.target() {
        let shown = target.to_string();
        assert!(shown.is_ascii() && !shown.contains(['\r', '\n']) && shown.len() < 2048, "{shown}");
    }

    let mut response = Response::new(StatusCode::OK, Body::Empty);
    response.head.headers = headers.clone();
    directives.apply(&mut response);
    let types: Vec<_> = response.head.headers.get_all(header::CONTENT_TYPE).iter().collect();
    assert!(types.len() <= headers.get_all(header::CONTENT_TYPE).iter().count());
    if let (Some(before), Some(after)) = (headers.get(header::CONTENT_TYPE), types.first()) {
        assert_eq!(essence(before.as_bytes()), essence(after.as_bytes()), "another type");
    }
    for value in sent.values() {
        decoded(value.as_bytes());
    }
}

/// If a field comes twice, the first counts.
fn named(sent: &HeaderMap, name: &str, value: &[u8]) {
    assert_eq!(sent.get(name).map(|value| value.as_bytes()), Some(value));
}

fn essence(media_type: &[u8]) -> Vec<u8> {
    let essence = media_type.split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().to_vec()
}

/// Encoding a decoded value in the plainest way and decoding it again gives an equal value.
fn decoded(value: &[u8]) {
    let Some(text) = encoded_word::decode(value) else { return };
    assert!(encoded_word::is_encoded(value));
    let escaped: String = text.iter().map(|byte| format!("={byte:02X}")).collect();
    let again = encoded_word::decode(format!("=?utf-8?q?{escaped}?=").as_bytes());
    assert_eq!(again, Some(text));
}
