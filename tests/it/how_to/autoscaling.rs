//! docs/how-to/autoscaling.md: its queries, its policy, and its numbers.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::Value;

use super::Page;
use crate::{
    deploy::Checker,
    support::{App, Client, Gate, Settings, TempDir},
    telemetry::{faults, promtool},
};

/// The result of promtool for a query and these series, one item `series: values` each.
fn check_value(query: &str, series: &[(&str, &str)], expected: &str) {
    let mut test =
        "evaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n".to_owned();
    for (name, values) in series {
        let _ = writeln!(test, "      - series: '{name}'\n        values: '{values}'");
    }
    let _ = write!(
        test,
        "    promql_expr_test:\n      - expr: {query:?}\n        eval_time: 10m\n        \
         exp_samples: [{{labels: '{{job=\"s\"}}', value: {expected}}}]\n"
    );
    let home = TempDir::new();
    let path = home.write("test.yaml", test);
    promtool(&["test", "rules", path.to_str().unwrap()], "");
}

fn query(part: &str) -> String {
    let page = Page::read("autoscaling.md");
    page.block("promql", part).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_query_of_the_pages_uses_existing_metrics() {
    let (mut count, mut rules) = (0, "groups:\n- name: pages\n  rules:\n".to_owned());
    for page in Page::all() {
        let inline = page.text.split('`').skip(1).step_by(2);
        let inline = inline
            .filter(|text| text.starts_with("sideman_") && text.contains('{'))
            .map(str::to_owned);
        for query in page.blocks("promql").into_iter().chain(inline) {
            assert_eq!(faults(&query), [""; 0], "{}: {query}", page.name);
            let _ = write!(
                rules,
                "  - record: page:query\n    expr: {query:?}\n    labels: {{number: \"{count}\"}}\n"
            );
            count += 1;
        }
    }
    assert!(count >= 5, "{count} queries");
    let home = TempDir::new();
    let path = home.write("rules.yaml", rules);
    let Some(said) = promtool(&["check", "rules", path.to_str().unwrap()], "") else { return };
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn saturation_is_that_of_all_tasks() {
    let limit = "{job=\"s\",instance=\"a\",setting=\"upstream.max_in_flight\"}";
    let series = [
        ("sideman_upstream_in_flight{job=\"s\",instance=\"a\"}", "8x20"),
        ("sideman_upstream_in_flight{job=\"s\",instance=\"b\"}", "4x20"),
        ("sideman_queue_length{job=\"s\",instance=\"a\"}", "4x20"),
        ("sideman_queue_length{job=\"s\",instance=\"b\"}", "0x20"),
        (&format!("sideman_limit{limit}"), "8x20"),
        (&format!("sideman_limit{}", limit.replace("\"a\"", "\"b\"")), "8x20"),
    ];
    check_value(&query("avg_over_time"), &series, "1");
}

#[test]
fn saturation_counts_several_servers_of_a_task() {
    let series = [
        ("sideman_limit{job=\"s\",instance=\"a\",setting=\"upstream.max_in_flight\"}", "8x20"),
        ("sideman_limit{job=\"s\",instance=\"a\",setting=\"upstream.queue\"}", "1024x20"),
        ("sideman_upstream_servers{job=\"s\",instance=\"a\",state=\"available\"}", "2x20"),
        ("sideman_upstream_servers{job=\"s\",instance=\"a\",state=\"unavailable\"}", "1x20"),
    ];
    check_value(&query("sideman_upstream_servers"), &series, "16");
}

/// Two requests in flight and two queued, of at most two in flight: 2.
#[test]
fn metrics_of_a_busy_task_give_the_saturation() {
    let (asked, answer) = (Gate::new(), Gate::new());
    let application = {
        let (asked, answer) = (asked.clone(), answer.clone());
        App::start(move |_| {
            asked.open();
            answer.pass();
            App::reply(b"done")
        })
    };
    let sideman = Settings::before(&application.url()).set("upstream.max_in_flight", "2").start();
    // An idle task reports its saturation.
    for name in ["sideman_upstream_in_flight", "sideman_queue_length"] {
        assert_eq!(sideman.metric(name, &[]), 0.0, "{name}");
    }
    let mut clients: Vec<Client> = (0..4).map(|_| sideman.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    }
    asked.pass();
    sideman.until_metric("sideman_upstream_in_flight", &[], 2.0);
    sideman.until_metric("sideman_queue_length", &[], 2.0);
    let limit = sideman.metric("sideman_limit", &[("setting", "upstream.max_in_flight")]);
    let saturation = (2.0 + 2.0) / limit;
    assert_eq!(saturation, 2.0);
    Page::read("autoscaling.md").says(&["| 2 | for each request at work another one waits |"]);
    answer.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "done");
    }
}

/// AWS accepts the policy, and the template sends its metrics.
#[test]
fn policy_is_accepted_and_its_metrics_are_sent() {
    let page = Page::read("autoscaling.md");
    let policy: Value = serde_json::from_str(&page.block("json", "TargetValue")).unwrap();
    let metric = &policy["CustomizedMetricSpecification"];
    // The names in the lines, and the policy of the template.
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let line = fs::read_to_string(home.join("src/telemetry/emf.rs")).unwrap();
    let template = fs::read_to_string(home.join("config/deploy/ecs/cloudformation.yaml")).unwrap();
    for name in ["Namespace", "MetricName", "Unit"] {
        let value = metric[name].as_str().unwrap();
        assert!(line.contains(&format!("{value:?}")), "{value}");
        assert!(template.contains(&format!("{name}: {value}\n")), "{value}");
    }
    assert!(template.contains("TargetValue: 60\n") && template.contains("TargetValue: 70\n"));
    let Some(checker) = Checker::prepared() else { return };
    let input = serde_json::json!({
        "PolicyName": "saturation",
        "PolicyType": "TargetTrackingScaling",
        "ServiceNamespace": "ecs",
        "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": "service/default/site",
        "TargetTrackingScalingPolicyConfiguration": policy,
    });
    let command = page.block("", "put-scaling-policy");
    for name in ["saturation", "TargetTrackingScaling", "ecs:service:DesiredCount"] {
        assert!(command.contains(name), "{name}");
    }
    let found = checker.service_input("application-autoscaling", "PutScalingPolicy", &input);
    assert_eq!(found, [] as [&str; 0]);
}
