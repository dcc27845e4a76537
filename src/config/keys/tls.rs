//! The settings of TLS towards clients.

use super::{
    key::Key,
    kind::{Kind, MINUTE, SECOND},
};

/// TLS towards clients.
pub(super) const TLS: &[Key] = &[
    Key {
        name: "tls.listen",
        default: Some(&[]),
        kind: Kind::Listen,
        doc: "Addresses to serve on by TLS, beside those of server.listen.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "tls.certificates",
        default: Some(&[]),
        kind: Kind::Certificates,
        doc: "Certificates with their chains, and their keys, in PEM. Clients get the one that has the \
              name they ask for, else the first. Files that change are taken up within seconds.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "tls.self_signed",
        default: Some(&["false"]),
        kind: Kind::Bool,
        doc: "Whether a certificate is made at the start in place of tls.certificates; for load \
              balancers that do not verify it, such as an ALB.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "tls.min_version",
        default: Some(&["1.2"]),
        kind: Kind::Choice(&["1.2", "1.3"]),
        doc: "The lowest version of TLS that is spoken.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "tls.handshake_timeout",
        default: Some(&["5s"]),
        kind: Kind::Duration { least: SECOND, most: MINUTE },
        doc: "How long a client may take for its handshake, from the accepted connection on.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "tls.handshakes",
        default: Some(&["512"]),
        kind: Kind::Integer { least: 1, most: 65_536 },
        doc: "Handshakes at the same time; further connections to tls.listen wait in the kernel until \
              one has ended; the oldest are closed for them.",
        short_env: None,
        flag: None,
    },
];
