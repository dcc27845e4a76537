//! What a file's name tells: its media type, and whether Django put a content hash into it.

use mime_guess::{Mime, mime};

/// The `Content-Type` for a name. Text gets `charset=utf-8`, which Django and every tool around it
/// writes.
///
/// ```
/// use sideman::files::content_type;
/// assert_eq!(content_type(b"base.css"), "text/css; charset=utf-8");
/// assert_eq!(content_type(b"unknown"), "application/octet-stream");
/// ```
pub fn content_type(name: &[u8]) -> String {
    let extension = match name.iter().rposition(|&byte| byte == b'.') {
        Some(dot) => name.get(dot + 1..).unwrap_or_default(),
        None => b"",
    };
    let extension = String::from_utf8_lossy(extension).to_ascii_lowercase();
    let corrected = match extension.as_str() {
        // RFC 9239; mime_guess may lag behind with either.
        "js" | "mjs" => Some("text/javascript; charset=utf-8"),
        "map" => Some("application/json"),
        "webmanifest" => Some("application/manifest+json"),
        _ => None,
    };
    if let Some(known) = corrected {
        return known.to_owned();
    }
    let guess: Mime = mime_guess::from_ext(&extension).first_or_octet_stream();
    if guess.type_() == mime::TEXT { format!("{guess}; charset=utf-8") } else { guess.to_string() }
}

/// Whether a name has the form `stem.<12 hex>.ext` or `stem.<12 hex>`, as Django's
/// `ManifestStaticFilesStorage` writes it (`django/contrib/staticfiles/storage.py`).
///
/// `name` may be a path; its last segment counts.
pub fn is_hashed(name: &[u8]) -> bool {
    let name = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let mut parts = name.rsplit(|&byte| byte == b'.');
    let last = parts.next().unwrap_or_default();
    let second = parts.next();
    let third = parts.next();
    let is_hash = |part: &[u8]| {
        part.len() == 12 && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match (second, third) {
        (Some(second), Some(stem)) if !stem.is_empty() && is_hash(second) => true,
        (Some(stem), _) => !stem.is_empty() && is_hash(last),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        for (name, expected) in [
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.CSS", "text/css; charset=utf-8"),
            ("a.html", "text/html; charset=utf-8"),
            ("a.svg", "image/svg+xml"),
            ("a.woff2", "font/woff2"),
            ("a.json", "application/json"),
            ("a.wasm", "application/wasm"),
            ("a.css.map", "application/json"),
            ("a.png", "image/png"),
            ("LICENSE", "application/octet-stream"),
            ("a.", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn hashed_names() {
        for hashed in ["base.0123456789ab.css", "a.b.0123456789ab.min", "LICENSE.0123456789ab"] {
            assert!(is_hashed(hashed.as_bytes()), "{hashed}");
        }
        for plain in [
            "base.css",
            "0123456789ab.css",
            ".0123456789ab",
            ".0123456789ab.css",
            "base.0123456789AB.css",
            "base.0123456789abc.css",
            "base.0123456789a.css",
            "base-0123456789ab.css",
            "0123456789ab",
            "base.0123456789ab.css/a",
            "",
        ] {
            assert!(!is_hashed(plain.as_bytes()), "{plain}");
        }
    }
}
