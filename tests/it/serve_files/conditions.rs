//! Validators: entity tags made of the content, and the preconditions of RFC 9110, 13.

use std::{fs::File, time::SystemTime};

use super::Site;

#[test]
fn preconditions_are_evaluated_in_rfc_order() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    let plain = client.get("/static/alphabet.txt");
    let (etag, modified) = (plain.header("etag").unwrap(), plain.header("last-modified").unwrap());
    assert!(etag.starts_with('"') && etag.ends_with('"'), "not strong: {etag}");
    let (early, late) = ("Thu, 01 Jan 1998 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");

    let cases: &[(u16, &[(&str, &str)])] = &[
        (304, &[("If-None-Match", etag)]),
        (304, &[("If-None-Match", &format!("W/{etag}"))]),
        (304, &[("If-None-Match", &format!("\"x\", {etag}"))]),
        (304, &[("If-None-Match", "\"x,y\""), ("If-None-Match", etag)]),
        (304, &[("If-None-Match", "*")]),
        (200, &[("If-None-Match", "\"x\"")]),
        (304, &[("If-Modified-Since", modified)]),
        (304, &[("If-Modified-Since", late)]),
        (200, &[("If-Modified-Since", early)]),
        (200, &[("If-Modified-Since", "yesterday")]),
        // If-None-Match makes If-Modified-Since void.
        (200, &[("If-None-Match", "\"x\""), ("If-Modified-Since", late)]),
        (304, &[("If-None-Match", etag), ("If-Modified-Since", early)]),
        (200, &[("If-Match", etag)]),
        (200, &[("If-Match", "*")]),
        (412, &[("If-Match", "\"x\"")]),
        // If-Match compares strongly.
        (412, &[("If-Match", &format!("W/{etag}"))]),
        (412, &[("If-Unmodified-Since", early)]),
        (200, &[("If-Unmodified-Since", modified)]),
        (412, &[("If-Match", "\"x\""), ("If-None-Match", etag)]),
        // A current copy needs no range either.
        (304, &[("If-None-Match", etag), ("Range", "bytes=0-1")]),
    ];
    for (status, fields) in cases {
        let lines: String =
            fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        for method in ["GET", "HEAD"] {
            let response = client.ask(method, "/static/alphabet.txt", &lines);
            assert_eq!(response.status, *status, "{method} {lines}");
            if *status == 304 {
                // The headers that a cache needs to freshen its copy (RFC 9110, 15.4.5).
                for name in ["etag", "cache-control"] {
                    assert_eq!(response.header(name), plain.header(name), "{method} {lines}");
                }
            }
        }
    }
    assert_eq!(client.get("/static/alphabet.txt").text(), super::ALPHABET);
}

#[test]
fn etags_depend_on_content_only() {
    // Two tasks behind one load balancer have collected the same files at different times.
    let files: &[(&str, &[u8])] = &[("a.txt", b"same"), ("b.txt", b"other")];
    let (one, other) = (Site::with(files), Site::with(files));
    let copy = File::options().write(true).open(other.directory.join("a.txt")).unwrap();
    copy.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let of = |site: &Site, name: &str| {
        let response = site.sideman.get(&format!("/static/{name}"));
        let header = |name| response.header(name).unwrap().to_owned();
        (header("etag"), header("last-modified"))
    };
    let (tag, date) = of(&one, "a.txt");
    let (tag_of_copy, date_of_copy) = of(&other, "a.txt");
    assert_eq!(tag, tag_of_copy);
    assert_ne!(date, date_of_copy);
    assert_ne!(tag, of(&one, "b.txt").0);
}
