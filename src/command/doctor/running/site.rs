//! Checks of Django's responses: redirects, cookies, hosts, DEBUG and origins.

use super::probe::ProbeResponse;
use crate::finding::{Check, Finding, Severity};

const SCHEME_PAGE: &str = "docs/troubleshooting.md#wrong-scheme-csrf-failures-and-redirect-loops";
const HEADER: &str = "SECURE_PROXY_SSL_HEADER = (\"HTTP_X_FORWARDED_PROTO\", \"https\")";
const TRUST: &str = "SIDEMAN_TRUSTED_PROXIES=alb, or the networks of the proxy that ends TLS";
/// A name that belongs to nobody (RFC 6761, 6.4).
pub(super) const BOGUS_HOST: &str = "sideman-doctor.invalid";

pub(in crate::command::doctor) static REDIRECT_LOOP: Check =
    Check { id: "redirect-loop", severity: Severity::Error, page: SCHEME_PAGE };
pub(in crate::command::doctor) static SECURE_COOKIES: Check =
    Check { id: "secure-cookies", severity: Severity::Error, page: SCHEME_PAGE };
pub(in crate::command::doctor) static CSRF_ORIGIN: Check =
    Check { id: "csrf-origin", severity: Severity::Error, page: SCHEME_PAGE };
pub(in crate::command::doctor) static ANY_HOST: Check = Check {
    id: "any-host",
    severity: Severity::Warning,
    page: "docs/requests.md#what-django-gets-to-see",
};
pub(in crate::command::doctor) static DEBUG: Check =
    Check { id: "debug", severity: Severity::Error, page: "docs/django.md#with-debug" };

/// How the scheme of a client gets to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SchemeSource {
    /// A proxy in front may say it.
    Proxy,
    /// Sideman ends TLS itself, or says the same of every request.
    Own,
    /// Every request is http.
    AlwaysHttp,
}

/// A page, asked for by http and, if that can be done, by https.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) plain: &'a ProbeResponse,
    pub(super) https: Option<&'a ProbeResponse>,
    pub(super) source: SchemeSource,
}

/// The responses to three forms without cookie and token, which Django refuses in any case.
#[derive(Debug)]
pub(super) struct Forms {
    pub(super) without_origin: ProbeResponse,
    pub(super) other_origin: ProbeResponse,
    pub(super) own_origin: ProbeResponse,
}

/// An https request is redirected to itself.
pub(super) fn redirect_loop(pair: &Pair<'_>) -> Option<Finding> {
    let is_loop = |response: &ProbeResponse| {
        response.redirect().is_some_and(|location| leads_to(location, pair.host, pair.path))
    };
    let what = "every https request is redirected to itself";
    if let Some(response) = pair.https.filter(|response| is_loop(response)) {
        return Some(REDIRECT_LOOP.finding(
            what,
            format!("GET {} with X-Forwarded-Proto: https: {} to the same URL with https", pair.path, response.status),
            format!("set {HEADER} in settings.py; under gunicorn in another container also --forwarded-allow-ips"),
        ));
    }
    (pair.source == SchemeSource::AlwaysHttp && is_loop(pair.plain)).then(|| {
        REDIRECT_LOOP.finding(
            what,
            format!(
                "GET {}: {} to the same URL with https, and Sideman tells the application that every request is http",
                pair.path, pair.plain.status
            ),
            format!("set {TRUST}"),
        )
    })
}

/// Whether a URL is the https form of this one.
fn leads_to(location: &str, host: &str, path: &str) -> bool {
    let Some(rest) = location.strip_prefix("https://") else { return false };
    let (authority, own_path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let own_path = if own_path.is_empty() { "/" } else { own_path };
    let name =
        |authority: &str| authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    name(authority) == name(host) && own_path == path
}

/// Cookies for https only, while the application is told that everything is http.
pub(super) fn secure_cookies(pair: &Pair<'_>) -> Option<Finding> {
    let names = pair.plain.secure_cookies();
    (pair.source == SchemeSource::AlwaysHttp && !names.is_empty()).then(|| {
        SECURE_COOKIES.finding(
            "Django sets cookies for https, and Sideman tells it that every request is http",
            format!("GET {} set {} with Secure; browsers do not return it over http", pair.path, names.join(", ")),
            format!("behind a proxy that ends TLS set {TRUST}; without TLS remove SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE"),
        )
    })
}

/// Whether http gets nothing but a redirect to the https form of the page.
pub(super) fn is_for_https(pair: &Pair<'_>) -> bool {
    pair.plain.redirect().is_some_and(|location| leads_to(location, pair.host, pair.path))
}

/// Requests for a host that belongs to nobody get the responses `own` of the site.
pub(super) fn any_host(path: &str, own: &ProbeResponse) -> Finding {
    ANY_HOST.finding(
        "Django accepts every host, so others can have it write links to their sites, as in mails for a new password",
        format!("GET {path} with Host: {BOGUS_HOST}: {}", own.status),
        "set ALLOWED_HOSTS in settings.py to the site's names; health checks of Sideman need no *",
    )
}

/// The error page with the settings.
pub(super) fn debug(path: &str, response: &ProbeResponse) -> Option<Finding> {
    let has_mark = response.body.contains("<code>DEBUG = True</code>");
    (response.status >= 400 && has_mark).then(|| {
        DEBUG.finding(
            "Django shows its settings and code to everybody who causes an error",
            format!("GET {path}: {} with the page of DEBUG", response.status),
            "set DEBUG = False in settings.py",
        )
    })
}

/// Django refuses a form of the site itself. It is certain only if the page tells the reasons apart: a form without
/// origin lacks the cookie, one of another site has the wrong origin.
pub(super) fn csrf_origin(path: &str, origin: &str, forms: &Forms) -> Option<Finding> {
    let Forms { without_origin, other_origin, own_origin } = forms;
    let all_refused =
        [without_origin, other_origin, own_origin].iter().all(|one| one.status == 403);
    let tells_apart = without_origin.body != other_origin.body;
    let is_refused = own_origin.body == other_origin.body;
    (all_refused && tells_apart && is_refused).then(|| {
        CSRF_ORIGIN.finding(
            "Django refuses the forms of its own pages: Origin checking failed",
            format!("an empty form to {path} with Origin: {origin} got the same 403 as one of another site"),
            format!("set {HEADER} in settings.py, and let no proxy change Host"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_leads_to_the_same_page_with_https() {
        for (location, expected) in [
            ("https://example.org/", true),
            ("https://Example.org", true),
            ("https://example.org:443/", true),
            ("http://example.org/", false),
            ("https://www.example.org/", false),
            ("https://example.org/en/", false),
            ("/", false),
        ] {
            assert_eq!(leads_to(location, "example.org", "/"), expected, "{location}");
        }
    }

    fn refused(body: &str) -> ProbeResponse {
        let text = format!("HTTP/1.1 403 Forbidden\r\n\r\n{body}");
        ProbeResponse::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn origin_is_refused_only_if_the_page_tells_the_reason() {
        let check = |without: &str, other: &str, own: &str, expected: bool| {
            let forms = Forms {
                without_origin: refused(without),
                other_origin: refused(other),
                own_origin: refused(own),
            };
            let found = csrf_origin("/login/", "https://example.org", &forms);
            assert_eq!(found.is_some(), expected, "{without} {other} {own}");
        };
        check("cookie", "origin", "origin", true);
        check("cookie", "origin", "cookie", false);
        check("forbidden", "forbidden", "forbidden", false);
        check("nonce 1", "nonce 2", "nonce 3", false);
    }
}
