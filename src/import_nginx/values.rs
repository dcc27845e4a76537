//! Sizes and times of nginx as those of the settings file.

/// A time within limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LimitedTime {
    pub(super) text: String,
    /// Whether nginx had a longer or a shorter one.
    pub(super) is_changed: bool,
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns a size such as `20m` as a setting; `0` is no limit.
pub(super) fn size(text: &str) -> Option<String> {
    let (digits, shift) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (text.get(..at)?, 10),
        (at, 'm' | 'M') => (text.get(..at)?, 20),
        (at, 'g' | 'G') => (text.get(..at)?, 30),
        _ => (text, 0),
    };
    if shift > 0 && super::template::is_placeholder(digits) {
        let unit = match shift {
            10 => "KiB",
            20 => "MiB",
            _ => "GiB",
        };
        return Some(format!("{digits}{unit}"));
    }
    let number = whole(digits)?;
    let bytes = number.checked_shl(shift).filter(|bytes| bytes >> shift == number)?;
    if bytes == 0 {
        return Some("off".into());
    }
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB"), (0, "B")];
    let (shift, unit) = units.into_iter().find(|(shift, _)| bytes % (1 << shift) == 0)?;
    (bytes <= 1024 << 30).then(|| format!("{}{unit}", bytes >> shift))
}

/// Returns the milliseconds of a time such as `90`, `1h30m` or `500ms`.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = rest.split_at_checked(len)?;
        let unit_len = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(unit_len)?;
        let unit = match unit {
            "ms" => 1,
            "" | "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            "w" => 7 * DAY,
            "M" => 30 * DAY,
            "y" => 365 * DAY,
            _ => return None,
        };
        total = total.checked_add(whole(digits)?.checked_mul(unit)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// Returns a time as a setting that lies between two times.
pub(super) fn time_within(text: &str, least: u64, most: u64) -> Option<LimitedTime> {
    let wanted = milliseconds(text)?;
    let time = wanted.clamp(least, most);
    Some(LimitedTime { text: time_text(time), is_changed: time != wanted })
}

/// Writes milliseconds as a setting.
pub(super) fn time_text(time: u64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"), (1, "ms")];
    let found = units.into_iter().find(|(unit, _)| time > 0 && time.is_multiple_of(*unit));
    found.map_or_else(|| "0s".into(), |(unit, name)| format!("{}{name}", time / unit))
}

/// Returns the value of `max-age` in milliseconds, as a time of the settings: at most a year.
pub(super) fn max_age(milliseconds: u64) -> String {
    time_text(milliseconds.min(365 * DAY) / SECOND * SECOND)
}

fn whole(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit_that_fits() {
        for (nginx, setting) in [
            ("20m", "20MiB"),
            ("1024k", "1MiB"),
            ("10G", "10GiB"),
            ("1000", "1000B"),
            ("0", "off"),
            ("0m", "off"),
        ] {
            assert_eq!(size(nginx).as_deref(), Some(setting), "{nginx}");
        }
        for wrong in ["", "m", "1x", "-1", "1.5m", "99999999999999999999", "99999999g", "1025g"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_add_their_parts() {
        for (nginx, expected) in
            [("90", 90_000), ("1h30m", 5_400_000), ("500ms", 500), ("1d", DAY), ("1m 5s", 65_000)]
        {
            assert_eq!(milliseconds(nginx), Some(expected), "{nginx}");
        }
        for wrong in ["", "s", "1q", "-1", "1.5s", "99999999999999999999y"] {
            assert_eq!(milliseconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_kept_within_limits() {
        let limited = |text| time_within(text, 1, DAY).map(|time| (time.text, time.is_changed));
        assert_eq!(limited("1800"), Some(("30m".into(), false)));
        assert_eq!(limited("7d"), Some(("1d".into(), true)));
        assert_eq!(limited("0"), Some(("1ms".into(), true)));
        assert_eq!(limited("x"), None);
        assert_eq!((time_text(0), max_age(10 * 365 * DAY)), ("0s".into(), "365d".into()));
    }
}
