//! Header fields: what `proxy_set_header`, `uwsgi_param`, `add_header` and `expires` become.

use std::borrow::Cow;

use super::{
    parser::Directive,
    report::Report,
    scope::Scope,
    settings::{Policies, Settings, Value},
    text::{self, Captures},
    values,
};

const ALWAYS_SENT: &str = "the application always gets Host and X-Forwarded-For, -Proto and -Port, X-Real-IP and \
                           X-Request-ID, and what clients forge is removed";
const NO_HOST: &str = "Host is the client's, so that the application needs no X-Forwarded-Host";
const UPGRADES: &str = "WebSocket is passed on";
const OF_FILES: &str =
    "files have Cache-Control, Vary and X-Content-Type-Options without it: static.max_age";
const SET_TRUSTED: &str = "set server.trusted_proxies to the networks of the load balancer: only from there \
                           X-Forwarded-Proto is trusted";

/// What headers belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderUse {
    Files,
    Application,
    /// Responses of Sideman itself.
    Other,
}

/// Translates the headers of requests to an application.
pub(super) fn of_requests(
    scope: &Scope<'_>,
    captures: &Captures,
    policies: &mut Policies,
    settings: &mut Settings,
    report: &mut Report,
) {
    let mut edits = Vec::new();
    for directive in scope.all(&["proxy_set_header"]) {
        let (name, value) = (directive.arg(0), directive.arg(1));
        match request_header(name, value, scope) {
            RequestHeader::Unnecessary(reason) => report.unnecessary(directive, reason),
            RequestHeader::Https => https(directive, settings),
            RequestHeader::OfProxy => of_proxy(directive, settings, report),
            RequestHeader::SchemeOfProxy => {
                of_proxy(directive, settings, report);
                edits.push(format!("set {name}: {{scheme}}"));
            }
            RequestHeader::HttpsToo => {
                https(directive, settings);
                edits.push(format!("set {name}: {value}"));
            }
            RequestHeader::Edit if name.eq_ignore_ascii_case("host") && value == "$proxy_host" => {
                policies.insert("host_header", Value::Text("upstream".into()));
            }
            RequestHeader::Edit if name.eq_ignore_ascii_case("host") => {
                match text::to_template(value, scope, captures) {
                    Ok(host) => {
                        policies.insert("host_header", Value::Text(host));
                    }
                    Err(remedy) => report.lost(directive, remedy),
                }
            }
            RequestHeader::Edit if super::auth::is_of_server(value, scope) => {
                report.unnecessary(
                    directive,
                    "the header comes from the auth server: auth_response_headers",
                );
            }
            RequestHeader::Edit if value.is_empty() => edits.push(format!("remove {name}")),
            RequestHeader::Edit => match text::to_template(value, scope, captures) {
                Ok(value) => edits.push(format!("set {name}: {value}")),
                Err(remedy) => report.lost(directive, remedy),
            },
        }
    }
    let name = |edit: &str| {
        let field = edit.split_once(' ').map_or(edit, |(_, field)| field);
        field.split(':').next().unwrap_or_default().to_ascii_lowercase()
    };
    let mut unique: Vec<String> = Vec::new();
    for edit in edits {
        // nginx would send both.
        unique.retain(|other| name(other) != name(&edit));
        unique.push(edit);
    }
    if !unique.is_empty() {
        policies.insert("request_headers", Value::List(unique));
    }
}

enum RequestHeader {
    Unnecessary(&'static str),
    /// The scheme is always https, or that of a placeholder.
    Https,
    /// The scheme is that of a proxy.
    OfProxy,
    /// The same, for a header that is not always sent.
    SchemeOfProxy,
    HttpsToo,
    /// It is changed as the directive says.
    Edit,
}

fn request_header(name: &str, value: &str, scope: &Scope<'_>) -> RequestHeader {
    let value = text::with_constants(value, scope);
    let value = value.replace(['{', '}'], "").to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let own = format!("$http_{}", name.replace('-', "_"));
    match name.as_str() {
        "host" if matches!(value.as_str(), "$host" | "$http_host" | "$host:$server_port") => {
            RequestHeader::Unnecessary(ALWAYS_SENT)
        }
        "x-forwarded-proto" => match value.as_str() {
            "https" | "ssl" | "on" => RequestHeader::Https,
            "$scheme" | "http" | "$https" => RequestHeader::Unnecessary(ALWAYS_SENT),
            value if super::template::is_placeholder(value) => RequestHeader::Https,
            _ => RequestHeader::OfProxy,
        },
        "x-forwarded-for" | "x-real-ip" | "client_ip" | "x-forwarded-port" | "x-forwarded-by"
        | "x-request-id" | "x-request-start" | "forwarded" | "via" => {
            RequestHeader::Unnecessary(ALWAYS_SENT)
        }
        // Django may read the scheme from these in place of X-Forwarded-Proto.
        "x-forwarded-protocol" | "x-forwarded-scheme" | "x-forwarded-ssl" | "x-url-scheme"
            if value.contains("$http_x_forwarded") =>
        {
            RequestHeader::SchemeOfProxy
        }
        "x-forwarded-protocol" | "x-forwarded-scheme" | "x-forwarded-ssl" | "x-url-scheme"
            if matches!(value.as_str(), "https" | "ssl" | "on") =>
        {
            RequestHeader::HttpsToo
        }
        "x-forwarded-host" | "x-forwarded-server" | "x-host" => RequestHeader::Unnecessary(NO_HOST),
        "upgrade" | "connection" | "keep-alive" => RequestHeader::Unnecessary(UPGRADES),
        "content-length" | "transfer-encoding" | "te" | "expect" => {
            RequestHeader::Unnecessary("bodies are framed anew")
        }
        _ if value == own => RequestHeader::Unnecessary("request headers are passed on without it"),
        _ => RequestHeader::Edit,
    }
}

fn https(directive: &Directive, settings: &mut Settings) {
    let from = super::servers::source(directive);
    let value = directive.arg(1);
    let scheme = if super::template::is_placeholder(value) { value } else { "https" };
    settings.set("server.external_scheme", Value::Text(scheme.into()), from);
}

fn of_proxy(directive: &Directive, settings: &mut Settings, report: &mut Report) {
    let from = super::servers::source(directive);
    match settings.trust_private(from, directive, report) {
        true => report.unnecessary(directive, ALWAYS_SENT),
        false => report.lost(directive, SET_TRUSTED),
    }
}

/// Translates the parameters of the uwsgi protocol.
pub(super) fn of_uwsgi(
    scope: &Scope<'_>,
    policies: &mut Policies,
    settings: &mut Settings,
    report: &mut Report,
) {
    let mut edits = Vec::new();
    for directive in scope.all(&["uwsgi_param"]) {
        let (name, value) = (directive.arg(0), directive.arg(1));
        match name {
            "SCRIPT_NAME" if !text::has_variable(value) => {
                policies.insert("script_name", Value::Text(value.into()));
            }
            "HTTP_X_FORWARDED_PROTO" | "UWSGI_SCHEME" | "HTTPS"
                if matches!(value, "https" | "on" | "ssl") =>
            {
                https(directive, settings);
            }
            "HTTP_X_FORWARDED_PROTO" if value.starts_with("$http") => {
                of_proxy(directive, settings, report);
            }
            "REMOTE_ADDR" if !matches!(value, "$remote_addr") => report.lost(
                directive,
                "set server.trusted_proxies to the networks of the load balancer: the client's address is \
                 then that of X-Forwarded-For",
            ),
            name if of_header(name).is_some() => {
                let header = of_header(name).unwrap_or_default();
                if name == "HTTP_X_FORWARDED_PROTOCOL" && matches!(value, "https" | "on" | "ssl") {
                    https(directive, settings);
                }
                match text::to_template(value, scope, &Captures::default()) {
                    Ok(value) => edits.push(format!("set {header}: {value}")),
                    Err(remedy) => report.lost(directive, remedy),
                }
            }
            _ => report.unnecessary(
                directive,
                "the usual parameters of the uwsgi protocol are always sent, and Django reads no others",
            ),
        }
    }
    if !edits.is_empty() {
        policies.insert("request_headers", Value::List(edits));
    }
}

/// Returns the header for a parameter of uwsgi, unless Sideman always sends it.
fn of_header(parameter: &str) -> Option<String> {
    const ALWAYS: [&str; 8] = [
        "HOST",
        "X_REAL_IP",
        "X_FORWARDED_FOR",
        "X_FORWARDED_PROTO",
        "X_FORWARDED_HOST",
        "X_FORWARDED_PORT",
        "X_REQUEST_ID",
        "COOKIE",
    ];
    let name = parameter.strip_prefix("HTTP_").filter(|name| !ALWAYS.contains(name))?;
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_ascii_lowercase())
    });
    Some(words.collect::<Vec<_>>().join("-"))
}

/// Translates the headers of responses, and the lifetime of files.
pub(super) fn of_responses(
    scope: &Scope<'_>,
    captures: &Captures,
    of: HeaderUse,
    policies: &mut Policies,
    report: &mut Report,
) {
    let mut edits = Vec::new();
    let mut max_age = None;
    if let Some(expires) = scope.last(&["expires"]) {
        let (time, is_modified) = match expires.arg(0) {
            "modified" => (expires.arg(1), true),
            time => (time, false),
        };
        match time {
            "off" => {}
            "epoch" => max_age = Some(0),
            "max" => max_age = Some(u64::MAX),
            time if time.starts_with('-') => max_age = Some(0),
            time if is_modified || time.starts_with('@') || text::has_variable(time) => {
                report.lost(expires, "give the lifetime itself, as in static.max_age = \"1h\"");
            }
            time => match values::milliseconds(time) {
                Some(time) => max_age = Some(time),
                None => report.lost(expires, "not a time"),
            },
        }
        if let (Some(age), HeaderUse::Application) = (max_age, of) {
            let seconds = if age == u64::MAX { 315_360_000 } else { age / 1000 };
            edits.push(match seconds {
                0 => "set Cache-Control: no-cache".to_owned(),
                seconds => format!("set Cache-Control: max-age={seconds}"),
            });
        }
    }
    for directive in scope.all(&["add_header", "more_set_headers"]) {
        if directive.name == "more_set_headers" {
            for field in &directive.args {
                match text::to_template(field, scope, captures) {
                    Ok(field) => edits.push(format!("set {field}")),
                    Err(remedy) => report.lost(directive, remedy),
                }
            }
            continue;
        }
        let (name, value) = (directive.arg(0), unfolded(directive.arg(1)));
        let value = value.as_ref();
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            _ if matches!(value, "$upstream_cache_status" | "$upstream_status") => {
                report.unnecessary(directive, "only has an effect together with a cache");
            }
            "pragma" => {
                report.unnecessary(directive, "only HTTP/1.0 knows it; Cache-Control decides")
            }
            "cache-control" if of == HeaderUse::Files => {
                match lifetime(value).or(max_age) {
                    _ if value.contains("no-store") => edits.push(format!("set {name}: {value}")),
                    Some(age) => max_age = Some(age),
                    None => report.unnecessary(directive, OF_FILES),
                };
            }
            "vary" | "x-content-type-options" | "etag" | "last-modified" | "accept-ranges"
                if of == HeaderUse::Files =>
            {
                report.unnecessary(directive, OF_FILES);
            }
            "x-request-id" => report.unnecessary(directive, "every response has X-Request-ID"),
            "content-length" | "connection" | "transfer-encoding" => {
                report.unnecessary(directive, "responses are framed anew");
            }
            _ if value.is_empty() => {
                report.unnecessary(directive, "it has no value, so nginx sends nothing")
            }
            _ => match text::to_template(value, scope, captures) {
                // Files have no headers of the application, whose values must be kept.
                Ok(value) => edits.push(match of {
                    HeaderUse::Application => format!("add {name}: {value}"),
                    HeaderUse::Files | HeaderUse::Other => format!("set {name}: {value}"),
                }),
                Err(remedy) => report.lost(directive, remedy),
            },
        }
    }
    if of == HeaderUse::Application {
        let hidden = scope.all(&["proxy_hide_header"]).into_iter();
        for directive in hidden
            .chain(scope.all(&["uwsgi_hide_header"]))
            .chain(scope.all(&["more_clear_headers"]))
        {
            edits.extend(directive.args.iter().map(|name| format!("remove {name}")));
        }
    }
    let mut unique: Vec<String> = Vec::new();
    for edit in edits {
        let place = |edit: &str| {
            let (action, field) = edit.split_once(' ').unwrap_or((edit, ""));
            let name = field.split(':').next().unwrap_or_default().to_ascii_lowercase();
            (action.to_owned(), name)
        };
        // The settings refuse two changes of one header; nginx would use the last.
        let is_set = edit.starts_with("set ");
        unique.retain(|other| !(is_set && place(other) == place(&edit)) && *other != edit);
        unique.push(edit);
    }
    if !unique.is_empty() {
        policies.insert("response_headers", Value::List(unique));
    }
    if let (Some(age), HeaderUse::Files) = (max_age, of) {
        policies.insert("max_age", Value::Text(values::max_age(age)));
    }
}

/// Returns a value on one line: a line break in it is the obsolete folding of RFC 9112, 5.2, which clients read as a
/// space.
fn unfolded(value: &str) -> Cow<'_, str> {
    match value.contains(['\r', '\n']) {
        true => value.split_whitespace().collect::<Vec<_>>().join(" ").into(),
        false => value.into(),
    }
}

/// Returns `max-age` of Cache-Control in milliseconds.
fn lifetime(value: &str) -> Option<u64> {
    let mut directives = value.split(',').map(str::trim);
    let seconds = directives.find_map(|one| one.strip_prefix("max-age="))?;
    seconds.parse::<u64>().ok()?.checked_mul(1000)
}
