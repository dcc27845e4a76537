//! The routes of one server, before they are written: what each location becomes, and which of two that match the same
//! path wins.

use std::collections::BTreeMap;

use super::{
    access::{self, Access},
    auth,
    content::Content,
    location::Location,
    matcher::{Matcher, RoutePath},
    parser::Directive,
    policies,
    rates::{self, Rates},
    report::Report,
    response,
    rewrites::{self, Condition},
    server_rules::{ServerRules, method_route},
    servers::source,
    settings::{Action, Policies, Route, Settings, Value},
    surroundings::Surroundings,
};

/// A location as a route.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) route: Route,
    pub(super) paths: Vec<RoutePath>,
    /// `^~`, or an exact path: no expression takes precedence.
    pub(super) is_final: bool,
    /// The order of expressions.
    pub(super) order: usize,
    /// The prefix of the location around it.
    pub(super) outer: Option<String>,
    /// For files below a prefix: the directory in which whole paths can be looked up instead.
    pub(super) whole_paths: Option<String>,
    pub(super) files_first: Vec<String>,
    pub(super) has_index: bool,
    pub(super) max_in_flight: Option<u32>,
    /// How its application is asked over TLS.
    pub(super) tls: Policies,
    pub(super) is_internal: bool,
    /// Whether it was a prefix, and became an expression.
    pub(super) was_prefix: bool,
    /// Whether it is a prefix without a final `/`, whose paths are implied.
    pub(super) implies_paths: bool,
    /// The lines of policies.
    pub(super) policy_sources: BTreeMap<&'static str, String>,
    /// The only methods, and the response to others.
    pub(super) methods: Option<(Vec<String>, String)>,
    /// Routes for some methods.
    pub(super) by_method: Vec<Route>,
    pub(super) source: String,
}

/// More prefixes of files become one expression.
const MOST_PATHS: usize = 8;

/// A location whose paths cannot be said in the settings; `restricts`: it must not be open.
#[derive(Debug)]
pub(super) struct Unplanned {
    pub(super) restricts: bool,
}

/// Translates a location. It may become several routes.
pub(super) fn of_location<'a>(
    location: &Location<'a>,
    order: usize,
    around: &Surroundings<'a, '_>,
    rules: &ServerRules,
    settings: &mut Settings,
    report: &mut Report,
) -> Result<Vec<Planned>, Unplanned> {
    let mut restrictions = Policies::new();
    let mut access = access::restrict(&location.scope, around, &mut restrictions, report);
    if access.closed.is_none() {
        access.closed.clone_from(&rules.closed);
    }
    let mut by_method = rules.by_method.clone();
    for directive in location.scope.own_named(&["if"]) {
        // The server's own block is that of the location `/` which it does not have.
        if location.line.is_empty() {
            continue;
        }
        of_condition(directive, location, &mut access, &mut by_method, settings, report);
    }
    let is_internal = location.scope.last(&["internal"]).is_some();
    // nginx refuses before it looks at networks.
    let refuses = location
        .scope
        .own_named(&["return"])
        .iter()
        .any(|one| one.arg(0).parse::<u16>().is_ok_and(|status| status >= 400));
    if refuses {
        restrictions.clear();
    }
    let is_strict = access.closed.is_some()
        || restrictions.contains_key("deny")
        || restrictions.contains_key("auth")
        || access.methods.is_some()
        || is_internal
        || refuses;
    let paths = match needs_groups(location) {
        Some(expression) => Some(vec![expression]),
        None => location.matcher.paths(is_strict),
    };
    let Some(paths) = paths else {
        return Err(Unplanned { restricts: is_strict });
    };
    let found = groups(location, paths)
        .into_iter()
        .flat_map(|paths| {
            let content = response::of_location(location, &paths, around, report);
            let mut route_policies = restrictions.clone();
            access_of_named(location, &content, around, &mut access, &mut route_policies, report);
            if content
                .source
                .is_some_and(|source| matches!(source.name.as_str(), "return" | "rewrite"))
            {
                // nginx has responded before it asks.
                route_policies.retain(|key, _| !auth::KEYS.contains(key));
            }
            policies::of_location(
                location,
                &content,
                around,
                &mut route_policies,
                settings,
                report,
            );
            maintenance(location, &content, settings, report);
            let paths = match (&location.matcher, content.has_whole_paths) {
                (Matcher::Prefix { path, .. }, true) if path != "/" => {
                    vec![RoutePath::Expression(format!("^{}", super::matcher::escaped(path)))]
                }
                _ => paths,
            };
            let rates = rates_of(location, &content, report);
            route_policies.extend(rates.all);
            let mut by_method = by_method.clone();
            by_method.extend(rates.by_method.map(|(methods, policies)| Route {
                name: "limit".into(),
                methods,
                policies,
                ..Route::default()
            }));
            // Without an action they would have that of the methods which are refused.
            if access.methods.is_some() || rules.methods.is_some() {
                for route in by_method.iter_mut().filter(|route| route.action == Action::None) {
                    route.action = content.action.clone();
                }
            }
            let planned = planned(
                location,
                paths,
                order,
                &content,
                &access,
                route_policies,
                rules,
                &by_method,
            );
            let redirects = redirects(location, order, &content, &planned);
            let limited = rates.by_path.map(|(paths, policies)| limited(&planned, paths, policies));
            let index = content.index.clone().map(|file| index_file(&planned, location, file));
            redirects.into_iter().chain(limited).chain(index).chain([planned]).collect::<Vec<_>>()
        })
        .collect();
    Ok(found)
}

/// The rate limit of a location. That of a whole server does not count its files.
fn rates_of(location: &Location<'_>, content: &Content<'_>, report: &mut Report) -> Rates {
    let is_own = !location.scope.own_named(&["limit_req"]).is_empty();
    let is_limited = match &content.action {
        Action::Upstream(_) => true,
        Action::Files(_) | Action::Media(_) | Action::File(_) => is_own,
        // nginx has responded before it counts.
        Action::Redirect(_) | Action::Respond(_) | Action::None => false,
    };
    if !is_limited {
        if let (Some(limit), true) =
            (location.scope.last(&["limit_req"]), content.action.is_of_files())
        {
            report.differs(limit, "files are not counted: they cost little, and a page has many");
        }
        return Rates::default();
    }
    match is_own {
        true => rates::of_scope(&location.scope, report),
        false => rates::of_scope(&content.scope, report),
    }
}

/// The route of the file for a directory.
fn index_file(of: &Planned, location: &Location<'_>, file: String) -> Planned {
    let mut index = of.clone();
    index.paths = vec![RoutePath::Exact(location.matcher.text().to_owned())];
    index.route.name = format!("{} index", of.route.name);
    index.route.action = Action::File(file);
    index.files_first.clear();
    index
}

/// The route of those paths of a location that have a rate limit.
fn limited(of: &Planned, paths: Vec<RoutePath>, policies: Policies) -> Planned {
    let mut limited = of.clone();
    limited.paths = paths;
    limited.route.name = format!("limit {}", of.route.name);
    limited.route.policies.extend(policies);
    limited.by_method.clear();
    limited.files_first.clear();
    limited
}

/// Returns the expression of a location whose redirect uses its groups.
fn needs_groups(location: &Location<'_>) -> Option<RoutePath> {
    let Matcher::Expression { pattern, ignores_case } = &location.matcher else { return None };
    let names = location.matcher.captures().names;
    let is_group = |piece: &super::text::Piece<'_>| match piece {
        super::text::Piece::Variable(name) => {
            name.parse::<usize>().is_ok()
                || names.iter().any(|known| known.as_deref() == Some(*name))
        }
        super::text::Piece::Text(_) => false,
    };
    let is_used = location.scope.own_named(&["return", "rewrite"]).iter().any(|directive| {
        directive.args.iter().skip(1).any(|arg| super::text::pieces(arg).iter().any(is_group))
    });
    let expression = super::matcher::expression(pattern, *ignores_case).filter(|_| is_used)?;
    Some(RoutePath::Expression(expression))
}

/// A page that is sent instead of everything while it exists.
fn maintenance(
    location: &Location<'_>,
    content: &Content<'_>,
    settings: &mut Settings,
    report: &mut Report,
) {
    let (Some(page), Some(directive)) = (&content.maintenance, content.source) else { return };
    let tries = location.scope.own_named(&["try_files"]).pop().unwrap_or(directive);
    if !location.matcher.is_root() {
        return report.lost(tries, "maintenance is for the whole site: maintenance.flag");
    }
    settings.set("maintenance.flag", Value::Text(page.clone()), source(tries));
    settings.set("errors.503", Value::Text(page.clone()), source(tries));
    report.differs(tries, "while the page exists, it is sent with the status 503");
}

/// A named location has restrictions of its own besides those of the location that leads to it.
fn access_of_named(
    location: &Location<'_>,
    content: &Content<'_>,
    around: &Surroundings<'_, '_>,
    access: &mut Access,
    policies: &mut Policies,
    report: &mut Report,
) {
    let is_other = content.scope.own().as_ptr() != location.scope.own().as_ptr();
    if !is_other {
        return;
    }
    let mut others = Policies::new();
    let other = access::restrict(&content.scope, around, &mut others, report);
    access.closed = access.closed.take().or(other.closed);
    if access.methods.is_none() {
        access.methods = other.methods;
    }
    for key in ["allow", "deny"].into_iter().chain(auth::KEYS) {
        match (policies.get(key), others.get(key)) {
            (None, Some(value)) => {
                policies.insert(key, value.clone());
            }
            (Some(one), Some(other)) if one != other => {
                access.closed = access.closed.take().or_else(|| {
                    Some(format!(
                        "{}: two different restrictions cannot be combined",
                        location.place
                    ))
                });
            }
            _ => {}
        }
    }
}

fn of_condition(
    directive: &Directive,
    location: &Location<'_>,
    access: &mut Access,
    by_method: &mut Vec<Route>,
    settings: &mut Settings,
    report: &mut Report,
) {
    match rewrites::of_if(directive, &location.scope) {
        Condition::Methods { methods, action, block } => {
            let scope = &location.scope;
            by_method.push(method_route(directive, scope, methods, action, block, report));
        }
        Condition::OnlyMethods { methods, status } => access.methods = Some((methods, status)),
        Condition::Maintenance(path) if location.matcher.is_root() => {
            settings.set("maintenance.flag", Value::Text(path), source(directive));
        }
        Condition::Maintenance(path) if response::is_own_file(&path, location) => {
            report.differs(directive, "it responds 503 whether the file exists or not")
        }
        Condition::MissingFile(_) => {}
        Condition::RedirectHttps if location.matcher.is_root() => {
            settings.set("server.redirect_https", Value::Yes, source(directive));
        }
        Condition::Unknown { restricts: true } => access::close(
            directive,
            "refuse these requests in the application, or at the load balancer",
            access,
            report,
        ),
        _ => report
            .lost(directive, "there are no conditions: use routes by host, path, method or client"),
    }
}

/// Splits the paths of files: each prefix has a directory of its own.
fn groups(location: &Location<'_>, paths: Vec<RoutePath>) -> Vec<Vec<RoutePath>> {
    let is_files =
        location.scope.own_named(&["proxy_pass", "uwsgi_pass", "return", "rewrite"]).is_empty();
    let Matcher::Expression { pattern, ignores_case } = &location.matcher else {
        return vec![paths];
    };
    if !is_files {
        return vec![paths];
    }
    // Whole paths can be looked up below `root`: one route is enough.
    let is_root = location.root.as_ref().is_some_and(|root| !root.is_alias());
    let tries = location.scope.own_named(&["try_files"]);
    if paths.len() > MOST_PATHS
        && is_root
        && tries.is_empty()
        && let Some(expression) = super::matcher::expression(pattern, *ignores_case)
    {
        return vec![vec![RoutePath::Expression(expression)]];
    }
    let base = |path: &RoutePath| match path {
        RoutePath::Exact(text) | RoutePath::Prefix(text) | RoutePath::Beginning(text) => {
            text.trim_end_matches('/').to_owned()
        }
        RoutePath::Expression(text) => text.clone(),
    };
    let mut groups: Vec<Vec<RoutePath>> = Vec::new();
    for path in paths {
        match groups
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| base(first) == base(&path)))
        {
            Some(group) => group.push(path),
            None => groups.push(vec![path]),
        }
    }
    groups
}

#[expect(clippy::too_many_arguments, reason = "the parts of one value, made by its only caller")]
fn planned(
    location: &Location<'_>,
    paths: Vec<RoutePath>,
    order: usize,
    content: &Content<'_>,
    access: &Access,
    policies: Policies,
    rules: &ServerRules,
    by_method: &[Route],
) -> Planned {
    let whole_paths = paths.iter().find_map(|path| match path {
        RoutePath::Prefix(prefix) => {
            location.root.as_ref()?.for_whole_paths(prefix, &location.scope)
        }
        _ => None,
    });
    let mut action = content.action.clone();
    let mut policies = policies;
    let denies_all = policies.get("deny") == Some(&Value::List(vec!["all".into()]));
    if denies_all && !policies.contains_key("allow") && access.closed.is_none() {
        action = Action::Respond("403".into());
        policies.clear();
    }
    let line = match location.line.is_empty() {
        true => location.place.to_string(),
        false => format!("{}: {}", location.place, location.line),
    };
    let mut comments = vec![line];
    if let Some(source) = content.source {
        comments.push(super::servers::source(source));
    }
    let source = comments.join("; ");
    Planned {
        route: Route {
            name: location.matcher.text().to_owned(),
            comments,
            action,
            policies,
            closed: access.closed.clone(),
            ..Route::default()
        },
        paths,
        is_final: matches!(
            location.matcher,
            Matcher::Prefix { is_final: true, .. } | Matcher::Exact(_)
        ),
        order,
        outer: location.outer.clone(),
        whole_paths,
        files_first: content.files_first.clone(),
        has_index: content.has_index,
        max_in_flight: content.max_in_flight,
        tls: content.tls.clone(),
        is_internal: content.is_internal,
        was_prefix: content.has_whole_paths,
        implies_paths: matches!(&location.matcher, Matcher::Prefix { path, .. } if !path.ends_with('/')),
        policy_sources: policies::sources(&content.scope),
        methods: methods(access, rules, by_method),
        by_method: by_method.to_vec(),
        source,
    }
}

/// The methods that are allowed, without those that have a route of their own.
fn methods(
    access: &Access,
    rules: &ServerRules,
    by_method: &[Route],
) -> Option<(Vec<String>, String)> {
    let (mut methods, status) = access.methods.clone().or_else(|| rules.methods.clone())?;
    methods.retain(|method| !by_method.iter().any(|route| route.methods.contains(method)));
    Some((methods, status))
}

/// Routes for the redirects of a location.
fn redirects(
    location: &Location<'_>,
    order: usize,
    content: &Content<'_>,
    of: &Planned,
) -> Vec<Planned> {
    // Those of the server are routes of their own.
    let own = if location.line.is_empty() { &[][..] } else { content.redirects.as_slice() };
    own.iter()
        .map(|redirect| Planned {
            route: Route {
                name: format!("redirect {}", location.matcher.text()),
                comments: of.route.comments.clone(),
                action: Action::Redirect(redirect.redirect.clone()),
                closed: of.route.closed.clone(),
                ..Route::default()
            },
            paths: redirect.paths.clone(),
            is_final: of.is_final,
            order,
            outer: location.outer.clone(),
            whole_paths: None,
            files_first: Vec::new(),
            has_index: false,
            max_in_flight: None,
            tls: Policies::new(),
            is_internal: of.is_internal,
            was_prefix: false,
            implies_paths: false,
            policy_sources: BTreeMap::new(),
            methods: None,
            by_method: Vec::new(),
            source: of.source.clone(),
        })
        .collect()
}
