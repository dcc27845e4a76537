//! The header fields of a request as the client sent them: the bytes, and the positions of names and values in them.
//! Nothing is copied or allocated for a single field.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::name::FieldName;

/// Header fields in the order in which the client sent them.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    text: HeaderBytes,
    lines: Vec<FieldSpan>,
    /// A bit for each listed name that occurs.
    present: u64,
}

/// The memory of the fields.
#[derive(Clone, Debug)]
enum HeaderBytes {
    /// The head in which they were sent (HTTP/1).
    Head(Bytes),
    /// One value for each field. HTTP/2 shares those that a client refers to again, so that a small head cannot become
    /// a large one in memory.
    Shared(Vec<(HeaderName, HeaderValue)>),
}

/// The position of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpan {
    pub name: FieldName,
    /// The position of its name in the head, and of its value, with their lengths.
    pub name_at: u32,
    pub name_length: u32,
    pub value_at: u32,
    pub value_length: u32,
}

// === impl Headers ===

impl Headers {
    /// Creates the fields of a head. Names must be in lower case unless they are listed.
    pub(super) fn of_head(head: Bytes, lines: Vec<FieldSpan>) -> Self {
        let present = lines.iter().fold(0, |bits, line| bits | line.name.bit());
        Self { text: HeaderBytes::Head(head), lines, present }
    }

    /// Creates fields that have their own memory.
    pub fn shared(fields: Vec<(HeaderName, HeaderValue)>) -> Self {
        let line = |(name, _): &(HeaderName, HeaderValue)| FieldSpan {
            name: FieldName::of(name.as_str().as_bytes()),
            name_at: 0,
            name_length: 0,
            value_at: 0,
            value_length: 0,
        };
        let lines: Vec<FieldSpan> = fields.iter().map(line).collect();
        let present = lines.iter().fold(0, |bits, line| bits | line.name.bit());
        Self { text: HeaderBytes::Shared(fields), lines, present }
    }

    /// Returns only the fields with these names.
    #[must_use]
    pub fn only(&self, names: &[FieldName]) -> Self {
        let kept = self.iter().filter(|(name, ..)| names.contains(name));
        let owned = kept.filter_map(|(_, name, value)| {
            Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        });
        Self::shared(owned.collect())
    }

    /// Returns the total bytes of all names and values.
    pub fn bytes(&self) -> usize {
        self.iter().map(|(_, name, value)| name.len() + value.len()).sum()
    }

    /// Keeps only the fields with these names, and releases the memory of the others. HTTP/2's fields stay shared.
    pub(super) fn keep_only(&mut self, names: &[FieldName]) {
        let kept = |name: &HeaderName| names.contains(&FieldName::of(name.as_str().as_bytes()));
        *self = match &mut self.text {
            HeaderBytes::Head(_) => self.only(names),
            HeaderBytes::Shared(fields) => {
                Self::shared(fields.drain(..).filter(|(name, _)| kept(name)).collect())
            }
        };
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether a field of this name exists.
    pub fn contains(&self, name: FieldName) -> bool {
        self.present & name.bit() != 0
    }

    /// Returns the value of the first field of this name.
    pub fn get(&self, name: FieldName) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// Returns the value of the first field of this name, if it is visible ASCII.
    pub fn get_str(&self, name: FieldName) -> Option<&str> {
        let value = std::str::from_utf8(self.get(name)?).ok()?;
        value.bytes().all(|byte| byte == b'\t' || (b' '..0x7f).contains(&byte)).then_some(value)
    }

    /// Iterates over the values of all fields of this name, in their order.
    pub fn get_all(&self, name: FieldName) -> impl DoubleEndedIterator<Item = &[u8]> {
        let lines = if self.contains(name) { self.lines.as_slice() } else { &[] };
        let lines = lines.iter().enumerate().filter(move |(_, line)| line.name == name);
        lines.map(|(index, line)| self.value(index, line))
    }

    /// Iterates over all fields in their order: each with its number, its name in lower case and its value.
    pub fn iter(&self) -> impl Iterator<Item = (FieldName, &[u8], &[u8])> {
        let lines = self.lines.iter().enumerate();
        lines.map(|(index, line)| (line.name, self.name(index, line), self.value(index, line)))
    }

    /// Returns the bytes of the head.
    pub(super) fn head(&self) -> &[u8] {
        match &self.text {
            HeaderBytes::Head(bytes) => bytes,
            HeaderBytes::Shared(_) => b"",
        }
    }

    fn name(&self, index: usize, line: &FieldSpan) -> &[u8] {
        if line.name != FieldName::Other {
            return line.name.text().as_bytes();
        }
        match &self.text {
            HeaderBytes::Head(bytes) => span(bytes, line.name_at, line.name_length),
            HeaderBytes::Shared(fields) => {
                fields.get(index).map_or(b"", |(name, _)| name.as_str().as_bytes())
            }
        }
    }

    fn value(&self, index: usize, line: &FieldSpan) -> &[u8] {
        match &self.text {
            HeaderBytes::Head(bytes) => span(bytes, line.value_at, line.value_length),
            HeaderBytes::Shared(fields) => {
                fields.get(index).map_or(b"", |(_, value)| value.as_bytes())
            }
        }
    }
}

fn span(bytes: &[u8], at: u32, length: u32) -> &[u8] {
    let (at, length) = (at as usize, length as usize);
    bytes.get(at..at + length).unwrap_or_default()
}

impl Default for HeaderBytes {
    fn default() -> Self {
        Self::Shared(Vec::new())
    }
}

/// For tests: creates fields that must be valid; invalid ones are left out.
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let owned = fields.into_iter().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_ref()).ok()?;
            Some((name, HeaderValue::from_bytes(value.as_ref()).ok()?))
        });
        Self::shared(owned.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_selected_fields_are_kept() {
        let mut headers: Headers =
            [("cookie", "a=b"), ("user-agent", "tester"), ("x-a", "b"), ("referer", "c")]
                .into_iter()
                .collect();
        headers.keep_only(&[FieldName::Referer, FieldName::UserAgent, FieldName::Host]);
        let kept: Vec<_> = headers.iter().map(|(name, _, value)| (name, value)).collect();
        assert_eq!(kept, [(FieldName::UserAgent, &b"tester"[..]), (FieldName::Referer, &b"c"[..])]);
        assert!(!headers.contains(FieldName::Cookie));
        headers.keep_only(&[]);
        assert!(headers.is_empty());
    }
}
