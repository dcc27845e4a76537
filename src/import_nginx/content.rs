//! What a location responds with: an application, files, a redirect or a fixed response.

use super::{
    location::{Location, joined},
    matcher::{Matcher, RoutePath},
    parser::Directive,
    report::Report,
    rewrites::{self, Rewrite},
    scope::Scope,
    settings::Action,
    target::{self, PathChange, Upstreams},
    text,
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
    /// The place whose headers and timeouts count: that of a named location, if one responds.
    pub(super) scope: Scope<'a>,
    /// Only the application may send these files.
    pub(super) is_internal: bool,
    /// Redirects of some paths.
    pub(super) redirects: Vec<rewrites::PathRedirect>,
}

/// What is known about the whole configuration.
pub(super) struct Surroundings<'a, 'c> {
    pub(super) upstreams: &'c Upstreams,
    pub(super) named: Vec<(&'c str, &'c Location<'a>)>,
}

/// Named locations may lead to each other; more steps are a circle.
const MOST_STEPS: usize = 4;

/// Returns what a location responds with.
pub(super) fn of_location<'a>(
    location: &Location<'a>,
    paths: &[RoutePath],
    around: &Surroundings<'a, '_>,
    report: &mut Report,
) -> Content<'a> {
    let scope = &location.scope;
    let mut content = Content {
        action: Action::None,
        source: None,
        path_change: PathChange::None,
        files_first: Vec::new(),
        spa: None,
        maintenance: None,
        has_index: false,
        max_in_flight: None,
        scope: scope.clone(),
        is_internal: !scope.own_named(&["internal"]).is_empty(),
        redirects: Vec::new(),
    };
    let is_finished = rewrite(location, &mut content, report);
    if is_finished {
        return content;
    }
    let tries = scope.own_named(&["try_files"]).pop();
    let pass = scope.own_named(&["proxy_pass", "uwsgi_pass"]).pop();
    match (tries, pass) {
        (Some(tries), None) => try_files(tries, location, paths, around, &mut content, report),
        (_, Some(pass)) => {
            if let Some(tries) = tries {
                report.lost(
                    tries,
                    "with `proxy_pass` beside it, write the two in locations of their own",
                );
            }
            pass_to(pass, location, around, &mut content, report);
        }
        (None, None) => {
            let old = scope.own_named(&["if"]).into_iter().find_map(|condition| {
                match rewrites::of_if(condition, scope) {
                    rewrites::Condition::MissingFile(pass) => Some(pass),
                    _ => None,
                }
            });
            match old {
                Some(pass) => {
                    content.files_first = directories(location, paths, None).unwrap_or_default();
                    pass_to(pass, location, around, &mut content, report);
                }
                None => files(location, paths, &mut content, report),
            }
        }
    }
    content
}

/// Translates `return` and `rewrite`; returns whether nothing else happens.
fn rewrite<'a>(location: &Location<'a>, content: &mut Content<'a>, report: &mut Report) -> bool {
    let scope = &location.scope;
    let captures = location.matcher.captures();
    for directive in scope.own_named(&["rewrite", "return"]) {
        let is_return = directive.name == "return";
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

fn pass_to<'a>(
    pass: &'a Directive,
    location: &Location<'a>,
    around: &Surroundings<'a, '_>,
    content: &mut Content<'a>,
    report: &mut Report,
) {
    content.source = Some(pass);
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
    content.action = Action::Upstream(target.urls);
    for name in [
        "proxy_pass_request_headers",
        "proxy_pass_request_body",
        "uwsgi_pass_request_headers",
        "uwsgi_pass_request_body",
    ] {
        if let Some(directive) = content.scope.last(&[name]) {
            match directive.arg(0) {
                "off" => report.lost(directive, "headers and bodies are always passed on"),
                _ => report.unnecessary(directive, "headers and bodies are always passed on"),
            }
        }
    }
}

/// Translates `try_files`.
fn try_files<'a>(
    tries: &'a Directive,
    location: &Location<'a>,
    paths: &[RoutePath],
    around: &Surroundings<'a, '_>,
    content: &mut Content<'a>,
    report: &mut Report,
) {
    content.source = Some(tries);
    let Some((fallback, items)) = tries.args.split_last() else { return };
    let mut found = Vec::new();
    for item in items.iter().map(|item| item.replace("${uri}", "$uri")) {
        match item.as_str() {
            "$uri" | "$request_filename" => {
                found.extend(directories(location, paths, None).unwrap_or_default());
            }
            "$uri/" | "$uri/index.html" | "$uri/index.htm" => content.has_index = true,
            "$uri.html" => {
                report.lost(tries, "no ending is added to a name: link to the name of the file")
            }
            item => match item
                .strip_suffix("$uri")
                .filter(|base| base.starts_with('/') && !text::has_variable(base))
            {
                Some(base) => {
                    found.extend(directories(location, paths, Some(base)).unwrap_or_default())
                }
                None if captured_rest(item, location).is_some() => {
                    let base = captured_rest(item, location).unwrap_or_default();
                    if let Some(root) = &location.root
                        && let Ok(directory) = root.base(&location.scope)
                    {
                        found.push(joined(&directory, base));
                    }
                }
                None if captured_rest(item.trim_end_matches('/'), location).is_some() => {}
                None if !text::has_variable(item) => {
                    fixed_file(item, tries, location, content, report)
                }
                None => report.lost(tries, format!("{item} is made of variables")),
            },
        }
    }
    let is_fixed = matches!(content.action, Action::File(_));
    if let Some(name) = fallback.strip_prefix('@') {
        content.files_first = found;
        return named(name, tries, location, around, content, report);
    }
    if let Some(status) = fallback.strip_prefix('=') {
        if !is_fixed {
            content.action = files_action(found, paths);
            if matches!(content.action, Action::None) {
                content.action = Action::Respond(status.to_owned());
            }
        }
        return;
    }
    let last = fallback.rsplit('/').next().unwrap_or_default();
    match fallback.as_str() {
        // The name itself again: nothing else is tried.
        fallback if fallback.ends_with("$uri") || is_fixed => {
            if let Some(base) = fallback.strip_suffix("$uri") {
                let base = if base == "/" { None } else { Some(base) };
                found.extend(directories(location, paths, base).unwrap_or_default());
            }
            if !is_fixed {
                content.action = files_action(found, paths);
            }
        }
        fallback if last.ends_with(".html") && !text::has_variable(fallback) => {
            let page = spa_page(fallback, &location.matcher);
            content.action = files_action(found, paths);
            match (page, &content.action) {
                (Some(page), Action::Files(_)) => content.spa = Some(page),
                (_, Action::None) => content.action = Action::Respond("404".into()),
                _ => report.lost(
                    tries,
                    "the page must be in the directory of the files: spa = \"index.html\"",
                ),
            }
        }
        _ => {
            content.action = files_action(found, paths);
            report.lost(
                tries,
                "the last item can be a named location, a status or a page: add a location for it",
            );
        }
    }
}

/// Returns the directory part of `/staticfiles/$1` in a location such as `/static/(.*)$`.
fn captured_rest<'t>(item: &'t str, location: &Location<'_>) -> Option<&'t str> {
    let Matcher::Expression { pattern, .. } = &location.matcher else { return None };
    let is_rest =
        pattern.ends_with("(.*)$") || pattern.ends_with("(.*$)") || pattern.ends_with("(.*)");
    let base = item.strip_suffix("$1").filter(|_| is_rest)?;
    (base.starts_with('/') && !text::has_variable(base)).then_some(base)
}

/// The page of a single-page application, as a name in the directory of the location.
fn spa_page(fallback: &str, matcher: &Matcher) -> Option<String> {
    let page = match matcher {
        Matcher::Prefix { path, .. } => fallback.strip_prefix(path.as_str())?,
        Matcher::Exact(_) | Matcher::Expression { .. } | Matcher::Named(_) => return None,
    };
    let page = page.trim_start_matches('/');
    (!page.is_empty() && !page.contains('/')).then(|| page.to_owned())
}

/// Translates an item of `try_files` without variables.
fn fixed_file(
    item: &str,
    tries: &Directive,
    location: &Location<'_>,
    content: &mut Content<'_>,
    report: &mut Report,
) {
    let Some(file) = location.root.as_ref().and_then(|root| root.base(&location.scope).ok()) else {
        return;
    };
    let file = joined(&file, item);
    if matches!(location.matcher, Matcher::Exact(_)) {
        if !matches!(content.action, Action::File(_)) {
            content.action = Action::File(file);
        }
    } else if item.contains("maintenance") || item.contains("50") {
        content.maintenance = Some(file);
    } else {
        report.lost(
            tries,
            format!("{item} would be sent for every name: give it a location of its own"),
        );
    }
}

/// Follows a named location.
fn named<'a>(
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
        }
        name = after.to_owned();
    }
    report.lost(source, format!("@{name} leads to no application"));
    content.action = Action::Respond("404".into());
}

/// Translates a location that only has files.
fn files<'a>(
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
    content.has_index = !location.scope.all(&["index"]).is_empty();
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

fn lost_files(directive: &Directive, remedy: &str, content: &mut Content<'_>, report: &mut Report) {
    report.lost(directive, format!("{remedy}. Until then it responds 404"));
    content.action = Action::Respond("404".into());
}

/// Returns the directories of a location's files, or the one file of an exact path. `below` is put before the path.
fn directories(
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
fn files_action(found: Vec<String>, paths: &[RoutePath]) -> Action {
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
