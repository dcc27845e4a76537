//! The status at the admin listener, and `sideman status`.

use crate::support::{App, Client, Settings, eventually_is};

/// Runs `sideman status`, and returns what it prints.
fn run(args: &[&str]) -> String {
    let ended = Settings::default().args(&[&["status"], args].concat()).run_to_end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

#[test]
fn status_shows_requests_limit_and_errors_without_urls() {
    let application = App::saying("hello");
    let settings = Settings::before(&application.url()).set("upstream.max_in_flight", "7");
    let sideman = settings.start().until_ready();
    // The first sample is taken at the start, so that later requests are in the last minute.
    eventually_is("the first sample", &true, || {
        sideman.admin_get("/-/status").text().contains("last minute")
    });
    let mut client = Client::connect(sideman.address());
    client.send("GET /page?token=secret HTTP/1.1\r\nHost: a\r\nCookie: sessionid=secret\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");
    assert_eq!(client.response().status, 400);

    let response = sideman.admin_get("/-/status.json");
    assert_eq!(response.header("content-type"), Some("application/json"));
    let status: serde_json::Value = serde_json::from_str(&response.text()).unwrap();
    assert_eq!(status["process"]["phase"], "ready");
    assert_eq!(status["application"]["limit"], 7);
    assert_eq!(status["application"]["limit_source"], "set");
    let good: u64 = status["last_minute"]["status_2xx"].as_u64().unwrap();
    assert!(good >= 1, "{status}");
    assert_eq!(status["last_minute"]["status_4xx"], 1);
    let errors = status["errors"].as_object().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");

    let admin = sideman.admin().to_string();
    let text = run(&["--admin", &admin]);
    assert!(text.contains("\n  status 4xx                 1\n"), "{text}");
    assert!(!text.contains("secret") && !text.contains("127.0.0.1"), "{text}");
    let json = run(&["--json", "--admin", &admin]);
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
}
