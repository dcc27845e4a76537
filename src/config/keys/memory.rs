//! The settings of the process's memory.

use super::{key::SettingKey, kind::SingleValue};
use crate::config::format::{GIB, MIB, OrWord, SizeFormat, TIB};

/// The format of a share of `memory.limit`: `auto`, or a size.
pub(super) const fn share(min: u64) -> OrWord<SizeFormat> {
    OrWord { format: SizeFormat(min, 64 * GIB), word: "auto", meant: &[] }
}

/// The process as a whole.
pub(super) const MEMORY: &[SettingKey] = &[SettingKey {
    name: "memory.limit",
    default: Some(&["auto"]),
    kind: &SingleValue(
        OrWord {
            format: SizeFormat(32 * MIB, TIB),
            word: "auto",
            meant: &["0", "0B", "none", "off"],
        },
        |to, bytes| to.plan.memory.limit = bytes,
    ),
    doc: "Maximum memory of the process, with its sockets. auto is four fifths of the container's limit (cgroup), \
          a fourth and at most 512MiB of it with sideman exec, or 512MiB where there is none. Every share that is auto follows from it.",
    ..SettingKey::BLANK
}];
