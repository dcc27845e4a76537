//! Whether the files in a manifest exist and match their hashes: verified in the
//! background, reported once, and counted.

use std::{fmt::Write as _, time::Duration};

use md5::{Digest as _, Md5};

use super::{IMMUTABLE, Site, manifest_of};
use crate::support::{ReservedPort, Settings, Sideman, TempDir, eventually, repeat_for};

/// The name that Django gives to this content.
fn hashed(stem: &str, content: &str) -> String {
    let digest = Md5::digest(content);
    let hash = digest.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("{stem}.{hash}.css")
}

#[track_caller]
fn until_faults(sideman: &Sideman, missing: f64, mismatched: f64) {
    let name = "sideman_manifest_faults_total";
    sideman.until_metric(name, &[("fault", "missing")], missing);
    sideman.until_metric(name, &[("fault", "mismatched")], mismatched);
}

fn count(events: &[String], part: &str) -> usize {
    events.iter().filter(|line| line.contains(part)).count()
}

const MISSING: &str = "files listed in staticfiles.json are missing";
const MISMATCHED: &str = "contents of files do not match the hashes in their names";
const GOOD: &str = "manifest verified";

#[test]
fn good_manifest_is_logged_at_start() {
    let (one, other) = (hashed("one", "1"), hashed("deep/other", "2"));
    let manifest = manifest_of(&[("one.css", &one), ("deep/other.css", &other)]);
    let files: &[(&str, &[u8])] =
        &[(&one, b"1"), (&other, b"2"), ("staticfiles.json", manifest.as_bytes())];
    let site = Site::with(files);
    // No file has been requested.
    let event = site.sideman.event(GOOD);
    for part in ["INFO", "listed=2", "checked=2", "prefix=\"/static/\""] {
        assert!(event.contains(part), "{part} in {event}");
    }
    until_faults(&site.sideman, 0.0, 0.0);
}

#[test]
fn manifest_faults_are_reported_once_at_start() {
    let (good, wrong) = (hashed("good", "good"), hashed("wrong", "right"));
    let manifest = manifest_of(&[
        ("good.css", &good),
        ("wrong.css", &wrong),
        ("gone.css", "gone.0123456789ab.css"),
        ("deep/gone.css", "deep/gone.0123456789ab.css"),
    ]);
    let files: &[(&str, &[u8])] =
        &[(&good, b"good"), (&wrong, b"wrong"), ("staticfiles.json", manifest.as_bytes())];
    let site = Site::with(files);
    until_faults(&site.sideman, 2.0, 1.0);
    let missing = site.sideman.event(MISSING);
    for part in ["WARN", "gone.0123456789ab.css", "deep/gone.0123456789ab.css", "collectstatic"] {
        assert!(missing.contains(part), "{part} in {missing}");
    }
    let mismatched = site.sideman.event(MISMATCHED);
    assert!(mismatched.contains("WARN") && mismatched.contains(&wrong), "{mismatched}");
    assert!(!mismatched.contains(&good), "{mismatched}");

    // Further checks of the same manifest, every second, report nothing new.
    let mut client = site.sideman.connect();
    repeat_for(Duration::from_millis(2500), || {
        let response = client.get(&format!("/static/{good}"));
        assert_eq!(response.header("cache-control"), Some(IMMUTABLE));
    });
    until_faults(&site.sideman, 2.0, 1.0);
    drop(client);
    let (_, events) = site.sideman.stop_for_events();
    assert_eq!((count(&events, MISSING), count(&events, MISMATCHED)), (1, 1), "{events:#?}");
}

#[test]
fn changed_manifest_is_verified_again() {
    let good = hashed("good", "good");
    let first = manifest_of(&[("good.css", &good)]);
    let site = Site::with(&[(&good, b"good"), ("staticfiles.json", first.as_bytes())]);
    site.sideman.event(GOOD);
    let wrong = hashed("wrong", "right");
    site.directory.write(&wrong, "wrong");
    let second =
        manifest_of(&[("good.css", &good), ("w.css", &wrong), ("g.css", "g.0123456789ab.css")]);
    site.directory.write("staticfiles.json", second);
    // Requests for hashed names trigger the check.
    let mut client = site.sideman.connect();
    eventually("the faults of the second manifest", || {
        assert_eq!(client.get(&format!("/static/{good}")).status, 200);
        let faults = site.sideman.metric("sideman_manifest_faults_total", &[]);
        (faults == 2.0).then_some(())
    });
    until_faults(&site.sideman, 1.0, 1.0);
    // The faults are counted before they are reported.
    site.sideman.event(MISSING);
    site.sideman.event(MISMATCHED);
    drop(client);
    let (_, events) = site.sideman.stop_for_events();
    assert_eq!((count(&events, MISSING), count(&events, MISMATCHED)), (1, 1), "{events:#?}");
}

#[test]
fn new_manifest_is_verified_at_start() {
    // Like a container that collects and then starts: it must not wait for the file to be a second old.
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    directory.write("a.aaaaaaaaaaaa.css", "a");
    let settings = Settings::before(&application.url()).files("/static/", directory.path());
    directory.write("staticfiles.json", manifest_of(&[("g.css", "g.0123456789ab.css")]));
    let sideman = settings.start();
    until_faults(&sideman, 1.0, 0.0);
    let response = sideman.get("/static/a.aaaaaaaaaaaa.css");
    assert_eq!(response.header("cache-control"), Some("public, max-age=60"));
}

#[test]
fn each_directory_is_verified_with_its_own_manifest() {
    let (first, second, application) = (TempDir::new(), TempDir::new(), ReservedPort::new());
    let (new, old) = (hashed("new", "new"), hashed("old", "old"));
    first.write(&new, "new");
    first.write("staticfiles.json", manifest_of(&[("new.css", &new)]));
    second.write("staticfiles.json", manifest_of(&[("old.css", &old), ("new.css", &new)]));
    second.write(&old, "old");
    let sideman = Settings::before(&application.url())
        .files("/static/", first.path())
        .files("/static/", second.path())
        .start();
    // The second directory lacks files that only the first has.
    until_faults(&sideman, 1.0, 0.0);
    let event = sideman.event(MISSING);
    assert!(event.contains(&second.path().display().to_string()), "{event}");
    assert!(sideman.event(GOOD).contains(&first.path().display().to_string()));
    // Each manifest applies to its own directory.
    for name in [&new, &old] {
        let response = sideman.get(&format!("/static/{name}"));
        assert_eq!(response.header("cache-control"), Some(IMMUTABLE), "{name}");
    }
}
