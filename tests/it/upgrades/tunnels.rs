//! Tunnels: their data, and their end.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{accepts, open_tunnel};
use crate::support::{
    Gate, Origin, Settings, Step, close, eventually, half_close, open, pattern, pause, receive,
    reset, send, until_closed, wait,
    websocket::{ACCEPT, ASK},
};

fn script(steps: impl IntoIterator<Item = Step>) -> Origin {
    Origin::script(accepts().into_iter().chain(steps))
}

#[test]
fn tunnel_carries_bytes_both_ways_and_counts_them() {
    let origin = script([
        receive("one"),
        send("two"),
        receive("three"),
        send([b"\x00\xff\r\n\r\n".as_slice(), b"four"].concat()),
        until_closed(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let received = sideman.metric("sideman_received_bytes_total", &[]);
    let mut client = open_tunnel(&sideman);
    sideman.until_metric("sideman_tunnels", &[], 1.0);
    // A tunnel does not count as a pending request.
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    client.send("one").until("two");
    client.send("three").until("four");
    client.half_close();
    assert!(client.until_closed().is_empty());
    sideman.until_metric("sideman_tunnels", &[], 0.0);
    assert_eq!(sideman.metric("sideman_tunnels_opened_total", &[]), 1.0);
    assert!(sideman.metric("sideman_received_bytes_total", &[]) >= received + 8.0);
    let line = sideman.log_of("/ws");
    assert_eq!(
        (&line["status"], &line["bytes"], &line["route"]),
        (&101.into(), &13.into(), &"proxy".into())
    );
    assert!(line.get("error").is_none_or(serde_json::Value::is_null), "{line}");
    let labels = [("route", "proxy"), ("status", "1xx")];
    assert_eq!(sideman.metric("sideman_requests_total", &labels), 1.0);
}

#[test]
fn tunnel_is_logged_when_it_ends_with_its_duration() {
    let origin = script([pause(Duration::from_millis(300)), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = open_tunnel(&sideman);
    assert!(client.until_closed().is_empty());
    drop(client);
    let line = sideman.log_of("/ws");
    assert!(line["duration_ms"].as_f64().unwrap() >= 300.0, "{line}");
}

#[test]
fn half_closed_client_still_receives() {
    let ended = Gate::new();
    let origin = script([until_closed(), open(&ended), send("last words"), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = open_tunnel(&sideman);
    client.half_close();
    ended.pass();
    assert_eq!(client.until_closed(), b"last words");
    sideman.until_metric("sideman_tunnels", &[], 0.0);
}

#[test]
fn half_closed_application_still_receives() {
    let origin = script([send("last words"), half_close(), receive("an answer"), until_closed()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = open_tunnel(&sideman);
    assert_eq!(client.until_closed(), b"last words");
    client.send("an answer").half_close();
    origin.until_closed(1);
    sideman.until_metric("sideman_tunnels", &[], 0.0);
}

#[test]
fn half_close_before_the_101_is_forwarded() {
    let asked = Gate::new();
    let origin = Origin::script([
        crate::support::expect("GET /ws "),
        wait(&asked),
        send(ACCEPT),
        receive("early"),
        until_closed(),
        send("bye"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(format!("{}early", ASK)).half_close();
    asked.open();
    client.until("\r\n\r\n");
    assert_eq!(client.until_closed(), b"bye");
}

#[test]
fn reset_of_one_side_closes_the_other() {
    let end = Gate::new();
    let origin = script([wait(&end), reset()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = open_tunnel(&sideman);
    end.open();
    client.until_gone();
    assert_eq!(sideman.log_of("/ws")["error"], "upstream_truncated");
    let event = sideman.event("request failed at the application");
    assert!(event.contains("upstream_truncated path=\"/ws\""), "{event}");
    assert!(event.contains("advice="), "{event}");

    let origin = script([until_closed()]);
    let sideman = Settings::before(&origin.url()).start();
    open_tunnel(&sideman).reset_connection();
    origin.until_closed(1);
    assert_eq!(sideman.log_of("/ws")["error"], "client_disconnected");
    // This is not a failure of the application.
    let (_, events) = sideman.stop_for_events();
    assert!(!events.iter().any(|line| line.contains("request failed")), "{events:?}");
}

#[test]
fn slow_readers_of_a_tunnel_use_no_memory() {
    const SIZE: usize = 8 << 20;
    let bytes = pattern(SIZE);
    let (filled, read) = (Gate::new(), Gate::new());
    let origin = script([send(&bytes), open(&filled), wait(&read), until_closed()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = open_tunnel(&sideman);
    // The sockets' buffers are full now.
    let sent = || sideman.metric("sideman_sent_bytes_total", &[]);
    let (mut last, mut same) = (sent(), 0);
    eventually("the sockets are full", || {
        let now = sent();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same == 20).then_some(())
    });
    assert!(last < SIZE as f64, "{last}");
    let mut got = Vec::new();
    while got.len() < SIZE {
        got.extend(client.exact((SIZE - got.len()).min(1 << 20)));
    }
    assert!(got == bytes);
    filled.pass();
    read.open();
}

#[test]
fn idle_timeout_closes_only_silent_tunnels() {
    let gap = || pause(Duration::from_millis(1_200));
    let origin = script([gap(), send("one"), gap(), send("two"), until_closed()]);
    let sideman = Settings::before(&origin.url())
        .set("upstream.tunnel_timeout", "2s")
        // Neither of these timeouts applies to tunnels.
        .set("server.idle_timeout", "1s")
        .set("upstream.read_timeout", "1s")
        .start();
    let mut client = open_tunnel(&sideman);
    client.until("two");
    let silent = Instant::now();
    client.until_gone();
    assert!(silent.elapsed() >= Duration::from_millis(1_900), "{:?}", silent.elapsed());
    origin.until_closed(1);
    assert_eq!(sideman.log_of("/ws")["status"], 101);
    let labels = [("timer", "idle")];
    assert_eq!(sideman.metric("sideman_client_timeouts_total", &labels), 1.0);
}

#[test]
fn tunnel_is_closed_after_the_tunnel_timeout() {
    let origin = script([receive("still here"), send("so am I"), until_closed()]);
    let mut sideman = Settings::before(&origin.url())
        .set("shutdown.tunnels", "1s")
        .set("shutdown.timeout", "20s")
        .start();
    let mut client = open_tunnel(&sideman);
    let begin = Instant::now();
    sideman.signal(Signal::TERM);
    sideman.event("draining");
    client.send("still here").until("so am I");
    assert!(sideman.is_running());
    client.until_gone();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    let (code, lines) = sideman.wait();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    // No request was aborted.
    assert_eq!(code, Some(0));
    assert!(lines.iter().any(|line| line.contains("/ws") && line.contains("101")), "{lines:?}");
}

#[test]
fn tunnel_that_ends_during_shutdown_is_not_waited_for() {
    let origin = script([until_closed()]);
    let sideman = Settings::before(&origin.url())
        .set("shutdown.tunnels", "20s")
        .set("shutdown.timeout", "20s")
        .start();
    let client = open_tunnel(&sideman);
    let begin = Instant::now();
    sideman.signal(Signal::TERM);
    sideman.event("draining");
    drop(client);
    assert_eq!(sideman.wait().0, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
