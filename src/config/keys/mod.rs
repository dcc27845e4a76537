//! The table of all settings; each file has a few sections. A row contains everything about a setting: its names, its
//! default, its format and limits, the function that stores its value in the plan, and its documentation. The file, the
//! environment, flags, docs/settings.md, config/sideman.toml and messages all use these rows. To add a setting, add a
//! row here and a field in `plan/`. Formats are in `config/format.rs` and beside their parsers; constraints between
//! settings are in `config/constraints.rs`.

mod id;
mod key;
mod kind;

mod acme;
mod buffers;
mod cache;
mod compression;
mod files;
mod log;
mod memory;
mod operation;
mod pages;
mod routes;
mod server;
mod tls;
mod upstream;

use std::sync::LazyLock;

pub(super) use self::kind::InvalidValue;
pub use self::{
    id::SettingId,
    key::{FlagSpec, SettingKey},
};

/// The sections of the settings file, in order, each with a short description.
pub const SECTIONS: &[(&str, &str)] = &[
    ("server", "Listeners for clients and limits of requests."),
    (
        "tls",
        "TLS for clients, versions 1.2 and 1.3, on the addresses of tls.listen. All other listeners use plain HTTP.",
    ),
    (
        "acme",
        "A certificate from an authority, such as Let's Encrypt, for the listeners of tls.listen.",
    ),
    (
        "upstream",
        "The application (gunicorn, uWSGI, uvicorn, daphne): its address, limits and timeouts.",
    ),
    (
        "memory",
        "The memory of the process. buffers.memory, static.memory and media.memory are shares of what cache.memory leaves of it.",
    ),
    (
        "buffers",
        "Buffered bodies: requests until they are complete, responses until the client has read them.",
    ),
    (
        "compression",
        "Compression of the application's responses. That of files is static.compress.",
    ),
    (
        "cache",
        "Stored responses of the application, in place of proxy_cache or Varnish. A route's cache decides for its requests.",
    ),
    (
        "errors",
        "Files, or texts with a status, that replace Sideman's own error pages. Clients that ask for JSON still get JSON. \
        Responses of the application are replaced only where a route has intercept.",
    ),
    ("maintenance", "Takes the application out of service without a restart."),
    ("static", "Files that are served without the application."),
    (
        "media",
        "Files that users uploaded, hardened: browsers run nothing in them in the site's name, whatever type they \
        claim. check_interval, symlinks, charset and types are those of [static].",
    ),
    (
        "accel",
        "Files that only the application may send, by X-Accel-Redirect and X-Sendfile. They share the memory of \
        [media]; check_interval, symlinks, charset and types are those of [static].",
    ),
    ("health", "Health checks of load balancers and containers."),
    ("admin", "The listener for metrics, separate from those for clients."),
    ("metrics", "Metrics that are written to stdout, in addition to those of the admin listener."),
    ("log", "The access log goes to stdout, events go to stderr."),
    ("shutdown", "What happens after SIGTERM."),
];

/// The table with the tables of the routes, and its short description.
pub const ROUTE_SECTION: (&str, &str) = (
    "route",
    "Named routes: [route.NAME] with the requests that it matches, at most one action, and policies. A name has \
     lower-case letters, digits and single _, such as api.",
);

/// Every setting that a route may have, in the order of the docs. None has a default: what a route does not set comes
/// from the next less specific route that matches, or from the other sections.
pub static ROUTE_KEYS: &[SettingKey] = routes::ROUTE;

/// Every other setting, in the order of [`SECTIONS`].
pub static KEYS: LazyLock<Vec<SettingKey>> = LazyLock::new(|| {
    let sections = [
        server::SERVER,
        tls::TLS,
        acme::ACME,
        upstream::UPSTREAM,
        memory::MEMORY,
        buffers::BUFFERS,
        compression::COMPRESSION,
        cache::CACHE,
        pages::ERRORS,
        pages::MAINTENANCE,
        files::STATIC,
        files::MEDIA,
        files::ACCEL,
        operation::HEALTH,
        operation::ADMIN,
        operation::METRICS,
        log::LOG,
        operation::SHUTDOWN,
    ];
    sections.concat()
});

/// Returns the key with this name, if it exists.
pub(super) fn find(name: &str) -> Option<&'static SettingKey> {
    KEYS.iter().find(|key| key.name == name)
}

/// Returns the key of a route with this last part, if it exists.
pub(super) fn find_of_route(leaf: &str) -> Option<&'static SettingKey> {
    ROUTE_KEYS.iter().find(|key| key.leaf() == leaf)
}
