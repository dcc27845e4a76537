//! Decodes the chunked transfer coding (RFC 9112, 7.1). Extensions and forbidden trailers are read and discarded; their
//! size is limited.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::trailers;

/// The maximum number of bytes of one chunk line or one trailer section.
const LINE_LIMIT: usize = 8 * 1024;

/// A decoder for one body.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    state: ChunkedState,
    /// Bytes of the trailer section seen so far.
    trailer: usize,
    trailers: HeaderMap,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkedState {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Done,
}

/// One step of decoding.
#[derive(Debug, PartialEq, Eq)]
pub enum ChunkedStep {
    /// A part of the body.
    Data(Bytes),
    /// The buffer holds no complete element.
    NeedMore,
    /// The trailers, if there are any; the body is complete then.
    Trailers(HeaderMap),
    /// The body is complete; the rest of the buffer is not part of it.
    Done,
}

/// The bytes are not chunked coding, or an element exceeds its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedChunked;

// === impl ChunkedDecoder ===

impl ChunkedDecoder {
    /// Takes the next part of the body from the buffer.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<ChunkedStep, MalformedChunked> {
        loop {
            match self.state {
                ChunkedState::Size => {
                    let Some(line) = take_line(buffer)? else { return Ok(ChunkedStep::NeedMore) };
                    self.state = match chunk_size(&line)? {
                        0 => ChunkedState::Trailer,
                        size => ChunkedState::Data(size),
                    };
                }
                ChunkedState::Data(0) => self.state = ChunkedState::DataEnd,
                ChunkedState::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(ChunkedStep::NeedMore);
                    }
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    self.state = ChunkedState::Data(left - here as u64);
                    return Ok(ChunkedStep::Data(buffer.split_to(here).freeze()));
                }
                ChunkedState::DataEnd => {
                    if buffer.len() < 2 {
                        return Ok(ChunkedStep::NeedMore);
                    }
                    if !buffer.starts_with(b"\r\n") {
                        return Err(MalformedChunked);
                    }
                    buffer.advance(2);
                    self.state = ChunkedState::Size;
                }
                ChunkedState::Trailer => {
                    let Some(line) = take_line(buffer)? else { return Ok(ChunkedStep::NeedMore) };
                    self.trailer += line.len();
                    if self.trailer > LINE_LIMIT {
                        return Err(MalformedChunked);
                    }
                    if !line.is_empty() {
                        self.add_trailer(&line.freeze());
                        continue;
                    }
                    self.state = ChunkedState::Done;
                    if !self.trailers.is_empty() {
                        return Ok(ChunkedStep::Trailers(std::mem::take(&mut self.trailers)));
                    }
                }
                ChunkedState::Done => return Ok(ChunkedStep::Done),
            }
        }
    }

    /// Keeps a trailer if it is allowed.
    fn add_trailer(&mut self, line: &Bytes) {
        let Some(colon) = memchr::memchr(b':', line) else { return };
        let (name, value) = (line.slice(..colon), line.slice(colon + 1..));
        let value = value.slice_ref(value.trim_ascii());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&name), HeaderValue::from_maybe_shared(value))
            && trailers::is_allowed(&name)
        {
            self.trailers.append(name, value);
        }
    }
}

/// Takes a line and returns it without its CRLF. A bare LF is no line end here (RFC 9112, 2.2 allows leniency only for
/// heads).
fn take_line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, MalformedChunked> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        return if buffer.len() > LINE_LIMIT { Err(MalformedChunked) } else { Ok(None) };
    };
    if end > LINE_LIMIT {
        return Err(MalformedChunked);
    }
    let mut line = buffer.split_to(end + 1);
    if !line.ends_with(b"\r\n") {
        return Err(MalformedChunked);
    }
    line.truncate(line.len() - 2);
    Ok(Some(line))
}

fn chunk_size(line: &[u8]) -> Result<u64, MalformedChunked> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    // Some servers pad the size with blanks (RFC 9112, 7.1.1 calls this bad whitespace).
    let digits = digits.trim_ascii_end();
    if digits.is_empty() || digits.len() > 16 {
        return Err(MalformedChunked);
    }
    digits.iter().try_fold(0_u64, |size, &byte| {
        let digit = char::from(byte).to_digit(16).ok_or(MalformedChunked)?;
        size.checked_mul(16).and_then(|size| size.checked_add(digit.into())).ok_or(MalformedChunked)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_all(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, usize), MalformedChunked> {
        let mut decoder = ChunkedDecoder::default();
        let mut buffer = BytesMut::new();
        let mut body = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut buffer)? {
                    ChunkedStep::Data(data) => body.extend_from_slice(&data),
                    ChunkedStep::Trailers(_) => {}
                    ChunkedStep::NeedMore => break,
                    ChunkedStep::Done => return Ok((body, true, buffer.len())),
                }
            }
        }
        Ok((body, false, buffer.len()))
    }

    #[test]
    fn table() {
        type Case = (&'static [u8], Result<(&'static [u8], bool, usize), MalformedChunked>);
        let cases: &[Case] = &[
            (b"0\r\n\r\n", Ok((b"", true, 0))),
            (b"5\r\nhello\r\n0\r\n\r\n", Ok((b"hello", true, 0))),
            (b"5;x=y\r\nhello\r\n00\r\nA: b\r\n\r\nrest", Ok((b"hello", true, 4))),
            (b"5 \r\nhello\r\n0\r\n\r\n", Ok((b"hello", true, 0))),
            (b"A\r\n0123456789\r\n", Ok((b"0123456789", false, 0))),
            (b"5\r\nhel", Ok((b"hel", false, 0))),
            (b"5\r\nhelloX\r\n", Err(MalformedChunked)),
            (b"5\nhello\r\n", Err(MalformedChunked)),
            (b"g\r\n", Err(MalformedChunked)),
            (b"-1\r\n", Err(MalformedChunked)),
            (b"\r\n", Err(MalformedChunked)),
            (b"fffffffffffffffff\r\n", Err(MalformedChunked)),
        ];
        for (bytes, expected) in cases {
            let received = decode_all(&[bytes]);
            let expected = expected.map(|(body, done, left)| (body.to_vec(), done, left));
            assert_eq!(received, expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn trailers_come_between_the_body_and_its_end() {
        let wire = b"1\r\nx\r\n0\r\nX-Sum:  a b \r\nContent-Length: 5\r\nno field\r\n\
                     bad name: 1\r\nX-Sum: c\r\nX-Bad: \x00\r\n\r\nrest";
        let (mut decoder, mut buffer) = (ChunkedDecoder::default(), BytesMut::from(&wire[..]));
        assert_eq!(decoder.decode(&mut buffer), Ok(ChunkedStep::Data(Bytes::from_static(b"x"))));
        let Ok(ChunkedStep::Trailers(map)) = decoder.decode(&mut buffer) else {
            panic!("no trailers")
        };
        let fields: Vec<_> =
            map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(fields, [("x-sum", &b"a b"[..]), ("x-sum", b"c")]);
        assert_eq!(decoder.decode(&mut buffer), Ok(ChunkedStep::Done));
        assert_eq!(&buffer[..], b"rest");
    }

    #[test]
    fn endless_lines_end() {
        assert_eq!(decode_all(&[&[b'1'; LINE_LIMIT + 1]]), Err(MalformedChunked));
        let mut trailers = b"0\r\n".to_vec();
        for _ in 0..LINE_LIMIT {
            trailers.extend_from_slice(b"a: b\r\n");
        }
        assert_eq!(decode_all(&[&trailers]), Err(MalformedChunked));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_body(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cut in 1_usize..12,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let pieces: Vec<&[u8]> = wire.chunks(cut).collect();
            prop_assert_eq!(decode_all(&pieces), Ok((chunks.concat(), true, 0)));
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_all(&[&bytes]);
        }
    }
}
