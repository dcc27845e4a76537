//! What a location responds with: an application, files, a redirect or a fixed response.

use super::{
    known,
    location::{Location, joined},
    matcher::{Matcher, RoutePath},
    parser::Directive,
    report::Report,
    rewrites::{self, Rewrite},
    scope::Scope,
    settings::{Action, Policies},
    surroundings::Surroundings,
    target::{self, PathChange},
    upstream_tls,
};

/// What a location responds with.
#[derive(Clone, Debug)]
pub(super) struct Content<'a> {
    pub(super) action: Action,
    /// The line that says so.
    pub(super) source: Option<&'a Directive>,
    pub(super) path_change: PathChange,
    /// Directories that are looked into before the application is asked.
    pub(super) files_first: Vec<String>,
    /// The page of a single-page application.
    pub(super) spa: Option<String>,
    /// A page that is sent instead of everything while it exists.
    pub(super) maintenance: Option<String>,
    /// Whether directories have an index file.
    pub(super) has_index: bool,
    pub(super) max_in_flight: Option<u32>,
    /// How the application is asked over TLS.
    pub(super) tls: Policies,
    /// The place whose headers and timeouts count: that of a named location, if one responds.
    pub(super) scope: Scope<'a>,
    /// Only the application may send these files.
    pub(super) is_internal: bool,
    /// Redirects of some paths.
    pub(super) redirects: Vec<rewrites::PathRedirect>,
    /// Whether whole paths name the files, also below a prefix.
    pub(super) has_whole_paths: bool,
    /// The file for the directory of the location itself.
    pub(super) index: Option<String>,
}

/// Named locations may lead to each other; more steps are a circle.
const MOST_STEPS: usize = 4;

/// Translates `return` and `rewrite`; returns whether nothing else happens.
pub(super) fn rewrite<'a>(
    location: &Location<'a>,
    content: &mut Content<'a>,
    report: &mut Report,
) -> bool {
    let scope = &location.scope;
    let captures = location.matcher.captures();
    for directive in scope.own_named(&["rewrite", "return"]) {
        let is_return = directive.name == "return";
        if let Some(path) = rewrites::of_exact(directive, &location.matcher) {
            content.path_change = PathChange::Replace(path);
            continue;
        }
        let found = match is_return {
            true => rewrites::of_return(directive, scope, &captures).map(Err),
            false => {
                rewrites::of_rewrite(directive, location.matcher.text(), scope, &captures).map(Ok)
            }
        };
        match found {
            Ok(Err(action)) => {
                content.action = action;
                content.source = Some(directive);
                return true;
            }
            Ok(Ok(Rewrite::Everything(target))) => {
                content.action = Action::Redirect(target);
                content.source = Some(directive);
                return true;
            }
            Ok(Ok(Rewrite::Paths(redirect))) => content.redirects.push(redirect),
            Ok(Ok(Rewrite::Change(change))) => content.path_change = change,
            Err(remedy) if is_return => {
                report.lost(directive, format!("{remedy}. Until then it responds with the status"));
                let status =
                    directive.arg(0).parse::<u16>().ok().filter(|code| (200..600).contains(code));
                let is_redirect = status.is_none_or(|status| (300..400).contains(&status));
                let status = status.filter(|_| !is_redirect).unwrap_or(404);
                content.action = Action::Respond(status.to_string());
                content.source = Some(directive);
                return true;
            }
            Err(remedy) => report.lost(directive, remedy),
        }
    }
    false
}

pub(super) fn pass_to<'a>(
    pass: &'a Directive,
    location: &Location<'a>,
    around: &Surroundings<'a, '_>,
    content: &mut Content<'a>,
    report: &mut Report,
) {
    content.source = Some(pass);
    // As a prefix, in accel.roots.
    if content.is_internal
        && let Some((base, change)) = target::with_rest_of_path(pass, &location.matcher)
        && let Ok(target) = target::target(&base, &content.scope, around.upstreams)
    {
        content.path_change = change;
        content.action = Action::Upstream(target.urls);
        return;
    }
    let target = match target::target(pass, &content.scope, around.upstreams) {
        Ok(target) => target,
        Err(remedy) => {
            report.lost(pass, remedy);
            content.action = Action::Respond("502".into());
            return;
        }
    };
    content.max_in_flight = target.max_in_flight;
    // A `rewrite` before it has already made the path.
    if content.path_change == PathChange::None {
        match target.path_change(&location.matcher) {
            Ok(change) => content.path_change = change,
            Err(remedy) => report.lost(pass, remedy),
        }
    }
    let is_expression = matches!(location.matcher, Matcher::Expression { .. });
    if is_expression && content.path_change != PathChange::None {
        report.lost(pass, "a prefix can only be removed from a path that begins with it: write a location with a prefix");
        content.path_change = PathChange::None;
        content.action = Action::Respond("502".into());
        return;
    }
    if target.urls.iter().any(|url| url.starts_with("https")) {
        content.tls = upstream_tls::policies(pass, &content.scope, report);
    }
    content.action = Action::Upstream(target.urls);
    for name in [
        "proxy_pass_request_headers",
        "proxy_pass_request_body",
        "uwsgi_pass_request_headers",
        "uwsgi_pass_request_body",
    ] {
        if let Some(directive) = content.scope.last(&[name]) {
            match directive.arg(0) {
                "off" if super::auth::is_server(location, around.all) => {
                    report.unnecessary(directive, "the auth server gets no body");
                }
                "off" => report.lost(directive, "headers and bodies are always passed on"),
                _ => report.unnecessary(directive, "headers and bodies are always passed on"),
            }
        }
    }
}

/// Follows a named location.
pub(super) fn named<'a>(
    name: &str,
    source: &'a Directive,
    location: &Location<'a>,
    around: &Surroundings<'a, '_>,
    content: &mut Content<'a>,
    report: &mut Report,
) {
    let mut name = name.to_owned();
    for _ in 0..MOST_STEPS {
        let Some((_, next)) = around.named.iter().find(|(known, _)| *known == name) else {
            report.lost(source, format!("there is no location @{name}"));
            content.action = Action::Respond("404".into());
            return;
        };
        content.scope = next.scope.clone();
        if rewrite(next, content, report) {
            return;
        }
        let tries = next.scope.own_named(&["try_files"]).pop();
        if let Some(pass) = next.scope.own_named(&["proxy_pass", "uwsgi_pass"]).pop() {
            return pass_to(pass, next, around, content, report);
        }
        // Files, and another named location for those that are missing.
        let missing = next.scope.own_named(&["error_page"]).into_iter().find_map(|page| {
            let (target, codes) = page.args.split_last()?;
            codes.iter().any(|code| code == "404").then_some(())?;
            target.strip_prefix('@')
        });
        let tried = tries.and_then(|tries| tries.args.last()?.strip_prefix('@'));
        let Some(after) = missing.or(tried) else { break };
        if let Some(root) = &next.root
            && let Ok(directory) = root.for_path(location.matcher.text(), &next.scope)
        {
            content.files_first.push(directory);
            content.has_index |= next.scope.own_named(&["try_files"]).is_empty() && has_index(next);
        }
        name = after.to_owned();
    }
    report.lost(source, format!("@{name} leads to no application"));
    content.action = Action::Respond("404".into());
}

/// Translates a location that only has files.
pub(super) fn files<'a>(
    location: &Location<'a>,
    paths: &[RoutePath],
    content: &mut Content<'a>,
    report: &mut Report,
) {
    let Some(root) = &location.root else {
        content.action = Action::Respond("404".into());
        return;
    };
    content.source = Some(root.directive);
    content.has_index = has_index(location);
    if root.is_alias() && matches!(location.matcher, Matcher::Expression { .. }) {
        let is_file = paths.iter().all(|path| matches!(path, RoutePath::Exact(_)));
        match root.base(&location.scope) {
            Ok(file) if is_file => content.action = Action::File(joined(&file, "")),
            Ok(_) => lost_files(
                root.directive,
                "write `root`, or a location without an expression",
                content,
                report,
            ),
            Err(remedy) => lost_files(root.directive, &remedy, content, report),
        }
        return;
    }
    match directories(location, paths, None) {
        Ok(found) => content.action = files_action(found, paths),
        Err(remedy) => lost_files(root.directive, &remedy, content, report),
    }
}

/// Reports lists of directories. Nobody looks for those of Django's own directories, whose names are in its pages.
pub(super) fn autoindex(location: &Location<'_>, report: &mut Report) {
    let Some(list) = location.scope.last(&["autoindex"]).filter(|one| one.arg(0) != "off") else {
        return;
    };
    let is_of_django = matches!(&location.matcher, Matcher::Prefix { path, .. }
        if ["static", "media", "upload", "assets"].iter().any(|name| path.contains(name)));
    match is_of_django {
        true => report.differs(list, known::NO_LIST),
        false => report.lost(list, known::NO_LIST),
    }
}

/// Whether directories have an index file: by `index`, or without it, as index.html is nginx's default. The files that
/// Django collects have none.
fn has_index(location: &Location<'_>) -> bool {
    let is_collected = matches!(&location.matcher, Matcher::Prefix { path, .. } if path.contains("static") || path.contains(".well-known"));
    match location.scope.last(&["index"]) {
        Some(index) => {
            index.args.iter().any(|name| matches!(name.as_str(), "index.html" | "index.htm"))
        }
        None => !is_collected,
    }
}

fn lost_files(directive: &Directive, remedy: &str, content: &mut Content<'_>, report: &mut Report) {
    report.lost(directive, format!("{remedy}. Until then it responds 404"));
    content.action = Action::Respond("404".into());
}

/// Returns the directories of a location's files, or the one file of an exact path. `below` is put before the path.
pub(super) fn directories(
    location: &Location<'_>,
    paths: &[RoutePath],
    below: Option<&str>,
) -> Result<Vec<String>, String> {
    let Some(root) = &location.root else { return Ok(Vec::new()) };
    let at = |path: &str| match below {
        Some(below) => Ok(joined(&root.base(&location.scope)?, &format!("{below}/{path}"))),
        None => root.for_path(path, &location.scope),
    };
    let prefix = paths.iter().find_map(|path| match path {
        RoutePath::Prefix(prefix) => Some(prefix.as_str()),
        _ => None,
    });
    let exact = paths.iter().find_map(|path| match path {
        RoutePath::Exact(path) => Some(path.as_str()),
        _ => None,
    });
    match prefix.or(exact) {
        Some(path) => Ok(vec![at(path)?]),
        // The whole path is looked up.
        None => Ok(vec![at("")?]),
    }
}

/// Files below a prefix, or the file of an exact path.
pub(super) fn files_action(found: Vec<String>, paths: &[RoutePath]) -> Action {
    let is_exact =
        !paths.is_empty() && paths.iter().all(|path| matches!(path, RoutePath::Exact(_)));
    let mut unique: Vec<String> = Vec::new();
    for one in found {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    match (is_exact, unique.len()) {
        (_, 0) => Action::None,
        (true, 1) => unique.pop().map_or(Action::None, Action::File),
        _ => match paths.iter().any(is_of_uploads) {
            true => Action::Media(unique),
            false => Action::Files(unique),
        },
    }
}

/// Whether a path is one that Django projects use for what users upload.
fn is_of_uploads(path: &RoutePath) -> bool {
    match path {
        RoutePath::Prefix(path) => path.contains("media") || path.contains("upload"),
        RoutePath::Exact(_) | RoutePath::Beginning(_) | RoutePath::Expression(_) => false,
    }
}
