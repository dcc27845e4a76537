//! Large files that change while they are sent, and clients that do not read the response.

use std::fs::{self, File};

use super::Site;
use crate::support::{Client, ReservedPort, Settings, Sideman, TempDir, eventually, pattern};

/// More than sockets buffer, so the end is read long after the head was sent.
const SIZE: usize = 24 << 20;
const TARGET: &str = "/static/large.bin";

/// A client that has read the head and nothing of the body.
#[track_caller]
fn waiting(sideman: &Sideman, fields: &str) -> Client {
    let mut client = Client::connect_with_small_buffer(sideman.address(), 32 * 1024);
    client.send(format!("GET {TARGET} HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n"));
    let head = client.head();
    assert!(matches!(head.status(), Ok(200 | 206)), "{head:?}");
    client
}

#[test]
fn file_changed_while_sent_aborts_the_response() {
    let content = pattern(SIZE);
    let other: Vec<u8> = content.iter().map(|byte| !byte).collect();
    type Change<'a> = &'a dyn Fn(&File);
    let cases: [(&str, &str, Change<'_>); 5] = [
        ("cut", "", &|file| file.set_len(SIZE as u64 / 2).unwrap()),
        ("emptied", "", &|file| file.set_len(0).unwrap()),
        ("overwritten", "", &|file| write(file, &other)),
        ("grown", "", &|file| file.set_len(SIZE as u64 + 1).unwrap()),
        ("cut, and a part asked for", "Range: bytes=7-\r\n", &|file| file.set_len(99).unwrap()),
    ];
    for (name, fields, change) in cases {
        let site = Site::with(&[("large.bin", &content)]);
        let mut client = waiting(&site.sideman, fields);
        change(&File::options().write(true).open(site.directory.join("large.bin")).unwrap());
        let got = client.until_gone();
        let begin = if fields.is_empty() { 0 } else { 7 };
        assert!(got.len() < SIZE - begin, "{name}: it came whole");
        assert!(got == content[begin..begin + got.len()], "{name}: two versions in one answer");
        let line = site.sideman.log_of(TARGET);
        let error = line["error"].as_str().unwrap_or_default();
        assert!(error.starts_with("file_"), "{name}: {line}");
        // The next request gets the current version.
        let now = fs::read(site.directory.join("large.bin")).unwrap();
        eventually("the new version", || {
            (site.sideman.connect().get(TARGET).body == now).then_some(())
        });
        assert_eq!(site.sideman.metric("sideman_panics_total", &[]), 0.0, "{name}");
    }
}

fn write(mut file: &File, content: &[u8]) {
    std::io::Write::write_all(&mut file, content).unwrap();
}

#[test]
fn file_changed_while_sent_aborts_multipart_responses() {
    let content = pattern(SIZE);
    let site = Site::with(&[("large.bin", &content)]);
    let mut client = Client::connect_with_small_buffer(site.sideman.address(), 32 * 1024);
    client.send(format!(
        "GET {TARGET} HTTP/1.1\r\nHost: example.test\r\nRange: bytes=0-9,1000-{}\r\n\r\n",
        SIZE - 1
    ));
    let head = client.head();
    let length: usize = head.get("content-length").unwrap().parse().unwrap();
    let file = File::options().write(true).open(site.directory.join("large.bin")).unwrap();
    file.set_len(SIZE as u64 / 2).unwrap();
    assert!(client.until_gone().len() < length);
}

#[test]
fn deleted_file_is_sent_to_its_end() {
    let content = pattern(SIZE);
    type Change<'a> = &'a dyn Fn(&Site);
    let cases: [(&str, Change<'_>); 2] = [
        ("replaced", &|site| {
            let temporary = site.directory.write("temporary", "the next version");
            fs::rename(temporary, site.directory.join("large.bin")).unwrap();
        }),
        ("removed", &|site| fs::remove_file(site.directory.join("large.bin")).unwrap()),
    ];
    for (name, change) in cases {
        let site = Site::with(&[("large.bin", &content)]);
        let mut clients =
            [waiting(&site.sideman, ""), waiting(&site.sideman, "Range: bytes=7-\r\n")];
        change(&site);
        eventually("the change", || (site.sideman.get(TARGET).body.len() < SIZE / 2).then_some(()));
        for (client, begin) in clients.iter_mut().zip([0, 7]) {
            client
                .send("GET /static/alphabet.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let all = client.until_closed();
            let (body, next) = all.split_at(SIZE - begin);
            assert!(body == &content[begin..], "{name}");
            assert!(next.starts_with(b"HTTP/1.1 200 "), "{name}: no answer behind it");
        }
    }
}

#[test]
fn clients_that_do_not_read_use_little_memory() {
    const CLIENTS: usize = 20;
    const LARGE: u64 = 64 << 20;
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    // A sparse file: it is read like any other.
    File::create(directory.join("large.bin")).unwrap().set_len(LARGE).unwrap();
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .args(&["--media", &format!("/media/={}", directory.path().display())])
        .start();
    // The memory of one transfer is already allocated.
    assert_eq!(sideman.get(TARGET).body.len() as u64, LARGE);
    let before = sideman.memory("VmRSS");
    let fields = ["", "Range: bytes=1-\r\n", "Range: bytes=0-9,1000-\r\n"];
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|number| waiting(&sideman, fields[number % 3])).collect();
    // Waits until nothing more is sent.
    let mut last = (0.0, 0);
    eventually("rest", || {
        let sent = sideman.metric("sideman_sent_bytes_total", &[]);
        last = if sent == last.0 { (sent, last.1 + 1) } else { (sent, 0) };
        (last.1 == 40).then_some(())
    });
    let grown = sideman.memory("VmHWM").saturating_sub(before);
    // Of 1.25 GiB requested: two chunks of 128 KiB each, and the buffers of hyper.
    assert!(grown < 24 << 20, "{grown} bytes for {CLIENTS} clients");
    assert_eq!(sideman.metric("sideman_requests_in_flight", &[]), CLIENTS as f64);

    // They are served as soon as they read.
    let mut slow = clients.swap_remove(0);
    slow.send("GET /static/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(slow.until_closed().len() as u64 > LARGE);
    clients.into_iter().for_each(Client::reset_connection);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    let grown = sideman.memory("VmHWM").saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes");
}
