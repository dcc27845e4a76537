//! The `if` and `rewrite` of a server, which hold for all of its locations.

use super::{
    access::{self, Access},
    headers,
    matcher::RoutePath,
    parser::Directive,
    report::Report,
    rewrites::{self, Condition},
    scope::Scope,
    servers::source,
    settings::{Action, Policies, Route, Settings, Value},
    target::PathChange,
    text::Captures,
};

/// The rules for all locations of a server.
#[derive(Debug, Default)]
pub(super) struct ServerRules {
    pub(super) closed: Option<String>,
    pub(super) methods: Option<(Vec<String>, String)>,
    pub(super) by_method: Vec<Route>,
    /// Redirects of hosts and paths.
    pub(super) redirects: Vec<Route>,
}

/// Translates the `if` and `rewrite` of a server.
pub(super) fn server_rules(
    scope: &Scope<'_>,
    settings: &mut Settings,
    report: &mut Report,
) -> ServerRules {
    let mut rules = ServerRules::default();
    for directive in scope.own_named(&["if"]) {
        condition(directive, scope, &mut rules, settings, report);
    }
    for directive in scope.own_named(&["rewrite"]) {
        match rewrites::of_rewrite(directive, "/", scope, &Captures::default()) {
            Ok(rewrites::Rewrite::Paths(one)) => rules.redirects.push(Route {
                name: format!("redirect {}", directive.arg(0)),
                comments: vec![source(directive)],
                paths: one.paths.iter().map(RoutePath::setting).collect(),
                action: Action::Redirect(one.redirect),
                ..Route::default()
            }),
            // A redirect of everything is the action of the server.
            Ok(rewrites::Rewrite::Everything(_)) => {}
            Ok(rewrites::Rewrite::Change(PathChange::None)) => {}
            Ok(rewrites::Rewrite::Change(_)) => {
                report.lost(directive, "write it into the location whose path it changes");
            }
            Err(remedy) => report.lost(directive, remedy),
        }
    }
    rules
}

fn condition(
    directive: &Directive,
    scope: &Scope<'_>,
    rules: &mut ServerRules,
    settings: &mut Settings,
    report: &mut Report,
) {
    match rewrites::of_if(directive, scope) {
        Condition::RedirectHttps => {
            settings.set("server.redirect_https", Value::Yes, source(directive));
            let is_by_proxy =
                directive.args.iter().any(|arg| arg.contains("$http_x_forwarded_proto"));
            if is_by_proxy && !settings.trust_private(source(directive), directive, report) {
                report.lost(
                    directive,
                    "set server.trusted_proxies to the networks of the load balancer: redirect_https needs its \
                     X-Forwarded-Proto",
                );
            }
        }
        Condition::CanonicalHost(host) => {
            let other = match host.strip_prefix("www.") {
                Some(bare) => bare.to_owned(),
                None => format!("www.{host}"),
            };
            let names =
                scope.last(&["server_name"]).map(|names| names.args.clone()).unwrap_or_default();
            match names.iter().all(|name| *name == host || *name == other) {
                true => {
                    let value = Value::Text(host);
                    settings.set("server.canonical_host", value, source(directive));
                }
                false => report.lost(
                    directive,
                    "server.canonical_host redirects www. alone: redirect other hosts with a route",
                ),
            }
        }
        Condition::Host { host, redirect } => rules.redirects.push(Route {
            name: format!("redirect {host}"),
            comments: vec![source(directive)],
            hosts: vec![host],
            action: Action::Redirect(redirect),
            ..Route::default()
        }),
        Condition::Methods { methods, action, block } => {
            rules.by_method.push(method_route(directive, scope, methods, action, block, report));
        }
        Condition::OnlyMethods { methods, status } => rules.methods = Some((methods, status)),
        Condition::Maintenance(path) => {
            settings.set("maintenance.flag", Value::Text(path), source(directive));
        }
        Condition::MissingFile(_) => {
            report.lost(directive, "write it into `location /`");
        }
        Condition::Unknown { restricts: true } => {
            let mut access = Access::default();
            access::close(
                directive,
                "refuse these requests in the application, or at the load balancer",
                &mut access,
                report,
            );
            rules.closed = rules.closed.take().or(access.closed);
        }
        Condition::Unknown { restricts: false } => {
            report.lost(
                directive,
                "there are no conditions: use routes by host, path, method or client",
            );
        }
    }
}

/// A route for some methods, without its paths.
pub(super) fn method_route(
    directive: &Directive,
    scope: &Scope<'_>,
    methods: Vec<String>,
    action: Action,
    block: &[Directive],
    report: &mut Report,
) -> Route {
    let mut policies = Policies::new();
    let scope = scope.within(block);
    let captures = Captures::default();
    headers::of_responses(&scope, &captures, headers::HeaderUse::Other, &mut policies, report);
    let name = methods.join(" ");
    Route { name, comments: vec![source(directive)], methods, action, policies, ..Route::default() }
}
