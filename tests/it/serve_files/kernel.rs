//! Large files that the kernel sends from its page cache (sendfile): clients see no difference.

use std::{
    fs::{self, File},
    io::Write as _,
};

use super::Site;
use crate::support::{Client, Settings, pattern};

/// More than sockets buffer.
const SIZE: usize = 24 << 20;
/// A name that is immutable by its form, and one that is not.
const NAMES: [&str; 2] = ["large.0123456789ab.bin", "large.bin"];

fn site(content: &[u8]) -> Site {
    let write_once = |settings: Settings| settings.set("static.write_once", "true");
    Site::set(&NAMES.map(|name| (name, content)), write_once)
}

fn request(name: &str, fields: &str) -> String {
    format!("GET /static/{name} HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n")
}

/// A client that has read the head and nothing of the body.
#[track_caller]
fn waiting(site: &Site, name: &str) -> Client {
    let mut client = Client::connect_with_small_buffer(site.sideman.address(), 32 * 1024);
    client.send(request(name, ""));
    assert_eq!(client.head().status(), Ok(200));
    client
}

#[test]
fn sendfile_sends_whole_files_and_ranges() {
    let content = pattern(SIZE);
    let site = site(&content);
    for name in NAMES {
        let mut client = site.sideman.connect();
        for (range, expected) in [
            ("0-", &content[..]),
            ("1-", &content[1..]),
            ("1000-32767", &content[1000..32768]),
            ("1000-33767", &content[1000..33768]),
            ("5000000-15000000", &content[5_000_000..=15_000_000]),
            ("-1", &content[SIZE - 1..]),
        ] {
            // The next response begins where this one ends.
            client.send(request(name, &format!("Range: bytes={range}\r\n")).repeat(2));
            for _ in 0..2 {
                let response = client.response();
                assert_eq!(response.status, 206, "{name} {range}");
                assert!(response.body == expected, "{name} {range}");
            }
        }
        assert_eq!(client.ask("HEAD", &format!("/static/{name}"), "").status, 200);
        assert!(client.get(&format!("/static/{name}")).body == content);
    }
}

#[test]
fn slow_reader_gets_the_version_it_requested() {
    let content = pattern(SIZE);
    type Change<'a> = &'a dyn Fn(&Site, &str);
    let cases: [(&str, Change<'_>); 3] = [
        ("replaced", &|site, name| {
            let temporary = site.directory.write("temporary", "the next version");
            fs::rename(temporary, site.directory.join(name)).unwrap();
        }),
        ("deleted", &|site, name| fs::remove_file(site.directory.join(name)).unwrap()),
        ("nothing", &|_, _| {}),
    ];
    for (what, change) in cases {
        let site = site(&content);
        for name in NAMES {
            let mut client = waiting(&site, name);
            change(&site, name);
            client
                .send("GET /static/alphabet.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let all = client.until_closed();
            assert!(all[..SIZE] == content, "{what} {name}");
            assert!(all[SIZE..].starts_with(b"HTTP/1.1 200 "), "{what} {name}");
        }
    }
}

#[test]
fn file_truncated_during_sendfile_aborts_the_response() {
    let content = pattern(SIZE);
    for left in [0, SIZE as u64 / 2] {
        let site = site(&content);
        for name in NAMES {
            let mut client = waiting(&site, name);
            let file = File::options().write(true).open(site.directory.join(name)).unwrap();
            file.set_len(left).unwrap();
            let got = client.until_gone();
            assert!(got.len() < SIZE, "{name} {left}: it came whole");
            let line = site.sideman.log_of(&format!("/static/{name}"));
            assert_eq!(line["error"], "file_truncated", "{name} {left}");
        }
    }
}

#[test]
fn file_that_grows_during_sendfile_keeps_its_length() {
    let content = pattern(SIZE);
    let site = site(&content);
    // Recently changed, so it may still be growing.
    let path = site.directory.write("log.bin", &content);
    let mut client = waiting(&site, "log.bin");
    File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
    client.send("GET /static/alphabet.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let all = client.until_closed();
    assert!(all[..SIZE] == content && all[SIZE..].starts_with(b"HTTP/1.1 200 "));
}
