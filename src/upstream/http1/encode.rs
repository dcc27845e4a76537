//! Encodes the head of a request.

use bytes::{BufMut, BytesMut};

use crate::upstream::request::{RequestFraming, UpstreamRequestHead};

/// Appends the head of a request.
pub(in crate::upstream) fn encode(
    out: &mut BytesMut,
    head: &UpstreamRequestHead<'_>,
    framing: RequestFraming,
    keep: bool,
) {
    let fields: usize = head.fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    out.reserve(fields + head.target.len() + 96);
    out.put_slice(head.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(head.target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.fields {
        out.put_slice(name);
        out.put_slice(b": ");
        out.put_slice(value);
        out.put_slice(b"\r\n");
    }
    match framing {
        RequestFraming::None => {}
        RequestFraming::Length(length) => {
            out.put_slice(b"content-length: ");
            out.put_slice(itoa::Buffer::new().format(length).as_bytes());
            out.put_slice(b"\r\n");
        }
        RequestFraming::Chunked => out.put_slice(b"transfer-encoding: chunked\r\n"),
    }
    // A request for another protocol has its own `Connection` field.
    if !keep && !head.asks_upgrade() {
        out.put_slice(b"connection: close\r\n");
    }
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::request::RequestOrigin;
    use http::Method;

    #[test]
    fn bytes_on_the_wire() {
        let head = UpstreamRequestHead {
            method: &Method::POST,
            target: "/a%2Fb?x=;",
            fields: vec![(b"host", b"example.org"), (b"cookie", b"\xe9")],
            origin: RequestOrigin {
                client: "192.0.2.1",
                client_port: None,
                scheme: "http",
                host: b"example.org",
                port: 80,
                version: http::Version::HTTP_11,
                script_name: "",
            },
        };
        let mut out = BytesMut::new();
        encode(&mut out, &head, RequestFraming::Length(3), true);
        assert_eq!(
            &out[..],
            b"POST /a%2Fb?x=; HTTP/1.1\r\nhost: example.org\r\ncookie: \xe9\r\n\
              content-length: 3\r\n\r\n"
        );
        out.clear();
        encode(&mut out, &head, RequestFraming::Chunked, false);
        assert!(out.ends_with(b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"));
    }
}
