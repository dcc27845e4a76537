//! Acceptance tests: a real Django project with real gunicorn, uWSGI and uvicorn, behind Sideman.
//!
//! A server takes a while to start, so each is started once for all checks; a
//! failing check does not hide the others.

mod accel;
mod bodies;
mod files;
mod login;
mod manifest;
mod pages;
mod restarts;
mod streams;
mod workers;

pub(crate) use self::login::{logged_in, logged_in_at};

use std::panic::{self, AssertUnwindSafe};

use crate::support::{Django, Server, Settings, Sideman, Wsgi};

/// A running site.
struct Site {
    /// The address for clients.
    sideman: Sideman,
    /// The address for a load balancer, which sends the scheme and the client.
    balanced: Sideman,
    wsgi: Wsgi,
    django: &'static Django,
    server: Server,
}

/// A check that must pass with every server.
type Check = (&'static str, fn(&Site));

// === impl Site ===

impl Site {
    fn start(server: Server, django: &'static Django) -> Self {
        let wsgi = Wsgi::start(server, django);
        let settings = Self::settings(&wsgi, django);
        let sideman = settings.start().until_ready();
        let balanced = settings.set("server.trusted_proxies", "127.0.0.0/8").start().until_ready();
        Self { sideman, balanced, wsgi, django, server }
    }

    fn settings(wsgi: &Wsgi, django: &Django) -> Settings {
        let protected = wsgi.home().join("protected");
        wsgi.settings()
            .files("/static/", &django.static_root)
            .args(&["--accel", &format!("/protected/={}", protected.display())])
    }
}

fn check_all(server: Server) {
    let Some(django) = Django::prepared() else { return };
    let site = Site::start(server, django);
    let lists = [
        pages::CHECKS,
        files::CHECKS,
        bodies::CHECKS,
        streams::CHECKS,
        login::CHECKS,
        accel::CHECKS,
    ];
    let failed: Vec<&str> = lists
        .concat()
        .into_iter()
        .filter(|(_, check)| panic::catch_unwind(AssertUnwindSafe(|| check(&site))).is_err())
        .map(|(name, _)| name)
        .collect();
    assert!(failed.is_empty(), "with {server:?}: {}", failed.join(", "));
}

#[test]
fn gunicorn_sync() {
    check_all(Server::GunicornSync);
}

#[test]
fn gunicorn_threads() {
    check_all(Server::GunicornThreads);
}

#[test]
fn gunicorn_on_a_unix_socket() {
    check_all(Server::GunicornUnix);
}

#[test]
fn gunicorn_with_the_worker_of_uvicorn() {
    check_all(Server::GunicornAsgi);
}

#[test]
fn uvicorn_on_a_unix_socket() {
    check_all(Server::UvicornUnix);
}

#[test]
fn uwsgi_with_an_http_socket() {
    check_all(Server::UwsgiSocket);
}

#[test]
fn uwsgi_with_its_http_router() {
    check_all(Server::UwsgiRouter);
}

#[test]
fn uwsgi_by_its_own_protocol() {
    check_all(Server::UwsgiPackets);
}

#[test]
fn uwsgi_by_its_own_protocol_on_a_unix_socket() {
    check_all(Server::UwsgiPacketsUnix);
}

#[test]
fn gunicorn_by_the_uwsgi_protocol() {
    check_all(Server::GunicornPackets);
}

#[test]
fn gunicorn_by_the_uwsgi_protocol_on_a_unix_socket() {
    check_all(Server::GunicornPacketsUnix);
}
