//! The redirect from a plain listener to https, where Sideman has a TLS listener too.

use std::net::SocketAddr;

use super::{connect, self_signed};
use crate::support::{App, Http2, Protocol, ReservedAddress, Settings, TempDir, Transport};

fn redirecting(upstream: &str) -> Settings {
    self_signed(upstream).set("server.redirect_https", "true")
}

#[test]
fn clients_of_the_plain_listener_are_redirected() {
    let application = App::saying("here");
    let sideman = redirecting(&application.url()).start().until_ready();
    for (method, status) in [("GET", 301), ("HEAD", 301), ("POST", 308), ("OPTIONS", 308)] {
        // A stranger cannot claim to use https.
        for fields in ["", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Proto: http\r\n"] {
            let response = sideman.connect().ask(method, "/a?b=%20", fields);
            assert_eq!(response.status, status, "{method} {fields}");
            let location = response.header("location");
            assert_eq!(location, Some("https://example.test/a?b=%20"), "{method} {fields}");
        }
    }
    let mut client = Http2::connect(sideman.address());
    let response = client.get("/a");
    assert_eq!(
        (response.status, response.header("location")),
        (301, Some("https://example.test/a"))
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(sideman.get(path).status, 200, "{path}");
    }
    assert_eq!(application.requests(), 0);
    for fields in ["", "X-Forwarded-Proto: http\r\n"] {
        assert_eq!(connect(&sideman).get("/", fields).text(), "here");
    }
}

#[test]
fn requests_that_came_by_https_or_from_inside_pass() {
    let application = App::saying("here");
    for (setting, value, fields, status) in [
        // The balancer terminates TLS, and cannot report it.
        ("server.external_scheme", "https", "", 200),
        ("server.external_scheme", "http", "", 301),
        ("server.trusted_proxies", "127.0.0.1", "", 200),
        ("server.trusted_proxies", "127.0.0.1", "X-Forwarded-Proto: https\r\n", 200),
        ("server.trusted_proxies", "127.0.0.1", "X-Forwarded-Proto: http\r\n", 301),
        ("server.trusted_proxies", "192.0.2.1", "X-Forwarded-Proto: https\r\n", 301),
        ("server.redirect_https", "false", "", 200),
    ] {
        let sideman = redirecting(&application.url()).set(setting, value).start();
        let response = sideman.connect().ask("GET", "/", fields);
        assert_eq!(response.status, status, "{setting} = {value}, {fields}");
    }
}

/// A port that something maps has no relation to the port that the client needs.
#[test]
fn port_in_the_url_is_that_of_the_tls_listener_if_ports_are_not_mapped() {
    let application = App::saying("here");
    let transport = Transport { protocol: Protocol::Http, is_unix: false };
    let (plain, tls) = (ReservedAddress::new(transport), ReservedAddress::new(transport));
    let listen = |one: &ReservedAddress| one.url().replace("http://", "");
    let sideman = redirecting(&application.url())
        .set("tls.listen", &listen(&tls))
        .args(&["--listen", &listen(&plain)])
        .start();
    let [plain, tls] =
        [plain, tls].map(|one| listen(&one).parse::<SocketAddr>().unwrap().port().to_string());
    for (host, location) in [
        (format!("localhost:{plain}"), format!("https://localhost:{tls}/a")),
        ("localhost".into(), "https://localhost/a".into()),
        ("localhost:80".into(), "https://localhost/a".into()),
        ("[::1]:1".into(), "https://[::1]/a".into()),
    ] {
        let mut client = sideman.connect();
        client.send(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().header("location"), Some(&*location), "{host}");
    }
}

#[test]
fn challenges_of_certificate_authorities_are_answered_by_routes() {
    const CHALLENGES: &str = "/.well-known/acme-challenge/";
    let (application, directory) = (App::saying("here"), TempDir::new());
    directory.write("token", "proof");
    let settings = redirecting(&application.url());
    let sideman = settings.start();
    // Nothing but the application could answer: authorities follow the redirect.
    assert_eq!(sideman.get(&format!("{CHALLENGES}token")).status, 301);
    let place = directory.path().to_str().unwrap();
    let sideman = settings.route("acme", &[("path", CHALLENGES), ("files", place)]).start();
    let response = sideman.get(&format!("{CHALLENGES}token"));
    assert_eq!((response.status, response.text().as_str()), (200, "proof"));
    assert_eq!(sideman.get(&format!("{CHALLENGES}other")).status, 404);
    for path in ["/a", "/.well-known/acme-challenge", "/.well-known/acme-challenge/../../a"] {
        assert_eq!(sideman.get(path).status, 301, "{path}");
    }
    assert_eq!(application.requests(), 0);
}
