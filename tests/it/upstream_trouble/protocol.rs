//! An application with the other protocol is reported at the first failure, and no other application is.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::support::{
    App, Django, Origin, Protocol, ReservedAddress, Response, Server, Settings, Sideman, Transport,
    Wsgi, close, eventually, expect, pause, repeat_for, send,
};

/// Until the error is classified: 3 s of silence, the probe, and a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// The bytes that a server sends first.
const REFUSAL: &str = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nInvalid request";
const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage";

/// Responds to each connection according to its first byte, and records the byte.
struct ByFirstByte {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Http,
    Uwsgi,
}

#[derive(Default)]
struct Shared {
    /// The beginnings of the connections that have sent something.
    heads: Mutex<Vec<Vec<u8>>>,
    speaks: Mutex<Option<Spoken>>,
    ends: AtomicBool,
}

// === impl ByFirstByte ===

impl ByFirstByte {
    /// Responds with a page over its protocol, and closes all other connections.
    fn speaking(spoken: Option<Spoken>) -> Self {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), spoken)
    }

    fn on(listener: TcpListener, spoken: Option<Spoken>) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        *shared.speaks.lock().unwrap() = spoken;
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                if for_acceptor.ends.load(Ordering::SeqCst) {
                    return;
                }
                let mut head = [0; 8192];
                let Ok(length @ 1..) = stream.read(&mut head) else { continue };
                for_acceptor.heads.lock().unwrap().push(head[..length].to_vec());
                let asked = if head[0] == 0 { Spoken::Uwsgi } else { Spoken::Http };
                if *for_acceptor.speaks.lock().unwrap() == Some(asked) {
                    let _ = stream.write_all(PAGE.as_bytes());
                }
            }
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// From now on.
    fn speak(&self, spoken: Spoken) {
        *self.shared.speaks.lock().unwrap() = Some(spoken);
    }

    fn url(&self, spoken: Spoken) -> String {
        let scheme = if spoken == Spoken::Uwsgi { "uwsgi" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The number of connections that began in this protocol.
    fn asked_by(&self, spoken: Spoken) -> usize {
        let heads = self.shared.heads.lock().unwrap();
        let is_packet = |head: &Vec<u8>| head.starts_with(b"\0");
        heads.iter().filter(|head| is_packet(head) == (spoken == Spoken::Uwsgi)).count()
    }
}

impl Spoken {
    fn other(self) -> Self {
        if self == Self::Http { Self::Uwsgi } else { Self::Http }
    }
}

impl Drop for ByFirstByte {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // A panic was printed when it happened.
            let _ = acceptor.join();
        }
    }
}

/// The same address, with the other protocol.
fn other(url: &str) -> String {
    match url.strip_prefix("http") {
        Some(rest) => format!("uwsgi{rest}"),
        None => url.replacen("uwsgi", "http", 1),
    }
}

#[track_caller]
fn check_named(sideman: &Sideman, response: &Response, path: &str, right: &str) {
    assert_eq!(response.status, 502, "{path}: {}", response.text());
    assert!(response.text().contains("does not speak the protocol"), "{}", response.text());
    assert!(!response.text().contains("127.0.0.1"), "{}", response.text());
    assert_eq!(sideman.log_of(path)["error"], "upstream_protocol", "{path}");
    let event = sideman.event("request failed at the application");
    let expected = format!("set its URL to {right}");
    assert!(event.contains(&expected) && event.contains("advice="), "{expected}: {event}");
}

/// A request of this method is the first at the wrong protocol; later ones fail at once.
#[track_caller]
fn check_mistake(wsgi: &Wsgi, method: &str) {
    let server = wsgi.server();
    let sideman = Settings::before(&other(wsgi.url())).set("upstream.wait", "10s").start();
    let begin = Instant::now();
    let mut client = sideman.connect();
    let response = match method {
        "POST" => {
            let form = "Content-Type: multipart/form-data; boundary=x\r\n";
            client.post(
                "/echo",
                form,
                b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
            )
        }
        _ => client.ask(method, "/echo", ""),
    };
    check_named(&sideman, &response, "/echo", wsgi.url());
    assert!(begin.elapsed() < SOON, "{server:?} {method}: {:?}", begin.elapsed());
    let outage = sideman.event("upstream server unavailable");
    assert!(outage.contains("upstream_protocol"), "{outage}");
    let begin = Instant::now();
    let next = client.get("/next");
    check_named(&sideman, &next, "/next", wsgi.url());
    // Not even with `upstream.wait`: the server does not recover by itself.
    assert!(begin.elapsed() < Duration::from_secs(2), "{server:?}: {:?}", begin.elapsed());
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "unavailable")]), 1.0);
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
}

#[track_caller]
fn check_server(server: Server, variables: &'static [(&'static str, &'static str)]) {
    let Some(django) = Django::prepared() else { return };
    let wsgi = Wsgi::start_with(server, django, variables);
    for method in ["GET", "POST"] {
        check_mistake(&wsgi, method);
    }
    // In its own protocol it responds normally, and is never probed.
    let sideman = wsgi.settings().start();
    let mut client = sideman.connect();
    client.send("GET /echo HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
    assert_eq!(client.response().status, 400, "{server:?}");
    for _ in 0..3 {
        assert_eq!(client.get("/echo").status, 200, "{server:?}");
    }
    let slow = wsgi.settings().start();
    assert_eq!(slow.get("/slow/?ms=4000").text(), "done\n", "{server:?}");
    assert_eq!(slow.get("/echo").status, 200, "{server:?}");
    for sideman in [sideman, slow] {
        assert_eq!(sideman.metric("sideman_errors_total", &[]), 0.0, "{server:?}");
        assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 0.0, "{server:?}");
    }
}

#[test]
fn gunicorn_by_uwsgi_is_named() {
    check_server(Server::GunicornSync, &[]);
    check_server(Server::GunicornUnix, &[]);
}

#[test]
fn uvicorn_by_uwsgi_is_named() {
    check_server(Server::GunicornAsgi, &[]);
    check_server(Server::UvicornUnix, &[]);
}

#[test]
fn http_of_uwsgi_by_uwsgi_is_named() {
    check_server(Server::UwsgiSocket, &[]);
    check_server(Server::UwsgiRouter, &[]);
}

#[test]
fn uwsgi_by_http_is_named() {
    check_server(Server::UwsgiPackets, &[]);
    check_server(Server::UwsgiPacketsUnix, &[]);
}

#[test]
fn uwsgi_with_a_large_buffer_by_http_is_named() {
    check_server(Server::UwsgiPackets, &[("UWSGI_BUFFER_SIZE", "65535")]);
}

#[test]
fn uwsgi_of_gunicorn_by_http_is_named() {
    check_server(Server::GunicornPackets, &[]);
    check_server(Server::GunicornPacketsUnix, &[]);
}

/// Refused connections look like those of a server that has not understood a request.
#[test]
fn refusing_application_is_not_reported_as_wrong_protocol() {
    for transport in Transport::ALL {
        let scripts = [(); 4].map(|()| vec![expect("GET /page "), send(REFUSAL), close()]);
        let origin = Origin::reached(transport, scripts);
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        for _ in 0..4 {
            let response = client.get("/page");
            assert_eq!((response.status, response.text()), (400, "Invalid request".into()));
        }
        assert_eq!(sideman.metric("sideman_errors_total", &[]), 0.0, "{transport:?}");
    }
}

#[test]
fn closing_application_is_not_reported_as_wrong_protocol() {
    for transport in Transport::ALL {
        let closing = [(); 2].map(|()| vec![expect("POST /page "), close()]);
        let serving = vec![expect("POST /page "), send(PAGE), close()];
        let scripts: Vec<_> = closing.into_iter().chain([serving]).collect();
        let origin = Origin::reached(transport, scripts);
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        for status in [502, 502, 200] {
            assert_eq!(client.post("/page", "", b"").status, status, "{transport:?}");
        }
        let closed = sideman.metric("sideman_errors_total", &[("error", "upstream_closed")]);
        assert_eq!(closed, 2.0, "{transport:?}");
        assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 0.0, "{transport:?}");
    }
}

#[test]
fn slowly_starting_application_is_not_reported_as_wrong_protocol() {
    let transport = |speaks_uwsgi| {
        Transport::ALL
            .into_iter()
            .find(|transport| transport.speaks_uwsgi() == speaks_uwsgi && !transport.is_unix)
            .unwrap()
    };
    for transport in [transport(false), transport(true)] {
        let slow = vec![expect("GET /page "), pause(Duration::from_secs(4)), send(PAGE), close()];
        let origin = Origin::reached(transport, [slow]);
        let sideman = origin.settings().start();
        assert_eq!(sideman.get("/page").text(), "page", "{transport:?}");
        assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 0.0, "{transport:?}");
    }
}

/// There is no wrong protocol to detect.
#[test]
fn responding_application_is_not_probed() {
    for spoken in [Spoken::Http, Spoken::Uwsgi] {
        let app = ByFirstByte::speaking(Some(spoken));
        let sideman = Settings::before(&app.url(spoken)).start();
        let mut client = sideman.connect();
        for _ in 0..5 {
            assert_eq!(client.get("/").text(), "page");
        }
        assert_eq!((app.asked_by(spoken), app.asked_by(spoken.other())), (5, 0), "{spoken:?}");
    }
}

/// With any number of failing requests.
#[test]
fn server_is_probed_once_for_its_protocol() {
    for spoken in [Spoken::Http, Spoken::Uwsgi] {
        let app = ByFirstByte::speaking(None);
        let sideman = Settings::before(&app.url(spoken)).start();
        let mut client = sideman.connect();
        for _ in 0..10 {
            assert_eq!(client.post("/", "", b"").status, 502);
        }
        assert_eq!((app.asked_by(spoken), app.asked_by(spoken.other())), (10, 1), "{spoken:?}");
        let closed = sideman.metric("sideman_errors_total", &[("error", "upstream_closed")]);
        assert_eq!(closed, 10.0, "{spoken:?}");
    }
}

#[test]
fn server_that_speaks_the_right_protocol_later_is_used() {
    for spoken in [Spoken::Http, Spoken::Uwsgi] {
        let app = ByFirstByte::speaking(Some(spoken));
        let sideman = Settings::before(&app.url(spoken.other())).start();
        let mut client = sideman.connect();
        assert_eq!(client.get("/wrong").status, 502);
        assert_eq!(sideman.log_of("/wrong")["error"], "upstream_protocol");
        app.speak(spoken.other());
        eventually("an answer", || (client.get("/").status == 200).then_some(()));
        sideman.event("upstream server available again");
        assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "unavailable")]), 0.0);
    }
}

/// After a deployment another application may be at the address.
#[test]
fn server_that_speaks_the_other_protocol_after_a_restart_is_named() {
    let reserved = ReservedAddress::new(Transport { protocol: Protocol::Http, is_unix: false });
    let before = App::on(reserved.listen().into(), |_| App::reply(b"before"));
    let sideman = Settings::before(&reserved.url()).set("upstream.wait", "0s").start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "before");
    drop(before);
    assert_eq!(client.get("/down").status, 502);
    assert_eq!(sideman.log_of("/down")["error"], "upstream_refused");
    let _after = ByFirstByte::on(reserved.listen().into(), Some(Spoken::Uwsgi));
    eventually("the name of the error", || {
        client.get("/after").text().contains("does not speak the protocol").then_some(())
    });
}

/// The other servers get the following requests.
#[test]
fn one_of_two_servers_is_skipped() {
    let (wrong, well) = (ByFirstByte::speaking(Some(Spoken::Uwsgi)), App::saying("well"));
    let url = wrong.url(Spoken::Http);
    let sideman = Settings::before(&url).args(&["--upstream", &well.url()]).start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/first").status, 502);
    assert_eq!(sideman.log_of("/first")["error"], "upstream_protocol");
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "well");
    }
    // The event names the one of several servers.
    let event = sideman.event("upstream server unavailable");
    assert!(event.contains(&format!("set its URL to {}", wrong.url(Spoken::Uwsgi))), "{event}");
}

/// An accepted connection says nothing about the protocol.
#[test]
fn server_with_the_wrong_protocol_stays_ejected_despite_probes() {
    let app = ByFirstByte::speaking(Some(Spoken::Uwsgi));
    let settings = Settings::before(&app.url(Spoken::Http)).set("upstream.probe", "1s");
    let sideman = settings.start();
    let mut client = sideman.connect();
    repeat_for(Duration::from_millis(2500), || {
        assert!(client.get("/").text().contains("does not speak the protocol"));
    });
    assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 1.0);
}

#[test]
fn probe_of_a_path_names_the_protocol_before_any_request() {
    let app = ByFirstByte::speaking(Some(Spoken::Uwsgi));
    let settings = Settings::before(&app.url(Spoken::Http)).set("upstream.probe", "1s");
    let sideman = settings.set("upstream.probe_path", "/up").start();
    let event = sideman.event("upstream server unavailable");
    assert!(event.contains(&format!("set its URL to {}", app.url(Spoken::Uwsgi))), "{event}");
}

/// `upstream.read_timeout` may be shorter than the silence that triggers a probe.
#[test]
fn read_timeout_is_named() {
    let Some(django) = Django::prepared() else { return };
    let wsgi = Wsgi::start(Server::GunicornThreads, django);
    let settings = Settings::before(&other(wsgi.url()));
    let sideman = settings.set("upstream.read_timeout", "300ms").start();
    check_named(&sideman, &sideman.get("/page"), "/page", wsgi.url());
}

/// Requests that waited for the response, or for a permit, get the error once it is known.
#[test]
fn in_flight_requests_fail_together() {
    let Some(django) = Django::prepared() else { return };
    let wsgi = Wsgi::start(Server::GunicornThreads, django);
    let settings = Settings::before(&other(wsgi.url()));
    let sideman = settings.set("upstream.max_in_flight", "2").start();
    let begin = Instant::now();
    let mut clients: Vec<_> = (0..5)
        .map(|_| {
            let mut client = sideman.connect();
            client.send("GET /echo HTTP/1.1\r\nHost: example.test\r\n\r\n");
            client
        })
        .collect();
    for client in &mut clients {
        assert_eq!(client.response().status, 502);
    }
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    sideman.until_metric("sideman_errors_total", &[("error", "upstream_protocol")], 5.0);
}
