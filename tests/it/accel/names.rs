//! Which file a path in X-Accel-Redirect names, and which files it must not reach.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
};

use super::{SECRET, Site, TEXT, assert_silent};

fn redirect(path: impl AsRef<[u8]>) -> Vec<u8> {
    [b"X-Accel-Redirect: ", path.as_ref()].concat()
}

#[test]
fn decoded_name_is_tried_before_the_literal_one() {
    let site = Site::with(&[
        ("protected/a b.txt", b"space"),
        ("protected/x y.txt", b"decoded"),
        ("protected/x%20y.txt", b"literal"),
        ("protected/100%.txt", b"percent"),
        ("protected/50%25.txt", b"escape"),
        ("protected/q?.txt", b"question"),
        ("protected/a+b.txt", b"plus"),
        ("protected/\u{fc}.txt", b"umlaut"),
        ("protected/dir/file.txt", b"below"),
        ("media/m.txt", b"media"),
        ("static/s.txt", b"static"),
    ]);
    let latin = site.directory.join("protected").join(OsStr::from_bytes(b"\xfc.txt"));
    fs::write(latin, "latin").unwrap();
    let cases = [
        (&b"/protected/a.txt"[..], TEXT),
        (b"/protected/a%20b.txt", "space"),
        (b"/protected/a b.txt", "space"),
        (b"/protected/x%20y.txt", "decoded"),
        (b"/protected/x%2520y.txt", "literal"),
        (b"/protected/100%.txt", "percent"),
        (b"/protected/100%25.txt", "percent"),
        (b"/protected/100%.txt?token=1", "percent"),
        (b"/protected/50%25.txt", "escape"),
        (b"/protected/50%2525.txt", "escape"),
        (b"/protected/q?.txt", "question"),
        (b"/protected/q%3F.txt", "question"),
        (b"/protected/a.txt?token=1", TEXT),
        (b"/protected/a.txt?next=/../../x", TEXT),
        (b"/protected/a+b.txt", "plus"),
        (b"/protected/\xc3\xbc.txt", "umlaut"),
        (b"/protected/%C3%BC.txt", "umlaut"),
        (b"/protected/\xfc.txt", "latin"),
        (b"/protected/%fc.txt", "latin"),
        (b"/protected/dir/file.txt", "below"),
        (b"/protected/dir%2Ffile.txt", "below"),
        (b"/protected//dir/./file.txt", "below"),
        (b"/protected/dir/../a.txt", TEXT),
        (b"/%70rotected/a.txt", TEXT),
        (b"/media/m.txt", "media"),
        (b"/static/s.txt", "static"),
    ];
    for (value, body) in cases {
        let response = site.get(redirect(value));
        let shown = value.escape_ascii().to_string();
        assert_eq!((response.status, response.text().as_str()), (200, body), "{shown}");
        assert_silent(&response);
    }
    site.sideman.until_metric(
        "sideman_accel_total",
        &[("result", "sent")],
        f64::from(cases.len() as u32),
    );
}

#[test]
fn the_longest_prefix_decides() {
    let files = [("protected/b/x.txt", &b"outer"[..]), ("inner/x.txt", b"inner")];
    let directory = crate::support::TempDir::new();
    for (name, content) in files {
        directory.write(name, content);
    }
    let application = super::obedient();
    let inner = format!("/protected/b/={}", directory.join("inner").display());
    let sideman =
        super::settings(&application.url(), &directory).args(&["--accel", &inner]).start();
    for path in ["/protected/b/x.txt", "/protected//b/x.txt", "/protected/a/../b/x.txt"] {
        let response = sideman.get(&super::path(redirect(path)));
        assert_eq!((response.status, response.text().as_str()), (200, "inner"), "{path}");
    }
}

#[test]
fn path_below_no_prefix_is_refused() {
    let site = Site::with(&[("static/s.txt", b"static")]);
    let cases = [
        &b"/etc/passwd"[..],
        b"/secret.txt",
        b"/protected/../etc/passwd",
        b"/protected/../secret.txt",
        b"/protected/%2e%2e/secret.txt",
        b"/protected/%2E%2E%2Fsecret.txt",
        b"/protected/..%2fsecret.txt",
        b"/protected/.%2e/secret.txt",
        b"/protected/a/../../secret.txt",
        b"/protected/../../../../../../etc/passwd",
        b"/protected/..",
        b"/protected/../static/s.txt",
        b"/static/../protected/a.txt",
        b"//protected/a.txt",
        b"/protected",
        b"/protectedly/a.txt",
        b"protected/a.txt",
        b"@protected",
        b"http://127.0.0.1/protected/a.txt",
        b"=?utf-8?b?L3NlY3JldC50eHQ=?=",
        b"=?utf-8?b?L3Byb3RlY3RlZC8uLi9zZWNyZXQudHh0?=",
        b"=?utf-8?b?L3Byb3RlY3RlZC9hLnR4dA?",
        b"=?utf-16?b?L3Byb3RlY3RlZC9hLnR4dA==?=",
        b"",
        b"\xff",
    ];
    for value in cases {
        let response = site.get(redirect(value));
        let (shown, text) = (value.escape_ascii().to_string(), response.text());
        assert_eq!(response.status, 502, "{shown}: {text}");
        assert!(!text.contains(SECRET) && !text.contains("root:"), "{shown}: {text}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{shown}");
        assert_silent(&response);
    }
    site.sideman.until_metric(
        "sideman_accel_total",
        &[("result", "refused")],
        f64::from(cases.len() as u32),
    );
    let line = site.sideman.log_line("refused", |line| line["status"] == 502);
    assert_eq!((&line["error"], &line["route"]), (&"accel_refused".into(), &"accel".into()));
}

#[test]
fn refused_name_is_logged_with_advice() {
    for (value, parts) in [
        (
            "/other/a.txt",
            &["X-Accel-Redirect: /other/a.txt", "accel.roots", "--accel PREFIX=DIR"][..],
        ),
        ("@named", &["@named", "accel.roots", "named locations"]),
        ("https://bucket.test/a", &["https://bucket.test/a", "other servers are not supported"]),
        ("/protected/../x", &["/protected/../x", "leaves its prefix"]),
        ("=?windows-1252?q?/protected/=FC?=", &["MIME", "urllib.parse.quote"]),
    ] {
        let site = Site::with(&[]);
        assert_eq!(site.get(redirect(value)).status, 502);
        let event = site.sideman.event("accel_refused");
        for part in parts {
            assert!(event.contains(part), "{part:?} in {event}");
        }
    }
}

#[test]
fn unservable_file_is_missing() {
    let site = Site::with(&[
        ("protected/.env", b"SECRET"),
        ("protected/.git/config", b"SECRET"),
        ("protected/dir/.hidden", b"SECRET"),
        ("protected/dir/staticfiles.json", b"SECRET"),
        ("protected/%2e%2e/x", b"x"),
    ]);
    let link = site.directory.join("protected/link.txt");
    symlink(site.directory.join("secret.txt"), link).unwrap();
    let cases = [
        "/protected/none.txt",
        "/protected/",
        "/protected/dir",
        "/protected/dir/",
        "/protected/a.txt/",
        "/protected/a.txt/b",
        "/protected/.env",
        "/protected/%2Eenv",
        "/protected/.git/config",
        "/protected/dir/.hidden",
        "/protected/dir/staticfiles.json",
        "/protected/link.txt",
        "/protected/%252e%252e/secret.txt",
        "/protected/..\\secret.txt",
        "/protected/a.txt%00",
        "/protected/%zz",
        "/media/none.txt",
    ];
    for path in cases {
        let response = site.get(redirect(path));
        let text = response.text();
        assert_eq!(response.status, 404, "{path}: {text}");
        assert!(!text.contains(SECRET), "{path}: {text}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        assert_silent(&response);
    }
    site.sideman.until_metric(
        "sideman_accel_total",
        &[("result", "missing")],
        f64::from(cases.len() as u32),
    );
    let event = site.sideman.event("the application named a file that does not exist");
    assert!(event.contains("/protected/none.txt"), "{event}");
}

#[test]
fn new_file_is_found() {
    let site = Site::with(&[]);
    let said = redirect("/protected/late.txt");
    assert_eq!(site.get(&said).status, 404);
    site.directory.write("protected/late.txt", "here");
    crate::support::eventually("the new file", || (site.get(&said).text() == "here").then_some(()));
}

#[test]
fn internal_files_are_not_served_directly() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE"] {
        for target in [
            "/protected/a.txt",
            "/protected/",
            "/protected/none.txt",
            "/%70rotected/a.txt",
            "/x/../protected/a.txt",
            "//protected//a.txt",
            "/protected/a.txt?X-Accel-Redirect=/protected/a.txt",
        ] {
            let response = client.ask(method, target, "X-Accel-Redirect: /protected/a.txt\r\n");
            assert_eq!(response.status, 404, "{method} {target}");
            assert!(!response.text().contains(TEXT), "{method} {target}");
        }
    }
    assert_eq!(site.application.requests(), 0);
}

/// Django sends a name in Latin-1 if possible, else as MIME; an already encoded name is sent unchanged.
#[test]
fn name_beyond_ascii_is_found_however_it_is_sent() {
    let site = Site::with(&[
        ("protected/\u{fc}ber 100%.txt", b"latin"),
        ("protected/\u{17c}\u{f3}\u{142}w.txt", b"beyond"),
        ("protected/\u{17c}/\u{fc}.txt", b"below"),
    ]);
    let cases: [(&[u8], &str); 12] = [
        // As Django sends them: Latin-1, then MIME.
        (b"/protected/\xfcber 100%.txt", "latin"),
        (b"=?utf-8?b?L3Byb3RlY3RlZC/FvMOzxYJ3LnR4dA==?=", "beyond"),
        (b"=?utf-8?q?/protected/=C5=BC=C3=B3=C5=82w=2Etxt?=", "beyond"),
        (b"=?UTF-8?Q?/protected/=c5=bc/=c3=bc.txt?=", "below"),
        (b"=?utf-8?b?L3Byb3RlY3RlZC/FvMOz?= =?utf-8?b?xYJ3LnR4dA==?=", "beyond"),
        (b"=?iso-8859-1?q?/protected/=FCber_100%.txt?=", "latin"),
        // An application that encodes sends UTF-8, percent-encoded.
        ("/protected/\u{fc}ber 100%.txt".as_bytes(), "latin"),
        ("/protected/\u{17c}\u{f3}\u{142}w.txt".as_bytes(), "beyond"),
        (b"/protected/%C3%BCber%20100%25.txt", "latin"),
        (b"/protected/%C5%BC%C3%B3%C5%82w.txt", "beyond"),
        (b"/protected/%c5%bc/%c3%bc.txt", "below"),
        (b"/protected/%FCber%20100%25.txt", "latin"),
    ];
    for (value, body) in cases {
        let shown = value.escape_ascii().to_string();
        let response = site.get(redirect(value));
        assert_eq!((response.status, response.text().as_str()), (200, body), "{shown}");
        assert_silent(&response);
    }
}

#[test]
fn missing_file_is_named_with_every_path_that_was_looked_for() {
    for (value, parts) in [
        (
            &b"/protected/\xfc.txt"[..],
            &[r"X-Accel-Redirect: /protected/\xfc.txt", r"/\xfc.txt, ", "/\u{fc}.txt"][..],
        ),
        (b"=?utf-8?b?L3Byb3RlY3RlZC/FvC50eHQ=?=", &["=?utf-8?b?", "protected/\u{17c}.txt"]),
        (b"/protected/a%20b.txt", &["protected/a b.txt", "protected/a%20b.txt"]),
    ] {
        let site = Site::with(&[]);
        assert_eq!(site.get(redirect(value)).status, 404);
        let event = site.sideman.event("the application named a file that does not exist");
        let directory = site.directory.path().display().to_string();
        for part in parts.iter().chain([&directory.as_str(), &"looked_for="]) {
            assert!(event.contains(part), "{part:?} in {event}");
        }
    }
}

#[test]
fn file_system_path_is_distinguished_from_an_unknown_prefix() {
    // django-sendfile2 sends this with its nginx backend while SENDFILE_URL is not set.
    let site = Site::with(&[]);
    let path = site.directory.join("protected/a.txt").display().to_string();
    assert_eq!(site.get(redirect(path)).status, 502);
    let event = site.sideman.event("accel_refused");
    assert!(event.contains("SENDFILE_URL") && event.contains("X-Sendfile"), "{event}");
}
