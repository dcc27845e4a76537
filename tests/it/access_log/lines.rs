//! Each request has one line, however it ends.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{
    App, Gate, Http2, Origin, ReservedPort, Settings, TempDir, close, expect, http2::setting, open,
    pause, send, until_closed,
};

#[test]
fn proxied_request_logs_every_field() {
    let origin = Origin::script([
        expect("POST /a%20b/"),
        pause(std::time::Duration::from_millis(60)),
        send("HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let fields = "X-Request-ID: the-id\r\nUser-Agent: tester/1.0\r\nReferer: http://a.test/\r\n\
                  traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let mut client = sideman.connect();
    client.send(format!(
        "POST /a%20b/?x=1&y=%22 HTTP/1.1\r\nHost: example.test:81\r\nContent-Length: 0\r\n\
         {fields}\r\n"
    ));
    assert_eq!(client.response().status, 201);
    let line = sideman.log_line("with the id", |line| line["request_id"] == "the-id");
    check_request(&line);
    assert_eq!((&line["status"], &line["bytes"]), (&201.into(), &5.into()));
    assert_eq!(line["error"], Value::Null);
    let (whole, upstream) =
        (line["duration_ms"].as_f64().unwrap(), line["upstream_ms"].as_f64().unwrap());
    assert!((60.0..=whole).contains(&upstream) && whole < 20_000.0, "{line}");
    check_time(line["time"].as_str().unwrap());
}

#[track_caller]
fn check_request(line: &Value) {
    for (key, expected) in [
        ("client", "127.0.0.1"),
        ("method", "POST"),
        ("host", "example.test:81"),
        ("path", "/a%20b/"),
        ("query", "x=1&y=%22"),
        ("route", "proxy"),
        ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
        ("user_agent", "tester/1.0"),
        ("referer", "http://a.test/"),
    ] {
        assert_eq!(line[key], expected, "{key} in {line}");
    }
}

/// While a body is in flight, only the logged parts of its request are kept.
#[test]
fn slow_response_logs_every_field() {
    let origin = Origin::script([
        expect("POST /a%20b/"),
        send(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Accel-Buffering: no\r\nContent-Length: 5\r\n\r\nhel",
        ),
        pause(std::time::Duration::from_millis(60)),
        send("lo"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(
        "POST /a%20b/?x=1&y=%22 HTTP/1.1\r\nHost: example.test:81\r\nContent-Length: 0\r\n\
         X-Request-ID: the-id\r\nUser-Agent: tester/1.0\r\nReferer: http://a.test/\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
    );
    assert_eq!(client.response().text(), "hello");
    check_request(&sideman.log_line("with the id", |line| line["request_id"] == "the-id"));
}

#[test]
fn slow_http2_client_logs_every_field() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = Http2::with(sideman.address(), &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "example.test:81"),
        (":path", "/a%20b/?x=1&y=%22"),
        ("x-request-id", "the-id"),
        ("user-agent", "tester/1.0"),
        ("cookie", "a=b"),
        ("referer", "http://a.test/"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let stream = client.open(&fields, true);
    client.until("its head", |client| client.peek(stream).status == 200);
    client.settle();
    client.widen(stream, 100);
    assert_eq!(client.response(stream).text(), "hello");
    check_request(&sideman.log_line("with the id", |line| line["request_id"] == "the-id"));
}

/// `2026-11-22T05:54:36.123Z`
#[track_caller]
fn check_time(time: &str) {
    let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00T00:00:00.000Z", "{time}");
}

#[test]
fn logged_bytes_are_those_of_the_body() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    directory.write("a.txt", "0123456789");
    let sideman = Settings::before(&application.url()).files("/static/", directory.path()).start();
    let mut client = sideman.connect();
    for (method, fields, status, bytes) in [
        ("GET", "", 200, 10),
        ("HEAD", "", 200, 0),
        ("GET", "Range: bytes=2-4\r\n", 206, 3),
        ("GET", "If-None-Match: *\r\n", 304, 0),
    ] {
        let id = format!("{method}-{status}");
        client.ask(method, "/static/a.txt", &format!("X-Request-ID: {id}\r\n{fields}"));
        let line = sideman.log_line(&id, |line| line["request_id"] == id.as_str());
        assert_eq!((&line["status"], &line["bytes"]), (&status.into(), &bytes.into()), "{line}");
        assert_eq!(line["route"], "static");
        assert_eq!(line["upstream_ms"], Value::Null);
    }
    let missing = client.get("/static/missing");
    let line = sideman.log_of("/static/missing");
    assert_eq!((&line["status"], &line["bytes"]), (&404.into(), &missing.body.len().into()));
}

#[test]
fn logged_bytes_exclude_chunk_framing() {
    let application = App::start(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n\
          5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
            .to_vec()
    });
    let sideman = Settings::before(&application.url()).start();
    assert_eq!(sideman.get("/").text(), "hello world");
    assert_eq!(sideman.log_of("/")["bytes"], 11);
}

#[test]
fn trace_id_is_logged_from_each_trace_header() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    let w3c = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    for (number, (fields, expected)) in [
        (w3c, Some("0af7651916cd43dd8448eb211c80319c")),
        (
            "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n",
            Some("1-67891233-abcdef012345678912345678"),
        ),
        (
            "X-Amzn-Trace-Id: Self=1-a-b;Root=1-67891233-abcdef;Sampled=1\r\n",
            Some("1-67891233-abcdef"),
        ),
        ("traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n", None),
        ("traceparent: nonsense\r\n", None),
        ("", None),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        client.ask("GET", &path, fields);
        assert_eq!(sideman.log_of(&path)["trace_id"].as_str(), expected, "{fields}");
    }
}

#[test]
fn every_line_is_json_whatever_clients_send() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    client.send(
        b"GET /quote\"back\\slash?a='\\ HTTP/1.1\r\nHost: example.test\r\n\
          User-Agent: a\"b\\c\td\xff\xe9</script>\r\nReferer: \xe2\x98\x83 \x80\r\n\r\n",
    );
    assert_eq!(client.response().text(), "hello");
    // `log_line` fails at a line that is not a JSON object.
    let line = sideman.log_line("of that request", |line| line["user_agent"].is_string());
    assert_eq!(line["path"], "/quote\"back\\slash");
    assert_eq!(line["query"], "a='\\");
    let agent = line["user_agent"].as_str().unwrap();
    assert!(agent.starts_with("a\"b\\c\td") && agent.ends_with("</script>"), "{agent}");
    assert!(line["referer"].as_str().unwrap().starts_with('\u{2603}'), "{line}");
}

#[test]
fn refused_request_is_logged() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    assert_eq!(client.send("GET /no-host HTTP/1.1\r\n\r\n").response().status, 400);
    let line = sideman.log_of("/no-host");
    assert_eq!(line["status"], 400);
    assert!(line["error"].is_string(), "{line}");
}

#[test]
fn disconnected_client_is_499() {
    let asked = Gate::new();
    let origin = Origin::script([expect("GET /left "), open(&asked), until_closed()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET /left HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    client.reset_connection();
    let line = sideman.log_of("/left");
    assert_eq!((&line["status"], &line["route"]), (&499.into(), &"proxy".into()), "{line}");
}

#[test]
fn combined_format_is_that_of_apache() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("log.access", "combined").start();
    let fields = "User-Agent: a\"b\r\nReferer: http://a.test/\r\n";
    sideman.connect().ask("GET", "/x%20y?q=1", fields);
    let line = sideman.out_line("/x%20y?q=1");
    let (client, rest) = line.split_once(" - - [").unwrap();
    let (time, rest) = rest.split_once("] ").unwrap();
    assert_eq!(client, "127.0.0.1");
    // 10/Oct/2000:13:55:36 +0000
    assert!(time.len() == 26 && time.ends_with(" +0000"), "{time}");
    let (begin, agent) = rest.rsplit_once(" \"").unwrap();
    assert_eq!(begin, "\"GET /x%20y?q=1 HTTP/1.1\" 200 5 \"http://a.test/\"");
    // A quote in a value must not end the field.
    let agent = agent.strip_suffix('"').unwrap();
    assert!(agent.starts_with('a') && agent.ends_with('b') && !agent.contains("a\"b"), "{agent}");
    sideman.get("/bare");
    let line = sideman.out_line("/bare");
    assert!(line.ends_with("\"GET /bare HTTP/1.1\" 200 5 \"-\" \"-\""), "{line}");
}

#[test]
fn access_log_can_be_disabled() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("log.access", "off").start();
    assert_eq!(sideman.get("/").text(), "hello");
    let (code, lines) = sideman.shut_down();
    assert_eq!((code, lines), (Some(0), Vec::new()));
}

#[test]
fn shutdown_writes_every_log_line() {
    const CLIENTS: usize = 4;
    const REQUESTS: usize = 250;
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let sideman = &sideman;
            scope.spawn(move || {
                let mut client = sideman.connect();
                for turn in 0..REQUESTS {
                    client.get(&format!("/{number}/{turn}"));
                }
            });
        }
    });
    let (code, lines) = sideman.shut_down();
    assert_eq!(code, Some(0));
    let paths: BTreeSet<String> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| line["path"].as_str().map(str::to_owned))
        .collect();
    assert_eq!((lines.len(), paths.len()), (CLIENTS * REQUESTS, CLIENTS * REQUESTS));
}
