//! Collectors with TLS: their certificates, and those that they demand.

use std::sync::Arc;

use rustls::ServerConfig;

use super::collector::traced;
use crate::{
    support::{App, Settings, Sideman, TempDir},
    upstream_tls::{authority::Authority, peer::TlsPeer},
};

const AUTHORITY: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";

/// A collector that accepts everything.
fn collector(config: Arc<ServerConfig>) -> TlsPeer {
    TlsPeer::start(config, |connection| {
        let Ok(head) = connection.head() else { return connection.drain() };
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        connection.body(length.parse().unwrap())?;
        connection.respond(b"{}")?;
        connection.close_with_notify()
    })
}

/// Starts Sideman, sends a request, and waits until its spans have been sent.
#[track_caller]
fn until_sent(settings: &Settings) {
    let sideman = after_a_request(settings);
    sideman.until_metric("sideman_trace_spans_sent_total", &[], 2.0);
}

/// Starts Sideman, sends a request, and waits for the event about its spans.
#[track_caller]
fn fault(settings: &Settings) -> String {
    let sideman = after_a_request(settings);
    let event = sideman.event("cannot send traces");
    assert_eq!(sideman.metric("sideman_trace_spans_sent_total", &[]), 0.0);
    event
}

#[track_caller]
fn after_a_request(settings: &Settings) -> Sideman {
    let sideman = settings.start();
    assert_eq!(sideman.get("/").status, 200);
    sideman
}

#[test]
fn collector_needs_a_certificate_of_the_authority_for_its_host() {
    let (authority, other) = (Authority::new("Our authority"), Authority::new("Another one"));
    let directory = TempDir::new();
    let (right, wrong) = (authority.write(&directory, "ca"), other.write(&directory, "other"));
    let collector = collector(authority.issue(&["localhost"]).server_config(None));
    let application = App::saying("hello");
    let settings = |host| traced(&application.url(), &collector.url(host));
    until_sent(&settings("localhost").variable(AUTHORITY, &right));
    for (settings, part) in [
        (settings("localhost").variable(AUTHORITY, &wrong), "UnknownIssuer"),
        (settings("localhost"), "UnknownIssuer"),
        (settings("127.0.0.1").variable(AUTHORITY, &right), "not valid for name"),
    ] {
        let event = fault(&settings);
        assert!(event.contains(part), "{event}");
        assert!(event.contains(&format!("check that {AUTHORITY} names the authority")), "{event}");
        assert!(event.contains("for the host in OTEL_EXPORTER_OTLP_ENDPOINT"), "{event}");
    }
}

#[test]
fn collector_that_demands_a_certificate_gets_it() {
    let (authority, other) = (Authority::new("Our authority"), Authority::new("Another one"));
    let directory = TempDir::new();
    let trusted = authority.write(&directory, "ca");
    let collector = collector(authority.issue(&["localhost"]).server_config(Some(&authority)));
    let application = App::saying("hello");
    let settings = traced(&application.url(), &collector.url("localhost"));
    let settings = settings.variable(AUTHORITY, &trusted);
    let own = authority.issue(&["sideman.test"]);
    let (certificate, key) = own.write(&directory, "own");
    until_sent(&settings.clone().variable(CERTIFICATE, &certificate).variable(KEY, &key));
    let both = directory.write("both.pem", format!("{}{}", own.chain, own.key));
    until_sent(&settings.clone().variable(CERTIFICATE, &both.display().to_string()));

    let (certificate, key) = other.issue(&["sideman.test"]).write(&directory, "strange");
    for settings in
        [settings.clone(), settings.variable(CERTIFICATE, &certificate).variable(KEY, &key)]
    {
        let event = fault(&settings);
        assert!(event.contains("fatal alert"), "{event}");
        assert!(event.contains(&format!("check {CERTIFICATE} and {KEY}")), "{event}");
    }
}

#[test]
fn faulty_certificate_ends_the_start() {
    let (directory, authority) = (TempDir::new(), Authority::new("Our authority"));
    let (certificate, _) = authority.issue(&["sideman.test"]).write(&directory, "own");
    let (_, other_key) = authority.issue(&["sideman.test"]).write(&directory, "other");
    for (certificate, key, part) in [
        ("/missing/own.pem", &*other_key, "cannot read /missing/own.pem"),
        (&*certificate, "/missing/own.key", "cannot read /missing/own.key"),
        (&*certificate, &*certificate, "instead of a private key"),
        (&*certificate, &*other_key, "does not match the certificate"),
    ] {
        let ended = traced("http://127.0.0.1:9", "https://127.0.0.1:4318")
            .variable(CERTIFICATE, certificate)
            .variable(KEY, key)
            .run_to_end();
        assert_eq!(ended.code, Some(1), "{part}");
        let text = ended.stderr;
        assert!(text.contains(&format!("{CERTIFICATE}, {KEY}: ")) && text.contains(part), "{text}");
    }
}
