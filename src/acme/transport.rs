//! The library's requests, sent by the client of `outgoing`: https alone, bounded in time and size, and with the
//! authority's wish for a pause remembered.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, uri::Scheme};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error};

use crate::outgoing::{Bounds, HttpClient};

/// Certificates with their chains have a few kilobytes.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(30), max_response: 256 * 1024 };

/// The longest pause that the library gets to see. It adds it to a time without a check, and panics if it is too long.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// When renewal information is to be asked for again if the authority does not say so (RFC 9773, 4.3.3).
const WINDOW_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

/// The client of one attempt. Clones share what was observed.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: HttpClient,
    /// `Retry-After` of the last error that had one. Later responses do not take it back: after an error, the library
    /// still asks which name has caused it.
    retry_after: Arc<Mutex<Option<SystemTime>>>,
    /// Whether a request for an account or an order, or one after it, was sent.
    has_posted: Arc<AtomicBool>,
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
        Self { client, retry_after: Arc::default(), has_posted: Arc::default() }
    }

    /// Whether the authority may have got a request for an account or an order. Those before it only read.
    pub(super) fn has_posted(&self) -> bool {
        self.has_posted.load(Ordering::Relaxed)
    }

    /// Returns until when the authority wants to be left alone, if it has said so with an error.
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
        let method = parts.method.clone();
        if method == Method::POST {
            self.has_posted.store(true, Ordering::Relaxed);
        }
        let response = self.client.send(Request::from_parts(parts, body), BOUNDS).await;
        let response = response.map_err(|error| Error::Other(Box::new(error)))?;
        let status = response.status();
        let pause = pause_of(&response);
        if pause.is_some() && !status.is_success() {
            *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = pause;
        }
        let (mut parts, body) = response.into_parts();
        parts.headers.remove(header::RETRY_AFTER);
        if let Some(pause) = pause_for_library(pause, &method) {
            parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs()));
        }
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

/// Returns the pause that the library gets to see.
fn pause_for_library(until: Option<SystemTime>, method: &Method) -> Option<Duration> {
    let pause = until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
    // It reads this field of renewal information, which it refuses without, and of responses to POST.
    let pause = pause.or_else(|| (method == Method::GET).then_some(WINDOW_PAUSE));
    pause.map(|pause| pause.min(LONGEST_PAUSE))
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
        for value in ["", "soon", "-1", "18446744073709551615", "99999999999999999999"] {
            assert_eq!(pause(value), None, "{value}");
        }
    }

    #[test]
    fn library_sees_no_pause_that_it_cannot_add() {
        let far = SystemTime::now() + Duration::from_secs(u32::MAX.into());
        assert_eq!(pause_for_library(Some(far), &Method::POST), Some(LONGEST_PAUSE));
        let past = Some(SystemTime::UNIX_EPOCH);
        assert_eq!(pause_for_library(past, &Method::POST), Some(Duration::ZERO));
        assert_eq!(pause_for_library(None, &Method::POST), None);
        // Renewal information.
        assert_eq!(pause_for_library(None, &Method::GET), Some(WINDOW_PAUSE));
        assert_eq!(pause_for_library(Some(far), &Method::GET), Some(LONGEST_PAUSE));
    }
}
