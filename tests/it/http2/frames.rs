//! Frames in a state, of a size or with a value that RFC 9113 (5.1 and 6) or RFC 7541 forbids:
//! the required error ends the stream or the connection, and nothing reaches the application twice.

use super::connect;
use crate::support::{
    App, Http2, Settings, Sideman,
    http2::{
        frame::{Frame, code, flag, kind},
        hpack, usual,
    },
};

const HEAD: u8 = flag::END_HEADERS;
const ALL: u8 = flag::END_HEADERS | flag::END_STREAM;

/// A name of the case, the bytes sent, and the expected error codes.
type Case = (&'static str, Vec<Frame>, &'static [u32]);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
    Frame::new(kind, flags, stream, payload)
}

fn block(method: &str) -> Vec<u8> {
    hpack::encode(&usual(method, "/", &[]))
}

/// A complete request.
fn request(stream: u32) -> Frame {
    frame(kind::HEADERS, ALL, stream, &block("GET"))
}

/// A request whose body follows.
fn begun(stream: u32) -> Frame {
    frame(kind::HEADERS, HEAD, stream, &block("POST"))
}

/// The error code of the stream or the connection; `None` if neither ends.
#[track_caller]
fn refusal(sideman: &Sideman, frames: &[Frame]) -> Option<u32> {
    let mut client = connect(sideman);
    client.settle();
    let stream = frames.iter().map(|frame| frame.stream).max().unwrap_or_default();
    // One write: no response can come in between.
    let ping = frame(kind::PING, 0, 0, b"and now?");
    client.write(&frames.iter().chain([&ping]).flat_map(Frame::bytes).collect::<Vec<_>>());
    let is_refused =
        |client: &Http2| !client.goaways.is_empty() || client.peek(stream).reset.is_some();
    let pongs = client.pongs;
    // A reset may arrive after the pong of a later ping.
    if client.until_or_gone(|client| client.pongs > pongs || is_refused(client))
        && !is_refused(&client)
    {
        client.settle();
    }
    let gone = client.goaways.last().map(|&(_, code)| code);
    gone.or(client.peek(stream).reset)
}

#[track_caller]
fn check(cases: &[Case]) {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut wrong = Vec::new();
    for (what, frames, expected) in cases {
        let got = refusal(&sideman, frames);
        if !got.is_some_and(|code| expected.contains(&code)) {
            wrong.push(format!("{what}: {got:?} and not one of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    assert_eq!(sideman.metric("sideman_panics_total", &[]), 0.0);
}

const PROTOCOL: &[u32] = &[code::PROTOCOL_ERROR];
const SIZE: &[u32] = &[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR];
const CLOSED: &[u32] = &[code::STREAM_CLOSED, code::PROTOCOL_ERROR];
/// h2 uses the general code for this.
const COMPRESSION: &[u32] = &[code::COMPRESSION_ERROR, code::PROTOCOL_ERROR];

#[test]
fn frame_in_the_wrong_stream_state_is_an_error() {
    check(&[
        ("a body behind the end", vec![request(1), frame(kind::DATA, 1, 1, b"a")], CLOSED),
        ("a head behind the end", vec![request(1), request(1)], CLOSED),
        ("a number that goes back", vec![request(5), request(3)], PROTOCOL),
        (
            "a window for an idle stream",
            vec![frame(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])],
            PROTOCOL,
        ),
        (
            "a continuation behind the end of a head",
            vec![begun(1), frame(kind::CONTINUATION, 4, 1, &[])],
            PROTOCOL,
        ),
        (
            "another stream's continuation",
            vec![frame(kind::HEADERS, 1, 1, &block("GET")), frame(kind::CONTINUATION, 4, 3, &[])],
            PROTOCOL,
        ),
        (
            "another head amid a head",
            vec![frame(kind::HEADERS, 1, 1, &block("GET")), request(3)],
            PROTOCOL,
        ),
        (
            "an unknown frame amid a head",
            vec![frame(kind::HEADERS, 1, 1, &block("GET")), frame(0xbe, 0, 0, &[])],
            PROTOCOL,
        ),
        (
            "trailers without an end",
            vec![begun(1), frame(kind::HEADERS, HEAD, 1, &hpack::encode(&[("a", "b")]))],
            PROTOCOL,
        ),
    ]);
}

#[test]
fn frame_on_the_wrong_stream_is_an_error() {
    check(&[
        ("a body of the connection", vec![frame(kind::DATA, 0, 0, b"a")], PROTOCOL),
        (
            "a priority of the connection",
            vec![frame(kind::PRIORITY, 0, 0, &[0, 0, 0, 1, 1])],
            PROTOCOL,
        ),
        ("a reset of the connection", vec![frame(kind::RST_STREAM, 0, 0, &[0; 4])], PROTOCOL),
        ("a continuation of the connection", vec![frame(kind::CONTINUATION, 4, 0, &[])], PROTOCOL),
        ("settings of a stream", vec![begun(1), frame(kind::SETTINGS, 0, 1, &[])], PROTOCOL),
        ("a ping of a stream", vec![begun(1), frame(kind::PING, 0, 1, &[0; 8])], PROTOCOL),
        ("a goodbye of a stream", vec![begun(1), frame(kind::GOAWAY, 0, 1, &[0; 8])], PROTOCOL),
    ]);
}

#[test]
fn frame_of_the_wrong_size_is_an_error() {
    check(&[
        ("a short priority", vec![begun(1), frame(kind::PRIORITY, 0, 1, &[0; 4])], SIZE),
        ("a short reset", vec![begun(1), frame(kind::RST_STREAM, 0, 1, &[0; 3])], SIZE),
        ("a long reset", vec![begun(1), frame(kind::RST_STREAM, 0, 1, &[0; 5])], SIZE),
        ("a short window", vec![frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3])], SIZE),
        ("a long ping", vec![frame(kind::PING, 0, 0, &[0; 9])], SIZE),
        ("a short goodbye", vec![frame(kind::GOAWAY, 0, 0, &[0; 7])], SIZE),
        (
            "settings in an acknowledgement",
            vec![frame(kind::SETTINGS, flag::ACK, 0, &[0; 6])],
            SIZE,
        ),
        ("a long head", vec![frame(kind::HEADERS, ALL, 1, &[0x80; 16_385])], SIZE),
        (
            "a body that is all padding and more",
            vec![begun(1), frame(kind::DATA, flag::PADDED, 1, &[2, 0])],
            PROTOCOL,
        ),
        (
            "a padded body without the length of it",
            vec![begun(1), frame(kind::DATA, flag::PADDED, 1, &[])],
            SIZE,
        ),
    ]);
}

#[test]
fn settings_and_windows_out_of_range_are_errors() {
    let setting = |key: u8, value: u32| {
        let payload = [[0, key].as_slice(), &value.to_be_bytes()].concat();
        vec![frame(kind::SETTINGS, 0, 0, &payload)]
    };
    check(&[
        ("a push of two", setting(2, 2), PROTOCOL),
        (
            "a window beyond 2^31",
            setting(4, u32::MAX),
            &[code::FLOW_CONTROL_ERROR, code::PROTOCOL_ERROR],
        ),
        ("frames too small", setting(5, 16_383), PROTOCOL),
        ("frames too large", setting(5, 1 << 24), PROTOCOL),
        (
            "no window of a stream",
            vec![begun(1), frame(kind::WINDOW_UPDATE, 0, 1, &[0; 4])],
            PROTOCOL,
        ),
        (
            "a window of a stream that overflows",
            vec![begun(1), frame(kind::WINDOW_UPDATE, 0, 1, &[0x7f, 255, 255, 255])],
            &[code::FLOW_CONTROL_ERROR],
        ),
    ]);
}

#[test]
fn malformed_hpack_is_a_compression_error() {
    let head = |block: &[u8]| vec![frame(kind::HEADERS, ALL, 1, block)];
    check(&[
        ("index 0", head(&[0x80]), COMPRESSION),
        ("an index beyond the tables", head(&[0xff, 0x80, 1]), COMPRESSION),
        ("a name beyond the tables", head(&[0x7f, 0x80, 1, 1, b'v']), COMPRESSION),
        ("a table larger than it may be", head(&[0x3f, 0xe2, 0x1f]), COMPRESSION),
        ("a table's size behind a field", head(&[0x82, 0x20]), COMPRESSION),
        (
            "an integer without end",
            head(&[0x7f, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
            COMPRESSION,
        ),
        ("a truncated string", head(&[0x40, 5, b'a', b'b']), COMPRESSION),
        (
            "the end of a text in Huffman's code",
            head(&[0x40, 0x84, 255, 255, 255, 255, 1, b'v']),
            COMPRESSION,
        ),
        ("more padding than a code has", head(&[0x40, 0x82, 0x1f, 0xff, 1, b'v']), COMPRESSION),
        ("padding of zeros", head(&[0x40, 0x81, 0x18, 1, b'v']), COMPRESSION),
    ]);
}

/// Unusual but allowed frames change nothing.
#[test]
fn unusual_valid_frames_are_accepted() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    // Unknown flags, reserved bits, empty frames, padding and a priority in a head.
    client.frame(kind::PING, 0xfe, 0, b"12345678");
    client.frame(kind::SETTINGS, 0, 0, &[]);
    client.frame(kind::WINDOW_UPDATE, 0xff, 0, &[0x80, 0, 0, 1]);
    let stream = client.new_stream();
    let padded = [[3, 0, 0, 0, 0, 16].as_slice(), &block("POST"), &[0; 3]].concat();
    client.frame(kind::HEADERS, HEAD | flag::PADDED | 0x20, stream, &padded);
    client.frame(kind::DATA, 0, stream, &[]);
    client.frame(kind::DATA, flag::PADDED, stream, &[4, b'a', 0, 0, 0, 0]);
    let trailers = hpack::encode(&[("x-trailer", "1")]);
    client.frame(kind::HEADERS, ALL, stream, &trailers);
    assert_eq!(client.response(stream).text(), "hello");
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(application.requests(), 2);
}
