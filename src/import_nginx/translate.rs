//! Translates a whole configuration. Each step has a module of its own; this is their order.

use std::collections::BTreeSet;

use super::{
    accel,
    assemble::{self, Owner},
    auth, error_pages,
    files::KNOWN_INCLUDES,
    https,
    known::{self, Duty},
    lifetimes,
    location::{self, Location},
    matcher::Matcher,
    parser::Directive,
    plan, policies, precedence,
    report::Report,
    scope::Scope,
    server_rules,
    servers::{self, Role, Server},
    settings::{Action, Base, Route, Settings, Value},
    surroundings::Surroundings,
    target::{self, Upstreams},
    template, text,
};

/// Blocks whose contents are no directives of a server.
const OPAQUE: [&str; 9] =
    ["upstream", "map", "geo", "types", "events", "split_clients", "charset_map", "mail", "stream"];

/// Returns the settings, and what became of the rest.
pub(super) fn translate(directives: &[Directive]) -> (Settings, Report) {
    let (mut settings, mut report) = (Settings::default(), Report::default());
    classify(directives, true, &mut report);
    settings.depends_on_clients = depends_on_clients(directives);
    let top = Scope::default().within(directives);
    let http = directives.iter().filter(|one| one.name == "http");
    let mut scopes: Vec<Scope<'_>> =
        http.map(|http| Scope::default().within(http.children())).collect();
    let is_bare = directives
        .iter()
        .any(|one| matches!(one.name.as_str(), "server" | "location" | "upstream"));
    if is_bare || scopes.is_empty() {
        scopes.push(top);
    }
    let blocks: Vec<&Directive> =
        scopes.iter().flat_map(|scope| scope.own_named(&["upstream"])).collect();
    let upstreams = target::upstreams(&blocks, &mut report);
    for scope in &scopes {
        http_block(scope, &upstreams, &mut settings, &mut report);
    }
    (settings, report)
}

/// Whether a directive compares or counts the addresses of clients.
fn depends_on_clients(directives: &[Directive]) -> bool {
    directives.iter().any(|one| {
        let is_rule =
            matches!(one.name.as_str(), "deny" | "limit_req" | "limit_conn" | "geo" | "satisfy")
                && one.args != ["all"];
        is_rule || one.name == "allow" && one.args != ["all"] || depends_on_clients(one.children())
    })
}

/// Records every directive that no other module translates.
fn classify(directives: &[Directive], is_main: bool, report: &mut Report) {
    for directive in directives {
        match known::duty(directive) {
            Some(Duty::Unnecessary(reason)) => report.unnecessary(directive, reason),
            Some(Duty::Lost(remedy)) => report.lost(directive, remedy),
            Some(Duty::Translated) if directive.name == "include" => include(directive, report),
            Some(Duty::Translated) if is_unknown_switch(directive) => {
                let placeholder = template::unresolved(directive.arg(0)).unwrap_or_default();
                report.lost(directive, text::unknown_placeholder(&placeholder));
            }
            Some(Duty::Translated | Duty::Closes(_)) => {}
            None => match template::unresolved(&directive.name) {
                Some(placeholder) => {
                    report.lost(directive, text::unknown_placeholder(&placeholder))
                }
                None if is_main => report.lost(directive, "unknown"),
                // What restricts access is recorded where it is looked for.
                None => {}
            },
        }
        let is_opaque = OPAQUE.contains(&directive.name.as_str());
        if let Some(block) = directive.block.as_deref().filter(|_| !is_opaque) {
            classify(block, false, report);
        }
    }
}

/// Whether a directive is on or off by a placeholder.
fn is_unknown_switch(directive: &Directive) -> bool {
    let name = directive.name.as_str();
    let is_switch =
        ["_buffering", "_intercept_errors", "_pass_request_headers", "_pass_request_body"]
            .iter()
            .any(|end| name.ends_with(end));
    is_switch && template::unresolved(directive.arg(0)).is_some()
}

/// Records an `include` that was not read.
fn include(directive: &Directive, report: &mut Report) {
    let path = directive.arg(0);
    let name = path.rsplit('/').next().unwrap_or_default();
    if KNOWN_INCLUDES.contains(&name) {
        report.unnecessary(
            directive,
            "comes with nginx or certbot; its contents have no effect any more",
        );
    } else if path.contains("modules-enabled") || path.contains("modules/") {
        report.unnecessary(directive, "loads modules of nginx");
    } else if let Some(placeholder) = template::unresolved(path) {
        report.lost(directive, text::unknown_placeholder(&placeholder));
    } else {
        report.differs(
            directive,
            "no file matches: name the files on the command line if there are any",
        );
    }
}

fn http_block(
    scope: &Scope<'_>,
    upstreams: &Upstreams,
    settings: &mut Settings,
    report: &mut Report,
) {
    let mut blocks = scope.own_named(&["server"]);
    // A file may have nothing but the locations of a server.
    let bare = Directive {
        name: "server".into(),
        args: Vec::new(),
        block: None,
        place: match scope.own().first() {
            Some(first) => first.place.clone(),
            None => return,
        },
    };
    if blocks.is_empty() {
        if scope.own_named(&["location"]).is_empty() {
            return;
        }
        let owner = Owner::default();
        policies::of_clients(scope, settings, report);
        server(&bare, scope, &owner, None, upstreams, settings, report);
        return;
    }
    // A snippet of locations beside servers belongs to none of them.
    for stray in scope.own_named(&["location"]) {
        report.lost(stray, "it belongs to no server: include the file from one");
    }
    blocks.sort_by_key(|block| block.place.clone());
    let found = servers::servers(&blocks, scope, report);
    let is_left_out = |server: &&Server<'_>| server.role == Role::LeftOut;
    for server in found.iter().filter(|server| !is_left_out(server)) {
        servers::listeners(server, settings, report);
    }
    // On one address, `ssl` of one server is that of all.
    settings.without_items("server.listen", "tls.listen");
    refuse_others(&found, settings, report);
    let serving: Vec<&Server<'_>> = found.iter().filter(|one| one.role == Role::Serves).collect();
    let first = serving.iter().find(|one| one.is_default()).or_else(|| {
        serving.iter().find(|one| !one.has_unknown_host || serving.len() == 1).or(serving.first())
    });
    let Some(first) = first.copied() else {
        return https::redirects(&found, upstreams, settings, report);
    };
    policies::of_clients(&first.scope, settings, report);
    let owner = Owner { ports: first.own_ports.clone(), ..Owner::default() };
    let mut base = server(first.directive, &first.scope, &owner, None, upstreams, settings, report);
    if let Some(base) = base.as_mut().filter(|_| !first.own_ports.is_empty()) {
        base.policies.remove("response_headers");
    }
    for other in serving.iter().filter(|one| !std::ptr::eq(one.directive, first.directive)) {
        if other.hosts.is_empty() && other.own_ports.is_empty() {
            report.lost(
                other.directive,
                "its requests cannot be distinguished from those of another server: name its hosts",
            );
            continue;
        }
        // On ports of its own it gets every host.
        let (hosts, name) = match other.own_ports.first() {
            Some(port) => (Vec::new(), format!("port {port}")),
            None => (other.hosts.clone(), other.hosts.first().cloned().unwrap_or_default()),
        };
        let owner = Owner { hosts, ports: other.own_ports.clone(), name };
        server(other.directive, &other.scope, &owner, base.as_ref(), upstreams, settings, report);
    }
    https::redirects(&found, upstreams, settings, report);
}

/// A server that refuses requests for unknown hosts becomes a list of the known ones. So does a server whose hosts
/// cannot be said: its requests must not reach another one.
fn refuse_others(found: &[Server<'_>], settings: &mut Settings, report: &mut Report) {
    let serving: Vec<&Server<'_>> = found.iter().filter(|one| one.role == Role::Serves).collect();
    let refusing = found.iter().find(|one| one.role == Role::RefusesOthers);
    let unknown = serving.iter().find(|one| one.has_unknown_host).filter(|_| serving.len() > 1);
    let Some(from) = refusing.or(unknown.copied()) else { return };
    let hosts: Vec<&String> = serving.iter().flat_map(|one| &one.hosts).collect();
    for host in &hosts {
        settings.push("server.allowed_hosts", (*host).clone(), servers::source(from.directive));
    }
    if let Some(refusing) = refusing
        && let Some(unknown) =
            serving.iter().find(|one| one.hosts.is_empty() || one.has_unknown_host)
    {
        report.lost(
            refusing.directive,
            format!(
                "server.allowed_hosts has no host of the server at {}",
                unknown.directive.place
            ),
        );
    }
}

/// Translates a server. Returns what others inherit, if it is the first.
fn server(
    directive: &Directive,
    scope: &Scope<'_>,
    owner: &Owner,
    base: Option<&Base>,
    upstreams: &Upstreams,
    settings: &mut Settings,
    report: &mut Report,
) -> Option<Base> {
    let mut locations = location::locations(scope, report);
    let pages = error_pages::translate(scope, &locations, base.is_none(), settings, report);
    let is_everything = !scope.own_named(&["return"]).is_empty()
        || scope.own_named(&["rewrite"]).iter().any(|one| is_redirect_of_everything(one, scope));
    let has_root = locations.iter().any(|location| location.matcher.is_root());
    if is_everything {
        // It comes before every location.
        locations.clear();
    }
    if !has_root || is_everything {
        locations.push(of_server_block(directive, scope));
    }
    let around = Surroundings::of(scope, &locations, upstreams);
    let mut rules = server_rules::server_rules(scope, settings, report);
    let mut planned = Vec::new();
    for (order, one) in locations.iter().enumerate() {
        if matches!(one.matcher, Matcher::Named(_))
            || is_page(one, &pages)
            || is_status(one, report)
            || lifetimes::translate(one, settings, report)
        {
            continue;
        }
        own_health_paths(one, settings);
        match plan::of_location(one, order, &around, &rules, settings, report) {
            Ok(found) => planned.extend(found),
            Err(unplanned) => {
                let line = one.directive();
                report.lost(
                    &line,
                    "the path cannot be said in a route: write it without wildcards and (?...)",
                );
                if unplanned.restricts {
                    let reason = format!(
                        "{}: a location that restricts access is not translated",
                        one.place
                    );
                    rules.closed.get_or_insert(reason);
                }
            }
        }
    }
    if let Some(reason) = &rules.closed {
        for one in &mut planned {
            one.route.closed.get_or_insert_with(|| reason.clone());
        }
    }
    for source in precedence::without_hashed(&mut planned) {
        if let Some(line) = location_line(&locations, &source) {
            report.unnecessary(
                &line,
                "files with a content hash in their name are immutable for a year",
            );
        }
    }
    for difference in precedence::settle(&mut planned) {
        let line = location_line(&locations, &difference.expression);
        if let Some(line) = line {
            report.differs(
                &line,
                format!("below {} the location of that prefix responds", difference.prefix),
            );
        }
    }
    let is_root = |one: &plan::Planned| {
        one.paths.iter().any(|path| *path == super::matcher::RoutePath::Prefix("/".into()))
    };
    let index = planned.iter().rposition(is_root);
    let root = index.map(|index| planned.remove(index));
    let (made, base) = match (root, base) {
        (Some(root), None) => {
            let made = assemble::base(&root, &owner.ports, settings);
            (Some(made.clone()), made)
        }
        (Some(root), Some(base)) => {
            assemble::root_of_host(&root, owner, base, settings);
            // Its other locations inherit from this one.
            let action = root.route.action.clone();
            let closed = root.route.closed.is_some();
            // The section has the TLS settings of the first server.
            let tls = base.tls.clone();
            (None, Base { action, policies: root.route.policies.clone(), tls, closed })
        }
        (None, base) => (None, base.cloned().unwrap_or_default()),
    };
    let is_at = |one: &plan::Planned, location: &Location<'_>| {
        one.source.starts_with(&format!("{}:", location.place))
    };
    for one in planned.iter().filter(|one| one.is_internal) {
        let Some(location) = locations.iter().find(|location| is_at(one, location)) else {
            continue;
        };
        if auth::is_server(location, &locations) {
            continue;
        }
        if let Some(line) = location_line(&locations, &one.source) {
            accel::report(one, &base, (location, &line), report);
        }
    }
    assemble::locations(&planned, owner, &base, settings);
    for mut redirect in rules.redirects {
        if redirect.hosts.is_empty() {
            redirect.hosts.clone_from(&owner.hosts);
        }
        redirect.ports.clone_from(&owner.ports);
        settings.add_route(redirect);
    }
    made
}

fn is_redirect_of_everything(rewrite: &Directive, scope: &Scope<'_>) -> bool {
    let found = super::rewrites::of_rewrite(rewrite, "/", scope, &text::Captures::default());
    matches!(found, Ok(super::rewrites::Rewrite::Everything(_)))
}

/// The location `/` of a server that has none.
fn of_server_block<'a>(directive: &Directive, scope: &Scope<'a>) -> Location<'a> {
    Location {
        matcher: Matcher::Prefix { path: "/".into(), is_final: false },
        place: directive.place.clone(),
        line: String::new(),
        scope: scope.clone(),
        root: location::of_scope(scope),
        outer: None,
    }
}

/// Whether a location only has the file of an error page.
fn is_page(location: &Location<'_>, pages: &BTreeSet<String>) -> bool {
    let is_other = ["return", "proxy_pass", "uwsgi_pass"];
    match &location.matcher {
        Matcher::Exact(path) | Matcher::Prefix { path, .. } => pages.contains(path),
        Matcher::Expression { pattern, .. } => {
            let is_internal = location.scope.last(&["internal"]).is_some();
            let name = |page: &str| {
                page.trim_start_matches('/').split('.').next().unwrap_or_default().to_owned()
            };
            is_internal
                && location.scope.own_named(&is_other).is_empty()
                && pages.iter().any(|page| pattern.contains(&name(page)))
        }
        Matcher::Named(_) => false,
    }
}

/// Whether a location has what Sideman does by itself: nginx's own numbers, or the usual health check.
fn is_status(location: &Location<'_>, report: &mut Report) -> bool {
    let responds = location.scope.own_named(&["return"]).pop().filter(|one| one.arg(0) == "200");
    if let (Matcher::Exact(path), Some(directive)) = (&location.matcher, responds)
        && path == "/healthz"
    {
        report.unnecessary(directive, "/healthz responds without it, for every Host: health.path");
        return true;
    }
    let Some(directive) = location.scope.own_named(&["stub_status"]).pop() else { return false };
    report.unnecessary(directive, "/metrics has more than this: admin.listen");
    true
}

/// Moves Sideman's health checks away from a path at which the configuration has something else.
fn own_health_paths(location: &Location<'_>, settings: &mut Settings) {
    let (Matcher::Exact(path) | Matcher::Prefix { path, .. }) = &location.matcher else { return };
    for (own, setting) in [("/healthz", "health.path"), ("/readyz", "health.ready_path")] {
        if path.trim_end_matches('/') == own {
            let value = Value::Text(format!("/sideman{own}"));
            settings.set(setting, value, format!("{}: {}", location.place, location.line));
        }
    }
}

/// Returns the line of the location that a source names.
fn location_line(locations: &[Location<'_>], source: &str) -> Option<Directive> {
    let found = locations.iter().find(|location| {
        source.starts_with(&format!("{}:", location.place)) || source == location.place.to_string()
    })?;
    let mut words = found.line.split(' ').map(str::to_owned);
    Some(Directive {
        name: words.next().unwrap_or_default(),
        args: words.collect(),
        block: None,
        place: found.place.clone(),
    })
}

/// Whether nothing at all was found.
pub(super) fn is_empty(settings: &Settings) -> bool {
    let has_upstream = settings.get("upstream.url").is_some();
    let has_files = ["static.roots", "media.roots"].iter().any(|name| settings.get(name).is_some());
    !has_upstream
        && !has_files
        && settings.routes().iter().all(|route: &Route| route.action == Action::None)
}
