//! `staticfiles.json`: if it exists, only its values are immutable; otherwise the
//! form of the name decides.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::{BRIEF, IMMUTABLE, Site, manifest_of};
use crate::support::{Client, eventually, repeat_for};

/// The names of the site, without a manifest: those of Django's form are immutable.
const LISTED: &str = "app.0123456789ab.css";
const LOOK_ALIKE: &str = "photo.aaaaaaaaaaaa.css";
const OTHER_FORM: &str = "bundle-7f3a.js";
const PLAIN: &str = "app.css";
const NAMES: [&str; 4] = [LISTED, LOOK_ALIKE, OTHER_FORM, PLAIN];

const BROKEN: &str = "cannot use the manifest";

/// A change to the tree is found within about a second; this allows for a busy machine.
const SOON: Duration = Duration::from_secs(6);

fn site(more: &[(&str, &[u8])]) -> Site {
    let files = NAMES.map(|name| (name, &b"content"[..]));
    Site::with(&[&files, more].concat())
}

/// Which of the four names are immutable.
#[track_caller]
fn immutable(client: &mut Client) -> [bool; 4] {
    NAMES.map(|name| {
        let response = client.get(&format!("/static/{name}"));
        let etag = response.header("etag").unwrap();
        let fresh =
            client.ask("GET", &format!("/static/{name}"), &format!("If-None-Match: {etag}\r\n"));
        assert_eq!((response.status, fresh.status), (200, 304), "{name}");
        match response.header("cache-control") {
            Some(IMMUTABLE) => true,
            Some(BRIEF) => false,
            other => panic!("{name}: {other:?}"),
        }
    })
}

#[track_caller]
fn until_immutable(client: &mut Client, what: &str, expected: [bool; 4]) {
    let begin = Instant::now();
    eventually(what, || (immutable(client) == expected).then_some(()));
    assert!(begin.elapsed() < SOON, "{what}: {:?}", begin.elapsed());
}

#[test]
fn only_manifest_values_are_immutable() {
    let manifest = manifest_of(&[("app.css", LISTED), ("bundle.js", OTHER_FORM)]);
    let site = site(&[("staticfiles.json", manifest.as_bytes())]);
    assert_eq!(immutable(&mut site.sideman.connect()), [true, false, true, false]);
}

#[test]
fn unhashed_name_in_the_manifest_is_not_immutable() {
    // A storage that hashes only some files lists the others under their own names.
    let manifest = manifest_of(&[(LISTED, LISTED), ("bundle.js", OTHER_FORM), (PLAIN, PLAIN)]);
    let site = site(&[("staticfiles.json", manifest.as_bytes())]);
    assert_eq!(immutable(&mut site.sideman.connect()), [false, false, true, false]);
}

#[test]
fn manifest_of_a_subdirectory_is_ignored() {
    let manifest = manifest_of(&[("bundle.js", OTHER_FORM)]);
    let site = site(&[("below/staticfiles.json", manifest.as_bytes())]);
    assert_eq!(immutable(&mut site.sideman.connect()), [true, true, false, false]);
}

#[test]
fn changed_manifest_changes_cache_headers() {
    let site = site(&[]);
    let mut client = site.sideman.connect();
    let by_form = [true, true, false, false];
    assert_eq!(immutable(&mut client), by_form);

    let manifest = |paths| site.directory.write("staticfiles.json", manifest_of(paths));
    manifest(&[("app.css", LISTED)]);
    until_immutable(&mut client, "a manifest that appears", [true, false, false, false]);
    manifest(&[("bundle.js", OTHER_FORM)]);
    until_immutable(&mut client, "one that changes", [false, false, true, false]);
    let temporary =
        site.directory.write("new.json", manifest_of(&[("app.css", LISTED), ("p", LOOK_ALIKE)]));
    fs::rename(temporary, site.directory.join("staticfiles.json")).unwrap();
    until_immutable(&mut client, "one that is replaced", [true, true, false, false]);
    manifest(&[]);
    until_immutable(&mut client, "an empty one", [false; 4]);
    site.directory.write("staticfiles.json", "{\"paths\": {");
    until_immutable(&mut client, "a broken one", by_form);
    manifest(&[("bundle.js", OTHER_FORM)]);
    until_immutable(&mut client, "one that is mended", [false, false, true, false]);
    fs::remove_file(site.directory.join("staticfiles.json")).unwrap();
    until_immutable(&mut client, "one that is gone", by_form);
}

#[test]
fn broken_manifest_is_reported_once() {
    let cases = [
        (r#"{"version": "1.1", "paths": {"#, "collectstatic"),
        ("", "not JSON"),
        (r#"{"version": "9", "paths": {}}"#, "version"),
        (r#"{"version": "1.1"}"#, "paths"),
        (r#"{"version": "1.1", "paths": ["app.css"]}"#, "paths"),
    ];
    let sites = cases.map(|(text, _)| site(&[("staticfiles.json", text.as_bytes())]));
    // It is checked again every second, and is unchanged.
    repeat_for(Duration::from_millis(2500), || {
        for site in &sites {
            assert_eq!(immutable(&mut site.sideman.connect()), [true, true, false, false]);
        }
    });
    for ((text, told), site) in cases.into_iter().zip(sites) {
        let event = site.sideman.event(BROKEN);
        assert!(event.contains("WARN") && event.contains(told), "{text}: {event}");
        assert!(event.contains(&site.directory.path().display().to_string()), "{event}");
        let (code, events) = site.sideman.stop_for_events();
        let told = events.iter().filter(|line| line.contains(BROKEN)).count();
        assert_eq!((code, told), (Some(0), 1), "{text}: {events:#?}");
    }
}

#[test]
fn large_manifest_stalls_no_request() {
    // Reading it takes a while. File requests wait for it; the worker does not.
    let name = |number| (format!("a/{number}.css"), format!("a/{number}.0123456789ab.css"));
    let names: Vec<(String, String)> = (0..200_000).map(name).collect();
    let paths: Vec<(&str, &str)> =
        names.iter().map(|(name, hashed)| (name.as_str(), hashed.as_str())).collect();
    let manifest = manifest_of(&paths);
    let files: &[(&str, &[u8])] =
        &[("a.0123456789ab.css", b"a"), ("b.css", b"b"), ("staticfiles.json", manifest.as_bytes())];
    // On a busy machine the test's thread sees the responses late.
    assert!((0..5).any(|_| is_overtaken(files)), "health checks came after the files five times");
}

/// Whether health checks get a response before files, whose manifest is read meanwhile.
fn is_overtaken(files: &[(&str, &[u8])]) -> bool {
    let site = Site::set(files, |settings| settings.set("server.workers", "1"));
    let ask = |name: &str| {
        let mut client = site.sideman.connect();
        client.send(format!("GET {name} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
        client
    };
    thread::scope(|scope| {
        let mut first = ask("/static/a.0123456789ab.css");
        let first = scope.spawn(move || (first.response(), Instant::now()));
        let mut second = ask("/static/b.css");
        let second = scope.spawn(move || (second.response(), Instant::now()));
        for _ in 0..10 {
            assert_eq!(ask("/healthz").response().status, 503, "the application is unavailable");
        }
        let healthy = Instant::now();
        let (first, second) = (first.join().unwrap(), second.join().unwrap());
        assert_eq!((first.0.text(), second.0.text()), ("a".to_owned(), "b".to_owned()));
        // The request waited for the manifest: the name has the form, and is not in it.
        assert_eq!(first.0.header("cache-control"), Some(BRIEF));
        healthy < first.1 && healthy < second.1
    })
}

#[test]
fn manifest_is_not_served() {
    let secret = manifest_of(&[("secret.css", "secret.0123456789ab.css")]);
    let names = [
        "staticfiles.json",
        "below/staticfiles.json",
        "staticfiles.json.gz",
        "staticfiles.json.br",
        "below/staticfiles.json.zst",
    ];
    let site = site(&names.map(|name| (name, secret.as_bytes())));
    let mut client = site.sideman.connect();
    for name in names.into_iter().chain(["below/../staticfiles.json", "below/staticfiles%2Ejson"]) {
        for fields in ["", "Accept-Encoding: gzip, br, zstd\r\n", "Range: bytes=0-9\r\n"] {
            let response = client.ask("GET", &format!("/static/{name}"), fields);
            assert_eq!(response.status, 404, "{name}");
            assert!(!response.text().contains("secret"), "{name}");
        }
    }
}
