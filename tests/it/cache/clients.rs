//! Django's sense: which cookies and parameters tell visitors apart, and which do not.

use super::{FRESH, Site, cache_status, fetch_with, is_hit};

#[test]
fn visitors_with_a_session_bypass_the_cache() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let public = fetch_with(&mut client, "/", FRESH, "");
    for cookie in [
        "sessionid=ada",
        "a=b; sessionid=ada",
        "sessionid=ada; a=b",
        "sessionid=",
        "messages=W1tdXQ",
        "a=b;sessionid=ada",
        "a=b;  sessionid=ada",
    ] {
        let lines = format!("Cookie: {cookie}\r\n");
        for _ in 0..2 {
            let before = site.count();
            let private = fetch_with(&mut client, "/", FRESH, &lines);
            assert_eq!(site.count(), before + 1, "{cookie}: {}", cache_status(&private));
            assert_ne!(private.body, public.body, "{cookie}");
            assert_eq!(site.last().head.get("cookie"), Some(cookie));
        }
        // Nor does it replace what others get.
        assert_eq!(fetch_with(&mut client, "/", FRESH, "").body, public.body, "{cookie}");
    }
    // Several lines of Cookie, as HTTP/2 clients send them.
    let lines = "Cookie: a=b\r\nCookie: sessionid=ada\r\n";
    assert_ne!(fetch_with(&mut client, "/", FRESH, lines).body, public.body);
}

#[test]
fn first_response_to_a_session_is_for_it_alone() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for fields in [FRESH, "Cache-Control: public, max-age=600", "CDN-Cache-Control: max-age=600"] {
        let private = fetch_with(&mut client, "/", fields, "Cookie: sessionid=ada\r\n");
        let public = fetch_with(&mut client, "/", fields, "");
        assert_ne!(private.body, public.body, "{fields}");
        client.post("/", "", b"");
    }
}

#[test]
fn cookies_that_tell_no_visitors_apart_do_not_matter() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let fields = "Cache-Control: max-age=600|Vary: Cookie";
    let public = fetch_with(&mut client, "/", fields, "");
    for cookie in [
        "csrftoken=0123456789abcdef0123456789abcdef",
        "_ga=GA1.2.3.4",
        "_ga_ABC123=GS1.1.2",
        "_gid=GA1.2.3; _gat=1",
        "_fbp=fb.1.2.3",
        "csrftoken=a; _ga=b; _pk_id.1.abcd=c; _pk_ses.1.abcd=1",
    ] {
        let response = fetch_with(&mut client, "/", fields, &format!("Cookie: {cookie}\r\n"));
        assert!(is_hit(&response), "{cookie}: {}", cache_status(&response));
        assert_eq!(response.body, public.body, "{cookie}");
    }
}

#[test]
fn unknown_cookies_pass_where_the_response_varies_by_cookie() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let varies = "Cache-Control: max-age=600|Vary: Cookie";
    let public = fetch_with(&mut client, "/varies", varies, "");
    for cookie in
        ["theme=dark", "theme=light", "csrftoken=a; theme=dark", "sessionid2=a", "SESSIONID=a"]
    {
        let lines = format!("Cookie: {cookie}\r\n");
        let one = fetch_with(&mut client, "/varies", varies, &lines);
        let two = fetch_with(&mut client, "/varies", varies, &lines);
        assert!(
            one.body != public.body && two.body != one.body,
            "{cookie}: {}",
            cache_status(&two)
        );
    }
    assert_eq!(fetch_with(&mut client, "/varies", varies, "").body, public.body);
    // A response that does not vary by them is for all.
    let one = fetch_with(&mut client, "/same", FRESH, "Cookie: theme=dark\r\n");
    let two = fetch_with(&mut client, "/same", FRESH, "Cookie: theme=light\r\n");
    assert_eq!((is_hit(&two), &two.body), (true, &one.body));
}

/// A page that was first asked for with such a cookie must not become the page of all.
#[test]
fn a_page_made_for_an_unknown_cookie_is_not_stored_for_others() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let varies = "Cache-Control: max-age=600|Vary: Cookie";
    let dark = fetch_with(&mut client, "/", varies, "Cookie: theme=dark\r\n");
    let public = fetch_with(&mut client, "/", varies, "");
    assert_ne!(dark.body, public.body);
    assert_eq!(fetch_with(&mut client, "/", varies, "").body, public.body);
}

#[test]
fn the_language_cookie_is_part_of_the_key() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    // LocaleMiddleware names Accept-Language only, although the cookie has decided.
    let fields = "Cache-Control: public, max-age=60|Vary: Accept-Language";
    let mut bodies = Vec::new();
    for cookie in ["", "django_language=de", "django_language=fr"] {
        let lines = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
        let first = fetch_with(&mut client, "/", fields, &lines);
        let second = fetch_with(&mut client, "/", fields, &lines);
        assert!(is_hit(&second), "{cookie}: {}", cache_status(&second));
        assert_eq!(first.body, second.body, "{cookie}");
        assert!(!bodies.contains(&first.body), "{cookie}");
        bodies.push(first.body);
    }
}

#[test]
fn accept_language_is_reduced_to_the_languages_of_the_site() {
    let site = Site::start();
    let sideman = site.settings().set("cache.languages", "en, de, pt-br").start();
    let mut client = sideman.connect();
    let fields = "Cache-Control: max-age=600|Vary: Accept-Language";
    let mut ask = |value: &str| {
        fetch_with(&mut client, "/", fields, &format!("Accept-Language: {value}\r\n")).body
    };
    let (german, english, brazilian) = (ask("de"), ask("en"), ask("pt-br"));
    assert!(german != english && english != brazilian && german != brazilian);
    for (value, expected) in [
        ("de-AT,de;q=0.9,en;q=0.8", &german),
        ("DE", &german),
        ("fr, de;q=0.5", &german),
        ("en-US,en;q=0.5", &english),
        ("pt-BR, en;q=0.1", &brazilian),
        ("en;q=0.2, de;q=0.7", &german),
    ] {
        assert_eq!(&ask(value), expected, "{value}");
    }
}

#[test]
fn tracking_parameters_are_neither_in_the_key_nor_forwarded() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let first = fetch_with(&mut client, "/?page=2", FRESH, "");
    for query in [
        "page=2&utm_source=mail",
        "utm_source=mail&page=2",
        "utm_source=a&utm_medium=b&page=2&utm_campaign=c",
        "page=2&gclid=abc",
        "page=2&fbclid=abc",
        "fbclid=a&page=2&gclid=b",
        "page=2&utm_source",
    ] {
        let response = fetch_with(&mut client, &format!("/?{query}"), FRESH, "");
        assert!(is_hit(&response), "{query}: {}", cache_status(&response));
        assert_eq!(response.body, first.body, "{query}");
    }
    // What they could change, nobody would notice: the application does not see them.
    fetch_with(&mut client, "/other?utm_source=a&x=%20&b=1&gclid=2", FRESH, "");
    assert_eq!(site.last().target(), "/other?x=%20&b=1");
    fetch_with(&mut client, "/alone?utm_source=a", FRESH, "");
    assert_eq!(site.last().target(), "/alone");
    // Not those that only look like them.
    fetch_with(&mut client, "/like?xutm_source=a&gclid2=b&a=utm_source", FRESH, "");
    assert_eq!(site.last().target(), "/like?xutm_source=a&gclid2=b&a=utm_source");
}

#[test]
fn requests_that_are_not_cached_keep_their_parameters() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    client.post("/form?utm_source=a", "", b"");
    assert_eq!(site.last().target(), "/form?utm_source=a");
}

#[test]
fn an_unstorable_page_is_remembered_as_such() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let private = "Cache-Control: private, max-age=600";
    let first = fetch_with(&mut client, "/", private, "");
    assert!(!is_hit(&first));
    let second = fetch_with(&mut client, "/", private, "");
    assert_eq!(site.count(), 2);
    assert!(!is_hit(&second));
    sideman.log_line("a request that passes", |line| line["cache"] == "pass");
}
