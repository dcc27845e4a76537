//! Conflicts between the settings of a named route, and between routes.

use crate::plan::{
    HeaderEdit, ListenAddress, PathPattern, Placeholder, RouteMatcher, TemplatePart,
    UpstreamTarget, UwsgiFlavour,
};

use super::{
    auth,
    conflict::{Conflict, twice, when},
    draft::Draft,
    file_place::{self, PrefixedPlace},
    header_edit, own_address, rate_limit,
    route_draft::RouteDraft,
    servers, upstream_tls,
    url::Scheme,
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
            own_servers(draft, route.servers.iter().map(|(_, target)| target))
        },
    },
    RouteConstraint {
        leaf: "auth",
        conflicts: |draft, route| own_servers(draft, route.auth.server().into_iter()),
    },
    RouteConstraint {
        leaf: "auth_response_headers",
        conflicts: |_, route| auth::without_server(&route.auth),
    },
    RouteConstraint {
        leaf: "auth_timeout",
        conflicts: |_, route| auth::without_server(&route.auth),
    },
    RouteConstraint { leaf: "path", conflicts: hidden_files },
    RouteConstraint { leaf: "upstream", conflicts: |_, route| other_action(route, "upstream") },
    RouteConstraint {
        leaf: "tls_ca",
        conflicts: |_, route| upstream_tls::without_tls(&route.servers),
    },
    RouteConstraint {
        leaf: "tls_server_name",
        conflicts: |_, route| upstream_tls::without_tls(&route.servers),
    },
    RouteConstraint {
        leaf: "tls_client_certificate",
        conflicts: |_, route| upstream_tls::without_tls(&route.servers),
    },
    RouteConstraint {
        leaf: "tls_verify",
        conflicts: |_, route| upstream_tls::without_tls(&route.servers),
    },
    RouteConstraint { leaf: "files", conflicts: |_, route| other_action(route, "files") },
    RouteConstraint {
        leaf: "files",
        conflicts: |_, route| file_place::after_bucket(route.files.iter()),
    },
    RouteConstraint { leaf: "media", conflicts: |_, route| other_action(route, "media") },
    RouteConstraint {
        leaf: "media",
        conflicts: |_, route| file_place::after_bucket(route.media.iter()),
    },
    RouteConstraint { leaf: "file", conflicts: |_, route| other_action(route, "file") },
    RouteConstraint { leaf: "redirect", conflicts: |_, route| other_action(route, "redirect") },
    RouteConstraint { leaf: "redirect", conflicts: missing_groups },
    RouteConstraint {
        leaf: "fallthrough",
        conflicts: |_, route| {
            let has_files = !route.files.is_empty() || !route.media.is_empty();
            when(
                route.falls_through && !has_files,
                "neither files nor media is set: set one, or remove this",
            )
        },
    },
    RouteConstraint {
        leaf: "spa",
        conflicts: |_, route| match route.falls_through {
            true => when(true, "fallthrough is set too: remove one of the two"),
            false => when(route.files.is_empty(), "files is not set: set it, or remove this"),
        },
    },
    RouteConstraint {
        leaf: "max_age",
        conflicts: |_, route| {
            let has_files =
                !route.files.is_empty() || !route.media.is_empty() || route.file.is_some();
            when(!has_files, "none of files, media and file is set: set one, or remove this")
        },
    },
    RouteConstraint {
        leaf: "rate_limit",
        conflicts: |draft, route| {
            rate_limit::without_redis(draft, route.policies.rate_limit.limit.as_ref())
        },
    },
    RouteConstraint {
        leaf: "rate_limit_exempt",
        conflicts: |draft, route| {
            rate_limit::without_limit(draft, !route.policies.rate_limit.exempt.is_empty())
        },
    },
    RouteConstraint {
        leaf: "rate_limit_dry_run",
        conflicts: |draft, route| {
            rate_limit::without_limit(draft, route.policies.rate_limit.is_dry_run == Some(true))
        },
    },
    RouteConstraint {
        leaf: "auth",
        conflicts: |_, route| auth::incomplete(&route.auth, route.has_fault),
    },
    RouteConstraint { leaf: "auth_users", conflicts: |_, route| auth::without_basic(&route.auth) },
    RouteConstraint { leaf: "auth_realm", conflicts: |_, route| auth::without_basic(&route.auth) },
    RouteConstraint { leaf: "auth_allow", conflicts: |_, route| auth::without_auth(&route.auth) },
    RouteConstraint {
        leaf: "strip_prefix",
        conflicts: |draft, route| match route.policies.replaced_prefix.is_some() {
            true => when(route.strips_prefix, "replace_prefix is set too: remove one of the two"),
            false if route.strips_prefix => no_prefix(draft, route),
            false => Vec::new(),
        },
    },
    RouteConstraint {
        leaf: "replace_prefix",
        conflicts: |draft, route| {
            let is_whole =
                route.policies.replaced_prefix.as_ref().is_some_and(|path| !path.ends_with('/'));
            let is_exact = |path: &PathPattern| matches!(path, PathPattern::Exact(_));
            let has_others = !route.matcher.paths.iter().all(is_exact);
            let fault = "it must end with / like the prefix that it replaces; only an exact path can become another one";
            let mut found = no_prefix(draft, route);
            if found.is_empty() {
                found = when(is_whole && has_others, fault);
            }
            found
        },
    },
    RouteConstraint {
        leaf: "script_name",
        conflicts: |draft, route| {
            let servers = if route.servers.is_empty() { &draft.servers } else { &route.servers };
            let is_uwsgi = servers.iter().any(|(scheme, _)| *scheme == Scheme::Uwsgi);
            let is_gunicorn = draft.uwsgi_flavour == UwsgiFlavour::Gunicorn;
            let fault = "gunicorn reads it over HTTP only: use an http:// address, or set FORCE_SCRIPT_NAME in Django";
            when(is_uwsgi && is_gunicorn, fault)
        },
    },
    RouteConstraint {
        leaf: "max_in_flight",
        conflicts: |_, route| {
            when(route.servers.is_empty(), "upstream is not set: set it, or remove this")
        },
    },
    RouteConstraint {
        leaf: "errors",
        conflicts: |_, route| {
            let statuses = route.policies.errors.iter().map(|page| page.statuses.to_string());
            twice(statuses, "a status is listed twice: remove one")
        },
    },
    RouteConstraint {
        leaf: "intercept",
        conflicts: |_, route| {
            let statuses = route.policies.intercept.iter().flatten().map(ToString::to_string);
            twice(statuses, "a status is listed twice: remove one")
        },
    },
    RouteConstraint {
        leaf: "request_headers",
        conflicts: |_, route| repeated_edits(&route.policies.request_headers),
    },
    RouteConstraint {
        leaf: "response_headers",
        conflicts: |_, route| repeated_edits(&route.policies.response_headers),
    },
];

/// Returns conflicts for servers that are Sideman itself.
fn own_servers<'a>(
    draft: &Draft,
    servers: impl Iterator<Item = &'a UpstreamTarget>,
) -> Vec<Conflict> {
    let own: Vec<&ListenAddress> =
        draft.plan.server.listen.iter().chain(&draft.tls.listen).collect();
    own_address::conflicts(servers, &own)
}

/// Returns conflicts for changes that are listed twice. Only the last of two values for one header would be used.
fn repeated_edits(edits: &[HeaderEdit]) -> Vec<Conflict> {
    let place = |edit: &HeaderEdit| match edit {
        HeaderEdit::Set(name, _) => format!("set {name}"),
        HeaderEdit::Default(name, _) => format!("default {name}"),
        HeaderEdit::Add(..) | HeaderEdit::Remove(_) => header_edit::show(edit),
    };
    twice(edits.iter().map(place), "a change is listed twice: remove one")
}

/// Returns a conflict if there is no prefix to replace: the application would get paths of others.
fn no_prefix(_: &Draft, route: &RouteDraft) -> Vec<Conflict> {
    let has_prefix =
        |path: &PathPattern| matches!(path, PathPattern::Exact(_) | PathPattern::Prefix(_));
    let paths = &route.matcher.paths;
    let fault = "every path of the route must be a prefix such as /api/, or exact: change path";
    when(paths.is_empty() || !paths.iter().all(has_prefix), fault)
}

/// Returns a conflict if a route has an action after this one.
fn other_action(route: &RouteDraft, name: &str) -> Vec<Conflict> {
    let actions = route.actions();
    let Some(other) = actions.iter().skip_while(|action| **action != name).nth(1) else {
        return Vec::new();
    };
    let plain = "the route has two actions: remove one";
    vec![Conflict::new(
        format!("{other} is set too, and a route has one action: remove one"),
        plain,
    )]
}

/// Returns a conflict if a redirect uses a group that an expression does not have, or a path that is none.
fn missing_groups(_: &Draft, route: &RouteDraft) -> Vec<Conflict> {
    let Some(redirect) = &route.redirect else { return Vec::new() };
    let group = |part: &TemplatePart| match part {
        TemplatePart::Value(Placeholder::Group(number)) => Some(usize::from(*number)),
        TemplatePart::Value(_) | TemplatePart::Text(_) => None,
    };
    let Some(largest) = redirect.location.iter().filter_map(group).max() else { return Vec::new() };
    let has_group = |path: &PathPattern| match path {
        PathPattern::Expression(one) => one.regex.captures_len() > largest,
        PathPattern::Exact(_) | PathPattern::Prefix(_) | PathPattern::Glob(_) => false,
    };
    let is_there = !route.matcher.paths.is_empty() && route.matcher.paths.iter().all(has_group);
    let text = format!(
        "{{{largest}}} is a group of the expression, but a path of the route has no such group"
    );
    let plain = "a path of the route does not have all groups of the location";
    if is_there { Vec::new() } else { vec![Conflict::new(text, plain)] }
}

/// Returns the names of two routes that match the same requests, if there are any: neither is more specific.
pub(super) fn equal_routes(routes: &[RouteDraft]) -> Option<(&str, &str)> {
    routes.iter().enumerate().find_map(|(index, one)| {
        let others = routes.get(index + 1..).unwrap_or_default();
        let other = others.iter().find(|other| are_equal(&one.matcher, &other.matcher))?;
        Some((one.name.as_str(), other.name.as_str()))
    })
}

/// Whether two matchers have a host and a path in common, and methods, clients and ports too.
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
        && is_same(one.ports.is_empty(), other.ports.is_empty())
        && (one.ports.is_empty() || one.ports.iter().any(|port| other.ports.contains(port)))
}

/// Returns a conflict if the route hides a prefix of files completely: one of the two is a mistake.
fn hidden_files(draft: &Draft, route: &RouteDraft) -> Vec<Conflict> {
    let RouteMatcher { hosts, paths, methods, clients, ports } = &route.matcher;
    let is_of_all =
        hosts.is_empty() && methods.is_empty() && clients.is_empty() && ports.is_empty();
    if route.actions().is_empty() || !is_of_all {
        return Vec::new();
    }
    let sections: [(&str, &[PrefixedPlace]); 3] = [
        ("static.roots", &draft.static_roots),
        ("media.roots", &draft.media_roots),
        ("accel.roots", &draft.accel_roots),
    ];
    let hidden = sections.iter().find_map(|(section, roots)| {
        let is_same = |(prefix, _): &&PrefixedPlace| {
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
