//! Servers that fail requests are ejected, return after a probe, and get their share slowly; but never the last one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    App, Gate, Origin, Protocol, ReservedAddress, Settings, Sideman, Transport, close, eventually,
    expect, pace, repeat_for,
};

/// An application whose status changes.
struct Server {
    app: App,
    status: Arc<AtomicU16>,
    pages: Arc<AtomicUsize>,
}

// === impl Server ===

impl Server {
    fn start(status: u16) -> Self {
        let (status, pages) = (Arc::new(AtomicU16::new(status)), Arc::<AtomicUsize>::default());
        let (now, count) = (Arc::clone(&status), Arc::clone(&pages));
        let app = App::start(move |request| {
            count.fetch_add(usize::from(request.method() == "GET"), Ordering::SeqCst);
            let status = now.load(Ordering::SeqCst);
            let length = if request.method() == "HEAD" { 0 } else { 2 };
            let body = "ok".get(..length).unwrap();
            format!("HTTP/1.1 {status} Status\r\nX-A: b\r\nContent-Length: {length}\r\n\r\n{body}")
                .into_bytes()
        });
        Self { app, status, pages }
    }

    fn set(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The requests without those of probes.
    fn pages(&self) -> usize {
        self.pages.load(Ordering::SeqCst)
    }
}

fn before(urls: [&str; 2]) -> Settings {
    Settings::before(urls[0]).args(&["--upstream", urls[1]])
}

fn ejections(sideman: &Sideman, cause: &str) -> f64 {
    sideman.metric("sideman_upstream_ejections_total", &[("cause", cause)])
}

fn unavailable(sideman: &Sideman) -> f64 {
    sideman.metric("sideman_upstream_servers", &[("state", "unavailable")])
}

fn statuses(sideman: &Sideman, count: usize) -> Vec<u16> {
    (0..count).map(|_| sideman.get("/").status).collect()
}

#[test]
fn server_that_does_not_respond_is_ejected_until_a_probe_succeeds() {
    let gate = Gate::new();
    let held = gate.clone();
    let hung = App::start(move |request| {
        held.pass();
        if request.method() == "HEAD" {
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        App::reply(b"back")
    });
    let well = App::saying("well");
    let settings = before([&hung.url(), &well.url()]).set("upstream.read_timeout", "200ms");
    let sideman = settings.start();
    let found = statuses(&sideman, 10);
    assert_eq!(found.iter().filter(|&&status| status == 504).count(), 3, "{found:?}");
    assert_eq!(found[9], 200);
    assert_eq!(ejections(&sideman, "timeout"), 1.0);
    sideman.event("upstream server ejected");
    // It accepts connections all the time.
    repeat_for(Duration::from_millis(1500), || assert_eq!(unavailable(&sideman), 1.0));
    gate.open();
    eventually("a page of the server that is back", || {
        (sideman.get("/").text() == "back").then_some(())
    });
    assert_eq!(unavailable(&sideman), 0.0);
    assert_eq!(sideman.metric("sideman_upstream_slow_starts_total", &[]), 1.0);
}

#[test]
fn status_of_the_application_ejects_only_if_it_is_set_so() {
    let (sick, well) = (Server::start(503), Server::start(200));
    let settings = before([&sick.app.url(), &well.app.url()]);
    let sideman = settings.start();
    assert_eq!(statuses(&sideman, 10), [503; 10]);
    assert_eq!(unavailable(&sideman), 0.0);

    let sideman = settings.set("upstream.eject_on", "closed,timeout,503").start();
    assert_eq!(statuses(&sideman, 5), [503, 503, 503, 200, 200]);
    assert_eq!(ejections(&sideman, "status"), 1.0);
    let event = sideman.event("upstream server ejected");
    assert!(event.contains("the response was 503"), "{event}");
    // The probe gets 503, too.
    repeat_for(Duration::from_millis(1500), || assert_eq!(unavailable(&sideman), 1.0));
    sick.set(200);
    sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 0.0);
    sideman.event("upstream server available again");
}

#[test]
fn other_statuses_never_eject() {
    let (broken, well) = (Server::start(500), Server::start(200));
    let settings = before([&broken.app.url(), &well.app.url()]);
    let sideman = settings.set("upstream.eject_on", "502,503,504").start();
    assert_eq!(statuses(&sideman, 10), [500; 10]);
    assert_eq!(unavailable(&sideman), 0.0);
}

#[test]
fn ejections_can_be_disabled() {
    let broken = Origin::scripts([(); 6].map(|()| vec![expect("POST "), close()]));
    let well = App::saying("well");
    let sideman = before([&broken.url(), &well.url()]).set("upstream.eject_on", "none").start();
    for _ in 0..6 {
        assert_eq!(sideman.connect().post("/", "", b"x").status, 502);
    }
    assert_eq!(unavailable(&sideman), 0.0);
}

#[test]
fn the_only_server_is_used_whatever_it_answers() {
    let sick = Server::start(503);
    let settings = Settings::before(&sick.app.url()).set("upstream.eject_on", "503");
    let sideman = settings.start();
    assert_eq!(statuses(&sideman, 10), [503; 10]);
    for metric in ["sideman_upstream_ejections_total", "sideman_upstream_ejections_prevented_total"]
    {
        assert_eq!(sideman.metric(metric, &[]), 0.0, "{metric}");
    }
}

#[test]
fn all_servers_are_used_if_none_is_well() {
    let (first, second) = (Server::start(503), Server::start(503));
    let settings = before([&first.app.url(), &second.app.url()]);
    let sideman = settings.set("upstream.eject_on", "503").start();
    let prevented = || sideman.metric("sideman_upstream_ejections_prevented_total", &[]);
    assert_eq!(statuses(&sideman, 3), [503; 3]);
    assert_eq!((unavailable(&sideman), first.pages()), (1.0, 3));
    // The other one fails as often: it is not ejected, and the first one is used again.
    assert_eq!(statuses(&sideman, 3), [503; 3]);
    assert_eq!((unavailable(&sideman), second.pages()), (0.0, 3));
    assert!(prevented() >= 1.0);
    // The first is ejected, and then the other one is lost.
    assert_eq!(statuses(&sideman, 3), [503; 3]);
    assert_eq!((unavailable(&sideman), first.pages()), (1.0, 6));
    drop(second);
    eventually("a response of the ejected server", || {
        (sideman.get("/").status == 503).then_some(())
    });
    assert_eq!(statuses(&sideman, 2), [503; 2]);
    assert!(first.pages() >= 8);
}

#[test]
fn server_that_returns_gets_a_small_share_at_first() {
    let place = ReservedAddress::new(Transport { protocol: Protocol::Http, is_unix: false });
    let well = Server::start(200);
    // It is the first in the list, so without a slow start it would get all requests.
    let settings = before([&place.url(), &well.app.url()]);
    let share = |settings: &Settings| {
        let sideman = settings.start();
        assert_eq!(statuses(&sideman, 5), [200; 5]);
        let app = App::on(place.listen().into(), |_| App::reply(b"ok"));
        sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 0.0);
        let before = app.requests();
        assert_eq!(statuses(&sideman, 100), [200; 100]);
        (app.requests() - before, sideman, app)
    };
    let (count, ..) = share(&settings.clone().set("upstream.slow_start", "off"));
    assert_eq!(count, 100);
    // A tenth, and a little more if the machine is slow.
    let (count, sideman, app) = share(&settings.clone().set("upstream.slow_start", "2m"));
    assert!((5..50).contains(&count), "{count}");
    assert_eq!(sideman.metric("sideman_upstream_slow_starts_total", &[]), 1.0);
    drop((sideman, app));
    // It grows to the whole share.
    let (_, sideman, app) = share(&settings.set("upstream.slow_start", "1s"));
    eventually("all requests", || {
        let before = app.requests();
        let all = statuses(&sideman, 10).len();
        pace();
        (app.requests() - before == all).then_some(())
    });
}
