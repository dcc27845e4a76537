//! What a request says: its method, its target, and its cache directives (RFC 9111, 4 and 5.2.1).

use crate::support::Http2;

use super::{FRESH, Site, cache_status, fetch, fetch_with, is_hit, is_stored};

#[test]
fn head_is_answered_from_a_stored_get() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let get = fetch(&mut client, "/", FRESH);
    // RFC 9110, 9.3.2.
    let head = client.ask("HEAD", "/", "");
    assert!(is_hit(&head), "{}", cache_status(&head));
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-length", "content-type", "cache-control"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(site.count(), 1);
}

#[test]
fn a_response_to_head_is_never_the_response_to_get() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let fields = format!("X-Fields: {FRESH}\r\n");
    assert_eq!(client.ask("HEAD", "/", &fields).status, 200);
    let get = fetch(&mut client, "/", FRESH);
    assert_eq!((get.status, get.body.is_empty()), (200, false));
    // The application may have been asked by GET already.
    let number = if is_hit(&get) { 1 } else { 2 };
    assert_eq!((get.text(), site.count()), (format!("number {number}\n"), number));
}

#[test]
fn only_get_and_head_are_answered_from_the_cache() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "FOO"] {
        let target = format!("/{method}");
        let lines = format!("Content-Length: 0\r\nX-Fields: {FRESH}\r\n");
        let first = client.ask(method, &target, &lines);
        let second = client.ask(method, &target, &lines);
        assert_ne!(first.body, second.body, "{method}");
        let get = fetch(&mut client, &target, FRESH);
        assert_ne!(get.body, second.body, "{method}");
    }
    assert_eq!(site.count(), 21);
}

#[test]
fn queries_are_part_of_the_key() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let targets =
        ["/", "/?", "/?a", "/?a=", "/?a=1", "/?a=2", "/?A=1", "/?a=1&b=2", "/?a=1&a=2", "/x", "/X"];
    let bodies: Vec<Vec<u8>> =
        targets.iter().map(|target| fetch(&mut client, target, FRESH).body).collect();
    for (target, body) in targets.iter().zip(&bodies) {
        let again = fetch(&mut client, target, FRESH);
        assert_eq!((is_hit(&again), &again.body), (true, body), "{target}");
        assert_eq!(bodies.iter().filter(|other| *other == body).count(), 1, "{target}");
    }
}

#[test]
fn clients_cannot_bypass_the_cache() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let first = fetch(&mut client, "/", FRESH);
    for lines in [
        "Cache-Control: no-cache\r\n",
        "Cache-Control: no-store\r\n",
        "Cache-Control: max-age=0\r\n",
        "Cache-Control: min-fresh=100000\r\n",
        "Pragma: no-cache\r\n",
    ] {
        let response = fetch_with(&mut client, "/", FRESH, lines);
        assert!(is_hit(&response), "{lines}: {}", cache_status(&response));
        assert_eq!(response.body, first.body, "{lines}");
    }
    assert_eq!(site.count(), 1);
}

#[test]
fn no_store_of_a_request_is_respected() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    // RFC 9111, 5.2.1.5: the response to it is not stored.
    let first = fetch_with(&mut client, "/", FRESH, "Cache-Control: No-Store\r\n");
    assert!(!is_stored(&first), "{}", cache_status(&first));
    assert_ne!(fetch(&mut client, "/", FRESH).body, first.body);
}

#[test]
fn only_if_cached_never_reaches_the_application() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let lines = "Cache-Control: only-if-cached\r\n";
    // RFC 9111, 5.2.1.7.
    assert_eq!(fetch_with(&mut client, "/", FRESH, lines).status, 504);
    assert_eq!(site.count(), 0);
    let first = fetch(&mut client, "/", FRESH);
    let second = fetch_with(&mut client, "/", FRESH, lines);
    assert_eq!((second.status, &second.body, site.count()), (200, &first.body, 1));
    // Nor if it is known that the page is not stored.
    fetch(&mut client, "/private", "Cache-Control: private");
    assert_eq!(fetch_with(&mut client, "/private", "Cache-Control: private", lines).status, 504);
    assert_eq!(site.count(), 2);
}

#[test]
fn hits_misses_and_bypasses_are_logged() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    fetch(&mut client, "/page", FRESH);
    fetch(&mut client, "/page?again", FRESH);
    fetch(&mut client, "/page?again", FRESH);
    client.post("/post", "", b"");
    fetch_with(&mut client, "/login", FRESH, "Cookie: sessionid=a\r\n");
    assert_eq!(sideman.log_of("/page")["cache"], "miss");
    let of = |path: &str, word: &str| {
        sideman.log_line(word, |line| line["path"] == path && line["cache"] == word)
    };
    of("/page", "hit");
    of("/login", "bypass");
    assert_eq!(sideman.log_of("/post")["path"], "/post");
}

/// The hit ratio of the dashboard is made of these.
#[test]
fn responses_are_counted_by_how_the_cache_took_part() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for _ in 0..3 {
        fetch(&mut client, "/", FRESH);
    }
    let metric = "sideman_cache_responses_total";
    sideman.until_metric(metric, &[("cache", "hit")], 2.0);
    sideman.until_metric(metric, &[("cache", "miss")], 1.0);
}

#[test]
fn http2_and_http1_share_responses() {
    let site = Site::start();
    let sideman = site.sideman();
    let first = fetch(&mut sideman.connect(), "/", FRESH);
    let second = Http2::connect(sideman.address()).get("/");
    assert_eq!((second.status, &second.body), (200, &first.body));
    assert_eq!(site.count(), 1);
}
