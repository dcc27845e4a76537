//! A request that is recorded, in a compact form: a worker fills it in, another thread makes spans of it.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use http::{Method, Version};

use crate::{
    error::FailureKind,
    telemetry::{cache_labels::CacheOutcome, labels::RouteLabel},
};

/// Everything that the spans of a request say. There is nothing of its query, its cookies or its other header fields
/// in it.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    pub trace_id: [u8; 16],
    pub server_span: [u8; 8],
    /// The span of the sender, if there is one.
    pub parent: Option<[u8; 8]>,
    pub begin: Instant,
    pub end: Instant,
    pub method: Method,
    pub scheme: &'static str,
    /// As the client has sent it.
    pub host: String,
    pub path: String,
    pub version: Version,
    /// The client's address, if the access log has it.
    pub client: Option<IpAddr>,
    pub status: u16,
    /// Bytes of the response's body.
    pub bytes: u64,
    /// Bytes of the request's body, if it has one.
    pub bytes_in: Option<u64>,
    pub route: RouteLabel,
    pub cache: Option<CacheOutcome>,
    pub error: Option<FailureKind>,
    pub request_id: String,
    /// `None` if the request was not queued.
    pub queue: Option<QueueRecord>,
    /// `None` if no server of the application got the request.
    pub upstream: Option<UpstreamRecord>,
}

/// The wait for a permit.
#[derive(Clone, Copy, Debug)]
pub struct QueueRecord {
    pub span: [u8; 8],
    pub time: Duration,
}

/// What an application got, and how it has responded.
#[derive(Clone, Debug)]
pub struct UpstreamRecord {
    pub span: [u8; 8],
    /// When the first attempt began.
    pub begin: Instant,
    /// The time from the beginning of the last attempt to the head of the response; `None` if there was no response.
    pub first_byte: Option<Duration>,
    /// When the last attempt began.
    pub last_begin: Instant,
    /// The status of the response, if it was for this request.
    pub status: Option<u16>,
    /// Attempts after the first.
    pub retries: u32,
    /// The address of the server.
    pub server: String,
}

/// Longer texts are cut.
const MAX_TEXT: usize = 1024;

// === impl RequestRecord ===

impl RequestRecord {
    /// Returns a text of a request for a record. Bytes that are not UTF-8 become U+FFFD.
    pub fn text(bytes: &[u8]) -> String {
        let cut = bytes.get(..MAX_TEXT).unwrap_or(bytes);
        let mut text = String::from_utf8_lossy(cut).into_owned();
        if cut.len() < bytes.len() {
            // Half a character may be left of the last one.
            text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        }
        text
    }

    /// Returns the number of its spans.
    pub fn spans(&self) -> usize {
        1 + usize::from(self.queue.is_some()) + usize::from(self.upstream.is_some())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A request that was queued for 20 ms, sent twice, and answered 30 ms after the second attempt had begun.
    pub(crate) fn record(begin: Instant) -> RequestRecord {
        let at = |millis| begin + Duration::from_millis(millis);
        RequestRecord {
            trace_id: [0x0a; 16],
            server_span: [0x0b; 8],
            parent: Some([0x0c; 8]),
            begin,
            end: at(100),
            method: Method::GET,
            scheme: "https",
            host: "shop.test:8443".into(),
            path: "/cart/\"1\"".into(),
            version: Version::HTTP_2,
            client: Some([192, 0, 2, 1].into()),
            status: 200,
            bytes: 5_000_000_000,
            bytes_in: Some(3),
            route: RouteLabel::Proxy,
            cache: Some(CacheOutcome::Miss),
            error: None,
            request_id: "id-1".into(),
            queue: Some(QueueRecord { span: [0x0e; 8], time: Duration::from_millis(20) }),
            upstream: Some(UpstreamRecord {
                span: [0x0d; 8],
                begin: at(25),
                first_byte: Some(Duration::from_millis(30)),
                last_begin: at(40),
                status: Some(200),
                retries: 1,
                server: "127.0.0.1:8000".into(),
            }),
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(RequestRecord::text(b"/a\xff"), "/a\u{fffd}");
        let long = "é".repeat(MAX_TEXT);
        let text = RequestRecord::text(&long.as_bytes()[1..]);
        assert!(text.len() <= MAX_TEXT + 2 && text.ends_with('é'), "{}", text.len());
        let text = RequestRecord::text(format!("a{long}").as_bytes());
        assert!(text.len() == MAX_TEXT - 1 && text.ends_with('é'), "{}", text.len());
    }
}
