//! docs/how-to/video.md.

use std::time::Duration;

use super::{Page, changed};
use crate::support::{App, Client, Settings, Sideman, TempDir, Tool, pattern};

const SIZE: usize = 3 << 20;
const MEMBER: &str = "Cookie: sessionid=member\r\n";

/// A view that allows members to watch `a.mp4`, and Sideman with the setting of the page.
struct Site {
    sideman: Sideman,
    application: App,
    directory: TempDir,
}

fn start(more: impl FnOnce(Settings) -> Settings) -> Site {
    let directory = TempDir::new();
    directory.write("a.mp4", pattern(SIZE));
    let application = App::start(|request| {
        let response = if request.head.get("cookie") == Some("sessionid=member") {
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\
             X-Accel-Redirect: /videos/a.mp4\r\n"
        } else {
            "HTTP/1.1 302 Found\r\nLocation: /accounts/login/\r\n"
        };
        format!("{response}Connection: keep-alive\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let page = Page::read("video.md");
    let changes = [("/srv/videos", directory.path().to_str().unwrap())];
    let settings = Settings::before(&application.url()).set("upstream.max_in_flight", "1");
    let sideman = more(page.variables("SIDEMAN_ACCEL", &changes, settings)).start();
    Site { sideman, application, directory }
}

#[test]
fn every_range_is_checked_by_the_application() {
    let site = start(|settings| settings);
    let mut client = site.sideman.connect();
    for (number, (range, from, until)) in
        [("0-", 0, SIZE), ("1000000-1000999", 1_000_000, 1_001_000), ("-10", SIZE - 10, SIZE)]
            .into_iter()
            .enumerate()
    {
        let fields = format!("{MEMBER}Range: bytes={range}\r\n");
        let response = client.ask("GET", "/watch/7/", &fields);
        assert_eq!(response.status, 206, "{range}");
        assert!(response.body == pattern(SIZE)[from..until], "{range}");
        assert_eq!(response.header("content-type"), Some("video/mp4"));
        assert_eq!(response.header("cache-control"), Some("private, no-cache"));
        assert_eq!(response.header("x-accel-redirect"), None);
        assert_eq!(site.application.requests(), number + 1);
    }
    let other = client.ask("GET", "/watch/7/", "Range: bytes=0-9\r\n");
    assert_eq!((other.status, other.body.len()), (302, 0));
    assert_eq!(client.ask("GET", "/videos/a.mp4", MEMBER).status, 404);
    let line = site.sideman.log_line("a part", |line| line["bytes"] == 1000);
    assert_eq!((&line["route"], &line["status"]), (&"accel".into(), &206.into()));
}

#[test]
fn continued_download_is_of_the_same_file() {
    let site = start(|settings| settings);
    let past = std::time::SystemTime::now() - Duration::from_secs(3600);
    let file = std::fs::File::options().write(true).open(site.directory.join("a.mp4")).unwrap();
    file.set_modified(past).unwrap();
    let etag = site.sideman.connect().ask("HEAD", "/watch/7/", MEMBER);
    let etag = etag.header("etag").unwrap().to_owned();
    for (tag, status) in [(etag.as_str(), 206), ("\"another\"", 200)] {
        let fields = format!("{MEMBER}Range: bytes=5-\r\nIf-Range: {tag}\r\n");
        assert_eq!(site.sideman.connect().ask("GET", "/watch/7/", &fields).status, status);
    }
}

/// The application gets one request at a time, and none is in flight.
#[test]
fn paused_viewers_hold_no_worker() {
    let site = start(|settings| settings);
    let request = format!("GET /watch/7/ HTTP/1.1\r\nHost: example.test\r\n{MEMBER}\r\n");
    let mut viewers: Vec<Client> =
        (0..20).map(|_| Client::connect_with_small_buffer(site.sideman.address(), 4096)).collect();
    for viewer in &mut viewers {
        viewer.send(&request);
    }
    for viewer in &mut viewers {
        viewer.head();
    }
    site.sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    assert_eq!(site.sideman.get("/watch/7/").status, 302);
    let memory = site.sideman.metric("sideman_buffer_bytes", &[]);
    assert_eq!(memory, 0.0, "nothing of the file is buffered");
}

#[test]
fn curl_of_the_page_shows_what_it_says() {
    let site = start(|settings| settings);
    let page = Page::read("video.md");
    let block = page.block("", "curl");
    let (command, shown) = block.split_once('\n').unwrap();
    let (address, home) = (site.sideman.address().to_string(), TempDir::new());
    let part = home.join("part").display().to_string();
    let changes = [
        ("localhost:8080", address.as_str()),
        ("sessionid=...", "sessionid=member"),
        ("-so part", &format!("-so {part}")),
    ];
    let command = changed(command, &changes);
    // The format is one argument, in quotes.
    let parts: Vec<&str> = command.split('\'').collect();
    let [before, format, after] = parts.as_slice() else { panic!("{command}") };
    let words = before.split_whitespace().skip(2).chain([*format]).chain(after.split_whitespace());
    let words: Vec<&str> = words.collect();
    let Some(output) = Tool::Curl.run(&words, "") else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown.trim());
    assert_eq!(std::fs::read(part).unwrap(), pattern(SIZE)[..1000]);
}

#[test]
fn types_of_streaming_formats_are_known() {
    let uploads = TempDir::new();
    for name in ["a.m3u8", "a.ts", "a.mpd", "a.mp4", "a.webm", "a.vtt", "a.m4s"] {
        uploads.write(name, "x");
    }
    let (application, home) = (App::saying("hello"), TempDir::new());
    let page = Page::read("video.md");
    let changes = [("/srv/media", uploads.path().to_str().unwrap())];
    let before = || page.variables("SIDEMAN_MEDIA", &changes, Settings::before(&application.url()));
    let plain = before().start();
    let with_types = page.file("m4s", &[], before(), &home).start();
    for (name, expected) in [
        ("a.m3u8", "application/vnd.apple.mpegurl"),
        ("a.ts", "video/mp2t"),
        ("a.mpd", "application/dash+xml"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.vtt", "text/vtt; charset=utf-8"),
        ("a.m4s", "application/octet-stream"),
    ] {
        let response = plain.get(&format!("/media/{name}"));
        let media_type = response.header("content-type").unwrap();
        assert!(expected.starts_with(media_type) || media_type == expected, "{name}: {media_type}");
        assert_eq!(response.header("cache-control"), Some("public, max-age=60"));
        let is_download = response.header("content-disposition") == Some("attachment");
        assert_eq!(is_download, name == "a.mpd", "{name}");
    }
    assert_eq!(with_types.get("/media/a.m4s").header("content-type"), Some("video/iso.segment"));
    assert_eq!(application.requests(), 0);
}

#[test]
fn application_limits_the_rate_and_s3_is_refused() {
    let application = App::start(|request| {
        let to = match request.target() {
            "/s3" => "https://bucket.s3.amazonaws.com/a.mp4",
            _ => {
                "/videos/a.mp4\r\nX-Accel-Limit-Rate: 500000\r\nContent-Disposition: attachment; filename=\"b.mp4\""
            }
        };
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Accel-Redirect: {to}\r\n\r\n")
            .into_bytes()
    });
    let directory = TempDir::new();
    directory.write("a.mp4", pattern(1_000_000));
    let page = Page::read("video.md");
    let changes = [("/srv/videos", directory.path().to_str().unwrap())];
    let settings = Settings::before(&application.url());
    let sideman = page.variables("SIDEMAN_ACCEL", &changes, settings).start();
    assert_eq!(sideman.get("/s3").status, 502);
    let begin = std::time::Instant::now();
    let response = sideman.get("/watch/7/");
    assert!(response.body == pattern(1_000_000) && begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(response.header("content-disposition"), Some("attachment; filename=\"b.mp4\""));
}
