//! Metrics of the process: `process_*`, the load of each worker, and the configured limits.

use sideman::config;

use crate::support::{App, Client, Settings, Sideman, eventually, samples};

const OPEN: &str = "application/openmetrics-text; version=1.0.0";

fn start(workers: &str) -> (App, Sideman) {
    let application = App::saying("hello");
    let settings = Settings::before(&application.url()).set("server.workers", workers);
    let settings = settings.set("upstream.queue", "77").set("server.max_connections", "5000");
    let settings = settings.set("upstream.max_in_flight", "55");
    let sideman = settings.start().until_ready();
    (application, sideman)
}

#[test]
fn process_metrics_are_plausible() {
    let (_application, sideman) = start("2");
    let value = |name| sideman.metric(name, &[]);
    let (resident, reserved) =
        (value("process_resident_memory_bytes"), value("process_virtual_memory_bytes"));
    assert!((1e6..1e9).contains(&resident) && resident < reserved, "{resident} of {reserved}");
    let threads = value("process_threads");
    assert!((4.0..500.0).contains(&threads), "main, admin and two workers: {threads}");
    let began = value("process_start_time_seconds");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - 600.0..=now).contains(&began), "{began} at {now}");

    let open = value("process_open_fds");
    assert!(open < value("process_max_fds"), "{open}");
    let clients: Vec<Client> = (0..40).map(|_| sideman.connect()).collect();
    sideman.until_metric("sideman_client_connections", &[], 40.0);
    assert!(value("process_open_fds") >= open + 30.0, "{} clients", clients.len());
}

#[test]
fn each_worker_reports_its_load() {
    let (_application, sideman) = start("2");
    let mut clients: Vec<Client> = (0..4).map(|_| sideman.connect()).collect();
    sideman.until_metric("sideman_client_connections", &[], 4.0);
    for worker in ["0", "1"] {
        let labels = [("worker", worker)];
        assert_eq!(sideman.metric("sideman_worker_connections", &labels), 2.0, "{worker}");
        assert_eq!(sideman.metric("sideman_worker_requests_in_flight", &labels), 0.0, "{worker}");
    }
    // Work shows as CPU time, of the workers and of the whole process.
    eventually("both workers to have used some time", || {
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "hello");
        }
        let used =
            |worker| sideman.metric("sideman_worker_cpu_seconds_total", &[("worker", worker)]);
        let (first, second) = (used("0"), used("1"));
        let all = sideman.metric("process_cpu_seconds_total", &[]);
        (first > 0.0 && second > 0.0 && all >= first).then_some(())
    });
}

#[test]
fn limit_metrics_equal_the_settings() {
    let (_application, sideman) = start("1");
    for (setting, value) in [
        ("upstream.queue", 77.0),
        ("upstream.max_in_flight", 55.0),
        ("server.max_connections", 5000.0),
        ("buffers.memory", 67_108_864.0),
    ] {
        assert_eq!(sideman.metric("sideman_limit", &[("setting", setting)]), value, "{setting}");
    }
    let text = sideman.admin_get("/metrics").text();
    for sample in samples(&text).iter().filter(|sample| sample.name == "sideman_limit") {
        let setting = sample.label("setting").unwrap();
        assert!(config::KEYS.iter().any(|key| key.name == setting), "{setting}");
    }
    assert!(!text.contains("setting=\"tls.handshakes\""), "there is no TLS");
    let sideman = Settings::before("http://127.0.0.1:1").start();
    let most = sideman.metric("sideman_limit", &[("setting", "server.max_connections")]);
    assert!(most >= 1.0, "what auto comes to: {most}");
}

#[test]
fn open_metrics_is_served_on_request() {
    let (_application, sideman) = start("1");
    for (accept, is_open) in [
        (format!("Accept: {OPEN};q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n"), true),
        ("Accept: text/plain, Application/OpenMetrics-Text\r\n".to_owned(), true),
        ("Accept: */*\r\n".to_owned(), false),
        ("Accept: text/html,application/xml;q=0.9\r\n".to_owned(), false),
        (String::new(), false),
    ] {
        let response = Client::connect(sideman.admin()).ask("GET", "/metrics", &accept);
        let (kind, text) = (response.header("content-type").unwrap().to_owned(), response.text());
        assert_eq!(kind.starts_with(OPEN), is_open, "{accept}: {kind}");
        assert_eq!(text.ends_with("# EOF\n"), is_open, "{accept}");
        let described = if is_open {
            "# TYPE sideman_panics counter"
        } else {
            "# TYPE sideman_panics_total counter"
        };
        assert!(text.lines().any(|line| line == described), "{accept}: {text}");
        assert_eq!(response.header("vary"), Some("Accept"));
        // Both formats have the same series.
        for name in ["sideman_panics_total", "sideman_build_info", "process_cpu_seconds_total"] {
            assert!(samples(&text).iter().any(|sample| sample.name == name), "{accept}: {name}");
        }
    }
}
