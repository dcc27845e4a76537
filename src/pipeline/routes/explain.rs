//! Names the routes that a request matches, for `sideman check --request`.

use std::net::IpAddr;

use http::Method;

use super::{rule::RouteQuery, table::RouteTable};
use crate::{
    plan::{Plan, Purpose, RouteAction},
    rfc::path,
};

/// Returns the names of the routes that a request for a host, a port and a path matches, the most specific first. A
/// prefix of files of another section has the name of its setting, and the prefix.
pub fn matching_routes(
    plan: &Plan,
    (host, port, path): (Option<&str>, u16, &str),
    method: &Method,
    client: IpAddr,
) -> Vec<String> {
    let table = RouteTable::new(plan);
    let normal = path::normalize(path);
    let path = normal.as_deref().unwrap_or(path.as_bytes());
    let mut found = Vec::new();
    let host = host.map(str::as_bytes);
    table.collect(&RouteQuery { host, path, method, client, port }, &mut found);
    let names = table.routes_of(&found).map(|(_, route)| match (&route.name, &route.action) {
        (Some(name), _) => name.to_string(),
        (None, Some(RouteAction::Files { is_media, root, .. })) => section(plan, *is_media, *root),
        (None, _) => String::new(),
    });
    names.collect()
}

fn section(plan: &Plan, is_media: bool, root: usize) -> String {
    let files = if is_media { &plan.media } else { &plan.files };
    let Some(root) = files.roots.get(root) else { return String::new() };
    let setting = match root.purpose {
        Purpose::Static => "static.roots",
        Purpose::Media => "media.roots",
        Purpose::Internal => "accel.roots",
    };
    format!("{setting} {}", root.prefix)
}
