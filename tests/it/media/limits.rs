//! Limits and settings for uploads.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{ALPHABET, Uploads};
use crate::support::{TempDir, pattern};

#[test]
fn media_is_never_immutable_and_max_age_is_a_setting() {
    let files: &[(&str, &[u8])] = &[
        ("a.0123456789ab.css", b"a"),
        ("index-DiwrgTda.js", b"a"),
        ("listed.0123456789ab.js", b"a"),
        ("a.txt", b"a"),
        // An uploader may choose this name.
        ("staticfiles.json", br#"{"version": "1.1", "paths": {"l.js": "listed.0123456789ab.js"}}"#),
    ];
    for (age, expected) in [("10m", "public, max-age=600"), ("0s", "public, max-age=0")] {
        let uploads = Uploads::set(files, |settings| {
            settings.set("media.max_age", age).set("static.caching", "vite=immutable, **=immutable")
        });
        let mut client = uploads.sideman.connect();
        for (name, _) in &files[..4] {
            let response = client.get(&format!("/media/{name}"));
            assert_eq!(response.header("cache-control"), Some(expected), "{name}");
        }
    }
}

#[test]
fn other_origins_are_allowed_by_setting_only() {
    for (cors, expected) in
        [("none", [None; 2]), ("fonts", [Some("*"), None]), ("all", [Some("*"); 2])]
    {
        let uploads = Uploads::set(&[("a.woff2", b"a"), ("a.png", b"a")], |settings| {
            settings.set("media.cors", cors)
        });
        for (name, expected) in ["a.woff2", "a.png"].into_iter().zip(expected) {
            let response = uploads.sideman.get(&format!("/media/{name}"));
            assert_eq!(response.header("access-control-allow-origin"), expected, "{cors}: {name}");
        }
    }
}

#[test]
fn rate_limits_each_response() {
    // In memory, and on disk.
    let (small, large) = (pattern(96 << 10), pattern(3 << 20));
    let files: &[(&str, &[u8])] = &[("small.bin", &small), ("large.bin", &large)];
    for (name, content, rate, per_second) in
        [("small.bin", &small, "32KiB", 32 << 10), ("large.bin", &large, "1MiB", 1 << 20)]
    {
        let uploads = Uploads::set(files, |settings| settings.set("media.rate", rate));
        let target = format!("/media/{name}");
        let begin = Instant::now();
        // Two responses at once: each has the full rate.
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert!(uploads.sideman.get(&target).body == *content, "{name}"));
            }
        });
        let seconds = begin.elapsed().as_secs_f64();
        // The bytes of one second may arrive at once.
        let least = content.len() as f64 / f64::from(per_second) - 1.0;
        assert!(seconds >= least, "{name}: {seconds} s, not {least}");
        assert!(seconds < 4.0 * (least + 1.0), "{name}: {seconds} s");
        // A range has the same rate; a response without a body is not delayed.
        let begin = Instant::now();
        let mut client = uploads.sideman.connect();
        let half = content.len() / 2;
        let response = client.ask("GET", &target, &format!("Range: bytes={half}-\r\n"));
        assert!(response.body == content[half..], "{name}");
        let least = half as f64 / f64::from(per_second) - 1.0;
        assert!(begin.elapsed().as_secs_f64() >= least, "{name}: {:?}", begin.elapsed());
        let begin = Instant::now();
        for _ in 0..20 {
            assert_eq!(client.ask("HEAD", &target, "").status, 200);
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

#[test]
fn media_rate_does_not_limit_static_files() {
    let uploads = Uploads::set(&[], |settings| settings.set("media.rate", "1KiB"));
    let content = pattern(256 << 10);
    uploads.directory.write("static/a.bin", &content);
    // At the rate of media this would take four minutes.
    assert!(uploads.sideman.get("/static/a.bin").body == content);
}

#[test]
fn media_has_its_own_memory_budget() {
    let uploads = Uploads::set(&[], |settings| {
        settings.set("media.memory", "1MiB").set("media.entries", "16")
    });
    let count = |name: &str, store: &str| uploads.sideman.metric(name, &[("store", store)]);
    uploads.directory.write("static/a.css", "a{}");
    assert_eq!(uploads.sideman.get("/static/a.css").text(), "a{}");
    let own = count("sideman_file_store_bytes", "static");
    assert!(own > 0.0);
    assert_eq!(count("sideman_file_store_bytes", "media"), 0.0);
    let mut client = uploads.sideman.connect();
    for number in 0..100 {
        let size = if number % 2 == 0 { 100 } else { 100_000 };
        uploads.directory.write(&format!("media/{number}.bin"), pattern(size));
        assert_eq!(client.get(&format!("/media/{number}.bin")).body.len(), size);
        let (bytes, entries) = (
            count("sideman_file_store_bytes", "media"),
            count("sideman_file_store_entries", "media"),
        );
        assert!((1.0..=f64::from(1 << 20)).contains(&bytes), "{bytes} bytes");
        assert!((1.0..=16.0).contains(&entries), "{entries} entries");
    }
    assert!(count("sideman_file_store_evicted_total", "media") >= 84.0);
    // No static file was evicted for it.
    assert_eq!(count("sideman_file_store_evicted_total", "static"), 0.0);
    assert_eq!(count("sideman_file_store_bytes", "static"), own);
}

#[test]
fn uploads_are_not_compressed() {
    let text = ALPHABET.repeat(200);
    let uploads = Uploads::with(&[("a.css", text.as_bytes())]);
    let mut client = uploads.sideman.connect();
    for _ in 0..20 {
        let response = client.ask("GET", "/media/a.css", "Accept-Encoding: gzip, br\r\n");
        assert_eq!((response.header("content-encoding"), response.text()), (None, text.clone()));
    }
    assert_eq!(uploads.sideman.metric("sideman_file_store_compressed_total", &[]), 0.0);
}

#[test]
fn several_directories_are_tried_in_order() {
    let older = TempDir::new();
    older.write("both.txt", "older");
    older.write("old.txt", "older");
    let argument = format!("/media/={}", older.path().display());
    let uploads = Uploads::set(&[("both.txt", b"newer"), ("new.txt", b"newer")], |settings| {
        settings.args(&["--media", &argument])
    });
    for (name, text) in [("both.txt", "newer"), ("old.txt", "older"), ("new.txt", "newer")] {
        assert_eq!(uploads.sideman.get(&format!("/media/{name}")).text(), text, "{name}");
    }
    assert_eq!(uploads.sideman.get("/media/none.txt").status, 404);
}
