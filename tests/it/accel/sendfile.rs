//! X-Sendfile: paths in the file system.

use std::{fs, path::Path};

use super::{SECRET, Site, TEXT, assert_silent};
use crate::support::{Settings, TempDir};

fn sendfile(path: impl AsRef<Path>) -> String {
    format!("X-Sendfile: {}", path.as_ref().display())
}

#[test]
fn files_below_any_directory_are_sent() {
    let site = Site::with(&[
        ("protected/100%25.txt", b"escape"),
        ("protected/q?.txt", b"question"),
        ("protected/dir/file.txt", b"below"),
        ("media/m.txt", b"media"),
        ("static/s.txt", b"static"),
    ]);
    for (name, body) in [
        ("protected/a.txt", TEXT),
        ("protected/100%25.txt", "escape"),
        ("protected/q?.txt", "question"),
        ("protected/dir/file.txt", "below"),
        ("protected//dir/./file.txt", "below"),
        ("media/m.txt", "media"),
        ("static/s.txt", "static"),
    ] {
        let response = site.get(sendfile(site.directory.join(name)));
        assert_eq!((response.status, response.text().as_str()), (200, body), "{name}");
        assert_silent(&response);
    }
    site.sideman.until_metric("sideman_accel_total", &[("result", "sent")], 7.0);
}

#[test]
fn others_are_not() {
    let site = Site::with(&[
        ("protected-next/a.txt", b"SECRET"),
        ("protected/.env", b"SECRET"),
        ("protected/b.txt", b"b"),
    ]);
    let inside = |name: &str| format!("X-Sendfile: {}/{name}", site.directory.path().display());
    for (said, status) in [
        (inside("secret.txt"), 502),
        (inside("protected/../secret.txt"), 502),
        (inside("protected/dir/../a.txt"), 502),
        (inside("protected-next/a.txt"), 502),
        (inside("protected"), 502),
        (sendfile("/etc/passwd"), 502),
        (sendfile("protected/a.txt"), 502),
        (sendfile("/protected/a.txt"), 502),
        (sendfile(""), 502),
        (inside("protected/"), 404),
        (inside("protected/none.txt"), 404),
        (inside("protected/.env"), 404),
        // No escapes here.
        (inside("protected/%62.txt"), 404),
        (inside("protected/%2e%2e/secret.txt"), 404),
    ] {
        let response = site.get(&said);
        let text = response.text();
        assert_eq!(response.status, status, "{said}: {text}");
        assert!(!text.contains(SECRET) && !text.contains("root:"), "{said}: {text}");
        assert_silent(&response);
    }
    site.sideman.until_metric("sideman_accel_total", &[("result", "refused")], 9.0);
    site.sideman.until_metric("sideman_accel_total", &[("result", "missing")], 5.0);
    let event = site.sideman.event("accel_refused");
    assert!(event.contains("secret.txt") && event.contains("accel.roots"), "{event}");
}

#[test]
fn directories_of_the_settings_may_be_relative() {
    // The program starts in the directory of the tests.
    let beside = TempDir::new();
    let working = std::env::current_dir().unwrap();
    let up = "../".repeat(working.components().count() - 1);
    let relative = format!("{up}{}", beside.path().strip_prefix("/").unwrap().display());
    let file = beside.write("a.txt", TEXT);
    let application = super::obedient();
    let sideman =
        Settings::before(&application.url()).args(&["--accel", &format!("/p/={relative}")]).start();
    let response = sideman.get(&super::path(sendfile(file)));
    assert_eq!((response.status, response.text().as_str()), (200, TEXT));
}

#[test]
fn the_file_comes_from_the_directory_that_was_named() {
    let (first, second) = (TempDir::new(), TempDir::new());
    let both = [first.write("both.txt", "first"), second.write("both.txt", "second")];
    let alone = second.write("alone.txt", "alone");
    let application = super::obedient();
    let root = |directory: &TempDir| format!("/p/={}", directory.path().display());
    let sideman = Settings::before(&application.url())
        .args(&["--accel", &root(&first), "--accel", &root(&second)])
        .start();
    let get = |file: &Path| {
        let response = sideman.get(&super::path(sendfile(file)));
        (response.status, response.text())
    };
    assert_eq!(get(&both[0]), (200, "first".into()));
    assert_eq!(get(&alone), (200, "alone".into()));
    // Never another file in its place.
    assert_eq!(get(&both[1]).0, 404);
    assert!(sideman.event("missing file").contains("an earlier directory"));
    assert_eq!(get(&first.join("alone.txt")).0, 404);
    fs::remove_file(&both[0]).unwrap();
    crate::support::eventually("the second file", || (get(&both[1]).1 == "second").then_some(()));
}

#[test]
fn the_redirect_wins_over_it() {
    let site = Site::with(&[("media/m.txt", b"media")]);
    let file = site.directory.join("protected/a.txt");
    let said = format!("{}\r\nX-Accel-Redirect: /media/m.txt", sendfile(file));
    let response = site.get(said);
    assert_eq!(response.text(), "media");
    assert_silent(&response);
}
