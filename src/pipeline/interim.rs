//! The application's interim responses on their way to the client (RFC 9110, 15.2), such as early hints (RFC 8297): hyper
//! sends final responses only, so the socket writes these (`server/socket`).

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, Response, StatusCode, header};

/// Bytes that may wait for a client, at the most. What comes beyond is left out: an interim response says
/// nothing that the final one does not.
pub(super) const LIMIT: usize = 32 * 1024;

/// What a status counts in HTTP/2, where nothing tells how many interim responses wait: all of a request count.
const STATUS: usize = 64;

/// Bytes of an interim response with these fields in HTTP/2, about.
pub(super) fn size(fields: &HeaderMap) -> usize {
    STATUS + fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
}

/// An interim answer with these fields.
pub(super) fn response(status: StatusCode, fields: &HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in fields.iter().filter(|(name, _)| is_for_clients(name)) {
        headers.append(name, value.clone());
    }
    response
}

/// Appends an interim response with these fields, if it is not too much.
pub(super) fn append(queue: &mut BytesMut, status: StatusCode, fields: &HeaderMap) {
    let before = queue.len();
    queue.put_slice(b"HTTP/1.1 ");
    queue.put_slice(status.as_str().as_bytes());
    queue.put_u8(b' ');
    queue.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    queue.put_slice(b"\r\n");
    for (name, value) in fields {
        if is_for_clients(name) {
            queue.put_slice(name.as_str().as_bytes());
            queue.put_slice(b": ");
            queue.put_slice(value.as_bytes());
            queue.put_slice(b"\r\n");
        }
    }
    queue.put_slice(b"\r\n");
    if queue.len() > LIMIT {
        queue.truncate(before);
    }
}

/// Hop-by-hop fields are gone already.
fn is_for_clients(name: &HeaderName) -> bool {
    let text = name.as_str();
    *name != header::CONTENT_LENGTH && text != "x-sendfile" && !text.starts_with("x-accel-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn bytes_on_the_wire() {
        let mut fields = HeaderMap::new();
        fields.append(header::LINK, HeaderValue::from_static("</a.css>; rel=preload"));
        fields.append(header::LINK, HeaderValue::from_static("</b.js>; rel=preload"));
        fields.append(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
        fields.append("x-accel-redirect", HeaderValue::from_static("/secret"));
        let mut queue = BytesMut::new();
        append(&mut queue, StatusCode::EARLY_HINTS, &fields);
        let expected = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\
                        link: </b.js>; rel=preload\r\n\r\n";
        assert_eq!(queue, expected);
        fields.append("x-long", HeaderValue::from_bytes(&[b'x'; LIMIT]).unwrap());
        append(&mut queue, StatusCode::EARLY_HINTS, &fields);
        assert_eq!(queue, expected);
    }
}
