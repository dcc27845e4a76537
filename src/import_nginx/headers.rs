//! Header fields: what `proxy_set_header`, `uwsgi_param`, `add_header` and `expires` become.

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
        match request_header(name, value, scope, settings) {
            RequestHeader::Unnecessary(reason) => report.unnecessary(directive, reason),
            RequestHeader::Https => https(directive, settings),
            RequestHeader::Lost(remedy) => report.lost(directive, remedy),
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
            RequestHeader::Edit if value.is_empty() => edits.push(format!("remove {name}")),
            RequestHeader::Edit => match text::to_template(value, scope, captures) {
                Ok(value) => edits.push(format!("set {name}: {value}")),
                Err(remedy) => report.lost(directive, remedy),
            },
        }
    }
    if !edits.is_empty() {
        policies.insert("request_headers", Value::List(edits));
    }
}

enum RequestHeader {
    Unnecessary(&'static str),
    /// The scheme is always https.
    Https,
    Lost(&'static str),
    /// It is changed as the directive says.
    Edit,
}

fn request_header(
    name: &str,
    value: &str,
    scope: &Scope<'_>,
    settings: &Settings,
) -> RequestHeader {
    let value = text::with_constants(value, scope);
    let value = value.replace(['{', '}'], "").to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let own = format!("$http_{}", name.replace('-', "_"));
    match name.as_str() {
        "host" if matches!(value.as_str(), "$host" | "$http_host" | "$host:$server_port") => {
            RequestHeader::Unnecessary(ALWAYS_SENT)
        }
        "x-forwarded-proto"
        | "x-forwarded-protocol"
        | "x-forwarded-scheme"
        | "x-forwarded-ssl"
        | "x-url-scheme" => match value.as_str() {
            "https" | "ssl" | "on" => RequestHeader::Https,
            "$scheme" | "http" | "$https" => RequestHeader::Unnecessary(ALWAYS_SENT),
            _ if settings.get("server.trusted_proxies").is_some() => {
                RequestHeader::Unnecessary(ALWAYS_SENT)
            }
            _ => RequestHeader::Lost(SET_TRUSTED),
        },
        "x-forwarded-for" | "x-real-ip" | "x-client-ip" | "client_ip" | "x-forwarded-port"
        | "x-forwarded-by" | "x-request-id" | "x-correlation-id" | "forwarded" | "via" => {
            RequestHeader::Unnecessary(ALWAYS_SENT)
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
    settings.set("server.external_scheme", Value::Text("https".into()), from);
}

/// Translates the parameters of the uwsgi protocol.
pub(super) fn of_uwsgi(
    scope: &Scope<'_>,
    policies: &mut Policies,
    settings: &mut Settings,
    report: &mut Report,
) {
    for directive in scope.all(&["uwsgi_param"]) {
        let (name, value) = (directive.arg(0), directive.arg(1));
        match name {
            "SCRIPT_NAME" if !text::has_variable(value) => {
                policies.insert("script_name", Value::Text(value.into()));
            }
            "HTTP_X_FORWARDED_PROTO" | "HTTP_X_FORWARDED_PROTOCOL" | "UWSGI_SCHEME" | "HTTPS"
                if matches!(value, "https" | "on" | "ssl") =>
            {
                https(directive, settings);
            }
            "HTTP_X_FORWARDED_PROTO" if value.starts_with("$http") => {
                match settings.get("server.trusted_proxies") {
                    Some(_) => report.unnecessary(directive, ALWAYS_SENT),
                    None => report.lost(directive, SET_TRUSTED),
                }
            }
            "REMOTE_ADDR" if !matches!(value, "$remote_addr") => report.lost(
                directive,
                "set server.trusted_proxies to the networks of the load balancer: the client's address is \
                 then that of X-Forwarded-For",
            ),
            _ => report.unnecessary(
                directive,
                "the usual parameters of the uwsgi protocol are always sent, and Django reads no others",
            ),
        }
    }
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
        let (name, value) = (directive.arg(0), directive.arg(1));
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
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

/// Returns `max-age` of Cache-Control in milliseconds.
fn lifetime(value: &str) -> Option<u64> {
    let mut directives = value.split(',').map(str::trim);
    let seconds = directives.find_map(|one| one.strip_prefix("max-age="))?;
    seconds.parse::<u64>().ok()?.checked_mul(1000)
}
