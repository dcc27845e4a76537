//! Warns about passwords that travel without TLS.

use crate::plan::{Auth, ListenAddress, Plan, Route};

/// Returns a warning if a route asks for passwords, and nothing says that TLS protects them: neither Sideman's own, nor
/// a proxy in front. A proxy on the same machine needs no setting, because such listeners have a local address.
pub(super) fn warning(plan: &Plan) -> Option<String> {
    let server = &plan.server;
    let is_open = |listen: &ListenAddress| match listen {
        ListenAddress::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        ListenAddress::Unix(_) => false,
    };
    let has_proxy = !server.trusted_proxies.is_empty() || !server.proxy_protocol_from.is_empty();
    let is_https = server.external_scheme == Some("https");
    if plan.tls.is_some() || has_proxy || is_https || !server.listen.iter().any(is_open) {
        return None;
    }
    let route = plan.routes.iter().find(|route| asks_for_password(route))?;
    Some(format!(
        "route.{}.auth asks for passwords over plain HTTP, where others can read them: set tls.certificates or \
         tls.self_signed; or behind a load balancer with TLS server.trusted_proxies, or server.external_scheme = \
         \"https\"",
        route.name
    ))
}

fn asks_for_password(route: &Route) -> bool {
    route.policies.auth.as_ref().is_some_and(|policy| matches!(policy.auth, Auth::Basic(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, load};

    const HASH: &str = "alice:$2y$05$R17SCXoKeC9uvgn5Bgtd6OOuvrAOtUN4oLCMAissPMMatrurK3AmK";

    fn warned(variables: &[(&str, &str)]) -> Option<String> {
        let all = [("SIDEMAN_UPSTREAM", "http://app:8000")];
        let all =
            all.iter().chain(variables).map(|(name, value)| ((*name).into(), (*value).into()));
        let loaded = load(&Flags::default(), &all.collect());
        warning(&loaded.unwrap_or_else(|problems| panic!("{problems}")).plan)
    }

    #[test]
    fn password_over_plain_http_is_warned_of() {
        const AUTH: [(&str, &str); 2] =
            [("SIDEMAN_ROUTE__SITE__AUTH", "basic"), ("SIDEMAN_ROUTE__SITE__AUTH_USERS", HASH)];
        let with = |name, value| warned(&[AUTH[0], AUTH[1], (name, value)]);
        let text = warned(&AUTH).unwrap();
        assert!(text.starts_with("route.site.auth asks for passwords") && !text.contains("$2y$"));
        for (name, value) in [
            ("SIDEMAN_SERVER__REDIRECT_HTTPS", "true"),
            ("SIDEMAN_SERVER__EXTERNAL_SCHEME", "http"),
            ("SIDEMAN_SERVER__LISTEN", "127.0.0.1:8080, 0.0.0.0:8081"),
        ] {
            assert!(with(name, value).is_some(), "{name}={value}");
        }
        for (name, value) in [
            ("SIDEMAN_TRUSTED_PROXIES", "alb"),
            ("SIDEMAN_SERVER__EXTERNAL_SCHEME", "https"),
            ("SIDEMAN_SERVER__LISTEN", "127.0.0.1:8080, [::1]:8080, unix:/run/sideman.sock"),
            ("SIDEMAN_ROUTE__SITE__AUTH", "off"),
        ] {
            let is_off = value == "off";
            let found = if is_off { warned(&[(name, value)]) } else { with(name, value) };
            assert_eq!(found, None, "{name}={value}");
        }
        let tls = [
            AUTH[0],
            AUTH[1],
            ("SIDEMAN_TLS__LISTEN", "0.0.0.0:8443"),
            ("SIDEMAN_TLS__SELF_SIGNED", "true"),
        ];
        assert_eq!(warned(&tls), None);
        assert_eq!(warned(&[]), None);
    }
}
