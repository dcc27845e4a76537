//! Conflicts between the settings of a named route, and between routes.

use crate::plan::{HeaderEdit, ListenAddress, PathPattern, RouteMatcher};

use super::{
    conflict::{Conflict, twice},
    draft::{Draft, PrefixedDirectory},
    header_edit, own_address,
    route_draft::RouteDraft,
    servers,
};

/// A constraint on one route, about the setting with this last part.
pub(super) struct RouteConstraint {
    pub(super) leaf: &'static str,
    pub(super) conflicts: fn(&Draft, &RouteDraft) -> Vec<Conflict>,
}

pub(super) const ROUTE_CONSTRAINTS: &[RouteConstraint] = &[
    RouteConstraint { leaf: "upstream", conflicts: |_, route| servers::conflicts(&route.servers) },
    RouteConstraint {
        leaf: "upstream",
        conflicts: |draft, route| {
            let own: Vec<&ListenAddress> =
                draft.plan.server.listen.iter().chain(&draft.tls.listen).collect();
            own_address::conflicts(route.servers.iter().map(|(_, target)| target), &own)
        },
    },
    RouteConstraint { leaf: "upstream", conflicts: hidden_files },
    // Only the last of two values for one header would be used.
    RouteConstraint {
        leaf: "response_headers",
        conflicts: |_, route| {
            let place = |edit: &HeaderEdit| match edit {
                HeaderEdit::Set(name, _) => format!("set {name}"),
                HeaderEdit::Default(name, _) => format!("default {name}"),
                HeaderEdit::Add(..) | HeaderEdit::Remove(_) => header_edit::show(edit),
            };
            let places = route.policies.response_headers.iter().map(place);
            twice(places, "a change is listed twice: remove one")
        },
    },
];

/// Returns the names of two routes that match the same requests, if there are any: neither is more specific.
pub(super) fn equal_routes(routes: &[RouteDraft]) -> Option<(&str, &str)> {
    routes.iter().enumerate().find_map(|(index, one)| {
        let others = routes.get(index + 1..).unwrap_or_default();
        let other = others.iter().find(|other| are_equal(&one.matcher, &other.matcher))?;
        Some((one.name.as_str(), other.name.as_str()))
    })
}

/// Whether two matchers have a host and a path in common, and the same methods and clients.
fn are_equal(one: &RouteMatcher, other: &RouteMatcher) -> bool {
    let share = |one: &[String], other: &[String]| match (one.is_empty(), other.is_empty()) {
        (true, true) => true,
        (false, false) => one.iter().any(|host| other.contains(host)),
        (true, false) | (false, true) => false,
    };
    let paths = |matcher: &RouteMatcher| match matcher.paths.as_slice() {
        [] => vec![PathPattern::Prefix("/".into())],
        paths => paths.to_vec(),
    };
    let (one_paths, other_paths) = (paths(one), paths(other));
    let is_same = |own: bool, other: bool| own == other;
    share(&one.hosts, &other.hosts)
        && one_paths.iter().any(|path| other_paths.contains(path))
        && is_same(one.methods.is_empty(), other.methods.is_empty())
        && (one.methods.is_empty()
            || one.methods.iter().any(|method| other.methods.contains(method)))
        && is_same(one.clients.is_empty(), other.clients.is_empty())
        && (one.clients.is_empty()
            || one.clients.iter().any(|client| other.clients.contains(client)))
}

/// Returns a conflict if the route hides a prefix of files completely: one of the two is a mistake.
fn hidden_files(draft: &Draft, route: &RouteDraft) -> Vec<Conflict> {
    let RouteMatcher { hosts, paths, methods, clients } = &route.matcher;
    if route.servers.is_empty() || !hosts.is_empty() || !methods.is_empty() || !clients.is_empty() {
        return Vec::new();
    }
    let sections: [(&str, &[PrefixedDirectory]); 3] = [
        ("static.roots", &draft.static_roots),
        ("media.roots", &draft.media_roots),
        ("accel.roots", &draft.accel_roots),
    ];
    let hidden = sections.iter().find_map(|(section, roots)| {
        let is_same = |(prefix, _): &&PrefixedDirectory| {
            paths.iter().any(|path| matches!(path, PathPattern::Prefix(own) if own == prefix))
        };
        roots.iter().find(is_same).map(|(prefix, _)| (section, prefix))
    });
    let Some((section, prefix)) = hidden else { return Vec::new() };
    let plain = "a path of this route is also a prefix of files: remove one of the two";
    let text = format!(
        "{prefix} is also in {section}, whose files would be hidden: remove one of the two"
    );
    vec![Conflict::new(text, plain)]
}
