//! `limit_req`: the rate limit of a location, with the keys that `map` and `geo` make.

use super::{
    matcher::{Matcher, RoutePath},
    parser::Directive,
    report::Report,
    scope::Scope,
    settings::{Policies, Value},
    text::{self, Piece},
    values,
};

/// The limit of a location.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    /// Of every request.
    pub(super) all: Policies,
    /// Of requests with these methods.
    pub(super) by_method: Option<(Vec<String>, Policies)>,
    /// Of requests for these paths.
    pub(super) by_path: Option<(Vec<RoutePath>, Policies)>,
}

/// The key of an nginx zone.
#[derive(Debug)]
enum Key {
    /// A key of the settings.
    Plain(String),
    /// The client, of some requests only.
    Methods(Vec<String>),
    Paths(Vec<RoutePath>),
    /// The client, unless it is in these networks.
    Exempt(Vec<String>),
}

const SHARED: &str = "requests are counted by client, host or header: upstream.max_in_flight and upstream.queue bound \
                      the load of the application";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Translates the limits that apply at a place.
pub(super) fn of_scope(scope: &Scope<'_>, report: &mut Report) -> Rates {
    let mut found: Option<(Rates, &Directive)> = None;
    for directive in scope.all(&["limit_req"]) {
        match one(directive, scope, report) {
            Ok(rates) if found.is_none() => found = Some((rates, directive)),
            Ok(_) => report
                .lost(directive, "a route has one rate limit: keep the one that protects more"),
            Err(remedy) => report.lost(directive, remedy),
        }
    }
    let Some((rates, directive)) = found else { return Rates::default() };
    let is_dry = scope.last(&["limit_req_dry_run"]).is_some_and(|one| one.arg(0) == "on");
    let status = scope.last(&["limit_req_status"]).map_or("503", |status| status.arg(0));
    if status != "429" && !is_dry {
        report
            .differs(directive, format!("refused requests get 429 with Retry-After, not {status}"));
    }
    rates
}

fn one(directive: &Directive, scope: &Scope<'_>, report: &mut Report) -> Result<Rates, String> {
    let word = |name: &str| {
        directive.args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))
    };
    let name = word("zone").ok_or("it names no zone")?;
    let zone = scope
        .each()
        .filter(|one| one.name == "limit_req_zone")
        .find(|one| one.args.iter().any(|arg| is_zone(arg, name)))
        .ok_or_else(|| {
            format!("there is no limit_req_zone {name}: name its file on the command line")
        })?;
    let rate =
        zone.args.iter().find_map(|arg| arg.strip_prefix("rate=")).ok_or("its zone has no rate")?;
    let rate = rate.replace("r/", "/");
    let burst = word("burst").unwrap_or("0");
    let is_number = |text: &str| {
        !text.is_empty() && text.len() < 7 && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_rate =
        rate.strip_suffix("/s").or_else(|| rate.strip_suffix("/m")).is_some_and(|number| {
            is_number(number)
                && number.parse::<u32>().is_ok_and(|number| (1..=10_000).contains(&number))
        });
    if !is_rate || !is_number(burst) {
        return Err(format!("rate={rate} burst={burst} is no rate limit of a route"));
    }
    if burst != "0" && !directive.args.iter().any(|arg| arg == "nodelay") {
        report.differs(directive, "requests within the burst are not delayed");
    }
    let with_key = |key: &str| {
        let mut policies = Policies::new();
        policies.insert("rate_limit", Value::Text(format!("{rate} burst={burst} key={key}")));
        if scope.last(&["limit_req_dry_run"]).is_some_and(|one| one.arg(0) == "on") {
            policies.insert("rate_limit_dry_run", Value::Yes);
        }
        policies
    };
    let mut rates = Rates::default();
    match key(zone.arg(0), scope)? {
        Key::Plain(key) => rates.all = with_key(&key),
        Key::Methods(methods) => rates.by_method = Some((methods, with_key("client"))),
        Key::Paths(paths) => rates.by_path = Some((paths, with_key("client"))),
        Key::Exempt(networks) => {
            rates.all = with_key("client");
            if !networks.is_empty() {
                rates.all.insert("rate_limit_exempt", Value::List(networks));
            }
        }
    }
    Ok(rates)
}

/// Whether `zone=name:10m` is the zone of this name.
fn is_zone(argument: &str, name: &str) -> bool {
    let own = argument.strip_prefix("zone=").and_then(|rest| rest.rsplit_once(':'));
    own.is_some_and(|(own, size)| own == name && values::size(size).is_some())
}

fn key(text: &str, scope: &Scope<'_>) -> Result<Key, String> {
    let text = text::with_constants(text, scope);
    if let Some(map) = scope.each().find(|one| one.name == "map" && one.arg(1) == text) {
        return of_map(map, scope).ok_or_else(|| {
            format!("{text} has no counterpart: the key of a rate limit can be a client, a host or a header")
        });
    }
    let (mut is_client, mut is_host, mut header) = (false, false, None);
    for piece in text::pieces(&text) {
        match piece {
            Piece::Variable("binary_remote_addr" | "remote_addr" | "realip_remote_addr") => {
                is_client = true
            }
            Piece::Variable("server_name" | "host" | "http_host") => is_host = true,
            Piece::Variable(name) if name.starts_with("http_") && header.is_none() => {
                header = name.strip_prefix("http_").map(|name| name.replace('_', "-"));
            }
            Piece::Variable(_) => return Err(SHARED.into()),
            Piece::Text(_) => {}
        }
    }
    match (is_client, is_host, header) {
        (true, _, None) => Ok(Key::Plain("client".into())),
        (false, true, None) => Ok(Key::Plain("host".into())),
        // The first address of X-Forwarded-For is what a client says it is.
        (false, false, Some(header)) if header == "x-forwarded-for" => {
            Ok(Key::Plain("client".into()))
        }
        (false, false, Some(header)) => Ok(Key::Plain(format!("header:{header}"))),
        _ => Err(SHARED.into()),
    }
}

/// Reads a `map` whose values are the client's address, or nothing for requests that are not limited.
fn of_map(map: &Directive, scope: &Scope<'_>) -> Option<Key> {
    let is_limited = |entry: &Directive| match entry.arg(0) {
        "" => Some(false),
        "$binary_remote_addr" | "$remote_addr" => Some(true),
        _ => None,
    };
    let mut default = false;
    let mut entries = Vec::new();
    for entry in map.children() {
        let limited = is_limited(entry)?;
        match entry.name.as_str() {
            "default" => default = limited,
            "hostnames" | "volatile" | "include" => return None,
            name => entries.push((name, limited)),
        }
    }
    let source = map.arg(0);
    match source {
        "$request_method" => {
            let listed = |method: &&str| {
                entries.iter().find(|(name, _)| name == method).map(|(_, limited)| *limited)
            };
            entries.iter().all(|(name, _)| METHODS.contains(name)).then_some(())?;
            let methods = METHODS.iter().filter(|method| listed(method).unwrap_or(default));
            Some(Key::Methods(methods.map(|method| (*method).to_owned()).collect()))
        }
        "$uri" | "$request_uri" | "$document_uri" if !default => {
            let mut paths = Vec::new();
            for (pattern, _) in entries.iter().filter(|(_, limited)| *limited) {
                let matcher = match pattern.strip_prefix('~') {
                    Some(rest) => Matcher::Expression {
                        pattern: rest.trim_start_matches('*').to_owned(),
                        ignores_case: rest.starts_with('*'),
                    },
                    None => Matcher::Exact((*pattern).to_owned()),
                };
                paths.extend(matcher.paths(true)?);
            }
            (!paths.is_empty() && entries.iter().all(|(_, limited)| *limited))
                .then_some(Key::Paths(paths))
        }
        _ => {
            let geo = scope.each().find(|one| {
                one.name == "geo" && one.args.last().is_some_and(|name| name == source)
            })?;
            let limited = |value: &str| {
                entries
                    .iter()
                    .find(|(name, _)| *name == value)
                    .map_or(default, |(_, limited)| *limited)
            };
            let is_network = |text: &str| {
                text.parse::<ipnet::IpNet>().is_ok() || text.parse::<std::net::IpAddr>().is_ok()
            };
            let by_default = geo
                .children()
                .iter()
                .find(|one| one.name == "default")
                .map_or("", |one| one.arg(0));
            let networks: Vec<&Directive> =
                geo.children().iter().filter(|one| one.name != "default").collect();
            let is_known = networks.iter().all(|one| is_network(&one.name)) && geo.args.len() == 1;
            if !is_known || !limited(by_default) {
                return None;
            }
            let exempt =
                networks.iter().filter(|one| !limited(one.arg(0))).map(|one| one.name.clone());
            Some(Key::Exempt(exempt.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn rates(text: &str) -> (Rates, usize, usize) {
        let tree = parser::parse(text, &"f".into()).unwrap();
        let mut report = Report::default();
        let rates = of_scope(&Scope::default().within(&tree), &mut report);
        let mut written = String::new();
        report.write(&mut written);
        let differences =
            written.split("# Different").nth(1).map_or(0, |list| list.matches("f:").count());
        (rates, report.lost_count(), differences)
    }

    fn limit(policies: &Policies) -> &str {
        match policies.get("rate_limit") {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    #[test]
    fn zones_become_limits() {
        for (key, rest, expected) in [
            ("$binary_remote_addr", "burst=20 nodelay", "10/s burst=20 key=client"),
            ("$binary_remote_addr", "", "10/s burst=0 key=client"),
            ("$binary_remote_addr$server_name", "", "10/s burst=0 key=client"),
            ("$http_x_forwarded_for", "", "10/s burst=0 key=client"),
            ("$http_x_api_key", "burst=1 nodelay", "10/s burst=1 key=header:x-api-key"),
            ("$server_name", "", "10/s burst=0 key=host"),
        ] {
            let text = format!(
                "limit_req_zone {key} zone=z:1m rate=10r/s; limit_req_status 429; limit_req zone=z {rest};"
            );
            let (rates, lost, differences) = rates(&text);
            assert_eq!((limit(&rates.all), lost, differences), (expected, 0, 0), "{text}");
        }
    }

    #[test]
    fn delays_and_other_statuses_are_differences() {
        let zone = "limit_req_zone $remote_addr zone=z:1m rate=30r/m;";
        let (rates, lost, differences) = rates(&format!("{zone} limit_req zone=z burst=5;"));
        assert_eq!((limit(&rates.all), lost, differences), ("30/m burst=5 key=client", 0, 2));
    }

    #[test]
    fn maps_limit_some_requests() {
        let with = |map: &str| {
            let text = format!(
                "{map} limit_req_zone $k zone=z:1m rate=1r/s; limit_req_status 429; limit_req zone=z;"
            );
            let (rates, lost, _) = rates(&text);
            assert_eq!(lost, 0, "{text}");
            rates
        };
        let rates = with("map $request_method $k { default ''; POST $binary_remote_addr; }");
        assert_eq!(rates.by_method.unwrap().0, ["POST"]);
        let rates = with("map $request_uri $k { default ''; ~^/accounts/ $binary_remote_addr; }");
        assert_eq!(rates.by_path.unwrap().0, [RoutePath::Prefix("/accounts/".into())]);
        let rates =
            with("geo $g { default 1; 10.0.0.0/8 0; } map $g $k { 0 ''; 1 $binary_remote_addr; }");
        assert_eq!(rates.all["rate_limit_exempt"], Value::List(vec!["10.0.0.0/8".into()]));
    }

    #[test]
    fn other_keys_are_lost() {
        for text in [
            "limit_req zone=z;",
            "limit_req_zone global zone=z:1m rate=1r/s; limit_req zone=z;",
            "limit_req_zone $binary_remote_addr$uri zone=z:1m rate=1r/s; limit_req zone=z;",
            "limit_req_zone $remote_addr zone=z:1m rate=99999r/s; limit_req zone=z;",
            "limit_req_zone $remote_addr zone=z:1m rate=1r/s; limit_req zone=z burst=x;",
            "map $arg_a $k { default $remote_addr; } limit_req_zone $k zone=z:1m rate=1r/s; limit_req zone=z;",
        ] {
            assert_eq!(rates(text).1, 1, "{text}");
        }
        let zone = "limit_req_zone $remote_addr zone=z:1m rate=1r/s; limit_req_status 429;";
        let (rates, lost, _) =
            rates(&format!("{zone} limit_req zone=z; limit_req zone=z burst=2;"));
        assert_eq!((limit(&rates.all), lost), ("1/s burst=0 key=client", 1));
    }
}
