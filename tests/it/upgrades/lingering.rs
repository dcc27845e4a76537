//! Responses to a client that is still sending: the client gets the response, and the connection closes soon after.

use std::time::{Duration, Instant};

use crate::support::{Origin, Settings, TempDir, expect, pattern, receive, send, until_closed};

const BODY_LENGTH: usize = 20 << 20;

#[test]
fn early_response_reaches_a_client_that_sends_first() {
    let directory = TempDir::new();
    directory.write("a.css", "a{}");
    let origin = Origin::scripts([]);
    let sideman = Settings::before(&origin.url()).files("/static/", directory.path()).start();
    for framing in
        [format!("Content-Length: {BODY_LENGTH}"), "Transfer-Encoding: chunked".to_owned()]
    {
        let mut client = sideman.connect();
        let head =
            format!("POST /static/a.css HTTP/1.1\r\nHost: example.test\r\n{framing}\r\n\r\n");
        let mut bytes = head.into_bytes();
        if framing.starts_with("Transfer") {
            bytes.extend_from_slice(format!("{BODY_LENGTH:x}\r\n").as_bytes());
        }
        bytes.extend(pattern(BODY_LENGTH));
        // The whole upload, before a byte of the response is read.
        client.send(bytes);
        let response = client.response();
        assert_eq!(response.status, 405, "{framing}");
        assert!(response.closes(), "{framing}: {response:?}");
        assert!(client.until_closed().is_empty(), "{framing}");
    }
}

#[test]
fn early_application_response_reaches_a_client_that_sends_first() {
    let refusal = "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
    let origin = Origin::script([expect("POST / "), send(refusal), until_closed()]);
    let sideman = Settings::before(&origin.url()).set("route.all.stream", "request").start();
    let mut client = sideman.connect();
    let head =
        format!("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: {BODY_LENGTH}\r\n\r\n");
    client.send([head.into_bytes(), pattern(BODY_LENGTH)].concat());
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (401, "no"));
}

#[test]
fn upload_aborted_by_the_application_gets_a_response() {
    let origin = Origin::script([expect("POST / "), receive("x"), crate::support::close()]);
    let sideman = Settings::before(&origin.url()).set("route.all.stream", "request").start();
    let mut client = sideman.connect();
    // One byte is never sent: if all of the body were here before the response, the connection would be kept.
    let length = BODY_LENGTH + 1;
    let head = format!("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\r\n");
    client.send([head.into_bytes(), vec![b'x'; BODY_LENGTH]].concat());
    let response = client.response();
    assert_eq!(response.status, 502);
    assert!(response.closes(), "{response:?}");
    assert!(client.until_closed().is_empty());
}

#[test]
fn malformed_request_gets_400_whatever_follows() {
    let origin = Origin::scripts([]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send([b"GET / HTTP/1.1\r\nno colon\r\n\r\n".as_slice(), &pattern(4 << 20)].concat());
    assert_eq!(client.response().status, 400);
    assert!(client.until_closed().is_empty());
}

#[test]
fn silent_client_is_not_waited_for_after_an_early_response() {
    let directory = TempDir::new();
    let origin = Origin::scripts([]);
    let sideman = Settings::before(&origin.url())
        .files("/static/", directory.path())
        .set("shutdown.timeout", "20s")
        .start();
    let mut client = sideman.connect();
    client.send(format!(
        "POST /static/x HTTP/1.1\r\nHost: example.test\r\nContent-Length: {BODY_LENGTH}\r\n\r\n"
    ));
    assert!(client.response().closes());
    let begin = Instant::now();
    // The close is announced at once.
    assert!(client.until_closed().is_empty());
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    // The process waits for a few seconds of silence at most, and has aborted no request.
    assert_eq!(sideman.shut_down().0, Some(0));
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_secs(4) && waited < Duration::from_secs(15), "{waited:?}");
    drop(client);
}

#[test]
fn client_that_keeps_sending_does_not_delay_the_shutdown() {
    let directory = TempDir::new();
    let origin = Origin::scripts([]);
    let sideman = Settings::before(&origin.url())
        .files("/static/", directory.path())
        .set("shutdown.timeout", "25s")
        .start();
    let mut client = sideman.connect();
    client.send(format!(
        "POST /static/x HTTP/1.1\r\nHost: example.test\r\nContent-Length: {BODY_LENGTH}\r\n\r\n"
    ));
    assert!(client.response().closes());
    let feeding = std::thread::spawn(move || {
        // Until the process has closed its socket.
        while client.try_send("x").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let begin = Instant::now();
    assert_eq!(sideman.shut_down().0, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    feeding.join().unwrap();
}

#[test]
fn short_unread_body_keeps_the_connection() {
    let directory = TempDir::new();
    let origin = Origin::scripts([]);
    let sideman = Settings::before(&origin.url()).files("/static/", directory.path()).start();
    let mut client = sideman.connect();
    for _ in 0..3 {
        let response = client.post("/static/x", "", &pattern(10_000));
        assert!(response.status == 405 && !response.closes(), "{response:?}");
    }
}
