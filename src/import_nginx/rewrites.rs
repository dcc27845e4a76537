//! `return`, `rewrite` and `if`.

use super::{
    matcher::{self, Matcher, RoutePath},
    parser::Directive,
    scope::Scope,
    settings::Action,
    target::PathChange,
    text::{self, Captures},
};

/// A `rewrite` that redirects some paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathRedirect {
    pub(super) paths: Vec<RoutePath>,
    pub(super) redirect: String,
}

/// What a `rewrite` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rewrite {
    /// Redirects every path.
    Everything(String),
    Paths(PathRedirect),
    /// Changes the path on its way to the application.
    Change(PathChange),
}

/// What an `if` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    /// Redirects plain HTTP to https.
    RedirectHttps,
    /// Redirects every other host to this one.
    CanonicalHost(String),
    /// Redirects one host.
    Host { host: String, redirect: String },
    /// Responds to some methods.
    Methods { methods: Vec<String>, action: Action, block: &'a [Directive] },
    /// Responds to all other methods.
    OnlyMethods { methods: Vec<String>, status: String },
    /// Responds 503 while a file exists.
    Maintenance(String),
    /// Passes requests for files that do not exist to an application.
    MissingFile(&'a Directive),
    /// Something else; `restricts`: it refuses requests.
    Unknown { restricts: bool },
}

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// Translates a `return`.
pub(super) fn of_return(
    directive: &Directive,
    scope: &Scope<'_>,
    captures: &Captures,
) -> Result<Action, String> {
    let (first, second) = (directive.arg(0), directive.arg(1));
    // `return https://example.org` is 302.
    if first.starts_with("http://") || first.starts_with("https://") || first.starts_with("$scheme")
    {
        let target = text::to_template(first, scope, captures)?;
        return Ok(Action::Redirect(format!("302 {target}")));
    }
    let status: u16 = first.parse().map_err(|_| "the status is not a number".to_owned())?;
    match status {
        444 => Ok(Action::Respond("close".into())),
        301 | 302 | 303 | 307 | 308 if !second.is_empty() => {
            let target = safe(text::to_template(second, scope, captures)?)?;
            Ok(Action::Redirect(format!("{status} {target}")))
        }
        200..=599 => {
            if text::has_variable(second) {
                return Err("the text of a response cannot have variables".into());
            }
            let text = second.replace("\r\n", "\n");
            let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n'));
            match (is_plain, text.is_empty()) {
                (false, _) => {
                    Err("the text of a response can only have visible ASCII characters: use `file`"
                        .into())
                }
                (true, true) => Ok(Action::Respond(status.to_string())),
                (true, false) => Ok(Action::Respond(format!("{status} {text}"))),
            }
        }
        _ => Err("this status is not possible".into()),
    }
}

/// Translates a `rewrite`. `prefix` is that of the location.
pub(super) fn of_rewrite(
    directive: &Directive,
    prefix: &str,
    scope: &Scope<'_>,
    captures: &Captures,
) -> Result<Rewrite, String> {
    let (pattern, replacement, flag) = (directive.arg(0), directive.arg(1), directive.arg(2));
    let is_absolute =
        ["http://", "https://", "$scheme"].iter().any(|begin| replacement.starts_with(begin));
    let status = match flag {
        "permanent" => 301,
        "redirect" => 302,
        _ if is_absolute => 302,
        _ => return change(pattern, replacement, prefix).map(Rewrite::Change),
    };
    // nginx appends the query unless the replacement ends with `?`.
    let (target, query) = match replacement.strip_suffix('?') {
        Some(target) => (target, ""),
        None if replacement.contains('?') => (replacement, ""),
        None => (replacement, "{query}"),
    };
    let is_everything = matches!(pattern, "^" | "^/" | ".*" | "^.*$" | "^.*" | "/.*" | "^/.*$");
    let whole = match pattern {
        "^(.*)$" | "^(.*)" | "(.*)" => Some("$1"),
        "^/(.*)$" | "^/(.*)" => Some("/$1"),
        _ => None,
    };
    if is_everything || whole.is_some_and(|whole| !target.contains('$') || target.ends_with(whole))
    {
        // `/$1` is the whole path.
        let target = match whole.and_then(|whole| target.strip_suffix(whole)) {
            Some(base) => format!("{base}$uri"),
            None => target.to_owned(),
        };
        let target = safe(text::to_template(&target, scope, captures)?)?;
        return Ok(Rewrite::Everything(format!("{status} {target}{query}")));
    }
    let groups = matcher::captures(pattern);
    let target = safe(text::to_template(target, scope, &groups)?)?;
    let target = match target.strip_prefix("{1}").filter(|_| is_one_group(pattern)) {
        Some(rest) => format!("{{path}}{rest}"),
        None => target,
    };
    let begins = ["/", "http://", "https://", "{scheme}://", "{path}"];
    if !begins.iter().any(|begin| target.starts_with(begin)) {
        return Err("the location of a redirect must begin with / or a host".into());
    }
    let location = Matcher::Expression { pattern: pattern.to_owned(), ignores_case: false };
    // Groups count in an expression only.
    let paths = match target.contains("{1}") || target.contains("{2}") {
        true => matcher::expression(pattern, false).map(|one| vec![RoutePath::Expression(one)]),
        false => location.paths(false),
    };
    let paths = paths.ok_or("the expression has nothing like it: write it without (?...)")?;
    Ok(Rewrite::Paths(PathRedirect { paths, redirect: format!("{status} {target}{query}") }))
}

/// Whether the first group of an expression is the whole path.
fn is_one_group(pattern: &str) -> bool {
    let inner = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")$"));
    inner.is_some_and(|inner| !inner.contains(['(', ')', '\\']) && !inner.starts_with('?'))
}

/// Returns the path, with its query, that a `rewrite` makes of the one path of its location for the application.
pub(super) fn of_exact(directive: &Directive, matcher: &Matcher) -> Option<String> {
    let Matcher::Exact(path) = matcher else { return None };
    let (pattern, replacement) = (directive.arg(0), directive.arg(1));
    let is_fixed = replacement.starts_with('/')
        && !text::has_variable(replacement)
        && !replacement.ends_with('?');
    if directive.name != "rewrite" || directive.arg(2) != "break" || !is_fixed {
        return None;
    }
    let pattern = regex::Regex::new(&matcher::expression(pattern, false)?).ok()?;
    pattern.is_match(path).then(|| replacement.to_owned())
}

/// Reads a `rewrite` that changes the path on its way to the application.
fn change(pattern: &str, replacement: &str, prefix: &str) -> Result<PathChange, String> {
    let unknown = || Err("the path can only lose or change the prefix of its location".to_owned());
    let Some(head) = ["(.*)$", "(.*)"].iter().find_map(|tail| pattern.strip_suffix(tail)) else {
        return unknown();
    };
    let Some(head) = head.strip_prefix('^') else { return unknown() };
    let head = head.replace("\\.", ".").replace("\\-", "-");
    let Some(base) = replacement.strip_suffix("$1") else { return unknown() };
    if base.contains(['$', '?']) {
        return unknown();
    }
    let is_prefix = |text: &str| text.trim_end_matches('/') == prefix.trim_end_matches('/');
    let head = head.strip_suffix("/?").unwrap_or(&head);
    match (head, base) {
        ("/" | "", "/") | ("", "") => Ok(PathChange::None),
        (head, "" | "/") if is_prefix(head) => Ok(PathChange::Strip),
        (head, base) if is_prefix(head) && base.starts_with('/') => {
            Ok(PathChange::Replace(format!("{}/", base.trim_end_matches('/'))))
        }
        _ => unknown(),
    }
}

/// Reads an `if`.
pub(super) fn of_if<'a>(directive: &'a Directive, scope: &Scope<'_>) -> Condition<'a> {
    let condition = directive.args.join(" ");
    let condition = condition.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let mut words = condition.splitn(3, ' ');
    let (variable, operator, value) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default().trim(),
    );
    let known = match variable {
        "$host" | "$http_host" => of_host(operator, value, directive, scope),
        "$http_x_forwarded_proto" | "$scheme" | "$https" | "$ssl_protocol" | "$server_port" => {
            of_scheme(variable, operator, value, directive, scope)
        }
        "$request_method" => of_method(operator, value, directive, scope),
        "-f" | "-e" => of_maintenance(operator, directive, scope),
        "!-f" | "!-e" if operator == "$request_filename" => of_missing(directive),
        _ => None,
    };
    known.unwrap_or_else(|| Condition::Unknown { restricts: refuses(directive) })
}

/// Whether a block refuses requests.
fn refuses(directive: &Directive) -> bool {
    directive.children().iter().any(|inner| match inner.name.as_str() {
        "return" => inner.arg(0).parse::<u16>().is_ok_and(|status| status >= 400),
        "deny" | "internal" => true,
        _ => !matches!(super::known::duty(inner), Some(duty) if !matches!(duty, super::known::Duty::Closes(_))),
    })
}

/// The one directive of a block that matters.
fn only<'a>(directive: &'a Directive, name: &str) -> Option<&'a Directive> {
    let mut rest =
        directive.children().iter().filter(|one| one.name != "break" && one.name != "access_log");
    let one = rest.next().filter(|one| one.name == name)?;
    rest.next().is_none().then_some(one)
}

/// The redirect of a block with nothing else.
fn redirect(directive: &Directive, scope: &Scope<'_>) -> Option<String> {
    let action = match only(directive, "return") {
        Some(one) => of_return(one, scope, &Captures::default()).ok()?,
        None => {
            let one = only(directive, "rewrite")?;
            match of_rewrite(one, "/", scope, &Captures::default()).ok()? {
                Rewrite::Everything(target) => Action::Redirect(target),
                Rewrite::Paths(_) | Rewrite::Change(_) => return None,
            }
        }
    };
    match action {
        Action::Redirect(target) => Some(target),
        _ => None,
    }
}

fn of_host<'a>(
    operator: &str,
    value: &str,
    directive: &Directive,
    scope: &Scope<'_>,
) -> Option<Condition<'a>> {
    let redirect = redirect(directive, scope)?;
    let value = text::with_constants(value.trim_matches(['"', '\'']), scope);
    let is_host = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    match operator {
        "!=" if is_host(&value) => {
            let (_, target) = redirect.split_once("://")?;
            (target == format!("{value}{{path}}{{query}}"))
                .then_some(Condition::CanonicalHost(value))
        }
        "=" if is_host(&value) => Some(Condition::Host { host: value, redirect }),
        "~" | "~*" => {
            // `^www\.example\.org$`
            let host = value.strip_prefix('^')?.strip_suffix('$')?.replace("\\.", ".");
            is_host(&host).then_some(Condition::Host { host, redirect })
        }
        _ => None,
    }
}

fn of_scheme<'a>(
    variable: &str,
    operator: &str,
    value: &str,
    directive: &Directive,
    scope: &Scope<'_>,
) -> Option<Condition<'a>> {
    let value = value.trim_matches(['"', '\'']);
    let is_plain = match variable {
        "$https" | "$ssl_protocol" => matches!((operator, value), ("=", "") | ("!=", "on")),
        "$server_port" => matches!((operator, value), ("=", "80") | ("!=", "443")),
        _ => matches!((operator, value), ("=", "http") | ("!=", "https") | ("~", "^http$")),
    };
    let target = redirect(directive, scope)?;
    let own = text::with_constants("$server_name", scope);
    // Browsers take `https:example.org` for `https://example.org`.
    let is_same = |host: &str| {
        ["https://", "https:"]
            .iter()
            .any(|https| target.ends_with(&format!("{https}{host}{{path}}{{query}}")))
    };
    (is_plain && (is_same("{host}") || is_same(&own))).then_some(Condition::RedirectHttps)
}

fn of_method<'a>(
    operator: &str,
    value: &str,
    directive: &'a Directive,
    scope: &Scope<'_>,
) -> Option<Condition<'a>> {
    let value = value.trim_matches(['"', '\'']);
    let inner = value.trim_start_matches('^').trim_end_matches('$');
    let inner = inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(inner);
    let methods: Vec<String> = inner.split('|').map(str::to_owned).collect();
    if !methods.iter().all(|method| METHODS.contains(&method.as_str())) {
        return None;
    }
    let returns = directive.children().iter().find(|one| one.name == "return")?;
    let action = of_return(returns, scope, &Captures::default()).ok()?;
    let is_whole = value.starts_with('^') && value.ends_with('$');
    match (operator, &action) {
        ("=", _) if methods.len() == 1 => {
            Some(Condition::Methods { methods, action, block: directive.children() })
        }
        ("~" | "~*", _) if is_whole => {
            Some(Condition::Methods { methods, action, block: directive.children() })
        }
        ("!~" | "!~*", Action::Respond(status)) if is_whole => {
            let methods = methods.into_iter().filter(|method| is_possible(method)).collect();
            Some(Condition::OnlyMethods { methods, status: status.clone() })
        }
        _ => None,
    }
}

/// Sideman refuses these methods always.
fn is_possible(method: &str) -> bool {
    !matches!(method, "CONNECT" | "TRACE")
}

/// Refuses redirects whose host clients could choose.
fn safe(target: String) -> Result<String, String> {
    let authority =
        target.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let is_chosen = |text: &str| (1..=9).any(|number| text.contains(&format!("{{{number}}}")));
    match authority.is_some_and(is_chosen) {
        true => Err("clients could choose the host: redirect in the application".into()),
        false => Ok(target),
    }
}

fn of_maintenance<'a>(
    path: &str,
    directive: &Directive,
    scope: &Scope<'_>,
) -> Option<Condition<'a>> {
    let root = scope.last(&["root"]).map(|root| root.arg(0));
    let path = text::with_constants(path, scope);
    let path = match (["${document_root}", "$document_root"].iter())
        .find_map(|variable| path.strip_prefix(variable))
    {
        Some(rest) => format!("{}{rest}", root?.trim_end_matches('/')),
        None => path,
    };
    let status = only(directive, "return")?.arg(0);
    let is_plain = path.starts_with('/') && !text::has_variable(&path);
    (status == "503" && is_plain).then_some(Condition::Maintenance(path))
}

fn of_missing(directive: &Directive) -> Option<Condition<'_>> {
    let mut passes = directive.children().iter().filter(|one| one.name != "break");
    let pass =
        passes.next().filter(|one| matches!(one.name.as_str(), "proxy_pass" | "uwsgi_pass"))?;
    passes.next().is_none().then_some(Condition::MissingFile(pass))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn one(text: &str) -> Directive {
        parser::parse(text, &"f".into()).unwrap().remove(0)
    }

    fn returned(text: &str) -> Result<Action, String> {
        of_return(&one(text), &Scope::default(), &Captures::default())
    }

    fn rewritten(text: &str, prefix: &str) -> Result<Rewrite, String> {
        of_rewrite(&one(text), prefix, &Scope::default(), &Captures::default())
    }

    #[test]
    fn returns_become_responses_and_redirects() {
        for (nginx, action) in [
            ("return 404;", Action::Respond("404".into())),
            ("return 444;", Action::Respond("close".into())),
            ("return 200 'ok\\n';", Action::Respond("200 ok\n".into())),
            ("return 301 /a;", Action::Redirect("301 /a".into())),
            (
                "return 301 https://$host$request_uri;",
                Action::Redirect("301 https://{host}{path}{query}".into()),
            ),
            ("return https://a.example;", Action::Redirect("302 https://a.example".into())),
        ] {
            assert_eq!(returned(nginx), Ok(action), "{nginx}");
        }
        for nginx in ["return 200 $host;", "return x;", "return 301 $cookie_a;", "return 199;"] {
            assert!(returned(nginx).is_err(), "{nginx}");
        }
    }

    #[test]
    fn rewrites_redirect_or_change_the_path() {
        let paths = |text: &str| match rewritten(text, "/").unwrap() {
            Rewrite::Paths(one) => (
                one.paths.iter().map(RoutePath::setting).collect::<Vec<_>>().join(" "),
                one.redirect,
            ),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            paths("rewrite ^/old/?$ /new/ permanent;"),
            ("/old =/old/".into(), "301 /new/{query}".into())
        );
        assert_eq!(
            paths(r"rewrite ^/a/(\d+)$ /b/$1? redirect;"),
            (r"~^/a/(\d+)$".into(), "302 /b/{1}".into())
        );
        assert_eq!(
            paths("rewrite ^([^.]*[^/])$ $1/ permanent;"),
            ("~^([^.]*[^/])$".into(), "301 {path}/{query}".into())
        );
        assert!(rewritten("rewrite ^/a(.*)$ $1 permanent;", "/").is_err());
        let everything = Rewrite::Everything("302 http://a.example{path}{query}".into());
        assert_eq!(rewritten("rewrite ^(.*) http://a.example$1;", "/"), Ok(everything.clone()));
        assert_eq!(rewritten("rewrite ^/(.*)$ http://a.example/$1;", "/"), Ok(everything));
        for (text, prefix, change) in [
            ("rewrite ^/api/(.*)$ /$1 break;", "/api/", PathChange::Strip),
            ("rewrite ^/api(.*)$ $1 break;", "/api", PathChange::Strip),
            ("rewrite ^/api/?(.*) /$1 break;", "/api", PathChange::Strip),
            ("rewrite ^/(.*) /$1 break;", "/ws/", PathChange::None),
            ("rewrite ^/a/(.*)$ /b/$1 break;", "/a/", PathChange::Replace("/b/".into())),
            ("rewrite ^/(.*)$ /b/$1 last;", "/", PathChange::Replace("/b/".into())),
        ] {
            assert_eq!(rewritten(text, prefix), Ok(Rewrite::Change(change)), "{text}");
        }
        for text in ["rewrite ^/a$ /b last;", "rewrite ^/a/(.*)$ /b?x=$1 break;"] {
            assert!(rewritten(text, "/a/").is_err(), "{text}");
        }
    }

    #[test]
    fn conditions_that_are_known() {
        let known = |text: &str| format!("{:?}", of_if(&one(text), &Scope::default()));
        for (text, expected) in [
            (
                "if ($http_x_forwarded_proto = http) { return 301 https://$host$request_uri; }",
                "RedirectHttps",
            ),
            (
                "if ($host != \"a.example\") { return 301 https://a.example$request_uri; }",
                "CanonicalHost",
            ),
            ("if ($host = www.a.example) { return 301 https://a.example$request_uri; }", "Host {"),
            (
                "if ($host ~* ^www\\.a\\.example$) { rewrite ^(.*)$ https://a.example$1 permanent; }",
                "Host {",
            ),
            ("if ($ssl_protocol = \"\") { return 301 https:$host$request_uri; }", "RedirectHttps"),
            ("if ($request_method = 'OPTIONS') { add_header A b; return 204; }", "Methods {"),
            ("if ($request_method !~ ^(GET|HEAD)$) { return 405; }", "OnlyMethods {"),
            ("if (-f /run/off) { return 503; }", "Maintenance"),
            ("if (-f $document_root/off) { return 503; }", "Unknown { restricts: true"),
            ("if (!-f $request_filename) { proxy_pass http://a; break; }", "MissingFile"),
            ("if ($http_user_agent ~ bot) { return 403; }", "Unknown { restricts: true"),
            ("if ($a) { auth_jwt on; }", "Unknown { restricts: true"),
            ("if ($a) { set $b c; }", "Unknown { restricts: false"),
            ("if ($request_method !~ GET|HEAD) { return 405; }", "Unknown { restricts: true"),
        ] {
            assert!(known(text).starts_with(expected), "{text}: {}", known(text));
        }
    }
}
