//! Poisoning and deception: one visitor must not choose what others get, nor get what was made for another. Each
//! test is an attack that has worked on a cache somewhere.

use super::{FRESH, Site, cache_status, fetch, fetch_with, is_hit, response};
use crate::support::{Client, Http2, Request};

/// An application that puts everything that it was told into its page, and lets everybody store it.
fn echoing() -> Site {
    Site::answering(|request, number| {
        let fields: Vec<String> =
            request.head.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let text = format!("{number} {}\n{}", request.head.start, fields.join("\n"));
        let body = String::from_utf8_lossy(&request.body).into_owned();
        response(request, "200 OK", &[FRESH], &(text + &body))
    })
}

/// The victim's page after an attack with these lines on the same URL.
#[track_caller]
fn attacked(lines: &str) -> String {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    client.ask("GET", "/page", lines);
    client.get("/page").text().to_lowercase()
}

#[test]
fn method_override_does_not_reach_the_application() {
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let page = attacked(&format!("{name}: POST-evil\r\n"));
        assert!(!page.contains("evil"), "{name}: {page}");
    }
}

#[test]
fn rewritten_urls_do_not_reach_the_application() {
    for name in ["X-Original-URL", "X-Rewrite-URL"] {
        let page = attacked(&format!("{name}: /evil\r\n"));
        assert!(!page.contains("evil"), "{name}: {page}");
    }
}

#[test]
fn forwarding_fields_of_a_client_do_not_reach_the_application() {
    for line in [
        "X-Forwarded-Host: evil.test",
        "X-Forwarded-Scheme: evil",
        "X-Forwarded-Proto: evil",
        "X-Forwarded-Port: 666",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Server: evil.test",
        "X-Host: evil.test",
        "X-Real-IP: 6.6.6.6",
        "Forwarded: host=evil.test;for=6.6.6.6",
        "X_Forwarded_Host: evil.test",
    ] {
        let page = attacked(&format!("{line}\r\n"));
        // The page has a request id, with any digits.
        let clean = ["evil", "6.6.6.6", ": 666"].iter().all(|word| !page.contains(word));
        // A field that Sideman does not know is forwarded: then its page is not shared.
        assert!(clean || page.starts_with("2 "), "{line}: {page}");
    }
}

#[test]
fn the_address_of_the_first_client_is_not_shown_to_others() {
    let site = echoing();
    let sideman = site.sideman();
    let first = std::net::IpAddr::from([127, 0, 0, 9]);
    let one = Client::connect_from(first, sideman.address()).get("/page");
    assert!(one.text().contains("127.0.0.9"), "{}", one.text());
    // An application that writes it into a page says `Vary`, or does not let it be stored. Nothing can save one that
    // does neither; what the cache must not do is to mix up the connections.
    let other = sideman.connect().ask("GET", "/other", "");
    assert!(!other.text().contains("127.0.0.9"), "{}", other.text());
}

/// A body in a GET changes the page, and is in no key.
#[test]
fn fat_get_is_not_cached() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let fat = "GET /page HTTP/1.1\r\nHost: example.test\r\nContent-Length: 4\r\n\r\nevil";
    assert_eq!(client.send(fat).response().status, 200);
    let page = client.get("/page");
    assert!(!page.text().contains("evil"), "{}", page.text());
    // And the other way round.
    let chunked = "GET /page HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   4\r\nevil\r\n0\r\n\r\n";
    assert!(!is_hit(&client.send(chunked).response()));
    assert!(!client.get("/page").text().contains("evil"));
}

/// `/account/x.css` is the account's page for an application that ignores the rest of a path.
#[test]
fn pages_under_the_names_of_files_are_not_stored() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for name in
        ["x.css", "x.js", "x.png", "x.jpg", "x.svg", "x.woff2", "x.ico", "x.CSS", "x.css?v=1"]
    {
        let target = format!("/account/{name}");
        let html = format!("{FRESH}|Content-Type: text/html; charset=utf-8");
        let private = fetch(&mut client, &target, &html);
        let other = fetch(&mut client, &target, &html);
        assert_ne!(other.body, private.body, "{target}: {}", cache_status(&other));
    }
    // Real ones are.
    let css = format!("{FRESH}|Content-Type: text/css");
    fetch(&mut client, "/site.css", &css);
    assert!(is_hit(&fetch(&mut client, "/site.css", &css)));
}

/// A decision is never made from the extension.
#[test]
fn an_extension_makes_nothing_cacheable() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for target in ["/account/x.css", "/account;x.css", "/account%2Fx.js", "/account/..%2fx.png"] {
        for fields in
            ["", "Content-Type: text/css", "Cache-Control: private|Content-Type: text/css"]
        {
            let one = fetch_with(&mut client, target, fields, "");
            let two = fetch_with(&mut client, target, fields, "");
            assert_ne!(one.body, two.body, "{target} {fields}");
        }
    }
}

/// Paths that some application takes for the same, and another one does not.
#[test]
fn different_spellings_of_a_path_are_different_pages() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let mut seen = Vec::new();
    for target in [
        "/a/b",
        "/a%2Fb",
        "/a%2fb",
        "/a/b/",
        "/a//b",
        "/a;x/b",
        "/a/b;x",
        "/a/b%00",
        "/a/%62",
        "/a/b%3Fx",
        "/a/b?x",
        "/a/b%23x",
        "/a/./b",
        "/a/c/../b",
        "/a/%2e%2e/b",
        "/A/b",
    ] {
        let page = client.get(target);
        if page.status == 200 {
            let text = page.text();
            // What is stored under a target was asked for with these bytes.
            let line = text.lines().next().unwrap().to_owned();
            assert!(line.contains(&format!("GET {target} ")), "{target}: {line}");
            assert!(!seen.contains(&line), "{target}: {line}");
            seen.push(line);
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
}

#[test]
fn duplicate_parameters_stay_apart() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    // Applications differ in which one they take.
    for target in [
        "/?a=1&a=evil",
        "/?a=evil&a=1",
        "/?a=1;a=evil",
        "/?a=1&utm_content=x;a=evil",
        "/?a[]=1&a=evil",
    ] {
        client.get(target);
    }
    let page = client.get("/?a=1").text();
    assert!(!page.contains("evil"), "{page}");
    // Nor can a parameter that is left out hide one that is not (`;` separates none for Sideman).
    let hidden = client.get("/?utm_content=x;a=evil").text();
    assert!(!client.get("/").text().contains("evil"), "{hidden}");
}

/// An oversized or odd field makes the application respond with an error that names a lifetime.
#[test]
fn errors_that_a_field_provoked_are_not_served_to_others() {
    let site = Site::answering(|request, _| {
        let is_bad = request.head.get("x-large").is_some_and(|value| value.len() > 4000)
            || request.head.has("x-meta");
        match is_bad {
            true => response(request, "400 Bad Request", &[FRESH], "too large"),
            false => response(request, "200 OK", &[FRESH], "page"),
        }
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let large = format!("X-Large: {}\r\n", "x".repeat(5000));
    assert_eq!(client.ask("GET", "/", &large).status, 400);
    assert_eq!(client.get("/").status, 200);
    // The page is stored as if nothing had happened.
    assert!(is_hit(&client.get("/")));
    assert_eq!(client.ask("GET", "/meta", "X-Meta: \u{fc}\r\n").status, 400);
    assert_eq!(client.get("/meta").status, 200);
    // One that Sideman itself refuses is no response of the application at all.
    let huge = format!("X-Huge: {}\r\n", "x".repeat(100_000));
    let mut other = sideman.connect();
    let _ = other.try_send(format!("GET /huge HTTP/1.1\r\nHost: example.test\r\n{huge}\r\n"));
    drop(other.until_gone());
    assert_eq!(client.get("/huge").status, 200);
}

fn get_of(host: &str) -> String {
    format!("GET /page HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn hosts_have_pages_of_their_own() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for host in ["evil.test", "example.test.evil.test", "example.test:evil", "xexample.test"] {
        let mut other = sideman.connect();
        let _ = other.send(get_of(host)).try_response("GET");
    }
    let page = client.get("/page").text();
    assert!(!page.contains("evil") && page.contains("example.test"), "{page}");
    let evil = client.send(get_of("evil.test")).response().text();
    assert!(evil.contains("evil.test"), "{evil}");
}

/// The port is part of what the application sees, and of links that it makes.
#[test]
fn unkeyed_port_cannot_poison() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    client.send(get_of("example.test:1337")).response();
    let page = client.get("/page").text();
    assert!(!page.contains(":1337"), "{page}");
}

/// Names are equal in any case; what the first client wrote is in the page of the others otherwise.
#[test]
fn spellings_of_a_host_cannot_poison() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for host in ["EXAMPLE.test", "eXample.TEST", "example.test."] {
        let own = client.send(get_of(host)).response();
        if own.status == 200 {
            let page = client.get("/page").text();
            let is_clean = page.to_lowercase() == page || !page.contains(host);
            assert!(is_clean && !page.contains(host), "{host}: {page}");
        }
    }
}

/// An absolute target goes before Host (RFC 9112, 3.2.2).
#[test]
fn absolute_target_is_the_host() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let ask = "GET http://evil.test/page HTTP/1.1\r\nHost: example.test\r\n\r\n";
    // Targets that differ from Host are refused.
    drop(sideman.connect().send(ask).until_gone());
    let page = client.get("/page").text();
    assert!(!page.contains("evil"), "{page}");
}

#[test]
fn http2_pseudo_fields_are_the_key() {
    let site = echoing();
    let sideman = site.sideman();
    let mut h2 = Http2::connect(sideman.address());
    let evil =
        [(":method", "GET"), (":scheme", "http"), (":path", "/page"), (":authority", "evil.test")];
    let stream = h2.open(&evil, true);
    h2.response(stream);
    // Host and :authority that differ are refused or not shared.
    let both = [evil[0], evil[1], evil[2], (":authority", "example.test"), ("host", "evil.test")];
    let stream = h2.open(&both, true);
    h2.response(stream);
    let page = sideman.get("/page").text();
    assert!(!page.contains("evil"), "{page}");
}

/// A scheme is part of the key: links in a page, and redirects to https.
#[test]
fn schemes_have_pages_of_their_own() {
    let site = Site::answering(|request, _| {
        let is_secure = request.head.get("x-forwarded-proto") == Some("https");
        match is_secure {
            true => response(request, "200 OK", &[FRESH], "page"),
            false => {
                response(request, "301 Moved", &[FRESH, "Location: https://example.test/"], "")
            }
        }
    });
    let sideman = site.settings().set("server.trusted_proxies", "127.0.0.0/8").start();
    let mut client = sideman.connect();
    assert_eq!(client.ask("GET", "/", "X-Forwarded-Proto: http\r\n").status, 301);
    assert_eq!(client.ask("GET", "/", "X-Forwarded-Proto: https\r\n").status, 200);
    assert_eq!(client.ask("GET", "/", "X-Forwarded-Proto: http\r\n").status, 301);
}

#[test]
fn a_line_break_in_a_target_stays_out() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    client.get("/page%0d%0aX-Evil:%20yes");
    let page = client.get("/page").text();
    assert!(!page.to_lowercase().contains("evil"), "{page}");
}

/// What two requests have in common is what their bytes have in common: no separator can be forged.
#[test]
fn keys_cannot_run_into_each_other() {
    let site = echoing();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let asks = [
        ("example.test", "/ab", ""),
        ("example.test", "/a", "Cookie: django_language=b\r\n"),
        ("example.test", "/a", ""),
        ("example.tes", "/t/a", ""),
        ("example.test", "/a?", "Cookie: django_language=b\r\n"),
        ("example.test", "/a?b", ""),
    ];
    for (host, target, lines) in asks {
        let ask = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        let page = client.send(ask).response().text();
        assert!(page.contains(&format!("GET {target} ")), "{target}: {page}");
        assert!(page.contains(&format!("ost: {host}\n")), "{host}: {page}");
    }
    assert_eq!(site.count(), asks.len());
}

/// Many names in Vary, or very long values, must cost the application's memory, not Sideman's.
#[test]
fn long_keys_are_bounded() {
    let site = Site::start();
    let sideman = site.settings().set("cache.memory", "1MiB").start();
    let before = sideman.memory("RssAnon");
    let mut client = sideman.connect();
    let names: Vec<String> = (0..50).map(|index| format!("X-{index}")).collect();
    let fields = format!("{FRESH}|Vary: {}", names.join(", "));
    for round in 0..300 {
        let target = format!("/{round}?{}", "q".repeat(3000));
        let lines = format!("X-1: {}\r\n", "v".repeat(3000));
        assert_eq!(fetch_with(&mut client, &target, &fields, &lines).status, 200);
    }
    let grown = sideman.memory("RssAnon").saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
}

/// A request that the application answered for one visitor only because of a credential in its URL or fields.
#[test]
fn credentials_in_other_fields_are_the_applications_matter() {
    let site = Site::answering(|request: &Request, _| {
        let key = request.head.get("x-api-key").unwrap_or("nobody").to_owned();
        response(request, "200 OK", &[FRESH, "Vary: X-API-Key"], &key)
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for key in ["ada", "eve", "ada"] {
        assert_eq!(client.ask("GET", "/", &format!("X-API-Key: {key}\r\n")).text(), key);
    }
    assert_eq!(client.get("/").text(), "nobody");
}
