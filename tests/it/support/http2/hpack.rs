//! Header compression (RFC 7541): writes literals, reads everything.

use std::collections::{HashMap, VecDeque};

/// The dynamic table of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The newest first.
    recent: VecDeque<(String, String)>,
    codes: HashMap<(u8, u32), usize>,
}

/// The default size limit of the dynamic table.
const ROOM: usize = 4096;

// === impl Decoder ===

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { recent: VecDeque::new(), codes: codes() }
    }

    /// Returns the fields of a whole block. Panics if it is malformed.
    pub(crate) fn decode(&mut self, mut block: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut block, 7);
                fields.push(self.field(index));
            } else if first & 0xc0 == 0x40 {
                let field = self.literal(&mut block, 6);
                self.recent.push_front(field.clone());
                while self.recent.iter().map(size).sum::<usize>() > ROOM {
                    self.recent.pop_back();
                }
                fields.push(field);
            } else if first & 0xe0 == 0x20 {
                let room = integer(&mut block, 5);
                assert!(room <= ROOM, "a table of {room} bytes");
            } else {
                fields.push(self.literal(&mut block, 4));
            }
        }
        fields
    }

    fn literal(&self, block: &mut &[u8], prefix: u32) -> (String, String) {
        let name = match integer(block, prefix) {
            0 => self.string(block),
            index => self.field(index).0,
        };
        (name, self.string(block))
    }

    fn field(&self, index: usize) -> (String, String) {
        match index.checked_sub(STATIC.len() + 1) {
            Some(recent) => self.recent[recent].clone(),
            None => {
                let (name, value) = STATIC[index - 1];
                (name.to_owned(), value.to_owned())
            }
        }
    }

    fn string(&self, block: &mut &[u8]) -> String {
        let is_huffman = block[0] & 0x80 != 0;
        let length = integer(block, 7);
        let (string, rest) = block.split_at(length);
        *block = rest;
        if !is_huffman {
            return string.iter().map(|&byte| char::from(byte)).collect();
        }
        let (mut text, mut code, mut length) = (String::new(), 0, 0);
        for bit in string.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
            code = code << 1 | u32::from(bit);
            length += 1;
            if let Some(&symbol) = self.codes.get(&(length, code)) {
                text.push(char::from(u8::try_from(symbol).expect("the end is never written")));
                (code, length) = (0, 0);
            }
        }
        assert!(length < 8 && code == (1 << length) - 1, "bad padding");
        text
    }
}

/// Returns a block of literals that are not added to the table.
pub(crate) fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // Like in all helpers: each character is a byte.
            let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
            put_integer(&mut block, 0, 7, bytes.len());
            block.extend(bytes);
        }
    }
    block
}

/// A number that begins in the low bits of a byte (RFC 7541, 5.1).
pub(crate) fn put_integer(block: &mut Vec<u8>, flags: u8, prefix: u32, number: usize) {
    let most = (1 << prefix) - 1;
    if number < most {
        block.push(flags | u8::try_from(number).unwrap());
        return;
    }
    block.push(flags | u8::try_from(most).unwrap());
    let mut rest = number - most;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

fn integer(block: &mut &[u8], prefix: u32) -> usize {
    let mut byte = || {
        let (&first, rest) = block.split_first().expect("a cut block");
        *block = rest;
        usize::from(first)
    };
    let most = (1 << prefix) - 1;
    let mut number = byte() & most;
    if number == most {
        for shift in (0..).step_by(7) {
            let next = byte();
            number += (next & 127) << shift;
            if next < 128 {
                break;
            }
        }
    }
    number
}

/// The size of a field in a table (RFC 7541, 4.1).
fn size((name, value): &(String, String)) -> usize {
    name.len() + value.len() + 32
}

/// The code is canonical: it follows from the lengths (RFC 7541, appendix B).
fn codes() -> HashMap<(u8, u32), usize> {
    let mut symbols: Vec<usize> = (0..LENGTHS.len()).collect();
    symbols.sort_by_key(|&symbol| (LENGTHS[symbol], symbol));
    let (mut next, mut before) = (0, 0);
    let code = |symbol: usize| {
        let length = LENGTHS[symbol];
        next <<= length - before;
        before = length;
        next += 1;
        ((length, next - 1), symbol)
    };
    symbols.into_iter().map(code).collect()
}

/// Bits of each byte's code, and of the end's.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30,
    28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5,
    5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6,
    6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
    22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23,
    24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22,
    23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27,
    26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21,
    22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27,
    27, 27, 27, 27, 26, 30,
];

/// RFC 7541, appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""),
    ("via", ""), ("www-authenticate", ""),
];

/// RFC 7541, C.6.1 and C.6.2: a Huffman-coded response, and one that references it.
#[test]
fn rfc_7541_examples_are_decoded() {
    let first = [
        0x48, 0x82, 0x64, 0x02, 0x58, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b, 0x61, 0x96, 0xd0, 0x7a,
        0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81, 0x66, 0xe0,
        0x82, 0xa6, 0x2d, 0x1b, 0xff, 0x6e, 0x91, 0x9d, 0x29, 0xad, 0x17, 0x18, 0x63, 0xc7, 0x8f,
        0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82, 0xae, 0x43, 0xd3,
    ];
    let fields = |status| {
        [
            (":status", status),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(&first), fields("302"));
    let second = [0x48, 0x83, 0x64, 0x0e, 0xff, 0xc1, 0xc0, 0xbf];
    assert_eq!(decoder.decode(&second), fields("307"));
    let mut written = encode(&[("x-name", &"v".repeat(300))]);
    assert_eq!(decoder.decode(&written), [("x-name".to_owned(), "v".repeat(300))]);
    written.clear();
    put_integer(&mut written, 0x20, 5, 1337);
    assert_eq!(written, [0x3f, 0x9a, 0x0a], "RFC 7541, C.1.2");
}
