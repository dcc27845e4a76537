//! Tests packets against an independent reading of the protocol.

use bytes::BytesMut;
use http::{Method, Version};
use proptest::prelude::*;

use super::encode::encode;
use crate::{
    error::FailureKind,
    plan::{UwsgiFlavour, UwsgiSettings},
    upstream::request::{RequestFraming, RequestOrigin, UpstreamRequestHead},
};

const UWSGI: UwsgiSettings = UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, buffer_size: 65_535 };
const GUNICORN: UwsgiSettings =
    UwsgiSettings { flavour: UwsgiFlavour::Gunicorn, buffer_size: 65_535 };

/// Variables that may be in a packet without `HTTP_`, as in nginx's uwsgi_params.
const BARE: [&str; 14] = [
    "QUERY_STRING",
    "REQUEST_METHOD",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "REQUEST_URI",
    "PATH_INFO",
    "DOCUMENT_ROOT",
    "SERVER_PROTOCOL",
    "REQUEST_SCHEME",
    "HTTPS",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "SERVER_PORT",
    "SERVER_NAME",
];

const ORIGIN: RequestOrigin<'_> = RequestOrigin {
    client: "192.0.2.1",
    client_port: Some(40_000),
    scheme: "http",
    host: b"example.org",
    port: 8080,
    version: Version::HTTP_11,
    script_name: "",
};

type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads a whole packet. Anything but exactly one packet is a failure.
fn decode(packet: &[u8]) -> Variables {
    let (&[modifier1, low, high, modifier2], mut rest) =
        packet.split_first_chunk().expect("a header");
    assert_eq!((modifier1, modifier2), (0, 0));
    assert_eq!(usize::from(high) * 256 + usize::from(low), rest.len(), "the size in the header");
    let mut text = || {
        let (&[low, high], after) = rest.split_first_chunk().expect("a length");
        let (text, after) = after.split_at(usize::from(high) * 256 + usize::from(low));
        rest = after;
        (text.to_vec(), after.is_empty())
    };
    let mut variables = Vec::new();
    loop {
        let (key, _) = text();
        let (value, is_last) = text();
        assert!(!key.is_empty(), "uWSGI drops a request with an empty key");
        assert!(variables.iter().all(|(known, _)| *known != key), "{} twice", key.escape_ascii());
        variables.push((key, value));
        if is_last {
            return variables;
        }
    }
}

fn head<'a>(target: &'a str, fields: &[(&'a [u8], &'a [u8])]) -> UpstreamRequestHead<'a> {
    UpstreamRequestHead { method: &Method::GET, target, fields: fields.to_vec(), origin: ORIGIN }
}

fn encoded(
    head: &UpstreamRequestHead<'_>,
    framing: RequestFraming,
    server: UwsgiSettings,
) -> Variables {
    let mut out = BytesMut::new();
    encode(&mut out, head, framing, server, true).unwrap();
    decode(&out)
}

/// Returns the value of a variable, or `None` if there is none.
fn get(variables: &Variables, key: &str) -> Option<String> {
    let value = variables.iter().find(|(name, _)| name == key.as_bytes());
    value.map(|(_, value)| value.escape_ascii().to_string())
}

/// Checks that each of these variables has this value, or is missing.
#[track_caller]
fn check(variables: &Variables, expected: &[(&str, Option<&str>)]) {
    for (key, value) in expected {
        assert_eq!(get(variables, key).as_deref(), *value, "{key}");
    }
}

#[test]
fn a_usual_request() {
    let mut head = head(
        "/a%2Fb/%C3%BC?x=%20y&z",
        &[
            (b"host", b"example.org:8443"),
            (b"user-agent", b"tester"),
            (b"content-type", b"text/plain"),
            (b"x-forwarded-for", b"192.0.2.1"),
        ],
    );
    head.method = &Method::POST;
    head.origin.host = b"example.org:8443";
    head.origin.port = 8443;
    let variables = encoded(&head, RequestFraming::Length(12), UWSGI);
    check(
        &variables,
        &[
            ("QUERY_STRING", Some("x=%20y&z")),
            ("REQUEST_METHOD", Some("POST")),
            ("CONTENT_TYPE", Some("text/plain")),
            ("CONTENT_LENGTH", Some("12")),
            ("REQUEST_URI", Some("/a%2Fb/%C3%BC?x=%20y&z")),
            ("PATH_INFO", Some("/a/b/\\xc3\\xbc")),
            ("DOCUMENT_ROOT", Some("")),
            ("SERVER_PROTOCOL", Some("HTTP/1.1")),
            ("REQUEST_SCHEME", Some("http")),
            ("HTTPS", None),
            ("REMOTE_ADDR", Some("192.0.2.1")),
            ("REMOTE_PORT", Some("40000")),
            ("SERVER_PORT", Some("8443")),
            ("SERVER_NAME", Some("example.org")),
            ("HTTP_HOST", Some("example.org:8443")),
            ("HTTP_USER_AGENT", Some("tester")),
            ("HTTP_X_FORWARDED_FOR", Some("192.0.2.1")),
            ("HTTP_CONTENT_TYPE", None),
            ("HTTP_CONTENT_LENGTH", None),
        ],
    );
    assert_eq!(variables.len(), 16);
    let raw = encoded(&head, RequestFraming::Length(12), GUNICORN);
    assert_eq!(get(&raw, "PATH_INFO").as_deref(), Some("/a%2Fb/%C3%BC"));
}

#[test]
fn bodies() {
    let head = head("/", &[]);
    for (framing, expected) in [
        (RequestFraming::None, ""),
        (RequestFraming::Length(0), "0"),
        (RequestFraming::Length(u64::MAX), "18446744073709551615"),
    ] {
        check(&encoded(&head, framing, UWSGI), &[("CONTENT_LENGTH", Some(expected))]);
    }
    let mut out = BytesMut::new();
    let error = encode(&mut out, &head, RequestFraming::Chunked, UWSGI, true).unwrap_err();
    assert_eq!((error.kind(), out.len()), (FailureKind::CodingUnknown, 0));
}

#[test]
fn origins() {
    let mut head = head("/", &[]);
    head.origin.scheme = "https";
    head.origin.client_port = None;
    head.origin.version = Version::HTTP_10;
    let variables = encoded(&head, RequestFraming::None, UWSGI);
    let expected = [
        ("HTTPS", Some("on")),
        ("REQUEST_SCHEME", Some("https")),
        ("REMOTE_PORT", Some("")),
        ("SERVER_PROTOCOL", Some("HTTP/1.0")),
        ("QUERY_STRING", Some("")),
    ];
    check(&variables, &expected);
    for (host, name, port) in [
        ("example.org", "example.org", 8080),
        ("example.org:", "example.org", 8080),
        ("example.org:81", "example.org", 81),
        ("example.org:99999", "example.org", 8080),
        ("[2001:db8::1]", "[2001:db8::1]", 8080),
        ("[2001:db8::1]:82", "[2001:db8::1]", 82),
        ("[2001:db8::1", "[2001:db8::1", 8080),
        ("", "", 8080),
    ] {
        head.origin.host = host.as_bytes();
        head.origin.port = port;
        let variables = encoded(&head, RequestFraming::None, UWSGI);
        check(
            &variables,
            &[("SERVER_NAME", Some(name)), ("SERVER_PORT", Some(&*port.to_string()))],
        );
    }
}

#[test]
fn queries() {
    for (target, query, path) in [
        ("/a?", "", "/a"),
        ("/a?b?c", "b?c", "/a"),
        ("/%3Fa?%3Fb", "%3Fb", "/?a"),
        ("*", "", "*"),
        ("//a?/../b", "/../b", "//a"),
    ] {
        let variables = encoded(&head(target, &[]), RequestFraming::None, UWSGI);
        let expected = [("QUERY_STRING", query), ("PATH_INFO", path), ("REQUEST_URI", target)];
        check(&variables, &expected.map(|(key, value)| (key, Some(value))));
    }
}

#[test]
fn repeated_fields_are_joined() {
    let fields: [(&[u8], &[u8]); 9] = [
        (b"x-two", b"one"),
        (b"cookie", b"a=1"),
        (b"content-type", b"text/plain"),
        (b"x-two", b""),
        (b"cookie", b"b=2; c=3"),
        (b"x-twofold", b"other"),
        (b"content-type", b"text/html"),
        (b"X-Two", b"\xe9"),
        (b"x-one", b"1"),
    ];
    let expected = [
        ("HTTP_X_TWO", Some("one, , \\xe9")),
        ("HTTP_COOKIE", Some("a=1; b=2; c=3")),
        ("HTTP_X_TWOFOLD", Some("other")),
        ("CONTENT_TYPE", Some("text/plain, text/html")),
        ("HTTP_X_ONE", Some("1")),
    ];
    check(&encoded(&head("/", &fields), RequestFraming::None, UWSGI), &expected);
}

#[test]
fn what_a_client_must_not_make() {
    let fields: [(&[u8], &[u8]); 14] = [
        (b"uwsgi-file", b"/etc/passwd"),
        (b"uwsgi_file", b"/etc/passwd"),
        (b"UWSGI_SETENV", b"A=b"),
        (b"script-name", b"/x"),
        (b"remote-user", b"admin"),
        (b"remote_addr", b"6.6.6.6"),
        (b"content_length", b"7"),
        (b"Content_Type", b"x"),
        (b"content-length", b"7"),
        (b"transfer-encoding", b"chunked"),
        (b"transfer_encoding", b"chunked"),
        (b"connection", b"upgrade"),
        (b"te", b"trailers"),
        (b"keep-alive", b"5"),
    ];
    for server in [UWSGI, GUNICORN] {
        let variables = encoded(&head("/", &fields), RequestFraming::Length(3), server);
        let fields: Vec<&[u8]> = variables
            .iter()
            .map(|(key, _)| key.as_slice())
            .filter(|key| !BARE.iter().any(|bare| bare.as_bytes() == *key))
            .collect();
        assert_eq!(fields, [&b"HTTP_UWSGI_FILE"[..], b"HTTP_SCRIPT_NAME", b"HTTP_REMOTE_USER"]);
        let expected = [("CONTENT_LENGTH", Some("3")), ("CONTENT_TYPE", Some(""))];
        check(&variables, &expected);
    }
}

#[test]
fn connections_that_are_not_kept() {
    for (server, keep, expected) in
        [(UWSGI, false, None), (GUNICORN, false, Some("close")), (GUNICORN, true, None)]
    {
        let mut out = BytesMut::new();
        encode(&mut out, &head("/", &[]), RequestFraming::None, server, keep).unwrap();
        check(&decode(&out), &[("HTTP_CONNECTION", expected)]);
    }
}

#[test]
fn a_request_that_is_too_large() {
    let small = UwsgiSettings { buffer_size: 4096, ..UWSGI };
    let cookie = [b'x'; 4096];
    let mut out = BytesMut::from("before");
    let head = head("/", &[(b"cookie", &cookie)]);
    let error = encode(&mut out, &head, RequestFraming::None, small, true).unwrap_err();
    assert_eq!((error.kind(), &out[..]), (FailureKind::HeadTooLarge, &b"before"[..]));
    assert!(error.to_string().contains("uWSGI's buffer-size is 4096"), "{error}");
    assert!(encode(&mut out, &head, RequestFraming::None, GUNICORN, true).is_ok());
}

proptest! {
    #[test]
    fn fields_arrive_and_nothing_else_does(
        fields in prop::collection::vec(
            ("[a-z!#$%&'*+.^`|~0-9-]{1,6}|cookie|content-type|host|uwsgi-file",
             prop::collection::vec(any::<u8>(), 0..8)),
            0..20,
        ),
        target in "/[a-c%/.?]{0,12}",
        is_gunicorn in any::<bool>(),
    ) {
        let borrowed: Vec<(&[u8], &[u8])> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let server = if is_gunicorn { GUNICORN } else { UWSGI };
        let variables = encoded(&head(&target, &borrowed), RequestFraming::None, server);

        // A slow and simple model: each name once, with all of its values.
        let mut expected: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (name, value) in &fields {
            if name == "te" {
                continue;
            }
            let key = match name.as_str() {
                "content-type" => "CONTENT_TYPE".to_owned(),
                name => format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_")),
            };
            let separator = if name == "cookie" { "; " } else { ", " };
            match expected.iter_mut().find(|(known, _)| *known == key.as_bytes()) {
                Some((_, joined)) => {
                    joined.extend_from_slice(separator.as_bytes());
                    joined.extend_from_slice(value);
                }
                None => expected.push((key.into_bytes(), value.clone())),
            }
        }
        for variable in &expected {
            prop_assert!(variables.contains(variable), "{variable:?} in {variables:?}");
        }
        for (key, _) in &variables {
            let is_expected = expected.iter().any(|(known, _)| known == key);
            let is_bare = BARE.iter().any(|bare| bare.as_bytes() == key.as_slice());
            prop_assert!(is_expected || is_bare, "{}", key.escape_ascii());
        }
    }
}
