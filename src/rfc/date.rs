//! Dates of HTTP. All are in UTC, in seconds since 1970 as `u64`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Parses an HTTP-date in any of its three forms (RFC 9110, 5.6.7).
pub fn parse(text: &str) -> Option<u64> {
    let moment = httpdate::parse_http_date(text).ok()?;
    moment.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Formats an IMF-fixdate (RFC 9110, 5.6.7). Dates past the year 9999 are capped.
pub fn format(seconds: u64) -> String {
    const MAX_TIMESTAMP: u64 = 253_402_300_799;
    let moment = UNIX_EPOCH + Duration::from_secs(seconds.min(MAX_TIMESTAMP));
    httpdate::fmt_http_date(moment)
}

/// Returns the whole seconds of a file's time stamp; times before 1970 count as 1970.
pub fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses() {
        assert_eq!(format(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text), Some(784_111_777), "{text}");
        }
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 +0100"), None);
    }
}
