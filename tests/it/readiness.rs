//! Whether the application is ready, as a page of its own says: `health.application`.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    After, App, Django, Gate, Packet, ReservedPort, Server, Settings, Sideman, UwsgiApp, Wsgi,
    eventually, eventually_is, repeat_for,
};

const CHECK: &str = "/health/?ready";

/// An application whose check has a status that changes.
struct Checked {
    app: App,
    status: Arc<AtomicU16>,
    checks: Arc<AtomicUsize>,
}

// === impl Checked ===

impl Checked {
    fn start(status: u16) -> Self {
        let (status, checks) = (Arc::new(AtomicU16::new(status)), Arc::<AtomicUsize>::default());
        let (now, count) = (Arc::clone(&status), Arc::clone(&checks));
        let app = App::start(move |request| {
            if request.target() != CHECK {
                return App::reply(b"a page");
            }
            count.fetch_add(1, Ordering::SeqCst);
            reply(now.load(Ordering::SeqCst), "Location: https://example.test/health/?token=secret")
        });
        Self { app, status, checks }
    }

    fn set(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }

    fn settings(&self) -> Settings {
        checked(&self.app.url())
    }
}

fn checked(url: &str) -> Settings {
    Settings::before(url).set("health.application", CHECK).set("health.application_interval", "1s")
}

fn reply(status: u16, field: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Status\r\n{field}\r\nContent-Length: 2\r\n\r\nok").into_bytes()
}

#[track_caller]
fn until(sideman: &Sideman, path: &str, status: u16) {
    eventually_is(path, &status, || sideman.get(path).status);
}

fn checks_with(sideman: &Sideman, result: &str) -> f64 {
    sideman.metric("sideman_readiness_checks_total", &[("result", result)])
}

#[test]
fn readiness_check_decides_about_the_ready_path_alone() {
    let checked = Checked::start(200);
    let sideman = checked.settings().start().until_ready();
    until(&sideman, "/readyz", 200);
    sideman.until_metric("sideman_application_ready", &[], 1.0);
    checked.set(503);
    until(&sideman, "/readyz", 503);
    let text = sideman.get("/readyz").text();
    assert!(text.contains("health.application"), "{text}");
    assert_eq!(sideman.metric("sideman_application_ready", &[]), 0.0);
    // Everything else goes on, and more failed checks cause no more events.
    assert_eq!(sideman.get("/healthz").status, 200);
    assert_eq!(sideman.get("/").text(), "a page");
    eventually("more checks", || (checks_with(&sideman, "status") >= 3.0).then_some(()));
    checked.set(204);
    until(&sideman, "/readyz", 200);
    sideman.event("application ready");
    assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 0.0);
    let (_, events) = sideman.stop_for_events();
    let failed: Vec<_> = events.iter().filter(|line| line.contains("not ready")).collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0].contains("the response to the probe was 503"), "{failed:#?}");
}

#[test]
fn health_path_fails_with_the_check_if_it_is_set_so() {
    let checked = Checked::start(500);
    let sideman = checked.settings().set("health.application_in_path", "true").start();
    sideman.event("application not ready");
    assert_eq!(sideman.get("/healthz").status, 503);
    checked.set(200);
    until(&sideman, "/healthz", 200);
    checked.set(500);
    until(&sideman, "/healthz", 503);
}

/// Until the first check has passed nothing is known, and that is not ready.
#[test]
fn application_that_is_not_running_is_not_ready_and_causes_no_event() {
    let port = ReservedPort::new();
    let sideman = checked(&port.url()).start();
    eventually("checks", || (checks_with(&sideman, "refused") >= 2.0).then_some(()));
    assert_eq!(sideman.get("/readyz").status, 503);
    let _app = App::on(port.listen(), |_| App::reply(b"ok"));
    until(&sideman, "/readyz", 200);
    let (_, events) = sideman.stop_for_events();
    assert!(events.iter().all(|line| !line.contains("application not ready")), "{events:#?}");
}

/// However many workers there are, and however often the balancer asks.
#[test]
fn checks_of_balancers_send_no_checks_to_the_application() {
    let checked = Checked::start(200);
    let sideman = checked.settings().set("health.application_interval", "1h").start();
    until(&sideman, "/readyz", 200);
    for _ in 0..20 {
        assert_eq!(sideman.get("/readyz").status, 200);
    }
    assert_eq!(checked.checks(), 1);
}

#[test]
fn check_looks_like_a_request_that_was_forwarded() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let app = App::start(move |request| {
        seen.lock().unwrap().push(request.head.clone());
        App::reply(b"ok")
    });
    let host = |settings: Settings| {
        let sideman = settings.start();
        until(&sideman, "/readyz", 200);
        let mut heads = std::mem::take(&mut *heads.lock().unwrap());
        let head = heads.pop().unwrap();
        assert_eq!(head.start, format!("GET {CHECK} HTTP/1.1"));
        assert_eq!(head.get("x-forwarded-for"), Some("127.0.0.1"));
        let fields = ["host", "x-forwarded-proto"];
        fields.map(|name| head.get(name).unwrap().to_owned()).join(" ")
    };
    let settings = || checked(&app.url());
    let address = app.url().replace("http://", "");
    assert_eq!(host(settings()), format!("{address} https"));
    let allowed = || settings().set("server.allowed_hosts", ".example.test,example.org");
    assert_eq!(host(allowed()), "example.test https");
    let named = allowed().set("health.application_host", "www.example.org");
    assert_eq!(host(named.set("server.external_scheme", "http")), "www.example.org http");
}

#[test]
fn check_speaks_the_uwsgi_protocol() {
    let packets = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&packets);
    let app = UwsgiApp::tcp(After::Close, move |packet: &Packet| {
        seen.lock().unwrap().push(packet.variables.clone());
        reply(200, "X: y")
    });
    let sideman = checked(&app.url()).set("health.application_host", "example.test").start();
    until(&sideman, "/readyz", 200);
    let packet = packets.lock().unwrap().pop().unwrap();
    for (name, value) in [
        ("PATH_INFO", "/health/"),
        ("QUERY_STRING", "ready"),
        ("HTTP_HOST", "example.test"),
        ("HTTPS", "on"),
        ("HTTP_X_FORWARDED_PROTO", "https"),
    ] {
        assert_eq!(packet.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn events_explain_usual_mistakes() {
    for (status, expected) in [
        (301, "a redirect to https://example.test/health/; set health.application"),
        (400, "ALLOWED_HOSTS"),
        (404, "check the path of health.application"),
    ] {
        let checked = Checked::start(status);
        let sideman = checked.settings().start();
        let event = sideman.event("application not ready");
        assert!(event.contains(expected), "{event}");
        assert!(!event.contains("secret"), "{event}");
        assert_eq!(sideman.get("/readyz").status, 503);
    }
}

/// The check holds no permit, so it need not wait for one.
#[test]
fn check_passes_while_the_queue_is_full() {
    let gate = Gate::new();
    let held = gate.clone();
    let app = App::start(move |request| {
        if request.target() != CHECK {
            held.pass();
        }
        App::reply(b"ok")
    });
    let settings = checked(&app.url()).set("upstream.max_in_flight", "1");
    let sideman = settings.set("upstream.queue", "1").start();
    until(&sideman, "/readyz", 200);
    let mut clients = [sideman.connect(), sideman.connect()];
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    }
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    let before = checks_with(&sideman, "passed");
    eventually("more checks", || (checks_with(&sideman, "passed") >= before + 2.0).then_some(()));
    assert_eq!(sideman.get("/readyz").status, 200);
    assert_eq!(sideman.metric("sideman_upstream_in_flight", &[]), 1.0);
    gate.open();
    for mut client in clients {
        assert_eq!(client.response().status, 200);
    }
}

/// A check without a response is repeated before it counts, because all workers may be busy.
#[test]
fn application_that_does_not_answer_is_not_ready() {
    let (gate, hangs) = (Gate::new(), Arc::<AtomicBool>::default());
    let (held, is_held) = (gate.clone(), Arc::clone(&hangs));
    let app = App::start(move |_| {
        if is_held.load(Ordering::SeqCst) {
            held.pass();
        }
        App::reply(b"ok")
    });
    let sideman = checked(&app.url()).start();
    until(&sideman, "/readyz", 200);
    hangs.store(true, Ordering::SeqCst);
    let event = sideman.late_event("application not ready");
    assert!(event.contains("no response within 5s"), "{event}");
    assert!(checks_with(&sideman, "timeout") >= 2.0);
    assert_eq!(sideman.get("/readyz").status, 503);
    gate.open();
    until(&sideman, "/readyz", 200);
}

#[test]
fn application_is_ready_if_any_of_its_servers_is() {
    let (sick, well) = (Checked::start(500), Checked::start(200));
    let settings = sick.settings().args(&["--upstream", &well.app.url()]);
    let sideman = settings.start();
    until(&sideman, "/readyz", 200);
    sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 1.0);
    // If all of them fail, the path may be wrong, and they stay in use.
    well.set(404);
    sideman.until_metric("sideman_application_ready", &[], 0.0);
    repeat_for(Duration::from_secs(1), || assert_eq!(sideman.get("/").text(), "a page"));
    let available = || sideman.metric("sideman_upstream_servers", &[("state", "available")]);
    assert!(available() >= 1.0);
}

#[test]
fn settings_that_do_nothing_are_warned_of() {
    let checked = Checked::start(200);
    let sideman = checked.settings().set("upstream.probe", "5s").start();
    sideman.event("health.application probes every server already");
    let port = ReservedPort::new();
    let settings = Settings::before(&port.url());
    let sideman = settings.set("health.application_interval", "1s").start();
    sideman.event("health.application is none");
}

/// The database and its settings are those of the site: a view shows what a connection does not.
#[test]
fn django_says_that_it_is_ready() {
    let Some(django) = Django::prepared() else { return };
    const HTTPS: &[(&str, &str)] = &[("SECURE_SSL_REDIRECT", "yes")];
    for server in [Server::GunicornSync, Server::UwsgiPackets] {
        let wsgi = Wsgi::start_with(server, django, HTTPS);
        let settings = wsgi.settings().set("health.application", CHECK);
        let settings = settings.set("health.application_interval", "1s");
        let sideman = settings.set("health.application_host", "example.test").start();
        until(&sideman, "/readyz", 200);
        let flag = wsgi.home().write("unready", "");
        until(&sideman, "/readyz", 503);
        sideman.event("the response to the probe was 503");
        std::fs::remove_file(flag).unwrap();
        until(&sideman, "/readyz", 200);
        // A host that Django refuses.
        let settings = wsgi.settings().set("health.application", CHECK);
        let sideman = settings.set("health.application_host", "other.test").start();
        sideman.event("ALLOWED_HOSTS");
    }
}
