//! The table of all settings, a file for a few sections. A row has everything about a setting: names, default, format
//! and bounds, where its value is stored in the plan, and its documentation. File, environment, flags, docs/settings.md,
//! config/sideman.toml and messages use the rows. To add a setting, add a row here and a field in `plan/`. Formats are
//! in `config/format.rs` and beside their parsers, constraints between settings in `config/constraints.rs`.

mod key;
mod kind;

mod buffers;
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

pub use self::key::{FlagSpec, SettingKey};
pub(super) use self::kind::InvalidValue;

/// The sections of the settings file, in order, with a sentence or two on each.
pub const SECTIONS: &[(&str, &str)] = &[
    ("server", "The side of the clients."),
    (
        "tls",
        "TLS towards clients, versions 1.2 and 1.3, spoken where tls.listen says; everywhere else \
         clients are spoken to by plain HTTP.",
    ),
    (
        "upstream",
        "The application: gunicorn, uWSGI, uvicorn, daphne; how it is spoken to and protected.",
    ),
    (
        "routes",
        "What differs below a prefix of the path. A prefix is compared letter by letter with the \
         decoded path: /api/ is not /api, and /api is /apis too. The longest that fits decides.",
    ),
    (
        "memory",
        "The memory of the process. buffers.memory, static.memory and media.memory are shares of it.",
    ),
    ("buffers", "Bodies that wait: requests until they are complete, answers until they are read."),
    (
        "errors",
        "Files that are sent in place of the pages that Sideman makes itself, by status; clients that \
         ask for JSON get JSON all the same. What the application answers is never replaced.",
    ),
    ("maintenance", "Taking the application out of service, without a restart."),
    ("static", "Files that are served without asking the application."),
    (
        "media",
        "Files that users uploaded: hardened. Nothing in them acts in the site's name, whatever it \
         claims to be. check_interval, symlinks, charset and types are those of [static].",
    ),
    (
        "accel",
        "Files that only the application may send: X-Accel-Redirect and X-Sendfile. Kept in the \
         memory of [media]; check_interval, symlinks, charset and types are those of [static].",
    ),
    ("health", "The answers for load balancers and container health checks."),
    ("admin", "The listener for metrics, apart from the one for clients."),
    ("log", "The access log goes to stdout, events go to stderr."),
    ("shutdown", "What happens after SIGTERM."),
];

/// Every setting, in the order of [`SECTIONS`].
pub static KEYS: LazyLock<Vec<SettingKey>> = LazyLock::new(|| {
    let sections = [
        server::SERVER,
        tls::TLS,
        upstream::UPSTREAM,
        routes::ROUTES,
        memory::MEMORY,
        buffers::BUFFERS,
        pages::ERRORS,
        pages::MAINTENANCE,
        files::STATIC,
        files::MEDIA,
        files::ACCEL,
        operation::HEALTH,
        operation::ADMIN,
        log::LOG,
        operation::SHUTDOWN,
    ];
    sections.concat()
});

/// The key called `name`, if there is one.
pub(super) fn find(name: &str) -> Option<&'static SettingKey> {
    KEYS.iter().find(|key| key.name == name)
}
