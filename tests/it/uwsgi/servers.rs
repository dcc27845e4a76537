//! The limits of real servers, and how they treat forwarded requests.

use crate::support::{Django, Server, Sideman, Wsgi, pattern};

/// A running server, and Sideman in front of it.
fn start(server: Server, buffer_size: &str) -> Option<(Sideman, Wsgi)> {
    let wsgi = Wsgi::start(server, Django::prepared()?);
    let settings = wsgi
        .settings()
        .set("upstream.uwsgi_buffer_size", buffer_size)
        .set("server.trusted_proxies", "127.0.0.0/8");
    Some((settings.start().until_ready(), wsgi))
}

/// The number in `text` after `word`.
#[track_caller]
fn number_behind(text: &str, word: &str) -> usize {
    let (_, rest) = text.split_once(word).unwrap_or_else(|| panic!("{word:?} in {text:?}"));
    rest.split(|byte: char| !byte.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Django responds to a head of exactly uWSGI's limit, and Sideman refuses one more byte. With
/// a higher limit in Sideman, uWSGI drops that head: both limits are equal.
#[test]
fn head_over_the_uwsgi_buffer_is_refused() {
    let Some((sideman, wsgi)) = start(Server::UwsgiPackets, "auto") else { return };
    // All other variables are fixed: through a load balancer, the client's port is not among them.
    let ask = |sideman: &Sideman, length: usize| {
        let fields = format!(
            "X-Forwarded-For: 203.0.113.7\r\nX-Request-ID: fixed\r\nX-Filler: {}\r\n",
            "x".repeat(length)
        );
        sideman.connect().ask("GET", "/echo", &fields).status
    };
    assert_eq!(ask(&sideman, 4000), 431);
    let size = number_behind(&sideman.event("variables take"), "variables take ");
    let room = 4000 - (size - 4096);
    assert_eq!(ask(&sideman, room + 1), 431);
    assert_eq!(ask(&sideman, room), 200);

    let settings = wsgi.settings().set("server.trusted_proxies", "127.0.0.0/8");
    let wide = settings.set("upstream.uwsgi_buffer_size", "8KiB").start().until_ready();
    let digits = |sideman: &Sideman| sideman.address().port().to_string().len();
    let room = room + digits(&sideman) - digits(&wide);
    assert_eq!(ask(&wide, room), 200);
    assert_eq!(ask(&wide, room + 1), 502);
}

/// Over HTTP Sideman does not know uWSGI's limit: the event names it.
#[test]
fn head_over_the_buffer_of_an_http_socket_is_refused() {
    let Some(django) = Django::prepared() else { return };
    let wsgi = Wsgi::start(Server::UwsgiSocket, django);
    let sideman = wsgi.settings().start().until_ready();
    let mut client = sideman.connect();
    let long = format!("Cookie: a={}\r\n", "x".repeat(5000));
    assert_eq!(client.ask("GET", "/echo", &long).status, 502);
    let event = sideman.event("request failed at the application");
    assert!(event.contains("Connection reset") && event.contains("buffer-size"), "{event}");
    assert_eq!(client.get("/echo").status, 200);
}

#[test]
fn as_many_fields_as_a_client_may_send() {
    for server in [Server::UwsgiPackets, Server::GunicornPackets] {
        let Some((sideman, _wsgi)) = start(server, "8KiB") else { return };
        // With Host, as many as a client may send.
        let fields: String = (0..99).map(|number| format!("X-{number}: {number}\r\n")).collect();
        let response = sideman.connect().ask("GET", "/echo", &fields);
        assert_eq!(response.status, 200, "{server:?}: {}", response.text());
        assert_eq!(response.json()["meta"]["HTTP_X_98"], "98", "{server:?}");
    }
}

/// The received request does not depend on the server or the protocol.
#[test]
fn decoded_paths_are_the_same_at_every_server() {
    const PATHS: [(&str, &str); 8] = [
        ("/echo/a%2Fb%20c/%C3%BC/?x=%20", "/echo/a/b c/\u{fc}/"),
        ("/echo//a/./b/../c", "/echo//a/./b/../c"),
        ("/echo/%2e%2e/a", "/echo/../a"),
        ("/echo/100%25", "/echo/100%"),
        ("/echo/a%252Fb", "/echo/a%2Fb"),
        ("/echo/%zz%41%", "/echo/%zzA%"),
        ("/echo/%ff", "/echo/%FF"),
        ("/echo/a+b;c=d,e", "/echo/a+b;c=d,e"),
    ];
    for server in [Server::GunicornThreads, Server::UwsgiPackets, Server::GunicornPackets] {
        let Some((sideman, _wsgi)) = start(server, "auto") else { return };
        let mut client = sideman.connect();
        for (target, path) in PATHS {
            let response = client.get(target);
            assert_eq!(response.status, 200, "{server:?} {target}: {}", response.text());
            assert_eq!(response.json()["path"], path, "{server:?} {target}");
        }
    }
}

#[test]
fn client_headers_cannot_change_the_code_that_uwsgi_runs() {
    for server in [Server::UwsgiPackets, Server::GunicornPackets] {
        let Some((sideman, wsgi)) = start(server, "auto") else { return };
        let file = wsgi.home().join("evil.py");
        std::fs::write(&file, "def application(e, s):\n  s('200 OK', [])\n  return [b'evil']\n")
            .unwrap();
        let file = file.display();
        let fields = format!(
            "UWSGI_FILE: {file}\r\nUwsgi-File: {file}\r\nScript-Name: /evil\r\n\
             Uwsgi-Scheme: https\r\nRemote-User: admin\r\nUWSGI_SETENV: A=b\r\n"
        );
        let echo = sideman.connect().ask("GET", "/echo", &fields).json();
        assert_eq!(echo["path"], "/echo", "{server:?}");
        assert_eq!(echo["secure"], false, "{server:?}");
        let meta = &echo["meta"];
        assert_eq!(meta["HTTP_UWSGI_FILE"], file.to_string(), "{server:?}");
        for bare in ["UWSGI_FILE", "UWSGI_SETENV", "UWSGI_SCHEME", "REMOTE_USER"] {
            assert!(meta.get(bare).is_none(), "{server:?} {bare}: {meta}");
        }
    }
}

#[test]
fn client_scheme_and_port() {
    let fields = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
    for server in [Server::UwsgiPackets, Server::UwsgiPacketsUnix, Server::GunicornPacketsUnix] {
        let Some((sideman, _wsgi)) = start(server, "auto") else { return };
        let echo = sideman.connect().ask("GET", "/echo", fields).json();
        assert_eq!(echo["secure"], true, "{server:?}");
        assert_eq!(echo["url"], "https://example.test/echo", "{server:?}");
        assert_eq!(echo["meta"]["HTTP_X_FORWARDED_FOR"], "203.0.113.7", "{server:?}");
        // gunicorn only knows the address of its peer.
        if server.flavour() == "uwsgi" {
            assert_eq!(echo["meta"]["REMOTE_ADDR"], "203.0.113.7", "{server:?}");
        }
    }
}

/// Django refuses a form without its token before it reads it, and uWSGI closes its connection.
#[test]
fn early_response_to_an_upload_is_delivered() {
    let body = pattern(1 << 20);
    for server in [Server::UwsgiPackets, Server::UwsgiPacketsUnix, Server::GunicornPackets] {
        let Some((sideman, _wsgi)) = start(server, "auto") else { return };
        for _ in 0..10 {
            let response = sideman.connect().post("/private/", "Content-Type: a/b\r\n", &body);
            assert_eq!(response.status, 403, "{server:?}: {}", response.text());
            assert!(response.text().contains("CSRF"), "{server:?}: {}", response.text());
        }
    }
}
