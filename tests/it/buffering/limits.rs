//! `server.max_body`: longer bodies are refused, and the client gets the response.

use super::{before, send_chunked};
use crate::support::{App, Client, Http2, Sideman, TempDir, Tool, http2::usual, pattern};

fn start(application: &App) -> Sideman {
    before(&application.url()).set("server.max_body", "1MiB").start()
}

/// 413 with its reason, and no request reached the application.
#[track_caller]
fn check_refusal(sideman: &Sideman, client: &mut Client, path: &str) {
    let response = client.response();
    assert_eq!(response.status, 413, "{response:?}");
    assert!(response.interim.is_empty(), "told to go on: {response:?}");
    assert_eq!(sideman.log_of(path)["error"], "body_too_large");
}

#[test]
fn body_of_exactly_the_limit_is_accepted() {
    let application =
        App::start(|request| App::reply(format!("{}", request.body.len()).as_bytes()));
    let sideman = start(&application);
    let mut client = sideman.connect();
    assert_eq!(client.post("/", "", &pattern(1 << 20)).text(), "1048576");
    send_chunked(&mut client, "/", &pattern(1 << 20), 50_000);
    assert_eq!(client.response().text(), "1048576");
}

#[test]
fn content_length_over_the_limit_is_refused_at_once() {
    let application = App::saying("never asked");
    let sideman = start(&application);
    for (path, expects) in [("/plain", ""), ("/asks", "Expect: 100-continue\r\n")] {
        let mut client = sideman.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1048577\r\n{expects}\r\n"
        ));
        // The response arrives before a byte of the body is sent.
        check_refusal(&sideman, &mut client, path);
    }
    assert_eq!(application.requests(), 0);
}

#[test]
fn client_that_sends_first_gets_the_413() {
    // Closing with unread bytes would reset the connection and lose the response (RFC 9112, 9.6).
    let application = App::saying("never asked");
    let sideman = start(&application);
    let mut client = sideman.connect();
    client.send("POST /length HTTP/1.1\r\nHost: example.test\r\nContent-Length: 8000000\r\n\r\n");
    for piece in pattern(8_000_000).chunks(100_000) {
        client.send(piece);
    }
    check_refusal(&sideman, &mut client, "/length");
    let mut client = sideman.connect();
    send_chunked(&mut client, "/chunked", &pattern(8_000_000), 100_000);
    check_refusal(&sideman, &mut client, "/chunked");
    assert_eq!(application.requests(), 0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}

#[test]
fn body_limit_applies_to_unbuffered_routes() {
    // Whether an application responds at all to a partial body is up to the application.
    let origin = crate::support::Origin::script([
        crate::support::expect("POST /up "),
        crate::support::until_closed(),
    ]);
    let sideman = before(&origin.url())
        .set("server.max_body", "1MiB")
        .route("up", &[("path", "/up"), ("stream", "request")])
        .start();
    let mut client = sideman.connect();
    send_chunked(&mut client, "/up", &pattern(1_100_000), 50_000);
    check_refusal(&sideman, &mut client, "/up");
    client = sideman.connect();
    client.send("POST /up HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1048577\r\n\r\n");
    assert_eq!(client.response().status, 413);
}

#[test]
fn expect_continue_gets_100() {
    let application = App::start(|request| App::reply(&request.body));
    let sideman = start(&application);
    let mut client = sideman.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(application.requests(), 0);
    assert_eq!(client.send("body").response().text(), "body");
}

/// The end of an unread body cannot be found (RFC 9110, 10.1.1), so the response announces the close.
#[test]
fn refused_body_closes_the_connection_and_announces_it() {
    let application = App::saying("hello");
    let sideman = start(&application);
    let mut client = sideman.connect();
    client.send(
        "POST /healthz HTTP/1.1\r\nHost: example.test\r\nContent-Length: 4\r\n\
         Expect: other\r\nExpect: 100-continue\r\n\r\n",
    );
    let response = client.response();
    assert!(response.status == 405 && response.closes(), "{response:?}");
    assert!(client.until_gone().is_empty());
    assert_eq!(application.requests(), 0);
}

/// A body that cannot be buffered is refused before it is read.
#[test]
fn content_length_over_all_buffers_is_refused_at_once() {
    let application =
        App::start(|request| App::reply(format!("{}", request.body.len()).as_bytes()));
    for (directory, disk) in [("auto", "1MiB"), ("memory", "4GiB"), ("auto", "0B")] {
        let sideman = before(&application.url())
            .set("buffers.memory", "1MiB")
            .set("buffers.memory_per_body", "512KiB")
            .set("buffers.directory", directory)
            .set("buffers.disk", disk)
            .route("up", &[("path", "/streams/"), ("stream", "request")])
            .start();
        for (path, expects) in [("/plain", ""), ("/asks", "Expect: 100-continue\r\n")] {
            let mut client = sideman.connect();
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1048577\r\n{expects}\r\n"
            ));
            let response = client.response();
            assert!(
                response.status == 413 && response.closes(),
                "{directory} {disk}: {response:?}"
            );
            assert!(response.interim.is_empty(), "told to go on: {response:?}");
            assert_eq!(sideman.log_of(path)["error"], "body_exceeds_buffers");
        }
        let mut http2 = Http2::connect(sideman.address());
        let fields = usual("POST", "/h2", &[("content-length", "1048577")]);
        let stream = http2.open(&fields, false);
        assert_eq!(http2.response(stream).status, 413);
        // Streamed bodies are not buffered.
        let body = pattern(1_048_577);
        assert_eq!(sideman.connect().post("/streams/", "", &body).text(), "1048577");
        // Bodies that fit in memory are buffered.
        assert_eq!(sideman.connect().post("/", "", &body[..1 << 19]).text(), "524288");
        if disk == "1MiB" {
            assert_eq!(sideman.connect().post("/", "", &body[..1 << 20]).text(), "1048576");
        }
    }
}

#[test]
fn refusal_is_a_page_or_json() {
    let application = App::saying("never asked");
    let sideman = start(&application);
    for (accept, kind) in
        [("text/html", "text/html; charset=utf-8"), ("application/json", "application/json")]
    {
        let mut client = sideman.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 2000000\r\n\
             Accept: {accept}\r\n\r\n"
        ));
        let response = client.response();
        assert_eq!((response.status, response.header("content-type")), (413, Some(kind)));
        let text = response.text();
        assert!(text.contains("longer than 1 MiB."), "{text}");
        assert!(response.closes(), "{response:?}");
        if accept == "application/json" {
            assert_eq!(response.json()["error"], "body_too_large");
        }
    }
    assert_eq!(sideman.metric("sideman_errors_total", &[("error", "body_too_large")]), 2.0);
}

/// curl sends everything first, or expects 100, and prints the response.
#[test]
fn curl_shows_the_413() {
    let application = App::saying("never asked");
    let sideman = start(&application);
    let directory = TempDir::new();
    let file = directory.write("upload", pattern(20 << 20));
    let url = format!("http://{}/upload", sideman.address());
    for expects in ["Expect:", "Expect: 100-continue"] {
        for fields in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
            let Some(mut curl) = Tool::Curl.command() else { return };
            curl.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"])
                .args(["--write-out", "\n%{http_code}", "-H", "Accept: application/json", "-H"])
                .arg(expects)
                .args(fields)
                .arg("--data-binary")
                .arg(format!("@{}", file.display()))
                .arg(&url);
            let output = curl.output().unwrap();
            let shown = format!("{expects} {fields:?}: {output:?}");
            let text = String::from_utf8_lossy(&output.stdout);
            let (page, status) = text.rsplit_once('\n').unwrap();
            assert_eq!(status, "413", "{shown}");
            assert!(page.contains("\"error\":\"body_too_large\""), "{shown}");
            // There is neither a reset nor a broken pipe.
            assert!(output.status.success(), "{shown}");
        }
    }
    assert_eq!(application.requests(), 0);
}
