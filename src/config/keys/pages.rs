//! The settings of answers that Sideman gives itself, in place of the application.

use std::path::PathBuf;

use super::{key::SettingKey, kind::SingleValue};
use crate::config::{
    format::{OrNone, TextFormat},
    local_path::file_format,
};

/// Files in place of the pages that are made here, by status.
pub(super) const ERRORS: &[SettingKey] = &[
    page::<400>(
        "errors.400",
        "A request that could be read in two ways, or has no valid Host; a body that broke off.",
    ),
    page::<403>("errors.403", "A file that this process may not read."),
    page::<404>("errors.404", "A file that is not there."),
    page::<405>("errors.405", "A method that files do not have."),
    page::<408>(
        "errors.408",
        "A head or a body that came too slowly (server.header_timeout, body_timeout, min_body_rate).",
    ),
    page::<413>("errors.413", "A body that is longer than server.max_body."),
    page::<414>("errors.414", "A first line that is longer than server.max_request_line."),
    page::<421>("errors.421", "A host that is not among server.allowed_hosts."),
    page::<431>(
        "errors.431",
        "A head that is larger than server.max_head, max_header and max_headers or the application allow.",
    ),
    page::<500>("errors.500", "A file that could not be read, and other faults of Sideman's side."),
    page::<502>("errors.502", "The application is away, or gave no proper answer."),
    page::<503>(
        "errors.503",
        "The application is busy, bodies or descriptors have no room, or there is maintenance.",
    ),
    page::<504>("errors.504", "The application took too long."),
    page::<507>("errors.507", "The disk for bodies that wait is full."),
];

/// Taking the application out of service.
pub(super) const MAINTENANCE: &[SettingKey] = &[SettingKey {
    name: "maintenance.flag",
    default: Some(&["none"]),
    kind: &SingleValue(
        OrNone(file_format("the absolute path of a file, such as /run/maintenance")),
        |to, file| to.plan.pages.maintenance = file,
    ),
    doc: "While this file exists, everything but files and health checks is answered with 503.",
    ..SettingKey::BLANK
}];

const PAGE: OrNone<TextFormat<PathBuf>> =
    OrNone(file_format("the absolute path of a file, such as /srv/502.html"));

/// The row of one status.
const fn page<const STATUS: u16>(name: &'static str, doc: &'static str) -> SettingKey {
    let kind = &SingleValue(PAGE, |to, file| to.page(STATUS, file));
    SettingKey { name, default: Some(&["none"]), kind, doc, ..SettingKey::BLANK }
}
