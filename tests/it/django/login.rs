//! Login: cookies and CSRF checks, which need the right Host, scheme and Origin.

use super::{Check, Site};
use crate::support::{Client, PASSWORD, Response, Sideman, USER};

pub(super) const CHECKS: &[Check] = &[
    ("log in", log_in_over_http),
    ("log in behind a balancer with TLS", log_in_over_https),
    ("log in to the admin", log_in_to_the_admin),
    ("a form without its token is refused", form_without_token),
    ("a form from elsewhere is refused", form_from_elsewhere),
];

const HTTPS: &str = "X-Forwarded-Proto: https\r\n";

/// The cookies that a response sets, in the form of a request header.
fn cookies(response: &Response) -> String {
    let pairs = response.head.all("set-cookie").into_iter().map(|cookie| {
        let end = cookie.find(';').unwrap_or(cookie.len());
        &cookie[..end]
    });
    pairs.collect::<Vec<_>>().join("; ")
}

/// The CSRF token in a form.
#[track_caller]
fn token(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"csrfmiddlewaretoken\" value=\"").expect(page);
    rest.split('"').next().unwrap()
}

/// Fetches a form and submits it, like a browser.
fn submit(client: &mut Client, page: &str, scheme: &str, origin: &str) -> Response {
    let form = client.ask("GET", page, scheme);
    assert_eq!(form.status, 200, "{}", form.text());
    let (text, cookies) = (form.text(), cookies(&form));
    let body = format!(
        "csrfmiddlewaretoken={}&username={USER}&password={}&next=/private/",
        token(&text),
        PASSWORD.replace(' ', "+"),
    );
    let fields = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nCookie: {cookies}\r\n\
         Origin: {origin}\r\n{scheme}"
    );
    client.post(page, &fields, body.as_bytes())
}

/// The cookies of a logged-in user.
#[track_caller]
pub(crate) fn logged_in(sideman: &Sideman) -> String {
    logged_in_at(sideman, "/accounts/login/")
}

/// The cookies of a user who has logged in at this page.
#[track_caller]
pub(crate) fn logged_in_at(sideman: &Sideman, page: &str) -> String {
    let answer = submit(&mut sideman.connect(), page, "", "http://example.test");
    assert_eq!(answer.status, 302, "{}", answer.text());
    cookies(&answer)
}

#[track_caller]
fn check_login(sideman: &Sideman, page: &str, scheme: &str, origin: &str) {
    let mut client = sideman.connect();
    let answer = submit(&mut client, page, scheme, origin);
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert_eq!(answer.header("location"), Some("/private/"));
    let cookies = cookies(&answer);
    assert!(cookies.contains("sessionid="), "{cookies}");
    let private = client.ask("GET", "/private/", &format!("Cookie: {cookies}\r\n{scheme}"));
    assert_eq!((private.status, private.text()), (200, format!("hello {USER}\n")));
    assert_eq!(client.ask("GET", "/private/", scheme).status, 302);
}

fn log_in_over_http(site: &Site) {
    check_login(&site.sideman, "/accounts/login/", "", "http://example.test");
}

fn log_in_over_https(site: &Site) {
    check_login(&site.balanced, "/accounts/login/", HTTPS, "https://example.test");
}

fn log_in_to_the_admin(site: &Site) {
    check_login(&site.balanced, "/admin/login/?next=/private/", HTTPS, "https://example.test");
}

fn form_without_token(site: &Site) {
    let fields = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("username={USER}&password=x");
    let answer = site.sideman.connect().post("/accounts/login/", fields, body.as_bytes());
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("CSRF"), "{}", answer.text());
}

fn form_from_elsewhere(site: &Site) {
    for (sideman, scheme, origin) in [
        (&site.sideman, "", "http://evil.test"),
        // The scheme is part of the origin, and this one is forged.
        (&site.sideman, HTTPS, "https://example.test"),
        (&site.balanced, HTTPS, "http://example.test"),
    ] {
        let answer = submit(&mut sideman.connect(), "/accounts/login/", scheme, origin);
        assert_eq!(answer.status, 403, "{scheme} {origin}");
    }
}
