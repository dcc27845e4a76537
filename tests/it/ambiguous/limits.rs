//! The limits of a request head: a head that an AWS load balancer accepts is accepted, and a larger one gets
//! a response that names the limit.

use super::apps::{Application, Seen};
use crate::support::{Settings, Sideman};

/// A request with these fields; the rest of it takes 40 bytes.
fn head(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n")
}

#[track_caller]
fn check_refused(sideman: &Sideman, head: &str, status: u16, setting: &str, error: &str) {
    let mut client = sideman.connect();
    // The response arrives as soon as the limit is exceeded.
    let _ = client.try_send(head);
    let answer = String::from_utf8_lossy(&client.until_gone()).into_owned();
    let begin = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&begin) && answer.contains(setting), "{setting}: {answer}");
    let line = sideman.log_line(error, |line| line["error"] == error);
    assert_eq!(line["status"], status, "{line}");
}

#[test]
fn heads_a_load_balancer_accepts_are_accepted() {
    let application = Application::http();
    let sideman = Settings::before(&application.url()).start();
    let port = sideman.address().port();
    let ok = |target: &str, fields: &str, count: usize| {
        let response = sideman.connect().send(head(target, fields)).response();
        assert_eq!(response.status, 200, "{} {}: {}", target.len(), fields.len(), response.text());
        let seen = application.take().concat();
        assert!(seen.contains(&format!("GET {target} HTTP/1.1\r\n")));
        assert_eq!(seen.matches("\r\nx-a").count(), count);
    };
    let target = format!("/{}", "a".repeat(16 * 1024 - 14));
    ok(&target, "", 0);
    let field = |length: usize| format!("X-A: {}\r\n", "b".repeat(length - 3));
    ok("/", &field(16 * 1024), 1);
    // 64 KiB of headers, after the longest request line.
    let longest = field(16 * 1024 - 4).repeat(4);
    assert_eq!(longest.len(), 64 * 1024);
    ok(&target, &longest, 4);
    let many: String = (1..200).map(|index| format!("X-A{index}: b\r\n")).collect();
    ok("/", &many, 199);
    let seen = Seen::of("GET /next").host("example.test");
    sideman.connect().send(head("/next", "")).response();
    assert_eq!(application.take(), [application.expected(&seen, port)]);
}

#[test]
fn each_head_limit_has_its_own_error() {
    let application = Application::http();
    let sideman = Settings::before(&application.url()).start();
    let field = |length: usize| format!("X-A: {}\r\n", "b".repeat(length - 3));
    let target = format!("/{}", "a".repeat(16 * 1024 - 13));
    check_refused(&sideman, &head(&target, ""), 414, "16 KiB.", "request_line_too_long");
    let long = head("/", &field(16 * 1024 + 1));
    check_refused(&sideman, &long, 431, "16 KiB.", "header_too_long");
    let all = head("/", &field(1000).repeat(98));
    check_refused(&sideman, &all, 431, "96 KiB.", "headers_too_long");
    let many: String = (0..200).map(|index| format!("X-A{index}: b\r\n")).collect();
    check_refused(&sideman, &head("/", &many), 431, "200 headers.", "too_many_headers");
    // Endless lines, and far over the limit.
    check_refused(&sideman, &"a".repeat(200_000), 414, "16 KiB.", "request_line_too_long");
    check_refused(
        &sideman,
        &format!("GET /{}", "a".repeat(1_000_000)),
        414,
        "16 KiB.",
        "request_line_too_long",
    );
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(1_000_000));
    check_refused(&sideman, &endless, 431, "16 KiB.", "header_too_long");
    let endless = format!("GET / HTTP/1.1\r\n{}", "Cookie: a=b\r\n".repeat(100_000));
    check_refused(&sideman, &endless, 431, "200 headers.", "too_many_headers");
    assert_eq!(application.take(), Vec::<String>::new());
}

#[test]
fn head_limits_are_settings() {
    let application = Application::http();
    let sideman = Settings::before(&application.url())
        .set("server.max_request_line", "32KiB")
        .set("server.max_header", "128KiB")
        .set("server.max_head", "256KiB")
        .set("server.max_headers", "1000")
        .start();
    let many: String = (1..1000).map(|index| format!("X-A{index}: b\r\n")).collect();
    let target = format!("/{}", "a".repeat(32 * 1024 - 14));
    for fields in [many, format!("X-A: {}\r\n", "b".repeat(128 * 1024 - 3))] {
        let response = sideman.connect().send(head(&target, &fields)).response();
        assert_eq!(response.status, 200, "{}", response.text());
    }
    let sideman = Settings::before(&application.url())
        .set("server.max_request_line", "1KiB")
        .set("server.max_header", "1KiB")
        .set("server.max_head", "4KiB")
        .set("server.max_headers", "10")
        .start();
    let (target, field) = ("/".repeat(1012), format!("X: {}\r\n", "b".repeat(1024)));
    check_refused(&sideman, &head(&target, ""), 414, "1 KiB.", "request_line_too_long");
    check_refused(&sideman, &head("/", &field), 431, "1 KiB.", "header_too_long");
    let field = format!("X: {}\r\n", "b".repeat(1000));
    check_refused(&sideman, &head("/", &field.repeat(5)), 431, "4 KiB.", "headers_too_long");
    check_refused(
        &sideman,
        &head("/", &"X:\r\n".repeat(10)),
        431,
        "10 headers.",
        "too_many_headers",
    );
}

#[test]
fn refused_head_is_logged_with_method_and_target() {
    let application = Application::http();
    let sideman =
        Settings::before(&application.url()).set("server.trusted_proxies", "private").start();
    let mut client = sideman.connect();
    client.send(
        "POST /told?a=b HTTP/1.1\r\nHost: example.test\r\nX-Forwarded-For: 192.0.2.7\r\n\
         X-Request-Id: given-by-the-balancer\r\nUser-Agent: test/1\r\nAccept: application/json\r\n\
         Cookie: secret\r\nX : 1\r\n\r\n",
    );
    let response = client.response();
    assert_eq!((response.status, response.closes()), (400, true));
    assert_eq!(response.json()["error"], "field_invalid");
    let line = sideman.log_of("/told");
    for (key, value) in [
        ("method", "POST"),
        ("query", "a=b"),
        ("host", "example.test"),
        ("client", "192.0.2.7"),
        ("request_id", "given-by-the-balancer"),
        ("user_agent", "test/1"),
        ("error", "field_invalid"),
        ("route", "none"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    // Unreadable fields are not logged.
    sideman.connect().send("G\0T /# b\r\n\r\n").response();
    let line = sideman.log_line("no method", |line| line["method"] == "-");
    assert_eq!((&line["path"], &line["error"]), (&"*".into(), &"request_line_invalid".into()));
    let head = "HEAD /head HTTP/1.1\r\nX : 1\r\n\r\n";
    let mut client = sideman.connect();
    assert_eq!(client.send(head).response_to("HEAD").status, 400);
    assert!(client.until_closed().is_empty());
}
