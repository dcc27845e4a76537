//! Who may see a location. What cannot be translated closes it: a route must never be more open than its location was.

use super::{
    auth,
    known::{self, Duty},
    parser::Directive,
    report::Report,
    scope::Scope,
    settings::{Policies, Value},
    surroundings::Surroundings,
};

pub(super) use super::closed::{Access, close};

/// Translates everything that restricts the place that `scope` is about.
pub(super) fn restrict(
    scope: &Scope<'_>,
    around: &Surroundings<'_, '_>,
    policies: &mut Policies,
    report: &mut Report,
) -> Access {
    let mut access = Access::default();
    for directive in scope.each() {
        match known::duty(directive) {
            Some(Duty::Closes(remedy)) => close(directive, remedy, &mut access, report),
            None if super::template::is_placeholder(&directive.name) => close(
                directive,
                &super::text::unknown_placeholder(&super::template::restore(&directive.name)),
                &mut access,
                report,
            ),
            None => close(
                directive,
                "unknown, and it may restrict access: remove it if it does not",
                &mut access,
                report,
            ),
            // Its file may say anything.
            Some(_)
                if directive.name == "include"
                    && super::template::unresolved(directive.arg(0)).is_some() =>
            {
                close(directive, "name the file that is included", &mut access, report);
            }
            Some(Duty::Translated | Duty::Unnecessary(_) | Duty::Lost(_)) => {}
        }
    }
    networks(scope, policies, &mut access, report);
    auth::restrict(scope, around, policies, &mut access, report);
    for limit in scope.all(&["limit_except"]) {
        only_methods(limit, &mut access, report);
    }
    access
}

/// Translates `allow` and `deny`. nginx takes the first that matches, a route the most specific.
fn networks(scope: &Scope<'_>, policies: &mut Policies, access: &mut Access, report: &mut Report) {
    let rules = scope.all(&["allow", "deny"]);
    let (mut allowed, mut denied) = (Vec::new(), Vec::new());
    let mut seen: Vec<(ipnet::IpNet, bool)> = Vec::new();
    let mut is_decided = false;
    for rule in rules {
        let is_allowed = rule.name == "allow";
        let network = rule.arg(0);
        if is_decided {
            report.unnecessary(rule, "an earlier line already decides about every client");
            continue;
        }
        if network == "all" {
            is_decided = true;
            match is_allowed {
                true if denied.is_empty() => {
                    report.unnecessary(rule, "every client may see what no line denies");
                }
                true => {}
                false => denied.push("all".to_owned()),
            }
            continue;
        }
        if network == "unix:" {
            report
                .unnecessary(rule, "health checks and proxies on the same machine use other ways");
            continue;
        }
        if super::template::is_placeholder(network) {
            match is_allowed {
                true => allowed.push(network.to_owned()),
                false => denied.push(network.to_owned()),
            }
            continue;
        }
        let address = network.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
        let Ok(parsed) = network.parse::<ipnet::IpNet>().or(address) else {
            return close(rule, "not an address or a network", access, report);
        };
        let parsed = parsed.trunc();
        // An earlier, wider line decides in nginx; in a route the narrower one would.
        let is_hidden = |(earlier, verdict): &(ipnet::IpNet, bool)| {
            earlier.contains(&parsed) && *verdict != is_allowed
        };
        if seen.iter().any(is_hidden) {
            report.unnecessary(rule, "an earlier, wider line decides about these clients");
            continue;
        }
        seen.push((parsed, is_allowed));
        match is_allowed {
            true => allowed.push(network.to_owned()),
            false => denied.push(network.to_owned()),
        }
    }
    if denied.is_empty() {
        return;
    }
    // With `allow`, a route denies all clients that are in neither list.
    if !allowed.is_empty() && !denied.iter().any(|network| network == "all") {
        allowed.push("all".into());
    }
    if !allowed.is_empty() {
        policies.insert("allow", Value::List(allowed));
    }
    policies.insert("deny", Value::List(denied));
}

/// Translates `limit_except GET { deny all; }`.
fn only_methods(limit: &Directive, access: &mut Access, report: &mut Report) {
    let denies_all =
        matches!(limit.children(), [deny] if deny.name == "deny" && deny.arg(0) == "all");
    if !denies_all || limit.args.is_empty() {
        return close(limit, "only `deny all` can be translated here", access, report);
    }
    access.methods = Some((limit.args.clone(), "403".into()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import_nginx::parser;

    fn restricted(text: &str) -> (Access, Policies, usize) {
        let tree = parser::parse(text, &"f".into()).unwrap();
        let (mut policies, mut report) = (Policies::new(), Report::default());
        let scope = Scope::default().within(&tree);
        let locations = crate::import_nginx::location::locations(&scope, &mut report);
        let upstreams = Default::default();
        let around = Surroundings::of(&scope, &locations, &upstreams);
        let access = restrict(&scope, &around, &mut policies, &mut report);
        (access, policies, report.lost_count())
    }

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|item| (*item).to_owned()).collect())
    }

    #[test]
    fn networks_become_lists() {
        let (access, policies, lost) = restricted("allow 10.0.0.0/8; allow ::1; deny all;");
        assert_eq!((access, lost), (Access::default(), 0));
        assert_eq!(policies["allow"], list(&["10.0.0.0/8", "::1"]));
        assert_eq!(policies["deny"], list(&["all"]));
        let (_, policies, _) = restricted("deny 10.0.0.1; allow 10.0.0.0/8; deny all;");
        assert_eq!(policies["deny"], list(&["10.0.0.1", "all"]));
        let (_, policies, _) = restricted("allow 10.1.0.0/16; deny 10.0.0.0/8;");
        assert_eq!(policies["allow"], list(&["10.1.0.0/16", "all"]));
        assert_eq!(restricted("allow all;").1, Policies::new());
        assert_eq!(restricted("allow all; deny all;").1, Policies::new());
        assert_eq!(restricted("deny 10.0.0.1; allow all;").1["deny"], list(&["10.0.0.1"]));
    }

    #[test]
    fn an_earlier_and_wider_line_decides() {
        let (_, policies, _) = restricted("allow 10.0.0.0/8; deny 10.0.0.1; deny all;");
        assert_eq!(
            (&policies["allow"], &policies["deny"]),
            (&list(&["10.0.0.0/8"]), &list(&["all"]))
        );
        let (access, policies, lost) = restricted("deny 10.0.0.0/8; allow 10.0.0.1; allow all;");
        assert_eq!((access.closed, lost), (None, 0));
        assert_eq!(policies.get("allow"), None);
        assert!(restricted("allow office.example.org; deny all;").0.closed.is_some());
    }

    #[test]
    fn what_is_not_understood_closes() {
        for text in [
            "auth_basic a;",
            "auth_basic a; auth_basic_user_file $x;",
            "auth_request /auth;",
            "auth_request /auth; location = /auth { uwsgi_pass a:1; }",
            "auth_basic a; auth_basic_user_file /h; auth_request /auth; location = /auth { proxy_pass http://a:1; }",
            "auth_basic a; auth_basic_user_file /h; satisfy any; deny 10.0.0.1;",
            "auth_jwt on;",
            "modsecurity on;",
            "secure_link $arg_a;",
            "limit_except GET { allow 10.0.0.1; deny all; }",
            "${AUTH}",
        ] {
            let (access, _, lost) = restricted(text);
            assert!(access.closed.is_some() && lost > 0, "{text}");
        }
        for text in ["auth_basic off;", "auth_request off;", "satisfy any;", "sendfile on;"] {
            assert_eq!(restricted(text).0, Access::default(), "{text}");
        }
    }

    #[test]
    fn passwords_and_auth_servers() {
        let shown = |text: &str| {
            let (access, policies, lost) = restricted(text);
            assert_eq!((access.closed, lost), (None, 0), "{text}");
            let of = |key: &str| match policies.get(key) {
                Some(Value::Text(text)) => format!("{key}={text} "),
                Some(Value::List(items)) => format!("{key}={} ", items.join(",")),
                _ => String::new(),
            };
            let keys =
                ["auth", "auth_users", "auth_realm", "auth_allow", "auth_response_headers", "deny"];
            keys.map(of).concat()
        };
        assert_eq!(
            shown("auth_basic 'Keep out'; auth_basic_user_file htpasswd;"),
            "auth=basic auth_users=/etc/nginx/htpasswd auth_realm=Keep out "
        );
        assert_eq!(
            shown(
                "auth_basic a; auth_basic_user_file /h; satisfy any; allow 10.0.0.0/8; deny all;"
            ),
            "auth=basic auth_users=/h auth_realm=a auth_allow=10.0.0.0/8 "
        );
        assert_eq!(
            shown(
                "auth_request /auth; auth_request_set $user $upstream_http_x_user; proxy_set_header X-User $user;
                 location = /auth { internal; proxy_pass http://a:1/check/; }"
            ),
            "auth=http://a:1/check/ auth_response_headers=X-User "
        );
        assert_eq!(
            shown("auth_request /x/api/check; location /x/ { proxy_pass http://anubis:8923; }"),
            "auth=http://anubis:8923/x/api/check "
        );
    }

    #[test]
    fn methods_are_limited() {
        let (access, ..) = restricted("limit_except GET POST { deny all; }");
        assert_eq!(access.methods, Some((vec!["GET".into(), "POST".into()], "403".into())));
    }
}
