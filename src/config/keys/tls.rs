//! The settings of TLS towards clients.

use super::{
    key::SettingKey,
    kind::{ListValue, SingleValue},
};
use crate::{
    config::{
        address, certificates,
        format::{BoolFormat, ChoiceFormat, MINUTE, NumberFormat, SECOND, TimeFormat},
    },
    plan::TlsVersion,
};

/// TLS towards clients.
pub(super) const TLS: &[SettingKey] = &[
    SettingKey {
        name: "tls.listen",
        default: Some(&[]),
        kind: &ListValue::or_none(address::ENDPOINT, |to, listen| to.tls.listen = listen),
        doc: "Addresses to serve on by TLS, beside those of server.listen.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.certificates",
        default: Some(&[]),
        kind: &ListValue::or_none(certificates::PAIR, |to, pairs| to.certificates = pairs),
        doc: "Certificates with their chains, and their keys, in PEM. Clients get the one that has the \
              name they ask for, else the first. Files that change are taken up within seconds.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.self_signed",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.self_signed = on),
        doc: "Whether a certificate is made at the start in place of tls.certificates; for load \
              balancers that do not verify it, such as an ALB.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.min_version",
        default: Some(&["1.2"]),
        kind: &SingleValue(
            ChoiceFormat(&[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)]),
            |to, version| to.tls.min_version = version,
        ),
        doc: "The lowest version of TLS that is spoken.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.handshake_timeout",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(SECOND, MINUTE), |to, time| to.tls.handshake_timeout = time),
        doc: "How long a new connection may stay silent, and how long a handshake may take then.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.handshakes",
        default: Some(&["512"]),
        kind: &SingleValue(NumberFormat(1, 65_536), |to, count| to.tls.handshakes = count),
        doc: "Handshakes at the same time; further ones wait until one has ended, and the oldest are \
              ended for them. Silent connections don't count.",
        ..SettingKey::BLANK
    },
];
