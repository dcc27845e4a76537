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
fn paths_outside_the_directories_are_refused() {
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
        // Percent-encoding is not decoded here.
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
fn configured_directories_may_be_relative() {
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
fn file_comes_from_the_named_directory() {
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
    // Sideman never sends another file instead.
    assert_eq!(get(&both[1]).0, 404);
    assert!(
        sideman
            .event("the application named a file that does not exist")
            .contains("an earlier directory")
    );
    assert_eq!(get(&first.join("alone.txt")).0, 404);
    fs::remove_file(&both[0]).unwrap();
    crate::support::eventually("the second file", || (get(&both[1]).1 == "second").then_some(()));
}

#[test]
fn x_accel_redirect_wins_over_x_sendfile() {
    let site = Site::with(&[("media/m.txt", b"media")]);
    let file = site.directory.join("protected/a.txt");
    let said = format!("{}\r\nX-Accel-Redirect: /media/m.txt", sendfile(file));
    let response = site.get(said);
    assert_eq!(response.text(), "media");
    assert_silent(&response);
}

#[test]
fn name_beyond_ascii_is_found_however_it_is_sent() {
    let names = ["\u{fc}ber 100%.txt", "\u{17c}\u{f3}\u{142}w.txt"];
    let beside = TempDir::new();
    for name in names {
        beside.write(&format!("m\u{e9}dias/{name}"), name);
    }
    let directory = beside.join("m\u{e9}dias");
    let application = super::obedient();
    let root = format!("/p/={}", directory.display());
    let sideman = Settings::before(&application.url()).args(&["--accel", &root]).start();
    let latin1 = |text: &str| -> Vec<u8> {
        text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
    };
    let escaped = |bytes: &[u8], mark: char| -> String {
        let escape = |byte: &u8| match byte {
            b'/' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*byte).to_string(),
            other => format!("{mark}{other:02X}"),
        };
        bytes.iter().map(escape).collect()
    };
    for name in names {
        let path = directory.join(name).display().to_string();
        let mut values = vec![
            path.clone().into_bytes(),
            format!("=?utf-8?q?{}?=", escaped(path.as_bytes(), '=')).into_bytes(),
            escaped(path.as_bytes(), '%').into_bytes(),
        ];
        if name.starts_with('\u{fc}') {
            values.push(latin1(&path));
            values.push(escaped(&latin1(&path), '%').into_bytes());
        }
        for value in values {
            let said = [b"X-Sendfile: ", &value[..]].concat();
            let response = sideman.get(&super::path(said));
            let shown = value.escape_ascii().to_string();
            assert_eq!((response.status, response.text().as_str()), (200, name), "{shown}");
            assert_silent(&response);
        }
    }
    // A missing file is reported with the searched path; a name that leads outside is refused in each form.
    let latin =
        [&b"X-Sendfile: "[..], &latin1(&format!("{}/\u{e8}", directory.display()))].concat();
    assert_eq!(sideman.get(&super::path(latin)).status, 404);
    assert!(
        sideman
            .event("the application named a file that does not exist")
            .contains("m\u{e9}dias/\u{e8}")
    );
    for climbing in ["/../secret", "/%2e%2e/secret\u{fc}", "/x/%2E%2E/%2e%2e/\u{fc}"] {
        let said = format!("X-Sendfile: {}{climbing}", directory.display());
        let status = sideman.get(&super::path(said)).status;
        assert!(status == 404 || status == 502, "{climbing}: {status}");
    }
}
