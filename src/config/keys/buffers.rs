//! The settings of bodies that wait.

use super::{key::SettingKey, kind::SingleValue, memory};
use crate::config::{
    format::{GIB, KIB, MIB, SizeFormat, TIB},
    local_path,
};

/// Bodies of requests and of answers, together.
pub(super) const BUFFERS: &[SettingKey] = &[
    SettingKey {
        name: "buffers.memory",
        default: Some(&["auto"]),
        kind: &SingleValue(memory::share(64 * KIB), |to, bytes| {
            to.plan.memory.is_buffers_auto = bytes.is_none();
            to.plan.buffers.memory = bytes.unwrap_or(64 * MIB);
        }),
        doc: "Bytes of bodies in memory, over all workers, at the most; what comes beyond goes to \
              files. Answers take at most half of them: the rest is for requests alone. auto is three \
              sixteenths of memory.limit, and 64MiB at the most.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "buffers.memory_per_body",
        default: Some(&["256KiB"]),
        kind: &SingleValue(SizeFormat(KIB, GIB), |to, bytes| {
            to.plan.buffers.memory_per_body = bytes
        }),
        doc: "Bytes of one body in memory; a longer one goes to a file. Not above buffers.memory.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "buffers.directory",
        default: Some(&["auto"]),
        kind: &SingleValue(local_path::SPILL, |to, spill| to.plan.buffers.spill = spill),
        doc: "Where the files are; they have no name there. auto is /tmp if it can be written to, else \
              memory; memory is files in memory, which count in buffers.memory, as those in a /tmp \
              that is a tmpfs do.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "buffers.disk",
        default: Some(&["4GiB"]),
        kind: &SingleValue(SizeFormat(0, TIB), |to, bytes| to.plan.buffers.disk = bytes),
        doc: "The limit for bytes in files, over all workers. Responses use at most half of it. A request that \
              does not fit gets 503; a response that does not fit is read as fast as its client reads. 0B makes no \
              files: longer bodies are then refused, unless buffers.directory is memory.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "buffers.max_response",
        default: Some(&["1GiB"]),
        kind: &SingleValue(SizeFormat(0, TIB), |to, bytes| to.plan.buffers.max_response = bytes),
        doc: "Bytes of one answer in a file, at the most; beyond them the application is read as \
              fast as the client reads. 0B makes no files for answers.",
        ..SettingKey::BLANK
    },
];
