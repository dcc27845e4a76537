//! The framing of `multipart/byteranges` (RFC 9110, 14.6): the text around the parts of a response to a request for
//! several ranges, and the total length.

use std::ops::Range;

use super::range::content_range;

/// The text around the parts, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultipartFraming {
    /// The text before each part, in their order.
    pub before: Vec<String>,
    /// The text after the last part.
    pub closing: String,
    /// The total number of bytes, including the parts.
    pub length: u64,
}

/// Returns the value of the response's `Content-Type`.
pub fn content_type(boundary: &str) -> String {
    format!("multipart/byteranges; boundary={boundary}")
}

/// Frames parts, none of them empty, of a representation of this size and type.
///
/// The caller chooses the boundary, which must not occur in the content. The content is not searched for it. 32 random
/// hexadecimal digits, new for each response, are unpredictable for the content's author, and within the 70 characters
/// of RFC 2046, 5.1.1.
///
/// ```
/// use sideman::rfc::multipart::frame;
/// let framing = frame("b", Some("text/plain"), &[0..5, 90..100], 100);
/// assert_eq!(
///     framing.before[1],
///     "\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 90-99/100\r\n\r\n"
/// );
/// assert_eq!(framing.closing, "\r\n--b--\r\n");
/// ```
pub fn frame(
    boundary: &str,
    content_type: Option<&str>,
    parts: &[Range<u64>],
    size: u64,
) -> MultipartFraming {
    let typed = content_type.map_or_else(String::new, |text| format!("Content-Type: {text}\r\n"));
    let mut before = Vec::with_capacity(parts.len());
    let closing = format!("\r\n--{boundary}--\r\n");
    let mut length = closing.len() as u64;
    for part in parts {
        // The line break before a boundary belongs to it; the first boundary follows the header section's empty line.
        let start = if before.is_empty() { "" } else { "\r\n" };
        let range = content_range(part, size);
        let text = format!("{start}--{boundary}\r\n{typed}Content-Range: {range}\r\n\r\n");
        length += text.len() as u64 + part.end.saturating_sub(part.start);
        before.push(text);
    }
    MultipartFraming { before, closing, length }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assemble(framing: &MultipartFraming, parts: &[Range<u64>], content: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        for (text, part) in framing.before.iter().zip(parts) {
            body.extend(text.as_bytes());
            body.extend(&content[part.start as usize..part.end as usize]);
        }
        body.extend(framing.closing.as_bytes());
        body
    }

    /// Parses a body as a client does: the fields and the content of each part (RFC 2046, 5.1.1).
    fn parse(body: &[u8], boundary: &str) -> Vec<(String, Vec<u8>)> {
        let delimiter = format!("\r\n--{boundary}");
        let body = [b"\r\n", body].concat();
        let ends: Vec<usize> = memchr::memmem::find_iter(&body, &delimiter).collect();
        let pieces: Vec<&[u8]> =
            ends.windows(2).map(|pair| &body[pair[0] + delimiter.len()..pair[1]]).collect();
        let last = ends.last().expect("a closing delimiter") + delimiter.len();
        assert_eq!(&body[last..], b"--\r\n");
        pieces
            .into_iter()
            .map(|piece| {
                let piece = piece.strip_prefix(b"\r\n").expect("a line break");
                let end = memchr::memmem::find(piece, b"\r\n\r\n").expect("an empty line");
                (String::from_utf8(piece[..end].to_vec()).unwrap(), piece[end + 4..].to_vec())
            })
            .collect()
    }

    #[test]
    fn the_example_of_the_rfc() {
        let framing = frame("THIS", Some("application/pdf"), &[500..1000, 7000..8000], 8000);
        assert_eq!(content_type("THIS"), "multipart/byteranges; boundary=THIS");
        assert_eq!(
            framing.before,
            [
                "--THIS\r\nContent-Type: application/pdf\r\n\
                 Content-Range: bytes 500-999/8000\r\n\r\n",
                "\r\n--THIS\r\nContent-Type: application/pdf\r\n\
                 Content-Range: bytes 7000-7999/8000\r\n\r\n",
            ]
        );
        let lines =
            ["--THIS", "Content-Type: application/pdf", "Content-Range: bytes 500-999/8000"];
        let first: usize = lines.iter().map(|line| line.len() + 2).sum::<usize>() + 2;
        // The second part has the line break before it, and two digits more.
        let expected = first + 500 + (first + 4) + 1000 + "\r\n--THIS--\r\n".len();
        assert_eq!(framing.length, expected as u64);
    }

    #[test]
    fn without_a_type() {
        let framing = frame("b", None, std::slice::from_ref(&(0..1)), 2);
        assert_eq!(framing.before, ["--b\r\nContent-Range: bytes 0-0/2\r\n\r\n"]);
    }

    proptest! {
        #[test]
        fn a_client_finds_the_parts(
            content in proptest::collection::vec(any::<u8>(), 1..500),
            cuts in proptest::collection::vec((0_usize..500, 1_usize..100), 1..16),
            boundary in "[0-9a-f]{32}",
            media_type in proptest::option::of("[a-z]{1,9}/[a-z]{1,9}(; charset=utf-8)?"),
        ) {
            let size = content.len();
            let parts: Vec<Range<u64>> = cuts
                .into_iter()
                .map(|(start, length)| (start % size, length))
                .map(|(start, length)| start as u64..(start + length).min(size) as u64)
                .collect();
            let framing = frame(&boundary, media_type.as_deref(), &parts, size as u64);
            let body = assemble(&framing, &parts, &content);
            prop_assert_eq!(body.len() as u64, framing.length);
            let found = parse(&body, &boundary);
            prop_assert_eq!(found.len(), parts.len());
            for ((fields, bytes), part) in found.iter().zip(&parts) {
                let range = format!("Content-Range: bytes {}-{}/{size}", part.start, part.end - 1);
                let expected = match &media_type {
                    Some(text) => format!("Content-Type: {text}\r\n{range}"),
                    None => range,
                };
                prop_assert_eq!(fields, &expected);
                prop_assert_eq!(&bytes[..], &content[part.start as usize..part.end as usize]);
            }
        }
    }
}
