//! The cache beside the policies of routes: who may see a stored response, and what a route changes in a request.

use std::net::IpAddr;

use super::{FRESH, Site, cache_status, fetch, fetch_with, is_hit, response};
use crate::support::{App, Client, Request, TempDir};

/// An application that lets everybody store a page with the value of a field that it got.
fn showing(name: &'static str) -> Site {
    Site::answering(move |request, _| {
        let value = request.head.get(name).unwrap_or("none").to_owned();
        response(request, "200 OK", &[FRESH], &value)
    })
}

#[test]
fn stored_pages_need_the_same_permission() {
    let site = Site::start();
    let sideman = site
        .settings()
        .set("server.trusted_proxies", "127.0.0.0/8")
        .route("intern", &[("path", "/intern/"), ("allow", "10.0.0.0/8")])
        .start();
    let mut client = sideman.connect();
    let from = |address: &str| format!("X-Forwarded-For: {address}\r\n");
    let first = fetch_with(&mut client, "/intern/", FRESH, &from("10.1.2.3"));
    assert_eq!(first.status, 200);
    assert_eq!(fetch_with(&mut client, "/intern/", FRESH, &from("192.0.2.1")).status, 403);
    let again = fetch_with(&mut client, "/intern/", FRESH, &from("10.9.9.9"));
    assert_eq!((again.status, &again.body), (200, &first.body));
}

#[test]
fn stored_pages_need_a_password() {
    let users = "alice:$2y$04$uW3MqAyB1ZFL8Jd8jLiTaedShoHF1sd4F1uy1Dy8T1kpjAXwW83X.";
    let alice = "Authorization: Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==\r\n";
    let site = Site::start();
    let route = [("path", "/staff/"), ("auth", "basic"), ("auth_users", users)];
    let sideman = site.settings().route("staff", &route).start();
    let mut client = sideman.connect();
    for fields in [FRESH, "Cache-Control: public, max-age=600"] {
        for _ in 0..2 {
            assert_eq!(fetch_with(&mut client, "/staff/", fields, alice).status, 200);
            assert_eq!(fetch(&mut client, "/staff/", fields).status, 401);
        }
    }
}

/// The application makes its page for the user whom the auth server names.
#[test]
fn pages_for_users_of_an_auth_server_are_not_shared() {
    let auth = App::start(|request: &Request| {
        let user = request.head.get("x-token").unwrap_or("nobody");
        format!("HTTP/1.1 200 OK\r\nX-User: {user}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let site = showing("x-user");
    let url = format!("{}/check", auth.url());
    let route = [("path", "/"), ("auth", url.as_str()), ("auth_response_headers", "X-User")];
    let sideman = site.settings().route("all", &route).start();
    let mut client = sideman.connect();
    for user in ["ada", "eve", "ada", "eve"] {
        let page = client.ask("GET", "/", &format!("X-Token: {user}\r\n"));
        assert_eq!((page.status, page.text().as_str()), (200, user), "{}", cache_status(&page));
    }
}

/// A single sign-on proxy in front names the user.
#[test]
fn pages_for_users_whom_a_proxy_names_are_not_shared() {
    let site = showing("remote-user");
    let sideman = site
        .settings()
        .set("server.trusted_proxies", "127.0.0.0/8")
        .set("server.trusted_headers", "Remote-User")
        .start();
    let mut client = sideman.connect();
    for user in ["ada", "eve", "ada"] {
        let page = client.ask("GET", "/", &format!("Remote-User: {user}\r\n"));
        assert_eq!((page.status, page.text().as_str()), (200, user), "{}", cache_status(&page));
    }
}

#[test]
fn hits_count_for_the_rate_limit() {
    let site = Site::start();
    let sideman =
        site.settings().route("all", &[("path", "/"), ("rate_limit", "1/h burst=3")]).start();
    let mut client = sideman.connect();
    let statuses: Vec<u16> = (0..6).map(|_| fetch(&mut client, "/", FRESH).status).collect();
    assert_eq!(statuses.first(), Some(&200));
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[test]
fn paths_that_a_route_changes_are_those_of_the_key() {
    let site = Site::answering(|request, number| {
        let text = format!("{number} {}", request.target());
        response(request, "200 OK", &[FRESH], &text)
    });
    let sideman = site
        .settings()
        .route("a", &[("path", "/a/"), ("replace_prefix", "/x/")])
        .route("b", &[("path", "/b/"), ("replace_prefix", "/y/")])
        .start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/a/1").text(), "1 /x/1");
    assert_eq!(client.get("/b/1").text(), "2 /y/1");
    assert_eq!(client.get("/a/1").text(), "1 /x/1");
    // A POST there invalidates what was fetched under the same name.
    client.post("/a/1", "", b"");
    assert_eq!(client.get("/a/1").text(), "4 /x/1");
    assert_eq!(client.get("/b/1").text(), "2 /y/1");
}

#[test]
fn applications_have_pages_of_their_own() {
    let (one, two) = (Site::start(), App::saying("two"));
    let url = two.url();
    let route = [("path", "/"), ("client", "127.0.0.9/32"), ("upstream", url.as_str())];
    let sideman = one.settings().route("two", &route).start();
    let mut client = sideman.connect();
    let first = fetch(&mut client, "/", FRESH);
    let source = IpAddr::from([127, 0, 0, 9]);
    let other = Client::connect_from(source, sideman.address()).get("/");
    assert_eq!(other.text(), "two");
    assert_eq!(fetch(&mut client, "/", FRESH).body, first.body);
}

#[test]
fn response_headers_of_a_route_are_added_to_stored_responses_once() {
    let site = Site::start();
    let headers = [("path", "/"), ("response_headers", "set X-Own: one")];
    let sideman = site.settings().route("all", &headers).start();
    let mut client = sideman.connect();
    for _ in 0..3 {
        let page = fetch(&mut client, "/", &format!("{FRESH}|X-Own: of the application"));
        assert_eq!(page.head.all("x-own"), ["one"], "{}", cache_status(&page));
    }
}

#[test]
fn files_that_the_application_names_are_not_stored() {
    let directory = TempDir::new();
    directory.write("secret.txt", "secret");
    let site = Site::answering(|request, _| {
        // A decision about each request.
        match request.head.has("x-may") {
            true => {
                response(request, "200 OK", &[FRESH, "X-Accel-Redirect: /protected/secret.txt"], "")
            }
            false => response(request, "403 Forbidden", &[], "no"),
        }
    });
    let accel = format!("/protected/={}", directory.path().display());
    let sideman = site.settings().args(&["--accel", &accel]).start();
    let mut client = sideman.connect();
    let file = client.ask("GET", "/download", "X-May: 1\r\n");
    assert_eq!((file.status, file.text().as_str()), (200, "secret"));
    assert_eq!(client.get("/download").status, 403);
}

#[test]
fn error_pages_of_a_route_are_not_stored_as_pages() {
    let site = Site::start();
    let sideman = site.settings().route("all", &[("path", "/"), ("intercept", "500, 404")]).start();
    let mut client = sideman.connect();
    let first = fetch_with(&mut client, "/", FRESH, "X-Status: 500 Oh\r\n");
    assert_eq!(first.status, 500);
    let second = fetch(&mut client, "/", FRESH);
    assert_eq!((second.status, is_hit(&second)), (200, false));
}
