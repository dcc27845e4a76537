//! `static.fallback`: files of other releases, fetched from the server that still has them.

use std::sync::{Arc, Mutex};

use super::{IMMUTABLE, Site, rescued};
use crate::support::{App, Request, Response, pattern};

const HASHED: &str = "/static/app.0123456789ab.css";

/// A server with files of other releases, and the requests that it got.
struct Previous {
    server: App,
    seen: Arc<Mutex<Vec<Request>>>,
}

// === impl Previous ===

impl Previous {
    /// Sends this response to every request.
    fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let (seen, answer) = (Arc::<Mutex<Vec<Request>>>::default(), answer.into());
        let written = Arc::clone(&seen);
        let server = App::start(move |request| {
            written.lock().unwrap().push(request.clone());
            answer.clone()
        });
        Self { server, seen }
    }

    /// A site with this fallback, and with one hashed file of its own.
    fn site(&self) -> Site {
        self.site_with("")
    }

    fn site_with(&self, base: &str) -> Site {
        let files: &[(&str, &[u8])] =
            &[("own.0123456789ab.css", b"own"), (".git/x.0123456789ab.css", b"SECRET")];
        let url = format!("{}{base}", self.server.url());
        Site::set(files, |settings| {
            settings.set("static.fallback", &url).args(&["--media", "/media/=/nowhere"])
        })
    }

    #[track_caller]
    fn last(&self) -> Request {
        self.seen.lock().unwrap().last().expect("a request").clone()
    }
}

fn names(response: &Response) -> Vec<String> {
    let mut names: Vec<String> =
        response.head.fields.iter().map(|(name, _)| name.to_lowercase()).collect();
    // Headers of this response, not of the file.
    names.retain(|name| !["date", "x-request-id"].contains(&name.as_str()));
    names.sort();
    names
}

#[test]
fn file_of_the_fallback_is_forwarded() {
    let previous = Previous::saying(
        "HTTP/1.1 200 OK\r\nServer: previous/1\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Content-Type: text/css\r\nContent-Length: 3\r\nETag: \"old\"\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nSet-Cookie: session=1\r\n\
         X-Amz-Request-Id: secret\r\nVary: accept-encoding\r\nAccept-Ranges: bytes\r\n\
         Access-Control-Allow-Origin: *\r\nStrict-Transport-Security: max-age=1\r\n\
         Connection: keep-alive\r\nKeep-Alive: timeout=2\r\nVia: 1.1 cache\r\n\r\nold",
    );
    let site = previous.site();
    let mut client = site.sideman.connect();
    for _ in 0..3 {
        let response = client.get(HASHED);
        assert_eq!((response.status, response.text().as_str()), (200, "old"));
        for (name, value) in [
            ("content-type", "text/css"),
            ("content-length", "3"),
            ("etag", "\"old\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("vary", "accept-encoding"),
            ("accept-ranges", "bytes"),
            ("access-control-allow-origin", "*"),
            ("x-content-type-options", "nosniff"),
            // The hash in the name makes it immutable, wherever the file is.
            ("cache-control", IMMUTABLE),
        ] {
            assert_eq!(response.header(name), Some(value), "{name}");
        }
        let expected = [
            "accept-ranges",
            "access-control-allow-origin",
            "cache-control",
            "content-length",
            "content-type",
            "etag",
            "last-modified",
            "vary",
            "x-content-type-options",
        ];
        assert_eq!(names(&response), expected, "nothing else is said");
    }
    assert_eq!(previous.server.requests(), 3);
    site.sideman.until_metric("sideman_static_fallback_total", &[("found", "fallback")], 3.0);
    assert_eq!(site.sideman.log_of(HASHED)["route"], "static");
}

#[test]
fn cache_control_of_the_fallback_is_kept() {
    let previous = Previous::saying(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=7\r\nContent-Length: 3\r\n\r\nold",
    );
    let response = previous.site().sideman.get(HASHED);
    assert_eq!(response.header("cache-control"), Some("max-age=7"));
}

#[test]
fn client_headers_are_not_sent_to_the_fallback() {
    let previous = Previous::saying(App::reply(b"old"));
    let site = previous.site_with("/bucket/a%20b");
    let fields = "Cookie: session=secret\r\nAuthorization: Basic c2VjcmV0\r\n\
                  Referer: https://example.test/private\r\nX-Forwarded-For: 192.0.2.1\r\n\
                  X-Request-ID: chosen-by-the-balancer\r\nOrigin: https://other.test\r\n\
                  Accept: text/css\r\nAccept-Encoding: br, gzip\r\nUser-Agent: browser/1\r\n\
                  X-Custom: 1\r\nConnection: X-Custom\r\n";
    let target = format!("{HASHED}?token=secret");
    assert_eq!(site.sideman.connect().ask("GET", &target, fields).text(), "old");
    let request = previous.last();
    assert_eq!(request.head.start, format!("GET /bucket/a%20b{HASHED} HTTP/1.1"));
    let host = previous.server.url().replace("http://", "");
    let mut expected = vec![
        ("accept", "text/css"),
        ("accept-encoding", "br, gzip"),
        ("host", host.as_str()),
        ("user-agent", "browser/1"),
        ("via", "1.1 sideman-fallback"),
        ("x-request-id", "chosen-by-the-balancer"),
    ];
    let mut sent: Vec<(String, &str)> = request
        .head
        .fields
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()))
        .filter(|(name, _)| name != "connection")
        .collect();
    sent.sort();
    expected.sort_unstable();
    let sent: Vec<(&str, &str)> =
        sent.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(sent, expected);
}

#[test]
fn ranges_and_conditions_are_sent_to_the_fallback() {
    for (fields, answer, status, body) in [
        (
            "Range: bytes=1-2\r\nIf-Range: \"old\"\r\n",
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-2/3\r\nContent-Length: 2\r\n\
             \r\nld",
            206,
            "ld",
        ),
        (
            "If-None-Match: \"old\"\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"old\"\r\n\r\n",
            304,
            "",
        ),
        (
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"old\"\r\nContent-Length: 3\r\n\r\n",
            304,
            "",
        ),
        (
            "Range: bytes=3-\r\n",
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */3\r\n\
             Cache-Control: max-age=9\r\nContent-Length: 4\r\n\r\noops",
            416,
            "",
        ),
    ] {
        let previous = Previous::saying(answer);
        let site = previous.site();
        let mut client = site.sideman.connect();
        let response = client.ask("GET", HASHED, fields);
        assert_eq!((response.status, response.text().as_str()), (status, body), "{fields}");
        let (range, cache_control) = match status {
            206 => (Some("bytes 1-2/3"), IMMUTABLE),
            416 => (Some("bytes */3"), "no-store"),
            _ => (None, IMMUTABLE),
        };
        assert_eq!(response.header("content-range"), range, "{fields}");
        assert_eq!(response.header("cache-control"), Some(cache_control), "{fields}");
        let request = previous.last();
        for line in fields.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(request.head.get(name), Some(value), "{fields}");
        }
        assert_eq!(client.get("/static/alphabet.txt").text(), super::ALPHABET, "{fields}");
        assert_eq!(rescued(&site.sideman, "fallback"), 1.0, "{fields}");
    }
}

#[test]
fn head_is_sent_as_head_to_the_fallback() {
    let previous =
        Previous::saying("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 3\r\n\r\n");
    let site = previous.site();
    let mut client = site.sideman.connect();
    let response = client.ask("HEAD", HASHED, "");
    assert_eq!((response.status, response.header("content-length")), (200, Some("3")));
    assert_eq!(previous.last().method(), "HEAD");
    assert_eq!(client.get("/static/alphabet.txt").text(), super::ALPHABET);
}

#[test]
fn only_hashed_names_are_requested_from_the_fallback() {
    let previous = Previous::saying(App::reply(b"from the fallback"));
    let site = previous.site();
    let mut client = site.sideman.connect();
    assert_eq!(client.get("/static/own.0123456789ab.css").text(), "own");
    for target in [
        "/static/none.css",
        "/static/none.0123456789a.css",
        "/static/.git/x.0123456789ab.css",
        "/static/.git/none.0123456789ab.css",
        "/static/none.0123456789ab.css/",
        "/media/none.0123456789ab.css",
    ] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(client.ask(method, HASHED, "").status, 405, "{method}");
    }
    assert_eq!(client.ask("OPTIONS", HASHED, "").status, 204);
    // A request from a fallback: otherwise the two would forward to each other endlessly.
    for via in ["1.1 sideman-fallback", "1.0 edge, 1.1 sideman-fallback (x)"] {
        let response = client.ask("GET", HASHED, &format!("Via: {via}\r\n"));
        assert_eq!((response.status, response.header("cache-control")), (404, Some("no-store")));
    }
    assert_eq!(previous.server.requests(), 0);
    assert_eq!(client.ask("GET", HASHED, "Via: 1.1 cdn\r\n").text(), "from the fallback");
    assert_eq!(rescued(&site.sideman, "failed"), 0.0);
}

#[test]
fn names_with_an_immutable_rule_are_requested_from_the_fallback() {
    let previous = Previous::saying(App::reply(b"old"));
    let site = Site::set(&[], |settings| {
        settings
            .set("static.fallback", &previous.server.url())
            .set("static.caching", "vite=immutable, *.txt=1h")
    });
    let mut client = site.sideman.connect();
    assert_eq!(client.get("/static/assets/index-DiwrgTda.js").text(), "old");
    for target in ["/static/assets/index-settings.js", "/static/main.86265e7e.js", "/static/a.txt"]
    {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    assert_eq!(previous.server.requests(), 1);
}

#[test]
fn file_missing_at_the_fallback_is_404() {
    for status in ["404 Not Found", "403 Forbidden", "410 Gone", "301 Moved", "204 No Content"] {
        let previous = Previous::saying(format!(
            "HTTP/1.1 {status}\r\nLocation: https://elsewhere.test/\r\nSet-Cookie: a=1\r\n\
             Cache-Control: max-age=600\r\n{}\r\n",
            if status.starts_with("204") { "" } else { "Content-Length: 0\r\n" }
        ));
        let site = previous.site();
        let response = site.sideman.get(HASHED);
        assert_eq!((response.status, response.header("cache-control")), (404, Some("no-store")));
        assert!(!response.head.has("location") && !response.head.has("set-cookie"), "{status}");
        assert_eq!(previous.server.requests(), 1, "{status}");
        for found in ["fallback", "failed"] {
            assert_eq!(rescued(&site.sideman, found), 0.0, "{status}");
        }
    }
}

#[test]
fn large_file_of_the_fallback_is_whole_in_every_framing() {
    let large = pattern((3 << 20) + 17);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\n";
    let length = format!("{head}Content-Length: {}\r\n\r\n", large.len());
    let chunked = large.chunks(100_000).fold(
        format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes(),
        |mut all, chunk| {
            all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            all.extend_from_slice(chunk);
            all.extend_from_slice(b"\r\n");
            all
        },
    );
    for answer in [
        [length.as_bytes(), &large].concat(),
        [&chunked[..], b"0\r\n\r\n"].concat(),
        [format!("{head}Connection: close\r\n\r\n").as_bytes(), &large].concat(),
    ] {
        let previous = Previous::saying(answer);
        let site = previous.site();
        let mut client = site.sideman.connect();
        let response = client.get(HASHED);
        assert_eq!(response.status, 200);
        assert!(response.body == large, "{} bytes came", response.body.len());
        assert_eq!(client.get("/static/alphabet.txt").text(), super::ALPHABET);
    }
}
