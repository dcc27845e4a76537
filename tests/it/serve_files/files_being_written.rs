//! Files that are written all the time: growing logs, and files overwritten every few milliseconds. They
//! exist, so they are served; a response that cannot be one version is aborted.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::FileExt as _,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::Site;
use crate::support::{Client, Head, Sideman, eventually};

/// Calls `write` every two milliseconds while `read` runs.
fn while_written<T>(mut write: impl FnMut() + Send, read: impl FnOnce() -> T) -> T {
    /// Stops also if the reader fails.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                write();
                thread::sleep(Duration::from_millis(2));
            }
        });
        let _over = Over(&is_over);
        read()
    })
}

/// The head of a response and the received part of its body.
#[track_caller]
fn ask(sideman: &Sideman, target: &str, fields: &str) -> (Head, Vec<u8>) {
    let mut client = sideman.connect();
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n{fields}\r\n"
    ));
    let head = client.head();
    let body = client.until_gone();
    (head, body)
}

#[track_caller]
fn length_of(head: &Head) -> usize {
    head.get("content-length").unwrap().parse().unwrap()
}

fn line(number: u64) -> String {
    format!("{number:015}\n")
}

fn lines(size: u64) -> Vec<u8> {
    (0..size / 16).flat_map(|number| line(number).into_bytes()).collect()
}

#[test]
fn growing_log_is_served_whole() {
    for size in [1600, 1_600_000, 20_000_000] {
        let content = lines(size);
        let site = Site::with(&[("app.log", &content)]);
        let path = site.directory.join("app.log");
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let mut next = size / 16;
        let append = || {
            (&file).write_all(line(next).as_bytes()).unwrap();
            next += 1;
        };
        let mut last = 0;
        while_written(append, || {
            for _ in 0..10 {
                let (head, body) = ask(&site.sideman, "/static/app.log", "");
                assert_eq!(head.status(), Ok(200));
                // A file that was unchanged by chance may change before its first byte is read.
                if head.has("etag") && body.len() < length_of(&head) {
                    continue;
                }
                assert_eq!(body.len(), length_of(&head), "it is incomplete");
                assert!(body == lines(body.len() as u64), "{size}: something else came");
                assert!(body.len() >= last.max(content.len()), "it has become shorter");
                last = body.len();
                // A response that cannot be told from the next version is not cacheable.
                if !head.has("etag") {
                    assert_eq!(head.get("cache-control"), Some("no-store"));
                    assert!(!head.has("last-modified"));
                }
                // The end of the file, as a log viewer requests it.
                let (head, body) = ask(&site.sideman, "/static/app.log", "Range: bytes=-160\r\n");
                assert_eq!((head.status(), body.len()), (Ok(206), 160));
                assert!(body.ends_with(b"\n"), "{body:?}");
            }
        });
        // Once it is unchanged, it is served like any other file.
        eventually("a tag", || {
            let (head, body) = ask(&site.sideman, "/static/app.log", "");
            // The previous version is kept for a second (`static.check_interval`).
            let whole = fs::read(&path).unwrap();
            assert!(whole.starts_with(&body), "{size}: something else came");
            (head.has("etag") && body == whole).then_some(())
        });
    }
}

#[test]
fn growing_log_is_served_whole_to_a_slow_client() {
    const SIZE: u64 = 24 << 20;
    let content = lines(SIZE);
    let site = Site::with(&[]);
    let path = site.directory.write("app.log", &content);
    for fields in ["", "Range: bytes=16-\r\n"] {
        eventually("the size", || {
            let response = site.sideman.connect().ask("HEAD", "/static/app.log", "");
            (length_of(&response.head) as u64 >= SIZE).then_some(())
        });
        let mut client = Client::connect_with_small_buffer(site.sideman.address(), 32 * 1024);
        client.send(format!(
            "GET /static/app.log HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n"
        ));
        let head = client.head();
        // The transfer has begun.
        let first = client.exact(16);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"more").unwrap();
        let body = [first, client.until_closed()].concat();
        assert_eq!(body.len(), length_of(&head), "{fields:?}");
        assert!(content.starts_with(&body) || content[16..] == body[..content.len() - 16]);
    }
}

#[test]
fn truncated_and_rewritten_log_is_never_mixed() {
    const SIZE: usize = 24 << 20;
    let site = Site::with(&[]);
    let path = site.directory.write("app.log", vec![b'a'; SIZE]);
    let mut client = Client::connect_with_small_buffer(site.sideman.address(), 32 * 1024);
    client.send("GET /static/app.log HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status(), Ok(200));
    // Like copytruncate of logrotate, and longer than before at the next check.
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let longer = vec![b'b'; SIZE + 1000];
    file.write_all_at(&longer, 0).unwrap();
    let body = client.until_gone();
    assert!(body.len() < length_of(&head), "it looks whole");
    let line = site.sideman.log_of("/static/app.log");
    assert_eq!(line["error"], "file_changed", "{line}");
}

/// Checks that the received part of a body is of one version; returns whether it is complete.
#[track_caller]
fn is_whole(head: &Head, body: &[u8]) -> bool {
    assert_eq!(head.status(), Ok(200));
    let is_whole = body.len() == length_of(head);
    let letter = body.first().copied().unwrap_or(b'?');
    if is_whole {
        assert!(body.iter().all(|byte| *byte == letter), "two versions in one answer");
    }
    is_whole
}

#[test]
fn constantly_overwritten_file_is_one_version_or_aborted() {
    for size in [1000, 100_000, 3_000_000] {
        let site = Site::with(&[("state.bin", &vec![b'a'; size])]);
        let file = File::options().write(true).open(site.directory.join("state.bin")).unwrap();
        let mut letters = (b'a'..=b'z').cycle();
        let overwrite = || {
            let letter = letters.next().unwrap();
            file.write_all_at(&vec![letter; size], 0).unwrap();
        };
        let whole = while_written(overwrite, || {
            let responses = (0..15).map(|_| ask(&site.sideman, "/static/state.bin", ""));
            responses.filter(|(head, body)| is_whole(head, body)).count()
        });
        // Files that fit in one read are rarely caught in the middle.
        assert!(size > 100_000 || whole > 0, "{size}: none came whole");
    }
}

#[test]
fn constantly_truncated_file_is_never_an_error() {
    let site = Site::with(&[("state.json", b"aaaaaaaa")]);
    let path = site.directory.join("state.json");
    let mut letters = (b'a'..=b'z').cycle();
    let rewrite = || fs::write(&path, vec![letters.next().unwrap(); 5000]).unwrap();
    while_written(rewrite, || {
        for _ in 0..15 {
            let (head, body) = ask(&site.sideman, "/static/state.json", "");
            assert!(is_whole(&head, &body), "small ones come from memory");
        }
    });
}
