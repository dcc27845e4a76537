//! Compresses text that has no precompressed file, in the background. So a plain `collectstatic` directory is served in
//! br and gzip as well (issue 3.4). No request waits for it.

use std::io;

use bytes::Bytes;

use crate::{
    compression::{After, Effort, Encoder, MadeCoding},
    rfc::encoding::Coding,
};

/// Smaller files are not compressed: the header section is larger than the savings.
pub(super) const MIN_SIZE: u64 = 1024;

/// The codings made of a text without precompressed files.
pub(super) const CODINGS: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

/// Returns the text in a coding; `None` if that saves less than a twentieth, or if the coding is not made here.
pub(super) fn compress(text: &[u8], coding: Coding) -> io::Result<Option<Bytes>> {
    let coding = match coding {
        Coding::Brotli => MadeCoding::Brotli,
        Coding::Gzip => MadeCoding::Gzip,
        Coding::Identity | Coding::Zstd => return Ok(None),
    };
    let mut packed = Vec::new();
    Encoder::new(coding, Effort::File(text.len()))?.encode(text, After::Finish, &mut packed)?;
    let is_worthwhile = packed.len() < text.len() - text.len() / 20;
    Ok(is_worthwhile.then(|| Bytes::from(packed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_was_compressed_is_the_same_text() {
        let text = "body { color: #123456; margin: 0 auto }\n".repeat(500);
        let packed = compress(text.as_bytes(), Coding::Brotli).unwrap().unwrap();
        assert!(packed.len() < text.len() / 20);
        let mut read = String::new();
        brotli::Decompressor::new(&packed[..], 4096).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);

        let packed = compress(text.as_bytes(), Coding::Gzip).unwrap().unwrap();
        let mut read = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        assert_eq!(compress(text.as_bytes(), Coding::Gzip).unwrap().unwrap(), packed);
    }

    #[test]
    fn incompressible_text_is_not_compressed() {
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = (0..10_000).map(|_| random.u8(..)).collect();
        for coding in [Coding::Brotli, Coding::Gzip, Coding::Zstd, Coding::Identity] {
            assert_eq!(compress(&noise, coding).unwrap(), None);
        }
        assert_eq!(compress(b"", Coding::Gzip).unwrap(), None);
    }
}
