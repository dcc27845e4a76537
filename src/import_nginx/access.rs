//! Who may see a location. What cannot be translated closes it: a route must never be more open than its location was.

use super::{
    known::{self, Duty},
    parser::Directive,
    problem::Place,
    report::{self, Report},
    scope::Scope,
    settings::{Policies, Value},
};

/// What restricts a location.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    /// Why it must be closed.
    pub(super) closed: Option<String>,
    /// The only methods that are allowed, and the response to others.
    pub(super) methods: Option<(Vec<String>, String)>,
}

/// Translates everything that restricts the place that `scope` is about.
pub(super) fn restrict(scope: &Scope<'_>, policies: &mut Policies, report: &mut Report) -> Access {
    let mut access = Access::default();
    for directive in scope.each() {
        match known::duty(directive) {
            Some(Duty::Closes(remedy)) => close(directive, remedy, &mut access, report),
            None if super::template::is_placeholder(&directive.name) => close(
                directive,
                &super::text::unknown_placeholder(&directive.name),
                &mut access,
                report,
            ),
            None => close(
                directive,
                "unknown, and it may restrict access: remove it if it does not",
                &mut access,
                report,
            ),
            Some(Duty::Translated | Duty::Unnecessary(_) | Duty::Lost(_)) => {}
        }
    }
    networks(scope, policies, &mut access, report);
    for name in ["auth_basic", "auth_request"] {
        if let Some(directive) = scope.last(&[name]).filter(|one| !known::is_off(one)) {
            let remedy = match name {
                "auth_basic" => "protect these paths in the application, or at the load balancer",
                _ => "check in the application, and let it send files with X-Accel-Redirect",
            };
            close(directive, remedy, &mut access, report);
        }
    }
    if let Some(satisfy) = scope.last(&["satisfy"]).filter(|one| one.arg(0) != "all") {
        close(satisfy, "networks and passwords cannot replace each other", &mut access, report);
    }
    for limit in scope.all(&["limit_except"]) {
        only_methods(limit, &mut access, report);
    }
    for directive in scope.all(&["limit_req"]) {
        report
            .lost(directive, "rates are not limited yet: use the application or the load balancer");
    }
    access
}

/// Closes a place because of a directive.
pub(super) fn close(directive: &Directive, remedy: &str, access: &mut Access, report: &mut Report) {
    report.lost(directive, format!("{remedy}. Until then what it protects responds 403"));
    let reason = || reason(&directive.place, &report::shown(directive));
    access.closed.get_or_insert_with(reason);
}

fn reason(place: &Place, directive: &str) -> String {
    format!("{place}: {directive} is not translated")
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
        let access = restrict(&Scope::default().within(&tree), &mut policies, &mut report);
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
            "auth_basic a; auth_basic_user_file /h;",
            "auth_request /auth;",
            "satisfy any; allow 10.0.0.1; deny all;",
            "auth_jwt on;",
            "modsecurity on;",
            "secure_link $arg_a;",
            "limit_except GET { allow 10.0.0.1; deny all; }",
            "${AUTH}",
        ] {
            let (access, _, lost) = restricted(text);
            assert!(access.closed.is_some() && lost > 0, "{text}");
        }
        for text in ["auth_basic off;", "auth_request off;", "satisfy all;", "sendfile on;"] {
            assert_eq!(restricted(text).0, Access::default(), "{text}");
        }
    }

    #[test]
    fn methods_are_limited() {
        let (access, ..) = restricted("limit_except GET POST { deny all; }");
        assert_eq!(access.methods, Some((vec!["GET".into(), "POST".into()], "403".into())));
    }
}
