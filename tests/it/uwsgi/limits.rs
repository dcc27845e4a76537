//! Requests that are larger than the limit of the uwsgi server.

use super::{both, reply};
use crate::support::{Settings, Sideman, UwsgiApp};

/// A head of this size is refused before it is forwarded, and the events name the reason.
#[track_caller]
fn check_refused(sideman: &Sideman, app: &UwsgiApp, field: &str, event: &str) {
    let before = app.connections();
    let mut client = sideman.connect();
    let response = client.ask("GET", "/large", field);
    assert_eq!(response.status, 431, "{}", response.text());
    assert_eq!(sideman.log_of("/large")["error"], "head_too_large");
    sideman.event(event);
    assert_eq!(app.connections(), before);
    // The client did nothing wrong, and keeps its connection.
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn head_over_the_default_uwsgi_buffer_is_431() {
    for app in both(|_| reply("hello")) {
        let sideman = Settings::before(&app.url()).start();
        let cookie = format!("Cookie: {}\r\n", "x".repeat(4000));
        check_refused(&sideman, &app, &cookie, "uWSGI's buffer-size is 4096: raise --buffer-size");
        assert_eq!(sideman.metric("sideman_errors_total", &[("error", "head_too_large")]), 1.0);
    }
}

#[test]
fn head_over_the_configured_uwsgi_buffer_is_431() {
    for app in both(|packet| reply(packet.get("HTTP_COOKIE").unwrap_or("none"))) {
        let settings = Settings::before(&app.url()).set("upstream.uwsgi_buffer_size", "32KiB");
        let sideman = settings.start();
        let cookie = "x".repeat(15_000);
        let response = sideman.connect().ask("GET", "/", &format!("Cookie: {cookie}\r\n"));
        assert_eq!((response.status, response.text()), (200, cookie));
        let cookies = format!("Cookie: {}\r\n", "x".repeat(11_000)).repeat(3);
        check_refused(&sideman, &app, &cookies, "uWSGI's buffer-size is 32768: raise");
    }
}

#[test]
fn head_over_the_largest_packet_is_431() {
    for app in both(|_| reply("hello")) {
        let settings = Settings::before(&app.url()).set("upstream.uwsgi_flavour", "gunicorn");
        let sideman = settings.start();
        let cookies = format!("Cookie: {}\r\n", "x".repeat(11_000)).repeat(5);
        assert_eq!(sideman.connect().ask("GET", "/", &cookies).status, 200);
        let cookies = format!("Cookie: {}\r\n", "x".repeat(11_000)).repeat(6);
        check_refused(&sideman, &app, &cookies, "a uwsgi packet holds at most 65535");
    }
}
