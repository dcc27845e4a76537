//! One name in several encodings: precompressed files on disk, and background compression.

use std::{
    fs::{self, File},
    io::Read as _,
    time::{Duration, SystemTime},
};

use super::Site;
use crate::support::{Client, ReservedPort, Response, Settings, Sideman, TempDir, eventually};

/// No compressor would make these: precompressed files are sent unchanged.
const PLAIN: &str = "body { color: black } /* the original, the longest of them all */";
const BROTLI: &str = "brotli, short";
const ZSTD: &str = "zstd, a bit longer";
const GZIP: &str = "gzip, the longest of the siblings";

fn precompressed_site() -> Site {
    Site::with(&[
        ("a.css", PLAIN.as_bytes()),
        ("a.css.br", BROTLI.as_bytes()),
        ("a.css.zst", ZSTD.as_bytes()),
        ("a.css.gz", GZIP.as_bytes()),
        ("gz-only.js", PLAIN.as_bytes()),
        ("gz-only.js.gz", GZIP.as_bytes()),
        ("plain.css", PLAIN.as_bytes()),
        ("photo.png", PLAIN.as_bytes()),
        ("photo.png.gz", GZIP.as_bytes()),
    ])
}

fn accepting(client: &mut Client, target: &str, accepted: &str) -> Response {
    client.ask("GET", target, &format!("Accept-Encoding: {accepted}\r\n"))
}

#[test]
fn best_accepted_encoding_is_sent() {
    let site = precompressed_site();
    let mut client = site.sideman.connect();
    for (accepted, coding, body) in [
        ("gzip, deflate, br, zstd", Some("br"), BROTLI),
        ("gzip, deflate", Some("gzip"), GZIP),
        ("x-gzip", Some("gzip"), GZIP),
        ("zstd, gzip", Some("zstd"), ZSTD),
        ("br;q=0.1, gzip;q=0.9", Some("gzip"), GZIP),
        ("br;q=0, gzip, zstd", Some("zstd"), ZSTD),
        ("*", Some("br"), BROTLI),
        ("*;q=0, identity;q=1", None, PLAIN),
        ("identity", None, PLAIN),
        ("identity;q=1, br;q=0.5", None, PLAIN),
        ("deflate", None, PLAIN),
        ("identity;q=0, gzip;q=0.1", Some("gzip"), GZIP),
        ("identity;q=0", None, ""),
        ("", None, PLAIN),
    ] {
        let response = accepting(&mut client, "/static/a.css", accepted);
        let seen = (response.status, response.header("content-encoding"), response.text());
        if body.is_empty() {
            // No encoding is listed, and identity is not acceptable.
            assert_eq!((seen.0, seen.1), (406, None), "{accepted}");
        } else {
            assert_eq!(seen, (200, coding, body.to_owned()), "{accepted}");
        }
        assert_eq!(response.header("vary"), Some("accept-encoding"), "{accepted}");
    }
    let response = client.get("/static/a.css");
    assert_eq!((response.header("content-encoding"), response.text()), (None, PLAIN.to_owned()));
}

#[test]
fn precompressed_file_has_the_headers_of_its_original() {
    let site = precompressed_site();
    let mut client = site.sideman.connect();
    let plain = client.get("/static/a.css");
    let mut tags = vec![plain.header("etag").unwrap().to_owned()];
    for (accepted, length) in [("br", BROTLI.len()), ("zstd", ZSTD.len()), ("gzip", GZIP.len())] {
        let response = accepting(&mut client, "/static/a.css", accepted);
        for name in ["content-type", "cache-control", "last-modified", "accept-ranges", "vary"] {
            assert_eq!(response.header(name), plain.header(name), "{accepted}: {name}");
        }
        assert_eq!(response.header("content-length"), Some(length.to_string().as_str()));
        tags.push(response.header("etag").unwrap().to_owned());
        // Representations have different ETags (RFC 9110, 8.8.3.3).
        let conditional =
            |tag: &str| format!("Accept-Encoding: {accepted}\r\nIf-None-Match: {tag}\r\n");
        let own = client.ask("GET", "/static/a.css", &conditional(&tags[tags.len() - 1]));
        assert_eq!((own.status, own.body.len()), (304, 0));
        assert_eq!(own.header("vary"), Some("accept-encoding"));
        assert_eq!(own.header("etag"), response.header("etag"));
        let other = client.ask("GET", "/static/a.css", &conditional(&tags[0]));
        assert_eq!(other.status, 200, "{accepted}");
    }
    assert!(tags.iter().all(|tag| tag.starts_with('"')), "{tags:?}");
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "each has its own");
}

#[test]
fn ranges_apply_to_the_sent_encoding() {
    let site = precompressed_site();
    let mut client = site.sideman.connect();
    let fields = "Accept-Encoding: gzip\r\nRange: bytes=6-8\r\n";
    let response = client.ask("GET", "/static/a.css", fields);
    assert_eq!((response.status, response.text()), (206, GZIP[6..9].to_owned()));
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    let expected = format!("bytes 6-8/{}", GZIP.len());
    assert_eq!(response.header("content-range"), Some(expected.as_str()));
}

#[test]
fn only_text_has_precompressed_files() {
    let site = precompressed_site();
    let mut client = site.sideman.connect();
    let response = accepting(&mut client, "/static/photo.png", "gzip");
    assert_eq!((response.text(), response.header("vary")), (PLAIN.to_owned(), None));
    // A name that could have precompressed files has Vary although it has none now.
    let response = accepting(&mut client, "/static/plain.css", "gzip, br");
    assert_eq!(
        (response.text(), response.header("vary")),
        (PLAIN.to_owned(), Some("accept-encoding"))
    );
    let response = accepting(&mut client, "/static/gz-only.js", "br, gzip");
    assert_eq!(response.header("content-encoding"), Some("gzip"));
}

#[test]
fn stale_precompressed_file_is_ignored() {
    let site = precompressed_site();
    let path = site.directory.join("a.css.br");
    let older = SystemTime::now() - Duration::from_secs(7200);
    File::options().write(true).open(path).unwrap().set_modified(older).unwrap();
    let mut client = site.sideman.connect();
    let response = accepting(&mut client, "/static/a.css", "br, gzip");
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    // A new original makes all of them stale.
    site.directory.write("a.css", PLAIN.to_uppercase());
    let response = eventually("the new original", || {
        let response = accepting(&mut client, "/static/a.css", "br, zstd, gzip");
        (response.header("content-encoding").is_none()).then_some(response)
    });
    assert_eq!(response.text(), PLAIN.to_uppercase());
}

#[test]
fn precompressed_files_may_appear_and_disappear() {
    let site = precompressed_site();
    let mut client = site.sideman.connect();
    assert_eq!(accepting(&mut client, "/static/plain.css", "br").text(), PLAIN);
    site.directory.write("plain.css.br", BROTLI);
    eventually("the sibling", || {
        (accepting(&mut client, "/static/plain.css", "br").text() == BROTLI).then_some(())
    });
    fs::remove_file(site.directory.join("plain.css.br")).unwrap();
    eventually("the original", || {
        (accepting(&mut client, "/static/plain.css", "br").text() == PLAIN).then_some(())
    });
}

/// A site with one long text, collected a moment ago.
fn long_text(compress: bool) -> (Sideman, TempDir, String, ReservedPort) {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let text: String =
        (0..2000).map(|rule| format!(".rule-{rule} {{ margin: {rule}px }}\n")).collect();
    directory.write("long.css", &text);
    directory.write("short.css", "a{}");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.compress", &compress.to_string())
        .set("static.check_interval", "50ms")
        .start();
    (sideman, directory, text, application)
}

#[test]
fn text_without_precompressed_files_is_compressed_in_the_background() {
    let (sideman, directory, text, _application) = long_text(true);
    let mut client = sideman.connect();
    let first = accepting(&mut client, "/static/long.css", "gzip");
    assert_eq!(first.header("vary"), Some("accept-encoding"), "before it is compressed as well");
    let gzip = eventually("gzip", || {
        let response = accepting(&mut client, "/static/long.css", "gzip");
        response.header("content-encoding").is_some().then_some(response)
    });
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut unpacked).unwrap();
    assert!(unpacked == text);
    let brotli = accepting(&mut client, "/static/long.css", "br");
    assert_eq!(brotli.header("content-encoding"), Some("br"));
    let mut unpacked = String::new();
    brotli::Decompressor::new(&brotli.body[..], 4096).read_to_string(&mut unpacked).unwrap();
    assert!(unpacked == text);
    assert_eq!(client.get("/static/long.css").text(), text);
    sideman.until_metric("sideman_file_store_compressed_total", &[("store", "static")], 2.0);

    // The compressed version is discarded with its original.
    let other = text.to_uppercase();
    directory.write("long.css", &other);
    eventually("the new text", || (client.get("/static/long.css").text() == other).then_some(()));
    eventually("the new text in gzip", || {
        let response = accepting(&mut client, "/static/long.css", "gzip");
        response.header("content-encoding")?;
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&response.body[..]).read_to_string(&mut unpacked).unwrap();
        assert!(unpacked == other, "the old text came");
        Some(())
    });
}

#[test]
fn background_compression_is_a_setting() {
    let (sideman, _directory, text, _application) = long_text(false);
    let mut client = sideman.connect();
    // The metric would show it: nothing is compressed in the background, so nothing is waited for.
    for _ in 0..20 {
        let response = accepting(&mut client, "/static/long.css", "gzip, br");
        assert_eq!((response.header("content-encoding"), response.text()), (None, text.clone()));
    }
    let labels = [("store", "static")];
    assert_eq!(sideman.metric("sideman_file_store_compressed_total", &labels), 0.0);
}

#[test]
fn copies_with_other_dates_have_the_same_etags() {
    let text = "a { color: red }\n".repeat(300);
    let large = crate::support::pattern(3 << 20);
    let hour = Duration::from_secs(3600);
    let mut seen = Vec::new();
    for age in [hour, hour * 50] {
        let (directory, application) = (TempDir::new(), ReservedPort::new());
        for (name, content) in [("a.css", text.as_bytes()), ("large.0123456789ab.bin", &large[..])]
        {
            let path = directory.write(name, content);
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        let sideman = Settings::before(&application.url())
            .files("/static/", directory.path())
            .set("static.check_interval", "10ms")
            .start();
        let mut client = sideman.connect();
        let mut tag = |target: &str, accepted: &str| {
            let response = client.ask("HEAD", target, &format!("Accept-Encoding: {accepted}\r\n"));
            response.header("etag").unwrap().to_owned()
        };
        let early = tag("/static/large.0123456789ab.bin", "identity");
        let strong = eventually("a strong tag", || {
            Some(tag("/static/large.0123456789ab.bin", "identity"))
                .filter(|tag| tag.starts_with('"'))
        });
        let plain = tag("/static/a.css", "identity");
        let packed =
            eventually("gzip", || Some(tag("/static/a.css", "gzip")).filter(|tag| *tag != plain));
        // The hash may be known before the first response.
        let early = if early.starts_with('"') { strong.clone() } else { early };
        seen.push((plain, packed, strong, early));
    }
    let [one, other] = &seen[..] else { panic!() };
    assert_eq!((&one.0, &one.1, &one.2), (&other.0, &other.1, &other.2));
    if one.3 != one.2 && other.3 != other.2 {
        assert_eq!(one.3, other.3, "the weak tag is made of the hash in the name");
    }
}

/// A site with this memory budget for files.
fn with_memory(directory: &TempDir, memory: &str) -> (Sideman, ReservedPort) {
    let application = ReservedPort::new();
    let settings = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("health.wait_for_application", "false")
        .set("static.memory", memory);
    (settings.start(), application)
}

/// Otherwise files deployed while the store is full of pictures would never be compressed.
#[test]
fn busy_text_is_compressed_in_a_full_store() {
    let directory = TempDir::new();
    let text = "body { color: rebeccapurple }\n".repeat(400);
    directory.write("busy.css", &text);
    directory.write("rare.css", &text);
    for picture in 0..8 {
        directory.write(&format!("{picture}.jpg"), vec![picture; 110_000]);
    }
    let (sideman, _application) = with_memory(&directory, "1MiB");
    let mut client = sideman.connect();
    for picture in (0..8).cycle().take(16) {
        client.get(&format!("/static/{picture}.jpg"));
    }
    let bytes = sideman.metric("sideman_file_store_bytes", &[("store", "static")]);
    assert!(bytes > 0.75 * f64::from(1 << 20), "{bytes}");

    let mut coding = |name: &str| {
        let response = accepting(&mut client, &format!("/static/{name}"), "gzip");
        response.header("content-encoding").map(str::to_owned)
    };
    for _ in 0..10 {
        assert_eq!(coding("rare.css"), None);
    }
    eventually("gzip of what is busy", || coding("busy.css"));
    let made = &[("store", "static")];
    assert_eq!(sideman.metric("sideman_file_store_compressed_total", made), 2.0, "of one text");
    assert_eq!(coding("rare.css"), None);
}

/// The texts fit, their compressed versions do not: if one evicted another, each would come back and evict
/// the next.
#[test]
fn busy_entries_are_not_evicted_for_compression() {
    const TEXTS: usize = 8;
    let directory = TempDir::new();
    // Sixteen random letters: half as long when compressed, once for each encoding.
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 28) as u8
    };
    for index in 0..TEXTS {
        let text: Vec<u8> = (0..30_000).map(|_| letter()).collect();
        directory.write(&format!("{index}.css"), text);
    }
    let (sideman, _application) = with_memory(&directory, "290KiB");
    let mut client = sideman.connect();
    for _ in 0..200 {
        for index in 0..TEXTS {
            assert_eq!(accepting(&mut client, &format!("/static/{index}.css"), "br").status, 200);
        }
    }
    let count = |name: &str| sideman.metric(name, &[("store", "static")]);
    assert_eq!(count("sideman_file_store_entries"), TEXTS as f64);
    assert_eq!(count("sideman_file_store_evicted_total"), 0.0);
    assert_eq!(count("sideman_file_store_compressed_total"), 0.0);
}

/// Makes a file older than all others.
fn age(directory: &TempDir, name: &str) {
    let older = SystemTime::now() - Duration::from_secs(3601);
    let file = File::options().write(true).open(directory.join(name)).unwrap();
    file.set_modified(older).unwrap();
}

#[test]
fn precompressed_file_of_a_hashed_name_may_be_older() {
    let files = [("a.0123456789ab.css", PLAIN), ("assets/b-x1.css", PLAIN), ("c.css", PLAIN)];
    let site = Site::set(&[], |settings| settings.set("static.caching", "assets/**=immutable"));
    let manifest = super::manifest_of(&[("a.css", "a.0123456789ab.css")]);
    let listed = Site::with(&[("staticfiles.json", manifest.as_bytes())]);
    // It only looks hashed: the manifest does not list it.
    let unlisted = "d.0123456789ab.css";
    listed.directory.write(unlisted, PLAIN);
    listed.directory.write(&format!("{unlisted}.gz"), GZIP);
    age(&listed.directory, &format!("{unlisted}.gz"));
    for directory in [&site.directory, &listed.directory] {
        for (name, content) in files {
            directory.write(name, content);
            directory.write(&format!("{name}.gz"), GZIP);
            age(directory, &format!("{name}.gz"));
        }
    }
    let coding = |site: &Site, name: &str| {
        let mut client = site.sideman.connect();
        let response = accepting(&mut client, &format!("/static/{name}"), "gzip");
        assert_eq!(response.status, 200, "{name}");
        response.header("content-encoding").map(str::to_owned)
    };
    let gzip = Some("gzip".to_owned());
    assert_eq!(coding(&site, "a.0123456789ab.css"), gzip);
    assert_eq!(coding(&site, "assets/b-x1.css"), gzip);
    assert_eq!(coding(&site, "c.css"), None);
    assert_eq!(coding(&listed, "a.0123456789ab.css"), gzip);
    assert_eq!(coding(&listed, unlisted), None);
}

#[test]
fn unused_precompressed_file_is_reported_once() {
    let site = Site::set(
        &[
            ("old.css", PLAIN.as_bytes()),
            ("old.css.gz", GZIP.as_bytes()),
            ("empty.css", PLAIN.as_bytes()),
            ("empty.css.br", b""),
            ("good.css", PLAIN.as_bytes()),
            ("good.css.gz", GZIP.as_bytes()),
        ],
        |settings| settings.set("static.check_interval", "0s"),
    );
    age(&site.directory, "old.css.gz");
    let mut client = site.sideman.connect();
    for _ in 0..5 {
        for (name, coding) in [("old.css", None), ("empty.css", None), ("good.css", Some("gzip"))] {
            let response = accepting(&mut client, &format!("/static/{name}"), "gzip, br");
            assert_eq!(response.header("content-encoding"), coding, "{name}");
        }
    }
    // A new original is reported again.
    let first = site.sideman.event("old.css.gz");
    let young = SystemTime::now() - Duration::from_secs(60);
    let file = File::options().write(true).open(site.directory.join("old.css")).unwrap();
    file.set_modified(young).unwrap();
    for _ in 0..5 {
        accepting(&mut client, "/static/old.css", "gzip");
    }
    let directory = site.directory.path().display().to_string();
    let Site { sideman, .. } = site;
    let (_, events) = sideman.stop_for_events();
    let of = |name: &str| -> Vec<&String> {
        let name = format!("file={directory}/{name} ");
        let is_notice =
            |line: &&String| line.contains("precompressed file not used") && line.contains(&name);
        events.iter().filter(is_notice).collect()
    };
    assert_eq!(of("old.css.gz").len(), 2, "{events:#?}");
    for part in [" WARN ", "by 1 s", "compress the original again"] {
        assert!(first.contains(part), "{part} in {first}");
    }
    assert!(first.contains(&format!("original={directory}/old.css ")), "{first}");
    assert_eq!(of("empty.css.br").len(), 1, "{events:#?}");
    assert!(of("empty.css.br")[0].contains("it is empty"));
    assert_eq!(of("good.css.gz").len(), 0, "{events:#?}");
}
