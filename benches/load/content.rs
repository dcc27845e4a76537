//! Contents of the files of the rows: noise, a stylesheet and its compressed forms. The same bytes in
//! every run, and so the same digits in their names.

use std::{
    fmt::Write as _,
    io::{self, Read as _, Write as _},
};

use brotli::enc::{BrotliEncoderParams, backward_references::BrotliEncoderMode};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use md5::{Digest, Md5};

const AREAS: &[&str] = &[
    "card",
    "nav",
    "btn",
    "form",
    "modal",
    "table",
    "alert",
    "badge",
    "list-group",
    "dropdown",
    "toast",
    "progress",
    "breadcrumb",
    "carousel",
    "accordion",
    "footer",
    "hero",
    "sidebar",
];
const PARTS: &[&str] =
    &["header", "body", "title", "item", "link", "icon", "text", "group", "toggle", "label"];
const STATES: &[&str] = &["", ":hover", ":focus-visible", ".active", ":disabled", "::before"];
const SIDES: &[&str] = &["top", "right", "bottom", "left"];

/// Bytes that cannot be compressed.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// A stylesheet like those of design systems; it compresses to a fifth or less.
pub(crate) fn stylesheet(size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(size as u64);
    let mut text = String::from("/*! a stylesheet of the load test */\n");
    while text.len() < size {
        rule(&mut text, &mut random);
    }
    text.truncate(size);
    text.into_bytes()
}

/// The content of the precompressed `.gz` file, with the highest compression level.
pub(crate) fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

/// The content of the precompressed `.br` file.
pub(crate) fn brotli(mut content: &[u8]) -> io::Result<Vec<u8>> {
    let parameters = BrotliEncoderParams {
        quality: 11,
        mode: BrotliEncoderMode::BROTLI_MODE_TEXT,
        size_hint: content.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut content, &mut compressed, &parameters)?;
    Ok(compressed)
}

/// What was encoded so.
pub(crate) fn decoded(encoding: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match encoding {
        "gzip" => MultiGzDecoder::new(bytes).read_to_end(&mut plain)?,
        "br" => ::brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain)?,
        "zstd" => zstd::Decoder::new(bytes)?.read_to_end(&mut plain)?,
        other => return Err(io::Error::other(format!("Content-Encoding is `{other}`"))),
    };
    Ok(plain)
}

/// The hash that Django's manifest storage adds to the name of a file with this content.
pub(crate) fn digits(content: &[u8]) -> String {
    Md5::digest(content).iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn rule(text: &mut String, random: &mut fastrand::Rng) {
    let area = pick(random, AREAS);
    let _ = write!(text, ".{area}");
    if random.u8(..4) > 0 {
        let _ = write!(text, "-{}", pick(random, PARTS));
    }
    let _ = writeln!(text, "{} {{", pick(random, STATES));
    for _ in 0..random.usize(2..7) {
        let _ = match random.u8(..8) {
            0 => writeln!(text, "  color: var(--{area}-color, #{:06x});", random.u32(..1 << 24)),
            1 => writeln!(text, "  background-color: #{:06x};", random.u32(..1 << 24)),
            2 => writeln!(text, "  padding: {}px {}px;", random.u8(..32), random.u8(..48)),
            3 => writeln!(text, "  margin-{}: 0.{}rem;", pick(random, SIDES), random.u16(..1000)),
            4 => writeln!(text, "  font-size: calc(1rem + {}vw);", random.u8(1..9)),
            5 => writeln!(text, "  border-{}: 1px solid currentColor;", pick(random, SIDES)),
            6 => writeln!(text, "  transition: opacity 0.{}s ease-in-out;", random.u8(1..9)),
            _ => writeln!(text, "  display: flex;\n  align-items: center;"),
        };
    }
    text.push_str("}\n");
}

fn pick(random: &mut fastrand::Rng, of: &[&'static str]) -> &'static str {
    random.choice(of).copied().unwrap_or_default()
}
