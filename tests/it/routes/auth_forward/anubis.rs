//! The whole way of a browser past a server like Anubis: it is redirected to a challenge, gets a cookie for its answer,
//! and then the page. A server like oauth2-proxy works in the same way.

use super::{AuthServer, echo, response};
use crate::support::{Request, Settings};

const CHALLENGE: &str = "/.within.website/";

/// Checks at /check, and has its own pages below [`CHALLENGE`].
fn anubis(request: &Request) -> Vec<u8> {
    let head = &request.head;
    let has_passed = head.get("cookie").is_some_and(|cookie| cookie.contains("pass=proof"));
    let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
    match path {
        "/check" if has_passed => response("200 OK", "X-Client: human\r\n", ""),
        "/check" => {
            let url = head.get("x-original-url").unwrap();
            assert_eq!(
                url,
                format!(
                    "{}://{}{}",
                    head.get("x-forwarded-proto").unwrap(),
                    head.get("x-forwarded-host").unwrap(),
                    head.get("x-forwarded-uri").unwrap()
                )
            );
            let location = format!("Location: {CHALLENGE}?redir={url}\r\n");
            response("307 Temporary Redirect", &format!("{location}Set-Cookie: seen=1\r\n"), "")
        }
        CHALLENGE => response("200 OK", "Content-Type: text/html\r\n", "work for a second"),
        "/.within.website/pass" => {
            let back = query.strip_prefix("redir=").unwrap();
            let fields = format!("Location: {back}\r\nSet-Cookie: pass=proof; HttpOnly\r\n");
            response("302 Found", &fields, "")
        }
        _ => response("404 Not Found", "", ""),
    }
}

#[test]
fn browser_passes_the_challenge_once() {
    let auth = AuthServer::start(anubis);
    let application = echo();
    let sideman = Settings::before(&application.url())
        .route("all", &[("auth", &auth.url()), ("auth_response_headers", "X-Client")])
        .route("anubis", &[("path", CHALLENGE), ("upstream", &auth.app.url()), ("auth", "off")])
        .route("robots", &[("path", "/robots.txt"), ("auth", "off")])
        .start();
    let mut browser = sideman.connect();
    let asked = browser.ask("GET", "/page?a=b", "X-Client: forged\r\n");
    assert_eq!(asked.status, 307);
    assert_eq!(
        asked.header("location"),
        Some("/.within.website/?redir=http://example.test/page?a=b")
    );
    assert_eq!(asked.header("set-cookie"), Some("seen=1"));
    assert_eq!(application.requests(), 0);
    let page = browser.ask("GET", asked.header("location").unwrap(), "Cookie: seen=1\r\n");
    assert_eq!((page.status, page.text()), (200, "work for a second".into()));
    let passed = browser.ask("GET", "/.within.website/pass?redir=/page?a=b", "Cookie: seen=1\r\n");
    assert_eq!((passed.status, passed.header("location")), (302, Some("/page?a=b")));
    assert_eq!(passed.header("set-cookie"), Some("pass=proof; HttpOnly"));
    for _ in 0..3 {
        let told = browser.ask("GET", "/page?a=b", "Cookie: seen=1; pass=proof\r\n").text();
        assert!(told.starts_with("GET /page?a=b HTTP/1.1\n"), "{told}");
        assert!(told.contains("\nx-client: human\n") && !told.contains("forged"), "{told}");
    }
    // A form that was sent meanwhile reaches the application too.
    let told = browser.post("/form", "Cookie: pass=proof\r\n", b"a=b").text();
    assert!(told.starts_with("POST /form ") && told.ends_with("a=b"), "{told}");
    assert!(browser.get("/robots.txt").text().starts_with("GET /robots.txt "));
    assert_eq!(sideman.metric("sideman_forward_auth_total", &[("result", "denied")]), 1.0);
    assert_eq!(sideman.metric("sideman_forward_auth_total", &[("result", "allowed")]), 4.0);
}
