//! `metrics.emf`: metrics for CloudWatch on stdout.

use serde_json::Value;

use rustix::process::Signal;

use crate::support::{App, Origin, Settings, close, expect, send};

const TASK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\
    {\"Cluster\":\"arn:aws:ecs:eu-central-1:111122223333:cluster/prod\",\
    \"TaskARN\":\"arn:aws:ecs:eu-central-1:111122223333:task/prod/0a1b\",\
    \"Family\":\"site-task\",\"ServiceName\":\"site\"}";

/// One line a minute: the test needs as long.
#[test]
fn line_has_the_requests_of_a_minute_and_the_names_of_the_service() {
    let application = App::saying("hello");
    // The endpoint of the ECS agent.
    let agent = Origin::script([expect("GET /v4/0a1b-2/task HTTP/1.1"), send(TASK), close()]);
    let sideman = Settings::before(&application.url())
        .variable("ECS_CONTAINER_METADATA_URI_V4", &format!("{}/v4/0a1b-2", agent.url()))
        .set("metrics.emf", "on")
        .set("log.access", "off")
        .start();
    for _ in 0..3 {
        assert_eq!(sideman.get("/").text(), "hello");
    }
    let line = sideman.late_out_line("\"_aws\"");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["ClusterName"], "prod");
    assert_eq!(line["ServiceName"], "site");
    assert_eq!(line["TaskId"], "0a1b");
    assert_eq!(line["Requests"], 3);
    assert_eq!(line["Saturation"].as_array().map(Vec::len), Some(60));
}

#[test]
fn last_line_has_the_requests_since_the_one_before() {
    let application = App::saying("hello");
    let agent = Origin::script([expect("GET "), send(TASK), close()]);
    let sideman = Settings::before(&application.url())
        .variable("ECS_CONTAINER_METADATA_URI_V4", &agent.url())
        .set("metrics.emf", "on")
        .set("log.access", "off")
        .start();
    for _ in 0..3 {
        assert_eq!(sideman.get("/").text(), "hello");
    }
    sideman.signal(Signal::TERM);
    let line: Value = serde_json::from_str(&sideman.out_line("\"_aws\"")).unwrap();
    assert_eq!((&line["Requests"], &line["ClusterName"]), (&3.into(), &"prod".into()), "{line}");
    assert!(!line["Saturation"].as_array().unwrap().is_empty(), "{line}");
}

#[test]
fn event_says_that_there_is_no_task() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("metrics.emf", "on").start();
    let event = sideman.event("metrics.emf is on");
    assert!(event.contains("set metrics.emf to off"), "{event}");
    assert_eq!(sideman.get("/").text(), "hello");
}
