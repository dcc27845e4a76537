//! Private uploads by signed URLs: Django signs the path, Sideman checks it and sends the file.

use super::Uploads;
use crate::support::{Django, Settings, TempDir};

const KEY: &str = "django-insecure-\u{fc}$#%-a-long-enough-key";
const OLD_KEY: &str = "the-key-before-the-last-rotation";

/// The code of docs/files.md, and variations of it. Each line of its output is a target.
const SIGN: &str = r#"
import sys, time
from unittest import mock
from urllib.parse import quote, unquote
from django.conf import settings
from django.core.signing import TimestampSigner

key, old_key = sys.argv[1:]
settings.configure(SECRET_KEY=key)

def link(url, age=0, signs=None, **arguments):
    signer = TimestampSigner(**{"salt": "sideman.media", **arguments})
    path = unquote(signs or url)
    with mock.patch("time.time", return_value=time.time() - age):
        return f"{url}?signature={signer.sign(path).removeprefix(path + ':')}"

url = "/media/a/%C3%BCber%20100%25.txt"
print(link(url))
print(link(url, key=old_key))
print(link(url).replace("?signature=", "?a=b&signature=").replace(":", "%3A"))
print(link("/media//a/./%C3%BCber%20100%25.txt", signs=url))
print(link(url, age=590))
print(link("/media/missing.0123456789ab.txt"))
print(link("/media/.hidden"))
# Expired.
print(link(url, age=602))
print(link(url, age=90000, key=old_key))
# Not valid.
print(url)
print(link(url, key="x" * 40))
print(link(url, salt="other"))
print(link(url, signs="/media/b.txt"))
print(link("/media/b.txt", signs=url))
print(link("/media/missing.txt", signs=url))
print(link(url)[:-1])
print(link(url) + "&signature=")
print(url + "?signature=" + quote(TimestampSigner(salt="sideman.media").sign(unquote(url))))
"#;

fn targets() -> Option<Vec<String>> {
    let django = Django::prepared()?;
    let home = django.home();
    let mut python = django.command("python", home.path());
    let output = python.args(["-c", SIGN, KEY, OLD_KEY]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// The file of keys is in the directory.
fn start(keys: &TempDir, signed: &str, more: impl FnOnce(Settings) -> Settings) -> Uploads {
    let file = keys.write("keys", format!("{KEY}\n{OLD_KEY}\n"));
    let files: &[(&str, &[u8])] =
        &[("a/\u{fc}ber 100%.txt", b"0123456789"), ("b.txt", b"b"), (".hidden", b"c")];
    Uploads::set(files, |settings| {
        more(settings).set("media.signed", signed).set("media.signing_keys", file.to_str().unwrap())
    })
}

#[test]
fn files_are_for_clients_with_a_signature_of_django() {
    let Some(targets) = targets() else { return };
    let keys = TempDir::new();
    let uploads =
        start(&keys, "timestamp max_age=10m", |settings| settings.set("media.max_age", "1h"));
    let (valid, others) = targets.split_at(5);
    let (missing, others) = others.split_at(2);
    let (expired, invalid) = others.split_at(2);
    assert_eq!(invalid.len(), 9);
    let mut client = uploads.sideman.connect();
    for target in valid {
        let response = client.get(target);
        assert_eq!((response.status, response.text()), (200, "0123456789".into()), "{target}");
        assert_eq!(response.header("content-security-policy"), Some("sandbox"));
        let age = response.header("cache-control").unwrap().strip_prefix("private, max-age=");
        let age: u64 = age.unwrap().parse().unwrap();
        // A client keeps the file no longer than the link is valid.
        let most = if *target == valid[4] { 10 } else { 600 };
        assert!(age <= most && age + 30 > most.min(600), "{target}: {age}");
        let response = client.ask("GET", target, "Range: bytes=3-4\r\n");
        assert_eq!((response.status, response.text()), (206, "34".into()));
        assert!(response.header("cache-control").unwrap().starts_with("private, "));
        assert_eq!(client.ask("HEAD", target, "").status, 200);
        let tag = response.header("etag").unwrap();
        let response = client.ask("GET", target, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!(response.status, 304);
        assert!(response.header("cache-control").unwrap().starts_with("private, "));
    }
    for target in missing {
        let response = client.get(target);
        let caching = response.header("cache-control");
        assert_eq!((response.status, caching), (404, Some("no-store")), "{target}");
    }
    for (targets, error) in [(expired, "signature_expired"), (invalid, "signature_invalid")] {
        for target in targets {
            for method in ["GET", "HEAD"] {
                let response = client.ask(method, target, "");
                let caching = response.header("cache-control");
                assert_eq!((response.status, caching), (403, Some("no-store")), "{target}");
            }
        }
        let count = 2.0 * targets.len() as f64;
        uploads.sideman.until_metric("sideman_errors_total", &[("error", error)], count);
    }
    let event = uploads.sideman.event("signed link refused");
    assert!(event.contains("media.signed"), "{event}");
    let log = uploads.sideman.log_of("/media/missing.txt");
    assert_eq!((&log["error"], &log["status"]), (&"signature_invalid".into(), &403.into()));
    // Nobody who reads the log can use the link.
    let line = log.to_string();
    let signature = invalid[5].rsplit(':').next().unwrap();
    assert!(!line.contains(signature), "{line}");
}

#[test]
fn max_age_of_media_is_the_most_for_signed_urls_too() {
    let Some(targets) = targets() else { return };
    let keys = TempDir::new();
    let uploads = start(&keys, "timestamp", |settings| settings.set("media.max_age", "5s"));
    let response = uploads.sideman.get(&targets[0]);
    assert_eq!(response.header("cache-control"), Some("private, max-age=5"));
    // An hour, unless it is set.
    assert_eq!(uploads.sideman.get(&targets[7]).status, 200);
    assert_eq!(uploads.sideman.get(&targets[8]).status, 403);
}

#[test]
fn uploads_of_a_route_are_signed_and_static_files_are_not() {
    let (keys, private) = (TempDir::new(), TempDir::new());
    private.write("a.txt", "a");
    let place = private.path().to_str().unwrap();
    let uploads = start(&keys, "timestamp", |settings| {
        settings.route("private", &[("path", "/private/"), ("media", place)])
    });
    uploads.directory.write("static/a.css", "a{}");
    assert_eq!(uploads.sideman.get("/private/a.txt").status, 403);
    assert_eq!(uploads.sideman.get("/static/a.css").status, 200);
}

#[test]
fn reload_reads_the_keys_again() {
    let Some(targets) = targets() else { return };
    let keys = TempDir::new();
    let uploads = start(&keys, "timestamp", |settings| settings);
    let mut client = uploads.sideman.connect();
    let (of_key, of_old_key) = (&targets[0], &targets[1]);
    let mut statuses = || [of_key, of_old_key].map(|target| client.get(target).status);
    assert_eq!(statuses(), [200, 200]);
    // The old key is retired, and then a file that cannot be used changes nothing.
    for (text, status) in [(format!("{KEY}\n"), 200), ("short\n".into(), 422)] {
        keys.write("keys", text);
        let reply = uploads.sideman.admin_post("/-/reload");
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(statuses(), [200, 403]);
    }
    keys.write("keys", format!("{OLD_KEY}\n"));
    assert_eq!(uploads.sideman.admin_post("/-/reload").status, 200);
    assert_eq!(statuses(), [403, 200]);
}

#[test]
fn keys_that_cannot_be_used_prevent_the_start() {
    let directory = TempDir::new();
    let file = directory.write("keys", "short\n");
    for (path, expected) in [
        (file.to_str().unwrap(), "line 1: the key has less than 16 bytes"),
        ("/nonexistent/keys", "cannot read /nonexistent/keys: "),
    ] {
        let ended = Settings::before("http://127.0.0.1:9")
            .args(&["--media", "/media/=/srv/media"])
            .set("media.signed", "timestamp")
            .set("media.signing_keys", path)
            .run_to_end();
        let text = format!("{ended:?}");
        assert!(text.contains("media.signing_keys: ") && text.contains(expected), "{text}");
        assert!(!text.contains("short\\n"), "{text}");
    }
}
