//! Encodes the head of a request as the variables of a packet: those of nginx's `uwsgi_params`, and each field as
//! `HTTP_*`.

use std::io;

use bytes::{BufMut, BytesMut};
use http::Version;

use super::{packet::UwsgiPacket, path_info};
use crate::{
    error::{Error, FailureKind},
    plan::{UwsgiFlavour, UwsgiSettings},
    rfc::{fields, request_parts::FieldName},
    upstream::request::{RequestFraming, RequestOrigin, UpstreamRequestHead},
};

/// Appends the packet of a request. If the server would not accept it, the buffer is left unchanged.
///
/// A body must have a length, because nothing else could mark its end. A request with a body of unknown length is
/// refused. Buffered requests always have a length.
pub(in crate::upstream) fn encode(
    out: &mut BytesMut,
    head: &UpstreamRequestHead<'_>,
    framing: RequestFraming,
    server: UwsgiSettings,
    keep: bool,
) -> Result<(), Error> {
    let mut digits = itoa::Buffer::new();
    let content_length = match framing {
        RequestFraming::None => "",
        RequestFraming::Length(length) => digits.format(length),
        RequestFraming::Chunked => {
            let cause = io::Error::other("the uwsgi protocol has no body of unknown length");
            return Err(Error::io(FailureKind::CodingUnknown, cause));
        }
    };
    let RequestOrigin { client, client_port, scheme, host, port, version, script_name } =
        head.origin;
    let (path, query) = head.target.split_once('?').unwrap_or((head.target, ""));
    let server_name = without_port(host);

    // About the size of a usual head, so that the buffer grows only once.
    out.reserve(
        512 + head.fields.iter().map(|(name, value)| name.len() + value.len() + 9).sum::<usize>(),
    );
    let mut packet = UwsgiPacket::begin(out);
    packet.add("QUERY_STRING", query);
    packet.add("REQUEST_METHOD", head.method.as_str());
    packet.add_with("CONTENT_TYPE", |out| join(out, head, b"content-type"));
    packet.add("CONTENT_LENGTH", content_length);
    packet.add("REQUEST_URI", head.target);
    // A path that does not begin with it has the application at `/` (PEP 3333).
    let below =
        path.strip_prefix(script_name).filter(|rest| matches!(rest.as_bytes(), [] | [b'/', ..]));
    if !script_name.is_empty() && below.is_some() {
        packet.add("SCRIPT_NAME", script_name);
    }
    let path = below.unwrap_or(path);
    packet.add_with("PATH_INFO", |out| path_info::append(out, path, server.flavour));
    // There is no such directory. The empty value keeps uWSGI's --check-static-docroot from searching.
    packet.add("DOCUMENT_ROOT", "");
    packet.add("SERVER_PROTOCOL", protocol(version));
    packet.add("REQUEST_SCHEME", scheme);
    if scheme == "https" {
        packet.add("HTTPS", "on");
    }
    packet.add("REMOTE_ADDR", client);
    packet.add_number("REMOTE_PORT", client_port);
    packet.add_number("SERVER_PORT", Some(port));
    packet.add("SERVER_NAME", server_name);
    for (index, (name, _)) in head.fields.iter().enumerate() {
        let is_repeated = || head.fields.iter().take(index).any(|(earlier, _)| is(earlier, name));
        if becomes_variable(name) && !is_repeated() {
            packet.add_field(name, |out| join(out, head, name));
        }
    }
    if head.asks_upgrade() {
        // Passed on as in nginx: uWSGI and applications read both.
        packet.add("HTTP_UPGRADE", "websocket");
        packet.add("HTTP_CONNECTION", "Upgrade");
    } else if !keep && server.flavour == UwsgiFlavour::Gunicorn {
        // uWSGI closes the connection anyway.
        packet.add("HTTP_CONNECTION", "close");
    }
    packet.finish(server)
}

/// Whether a field is passed on as `HTTP_*`. Fields that frame the body or belong to the connection are not.
/// `HTTP_TRANSFER_ENCODING` makes uWSGI expect a body other than the one that is sent, and `HTTP_CONTENT_LENGTH` does
/// so for gunicorn. A name with `_` is not passed on either, because it would be confused with one with `-`.
fn becomes_variable(name: &[u8]) -> bool {
    !is(name, b"content-type")
        && !is(name, b"content-length")
        && !fields::is_hop_by_hop_name(FieldName::of(name))
        && !name.contains(&b'_')
}

/// Appends the values of all fields with this name as one value (RFC 9110, 5.3; RFC 6265, 5.4).
fn join(out: &mut BytesMut, head: &UpstreamRequestHead<'_>, name: &[u8]) {
    let separator: &[u8] = if is(name, b"cookie") { b"; " } else { b", " };
    let values = head.fields.iter().filter(|(other, _)| is(other, name)).map(|(_, value)| value);
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.put_slice(separator);
        }
        out.put_slice(value);
    }
}

fn is(name: &[u8], other: &[u8]) -> bool {
    name.eq_ignore_ascii_case(other)
}

/// Returns a host without its port, with the brackets of an IPv6 address (RFC 3875, 4.1.14).
fn without_port(host: &[u8]) -> &[u8] {
    let end = match host {
        [b'[', ..] => memchr::memchr(b']', host).map(|at| at + 1),
        _ => memchr::memchr(b':', host),
    };
    host.get(..end.unwrap_or(host.len())).unwrap_or(host)
}

/// The version in the client's request line.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}
