//! The settings of the compression of responses.

use super::{key::SettingKey, kind::SingleValue};
use crate::config::format::{BoolFormat, PERCENT_OR_OFF};

/// Responses of the application.
pub(super) const COMPRESSION: &[SettingKey] = &[
    SettingKey {
        name: "compression.responses",
        default: Some(&["true"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.compression.responses = on),
        doc: "Whether text responses of the application, from 1KiB, are compressed for clients that accept zstd, br or \
              gzip. Not those that are encoded already or say no-transform, nor event streams.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "compression.max_cpu",
        default: Some(&["50%"]),
        kind: &SingleValue(PERCENT_OR_OFF, |to, percent| to.plan.compression.max_cpu = percent),
        doc: "The maximum of a worker's time that goes into compression. Beyond it, responses are sent uncompressed.",
        ..SettingKey::BLANK
    },
];
