//! The settings of TLS towards clients.

use super::{
    key::Key,
    kind::{List, One},
};
use crate::{
    config::{
        address, certificates,
        format::{Bool, Choice, MINUTE, Number, SECOND, Time},
    },
    plan::TlsVersion,
};

/// TLS towards clients.
pub(super) const TLS: &[Key] = &[
    Key {
        name: "tls.listen",
        default: Some(&[]),
        kind: &List::or_none(address::ENDPOINT, |to, listen| to.tls.listen = listen),
        doc: "Addresses to serve on by TLS, beside those of server.listen.",
        ..Key::BLANK
    },
    Key {
        name: "tls.certificates",
        default: Some(&[]),
        kind: &List::or_none(certificates::PAIR, |to, pairs| to.certificates = pairs),
        doc: "Certificates with their chains, and their keys, in PEM. Clients get the one that has the \
              name they ask for, else the first. Files that change are taken up within seconds.",
        ..Key::BLANK
    },
    Key {
        name: "tls.self_signed",
        default: Some(&["false"]),
        kind: &One(Bool, |to, on| to.self_signed = on),
        doc: "Whether a certificate is made at the start in place of tls.certificates; for load \
              balancers that do not verify it, such as an ALB.",
        ..Key::BLANK
    },
    Key {
        name: "tls.min_version",
        default: Some(&["1.2"]),
        kind: &One(Choice(&[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)]), |to, version| {
            to.tls.min_version = version
        }),
        doc: "The lowest version of TLS that is spoken.",
        ..Key::BLANK
    },
    Key {
        name: "tls.handshake_timeout",
        default: Some(&["5s"]),
        kind: &One(Time(SECOND, MINUTE), |to, time| to.tls.handshake_timeout = time),
        doc: "How long a new connection may stay silent, and how long a handshake may take then.",
        ..Key::BLANK
    },
    Key {
        name: "tls.handshakes",
        default: Some(&["512"]),
        kind: &One(Number(1, 65_536), |to, count| to.tls.handshakes = count),
        doc: "Handshakes at the same time; further ones wait until one has ended, and the oldest are \
              ended for them. Silent connections don't count.",
        ..Key::BLANK
    },
];
