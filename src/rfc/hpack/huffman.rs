//! The Huffman code of HPACK strings (RFC 7541, 5.2 and appendix B). The code is canonical: codes follow from their
//! lengths, so only the lengths are listed. Strings are decoded four bits at a time.

use super::field::MalformedBlock;

/// Bits of the code of each byte, and of the end-of-string symbol.
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
const END: usize = 256;
const MAX_CODE_LENGTH: u8 = 30;

/// One step of four bits from an inner node of the code's tree.
#[derive(Clone, Copy)]
struct HuffmanStep {
    /// The node that the bits lead to.
    node: u8,
    /// The byte whose code ends within the bits, if `emits`.
    byte: u8,
    emits: bool,
    /// The end-of-string symbol, which a string must not contain.
    fails: bool,
}

/// A full binary tree of 257 leaves has 256 inner nodes; the root is node 0.
static STEPS: [[HuffmanStep; 16]; 256] = steps(&tree());

/// The children of each inner node: another node, or [`LEAF`] and a symbol.
type CodeTree = [[u16; 2]; 256];
const LEAF: u16 = 0x8000;

#[expect(clippy::indexing_slicing, reason = "the compiler does it, and sees every index")]
const fn tree() -> CodeTree {
    let mut tree = [[0; 2]; 256];
    let (mut nodes, mut code, mut length) = (1, 0_u32, 1);
    while length <= MAX_CODE_LENGTH {
        let mut symbol = 0;
        while symbol <= END {
            if LENGTHS[symbol] == length {
                let (mut node, mut bit) = (0, length - 1);
                while bit > 0 {
                    let side = (code >> bit & 1) as usize;
                    if tree[node][side] == 0 {
                        tree[node][side] = nodes;
                        nodes += 1;
                    }
                    node = tree[node][side] as usize;
                    bit -= 1;
                }
                tree[node][(code & 1) as usize] = LEAF | symbol as u16;
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        length += 1;
    }
    tree
}

#[expect(clippy::indexing_slicing, reason = "the compiler does it, and sees every index")]
const fn steps(tree: &CodeTree) -> [[HuffmanStep; 16]; 256] {
    let mut steps = [[HuffmanStep { node: 0, byte: 0, emits: false, fails: false }; 16]; 256];
    let mut from = 0;
    while from < 256 {
        let mut bits = 0;
        while bits < 16 {
            let step = &mut steps[from][bits];
            let (mut node, mut bit) = (from, 4);
            while bit > 0 {
                bit -= 1;
                let child = tree[node][bits >> bit & 1];
                if child & LEAF == 0 {
                    node = child as usize;
                    continue;
                }
                let symbol = (child & !LEAF) as usize;
                if symbol == END {
                    step.fails = true;
                } else {
                    step.byte = symbol as u8;
                    step.emits = true;
                }
                node = 0;
            }
            step.node = node as u8;
            bits += 1;
        }
        from += 1;
    }
    steps
}

/// Whether a string may end at each node: after less than a byte of ones (RFC 7541, 5.2).
static ENDS: [bool; 256] = ends(&tree());

#[expect(clippy::indexing_slicing, reason = "the compiler does it, and sees every index")]
const fn ends(tree: &CodeTree) -> [bool; 256] {
    let mut ends = [false; 256];
    let (mut node, mut bits) = (0, 0);
    while bits < 8 {
        ends[node] = true;
        node = tree[node][1] as usize;
        bits += 1;
    }
    ends
}

/// Appends the decoded string, which has at most 8/5 of the coded length.
pub(super) fn decode(coded: &[u8], text: &mut Vec<u8>) -> Result<(), MalformedBlock> {
    text.reserve(coded.len() * 8 / 5);
    let mut node = 0_u8;
    for &byte in coded {
        for bits in [byte >> 4, byte & 15] {
            let steps = STEPS.get(usize::from(node)).ok_or(MalformedBlock)?;
            let step = steps.get(usize::from(bits)).ok_or(MalformedBlock)?;
            if step.emits {
                text.push(step.byte);
            }
            if step.fails {
                return Err(MalformedBlock);
            }
            node = step.node;
        }
    }
    match ENDS.get(usize::from(node)) {
        Some(true) => Ok(()),
        Some(false) | None => Err(MalformedBlock),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Encodes a text with codes that are derived in another way than the tree.
    fn encode(text: &[u8]) -> Vec<u8> {
        let mut order: Vec<usize> = (0..LENGTHS.len()).collect();
        order.sort_by_key(|&symbol| (LENGTHS[symbol], symbol));
        let (mut codes, mut next, mut before) = (vec![0_u32; 257], 0_u32, 0);
        for symbol in order {
            next <<= LENGTHS[symbol] - before;
            before = LENGTHS[symbol];
            codes[symbol] = next;
            next += 1;
        }
        let bits: Vec<u8> = text
            .iter()
            .flat_map(|&byte| {
                let (code, length) = (codes[usize::from(byte)], LENGTHS[usize::from(byte)]);
                (0..length).rev().map(move |bit| (code >> bit & 1) as u8)
            })
            .collect();
        let byte =
            |bits: &[u8]| (0..8).fold(0, |byte, at| byte << 1 | bits.get(at).copied().unwrap_or(1));
        bits.chunks(8).map(byte).collect()
    }

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, MalformedBlock> {
        let mut text = Vec::new();
        decode(coded, &mut text).map(|()| text)
    }

    #[test]
    fn code_is_complete() {
        let filled: f64 = LENGTHS.iter().map(|&length| 0.5_f64.powi(length.into())).sum();
        assert!((filled - 1.0).abs() < f64::EPSILON, "{filled}");
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        // `a` is 00011.
        assert_eq!(decoded(&[0b0001_1111]), Ok(b"a".to_vec()));
        assert_eq!(decoded(&[0b0001_1110]), Err(MalformedBlock));
        assert_eq!(decoded(&[0b0001_1111, 0xff]), Err(MalformedBlock));
        assert_eq!(decoded(&[0xff]), Err(MalformedBlock));
        assert_eq!(decoded(&[]), Ok(Vec::new()));
        // The end-of-string symbol: 30 ones.
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(MalformedBlock));
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decoded(&encode(&text)), Ok(text));
        }

        #[test]
        fn decoded_text_is_bounded(coded in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(text) = decoded(&coded) {
                prop_assert!(text.len() <= coded.len() * 8 / 5);
            }
        }
    }
}
