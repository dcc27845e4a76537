//! Unusual names, and hidden names.

use std::{ffi::OsStr, fmt::Write as _, fs, os::unix::ffi::OsStrExt as _};

use super::Site;

/// Every byte encoded, so that nothing depends on which bytes may be unencoded.
fn encoded(name: &[u8]) -> String {
    name.iter().fold("/static/".to_owned(), |mut target, byte| {
        let _ = write!(target, "%{byte:02X}");
        target
    })
}

#[test]
fn every_valid_file_name_is_served() {
    let site = Site::with(&[]);
    let longest = [b'n'; 255];
    let names: Vec<&[u8]> = vec![
        b"\xff\xfe.css",
        b"caf\xe9.txt",
        "caf\u{e9}.txt".as_bytes(),
        // The same letter in decomposed form is another name.
        "cafe\u{301}.txt".as_bytes(),
        b"a b.txt",
        b"100%.txt",
        b"100%25.txt",
        b"a+b.txt",
        b"q?.txt",
        b"frag#ment.txt",
        b"back\\slash.txt",
        b"..\\up.txt",
        b"new\nline.txt",
        b"car\rriage.txt",
        b"tab\t.txt",
        b"\x01\x1f\x7f",
        b"quote\"'<>&.txt",
        b"...",
        b".txt",
        b"~tilde",
        b" ",
        b"-",
        b"semi;colon,comma",
        b"a=b&c",
        "\u{1f600}.png".as_bytes(),
        &longest,
    ];
    let mut client = site.sideman.connect();
    for name in names {
        let shown = name.escape_ascii().to_string();
        let content = [b"this is ", name].concat();
        fs::write(site.directory.path().join(OsStr::from_bytes(name)), &content).unwrap();
        let response = client.get(&encoded(name));
        // Names that begin with a dot are hidden.
        if name.starts_with(b".") {
            assert_eq!(response.status, 404, "{shown}");
            continue;
        }
        assert_eq!(response.status, 200, "{shown}");
        assert!(response.body == content, "{shown}: {}", response.text());
    }
    // Every name is logged, in a line of valid JSON.
    site.sideman.log_line("new line", |line| {
        line["path"] == "/static/%6E%65%77%0A%6C%69%6E%65%2E%74%78%74"
    });
}

#[test]
fn impossible_file_names_are_404() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    let (long, deep) = ("n".repeat(256), "d/".repeat(2500));
    for name in [long.as_str(), &deep, &format!("{deep}a.css"), &"n".repeat(5000)] {
        let response = client.get(&format!("/static/{name}"));
        assert_eq!(response.status, 404, "{} bytes", name.len());
    }
    assert_eq!(client.get("/static/alphabet.txt").status, 200);
}

#[test]
fn dotfiles_are_hidden_and_well_known_is_shown() {
    let site = Site::with(&[
        (".env", b"SECRET"),
        (".well-known/security.txt", b"Contact: us"),
        (".well-known/deep/file.txt", b"deep"),
        (".well-known/.hidden", b"SECRET"),
        (".well-known.txt", b"SECRET"),
        ("docs/.well-known/file.txt", b"SECRET"),
        ("docs/.git/config", b"SECRET"),
        (".git/.well-known/config", b"SECRET"),
        ("docs/.htaccess", b"SECRET"),
        ("docs/..data/file", b"SECRET"),
        ("dot.in.the.middle", b"shown"),
        ("at-the-end.", b"shown"),
    ]);
    let mut client = site.sideman.connect();
    for (name, text) in [
        (".well-known/security.txt", "Contact: us"),
        ("%2Ewell-known/security.txt", "Contact: us"),
        (".well-known/deep/file.txt", "deep"),
        ("dot.in.the.middle", "shown"),
        ("at-the-end.", "shown"),
    ] {
        let response = client.get(&format!("/static/{name}"));
        assert_eq!((response.status, response.text().as_str()), (200, text), "{name}");
    }
    for name in [
        ".env",
        "%2eenv",
        ".well-known/.hidden",
        ".well-known.txt",
        ".well-known",
        "docs/.well-known/file.txt",
        "docs/.git/config",
        "docs/%2Egit/config",
        "docs%2F.git%2Fconfig",
        ".git/.well-known/config",
        ".well-known/../.git/.well-known/config",
        "docs/.htaccess",
        "docs/..data/file",
    ] {
        for method in ["GET", "HEAD"] {
            let response = client.ask(method, &format!("/static/{name}"), "");
            assert_eq!(response.status, 404, "{name}");
            assert!(!response.text().contains("SECRET"), "{name}");
        }
    }
}
