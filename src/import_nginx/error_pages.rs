//! `error_page`: files that replace error pages.

use std::collections::BTreeSet;

use super::{
    location::Location,
    matcher::Matcher,
    parser::Directive,
    report::Report,
    scope::Scope,
    servers::source,
    settings::{Settings, Value},
};

/// The statuses of pages that can be replaced.
const STATUSES: [&str; 14] = [
    "400", "403", "404", "405", "408", "413", "414", "421", "431", "500", "502", "503", "504",
    "507",
];

/// The page that comes with nginx.
const SAMPLE: &str = "/usr/share/nginx/html/50x.html";

/// Translates the error pages of a server. Returns the paths of the pages, which need no route.
pub(super) fn translate(
    server: &Scope<'_>,
    locations: &[Location<'_>],
    settings: &mut Settings,
    report: &mut Report,
) -> BTreeSet<String> {
    let mut pages = BTreeSet::new();
    let own: Vec<&Directive> = server.all(&["error_page"]);
    let inner = locations
        .iter()
        .filter(|location| !is_of_files(location))
        .flat_map(|location| location.scope.own_named(&["error_page"]));
    for page in own.into_iter().chain(inner) {
        one(page, server, locations, settings, &mut pages, report);
    }
    for location in locations {
        for name in ["proxy_intercept_errors", "uwsgi_intercept_errors"] {
            let is_used = !location.scope.own_named(&["proxy_pass", "uwsgi_pass"]).is_empty();
            let Some(intercept) = location.scope.last(&[name]).filter(|_| is_used) else {
                continue;
            };
            match intercept.arg(0) {
                "on" => report.lost(
                    intercept,
                    "responses of the application are never replaced: make its own error pages (handler404)",
                ),
                _ => report.unnecessary(intercept, "responses of the application are never replaced"),
            }
        }
    }
    pages
}

/// Whether a location has files, and another location for those that are missing: that is translated as one.
fn is_of_files(location: &Location<'_>) -> bool {
    matches!(location.matcher, Matcher::Named(_))
        && location.scope.own_named(&["proxy_pass", "uwsgi_pass"]).is_empty()
}

fn one(
    page: &Directive,
    server: &Scope<'_>,
    locations: &[Location<'_>],
    settings: &mut Settings,
    pages: &mut BTreeSet<String>,
    report: &mut Report,
) {
    let Some((target, codes)) = page.args.split_last() else { return };
    let changes = codes.iter().any(|code| code.starts_with('='));
    if !target.starts_with('/') || target.contains('$') {
        if codes.iter().all(|code| code == "497") {
            return report.unnecessary(page, "plain HTTP on a port with TLS is refused");
        }
        let mut statuses = codes.iter().filter(|code| !code.starts_with('='));
        if statuses.all(|code| code == "401") && server.each().any(asks) {
            return report.differs(
                page,
                "what the auth server responds goes to the client: let it redirect",
            );
        }
        return report.lost(page, "only a file can replace an error page: errors.404, errors.502");
    }
    pages.insert(target.clone());
    let known: Vec<&String> =
        codes.iter().filter(|code| STATUSES.contains(&code.as_str())).collect();
    if known.is_empty() {
        return report.unnecessary(page, "Sideman never responds with these statuses itself");
    }
    if changes {
        report.lost(page, "the status of an error stays the same: remove `=`");
    }
    match file(target, server, locations) {
        Ok(file) if file == SAMPLE => {
            report
                .unnecessary(page, "Sideman has error pages of its own; this one comes with nginx");
        }
        Ok(file) => {
            for code in known {
                let name = format!("errors.{code}");
                if !settings.set(&name, Value::Text(file.clone()), source(page)) {
                    report.lost(
                        page,
                        format!("one page for each status: {name} is already another file"),
                    );
                }
            }
        }
        Err(_) if is_of_application(target, locations) => report.differs(
            page,
            "the page would come from the application: a file, or Sideman itself, has one in its place",
        ),
        Err(remedy) => report.lost(page, remedy),
    }
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

/// Returns the file of a page.
fn file(path: &str, server: &Scope<'_>, locations: &[Location<'_>]) -> Result<String, String> {
    let rank = |location: &&Location<'_>| match &location.matcher {
        Matcher::Exact(exact) if exact == path => Some(usize::MAX),
        Matcher::Prefix { path: prefix, .. } if path.starts_with(prefix.as_str()) => {
            Some(prefix.len())
        }
        _ => None,
    };
    let found =
        locations.iter().filter(|location| rank(location).is_some()).max_by_key(|one| rank(one));
    let is_other =
        |name: &[&str]| found.is_some_and(|location| !location.scope.own_named(name).is_empty());
    if is_other(&["return"]) {
        return Err("write the text into a file, and name it in errors.*; clients that ask for JSON get JSON".into());
    }
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

/// Whether a location has the directory of nginx's own pages.
fn root_is_html(location: Option<&Location<'_>>) -> bool {
    location.is_some_and(|one| one.scope.last(&["root"]).is_some_and(|root| root.arg(0) == "html"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::{location, parser};

    fn translated(text: &str) -> (String, usize) {
        let tree = parser::parse(text, &"f".into()).unwrap();
        let scope = Scope::default().within(&tree);
        let (mut settings, mut report) = (Settings::default(), Report::default());
        let locations = location::locations(&scope, &mut report);
        translate(&scope, &locations, &mut settings, &mut report);
        let mut written = String::new();
        settings.write(&mut written);
        let values = written.lines().filter(|line| line.contains(" = "));
        (values.collect::<Vec<_>>().join(" "), report.lost_count())
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
        ] {
            assert_eq!(translated(text), (expected.into(), 0), "{text}");
        }
    }

    #[test]
    fn other_targets_are_reported() {
        for text in [
            "error_page 404 = @app;",
            "error_page 404 =200 /x.html; root /srv;",
            "error_page 502 https://status.example/;",
            "error_page 502 /502.json; location /502.json { return 502 '{}'; }",
            "error_page 502 /x.html;",
            "location / { proxy_intercept_errors on; proxy_pass http://a; }",
        ] {
            assert_eq!(translated(text).1, 1, "{text}");
        }
    }
}
