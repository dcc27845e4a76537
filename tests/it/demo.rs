//! `sideman demo`: Sideman with its own built-in application.

use std::{fs, net::TcpListener};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Browser, Settings, Sideman, TempDir};

/// The demo's files are created below this directory.
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
fn demo_serves_its_page_and_files_and_leaves_nothing_behind() {
    let temporary = TempDir::new();
    let sideman = start(&temporary).until_ready();
    assert_eq!(entries(&temporary), 1);
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    let hint = client.until("\r\n\r\n");
    assert!(hint.starts_with("HTTP/1.1 103 Early Hints\r\n"), "{hint}");
    let style = hint.split(['<', '>']).nth(1).unwrap();
    let page = client.response();
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains(style), "{style}");
    let file = client.get(style);
    assert_eq!((file.status, file.header("content-type")), (200, Some("text/css; charset=utf-8")));
    let immutable = "public, max-age=31536000, immutable";
    assert_eq!(file.header("cache-control"), Some(immutable), "{style}");
    assert_eq!(sideman.metric("sideman_phase", &[("phase", "ready")]), 1.0);
    sideman.out_line("\"path\":\"/\"");
    assert_eq!(client.get("/missing").status, 404);

    sideman.signal(Signal::INT);
    let (code, lines) = sideman.wait();
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(entries(&temporary), 0);
}

#[test]
fn requests_wait_while_the_demo_restarts() {
    let temporary = TempDir::new();
    let sideman = start(&temporary).until_ready();
    let mut client = sideman.connect();
    client.send("POST /restart HTTP/1.1\r\nHost: example.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(client.get("/work").text(), "1");
    let body = "x".repeat(1000);
    client.send(format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{body}"));
    let upload = client.response();
    assert!(upload.text().starts_with("1000 bytes, read in "), "{}", upload.text());
}

#[test]
fn events_are_streamed_one_by_one() {
    let temporary = TempDir::new();
    let sideman = start(&temporary).until_ready();
    let mut client = sideman.connect();
    client.send("GET /events HTTP/1.1\r\nHost: example.test\r\n\r\n");
    let head = client.head();
    assert_eq!(head.get("content-type"), Some("text/event-stream"));
    let first = client.until("\n\n");
    assert!(first.contains("id: 1\n"), "{first}");
    let second = client.until("\n\n");
    assert!(second.contains("id: 2\n"), "{second}");
    drop(client);
    sideman.signal(Signal::INT);
    assert_eq!(sideman.wait().0, Some(0));
    assert_eq!(entries(&temporary), 0);
}

/// In Chromium, at the widths of a phone and of a desktop, with a light and a dark theme.
#[test]
fn every_button_works_in_a_browser() {
    let Some(mut browser) = Browser::start() else { return };
    let temporary = TempDir::new();
    let sideman = start(&temporary).until_ready();
    let url = format!("http://{}/", sideman.address());
    for (width, scheme, ground) in
        [(390, "light", "rgb(246, 246, 242)"), (1280, "dark", "rgb(16, 23, 20)")]
    {
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        browser.command("Emulation.setDeviceMetricsOverride", &size);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.command("Emulation.setEmulatedMedia", &media);
        browser.open(&format!("{url}?{width}"));
        let loaded = format!("document.readyState === 'complete' && innerWidth === {width}");
        browser.until("the page is there", &loaded);
        let colour = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        assert_eq!(colour.unwrap(), ground);
        browser.evaluate("document.querySelector('#all').click()").unwrap();
        let all = "(() => { const all = [...document.querySelectorAll('output')]; return \
                   all.every((one) => 'done' in one.dataset) && all.map((one) => one.textContent) })()";
        let said = browser.until("all is shown", all);
        let said: Vec<&str> =
            said.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let expected: [&[&str]; 7] = [
            &["200 in ", "max-age=31536000, immutable", "304 in "],
            &["200 █", "A static file meanwhile: ", "at most 2\n"],
            &["200 after 2"],
            &["200 in ", "20000000 bytes, read in "],
            &["103 in ", " ms, 200 in "],
            &["event 1, after ", "event 2, after "],
            &["“hello” came back after "],
        ];
        for (text, parts) in said.iter().zip(expected) {
            assert!(parts.iter().all(|part| text.contains(part)), "{width}: {said:#?}");
        }
        assert_eq!(said.len(), expected.len());
        let fits = browser.evaluate("document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(fits.unwrap(), true, "{width}");
    }
}

/// README.md mentions this port. No other test may use it.
#[test]
fn metrics_are_at_the_usual_port_unless_that_is_taken() {
    let temporary = TempDir::new();
    let start = || {
        let settings = Settings::default().args(&["demo", "--listen", "127.0.0.1:0"]);
        settings.variable("TMPDIR", temporary.path().to_str().unwrap()).start_demo()
    };
    // Another program on this machine may use the port.
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
