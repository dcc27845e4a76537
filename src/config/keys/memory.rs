//! The setting of the memory that everything shares.

use super::{key::Key, kind::One};
use crate::config::format::{GIB, MIB, OrWord, Size, TIB};

/// A share of `memory.limit`, or a size of its own.
pub(super) const fn share(least: u64) -> OrWord<Size> {
    OrWord { format: Size(least, 64 * GIB), word: "auto", meant: &[] }
}

/// The process as a whole.
pub(super) const MEMORY: &[Key] = &[Key {
    name: "memory.limit",
    default: Some(&["auto"]),
    kind: &One(
        OrWord { format: Size(32 * MIB, TIB), word: "auto", meant: &["0", "0B", "none", "off"] },
        |to, bytes| to.plan.memory.limit = bytes,
    ),
    doc: "Bytes of memory that the process may take, with its sockets; auto is four fifths of the container's \
          limit (cgroup), or 512MiB where there is none. Every share that is auto follows from it.",
    ..Key::BLANK
}];
