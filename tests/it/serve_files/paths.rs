//! Which paths lead to a file, and which must not.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{ALPHABET, Site};
use crate::support::{Client, Settings, TempDir};

#[test]
fn names_are_decoded_once() {
    let site = Site::with(&[
        ("a b.txt", b"space"),
        ("\u{fc}.txt", b"umlaut"),
        ("100%25.txt", b"percent"),
        ("q?.txt", b"question"),
        ("a+b.txt", b"plus"),
        ("dir/file.txt", b"below"),
    ]);
    let mut client = site.sideman.connect();
    for (target, body) in [
        ("/static/a%20b.txt", "space"),
        ("/static/%C3%BC.txt", "umlaut"),
        ("/static/%c3%bc.txt", "umlaut"),
        ("/static/100%2525.txt", "percent"),
        ("/static/q%3F.txt", "question"),
        ("/static/a+b.txt", "plus"),
        ("/static/%61lphabet.txt", ALPHABET),
        ("/static/alphabet.txt?v=1", ALPHABET),
        ("/static/alphabet.txt?", ALPHABET),
        ("/static/dir/file.txt", "below"),
        ("/static/dir%2ffile.txt", "below"),
        ("/static/dir/../alphabet.txt", ALPHABET),
        ("/static/./dir//file.txt", "below"),
    ] {
        let response = client.get(target);
        assert_eq!((response.status, response.text().as_str()), (200, body), "{target}");
    }
}

#[test]
fn unservable_file_is_404() {
    let site = Site::with(&[
        (".env", b"SECRET"),
        (".git/config", b"SECRET"),
        ("dir/.hidden.css", b"SECRET"),
        ("dir/file.txt", b"below"),
        ("staticfiles.json", b"SECRET"),
    ]);
    let fifo = site.directory.join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut client = site.sideman.connect();
    for target in [
        "/static/.env",
        "/static/%2Eenv",
        "/static/.git/config",
        "/static/dir/.hidden.css",
        "/static/staticfiles.json",
        "/static/staticfiles%2Ejson",
        "/static/dir/../staticfiles.json",
        "/static//staticfiles.json?v=1",
        "/static/none.css",
        "/static/alphabet.txt/",
        "/static/alphabet.txt/more",
        "/static/Alphabet.txt",
        "/static/",
        "/static/dir",
        "/static/dir/",
        // Opening it would block until there is a writer.
        "/static/fifo",
    ] {
        let response = client.get(target);
        assert_eq!(response.status, 404, "{target}");
        assert!(!response.text().contains("SECRET"), "{target}");
    }
}

#[test]
fn cacheable_404_page_has_no_request_id() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    for (name, caching, names_it) in
        [("none.css", "public, max-age=5", false), ("none.0123456789ab.css", "no-store", true)]
    {
        let id = "X-Request-ID: the-id\r\n";
        let response = client.ask("GET", &format!("/static/{name}"), id);
        assert_eq!((response.status, response.header("cache-control")), (404, Some(caching)));
        // The header has the id of this response, as everywhere.
        assert_eq!(response.header("x-request-id"), Some("the-id"), "{name}");
        assert_eq!(response.text().contains("the-id"), names_it, "{name}");
    }
}

#[test]
fn nothing_outside_the_directory_is_reached() {
    let outside = TempDir::new();
    let secret = outside.write("secret.txt", "SECRET");
    outside.write("site/inside.txt", "inside");
    outside.write("site-next/secret.txt", "SECRET");
    let directory = outside.join("site");
    symlink(&secret, directory.join("link.txt")).unwrap();
    symlink("../secret.txt", directory.join("relative.txt")).unwrap();
    symlink(outside.path(), directory.join("up")).unwrap();
    symlink("/etc", directory.join("etc")).unwrap();
    symlink("loop", directory.join("loop")).unwrap();
    symlink("inside.txt", directory.join("good-link.txt")).unwrap();
    let application = crate::support::App::saying("from the application");
    let sideman = Settings::before(&application.url()).files("/static/", &directory).start();

    for target in [
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/%2E%2E/secret.txt",
        "/static/.%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e%2fsecret.txt",
        "/static/%252e%252e/secret.txt",
        "/static/x/../../secret.txt",
        "/static/../site-next/secret.txt",
        "/static/..\\secret.txt",
        "/static/..%5csecret.txt",
        "/static/%c0%ae%c0%ae/secret.txt",
        "/static/....//secret.txt",
        "/static/link.txt",
        "/static/relative.txt",
        "/static/up/secret.txt",
        "/static/up/site/inside.txt",
        "/static/etc/passwd",
        "/static/loop",
        "/static//etc/passwd",
        "/static/inside.txt%00.css",
        "/static/%00",
        "/static/%",
        "/static/%zz",
        "/static/../../../../../../../../etc/passwd",
    ] {
        let mut client = Client::connect(sideman.address());
        let response = client.get(target);
        let text = response.text();
        assert!(!text.contains("SECRET") && !text.contains("root:"), "{target}: {text}");
        // A path that leaves the prefix may go to the application.
        let is_elsewhere = text == "from the application";
        assert!(is_elsewhere || matches!(response.status, 400 | 404), "{target}: {response:?}");
    }
    // A link that stays inside is served like other files.
    assert_eq!(sideman.get("/static/good-link.txt").text(), "inside");
}
