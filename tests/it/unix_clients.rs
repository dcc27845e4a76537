//! Clients of a unix socket, such as a proxy on the same machine: the missing features of such sockets
//! (addresses, resets, sendfile by parts) change nothing for them.

use std::{
    fs,
    io::ErrorKind::NotFound,
    time::{Duration, Instant},
};

use crate::support::{
    App, Client, Gate, Origin, Settings, Sideman, TempDir, close, eventually, expect, open,
    pattern, receive, send, until_closed, wait,
    websocket::{ACCEPT, ASK},
};

/// A program that listens at a unix socket as well.
struct Local {
    sideman: Sideman,
    directory: TempDir,
}

// === impl Local ===

impl Local {
    fn start(settings: Settings) -> Self {
        let directory = TempDir::new();
        let socket = format!("unix:{}", directory.join("web.sock").display());
        let sideman = settings.args(&["--listen", &socket]).start();
        Self { sideman, directory }
    }

    fn connect(&self) -> Client {
        Client::connect_to(&self.directory.join("web.sock"))
    }
}

#[test]
fn unix_client_gets_whole_pages_and_files() {
    let files = TempDir::new();
    let large = pattern(3_000_000);
    files.write("large.bin", &large);
    let application = App::start(|request| App::reply(&request.body));
    let local = Local::start(Settings::before(&application.url()).files("/static/", files.path()));
    let mut client = local.connect();
    let upload = pattern(200_000);
    assert!(client.post("/", "", &upload).body == upload);
    // From the second request on it is in a memfd, which TCP gets by sendfile(2).
    for _ in 0..20 {
        assert!(client.get("/static/large.bin").body == large);
    }
    let part = client.ask("GET", "/static/large.bin", "Range: bytes=1000000-2999998\r\n");
    assert!(part.status == 206 && part.body == large[1_000_000..2_999_999]);
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((client.response().status, client.response().status), (200, 200));
}

#[test]
fn proxy_on_a_unix_socket_is_trusted() {
    let origin = Origin::script([
        expect("GET /1 "),
        send("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
        expect("GET /2 "),
        send("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
    ]);
    let local = Local::start(Settings::before(&origin.url()).set("server.workers", "1"));
    let mut client = local.connect();
    let fields = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(client.ask("GET", "/1", fields).status, 200);
    assert_eq!(client.get("/2").status, 200);
    let [first, second] = [0, 1].map(|number| origin.request(number).head);
    let told = |name| [first.get(name), second.get(name)];
    assert_eq!(told("x-forwarded-for"), [Some("203.0.113.7"), Some("127.0.0.1")]);
    assert_eq!(told("x-forwarded-proto"), [Some("https"), Some("http")]);
    assert_eq!(local.sideman.log_of("/1")["client"], "203.0.113.7");
}

#[test]
fn disconnected_client_is_noticed_and_half_closed_one_gets_its_response() {
    for leaves in [true, false] {
        let (asked, seen) = (Gate::new(), Gate::new());
        let origin = Origin::script([
            expect("GET /page "),
            open(&asked),
            wait(&seen),
            send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
            close(),
        ]);
        let local = Local::start(Settings::before(&origin.url()));
        let mut client = local.connect();
        client.send("GET /page HTTP/1.1\r\nHost: example.test\r\n\r\n");
        asked.pass();
        client.half_close();
        let status = if leaves {
            drop(client);
            let line = local.sideman.log_of("/page");
            seen.open();
            line["status"].clone()
        } else {
            // An interim response checks whether it is still connected; the client skips it.
            client.until("HTTP/1.1 100 Continue\r\n\r\n");
            seen.open();
            assert_eq!(client.response().text(), "ok");
            local.sideman.log_of("/page")["status"].clone()
        };
        assert_eq!(status, if leaves { 499 } else { 200 });
    }
}

#[test]
fn timeouts_apply_to_unix_clients() {
    let application = App::saying("hello");
    let local = Local::start(
        Settings::before(&application.url())
            .set("server.header_timeout", "1s")
            .set("server.idle_timeout", "2s"),
    );
    let mut idle = local.connect();
    assert_eq!(idle.get("/").text(), "hello");
    let (mut silent, mut slow) = (local.connect(), local.connect());
    slow.send("GET /slow HTTP/1.1\r\nHost: exa");
    let response = slow.response();
    assert_eq!(response.status, 408, "{response:?}");
    assert!(silent.until_closed().is_empty());
    assert!(idle.until_closed().is_empty());
    let timeouts = "sideman_client_timeouts_total";
    local.sideman.until_metric(timeouts, &[("timer", "header")], 2.0);
    local.sideman.until_metric(timeouts, &[("timer", "idle")], 1.0);
    assert_eq!(local.sideman.log_of("/slow")["error"], "client_head_timeout");
}

#[test]
fn unix_client_that_reads_nothing_is_disconnected() {
    const SIZE: usize = 30_000_000;
    let files = TempDir::new();
    files.write("large.bin", vec![b'x'; SIZE]);
    let application = App::saying("hello");
    let local = Local::start(
        Settings::before(&application.url())
            .files("/static/", files.path())
            .set("server.write_timeout", "1s"),
    );
    let mut client = local.connect();
    client.send("GET /static/large.bin HTTP/1.1\r\nHost: example.test\r\n\r\n");
    client.until("\r\n\r\n");
    let timeouts = "sideman_client_timeouts_total";
    local.sideman.until_metric(timeouts, &[("timer", "write")], 1.0);
    assert!(client.until_gone().len() < SIZE);
    assert_eq!(local.sideman.log_of("/static/large.bin")["error"], "client_disconnected");
}

#[test]
fn tunnel_of_a_unix_client_carries_both_ways() {
    let origin = Origin::script([
        expect("GET /ws "),
        send(ACCEPT),
        receive("one"),
        send("two"),
        until_closed(),
    ]);
    let local = Local::start(Settings::before(&origin.url()));
    let mut client = local.connect();
    client.send(format!("{ASK}one"));
    client.until("two");
    client.half_close();
    assert!(client.until_closed().is_empty());
}

#[test]
fn last_requests_of_unix_clients_complete_during_shutdown() {
    let (asked, ends) = (Gate::new(), Gate::new());
    let origin = Origin::script([
        expect("GET /last "),
        open(&asked),
        wait(&ends),
        send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        close(),
    ]);
    let local = Local::start(Settings::before(&origin.url()).set("shutdown.delay", "0s"));
    let (mut client, mut idle) = (local.connect(), local.connect());
    idle.get("/healthz");
    client.send("GET /last HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    let path = local.directory.join("web.sock");
    let begin = Instant::now();
    local.sideman.signal(rustix::process::Signal::TERM);
    assert!(idle.until_closed().is_empty());
    eventually("no file of the socket", || {
        let gone = fs::symlink_metadata(&path).is_err_and(|error| error.kind() == NotFound);
        gone.then_some(())
    });
    ends.open();
    let response = client.response();
    assert!(response.text() == "ok" && response.closes(), "{response:?}");
    let Local { sideman, directory } = local;
    assert_eq!(sideman.wait().0, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10));
    drop(directory);
}
