//! Which trace a request belongs to, and what the application gets to know of it.

use super::collector::{CLIENT, Collector, SERVER};
use crate::support::{App, Settings, Sideman};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const ROOT: &str = "Root=1-0af76519-16cd43dd8448eb211c80319c";

/// An application that responds with the fields that it has got about traces.
fn showing() -> App {
    App::start(|request| {
        let names = ["traceparent", "tracestate", "x-amzn-trace-id"];
        let lines = names.map(|name| request.head.all(name).join("|"));
        App::reply(lines.join("\n").as_bytes())
    })
}

/// The values of `traceparent`, `tracestate` and `X-Amzn-Trace-Id` that arrive for a request with these fields.
#[track_caller]
fn arrived(sideman: &Sideman, fields: &str) -> [String; 3] {
    let text = sideman.connect().ask("GET", "/page", fields).text();
    let lines: Vec<&str> = text.split('\n').collect();
    lines.try_into().map(|lines: [&str; 3]| lines.map(str::to_owned)).unwrap()
}

fn start(extend: impl FnOnce(Settings) -> Settings) -> (Collector, App, Sideman) {
    let (collector, application) = (Collector::start(), showing());
    let sideman = extend(collector.settings(&application)).start();
    (collector, application, sideman)
}

#[test]
fn trace_of_the_client_is_continued() {
    let (collector, _application, sideman) = start(|settings| settings);
    let fields = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: a=1\r\n");
    let [traceparent, tracestate, _] = arrived(&sideman, &fields);
    let server = collector.one("the request's span", |span| span.kind() == SERVER);
    let upstream = collector.one("the application's span", |span| span.kind() == CLIENT);
    assert_eq!((server.text("traceId"), server.parent()), (TRACE, PARENT));
    assert_eq!(traceparent, format!("00-{TRACE}-{}-01", upstream.id()));
    assert_eq!(tracestate, "a=1");
    assert_eq!((&server.0["flags"], &upstream.0["flags"]), (&0x301.into(), &0x101.into()));
}

#[test]
fn trace_of_the_load_balancer_is_continued() {
    let (collector, _application, sideman) = start(|settings| settings);
    let [traceparent, _, amazon] = arrived(&sideman, &format!("X-Amzn-Trace-Id: {ROOT}\r\n"));
    let server = collector.one("the request's span", |span| span.kind() == SERVER);
    let upstream = collector.one("the application's span", |span| span.kind() == CLIENT);
    assert_eq!((server.text("traceId"), server.parent()), (TRACE, ""));
    assert_eq!(traceparent, format!("00-{TRACE}-{}-01", upstream.id()));
    assert_eq!(amazon, ROOT);
    // The log keeps the form that the load balancer's log has.
    assert_eq!(sideman.log_of("/page")["trace_id"], ROOT.strip_prefix("Root=").unwrap());
}

#[test]
fn xray_propagator_writes_the_header_of_amazon() {
    let (collector, _application, sideman) =
        start(|settings| settings.variable("OTEL_PROPAGATORS", "xray"));
    let [traceparent, _, amazon] = arrived(&sideman, &format!("X-Amzn-Trace-Id: {ROOT}\r\n"));
    let upstream = collector.one("the application's span", |span| span.kind() == CLIENT);
    assert_eq!(traceparent, "");
    assert_eq!(amazon, format!("{ROOT};Parent={};Sampled=1", upstream.id()));
}

#[test]
fn unsampled_request_has_no_span_and_the_application_knows_it() {
    let (collector, _application, sideman) = start(|settings| settings);
    for fields in [
        format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n"),
        format!("X-Amzn-Trace-Id: {ROOT};Parent={PARENT};Sampled=0\r\n"),
    ] {
        let [traceparent, _, _] = arrived(&sideman, &fields);
        let is_continued = traceparent.starts_with(&format!("00-{TRACE}-"));
        assert!(is_continued && traceparent.ends_with("-00"), "{traceparent}");
    }
    // Those that come later arrive.
    let [traceparent, _, _] = arrived(&sideman, "");
    assert!(traceparent.ends_with("-01"), "{traceparent}");
    assert!(collector.until(2).iter().all(|span| span.text("traceId") != TRACE));
}

#[test]
fn sampler_decides_about_traces_that_begin_here() {
    for (sampler, ratio, is_sampled) in [
        ("always_off", "", false),
        ("traceidratio", "0", false),
        ("parentbased_traceidratio", "0", false),
        ("parentbased_traceidratio", "1", true),
    ] {
        let (_collector, _application, sideman) = start(|settings| {
            settings
                .variable("OTEL_TRACES_SAMPLER", sampler)
                .variable("OTEL_TRACES_SAMPLER_ARG", ratio)
        });
        let end = if is_sampled { "-01" } else { "-00" };
        let [traceparent, _, _] = arrived(&sideman, "");
        assert!(traceparent.ends_with(end), "{sampler}: {traceparent}");
        // A parent is followed by samplers that are based on it.
        let [traceparent, _, _] =
            arrived(&sideman, &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n"));
        let end = if sampler.starts_with("parentbased") { "-01" } else { "-00" };
        assert!(traceparent.ends_with(end), "{sampler}: {traceparent}");
    }
}

#[test]
fn invalid_traceparent_begins_a_trace() {
    let (_collector, _application, sideman) = start(|settings| settings);
    for fields in [
        format!("traceparent: 00-{}-{PARENT}-01\r\n", "0".repeat(32)),
        format!("traceparent: 00-{TRACE}-{PARENT}\r\n"),
        format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n").repeat(2),
    ] {
        let [traceparent, tracestate, _] =
            arrived(&sideman, &format!("{fields}tracestate: a=1\r\n"));
        assert_eq!((traceparent.len(), tracestate.as_str()), (55, ""), "{fields}");
        assert!(!traceparent.contains(TRACE), "{traceparent}");
    }
}

/// Anyone else could have every request recorded, or none.
#[test]
fn traceparent_among_trusted_headers_counts_from_trusted_proxies_only() {
    let fields = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    for (proxies, is_continued) in [("none", false), ("127.0.0.0/8", true)] {
        let (_collector, _application, sideman) = start(|settings| {
            settings
                .set("server.trusted_headers", "traceparent")
                .set("server.trusted_proxies", proxies)
        });
        let [traceparent, _, _] = arrived(&sideman, &fields);
        assert_eq!(traceparent.len(), 55, "{traceparent}");
        assert_eq!(traceparent.contains(TRACE), is_continued, "{traceparent}");
    }
}

#[test]
fn propagator_none_passes_fields_as_they_are() {
    let (collector, _application, sideman) =
        start(|settings| settings.variable("OTEL_PROPAGATORS", "none"));
    let traceparent = format!("00-{TRACE}-{PARENT}-00");
    let [passed, _, _] = arrived(&sideman, &format!("traceparent: {traceparent}\r\n"));
    assert_eq!(passed, traceparent);
    assert_ne!(collector.until(2)[0].text("traceId"), TRACE);
}
