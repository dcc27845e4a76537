//! The `server` blocks: their names, addresses and certificates, and what each is for.

use super::{
    parser::Directive,
    report::{self, Report},
    rewrites,
    scope::Scope,
    settings::{Action, Settings, Value},
    template,
    text::{self, Captures},
    twins,
};

/// A `server` block.
#[derive(Clone, Debug)]
pub(super) struct Server<'a> {
    pub(super) directive: &'a Directive,
    pub(super) scope: Scope<'a>,
    /// Hosts as settings; empty if it has no name of its own.
    pub(super) hosts: Vec<String>,
    /// Whether a name could not be translated.
    pub(super) has_unknown_host: bool,
    listens: Vec<Listen<'a>>,
    /// Its ports, if other ports have another site for the same hosts.
    pub(super) own_ports: Vec<String>,
    pub(super) role: Role,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Serves,
    /// Redirects plain HTTP to a server with TLS.
    RedirectsToHttps,
    /// Refuses requests for hosts that no other server has.
    RefusesOthers,
    /// Has the locations of another server on another port.
    Shares,
    /// Cannot be distinguished from another server.
    LeftOut,
}

#[derive(Clone, Debug)]
struct Listen<'a> {
    directive: &'a Directive,
    /// The address as a setting; `None` if it could not be translated.
    address: Option<String>,
    /// What is compared: the port or the path.
    port: String,
    is_tls: bool,
    is_default: bool,
}

/// Reads the servers, and decides what each is for.
pub(super) fn servers<'a>(
    blocks: &[&'a Directive],
    http: &Scope<'a>,
    report: &mut Report,
) -> Vec<Server<'a>> {
    let mut servers: Vec<Server<'a>> =
        blocks.iter().map(|block| Server::read(block, http, report)).collect();
    let has_tls = servers.iter().any(Server::is_tls);
    for server in &mut servers {
        if has_tls && !server.is_tls() && redirects_to_https(server) {
            server.role = Role::RedirectsToHttps;
        }
    }
    let serving = servers.iter().filter(|server| server.role == Role::Serves).count();
    let has_hosts =
        servers.iter().any(|server| !server.hosts.is_empty() && !server.has_unknown_host);
    for server in &mut servers {
        let refuses = server.role == Role::Serves && server.hosts.is_empty() && refuses(server);
        if serving > 1 && has_hosts && refuses && !server.has_unknown_host {
            server.role = Role::RefusesOthers;
        }
    }
    if has_ports_of_their_own(&servers) {
        for server in servers.iter_mut().filter(|server| server.role == Role::Serves) {
            server.own_ports = server.ports();
        }
    } else {
        leave_out_twins(&mut servers, report);
    }
    servers
}

/// Whether the servers are sites on different ports: routes match by port. Behind the PROXY protocol, the port is that
/// of the load balancer.
fn has_ports_of_their_own(servers: &[Server<'_>]) -> bool {
    let serving: Vec<&Server<'_>> =
        servers.iter().filter(|server| server.role == Role::Serves).collect();
    let is_port =
        |port: &String| template::with_samples(port).parse::<u16>().is_ok_and(|port| port > 0);
    let has_proxy_protocol = |server: &&Server<'_>| {
        server
            .listens
            .iter()
            .any(|one| one.directive.args.iter().any(|arg| arg == "proxy_protocol"))
    };
    let mut ports: Vec<String> = serving.iter().flat_map(|server| server.ports()).collect();
    let is_possible = ports.iter().all(is_port) && !serving.iter().any(has_proxy_protocol);
    let count = ports.len();
    ports.sort_unstable();
    ports.dedup();
    let is_apart = ports.len() == count;
    let shares_hosts = |one: &Server<'_>, other: &Server<'_>| {
        one.hosts.is_empty() && other.hosts.is_empty()
            || one.hosts.iter().any(|host| other.hosts.contains(host))
    };
    let differ = |one: &Server<'_>, other: &Server<'_>| {
        let found = twins::differences(one.directive, other.directive);
        found.is_none_or(|differences| twins::matter(&differences))
    };
    let mut pairs = serving
        .iter()
        .enumerate()
        .flat_map(|(index, one)| serving.iter().skip(index + 1).map(move |other| (*one, *other)));
    is_possible
        && is_apart
        && pairs.any(|(one, other)| shares_hosts(one, other) && differ(one, other))
}

/// Leaves out servers that only differ by their port: a route matches on every address.
fn leave_out_twins(servers: &mut [Server<'_>], report: &mut Report) {
    let mut kept: Vec<(Vec<String>, Vec<String>, usize)> = Vec::new();
    // TLS first, then the server that nginx would take for any host.
    let mut order: Vec<usize> = (0..servers.len()).collect();
    order.sort_by_key(|&index| {
        let server = servers.get(index);
        let is_tls = server.is_some_and(Server::is_tls);
        (!is_tls, server.is_none_or(|server| !server.is_default()), index)
    });
    for index in order {
        let Some(server) = servers.get(index).filter(|server| server.role == Role::Serves) else {
            continue;
        };
        let ports: Vec<String> = server.listens.iter().map(|listen| listen.port.clone()).collect();
        let is_other_port = |(_, others, _): &(_, Vec<String>, _)| {
            !others.iter().any(|other| ports.contains(other))
        };
        let is_same_host = |(hosts, ..): &(Vec<String>, _, _)| {
            hosts.iter().any(|host| server.hosts.contains(host))
                || (hosts.is_empty() && server.hosts.is_empty())
        };
        let twin = kept.iter().find(|other| is_same_host(other));
        let role = match twin {
            Some(other) if is_other_port(other) => {
                let first = servers.get(other.2);
                let shared =
                    first.and_then(|first| twins::differences(first.directive, server.directive));
                match shared {
                    Some(differences) => {
                        twins::report(&differences, report);
                        Role::Shares
                    }
                    None => {
                        report.lost(
                            server.directive,
                            "it only differs from another server by its port: run a second Sideman, with the settings \
                             of this server alone",
                        );
                        Role::LeftOut
                    }
                }
            }
            Some(_) => {
                report.unnecessary(
                    server.directive,
                    "another server has the same names, and nginx uses that",
                );
                Role::LeftOut
            }
            None => {
                kept.push((server.hosts.clone(), ports, index));
                Role::Serves
            }
        };
        if let Some(server) = servers.get_mut(index) {
            server.role = role;
        }
    }
}

/// The status and the host of a server's redirect to https.
pub(super) fn https_target(server: &Server<'_>) -> Option<(String, String)> {
    let scope = &server.scope;
    let root = scope.own_named(&["location"]).into_iter().find(|one| one.args == ["/"]);
    let root = root.map(|root| scope.within(root.children()));
    let target = [Some(scope), root.as_ref()].into_iter().flatten().find_map(|scope| {
        let returns = scope.own_named(&["return"]).into_iter().find_map(|one| {
            match rewrites::of_return(one, scope, &Captures::default()) {
                Ok(Action::Redirect(target)) => Some(target),
                _ => None,
            }
        });
        returns.or_else(|| {
            scope.own_named(&["rewrite"]).into_iter().find_map(|one| {
                match rewrites::of_rewrite(one, "/", scope, &Captures::default()) {
                    Ok(rewrites::Rewrite::Everything(target)) => Some(target),
                    _ => None,
                }
            })
        })
    })?;
    let (status, target) = target.split_once(" https://")?;
    Some((status.to_owned(), target.split("{path}").next()?.to_owned()))
}

fn redirects_to_https(server: &Server<'_>) -> bool {
    let scope = &server.scope;
    let is_https = |directive: &Directive, scope: &Scope<'_>| {
        matches!(
            rewrites::of_return(directive, scope, &Captures::default()),
            Ok(Action::Redirect(target)) if target.contains(" https://") && target.contains("{path}")
        )
    };
    let of_rewrite = |directive: &Directive, scope: &Scope<'_>| {
        matches!(
            rewrites::of_rewrite(directive, "/", scope, &Captures::default()),
            Ok(rewrites::Rewrite::Everything(target)) if target.contains(" https://")
        )
    };
    let redirects = |scope: &Scope<'_>| {
        scope.own_named(&["return"]).iter().any(|one| is_https(one, scope))
            || scope.own_named(&["rewrite"]).iter().any(|one| of_rewrite(one, scope))
    };
    // certbot writes an `if` for each host, and 404 for the others.
    let by_host = scope.own_named(&["if"]).iter().any(|condition| {
        matches!(
            rewrites::of_if(condition, scope),
            rewrites::Condition::Host { redirect, .. } if redirect.contains(" https://")
        )
    });
    let root = scope.own_named(&["location"]).into_iter().find(|one| one.args == ["/"]);
    redirects(scope)
        || by_host
        || root.is_some_and(|root| redirects(&scope.within(root.children())))
}

fn refuses(server: &Server<'_>) -> bool {
    let is_refusal =
        |directive: &&Directive| directive.arg(0).parse::<u16>().is_ok_and(|status| status >= 400);
    let scope = &server.scope;
    let root = scope.own_named(&["location"]).into_iter().find(|one| one.args == ["/"]);
    let root = root.is_some_and(|root| {
        root.children().iter().any(|one| one.name == "return" && is_refusal(&one))
    });
    root || scope.own_named(&["return"]).iter().any(is_refusal)
        || scope.own_named(&["ssl_reject_handshake"]).iter().any(|one| one.arg(0) == "on")
}

/// Translates the addresses and certificates of a server.
pub(super) fn listeners(server: &Server<'_>, settings: &mut Settings, report: &mut Report) {
    for listen in &server.listens {
        let from = source(listen.directive);
        let key = if listen.is_tls { "tls.listen" } else { "server.listen" };
        match &listen.address {
            Some(address) => settings.push(key, address.clone(), from),
            None => {
                let placeholder = template::unresolved(listen.directive.arg(0));
                let remedy = placeholder.as_deref().map(text::unknown_placeholder);
                report.lost(
                    listen.directive,
                    remedy.unwrap_or_else(|| "write an IP address and a port".into()),
                );
            }
        }
        for word in listen.directive.args.iter().skip(1) {
            match word.as_str() {
                "proxy_protocol" => {
                    if let Some(address) = &listen.address {
                        let from = source(listen.directive);
                        settings.push("server.proxy_protocol", address.clone(), from);
                    }
                    if server.scope.last(&["set_real_ip_from"]).is_none() {
                        report.lost(
                            listen.directive,
                            "set server.proxy_protocol_from to the networks of the load balancer",
                        );
                    }
                }
                "quic" => {
                    report.lost(listen.directive, "HTTP/3 is not there: use a CDN, or HTTP/2")
                }
                _ => {}
            }
        }
    }
    certificates(server, settings, report);
}

fn certificates(server: &Server<'_>, settings: &mut Settings, report: &mut Report) {
    if !server.is_tls() {
        return;
    }
    let certificates = server.scope.all(&["ssl_certificate"]);
    let keys = server.scope.all(&["ssl_certificate_key"]);
    for (certificate, key) in certificates.iter().zip(&keys) {
        let path = |directive: &Directive| -> Result<String, String> {
            let path = directive.arg(0);
            if let Some(placeholder) = template::first_placeholder(path) {
                return Err(text::unknown_placeholder(placeholder));
            }
            if text::has_variable(path) || path.starts_with("data:") {
                return Err("name the files of each certificate".into());
            }
            // nginx looks below its own directory.
            Ok(match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/etc/nginx/{path}"),
            })
        };
        match (path(certificate), path(key)) {
            (Ok(chain), Ok(key)) => {
                settings.push("tls.certificates", format!("{chain}={key}"), source(certificate));
            }
            (Err(remedy), _) | (_, Err(remedy)) => report.lost(certificate, remedy),
        }
    }
    if certificates.is_empty() {
        report.lost(
            server.directive,
            "it has no certificate: set tls.certificates, or tls.self_signed",
        );
    }
    if let Some(protocols) = server.scope.last(&["ssl_protocols"]) {
        let only_new = protocols.args.iter().all(|protocol| protocol == "TLSv1.3");
        match only_new {
            true => {
                settings.set("tls.min_version", Value::Text("1.3".into()), source(protocols));
            }
            false => report.unnecessary(
                protocols,
                "TLS 1.2 and 1.3 with safe ciphers, session tickets, and HTTP/2 are the default",
            ),
        }
    }
}

/// Returns the line that a setting comes from.
pub(super) fn source(directive: &Directive) -> String {
    format!("{}: {}", directive.place, report::shown(directive))
}

// === impl Server ===

impl<'a> Server<'a> {
    fn read(block: &'a Directive, http: &Scope<'a>, report: &mut Report) -> Self {
        let scope = http.within(block.children());
        let (mut hosts, mut has_unknown_host) = (Vec::new(), false);
        for names in scope.own_named(&["server_name"]) {
            for name in &names.args {
                match host(name) {
                    Ok(Some(host)) if hosts.contains(&host) => {}
                    Ok(Some(host)) => hosts.push(host),
                    Ok(None) => {}
                    Err(remedy) => {
                        has_unknown_host = true;
                        report.lost(names, remedy);
                    }
                }
            }
        }
        let is_ssl_on = scope.own_named(&["ssl"]).iter().any(|ssl| ssl.arg(0) == "on");
        let mut listens: Vec<Listen<'a>> = scope
            .own_named(&["listen"])
            .into_iter()
            .map(|directive| Listen::read(directive, is_ssl_on))
            .collect();
        if listens.is_empty() {
            // What nginx does without `listen`.
            let address = Some("0.0.0.0:80".to_owned());
            let port = "80".to_owned();
            listens.push(Listen {
                directive: block,
                address,
                port,
                is_tls: false,
                is_default: false,
            });
        }
        let own_ports = Vec::new();
        Self {
            directive: block,
            scope,
            hosts,
            has_unknown_host,
            listens,
            own_ports,
            role: Role::Serves,
        }
    }

    /// Its ports, each once.
    fn ports(&self) -> Vec<String> {
        let mut ports: Vec<String> = Vec::new();
        for listen in &self.listens {
            if !ports.contains(&listen.port) {
                ports.push(listen.port.clone());
            }
        }
        ports
    }

    /// Whether it has an address with TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.listens.iter().any(|listen| listen.is_tls)
    }

    /// Whether nginx uses it for every host that no other server has.
    pub(super) fn is_default(&self) -> bool {
        self.listens.iter().any(|listen| listen.is_default)
    }
}

/// Returns the host that a `server_name` names; `None` if it names every host, or none.
fn host(name: &str) -> Result<Option<String>, String> {
    // nginx has no variables here.
    let marked = template::marked(name);
    let name = marked.as_deref().unwrap_or(name);
    if let Some(placeholder) = template::first_placeholder(name) {
        return Err(text::unknown_placeholder(placeholder));
    }
    if matches!(
        name,
        "" | "_" | "localhost" | "*" | "$hostname" | "~^.*$" | "~.*" | "~^" | "default"
    ) {
        return Ok(None);
    }
    let host = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
    let labels = host.strip_prefix('.').unwrap_or(host);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    match labels.split('.').all(is_label) && host.len() <= 253 {
        true => Ok(Some(host.to_ascii_lowercase())),
        false if name.starts_with('~') => Err(
            "hosts cannot be expressions: list them, or write .example.org for every name below it"
                .into(),
        ),
        false => Err("list the hosts, or write .example.org for every name below it".into()),
    }
}

// === impl Listen ===

impl<'a> Listen<'a> {
    fn read(directive: &'a Directive, is_ssl_on: bool) -> Self {
        let text = directive.arg(0);
        let has = |word: &str| directive.args.iter().any(|arg| arg == word);
        let (address, port) = match text.strip_prefix("unix:") {
            Some(path) => (Some(format!("unix:{path}")), text.to_owned()),
            None => {
                let (ip, port) = match text.rsplit_once(':') {
                    Some((ip, port)) if !port.ends_with(']') => (ip, port),
                    _ if text.bytes().all(|byte| byte.is_ascii_digit()) => ("", text),
                    _ if template::is_placeholder(text) => ("", text),
                    _ => (text, "80"),
                };
                let ip = match ip {
                    "" | "*" => "0.0.0.0",
                    "localhost" => "127.0.0.1",
                    ip => ip,
                };
                let address = format!("{ip}:{port}");
                let possible = template::with_samples(&address);
                let is_valid = possible.parse::<std::net::SocketAddr>().is_ok();
                (is_valid.then_some(address), port.to_owned())
            }
        };
        Self {
            directive,
            address,
            port,
            is_tls: has("ssl") || is_ssl_on,
            is_default: has("default_server") || has("default"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn roles(text: &str) -> (Vec<Role>, usize) {
        let tree = parser::parse(text, &"f".into()).unwrap();
        let blocks: Vec<_> = tree.iter().collect();
        let mut report = Report::default();
        let found = servers(&blocks, &Scope::default(), &mut report);
        (found.iter().map(|server| server.role).collect(), report.lost_count())
    }

    #[test]
    fn servers_have_roles() {
        let tls = "server { listen 443 ssl; server_name a.example; }";
        for (other, role) in [
            ("server { return 301 https://$host$request_uri; }", Role::RedirectsToHttps),
            (
                "server { listen 80; location / { return 301 https://a.example$request_uri; } }",
                Role::RedirectsToHttps,
            ),
            (
                "server { if ($host = a.example) { return 301 https://$host$request_uri; } return 404; }",
                Role::RedirectsToHttps,
            ),
            ("server { listen 80 default_server; return 444; }", Role::RefusesOthers),
            ("server { listen 80; location / { return 404; } }", Role::RefusesOthers),
            (
                "server { listen 443 ssl default_server; ssl_reject_handshake on; }",
                Role::RefusesOthers,
            ),
            ("server { listen 443 ssl; server_name b.example; }", Role::Serves),
            ("server { listen 444 ssl; server_name a.example; }", Role::Shares),
            ("server { listen 444 ssl; server_name a.example; deny all; }", Role::Serves),
            (
                "server { listen 444 ssl proxy_protocol; server_name a.example; deny all; }",
                Role::LeftOut,
            ),
            ("server { listen unix:/run/a; server_name a.example; deny all; }", Role::LeftOut),
        ] {
            assert_eq!(roles(&format!("{tls} {other}")).0, [Role::Serves, role], "{other}");
        }
        assert_eq!(
            roles("server { listen 1; } server { listen 2; root /srv; }"),
            (vec![Role::Serves, Role::Serves], 0)
        );
        // A third server shares a port.
        assert_eq!(
            roles(
                "server { listen 1; } server { listen 2; root /srv; } server { listen 2; server_name a.b; }"
            ),
            (vec![Role::Serves, Role::LeftOut, Role::Serves], 1)
        );
    }

    #[test]
    fn names_become_hosts() {
        for (name, expected) in [
            ("Example.org", Ok(Some("example.org"))),
            ("*.example.org", Ok(Some(".example.org"))),
            (".example.org", Ok(Some(".example.org"))),
            ("_", Ok(None)),
            ("", Ok(None)),
            ("localhost", Ok(None)),
        ] {
            assert_eq!(
                host(name),
                expected.map(|host: Option<&str>| host.map(str::to_owned)),
                "{name}"
            );
        }
        for name in ["~^a", "www.example.*", "{{ domain }}", "a b"] {
            assert!(host(name).is_err(), "{name}");
        }
        // Later it has a value: nginx has no variables here.
        assert_eq!(
            host("$HTTP_HOST").unwrap().map(|host| template::restore(&host)).as_deref(),
            Some("$HTTP_HOST")
        );
    }

    #[test]
    fn addresses_become_settings() {
        let address = |text: &str| {
            let tree = parser::parse(&format!("listen {text};"), &"f".into()).unwrap();
            Listen::read(&tree[0], false).address
        };
        for (nginx, setting) in [
            ("80", "0.0.0.0:80"),
            ("*:80", "0.0.0.0:80"),
            ("[::]:80", "[::]:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("unix:/run/n.sock", "unix:/run/n.sock"),
        ] {
            assert_eq!(address(nginx).as_deref(), Some(setting), "{nginx}");
        }
        assert_eq!((address("${PORT}"), address("example.org:80")), (None, None));
    }
}
