//! Addresses of applications: `upstream` blocks, `proxy_pass` and `uwsgi_pass`.

use std::collections::BTreeMap;

use super::{matcher::Matcher, parser::Directive, report::Report, scope::Scope, template, text};

/// An `upstream` block.
#[derive(Clone, Debug, Default)]
pub(super) struct Upstream {
    /// `host:port` or `unix:/path`.
    servers: Vec<String>,
    max_connections: Option<u32>,
}

/// The `upstream` blocks by name.
pub(super) type Upstreams = BTreeMap<String, Upstream>;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The addresses as settings.
    pub(super) urls: Vec<String>,
    pub(super) max_in_flight: Option<u32>,
    /// What the path becomes.
    pub(super) uri: Option<String>,
}

/// How the path changes on its way to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathChange {
    None,
    Strip,
    Replace(String),
}

const NO_UWSGI_TLS: &str =
    "the uwsgi protocol over TLS is not possible: give uWSGI an https socket, or a plain one";

/// For an expression such as `^/far/(.*)$` with `proxy_pass http://files/base/$1`: returns the directive without the
/// group, and what takes the place of the prefix.
pub(super) fn with_rest_of_path(
    pass: &Directive,
    matcher: &Matcher,
) -> Option<(Directive, PathChange)> {
    let Matcher::Expression { pattern, .. } = matcher else { return None };
    let groups = ["/(.*)$", "/(.*)"];
    let is_prefix = groups.iter().any(|end| pattern.ends_with(end));
    if !is_prefix || pattern.matches('(').count() != 1 {
        return None;
    }
    let ends = ["$1$is_args$args", "$1?$args", "$1"];
    let base = ends.iter().find_map(|rest| pass.arg(0).strip_suffix(rest))?;
    let path = base.split_once("://").and_then(|(_, rest)| rest.get(rest.find('/')?..))?;
    let change = match path {
        "/" => PathChange::Strip,
        path if path.ends_with('/') => PathChange::Replace(path.to_owned()),
        _ => return None,
    };
    Some((Directive { args: vec![base.to_owned()], ..pass.clone() }, change))
}

/// Reads the `upstream` blocks.
pub(super) fn upstreams(directives: &[&Directive], report: &mut Report) -> Upstreams {
    let mut upstreams = Upstreams::new();
    for directive in directives {
        let mut upstream = Upstream::default();
        let is_alone = directive.children().iter().filter(|one| one.name == "server").count() == 1;
        for inner in directive.children() {
            read_line(inner, is_alone, &mut upstream, report);
        }
        upstreams.insert(directive.arg(0).to_owned(), upstream);
    }
    upstreams
}

fn read_line(line: &Directive, is_alone: bool, upstream: &mut Upstream, report: &mut Report) {
    match line.name.as_str() {
        "server" => {
            let address = line.arg(0);
            if let Some(placeholder) = template::first_placeholder(address) {
                report.lost(line, text::unknown_placeholder(placeholder));
                return;
            }
            let parameters = || line.args.iter().skip(1);
            if parameters().any(|parameter| parameter == "down") {
                report.unnecessary(line, "the server is marked as down");
                return;
            }
            if parameters().any(|parameter| parameter == "backup") {
                report.lost(line, "there are no backup servers: an ejected server gets no requests");
                return;
            }
            for parameter in parameters() {
                if parameter.starts_with("weight=") && parameter != "weight=1" {
                    report.lost(line, "requests go to the server with the fewest in flight: remove the weight");
                }
                if let Some(number) = parameter.strip_prefix("max_conns=") {
                    upstream.max_connections = number.parse().ok().filter(|number| *number > 0);
                }
            }
            upstream.servers.push(address.to_owned());
        }
        "ip_hash" | "hash" | "sticky" | "sticky_cookie_insert" if is_alone => {
            report.unnecessary(line, "the upstream has one server");
        }
        "ip_hash" | "hash" | "sticky" | "sticky_cookie_insert" => report.lost(
            line,
            "requests go to the server with the fewest in flight: keep sessions in the database or cache",
        ),
        "keepalive" | "keepalive_requests" | "keepalive_time" | "keepalive_timeout" | "zone"
        | "least_conn" | "random" | "resolver" | "resolver_timeout" | "queue" | "least_time" => {
            report.unnecessary(
                line,
                "requests go to the server with the fewest in flight, over connections that are reused",
            );
        }
        _ => report.lost(line, "unknown in an upstream block"),
    }
}

/// Reads a `proxy_pass` or `uwsgi_pass`.
pub(super) fn target(
    pass: &Directive,
    scope: &Scope<'_>,
    upstreams: &Upstreams,
) -> Result<Target, String> {
    let is_uwsgi = pass.name == "uwsgi_pass";
    let text = text::with_constants(pass.arg(0), scope);
    if let Some(placeholder) = template::first_placeholder(&text) {
        return Err(text::unknown_placeholder(placeholder));
    }
    let has_tls =
        scope.each().any(|one| one.name == "listen" && one.args.iter().any(|arg| arg == "ssl"));
    let text = match text.strip_prefix("$scheme://") {
        Some(rest) if !has_tls => format!("http://{rest}"),
        _ => text,
    };
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None if is_uwsgi => ("uwsgi".to_owned(), text.as_str()),
        None => return Err("the address is in a variable: write the address".into()),
    };
    match scheme.as_str() {
        "https" if !is_uwsgi && rest.starts_with("unix:") => {
            return Err("TLS over a unix socket is not possible: write http://unix:".into());
        }
        "http" | "https" if !is_uwsgi => {}
        "uwsgi" if is_uwsgi => {}
        // `uwsgi_pass unix:///run/app.sock`
        "unix" if is_uwsgi => return Ok(one_socket("uwsgi", rest, None)),
        "suwsgi" => return Err(NO_UWSGI_TLS.into()),
        _ => return Err("only HTTP and uwsgi are spoken to applications".into()),
    }
    if let Some(path) = rest.strip_prefix("unix:") {
        let (path, uri) = match path.split_once(':') {
            Some((path, uri)) => (path, Some(uri)),
            None => (path, None),
        };
        return Ok(one_socket(&scheme, path, uri.filter(|uri| !uri.is_empty())));
    }
    let (authority, uri) = rest.split_at(rest.find(['/', '$', '?']).unwrap_or(rest.len()));
    if authority.is_empty() || text::has_variable(authority) {
        return Err("the address is in a variable: write the address".into());
    }
    let uri = match uri {
        // The path and the query as they came.
        "" | "$request_uri" | "$uri$is_args$args" | "/$request_uri" => None,
        uri if text::has_variable(uri) => {
            return Err("the path is made of variables: pass the path as it is, or change it in the application".into());
        }
        uri => Some(uri.to_owned()),
    };
    match upstreams.get(authority) {
        Some(upstream) if upstream.servers.is_empty() => {
            Err(format!("upstream {authority} has no server that can be used"))
        }
        Some(upstream) => Ok(Target {
            urls: upstream.servers.iter().map(|server| url(&scheme, server)).collect(),
            max_in_flight: upstream.max_connections,
            uri,
        }),
        None => Ok(Target { urls: vec![url(&scheme, authority)], max_in_flight: None, uri }),
    }
}

fn one_socket(scheme: &str, path: &str, uri: Option<&str>) -> Target {
    let urls = vec![url(scheme, &format!("unix:{path}"))];
    Target { urls, max_in_flight: None, uri: uri.map(str::to_owned) }
}

fn url(scheme: &str, address: &str) -> String {
    match address.strip_prefix("unix:") {
        Some(path) => format!("{scheme}+unix:/{}", path.trim_start_matches('/')),
        None => format!("{scheme}://{address}"),
    }
}

// === impl Target ===

impl Target {
    /// Returns how the path changes in a location.
    pub(super) fn path_change(&self, matcher: &Matcher) -> Result<PathChange, String> {
        let Some(uri) = &self.uri else { return Ok(PathChange::None) };
        match matcher {
            Matcher::Exact(path) | Matcher::Prefix { path, .. } if path == uri => {
                Ok(PathChange::None)
            }
            // What is below a file is not passed on.
            Matcher::Exact(path) | Matcher::Prefix { path, .. }
                if !uri.ends_with('/') && is_of_file(path, matcher) =>
            {
                Ok(PathChange::Replace(uri.clone()))
            }
            _ if uri.contains('?') => {
                Err("a fixed query cannot be added: do it in the application".into())
            }
            Matcher::Prefix { .. } if uri == "/" => Ok(PathChange::Strip),
            Matcher::Prefix { path, .. } => Ok(PathChange::Replace(match path.ends_with('/') {
                // Otherwise nginx would glue both together.
                true if !uri.ends_with('/') => return Err(glued(path, uri)),
                true => uri.clone(),
                false => format!("{}/", uri.trim_end_matches('/')),
            })),
            Matcher::Exact(_) => Ok(PathChange::Replace(uri.clone())),
            Matcher::Expression { .. } | Matcher::Named(_) if uri == "/" => Ok(PathChange::None),
            Matcher::Expression { .. } | Matcher::Named(_) => {
                Err("nginx refuses a path here: remove it".into())
            }
        }
    }
}

/// Whether a location has one path.
fn is_of_file(path: &str, matcher: &Matcher) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    matches!(matcher, Matcher::Exact(_)) || (last.contains('.') && !last.starts_with('.'))
}

fn glued(path: &str, uri: &str) -> String {
    format!("nginx makes {uri}x of {path}x: end both with /, or neither")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn targets(text: &str) -> (Vec<Result<Target, String>>, usize) {
        let tree = parser::parse(text, &"f".into()).unwrap();
        let blocks: Vec<_> = tree.iter().filter(|one| one.name == "upstream").collect();
        let mut report = Report::default();
        let upstreams = upstreams(&blocks, &mut report);
        let scope = Scope::default().within(&tree);
        let passes = tree.iter().filter(|one| one.name.ends_with("_pass"));
        let found = passes.map(|pass| target(pass, &scope, &upstreams)).collect();
        (found, report.lost_count())
    }

    fn urls(text: &str) -> Vec<String> {
        let (mut found, lost) = targets(text);
        assert_eq!(lost, 0, "{text}");
        found.remove(0).unwrap().urls
    }

    #[test]
    fn addresses_become_urls() {
        for (nginx, url) in [
            ("proxy_pass http://app:8000;", "http://app:8000"),
            ("proxy_pass http://app;", "http://app"),
            ("proxy_pass https://app;", "https://app"),
            ("upstream a { server b:8443; } proxy_pass https://a;", "https://b:8443"),
            ("proxy_pass http://unix:/run/a.sock;", "http+unix:/run/a.sock"),
            ("proxy_pass http://unix:/run/a.sock:/;", "http+unix:/run/a.sock"),
            ("uwsgi_pass app:3031;", "uwsgi://app:3031"),
            ("uwsgi_pass unix:///run/a.sock;", "uwsgi+unix:/run/a.sock"),
            ("uwsgi_pass unix:/run/a.sock;", "uwsgi+unix:/run/a.sock"),
            ("uwsgi_pass uwsgi://app:1;", "uwsgi://app:1"),
            ("set $a http://b:1; proxy_pass $a;", "http://b:1"),
            ("set $a b:1; proxy_pass http://$a$request_uri;", "http://b:1"),
        ] {
            assert_eq!(urls(nginx), [url], "{nginx}");
        }
    }

    #[test]
    fn upstream_blocks_name_several_servers() {
        let text =
            "upstream a { server b:1 max_conns=4 fail_timeout=0; server unix:/c; server d down;
                    keepalive 8; } proxy_pass http://a/x/;";
        let target = targets(text).0.remove(0).unwrap();
        assert_eq!(target.urls, ["http://b:1", "http+unix:/c"]);
        assert_eq!((target.max_in_flight, target.uri.as_deref()), (Some(4), Some("/x/")));
        assert_eq!(
            targets("upstream a { server b; server c backup; ip_hash; server d weight=2; }").1,
            3
        );
    }

    #[test]
    fn addresses_that_cannot_be_known_are_refused() {
        for text in [
            "proxy_pass https://unix:/run/a.sock;",
            "proxy_pass $a;",
            "proxy_pass http://$host;",
            "proxy_pass http://a/$1;",
            "proxy_pass http://${A}:1;",
            "proxy_pass ftp://a;",
            "uwsgi_pass suwsgi://a:1;",
            "upstream a { server ${B}; } proxy_pass http://a;",
        ] {
            assert!(targets(text).0.remove(0).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_replaces_the_prefix() {
        let change = |path: &str, uri: &str| {
            let target = Target { urls: vec![], max_in_flight: None, uri: Some(uri.into()) };
            target.path_change(&Matcher::Prefix { path: path.into(), is_final: false })
        };
        assert_eq!(change("/", "/"), Ok(PathChange::None));
        assert_eq!(change("/api/", "/api/"), Ok(PathChange::None));
        assert_eq!(change("/api", "/api"), Ok(PathChange::None));
        assert_eq!(change("/api/", "/"), Ok(PathChange::Strip));
        assert_eq!(change("/api/", "/v2/"), Ok(PathChange::Replace("/v2/".into())));
        assert_eq!(change("/api", "/v2"), Ok(PathChange::Replace("/v2/".into())));
        assert_eq!(change("/f.ico", "/i/f.ico"), Ok(PathChange::Replace("/i/f.ico".into())));
        assert!(change("/api/", "/v2").is_err());
        assert!(change("/api/", "/v2/?a").is_err());
    }
}
