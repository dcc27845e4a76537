//! Shutdown: signals, the delay, the last requests, the timeout.

use std::{
    fs::File,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::{
    App, Client, Gate, Origin, Settings, TempDir, close, eventually, expect, open, pace, send,
    until_closed, wait,
};

const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn sigterm_sigint_and_sigquit_shut_down() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let application = App::saying("hello");
        let sideman = Settings::before(&application.url()).start();
        let (mut used, mut fresh) = (sideman.connect(), sideman.connect());
        assert_eq!(used.get("/").text(), "hello");
        sideman.signal(signal);
        // An idle connection is closed.
        assert!(used.until_closed().is_empty(), "{signal:?}");
        fresh.until_gone();
        assert_eq!(sideman.wait().0, Some(0), "{signal:?}");
    }
}

#[test]
fn other_signals_do_not_shut_down() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for (signal, name) in [(Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")] {
        sideman.signal(signal);
        let event = sideman.event(name);
        assert!(event.contains("send SIGHUP to reload the settings"), "{event}");
        assert_eq!(client.get("/").text(), "hello", "{name}");
    }
    assert_eq!(sideman.shut_down().0, Some(0));
}

#[test]
fn signal_right_after_the_start_shuts_down() {
    // Sideman can shut down cleanly as soon as it accepts connections, even if the application was never available.
    // Several times, because a signal that arrives too early is a matter of microseconds.
    let away = crate::support::ReservedPort::new();
    for _ in 0..20 {
        let sideman = Settings::before(&away.url()).start();
        assert_eq!(sideman.shut_down().0, Some(0));
    }
}

#[test]
fn serving_continues_during_the_shutdown_delay() {
    let application = App::saying("hello");
    let directory = TempDir::new();
    directory.write("a.css", "a{}");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("shutdown.delay", "4s")
        .start()
        .until_ready();
    let mut kept = sideman.connect();
    assert!(!kept.get("/").closes());
    let begin = Instant::now();
    sideman.signal(Signal::TERM);
    for path in ["/healthz", "/readyz"] {
        eventually("503", || (sideman.get(path).status == 503).then_some(()));
    }
    let waited = begin.elapsed();
    assert!(waited < Duration::from_secs(2), "health turned only after {waited:?}");
    assert_eq!(sideman.metric("sideman_phase", &[("phase", "draining")]), 1.0);

    // New and old connections are served, one more request each.
    let response = kept.get("/");
    assert!(response.closes() && response.text() == "hello", "{response:?}");
    assert!(kept.until_closed().is_empty());
    for (target, text) in [("/", "hello"), ("/static/a.css", "a{}")] {
        let response = sideman.get(target);
        assert_eq!((response.status, response.text().as_str()), (200, text));
        assert!(response.closes(), "{response:?}");
    }
    let address = sideman.address();
    assert_eq!(sideman.wait().0, Some(0));
    assert!(begin.elapsed() >= Duration::from_secs(4), "ended after {:?}", begin.elapsed());
    assert!(Client::try_connect(address).is_err());
}

#[test]
fn failing_health_check_during_shutdown_is_logged() {
    let application = App::saying("hello");
    let sideman =
        Settings::before(&application.url()).set("shutdown.delay", "1s").start().until_ready();
    sideman.signal(Signal::TERM);
    let wanted = |line: &serde_json::Value| line["path"] == "/healthz" && line["status"] == 503;
    eventually("503", || (sideman.get("/healthz").status == 503).then_some(()));
    sideman.log_line("of the check", wanted);
    assert_eq!(sideman.wait().0, Some(0));
}

#[test]
fn shutdown_waits_for_the_last_request() {
    let (asked, answer) = (Gate::new(), Gate::new());
    let origin = Origin::script([expect("GET / "), open(&asked), wait(&answer), send(OK), close()]);
    let mut sideman = Settings::before(&origin.url()).set("shutdown.timeout", "1m").start();
    let mut client = sideman.connect();
    let mut idle = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    sideman.signal(Signal::TERM);
    idle.until_gone();
    assert!(sideman.is_running());
    answer.open();
    let response = client.response();
    assert_eq!(response.text(), "hello");
    assert!(response.closes());
    assert!(client.until_closed().is_empty());
    let (code, lines) = sideman.wait();
    assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
}

/// An empty line, or a part of HTTP/2's preface, is not a request; a partial head is waited for, but not for long.
#[test]
fn incomplete_heads_do_not_delay_the_shutdown() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("server.header_timeout", "1m").start();
    let mut clients: Vec<Client> = Vec::new();
    for beginning in ["\r\n", "PRI * HT", "GET / HTTP/1.1\r\nHost: exam"] {
        clients.push(sideman.connect());
        let mut used = sideman.connect();
        assert_eq!(used.get("/").text(), "hello");
        clients.push(used);
        for client in clients.iter_mut().rev().take(2) {
            client.send(beginning);
        }
    }
    let begin = Instant::now();
    sideman.signal(Signal::TERM);
    for client in &mut clients {
        client.until_gone();
    }
    assert_eq!(sideman.wait().0, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn shutdown_waits_for_a_head_that_is_being_received() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "hello");
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n");
    // The rest arrives shortly before Sideman gets the signal, or shortly after.
    sideman.signal(Signal::TERM);
    client.send("\r\n");
    assert_eq!(client.response().text(), "hello");
    assert!(client.until_closed().is_empty());
    assert_eq!(sideman.wait().0, Some(0));
}

#[test]
fn shutdown_waits_for_the_last_stream() {
    let answer = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        send("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"),
        send("5\r\nfirst\r\n"),
        wait(&answer),
        send("4\r\nlast\r\n0\r\n\r\n"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).set("shutdown.timeout", "1m").start();
    let mut client = sideman.connect();
    let mut idle = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n").until("first");
    sideman.signal(Signal::TERM);
    idle.until_gone();
    answer.open();
    client.until("4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(sideman.wait().0, Some(0));
}

#[test]
fn shutdown_waits_for_an_upload() {
    let arrived = Gate::new();
    let origin = Origin::script([
        expect("POST / "),
        crate::support::receive("first"),
        open(&arrived),
        crate::support::receive("last"),
        send(OK),
        close(),
    ]);
    let sideman = Settings::before(&origin.url())
        .set("route.all.stream", "request")
        .set("shutdown.timeout", "1m")
        .start();
    let mut client = sideman.connect();
    let mut idle = sideman.connect();
    client.send("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 9\r\n\r\nfirst");
    arrived.pass();
    sideman.signal(Signal::TERM);
    idle.until_gone();
    assert_eq!(client.send("last").response().text(), "hello");
    assert_eq!(sideman.wait().0, Some(0));
}

#[test]
fn shutdown_timeout_aborts_requests_and_logs_it() {
    let asked = Gate::new();
    let origin = Origin::script([expect("GET /cut "), open(&asked), until_closed()]);
    let sideman = Settings::before(&origin.url()).set("shutdown.timeout", "500ms").start();
    let mut client = sideman.connect();
    client.send("GET /cut HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    sideman.signal(Signal::TERM);
    let answer = String::from_utf8_lossy(&client.until_gone()).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 5"), "{answer}");
    let (code, lines) = sideman.wait();
    assert_eq!(code, Some(3));
    // An aborted request is logged too.
    assert!(lines.iter().any(|line| line.contains("/cut")), "{lines:?}");
}

#[test]
fn shutdown_does_not_wait_for_hashing() {
    let (directory, away) = (TempDir::new(), crate::support::ReservedPort::new());
    // Sparse: it uses no disk space, and takes longer to read than a test waits.
    let file = File::create(directory.join("huge.bin")).unwrap();
    file.set_len(256 << 30).unwrap();
    let sideman = Settings::before(&away.url()).files("/static/", directory.path()).start();
    let head = sideman.connect().ask("HEAD", "/static/huge.bin", "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("274877906944")));
    let begin = Instant::now();
    assert_eq!(sideman.shut_down().0, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10), "ended after {:?}", begin.elapsed());
}

#[test]
fn second_signal_aborts_in_flight_requests() {
    for second in [Signal::TERM, Signal::INT] {
        let asked = Gate::new();
        let origin = Origin::script([expect("GET / "), open(&asked), until_closed()]);
        let sideman = Settings::before(&origin.url())
            .set("shutdown.delay", "30s")
            .set("shutdown.timeout", "1m")
            .start()
            .until_ready();
        let mut client = sideman.connect();
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
        asked.pass();
        sideman.signal(Signal::TERM);
        eventually("503", || (sideman.get("/healthz").status == 503).then_some(()));
        sideman.signal(second);
        assert_eq!(sideman.wait().0, Some(3), "{second:?}");
        client.until_gone();
    }
}

#[test]
fn second_signal_without_requests_is_a_clean_shutdown() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("shutdown.delay", "30s")
        .set("shutdown.timeout", "1m")
        .start()
        .until_ready();
    sideman.signal(Signal::TERM);
    eventually("503", || (sideman.get("/healthz").status == 503).then_some(()));
    sideman.signal(Signal::TERM);
    assert_eq!(sideman.wait().0, Some(0));
}

#[test]
fn shutdown_under_load_fails_no_request() {
    let application = App::start(|request| {
        thread::sleep(Duration::from_millis(2));
        App::reply(request.target().as_bytes())
    });
    let directory = TempDir::new();
    directory.write("a.css", "a{}");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("shutdown.delay", "4s")
        .start()
        .until_ready();
    let address = sideman.address();
    let (out_of_service, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..8 {
            let (out_of_service, answered) = (&out_of_service, &answered);
            scope.spawn(move || {
                // A load balancer's connection: kept until a response closes it, and not opened again
                // once the health check has failed.
                while !out_of_service.load(Ordering::Acquire) {
                    let mut client = Client::connect(address);
                    for turn in 0.. {
                        let (target, text) = match turn % 2 {
                            0 => (format!("/{number}/{turn}"), format!("/{number}/{turn}")),
                            _ => ("/static/a.css".to_owned(), "a{}".to_owned()),
                        };
                        let response = client.get(&target);
                        assert_eq!((response.status, response.text()), (200, text));
                        answered.fetch_add(1, Ordering::Relaxed);
                        if response.closes() {
                            break;
                        }
                        pace();
                    }
                }
            });
        }
        eventually("some load", || (answered.load(Ordering::Relaxed) > 200).then_some(()));
        sideman.signal(Signal::TERM);
        eventually("503", || (sideman.get("/healthz").status == 503).then_some(()));
        let before = answered.load(Ordering::Relaxed);
        eventually("load while draining", || {
            (answered.load(Ordering::Relaxed) > before + 50).then_some(())
        });
        out_of_service.store(true, Ordering::Release);
    });
    let (code, lines) = sideman.wait();
    assert_eq!(code, Some(0));
    let good = lines.iter().filter(|line| line.contains("\"status\":200")).count();
    assert_eq!(good, answered.into_inner());
}
