//! The media type of a file name's extension: `mime_guess`, corrected.

/// Types that `mime_guess` lacks, or that differ from the registry or from what browsers need. The registry is IANA's.
/// A line that deviates from it gives the reason.
const TYPES: &[(&str, &str)] = &[
    // RFC 9239 made the other names of JavaScript obsolete.
    ("text/javascript", "js mjs cjs"),
    // Source maps are JSON (ECMA-426); so is TopoJSON, which has no type of its own.
    ("application/json", "json map topojson"),
    ("application/manifest+json", "webmanifest"),
    // Not registered, but in general use.
    ("application/x-ndjson", "ndjson jsonl"),
    // RFC 7303 gives both names one meaning, and this one no charset of its own.
    ("application/xml", "xml xsd rng"),
    ("application/xml-dtd", "dtd"),
    ("application/xslt+xml", "xsl xslt"),
    ("application/wsdl+xml", "wsdl"),
    ("application/mathml+xml", "mml mathml"),
    ("application/ttml+xml", "ttml"),
    // RFC 9512 and the registration of TOML: no longer text, and always UTF-8.
    ("application/yaml", "yaml yml"),
    ("application/toml", "toml"),
    ("application/sql", "sql"),
    // Not registered; the name that gettext's own tools use.
    ("text/x-gettext-translation", "po"),
    ("text/vcard", "vcf"),
    // RFC 8081.
    ("font/woff", "woff"),
    ("font/otf", "otf"),
    ("font/ttf", "ttf"),
    // Registered as image/vnd.microsoft.icon. The MIME Sniffing standard, nginx and Apache use this name, for cursors
    // too: their format is equal.
    ("image/x-icon", "ico cur"),
    ("image/jxl", "jxl"),
    ("image/vnd.adobe.photoshop", "psd"),
    // MPEG transport stream: the segments of HLS videos, which Safari plays by their type. TypeScript has this
    // extension too, but no browser runs it, whatever its type.
    ("video/mp2t", "ts mts m2ts"),
    ("video/matroska", "mkv"),
    ("audio/matroska", "mka"),
    ("audio/mp4", "m4a m4b"),
    // RFC 8216, section 10.
    ("application/vnd.apple.mpegurl", "m3u8"),
    // Compressed vector images too: their bytes are gzip, and no Content-Encoding says so.
    ("application/gzip", "gz tgz svgz"),
    ("application/zstd", "zst"),
    ("application/vnd.rar", "rar"),
    ("application/vnd.debian.binary-package", "deb"),
    // Not registered, but it is not RealAudio either.
    ("application/x-rpm", "rpm"),
    ("model/stl", "stl"),
    ("model/obj", "obj"),
    ("model/vnd.usdz+zip", "usdz"),
    ("application/vnd.mapbox-vector-tile", "mvt"),
    ("application/x-protobuf", "pbf"),
];

/// The type of unknown content, which browsers offer to save. Brotli files have it too: no type was ever registered for
/// them.
pub(super) const UNKNOWN: &str = "application/octet-stream";

/// Returns the type for an extension in lower case, without parameters.
pub(super) fn by_extension(extension: &str) -> &'static str {
    let known = TYPES.iter().find(|(_, list)| list.split(' ').any(|known| known == extension));
    match known {
        Some((media_type, _)) => media_type,
        None => mime_guess::from_ext(extension).first_raw().unwrap_or(UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The types of the registry, or of the standard that defines the name.
    #[test]
    fn types() {
        let office = "application/vnd.openxmlformats-officedocument";
        for (kind, extension) in [
            ("wordprocessingml.document", "docx"),
            ("spreadsheetml.sheet", "xlsx"),
            ("presentationml.presentation", "pptx"),
        ] {
            assert_eq!(by_extension(extension), format!("{office}.{kind}"));
        }
        for (expected, extensions) in [
            ("text/javascript", "js mjs cjs"),
            ("text/css", "css"),
            ("text/html", "html htm"),
            ("text/plain", "txt log"),
            ("text/csv", "csv"),
            ("text/tab-separated-values", "tsv"),
            ("text/markdown", "md markdown"),
            ("text/calendar", "ics"),
            ("text/vcard", "vcf"),
            ("text/x-gettext-translation", "po"),
            ("text/vtt", "vtt"),
            ("application/json", "json map topojson"),
            ("application/manifest+json", "webmanifest"),
            ("application/geo+json", "geojson"),
            ("application/ld+json", "jsonld"),
            ("application/xml", "xml xsd"),
            ("application/xslt+xml", "xsl xslt"),
            ("application/xhtml+xml", "xhtml xht"),
            ("application/rss+xml", "rss"),
            ("application/atom+xml", "atom"),
            ("application/gpx+xml", "gpx"),
            ("application/vnd.google-earth.kml+xml", "kml"),
            ("application/vnd.google-earth.kmz", "kmz"),
            ("application/yaml", "yaml yml"),
            ("application/toml", "toml"),
            ("application/sql", "sql"),
            ("application/wasm", "wasm"),
            ("image/svg+xml", "svg"),
            ("image/x-icon", "ico cur"),
            ("image/png", "png"),
            ("image/apng", "apng"),
            ("image/jpeg", "jpg jpeg"),
            ("image/gif", "gif"),
            ("image/webp", "webp"),
            ("image/avif", "avif"),
            ("image/jxl", "jxl"),
            ("image/heic", "heic"),
            ("image/heif", "heif"),
            ("image/tiff", "tif tiff"),
            ("image/bmp", "bmp"),
            ("font/woff", "woff"),
            ("font/woff2", "woff2"),
            ("font/ttf", "ttf"),
            ("font/otf", "otf"),
            ("font/collection", "ttc"),
            ("application/vnd.ms-fontobject", "eot"),
            ("video/mp4", "mp4"),
            ("video/webm", "webm"),
            ("video/ogg", "ogv"),
            ("video/matroska", "mkv"),
            ("video/quicktime", "mov"),
            ("video/mp2t", "ts mts m2ts"),
            ("application/vnd.apple.mpegurl", "m3u8"),
            ("application/dash+xml", "mpd"),
            ("audio/mpeg", "mp3"),
            ("audio/mp4", "m4a"),
            // RFC 7845, section 9: audio/opus is RTP's.
            ("audio/ogg", "opus ogg oga"),
            ("audio/flac", "flac"),
            ("audio/aac", "aac"),
            // Registered as audio/vnd.wave, which browsers don't know.
            ("audio/wav", "wav"),
            ("application/pdf", "pdf"),
            ("application/epub+zip", "epub"),
            ("application/zip", "zip"),
            ("application/gzip", "gz tgz svgz"),
            ("application/zstd", "zst"),
            // Not registered, but in general use.
            ("application/x-7z-compressed", "7z"),
            ("application/x-tar", "tar"),
            ("application/x-subrip", "srt"),
            ("application/vnd.rar", "rar"),
            ("application/vnd.android.package-archive", "apk"),
            ("application/msword", "doc"),
            ("application/vnd.oasis.opendocument.text", "odt"),
            (UNKNOWN, "br bin unknown "),
        ] {
            for extension in extensions.split(' ') {
                assert_eq!(by_extension(extension), expected, "{extension}");
            }
        }
    }

    #[test]
    fn media_type_table_has_no_duplicates() {
        let mut seen = std::collections::BTreeSet::new();
        for extension in TYPES.iter().flat_map(|(_, extensions)| extensions.split(' ')) {
            assert!(seen.insert(extension), "{extension} twice");
        }
    }
}
