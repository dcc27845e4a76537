//! Fetches a file with a content hash from the server that has other releases' files.

use std::{borrow::Cow, rc::Rc, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

use super::{origin_permits::OriginPermits, response::Response};
use crate::{
    body::{Body, RequestBody},
    plan,
    rfc::request_parts::{FieldName, Headers},
    upstream::{
        Backends, QueueClock, RequestFraming, RequestOrigin, RequestTimeouts, SendNotes,
        UpstreamClient, UpstreamRequestHead,
    },
};

/// The maximum number of concurrent requests to the fallback, for each worker. Few clients need it, and requests for
/// thousands of names that never existed must not use up the descriptors.
const MAX_CONCURRENT: usize = 32;
/// The name of this server in `Via`. It detects a loop of fallbacks.
const VIA_NAME: &str = "sideman-fallback";

/// The fallback server, as one worker sees it.
#[derive(Debug)]
pub(super) struct FallbackClient {
    plan: plan::FallbackSettings,
    server: Rc<UpstreamClient>,
    permits: OriginPermits,
}

// === impl FallbackClient ===

impl FallbackClient {
    /// Creates the client. Must be called on a worker's thread.
    pub(super) fn start(plan: &plan::FallbackSettings, backends: &Arc<Backends>) -> Rc<Self> {
        // The caller of `fetch` counts these requests, apart from those of the applications.
        let server = UpstreamClient::start(&plan.server, backends, Arc::default());
        Rc::new(Self { plan: plan.clone(), server, permits: OriginPermits::new(MAX_CONCURRENT) })
    }

    /// Whether `start` would create an equal client from these settings.
    pub(super) fn is_like(&self, plan: &plan::FallbackSettings, backends: &Arc<Backends>) -> bool {
        self.plan == *plan && self.server.is_like(&plan.server, backends)
    }

    /// Requests the file that the client requests. `path` is the client's, still encoded. Returns `None` if the
    /// fallback does not have the file, and an error if the fallback is unavailable or fails.
    pub(super) async fn fetch(
        &self,
        method: &Method,
        path: &str,
        headers: &Headers,
        id: &[u8],
    ) -> Result<Option<Response>, Cow<'static, str>> {
        let mut via_fields = headers.get_all(FieldName::Via);
        if via_fields.any(|via| memchr::memmem::find(via, VIA_NAME.as_bytes()).is_some()) {
            return Ok(None);
        }
        let permit =
            self.permits.acquire(None).map_err(|_| "it has too many requests in flight")?;
        let target = format!("{}{path}", self.plan.base);
        let via = format!("1.1 {VIA_NAME}");
        let fields = fields(headers, &self.plan.host, &via, id);
        let origin = RequestOrigin {
            client: "",
            client_port: None,
            scheme: "http",
            host: self.plan.host.as_bytes(),
            port: 0,
            version: Version::HTTP_11,
            script_name: "",
        };
        let head = UpstreamRequestHead { method, target: &target, fields, origin };
        let reply = self
            .server
            .send(
                &head,
                RequestFraming::None,
                RequestBody::empty(),
                SendNotes {
                    client: None,
                    queue: &QueueClock::default(),
                    server: None,
                    attempts: None,
                    timeouts: RequestTimeouts::default(),
                    interim: None,
                },
            )
            .await
            .map_err(|error| error.to_string())?;
        let headers = reply.fields.to_map();
        Ok(match reply.status {
            // A bucket may respond with 200 and a page when it does not have the file.
            StatusCode::OK if is_page(&headers) && !path.ends_with(".html") => None,
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
                let body = permit.hold(reply.body, |error| error);
                Some(passed_on(method, reply.status, &headers, body))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Some(unsatisfiable(headers)),
            status if status.is_server_error() => return Err("its response was an error".into()),
            // A bucket responds with 403 for names that it does not have.
            _ => None,
        })
    }

    /// Returns the fallback's address, for log events.
    pub(super) fn target(&self) -> String {
        self.plan.server.names()
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    media_type.is_some_and(|text| text.to_ascii_lowercase().starts_with(b"text/html"))
}

/// Returns the header fields for the fallback: nothing about the client, no cookie.
fn fields<'a>(
    headers: &'a Headers,
    host: &'a str,
    via: &'a str,
    id: &'a [u8],
) -> Vec<(&'a [u8], &'a [u8])> {
    const FORWARDED_FIELDS: [FieldName; 7] = [
        FieldName::Accept,
        FieldName::AcceptEncoding,
        FieldName::IfNoneMatch,
        FieldName::IfModifiedSince,
        FieldName::IfRange,
        FieldName::Range,
        FieldName::UserAgent,
    ];
    let mut fields: Vec<(&[u8], &[u8])> = vec![(b"host", host.as_bytes())];
    for name in FORWARDED_FIELDS {
        fields.extend(headers.get_all(name).map(|value| (name.text().as_bytes(), value)));
    }
    fields.extend([(&b"via"[..], via.as_bytes()), (b"x-request-id", id)]);
    fields
}

/// Makes the response for the client: the fields about the file, and none about the server.
fn passed_on(method: &Method, status: StatusCode, given: &HeaderMap, body: Body) -> Response {
    const KEPT_HEADERS: [HeaderName; 10] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::LAST_MODIFIED,
        header::ETAG,
        header::CACHE_CONTROL,
        header::VARY,
        header::ACCEPT_RANGES,
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
    ];
    let mut response =
        Response::new(status, if method == Method::HEAD { Body::Empty } else { body });
    let headers = &mut response.head.headers;
    for name in KEPT_HEADERS {
        // All values are kept: a list may come in several lines (RFC 9110, 5.3).
        for value in given.get_all(&name) {
            headers.append(&name, value.clone());
        }
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        let immutable = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(header::CACHE_CONTROL, immutable);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Makes a 416: the file exists, but is shorter than the client assumes (RFC 9110, 15.5.17).
fn unsatisfiable(mut given: HeaderMap) -> Response {
    let mut response = Response::new(StatusCode::RANGE_NOT_SATISFIABLE, Body::Empty);
    let headers = &mut response.head.headers;
    if let Some(size) = given.remove(header::CONTENT_RANGE) {
        headers.insert(header::CONTENT_RANGE, size);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_come_in_several_lines_are_whole() {
        let mut given = HeaderMap::new();
        for (name, value) in [
            ("vary", "Origin"),
            ("vary", "Accept-Encoding"),
            ("cache-control", "max-age=60"),
            ("cache-control", "private"),
            ("set-cookie", "a=1"),
        ] {
            given.append(name, HeaderValue::from_static(value));
        }
        let response = passed_on(&Method::GET, StatusCode::OK, &given, Body::Empty);
        let all = |name| -> Vec<_> { response.head.headers.get_all(name).iter().collect() };
        assert_eq!(all("vary"), ["Origin", "Accept-Encoding"]);
        assert_eq!(all("cache-control"), ["max-age=60", "private"]);
        assert!(all("set-cookie").is_empty());
    }
}
