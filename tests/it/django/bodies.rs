//! Uploads and downloads, and many requests in sequence.

use serde_json::Value;

use super::{Check, Site};
use crate::support::{Response, pattern};

pub(super) const CHECKS: &[Check] = &[
    ("an upload arrives whole", upload),
    ("an upload in chunks arrives with its length", chunked_upload),
    ("a form with a file", form),
    ("a small form", small_form),
    ("an upload that waits for 100", expecting_upload),
    ("a download arrives whole", download),
    ("many requests on one connection", many_requests),
    ("many clients at once", many_clients),
];

const MIB: usize = 1 << 20;
/// The digest of this many bytes of the pattern.
const SHA256_OF_5_MIB: &str = "16b632f11cf950dda67dc4c184a3f9e0aa1ffa4c18927bb8977e7da97ca25bca";
const SHA256_OF_30_MIB: &str = "6191b1a20b230587a8f54ee140fe9dcb557a0c5144ba11f76c8c1a79b409279b";
const SHA256_OF_1_MIB: &str = "631b84027d6b9e52b539c4e8373622d23032dfadc64d60af87339c9037e4f769";
const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[track_caller]
fn check_echo(response: &Response, length: usize, sha256: &str) {
    assert_eq!(response.status, 200, "{}", response.text());
    let echo = response.json();
    assert_eq!(echo["method"], "POST");
    assert_eq!((&echo["length"], &echo["sha256"]), (&length.into(), &Value::from(sha256)));
}

fn upload(site: &Site) {
    let mut client = site.sideman.connect();
    check_echo(&client.post("/echo", "", &pattern(5 * MIB)), 5 * MIB, SHA256_OF_5_MIB);
    check_echo(&client.post("/echo", "", &pattern(MIB)), MIB, SHA256_OF_1_MIB);
    check_echo(&client.post("/echo", "", b""), 0, SHA256_OF_NOTHING);
    check_echo(&client.post("/echo", "", &pattern(30 * MIB)), 30 * MIB, SHA256_OF_30_MIB);
}

/// WSGI reads no body without a length.
fn chunked_upload(site: &Site) {
    let mut client = site.sideman.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in pattern(MIB).chunks(50_000) {
        client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
    }
    let response = client.send("0\r\n\r\n").response();
    check_echo(&response, MIB, SHA256_OF_1_MIB);
    assert_eq!(response.json()["meta"]["CONTENT_LENGTH"], MIB.to_string());
}

fn form(site: &Site) {
    let kind = "Content-Type: multipart/form-data; boundary=between\r\n";
    let begin = "--between\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA title\r\n\
                 --between\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.bin\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n";
    // More than Django keeps in memory (FILE_UPLOAD_MAX_MEMORY_SIZE).
    let body = [begin.as_bytes(), &pattern(5 * MIB), b"\r\n--between--\r\n"].concat();
    let answer = site.sideman.connect().post("/upload/", kind, &body).json();
    assert_eq!(answer["fields"]["title"], "A title", "{answer}");
    let file = &answer["files"][0];
    assert_eq!((&file["name"], &file["size"]), (&"a b.bin".into(), &(5 * MIB).into()));
    assert_eq!(file["sha256"], SHA256_OF_5_MIB);
}

fn small_form(site: &Site) {
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = site.sideman.connect().post("/upload/", kind, b"title=a%20b&x=1").json();
    assert_eq!(answer["fields"]["title"], "a b", "{answer}");
}

fn expecting_upload(site: &Site) {
    let mut client = site.sideman.connect();
    client.send(format!(
        "POST /echo HTTP/1.1\r\nHost: example.test\r\nContent-Length: {MIB}\r\n\
         Expect: 100-continue\r\n\r\n"
    ));
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    check_echo(&client.send(pattern(MIB)).response(), MIB, SHA256_OF_1_MIB);
}

fn download(site: &Site) {
    let mut client = site.sideman.connect();
    for size in [0, 1, 65_536, 3 * MIB + 1] {
        let response = client.get(&format!("/download/{size}/"));
        assert_eq!(response.header("content-length"), Some(size.to_string().as_str()));
        assert!(response.body == pattern(size), "{} of {size} bytes", response.body.len());
    }
}

fn many_requests(site: &Site) {
    let mut client = site.sideman.connect();
    for turn in 0..60 {
        let target = format!("/echo/{turn}");
        let response = match turn % 3 {
            0 => client.post(&target, "", b"body"),
            1 => client.ask("DELETE", &target, ""),
            _ => client.get(&target),
        };
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(response.json()["target"], target);
    }
    let reused = site.sideman.metric("sideman_upstream_connections_reused_total", &[]);
    if site.server.keeps_connections() {
        assert!(reused > 20.0, "connections are not reused: {reused}");
    }
    if site.server.speaks_uwsgi() && !site.server.keeps_connections() {
        assert_eq!(reused, 0.0, "uWSGI's connections are for one request");
    }
}

fn many_clients(site: &Site) {
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let mut client = site.sideman.connect();
                for turn in 0..15 {
                    let target = format!("/echo/{number}/{turn}");
                    let response = match turn % 2 {
                        0 => client.post(&target, "", b"body"),
                        _ => client.get(&target),
                    };
                    assert_eq!(response.status, 200, "{target}");
                    assert_eq!(response.json()["target"], target);
                }
            });
        }
    });
}
