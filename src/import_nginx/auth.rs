//! `auth_basic` and `auth_request`: who may see a location, by a password or by a server that decides.

use super::{
    closed::{Access, close},
    known,
    matcher::Matcher,
    parser::Directive,
    report::Report,
    scope::Scope,
    settings::{Policies, Value},
    surroundings::Surroundings,
    target, template, text,
};

/// The settings that a route takes together.
pub(super) const KEYS: [&str; 5] =
    ["auth", "auth_users", "auth_realm", "auth_allow", "auth_response_headers"];

/// What an auth server with https has no setting of its own for, and what to do.
const TLS: [(&str, &str); 3] = [
    (
        "proxy_ssl_trusted_certificate",
        "the certificates of auth servers are verified by upstream.tls_ca: add this file there",
    ),
    ("proxy_ssl_name", "the name of an auth server is the host in `auth`: write this name there"),
    (
        "proxy_ssl_certificate",
        "auth servers get no certificate: let it know Sideman in another way",
    ),
];

/// Translates both for the place that `scope` is about. Networks are translated before.
pub(super) fn restrict(
    scope: &Scope<'_>,
    around: &Surroundings<'_, '_>,
    policies: &mut Policies,
    access: &mut Access,
    report: &mut Report,
) {
    let wanted = |name: &str| scope.last(&[name]).filter(|one| !known::is_off(one));
    let (basic, request) = (wanted("auth_basic"), wanted("auth_request"));
    let found = match (basic, request) {
        (None, None) => return,
        (Some(basic), Some(_)) => {
            let remedy = "a route has one way to authenticate: keep auth_basic or auth_request";
            return close(basic, remedy, access, report);
        }
        (Some(directive), None) => (directive, by_password(directive, scope)),
        (None, Some(directive)) => (directive, by_server(directive, scope, around, report)),
    };
    let (directive, settings) = found;
    match settings {
        Ok(settings) => policies.extend(settings),
        Err(remedy) => return close(directive, &remedy, access, report),
    }
    let Some(satisfy) = scope.last(&["satisfy"]).filter(|one| one.arg(0) == "any") else { return };
    let denies_others = policies.get("deny") == Some(&Value::List(vec!["all".into()]));
    match policies.remove("allow").filter(|_| denies_others && basic.is_some()) {
        Some(allowed) => {
            policies.remove("deny");
            policies.insert("auth_allow", allowed);
        }
        None => {
            close(satisfy, "only `allow` with `deny all` can replace a password", access, report)
        }
    }
}

fn by_password(directive: &Directive, scope: &Scope<'_>) -> Result<Policies, String> {
    let file = scope.last(&["auth_basic_user_file"]).ok_or("there is no auth_basic_user_file")?;
    let path = text::with_constants(file.arg(0), scope);
    if text::has_variable(&path) || path.is_empty() {
        return Err("the file of the users is made of variables: name it in auth_users".into());
    }
    let is_whole = path.starts_with('/') || template::begins_with_mark(&path);
    // nginx looks below its own directory.
    let path = if is_whole { path } else { format!("/etc/nginx/{path}") };
    let realm = text::with_constants(directive.arg(0), scope);
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    let mut policies = Policies::new();
    policies.insert("auth", Value::Text("basic".into()));
    policies.insert("auth_users", Value::Text(path));
    if !realm.trim().is_empty()
        && realm.len() <= 128
        && realm.bytes().all(is_plain)
        && !text::has_variable(&realm)
    {
        policies.insert("auth_realm", Value::Text(realm));
    }
    Ok(policies)
}

fn by_server(
    directive: &Directive,
    scope: &Scope<'_>,
    around: &Surroundings<'_, '_>,
    report: &mut Report,
) -> Result<Policies, String> {
    let mut policies = Policies::new();
    let (url, asking) = server(directive.arg(0), around)?;
    if url.starts_with("https://") {
        for (name, remedy) in TLS {
            if let Some(lost) = asking.last(&[name]) {
                report.lost(lost, remedy);
            }
        }
    }
    policies.insert("auth", Value::Text(url));
    let mut headers = Vec::new();
    for set in scope.all(&["auth_request_set"]) {
        let (variable, value) = (set.arg(0), set.arg(1));
        let used: Vec<&Directive> = scope
            .all(&["proxy_set_header"])
            .into_iter()
            .filter(|one| one.arg(1) == variable)
            .collect();
        let header = value.strip_prefix("$upstream_http_").map(|name| name.replace('_', "-"));
        let is_same = |one: &&Directive| {
            header.as_deref().is_some_and(|name| one.arg(0).eq_ignore_ascii_case(name))
        };
        match (used.iter().all(is_same), used.first()) {
            (true, Some(first)) => headers.push(first.arg(0).to_owned()),
            (true, None) => report.unnecessary(set, "the variable is not used"),
            (false, _) => report
                .lost(set, "a header of the auth server keeps its name: auth_response_headers"),
        }
    }
    if !headers.is_empty() {
        policies.insert("auth_response_headers", Value::List(headers));
    }
    Ok(policies)
}

/// Whether the variable of a header comes from the auth server.
pub(super) fn is_of_server(variable: &str, scope: &Scope<'_>) -> bool {
    scope.all(&["auth_request_set"]).iter().any(|set| set.arg(0) == variable)
}

/// Returns the URL of the server that decides, that of the location which `auth_request` names, with the settings
/// there.
fn server<'a>(
    path: &str,
    around: &'a Surroundings<'_, '_>,
) -> Result<(String, &'a Scope<'a>), String> {
    let rank = |matcher: &Matcher| match matcher {
        Matcher::Exact(exact) if exact == path => Some(usize::MAX),
        Matcher::Prefix { path: prefix, .. } if path.starts_with(prefix.as_str()) => {
            Some(prefix.len())
        }
        _ => None,
    };
    let unknown = || "write the URL of the server that decides into `auth`".to_owned();
    let location = around
        .all
        .iter()
        .filter(|one| rank(&one.matcher).is_some())
        .max_by_key(|one| rank(&one.matcher))
        .ok_or_else(unknown)?;
    let pass = location.scope.own_named(&["proxy_pass"]).pop().ok_or_else(unknown)?;
    let target = target::target(pass, &location.scope, around.upstreams)?;
    let [url] = target.urls.as_slice() else { return Err(unknown()) };
    let path = match (&target.uri, &location.matcher) {
        (Some(uri), Matcher::Prefix { path: prefix, .. }) => {
            format!("{uri}{}", path.strip_prefix(prefix.as_str()).unwrap_or_default())
        }
        (Some(uri), _) => uri.clone(),
        (None, _) => path.to_owned(),
    };
    let mark = if url.contains("unix:") { ":" } else { "" };
    match path.contains(['$', '?']) {
        true => Err(unknown()),
        false => Ok((format!("{url}{mark}{path}"), &location.scope)),
    }
}

/// Whether a location only answers `auth_request`.
pub(super) fn is_server(
    location: &super::location::Location<'_>,
    all: &[super::location::Location<'_>],
) -> bool {
    let (Matcher::Exact(path) | Matcher::Prefix { path, .. }) = &location.matcher else {
        return false;
    };
    path != "/"
        && all.iter().any(|one| {
            one.scope
                .last(&["auth_request"])
                .is_some_and(|request| request.arg(0).starts_with(path.as_str()))
        })
}
