//! Byte ranges (RFC 9110, 14): from the text of a `Range` field to the bytes to send.

use std::ops::Range;

/// The result of a `Range` field for a representation of a known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedRange {
    /// No range is honoured: send the whole representation.
    Whole,
    /// One range, never empty, within the size.
    Part(Range<u64>),
    /// Two or more such ranges, in the order in which they are sent. They do not overlap, so together they never exceed
    /// the size.
    Parts(Vec<Range<u64>>),
    /// 416.
    Unsatisfiable,
}

/// One member of the list, resolved against the size.
enum ResolvedSpec {
    Bytes(Range<u64>),
    Unsatisfiable,
    Invalid,
}

/// The maximum number of ranges in a field. No useful client sends a longer list.
const MAX_RANGES: usize = 64;

/// The maximum number of parts in a response. Each costs a read of its own: CVE-2011-3192, the "Apache killer", used
/// many small ones.
const MAX_PARTS: usize = 16;

/// Bytes that a part costs besides its content (RFC 9110, 15.3.7.2). Ranges with a smaller gap between them are cheaper
/// as one part.
const PART_OVERHEAD: u64 = 80;

/// Resolves a `Range` value.
///
/// Another unit and an invalid value are ignored (RFC 9110, 14.2). A value is also ignored if it asks for too many
/// ranges or leads to too many parts. The whole representation is sent then. Ranges that overlap, touch or nearly do
/// are sent as one, at the position of the one mentioned first (15.3.7.2).
///
/// ```
/// use sideman::rfc::range::{resolve, RequestedRange};
/// assert_eq!(resolve("bytes=0-0", 10), RequestedRange::Part(0..1));
/// assert_eq!(resolve("bytes=-3", 10), RequestedRange::Part(7..10));
/// assert_eq!(resolve("bytes=10-", 10), RequestedRange::Unsatisfiable);
/// assert_eq!(resolve("bytes=500-599, -1", 1000), RequestedRange::Parts(vec![500..600, 999..1000]));
/// assert_eq!(resolve("bytes=0-9, 5-14", 1000), RequestedRange::Part(0..15));
/// ```
pub fn resolve(value: &str, size: u64) -> RequestedRange {
    let Some((unit, set)) = value.split_once('=') else { return RequestedRange::Whole };
    // Names of units are case-insensitive (RFC 9110, 14.1).
    if !unit.eq_ignore_ascii_case("bytes") {
        return RequestedRange::Whole;
    }
    if !set.contains(',') {
        return match ResolvedSpec::resolve(trim(set), size) {
            ResolvedSpec::Bytes(range) if range.is_empty() => RequestedRange::Whole,
            ResolvedSpec::Bytes(range) => RequestedRange::Part(range),
            ResolvedSpec::Unsatisfiable => RequestedRange::Unsatisfiable,
            ResolvedSpec::Invalid => RequestedRange::Whole,
        };
    }

    let mut parts = Vec::new();
    let mut asked = 0;
    // Empty members are skipped (RFC 9110, 5.6.1.2).
    for spec in set.split(',').map(trim).filter(|spec| !spec.is_empty()) {
        asked += 1;
        if asked > MAX_RANGES {
            return RequestedRange::Whole;
        }
        match ResolvedSpec::resolve(spec, size) {
            ResolvedSpec::Bytes(range) if range.is_empty() => return RequestedRange::Whole,
            ResolvedSpec::Bytes(range) => coalesce(&mut parts, range),
            ResolvedSpec::Unsatisfiable => {}
            ResolvedSpec::Invalid => return RequestedRange::Whole,
        }
    }
    if asked == 0 || parts.len() > MAX_PARTS {
        return RequestedRange::Whole;
    }
    match parts.as_slice() {
        [] => RequestedRange::Unsatisfiable,
        [part] => RequestedRange::Part(part.clone()),
        _ => RequestedRange::Parts(parts),
    }
}

/// Returns the value of `Content-Range` for a part that is not empty (RFC 9110, 14.4).
///
/// ```
/// assert_eq!(sideman::rfc::range::content_range(&(7..10), 10), "bytes 7-9/10");
/// ```
pub fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

// === impl ResolvedSpec ===

impl ResolvedSpec {
    fn resolve(text: &str, size: u64) -> Self {
        let Some((first, last)) = text.split_once('-') else { return Self::Invalid };
        if first.is_empty() {
            return match number(last) {
                None => Self::Invalid,
                Some(0) => Self::Unsatisfiable,
                // Satisfiable even if the representation is empty (RFC 9110, 14.1.2). But no 206 can express that, so
                // the range is empty.
                Some(length) => Self::Bytes(size.saturating_sub(length)..size),
            };
        }
        let Some(first) = number(first) else { return Self::Invalid };
        let last = match last {
            "" => u64::MAX,
            text => match number(text) {
                Some(last) if last >= first => last,
                Some(_) | None => return Self::Invalid,
            },
        };
        if first >= size {
            return Self::Unsatisfiable;
        }
        Self::Bytes(first..last.saturating_add(1).min(size))
    }
}

/// Adds a range, and merges all ranges that it joins.
fn coalesce(parts: &mut Vec<Range<u64>>, mut range: Range<u64>) {
    let mut place = None;
    // A merged range may reach others. Each turn removes one, so this ends.
    while let Some(index) = parts.iter().position(|part| are_near(part, &range)) {
        let part = parts.remove(index);
        range = part.start.min(range.start)..part.end.max(range.end);
        place = Some(place.map_or(index, |place: usize| place.min(index)));
    }
    match place {
        Some(place) => parts.insert(place, range),
        None => parts.push(range),
    }
}

fn are_near(one: &Range<u64>, other: &Range<u64>) -> bool {
    let gap = one.start.max(other.start).saturating_sub(one.end.min(other.end));
    gap < PART_OVERHEAD
}

/// Returns the text without optional whitespace (RFC 9110, 5.6.3).
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Parses digits; a number that does not fit becomes the largest one.
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

    const LAST: u64 = u64::MAX - 1;

    #[test]
    fn one_range() {
        use RequestedRange::{Part, Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-4", 10, Part(0..5)),
            ("Bytes=0-4", 10, Part(0..5)),
            ("bytes=5-", 10, Part(5..10)),
            ("bytes=5-100", 10, Part(5..10)),
            ("bytes=9-9", 10, Part(9..10)),
            ("bytes=0-", 10, Part(0..10)),
            ("bytes=10-10", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=-0", 0, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-1", 0, Whole),
            ("bytes=-100", 10, Part(0..10)),
            ("bytes=-1", 10, Part(9..10)),
            ("bytes= 0-4", 10, Part(0..5)),
            ("bytes=\t0-4 ", 10, Part(0..5)),
            ("bytes=4-3", 10, Whole),
            ("bytes=40-30", 10, Whole),
            ("bytes=a-3", 10, Whole),
            ("bytes=3-a", 10, Whole),
            ("bytes=+1-3", 10, Whole),
            ("bytes=1-+3", 10, Whole),
            ("bytes=1 - 3", 10, Whole),
            ("bytes=1-3-5", 10, Whole),
            ("bytes=--3", 10, Whole),
            ("bytes=0x0-0x3", 10, Whole),
            ("bytes=\u{0663}-", 10, Whole),
            ("bytes=\u{a0}0-4", 10, Whole),
            ("bytes =0-4", 10, Whole),
            (" bytes=0-4", 10, Whole),
            ("bytes:0-4", 10, Whole),
            ("lines=0-1", 10, Whole),
            ("byte=0-1", 10, Whole),
            ("none", 10, Whole),
            ("bytes", 10, Whole),
            ("", 10, Whole),
            ("=", 10, Whole),
            ("=0-4", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=5", 10, Whole),
            ("bytes=0-99999999999999999999999", 10, Part(0..10)),
            ("bytes=-99999999999999999999999", 10, Part(0..10)),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=18446744073709551615-18446744073709551615", u64::MAX, Unsatisfiable),
            ("bytes=18446744073709551614-18446744073709551615", u64::MAX, Part(LAST..u64::MAX)),
        ];
        for (value, size, expected) in cases {
            assert_eq!(resolve(value, size), expected, "{value} of {size}");
        }
    }

    #[test]
    fn several_ranges() {
        use RequestedRange::{Part, Parts, Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-0,-1", 1000, Parts(vec![0..1, 999..1000])),
            ("bytes=0-0,-1", 10, Part(0..10)),
            ("bytes=0-0,-1", 1, Part(0..1)),
            ("bytes=0-0,-1", 0, Whole),
            ("bytes=0-0,1-1", 0, Unsatisfiable),
            // Whitespace and empty members.
            ("bytes=0-0 \t, \t-1", 1000, Parts(vec![0..1, 999..1000])),
            ("bytes=,0-0,, ,-1,", 1000, Parts(vec![0..1, 999..1000])),
            ("bytes=,0-0", 1000, Part(0..1)),
            ("bytes=,", 1000, Whole),
            ("bytes= , ,", 1000, Whole),
            ("bytes=0-0;-1", 1000, Whole),
            // Members that cannot be satisfied are left out; an invalid one invalidates the list.
            ("bytes=2000-,0-0,1000-1000,-0", 1000, Part(0..1)),
            ("bytes=1000-,2000-2001,-0", 1000, Unsatisfiable),
            ("bytes=0-0,a", 1000, Whole),
            ("bytes=0-0,500-400", 1000, Whole),
            ("bytes=0-0,bytes=500-", 1000, Whole),
            // Overlapping, touching, and with a gap of 79 bytes: one. Of 80: two.
            ("bytes=0-99,50-149", 1000, Part(0..150)),
            ("bytes=0-99,100-149", 1000, Part(0..150)),
            ("bytes=100-149,0-99", 1000, Part(0..150)),
            ("bytes=0-9,89-99", 1000, Part(0..100)),
            ("bytes=0-9,90-99", 1000, Parts(vec![0..10, 90..100])),
            ("bytes=90-99,0-9", 1000, Parts(vec![90..100, 0..10])),
            ("bytes=0-,0-,0-", 1000, Part(0..1000)),
            ("bytes=10-19,0-,-5", 1000, Part(0..1000)),
            // The parts have the order in which they were requested first.
            ("bytes=900-,0-0,400-409", 1000, Parts(vec![900..1000, 0..1, 400..410])),
            ("bytes=900-,0-0,800-899", 1000, Parts(vec![800..1000, 0..1])),
            ("bytes=0-9,300-309,600-609,5-304", 1000, Parts(vec![0..310, 600..610])),
            ("bytes=600-609,300-309,0-9,5-304", 1000, Parts(vec![600..610, 0..310])),
            ("bytes=300-309,600-609,0-9,305-604", 1000, Parts(vec![300..610, 0..10])),
        ];
        for (value, size, expected) in cases {
            assert_eq!(resolve(value, size), expected, "{value} of {size}");
        }
    }

    #[test]
    fn too_many_ranges_are_ignored() {
        let list = |count: u64, step: u64| {
            let specs: Vec<String> =
                (0..count).map(|index| format!("{}-{}", index * step, index * step)).collect();
            format!("bytes={}", specs.join(","))
        };
        let size = 1_000_000;
        let sixteen = (0..16).map(|index| index * 1000..index * 1000 + 1).collect();
        assert_eq!(resolve(&list(16, 1000), size), RequestedRange::Parts(sixteen));
        assert_eq!(resolve(&list(17, 1000), size), RequestedRange::Whole);
        assert_eq!(resolve(&list(64, 10), size), RequestedRange::Part(0..631));
        assert_eq!(resolve(&list(65, 10), size), RequestedRange::Whole);
        // Members count even if they cannot be satisfied, so that the work is limited.
        assert_eq!(resolve(&list(65, 10), 1), RequestedRange::Whole);
        let killer: Vec<String> = (5..1300).map(|last| format!("5-{last}")).collect();
        assert_eq!(resolve(&format!("bytes=0-,{}", killer.join(",")), 2000), RequestedRange::Whole);
    }

    #[derive(Clone, Debug)]
    enum RangeSpec {
        Closed(usize, usize),
        Open(usize),
        Suffix(usize),
    }

    impl RangeSpec {
        fn text(&self) -> String {
            match self {
                Self::Closed(first, last) => format!("{first}-{last}"),
                Self::Open(first) => format!("{first}-"),
                Self::Suffix(length) => format!("-{length}"),
            }
        }

        fn contains(&self, at: usize, size: usize) -> bool {
            match self {
                Self::Closed(first, last) => (*first..=*last).contains(&at),
                Self::Open(first) => at >= *first,
                Self::Suffix(length) => at + length >= size,
            }
        }
    }

    fn asked() -> impl Strategy<Value = RangeSpec> {
        prop_oneof![
            6 => (0_usize..2500, 0_usize..60).prop_map(|(at, more)| RangeSpec::Closed(at, at + more)),
            1 => (1000_usize..2500).prop_map(RangeSpec::Open),
            1 => (0_usize..300).prop_map(RangeSpec::Suffix),
        ]
    }

    /// Returns the runs of a set of bytes, with its small gaps filled.
    fn runs(set: &[bool]) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for (at, _) in (0..).zip(set).filter(|(_, is_in)| **is_in) {
            match runs.last_mut() {
                Some(run) if at - run.end < 80 => run.end = at + 1,
                _ => runs.push(at..at + 1),
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn one_agrees_with_a_model(first in 0_u64..40, last in 0_u64..40, size in 0_u64..30) {
            let wanted: Vec<u64> = (0..size).filter(|at| *at >= first && *at <= last).collect();
            match resolve(&format!("bytes={first}-{last}"), size) {
                RequestedRange::Part(range) => prop_assert_eq!(range.collect::<Vec<_>>(), wanted),
                RequestedRange::Unsatisfiable => prop_assert!(wanted.is_empty() && last >= first),
                RequestedRange::Whole => prop_assert!(last < first),
                RequestedRange::Parts(parts) => prop_assert!(false, "{parts:?}"),
            }
        }

        #[test]
        fn several_agree_with_a_set_of_bytes(
            list in proptest::collection::vec(asked(), 2..30),
            size in 1_usize..2600,
        ) {
            let specs: Vec<String> = list.iter().map(RangeSpec::text).collect();
            let wanted: Vec<bool> =
                (0..size).map(|at| list.iter().any(|asked| asked.contains(at, size))).collect();
            let expected = runs(&wanted);
            let received = match resolve(&format!("bytes={}", specs.join(", ")), size as u64) {
                RequestedRange::Whole => {
                    prop_assert!(expected.len() > 16, "{} parts", expected.len());
                    return Ok(());
                }
                RequestedRange::Unsatisfiable => Vec::new(),
                RequestedRange::Part(part) => vec![part],
                RequestedRange::Parts(parts) => parts,
            };
            let mut sorted = received.clone();
            sorted.sort_by_key(|part| part.start);
            prop_assert_eq!(sorted, expected);
            // The first member within each part.
            let mentioned: Vec<_> = received
                .iter()
                .map(|part| {
                    list.iter().position(|asked| {
                        part.clone().any(|at| asked.contains(at as usize, size))
                    })
                })
                .collect();
            prop_assert!(mentioned.is_sorted(), "{received:?} is out of order");
        }

        #[test]
        fn what_is_sent_is_within_the_size(
            value in "(bytes=)?([0-9]{0,4}-[0-9]{0,4}[, \t]{0,2}){1,20}",
            size in 0_u64..9000,
        ) {
            let parts = match resolve(&value, size) {
                RequestedRange::Whole | RequestedRange::Unsatisfiable => return Ok(()),
                RequestedRange::Part(part) => vec![part],
                RequestedRange::Parts(parts) => parts,
            };
            prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
            prop_assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
            prop_assert!(parts.len() <= 16);
        }

        #[test]
        fn nothing_panics(value in "(bytes=)?\\PC*", size: u64) {
            resolve(&value, size);
        }
    }
}
