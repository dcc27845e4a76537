//! Media types (RFC 9110, 8.3.1).

/// Returns a media type without its parameters, in lower case.
///
/// ```
/// use sideman::rfc::media_type::essence;
///
/// assert_eq!(essence("Text/HTML ; charset=utf-8"), "text/html");
/// ```
pub fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether content of this type becomes much smaller when compressed.
///
/// Besides text: WebAssembly, fonts that are bare tables (WOFF is compressed already), and icons and bitmaps, which are
/// mostly raw pixels.
pub fn is_compressible(content_type: &str) -> bool {
    const TYPES: [&str; 19] = [
        "application/javascript",
        "application/x-javascript",
        "application/ecmascript",
        "application/json",
        "application/json5",
        "application/x-ndjson",
        "application/xml",
        "application/xml-dtd",
        "application/yaml",
        "application/toml",
        "application/sql",
        "application/rtf",
        "application/x-subrip",
        "application/vnd.apple.mpegurl",
        "application/wasm",
        "application/vnd.ms-fontobject",
        "image/x-icon",
        "image/vnd.microsoft.icon",
        "image/bmp",
    ];
    const FONTS: [&str; 3] = ["font/ttf", "font/otf", "font/collection"];
    // Without an allocation: it is asked about every response.
    let essence = content_type.split(';').next().unwrap_or_default().trim().as_bytes();
    let begins = |text: &str| {
        essence.get(..text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(text.as_bytes()))
    };
    let ends = |text: &str| {
        let begin = essence.len().checked_sub(text.len()).and_then(|begin| essence.get(begin..));
        begin.is_some_and(|end| end.eq_ignore_ascii_case(text.as_bytes()))
    };
    let is = |text: &&str| essence.eq_ignore_ascii_case(text.as_bytes());
    begins("text/")
        || ends("+json")
        || ends("+xml")
        || TYPES.iter().any(&is)
        || FONTS.iter().any(is)
}
