//! `sideman demo`: everything at work without an application of one's own.

use std::{fs, net::TcpListener};

use rustix::process::Signal;

use crate::support::{Settings, Sideman, TempDir};

/// Its files are put below this directory.
fn start(temporary: &TempDir) -> Sideman {
    Settings::default()
        .args(&["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .variable("TMPDIR", temporary.path().to_str().unwrap())
        .start_demo()
}

fn entries(directory: &TempDir) -> usize {
    fs::read_dir(directory.path()).unwrap().count()
}

#[test]
fn it_shows_its_pages_and_leaves_nothing_behind() {
    let temporary = TempDir::new();
    let sideman = start(&temporary).until_ready();
    assert_eq!(entries(&temporary), 1);
    let mut client = sideman.connect();
    let page = client.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    let begin = text.find("/static/demo.").expect("the page has a stylesheet");
    let style = text[begin..].split('"').next().unwrap();
    let file = client.get(style);
    assert_eq!((file.status, file.header("content-type")), (200, Some("text/css; charset=utf-8")));
    let immutable = "public, max-age=31536000, immutable";
    assert_eq!(file.header("cache-control"), Some(immutable), "{style}");
    assert_eq!(sideman.metric("sideman_phase", &[("phase", "ready")]), 1.0);
    sideman.out_line("\"path\":\"/\"");

    sideman.signal(Signal::INT);
    let (code, lines) = sideman.wait();
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(entries(&temporary), 0);
}

#[test]
fn its_events_come_one_by_one() {
    let temporary = TempDir::new();
    let sideman = start(&temporary).until_ready();
    let mut client = sideman.connect();
    client.send("GET /events/stream HTTP/1.1\r\nHost: example.test\r\n\r\n");
    let head = client.head();
    assert_eq!(head.get("content-type"), Some("text/event-stream"));
    // The whole stream lasts a minute, longer than a test waits.
    let first = client.until("\n\n");
    assert!(first.contains("id: 1\n"), "{first}");
    let second = client.until("\n\n");
    assert!(second.contains("id: 2\n"), "{second}");
    drop(client);
    sideman.signal(Signal::INT);
    assert_eq!(sideman.wait().0, Some(0));
    assert_eq!(entries(&temporary), 0);
}

/// README.md names it.
#[test]
fn its_metrics_are_at_the_usual_port_unless_that_is_taken() {
    let temporary = TempDir::new();
    let start = || {
        let settings = Settings::default().args(&["demo", "--listen", "127.0.0.1:0"]);
        settings.variable("TMPDIR", temporary.path().to_str().unwrap()).start_demo()
    };
    // Another program on this machine may have it.
    let taken = TcpListener::bind("127.0.0.1:9180");
    let sideman = start();
    assert_ne!(sideman.admin().port(), 9180);
    assert_eq!(sideman.admin_get("/metrics").status, 200);
    if taken.is_ok() {
        drop(taken);
        let sideman = start();
        assert_eq!(sideman.admin().port(), 9180);
        assert_eq!(sideman.admin_get("/metrics").status, 200);
    }
}
