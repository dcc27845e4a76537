//! Locations for `X-Accel-Redirect` alone: their directories and servers in `accel.roots`.

use super::{
    auth,
    location::Location,
    matcher::RoutePath,
    parser::Directive,
    plan::Planned,
    report::Report,
    settings::{Action, Base, Value},
};

/// The settings by which a location refuses networks.
const ACCESS: [&str; 2] = ["allow", "deny"];
const SENT_BY_APPLICATION: &str =
    "the headers of a file that the application names are its own: send this one there";
const TIMEOUT: &str = "the timeout of file servers is upstream.read_timeout: set it, or make the application the server";
/// Directives of such a location that `accel.roots` has nothing for, and what to do.
const NOT_THERE: [(&str, &str); 7] = [
    ("add_header", SENT_BY_APPLICATION),
    ("expires", SENT_BY_APPLICATION),
    ("proxy_read_timeout", TIMEOUT),
    ("proxy_cache", "what a file server sends is not stored"),
    (
        "proxy_ssl_trusted_certificate",
        "the certificates of file servers are verified by upstream.tls_ca: add this file there",
    ),
    ("proxy_ssl_certificate", "file servers get no client certificate: allow this machine there"),
    ("proxy_ssl_name", "the certificate must be for the host of the URL"),
];
const NO_HEADER: &str = "a file server gets no header of one's own: allow this machine there, or name the file with a signed query";

/// Returns the values of `accel.roots` for an `internal` location; none if they cannot be said there. Whoever the
/// application names a file for gets it, so that a location that refuses some clients has none.
pub(super) fn roots(one: &Planned, base: &Base) -> Vec<String> {
    if restricts(one, base) {
        return Vec::new();
    }
    let prefixes = one.paths.iter().filter_map(|path| match path {
        RoutePath::Prefix(prefix) => Some(prefix),
        RoutePath::Exact(_) | RoutePath::Beginning(_) | RoutePath::Expression(_) => None,
    });
    prefixes
        .flat_map(|prefix| {
            places(one, prefix).into_iter().map(move |place| format!("{prefix}={place}"))
        })
        .collect()
}

/// Reports what becomes of an `internal` location.
pub(super) fn report(
    one: &Planned,
    base: &Base,
    (location, line): (&Location<'_>, &Directive),
    report: &mut Report,
) {
    if restricts(one, base) {
        report.lost(
            line,
            "accel.roots refuses nobody for whom the application names a file: check that in the application, and add \
             it there. Until then clients get 404 here",
        );
        return;
    }
    let has_prefix = one.paths.iter().any(|path| matches!(path, RoutePath::Prefix(_)));
    if roots(one, base).is_empty() {
        // It is a page for errors, most likely.
        if one.route.action.is_of_files() && !has_prefix {
            return;
        }
        report.lost(
            line,
            "X-Accel-Redirect leads to a directory, a bucket or one server: name it in accel.roots. Until then clients \
             get 404 here",
        );
        return;
    }
    for directive in location.scope.own() {
        let remedy = NOT_THERE.iter().find(|(name, _)| *name == directive.name);
        if let Some((_, remedy)) = remedy {
            report.lost(directive, *remedy);
        }
        if directive.name == "proxy_set_header" && !is_usual(directive) {
            report.lost(directive, NO_HEADER);
        }
        if directive.name == "proxy_pass" && directive.arg(0).contains("$request_uri") {
            report.lost(directive, "the URL is that of X-Accel-Redirect, not that of the client");
        }
    }
}

/// Whether a location refuses clients that the rest of the site does not.
fn restricts(one: &Planned, base: &Base) -> bool {
    let is_own = |key: &&str| one.route.policies.get(*key) != base.policies.get(*key);
    one.route.closed.is_some() && !base.closed
        || one.methods.is_some()
        || !one.by_method.is_empty()
        || ACCESS.iter().chain(&auth::KEYS).any(is_own)
}

/// Whether a header says what a file server needs not know, or knows anyway.
fn is_usual(directive: &Directive) -> bool {
    let (name, value) = (directive.arg(0).to_ascii_lowercase(), directive.arg(1));
    value.is_empty()
        || name == "host" && value == "$proxy_host"
        || name.starts_with("x-forwarded-")
        || matches!(name.as_str(), "x-real-ip" | "connection" | "upgrade" | "accept-encoding")
}

fn places(one: &Planned, prefix: &str) -> Vec<String> {
    match &one.route.action {
        Action::Files(directories) | Action::Media(directories) => directories.clone(),
        Action::Upstream(servers) => match server(one, prefix, servers) {
            Some(server) => one.files_first.iter().cloned().chain([server]).collect(),
            None => Vec::new(),
        },
        Action::File(_) | Action::Redirect(_) | Action::Respond(_) | Action::None => Vec::new(),
    }
}

/// Returns the URL of a file server, whose path takes the place of the prefix.
fn server(one: &Planned, prefix: &str, servers: &[String]) -> Option<String> {
    let [server] = servers else { return None };
    if !server.starts_with("http://") && !server.starts_with("https://") {
        return None;
    }
    let policies = &one.route.policies;
    let base = match (policies.get("replace_prefix"), policies.contains_key("strip_prefix")) {
        (Some(Value::Text(base)), _) => base.as_str(),
        (Some(_), _) => return None,
        (None, true) => "/",
        // The whole path is passed on.
        (None, false) => prefix,
    };
    Some(format!("{server}{}", base.strip_suffix('/')?))
}
