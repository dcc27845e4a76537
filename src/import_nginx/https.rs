//! Servers on plain HTTP that redirect to a server with TLS.

use super::{
    assemble::{self, Owner},
    location,
    matcher::{Matcher, RoutePath},
    plan::{self, Planned},
    report::Report,
    server_rules::ServerRules,
    servers::{self, Role, Server},
    settings::{Action, Base, Route, Settings, Value},
    surroundings::Surroundings,
    target::Upstreams,
};

/// Translates servers that redirect to https: into one setting, and a route for each location below the path of ACME
/// challenges.
pub(super) fn redirects(
    found: &[Server<'_>],
    upstreams: &Upstreams,
    settings: &mut Settings,
    report: &mut Report,
) {
    for server in found.iter().filter(|one| one.role == Role::RedirectsToHttps) {
        settings.set("server.redirect_https", Value::Yes, servers::source(server.directive));
        other_hosts(server, found, settings, report);
        // Nothing else of it is reached.
        if !server.scope.own_named(&["return", "rewrite"]).is_empty() {
            continue;
        }
        let locations = location::locations(&server.scope, report);
        let around = Surroundings::of(&server.scope, &locations, upstreams);
        let rules = ServerRules::default();
        let mut planned = Vec::new();
        for (order, one) in locations.iter().enumerate().filter(|(_, one)| !one.matcher.is_root()) {
            if matches!(one.matcher, Matcher::Named(_)) {
                continue;
            }
            if !is_of_challenges(one.matcher.text()) {
                let line = one.directive();
                report.lost(
                    &line,
                    "plain HTTP only redirects, but for ACME challenges and health checks",
                );
                continue;
            }
            if let Ok(found) = plan::of_location(one, order, &around, &rules, settings, report) {
                planned.extend(found);
            }
        }
        // The same locations are often in the server with TLS too.
        let is_known = |one: &Planned| {
            let paths: Vec<String> = one.paths.iter().map(RoutePath::setting).collect();
            settings
                .routes()
                .iter()
                .any(|route| paths.iter().any(|path| route.paths.contains(path)))
        };
        planned.retain(|one| !is_known(one));
        let owner = Owner::default();
        assemble::locations(&planned, &owner, &Base::default(), settings);
    }
}

/// Hosts without a server with TLS are redirected by a route.
fn other_hosts(
    server: &Server<'_>,
    found: &[Server<'_>],
    settings: &mut Settings,
    report: &mut Report,
) {
    let Some((status, host)) = servers::https_target(server) else { return };
    if status != "301" {
        report.differs(
            server.directive,
            "the redirect to https is 301, and 308 for other methods than GET and HEAD",
        );
    }
    let has_tls = |host: &String| {
        found.iter().any(|one| one.is_tls() && (one.hosts.is_empty() || one.hosts.contains(host)))
    };
    let others: Vec<String> =
        server.hosts.iter().filter(|own| **own != host && !has_tls(own)).cloned().collect();
    if host == "{host}" || others.is_empty() {
        return;
    }
    report.differs(
        server.directive,
        format!("https://{host}/ is the second redirect, after one to https"),
    );
    settings.add_route(Route {
        name: format!("redirect {}", others.join(" ")),
        comments: vec![servers::source(server.directive)],
        hosts: others,
        action: Action::Redirect(format!("{status} https://{host}{{path}}{{query}}")),
        ..Route::default()
    });
}

/// Whether a location is about `/.well-known/acme-challenge/`.
fn is_of_challenges(path: &str) -> bool {
    const CHALLENGES: &str = "/.well-known/acme-challenge/";
    let path = path.replace('\\', "");
    let path = path.trim_start_matches('^');
    path.starts_with("/.well-known/acme-challenge")
        || (path.len() > 1 && CHALLENGES.starts_with(path))
}
