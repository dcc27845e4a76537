//! The variables that turn traces on.

use super::collector::{Collector, traced};
use crate::support::{App, Settings};

#[test]
fn nothing_changes_without_an_endpoint() {
    let application =
        App::start(|request| App::reply(request.head.all("traceparent").join("|").as_bytes()));
    let sideman = Settings::before(&application.url())
        .variable("OTEL_SERVICE_NAME", "site")
        .variable("OTEL_TRACES_SAMPLER", "unknown")
        .start();
    assert_eq!(sideman.get("/").text(), "");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let fields = format!("traceparent: {parent}\r\n");
    assert_eq!(sideman.connect().ask("GET", "/", &fields).text(), parent);
    assert_eq!(sideman.metric("sideman_trace_spans_sent_total", &[]), 0.0);
}

#[test]
fn faulty_value_ends_the_start() {
    let ended = traced("http://127.0.0.1:9", "collector:4318").run_to_end();
    assert_eq!(ended.code, Some(2));
    let text = ended.stderr;
    assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT = \"collector:4318\""), "{text}");
    assert!(text.contains("must begin with http:// or https://"), "{text}");
}

#[test]
fn missing_file_of_authorities_ends_the_start() {
    let ended = traced("http://127.0.0.1:9", "https://127.0.0.1:4318")
        .variable("OTEL_EXPORTER_OTLP_CERTIFICATE", "/missing/ca.pem")
        .run_to_end();
    assert_eq!(ended.code, Some(1));
    let text = ended.stderr;
    assert!(text.contains("OTEL_EXPORTER_OTLP_CERTIFICATE: /missing/ca.pem: "), "{text}");
}

#[test]
fn grpc_is_a_warning_and_sends_nothing() {
    let (collector, application) = (Collector::start(), App::saying("hello"));
    let sideman =
        collector.settings(&application).variable("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").start();
    let event = sideman.event("no traces are sent");
    assert!(event.contains("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"), "{event}");
    assert_eq!(sideman.get("/").text(), "hello");
}
