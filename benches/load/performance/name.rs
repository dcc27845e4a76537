//! The names of servers, as their projects write them.

/// The name of a server for a heading.
pub(super) fn title(name: &str) -> &str {
    match name {
        "sideman" => "Sideman",
        "haproxy" => "HAProxy",
        "haproxy-short" => "HAProxy, short queue",
        other => other,
    }
}
