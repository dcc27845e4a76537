//! Bodies: complete before they are forwarded, and read from the application as fast as it writes.

use crate::support::{
    Client, Gate, Origin, Settings, Step, Transport, body, close, expect, open, pattern, receive,
    send, wait,
};

const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
const BODY_LENGTH: usize = 5 << 20;

/// Sends a body in two chunks; the second after the gate opens.
fn send_chunked(client: &mut Client, target: &str, body: &[u8], middle: &Gate) {
    let (first, second) = body.split_at(body.len() / 2);
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    client.send(format!(
        "POST {target} HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    client.send(chunk(first));
    middle.pass();
    client.send([chunk(second), b"0\r\n\r\n".to_vec()].concat());
}

/// The gate is open from the beginning.
fn opened() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

#[test]
fn chunked_upload_gets_content_length() {
    for transport in Transport::ALL {
        for length in [2, 70_000, 300_000] {
            let bytes = pattern(length);
            let script = vec![expect("POST /up "), body(&bytes), send(DONE), close()];
            let origin = Origin::reached(transport, [script]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            send_chunked(&mut client, "/up", &bytes, &opened());
            assert_eq!(client.response().text(), "done", "{transport:?}");
            let head = origin.request(0).head;
            assert_eq!(
                head.get("content-length"),
                Some(length.to_string().as_str()),
                "{transport:?}"
            );
            assert!(!head.has("transfer-encoding"), "{transport:?}: {head:?}");
        }
    }
}

/// The uwsgi protocol has no chunked bodies: there the body is buffered nevertheless.
#[test]
fn chunked_upload_to_an_unbuffered_route_is_forwarded() {
    for transport in Transport::ALL {
        let (arrived, bytes) = (Gate::new(), pattern(300_000));
        let script = if transport.speaks_uwsgi() {
            arrived.open();
            vec![expect("POST /up "), body(&bytes)]
        } else {
            vec![
                expect("POST /up "),
                receive("\u{1}\u{2}"),
                open(&arrived),
                receive("\r\n0\r\n\r\n"),
            ]
        };
        let origin = Origin::reached(transport, [[script, vec![send(DONE), close()]].concat()]);
        let settings: Settings =
            origin.settings().route("up", &[("path", "/up**"), ("stream", "request")]);
        let sideman = settings.start();
        let mut client = sideman.connect();
        send_chunked(&mut client, "/up", &bytes, &arrived);
        assert_eq!(client.response().text(), "done", "{transport:?}");
        assert_eq!(
            origin.request(0).head.has("content-length"),
            transport.speaks_uwsgi(),
            "{transport:?}"
        );
    }
}

#[test]
fn upload_is_forwarded_when_it_is_complete() {
    for transport in Transport::ALL {
        let bytes = pattern(BODY_LENGTH);
        let page = vec![expect("GET /page "), send(DONE), close()];
        let upload = vec![expect("POST /up "), body(&bytes), send(DONE), close()];
        // In this order: no byte of the upload may have arrived before the page was requested.
        let origin = Origin::reached(transport, [page, upload]);
        let sideman = origin.settings().start();
        let mut slow = sideman.connect();
        slow.send(format!(
            "POST /up HTTP/1.1\r\nHost: example.test\r\nContent-Length: {BODY_LENGTH}\r\n\r\n"
        ));
        slow.send(&bytes[..BODY_LENGTH - 1]);
        assert_eq!(sideman.get("/page").text(), "done", "{transport:?}");
        assert_eq!(slow.send(&bytes[BODY_LENGTH - 1..]).response().text(), "done", "{transport:?}");
        assert_eq!(sideman.metric("sideman_buffer_spilled_total", &[("body", "request")]), 1.0);
    }
}

#[test]
fn slow_reader_occupies_no_worker() {
    for transport in Transport::ALL {
        let long = |framing: &str| format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
        let chunks = [
            format!("{BODY_LENGTH:x}\r\n").into_bytes(),
            pattern(BODY_LENGTH),
            b"\r\n0\r\n\r\n".to_vec(),
        ];
        for (head, bytes) in [
            (
                long(&format!("Content-Length: {BODY_LENGTH}\r\nConnection: close")),
                pattern(BODY_LENGTH),
            ),
            (long("Transfer-Encoding: chunked\r\nConnection: close"), chunks.concat()),
            (long("Connection: close"), pattern(BODY_LENGTH)),
        ] {
            let script = vec![expect("GET /long "), send(&head), send(bytes), close()];
            let page = vec![expect("GET /page "), send(DONE), close()];
            let origin = Origin::reached(transport, [script, page]);
            let sideman = origin.settings().set("upstream.max_in_flight", "1").start();
            let mut slow = Client::connect_with_small_buffer(sideman.address(), 4096);
            slow.send("GET /long HTTP/1.1\r\nHost: example.test\r\n\r\n");
            // The whole response was read, and its permit released.
            origin.until_closed(1);
            assert_eq!(sideman.get("/page").text(), "done", "{transport:?} {head}");
            let response = slow.response();
            assert!(
                response.status == 200 && response.body == pattern(BODY_LENGTH),
                "{transport:?} {head}"
            );
        }
    }
}

#[test]
fn events_are_streamed_one_by_one() {
    for transport in Transport::ALL {
        for fields in ["Content-Type: text/event-stream", "X-Accel-Buffering: no"] {
            let seen: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
            let events = seen
                .iter()
                .enumerate()
                .flat_map(|(number, gate)| [send(format!("data: {number}\n\n")), wait(gate)]);
            let script: Vec<Step> = [expect("GET /events "), send(head)]
                .into_iter()
                .chain(events)
                .chain([close()])
                .collect();
            let origin = Origin::reached(transport, [script]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            client.send("GET /events HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
            for (number, gate) in seen.iter().enumerate() {
                client.until(&format!("data: {number}\n\n"));
                gate.open();
            }
            client.until_closed();
            assert!(sideman.log_of("/events")["error"].is_null(), "{transport:?}");
        }
    }
}

#[test]
fn client_that_expects_100_gets_it_from_sideman() {
    for transport in Transport::ALL {
        let origin = Origin::reached(
            transport,
            [vec![expect("POST /up "), body("body"), send(DONE), close()]],
        );
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        client.send(
            "POST /up HTTP/1.1\r\nHost: example.test\r\nContent-Length: 4\r\n\
             Expect: 100-continue\r\n\r\n",
        );
        assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n", "{transport:?}");
        assert!(origin.requests().is_empty(), "{transport:?}");
        assert_eq!(client.send("body").response().text(), "done", "{transport:?}");
        assert!(!origin.request(0).head.has("expect"), "{transport:?}");
    }
}
