//! The settings of bodies that wait.

use super::{
    key::Key,
    kind::{Kind, TIB},
};

/// Bodies of requests and of answers, together.
pub(super) const BUFFERS: &[Key] = &[
    Key {
        name: "buffers.memory",
        default: Some(&["64MiB"]),
        kind: Kind::Size { least: 64 << 10, most: 64 << 30 },
        doc: "Bytes of bodies in memory, over all workers, at the most; what comes beyond goes to \
              files.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "buffers.each",
        default: Some(&["256KiB"]),
        kind: Kind::Size { least: 1 << 10, most: 1 << 30 },
        doc: "Bytes of one body in memory; a longer one goes to a file. Not above buffers.memory.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "buffers.directory",
        default: Some(&["auto"]),
        kind: Kind::Spill,
        doc: "Where the files are; they have no name there. auto is /tmp if it can be written to, else \
              memory; memory is files in memory, which count in buffers.memory, as those in a /tmp \
              that is a tmpfs do.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "buffers.disk",
        default: Some(&["4GiB"]),
        kind: Kind::Size { least: 0, most: TIB },
        doc: "Bytes in files, over all workers, at the most; a request that has no room is \
              answered with 503, an answer is read as fast as its client reads. 0B makes no \
              files: longer bodies are then refused, unless buffers.directory is memory.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "buffers.answer",
        default: Some(&["1GiB"]),
        kind: Kind::Size { least: 0, most: TIB },
        doc: "Bytes of one answer in a file, at the most; beyond them the application is read as \
              fast as the client reads. 0B makes no files for answers.",
        short_env: None,
        flag: None,
    },
];
