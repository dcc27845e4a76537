//! Bodies are framed correctly and arrive whole.

use super::{KEEP_ALIVE, kept};
use crate::support::{
    App, Origin, Settings, body, close, eventually, expect, half_close, pattern, send, until_closed,
};

#[test]
fn every_framing_of_a_response_is_understood() {
    let responses = [
        format!("{KEEP_ALIVE}Content-Length: 11\r\n\r\nhello world"),
        format!("{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n"),
        format!(
            "{KEEP_ALIVE}Transfer-Encoding: Chunked\r\n\r\n1\r\nh\r\n005\r\nello \r\n5 \r\nworld\r\n\
             000\r\n\r\n"
        ),
        format!(
            "{KEEP_ALIVE}Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n6;a=b\r\nhello \r\n\
             5;\"q\"\r\nworld\r\n0;x\r\nX-Late: 1\r\n\r\n"
        ),
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world".to_owned(),
        "HTTP/1.1 200 OK\r\n\r\nhello world".to_owned(),
        "HTTP/1.0 200 OK\r\n\r\nhello world".to_owned(),
        "HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\nhello world".to_owned(),
        "HTTP/1.1 200\r\nContent-Length: 11\r\n\r\nhello world".to_owned(),
        "HTTP/1.1 200 \r\nContent-Length:11\r\n\r\nhello world".to_owned(),
    ];
    for answer in responses {
        let origin =
            Origin::script([expect("GET / "), send(&answer), half_close(), until_closed()]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        let response = client.get("/");
        assert_eq!((response.status, response.text().as_str()), (200, "hello world"), "{answer}");
        assert!(!response.head.has("x-late"), "{answer}");
        // The client's connection stays open after every close of the upstream connection.
        let next = client.get("/healthz").status;
        assert!(matches!(next, 200 | 503), "{answer}");
    }
}

#[test]
fn body_sent_byte_by_byte_is_unchanged() {
    let answer = format!(
        "{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"
    );
    let mut script = vec![expect("GET / ")];
    script.extend(answer.bytes().map(|byte| send([byte])));
    let origin = Origin::script(script);
    let sideman = Settings::before(&origin.url()).start();
    assert_eq!(sideman.get("/").text(), "hello world");
}

#[test]
fn response_without_a_body_keeps_both_connections() {
    for (method, answer, length) in [
        ("HEAD", format!("{KEEP_ALIVE}Content-Length: 0\r\n\r\n"), Some("0")),
        ("GET", "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n".to_owned(), None),
        (
            "DELETE",
            "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n".into(),
            None,
        ),
        (
            "HEAD",
            "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n".into(),
            None,
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\nETag: \"x\"\r\n\r\n".to_owned(),
            None,
        ),
        ("GET", format!("{KEEP_ALIVE}Content-Length: 0\r\n\r\n"), Some("0")),
    ] {
        let origin = Origin::script([
            expect(&format!("{method} /1 ")),
            send(&answer),
            expect("GET /2 "),
            send(kept("next")),
        ]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        let response = client.ask(method, "/1", "");
        assert!(response.body.is_empty(), "{method} {answer}: {response:?}");
        if let Some(length) = length {
            assert_eq!(response.header("content-length"), Some(length), "{method} {answer}");
        }
        if response.status == 204 {
            // RFC 9110, 8.6 and RFC 9112, 6.1.
            assert!(!response.head.has("content-length"), "{answer}");
            assert!(!response.head.has("transfer-encoding"), "{answer}");
        }
        assert_eq!(client.get("/2").text(), "next", "{method} {answer}");
    }
}

/// Some servers (gunicorn up to 23) send a body with the response to HEAD, a moment later: on an idle
/// connection the next client would get it.
#[test]
fn forbidden_body_closes_the_upstream_connection() {
    for (method, answer, length) in [
        ("HEAD", format!("{KEEP_ALIVE}Content-Length: 1000\r\n\r\n"), Some("1000")),
        ("HEAD", format!("{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\n"), None),
        ("HEAD", format!("{KEEP_ALIVE}\r\n"), None),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n".to_owned(), None),
    ] {
        let origin = Origin::scripts([
            vec![expect(&format!("{method} /1 ")), send(&answer), until_closed()],
            vec![expect("GET /2 "), send(kept("next"))],
        ]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        let response = client.ask(method, "/1", "");
        assert!(response.body.is_empty(), "{method} {answer}: {response:?}");
        if let Some(length) = length {
            assert_eq!(response.header("content-length"), Some(length), "{method} {answer}");
        }
        assert_eq!(client.get("/2").text(), "next", "{method} {answer}");
    }
}

#[test]
fn a_304_keeps_its_validators() {
    let answer = "HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\nETag: \"x\"\r\n\
                  Vary: Cookie\r\n\r\n";
    let origin =
        Origin::script([expect("GET /1 "), send(answer), expect("GET /2 "), send(kept("next"))]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    let response = client.get("/1");
    assert_eq!((response.status, response.header("etag")), (304, Some("\"x\"")));
    assert_eq!(response.header("vary"), Some("Cookie"));
    assert_eq!(client.get("/2").text(), "next");
}

#[test]
fn request_is_forwarded_with_its_length() {
    let application = App::start(|request| {
        let (length, coding) =
            (request.head.get("content-length"), request.head.get("transfer-encoding"));
        let body = String::from_utf8_lossy(&request.body);
        App::reply(format!("{length:?} {coding:?} {body:?}").as_bytes())
    });
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "None None \"\""),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
            "Some(\"4\") None \"body\"",
        ),
        // Django and its servers distinguish an empty form from none by this.
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "Some(\"0\") None \"\""),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "Some(\"4\") None \"body\""),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             2;x=y\r\nbo\r\n02\r\ndy\r\n0\r\nX-Trailer: 1\r\n\r\n",
            "Some(\"4\") None \"body\"",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Some(\"0\") None \"\"",
        ),
    ] {
        client.send(request);
        assert_eq!(client.response().text(), expected, "{request}");
    }
}

#[test]
fn trailers_and_chunk_extensions_are_not_forwarded() {
    let origin = Origin::script([expect("POST / "), body("body"), send(kept("done")), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Trailer\r\n\r\n4;evil=1\r\nbody\r\n0\r\nX-Trailer: evil\r\n\r\n",
    );
    assert_eq!(client.response().text(), "done");
    assert!(!origin.request(0).head.has("trailer"));
}

#[test]
fn large_bodies_arrive_whole() {
    const SIZE: usize = 20 << 20;
    let application = App::start(|request| match request.target() {
        "/up" => App::reply(format!("{}", request.body == pattern(SIZE)).as_bytes()),
        "/down" => App::reply(&pattern(SIZE)),
        _ => {
            let mut answer = format!("{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
            for piece in pattern(SIZE).chunks(100_003) {
                answer.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                answer.extend(piece);
                answer.extend(b"\r\n");
            }
            answer.extend(b"0\r\n\r\n");
            answer
        }
    });
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    assert_eq!(client.post("/up", "", &pattern(SIZE)).text(), "true");
    assert!(client.get("/down").body == pattern(SIZE));
    assert!(client.get("/chunked").body == pattern(SIZE));

    client.send("POST /up HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in pattern(SIZE).chunks(70_001) {
        client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
    }
    assert_eq!(client.send("0\r\n\r\n").response().text(), "true");
}

#[test]
fn truncated_request_body_is_not_forwarded() {
    // The application must not treat a part as the whole.
    for head in
        ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
    {
        let application = App::saying("taken for whole");
        let sideman = Settings::before(&application.url()).start();
        let mut client = sideman.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: example.test\r\n{head}"));
        client.half_close();
        let answer = String::from_utf8_lossy(&client.until_gone()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(application.requests(), 0);
        eventually("the log line", || {
            let line = sideman.log_of("/");
            (line["status"].as_u64() != Some(200)).then_some(())
        });
    }
}
