//! Tests of all encoders, with decoders of the same libraries.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use proptest::prelude::*;

use super::*;

const CODINGS: [MadeCoding; 3] = [MadeCoding::Gzip, MadeCoding::Brotli, MadeCoding::Zstd];

/// Decodes all of it.
fn decoded(coding: MadeCoding, packed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match coding {
        MadeCoding::Gzip => MultiGzDecoder::new(packed).read_to_end(&mut text).unwrap(),
        MadeCoding::Brotli => {
            ::brotli::Decompressor::new(packed, 4096).read_to_end(&mut text).unwrap()
        }
        MadeCoding::Zstd => ::zstd::Decoder::new(packed).unwrap().read_to_end(&mut text).unwrap(),
    };
    text
}

/// Decodes what can be decoded of a beginning.
fn decoded_so_far(coding: MadeCoding, packed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut decoder: Box<dyn Read> = match coding {
        MadeCoding::Gzip => Box::new(flate2::read::GzDecoder::new(packed)),
        MadeCoding::Brotli => Box::new(::brotli::Decompressor::new(packed, 4096)),
        MadeCoding::Zstd => Box::new(::zstd::Decoder::new(packed).unwrap()),
    };
    let mut piece = [0; 512];
    while let Ok(length @ 1..) = decoder.read(&mut piece) {
        text.extend_from_slice(&piece[..length]);
    }
    text
}

fn encoded(encoder: &mut Encoder, text: &[u8], padding: u8) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.pad(padding);
    encoder.encode(text, After::Finish, &mut out).unwrap();
    out
}

#[test]
fn padding_of_every_length_is_skipped_and_counts() {
    let text = b"<p>A page</p>\n".repeat(300);
    for coding in CODINGS {
        let with =
            |padding| encoded(&mut Encoder::new(coding, Effort::Response).unwrap(), &text, padding);
        let (none, one) = (with(0), with(1));
        assert_eq!(decoded(coding, &none), text);
        for padding in 1..=MAX_PADDING {
            let packed = with(padding);
            assert_eq!(packed.len(), one.len() + usize::from(padding) - 1, "{coding:?}");
            assert_eq!(decoded(coding, &packed), text, "{coding:?} {padding}");
        }
        assert!(none.len() < text.len() / 20, "{coding:?}: {}", none.len());
    }
}

#[test]
fn empty_texts_can_be_decoded() {
    for coding in CODINGS {
        for effort in [Effort::Response, Effort::File(0)] {
            let mut encoder = Encoder::new(coding, effort).unwrap();
            assert_eq!(decoded(coding, &encoded(&mut encoder, b"", 7)), b"", "{coding:?}");
        }
    }
}

proptest! {
    /// A text in pieces is the same text; what was flushed can be decoded; and the same again with a used encoder.
    #[test]
    fn pieces_are_the_text(
        pieces in prop::collection::vec(("[a-d]{0,3000}", any::<bool>()), 0..8),
        padding in 0..=MAX_PADDING,
    ) {
        for coding in CODINGS {
            let mut encoder = Encoder::new(coding, Effort::Response).unwrap();
            let mut before = None;
            loop {
                let (mut text, mut out) = (Vec::new(), Vec::new());
                encoder.pad(padding);
                for (piece, flushes) in &pieces {
                    text.extend_from_slice(piece.as_bytes());
                    let after = if *flushes { After::Flush } else { After::More };
                    encoder.encode(piece.as_bytes(), after, &mut out).unwrap();
                    if *flushes {
                        prop_assert_eq!(&decoded_so_far(coding, &out), &text);
                    }
                }
                encoder.encode(b"", After::Finish, &mut out).unwrap();
                prop_assert_eq!(&decoded(coding, &out), &text);
                // A used encoder makes the same bytes as a new one.
                if before.is_some() || !encoder.reset() {
                    prop_assert_eq!(before.unwrap_or_else(|| out.clone()), out);
                    break;
                }
                before = Some(out);
            }
        }
    }
}
