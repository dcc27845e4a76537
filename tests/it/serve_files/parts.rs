//! Several ranges in one response (`multipart/byteranges`, RFC 9110, 14.6 and 15.3.7.2), parsed like by a
//! client; and ranges of compressed representations.

use std::ops::Range;

use super::{ALPHABET, Site};
use crate::support::{Client, Response, eventually, pattern};

/// One part of a response.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    fields: Vec<(String, String)>,
    content: Vec<u8>,
}

/// Parses a multipart response; fails at any deviation from RFC 2046, 5.1.1.
#[track_caller]
fn parts(response: &Response) -> Vec<Part> {
    let media_type = response.header("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert!((1..=70).contains(&boundary.len()), "{boundary}");
    assert!(boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter may be at the very beginning.
    let body = [b"\r\n", &response.body[..]].concat();
    let places: Vec<usize> = memchr::memmem::find_iter(&body, &delimiter).collect();
    assert_eq!(places.first(), Some(&0), "something stands before the first part");
    let mut parts = Vec::new();
    for pair in places.windows(2) {
        let piece = &body[pair[0] + delimiter.len()..pair[1]];
        let piece = piece.strip_prefix(b"\r\n").expect("a line's end behind the boundary");
        let end = memchr::memmem::find(piece, b"\r\n\r\n").expect("an empty line");
        let head = std::str::from_utf8(&piece[..end]).unwrap();
        let fields = head.split("\r\n").map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        });
        parts.push(Part { fields: fields.collect(), content: piece[end + 4..].to_vec() });
    }
    assert_eq!(&body[places.last().unwrap() + delimiter.len()..], b"--\r\n", "the end");
    parts
}

/// Requests these ranges of a file and checks that each part equals its range of `whole`.
#[track_caller]
fn check(client: &mut Client, target: &str, whole: &[u8], ranges: &[Range<usize>], fields: &str) {
    let list: Vec<String> =
        ranges.iter().map(|range| format!("{}-{}", range.start, range.end - 1)).collect();
    let fields = format!("{fields}Range: bytes={}\r\n", list.join(", "));
    let response = client.ask("GET", target, &fields);
    assert_eq!(response.status, 206, "{fields}");
    assert!(!response.head.has("content-range"), "{fields}");
    assert_eq!(response.header("content-length"), Some(&*response.body.len().to_string()));
    let plain = client.ask("HEAD", target, &fields);
    for name in ["etag", "last-modified", "cache-control", "vary", "content-encoding"] {
        assert_eq!(response.header(name), plain.header(name), "{name}, {fields}");
    }
    let parts = parts(&response);
    assert_eq!(parts.len(), ranges.len(), "{fields}");
    for (part, range) in parts.iter().zip(ranges) {
        let expected = [
            ("content-type".to_owned(), plain.header("content-type").unwrap().to_owned()),
            (
                "content-range".to_owned(),
                format!("bytes {}-{}/{}", range.start, range.end - 1, whole.len()),
            ),
        ];
        assert_eq!(part.fields, expected, "{fields}");
        assert!(part.content == whole[range.clone()], "{range:?}: {} bytes", part.content.len());
    }
}

#[test]
fn several_ranges_of_small_and_large_files_are_served() {
    // In memory, in a memfd, and on disk, where parts begin and end within chunks.
    let (small, middle, large) = (pattern(2000), pattern(200_000), pattern((3 << 20) + 17));
    let files: &[(&str, &[u8])] =
        &[("small.txt", &small), ("middle.bin", &middle), ("large.bin", &large)];
    let site = Site::with(files);
    let mut client = site.sideman.connect();
    for (name, whole) in files {
        let size = whole.len();
        let target = format!("/static/{name}");
        // The ETag of a large file is made in the background: two responses would differ in it.
        eventually("a strong tag", || {
            let head = client.ask("HEAD", &target, "");
            head.header("etag").filter(|tag| !tag.starts_with("W/")).map(|_| ())
        });
        for ranges in [
            vec![0..1, size - 1..size],
            vec![size - 1..size, 0..1],
            vec![size / 2..size / 2 + 300, 0..100, size - 100..size],
            (0..16).map(|part| part * size / 16..part * size / 16 + 10).collect(),
            vec![0..size / 4, size / 2..size - 7],
        ] {
            check(&mut client, &target, whole, &ranges, "");
        }
        // The connection stays open after each.
        assert!(client.get(&target).body == *whole, "{name}");
    }
    let chunk = 128 * 1024;
    let ranges = [chunk - 1..chunk + 1, 3 * chunk..6 * chunk, 10 * chunk..large.len() - 1];
    check(&mut client, "/static/large.bin", &large, &ranges, "");
}

#[test]
fn each_response_has_its_own_boundary() {
    let text = pattern(2000);
    let site = Site::with(&[("a.bin", &text)]);
    let mut client = site.sideman.connect();
    let mut types: Vec<String> = (0..10)
        .map(|_| {
            let response = client.ask("GET", "/static/a.bin", "Range: bytes=0-0,-1\r\n");
            response.header("content-type").unwrap().to_owned()
        })
        .collect();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), 10);
}

#[test]
fn overlapping_or_malformed_ranges_are_not_multipart() {
    let text = pattern(2000);
    let site = Site::with(&[("a.bin", &text)]);
    let mut client = site.sideman.connect();
    let many: Vec<String> = (0..17).map(|part| format!("{0}-{0}", part * 100)).collect();
    let many = many.join(",");
    let (whole, beyond) = ((200, None), (416, Some("bytes */2000")));
    for (ranges, (status, content_range)) in [
        // Ranges near each other, or one within the other: one part.
        ("0-99,100-199", (206, Some("bytes 0-199/2000"))),
        ("0-99,150-199", (206, Some("bytes 0-199/2000"))),
        ("0-,0-,0-", (206, Some("bytes 0-1999/2000"))),
        ("500-599,5000-", (206, Some("bytes 500-599/2000"))),
        ("2000-2001,5000-", beyond),
        ("-0,2000-", beyond),
        (&many, whole),
        ("0-0,a", whole),
        ("0-0,5-4", whole),
    ] {
        let response = client.ask("GET", "/static/a.bin", &format!("Range: bytes={ranges}\r\n"));
        assert_eq!(response.status, status, "{ranges}");
        assert_eq!(response.header("content-range"), content_range, "{ranges}");
        if status == 200 {
            assert!(response.body == text, "{ranges}");
        }
    }
    // Two header lines are not a list (the ranges would be of two responses).
    let twice = "Range: bytes=0-0\r\nRange: bytes=500-599\r\n";
    assert_eq!(client.ask("GET", "/static/a.bin", twice).status, 200);
}

#[test]
fn if_range_of_another_version_gets_the_whole_file() {
    let text = pattern(2000);
    let site = Site::with(&[("a.bin", &text)]);
    let mut client = site.sideman.connect();
    let plain = client.get("/static/a.bin");
    let (etag, modified) = (plain.header("etag").unwrap(), plain.header("last-modified").unwrap());
    for (condition, status) in [
        (format!("If-Range: {etag}"), 206),
        (format!("If-Range: {modified}"), 206),
        ("If-Range: \"x\"".to_owned(), 200),
        (format!("If-Range: W/{etag}"), 200),
        (format!("If-Match: {etag}"), 206),
        ("If-Match: \"x\"".to_owned(), 412),
        (format!("If-None-Match: {etag}"), 304),
    ] {
        let fields = format!("Range: bytes=0-9,1000-1009\r\n{condition}\r\n");
        let response = client.ask("GET", "/static/a.bin", &fields);
        assert_eq!(response.status, status, "{condition}");
        if status == 206 {
            assert_eq!(parts(&response).len(), 2, "{condition}");
        }
        // Range has no meaning for HEAD.
        let head = client.ask("HEAD", "/static/a.bin", &fields);
        assert_eq!(head.status, if status == 206 { 200 } else { status }, "{condition}");
        assert!(!head.head.has("content-range"), "{condition}");
        if head.status == 200 {
            assert_eq!(head.header("content-length"), Some("2000"), "{condition}");
        }
    }
}

#[test]
fn compressed_representations_have_ranges_of_their_own() {
    // Precompressed files in memory and on disk: ranges count their bytes, not those of the original.
    let text = ALPHABET.repeat(50);
    let (short, long): (Vec<u8>, Vec<u8>) =
        (pattern(1000).into_iter().rev().collect(), pattern((2 << 20) + 3));
    let site = Site::with(&[
        ("small.css", text.as_bytes()),
        ("small.css.gz", &short),
        ("large.css", &pattern(3 << 20)),
        ("large.css.br", &long),
    ]);
    let mut client = site.sideman.connect();
    for (name, accepted, coding, whole) in
        [("small", "gzip", "gzip", &short), ("large", "br, gzip;q=0.1", "br", &long)]
    {
        let target = format!("/static/{name}.css");
        let accept = format!("Accept-Encoding: {accepted}\r\n");
        let size = whole.len();
        // The ETag of a large file becomes strong once its content was read.
        let etag = eventually("a strong tag", || {
            let response = client.ask("HEAD", &target, &accept);
            response.header("etag").filter(|etag| etag.starts_with('"')).map(str::to_owned)
        });
        let ranges = [0..100, size / 2..size / 2 + 100, size - 100..size];
        check(&mut client, &target, whole, &ranges, &accept);
        let of = |client: &mut Client, accept: &str, range: &str, more: &str| {
            client.ask("GET", &target, &format!("{accept}Range: bytes={range}\r\n{more}"))
        };
        let end = of(&mut client, &accept, "-100", &format!("If-Range: {etag}\r\n"));
        assert_eq!((end.status, end.header("content-encoding")), (206, Some(coding)));
        assert!(end.body == whole[size - 100..], "{name}");
        let beyond = of(&mut client, &accept, &format!("{size}-"), "");
        assert_eq!(beyond.status, 416);
        assert_eq!(beyond.header("content-range"), Some(&*format!("bytes */{size}")));
        assert_eq!(beyond.header("vary"), Some("accept-encoding"));
        // The ETag does not match another representation, which is sent whole.
        let other = of(&mut client, "", "0-9", &format!("If-Range: {etag}\r\n"));
        assert_eq!((other.status, other.header("content-encoding")), (200, None), "{name}");
    }
}
