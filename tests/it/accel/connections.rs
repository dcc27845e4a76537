//! The body of a response with X-Accel-Redirect is dropped, and its connection is reused where that is cheap.

use super::{TEXT, settings};
use crate::support::{
    App, Origin, Settings, TempDir, close, expect, half_close, pattern, send, until_closed,
};

const REDIRECT: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\
                        X-Accel-Redirect: /protected/a.txt\r\n";
const ROUNDS: usize = 10;
const NEXT: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nnext";

fn directory() -> TempDir {
    let directory = TempDir::new();
    directory.write("protected/a.txt", TEXT);
    directory
}

/// One worker has one pool.
fn alone(application: &str, directory: &TempDir) -> Settings {
    settings(application, directory).set("server.workers", "1")
}

#[test]
fn short_body_keeps_the_upstream_connection() {
    let directory = directory();
    for body in [
        "Content-Length: 0\r\n\r\n".to_owned(),
        "Content-Length: 7\r\n\r\nignored".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n7\r\nignored\r\n5\r\nagain\r\n0\r\n\r\n".to_owned(),
        format!("Content-Length: 60000\r\n\r\n{}", "x".repeat(60_000)),
    ] {
        let application = {
            let answer = format!("{REDIRECT}{body}").into_bytes();
            App::start(move |request| match request.target() {
                "/next" => NEXT.into(),
                _ => answer.clone(),
            })
        };
        let sideman = alone(&application.url(), &directory).start();
        let mut client = sideman.connect();
        for _ in 0..ROUNDS {
            let response = client.get("/");
            assert_eq!((response.status, response.text().as_str()), (200, TEXT), "{body:.40}");
            assert_eq!(client.get("/next").text(), "next");
        }
        // The rest of a longer body may still be in flight when the next request arrives. If it were
        // not read at all, each request would close a connection.
        let most = if body.len() < 100 { 1 } else { ROUNDS - 1 };
        let connections = application.connections();
        assert!(connections <= most, "{connections} for {body:.40}");
    }
}

/// The body of the redirect is not read to its end; the next request uses another connection.
#[track_caller]
fn costs_the_connection(rest: &str) {
    let directory = directory();
    let origin = Origin::scripts([
        vec![expect("GET / "), send(format!("{REDIRECT}{rest}")), until_closed()],
        vec![expect("GET /next "), send(NEXT)],
    ]);
    let sideman = alone(&origin.url(), &directory).start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), TEXT);
    origin.until_closed(1);
    assert_eq!(client.get("/next").text(), "next");
}

#[test]
fn missing_announced_body_is_not_waited_for() {
    // django-sendfile2 responds like this under gunicorn's threads: the length of the file and no body.
    for announced in ["Content-Length: 26\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1\r\n"] {
        costs_the_connection(announced);
    }
}

#[test]
fn long_body_closes_the_upstream_connection() {
    let long = String::from_utf8(pattern(100_000).iter().map(|byte| byte % 26 + b'a').collect());
    let long = long.unwrap();
    for body in [
        format!("Content-Length: 100000\r\n\r\n{long}"),
        format!("Content-Length: 100000000\r\n\r\n{long}"),
        format!("Transfer-Encoding: chunked\r\n\r\n186a0\r\n{long}\r\n"),
    ] {
        costs_the_connection(&body);
    }
}

#[test]
fn truncated_body_of_the_application_is_ignored() {
    let directory = directory();
    for body in [
        "Content-Length: 1000\r\n\r\nbroken",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nbro",
        "Transfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ] {
        let origin = Origin::scripts([
            vec![
                expect("GET / "),
                send(format!("{REDIRECT}{body}")),
                half_close(),
                until_closed(),
                close(),
            ],
            vec![expect("GET /next "), send(NEXT)],
        ]);
        let sideman = alone(&origin.url(), &directory).start();
        let mut client = sideman.connect();
        let response = client.get("/");
        assert_eq!((response.status, response.text().as_str()), (200, TEXT), "{body}");
        assert_eq!(client.get("/next").text(), "next", "{body}");
    }
}

#[test]
fn response_to_head_needs_no_body() {
    let directory = directory();
    let origin = Origin::script([
        expect("HEAD / "),
        send(format!("{REDIRECT}Content-Length: 0\r\n\r\n")),
        expect("GET /next "),
        send(NEXT),
    ]);
    let sideman = alone(&origin.url(), &directory).start();
    let mut client = sideman.connect();
    let response = client.ask("HEAD", "/", "");
    assert_eq!((response.status, response.header("content-length")), (200, Some("26")));
    assert_eq!(client.get("/next").text(), "next");
}
