//! `sideman check --request`: the routes that a request matches, and which of them decides what.

use std::{fmt::Write as _, net::IpAddr};

use http::{Method, Uri};

use crate::{
    config::{LoadedSettings, ROUTE_KEYS, Setting},
    lifecycle,
};

/// The keys of a route that say what responds.
const ACTIONS: [&str; 6] = ["upstream", "files", "media", "file", "redirect", "respond"];
/// The keys that belong to an action.
const OF_ACTIONS: [&str; 4] = ["fallthrough", "spa", "max_age", "max_in_flight"];
/// The keys that say which requests match.
const MATCHERS: [&str; 5] = ["host", "path", "method", "client", "port"];
/// Keys that a request takes from one route: the most specific one that has any of them.
const TOGETHER: [&[&str]; 2] = [
    &["allow", "deny"],
    &["auth", "auth_users", "auth_realm", "auth_allow", "auth_response_headers", "auth_timeout"],
];
/// The keys whose changes of all routes are made.
const MERGED: [&str; 2] = ["request_headers", "response_headers"];

/// Describes the routes of a request such as `GET https://example.org/api/`. The method may be left out.
pub(super) fn explain(
    loaded: &LoadedSettings,
    request: &str,
    client: IpAddr,
) -> Result<String, String> {
    let (method, url) = request.split_once(' ').unwrap_or(("GET", request));
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| format!("{method:?} is not a method: write 'GET https://example.org/'"))?;
    let uri: Uri = url.trim().parse().map_err(|_| {
        format!("{url:?} is not a URL: write 'GET https://example.org/', or a path")
    })?;
    let path = uri.path();
    if !path.starts_with('/') {
        return Err(format!("{url:?} has no path: write {url}/"));
    }
    let mut text = format!("{method} {uri} from {client}\n");
    let health = &loaded.plan.health;
    if [&health.path, &health.ready_path].iter().any(|known| *known == path) {
        text.push_str("a health check: no route applies\n");
        return Ok(text);
    }
    if path.starts_with("/.well-known/acme-challenge/") {
        text.push_str("an ACME challenge: auth does not apply\n");
    }
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(usual);
    let target = (uri.host(), port, path);
    let names = lifecycle::matching_routes(&loaded.plan, target, &method, client);
    match names.is_empty() {
        true => text.push_str("matches no route\n"),
        false => {
            let _ = writeln!(text, "matches, the most specific first: {}", names.join(", "));
        }
    }
    text.push_str(&decisions(&loaded.settings, &names));
    Ok(text)
}

/// Returns a line for each setting that some of these routes has, with the route that decides it.
fn decisions(settings: &[Setting], names: &[String]) -> String {
    let of_route = |name: &str, leaf: &str| {
        settings.iter().find(|setting| {
            setting.id.route.as_deref() == Some(name) && setting.id.key.leaf() == leaf
        })
    };
    let mut lines = Vec::new();
    let with_action = names
        .iter()
        .find(|name| is_section(name) || ACTIONS.iter().any(|key| of_route(name, key).is_some()));
    match with_action {
        Some(name) if is_section(name) => lines.push(format!("the action of {name}")),
        Some(_) => {}
        None => lines.extend(
            settings
                .iter()
                .find(|setting| setting.id.key.name == "upstream.url")
                .map(|url| line("upstream", url)),
        ),
    }
    for key in ROUTE_KEYS.iter().filter(|key| !MATCHERS.contains(&key.leaf())) {
        let leaf = key.leaf();
        let belongs_to_action = ACTIONS.contains(&leaf) || OF_ACTIONS.contains(&leaf);
        let together = TOGETHER.iter().find(|keys| keys.contains(&leaf));
        let candidates: Vec<&String> = match together {
            _ if belongs_to_action => with_action.into_iter().collect(),
            Some(keys) => {
                let has_any = |name: &&String| keys.iter().any(|key| of_route(name, key).is_some());
                names.iter().find(has_any).into_iter().collect()
            }
            None => names.iter().collect(),
        };
        let mut found = candidates.iter().filter_map(|name| of_route(name, leaf));
        match MERGED.contains(&leaf) {
            // In the order in which they are made.
            true => lines.extend(
                found.map(|setting| line(leaf, setting)).collect::<Vec<_>>().into_iter().rev(),
            ),
            false => lines.extend(found.next().map(|setting| line(leaf, setting))),
        }
    }
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

/// Whether this is the prefix of a section, such as `static.roots /static/`, and not a named route.
fn is_section(name: &str) -> bool {
    name.contains('.')
}

fn line(leaf: &str, setting: &Setting) -> String {
    format!("{leaf} = {}  ({}, {})", setting.text, setting.id, setting.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, load};

    fn explained(request: &str, client: &str) -> String {
        let variables = [
            ("SIDEMAN_UPSTREAM", "http://app:8000"),
            ("SIDEMAN_STATIC", "/static/=/srv/static"),
            ("SIDEMAN_ROUTE__ALL__RESPONSE_HEADERS", "set X-A: one"),
            ("SIDEMAN_ROUTE__ALL__MAX_BODY", "1MiB"),
            ("SIDEMAN_ROUTE__API__PATH", "/api/"),
            ("SIDEMAN_ROUTE__API__UPSTREAM", "http://api:9000"),
            ("SIDEMAN_ROUTE__API__MAX_BODY", "2MiB"),
            ("SIDEMAN_ROUTE__SHOP__HOST", "shop.example.org"),
            ("SIDEMAN_ROUTE__SHOP__RESPONSE_HEADERS", "set X-A: two"),
            ("SIDEMAN_ROUTE__OFFICE__CLIENT", "10.0.0.0/8"),
            ("SIDEMAN_ROUTE__OFFICE__STREAM", "both"),
            ("SIDEMAN_ROUTE__OFFICE__AUTH", "off"),
            ("SIDEMAN_ROUTE__OFFICE__DENY", "10.0.0.1"),
            ("SIDEMAN_ROUTE__LOGIN__PATH", "/login/"),
            ("SIDEMAN_ROUTE__LOGIN__ALLOW", "all"),
            ("SIDEMAN_ROUTE__LOGIN__AUTH", "http://auth:4180/check"),
            ("SIDEMAN_ROUTE__LOGIN__AUTH_TIMEOUT", "1s"),
        ];
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let loaded = load(&Flags::default(), &environment.collect()).unwrap();
        explain(&loaded, request, client.parse().unwrap())
            .unwrap_or_else(|fault| format!("no: {fault}"))
    }

    #[test]
    fn routes_of_a_request_are_shown_with_what_they_decide() {
        assert_eq!(
            explained("GET https://shop.example.org/api/x", "192.0.2.1"),
            "GET https://shop.example.org/api/x from 192.0.2.1\n\
             matches, the most specific first: shop, api, all\n  \
             upstream = http://api:9000  (route.api.upstream, SIDEMAN_ROUTE__API__UPSTREAM)\n  \
             max_body = 2MiB  (route.api.max_body, SIDEMAN_ROUTE__API__MAX_BODY)\n  \
             response_headers = set x-a: one  (route.all.response_headers, SIDEMAN_ROUTE__ALL__RESPONSE_HEADERS)\n  \
             response_headers = set x-a: two  (route.shop.response_headers, SIDEMAN_ROUTE__SHOP__RESPONSE_HEADERS)\n"
        );
        let found = explained("/static/a.css", "10.1.2.3");
        assert!(
            found.contains(
                "first: static.roots /static/, office, all\n  the action of static.roots /static/\n"
            ),
            "{found}"
        );
        assert!(found.contains("  stream = both  ("), "{found}");
        let found = explained("POST /other", "192.0.2.1");
        assert!(
            found.contains(
                "first: all\n  upstream = http://app:8000  (upstream.url, SIDEMAN_UPSTREAM)\n"
            ),
            "{found}"
        );
        assert!(explained("/healthz", "192.0.2.1").contains("a health check: no route applies"));
        // The lists of one route decide, and the auth of one.
        let found = explained("/login/", "192.0.2.1");
        assert!(found.contains("  auth = http://auth:4180/check  (route.login.auth, "), "{found}");
        assert!(found.contains("  auth_timeout = 1s  (route.login.auth_timeout, "), "{found}");
        let found = explained("/other", "10.1.2.3");
        assert!(found.contains("  auth = off  (") && found.contains("  deny = "), "{found}");
        let found = explained("/login/", "10.1.2.3");
        assert!(found.contains("  allow = ") && !found.contains("  deny = "), "{found}");
    }

    #[test]
    fn requests_that_cannot_be_read_have_a_remedy() {
        for (request, fault) in [
            ("G(T /", "no: \"G(T\" is not a method: write 'GET https://example.org/'"),
            ("GET a b", "no: \"a b\" is not a URL: write 'GET https://example.org/', or a path"),
            ("example.org", "no: \"example.org\" has no path: write example.org/"),
        ] {
            assert_eq!(explained(request, "192.0.2.1"), fault, "{request}");
        }
    }
}
