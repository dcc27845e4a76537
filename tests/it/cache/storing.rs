//! Which responses are stored (RFC 9111, 3 and 5.2.2; RFC 9213).

use super::{FRESH, Site, cache_status, fetch, fetch_with, is_hit, is_stored};

#[test]
fn fresh_response_is_stored_and_reused() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let fields = "Cache-Control: max-age=600|ETag: \"a\"|X-Own: kept|Link: </a>; rel=x";
    let first = fetch(&mut client, "/", fields);
    assert!(is_stored(&first), "{}", cache_status(&first));
    assert!(cache_status(&first).contains("fwd=uri-miss"), "{}", cache_status(&first));
    let second = fetch(&mut client, "/", "");
    assert!(is_hit(&second), "{}", cache_status(&second));
    assert_eq!((second.status, &second.body), (200, &first.body));
    for name in ["etag", "x-own", "link", "content-type", "content-length", "cache-control"] {
        assert_eq!(second.header(name), first.header(name), "{name}");
    }
    // RFC 9111, 5.1: a stored response has an Age, one from the application has none.
    assert_eq!(first.header("age"), None);
    assert!(second.header("age").unwrap().parse::<u32>().unwrap() < 60);
    // RFC 9211, 2.5: the time that it stays fresh.
    let left = cache_status(&second);
    let left = left.split("ttl=").nth(1).unwrap().split(';').next().unwrap().trim().to_owned();
    assert!((500..=600).contains(&left.parse::<i32>().unwrap()), "{left}");
    assert_eq!(site.count(), 1);
    // The date of a stored response is that of its origin (RFC 9110, 6.6.1).
    assert_eq!(second.head.all("date").len(), 1);
}

#[test]
fn responses_with_an_explicit_lifetime_are_reused() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let later = "Expires: Fri, 01 Jan 2100 00:00:00 GMT";
    for (index, fields) in [
        "Cache-Control: max-age=600",
        "Cache-Control: MAX-AGE=600",
        "Cache-Control: max-age=\"600\"",
        "Cache-Control: public, max-age=600",
        "Cache-Control: foo, bar=\"no-store\", max-age=600",
        "Cache-Control: max-age=600|Cache-Control: public",
        "Cache-Control: s-maxage=600",
        "Cache-Control: max-age=0, s-maxage=600",
        "Cache-Control: max-age=600, must-revalidate",
        "Cache-Control: max-age=600, proxy-revalidate",
        "Cache-Control: max-age=99999999999999999999",
        later,
        "Expires: Thu, 01 Jan 1970 00:00:00 GMT|Cache-Control: max-age=600",
        // RFC 9111, 4.2.1: an invalid Expires is the past, and max-age goes first.
        "Expires: 0|Cache-Control: max-age=600",
        // RFC 9213: the targeted fields go first, Sideman's own before that of all gateways.
        "CDN-Cache-Control: max-age=600",
        "CDN-Cache-Control: max-age=600|Cache-Control: no-store",
        "CDN-Cache-Control: max-age=600|Cache-Control: private",
        "CDN-Cache-Control: max-age=600|Expires: 0",
        "Sideman-Cache-Control: max-age=600|CDN-Cache-Control: no-store",
        // A targeted field that is no dictionary is ignored (RFC 9213, 2.1).
        "CDN-Cache-Control: max-age=, no-store|Cache-Control: max-age=600",
        // nginx's field.
        "X-Accel-Expires: 600",
        "X-Accel-Expires: 600|Cache-Control: no-store",
        "X-Accel-Expires: @4102444800",
        "X-Accel-Expires: off|Cache-Control: max-age=600",
        "Pragma: no-cache|Cache-Control: max-age=600",
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{index}");
        let first = fetch(&mut client, &target, fields);
        let second = fetch(&mut client, &target, fields);
        assert!(is_hit(&second), "{fields}: {} {}", cache_status(&first), cache_status(&second));
        assert_eq!(second.body, first.body, "{fields}");
    }
}

#[test]
fn responses_that_are_not_for_shared_caches_are_never_stored() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for (index, fields) in [
        "",
        "Cache-Control: public",
        "Cache-Control: no-store",
        "Cache-Control: NO-STORE, max-age=600",
        "Cache-Control: max-age=600, No-Store",
        "Cache-Control: max-age=600|Cache-Control: no-store",
        "Cache-Control: private, max-age=600",
        "Cache-Control: Private, max-age=600",
        "Cache-Control: max-age=600,,private",
        "Cache-Control: max-age=0",
        "Cache-Control: max-age=600, s-maxage=0",
        "Cache-Control: max-age=-1",
        "Cache-Control: max-age=1.5",
        "Cache-Control: max-age = 600",
        "Cache-Control: s-max-age=600",
        "Cache-Control: no-cache, max-age=600",
        "Expires: 0",
        "Expires: Thu, 01 Jan 1970 00:00:00 GMT",
        "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
        "Cache-Control: max-age=600|Set-Cookie: a=b",
        "Cache-Control: public, max-age=600|Set-Cookie: csrftoken=b; Path=/",
        "CDN-Cache-Control: max-age=600|Set-Cookie: a=b",
        "X-Accel-Expires: 600|Set-Cookie: a=b",
        "Cache-Control: max-age=600|Vary: *",
        "Cache-Control: max-age=600|Vary: Accept, *",
        "Cache-Control: max-age=600|Vary: Accept|Vary: *",
        "CDN-Cache-Control: no-store|Cache-Control: max-age=600",
        "Sideman-Cache-Control: private|Cache-Control: max-age=600",
        "X-Accel-Expires: 0|Cache-Control: max-age=600",
        "Cache-Control: max-age=600|Age: 600",
        "Cache-Control: max-age=600|Age: 99999999999999999999",
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{index}");
        let first = fetch(&mut client, &target, fields);
        let second = fetch(&mut client, &target, fields);
        assert!(!is_hit(&second), "{fields}: {} {}", cache_status(&first), cache_status(&second));
        assert_ne!(second.body, first.body, "{fields}");
        assert_eq!(site.count(), (index + 1) * 2, "{fields}");
    }
}

#[test]
fn set_cookie_always_reaches_the_client() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for number in 1..=3 {
        let fields = format!("{FRESH}|Set-Cookie: a={number}; Path=/|Set-Cookie: b={number}");
        let response = fetch(&mut client, "/", &fields);
        let expected = [format!("a={number}; Path=/"), format!("b={number}")];
        assert_eq!(response.head.all("set-cookie"), expected);
        assert_eq!(response.text(), format!("number {number}\n"));
    }
}

#[test]
fn statuses_are_stored_as_the_rfc_says() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for (status, is_reused) in [
        ("200 OK", true),
        ("203 Non-Authoritative Information", true),
        ("204 No Content", true),
        ("301 Moved Permanently", true),
        ("302 Found", true),
        ("308 Permanent Redirect", true),
        ("404 Not Found", true),
        ("410 Gone", true),
        ("414 URI Too Long", true),
        ("501 Not Implemented", true),
        // RFC 9111, 3: a final status that the cache knows; ranges are not combined.
        ("206 Partial Content", false),
    ] {
        let target = format!("/{}", &status[..3]);
        let lines = format!("X-Status: {status}\r\n");
        let fields = if status.starts_with("206") {
            format!("{FRESH}|Content-Range: bytes 0-8/100")
        } else {
            format!("{FRESH}|Location: /elsewhere")
        };
        let first = fetch_with(&mut client, &target, &fields, &lines);
        let second = fetch_with(&mut client, &target, &fields, &lines);
        assert_eq!(is_hit(&second), is_reused, "{status}: {}", cache_status(&second));
        assert_eq!((first.status, second.status), (status[..3].parse().unwrap(), first.status));
        assert_eq!(first.body == second.body, is_reused || status.starts_with("204"), "{status}");
        assert_eq!(second.header("location"), first.header("location"), "{status}");
    }
}

#[test]
fn responses_to_requests_with_credentials_are_stored_only_with_permission() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let ada = "Authorization: Bearer ada\r\n";
    // RFC 9111, 3.5.
    for (index, (directives, is_reused)) in [
        ("max-age=600", false),
        ("max-age=600, public", true),
        ("max-age=600, must-revalidate", true),
        ("s-maxage=600", true),
        ("max-age=600, proxy-revalidate", false),
        ("max-age=600, private", false),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{index}");
        let fields = format!("Cache-Control: {directives}");
        let first = fetch_with(&mut client, &target, &fields, ada);
        for lines in ["Authorization: Bearer eve\r\n", ""] {
            let other = fetch_with(&mut client, &target, &fields, lines);
            assert_eq!(other.body == first.body, is_reused, "{directives} {lines}");
        }
    }
}

#[test]
fn truncated_responses_are_never_stored() {
    let site = Site::answering(|_, number| {
        let body = if number == 1 { "half" } else { "complete" };
        // RFC 9111, 3.3: the first response is incomplete.
        format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: max-age=600\r\n\
             Content-Length: 8\r\n\r\n{body}"
        )
        .into_bytes()
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    // An error, an aborted response, or the second one.
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
    drop(client.until_gone());
    for _ in 0..2 {
        let response = sideman.get("/");
        assert_eq!((response.status, response.text().as_str()), (200, "complete"));
    }
    assert_eq!(site.count(), 2);
}

#[test]
fn fields_of_one_hop_are_not_stored() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let fields = "Cache-Control: max-age=600, no-cache=\"X-Secret\"|X-Secret: ada|X-Public: yes|\
                  Surrogate-Key: a b|Cache-Tag: c|xkey: d";
    fetch(&mut client, "/", fields);
    let second = fetch(&mut client, "/", fields);
    assert!(is_hit(&second), "{}", cache_status(&second));
    assert_eq!(second.header("x-public"), Some("yes"));
    // RFC 9111, 5.2.2.4: not without revalidation, so it is not stored.
    assert_eq!(second.header("x-secret"), None);
    // For Sideman alone; clients have no use for them.
    for name in ["surrogate-key", "cache-tag", "xkey"] {
        assert_eq!(second.header(name), None, "{name}");
    }
    for field in ["Sideman-Cache-Control: max-age=600", "X-Accel-Expires: 600"] {
        fetch(&mut client, "/targeted", field);
        let second = fetch(&mut client, "/targeted", field);
        let name = field.split(':').next().unwrap().to_lowercase();
        assert_eq!((is_hit(&second), second.header(&name)), (true, None), "{field}");
        client.post("/targeted", "", b"");
    }
}

#[test]
fn the_age_of_a_response_counts() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    fetch(&mut client, "/", "Cache-Control: max-age=600|Age: 300");
    let response = fetch(&mut client, "/", "");
    assert!(is_hit(&response));
    let age: u32 = response.header("age").unwrap().parse().unwrap();
    assert!((300..400).contains(&age), "{age}");
    // RFC 9111, 4.2.3: a Date in the past is age as well.
    let expired = "Cache-Control: max-age=600|Date: Thu, 01 Jan 2015 00:00:00 GMT";
    fetch(&mut client, "/old", expired);
    assert!(!is_hit(&fetch(&mut client, "/old", expired)));
}

#[test]
fn micro_cache_stores_what_names_no_lifetime() {
    let site = Site::start();
    let route = [("path", "/news/"), ("cache", "anonymous 600s")];
    let sideman = site.settings().route("news", &route).start();
    let mut client = sideman.connect();
    for (target, fields, lines, is_reused) in [
        ("/news/1", "", "", true),
        ("/news/2", "Vary: Accept-Language", "", true),
        ("/news/3", "Cache-Control: private", "", false),
        ("/news/4", "Cache-Control: no-store", "", false),
        ("/news/5", "Cache-Control: no-cache", "", false),
        ("/news/6", "Set-Cookie: a=b", "", false),
        ("/news/7", "", "Cookie: sessionid=a\r\n", false),
        ("/news/8", "", "Authorization: Basic YTpi\r\n", false),
        ("/other", "", "", false),
    ] {
        let first = fetch_with(&mut client, target, fields, lines);
        let second = fetch_with(&mut client, target, fields, lines);
        assert_eq!(first.body == second.body, is_reused, "{target} {fields} {lines}");
    }
    // Errors of the application are not what visitors should see for long.
    for status in ["500 Oh", "502 Oh", "503 Oh", "400 Oh"] {
        let lines = format!("X-Status: {status}\r\n");
        let first = fetch_with(&mut client, "/news/9", "", &lines);
        assert_ne!(first.body, fetch_with(&mut client, "/news/9", "", &lines).body, "{status}");
    }
}

#[test]
fn a_route_can_disable_the_cache() {
    let site = Site::start();
    let sideman = site.settings().route("off", &[("path", "/off/"), ("cache", "off")]).start();
    let mut client = sideman.connect();
    for (target, is_reused) in [("/off/", false), ("/on/", true)] {
        let first = fetch(&mut client, target, FRESH);
        assert_eq!(first.body == fetch(&mut client, target, FRESH).body, is_reused, "{target}");
    }
}

#[test]
fn without_the_setting_nothing_is_stored() {
    let site = Site::start();
    let sideman = crate::support::Settings::before(&site.app.url()).start();
    let mut client = sideman.connect();
    let first = fetch(&mut client, "/", FRESH);
    let second = fetch(&mut client, "/", FRESH);
    assert_ne!(first.body, second.body);
    assert_eq!((second.header("cache-status"), second.header("age")), (None, None));
}

#[test]
fn large_responses_are_stored_whole() {
    let body = "0123456789abcdef".repeat(1 << 14);
    let expected = body.clone();
    let site = Site::answering(move |request, _| response_in_chunks(request.target(), &body));
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for target in ["/chunked", "/length"] {
        for round in 0..3 {
            let response = client.get(target);
            assert_eq!((response.status, response.text() == expected), (200, true), "{target}");
            assert_eq!(is_hit(&response), round > 0, "{target}: {}", cache_status(&response));
            if round > 0 {
                let length = expected.len().to_string();
                assert_eq!(response.header("content-length"), Some(length.as_str()));
                assert_eq!(response.header("transfer-encoding"), None);
            }
        }
    }
}

fn response_in_chunks(target: &str, body: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nCache-Control: max-age=600\r\n";
    if target == "/length" {
        return format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    }
    let mut all = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    for piece in body.as_bytes().chunks(10_000) {
        all += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
    }
    (all + "0\r\n\r\n").into_bytes()
}
