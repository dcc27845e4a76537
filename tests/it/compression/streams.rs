//! Bodies that arrive in pieces.

use super::{CODINGS, application, decoded, page};
use crate::support::{Client, Gate, Origin, Settings, close, expect, send, until_closed, wait};

/// Reads one chunk.
fn chunk(client: &mut Client) -> Vec<u8> {
    let line = client.until("\r\n");
    let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
    let chunk = client.exact(length);
    assert_eq!(client.exact(2), b"\r\n");
    chunk
}

#[test]
fn pieces_arrive_while_the_application_pauses() {
    for (coding, route) in CODINGS.into_iter().zip(["response", "request", "both"]) {
        for framing in ["Transfer-Encoding: chunked", "Connection: close"] {
            let next = Gate::new();
            let is_chunked = framing.starts_with("Transfer");
            let piece = |text: &str| match is_chunked {
                true => format!("{:x}\r\n{text}\r\n", text.len()),
                false => text.to_owned(),
            };
            let (first, second, third) = ("a short line\n", "another\n".repeat(9000), "the end\n");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{framing}\r\n\r\n");
            let last = if is_chunked { "0\r\n\r\n" } else { "" };
            let origin = Origin::script([
                expect("GET / "),
                send(head + &piece(first)),
                wait(&next),
                send(piece(&second)),
                send(piece(third) + last),
                close(),
            ]);
            let sideman = Settings::before(&origin.url())
                .route("all", &[("path", "/"), ("stream", route)])
                .start();
            let mut client = sideman.connect();
            let accepted = coding.token();
            client.send(format!(
                "GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: {accepted}\r\n\r\n"
            ));
            let head = client.head();
            assert_eq!(head.get("content-encoding"), Some(accepted));
            assert_eq!(head.get("transfer-encoding"), Some("chunked"));
            let mut packed = Vec::new();
            while decoded(coding, &packed) != first {
                packed.extend(chunk(&mut client));
            }
            next.open();
            loop {
                let piece = chunk(&mut client);
                if piece.is_empty() {
                    break;
                }
                packed.extend(piece);
            }
            assert!(decoded(coding, &packed) == format!("{first}{second}{third}"), "{framing}");
            sideman.until_metric("sideman_buffer_bytes", &[("kind", "memory")], 0.0);
        }
    }
}

#[test]
fn broken_response_stays_broken() {
    for coding in CODINGS {
        let end = Gate::new();
        let origin = Origin::script([
            expect("GET / "),
            send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
                 4\r\nhalf\r\n",
            ),
            wait(&end),
            close(),
        ]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        let token = coding.token();
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: {token}\r\n\r\n"));
        assert_eq!(client.head().get("content-encoding"), Some(token));
        let mut packed = Vec::new();
        while decoded(coding, &packed) != "half" {
            packed.extend(chunk(&mut client));
        }
        end.open();
        // The last chunk is missing.
        let rest = client.until_gone();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
        sideman.until_metric("sideman_buffer_bytes", &[("kind", "memory")], 0.0);
    }
}

#[test]
fn client_that_leaves_frees_the_encoder() {
    let origin = Origin::script([
        expect("GET / "),
        send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nbegin"),
        until_closed(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: br\r\n\r\n");
    assert_eq!(client.head().get("content-encoding"), Some("br"));
    client.reset_connection();
    sideman.until_metric("sideman_buffer_bytes", &[("kind", "memory")], 0.0);
}

#[test]
fn client_of_http_1_0_reads_until_the_end() {
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    for (target, length) in [("/length", true), ("/chunked", true)] {
        let mut client = sideman.connect();
        client.send(format!("GET {target} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.header("content-encoding"), Some("gzip"));
        assert_eq!(response.header("content-length").is_some(), length);
        assert_eq!(decoded(sideman::rfc::encoding::Coding::Gzip, &response.body), page());
    }
}
