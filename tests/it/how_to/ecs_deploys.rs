//! docs/how-to/ecs-deploys.md: the timeline of the old task on the wire, with the defaults of the page, and
//! the numbers of the template.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use sideman::config::{self, Environment, Flags};

use super::{Page, pairs};
use crate::support::{
    App, Client, Gate, Origin, Settings, close, eventually, expect, open, send, wait,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

/// With the defaults of `shutdown.*`.
fn before(upstream: &str) -> Settings {
    Settings::default().args(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--upstream",
        upstream,
    ])
}

#[test]
fn old_task_ends_as_the_timeline_says() {
    let (asked, answer) = (Gate::new(), Gate::new());
    let origin = Origin::scripts([
        vec![expect("GET /long "), open(&asked), wait(&answer), send(OK), close()],
        vec![expect("GET /short "), send(OK), close()],
    ]);
    let mut sideman = before(&origin.url()).start().until_ready();
    let mut long = sideman.connect().with_timeout(Duration::from_secs(60));
    long.send("GET /long HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    let begin = Instant::now();
    sideman.signal(Signal::TERM);
    eventually("503", || (sideman.get("/healthz").status == 503).then_some(()));
    let short = sideman.get("/short");
    assert!(short.text() == "hello" && short.closes(), "{short:?}");
    assert!(begin.elapsed() < Duration::from_secs(5), "too slow a machine: {:?}", begin.elapsed());
    let address = sideman.address();
    let refused = || Client::try_connect(address).is_err().then(|| begin.elapsed());
    let refused = eventually("connections are refused", refused);
    assert!(refused >= Duration::from_millis(4900), "{refused:?}");
    assert!(sideman.is_running());
    answer.open();
    assert_eq!(long.response().text(), "hello");
    let (code, _) = sideman.wait();
    assert_eq!(code, Some(0));
    // The last request ends it, not a timer.
    assert!(begin.elapsed() < Duration::from_secs(28), "{:?}", begin.elapsed());
}

#[test]
fn aborted_requests_are_exit_status_3() {
    let (asked, answer) = (Gate::new(), Gate::new());
    let origin = Origin::script([expect("GET / "), open(&asked), wait(&answer)]);
    let sideman = Settings::before(&origin.url()).set("shutdown.timeout", "1s").start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    assert_eq!(sideman.shut_down().0, Some(3));
    answer.open();
}

/// The numbers of the template are those of the page, and fit the defaults.
#[test]
fn numbers_of_the_template_are_those_of_the_page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy/ecs/cloudformation.yaml");
    let template = fs::read_to_string(path).unwrap();
    let page = Page::read("ecs-deploys.md");
    for (value, word) in [
        ("MinimumHealthyPercent: 100", "`MinimumHealthyPercent` 100"),
        ("MaximumPercent: 200", "`MaximumPercent` 200"),
        ("HealthyThresholdCount: 2", "`HealthyThresholdCount: 2`"),
        ("HealthCheckIntervalSeconds: 10", "10 s apart"),
        ("HealthCheckGracePeriodSeconds: 120", "`HealthCheckGracePeriodSeconds: 120`"),
        ("deregistration_delay.timeout_seconds, Value: \"30\"", "`deregistration_delay` 30 s"),
        ("StopTimeout: 30", "`StopTimeout: 30`"),
        ("{ContainerName: startup, Condition: SUCCESS}", "`dependsOn` `SUCCESS`"),
        ("{ContainerName: app, Condition: START}", "`dependsOn` `START`"),
        ("DeploymentCircuitBreaker: {Enable: true, Rollback: true}", "circuit breaker rolls back"),
    ] {
        assert!(template.contains(value), "the template has another {value}");
        page.says(&[word]);
    }
}

#[test]
fn times_for_longer_requests_keep_the_order() {
    let page = Page::read("ecs-deploys.md");
    let block = page.block("ini", "SHUTDOWN__TIMEOUT");
    let own = pairs(&block).map(|(name, value)| (name.into(), value.into()));
    let upstream = ("SIDEMAN_UPSTREAM".into(), "http://127.0.0.1:8000".into());
    let environment: Environment = std::iter::once(upstream).chain(own).collect();
    let plan = config::load(&Flags::default(), &environment).unwrap().plan;
    page.says(&["`\"stopTimeout\": 120`", "`deregistration_delay.timeout_seconds` = 120"]);
    assert!(plan.shutdown.delay + plan.upstream.read_timeout <= plan.shutdown.timeout);
    assert!(plan.shutdown.timeout < Duration::from_secs(120));
}

/// In front of an application that stopped at the same time.
#[test]
fn health_is_503_until_the_application_accepts_and_200_while_it_restarts() {
    let application = App::saying("hello");
    let sideman = before(&application.url()).start().until_ready();
    drop(application);
    eventually("not ready", || (sideman.get("/readyz").status == 503).then_some(()));
    assert_eq!(sideman.get("/healthz").status, 200);
}
