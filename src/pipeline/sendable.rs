//! A body in memory whose bytes are in a file as well: the socket may let the kernel send them from
//! the page cache instead of copying them. Whether it does changes nothing but the cost.

use std::{fs::File, sync::Arc};

use bytes::Bytes;

/// Bytes of a file whose contents never change under its name, with where they stand in it.
#[derive(Clone, Debug)]
pub struct Sendable {
    pub file: Arc<File>,
    /// The bytes as they are handed to the connection: the same memory, not a copy.
    bytes: Bytes,
    /// Where they begin in the file.
    offset: u64,
}

// === impl Sendable ===

impl Sendable {
    pub(super) fn new(file: Arc<File>, bytes: Bytes, offset: u64) -> Self {
        Self { file, bytes, offset }
    }

    /// Where a slice stands in the file, if it is a part of this memory.
    pub fn position(&self, slice: &[u8]) -> Option<u64> {
        let distance = slice.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        let is_within = !slice.is_empty() && distance.checked_add(slice.len())? <= self.bytes.len();
        is_within.then_some(self.offset + distance as u64)
    }

    /// Whether a position in the file is where these bytes end.
    pub fn ends_at(&self, position: u64) -> bool {
        position == self.offset + self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_memory_is_recognised() {
        let whole = Bytes::from(vec![7; 100]);
        let part = whole.slice(10..60);
        let file = Arc::new(File::open("/dev/null").unwrap());
        let sendable = Sendable::new(file, part.clone(), 1000);
        assert_eq!(sendable.position(&part), Some(1000));
        assert_eq!(sendable.position(&part[20..30]), Some(1020));
        assert_eq!(sendable.position(&whole[59..60]), Some(1049));
        for other in [&whole[9..20], &whole[50..61], &whole[60..], &part[5..5], &[7; 50][..]] {
            assert_eq!(sendable.position(other), None, "{}", other.len());
        }
        assert!(sendable.ends_at(1050) && !sendable.ends_at(1049));
    }
}
