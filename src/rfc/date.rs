//! Dates of HTTP. All are in UTC, in seconds since 1970 as `u64`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Parses an HTTP-date in any of its three forms (RFC 9110, 5.6.7).
pub fn parse(text: &str) -> Option<u64> {
    let moment = httpdate::parse_http_date(text).ok()?;
    moment.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// The names of days, which forms of dates have in full or as three letters.
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Parses an HTTP-date in letters of any case, as a cache must (RFC 9111, 4.2). A wrong day of the week is ignored.
pub fn parse_leniently(text: &str) -> Option<u64> {
    parse(text).or_else(|| {
        let (day, rest) = text.split_at_checked(text.find([',', ' '])?)?;
        let is_short = day.len() == 3;
        let names =
            || DAYS.iter().filter_map(|name| if is_short { name.get(..3) } else { Some(name) });
        names().find(|name| name.eq_ignore_ascii_case(day))?;
        let rest = in_usual_case(rest);
        names().find_map(|name| parse(&format!("{name}{rest}")))
    })
}

/// Makes letters lower case, but the first of each word and all of `GMT` upper case.
fn in_usual_case(text: &str) -> String {
    let mut is_first = true;
    let usual = |letter: char| {
        let upper =
            if is_first { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        is_first = matches!(letter, ' ' | '-');
        upper
    };
    let text: String = text.chars().map(usual).collect();
    match text.strip_suffix(" Gmt") {
        Some(moment) => format!("{moment} GMT"),
        None => text,
    }
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
        for text in [
            "SUN, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 NOV 1994 08:49:37 gMT",
            "sunday, 06-nov-94 08:49:37 gmt",
            "SUN NOV  6 08:49:37 1994",
            "Mon Nov  6 08:49:37 1994",
            "friday, 06-nov-94 08:49:37 gmt",
        ] {
            assert_eq!(parse(text), None, "{text}");
            assert_eq!(parse_leniently(text), Some(784_111_777), "{text}");
        }
        for text in
            ["Sun, 06 Nov 1994 08:49:37 UTC", "Sux, 06 Nov 1994 08:49:37 GMT", "", "Sun,", "é, "]
        {
            assert_eq!(parse_leniently(text), None, "{text}");
        }
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 +0100"), None);
    }
}
