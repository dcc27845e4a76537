//! Fuzz targets of [`crate::fuzzing`]: problems and certificates of an authority.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and nothing of it is in the program"
)]

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use instant_acme::{Error, Problem};
use rustls::pki_types::CertificateDer;

use super::{
    failure::AcmeFailure,
    history::{AttemptHistory, FailedAttempt, WEEK},
    issued::IssuedCertificate,
    transport::pause_of,
};

/// Any time of this century.
const NOW: u64 = 1_800_000_000;
/// The longest text of a failure: a limit for itself and for each of five parts.
const MAX_FAULT: usize = 6 * 410;

/// Reads a refusal: `Retry-After` in the first line, then the problem document.
pub fn acme_problem(data: &[u8]) {
    let (pause, document) = match data.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &b""[..]),
    };
    if let Ok(value) = HeaderValue::from_bytes(pause) {
        let mut response = Response::new(Bytes::new());
        response.headers_mut().insert(header::RETRY_AFTER, value);
        check_pause(pause_of(&response));
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(document) else { return };
    let parts = [("a.test".to_owned(), problem)];
    check_failure(&AcmeFailure::of_validations(&parts).expect("a failure"));
    let [(_, problem)] = parts;
    check_failure(&AcmeFailure::of(&Error::Api(problem)));
}

/// The pause ends, whatever the authority wishes.
fn check_pause(until: Option<SystemTime>) {
    let until = until.map(|until| {
        let since = until.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or(Duration::ZERO).as_secs()
    });
    let mut history = AttemptHistory::default();
    history.begin(NOW, &["a.test".to_owned()], 60);
    let refused = FailedAttempt { not_before: until, has_order: true, is_issued: false };
    history.fail(NOW, 60, refused);
    let later = AttemptHistory::read(history.to_text().as_bytes(), NOW + WEEK - 1);
    assert!(later.not_before <= NOW + WEEK, "it never ends");
    assert_eq!(later.not_before, until.unwrap_or(0).min(NOW + WEEK));
}

fn check_failure(failure: &AcmeFailure) {
    for text in [Some(&failure.fault), failure.problem.as_ref()].into_iter().flatten() {
        assert!(!text.contains(char::is_control), "more than a line: {text:?}");
        assert!(text.len() <= MAX_FAULT, "{} bytes", text.len());
    }
    assert!(!failure.advice.is_empty());
}

/// Reads a certificate: DER, and the text of a file.
pub fn acme_certificate(data: &[u8]) {
    let _ = IssuedCertificate::read(data);
    let Ok(certificate) = IssuedCertificate::of(&CertificateDer::from(data)) else { return };
    let names = &certificate.names;
    assert!(names.is_sorted() && names.iter().all(|name| *name == name.to_ascii_lowercase()));
    assert!(certificate.covers(names));
    assert!(!certificate.covers(&["name.that.no.certificate.has".to_owned()]));
}
