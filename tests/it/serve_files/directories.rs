//! Several directories at one prefix, tried in order: those of this release and of the previous one.

use std::fs;

use super::{BRIEF, IMMUTABLE, rescued};
use crate::support::{Client, ReservedPort, Settings, Sideman, TempDir, eventually};

const HASHED: &str = "app.0123456789ab.css";

/// Three releases at `/static/`.
struct Releases {
    sideman: Sideman,
    /// The newest first.
    directories: [TempDir; 3],
    _application: ReservedPort,
}

// === impl Releases ===

impl Releases {
    /// Each file contains its release's number.
    fn with(files: &[(usize, &str, &str)]) -> Self {
        let (directories, application) = ([(); 3].map(|()| TempDir::new()), ReservedPort::new());
        for (release, name, content) in files {
            directories[*release].write(name, content);
        }
        let mut settings = Settings::before(&application.url());
        for directory in &directories {
            settings = settings.files("/static/", directory.path());
        }
        let sideman = settings.set("static.check_interval", "50ms").start();
        Self { sideman, directories, _application: application }
    }
}

#[track_caller]
fn until(client: &mut Client, target: &str, expected: &str) {
    eventually(&format!("{expected:?} at {target}"), || {
        (client.get(target).text() == expected).then_some(())
    });
}

#[test]
fn first_directory_with_the_name_is_used() {
    let releases = Releases::with(&[
        (0, "everywhere.css", "first"),
        (1, "everywhere.css", "second"),
        (2, "everywhere.css", "third"),
        (1, "later.css", "second"),
        (2, "later.css", "third"),
        (2, "deep/down/last.css", "third"),
        // A directory is not a file: the search continues.
        (0, "name/below.css", "first"),
        (1, "name", "second"),
    ]);
    let mut client = releases.sideman.connect();
    for (name, content) in [
        ("everywhere.css", "first"),
        ("later.css", "second"),
        ("deep/down/last.css", "third"),
        ("name", "second"),
        ("name/below.css", "first"),
    ] {
        let response = client.get(&format!("/static/{name}"));
        assert_eq!((response.status, response.text().as_str()), (200, content), "{name}");
    }
    assert_eq!(client.get("/static/nowhere.css").status, 404);
}

#[test]
fn new_file_in_an_earlier_directory_is_used() {
    let releases = Releases::with(&[(2, HASHED, "third"), (2, "plain.css", "third")]);
    let mut client = releases.sideman.connect();
    for name in [HASHED, "plain.css"] {
        let target = format!("/static/{name}");
        until(&mut client, &target, "third");
        releases.directories[1].write(name, "second");
        until(&mut client, &target, "second");
        releases.directories[0].write(name, "first");
        until(&mut client, &target, "first");
        fs::remove_file(releases.directories[1].join(name)).unwrap();
        fs::remove_file(releases.directories[0].join(name)).unwrap();
        until(&mut client, &target, "third");
        fs::remove_file(releases.directories[2].join(name)).unwrap();
        eventually("404", || (client.get(&target).status == 404).then_some(()));
    }
}

#[test]
fn precompressed_files_belong_to_the_file_beside_them() {
    let releases = Releases::with(&[
        (0, "a.css", "the file of the first release"),
        (1, "a.css", "the file of the second release"),
        (1, "a.css.br", "packed: second"),
    ]);
    let mut client = releases.sideman.connect();
    let fields = "Accept-Encoding: br\r\n";
    let response = client.ask("GET", "/static/a.css", fields);
    assert_eq!(response.header("content-encoding"), None);
    assert_eq!(response.text(), "the file of the first release");
    fs::remove_file(releases.directories[0].join("a.css")).unwrap();
    eventually("the second release's sibling", || {
        let response = client.ask("GET", "/static/a.css", fields);
        (response.text() == "packed: second").then_some(())
    });
}

#[test]
fn requests_for_other_releases_are_counted() {
    let releases = Releases::with(&[
        (0, "new.0123456789ab.css", "first"),
        (1, HASHED, "second"),
        (2, "deep/old.ba9876543210.js", "third"),
        (1, "plain.css", "second"),
    ]);
    let mut client = releases.sideman.connect();
    for (name, cache_control) in [
        ("new.0123456789ab.css", IMMUTABLE),
        (HASHED, IMMUTABLE),
        ("deep/old.ba9876543210.js", IMMUTABLE),
        ("plain.css", BRIEF),
    ] {
        for method in ["GET", "HEAD", "GET"] {
            let response = client.ask(method, &format!("/static/{name}"), "");
            assert_eq!(response.status, 200, "{name}");
            assert_eq!(response.header("cache-control"), Some(cache_control), "{name}");
        }
    }
    assert_eq!(client.get("/static/none.0123456789ab.css").status, 404);
    // Two hashed names in further directories, three times each.
    releases.sideman.until_metric(
        "sideman_static_fallback_total",
        &[("found", "directory")],
        2.0 * 3.0,
    );
    for found in ["fallback", "current", "failed"] {
        assert_eq!(rescued(&releases.sideman, found), 0.0, "{found}");
    }
}

#[test]
fn missing_directory_is_skipped() {
    let (parent, application) = (TempDir::new(), ReservedPort::new());
    parent.write("second/a.css", "second");
    let sideman = Settings::before(&application.url())
        .files("/static/", &parent.join("first"))
        .files("/static/", &parent.join("second"))
        .files("/static/", &parent.join("third"))
        .set("static.check_interval", "50ms")
        .start();
    let mut client = sideman.connect();
    until(&mut client, "/static/a.css", "second");
    // Like a mounted volume, or a release that is being copied.
    parent.write("first/a.css", "first");
    until(&mut client, "/static/a.css", "first");
    fs::rename(parent.join("first"), parent.join("gone")).unwrap();
    until(&mut client, "/static/a.css", "second");
}
