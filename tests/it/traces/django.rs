//! Real OpenTelemetry: a Django application that is started by `sideman exec` and records its requests, and a collector
//! that decodes the spans of both with the messages of the specification. Both read the same variables.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::support::{Settings, Sideman, eventually, python, skip};

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const TRACE: &str = "5759e988bd862e3fe1be46a994272793";

/// The collector; it is killed when dropped.
#[derive(Debug)]
struct RealCollector {
    child: Child,
    port: u16,
    spans: Arc<Mutex<Vec<Value>>>,
}

// === impl RealCollector ===

impl RealCollector {
    fn start(python: &Path) -> Self {
        let mut child = Command::new(python)
            .arg(home().join("collector.py"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let spans = Arc::<Mutex<Vec<Value>>>::default();
        let all = Arc::clone(&spans);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                all.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, spans }
    }

    /// Waits for a span.
    #[track_caller]
    fn span(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || self.spans.lock().unwrap().iter().find(|span| wanted(span)).cloned())
    }
}

impl Drop for RealCollector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn home() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/otel")
}

/// Sideman and the application that it has started.
#[track_caller]
fn start(variables: &[(&str, &str)]) -> Option<(RealCollector, Sideman)> {
    let environment = match python::environment("otel", &home().join("requirements.txt")) {
        Ok(environment) => environment,
        Err(missing) => {
            skip(&missing, python::REMEDY);
            return None;
        }
    };
    let python = environment.join("bin/python");
    let collector = RealCollector::start(&python);
    let mut settings = Settings::exec()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://127.0.0.1:{}", collector.port))
        .variable("OTEL_SERVICE_NAME", "shop")
        .variable("OTEL_BSP_SCHEDULE_DELAY", "20")
        .variable("PYTHONPATH", home().to_str().unwrap())
        .variable("PYTHONDONTWRITEBYTECODE", "1");
    for (name, value) in variables {
        settings = settings.variable(name, value);
    }
    let sideman = settings
        .args(&["--", python.to_str().unwrap(), "-m", "gunicorn", "--no-control-socket"])
        .args(&["--workers", "2", "traced_site"])
        .start()
        .until_ready();
    Some((collector, sideman))
}

fn is_of(span: &Value, scope: &str, kind: u64) -> bool {
    let name = span["scope"].as_str().unwrap_or_default();
    name.starts_with(scope) && span["kind"] == kind && span["trace"] == TRACE
}

/// Checks that Django's span is the child of Sideman's, and returns Sideman's span of the request.
#[track_caller]
fn check_tree(collector: &RealCollector) -> Value {
    let django = collector.span("Django's span", |span| is_of(span, "opentelemetry", 2));
    let upstream = collector.span("the upstream span", |span| is_of(span, "sideman", 3));
    let server = collector.span("the server span", |span| is_of(span, "sideman", 2));
    assert_eq!(django["parent"], upstream["id"]);
    assert_eq!(upstream["parent"], server["id"]);
    assert_eq!(server["parent"], "");
    assert_eq!(django["name"], "GET hello/<str:name>");
    let time = |span: &Value, field: &str| span[field].as_u64().unwrap();
    for (outer, inner) in [(&server, &upstream), (&upstream, &django)] {
        assert!(time(outer, "begin") <= time(inner, "begin"), "{outer} {inner}");
    }
    assert!(time(&upstream, "end") <= time(&server, "end"));
    for span in [&django, &server] {
        assert_eq!(span["service"]["service.name"], "shop");
    }
    assert_eq!(server["service"]["telemetry.sdk.name"], "sideman");
    assert_eq!(server["attributes"]["url.path"], "/hello/ada");
    assert_eq!(server["attributes"]["http.response.status_code"], 200);
    server
}

#[test]
fn span_of_django_is_the_child_of_the_upstream_span() {
    let Some((collector, sideman)) = start(&[]) else { return };
    let fields = format!("X-Amzn-Trace-Id: Root={ROOT}\r\n");
    let response = sideman.connect().ask("GET", "/hello/ada?q=1", &fields);
    assert_eq!(response.text(), "hello ada");
    let server = check_tree(&collector);
    assert_eq!((&server["flags"], &server["status"]), (&0x101.into(), &0.into()));
}

#[test]
fn span_of_django_is_the_child_by_the_header_of_xray_too() {
    let variables =
        [("OTEL_PROPAGATORS", "xray"), ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")];
    let Some((collector, sideman)) = start(&variables) else { return };
    let fields = format!("X-Amzn-Trace-Id: Self=1-a;Root={ROOT}\r\n");
    assert_eq!(sideman.connect().ask("GET", "/hello/ada", &fields).text(), "hello ada");
    check_tree(&collector);
}

#[test]
fn unsampled_trace_is_recorded_by_nobody() {
    let Some((collector, sideman)) = start(&[]) else { return };
    let fields = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-00\r\n");
    assert_eq!(sideman.connect().ask("GET", "/hello/ada", &fields).text(), "hello ada");
    assert_eq!(sideman.get("/hello/ada").text(), "hello ada");
    // Those of the second request come later.
    for scope in ["opentelemetry", "sideman"] {
        let is_other =
            |span: &Value| span["scope"].as_str().unwrap().starts_with(scope) && span["kind"] == 2;
        assert_ne!(collector.span("the other trace", is_other)["trace"], TRACE);
    }
    assert!(collector.spans.lock().unwrap().iter().all(|span| span["trace"] != TRACE));
}
