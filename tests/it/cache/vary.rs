//! Vary: which stored response is for which request (RFC 9111, 4.1; RFC 9110, 12.5.5).

use ::sideman::rfc::encoding::Coding;

use super::{Site, cache_status, fetch_with, is_hit};

#[test]
fn variants_are_for_requests_with_the_same_fields() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    // Each: the Vary of the response, the fields of two requests, and whether the second gets the first's response.
    for (index, (vary, first, second, is_reused)) in [
        ("Vary: X-A", "X-A: 1\r\n", "X-A: 1\r\n", true),
        ("Vary: X-A", "X-A: 1\r\n", "X-A: 2\r\n", false),
        ("Vary: X-A", "X-A: 1\r\n", "", false),
        ("Vary: X-A", "", "X-A: 1\r\n", false),
        ("Vary: X-A", "", "", true),
        // An empty field is not an absent one.
        ("Vary: X-A", "", "X-A:\r\n", false),
        // Names in any case, with any white space, in several lines, with empty members.
        ("Vary: x-a", "X-A: 1\r\n", "X-A: 2\r\n", false),
        ("Vary:   X-A  ", "X-A: 1\r\n", "X-A: 2\r\n", false),
        ("Vary: X-B ,\tX-A", "X-A: 1\r\n", "X-A: 2\r\n", false),
        ("Vary: ,X-B,, X-A,", "X-A: 1\r\n", "X-A: 2\r\n", false),
        ("Vary: X-B|Vary: X-A", "X-A: 1\r\n", "X-A: 2\r\n", false),
        ("Vary: X-A|vary: X-B", "X-A: 1\r\nX-B: 1\r\n", "X-A: 1\r\nX-B: 2\r\n", false),
        ("Vary: X-A, X-B", "X-A: 1\r\nX-B: 2\r\n", "X-B: 2\r\nX-A: 1\r\n", true),
        // White space around values, and lines that are one list (RFC 9111, 4.1).
        ("Vary: X-A", "X-A: 1\r\n", "X-A:  1 \r\n", true),
        ("Vary: X-A", "X-A: 1, 2\r\n", "X-A: 1\r\nX-A: 2\r\n", true),
        ("Vary: X-A", "X-A: 1\r\n", "X-A: 1\r\nX-A: 2\r\n", false),
        ("Vary: X-A", "X-A: 1\r\nX-A: 2\r\n", "X-A: 2\r\nX-A: 1\r\n", false),
        // Values keep their case.
        ("Vary: X-A", "X-A: a\r\n", "X-A: A\r\n", false),
        ("Vary: X-C", "X-A: 1\r\n", "X-A: 2\r\n", true),
        // A name that is no token matches nothing that a request could have.
        ("Vary: *", "", "", false),
        ("Vary:  * ", "", "", false),
        ("Vary: X-A, *", "", "", false),
        ("Vary: *, X-A", "", "", false),
        ("Vary: X-A|Vary: *", "", "", false),
        ("Vary:", "X-A: 1\r\n", "X-A: 2\r\n", true),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{index}");
        let fields = format!("Cache-Control: max-age=600|{vary}");
        let one = fetch_with(&mut client, &target, &fields, first);
        let two = fetch_with(&mut client, &target, &fields, second);
        let status = cache_status(&two);
        assert_eq!(is_hit(&two), is_reused, "{vary}: {first:?} {second:?}: {status}");
        assert_eq!(one.body == two.body, is_reused, "{vary}: {first:?} {second:?}: {status}");
    }
}

#[test]
fn every_variant_is_kept() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let fields = "Cache-Control: max-age=600|Vary: X-A";
    let ask = |value: usize| format!("X-A: {value}\r\n");
    let bodies: Vec<Vec<u8>> =
        (0..20).map(|value| fetch_with(&mut client, "/", fields, &ask(value)).body).collect();
    for (value, body) in bodies.iter().enumerate() {
        let response = fetch_with(&mut client, "/", fields, &ask(value));
        assert!(is_hit(&response), "{value}: {}", cache_status(&response));
        assert_eq!(&response.body, body, "{value}");
        assert_eq!(response.head.all("vary"), ["X-A"]);
    }
    assert_eq!(site.count(), 20);
}

/// Anybody can make up values of a field, and must not fill the memory with them.
#[test]
fn variants_of_one_url_are_limited() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let fields = "Cache-Control: max-age=600|Vary: X-A";
    for value in 0..200 {
        fetch_with(&mut client, "/", fields, &format!("X-A: {value}\r\n"));
    }
    let before = site.count();
    let hits = (0..200)
        .filter(|value| is_hit(&fetch_with(&mut client, "/", fields, &format!("X-A: {value}\r\n"))))
        .count();
    assert!(hits <= 32, "{hits} of 200 variants are stored");
    assert!(site.count() >= before + 200 - 32);
}

#[test]
fn a_later_vary_counts_for_later_responses() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let (a, b) = ("Cache-Control: max-age=600|Vary: X-A", "Cache-Control: max-age=600|Vary: X-B");
    let one = fetch_with(&mut client, "/", a, "X-A: 1\r\nX-B: 1\r\n");
    let two = fetch_with(&mut client, "/", b, "X-A: 2\r\nX-B: 1\r\n");
    assert_ne!(one.body, two.body);
    // RFC 9111, 4.1: of several stored responses that match, a recent one is chosen.
    let three = fetch_with(&mut client, "/", b, "X-A: 9\r\nX-B: 1\r\n");
    assert_eq!((is_hit(&three), &three.body), (true, &two.body));
    let four = fetch_with(&mut client, "/", a, "X-A: 1\r\nX-B: 9\r\n");
    assert_eq!((is_hit(&four), &four.body), (true, &one.body));
    let five = fetch_with(&mut client, "/", a, "X-A: 9\r\nX-B: 9\r\n");
    assert!(!is_hit(&five));
}

#[test]
fn absent_origin_is_one_variant() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    // django-cors-headers says so on each response.
    let fields = "Cache-Control: max-age=600|Vary: origin";
    let plain = fetch_with(&mut client, "/", fields, "");
    assert!(is_hit(&fetch_with(&mut client, "/", fields, "")));
    let cross = fetch_with(&mut client, "/", fields, "Origin: https://other.test\r\n");
    assert_ne!(cross.body, plain.body);
    let again = fetch_with(&mut client, "/", fields, "Origin: https://other.test\r\n");
    assert_eq!(again.body, cross.body);
}

#[test]
fn accept_encoding_is_handled_inside() {
    let page = "a page that becomes much smaller ".repeat(200);
    let fields = ["Cache-Control: max-age=600", "Vary: Accept-Encoding", "Content-Type: text/html"];
    let expected = page.clone();
    let site =
        Site::answering(move |request, _| super::response(request, "200 OK", &fields, &page));
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for coding in ["", "gzip", "br", "zstd", "gzip, br, zstd", "identity", "gzip;q=0.1", ""] {
        let response = client.ask("GET", "/", &format!("Accept-Encoding: {coding}\r\n"));
        assert!(response.head.all("vary").join(",").to_lowercase().contains("accept-encoding"));
        if response.header("content-encoding").is_none() {
            assert_eq!(response.text(), expected, "{coding}");
        }
    }
    // The application was asked once, for the form that all others are made of.
    assert_eq!(site.count(), 1);
    assert!(site.last().head.get("accept-encoding").is_none_or(|value| value == "identity"));
}

#[test]
fn forms_are_compressed_in_the_background() {
    let page = "a page that becomes much smaller ".repeat(2000);
    let fields = ["Cache-Control: max-age=600", "Content-Type: text/html", "ETag: \"a\""];
    let body = page.clone();
    let site =
        Site::answering(move |request, _| super::response(request, "200 OK", &fields, &body));
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
        let lines = format!("Accept-Encoding: {}\r\n", coding.token());
        let response = super::until(
            coding.token(),
            || client.ask("GET", "/", &lines),
            |response| {
                response.header("content-encoding") == Some(coding.token())
                    && response.header("content-length").is_some()
                    && is_hit(response)
            },
        );
        assert!(response.body.len() < page.len() / 20, "{}", response.body.len());
        assert_eq!(crate::compression::decoded(coding, &response.body), page);
        assert_eq!(response.header("etag"), Some("W/\"a\""));
        // Conditions of a client that has this form are met (RFC 9110, 13.1.2).
        let condition = format!("{lines}If-None-Match: W/\"a\"\r\n");
        assert_eq!(client.ask("GET", "/", &condition).status, 304);
    }
    assert_eq!(client.get("/").text(), page);
    assert_eq!(site.count(), 1);
}
