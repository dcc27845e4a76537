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
