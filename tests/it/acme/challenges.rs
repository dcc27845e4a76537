//! Validations, and requests that look like one.

use std::{io::Write as _, net::TcpStream};

use super::{authority::Authority, connect, settings, tls, tls_address, until_issued};
use crate::support::{App, Request, TempDir};

/// Says which path it was asked for.
fn echo() -> App {
    App::start(|request: &Request| App::reply(request.target().as_bytes()))
}

#[test]
fn other_tokens_are_answered_by_the_application() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (echo(), TempDir::new());
    let sideman = settings(&authority, &storage, &application, "a.test").start();
    let path = "/.well-known/acme-challenge/of-the-application";
    assert_eq!(sideman.get(path).text(), path);
    let address = connect(&authority, &sideman);
    until_issued(&authority, address, "a.test");
    assert_eq!(sideman.get(path).text(), path);
    assert!(application.requests() >= 2);
    // None of the validations has reached it.
    let validated = sideman.log_line("a validation", |line| {
        let path = line["path"].as_str().unwrap_or_default();
        path.starts_with("/.well-known/acme-challenge/")
            && line["status"] == 200
            && line["route"] == "respond"
    });
    assert_eq!(validated["method"], "GET");
}

#[test]
fn protocol_of_validations_is_refused_outside_of_one() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let sideman = settings(&authority, &storage, &application, "a.test").start();
    let address = connect(&authority, &sideman);
    until_issued(&authority, address, "a.test");
    let issuer = authority.issuer();
    let with = |protocols: &[&str]| {
        let mut config = tls::trusting(&issuer);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        tls::connect(address, "a.test", config)
    };
    assert!(with(&["acme-tls/1"]).is_err());
    // Browsers are served as before.
    let chosen =
        |protocols: &[&str]| with(protocols).unwrap().conn.alpn_protocol().map(<[u8]>::to_vec);
    assert_eq!(chosen(&["h2", "http/1.1"]), Some(b"h2".to_vec()));
    assert_eq!(chosen(&["http/1.1"]), Some(b"http/1.1".to_vec()));
    assert_eq!(chosen(&["acme-tls/1", "http/1.1"]), Some(b"http/1.1".to_vec()));
    assert_eq!(chosen(&[]), None);
}

#[test]
fn failed_validation_is_explained_with_the_next_attempt() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test");
    let sideman = settings.start();
    // Nobody is at this port.
    authority.lead_to("127.0.0.1:1".parse().unwrap(), "127.0.0.1:1".parse().unwrap());
    let line = sideman.event("cannot obtain a certificate");
    for part in [
        "a.test: ",
        "(connection)",
        "next=",
        " GMT",
        "make each name of acme.domains lead to this server",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    sideman.until_metric("sideman_acme_attempts_total", &[("result", "failed")], 1.0);
    // Still self-signed, and nothing else has failed.
    assert_eq!(sideman.get("/").text(), "hello");
    assert!(TcpStream::connect(tls_address(&sideman)).unwrap().write_all(b"").is_ok());
    sideman.shut_down();
    // Restarts do not use up the limits of the authority.
    for _ in 0..3 {
        let sideman = settings.start();
        assert_eq!(sideman.get("/").text(), "hello");
        sideman.shut_down();
    }
    assert_eq!(authority.requests("/order-plz"), 1);
}
