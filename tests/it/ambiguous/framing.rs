//! Where a request ends: Content-Length and Transfer-Encoding (RFC 9112, 6).

use super::{Case, apps::Seen, check, get, last, passed, post, refused};

const CHUNKS: &str = "4\r\nbody\r\n0\r\n\r\n";

fn body() -> Seen {
    Seen::of("POST /").body("body")
}

#[test]
fn length_with_transfer_coding_is_refused() {
    let (length, coding) = ("Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n");
    let case = |fields: String| refused(post(&fields, CHUNKS), 400, "length_and_coding");
    check(&[
        case(format!("{length}{coding}")),
        case(format!("{coding}{length}")),
        case(format!("{length}X-Between: 1\r\n{coding}")),
        case(format!("{coding}X-Between: 1\r\n{length}")),
        case(format!("Content-Length: 0\r\n{coding}")),
        case(format!("{coding}Content-Length: 0\r\n")),
        case("CONTENT-LENGTH:4\r\ntransfer-encoding:chunked\r\n".into()),
        case("Transfer-encoding:\t CHUNKED \r\ncOnTeNt-LeNgTh: \t4\r\n".into()),
        refused(get(&format!("{coding}{length}")), 400, "length_and_coding"),
        // A header that is invalid alone is also invalid beside the other.
        refused(post(&format!("{coding}Content-Length: x\r\n"), CHUNKS), 400, "length_invalid"),
        refused(
            post(&format!("{length}Transfer-Encoding: gzip\r\n"), "body"),
            501,
            "coding_unknown",
        ),
        refused(post(&format!("{length}Transfer-Encoding:\r\n"), "body"), 501, "coding_unknown"),
        refused(
            post(&format!("{length}Transfer-Encoding : chunked\r\n"), CHUNKS),
            400,
            "field_invalid",
        ),
        refused(
            post(&format!("{length}Transfer-Encoding\r\n : chunked\r\n"), CHUNKS),
            400,
            "field_invalid",
        ),
        refused(
            format!("POST / HTTP/1.0\r\nHost: a\r\n{length}{coding}\r\n{CHUNKS}"),
            400,
            "coding_unexpected",
        ),
        // Similar names do not frame a body; those with `_` are dropped.
        passed(post(&format!("{length}Transfer_Encoding: chunked\r\n"), "body"), body()),
        passed(post(&format!("Content_Length: 99\r\n{length}"), "body"), body()),
        passed(
            post(&format!("{length}X-Transfer-Encoding: chunked\r\n"), "body"),
            body().field("x-transfer-encoding", "chunked"),
        ),
    ]);
}

#[test]
fn content_lengths_are_accepted_or_refused() {
    let invalid = |value: &str| {
        refused(post(&format!("Content-Length:{value}\r\n"), "body"), 400, "length_invalid")
    };
    let repeated = |fields: &str| refused(post(fields, "body"), 400, "length_repeated");
    check(&[
        repeated("Content-Length: 4\r\nContent-Length: 4\r\n"),
        repeated("Content-Length: 4\r\nContent-Length: 5\r\n"),
        repeated("Content-Length: 4\r\ncontent-length: 04\r\n"),
        repeated("Content-Length: 0\r\nX: 1\r\nContent-Length: 0\r\n"),
        repeated("Content-Length: 4, 4\r\n"),
        repeated("Content-Length: 4,4\r\n"),
        repeated("Content-Length: 4, 5\r\n"),
        repeated("Content-Length: 4,\r\n"),
        repeated("Content-Length: ,4\r\n"),
        invalid(""),
        invalid("  "),
        invalid(" +4"),
        invalid(" -4"),
        invalid(" -0"),
        invalid(" 0x4"),
        invalid(" 4h"),
        invalid(" 4.0"),
        invalid(" 4e0"),
        invalid(" 4 4"),
        invalid(" 1_0"),
        invalid(" \"4\""),
        invalid(" 4;a"),
        invalid(" \u{664}"),
        // 2^63, 2^64, 2^64 + 4, 2^128 + 4.
        invalid(" 9223372036854775808"),
        invalid(" 18446744073709551616"),
        invalid(" 18446744073709551620"),
        invalid(" 340282366920938463463374607431768211460"),
        refused(post("Content-Length: 9223372036854775807\r\n", ""), 413, "body_too_large"),
        refused(post("Content-Length : 4\r\n", "body"), 400, "field_invalid"),
        refused(post("Content-Length: 4\r\n 5\r\n", "body"), 400, "field_invalid"),
        refused(post("Content-Length: 4\0\r\n", "body"), 400, "field_invalid"),
        refused(post("Content-Length: 4\x0b\r\n", "body"), 400, "field_invalid"),
        refused(post("Content-Length: 4\r5\r\n", "body"), 400, "line_end_invalid"),
        passed(post("Content-Length: 4\r\n", "body"), body()),
        passed(post("content-LENGTH:4\r\n", "body"), body()),
        passed(post("Content-Length: \t 4 \t\r\n", "body"), body()),
        passed(post("Content-Length: 0004\r\n", "body"), body()),
        passed(post("Content-Length: 0\r\n", ""), Seen::of("POST /").body("")),
        passed(post("", ""), Seen::of("POST /")),
    ]);
}

#[test]
fn transfer_codings_are_accepted_or_refused() {
    let unknown = |fields: &str| refused(post(fields, CHUNKS), 501, "coding_unknown");
    check(&[
        unknown("Transfer-Encoding: gzip\r\n"),
        unknown("Transfer-Encoding: identity\r\n"),
        unknown("Transfer-Encoding: gzip, chunked\r\n"),
        unknown("Transfer-Encoding: identity, chunked\r\n"),
        unknown("Transfer-Encoding: chunked, chunked\r\n"),
        unknown("Transfer-Encoding: chunked, identity\r\n"),
        unknown("Transfer-Encoding: chunked, gzip\r\n"),
        unknown("Transfer-Encoding: chunked,\r\n"),
        unknown("Transfer-Encoding: , chunked\r\n"),
        unknown("Transfer-Encoding: xchunked\r\n"),
        unknown("Transfer-Encoding: chunkedx\r\n"),
        unknown("Transfer-Encoding: chunk\r\n"),
        unknown("Transfer-Encoding: \"chunked\"\r\n"),
        unknown("Transfer-Encoding: chunked;q=1\r\n"),
        unknown("Transfer-Encoding: chunked chunked\r\n"),
        unknown("Transfer-Encoding: \u{212a}chunked\r\n"),
        unknown("Transfer-Encoding:\r\n"),
        unknown("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        unknown("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
        unknown("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        unknown("Transfer-Encoding: chunked\r\ntransfer-encoding:\r\n"),
        refused(post("Transfer-Encoding: chunked\x0b\r\n", CHUNKS), 400, "field_invalid"),
        refused(post("Transfer-Encoding:\x0bchunked\r\n", CHUNKS), 400, "field_invalid"),
        unknown("Transfer-Encoding:\r\n chunked\r\n"),
        refused(post("\tTransfer-Encoding: chunked\r\n", CHUNKS), 400, "field_invalid"),
        refused(post("Transfer\u{2d}Encoding\t: chunked\r\n", CHUNKS), 400, "field_invalid"),
        refused(post("X: y\nTransfer-Encoding: chunked\r\n", CHUNKS), 400, "line_end_invalid"),
        refused(post("X: y\rTransfer-Encoding: chunked\r\n", CHUNKS), 400, "line_end_invalid"),
        refused(
            format!("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}"),
            400,
            "coding_unexpected",
        ),
        passed(post("Transfer-Encoding: chunked\r\n", CHUNKS), body()),
        passed(post("TRANSFER-ENCODING:\tCHUNKED\t\r\n", CHUNKS), body()),
        passed(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), Seen::of("POST /").body("")),
        // The headers of the connection are not forwarded, wherever they stand.
        passed(
            post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
            body(),
        ),
        passed(post("TE: chunked\r\nContent-Length: 4\r\n", "body"), body()),
    ]);
}

#[test]
fn bodies_of_unusual_methods_are_forwarded() {
    let cases = ["GET", "HEAD", "DELETE", "OPTIONS", "get", "X-ODD"].iter().flat_map(|method| {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n");
        let seen = Seen::of(&format!("{method} /"));
        [
            passed(format!("{head}Content-Length: 4\r\n\r\nbody"), seen.clone().body("body")),
            passed(format!("{head}Transfer-Encoding: chunked\r\n\r\n{CHUNKS}"), seen.body("body")),
        ]
    });
    let mut cases: Vec<Case> = cases.collect();
    // Content-Length is 0: the following bytes are the next request.
    cases.extend([
        passed(
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            Seen::of("GET /").body(""),
        ),
        last(
            "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
            body().version("HTTP/1.0"),
        ),
    ]);
    check(&cases);
}
