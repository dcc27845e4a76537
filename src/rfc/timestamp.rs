//! Timestamps of RFC 3339 and ISO 8601, in UTC and in seconds since 1970.

/// Days from 0000-03-01, with which years end after a leap day, to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;
const SECONDS_OF_DAY: u64 = 24 * 60 * 60;

/// Formats the basic form of ISO 8601: `YYYYMMDDTHHMMSSZ`.
pub fn format_basic(seconds: u64) -> String {
    let (day, second) = (seconds / SECONDS_OF_DAY, seconds % SECONDS_OF_DAY);
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Parses a timestamp (RFC 3339, 5.6) from 1970 on. A fraction of a second is ignored.
pub fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, '-')?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at_checked(zone_at)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    let is_number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    // A leap second is the first second of the next minute.
    let is_valid = is_number
        && date.len() == 10
        && time.len() == 8
        && (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_valid {
        return None;
    }
    let day = days(year, month, day);
    if civil(day).1 != month {
        return None;
    }
    let local = day * SECONDS_OF_DAY + hour * 3600 + minute * 60 + second;
    match zone.as_bytes() {
        [b'Z' | b'z'] => Some(local),
        [sign, ..] => {
            let [hours, minutes] = numbers(zone.get(1..)?, ':')?;
            let offset = hours * 3600 + minutes * 60;
            let is_valid = zone.len() == 6 && hours < 24 && minutes < 60;
            match sign {
                _ if !is_valid => None,
                b'+' => local.checked_sub(offset),
                _ => Some(local + offset),
            }
        }
        [] => None,
    }
}

/// Reads numbers of at most four digits.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for number in &mut numbers {
        let part = parts.next()?;
        let is_number = (2..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Returns year, month and day of a day since 1970, in the Gregorian calendar.
fn civil(day: u64) -> (u64, u64, u64) {
    let day = day + DAYS_TO_1970;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u64::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day)
}

/// Returns the day since 1970. The year must be 1970 or later.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, year) = (year / 400, year % 400);
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rfc::date;

    #[test]
    fn timestamps() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2013-05-24T00:00:00Z", Some(1_369_353_600)),
            ("2024-02-29t23:59:59.123z", Some(1_709_251_199)),
            ("2024-03-01T01:00:00+01:00", Some(1_709_251_200)),
            ("2024-02-29 19:00:00-05:00", Some(1_709_251_200)),
            ("2024-02-30T00:00:00Z", None),
            ("2023-02-29T00:00:00Z", None),
            ("2024-13-01T00:00:00Z", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T00:00:00", None),
            ("2024-1-01T00:00:00Z", None),
            ("2024-01-01T00:00:00.Z", None),
            ("2024-01-01T00:00:00+1", None),
            ("1969-12-31T23:59:59Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(format_basic(1_369_353_600), "20130524T000000Z");
    }

    proptest! {
        #[test]
        fn agrees_with_the_http_date(seconds in 0_u64..253_402_300_799) {
            let basic = format_basic(seconds);
            let part = |from: usize, to: usize| basic[from..to].to_owned();
            let text = format!(
                "{}-{}-{}T{}:{}:{}Z",
                part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13), part(13, 15),
            );
            prop_assert_eq!(parse(&text), Some(seconds));
            let http = date::format(seconds);
            prop_assert_eq!(&http[12..16], &basic[..4]);
            prop_assert_eq!(&http[5..7], &basic[6..8]);
            prop_assert_eq!(http[17..25].replace(':', ""), &basic[9..15]);
        }

        #[test]
        fn nothing_panics(text in any::<String>(), near in "[0-9TZ:+. -]{0,30}") {
            let _ = (parse(&text), parse(&near));
        }
    }
}
