//! The settings of responses that Sideman sends instead of the application.

use super::{key::SettingKey, kind::SingleValue};
use crate::{
    config::{
        error_pages,
        format::{OrNone, TextFormat},
        local_path::file_format,
    },
    plan::PageSource,
};

/// Pages that replace Sideman's own error pages, by status.
pub(super) const ERRORS: &[SettingKey] = &[
    page::<400>(
        "errors.400",
        "The request is ambiguous, has no valid Host, or its body was malformed or incomplete.",
    ),
    page::<401>(
        "errors.401",
        "The request has no valid user name and password (auth of its route).",
    ),
    page::<403>(
        "errors.403",
        "The client is not among those that a route allows, or this process may not read the file.",
    ),
    page::<404>("errors.404", "The file does not exist."),
    page::<405>("errors.405", "Files do not support the request's method."),
    page::<408>(
        "errors.408",
        "The client sent a head or a body too slowly (server.header_timeout, body_timeout, min_body_rate).",
    ),
    page::<413>("errors.413", "The body is longer than server.max_body."),
    page::<414>("errors.414", "The request line is longer than server.max_request_line."),
    page::<421>("errors.421", "The host is not among server.allowed_hosts."),
    page::<429>(
        "errors.429",
        "The request exceeds the rate_limit of its route, or the client has sent too many wrong passwords.",
    ),
    page::<431>(
        "errors.431",
        "The head exceeds server.max_head, max_header or max_headers, or a limit of the application.",
    ),
    page::<500>("errors.500", "A file could not be read, or Sideman failed otherwise."),
    page::<502>("errors.502", "The application is unavailable, or its response is invalid."),
    page::<503>(
        "errors.503",
        "The application is busy, there is no memory or file descriptor left, or maintenance is on.",
    ),
    page::<504>("errors.504", "The application took too long."),
    page::<507>("errors.507", "The disk for buffered bodies is full."),
];

/// The maintenance mode.
pub(super) const MAINTENANCE: &[SettingKey] = &[SettingKey {
    name: "maintenance.flag",
    default: Some(&["none"]),
    kind: &SingleValue(
        OrNone(file_format("the absolute path of a file, such as /run/maintenance")),
        |to, file| to.plan.pages.maintenance = file,
    ),
    doc: "While this file exists, all requests but those for files and health checks get 503.",
    ..SettingKey::BLANK
}];

const PAGE: OrNone<TextFormat<PageSource>> = OrNone(error_pages::SOURCE);

/// Returns the row of one status.
const fn page<const STATUS: u16>(name: &'static str, doc: &'static str) -> SettingKey {
    let kind = &SingleValue(PAGE, |to, page| to.page(STATUS, page));
    SettingKey { name, default: Some(&["none"]), kind, doc, ..SettingKey::BLANK }
}
