//! What the targets of [`crate::fuzzing`] make of their bytes: pieces, lines, header fields. Below all modules, so that
//! those beside private parsers may import it.
#![allow(clippy::indexing_slicing, reason = "nothing of it is in the program")]

use fastrand::Rng;
use http::{HeaderMap, HeaderName, HeaderValue};
use xxhash_rust::xxh3::xxh3_64;

/// The same bytes in pieces as a network may deliver them: at once, byte by byte, and in two ways that only depend on
/// the bytes.
pub(crate) fn cuts(data: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut rng = Rng::with_seed(xxh3_64(data));
    let mut cuts = vec![vec![data], data.chunks(1).collect()];
    for longest in [4, data.len() / 2 + 1] {
        let (mut pieces, mut rest) = (Vec::new(), data);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rng.usize(1..=longest.min(rest.len())));
            pieces.push(piece);
            rest = after;
        }
        cuts.push(pieces);
    }
    cuts
}

/// The first line without its LF, and what follows.
pub(crate) fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', data) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, b""),
    }
}

/// Header fields, one on each line; other lines are skipped.
pub(crate) fn fields(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n').take(64) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}
