//! ETags of files that are too large for memory: one for each version.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

use super::manifest_of;
use crate::support::{Client, ReservedPort, Settings, Sideman, TempDir, eventually, pattern};

const MIB: u64 = 1 << 20;
/// The contents of files up to this size are hashed; larger ones use date and size.
const HASHED: u64 = 16 * MIB;

fn serve(directory: &Path) -> (Sideman, ReservedPort) {
    let application = ReservedPort::new();
    let settings = Settings::before(&application.url())
        .files("/static/", directory)
        .args(&["--media", &format!("/media/={}", directory.display())])
        .set("static.check_interval", "10ms");
    (settings.start(), application)
}

/// A sparse file of this size.
fn sparse(directory: &TempDir, name: &str, size: u64, modified: SystemTime) {
    let file = File::create(directory.join(name)).unwrap();
    file.set_len(size).unwrap();
    file.set_modified(modified).unwrap();
}

fn hours_ago(hours: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(3600 * hours)
}

#[track_caller]
fn tag_of(client: &mut Client, target: &str) -> String {
    let response = client.ask("HEAD", target, "");
    assert_eq!(response.status, 200, "{target}");
    response.header("etag").unwrap_or_else(|| panic!("{target}: no tag")).to_owned()
}

/// The requests that a client can make with a strong ETag.
#[track_caller]
fn assert_acts(client: &mut Client, target: &str, tag: &str) {
    for (fields, status) in [
        (format!("If-Match: {tag}\r\nRange: bytes=1-2\r\n"), 206),
        (format!("If-Range: {tag}\r\nRange: bytes=1-2\r\n"), 206),
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: W/{tag}\r\n"), 304),
        ("If-Match: \"other\"\r\n".to_owned(), 412),
    ] {
        let response = client.ask("GET", target, &fields);
        assert_eq!(response.status, status, "{target} {fields}");
        assert_eq!(response.header("etag"), Some(tag), "{target} {fields}");
    }
}

#[test]
fn large_file_has_one_strong_tag_from_the_first_response_on() {
    let directory = TempDir::new();
    let sizes = [2 * MIB, HASHED, HASHED + 1, 1100 * MIB];
    for size in sizes {
        sparse(&directory, &format!("{size}.bin"), size, hours_ago(1));
        sparse(&directory, &format!("{size}.0123456789ab.bin"), size, hours_ago(1));
    }
    let mut first = Vec::new();
    // Once more after a restart.
    for _ in 0..2 {
        let (sideman, _application) = serve(directory.path());
        let mut client = sideman.connect();
        let mut seen = Vec::new();
        for prefix in ["/static", "/media"] {
            for size in sizes {
                for name in [format!("{size}.bin"), format!("{size}.0123456789ab.bin")] {
                    let target = format!("{prefix}/{name}");
                    let tag = tag_of(&mut client, &target);
                    assert!(tag.starts_with('"'), "{target}: {tag}");
                    assert_acts(&mut client, &target, &tag);
                    seen.push((target, tag));
                }
            }
        }
        // Repeated requests may trigger background work; it does not change the ETag.
        for _ in 0..5 {
            for (target, tag) in &seen {
                assert_eq!(&tag_of(&mut client, target), tag, "{target}");
            }
        }
        if first.is_empty() {
            first = seen;
        } else {
            assert_eq!(first, seen, "after a restart");
        }
    }
}

#[test]
fn etag_of_a_recently_changed_file_is_weak_and_matches_later() {
    let directory = TempDir::new();
    let (sideman, _application) = serve(directory.path());
    let mut client = sideman.connect();
    for target in ["/static/large.bin", "/media/large.bin"] {
        sparse(&directory, "large.bin", HASHED + 1, SystemTime::now());
        let weak = eventually("the new version", || {
            Some(tag_of(&mut client, target)).filter(|tag| tag.starts_with("W/"))
        });
        let part = format!("If-Range: {weak}\r\nRange: bytes=1-2\r\n");
        assert_eq!(client.ask("HEAD", target, &part).status, 200, "{target}");
        assert_eq!(client.ask("GET", target, &format!("If-Match: {weak}\r\n")).status, 412);
        let strong = eventually("a strong tag", || {
            let known = client.ask("HEAD", target, &format!("If-None-Match: {weak}\r\n"));
            assert_eq!(known.status, 304, "{target} {weak}");
            Some(tag_of(&mut client, target)).filter(|tag| tag.starts_with('"'))
        });
        assert_eq!(weak, format!("W/{strong}"), "{target}");
        assert_acts(&mut client, target, &strong);
    }
}

#[test]
fn small_file_has_a_strong_tag_at_once() {
    let directory = TempDir::new();
    let (sideman, _application) = serve(directory.path());
    let mut client = sideman.connect();
    // It is hashed, although it was just changed.
    for (name, size) in [("a.css", 1000), ("b.bin", 3 * MIB)] {
        sparse(&directory, name, size, SystemTime::now());
        let target = format!("/static/{name}");
        let tag = tag_of(&mut client, &target);
        assert!(tag.starts_with('"'), "{target}: {tag}");
        assert_acts(&mut client, &target, &tag);
    }
}

#[test]
fn etags_are_equal_in_tasks_with_the_same_files() {
    let content = pattern(2 * MIB as usize);
    // Collected at different times; date and size of the largest were kept, as by cp -p or in an image.
    let kept = hours_ago(3);
    let mut seen: Vec<Vec<String>> = Vec::new();
    for hours in [1, 50] {
        let directory = TempDir::new();
        let path = directory.write("middle.bin", &content);
        File::options().write(true).open(path).unwrap().set_modified(hours_ago(hours)).unwrap();
        sparse(&directory, "listed.0123456789ab.bin", HASHED + 7, hours_ago(hours));
        sparse(&directory, "kept.bin", HASHED + 7, kept);
        sparse(&directory, "unlisted.0123456789ab.bin", HASHED + 7, hours_ago(hours));
        let listed = ("listed.bin", "listed.0123456789ab.bin");
        directory.write("staticfiles.json", manifest_of(&[listed]));
        let (sideman, _application) = serve(directory.path());
        let mut client = sideman.connect();
        let names =
            ["middle.bin", "listed.0123456789ab.bin", "kept.bin", "unlisted.0123456789ab.bin"];
        seen.push(
            names.iter().map(|name| tag_of(&mut client, &format!("/static/{name}"))).collect(),
        );
    }
    let [one, other] = &seen[..] else { panic!() };
    assert_eq!(one[..3], other[..3]);
    assert!(one.iter().all(|tag| tag.starts_with('"')), "{one:?}");
    // A name that only looks hashed says nothing about the contents.
    assert_ne!(one[3], other[3]);
}

#[test]
fn changed_file_has_a_new_etag() {
    let directory = TempDir::new();
    for size in [2 * MIB, HASHED + 1] {
        let name = format!("{size}.bin");
        sparse(&directory, &name, size, hours_ago(1));
        let (sideman, _application) = serve(directory.path());
        let mut client = sideman.connect();
        let target = format!("/static/{name}");
        let tag = tag_of(&mut client, &target);
        // In place, and of the same size.
        let file = File::options().write(true).open(directory.join(&name)).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"changed", 100).unwrap();
        eventually("the other tag", || (tag_of(&mut client, &target) != tag).then_some(()));
        let known = client.ask("HEAD", &target, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!(known.status, 200, "{target}");
        fs::remove_file(directory.join(&name)).unwrap();
    }
}
