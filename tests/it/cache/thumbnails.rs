//! Thumbnails that the application makes on demand and keeps nowhere: a real Django view with Pillow.

use super::{cache_status, is_hit};
use crate::support::{
    Client, Response, Settings, Sideman, TempDir, Wagtail, eventually, eventually_is,
};

const CLIENTS: usize = 40;
const LARGE: &str = "/thumbnails/1200.png";
const SMALL: &str = "/thumbnails/40.png";

#[track_caller]
fn get(sideman: &Sideman, target: &str, fields: &str) -> Response {
    sideman.connect().ask("GET", target, fields)
}

/// The widths of the thumbnails that were made.
fn made(wagtail: &Wagtail) -> String {
    std::fs::read_to_string(wagtail.home().join("made")).unwrap_or_default()
}

#[test]
fn a_thumbnail_is_made_once_and_kept_on_disk() {
    let Some(mut wagtail) = Wagtail::prepared() else { return };
    let directory = TempDir::new();
    let sideman = Settings::before(&wagtail.url())
        .set("cache.memory", "64MiB")
        .set("cache.disk", "4GiB")
        .set("buffers.directory", directory.path().to_str().unwrap())
        .route("thumbnails", &[("path", "/thumbnails/"), ("cache", "on")])
        .start();
    wagtail.serve(sideman.address());
    // All ask before it is made.
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|_| {
            let mut client = sideman.connect();
            client.send(format!("GET {LARGE} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
            client
        })
        .collect();
    sideman.until_metric("sideman_requests_in_flight", &[], CLIENTS as f64);
    eventually_is("thumbnails", &"1200\n".to_owned(), || made(&wagtail));
    std::fs::write(wagtail.home().join("go"), "").unwrap();
    let bodies: Vec<Vec<u8>> = clients
        .iter_mut()
        .map(|client| {
            let response = client.response();
            assert_eq!(response.status, 200, "{}", response.text());
            response.body.to_vec()
        })
        .collect();
    let image = &bodies[0];
    // More than cache.max_object: it is in a file, which has no name.
    assert!(image.starts_with(b"\x89PNG") && image.len() > 1 << 20, "{} bytes", image.len());
    assert!(bodies.iter().all(|body| body == image));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    // A second later it is still there.
    let kept = eventually("a response that is a second old", || {
        let response = get(&sideman, LARGE, "");
        assert!(is_hit(&response), "{}", cache_status(&response));
        let age: u64 = response.header("age").unwrap_or("0").parse().unwrap();
        (age >= 1).then_some(response)
    });
    assert!(kept.body == *image);
    let length = image.len();
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=1000000-1000999", 1_000_000, 1_001_000),
        ("bytes=-100", length - 100, length),
        ("bytes=1048000-", 1_048_000, length),
    ] {
        let part = get(&sideman, LARGE, &format!("Range: {range}\r\n"));
        let expected = format!("bytes {first}-{}/{length}", end - 1);
        assert_eq!((part.status, part.header("content-range")), (206, Some(expected.as_str())));
        assert!(is_hit(&part) && part.body == image[first..end], "{range}");
    }
    assert_eq!(get(&sideman, LARGE, &format!("Range: bytes={length}-\r\n")).status, 416);
    // A small one is in memory.
    let small = get(&sideman, SMALL, "");
    assert!(!is_hit(&small) && small.body.starts_with(b"\x89PNG"), "{}", cache_status(&small));
    let again = get(&sideman, SMALL, "");
    assert!(is_hit(&again) && again.body == small.body, "{}", cache_status(&again));
    assert_eq!(made(&wagtail), "1200\n40\n");
}
