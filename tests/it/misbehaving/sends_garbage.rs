//! Sends bytes that are not HTTP, or ambiguous HTTP.

use super::{GARBAGE, check_cut, check_get};
use crate::support::{send, until_closed};

#[test]
fn malformed_response_is_502() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
        "<html>hello</html>\n\n",
        "\r\n\r\n\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 -20 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 600 High\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 999 Highest\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: nameless\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked, chunked\r\n\r\n0\r\n\r\n",
        // No client requested an upgrade.
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ] {
        check_get(GARBAGE, &[send(garbage), until_closed()]);
    }
}

/// The response head was sent already, so the client's connection is closed.
#[test]
fn malformed_body_closes_the_client_connection() {
    for garbage in ["zz\r\n", "1\r\nabc\r\n", "-1\r\n", "fffffffffffffffff\r\n"] {
        check_cut(
            "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
            &send(garbage),
            "upstream_invalid_response",
        );
    }
}
