//! Locations for `X-Accel-Redirect` alone: their directories and servers in `accel.roots`.

use super::{
    matcher::RoutePath,
    plan::Planned,
    settings::{Action, Value},
};

/// Returns the values of `accel.roots` for an `internal` location; none if they cannot be said there.
pub(super) fn roots(one: &Planned) -> Vec<String> {
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

/// Returns what a file server would have to be told, and cannot.
pub(super) fn losses(one: &Planned) -> Vec<&'static str> {
    let is_sent = |edit: &String| !edit.starts_with("remove ");
    let edits = one.route.policies.get("request_headers");
    let sends_fields = matches!(edits, Some(Value::List(edits)) if edits.iter().any(is_sent));
    let has = |key: &str| one.tls.contains_key(key);
    [
        (
            sends_fields,
            "a file server gets no header of one's own: allow this machine there, or name the file with a signed query",
        ),
        (
            has("tls_ca"),
            "the certificates of file servers are verified by upstream.tls_ca: add this file",
        ),
        (
            has("tls_client_certificate"),
            "file servers get no client certificate: allow this machine there",
        ),
    ]
    .into_iter()
    .filter_map(|(is_lost, remedy)| is_lost.then_some(remedy))
    .collect()
}

fn places(one: &Planned, prefix: &str) -> Vec<String> {
    match &one.route.action {
        Action::Files(directories) | Action::Media(directories) => directories.clone(),
        Action::Upstream(servers) => server(one, prefix, servers).into_iter().collect(),
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
