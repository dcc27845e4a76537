//! Byte ranges (RFC 9110, 14).

use std::ops::Range;

/// What a `Range` field asks of a representation of a known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requested {
    /// Not a range that is honoured: the whole representation.
    Whole,
    /// One satisfiable range, never empty, within the size.
    Part(Range<u64>),
    /// 416.
    Unsatisfiable,
}

/// Resolves a `Range` value. Another unit, a malformed value or a list of several ranges is
/// ignored, as RFC 9110, 14.2 allows.
///
/// ```
/// use sideman::rfc::range::{resolve, Requested};
/// assert_eq!(resolve("bytes=0-0", 10), Requested::Part(0..1));
/// assert_eq!(resolve("bytes=-3", 10), Requested::Part(7..10));
/// assert_eq!(resolve("bytes=10-", 10), Requested::Unsatisfiable);
/// ```
pub fn resolve(value: &str, size: u64) -> Requested {
    let Some((unit, spec)) = value.split_once('=') else { return Requested::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Requested::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Requested::Whole };
    match (first, last) {
        ("", length) => match number(length) {
            None => Requested::Whole,
            Some(0) => Requested::Unsatisfiable,
            Some(_) if size == 0 => Requested::Unsatisfiable,
            Some(length) => Requested::Part(size.saturating_sub(length)..size),
        },
        (first, last) => {
            let Some(first) = number(first) else { return Requested::Whole };
            let last = match last {
                "" => u64::MAX,
                text => match number(text) {
                    Some(last) if last >= first => last,
                    _ => return Requested::Whole,
                },
            };
            if first >= size {
                return Requested::Unsatisfiable;
            }
            Requested::Part(first..last.saturating_add(1).min(size))
        }
    }
}

/// Digits only; more than fits is as good as the largest number.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        use Requested::{Part, Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-4", 10, Part(0..5)),
            ("Bytes=0-4", 10, Part(0..5)),
            ("bytes=5-", 10, Part(5..10)),
            ("bytes=5-100", 10, Part(5..10)),
            ("bytes=9-9", 10, Part(9..10)),
            ("bytes=10-10", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=-1", 0, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-100", 10, Part(0..10)),
            ("bytes=4-3", 10, Whole),
            ("bytes=a-3", 10, Whole),
            ("bytes=+1-3", 10, Whole),
            ("bytes=1 - 3", 10, Whole),
            ("bytes=0-1,3-4", 10, Whole),
            ("lines=0-1", 10, Whole),
            ("bytes", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=0-99999999999999999999999", 10, Part(0..10)),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
        ];
        for (value, size, expected) in cases {
            assert_eq!(resolve(value, size), expected, "{value} of {size}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_model(first in 0_u64..40, last in 0_u64..40, size in 0_u64..30) {
            let wanted: Vec<u64> = (0..size).filter(|at| *at >= first && *at <= last).collect();
            match resolve(&format!("bytes={first}-{last}"), size) {
                Requested::Part(range) => prop_assert_eq!(range.collect::<Vec<_>>(), wanted),
                Requested::Unsatisfiable => prop_assert!(wanted.is_empty() && last >= first),
                Requested::Whole => prop_assert!(last < first),
            }
        }

        #[test]
        fn stays_within_the_size(value in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0_u64..5000) {
            if let Requested::Part(range) = resolve(&value, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
