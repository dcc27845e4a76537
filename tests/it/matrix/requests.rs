//! Pages and forms: the requests at the application, and the responses at the client.

use crate::support::{Origin, Transport, body, close, expect, send};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\n\
                  Set-Cookie: b=2\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn get_arrives_and_its_page_returns() {
    for transport in Transport::ALL {
        let origin =
            Origin::reached(transport, [vec![expect("GET /a%2Fb//;x? "), send(OK), close()]]);
        let sideman = origin.settings().start();
        let fields = "Cookie: a=1\r\nAccept: */*\r\nX-Request-ID: the-id\r\nX_Forged: 1\r\n\
                      X-Forwarded-For: 6.6.6.6\r\nProxy: 6.6.6.6\r\nConnection: X-Mine\r\nX-Mine: 1\r\n";
        let response = sideman.connect().ask("GET", "/a%2Fb//;x?", fields);
        assert_eq!((response.status, response.text().as_str()), (200, "hello"), "{transport:?}");
        assert_eq!(response.head.all("set-cookie"), ["a=1", "b=2"], "{transport:?}");
        assert_eq!(response.header("content-type"), Some("text/plain"), "{transport:?}");
        let head = origin.request(0).head;
        for (name, value) in [
            ("host", Some("example.test")),
            ("cookie", Some("a=1")),
            ("accept", Some("*/*")),
            ("x-request-id", Some("the-id")),
            ("x-forwarded-for", Some("127.0.0.1")),
            ("x-forwarded-proto", Some("http")),
            ("x-real-ip", Some("127.0.0.1")),
            ("content-length", None),
            ("x-forged", None),
            ("proxy", None),
            ("x-mine", None),
        ] {
            assert_eq!(head.get(name), value, "{transport:?} {name}: {head:?}");
        }
        let line = sideman.log_of("/a%2Fb//;x");
        assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &5.into()), "{transport:?}");
    }
}

#[test]
fn form_arrives_and_its_page_returns() {
    for transport in Transport::ALL {
        let script = vec![expect("POST /form "), body("a=1&b=2"), send(OK), close()];
        let origin = Origin::reached(transport, [script]);
        let sideman = origin.settings().start();
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let response = sideman.connect().post("/form", kind, b"a=1&b=2");
        assert_eq!((response.status, response.text().as_str()), (200, "hello"), "{transport:?}");
        let head = origin.request(0).head;
        assert_eq!(
            head.get("content-type"),
            Some("application/x-www-form-urlencoded"),
            "{transport:?}"
        );
        assert_eq!(head.get("content-length"), Some("7"), "{transport:?}");
    }
}

#[test]
fn head_gets_no_body() {
    for transport in Transport::ALL {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        let origin = Origin::reached(
            transport,
            [
                vec![expect("HEAD /page "), send(head), close()],
                vec![expect("GET /next "), send(OK)],
            ],
        );
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        let response = client.ask("HEAD", "/page", "");
        assert_eq!(response.header("content-length"), Some("5"), "{transport:?}");
        assert_eq!(client.get("/next").text(), "hello", "{transport:?}");
    }
}

#[test]
fn statuses_and_methods_are_unchanged() {
    for transport in Transport::ALL {
        for (method, answer, status) in [
            ("DELETE", "HTTP/1.1 204 No Content\r\n\r\n", 204),
            ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304),
            ("PATCH", "HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n", 422),
            ("PROPFIND", "HTTP/1.1 207 Multi\r\nContent-Length: 0\r\n\r\n", 207),
            ("GET", "HTTP/1.1 502 Its Own\r\nContent-Length: 0\r\n\r\n", 502),
        ] {
            let script = vec![expect(&format!("{method} / ")), send(answer), close()];
            let origin = Origin::reached(transport, [script]);
            let sideman = origin.settings().start();
            let response = sideman.connect().ask(method, "/", "");
            assert_eq!(
                (response.status, response.body.len()),
                (status, 0),
                "{transport:?} {method}"
            );
            assert!(sideman.log_of("/")["error"].is_null(), "{transport:?} {method}");
        }
    }
}
