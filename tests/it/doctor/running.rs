//! A running Sideman in front of Django with one mistake each, and of healthy ones.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::ids;
use crate::support::{App, Client, Django, Ended, Server, Settings, Sideman, TempDir, Wsgi};

/// Runs the doctor beside a process, with its settings.
fn examine(settings: &Settings, sideman: &Sideman, more: &[&str]) -> Ended {
    let mut settings = settings.clone();
    let addresses = [("--listen", sideman.address()), ("--admin", sideman.admin())];
    for (flag, address) in addresses {
        let at = settings.args.iter().position(|arg| arg == flag).unwrap();
        settings.args[at + 1] = address.to_string();
    }
    settings.args[0] = "doctor".into();
    settings.args(&["--json"]).args(more).run_to_end()
}

/// Behind a load balancer on this machine.
fn balanced(settings: Settings) -> Settings {
    settings.set("server.trusted_proxies", "127.0.0.0/8")
}

/// gunicorn believes the scheme of a proxy on the same machine, whatever Django does.
const NOT_TRUSTED: (&str, &str) = ("FORWARDED_ALLOW_IPS", "192.0.2.1");

/// Variables of the project, changes of the settings, and the findings.
type Broken =
    (&'static [(&'static str, &'static str)], fn(Settings) -> Settings, &'static [&'static str]);

#[track_caller]
fn check(server: Server, broken: &[Broken]) {
    let Some(django) = Django::prepared() else { return };
    for (variables, change, expected) in broken {
        let wsgi = Wsgi::start_with(server, django, variables);
        let settings = change(wsgi.settings().files("/static/", &django.static_root));
        let sideman = settings.start().until_ready();
        let ended = examine(&settings, &sideman, &[]);
        assert_eq!(ids(&ended), *expected, "{server:?} {variables:?} {ended:?}");
    }
}

#[test]
fn scheme_hosts_and_debug() {
    check(
        Server::GunicornThreads,
        &[
            (&[], |settings| settings, &[]),
            (&[], balanced, &[]),
            (&[("SECURE_SSL_REDIRECT", "1"), ("SITE_FEATURES", "secure-cookies")], balanced, &[]),
            (
                &[("SECURE_SSL_REDIRECT", "1"), ("SITE_FEATURES", "no-proxy-header"), NOT_TRUSTED],
                balanced,
                &["redirect-loop"],
            ),
            (&[("SECURE_SSL_REDIRECT", "1")], |settings| settings, &["redirect-loop"]),
            (&[("SITE_FEATURES", "secure-cookies")], |settings| settings, &["secure-cookies"]),
            (
                &[("SITE_FEATURES", "secure-cookies no-proxy-header"), NOT_TRUSTED],
                balanced,
                &["csrf-origin"],
            ),
            (&[("SITE_FEATURES", "any-host")], balanced, &["any-host"]),
            (&[("SITE_FEATURES", "debug")], balanced, &["debug"]),
            (&[("SITE_STATIC_URL", "/assets/")], balanced, &["static-prefix"]),
        ],
    );
}

#[test]
fn workers_are_read_from_the_command_line() {
    check(
        Server::UwsgiPacketsUnix,
        &[
            (&[], |settings| settings.set("upstream.max_in_flight", "9"), &["workers"]),
            (&[], |settings| settings.set("upstream.max_in_flight", "8"), &[]),
            (&[], |settings| settings, &[]),
        ],
    );
}

#[test]
fn uwsgi_buffer_is_measured() {
    let long = |settings: Settings| balanced(settings).set("upstream.uwsgi_buffer_size", "65535B");
    let broken: [Broken; 2] = [(&[], balanced, &[]), (&[], long, &["uwsgi-buffer"])];
    check(Server::UwsgiPackets, &broken);
    check(Server::GunicornPackets, &[(&[], balanced, &[])]);
}

#[test]
fn other_servers_are_healthy() {
    check(Server::GunicornSync, &[(&[], balanced, &[])]);
    check(Server::UwsgiSocket, &[(&[], balanced, &[])]);
    check(Server::UvicornUnix, &[(&[], balanced, &[])]);
}

#[test]
fn directory_of_another_release_is_found() {
    let Some(django) = Django::prepared() else { return };
    let (wsgi, directory) = (Wsgi::start(Server::GunicornThreads, django), TempDir::new());
    let settings = wsgi.settings().files("/static/", directory.path());
    let sideman = settings.start().until_ready();
    let ended = examine(&settings, &sideman, &[]);
    assert_eq!(ids(&ended), ["static-missing"], "{ended:?}");
    assert!(ended.stdout.contains("/static/project/site."), "{ended:?}");
}

#[test]
fn host_that_the_application_refuses_is_named() {
    let Some(django) = Django::prepared() else { return };
    let wsgi =
        Wsgi::start_with(Server::GunicornSync, django, &[("ALLOWED_HOSTS", "www.example.org")]);
    let settings = wsgi.settings().files("/static/", &django.static_root);
    let sideman = settings.start().until_ready();
    let ended = examine(&settings, &sideman, &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stdout.contains("as in --host www.example.org"), "{ended:?}");
    let ended =
        examine(&settings, &sideman, &["--host", "www.example.org", "--page", "/accounts/login/"]);
    assert_eq!(ids(&ended), [""; 0], "{ended:?}");
}

/// An application that closes idle connections after 300 ms, with this field in every response.
fn application(field: &'static str) -> SocketAddr {
    fn serve(mut stream: TcpStream, field: &str) -> std::io::Result<()> {
        let mut byte = [0];
        loop {
            let mut head = Vec::new();
            // Its own limit of idle time.
            stream.set_read_timeout(Some(Duration::from_millis(300)))?;
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte)?;
                head.extend(byte);
            }
            let length = if head.starts_with(b"HEAD") { "" } else { "ok" };
            write!(stream, "HTTP/1.1 200 OK\r\n{field}Content-Length: 2\r\n\r\n{length}")?;
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, field));
        }
    });
    address
}

#[test]
fn idle_connections_and_clock_of_the_application() {
    let found = |field: &'static str, idle_timeout: &str| {
        let settings = Settings::before(&format!("http://{}", application(field)))
            .set("server.allowed_hosts", "localhost")
            .set("upstream.idle_timeout", idle_timeout);
        let sideman = settings.start().until_ready();
        ids(&examine(&settings, &sideman, &[]))
    };
    assert_eq!(found("", "5s"), ["keep-alive"]);
    assert_eq!(found("", "200ms"), [""; 0]);
    // The application says when it closes, and Sideman is faster.
    assert_eq!(found("Keep-Alive: timeout=1\r\n", "5s"), [""; 0]);
    assert_eq!(found("Date: Mon, 01 Jan 2001 00:00:00 GMT\r\n", "200ms"), ["clock"]);
}

#[test]
fn settings_and_clients_of_the_process() {
    let application = App::saying("hello");
    let before = || Settings::before(&application.url()).set("server.allowed_hosts", "localhost");
    let check = |settings: Settings, headers: &str, expected: &[&str]| {
        let sideman = settings.start().until_ready();
        let mut client = Client::connect(sideman.address());
        for _ in 0..25 {
            client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
            assert_eq!(client.response().status, 200);
        }
        let status = sideman.admin_get("/-/status.json").json();
        let ended = examine(&settings, &sideman, &[]);
        assert_eq!(ids(&ended), expected, "{ended:?}");
        // The status shows the same.
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(status["findings"], report["findings"], "{ended:?}");
    };
    let alb =
        "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n";
    check(before(), "", &[]);
    check(before(), alb, &["client-address"]);
    check(balanced(before()), alb, &[]);
    let short = before().set("server.trusted_proxies", "alb").set("server.idle_timeout", "30s");
    check(short, "", &["idle-timeout"]);
    check(before().args(&["--static", "/static/=/nowhere/static"]), "", &["settings-warning"]);
}

/// Behind a load balancer on another machine.
fn behind_others(settings: Settings) -> Settings {
    settings.set("server.trusted_proxies", "198.51.100.0/24")
}

/// Sideman ends TLS.
fn with_tls(settings: Settings) -> Settings {
    settings
        .set("tls.listen", "127.0.0.1:0")
        .set("tls.self_signed", "true")
        .set("server.redirect_https", "true")
}

#[test]
fn pages_for_https_are_asked_for_at_the_application() {
    let healthy = &[("SECURE_SSL_REDIRECT", "1"), ("SITE_FEATURES", "secure-cookies")];
    let loops = &[("SECURE_SSL_REDIRECT", "1"), ("SITE_FEATURES", "no-proxy-header"), NOT_TRUSTED];
    check(
        Server::GunicornThreads,
        &[
            (healthy, behind_others, &[]),
            (loops, behind_others, &["redirect-loop"]),
            (loops, with_tls, &["redirect-loop"]),
            (healthy, with_tls, &[]),
            (&[("SITE_FEATURES", "any-host")], with_tls, &["any-host"]),
            (&[("SITE_FEATURES", "debug")], with_tls, &["debug"]),
        ],
    );
}

#[test]
fn pages_that_nobody_can_ask_for_are_named() {
    let Some(django) = Django::prepared() else { return };
    // The doctor does not speak the protocol of uWSGI.
    let wsgi = Wsgi::start_with(Server::UwsgiPackets, django, &[("SECURE_SSL_REDIRECT", "1")]);
    for (change, expected) in [
        (behind_others as fn(Settings) -> Settings, "server.trusted_proxies"),
        (with_tls, "does not use TLS"),
    ] {
        let settings = change(wsgi.settings().files("/static/", &django.static_root));
        let sideman = settings.start().until_ready();
        let ended = examine(&settings, &sideman, &[]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stdout.contains(expected), "{ended:?}");
    }
}

#[test]
fn page_that_does_not_respond_leaves_the_other_findings() {
    let application = App::start(|request| match request.target() {
        "/accounts/login/" => Vec::new(),
        _ => App::reply(b"hello"),
    });
    let settings = Settings::before(&application.url());
    let sideman = settings.start().until_ready();
    let ended = examine(&settings, &sideman, &["--timeout", "300ms"]);
    assert_eq!(ids(&ended), ["any-host"], "{ended:?}");
    assert!(ended.stdout.contains("/accounts/login/: no response in time"), "{ended:?}");
}

#[test]
fn page_in_front_of_django_may_have_any_host() {
    let application = App::start(|request| {
        let is_own = request.head.get("host").is_some_and(|host| host.starts_with("localhost"));
        match request.target() {
            "/" => App::reply(b"built by npm"),
            _ if is_own => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
            _ => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(),
        }
    });
    let settings = Settings::before(&application.url());
    let sideman = settings.start().until_ready();
    let ended = examine(&settings, &sideman, &[]);
    assert_eq!(ids(&ended), [""; 0], "{ended:?}");
}

#[test]
fn process_that_does_not_run_is_status_2() {
    let run = |more: &[&str]| {
        let arguments = ["doctor", "--listen", "127.0.0.1:1", "--upstream", "http://127.0.0.1:2"];
        Settings::default().args(&arguments).args(more).run_to_end()
    };
    let ended = run(&[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""), "{ended:?}");
    for expected in ["not checked: pages: GET http://127.0.0.1:1/: cannot connect: ", "--compose"] {
        assert!(ended.stdout.contains(expected), "{ended:?}");
    }
    // What the settings say is found all the same.
    let ended = run(&["--static", "/static/=/nowhere/static"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("[settings-warning]"), "{ended:?}");
    let ended = run(&["--page", "shop"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("write a path such as /shop/"), "{ended:?}");
}
