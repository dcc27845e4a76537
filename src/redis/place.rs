//! A place in the stream: the id of the last entry that was read. Whether entries behind it were missed.

use std::fmt;

/// The id of an entry: Redis' time in milliseconds, and a number within the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId {
    pub(super) milliseconds: u64,
    number: u64,
}

/// The first and the last entry of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamEnds {
    pub(super) first: StreamId,
    pub(super) last: StreamId,
}

/// Whether entries may be missing between `before`, after which the reader has asked for entries, and `place`, the last
/// one that it got. Entries leave a stream at its beginning; an older copy of the data lacks those at its end.
pub(super) fn has_missed(before: StreamId, place: StreamId, ends: Option<StreamEnds>) -> bool {
    ends.is_none_or(|ends| ends.first > before || ends.last < place)
}

// === impl StreamId ===

impl StreamId {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (milliseconds, number) = text.split_once('-')?;
        Some(Self { milliseconds: digits(milliseconds)?, number: digits(number)? })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.number)
    }
}

fn digits(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> StreamId {
        StreamId::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn ids_are_ordered_and_read_back() {
        assert!(id("5-10") > id("5-9"));
        assert!(id("10-0") > id("9-99"));
        assert_eq!(id("1526919030474-55").to_string(), "1526919030474-55");
        for text in ["", "-", "1", "1-", "-1", "+1-0", "1-0-0", "a-0", "99999999999999999999-0"] {
            assert_eq!(StreamId::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn missed_entries_are_noticed() {
        let missed = |before: &str, place: &str, ends: Option<(&str, &str)>| {
            let ends = ends.map(|(first, last)| StreamEnds { first: id(first), last: id(last) });
            has_missed(id(before), id(place), ends)
        };
        assert!(!missed("5-0", "5-0", Some(("1-0", "5-0"))));
        assert!(!missed("5-0", "7-0", Some(("5-0", "9-0"))));
        // Trimmed up to what was read, or further.
        assert!(missed("5-0", "7-0", Some(("6-0", "7-0"))));
        assert!(missed("5-0", "5-0", Some(("8-0", "9-0"))));
        // Flushed.
        assert!(missed("5-0", "5-0", None));
        // Restored from an older copy.
        assert!(missed("5-0", "5-0", Some(("1-0", "4-0"))));
    }
}
