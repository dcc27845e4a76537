//! `close`: no response at all.

use crate::support::{App, Http2, Settings, Sideman};

const CANCEL: u32 = 8;

fn start(application: &App) -> Sideman {
    Settings::before(&application.url())
        .route("scanners", &[("path", "*.php"), ("respond", "close")])
        .route("admin", &[("path", "/admin/"), ("deny", "all"), ("deny_response", "close")])
        .route("page", &[("path", "/admin/page/"), ("deny_response", "403")])
        .start()
        .until_ready()
}

#[test]
fn connection_is_closed_without_a_response() {
    let application = App::saying("hello");
    let sideman = start(&application);
    for request in [
        "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /b.php HTTP/1.0\r\n\r\n",
        "POST /c.php HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        // The rest of the body is not waited for, nor asked for.
        "POST /d.php HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\nabc",
        "POST /e.php HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "GET /admin/f HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = sideman.connect();
        assert_eq!(client.get("/").text(), "hello");
        client.send(request);
        assert_eq!(String::from_utf8_lossy(&client.until_gone()), "", "{request}");
    }
    assert_eq!(sideman.get("/admin/page/").status, 403);
    let log = sideman.log_of("/a.php");
    assert_eq!(
        (&log["status"], &log["route"], &log["error"], &log["bytes"]),
        (&444.into(), &"respond".into(), &serde_json::Value::Null, &0.into())
    );
    let log = sideman.log_of("/admin/f");
    assert_eq!((&log["status"], &log["error"]), (&444.into(), &"access_denied".into()));
    let labels = [("route", "respond"), ("method", "POST"), ("status", "4xx")];
    sideman.until_metric("sideman_requests_total", &labels, 3.0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
}

/// The other requests of the connection may be those of other people, behind a load balancer.
#[test]
fn stream_is_reset_and_its_connection_stays() {
    let application = App::saying("hello");
    let sideman = start(&application);
    let mut client = Http2::connect(sideman.address());
    // More than the number of cancelled requests that a client may have.
    for number in 0..600 {
        let stream = match number % 2 {
            0 => client.ask("GET", "/a.php", &[]),
            _ => client.post("/admin/", &[], b"abc"),
        };
        let response = client.response(stream);
        assert_eq!((response.status, response.reset), (0, Some(CANCEL)), "{number}");
    }
    let response = client.get("/");
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert_eq!(sideman.log_of("/a.php")["status"], 444);
}
