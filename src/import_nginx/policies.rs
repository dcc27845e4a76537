//! The policies of a location: limits, timeouts, buffering and headers.

use std::collections::BTreeMap;

use super::{
    content::Content,
    error_pages,
    headers::{self, HeaderUse},
    known,
    location::Location,
    report::Report,
    scope::Scope,
    servers::source,
    settings::{Action, Policies, Settings, Value},
    surroundings::Surroundings,
    target::PathChange,
    text, values,
};

const SECOND: u64 = 1000;
const DAY: u64 = 86_400 * SECOND;

/// Adds the policies of a location to those that restrict it.
pub(super) fn of_location(
    location: &Location<'_>,
    content: &Content<'_>,
    around: &Surroundings<'_, '_>,
    policies: &mut Policies,
    settings: &mut Settings,
    report: &mut Report,
) {
    let captures = location.matcher.captures();
    let scope = &content.scope;
    let of = match &content.action {
        Action::Upstream(_) => HeaderUse::Application,
        Action::Files(_) | Action::Media(_) | Action::File(_) => HeaderUse::Files,
        Action::Redirect(_) | Action::Respond(_) | Action::None => HeaderUse::Other,
    };
    headers::of_responses(scope, &captures, of, policies, report);
    text_type(scope, content, policies, report);
    log(scope, policies, report);
    error_pages::of_location(content, around, policies, settings, report);
    if let Some(page) = &content.spa {
        policies.insert("spa", Value::Text(page.clone()));
    }
    if of != HeaderUse::Application {
        return;
    }
    max_body(scope, policies, report);
    let is_uwsgi = content.source.is_some_and(|source| source.name == "uwsgi_pass")
        || matches!(&content.action, Action::Upstream(urls) if urls.iter().any(|url| url.starts_with("uwsgi")));
    let protocol = if is_uwsgi { "uwsgi" } else { "proxy" };
    read_timeout(scope, protocol, policies, settings, report);
    buffering(scope, protocol, policies);
    match is_uwsgi {
        true => headers::of_uwsgi(scope, policies, settings, report),
        false => headers::of_requests(scope, &captures, policies, settings, report),
    }
    match &content.path_change {
        PathChange::None => {}
        PathChange::Strip => {
            policies.insert("strip_prefix", Value::Yes);
        }
        PathChange::Replace(prefix) => {
            policies.insert("replace_prefix", Value::Text(prefix.clone()));
        }
    }
}

/// Translates the `default_type` of a location that responds with a text. That of a whole server is meant for files.
fn text_type(
    scope: &Scope<'_>,
    content: &Content<'_>,
    policies: &mut Policies,
    report: &mut Report,
) {
    let has_text = matches!(&content.action, Action::Respond(response) if response.contains(' '));
    let Some(directive) = scope.own_named(&["default_type"]).pop().filter(|_| has_text) else {
        return;
    };
    let media_type = directive.arg(0);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"{},\"".contains(&byte);
    if media_type == "text/plain" {
        return;
    }
    if !media_type.bytes().all(is_plain) || text::has_variable(media_type) {
        return report.differs(directive, "the text is sent as text/plain");
    }
    let edit = format!("set Content-Type: {media_type}");
    match policies.get_mut("response_headers") {
        Some(Value::List(edits)) if edits.iter().any(|edit| is_of_type(edit)) => {}
        Some(Value::List(edits)) => edits.push(edit),
        _ => {
            policies.insert("response_headers", Value::List(vec![edit]));
        }
    }
}

fn is_of_type(edit: &str) -> bool {
    edit.split(' ').nth(1).is_some_and(|name| name.eq_ignore_ascii_case("content-type:"))
}

/// Translates `access_log off`. Where the log is written otherwise is a setting of its own.
fn log(scope: &Scope<'_>, policies: &mut Policies, report: &mut Report) {
    for directive in scope.all(&["access_log"]) {
        match directive.arg(0) {
            "off" => {
                policies.insert("log", Value::Text("off".into()));
            }
            _ if directive.args.iter().any(|arg| arg.starts_with("if=")) => report.differs(
                directive,
                "every request is logged: log = \"off\" in a route leaves out its requests",
            ),
            _ => report.unnecessary(directive, known::LOGS),
        }
    }
}

/// The lines that set what may become a setting of a section.
pub(super) fn sources(scope: &Scope<'_>) -> BTreeMap<&'static str, String> {
    let lines = [
        ("max_body", scope.last(&["client_max_body_size"])),
        ("read_timeout", scope.last(&["proxy_read_timeout", "uwsgi_read_timeout"])),
    ];
    lines.into_iter().filter_map(|(key, line)| Some((key, source(line?)))).collect()
}

fn max_body(scope: &Scope<'_>, policies: &mut Policies, report: &mut Report) {
    let Some(directive) = scope.last(&["client_max_body_size"]) else { return };
    match values::size(directive.arg(0)) {
        Some(size) => {
            policies.insert("max_body", Value::Text(size));
        }
        None => report.lost(directive, not_a_value(directive.arg(0), "size")),
    }
}

fn not_a_value(text: &str, kind: &str) -> String {
    match super::template::unresolved(text) {
        Some(placeholder) => text::unknown_placeholder(&placeholder),
        None => format!("not a {kind}"),
    }
}

fn read_timeout(
    scope: &Scope<'_>,
    protocol: &str,
    policies: &mut Policies,
    settings: &mut Settings,
    report: &mut Report,
) {
    let name = format!("{protocol}_read_timeout");
    let Some(directive) = scope.last(&[&name]) else { return };
    let Some(time) = values::time_within(directive.arg(0), 1, DAY) else {
        return report.lost(directive, not_a_value(directive.arg(0), "time"));
    };
    let is_upgrade = scope
        .all(&["proxy_set_header"])
        .iter()
        .any(|one| one.arg(0).eq_ignore_ascii_case("upgrade"));
    let is_long = values::milliseconds(directive.arg(0)).is_some_and(|time| time > 3600 * SECOND);
    if is_upgrade && is_long {
        // WebSocket connections have a limit of their own.
        settings.set("upstream.tunnel_timeout", Value::Text(time.text.clone()), source(directive));
    }
    if time.is_changed {
        report.differs(directive, format!("the longest time is {}", time.text));
    }
    policies.insert("read_timeout", Value::Text(time.text));
}

fn buffering(scope: &Scope<'_>, protocol: &str, policies: &mut Policies) {
    let is_off = |name: String| scope.last(&[&name]).is_some_and(|one| one.arg(0) == "off");
    let request = is_off(format!("{protocol}_request_buffering"));
    let response = is_off(format!("{protocol}_buffering"));
    let direction = match (request, response) {
        (true, true) => "both",
        (true, false) => "request",
        (false, true) => "response",
        (false, false) => return,
    };
    policies.insert("stream", Value::Text(direction.into()));
}

/// Translates what holds for every client of a server.
pub(super) fn of_clients(scope: &Scope<'_>, settings: &mut Settings, report: &mut Report) {
    let times = [
        ("client_header_timeout", "server.header_timeout", SECOND, 600 * SECOND),
        ("client_body_timeout", "server.body_timeout", 100, 3600 * SECOND),
        ("send_timeout", "server.write_timeout", 100, 3600 * SECOND),
    ];
    for (name, setting, least, most) in times {
        let Some(directive) = scope.last(&[name]) else { continue };
        match values::time_within(directive.arg(0), least, most) {
            Some(time) => {
                if time.is_changed {
                    report.differs(directive, format!("the time is limited to {}", time.text));
                }
                settings.set(setting, Value::Text(time.text), source(directive));
            }
            None => report.lost(directive, not_a_value(directive.arg(0), "time")),
        }
    }
    if let Some(directive) = scope.last(&["keepalive_requests"]) {
        match directive
            .arg(0)
            .parse::<u32>()
            .ok()
            .filter(|number| (1..=1_000_000_000).contains(number))
        {
            Some(number) => {
                settings.set("server.max_requests", Value::Number(number), source(directive));
            }
            None => report.lost(directive, not_a_value(directive.arg(0), "number")),
        }
    }
    let header = scope.last(&["real_ip_header"]);
    let name = header.map(|header| header.arg(0).to_ascii_lowercase());
    match (header, name.as_deref()) {
        (None, _) => {}
        (Some(header), Some("x-forwarded-for")) => report.unnecessary(
            header,
            "X-Forwarded-For is always read from right to left through the trusted proxies",
        ),
        (Some(header), Some("proxy_protocol")) => report.unnecessary(
            header,
            "the PROXY protocol names the client wherever it is used: server.proxy_protocol",
        ),
        (Some(header), _) => report.lost(
            header,
            "the client's address is read from X-Forwarded-For, which every load balancer and CDN sends",
        ),
    }
    for directive in scope.all(&["set_real_ip_from"]) {
        let network = directive.arg(0);
        let is_network =
            network.parse::<ipnet::IpNet>().is_ok() || network.parse::<std::net::IpAddr>().is_ok();
        match network {
            "unix:" => report.unnecessary(directive, "peers of a unix socket are trusted"),
            "0.0.0.0/0" | "::/0" => report.lost(
                directive,
                "every client could choose its address: set server.trusted_proxies to the load balancer's networks",
            ),
            network if is_network => {
                let setting = match name.as_deref() {
                    Some("proxy_protocol") => "server.proxy_protocol_from",
                    _ => "server.trusted_proxies",
                };
                settings.push(setting, network, source(directive));
            }
            network => report.lost(directive, not_a_value(network, "network")),
        }
    }
}
