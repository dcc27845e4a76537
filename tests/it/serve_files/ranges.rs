//! Ranges of bytes (RFC 9110, 14).

use super::{ALPHABET, Site};
use crate::support::eventually;

#[test]
fn one_range_of_a_small_file() {
    let site = Site::with(&[("empty.txt", b"")]);
    let mut client = site.sideman.connect();
    let part = |body, range| (206, body, Some(range));
    let whole = (200, ALPHABET, None);
    let beyond = (416, "", Some("bytes */26"));
    let cases = [
        ("bytes=0-0", part("a", "bytes 0-0/26")),
        ("bytes=2-4", part("cde", "bytes 2-4/26")),
        ("bytes=23-", part("xyz", "bytes 23-25/26")),
        ("bytes=-2", part("yz", "bytes 24-25/26")),
        ("bytes=24-99999999999999999999", part("yz", "bytes 24-25/26")),
        ("bytes=-99", part(ALPHABET, "bytes 0-25/26")),
        ("BYTES=0-0", part("a", "bytes 0-0/26")),
        // Near enough to be one range.
        ("bytes=0-0, 2-2", part("abc", "bytes 0-2/26")),
        ("bytes=26-", beyond),
        ("bytes=26-30", beyond),
        ("bytes=-0", beyond),
        // Invalid or unsupported: the whole file, as 14.2 allows.
        ("bytes=5-2", whole),
        ("bytes=a-b", whole),
        ("bytes=", whole),
        ("lines=0-1", whole),
    ];
    for (range, (status, body, content_range)) in cases {
        let response = client.ask("GET", "/static/alphabet.txt", &format!("Range: {range}\r\n"));
        assert_eq!(response.status, status, "{range}");
        assert_eq!(response.header("content-range"), content_range, "{range}");
        if status != 416 {
            assert_eq!(response.text(), body, "{range}");
            assert_eq!(response.header("accept-ranges"), Some("bytes"), "{range}");
            assert!(response.header("etag").is_some(), "{range}");
        }
        // Range has no meaning for HEAD (14.2).
        let head = client.ask("HEAD", "/static/alphabet.txt", &format!("Range: {range}\r\n"));
        assert_eq!((head.status, head.header("content-length")), (200, Some("26")), "{range}");
    }
    let response = client.ask("GET", "/static/empty.txt", "Range: bytes=0-\r\n");
    assert_eq!((response.status, response.header("content-range")), (416, Some("bytes */0")));
}

#[test]
fn range_of_another_version_gets_the_whole_file() {
    let site = Site::with(&[]);
    site.directory.write("young.txt", ALPHABET);
    let mut client = site.sideman.connect();
    let plain = client.get("/static/alphabet.txt");
    let (etag, modified) = (plain.header("etag").unwrap(), plain.header("last-modified").unwrap());
    let cases = [
        (etag.to_owned(), 206),
        (modified.to_owned(), 206),
        (format!("W/{etag}"), 200),
        ("\"x\"".to_owned(), 200),
        ("Fri, 01 Jan 2100 00:00:00 GMT".to_owned(), 200),
        ("soon".to_owned(), 200),
    ];
    for (value, status) in cases {
        let lines = format!("Range: bytes=0-2\r\nIf-Range: {value}\r\n");
        let response = client.ask("GET", "/static/alphabet.txt", &lines);
        let body = if status == 206 { "abc" } else { ALPHABET };
        assert_eq!((response.status, response.text().as_str()), (status, body), "{value}");
    }
    // The file could change again within its second, so the date is not sufficient (8.8.2.2).
    let plain = client.get("/static/young.txt");
    for (name, status) in [("last-modified", 200), ("etag", 206)] {
        let value = plain.header(name).unwrap();
        let lines = format!("Range: bytes=0-2\r\nIf-Range: {value}\r\n");
        assert_eq!(client.ask("GET", "/static/young.txt", &lines).status, status, "{name}");
    }
}

#[test]
fn large_file_gets_a_tag_for_resuming_downloads() {
    let large = vec![b'x'; 2 << 20];
    let site = Site::with(&[("large.bin", &large)]);
    let mut client = site.sideman.connect();
    // Reading its content may take a moment.
    let etag = eventually("a strong tag", || {
        let response = client.ask("HEAD", "/static/large.bin", "");
        response.header("etag").filter(|etag| etag.starts_with('"')).map(str::to_owned)
    });
    let lines = format!("Range: bytes=2097150-\r\nIf-Range: {etag}\r\n");
    let response = client.ask("GET", "/static/large.bin", &lines);
    assert_eq!((response.status, response.text().as_str()), (206, "xx"));
}
