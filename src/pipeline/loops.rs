//! Recognises a request that returns to this process. The application's address may lead back here through a name, a
//! load balancer or another proxy, and the settings do not show that. Each forwarded request names this process in
//! `CDN-Loop` (RFC 8586), after the names that are there already.

use http::HeaderValue;

use crate::{
    error::{Error, FailureKind},
    rfc::request_parts::{FieldName, Headers},
};

/// The name of this process in `CDN-Loop`. A client that has seen it can only get its own requests refused with it.
#[derive(Clone, Debug)]
pub(super) struct LoopToken(HeaderValue);

// === impl LoopToken ===

impl LoopToken {
    pub(super) fn new() -> Self {
        let text = format!("sideman-{:016x}", fastrand::u64(..));
        Self(HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("sideman")))
    }

    /// Refuses a request that this process has forwarded.
    pub(super) fn check(&self, headers: &Headers) -> Result<(), Error> {
        for value in headers.get_all(FieldName::CdnLoop) {
            let mut names = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            if names.any(|name| name == self.0.as_bytes()) {
                return Err(Error::new(FailureKind::LoopDetected));
            }
        }
        Ok(())
    }

    /// Returns the field that names this process.
    pub(super) fn field(&self) -> (&[u8], &[u8]) {
        (b"cdn-loop", self.0.as_bytes())
    }
}
