//! The settings of answers that Sideman gives itself, in place of the application.

use super::{key::Key, kind::Kind};

/// Files in place of the pages that are made here, by status.
pub(super) const ERRORS: &[Key] = &[
    page(
        "errors.400",
        "A request that could be read in two ways, or has no valid Host; a body that broke off.",
    ),
    page("errors.403", "A file that this process may not read."),
    page("errors.404", "A file that is not there."),
    page("errors.405", "A method that files do not have."),
    page(
        "errors.408",
        "A head or a body that came too slowly (server.header_timeout, body_timeout, min_body_rate).",
    ),
    page("errors.413", "A body that is longer than server.max_body."),
    page("errors.414", "A first line that is longer than server.max_request_line."),
    page("errors.421", "A host that is not among server.allowed_hosts."),
    page(
        "errors.431",
        "A head that is larger than server.max_head, max_header and max_headers or the application allow.",
    ),
    page("errors.500", "A file that could not be read, and other faults of Sideman's side."),
    page("errors.502", "The application is away, or gave no proper answer."),
    page(
        "errors.503",
        "The application is busy, bodies or descriptors have no room, or there is maintenance.",
    ),
    page("errors.504", "The application took too long."),
    page("errors.507", "The disk for bodies that wait is full."),
];

/// Taking the application out of service.
pub(super) const MAINTENANCE: &[Key] = &[Key {
    name: "maintenance.flag",
    default: Some(&["none"]),
    kind: Kind::FileOrNone { example: "/run/maintenance" },
    doc: "While this file exists, everything but files and health checks is answered with 503.",
    short_env: None,
    flag: None,
}];

/// The row of one status.
const fn page(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        default: Some(&["none"]),
        kind: Kind::FileOrNone { example: "/srv/502.html" },
        doc,
        short_env: None,
        flag: None,
    }
}
