//! Parses durations, sizes, numbers and words. Errors are sentences with a remedy.

use std::time::Duration;

use super::suggest;

/// Milliseconds in each unit, largest first.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Common words for units of time, without a plural s.
const TIME_WORDS: [(&str, &str); 9] = [
    ("msec", "ms"),
    ("millisecond", "ms"),
    ("sec", "s"),
    ("second", "s"),
    ("min", "m"),
    ("minute", "m"),
    ("hr", "h"),
    ("hour", "h"),
    ("day", "d"),
];

/// Bytes in each unit. [`show_size`] tries them in order, so the binary ones and the largest come first.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
];

/// Reads a duration such as `1500ms`, `30s`, `2m`, `1h` or `1d`.
pub fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let (number, unit) = split(text).ok_or("this is not a time")?;
    let millis = match TIME_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => number.checked_mul(*factor).ok_or("this is too long")?,
        None if unit.is_empty() => {
            return Err(format!("the unit is missing: write {number}s, or {number}ms"));
        }
        None if unit.starts_with('.') => return Err(fraction("1500ms")),
        None => return Err(unknown_unit(number, unit, &TIME_UNITS)),
    };
    within(Duration::from_millis(millis), min, max, show_duration)
}

/// Reads a size such as `64KiB`, `1MiB` or `10MB`.
pub(super) fn size(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let (number, unit) = split(text).ok_or("this is not a size")?;
    let bytes = match SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => number.checked_mul(*factor).ok_or("this is too large")?,
        None if unit.is_empty() => {
            return Err(match number < 1 << 20 {
                _ if number == 0 => "the unit is missing: write 0B".into(),
                true if number << 20 > max => format!("the unit is missing: write {number}B"),
                true => format!("the unit is missing: write {number}MiB, or {number}B for bytes"),
                false => format!("the unit is missing: write {}", show_size(number)),
            });
        }
        None if unit.starts_with('.') => return Err(fraction("1536KiB")),
        None => return Err(unknown_unit(number, unit, &SIZE_UNITS)),
    };
    within(bytes, min, max, show_size)
}

/// Reads a whole number.
pub(super) fn integer(text: &str, min: usize, max: usize) -> Result<usize, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("this is not a whole number".into());
    }
    let number = text.parse().map_err(|_| "this is too large")?;
    within(number, min, max, |number| number.to_string())
}

/// Returns `None` if `text` is `word`, else the result of `parse`.
pub(super) fn or_word<T>(
    text: &str,
    word: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if text == word {
        return Ok(None);
    }
    let meant = suggest::did_you_mean(&suggest::nearest(text, [word], ""));
    parse(text).map(Some).map_err(|fault| meant.unwrap_or(fault))
}

/// Returns `None` if `text` is `none`, else the result of `parse`. Words of other programs for none are errors.
pub(super) fn or_none<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    match text {
        "none" => Ok(None),
        "off" | "false" | "no" => Err("write none".into()),
        text => parse(text).map(Some),
    }
}

/// Reads `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Err("write true".into()),
            "false" | "0" | "no" | "off" => Err("write false".into()),
            _ => Err("this is neither true nor false".into()),
        },
    }
}

/// Returns the value of the word `text`.
pub(super) fn one_of<T: Clone>(text: &str, choices: &[(&'static str, T)]) -> Result<T, String> {
    let chosen = choices.iter().find(|(word, _)| *word == text);
    chosen.map(|(_, value)| value.clone()).ok_or_else(|| {
        suggest::did_you_mean(&suggest::nearest(text, choices.iter().map(|(word, _)| *word), ""))
            .unwrap_or_else(|| "this is not one of the choices".into())
    })
}

/// Returns the word for `value`.
pub(super) fn word_of<T: PartialEq>(value: &T, choices: &[(&'static str, T)]) -> &'static str {
    choices.iter().find(|(_, chosen)| chosen == value).map_or("", |(word, _)| *word)
}

/// Returns the shortest text that [`duration`] reads as this, in whole milliseconds.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match TIME_UNITS.iter().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => "0s".into(),
    }
}

/// Returns the shortest binary text that [`size`] reads as this.
pub(super) fn show_size(bytes: u64) -> String {
    match SIZE_UNITS.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => "0B".into(),
    }
}

/// Splits text into a number and the rest. Returns `None` if there are no digits, or too many for a number.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit))
}

fn within<T: PartialOrd + Copy>(
    value: T,
    min: T,
    max: T,
    show: impl Fn(T) -> String,
) -> Result<T, String> {
    if value < min {
        return Err(format!("must be at least {}", show(min)));
    }
    if value > max {
        return Err(format!("must be at most {}", show(max)));
    }
    Ok(value)
}

fn fraction(example: &str) -> String {
    format!("only whole numbers are read: use a smaller unit, as in {example}")
}

/// Suggests the unit that was probably meant: `64MiB` for `64m` and `64mib`, `30s` for `30sec`. A rate is written as a
/// size.
fn unknown_unit(number: u64, unit: &str, units: &[(&'static str, u64)]) -> String {
    let unit = unit.trim();
    let bare = unit.strip_suffix("/s").unwrap_or(unit);
    let lower = bare.to_ascii_lowercase();
    let singular = lower.strip_suffix('s').unwrap_or(&lower);
    let word = TIME_WORDS.iter().find(|(word, _)| *word == singular).map(|(_, name)| *name);
    let names = || units.iter().map(|(name, _)| *name);
    let meant = names()
        .find(|name| name.eq_ignore_ascii_case(bare))
        .or_else(|| names().find(|name| name.to_ascii_lowercase().starts_with(&lower)))
        .or_else(|| names().find(|name| word == Some(*name)));
    match meant {
        Some(name) => format!("the unit {unit:?} is unknown: write {number}{name}"),
        None => format!("the unit {unit:?} is unknown"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(365 * 86_400);

    fn reads(text: &str, expected: Result<u64, &str>) {
        let read = duration(text, Duration::from_millis(5), LONG);
        let millis = read.map(|duration| u64::try_from(duration.as_millis()).unwrap());
        assert_eq!(millis, expected.map_err(str::to_owned), "{text:?}");
    }

    fn reads_size(text: &str, expected: Result<u64, &str>) {
        assert_eq!(size(text, 16, 1 << 40), expected.map_err(str::to_owned), "{text:?}");
    }

    #[test]
    fn durations() {
        reads("1500ms", Ok(1_500));
        reads("30s", Ok(30_000));
        reads("2m", Ok(120_000));
        reads("1h", Ok(3_600_000));
        reads("1d", Ok(86_400_000));
        reads("30", Err("the unit is missing: write 30s, or 30ms"));
        reads("1.5s", Err("only whole numbers are read: use a smaller unit, as in 1500ms"));
        reads("30sec", Err("the unit \"sec\" is unknown: write 30s"));
        reads("30minutes", Err("the unit \"minutes\" is unknown: write 30m"));
        reads("30msec", Err("the unit \"msec\" is unknown: write 30ms"));
        reads("30months", Err("the unit \"months\" is unknown"));
        reads("30 S", Err("the unit \"S\" is unknown: write 30s"));
        reads("30x", Err("the unit \"x\" is unknown"));
        reads("", Err("this is not a time"));
        reads("-1s", Err("this is not a time"));
        reads("soon", Err("this is not a time"));
        reads("1ms", Err("must be at least 5ms"));
        reads("366d", Err("must be at most 365d"));
        reads("18446744073709551615d", Err("this is too long"));
        reads("99999999999999999999s", Err("this is not a time"));
    }

    #[test]
    fn sizes() {
        reads_size("64KiB", Ok(65_536));
        reads_size("1MiB", Ok(1_048_576));
        reads_size("10MB", Ok(10_000_000));
        reads_size("10kB", Ok(10_000));
        reads_size("100B", Ok(100));
        reads_size("64", Err("the unit is missing: write 64MiB, or 64B for bytes"));
        reads_size("67108864", Err("the unit is missing: write 64MiB"));
        let above = size("65536", 1, 65_535);
        assert_eq!(above.unwrap_err(), "the unit is missing: write 65536B");
        reads_size("64m", Err("the unit \"m\" is unknown: write 64MiB"));
        reads_size("64mib", Err("the unit \"mib\" is unknown: write 64MiB"));
        reads_size("64mb", Err("the unit \"mb\" is unknown: write 64MB"));
        reads_size("2MiB/s", Err("the unit \"MiB/s\" is unknown: write 2MiB"));
        reads_size("0", Err("the unit is missing: write 0B"));
        reads_size("1.5GiB", Err("only whole numbers are read: use a smaller unit, as in 1536KiB"));
        reads_size("64miles", Err("the unit \"miles\" is unknown"));
        reads_size("big", Err("this is not a size"));
        reads_size("1B", Err("must be at least 16B"));
        reads_size("1025GiB", Err("must be at most 1024GiB"));
    }

    #[test]
    fn words() {
        let words = &[("json", 1), ("off", 2)];
        assert_eq!(one_of("off", words), Ok(2));
        assert_eq!(one_of("JSON", words), Err("did you mean json?".into()));
        assert_eq!(one_of("xml", words), Err("this is not one of the choices".into()));
        assert_eq!(word_of(&2, words), "off");
        let or_never = |text| or_word(text, "never", |text| integer(text, 1, 8));
        assert_eq!(or_never("never"), Ok(None));
        assert_eq!(or_never("3"), Ok(Some(3)));
        assert_eq!(or_never("Never"), Err("did you mean never?".into()));
        assert_eq!(or_never("9"), Err("must be at most 8".into()));
        let unless_none = |text| or_none(text, boolean);
        assert_eq!(unless_none("none"), Ok(None));
        assert_eq!(unless_none("off"), Err("write none".into()));
        assert_eq!(unless_none("true"), Ok(Some(true)));
        assert_eq!(unless_none("Yes"), Err("write true".into()));
        assert_eq!(boolean("true"), Ok(true));
        assert_eq!(boolean("Yes"), Err("write true".into()));
        assert_eq!(boolean("2"), Err("this is neither true nor false".into()));
        assert_eq!(integer("0", 0, 8), Ok(0));
        assert_eq!(integer("+1", 0, 8), Err("this is not a whole number".into()));
        assert_eq!(integer("9", 0, 8), Err("must be at most 8".into()));
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back(millis in 0..=31_536_000_000_u64) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(duration(&show_duration(time), Duration::ZERO, LONG), Ok(time));
        }

        #[test]
        fn a_shown_size_reads_back(bytes in any::<u64>()) {
            prop_assert_eq!(size(&show_size(bytes), 0, u64::MAX), Ok(bytes));
        }

        #[test]
        fn what_is_read_is_within_bounds(text in "[0-9]{0,4}[a-zA-Z. ]{0,3}") {
            let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
            if let Ok(time) = duration(&text, min, max) {
                prop_assert!((min..=max).contains(&time));
            }
            if let Ok(bytes) = size(&text, 10, 2_000) {
                prop_assert!((10..=2_000).contains(&bytes));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = duration(&text, Duration::ZERO, LONG);
            let _ = size(&text, 0, u64::MAX);
            let _ = integer(&text, 0, 100);
            let _ = boolean(&text);
        }
    }
}
