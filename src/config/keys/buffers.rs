//! The settings of buffered bodies.

use super::{key::SettingKey, kind::SingleValue, memory};
use crate::config::{
    format::{GIB, KIB, MIB, SizeFormat, TIB},
    local_path,
};

/// Buffers for the bodies of requests and responses.
pub(super) const BUFFERS: &[SettingKey] = &[
    SettingKey {
        name: "buffers.memory",
        default: Some(&["auto"]),
        kind: &SingleValue(memory::share(64 * KIB), |to, bytes| {
            to.plan.memory.is_buffers_auto = bytes.is_none();
            to.plan.buffers.memory = bytes.unwrap_or(64 * MIB);
        }),
        doc: "Maximum size of all bodies in memory, over all worker threads; more is spilled to disk. Responses use \
              at most half of it; the other half is for requests. auto is three sixteenths of memory.limit, at most \
              64MiB.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "buffers.memory_per_body",
        default: Some(&["256KiB"]),
        kind: &SingleValue(SizeFormat(KIB, GIB), |to, bytes| {
            to.plan.buffers.memory_per_body = bytes
        }),
        doc: "Maximum size of one body in memory; a longer one is spilled to disk. Must not exceed buffers.memory.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "buffers.directory",
        default: Some(&["auto"]),
        kind: &SingleValue(local_path::SPILL, |to, spill| to.plan.buffers.spill = spill),
        doc: "Directory of the spill files, which have no name in it. auto is /tmp if it is writable, else memory. \
              memory keeps the files in memory, where they count in buffers.memory, like those in a /tmp that is a \
              tmpfs.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "buffers.disk",
        default: Some(&["4GiB"]),
        kind: &SingleValue(SizeFormat(0, TIB), |to, bytes| to.plan.buffers.disk = bytes),
        doc: "Maximum size of all spill files, over all worker threads. Responses use at most half of it. A request \
              that does not fit gets 503; a response that does not fit is read as fast as its client reads. 0B \
              disables spill files: longer bodies are then refused, unless buffers.directory is memory.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "buffers.max_response",
        default: Some(&["1GiB"]),
        kind: &SingleValue(SizeFormat(0, TIB), |to, bytes| to.plan.buffers.max_response = bytes),
        doc: "Maximum size of one response on disk; beyond it the application is read as fast as the client reads. \
              0B disables spill files for responses.",
        ..SettingKey::BLANK
    },
];
