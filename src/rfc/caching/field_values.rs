//! Access to the fields of a response by their names.

use super::super::response_lines::ResponseLines;

/// Iterates over the values of all fields of this name, which is in lower case.
pub(super) fn values<'a>(
    lines: &'a ResponseLines,
    name: &'a [u8],
) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().filter(move |(one, _)| *one == name).map(|(_, value)| value)
}

/// Returns the value of the first field of this name, if it is text.
pub(super) fn first<'a>(lines: &'a ResponseLines, name: &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(values(lines, name).next()?).ok()
}
