//! The chunked coding, as clients may send it and as applications may. Both decoders are compared
//! with a plain reading of the whole body, and it makes no difference in how many pieces the body comes.

use bytes::BytesMut;

use crate::fuzz_input as input;
use crate::rfc::{
    chunked::{ChunkedDecoder, ChunkedStep, MalformedChunked},
    request_chunks,
};

/// Inputs up to here meet no limit of either that the other lacks.
const SHORT: usize = 4000;

/// The result of decoding a body.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ChunkedOutcome {
    More,
    /// Malformed after this many bytes.
    End(usize),
    Malformed,
}

/// Tests one body, with the bytes that follow it.
pub fn check(data: &[u8]) {
    let strict: Vec<_> = input::cuts(data).iter().map(|cut| decode_strictly(cut)).collect();
    // The number of valid bytes before a fault depends on how the bytes are split.
    let same = |one: &(ChunkedOutcome, Vec<u8>)| {
        one.0 == strict[0].0 && (one.0 == ChunkedOutcome::Malformed || one.1 == strict[0].1)
    };
    assert!(strict.iter().all(same), "cuts: {strict:?}");
    let decoded: Vec<_> = input::cuts(data).iter().map(|cut| decode(cut)).collect();
    assert!(decoded.iter().all(|outcome| *outcome == decoded[0]), "cuts: {decoded:?}");
    if data.len() > SHORT {
        return;
    }
    let (model, body) = read(data);
    match (&strict[0].0, &model) {
        (ChunkedOutcome::End(length), _) => {
            assert_eq!(model, ChunkedOutcome::End(*length));
            assert_eq!(strict[0].1, body);
            assert_eq!(decoded[0], Ok((body.clone(), data.len() - length, true)));
        }
        (ChunkedOutcome::More, _) => assert_eq!(model, ChunkedOutcome::More),
        // Stricter than the model: extensions, trailers.
        (ChunkedOutcome::Malformed, _) => {}
    }
    match (&decoded[0], model) {
        (Ok((received, left, true)), ChunkedOutcome::End(length)) => {
            assert_eq!((received, *left), (&body, data.len() - length));
        }
        (Ok((received, _, false)), ChunkedOutcome::More) => assert_eq!(received, &body),
        (Err(MalformedChunked), ChunkedOutcome::Malformed | ChunkedOutcome::More) => {}
        // The line break after a chunk is checked when both of its bytes have arrived.
        (Ok((_, 1, false)), ChunkedOutcome::Malformed) => {}
        (decoded, model) => panic!("decoded {decoded:?}, model {model:?}"),
    }
}

fn decode_strictly(pieces: &[&[u8]]) -> (ChunkedOutcome, Vec<u8>) {
    let (mut decoder, mut before) = (request_chunks::RequestChunkDecoder::default(), 0);
    let mut body = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match decoder.decode(rest) {
                request_chunks::RequestChunkStep::Data { skip, length } => {
                    assert!(length > 0, "a step without a byte");
                    body.extend_from_slice(&rest[skip..skip + length]);
                    rest = &rest[skip + length..];
                    before += skip + length;
                }
                request_chunks::RequestChunkStep::More => {
                    before += rest.len();
                    break;
                }
                request_chunks::RequestChunkStep::End(length) => {
                    return (ChunkedOutcome::End(before + length), body);
                }
                request_chunks::RequestChunkStep::Malformed(length) => {
                    assert!(length <= rest.len());
                    return (ChunkedOutcome::Malformed, body);
                }
            }
        }
    }
    (ChunkedOutcome::More, body)
}

/// The body, the bytes behind it, and whether it is complete.
type Decoded = Result<(Vec<u8>, usize, bool), MalformedChunked>;

fn decode(pieces: &[&[u8]]) -> Decoded {
    let (mut decoder, mut buffer, mut body) =
        (ChunkedDecoder::default(), BytesMut::new(), Vec::new());
    let mut is_done = false;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while !is_done {
            match decoder.decode(&mut buffer)? {
                ChunkedStep::Data(data) => {
                    assert!(!data.is_empty(), "a step without a byte");
                    body.extend_from_slice(&data);
                }
                ChunkedStep::Trailers(fields) => assert!(!fields.is_empty()),
                ChunkedStep::NeedMore => break,
                ChunkedStep::Done => is_done = true,
            }
        }
    }
    Ok((body, buffer.len(), is_done))
}

/// RFC 9112, 7.1 by the letter of its grammar, but for what extensions and trailers look like.
fn read(data: &[u8]) -> (ChunkedOutcome, Vec<u8>) {
    let (mut at, mut body) = (0, Vec::new());
    let line = |at: usize| memchr::memchr(b'\n', &data[at..]).map(|end| &data[at..=at + end]);
    loop {
        let Some(first) = line(at) else { return (ChunkedOutcome::More, body) };
        at += first.len();
        let Some(first) = first.strip_suffix(b"\r\n") else {
            return (ChunkedOutcome::Malformed, body);
        };
        let digits = first.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii_end();
        let text = String::from_utf8_lossy(digits);
        let is_number =
            (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
        let size = u64::from_str_radix(&text, 16).ok().filter(|_| is_number);
        let Some(size) = size else { return (ChunkedOutcome::Malformed, body) };
        if size == 0 {
            break;
        }
        let here = usize::try_from(size).unwrap_or(usize::MAX).min(data.len() - at);
        body.extend_from_slice(&data[at..at + here]);
        at += here;
        if (here as u64) < size {
            return (ChunkedOutcome::More, body);
        }
        match &data[at..] {
            [] | [b'\r'] => return (ChunkedOutcome::More, body),
            [b'\r', b'\n', ..] => at += 2,
            _ => return (ChunkedOutcome::Malformed, body),
        }
    }
    loop {
        let Some(field) = line(at) else { return (ChunkedOutcome::More, body) };
        at += field.len();
        match field.strip_suffix(b"\r\n") {
            Some([]) => return (ChunkedOutcome::End(at), body),
            Some(_) => {}
            None => return (ChunkedOutcome::Malformed, body),
        }
    }
}
