//! Settings of the access log: fields, redaction, and requests without a line. Also what is never
//! logged, with any settings.

use serde_json::Value;

use crate::support::{App, ReservedPort, Settings, TempDir};

/// Part of every secret, and of nothing else.
const SECRET: &str = "5EC2E7";

#[test]
fn secrets_are_never_logged() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("log.level", "trace")
        .set("log.redact", "default,mine")
        .set("route.all.response_headers", &format!("set X-Own: {SECRET}"))
        .start();
    let target = format!(
        "/a?b=1&Token={SECRET}&%70assword={SECRET}&mine={SECRET}&next=%2Fr%3Fcode%3D{SECRET}"
    );
    let fields = format!(
        "Cookie: sessionid={SECRET}\r\nAuthorization: Bearer {SECRET}\r\n\
         Proxy-Authorization: Basic {SECRET}\r\nX-Own: {SECRET}\r\n\
         Referer: https://a.test/x?access_token={SECRET}&z=1\r\n"
    );
    let mut client = sideman.connect();
    assert_eq!(client.ask("GET", &target, &fields).status, 200);
    let line = sideman.log_of("/a");
    assert_eq!(line["query"], "b=1&Token=***&%70assword=***&mine=***&next=%2Fr%3Fcode%3D***");
    assert_eq!(line["referer"], "https://a.test/x?access_token=***&z=1");
    assert!(!line.to_string().contains(SECRET), "{line}");
    // A failing request has an event too.
    drop(application);
    assert_eq!(sideman.connect().ask("GET", &target, &fields).status, 502);
    sideman.event("request failed at the application");
    let (_, events) = sideman.stop_for_events();
    assert!(!events.iter().any(|event| event.contains(SECRET)), "{events:?}");
}

#[test]
fn well_known_names_and_users_of_urls_are_hidden() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    for (query, expected) in [
        ("a[token]=5EC2E7&b=1", "a[token]=***&b=1"),
        ("a%5Btoken%5D=5EC2E7", "a%5Btoken%5D=***"),
        ("api.key=5EC2E7&PIN=5EC2E7", "api.key=***&PIN=***"),
        ("session=5EC2E7&bearer=5EC2E7&authcode=5EC2E7", "session=***&bearer=***&authcode=***"),
        ("x=1;%74oken=5EC2E7", "x=1;%74oken=***"),
        ("url=https%3A%2F%2Fme%3A5EC2E7%40b.test%2F", "url=https%3A%2F%2F***%40b.test%2F"),
        ("next=%252Fr%253Ftoken%253D5EC2E7", "next=%252Fr%253Ftoken%253D***"),
        ("pw=5EC2E7&oauth_verifier=5EC2E7&ticket=5EC2E7", "pw=***&oauth_verifier=***&ticket=***"),
        ("page=2&author=me&country_code=ch", "page=2&author=me&country_code=ch"),
    ] {
        let referer = format!("Referer: https://me:5EC2E7@a.test/p?{query}\r\n");
        assert_eq!(sideman.connect().ask("GET", &format!("/q?{query}"), &referer).status, 200);
        let line = sideman.log_line(expected, |line| line["query"] == expected);
        assert_eq!(line["referer"], format!("https://***@a.test/p?{expected}"));
        assert!(!line.to_string().contains(SECRET), "{line}");
    }
}

#[test]
fn redaction_can_be_switched_off() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("log.redact", "none").start();
    sideman.get("/?token=1");
    assert_eq!(sideman.log_of("/")["query"], "token=1");
}

#[test]
fn chosen_fields_are_logged_in_order() {
    let application = App::saying("hello");
    let url = application.url();
    let server = url.strip_prefix("http://").unwrap();
    let fields = "status,path,upstream,protocol,tls,bytes_in,error";
    let sideman = Settings::before(&url).set("log.fields", fields).start();
    sideman.connect().post("/p", "", b"12345");
    let expected = format!(
        r#"{{"status":200,"path":"/p","upstream":"{server}","protocol":"HTTP/1.1","bytes_in":5}}"#
    );
    assert_eq!(sideman.out_line("/p"), expected);
    // Requests that did not reach the application have no server.
    sideman.connect().send("GET /q HTTP/1.1\r\n\r\n").response();
    assert!(sideman.out_line("/q").starts_with(r#"{"status":400,"path":"/q","protocol":"#));
}

#[test]
fn combined_format_accepts_more_fields() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("log.access", "combined")
        .set("log.fields", "host,default,request_id,queue_ms,route")
        .start();
    sideman.connect().ask("GET", "/x?key=1", "X-Request-ID: the-id\r\n");
    let line = sideman.out_line("/x");
    assert!(line.starts_with("host=\"example.test\" 127.0.0.1 - - ["), "{line}");
    let end = "\"GET /x?key=*** HTTP/1.1\" 200 5 \"-\" \"-\" request_id=\"the-id\" route=\"proxy\"";
    assert!(line.ends_with(end), "{line}");
}

#[test]
fn long_values_are_truncated() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let long = "%41".repeat(2500);
    let fields = format!(
        "X-Request-ID: long\r\nUser-Agent: {}\r\nReferer: {}\r\n",
        "\u{fc}\"".repeat(2000),
        "a".repeat(9000)
    );
    sideman.connect().ask("GET", &format!("/{long}?{long}"), &fields);
    let text = sideman.out_line("\"long\"");
    assert!(text.len() < 8 * 1024, "{}", text.len());
    let line = sideman.log_line("the long one", |line| line["request_id"] == "long");
    for (field, whole, most) in [("path", &format!("/{long}"), 2048), ("query", &long, 2048)] {
        let kept = line[field].as_str().unwrap().strip_suffix('\u{2026}').unwrap();
        assert!(kept.len() > most - 3 && kept.len() <= most, "{}", kept.len());
        assert!(whole.starts_with(kept) && kept.ends_with("%41"), "{kept}");
    }
    assert_eq!(line["referer"], format!("{}\u{2026}", "a".repeat(2048)));
    // Two bytes, and two for the quote and its escape.
    assert_eq!(line["user_agent"], format!("{}\u{2026}", "\u{fc}\"".repeat(128)));
}

#[test]
fn static_hits_can_be_sampled_out() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    directory.write("a.txt", "0123456789");
    let settings = Settings::before(&application.url()).files("/static/", directory.path());
    let sideman = settings.clone().set("log.static_sample", "0").start();
    let mut client = sideman.connect();
    client.ask("GET", "/static/a.txt", "");
    client.ask("GET", "/static/a.txt", "If-None-Match: *\r\n");
    client.ask("GET", "/static/a.txt", "Range: bytes=99-\r\n");
    client.get("/static/missing");
    client.get("/page");
    sideman.until_metric("sideman_access_log_sampled_out_total", &[], 2.0);
    let (_, lines) = sideman.shut_down();
    let status = |line: &String| serde_json::from_str::<Value>(line).unwrap()["status"].clone();
    assert_eq!(lines.iter().map(status).collect::<Vec<_>>(), [416, 404, 502]);

    // Slow requests are logged in any case.
    let sideman = settings.clone().set("log.static_sample", "0").set("log.slow", "0s").start();
    sideman.get("/static/a.txt");
    assert_eq!(sideman.log_of("/static/a.txt")["status"], 200);

    let sideman = settings.set("log.static_sample", "2").start();
    let mut client = sideman.connect();
    const REQUESTS: u32 = 100;
    for _ in 0..REQUESTS {
        client.get("/static/a.txt");
    }
    client.get("/static/missing");
    sideman.log_of("/static/missing");
    let left_out = sideman.metric("sideman_access_log_sampled_out_total", &[]);
    let (_, lines) = sideman.shut_down();
    assert_eq!(lines.len() as f64 - 1.0 + left_out, f64::from(REQUESTS));
    assert!(left_out > 0.0 && lines.len() > 1, "{left_out}");
}

#[test]
fn health_checks_are_logged_if_configured_or_failing() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("log.health", "all").start();
    sideman.get("/readyz");
    let line = sideman.log_of("/readyz");
    assert_eq!((&line["status"], &line["route"]), (&200.into(), &"health".into()));

    let sideman = Settings::before(&application.url()).start().until_ready();
    sideman.get("/healthz");
    sideman.connect().ask("POST", "/healthz", "Content-Length: 0\r\n");
    sideman.get("/");
    let (_, lines) = sideman.shut_down();
    let told = |line: &&String| line.contains("\"/healthz\"") && line.contains("\"status\":200");
    assert!(lines.iter().any(|line| line.contains("\"status\":405")), "{lines:?}");
    assert_eq!(lines.iter().find(told), None);
}
