//! The chunked coding (RFC 9112, 7.1).

use super::{apps::Seen, check, passed, post, refused};

const CODING: &str = "Transfer-Encoding: chunked\r\n";

#[test]
fn malformed_chunks_are_refused() {
    let cases: Vec<_> = [
        // Sizes.
        "\r\nbody\r\n0\r\n\r\n",
        "g\r\nbody\r\n0\r\n\r\n",
        "-4\r\nbody\r\n0\r\n\r\n",
        "+4\r\nbody\r\n0\r\n\r\n",
        "0x4\r\nbody\r\n0\r\n\r\n",
        "4h\r\nbody\r\n0\r\n\r\n",
        " 4\r\nbody\r\n0\r\n\r\n",
        "4 \r\nbody\r\n0\r\n\r\n",
        "4\t\r\nbody\r\n0\r\n\r\n",
        "4 4\r\nbody\r\n0\r\n\r\n",
        "4,4\r\nbody\r\n0\r\n\r\n",
        "\u{664}\r\nbody\r\n0\r\n\r\n",
        "4\0\r\nbody\r\n0\r\n\r\n",
        "8000000000000000\r\nbody\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nbody\r\n0\r\n\r\n",
        "10000000000000004\r\nbody\r\n0\r\n\r\n",
        "00000000000000004\r\nbody\r\n0\r\n\r\n",
        // Line ends.
        "4\nbody\r\n0\r\n\r\n",
        "4\rbody\r\n0\r\n\r\n",
        "4\r\r\nbody\r\n0\r\n\r\n",
        "4\r\nbody\n0\r\n\r\n",
        "4\r\nbody0\r\n\r\n",
        "4\r\nbody\r0\r\n\r\n",
        "4\r\nbodyX\r\n0\r\n\r\n",
        "3\r\nbody\r\n0\r\n\r\n",
        "4\r\nbody\r\n\r\n0\r\n\r\n",
        "4\r\nbody\r\n0\n\r\n",
        // Extensions.
        "4;\r\nbody\r\n0\r\n\r\n",
        "4;;a\r\nbody\r\n0\r\n\r\n",
        "4;=a\r\nbody\r\n0\r\n\r\n",
        "4;a=\r\nbody\r\n0\r\n\r\n",
        "4;a b\r\nbody\r\n0\r\n\r\n",
        "4;a=\"b\r\nbody\r\n0\r\n\r\n",
        "4;a=\"b\r\n\"\r\nbody\r\n0\r\n\r\n",
        "4;a=\"b\\\r\nbody\r\n0\r\n\r\n",
        "4;a\nb\r\nbody\r\n0\r\n\r\n",
        "4;\nbody\r\n0\r\n\r\n",
        "4;a\rb\r\nbody\r\n0\r\n\r\n",
        "4;a=\0\r\nbody\r\n0\r\n\r\n",
        "4;a=\u{e9}\r\nbody\r\n0\r\n\r\n",
        // Trailers.
        "4\r\nbody\r\n0\r\n\n",
        "4\r\nbody\r\n0\r\nX: a\n\r\n",
        "4\r\nbody\r\n0\r\nX: a\nY: b\r\n\r\n",
        "4\r\nbody\r\n0\r\nX: a\rb\r\n\r\n",
        "4\r\nbody\r\n0\r\nX : a\r\n\r\n",
        "4\r\nbody\r\n0\r\nno field\r\n\r\n",
        "4\r\nbody\r\n0\r\n: a\r\n\r\n",
        "4\r\nbody\r\n0\r\nX: a\r\n folded\r\n\r\n",
        "4\r\nbody\r\n0\r\nX: \0\r\n\r\n",
    ]
    .map(|chunks| refused(post(CODING, chunks), 400, "client_body"))
    .into();
    check(&cases);
    let long = [
        format!("4;a={}\r\nbody\r\n0\r\n\r\n", "b".repeat(5000)),
        format!("4\r\nbody\r\n0\r\nX: {}\r\n\r\n", "b".repeat(5000)),
        format!("4\r\nbody\r\n0\r\n{}\r\n", "X: b\r\n".repeat(3000)),
        format!("{}0\r\n\r\n", format!("1;a={}\r\nb\r\n", "b".repeat(1000)).repeat(20)),
    ];
    check(&long.map(|chunks| refused(post(CODING, &chunks), 400, "client_body")));
}

#[test]
fn valid_chunks_are_accepted() {
    let body = || Seen::of("POST /").body("body");
    check(&[
        passed(post(CODING, "2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"), body()),
        passed(post(CODING, "0000000000000004\r\nbody\r\n0000\r\n\r\n"), body()),
        passed(
            post(CODING, "A\r\n0123456789\r\na\r\n\r\n0\r\n\r\n\r\n\r\r\n0\r\n\r\n"),
            Seen::of("POST /").body("0123456789\r\n0\r\n\r\n\r\n\r"),
        ),
        // Extensions and trailers are not forwarded.
        passed(post(CODING, "4;a;b=c;d=\"e;\\\"\t\"\r\nbody\r\n0;f\r\n\r\n"), body()),
        passed(post(CODING, "4 ; a = b\r\nbody\r\n0\r\n\r\n"), body()),
        passed(post(CODING, "4\r\nbody\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n"), body()),
        passed(
            post(CODING, "4\r\nbody\r\n0\r\nContent-Length: 9\r\nHost: b\r\nCookie: c\r\n\r\n"),
            body(),
        ),
        passed(post(CODING, "4\r\nbody\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), body()),
    ]);
}
