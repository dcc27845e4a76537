//! Recognises a request that comes back: the application's address may lead here again, through a name, a load
//! balancer or another proxy, where the settings do not show it. Each request that is passed on names this
//! process in `CDN-Loop` (RFC 8586), beside whoever is named there already.

use http::HeaderValue;

use crate::{
    error::{Error, FailureKind},
    rfc::request_parts::{FieldName, Headers},
};

/// The name of this process in `CDN-Loop`. A stranger who has seen it can have his own requests refused with
/// it, and no others.
#[derive(Clone, Debug)]
pub(super) struct LoopToken(HeaderValue);

// === impl LoopToken ===

impl LoopToken {
    pub(super) fn new() -> Self {
        let text = format!("sideman-{:016x}", fastrand::u64(..));
        Self(HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("sideman")))
    }

    /// Refuses a request that this process has passed on.
    pub(super) fn check(&self, headers: &Headers) -> Result<(), Error> {
        for value in headers.get_all(FieldName::CdnLoop) {
            let mut names = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            if names.any(|name| name == self.0.as_bytes()) {
                return Err(Error::new(FailureKind::LoopDetected));
            }
        }
        Ok(())
    }

    /// The field that names this process.
    pub(super) fn field(&self) -> (&[u8], &[u8]) {
        (b"cdn-loop", self.0.as_bytes())
    }
}
