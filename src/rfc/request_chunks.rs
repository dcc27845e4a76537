//! Decodes the chunked transfer coding of a request's body strictly (RFC 9112, 7.1). Every reader must find one and the
//! same end of a body. [`super::chunked`] decodes the responses of applications.

use super::token::is_token_byte;

/// The maximum number of bytes of one chunk line, including its extensions, and of one trailer.
const MAX_LINE: usize = 4096;
/// The maximum number of bytes of all extensions and trailers of a body. They have no meaning here, and must not be the
/// largest part of the input.
const MAX_UNUSED: usize = 16 * 1024;
/// The digits of the largest size that fits 63 bits, and zeros before it.
const MAX_DIGITS: usize = 16;

/// A decoder of one body, which may arrive in pieces.
#[derive(Debug, Default)]
pub struct RequestChunkDecoder {
    state: RequestChunkState,
    /// The received part of an incomplete line.
    line: Vec<u8>,
    /// Bytes of extensions and trailers so far.
    unused: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RequestChunkState {
    #[default]
    Size,
    Data(u64),
    DataCr,
    DataLf,
    Trailer,
}

/// The meaning of the next bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestChunkStep {
    /// After `skip` bytes of the coding come `length` bytes of data.
    Data { skip: usize, length: usize },
    /// All of them belong to the coding, and more must follow.
    More,
    /// The body ends after so many bytes, none of which is data.
    End(usize),
    /// The bytes behind this position are not chunked coding.
    Malformed(usize),
}

// === impl RequestChunkDecoder ===

impl RequestChunkDecoder {
    /// Decodes up to the next data or the end. The caller must not pass the bytes that a step describes again.
    pub fn decode(&mut self, bytes: &[u8]) -> RequestChunkStep {
        let mut rest = bytes;
        loop {
            let at = bytes.len() - rest.len();
            if rest.is_empty() {
                return RequestChunkStep::More;
            }
            self.state = match self.state {
                RequestChunkState::Data(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    self.state = match left - length as u64 {
                        0 => RequestChunkState::DataCr,
                        left => RequestChunkState::Data(left),
                    };
                    return RequestChunkStep::Data { skip: at, length };
                }
                RequestChunkState::DataCr => match rest {
                    [b'\r', after @ ..] => {
                        rest = after;
                        RequestChunkState::DataLf
                    }
                    _ => return RequestChunkStep::Malformed(at),
                },
                RequestChunkState::DataLf => match rest {
                    [b'\n', after @ ..] => {
                        rest = after;
                        RequestChunkState::Size
                    }
                    _ => return RequestChunkStep::Malformed(at),
                },
                RequestChunkState::Size | RequestChunkState::Trailer => {
                    let end = memchr::memchr(b'\n', rest);
                    let (here, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
                    if self.line.len() + here.len() > MAX_LINE {
                        return RequestChunkStep::Malformed(at);
                    }
                    if end.is_none() {
                        self.line.extend_from_slice(here);
                        return RequestChunkStep::More;
                    }
                    rest = after;
                    let begun = std::mem::take(&mut self.line);
                    let joined;
                    let line = if begun.is_empty() {
                        here
                    } else {
                        joined = [&begun, here].concat();
                        &joined
                    };
                    match (line.strip_suffix(b"\r\n"), self.state) {
                        (None, _) => return RequestChunkStep::Malformed(at),
                        (Some(b""), RequestChunkState::Trailer) => {
                            return RequestChunkStep::End(bytes.len() - rest.len());
                        }
                        (Some(line), RequestChunkState::Trailer) => {
                            self.unused += line.len() + "\r\n".len();
                            if !is_field(line) || self.unused > MAX_UNUSED {
                                return RequestChunkStep::Malformed(at);
                            }
                            RequestChunkState::Trailer
                        }
                        (Some(line), _) => {
                            let Some((size, extensions)) = size(line) else {
                                return RequestChunkStep::Malformed(at);
                            };
                            self.unused += extensions;
                            match size {
                                _ if self.unused > MAX_UNUSED => {
                                    return RequestChunkStep::Malformed(at);
                                }
                                0 => RequestChunkState::Trailer,
                                size => RequestChunkState::Data(size),
                            }
                        }
                    }
                }
            };
        }
    }
}

/// Parses a chunk line: returns the chunk's size, and the length of the extensions behind it.
fn size(line: &[u8]) -> Option<(u64, usize)> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extensions) = line.split_at_checked(end)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !are_extensions(extensions) {
        return None;
    }
    let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (size <= u64::MAX >> 1).then_some((size, extensions.len()))
}

/// Whether the rest is `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` (RFC 9112, 7.1.1).
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some((b';', after)) = trim_start(rest).split_first() else { return false };
        let Some(after) = skip_token(trim_start(after)) else { return false };
        rest = after;
        if let Some((b'=', value)) = trim_start(rest).split_first() {
            let value = trim_start(value);
            let Some(after) = skip_token(value).or_else(|| skip_quoted(value)) else {
                return false;
            };
            rest = after;
        }
    }
    true
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Returns the rest behind a token (RFC 9110, 5.6.2), if there is one.
fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(bytes.len());
    if end > 0 { bytes.get(end..) } else { None }
}

/// Returns the rest behind a quoted string (RFC 9110, 5.6.4), if there is one.
fn skip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', byte, after @ ..] | [byte, after @ ..] if is_text(*byte) => after,
            _ => return None,
        };
    }
}

/// Whether a trailer is a field. Sideman forwards none, so its name makes no difference.
fn is_field(line: &[u8]) -> bool {
    skip_token(line).is_some_and(|rest| rest.starts_with(b":") && rest.iter().copied().all(is_text))
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes the pieces of a body: returns its data, and the step that ends it.
    fn decode(pieces: &[&[u8]]) -> (Vec<u8>, RequestChunkStep) {
        let (mut decoder, mut before, mut data) = (RequestChunkDecoder::default(), 0, Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let step = decoder.decode(rest);
                match step {
                    RequestChunkStep::Data { skip, length } => {
                        data.extend_from_slice(&rest[skip..skip + length]);
                        rest = &rest[skip + length..];
                        before += skip + length;
                    }
                    RequestChunkStep::More => {
                        before += rest.len();
                        break;
                    }
                    RequestChunkStep::End(length) => {
                        return (data, RequestChunkStep::End(before + length));
                    }
                    RequestChunkStep::Malformed(length) => {
                        return (data, RequestChunkStep::Malformed(before + length));
                    }
                }
            }
        }
        (data, RequestChunkStep::More)
    }

    fn end(pieces: &[&[u8]]) -> RequestChunkStep {
        decode(pieces).1
    }

    #[test]
    fn bodies_that_end() {
        for body in [
            "0\r\n\r\n",
            "4\r\nbody\r\n0\r\n\r\n",
            "0004\r\nbody\r\n000\r\n\r\n",
            "A\r\n0\r\n\r\n01234\r\na\r\n0123456789\r\n0\r\n\r\n",
            "4;a\r\nbody\r\n0;b=c ; d = \"e\\\"\t;\"\r\n\r\n",
            "4 ;a\r\nbody\r\n0\r\n\r\n",
            "0\r\nX-Sum: 1\r\nContent-Length:\r\n\r\n",
        ] {
            let followed = [body.as_bytes(), b"0\r\n\r\n"].concat();
            let bytes: Vec<&[u8]> = followed.chunks(1).collect();
            assert_eq!(end(&[&followed]), RequestChunkStep::End(body.len()), "{body:?}");
            assert_eq!(end(&bytes), RequestChunkStep::End(body.len()), "{body:?}");
        }
    }

    #[test]
    fn bodies_that_are_none() {
        for body in [
            "\r\n",
            "x\r\n",
            "-4\r\n",
            "+4\r\n",
            "0x4\r\n",
            " 4\r\n",
            "4 \r\n",
            "4\n",
            "4\r\r\n",
            "4 4\r\n",
            "10000000000000000\r\n",
            "00000000000000004\r\n",
            "ffffffffffffffff\r\n",
            "8000000000000000\r\n",
            "4;\r\n",
            "4;;\r\n",
            "4;a=\r\n",
            "4;a=b c\r\n",
            "4;a=\"b\r\n",
            "4;a=\"\0\"\r\n",
            "4;a=\"b\"c\r\n",
            "4;a\rb\r\n",
            "4;(\r\n",
            "4;\u{e9}\r\n",
            "4\r\nbody5\r\n",
            "4\r\nbody\n",
            "4\r\nbody\rX",
            "0\r\nX\r\n",
            "0\r\n: a\r\n",
            "0\r\nX : a\r\n",
            "0\r\n a\r\n",
            "0\r\n\n",
            "0\r\nX: a\nY: b\r\n",
            "0\r\nX: \0\r\n",
            "0\r\nX: a\r\n b\r\n",
        ] {
            assert!(matches!(end(&[body.as_bytes()]), RequestChunkStep::Malformed(_)), "{body:?}");
            let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
            assert!(matches!(end(&bytes), RequestChunkStep::Malformed(_)), "{body:?}");
        }
        // Lines without an end.
        for line in
            [&b"1;aaaaaaaaaaaaaaaaaaaaaaa\r\nb\r\n"[..], b"0\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n"]
        {
            let (first, more) = if line[0] == b'0' { line.split_at(3) } else { (&b""[..], line) };
            let body = [first, &more.repeat(1000)].concat();
            assert!(
                matches!(end(&[&body]), RequestChunkStep::Malformed(_)),
                "{}",
                line.escape_ascii()
            );
            let few = [first, &more.repeat(400)].concat();
            assert_eq!(end(&[&few]), RequestChunkStep::More, "{}", line.escape_ascii());
        }
        // The number of small chunks without extensions is not limited.
        assert_eq!(end(&[&b"1\r\nb\r\n".repeat(50_000)]), RequestChunkStep::More);
        // A line without an end.
        assert!(matches!(end(&[b"4;", &[b'a'; MAX_LINE]]), RequestChunkStep::Malformed(_)));
    }

    #[test]
    fn data_without_its_coding() {
        let body = b"A\r\n0\r\n\r\n01234\r\na;b=c\r\n0123456789\r\n0\r\nA: b\r\n\r\nGET";
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        for pieces in [&[&body[..]][..], &bytes] {
            let (data, step) = decode(pieces);
            assert_eq!(data, b"0\r\n\r\n012340123456789");
            assert_eq!(step, RequestChunkStep::End(body.len() - 3));
        }
    }

    #[test]
    fn data_before_a_malformed_chunk_is_returned() {
        assert_eq!(end(&[b"4\r\nbody\r\nx\r\n"]), RequestChunkStep::Malformed(9));
        assert_eq!(end(&[b"4\r\nbodyx"]), RequestChunkStep::Malformed(7));
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(
            body in "([0-4]{1,2}(;a(=\"b\")?)?\r\n[a-c]{0,4}\r\n){0,4}0\r\n(A: b\r\n){0,2}\r\n",
            cut in 1_usize..8,
        ) {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(cut).collect();
            let (whole, cut) = (decode(&[body.as_bytes()]), decode(&pieces));
            match (whole.1, cut.1) {
                (RequestChunkStep::Malformed(_), other) => prop_assert!(matches!(other, RequestChunkStep::Malformed(_))),
                _ => prop_assert_eq!(whole, cut),
            }
        }
    }
}
