//! The demo's application over a real socket, as raw bytes, with its static files beside it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{Demo, banner, start};

const BROWSER: &str = "Accept: text/html,*/*;q=0.8\r\n";

struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn connect(demo: &Demo) -> TcpStream {
    let stream = TcpStream::connect(demo.application).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn send(demo: &Demo, request: &[u8]) -> Answer {
    let mut stream = connect(demo);
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn ask(demo: &Demo, method: &str, target: &str, headers: &str) -> Answer {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{headers}\r\n");
    send(demo, request.as_bytes())
}

fn get(demo: &Demo, target: &str) -> Answer {
    ask(demo, "GET", target, BROWSER)
}

fn post(demo: &Demo, headers: &str, body: &[u8]) -> Answer {
    let head = format!("POST /upload HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{headers}\r\n");
    send(demo, &[head.as_bytes(), body].concat())
}

#[test]
fn every_page_is_whole_and_its_static_files_exist() {
    let demo = start().unwrap();
    let pages = [
        ("/", 200),
        ("/request", 200),
        ("/slow", 200),
        ("/slow?seconds=0", 200),
        ("/upload", 200),
        ("/events", 200),
        ("/files", 200),
        ("/status/404", 404),
        ("/status/500", 500),
        ("/status/599", 599),
        ("/status/200", 404),
        ("/status/600", 404),
        ("/status/x", 404),
        ("/nothing", 404),
        ("/request/", 404),
    ];
    for (target, status) in pages {
        let answer = get(&demo, target);
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.head.contains("\r\ncontent-type: text/html; charset=utf-8"), "{target}");
        assert!(answer.head.contains("\r\ncache-control: no-store"), "{target}");
        assert!(
            answer.head.contains("\r\ncontent-security-policy: default-src 'none'"),
            "{target}"
        );
        assert!(answer.body.starts_with("<!doctype html>"), "{target}");
        assert!(answer.body.trim_end().ends_with("</html>"), "{target}");
        assert!(!answer.body.contains("{{"), "{target}");
        let files: Vec<&str> = answer
            .body
            .split("\"/static/")
            .skip(1)
            .filter_map(|rest| rest.split_once('"').map(|(name, _)| name))
            .collect();
        assert!(files.len() >= 3, "{target}: {files:?}");
        for file in files {
            assert!(demo.static_directory.join(file).is_file(), "{target} names {file}");
        }
    }
}

#[test]
fn the_navigation_marks_the_page_one_is_on() {
    let demo = start().unwrap();
    for path in ["/request", "/slow", "/upload", "/events", "/files"] {
        let page = get(&demo, path).body;
        assert!(page.contains(&format!("href=\"{path}\" aria-current=\"page\"")), "{path}");
        assert_eq!(page.matches("aria-current").count(), 1, "{path}");
        assert!(get(&demo, "/").body.contains(&format!("href=\"{path}\"")), "{path}");
    }
}

#[test]
fn what_the_client_sent_is_shown_and_never_acted_upon() {
    let demo = start().unwrap();
    let evil = "\"><script>alert('&')</script>";
    let safe = "&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;";
    let headers = format!(
        "{BROWSER}X-Evil: {evil}\r\nX-Request-ID: {evil}\r\nX-Forwarded-For: {evil}\r\n\
         X-Forwarded-Proto: {evil}\r\n"
    );
    let page = ask(&demo, "PATCH", "/request?a='b'", &headers).body;
    assert!(page.contains("PATCH") && page.contains("/request?a=&#39;b&#39;"), "{page}");
    assert!(page.contains(&format!("x-evil</th><td>{safe}</td>")), "{page}");
    assert!(!page.contains("<script>"), "{page}");
    // Three headers are both in the table and above it, and the id is in the foot as well.
    assert_eq!(page.matches(safe).count(), 1 + 2 + 2 + 3, "{page}");
    for target in ["/", "/slow", "/upload", "/events", "/files", "/it's"] {
        let head = format!("Host: {evil}\r\nX-Request-ID: {evil}\r\nConnection: close\r\n");
        let request = format!("GET {target} HTTP/1.1\r\n{head}\r\n");
        let page = send(&demo, request.as_bytes()).body;
        assert!(!page.contains("<script>") && page.contains(safe), "{target}: {page}");
    }
}

#[test]
fn headers_come_in_their_order_and_all_of_them() {
    let demo = start().unwrap();
    let answer = ask(&demo, "GET", "/request", "Zebra: 1\r\nApple: 2\r\nMango: \r\nZebra: 3\r\n");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("\r\ncontent-type: text/plain"), "{}", answer.head);
    assert!(answer.head.contains("\r\nvary: accept"), "{}", answer.head);
    assert_eq!(
        answer.body,
        "GET /request HTTP/1.1\nhost: here\nconnection: close\nzebra: 1\nzebra: 3\napple: 2\nmango: \n"
    );
}

#[test]
fn a_request_that_came_past_sideman_is_told_so() {
    let demo = start().unwrap();
    let direct = get(&demo, "/").body;
    assert!(direct.contains("past Sideman"), "{direct}");
    let proxied = ask(&demo, "GET", "/", &format!("{BROWSER}X-Request-ID: 4711\r\n")).body;
    assert!(proxied.contains("<code>4711</code>") && !proxied.contains("past Sideman"));
}

#[test]
fn the_slow_page_waits_within_its_bounds() {
    let demo = start().unwrap();
    let asked = Instant::now();
    assert_eq!(get(&demo, "/slow?x=1&seconds=0.2").status, 200);
    assert!(asked.elapsed() >= Duration::from_millis(200));
    for wrong in ["10.1", "-1", "NaN", "inf", "", "1e9", "two"] {
        let answer = get(&demo, &format!("/slow?seconds={wrong}"));
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.body.contains("a number from 0 to 10"), "{wrong}");
    }
}

#[test]
fn methods_are_told_apart() {
    let demo = start().unwrap();
    let read_only = ["/", "/slow?seconds=9", "/events", "/events/stream", "/files", "/status/500"];
    for target in read_only {
        let answer = ask(&demo, "POST", target, "Content-Length: 0\r\n");
        assert_eq!(answer.status, 405, "{target}");
        assert!(answer.head.contains("\r\nallow: get, head\r\n"), "{}", answer.head);
    }
    let answer = ask(&demo, "DELETE", "/upload", "");
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("\r\nallow: get, head, post\r\n"), "{}", answer.head);
    assert_eq!(ask(&demo, "POST", "/nothing", "Content-Length: 0\r\n").status, 404);
    let answer = ask(&demo, "HEAD", "/", "");
    let length = get(&demo, "/").body.len();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.head.contains(&format!("content-length: {length}")), "{}", answer.head);
}

#[test]
fn an_uploaded_form_is_counted_by_file() {
    let demo = start().unwrap();
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"<one>.txt\"\r\n\
         Content-Type: text/plain\r\n\r\n{}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"two\"\r\n\r\n\r\n--b--\r\n",
        "x".repeat(12_345)
    );
    let kind = "Content-Type: multipart/form-data; boundary=b\r\n";
    let headers = format!("{BROWSER}{kind}Content-Length: {}\r\n", body.len());
    let page = post(&demo, &headers, body.as_bytes());
    assert_eq!(page.status, 200);
    assert!(page.body.contains("&lt;one&gt;.txt</th>"), "{}", page.body);
    assert!(page.body.contains(">12,345</td>") && page.body.contains(">0</td>"), "{}", page.body);
    assert!(page.body.contains("<code>Content-Length</code>"), "{}", page.body);

    let headers = format!("{kind}Content-Length: 10\r\n");
    assert_eq!(post(&demo, &headers, b"--b\r\n12345").status, 400);
}

#[test]
fn any_other_upload_is_one_body() {
    let demo = start().unwrap();
    let answer =
        post(&demo, "Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("text/plain"), "{}", answer.head);
    assert!(answer.body.starts_with("the body (no form): 11 bytes\nbody: 11 bytes, by Transfer-"));
}

#[test]
fn an_upload_past_the_bound_is_refused() {
    let demo = start().unwrap();
    let body = vec![0; 64 * 1024 * 1024 + 1];
    let answer = post(&demo, &format!("Content-Length: {}\r\n", body.len()), &body);
    assert_eq!(answer.status, 413);
    assert!(answer.head.contains("\r\nconnection: close"), "{}", answer.head);
}

#[test]
fn events_come_one_by_one_and_go_on_where_they_stopped() {
    let demo = start().unwrap();
    let mut stream = connect(&demo);
    let head = "GET /events/stream HTTP/1.1\r\nHost: here\r\nLast-Event-ID: 57\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut seen = String::new();
    while !seen.contains("\n\n") {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"), "{seen}");
    assert!(seen.contains("\r\ncontent-type: text/event-stream\r\n"), "{seen}");
    assert!(seen.contains("\r\nx-accel-buffering: no\r\n"), "{seen}");
    assert!(seen.contains("id: 58\nevent: beat\ndata: {\"beat\": 58, \"of\": 60, "), "{seen}");
    assert!(!seen.contains("id: 59"), "the beats came together: {seen}");
    // After the last beat an EventSource is told not to come back.
    assert_eq!(ask(&demo, "GET", "/events/stream", "Last-Event-ID: 60\r\n").status, 204);
}

#[test]
fn dropping_the_demo_ends_the_application_and_removes_its_files() {
    let demo = start().unwrap();
    let (application, directory) = (demo.application, demo.static_directory.clone());
    assert_eq!(get(&demo, "/").status, 200);
    let mut idle = connect(&demo);
    drop(demo);
    assert!(TcpStream::connect(application).is_err());
    assert!(!matches!(idle.read(&mut [0; 1]), Ok(1..)), "an idle connection said something");
    assert!(!directory.is_dir());
}

#[test]
fn the_banner_names_the_three_addresses() {
    let text = banner("http://a/", "http://a/healthz", "http://b/metrics");
    for line in
        ["Site      http://a/\n", "Health    http://a/healthz\n", "Metrics   http://b/metrics\n"]
    {
        assert!(text.contains(line), "{text}");
    }
}
