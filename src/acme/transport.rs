//! The library's requests, sent by the client of `outgoing`: https alone, bounded in time and size, and with the
//! authority's wish for a pause remembered.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header, uri::Scheme};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error};

use crate::outgoing::{Bounds, HttpClient};

/// Certificates with their chains have a few kilobytes.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(30), max_response: 256 * 1024 };

/// The client of one attempt. Clones share what was observed.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: HttpClient,
    /// `Retry-After` of the last response that was an error.
    retry_after: Arc<Mutex<Option<SystemTime>>>,
}

/// A response that is no answer in the sense of ACME: of a proxy, or of something else at this address.
#[derive(Debug)]
pub(super) struct UnexpectedStatus(pub(super) StatusCode);

/// The authority has named an address without TLS.
#[derive(Debug)]
struct NotHttps;

// === impl Transport ===

impl Transport {
    pub(super) fn new(client: HttpClient) -> Self {
        Self { client, retry_after: Arc::default() }
    }

    /// Returns until when the authority wants to be left alone, if its last response was an error.
    pub(super) fn retry_after(&self) -> Option<SystemTime> {
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (mut parts, body) = request.into_parts();
        if parts.uri.scheme() != Some(&Scheme::HTTPS) {
            return Err(Error::Other(Box::new(NotHttps)));
        }
        let Ok(body) = body.collect().await;
        let body = body.to_bytes();
        // That of `outgoing` names Sideman.
        parts.headers.remove(header::USER_AGENT);
        let response = self.client.send(Request::from_parts(parts, body), BOUNDS).await;
        let response = response.map_err(|error| Error::Other(Box::new(error)))?;
        let status = response.status();
        let pause = (!status.is_success()).then(|| pause_of(&response)).flatten();
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = pause;
        let (parts, body) = response.into_parts();
        // The library expects a problem document (RFC 7807) with every error.
        if !status.is_success() && !body.starts_with(b"{") {
            return Err(Error::Other(Box::new(UnexpectedStatus(status))));
        }
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl instant_acme::HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}

/// Reads `Retry-After` (RFC 9110, 10.2.3).
pub(super) fn pause_of(response: &Response<Bytes>) -> Option<SystemTime> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse::<u32>() {
        Ok(seconds) => Some(SystemTime::now() + Duration::from_secs(seconds.into())),
        Err(_) => httpdate::parse_http_date(value).ok(),
    }
}

impl fmt::Display for UnexpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response has status {} and no problem document", self.0.as_u16())
    }
}

impl std::error::Error for UnexpectedStatus {}

impl fmt::Display for NotHttps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the directory names an address that does not begin with https://")
    }
}

impl std::error::Error for NotHttps {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_read() {
        let pause = |value: &str| {
            let response = Response::builder().header("Retry-After", value).body(Bytes::new());
            let pause = pause_of(&response.unwrap())?;
            Some(pause.duration_since(SystemTime::now()).unwrap_or_default().as_secs())
        };
        assert!(pause("120").is_some_and(|pause| (118..=120).contains(&pause)));
        assert!(
            pause(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(500)))
                .is_some_and(|pause| (490..=500).contains(&pause))
        );
        assert_eq!(pause("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        for value in ["", "soon", "-1", "99999999999999999999"] {
            assert_eq!(pause(value), None, "{value}");
        }
    }
}
