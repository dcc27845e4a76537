//! The beginning of a connection (RFC 9113, 3.4), in any segments.

use super::connect;
use crate::support::{App, Http2, Settings, http2::PREFACE, http2::settings_frame};

#[test]
fn preface_may_come_in_pieces() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let begin = [PREFACE, &settings_frame(&[]).bytes()].concat();
    for cut in 1..begin.len() {
        let before = sideman.metric("sideman_received_bytes_total", &[]);
        let mut client = Http2::silent(sideman.address());
        client.write(&begin[..cut]);
        let read = before + f64::from(u32::try_from(cut).unwrap());
        sideman.until_metric("sideman_received_bytes_total", &[], read);
        client.write(&begin[cut..]);
        assert_eq!(client.get("/").text(), "hello", "cut after {cut}");
        client.reset_connection();
        sideman.until_metric("sideman_client_connections", &[], 0.0);
    }
}

#[test]
fn preface_may_come_byte_by_byte() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = Http2::silent(sideman.address());
    for (count, &byte) in PREFACE.iter().enumerate() {
        client.write(&[byte]);
        let read = f64::from(u32::try_from(count).unwrap() + 1);
        sideman.until_metric("sideman_received_bytes_total", &[], read);
    }
    client.write(&settings_frame(&[]).bytes());
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn preface_may_come_with_the_first_request() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = Http2::silent(sideman.address());
    let fields = crate::support::http2::usual("GET", "/", &[]);
    let stream = client.new_stream();
    let request = crate::support::http2::headers(stream, &fields, true);
    client.write(&[PREFACE, &settings_frame(&[]).bytes(), &request].concat());
    assert_eq!(client.response(stream).text(), "hello");
}

#[test]
fn bytes_that_resemble_a_preface_are_http_1() {
    let application = App::start(|request| App::reply(request.head.start.as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    for method in ["P", "PR", "PRI", "PRIX", "PROPFIND", "POST"] {
        let head = format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
        for cut in [1, 2, 3, 4, 5, head.len() - 1] {
            let before = sideman.metric("sideman_received_bytes_total", &[]);
            let mut client = sideman.connect();
            client.send(&head[..cut]);
            let read = before + f64::from(u32::try_from(cut).unwrap());
            sideman.until_metric("sideman_received_bytes_total", &[], read);
            let response = client.send(&head[cut..]).response();
            assert_eq!(response.text(), format!("{method} / HTTP/1.1"), "cut after {cut}");
            client.reset_connection();
            sideman.until_metric("sideman_client_connections", &[], 0.0);
        }
    }
}

#[test]
fn bytes_of_neither_protocol_are_refused() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    for bytes in ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/2.0\r\nHost: a.test\r\n\r\n"] {
        let mut client = sideman.connect();
        let answer = client.send(bytes).until_closed();
        assert!(answer.starts_with(b"HTTP/1.1 505 "), "{}", answer.escape_ascii());
    }
    // The client closes its side within the preface.
    let mut client = sideman.connect();
    client.send("PRI * HTTP/2.0\r\n").half_close();
    client.until_gone();
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    assert_eq!(application.requests(), 0);
}

/// Only the first bytes can be a preface: after a request they are a malformed request.
#[test]
fn preface_after_a_request_is_refused() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "hello");
    let settings = settings_frame(&[]).bytes();
    client.send([PREFACE, &settings].concat());
    let rest = client.until_gone();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 505 "), "{}", rest.escape_ascii());
    // An upgrade does not lead to HTTP/2 either (RFC 9113, 3.1 removed it).
    let mut client = sideman.connect();
    let fields =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    assert_eq!(client.ask("GET", "/", fields).text(), "hello");
}

#[test]
fn incomplete_preface_times_out() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("server.header_timeout", "1s")
        .set("server.idle_timeout", "1s")
        .start();
    for length in [1, 14, 23] {
        let mut client = Http2::silent(sideman.address());
        client.write(&PREFACE[..length]);
        assert!(client.raw_rest().is_empty());
    }
    sideman.until_metric("sideman_client_timeouts_total", &[("timer", "header")], 3.0);
    // The whole preface, and then nothing.
    let mut client = Http2::silent(sideman.address());
    client.write(PREFACE);
    client.until_gone();
    // Preface and settings, and nothing else; pings do not count as use.
    let mut client = connect(&sideman);
    client.settle();
    client.until_gone();
    sideman.until_metric("sideman_client_timeouts_total", &[("timer", "idle")], 2.0);
}
