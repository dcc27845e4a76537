//! How spans get to the collector: requests never wait for it.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::process::Signal;

use super::collector::{Collector, spans_of, traced};
use crate::support::{App, Gate, Sideman, eventually};

/// A collector with these responses, one after the other; the last one is repeated.
fn responding(responses: &'static [&'static str]) -> App {
    let count = AtomicUsize::new(0);
    App::start(move |_| {
        let index = count.fetch_add(1, Ordering::Relaxed).min(responses.len() - 1);
        let head = responses[index];
        format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    })
}

/// A collector that responds when the gate is opened.
fn waiting() -> (App, Gate) {
    let gate = Gate::new();
    let shared = gate.clone();
    let collector = App::start(move |_| {
        shared.pass();
        App::reply(b"{}")
    });
    (collector, gate)
}

fn lost(sideman: &Sideman, cause: &str) -> f64 {
    sideman.metric("sideman_trace_spans_lost_total", &[("cause", cause)])
}

#[test]
fn collector_that_never_responds_delays_no_request() {
    let (collector, gate) = waiting();
    let application = App::saying("hello");
    let sideman = traced(&application.url(), &collector.url())
        .variable("OTEL_BSP_MAX_QUEUE_SIZE", "8")
        .variable("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
        .start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/first").status, 200);
    eventually("the first batch", || (collector.requests() > 0).then_some(()));
    for _ in 0..20 {
        assert_eq!(client.get("/").status, 200);
    }
    // Four requests wait, with two spans each.
    assert_eq!(lost(&sideman, "full"), 32.0);
    assert_eq!(sideman.metric("sideman_limit", &[("setting", "OTEL_BSP_MAX_QUEUE_SIZE")]), 8.0);
    sideman.event("spans are dropped");
    gate.open();
    sideman.until_metric("sideman_trace_spans_sent_total", &[], 10.0);
}

#[test]
fn collector_that_is_away_gets_the_spans_later() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let application = App::saying("hello");
    let sideman = traced(&application.url(), &format!("http://{address}")).start();
    assert_eq!(sideman.get("/").status, 200);
    let event = sideman.event("cannot send traces");
    assert!(event.contains("check that a collector listens"), "{event}");
    assert!(event.contains(&format!("http://{address}/v1/traces")), "{event}");
    let _collector = App::on(TcpListener::bind(address).unwrap(), |_| App::reply(b"{}"));
    sideman.until_metric("sideman_trace_spans_sent_total", &[], 2.0);
    sideman.event("traces are sent again");
}

#[test]
fn busy_collector_gets_the_batch_again() {
    for answers in [
        &["429 Too Many Requests\r\nRetry-After: 0", "200 OK"],
        &["502 Bad Gateway\r\nRetry-After: 0", "200 OK"],
        &["503 Service Unavailable\r\nRetry-After: 0", "200 OK"],
        &["504 Gateway Timeout\r\nRetry-After: 0", "200 OK"],
    ] {
        let (collector, application) = (responding(answers), App::saying("hello"));
        let sideman = traced(&application.url(), &collector.url()).start();
        assert_eq!(sideman.get("/").status, 200);
        sideman.until_metric("sideman_trace_spans_sent_total", &[], 2.0);
        assert_eq!(collector.requests(), 2, "{}", answers[0]);
    }
}

#[test]
fn batch_is_given_up_at_its_timeout() {
    let collector = responding(&["503 Busy\r\nRetry-After: 60"]);
    let application = App::saying("hello");
    let sideman = traced(&application.url(), &collector.url()).start();
    assert_eq!(sideman.get("/").status, 200);
    // The collector asks for a longer pause than there is time.
    sideman.until_metric("sideman_trace_spans_lost_total", &[("cause", "failed")], 2.0);
    assert_eq!(collector.requests(), 1);
}

#[test]
fn refused_batch_is_not_sent_again() {
    for (status, advice) in [
        ("400 Bad Request", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ("401 Unauthorized", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("404 Not Found", "check the path"),
        ("500 Internal Server Error", "log of the collector"),
    ] {
        let collector = App::start(move |_| {
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes()
        });
        let application = App::saying("hello");
        let sideman = traced(&application.url(), &collector.url()).start();
        assert_eq!(sideman.get("/").status, 200);
        sideman.until_metric("sideman_trace_spans_lost_total", &[("cause", "refused")], 2.0);
        assert_eq!(collector.requests(), 1, "{status}");
        let event = sideman.event("cannot send traces");
        assert!(event.contains(advice) && event.contains(status), "{event}");
    }
}

#[test]
fn spans_that_the_collector_refuses_are_counted() {
    const PARTIAL: &str =
        "{\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"no time\"}}";
    let collector = App::start(|_| App::reply(PARTIAL.as_bytes()));
    let application = App::saying("hello");
    let sideman = traced(&application.url(), &collector.url()).start();
    assert_eq!(sideman.get("/").status, 200);
    sideman.until_metric("sideman_trace_spans_lost_total", &[("cause", "refused")], 1.0);
    sideman.until_metric("sideman_trace_spans_sent_total", &[], 1.0);
    let event = sideman.event("does not accept all spans");
    assert!(event.contains("no time"), "{event}");
}

#[test]
fn last_spans_are_sent_at_the_end() {
    let (collector, application) = (Collector::start(), App::saying("hello"));
    let sideman =
        collector.settings(&application).variable("OTEL_BSP_SCHEDULE_DELAY", "600000").start();
    for _ in 0..3 {
        assert_eq!(sideman.get("/").status, 200);
    }
    assert!(collector.spans().is_empty());
    sideman.signal(Signal::TERM);
    let (code, _) = sideman.wait();
    assert_eq!((code, collector.spans().len()), (Some(0), 6));
}

#[test]
fn end_does_not_wait_long_for_a_collector() {
    let (collector, gate) = waiting();
    let application = App::saying("hello");
    let sideman = traced(&application.url(), &collector.url()).start();
    assert_eq!(sideman.get("/").status, 200);
    eventually("the batch", || (collector.requests() > 0).then_some(()));
    let (code, events) = sideman.stop_for_events();
    assert_eq!(code, Some(0));
    let has_event = events.iter().any(|event| event.contains("the last spans were not sent"));
    assert!(has_event, "{events:?}");
    gate.open();
}

#[test]
fn headers_are_sent_with_each_batch() {
    let seen = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&seen);
    let collector = App::start(move |request| {
        let is_right = request.head.get("x-key") == Some("a b")
            && request.head.get("host").is_some_and(|host| host.starts_with("127.0.0.1:"))
            && request.head.start == "POST /in/v1/traces HTTP/1.1";
        shared.fetch_add(usize::from(is_right), Ordering::Relaxed);
        App::reply(b"{}")
    });
    let application = App::saying("hello");
    let sideman = traced(&application.url(), &format!("{}/in", collector.url()))
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
        .start();
    assert_eq!(sideman.get("/").status, 200);
    sideman.until_metric("sideman_trace_spans_sent_total", &[], 2.0);
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[test]
fn spans_are_compressed_with_gzip() {
    let seen = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&seen);
    let collector = App::start(move |request| {
        let is_gzip = request.head.get("content-encoding") == Some("gzip");
        shared.fetch_add(if is_gzip { spans_of(request).len() } else { 0 }, Ordering::Relaxed);
        App::reply(b"{}")
    });
    let application = App::saying("hello");
    let sideman = traced(&application.url(), &collector.url())
        .variable("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .start();
    assert_eq!(sideman.get("/").status, 200);
    sideman.until_metric("sideman_trace_spans_sent_total", &[], 2.0);
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}

#[test]
fn collector_that_refuses_gzip_is_named_with_a_remedy() {
    let collector = responding(&["415 Unsupported Media Type"]);
    let application = App::saying("hello");
    let sideman = traced(&application.url(), &collector.url())
        .variable("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .start();
    assert_eq!(sideman.get("/").status, 200);
    let event = sideman.event("cannot send traces");
    assert!(event.contains("OTEL_EXPORTER_OTLP_COMPRESSION=none"), "{event}");
}
