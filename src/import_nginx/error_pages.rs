//! `error_page`: files that replace error pages, those of Sideman and, with `proxy_intercept_errors`, those of the
//! application.

use std::collections::BTreeSet;

use super::{
    content::Content,
    location::Location,
    matcher::Matcher,
    parser::Directive,
    report::Report,
    rewrites,
    scope::Scope,
    servers::source,
    settings::{Action, Policies, Settings, Value},
    surroundings::Surroundings,
    text::{self, Captures},
};

/// The statuses of pages that can be replaced.
const STATUSES: [&str; 15] = [
    "400", "403", "404", "405", "408", "413", "414", "421", "429", "431", "500", "502", "503",
    "504", "507",
];

/// The page that comes with nginx.
const SAMPLE: &str = "/usr/share/nginx/html/50x.html";

const KEEPS_STATUS: &str = "the status of an error stays the same: remove `=`";
const NEVER_SENT: &str = "Sideman never responds with these statuses itself";
const NO_TEXT: &str =
    "write the text into a file, and name it in errors.*; clients that ask for JSON get JSON";

/// What an `error_page` names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Page {
    File(String),
    /// A page without contents of its own: that of nginx, or of a `return` with the status alone.
    BuiltIn,
    /// A path of the application.
    OfApplication,
    /// The text of a `return`.
    Text(String),
}

/// Translates the error pages of a server, and of its location `/`, into those of the section. Returns the paths of the
/// pages, which need no route. `is_first`: the section is that of this server.
pub(super) fn translate(
    server: &Scope<'_>,
    locations: &[Location<'_>],
    is_first: bool,
    settings: &mut Settings,
    report: &mut Report,
) -> BTreeSet<String> {
    let mut pages = BTreeSet::new();
    let every = locations
        .iter()
        .filter(|location| !is_of_files(location))
        .flat_map(|location| location.scope.own_named(&["error_page"]));
    for page in server.all(&["error_page"]).into_iter().chain(every) {
        pages.extend(page.args.last().filter(|target| target.starts_with('/')).cloned());
    }
    if !is_first {
        return pages;
    }
    let is_root = |location: &&Location<'_>| location.matcher.is_root();
    let of_root = locations
        .iter()
        .filter(is_root)
        .flat_map(|location| location.scope.own_named(&["error_page"]));
    for page in server.all(&["error_page"]).into_iter().chain(of_root) {
        of_section(page, server, locations, settings, report);
    }
    pages
}

/// Whether a location has files, and another location for those that are missing: that is translated as one.
fn is_of_files(location: &Location<'_>) -> bool {
    matches!(location.matcher, Matcher::Named(_))
        && location.scope.own_named(&["proxy_pass", "uwsgi_pass"]).is_empty()
}

fn of_section(
    page: &Directive,
    server: &Scope<'_>,
    locations: &[Location<'_>],
    settings: &mut Settings,
    report: &mut Report,
) {
    let Some(found) = read(page, server, locations, false, report) else { return };
    let Found { values, .. } = &found;
    if found.codes.is_empty() && !intercepts(server, locations) {
        return report.unnecessary(page, NEVER_SENT);
    }
    for (code, value) in found.codes.iter().zip(values) {
        let name = format!("errors.{code}");
        if !settings.set(&name, Value::Text(value.clone()), source(page)) {
            report.lost(page, format!("one page for each status: {name} is already another file"));
        }
    }
}

/// Translates what the section does not say: pages of this location alone, and the statuses of the application whose
/// responses they replace.
pub(super) fn of_location(
    content: &Content<'_>,
    around: &Surroundings<'_, '_>,
    policies: &mut Policies,
    settings: &Settings,
    report: &mut Report,
) {
    let intercept = intercept(content, report);
    let (mut errors, mut statuses): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    // nginx takes the first page for a status.
    let is_listed = |code: &str, errors: &[String]| {
        errors.iter().any(|one| one.split('=').next() == Some(code))
    };
    let pages = content.scope.all(&["error_page"]);
    for page in &pages {
        let is_intercepted = intercept.is_some();
        let Some(found) = read(page, &around.server, around.all, is_intercepted, report) else {
            continue;
        };
        if is_intercepted && found.page == Page::OfApplication {
            report.lost(page, "the page comes from the application: name a file in errors.*");
            continue;
        }
        if found.codes.is_empty() && !intercepts(&around.server, around.all) {
            report.unnecessary(page, NEVER_SENT);
        }
        for (index, code) in found.codes.into_iter().enumerate() {
            if let Some(value) = found.values.get(index)
                && settings.get(&format!("errors.{code}")) != Some(&Value::Text(value.clone()))
                && !is_listed(&code, &errors)
            {
                errors.push(format!("{code}={value}"));
            }
            if is_intercepted && !statuses.contains(&code) {
                statuses.push(code);
            }
        }
    }
    if let (Some(intercept), true) = (intercept, pages.is_empty()) {
        report.unnecessary(intercept, "no error_page says by what");
    }
    if !errors.is_empty() {
        policies.insert("errors", Value::List(errors));
    }
    if !statuses.is_empty() {
        policies.insert("intercept", Value::List(statuses));
    }
}

/// Returns the line with which a location replaces responses of its application.
fn intercept<'a>(content: &Content<'a>, report: &mut Report) -> Option<&'a Directive> {
    let Action::Upstream(urls) = &content.action else { return None };
    let name = match urls.iter().any(|url| url.starts_with("uwsgi")) {
        true => "uwsgi_intercept_errors",
        false => "proxy_intercept_errors",
    };
    let directive = content.scope.last(&[name])?;
    if directive.arg(0) != "on" {
        report.unnecessary(directive, "off is the default");
        return None;
    }
    Some(directive)
}

/// Whether responses of an application are replaced somewhere.
fn intercepts(server: &Scope<'_>, locations: &[Location<'_>]) -> bool {
    let names = ["proxy_intercept_errors", "uwsgi_intercept_errors"];
    let is_on = |scope: &Scope<'_>| {
        names.iter().any(|name| scope.last(&[name]).is_some_and(|one| one.arg(0) == "on"))
    };
    is_on(server) || locations.iter().any(|location| is_on(&location.scope))
}

/// An `error_page` that is understood.
struct Found {
    page: Page,
    /// Those that matter.
    codes: Vec<String>,
    /// The setting for each of them; none if the built-in page is sent.
    values: Vec<String>,
}

/// Reads an `error_page`, and reports what cannot be translated.
fn read(
    page: &Directive,
    server: &Scope<'_>,
    locations: &[Location<'_>],
    is_intercepted: bool,
    report: &mut Report,
) -> Option<Found> {
    let (target, codes) = page.args.split_last()?;
    let (changes, codes): (Vec<&String>, Vec<&String>) =
        codes.iter().partition(|code| code.starts_with('='));
    let is_asked = server.each().any(asks);
    if !target.starts_with('/') {
        if codes.iter().all(|code| *code == "497") {
            report.unnecessary(page, "plain HTTP on a port with TLS is refused");
            return None;
        }
        if codes.iter().all(|code| *code == "401") && is_asked {
            report
                .differs(page, "what the auth server responds goes to the client: let it redirect");
            return None;
        }
    }
    let is_known = |code: &&&String| {
        let is_error = code.parse::<u16>().is_ok_and(|code| (400..600).contains(&code));
        let is_password = code.as_str() == "401" && server.each().any(has_password);
        STATUSES.contains(&code.as_str()) || is_password || is_intercepted && is_error
    };
    let known: Vec<String> = codes.iter().filter(is_known).map(|code| (*code).clone()).collect();
    if is_intercepted && known.len() < codes.len() {
        report.lost(page, "only responses with a status from 400 on can be replaced");
    }
    if known.is_empty() {
        return Some(Found { page: Page::BuiltIn, codes: known, values: Vec::new() });
    }
    let is_passed_on = is_intercepted && is_passed_on(target, locations);
    let (found, own_status) = match resolve(target, server, locations) {
        Ok(_) if is_passed_on => (Page::OfApplication, None),
        Ok(found) => found,
        Err(remedy) => {
            report.lost(page, remedy);
            return None;
        }
    };
    // `=` alone is the status of what is sent in its place.
    let status = match changes.first().map(|change| change.as_str()) {
        None => None,
        Some("=") => Some(own_status.unwrap_or_else(|| "200".into())),
        Some(change) => Some(change.trim_start_matches('=').to_owned()),
    };
    if found == Page::OfApplication {
        if !is_intercepted {
            report.differs(
                page,
                "the page would come from the application: a file, or Sideman itself, has one in its place",
            );
        }
        return Some(Found { page: found, codes: known, values: Vec::new() });
    }
    let is_error =
        |status: &str| status.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
    let is_same = |status: &String| known.iter().all(|code| code == status);
    let status = match status {
        Some(status) if is_same(&status) => None,
        Some(status) if is_error(&status) && found != Page::BuiltIn => Some(status),
        Some(_) => {
            report.lost(page, KEEPS_STATUS);
            None
        }
        None => None,
    };
    let values = match &found {
        Page::File(file) => {
            let value = status.map_or_else(|| file.clone(), |status| format!("{status} {file}"));
            vec![value; known.len()]
        }
        Page::Text(text) => {
            let own = |code: &String| format!("{} {text}", status.as_ref().unwrap_or(code));
            known.iter().map(own).collect()
        }
        Page::BuiltIn => {
            report
                .unnecessary(page, "Sideman has error pages of its own; this one comes with nginx");
            Vec::new()
        }
        Page::OfApplication => Vec::new(),
    };
    Some(Found { page: found, codes: known, values })
}

/// Returns the page that a target names, and the status of a `return`.
fn resolve(
    target: &str,
    server: &Scope<'_>,
    locations: &[Location<'_>],
) -> Result<(Page, Option<String>), String> {
    if let Some(name) = target.strip_prefix('@') {
        return of_named(name, server, locations);
    }
    if !target.starts_with('/') || target.contains('$') {
        return Err("only a file can replace an error page: errors.404, errors.502".into());
    }
    if let Some(directive) =
        of_path(target, locations).and_then(|found| found.scope.own_named(&["return"]).pop())
    {
        return of_return(directive, server);
    }
    match file(target, server, locations) {
        Ok(file) if file == SAMPLE => Ok((Page::BuiltIn, None)),
        Ok(file) => Ok((Page::File(file), None)),
        Err(_) if is_of_application(target, locations) => Ok((Page::OfApplication, None)),
        Err(remedy) => Err(remedy),
    }
}

/// Returns the page of a named location that responds with one file, or one status.
fn of_named(
    name: &str,
    server: &Scope<'_>,
    locations: &[Location<'_>],
) -> Result<(Page, Option<String>), String> {
    let is_named = |one: &&Location<'_>| matches!(&one.matcher, Matcher::Named(own) if own == name);
    let location =
        locations.iter().find(is_named).ok_or_else(|| format!("there is no location @{name}"))?;
    let scope = &location.scope;
    let other = || {
        format!(
            "@{name} is more than one file: name a file in errors.*, as in errors.502 = \"/srv/502.html\""
        )
    };
    let acting =
        scope.own_named(&["return", "rewrite", "try_files", "proxy_pass", "uwsgi_pass", "if"]);
    let [first] = acting.as_slice() else { return Err(other()) };
    match first.name.as_str() {
        "return" => of_return(first, scope),
        // `rewrite ^ /down.html break`, `try_files /down.html =502`
        "rewrite" | "try_files" => {
            let is_rewrite = first.name == "rewrite";
            let path = first.arg(usize::from(is_rewrite));
            let matches_all =
                matches!(first.arg(0), "^" | "^(.*)$" | "^(.*)" | ".*" | "^.*$" | "(.*)" | "^/");
            let is_fixed =
                path.starts_with('/') && !text::has_variable(path) && !path.contains('?');
            let is_last = is_rewrite && first.arg(2) != "break";
            let redirects = is_rewrite && matches!(first.arg(2), "permanent" | "redirect");
            if !is_fixed || redirects || is_rewrite && !matches_all {
                return Err(other());
            }
            let file = match &location.root {
                _ if is_last => file(path, server, locations)?,
                Some(root) => super::location::joined(&root.base(scope)?, path),
                None => return Err(other()),
            };
            Ok((Page::File(file), None))
        }
        _ => Err(
            "another application cannot respond in place of the first one: name a file in errors.*"
                .into(),
        ),
    }
}

/// Returns the page that a `return` responds with, and its status.
fn of_return(directive: &Directive, scope: &Scope<'_>) -> Result<(Page, Option<String>), String> {
    /// Longer texts are better in a file.
    const LONGEST: usize = 4096;
    let action = rewrites::of_return(directive, scope, &Captures::default())?;
    let Action::Respond(response) = action else { return Err(NO_TEXT.into()) };
    let (status, text) = response.split_once(' ').unwrap_or((&response, ""));
    if status == "close" || text.starts_with('/') || text.contains("\\n") || text.len() > LONGEST {
        return Err(NO_TEXT.into());
    }
    let page = match text.is_empty() {
        true => Page::BuiltIn,
        false => Page::Text(text.to_owned()),
    };
    Ok((page, Some(status.to_owned())))
}

/// Returns the location with the longest prefix of a path, or with the path itself.
fn of_path<'l, 'a>(path: &str, locations: &'l [Location<'a>]) -> Option<&'l Location<'a>> {
    let rank = |location: &&Location<'_>| match &location.matcher {
        Matcher::Exact(exact) if exact == path => Some(usize::MAX),
        Matcher::Prefix { path: prefix, .. } if path.starts_with(prefix.as_str()) => {
            Some(prefix.len())
        }
        _ => None,
    };
    locations.iter().filter(|location| rank(location).is_some()).max_by_key(rank)
}

/// Whether the location `/` of an application has the page.
fn is_of_application(path: &str, locations: &[Location<'_>]) -> bool {
    let is_pass = |one: &Location<'_>| {
        !one.scope.own_named(&["proxy_pass", "uwsgi_pass"]).is_empty() && one.root.is_none()
    };
    let has_other = locations.iter().any(|one| match &one.matcher {
        Matcher::Exact(own) => own == path,
        Matcher::Prefix { path: own, .. } => own != "/" && path.starts_with(own.as_str()),
        Matcher::Expression { .. } | Matcher::Named(_) => false,
    });
    !has_other && locations.iter().any(|one| one.matcher.is_root() && is_pass(one))
}

/// Whether nginx would ask an application for a page.
fn is_passed_on(path: &str, locations: &[Location<'_>]) -> bool {
    let exact =
        locations.iter().find(|one| matches!(&one.matcher, Matcher::Exact(own) if own == path));
    let length = |one: &&Location<'_>| match &one.matcher {
        Matcher::Prefix { path: own, .. } if path.starts_with(own.as_str()) => Some(own.len()),
        _ => None,
    };
    let prefix = locations.iter().filter(|one| length(one).is_some()).max_by_key(length);
    let is_final =
        |one: &Location<'_>| matches!(one.matcher, Matcher::Prefix { is_final: true, .. });
    let is_match = |one: &&Location<'_>| match &one.matcher {
        Matcher::Expression { pattern, ignores_case } => {
            let pattern = super::matcher::expression(pattern, *ignores_case);
            let expression = pattern.and_then(|pattern| regex::Regex::new(&pattern).ok());
            expression.is_some_and(|expression| expression.is_match(path))
        }
        Matcher::Exact(_) | Matcher::Prefix { .. } | Matcher::Named(_) => false,
    };
    let expression = match prefix.is_some_and(is_final) {
        true => None,
        false => locations.iter().find(is_match),
    };
    exact
        .or(expression)
        .or(prefix)
        .is_some_and(|location| !location.scope.own_named(&["proxy_pass", "uwsgi_pass"]).is_empty())
}

/// Returns the file of a page.
fn file(path: &str, server: &Scope<'_>, locations: &[Location<'_>]) -> Result<String, String> {
    let found = of_path(path, locations);
    let is_other =
        |name: &[&str]| found.is_some_and(|location| !location.scope.own_named(name).is_empty());
    let named_root = locations.iter().find(|location| match &location.matcher {
        Matcher::Expression { pattern, .. } => {
            let name = path.trim_start_matches('/').split('.').next().unwrap_or_default();
            !name.is_empty() && pattern.contains(name)
        }
        Matcher::Exact(_) | Matcher::Prefix { .. } | Matcher::Named(_) => false,
    });
    let is_root = found.is_none_or(|location| location.matcher.is_root());
    let location = named_root.filter(|_| is_root).or(found);
    let root =
        location.and_then(|location| location.root.as_ref().map(|root| (root, &location.scope)));
    if let Some((root, scope)) = root {
        let is_application = is_other(&["proxy_pass", "uwsgi_pass"]) && !is_root;
        let own = root.base(scope);
        // nginx has its own pages there.
        if own.is_err() && root_is_html(location) {
            return Ok(SAMPLE.into());
        }
        return match is_application {
            true => Err("the page comes from the application: name a file in errors.*".into()),
            false => root.for_path(path, scope),
        };
    }
    match server.last(&["root"]) {
        Some(root)
            if root.arg(0).starts_with('/') || super::template::begins_with_mark(root.arg(0)) =>
        {
            Ok(super::location::joined(root.arg(0), path))
        }
        _ => Err("no file has this path: name a file in errors.*".into()),
    }
}

/// Whether an auth server decides somewhere.
fn asks(directive: &Directive) -> bool {
    (directive.name == "auth_request" && directive.arg(0) != "off")
        || directive.children().iter().any(asks)
}

/// Whether a password is asked for somewhere.
fn has_password(directive: &Directive) -> bool {
    (directive.name == "auth_basic" && directive.arg(0) != "off")
        || directive.children().iter().any(has_password)
}

/// Whether a location has the directory of nginx's own pages.
fn root_is_html(location: Option<&Location<'_>>) -> bool {
    location.is_some_and(|one| one.scope.last(&["root"]).is_some_and(|root| root.arg(0) == "html"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::{location, parser, response};

    /// The settings of the section, and those of the location `/`.
    fn translated(text: &str) -> (String, usize) {
        let tree = parser::parse(text, &"f".into()).unwrap();
        let scope = Scope::default().within(&tree);
        let (mut settings, mut report) = (Settings::default(), Report::default());
        let locations = location::locations(&scope, &mut report);
        translate(&scope, &locations, true, &mut settings, &mut report);
        let mut written = String::new();
        settings.write(&mut written);
        let values = written.lines().filter(|line| line.contains(" = ") && !line.starts_with('#'));
        let mut found: Vec<String> = values.map(str::to_owned).collect();
        let upstreams = Default::default();
        let around = Surroundings::of(&scope, &locations, &upstreams);
        for one in locations.iter().filter(|one| !matches!(one.matcher, Matcher::Named(_))) {
            let content = response::of_location(one, &[], &around, &mut report);
            let mut policies = Policies::new();
            of_location(&content, &around, &mut policies, &settings, &mut report);
            for (key, value) in policies {
                if let Value::List(items) = value {
                    found.push(format!("{key}={}", items.join(",")));
                }
            }
        }
        (found.join(" "), report.lost_count())
    }

    #[test]
    fn files_replace_error_pages() {
        for (text, expected) in [
            (
                "error_page 502 504 /50x.html; location = /50x.html { root /srv/p; }",
                "502 = \"/srv/p/50x.html\" 504 = \"/srv/p/50x.html\"",
            ),
            (
                "error_page 404 /e/404.html; location /e/ { alias /srv/e/; internal; }",
                "404 = \"/srv/e/404.html\"",
            ),
            (
                "root /srv; location / { proxy_pass http://a; error_page 502 /502.html; }",
                "502 = \"/srv/502.html\"",
            ),
            ("error_page 500 /50x.html; location = /50x.html { root /usr/share/nginx/html; }", ""),
            ("error_page 401 418 /x.html;", ""),
            ("error_page 503 =503 /x.html; root /srv;", "503 = \"/srv/x.html\""),
            (
                "error_page 502 503 =503 /x.html; root /srv;",
                "502 = \"503 /srv/x.html\" 503 = \"503 /srv/x.html\"",
            ),
            (
                "error_page 502 504 /e.json; location /e.json { return 502 '{\"a\":1}'; }",
                "502 = '502 {\"a\":1}' 504 = '504 {\"a\":1}'",
            ),
            (
                "error_page 500 502 = @down; location @down { return 503 Down.; }",
                "500 = \"503 Down.\" 502 = \"503 Down.\"",
            ),
            ("error_page 429 @busy; location @busy { return 429; }", ""),
            (
                "error_page 502 @down; location @down { root /srv; rewrite ^ /down.html break; }",
                "502 = \"/srv/down.html\"",
            ),
            (
                "error_page 502 @down; location @down { root /srv; try_files /down.html =502; }",
                "502 = \"/srv/down.html\"",
            ),
        ] {
            assert_eq!(translated(text), (expected.into(), 0), "{text}");
        }
    }

    #[test]
    fn responses_of_the_application_are_intercepted() {
        for (text, expected) in [
            (
                "root /srv; error_page 404 /404.html; proxy_intercept_errors on; location / { proxy_pass http://a; }
                 location ~ ^/\\d+.html$ { internal; }",
                "404 = \"/srv/404.html\" intercept=404",
            ),
            (
                "root /srv; error_page 502 /502.html;
                 location / { proxy_pass http://a; }
                 location /b/ { proxy_pass http://b; proxy_intercept_errors on; error_page 410 502 /b.html; }
                 location = /b.html { internal; }",
                "502 = \"/srv/502.html\" errors=410=/srv/b.html,502=/srv/b.html intercept=410,502",
            ),
            (
                "root /srv; uwsgi_intercept_errors on; error_page 500 /500.html; location / { proxy_pass http://a; }",
                "500 = \"/srv/500.html\"",
            ),
            ("proxy_intercept_errors on; location / { proxy_pass http://a; }", ""),
            (
                "root /srv; location /b/ { proxy_pass http://b; error_page 404 /a.html; error_page 404 502 /b.html; }",
                "errors=404=/srv/a.html,502=/srv/b.html",
            ),
            (
                "proxy_intercept_errors on; error_page 404 @none; location / { proxy_pass http://a; }
                 location @none { return 404; }",
                "intercept=404",
            ),
        ] {
            assert_eq!(translated(text), (expected.into(), 0), "{text}");
        }
    }

    #[test]
    fn other_targets_are_reported() {
        for text in [
            "error_page 404 = @app;",
            "error_page 404 =200 /x.html; root /srv;",
            "error_page 404 = /x.html; root /srv;",
            "error_page 500 =503 @x; location @x { return 503; }",
            "error_page 500 =200 @x; location @x { return 503 x; }",
            "error_page 502 https://status.example/;",
            "error_page 502 @x; location @x { return 502 '$host'; }",
            "error_page 502 @x; location @x { rewrite ^ /down.html redirect; }",
            "error_page 502 = @x; location @x { return 503; }",
            "error_page 502 @x; location @x { return 301 /down; }",
            "error_page 502 @x; location @x { proxy_pass http://b; }",
            "error_page 502 @x; location @x { root /srv; rewrite ^/a /b.html break; }",
            "error_page 502 /x.html;",
            "location / { proxy_pass http://a; proxy_intercept_errors on; error_page 404 /not/found/; }",
            "root /srv; location / { proxy_pass http://a; proxy_intercept_errors on; error_page 404 /404.html; }",
            "root /srv; location / { proxy_pass http://a; proxy_intercept_errors on; error_page 302 404 /x.html; }
             location = /x.html { internal; }",
        ] {
            assert_eq!(translated(text).1, 1, "{text}");
        }
    }
}
