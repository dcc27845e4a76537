//! Unusual response heads, and the head that the client gets.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::support::{Gate, Origin, Settings, close, expect, send, wait};

/// The bytes that a client gets of a response that begins like this.
fn relayed(head: &str) -> String {
    let origin = Origin::script([expect("GET / "), send(format!("{head}\r\nok"))]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
    String::from_utf8(client.until_closed()).unwrap()
}

#[test]
fn custom_reason_phrase_is_kept() {
    for (line, expected) in [
        ("HTTP/1.1 200 Alles Gut", "HTTP/1.1 200 Alles Gut\r\n"),
        ("HTTP/1.1 404 No Such Page", "HTTP/1.1 404 No Such Page\r\n"),
        ("HTTP/1.1 299 Mine", "HTTP/1.1 299 Mine\r\n"),
        ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\n"),
        ("HTTP/1.1 200", "HTTP/1.1 200 OK\r\n"),
    ] {
        let response = relayed(&format!("{line}\r\nContent-Length: 2\r\n"));
        assert!(response.starts_with(expected), "{line}: {response}");
    }
}

#[test]
fn repeated_content_length_is_forwarded_once() {
    let response = relayed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n");
    assert_eq!(response.matches("content-length: 2\r\n").count(), 1, "{response}");
    assert!(response.ends_with("\r\n\r\nok"), "{response}");
}

#[test]
fn space_before_a_colon_is_removed() {
    let response = relayed("HTTP/1.1 200 OK\r\nX-Spaced : a\r\nContent-Length : 2\r\n");
    assert!(response.contains("\r\nx-spaced: a\r\n") && response.ends_with("ok"), "{response}");
}

#[test]
fn many_fields_are_relayed() {
    let fields: String = (0..600).map(|number| format!("X-Field-{number}: a\r\n")).collect();
    let response = relayed(&format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n"));
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.contains("\r\nx-field-599: a\r\n"), "{response}");
}

/// RFC 9112, 6.1: the message is read, and its connection is not reused.
#[test]
fn chunks_in_http10_end_the_connection() {
    let chunked = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n\
                   2\r\nok\r\n0\r\n\r\n";
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext";
    let origin = Origin::scripts([
        vec![expect("GET /1 "), send(chunked)],
        vec![expect("GET /2 "), send(plain)],
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "ok");
    assert_eq!(client.get("/2").text(), "next");
}

#[test]
fn interim_responses_are_relayed_in_order() {
    for status in ["102 Processing", "103 Early Hints", "104 Upload Resumption Supported", "199 X"]
    {
        let interim = format!("HTTP/1.1 {status}\r\nX-Interim: a\r\n\r\n");
        let response = relayed(&format!(
            "HTTP/1.1 100 Continue\r\n\r\n{interim}{interim}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        ));
        let code = status.split(' ').next().unwrap();
        let lines: Vec<&str> =
            response.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
        assert_eq!(lines.len(), 3, "{response}");
        let begin = format!("HTTP/1.1 {code} ");
        assert!(lines[0].starts_with(&begin) && lines[1].starts_with(&begin), "{response}");
        assert!(response.matches("\r\nx-interim: a\r\n").count() == 2, "{response}");
        assert!(lines[2] == "HTTP/1.1 200 OK" && response.ends_with("ok"), "{response}");
    }
}

/// An application that begins with the first, and then repeats the second every 20 ms, for 10 s at most.
fn drips(begin: &'static str, more: &'static str) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        // Some connections only check whether the application accepts.
        let mut stream = loop {
            let (mut stream, _) = listener.accept().unwrap();
            if stream.read(&mut [0; 4096]).unwrap() > 0 {
                break stream;
            }
        };
        stream.write_all(begin.as_bytes()).unwrap();
        for _ in 0..500 {
            if stream.write_all(more.as_bytes()).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    (address, thread)
}

#[test]
fn endless_interim_responses_time_out() {
    let (address, application) = drips("", "HTTP/1.1 102 Processing\r\n\r\n");
    let sideman = Settings::before(&format!("http://{address}"))
        .set("upstream.read_timeout", "300ms")
        .start();
    let begin = Instant::now();
    let response = sideman.get("/");
    assert_eq!(response.status, 504, "{}", response.text());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(sideman.log_of("/")["error"], "upstream_read_timeout");
    application.join().unwrap();
}

#[test]
fn slow_response_head_times_out() {
    let (address, application) = drips("HTTP/1.1 200 OK\r\n", "X-More: a\r\n");
    let sideman = Settings::before(&format!("http://{address}"))
        .set("upstream.read_timeout", "300ms")
        .start();
    assert_eq!(sideman.get("/").status, 504);
    assert_eq!(sideman.log_of("/")["error"], "upstream_read_timeout");
    application.join().unwrap();
}

#[test]
fn too_many_interim_responses_are_502() {
    let many = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1001);
    let response = relayed(&format!("{many}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"));
    assert!(response.contains("HTTP/1.1 502 "), "{response}");
}

#[test]
fn fault_of_a_malformed_response_is_logged() {
    for (head, expected) in [
        ("HTTP/1.1 700 X\r\nContent-Length: 2\r\n", "its status is not between 100 and 599"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n", "its Content-Length"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n", "a header field is malformed"),
    ] {
        let origin = Origin::script([expect("GET / "), send(format!("{head}\r\nok"))]);
        let sideman = Settings::before(&origin.url()).start();
        assert_eq!(sideman.get("/").status, 502);
        let event = sideman.event("request failed at the application");
        assert!(event.contains(expected) && event.contains("upstream_invalid_response"), "{event}");
    }
    let many = "X-Field: 1\r\n".repeat(1100);
    let origin = Origin::script([expect("GET / "), send(format!("HTTP/1.1 200 OK\r\n{many}\r\n"))]);
    let sideman = Settings::before(&origin.url()).start();
    assert_eq!(sideman.get("/").status, 502);
    let event = sideman.event("request failed at the application");
    assert!(event.contains("more than 1024 header fields"), "{event}");
}

#[test]
fn truncated_response_is_logged() {
    let seen = Gate::new();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nbegin";
    let origin = Origin::script([expect("GET /page "), send(head), wait(&seen), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET /page HTTP/1.1\r\nHost: example.test\r\n\r\n").until("begin");
    seen.open();
    client.until_gone();
    let event = sideman.event("upstream_truncated");
    assert!(event.contains("/page") && event.contains("advice="), "{event}");
}
