//! Tests of whole lines.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::{
    layout::{LineLayout, MAX_LINE_LENGTH},
    line::AccessLogLine,
};
use crate::{
    plan::{AccessLog, Level, LogField, LogFields, LogSettings, NamePattern, Redact, WhenSlow},
    telemetry::{clock::Clock, labels::RouteLabel},
};

fn clock() -> Clock {
    let mut clock = Clock::default();
    clock.set(Duration::from_millis(784_111_777_042));
    clock
}

fn line() -> AccessLogLine<'static> {
    AccessLogLine {
        client: [198, 51, 100, 7].into(),
        method: "GET",
        host: Some(b"example.org"),
        path: "/a\"b",
        query: Some("x=1&token=2"),
        version: http::Version::HTTP_11,
        tls: None,
        status: 200,
        bytes: 12,
        bytes_in: 0,
        duration: Duration::from_micros(1_234_567),
        queue: Some(Duration::from_micros(2_500)),
        upstream_time: Some(Duration::from_micros(42)),
        upstream: Some("10.0.0.1:8000"),
        route: RouteLabel::Proxy,
        cache: None,
        request_id: b"abc",
        trace_id: None,
        user_agent: Some(b"curl/8"),
        referer: None,
        error: None,
    }
}

fn written(access: AccessLog, fields: &[LogField], line: &AccessLogLine<'_>) -> String {
    let plan = LogSettings {
        access,
        fields: LogFields(fields.to_vec()),
        redact: Redact(vec![NamePattern::Exact("token".into())]),
        static_sample: 1,
        slow: Duration::ZERO,
        health: false,
        level: Level::Info,
        buffer: 0,
        when_slow: WhenSlow::Drop,
    };
    // It is appended to other lines.
    let mut out = b"x\n".to_vec();
    LineLayout::new(&plan).unwrap().write(&mut out, line, &clock());
    String::from_utf8(out).unwrap().strip_prefix("x\n").unwrap().to_owned()
}

/// A line with every field, and with these bytes in each field that a client controls.
fn everything<'a>(bytes: &'a [u8], text: &'a str) -> AccessLogLine<'a> {
    AccessLogLine {
        client: std::net::Ipv6Addr::from(u128::MAX).into(),
        method: text,
        host: Some(bytes),
        path: text,
        query: Some(text),
        version: http::Version::HTTP_2,
        tls: Some("TLSv1.3"),
        status: 499,
        bytes: u64::MAX,
        bytes_in: u64::MAX,
        duration: Duration::MAX,
        queue: Some(Duration::MAX),
        upstream_time: Some(Duration::MAX),
        upstream: Some(text),
        route: RouteLabel::Proxy,
        cache: Some("revalidated"),
        request_id: bytes,
        trace_id: Some(text),
        user_agent: Some(bytes),
        referer: Some(bytes),
        error: Some("upstream_connect_timeout"),
    }
}

#[test]
fn json() {
    let default: Vec<_> = LogField::ALL.into_iter().filter(|field| field.is_default()).collect();
    assert_eq!(
        written(AccessLog::Json, &default, &line()),
        concat!(
            r#"{"time":"1994-11-06T08:49:37.042Z","client":"198.51.100.7","method":"GET","#,
            r#""host":"example.org","path":"/a\"b","query":"x=1&token=***","status":200,"bytes":12,"#,
            r#""duration_ms":1234.567,"queue_ms":2.500,"upstream_ms":0.042,"route":"proxy","#,
            r#""request_id":"abc","user_agent":"curl/8"}"#,
            "\n"
        )
    );
}

#[test]
fn combined() {
    let mut line = line();
    let apache = "198.51.100.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a\\x22b?x=1&token=*** \
                  HTTP/1.1\" 200 12 \"-\" \"curl/8\"";
    let found = written(AccessLog::Combined, &[LogField::Combined], &line);
    assert_eq!(found, format!("{apache}\n"));
    line.bytes_in = 7;
    let fields = [LogField::RequestId, LogField::Combined, LogField::Error, LogField::BytesIn];
    let found = written(AccessLog::Combined, &fields, &line);
    assert_eq!(found, format!("request_id=\"abc\" {apache} bytes_in=7\n"));
    line.referer = Some(b"https://a.test/?token=3&b");
    let found = written(AccessLog::Combined, &[LogField::Combined], &line);
    assert!(found.ends_with(" 12 \"https://a.test/?token=***&b\" \"curl/8\"\n"), "{found}");
}

#[test]
fn fields_stand_in_the_order_that_was_asked_for() {
    use LogField::{Error, Path, Status, Tls, TraceId, Upstream};
    let fields = [TraceId, Upstream, Status, Tls, Error, Path];
    for (access, expected) in [
        (AccessLog::Json, r#"{"upstream":"10.0.0.1:8000","status":200,"path":"/a\"b"}"#),
        (AccessLog::Combined, r#"upstream="10.0.0.1:8000" status=200 path="/a\x22b""#),
    ] {
        assert_eq!(written(access, &fields, &line()), format!("{expected}\n"));
    }
    assert_eq!(written(AccessLog::Json, &[TraceId, Tls], &line()), "{}\n");
}

#[test]
fn the_longest_line_has_a_bound() {
    let fields = [&[LogField::Combined][..], &LogField::ALL].concat();
    for unit in ["a", "%41", "\"", "\u{fc}", "\u{1}", "&token=1"] {
        let text = unit.repeat(20_000);
        let line = everything(text.as_bytes(), &text);
        let json = written(AccessLog::Json, &LogField::ALL, &line);
        assert!(json.len() <= MAX_LINE_LENGTH, "{}", json.len());
        let logged: Value = serde_json::from_str(&json).unwrap();
        for name in ["path", "query", "referer", "user_agent", "host", "method", "request_id"] {
            assert!(logged[name].as_str().unwrap().ends_with('\u{2026}'), "{name} in {json}");
        }
        let combined = written(AccessLog::Combined, &fields, &line);
        assert!(combined.len() <= MAX_LINE_LENGTH, "{}", combined.len());
    }
}

proptest! {
    #[test]
    fn every_line_is_one_json_object(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        text in any::<String>(),
        times in 1_usize..60,
        order in Just(LogField::ALL.to_vec()).prop_shuffle(),
        count in 0_usize..=LogField::ALL.len(),
    ) {
        let (bytes, text) = (bytes.repeat(times), text.repeat(times));
        let line = everything(&bytes, &text);
        let fields = &order[..count];
        let json = written(AccessLog::Json, fields, &line);
        let body = json.strip_suffix('\n').unwrap();
        prop_assert!(!body.contains('\n') && json.len() <= MAX_LINE_LENGTH);
        let logged: serde_json::Map<String, Value> = serde_json::from_str(body).unwrap();
        prop_assert_eq!(logged.len(), count);
        // The keys are in order.
        let mut rest = body;
        for field in fields {
            let key = format!("\"{}\":", field.name());
            let at = rest.find(&key);
            prop_assert!(at.is_some(), "{key} in {rest}");
            rest = &rest[at.unwrap() + key.len()..];
        }
        let combined = written(AccessLog::Combined, fields, &line);
        let body = combined.strip_suffix('\n').unwrap();
        prop_assert!(body.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }
}
