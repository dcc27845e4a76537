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
    let essence = essence(content_type);
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            essence.as_str(),
            "application/javascript"
                | "application/x-javascript"
                | "application/ecmascript"
                | "application/json"
                | "application/json5"
                | "application/x-ndjson"
                | "application/xml"
                | "application/xml-dtd"
                | "application/yaml"
                | "application/toml"
                | "application/sql"
                | "application/rtf"
                | "application/x-subrip"
                | "application/vnd.apple.mpegurl"
                | "application/wasm"
                | "application/vnd.ms-fontobject"
                | "font/ttf"
                | "font/otf"
                | "font/collection"
                | "image/x-icon"
                | "image/vnd.microsoft.icon"
                | "image/bmp"
        )
}
