//! Unusual but valid requests: pipelined ones, `Expect`, `Upgrade`.

use super::{apps::Seen, check, get, last, passed, post, refused};

#[test]
fn expectations_and_upgrades_are_forwarded_or_refused() {
    let body = || Seen::of("POST /").body("body");
    let length = "Content-Length: 4\r\n";
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    check(&[
        passed(post(&format!("Expect: 100-continue\r\n{length}"), "body"), body()),
        passed(post(&format!("expect: 100-CONTINUE\r\n{length}"), "body"), body()),
        passed(post(&format!("Expect: 200-ok\r\n{length}"), "body"), body()),
        passed(post(&format!("Expect:\r\n{length}"), "body"), body()),
        passed(get("Expect: 100-continue\r\n"), Seen::of("GET /")),
        // h2c would bypass every rule for requests (RFC 9113, 3.1 removed it).
        passed(get(h2c), Seen::of("GET /")),
        passed(post(&format!("{h2c}{length}"), "body"), body()),
        passed(get("Upgrade: h2c\r\n"), Seen::of("GET /")),
        passed(get("HTTP2-Settings: AAMAAABk\r\n"), Seen::of("GET /")),
        passed(get("Connection: upgrade\r\nUpgrade: TLS/1.0\r\n"), Seen::of("GET /")),
        passed(get("Upgrade: websocket\r\n"), Seen::of("GET /")),
        passed(
            post(&format!("Connection: upgrade\r\nUpgrade: websocket\r\n{length}"), "body"),
            body(),
        ),
        last(get("Connection: close\r\n"), Seen::of("GET /")),
        last(get("Connection: keep-alive, CLOSE\r\n"), Seen::of("GET /")),
        last(get("Connection: close\r\nConnection: keep-alive\r\n"), Seen::of("GET /")),
        // The beginning of the HTTP/2 preface, without its rest.
        refused("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 505, "version_unsupported"),
    ]);
}

#[test]
fn pipelined_requests_are_separated() {
    // A body that looks like a request is never treated as one.
    let inner = "GET /inner HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = inner.len();
    check(&[
        passed(
            post(&format!("Content-Length: {length}\r\n"), inner),
            Seen::of("POST /").body(inner),
        ),
        passed(
            post("Transfer-Encoding: chunked\r\n", &format!("{length:x}\r\n{inner}\r\n0\r\n\r\n")),
            Seen::of("POST /").body(inner),
        ),
        passed(
            get(&format!("Content-Length: {length}\r\n")) + inner,
            Seen::of("GET /").body(inner),
        ),
    ]);
}
