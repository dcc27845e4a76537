//! Tests the bytes that h2 gets and those that it must not get, with arbitrary input.

use std::{collections::VecDeque, slice, task::Waker};

use proptest::prelude::*;

use super::{
    frame::{DATA, END_HEADERS},
    *,
};
use crate::rfc::request_head::HeadFault;

const SETTINGS: u8 = 4;
const LIMITS: HeadLimits = HeadLimits { line: 200, field: 300, head: 2000, fields: 20 };
/// `:method: GET`, `:scheme: http`, `:path: /`.
const GET: [u8; 3] = [0x82, 0x86, 0x84];

fn filter() -> HeadFilter {
    HeadFilter::new(LIMITS, Rc::new(FrameBudget::new()))
}

/// Bytes that arrive in pieces, and then nothing more for now.
#[derive(Default)]
struct SplitBytes(VecDeque<Vec<u8>>);

impl AsyncRead for SplitBytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.0.pop_front() else { return Poll::Pending };
        let rest = piece.split_off(piece.len().min(buffer.remaining()));
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

/// The output of the filter for one connection.
#[derive(Debug, Default, PartialEq, Eq)]
struct FilterOutput {
    output: Vec<u8>,
    requests: Vec<(u32, String, Option<FailureKind>)>,
    fatal: Option<Reason>,
    is_amid: bool,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Reads everything as h2 does, and takes each request that arrives.
fn seen(filter: &HeadFilter, pieces: &[Vec<u8>], room: usize) -> FilterOutput {
    let mut source = SplitBytes(pieces.iter().cloned().collect());
    let cx = &mut Context::from_waker(Waker::noop());
    let mut seen = FilterOutput::default();
    loop {
        let mut bytes = vec![0; room];
        let mut buffer = ReadBuf::new(&mut bytes);
        match filter.poll_read(cx, &mut buffer, Pin::new(&mut source)) {
            Poll::Ready(read) => {
                read.unwrap();
                assert!(!buffer.filled().is_empty(), "this would be the end");
                seen.output.extend_from_slice(buffer.filled());
            }
            Poll::Pending => {
                let arrived = filter.0.borrow_mut().arrived.take();
                let Some(FilteredRequest { stream, head, refusal }) = arrived else { break };
                filter.0.borrow_mut().has_read_on = false;
                let parts = &head.parts;
                let site = parts.authority().map(|authority| {
                    format!("{}://{authority}", parts.scheme().unwrap_or_default())
                });
                let (method, path) = (&parts.method, parts.path_and_query());
                let what = format!("{method} {}{path}", site.unwrap_or_default());
                seen.requests.push((stream, what, refusal.map(|refusal| refusal.kind)));
            }
        }
    }
    seen.fatal = filter.fatal();
    seen.is_amid = filter.since().is_some();
    seen
}

/// The output for these frames after the preface.
fn after(frames: &[Vec<u8>]) -> FilterOutput {
    let filter = filter();
    let mut seen = seen(&filter, &[&[PREFACE.to_vec()], frames].concat(), 8192);
    assert_eq!(seen.output.drain(..PREFACE.len().min(seen.output.len())).as_slice(), PREFACE);
    seen
}

#[test]
fn filtered_request_is_stored_and_h2_gets_a_frame() {
    let settings = frame(SETTINGS, 0, 0, &[0; 6]);
    let data = frame(DATA, END_STREAM, 1, b"hello");
    let block = [&GET[..], b"\x41\x06a.test", b"\x00\x01a\x01b"].concat();
    for (head, expected) in [
        (vec![frame(HEADERS, END_HEADERS, 1, &block)], vec![]),
        // Padding is removed, a priority is kept.
        (vec![frame(HEADERS, END_HEADERS | 8, 1, &[&[2][..], &block, &[0, 0]].concat())], vec![]),
        (
            vec![frame(HEADERS, END_HEADERS | 32, 1, &[&[0, 0, 0, 0, 7][..], &block].concat())],
            vec![0, 0, 0, 0, 7],
        ),
        (
            vec![
                frame(HEADERS, 0, 1, &block[..5]),
                frame(CONTINUATION, 0, 1, &[]),
                frame(CONTINUATION, END_HEADERS, 1, &block[5..]),
            ],
            vec![],
        ),
    ] {
        let flags = END_HEADERS | if expected.is_empty() { 0 } else { 32 };
        let given = frame(HEADERS, flags, 1, &[&expected[..], &GET].concat());
        let seen = after(&[slice::from_ref(&settings), &head[..], slice::from_ref(&data)].concat());
        assert_eq!(seen.output, [&settings[..], &given, &data].concat(), "{head:?}");
        assert_eq!(seen.requests, [(1, "GET http://a.test/".to_owned(), None)]);
        assert_eq!((seen.fatal, seen.is_amid), (None, false));
    }
}

#[test]
fn one_that_is_refused_stays_open() {
    // `A: b`, with the end of the stream.
    let block = [&GET[..], b"\x00\x01A\x01b"].concat();
    let seen = after(&[frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)]);
    assert_eq!(seen.output, frame(HEADERS, END_HEADERS, 1, &GET));
    assert_eq!(seen.requests, [(1, "GET /".to_owned(), Some(FailureKind::FieldInvalid))]);
    // A valid length is passed on, an invalid one is not.
    let block = [&GET[..], b"\x0f\x0d\x02\x31\x30"].concat();
    let seen = after(&[frame(HEADERS, END_HEADERS, 1, &block)]);
    assert_eq!(seen.output, frame(HEADERS, END_HEADERS, 1, &block));
    let block = [&GET[..], b"\x0f\x0d\x02+1"].concat();
    let seen = after(&[frame(HEADERS, END_HEADERS, 1, &block)]);
    assert_eq!(seen.output, frame(HEADERS, END_HEADERS, 1, &GET));
}

#[test]
fn trailers_are_passed_without_their_fields() {
    let head = frame(HEADERS, END_HEADERS, 1, &GET);
    for (flags, block, expected) in [
        (END_STREAM, &b"\x00\x01a\x01b"[..], END_STREAM),
        (END_STREAM, b"", END_STREAM),
        // Without END_STREAM, h2 resets the stream.
        (END_STREAM, &GET, 0),
        (END_STREAM, b"\x00\x01A\x01b", 0),
        (0, b"\x00\x01a\x01b", 0),
    ] {
        let filter = filter();
        let trailers = frame(HEADERS, END_HEADERS | flags, 1, block);
        let seen = seen(&filter, &[PREFACE.to_vec(), head.clone(), trailers], 8192);
        let given = frame(HEADERS, END_HEADERS | expected, 1, &[]);
        assert_eq!(seen.output[PREFACE.len()..], [&head[..], &given].concat(), "{block:?}");
        let is_refused = flags != expected;
        assert_eq!(filter.take_refused_trailers().is_some(), is_refused, "{block:?}");
    }
}

#[test]
fn what_cannot_be_followed_ends_the_connection() {
    let open = frame(HEADERS, 0, 1, &GET);
    let whole = frame(HEADERS, END_HEADERS, 1, &GET);
    let many = vec![frame(CONTINUATION, 0, 1, &[]); 100];
    for (frames, reason) in [
        (vec![open.clone(), frame(DATA, 0, 1, &[])], Reason::PROTOCOL_ERROR),
        (vec![open.clone(), frame(CONTINUATION, 4, 3, &[])], Reason::PROTOCOL_ERROR),
        (vec![open.clone(), open.clone()], Reason::PROTOCOL_ERROR),
        (vec![frame(CONTINUATION, 4, 1, &[])], Reason::PROTOCOL_ERROR),
        (vec![frame(HEADERS, 4, 0, &GET)], Reason::PROTOCOL_ERROR),
        (vec![frame(HEADERS, 4 | 8, 1, &[9, 1])], Reason::PROTOCOL_ERROR),
        (vec![frame(HEADERS, 4 | 8, 1, &[])], Reason::FRAME_SIZE_ERROR),
        (vec![frame(HEADERS, 4 | 32, 1, &[0; 4])], Reason::FRAME_SIZE_ERROR),
        (vec![frame(HEADERS, 4, 1, &[0; 16_385])], Reason::FRAME_SIZE_ERROR),
        (vec![frame(HEADERS, 4, 1, &[0x80])], Reason::COMPRESSION_ERROR),
        (vec![frame(HEADERS, 4, 1, &[0, 5, b'a'])], Reason::COMPRESSION_ERROR),
        (vec![whole, frame(HEADERS, 5, 1, &[0xff, 0xff])], Reason::COMPRESSION_ERROR),
        ([vec![open], many].concat(), Reason::ENHANCE_YOUR_CALM),
    ] {
        let seen = after(&frames);
        assert_eq!(seen.fatal, Some(reason), "{:?}", frames.last());
    }
}

/// Excess frames are counted and not stored, however a flood is cut into reads.
#[test]
fn one_frame_too_many_is_called_a_flood() {
    let flood = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[]).repeat(3000)].concat();
    for size in [1, 8, 9, 10, 100, 4096, flood.len()] {
        let filter = filter();
        let pieces: Vec<_> = flood.chunks(size).map(<[u8]>::to_vec).collect();
        let seen = seen(&filter, &pieces, 4096);
        assert_eq!(seen.fatal, Some(Reason::ENHANCE_YOUR_CALM), "in pieces of {size}");
        assert!(matches!(filter.flood(), Some(FloodLabel::ControlFrames)), "in pieces of {size}");
    }
}

#[test]
fn large_heads_are_refused_by_the_limit() {
    let value = |length: u8| [&[0x40, 1, b'a', length][..], &vec![b'v'; length.into()]].concat();
    let many = b"\x00\x01a\x01b".repeat(30);
    let named = [&value(120)[..], &[0xbe; 16_000]].concat();
    for (fields, fault) in [
        (many, HeadFault::TooManyFields),
        (named, HeadFault::HeadTooLong),
        ([&[0, 1, b'a', 127, 0xad, 1][..], &[b'v'; 300]].concat(), HeadFault::FieldTooLong),
        (
            b"\x00\x06cookie\x7e".iter().copied().chain([b'c'; 126]).collect::<Vec<u8>>().repeat(3),
            HeadFault::FieldTooLong,
        ),
    ] {
        let filter = filter();
        let block = [&GET[..], &fields].concat();
        let seen = seen(&filter, &[PREFACE.to_vec(), frame(HEADERS, 5, 1, &block)], 8192);
        assert_eq!(seen.requests, [(1, "GET /".to_owned(), Some(refusal(fault).kind))]);
        assert!(filter.0.borrow().output.capacity() <= MAX_KEPT_BUFFER);
    }
}

#[test]
fn a_head_is_incomplete_until_its_end() {
    let cut = |mut frame: Vec<u8>, length| {
        frame.truncate(length);
        frame
    };
    let open = frame(HEADERS, 0, 1, &GET);
    let whole = frame(HEADERS, END_HEADERS, 1, &GET);
    let data = frame(DATA, 0, 1, &[0; 20]);
    for (parts, is_amid) in [
        (vec![], false),
        (vec![frame(SETTINGS, 0, 0, &[0; 6])], false),
        (vec![whole.clone()], false),
        (vec![open.clone()], true),
        (vec![open.clone(), frame(CONTINUATION, 0, 1, &[])], true),
        (vec![open, frame(CONTINUATION, END_HEADERS, 1, &[])], false),
        (vec![cut(whole.clone(), 11)], true),
        (vec![cut(whole.clone(), 9)], true),
        (vec![whole.clone(), cut(data.clone(), 1)], true),
        (vec![whole.clone(), cut(data.clone(), 8)], true),
        // The rest of a body may be slow.
        (vec![whole.clone(), cut(data.clone(), 9)], false),
        (vec![whole.clone(), cut(data.clone(), 28)], false),
        (vec![whole, data, frame(HEADERS, END_HEADERS, 3, &GET)], false),
    ] {
        assert_eq!(after(&parts).is_amid, is_amid, "{parts:?}");
    }
}

#[test]
fn the_time_of_each_begins_anew() {
    let filter = filter();
    let come = |bytes: &[u8]| drop(seen(&filter, &[bytes.to_vec()], 8192));
    come(PREFACE);
    come(&frame(HEADERS, 0, 1, &GET));
    let first = filter.since().unwrap();
    come(&frame(CONTINUATION, 0, 1, &[]));
    come(b"\0");
    assert_eq!(filter.since(), Some(first));
    // The rest of it, and the beginning of another.
    let rest = frame(CONTINUATION, END_HEADERS, 1, &[]);
    let both = [&rest[1..], &frame(HEADERS, 0, 3, &GET)].concat();
    while Instant::now() == first {}
    come(&both);
    assert!(filter.since().unwrap() > first);
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let block = proptest::collection::vec(
        prop_oneof![
            Just(GET.to_vec()),
            Just(b"\x40\x01a\x01b".to_vec()),
            Just(vec![0xbe]),
            Just(b"\x00\x01A\x01b".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..9),
        ],
        0..5,
    );
    let kind = prop_oneof![Just(HEADERS), Just(CONTINUATION), 0..11_u8];
    let flags = prop_oneof![Just(END_HEADERS), Just(5_u8), Just(0_u8), any::<u8>()];
    let one = (kind, flags, 0..9_u32, block)
        .prop_map(|(kind, flags, stream, block)| frame(kind, flags, stream, &block.concat()));
    prop_oneof![9 => one, 1 => proptest::collection::vec(any::<u8>(), 0..40)]
}

/// The frame that ends the connection completes the held bytes, so that nothing is held when the next ones arrive.
#[test]
fn nothing_passes_after_a_frame_that_is_fatal() {
    let priority = frame(2, 0, 0, &[0; 5]);
    let (request, on_stream_0) =
        (frame(HEADERS, END_HEADERS, 1, &GET), frame(HEADERS, END_HEADERS, 0, &GET));
    let pieces = [PREFACE.to_vec(), [request, on_stream_0].concat(), priority.clone()];
    let seen = seen(&filter(), &pieces, 8192);
    assert_eq!(seen.fatal, Some(Reason::PROTOCOL_ERROR));
    assert!(!seen.output.ends_with(&priority), "{:?}", seen.output);
}

proptest! {
    /// The result does not depend on how the bytes are cut into pieces, or on how much h2 reads at once.
    #[test]
    fn pieces_make_no_difference(
        frames in proptest::collection::vec(frames(), 0..12),
        cut in 1..30_usize,
        room in 1..40_usize,
    ) {
        let bytes = [PREFACE.to_vec(), frames.concat()].concat();
        let whole = seen(&filter(), slice::from_ref(&bytes), 100_000);
        let pieces: Vec<Vec<u8>> = bytes.chunks(cut).map(<[u8]>::to_vec).collect();
        let cut = seen(&filter(), &pieces, room);
        prop_assert_eq!(&whole.output, &cut.output);
        prop_assert_eq!(&whole.requests, &cut.requests);
        prop_assert_eq!(whole.fatal, cut.fatal);
        prop_assert!(whole.fatal.is_some() || whole.is_amid == cut.is_amid);
        // The output grows at most by the size of a request without fields.
        prop_assert!(whole.output.len() <= bytes.len() + 30 * frames.len());
    }
}
