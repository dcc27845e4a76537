//! Objects that the cache keeps.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{S3, Site, assert_clean, error, object, response, signed};
use crate::support::{
    App, Client, Django, Gate, Origin, ReservedPort, Response, Settings, TempDir, eventually_is,
    expect, pattern, send, until_closed,
};

const KEY: &str = "a-secret-key-of-the-application-that-is-long";
/// A link as in docs/files.md.
const SIGN: &str = r#"
import sys
from django.conf import settings
from django.core.signing import TimestampSigner
settings.configure(SECRET_KEY=sys.argv[1])
path = "/media/a.txt"
print(f"{path}?signature={TimestampSigner(salt='sideman.media').sign(path).removeprefix(path + ':')}")
"#;

const KEPT: &str = "ETag: \"e\"\r\nCache-Control: max-age=600\r\n";

/// Sideman with the bucket at `/media/`, and a cache.
fn cached(s3: &S3) -> Site {
    cached_with(s3, |settings| settings)
}

fn cached_with(s3: &S3, more: impl FnOnce(Settings) -> Settings) -> Site {
    s3.site_with(|settings| more(settings.set("cache.memory", "64MiB")))
}

#[track_caller]
fn assert_status(response: &Response, word: &str) {
    let status = response.header("cache-status").expect("a Cache-Status");
    assert!(status.contains(word), "{status}");
}

#[test]
fn object_is_requested_once_for_everyone() {
    let s3 = S3::saying(&format!("{KEPT}Content-Type: image/png\r\n"), b"0123456789");
    let site = cached(&s3);
    let first = site.sideman.get("/media/a.png");
    assert_eq!(first.text(), "0123456789");
    assert_status(&first, "stored");
    // Cookies, credentials and the query do not reach the bucket.
    for fields in
        ["Cookie: sessionid=1\r\n", "Authorization: Basic a\r\n", "Accept-Language: de\r\n"]
    {
        let hit = site.sideman.connect().ask("GET", "/media/a.png?v=2", fields);
        assert_eq!((hit.status, hit.text().as_str()), (200, "0123456789"), "{fields}");
        assert_status(&hit, "hit");
        assert_clean(&hit);
        for name in ["etag", "content-type", "cache-control", "accept-ranges"] {
            assert_eq!(hit.header(name), first.header(name), "{name}");
        }
        let policy = "content-security-policy";
        assert_eq!((hit.header(policy), first.header(policy)), (Some("sandbox"), Some("sandbox")));
    }
    let part = site.sideman.connect().ask("GET", "/media/a.png", "Range: bytes=2-3\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "23"));
    let same = site.sideman.connect().ask("GET", "/media/a.png", "If-None-Match: \"e\"\r\n");
    assert_eq!((same.status, same.body.len()), (304, 0));
    let head = site.sideman.connect().ask("HEAD", "/media/a.png", "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    assert_eq!(s3.requests().len(), 1);
    let line = site.sideman.log_line("a hit", |line| line["status"] == 304);
    assert_eq!((&line["route"], &line["cache"]), (&"media".into(), &"hit".into()), "{line}");
}

#[test]
fn stale_object_is_confirmed() {
    let head = "ETag: \"e\"\r\nCache-Control: max-age=0, must-revalidate\r\nContent-Type: application/pdf\r\n";
    let s3 = S3::start(move |request| match request.head.get("if-none-match") {
        Some("\"e\"") => response("304 Not Modified", "ETag: \"e\"\r\n", b""),
        Some(other) => panic!("{other}"),
        None => object(head, b"body"),
    });
    let site = cached(&s3);
    // The type is not that of the name, and the bucket does not repeat it in a 304.
    assert_eq!(site.sideman.get("/media/a").text(), "body");
    let mut client = site.sideman.connect();
    let confirmed = client.ask("GET", "/media/a", "Cookie: sessionid=1\r\n");
    assert_eq!((confirmed.status, confirmed.text().as_str()), (200, "body"));
    for (name, value) in [
        ("cache-control", Some("max-age=0, must-revalidate")),
        ("content-type", Some("application/pdf")),
        ("content-security-policy", None),
    ] {
        assert_eq!(confirmed.header(name), value, "{name}");
    }
    assert_status(&confirmed, "fwd-status=304");
    let names: Vec<String> =
        s3.last().head.fields.iter().map(|(name, _)| name.to_lowercase()).collect();
    assert!(!names.contains(&"cookie".into()), "{names:?}");
    assert_eq!(s3.requests().len(), 2);
}

#[test]
fn many_askers_are_one_request() {
    let gate = Arc::new(Gate::default());
    let passed = Arc::clone(&gate);
    let s3 = S3::start(move |_| {
        passed.pass();
        object(KEPT, b"one")
    });
    let site = cached(&s3);
    let mut clients: Vec<_> = (0..8).map(|_| site.sideman.connect()).collect();
    for client in &mut clients {
        client.send("GET /media/a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    eventually_is("the request", &1, || s3.requests().len());
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "one");
    }
    assert_eq!(s3.requests().len(), 1);
}

#[test]
fn what_must_not_be_stored_is_not() {
    let count = Arc::new(AtomicUsize::new(0));
    for (path, head, fields, settings) in [
        ("/media/a", "Cache-Control: no-store\r\n", "", &[][..]),
        ("/media/a", "Cache-Control: private, max-age=9\r\n", "", &[]),
        ("/media/a", KEPT, "If-Match: \"e\"\r\n", &[]),
        ("/media/a", KEPT, "Range: bytes=0-1\r\n", &[]),
        ("/media/a", KEPT, "", &[("cache", "off")]),
        ("/media/a", KEPT, "", &[("stream", "response")]),
    ] {
        count.store(0, Ordering::SeqCst);
        let counted = Arc::clone(&count);
        let s3 = S3::start(move |request| {
            counted.fetch_add(1, Ordering::SeqCst);
            match request.head.get("range") {
                Some(_) => response(
                    "206 Partial Content",
                    &format!("{head}Content-Range: bytes 0-1/4\r\n"),
                    b"bo",
                ),
                None => object(head, b"body"),
            }
        });
        let route = [&[("path", "/media/")][..], settings].concat();
        let site = cached_with(&s3, |site| match settings {
            [] => site,
            _ => site.route("media", &route),
        });
        let mut client = site.sideman.connect();
        for _ in 0..2 {
            assert!(client.ask("GET", path, fields).status < 300, "{head} {fields} {settings:?}");
        }
        assert_eq!(count.load(Ordering::SeqCst), 2, "{head} {fields} {settings:?}");
    }
}

#[test]
fn objects_of_other_names_and_hosts_are_others() {
    let s3 = S3::start(|request| object(KEPT, request.target().as_bytes()));
    let site = cached(&s3);
    let mut client = site.sideman.connect();
    for (path, expected) in [
        ("/media/a", "/site/up/a"),
        ("/media/b", "/site/up/b"),
        ("/media/a%2Fb", "/site/up/a/b"),
        ("/media/a/b", "/site/up/a/b"),
        ("/media/a%3Fb", "/site/up/a%3Fb"),
    ] {
        assert_eq!(client.get(path).text(), expected);
        assert_eq!(client.get(path).text(), expected);
    }
    // %2F is the same object as a slash.
    assert_eq!(s3.requests().len(), 4);
    client.send("GET /media/a HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_eq!(client.response().text(), "/site/up/a");
    assert_eq!(s3.requests().len(), 5, "purges name a host");
}

#[test]
fn missing_object_is_asked_for_again() {
    let there = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&there);
    let s3 = S3::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => error(404, "NoSuchKey", ""),
        _ => object(KEPT, b"here"),
    });
    let site = cached(&s3);
    let mut client = site.sideman.connect();
    for _ in 0..2 {
        let missing = client.get("/media/a.txt");
        assert_eq!(missing.status, 404);
        assert_clean(&missing);
    }
    for _ in 0..2 {
        assert_eq!(client.get("/media/a.txt").text(), "here");
    }
    assert_eq!(s3.requests().len(), 3);
}

#[test]
fn deleted_object_is_forgotten() {
    for (status, code) in [(404, "NoSuchKey"), (403, "AccessDenied")] {
        let count = AtomicUsize::new(0);
        let s3 = S3::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => object("Cache-Control: max-age=0, stale-while-revalidate=3600\r\n", b"gone"),
            _ => error(status, code, ""),
        });
        let site = cached(&s3);
        assert_eq!(site.sideman.get("/media/a.txt").text(), "gone");
        eventually_is("the end of the object", &404, || site.sideman.get("/media/a.txt").status);
    }
}

#[test]
fn slow_client_holds_nobody_up() {
    let large = pattern(12 << 20);
    let s3 = S3::saying(KEPT, &large);
    let site = cached_with(&s3, |settings| settings.set("cache.disk", "256MiB"));
    let mut slow = Client::connect_with_small_buffer(site.sideman.address(), 4096);
    slow.send("GET /media/a.bin HTTP/1.1\r\nHost: example.test\r\n\r\n");
    assert!(slow.until("\r\n\r\n").contains("200 OK"));
    for _ in 0..2 {
        assert!(site.sideman.get("/media/a.bin").body == large);
    }
    assert!(slow.exact(1000).len() == 1000, "it is still there");
}

#[test]
fn object_that_nobody_waits_for_is_not_fetched_to_its_end() {
    let (head, part) =
        ("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n", vec![b'a'; 1_000_000]);
    let first = [head.as_bytes(), &part].concat();
    let storage = Origin::script([expect("GET "), send(first), until_closed()]);
    let application = ReservedPort::new();
    let sideman = Settings::before(&application.url())
        .args(&["--media", &format!("/media/=s3://site?endpoint={}", storage.url())])
        .set("cache.memory", "64MiB")
        .set("cache.disk", "64MiB")
        .start();
    let mut client = sideman.connect();
    client.send("GET /media/a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.until("aaaa").contains("200 OK"));
    drop(client);
    storage.until_closed(1);
}

#[test]
fn conditions_about_an_object_that_is_not_kept_are_for_the_bucket() {
    let s3 = S3::start(|request| match request.head.get("if-none-match") {
        Some(_) => response("304 Not Modified", "ETag: \"e\"\r\n", b""),
        None => object(KEPT, b"body"),
    });
    let site = cached(&s3);
    let same = site.sideman.connect().ask("GET", "/media/a", "If-None-Match: \"e\"\r\n");
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(s3.requests().len(), 1);
}

#[test]
fn stored_object_outlives_its_bucket() {
    let there = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&there);
    let s3 = S3::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => object("ETag: \"e\"\r\nCache-Control: max-age=0, stale-if-error=60\r\n", b"kept"),
        _ => error(503, "SlowDown", ""),
    });
    let site = cached(&s3);
    let mut client = site.sideman.connect();
    assert_eq!(client.get("/media/a.txt").text(), "kept");
    let stale = client.get("/media/a.txt");
    assert_eq!((stale.status, stale.text().as_str()), (200, "kept"));
    assert_eq!(s3.requests().len(), 4, "the error is repeated first");
    assert_eq!(client.get("/media/other.txt").status, 503);
}

#[test]
fn stale_object_is_sent_while_the_bucket_does_not_answer() {
    let gate = Arc::new(Gate::default());
    let (held, count) = (Arc::clone(&gate), AtomicUsize::new(0));
    let s3 = S3::start(move |_| {
        if count.fetch_add(1, Ordering::SeqCst) > 0 {
            held.pass();
        }
        object("ETag: \"e\"\r\nCache-Control: max-age=0, stale-if-error=60\r\n", b"kept")
    });
    let site = cached(&s3);
    for word in ["stored", "hit"] {
        let response = site.sideman.get("/media/a.txt");
        assert_eq!((response.status, response.text().as_str()), (200, "kept"));
        assert_status(&response, word);
    }
    assert_eq!(s3.requests().len(), 2);
    gate.open();
}

#[test]
fn reload_reaches_kept_objects() {
    let s3 = S3::saying("ETag: \"e\"\r\n", b"body");
    let directory = TempDir::new();
    let write = |max_age: &str| {
        directory.write(
            "sideman.toml",
            format!(
                "server.listen = [\"127.0.0.1:0\"]\nadmin.listen = \"127.0.0.1:0\"\n\
                 upstream.url = \"http://127.0.0.1:1\"\nshutdown.delay = \"0s\"\ncache.memory = \"64MiB\"\n\
                 media.roots = [\"/media/={}\"]\nmedia.max_age = \"{max_age}\"\n",
                s3.url()
            ),
        )
    };
    let file = write("1h");
    let settings = signed(Settings::default().args(&["run", "--config", file.to_str().unwrap()]));
    let sideman = settings.start();
    let control = || sideman.get("/media/a.txt").header("cache-control").unwrap().to_owned();
    assert_eq!([control(), control()], ["public, max-age=3600", "public, max-age=3600"]);
    write("10s");
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!([control(), control()], ["public, max-age=10", "public, max-age=10"]);
    assert_eq!(s3.requests().len(), 2);
}

#[test]
fn purge_forgets_an_object() {
    let s3 = S3::saying(KEPT, b"body");
    let site = cached_with(&s3, |settings| settings.set("cache.purge_from", "127.0.0.1"));
    let mut client = site.sideman.connect();
    // All spellings are one object. A purge has that of Django.
    client.get("/media/a%20%28b%29.txt?x=1");
    for path in ["/media/a%20(b).txt", "//media//a%20(b).txt", "/media/c/../a%20(b)%2Etxt"] {
        assert_status(&client.get(path), "hit");
    }
    assert_eq!(client.ask("PURGE", "/media/a%20(b).txt", "").status, 200);
    assert_status(&client.get("/media/a%20%28b%29.txt"), "stored");
    assert_eq!(s3.requests().len(), 2);
}

/// A link to `/media/a.txt` that is signed with the key.
fn link(django: &Django) -> String {
    let home = django.home();
    let output = django.command("python", home.path()).args(["-c", SIGN, KEY]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn object_of_a_signed_link_is_kept_no_longer_than_it_allows() {
    let Some(django) = Django::prepared() else { return };
    let (home, url) = (TempDir::new(), link(django));
    let file = home.write("keys", format!("{KEY}\n"));
    for (own, expected) in [
        ("Cache-Control: no-cache\r\n", "private, max-age=86400, no-cache"),
        ("Cache-Control: max-age=5, must-revalidate\r\n", "private, max-age=5, must-revalidate"),
        ("Cache-Control: public, max-age=31536000, immutable\r\n", "private, max-age=86400"),
        ("Cache-Control: max-age=600\r\nAge: 590\r\n", "private, max-age=600"),
        ("", "private, max-age=86400"),
        ("Cache-Control: max-age=5\r\nCache-Control: no-store\r\n", "max-age=5 | no-store"),
    ] {
        let s3 = S3::saying(own, b"private");
        let site = s3.site_with(|settings| {
            settings
                .set("media.signed", "timestamp max_age=365d")
                .set("media.max_age", "1d")
                .set("media.signing_keys", file.to_str().unwrap())
        });
        let response = site.sideman.get(&url);
        assert_eq!(response.status, 200);
        assert_eq!(response.head.all("cache-control").join(" | "), expected, "{own}");
    }
}

#[test]
fn part_of_an_object_that_has_changed_is_requested() {
    const OLD: &str = "ETag: \"1\"\r\nCache-Control: max-age=0\r\n";
    let (old, new) = (pattern(3 << 20), vec![b'n'; 4 << 20]);
    let (first, count) = (old.clone(), AtomicUsize::new(0));
    let s3 = S3::start(move |request| {
        let head = "ETag: \"2\"\r\nCache-Control: max-age=0\r\n";
        match (count.fetch_add(1, Ordering::SeqCst), request.head.get("range")) {
            (0, _) => object(OLD, &first),
            (_, Some("bytes=2-4")) => {
                let head = format!("{head}Content-Range: bytes 2-4/{}\r\n", 4 << 20);
                response("206 Partial Content", &head, b"nnn")
            }
            _ => object(head, &new),
        }
    });
    let site = cached_with(&s3, |settings| settings.set("cache.disk", "64MiB"));
    assert!(site.sideman.get("/media/a.bin").body == old);
    site.sideman.until_metric("sideman_cache_entries", &[], 1.0);
    let part = site.sideman.connect().ask("GET", "/media/a.bin", "Range: bytes=2-4\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "nnn"));
    let asked = s3.requests();
    assert_eq!(asked[1].head.get("if-none-match"), Some("\"1\""), "the old one is kept");
    assert_eq!(asked.len(), 3);
}

#[test]
fn signature_is_checked_before_the_cache() {
    let Some(django) = Django::prepared() else { return };
    let (home, url) = (TempDir::new(), link(django));
    let s3 = S3::saying(KEPT, b"private");
    let file = home.write("keys", format!("{KEY}\n"));
    let site = cached_with(&s3, |settings| {
        settings.set("media.signed", "timestamp").set("media.signing_keys", file.to_str().unwrap())
    });
    let mut client = site.sideman.connect();
    for word in ["stored", "hit"] {
        let response = client.get(&url);
        assert_eq!((response.status, response.text().as_str()), (200, "private"));
        assert_status(&response, word);
        let control = response.header("cache-control").unwrap();
        assert!(control.starts_with("private, max-age="), "{control}");
        assert_eq!(response.header("age"), None);
    }
    assert_eq!(client.get("/media/a.txt").status, 403);
    assert_eq!(s3.requests().len(), 1);
}

#[test]
fn large_object_is_kept_on_disk() {
    let large = pattern((8 << 20) + 17);
    let s3 = S3::saying(KEPT, &large);
    let site = cached_with(&s3, |settings| settings.set("cache.disk", "128MiB"));
    let mut client = site.sideman.connect();
    for _ in 0..3 {
        assert!(client.get("/media/large.bin").body == large);
    }
    let part = client.ask("GET", "/media/large.bin", "Range: bytes=1000000-1000009\r\n");
    assert!(part.body == large[1_000_000..1_000_010]);
    assert_eq!(s3.requests().len(), 1);
    // Nothing is stored without a disk, and the object is sent all the same.
    let site = cached(&s3);
    let mut client = site.sideman.connect();
    for _ in 0..2 {
        assert!(client.get("/media/large.bin").body == large);
    }
    assert_eq!(s3.requests().len(), 3);
}

#[test]
fn objects_are_not_compressed() {
    let text = "body ".repeat(1000);
    let head = format!("{KEPT}Content-Type: text/css\r\n");
    let s3 = S3::start(move |_| object(&head, text.as_bytes()));
    let site = cached(&s3);
    let mut client = site.sideman.connect();
    for _ in 0..2 {
        let response = client.ask("GET", "/media/a.css", "Accept-Encoding: gzip, br\r\n");
        assert_eq!((response.header("content-encoding"), response.body.len()), (None, 5000));
    }
}

#[test]
fn objects_that_the_application_names_are_not_kept() {
    let s3 = S3::saying(KEPT, b"private");
    let application = App::start(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\
          X-Accel-Redirect: /private/a\r\n\r\n"
            .into()
    });
    let sideman = signed(Settings::before(&application.url()))
        .args(&["--accel", &format!("/private/={}", s3.url())])
        .set("cache.memory", "64MiB")
        .start();
    for _ in 0..2 {
        assert_eq!(sideman.get("/a").text(), "private");
    }
    assert_eq!(s3.requests().len(), 2);
}
