//! The response for the client from that of a bucket.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{
    body::Body,
    pipeline::{bucket_client::FoundObject, response::Response},
};

/// Makes the response. `head` are the header fields of the object.
pub(super) fn respond(method: &Method, object: FoundObject, mut head: HeaderMap) -> Response {
    let FoundObject { status, headers: given, body } = object;
    let body = match status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT if method != Method::HEAD => body,
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => Body::Empty,
        // The fields that a 304 has (RFC 9110, 15.4.5).
        StatusCode::NOT_MODIFIED => {
            // It renews what it has (RFC 9111, 4.3.4). Without a type the rest cannot be known.
            if !given.contains_key(header::CACHE_CONTROL) {
                head.remove(header::CACHE_CONTROL);
            }
            for name in [
                header::CONTENT_LENGTH,
                header::CONTENT_TYPE,
                header::CONTENT_ENCODING,
                header::CONTENT_LANGUAGE,
                header::CONTENT_DISPOSITION,
                header::CONTENT_SECURITY_POLICY,
                header::ACCEPT_RANGES,
            ] {
                head.remove(name);
            }
            Body::Empty
        }
        // The body of S3 is an XML document about the request.
        _ => {
            let mut refusal = HeaderMap::with_capacity(8);
            for name in [header::ETAG, header::ACCEPT_RANGES, header::CONTENT_RANGE] {
                if let Some(value) = head.remove(&name) {
                    refusal.insert(name, value);
                }
            }
            refusal.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            refusal.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            head = refusal;
            Body::Empty
        }
    };
    let mut response = Response::new(status, body);
    response.head.headers = head;
    response
}
