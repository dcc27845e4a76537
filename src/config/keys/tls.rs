//! The settings of TLS for clients.

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

/// TLS for clients.
pub(super) const TLS: &[SettingKey] = &[
    SettingKey {
        name: "tls.listen",
        default: Some(&[]),
        kind: &ListValue::or_none(address::ENDPOINT, |to, listen| to.tls.listen = listen),
        doc: "Addresses for TLS, in addition to those of server.listen.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.certificates",
        default: Some(&[]),
        kind: &ListValue::or_none(certificates::PAIR, |to, pairs| to.certificates = pairs),
        doc: "Certificates with their chains, and their keys, in PEM. A client gets the certificate for the name it \
              asks for, else the first. Changed files are reloaded within seconds.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.self_signed",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.self_signed = on),
        doc: "Whether Sideman makes a self-signed certificate at the start, instead of tls.certificates. Use it \
              behind load balancers that do not verify certificates, such as an ALB.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.min_version",
        default: Some(&["1.2"]),
        kind: &SingleValue(
            ChoiceFormat(&[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)]),
            |to, version| to.tls.min_version = version,
        ),
        doc: "Lowest TLS version that is accepted.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.handshake_timeout",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(SECOND, MINUTE), |to, time| to.tls.handshake_timeout = time),
        doc: "How long a new connection may stay silent, and then how long its handshake may take.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "tls.handshakes",
        default: Some(&["512"]),
        kind: &SingleValue(NumberFormat(1, 65_536), |to, count| to.tls.handshakes = count),
        doc: "Maximum number of handshakes at the same time. More wait until one has ended, and the oldest are \
              closed to make way for them. Silent connections don't count.",
        ..SettingKey::BLANK
    },
];
