//! Compresses text that has no precompressed file, in the background. So a plain `collectstatic` directory is served in
//! br and gzip as well (issue 3.4). No request waits for it.

use std::io::{self, Write};

use brotli::{CompressorWriter, enc::BrotliEncoderParams};
use bytes::Bytes;
use flate2::{Compression, GzBuilder};

use crate::rfc::encoding::Coding;

/// Smaller files are not compressed: the header section is larger than the savings.
pub(super) const MIN_SIZE: u64 = 1024;

/// The codings made of a text without precompressed files.
pub(super) const CODINGS: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

/// Returns the text in a coding; `None` if that saves less than a twentieth, or if the coding is not made here.
pub(super) fn compress(text: &[u8], coding: Coding) -> io::Result<Option<Bytes>> {
    let packed = match coding {
        Coding::Brotli => brotli(text)?,
        Coding::Gzip => gzip(text)?,
        Coding::Identity | Coding::Zstd => return Ok(None),
    };
    let is_worthwhile = packed.len() < text.len() - text.len() / 20;
    Ok(is_worthwhile.then(|| Bytes::from(packed)))
}

fn brotli(text: &[u8]) -> io::Result<Vec<u8>> {
    let bits = (text.len().max(2) - 1).ilog2() + 1;
    let params = BrotliEncoderParams {
        // Higher qualities are no better for the texts of a site (a quarter of a per cent between 6 and 9) and cost
        // memory. 9 needs a table of 32 MiB, half of a small container's memory; from 10 on it takes twenty times as
        // long.
        quality: 6,
        // A window larger than the text costs memory on both sides. With 16 bits or less, the crate allocates a table
        // of 32 MiB for any text.
        lgwin: i32::try_from(bits.clamp(17, 20)).unwrap_or(20),
        size_hint: text.len(),
        ..BrotliEncoderParams::default()
    };
    let mut writer = CompressorWriter::with_params(Vec::new(), 64 * 1024, &params);
    writer.write_all(text)?;
    writer.flush()?;
    Ok(writer.into_inner())
}

fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    // No time in the gzip header: equal texts must give equal tags everywhere.
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
    writer.write_all(text)?;
    writer.finish()
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
