//! The status at the admin listener, and `sideman status`.

use std::{fs, net::Ipv4Addr};

use serde_json::json;

use crate::support::{
    App, Browser, Client, Gate, Origin, ReservedAddress, Settings, Sideman, TempDir, Transport,
    eventually, eventually_is, expect, open, until_closed,
};

/// Where visitors come from, unlike Sideman and the application.
const VISITOR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

fn status(sideman: &Sideman) -> serde_json::Value {
    sideman.admin_get("/-/status.json").json()
}

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
    let mut client = Client::connect_from(VISITOR.into(), sideman.address());
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
    assert!(status["last_minute"]["application_p50"].as_u64() >= Some(1), "{status}");
    let errors = status["errors"].as_object().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");

    let admin = sideman.admin().to_string();
    let text = run(&["--admin", &admin]);
    assert!(text.contains("\n  status 4xx                 1\n"), "{text}");
    assert!(!text.contains("secret") && !text.contains("127.0.0.9"), "{text}");
    let printed = run(&["--json", "--admin", &admin]);
    serde_json::from_str::<serde_json::Value>(&printed).unwrap();
}

#[test]
fn status_shows_each_server_and_the_oldest_wait() {
    let asked = Gate::new();
    let busy = Origin::script([expect("GET /busy "), open(&asked), until_closed()]);
    let away = ReservedAddress::new(Transport::ALL[0]);
    let sideman = Settings::before(&busy.url())
        .set("upstream.max_in_flight", "1")
        .route("away", &[("path", "/away/"), ("upstream", &away.url())])
        .start();
    let [mut first, mut second, mut third] =
        [(); 3].map(|()| Client::connect_from(VISITOR.into(), sideman.address()));
    first.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
    asked.pass();
    second.send("GET /queued HTTP/1.1\r\nHost: a\r\n\r\n");
    third.send("GET /away/ HTTP/1.1\r\nHost: a\r\n\r\n");
    let is_shown = |status: &serde_json::Value| {
        status["application"]["oldest_wait"].as_u64() > Some(0)
            && status["servers"].as_object().is_some_and(|servers| {
                servers.values().any(|server| server["state"] == "unavailable")
            })
    };
    let status =
        eventually("a wait and an unavailable server", || Some(status(&sideman)).filter(is_shown));
    let servers = status["servers"].as_object().unwrap();
    assert_eq!(servers.len(), 2, "{status}");
    let name = |url: String| url.strip_prefix("http://").unwrap().to_owned();
    let server = &servers[&name(busy.url())];
    assert_eq!((&server["state"], &server["in_flight"]), (&json!("available"), &json!(1)));
    assert_eq!(server["error"], json!(null));
    let server = &servers[&name(away.url())];
    assert!(server["error"].as_str().is_some_and(|error| error.contains("refused")), "{status}");
    assert!(server["seconds"].as_u64().is_some_and(|seconds| seconds < 60), "{status}");
    let text = sideman.admin_get("/-/status").text();
    assert!(text.contains(" unavailable for "), "{text}");
}

/// The identifiers of the findings.
fn findings(sideman: &Sideman) -> Vec<String> {
    let status = status(sideman);
    let findings = status["findings"].as_array().unwrap_or_else(|| panic!("{status}"));
    findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn findings_of_doctor_about_the_process_are_shown_until_they_are_mended() {
    let application = App::saying("hello");
    let directory = TempDir::new();
    let missing = directory.path().join("static");
    let settings = Settings::before(&application.url())
        .args(&["--static", &format!("/static/={}", missing.display())]);
    let sideman = settings.start().until_ready();
    assert_eq!(findings(&sideman), ["settings-warning"]);
    let text = sideman.admin_get("/-/status").text();
    let finding = format!("\nfindings\n  warning: {} (static.roots) is not acc", missing.display());
    assert!(text.contains(&finding), "{text}");
    assert!(text.contains("\n    see:  docs/operation.md#"), "{text}");
    // The directory is filled after the start, as by an application that runs collectstatic.
    fs::create_dir(&missing).unwrap();
    assert_eq!(findings(&sideman), [""; 0]);
    assert!(!sideman.admin_get("/-/status").text().contains("findings"));

    let mut client = Client::connect_from(VISITOR.into(), sideman.address());
    for _ in 0..20 {
        client.send(
            "GET /page?token=secret HTTP/1.1\r\nHost: a\r\nCookie: sessionid=secret\r\n\
             X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n",
        );
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(findings(&sideman), ["client-address"]);
    let text = sideman.admin_get("/-/status").text();
    assert!(text.contains("    do:   set SIDEMAN_TRUSTED_PROXIES"), "{text}");
    assert!(!text.contains("secret") && !text.contains("127.0.0.9"), "{text}");
    assert!(!text.contains("198.51.100.7"), "{text}");
}

#[test]
fn findings_follow_a_reload() {
    let application = App::saying("hello");
    let directory = TempDir::new();
    let write = |idle_timeout: &str| {
        let proxies = "server.trusted_proxies = [\"alb\"]";
        let text = format!("{proxies}\nserver.idle_timeout = \"{idle_timeout}\"\n");
        directory.write("sideman.toml", text)
    };
    let file = write("75s");
    let settings = Settings::before(&application.url());
    let sideman = settings.args(&["--config", file.to_str().unwrap()]).start().until_ready();
    assert_eq!(findings(&sideman), [""; 0]);
    for (idle_timeout, expected) in [("30s", &["idle-timeout"][..]), ("75s", &[])] {
        write(idle_timeout);
        assert_eq!(sideman.admin_post("/-/reload").status, 200);
        assert_eq!(findings(&sideman), expected);
    }
}

#[test]
fn status_page_fits_phone_and_desktop_and_runs_no_script() {
    let Some(mut browser) = Browser::start() else { return };
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "alb")
        .set("server.idle_timeout", "30s")
        .args(&["--static", "/static/=/nowhere/with/a/rather/long/name/in/the/container/static"])
        .start()
        .until_ready();
    let mut client = Client::connect(sideman.address());
    for _ in 0..20 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    let url = format!("http://{}/", sideman.admin());
    for (width, scheme, ground) in
        [(390, "light", "rgb(246, 246, 242)"), (1280, "dark", "rgb(16, 23, 20)")]
    {
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        browser.command("Emulation.setDeviceMetricsOverride", &size);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.command("Emulation.setEmulatedMedia", &media);
        browser.open(&format!("{url}?{width}"));
        let loaded = format!(
            "document.readyState === 'complete' && innerWidth === {width} && document.querySelector('rect') !== null"
        );
        browser.until("the page with a bar in its chart", &loaded);
        // The page may reload itself at any time, so that everything is read by one script.
        let facts = browser
            .evaluate(
                "(() => { const script = document.createElement('script'); \
                 script.textContent = 'window.ran = true'; document.body.append(script); \
                 return { ground: getComputedStyle(document.body).backgroundColor, \
                 fits: document.documentElement.scrollWidth <= innerWidth, \
                 findings: document.querySelector('section').querySelectorAll('h3').length, \
                 ran: window.ran === true, \
                 loaded: performance.getEntriesByType('resource').length } })()",
            )
            .unwrap();
        let expected =
            json!({ "ground": ground, "fits": true, "findings": 2, "ran": false, "loaded": 0 });
        assert_eq!(facts, expected, "{width}");
    }
}

#[test]
fn tools_get_text_and_browsers_the_page() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let get = |accept: &str| {
        let mut client = Client::connect(sideman.admin());
        client.send(format!("GET /-/status HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n"));
        client.response()
    };
    for (accept, media_type) in [
        ("*/*", "text/plain; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
    ] {
        let response = get(accept);
        assert_eq!(response.header("content-type"), Some(media_type), "{accept}");
        assert_eq!(response.header("vary"), Some("Accept"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    let policy = get("text/html");
    let policy = policy.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
}

#[test]
fn what_another_program_says_reaches_the_terminal_escaped() {
    let run = |response: &'static [u8]| {
        let program = App::start(move |_| response.to_vec());
        let url = program.url();
        let admin = url.strip_prefix("http://").unwrap();
        Settings::default().args(&["status", "--admin", admin]).run_to_end()
    };
    let ended = run(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na\x1b]0;title\x07\nb");
    assert_eq!(ended.stdout, "a\\u{1b}]0;title\\u{7}\nb\n");
    let ended = run(b"HTTP/1.1 403 F\r\nConnection: close\r\n\r\n\x1b[2Jx");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("403") && !ended.stderr.contains('\u{1b}'), "{ended:?}");
}
