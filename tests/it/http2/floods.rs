//! Attacks: each costs the attacker its connection, uses little memory and CPU time, and disturbs no other request.

use std::time::{Duration, Instant};

use super::{connect, ticks};
use crate::support::{
    App, Http2, Settings, Sideman,
    http2::{
        frame::{Frame, code, flag, kind},
        headers, hpack, setting, usual,
    },
    pattern,
};

/// Limits of an attack: megabytes, and seconds of CPU time in a debug build.
struct Bounds {
    memory: u64,
    seconds: u64,
}

const LITTLE: Bounds = Bounds { memory: 24, seconds: 8 };

/// Attacks while another client is served, and checks the costs.
#[track_caller]
fn attacked(what: &str, bounds: &Bounds, attack: impl FnOnce(&Sideman)) {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("upstream.max_in_flight", "8")
        .hold_stdout()
        .start();
    let mut other = connect(&sideman);
    assert_eq!(other.get("/other").text(), "hello");
    let (memory, used, begin) = (sideman.memory("RssAnon"), ticks(&sideman), Instant::now());
    attack(&sideman);
    assert_eq!(other.get("/other").text(), "hello", "{what}");
    assert_eq!(sideman.get("/other").text(), "hello", "{what}");
    let grown = sideman.memory("RssAnon").saturating_sub(memory) >> 20;
    let used = (ticks(&sideman) - used) / 100;
    assert!(grown <= bounds.memory, "{what}: {grown} MiB");
    assert!(used <= bounds.seconds, "{what}: {used} s of a processor");
    assert!(begin.elapsed() < Duration::from_secs(30), "{what}: {:?}", begin.elapsed());
    sideman.until_metric("sideman_client_connections", &[], 1.0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    assert_eq!(sideman.metric("sideman_panics_total", &[]), 0.0);
}

/// Sends it repeatedly, until the connection closes. Responses are read all the time,
/// unless the client `holds` them. Returns the error code of the end, if there was one.
fn repeat(client: &mut Http2, bytes: &[u8], times: usize) -> bool {
    (0..times).all(|_| client.try_write(bytes).is_ok())
}

/// Requests that are reset at once (CVE-2023-44487).
#[test]
fn rapid_reset_flood_is_closed() {
    attacked("rapid resets", &LITTLE, |sideman| {
        let mut client = connect(sideman);
        let fields = usual("GET", "/attack", &[]);
        let mut sent = 0;
        for _ in 0..10_000 {
            let stream = client.new_stream();
            let reset = Frame::new(kind::RST_STREAM, 0, stream, code::CANCEL.to_be_bytes());
            let pair = [headers(stream, &fields, true), reset.bytes()].concat();
            if client.try_write(&pair).is_err() {
                break;
            }
            sent += 1;
        }
        let code = client.until_gone();
        assert!(code.is_none_or(|code| code == code::ENHANCE_YOUR_CALM), "{code:?}");
        assert!(sent <= 10_000);
        sideman.until_metric("sideman_client_floods_total", &[("flood", "resets")], 1.0);
    });
}

/// Like `rapid_reset_flood_is_closed`, with each request already in flight.
#[test]
fn slow_reset_flood_is_closed() {
    attacked("patient resets", &LITTLE, |sideman| {
        let mut client = connect(sideman);
        let fields = usual("GET", "/attack", &[]);
        let mut count = 0;
        let code = loop {
            let stream = client.new_stream();
            if client.try_write(&headers(stream, &fields, true)).is_err() {
                break client.until_gone();
            }
            let reset = Frame::new(kind::RST_STREAM, 0, stream, code::CANCEL.to_be_bytes());
            let ping = Frame::new(kind::PING, 0, 0, [0; 8]).bytes();
            if client.try_write(&[ping, reset.bytes()].concat()).is_err() {
                break client.until_gone();
            }
            let pongs = client.pongs;
            if !client.until_or_gone(|client| client.pongs > pongs) {
                break client.goaways.last().map(|&(_, code)| code);
            }
            count += 1;
            assert!(count < 10_000, "nobody minds");
        };
        assert!(code.is_none_or(|code| code == code::ENHANCE_YOUR_CALM), "{code:?}");
    });
}

/// An endless head (CVE-2024-27316 and similar).
#[test]
fn continuation_flood_is_closed() {
    attacked("continuations", &LITTLE, |sideman| {
        for piece in
            [hpack::encode(&[("a", "b")]), hpack::encode(&[("a", &"b".repeat(16_000))]), vec![]]
        {
            let mut client = connect(sideman);
            let block = hpack::encode(&usual("GET", "/attack", &[]));
            client.frame(kind::HEADERS, flag::END_STREAM, 1, &block);
            let frame = Frame::new(kind::CONTINUATION, 0, 1, piece).bytes();
            assert!(!repeat(&mut client, &frame, 200_000) || client.until_gone().is_some());
        }
        sideman.until_metric("sideman_client_floods_total", &[("flood", "head_frames")], 3.0);
    });
}

/// Sends thousands of frames of this kind, and reads the responses; returns the error code of the end, if any.
fn flood(client: &mut Http2, frame: &[u8]) -> Option<u32> {
    let many = frame.repeat(500);
    for _ in 0..20 {
        let pongs = client.pongs;
        let ping = Frame::new(kind::PING, 0, 0, *b"and now?").bytes();
        if client.try_write(&[many.as_slice(), &ping].concat()).is_err()
            || !client.until_or_gone(|client| client.pongs > pongs || !client.goaways.is_empty())
            || !client.goaways.is_empty()
        {
            break;
        }
    }
    client.until_gone()
}

/// Frames that do not advance a request, of each kind: a limited number is accepted.
#[test]
fn control_frames_without_end_close_the_connection() {
    attacked("control frames", &LITTLE, |sideman| {
        let window = 1_u32.to_be_bytes();
        let kinds: [(&str, u8, u8, u32, &[u8]); 9] = [
            ("settings", kind::SETTINGS, 0, 0, &[]),
            ("pings", kind::PING, 0, 0, &[7; 8]),
            ("empty data", kind::DATA, 0, 3, &[]),
            ("padding", kind::DATA, flag::PADDED, 3, &[3, 0, 0, 0]),
            ("a window of the connection", kind::WINDOW_UPDATE, 0, 0, &window),
            ("a window of a stream", kind::WINDOW_UPDATE, 0, 3, &window),
            ("priorities", kind::PRIORITY, 0, 5, &[0, 0, 0, 0, 16]),
            ("resets of a stream that is over", kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            ("frames that nobody knows", 0xbe, 0, 0, b"what?"),
        ];
        for (count, (what, kind, flags, stream, payload)) in kinds.iter().enumerate() {
            let mut client = connect(sideman);
            assert_eq!(client.get("/before").text(), "hello");
            client.open(&usual("POST", "/attack", &[]), false);
            let frame = Frame::new(*kind, *flags, *stream, *payload).bytes();
            assert_eq!(flood(&mut client, &frame), Some(code::ENHANCE_YOUR_CALM), "{what}");
            sideman.until_metric("sideman_client_floods_total", &[], (count + 1) as f64);
        }
        // h2 itself counts frames of bodies.
        let count = sideman.metric("sideman_client_floods_total", &[("flood", "control_frames")]);
        assert!(count >= 7.0, "{count}");
        sideman.event("HTTP/2 flood flood=\"control_frames\"");
    });
}

/// Clients that read none of the responses.
#[test]
fn control_frames_of_a_client_that_reads_nothing() {
    attacked("unread answers", &LITTLE, |sideman| {
        for frame in [Frame::new(kind::SETTINGS, 0, 0, []), Frame::new(kind::PING, 0, 0, [7; 8])] {
            connect(sideman).fill_up(&frame.bytes());
        }
    });
}

/// Most clients open two windows for each frame of a response.
#[test]
fn window_update_per_response_frame_is_no_flood() {
    let body = pattern(300_000);
    let expected = body.clone();
    let application = App::start(move |_| App::reply(&body));
    let sideman = Settings::before(&application.url()).start();
    let settings = [(setting::INITIAL_WINDOW_SIZE, 100)];
    let mut client = Http2::with(sideman.address(), &settings);
    let response = client.get("/");
    assert!(response.body == expected, "{} bytes", response.body.len());
    assert!(client.order.len() >= 3000, "{} frames", client.order.len());
}

/// Floods that h2 itself detects are counted too: here, streams that it had to reset.
#[test]
fn floods_found_by_h2_are_counted() {
    attacked("library", &LITTLE, |sideman| {
        let mut client = connect(sideman);
        let fields = usual("POST", "/attack", &[("content-length", "1")]);
        let code = loop {
            let stream = client.new_stream();
            let data = Frame::new(kind::DATA, flag::END_STREAM, stream, *b"two").bytes();
            let request = [headers(stream, &fields, false), data].concat();
            if client.try_write(&request).is_err()
                || !client.until_or_gone(|client| client.peek(stream).is_over())
            {
                break client.until_gone();
            }
            assert!(stream < 20_000, "nobody minds");
        };
        assert_eq!(code, Some(code::ENHANCE_YOUR_CALM));
        sideman.until_metric("sideman_client_floods_total", &[("flood", "other")], 1.0);
    });
}

/// A request that is reset before its upstream connection is open keeps its permit until then:
/// otherwise a few hundred fill the application's listen queue.
#[test]
fn rapid_reset_opens_few_upstream_connections() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("upstream.max_in_flight", "8").start();
    let mut client = connect(&sideman);
    let fields = usual("GET", "/attack", &[]);
    let mut all = Vec::new();
    for _ in 0..400 {
        let stream = client.new_stream();
        all.extend(headers(stream, &fields, true));
        all.extend(Frame::new(kind::RST_STREAM, 0, stream, code::CANCEL.to_be_bytes()).bytes());
    }
    client.write(&all);
    assert_eq!(client.get("/good").text(), "hello");
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    assert!(application.accepted() <= 80, "{} connections", application.accepted());
}

/// A small frame that decodes to a large head.
#[test]
fn hpack_bomb_is_refused() {
    attacked("a bomb", &LITTLE, |sideman| {
        let mut client = connect(sideman);
        // One field of 4,000 bytes in the table, then referenced repeatedly: 16,000 times 4 KB.
        let mut block = hpack::encode(&usual("GET", "/attack", &[]));
        block.push(0x40);
        for text in ["a", &"b".repeat(4000)] {
            hpack::put_integer(&mut block, 0, 7, text.len());
            block.extend(text.bytes());
        }
        block.resize(16_000, 0xbe);
        let (mut refused, mut gone) = (0, false);
        for _ in 0..200 {
            let stream = client.new_stream();
            let head = Frame::new(
                kind::HEADERS,
                flag::END_HEADERS | flag::END_STREAM,
                stream,
                block.clone(),
            );
            gone = client.try_write(&head.bytes()).is_err()
                || !client.until_or_gone(|client| client.peek(stream).is_over());
            if gone {
                break;
            }
            assert_eq!(client.peek(stream).status, 431);
            refused += 1;
        }
        assert!(gone || refused == 200);
    });
}

/// The same attack within the limits, on all streams of eight connections that read no response: a
/// field in the table must not be copied for each request.
#[test]
fn repeated_hpack_references_are_not_copied() {
    const CONNECTIONS: usize = 8;
    let application = App::saying("hello");
    for (name, times, status) in [("cookie", 23, 431), ("cookie", 4, 200), ("x-field", 23, 200)] {
        let sideman = Settings::before(&application.url())
            .set("upstream.max_in_flight", "8")
            .set("upstream.queue", "5000")
            .hold_stdout()
            .start();
        let before = sideman.memory("RssAnon");
        let mut first = hpack::encode(&usual("GET", "/attack", &[]));
        first.push(0x40);
        for text in [name, &"b".repeat(3900)] {
            hpack::put_integer(&mut first, 0, 7, text.len());
            first.extend(text.bytes());
        }
        let mut block = hpack::encode(&usual("GET", "/attack", &[]));
        block.extend(vec![0xbe; times]);
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let settings = [(setting::INITIAL_WINDOW_SIZE, 0)];
            let mut client = Http2::with(sideman.address(), &settings).hold();
            client.settle();
            let all = flag::END_HEADERS | flag::END_STREAM;
            let mut last = client.new_stream();
            client.frame(kind::HEADERS, all, last, &first);
            for _ in 1..client.settings[&setting::MAX_CONCURRENT_STREAMS] {
                last = client.new_stream();
                client.frame(kind::HEADERS, all, last, &block);
            }
            client.until("the last head", |client| client.peek(last).status == status);
            clients.push(client);
        }
        let grown = sideman.memory("RssAnon").saturating_sub(before) >> 20;
        assert!(grown <= 24, "{times} times {name}: {grown} MiB");
    }
}

/// A stream that depends on itself is at worst an error of that stream (RFC 9113, 5.3 deprecates
/// priorities).
#[test]
fn priority_of_a_stream_on_itself_is_at_most_a_stream_error() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    for stream in (1..1001).step_by(2) {
        let payload = [&(stream + 2_u32).to_be_bytes()[..], &[255]].concat();
        client.frame(kind::PRIORITY, 0, stream, &payload);
    }
    let stream = 3001;
    client.write(&headers(stream, &usual("GET", "/good", &[]), true));
    assert_eq!(client.response(stream).text(), "hello");
}

/// Requests that are never completed: their number is limited.
#[test]
fn incomplete_requests_are_bounded() {
    attacked("idle streams", &LITTLE, |sideman| {
        let mut client = connect(sideman);
        client.settle();
        let most = client.settings[&setting::MAX_CONCURRENT_STREAMS];
        assert!((100..=256).contains(&most), "RFC 9113, 6.5.2 recommends 100 at least: {most}");
        let open: Vec<u32> =
            (0..most).map(|_| client.open(&usual("POST", "/attack", &[]), false)).collect();
        client.settle();
        let refused = client.ask("GET", "/more", &[]);
        assert_eq!(client.response(refused).reset, Some(code::REFUSED_STREAM));
        client.data(open[0], b"hello", true);
        assert_eq!(client.response(open[0]).text(), "hello");
        assert_eq!(client.get("/more").text(), "hello");
        client.reset_connection();
    });
}

/// Bodies that nobody reads: the bytes that a client may send are limited for all streams together.
#[test]
fn unread_request_bodies_are_bounded() {
    let gate = crate::support::Gate::new();
    let passed = gate.clone();
    let application = App::start(move |_| {
        passed.pass();
        App::reply(b"hello")
    });
    let sideman = Settings::before(&application.url())
        .set("route.all.stream", "request")
        .set("upstream.max_in_flight", "1")
        .set("upstream.queue", "200")
        .start();
    let mut client = connect(&sideman);
    let before = sideman.memory("RssAnon");
    let streams: Vec<u32> =
        (0..100).map(|_| client.open(&usual("POST", "/", &[]), false)).collect();
    client.settle();
    let mut sent = 0;
    for &stream in streams.iter().cycle().take(6400) {
        let left = client.open_window();
        if left < 16_384 {
            break;
        }
        client.data(stream, &[0; 16_384], false);
        sent += 16_384;
    }
    client.settle();
    assert!(sent <= 8 << 20, "{sent} bytes are taken unread");
    let grown = sideman.memory("RssAnon").saturating_sub(before) >> 20;
    assert!(grown < 24, "{grown} MiB");
    gate.open();
}

#[test]
fn stream_error_flood_is_closed() {
    attacked("mistakes", &LITTLE, |sideman| {
        let mut client = connect(sideman);
        let fields = usual("GET", "/attack", &[("connection", "close")]);
        let mut count = 0;
        loop {
            let stream = client.new_stream();
            if client.try_write(&headers(stream, &fields, true)).is_err()
                || !client.until_or_gone(|client| client.peek(stream).is_over())
            {
                break;
            }
            count += 1;
            assert!(count < 10_000, "nobody minds");
        }
        sideman.until_metric("sideman_client_floods_total", &[("flood", "malformed")], 1.0);
    });
}
