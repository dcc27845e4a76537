//! Clients that close their side while the application works. TCP does not tell a disconnect from a
//! half-close until something is sent.

use crate::support::{
    App, Client, Gate, Origin, Settings, Sideman, Step, Transport, close, expect, open, receive,
    send, until_closed, wait,
};

const GET: &str = "GET /page HTTP/1.1\r\nHost: example.test\r\n\r\n";
const POST: &str = "POST /page HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "POST /page HTTP/1.1\r\nHost: example.test\r\n\
                       Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// Echoes the request, once the gate is open.
fn gated(gate: &Gate) -> App {
    let gate = gate.clone();
    App::start(move |request| {
        gate.pass();
        App::reply(&request.body)
    })
}

fn half_closed(sideman: &Sideman, request: &str) -> Client {
    let mut client = sideman.connect();
    client.send(request).half_close();
    client
}

/// Returns when another client is seen to wait: earlier clients were checked meanwhile.
fn let_one_wait(sideman: &Sideman) -> Client {
    let mut client = half_closed(sideman, GET);
    assert_eq!(client.until("\r\n\r\n"), INTERIM);
    client
}

#[test]
fn disconnected_client_is_noticed() {
    for request in [GET, POST, CHUNKED] {
        let (asked, gone) = (Gate::new(), Gate::new());
        let method = request.split('/').next().unwrap();
        let body = if method == "GET " { receive("") } else { receive("hello") };
        let origin =
            Origin::script([expect(method), body, open(&asked), until_closed(), open(&gone)]);
        let sideman = Settings::before(&origin.url()).set("upstream.abort", "true").start();
        let mut client = sideman.connect();
        client.send(request);
        asked.pass();
        // An orderly close without a reset.
        drop(client);
        let line = sideman.log_of("/page");
        assert_eq!((&line["status"], &line["error"]), (&499.into(), &"client_disconnected".into()));
        // Far below the read timeout of the application.
        assert!(line["duration_ms"].as_f64().unwrap() < 10_000.0, "{line}");
        gone.pass();
        sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
        sideman.until_metric("sideman_client_connections", &[], 0.0);
    }
}

#[test]
fn half_closed_client_gets_one_interim_and_one_final_response() {
    let answer = Gate::new();
    let application = gated(&answer);
    let sideman = Settings::before(&application.url()).start();
    let requests = [(GET, ""), (POST, "hello"), (CHUNKED, "hello")];
    let mut clients: Vec<_> = requests
        .iter()
        .map(|&(request, text)| {
            let mut client = half_closed(&sideman, request);
            assert_eq!(client.until("\r\n\r\n"), INTERIM, "{request}");
            (client, text)
        })
        .collect();
    let _last = let_one_wait(&sideman);
    answer.open();
    for (client, text) in &mut clients {
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (200, *text));
        assert!(response.interim.is_empty(), "one more: {:?}", response.interim);
        assert!(client.until_closed().is_empty());
    }
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    let (_, lines) = sideman.shut_down();
    let good = lines.iter().filter(|line| line.contains("\"status\":200")).count();
    assert_eq!((lines.len(), good), (4, 4), "{lines:?}");
}

#[test]
fn http_1_0_client_gets_no_interim_response() {
    let answer = Gate::new();
    let application = gated(&answer);
    // The only worker checks its clients in the order of their times.
    let sideman = Settings::before(&application.url()).set("server.workers", "1").start();
    let mut old = half_closed(&sideman, "GET /page HTTP/1.0\r\nHost: example.test\r\n\r\n");
    let _others = [let_one_wait(&sideman), let_one_wait(&sideman)];
    answer.open();
    let response = old.response();
    assert_eq!(response.status, 200);
    assert!(response.interim.is_empty(), "{:?}", response.interim);
    assert!(old.until_closed().is_empty());
}

#[test]
fn started_response_gets_no_interim_response() {
    let rest = Gate::new();
    let origin = Origin::scripts([
        vec![
            expect("GET /page "),
            send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 200000\r\n\r\nfirst"),
            wait(&rest),
            send([b'x'; 199_995]),
            close(),
        ],
        vec![expect("GET /page "), until_closed()],
        vec![expect("GET /page "), until_closed()],
    ]);
    let sideman = Settings::before(&origin.url()).set("server.workers", "1").start();
    let mut client = half_closed(&sideman, GET);
    let begin = client.until("\r\n\r\nfirst");
    assert!(begin.starts_with("HTTP/1.1 200 "), "{begin}");
    let others = [let_one_wait(&sideman), let_one_wait(&sideman)];
    rest.open();
    assert_eq!(client.until_closed(), [b'x'; 199_995]);
    drop(others);
}

#[test]
fn disconnect_within_the_body_cancels_the_request() {
    let (chunked, fixed) =
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello", "Content-Length: 9\r\n\r\nhello");
    for part in [chunked, fixed] {
        let asked = Gate::new();
        let origin =
            Origin::script([expect("POST /page "), receive("hello"), open(&asked), until_closed()]);
        let sideman = Settings::before(&origin.url()).set("route.all.stream", "request").start();
        let mut client = sideman.connect();
        client.send(format!("POST /page HTTP/1.1\r\nHost: example.test\r\n{part}"));
        asked.pass();
        client.half_close();
        let answer = String::from_utf8_lossy(&client.until_gone()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let line = sideman.log_of("/page");
        assert!(line["status"] == 400 || line["status"] == 499, "{line}");
        assert!(line["error"].is_string(), "{line}");
        origin.until_closed(1);
    }
}

/// The end of the client's side may be seen together with its response: no later event
/// wakes the connection, which must close nevertheless.
#[test]
fn connection_closes_after_the_response_to_a_half_closed_client() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    for _ in 0..300 {
        let mut client = sideman.connect();
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n").half_close();
    }
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}

/// Heads of unbuffered responses, and the setting that makes them unbuffered, if any.
const STREAMS: [(&str, Option<&str>); 3] = [
    ("Content-Type: text/event-stream\r\n", None),
    ("X-Accel-Buffering: no\r\n", None),
    ("Content-Type: text/plain\r\n", Some("response")),
];

fn stream(fields: &str, then: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\nfirst");
    [expect("GET /page "), send(head)].into_iter().chain(then).collect()
}

/// Nothing is sent on this stream: the close of the client's side must be noticed.
#[test]
fn disconnect_from_a_silent_stream_is_noticed() {
    for transport in Transport::ALL {
        for (fields, unbuffered) in STREAMS {
            for resets in [false, true] {
                let gone = Gate::new();
                let script = stream(fields, [until_closed(), open(&gone)]);
                let origin = Origin::reached(transport, [script]);
                let settings = origin.settings().set("upstream.read_timeout", "1h");
                let sideman =
                    settings.set("route.all.stream", unbuffered.unwrap_or("none")).start();
                let mut client = sideman.connect();
                client.send(GET).until("first");
                if resets {
                    client.reset_connection()
                } else {
                    drop(client)
                }
                gone.pass();
                let line = sideman.log_of("/page");
                assert_eq!(
                    (&line["status"], &line["error"]),
                    (&200.into(), &"client_disconnected".into())
                );
                sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
                sideman.until_metric("sideman_client_connections", &[], 0.0);
            }
        }
    }
}

/// The close is seen before or after the stream has begun.
#[test]
fn disconnect_while_a_stream_starts_is_noticed() {
    let streams = |_| stream("Content-Type: text/event-stream\r\n", [until_closed()]);
    let origin = Origin::scripts((0..40).map(streams).collect::<Vec<_>>());
    let sideman = Settings::before(&origin.url()).set("upstream.read_timeout", "1h").start();
    for _ in 0..40 {
        sideman.connect().send(GET);
    }
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
}

#[test]
fn half_closed_client_gets_the_whole_stream() {
    for (fields, unbuffered) in STREAMS {
        let (begin, rest) = (Gate::new(), Gate::new());
        let origin = Origin::scripts([
            [expect("GET /page "), wait(&begin)]
                .into_iter()
                .chain([send(format!("HTTP/1.1 200 OK\r\n{fields}\r\nfirst")), wait(&rest)])
                .chain([send("second"), close()])
                .collect(),
            vec![expect("GET /page "), until_closed()],
            vec![expect("GET /page "), until_closed()],
        ]);
        let sideman = Settings::before(&origin.url())
            .set("server.workers", "1")
            .set("route.all.stream", unbuffered.unwrap_or("none"))
            .start();
        let mut client = half_closed(&sideman, GET);
        assert_eq!(client.until("\r\n\r\n"), INTERIM);
        begin.open();
        client.until("first");
        let others = [let_one_wait(&sideman), let_one_wait(&sideman)];
        rest.open();
        let end = String::from_utf8_lossy(&client.until_closed()).into_owned();
        assert!(end.contains("second"), "{fields}: {end}");
        drop(others);
        assert_eq!(
            sideman.log_line("of the stream", |line| line["status"] == 200)["error"],
            serde_json::Value::Null
        );
    }
}
