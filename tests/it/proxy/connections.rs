//! Connections are kept on both sides, and closed at the right time.

use std::thread;

use super::{KEEP_ALIVE, kept};
use crate::support::{
    App, Gate, Origin, Settings, close, eventually, expect, flood, open, send, until_closed, wait,
};

#[test]
fn one_client_connection_uses_one_upstream_connection() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for _ in 0..25 {
        assert_eq!(client.get("/").text(), "hello");
        assert_eq!(client.post("/", "", b"body").text(), "hello");
    }
    assert_eq!((application.requests(), application.connections()), (50, 1));
}

#[test]
fn client_connections_share_upstream_connections() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    for _ in 0..20 {
        assert_eq!(sideman.get("/").text(), "hello");
    }
    assert_eq!(application.requests(), 20);
    // Each of the two workers has its own pool.
    assert!(application.connections() <= 2, "{}", application.connections());
}

#[test]
fn concurrent_clients_get_their_own_responses() {
    let application = App::start(|request| App::reply(request.target().as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    thread::scope(|scope| {
        for number in 0..16 {
            let sideman = &sideman;
            scope.spawn(move || {
                let mut client = sideman.connect();
                for turn in 0..50 {
                    let target = format!("/{number}/{turn}");
                    assert_eq!(client.get(&target).text(), target);
                }
            });
        }
    });
    assert_eq!(application.requests(), 800);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let application = App::start(|request| {
        App::reply(format!("{} {}", request.target(), request.body.len()).as_bytes())
    });
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\
         bodyPOST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n0\r\n\r\n\
         GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    for expected in ["/1 0", "/2 4", "/3 2", "/4 0"] {
        assert_eq!(client.response().text(), expected);
    }
    assert!(client.until_closed().is_empty());
}

#[test]
fn idle_upstream_connection_is_closed_at_the_idle_timeout() {
    let origin = Origin::script([expect("GET / "), send(kept("hello")), until_closed()]);
    let sideman = Settings::before(&origin.url()).set("upstream.idle_timeout", "100ms").start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "hello");
    // The origin's last step is over when its drop joins the thread, while Sideman still runs.
    drop(origin);
    assert_eq!(client.get("/healthz").status, 200);
}

#[test]
fn closing_upstream_connection_is_not_reused() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let script = || vec![expect("GET / "), send(answer), close()];
    let origin = Origin::scripts([script(), script(), script()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!(response.text(), "hello");
        // The connection headers of the application are not for the client.
        assert!(!response.closes(), "{response:?}");
    }
}

#[test]
fn client_close_keeps_the_upstream_connection() {
    let application = App::saying("hello");
    // One worker has one pool.
    let sideman = Settings::before(&application.url()).set("server.workers", "1").start();
    for _ in 0..3 {
        let mut client = sideman.connect();
        let response = client.ask("GET", "/", "Connection: close\r\n");
        assert_eq!(response.text(), "hello");
        assert!(response.closes());
        assert!(client.until_closed().is_empty());
    }
    assert_eq!((application.requests(), application.connections()), (3, 1));
}

#[test]
fn half_closed_client_gets_its_response() {
    let asked = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        wait(&asked),
        send(format!("{KEEP_ALIVE}Content-Length: 5\r\n\r\n")),
        send("hello"),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n").half_close();
    origin.request(0);
    asked.open();
    assert_eq!(client.response().text(), "hello");
    assert!(client.until_closed().is_empty());
}

#[test]
fn pipelined_requests_before_half_close_are_answered() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    for _ in 0..20 {
        let mut client = sideman.connect();
        let request = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
        client.send(request.repeat(3)).half_close();
        for _ in 0..3 {
            assert_eq!(client.response().text(), "hello");
        }
        assert!(client.until_closed().is_empty());
    }
}

#[test]
fn abandoned_request_is_cancelled() {
    for cache in ["off", "16MiB"] {
        let (asked, gone) = (Gate::new(), Gate::new());
        let origin = Origin::script([expect("GET / "), open(&asked), until_closed(), open(&gone)]);
        let sideman = Settings::before(&origin.url())
            .set("upstream.abort", "true")
            .set("cache.memory", cache)
            .start();
        let mut client = sideman.connect();
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
        asked.pass();
        client.reset_connection();
        gone.pass();
    }
}

#[test]
fn client_disconnect_ends_a_stream() {
    let gone = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst"),
        // More than all buffers on the way hold: the stream ends because the connection does.
        flood("X-Flood: 0123456789\r\n", 1 << 30),
        until_closed(),
        open(&gone),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n").until("first");
    drop(client);
    gone.pass();
}

#[test]
fn idle_client_connection_is_closed_at_the_idle_timeout() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("server.idle_timeout", "1s").start();
    let mut fresh = sideman.connect();
    let mut used = sideman.connect();
    assert_eq!(used.get("/").text(), "hello");
    assert!(used.until_closed().is_empty());
    assert!(fresh.until_closed().is_empty());
}

#[test]
fn slow_head_times_out() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("server.header_timeout", "1s")
        .set("server.idle_timeout", "1h")
        .start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "hello");
    client.send("GET / HTTP/1.1\r\nHost: exam");
    let answer = String::from_utf8(client.until_gone()).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn idle_connection_outlives_the_header_timeout() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("server.header_timeout", "1s")
        .set("server.idle_timeout", "3s")
        .start();
    let (mut idle, mut slow) = (sideman.connect(), sideman.connect());
    assert_eq!(idle.get("/").text(), "hello");
    // The end of this connection shows that the header timeout has passed.
    slow.send("GET /");
    slow.until_gone();
    eventually("the answer on the idle connection", || Some(idle.get("/").text() == "hello"));
}
