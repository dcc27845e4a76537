//! Moments as HTTP and logs write them. All in UTC, seconds since 1970 as `u64`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A broken-down moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: u64,
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
}

/// Parses an HTTP-date in any of its three forms (RFC 9110, 5.6.7).
pub fn parse(text: &str) -> Option<u64> {
    let moment = httpdate::parse_http_date(text).ok()?;
    moment.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Formats an IMF-fixdate (RFC 9110, 5.6.7). Moments past the year 9999 are capped.
pub fn format(seconds: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    let moment = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST));
    httpdate::fmt_http_date(moment)
}

/// Whole seconds of a file's time stamp; before 1970 counts as 1970.
pub fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Breaks seconds since 1970 down to a date and time in UTC (proleptic Gregorian calendar).
pub fn civil(seconds: u64) -> Civil {
    let days = seconds / 86_400;
    let rest = seconds % 86_400;
    // Years begin in March here, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    Civil {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month,
        day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        hour: rest / 3_600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn civil_agrees_with_the_http_date(seconds in 0_u64..253_402_300_799) {
            let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun",
                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let c = civil(seconds);
            let month = names[usize::try_from(c.month).unwrap() - 1];
            let tail = format!("{:02} {month} {:04} {:02}:{:02}:{:02} GMT",
                               c.day, c.year, c.hour, c.minute, c.second);
            prop_assert!(format(seconds).ends_with(&tail), "{} {}", format(seconds), tail);
        }
    }
}
