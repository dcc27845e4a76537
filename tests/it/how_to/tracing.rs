//! docs/how-to/tracing.md.

use std::ffi::OsString;

use sideman::{
    config::{self, Environment, Flags},
    plan::{RootSampling, TraceSettings},
};

use super::Page;

/// What Sideman makes of these variables beside those of the first example.
#[track_caller]
fn settings(page: &Page, more: &[(&str, &str)]) -> TraceSettings {
    let example = page.block("", "OTEL_EXPORTER_OTLP_ENDPOINT");
    let pairs = example.lines().filter_map(|line| line.split_once('='));
    let upstream = ("SIDEMAN_UPSTREAM", "http://127.0.0.1:8000");
    let pairs = pairs.chain(more.iter().copied()).chain([upstream]);
    let environment: Environment =
        pairs.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let plan = config::load(&Flags::default(), &environment).unwrap().plan;
    plan.traces.settings().unwrap().clone()
}

/// The default in the table of variables.
#[track_caller]
fn default(page: &Page, variable: &str) -> u128 {
    let begin = format!("| `{variable}` | ");
    let row = page.text.lines().find_map(|line| line.strip_prefix(&begin)).unwrap();
    row.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn first_example_and_the_defaults_are_what_the_page_says() {
    let page = Page::read("tracing.md");
    let settings = settings(&page, &[]);
    assert_eq!(settings.endpoint, "http://localhost:4318/v1/traces");
    assert!(settings.resource.contains(&("service.name".to_owned(), "shop".to_owned())));
    let batches = settings.batches;
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", settings.timeout.as_millis()),
        ("OTEL_BSP_SCHEDULE_DELAY", batches.delay.as_millis()),
        ("OTEL_BSP_EXPORT_TIMEOUT", batches.timeout.as_millis()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", batches.max_queue as u128),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", batches.max_batch as u128),
    ] {
        assert_eq!(default(&page, variable), value, "{variable}");
    }
}

#[test]
fn samplers_of_the_page_exist() {
    let page = Page::read("tracing.md");
    assert!(page.text.contains("`parentbased_always_on`, the default"));
    assert!(page.text.contains("`OTEL_TRACES_SAMPLER_ARG=0.1` | one trace in ten"));
    for (name, follows_parent, root) in [
        ("parentbased_always_on", true, RootSampling::All),
        ("parentbased_traceidratio", true, RootSampling::of_ratio(0.1)),
        ("parentbased_always_off", true, RootSampling::Nothing),
        ("always_on", false, RootSampling::All),
        ("traceidratio", false, RootSampling::of_ratio(0.1)),
        ("always_off", false, RootSampling::Nothing),
    ] {
        assert!(page.text.contains(&format!("`{name}`")), "{name}");
        let variables = [("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", "0.1")];
        let sampler = settings(&page, &variables).sampler;
        assert_eq!((sampler.follows_parent, sampler.root), (follows_parent, root), "{name}");
    }
}
