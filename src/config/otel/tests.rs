//! What the variables become, and what is said about faulty ones.

use std::time::Duration;

use super::*;

const BASE: (&str, &str) = (ENDPOINT, "http://collector:4318");

fn read_all(variables: &[(&str, &str)]) -> Result<Traces, String> {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let mut problems = Vec::new();
    let traces = traces(&environment, &mut problems);
    match problems.as_slice() {
        [] => Ok(traces),
        problems => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

#[track_caller]
fn on(variables: &[(&str, &str)]) -> TraceSettings {
    match read_all(&[&[BASE], variables].concat()) {
        Ok(Traces::On(settings)) => *settings,
        other => panic!("{variables:?}: {other:?}"),
    }
}

#[track_caller]
fn unavailable(name: &str, value: &str) -> String {
    match read_all(&[BASE, (name, value)]) {
        Ok(Traces::Unavailable(reason)) => reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[track_caller]
fn problem(name: &str, value: &str) -> String {
    read_all(&[BASE, (name, value)]).unwrap_err()
}

#[test]
fn nothing_is_sent_without_an_endpoint() {
    for variables in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "site"), ("OTEL_BSP_SCHEDULE_DELAY", "soon")],
        &[(ENDPOINT, "")],
        &[BASE, ("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_SAMPLER", "mine")],
        &[BASE, ("OTEL_TRACES_EXPORTER", "none")],
        &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:4318/v1/metrics")],
    ] {
        assert_eq!(read_all(variables), Ok(Traces::Off), "{variables:?}");
    }
}

#[test]
fn defaults_are_those_of_the_specification() {
    let settings = on(&[("OTEL_TRACES_EXPORTER", "console, otlp"), ("OTEL_LOG_LEVEL", "noise")]);
    assert_eq!(settings.endpoint, "http://collector:4318/v1/traces");
    assert_eq!(settings.encoding, TraceEncoding::Protobuf);
    assert_eq!(settings.timeout, Duration::from_secs(10));
    assert_eq!(settings.sampler, TraceSampler { follows_parent: true, root: RootSampling::All });
    assert_eq!(settings.propagation, TracePropagation { has_w3c: true, has_xray: false });
    let service = ("service.name".to_owned(), "unknown_service:sideman".to_owned());
    assert_eq!(settings.resource[0], service);
    let keys: Vec<&str> = settings.resource[1..].iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"]);
    let (delay, timeout) = (Duration::from_secs(5), Duration::from_secs(30));
    let batches = TraceBatches { delay, max_queue: 2048, max_batch: 512, timeout };
    assert_eq!(settings.batches, batches);
    assert!(settings.headers.is_empty() && settings.certificate.is_none());
    assert!(settings.client_certificate.is_none() && !settings.is_compressed);
}

#[test]
fn endpoint_for_traces_is_used_as_it_is() {
    for (base, expected) in [
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://collector/otlp", "https://collector/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ] {
        assert_eq!(on(&[(ENDPOINT, base)]).endpoint, expected);
    }
    let own = on(&[(TRACES_ENDPOINT, "https://traces.test/in?key=1")]);
    assert_eq!(own.endpoint, "https://traces.test/in?key=1");
    for (name, value, fault) in [
        (ENDPOINT, "collector:4318", "must begin with http:// or https://"),
        (ENDPOINT, "grpc://collector:4317", "must begin with http:// or https://"),
        (ENDPOINT, "http://a collector", "not a URL"),
        (ENDPOINT, "http://collector:port", "the host or the port"),
        (ENDPOINT, "http://collector:", "the host or the port"),
        (ENDPOINT, "http://collector:99999", "the host or the port"),
        (ENDPOINT, "http://collector?key=1", "a query is not allowed here"),
        (TRACES_ENDPOINT, "http://", "not a URL"),
    ] {
        let problem = problem(name, value);
        assert!(problem.contains(fault) && problem.contains(name), "{value}: {problem}");
    }
    let problem = problem(ENDPOINT, "http://user:hunter2@collector:4318");
    assert!(problem.contains("HEADERS") && !problem.contains("hunter2"), "{problem}");
}

#[test]
fn variables_for_traces_win() {
    let settings = on(&[
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "9000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_SERVICE_NAME", "site"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=other, deployment.environment.name=a%2Cb%20%C3%A9",
        ),
    ]);
    assert_eq!(settings.timeout, Duration::from_secs(3));
    assert_eq!(settings.encoding, TraceEncoding::Json);
    assert!(settings.headers.len() == 1 && settings.headers["b"] == "2");
    assert_eq!(settings.certificate, Some("/ca.pem".into()));
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let resource = [pair("deployment.environment.name", "a,b é"), pair("service.name", "site")];
    assert_eq!(settings.resource[..2], resource);
    // Python's exporter takes seconds.
    assert_eq!(on(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "10")]).timeout, Duration::from_secs(10));
}

#[test]
fn client_certificate_may_have_its_key_in_the_same_file() {
    let certificate = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/own.pem");
    for (variables, key) in [
        (vec![certificate], "/own.pem"),
        (vec![certificate, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/own.key")], "/own.key"),
        (
            vec![
                certificate,
                ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/own.key"),
                ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/traces.key"),
            ],
            "/traces.key",
        ),
    ] {
        let files = CertificateFiles { certificate: "/own.pem".into(), key: key.into() };
        assert_eq!(on(&variables).client_certificate, Some(files));
    }
}

#[test]
fn compression_is_gzip_or_none() {
    for (value, is_compressed) in [("gzip", true), ("none", false), ("", false)] {
        let settings = on(&[("OTEL_EXPORTER_OTLP_COMPRESSION", value)]);
        assert_eq!(settings.is_compressed, is_compressed, "{value}");
    }
    let for_traces = ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none");
    assert!(!on(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"), for_traces]).is_compressed);
}

#[test]
fn samplers() {
    let ratio = ("OTEL_TRACES_SAMPLER_ARG", "0.25");
    for (name, follows_parent, root) in [
        ("always_on", false, RootSampling::All),
        ("always_off", false, RootSampling::Nothing),
        ("traceidratio", false, RootSampling::Below(1 << 62)),
        ("parentbased_always_on", true, RootSampling::All),
        ("parentbased_always_off", true, RootSampling::Nothing),
        ("parentbased_traceidratio", true, RootSampling::Below(1 << 62)),
    ] {
        let sampler = on(&[("OTEL_TRACES_SAMPLER", name), ratio]).sampler;
        assert_eq!(sampler, TraceSampler { follows_parent, root }, "{name}");
    }
    for value in ["2", "-0.1", "NaN", "half", "10%"] {
        let found = read_all(&[
            BASE,
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", value),
        ]);
        let problem = found.unwrap_err();
        assert!(problem.contains("OTEL_TRACES_SAMPLER_ARG") && problem.contains("0 to 1"));
    }
}

#[test]
fn propagators() {
    for (names, has_w3c, has_xray) in [
        ("tracecontext,baggage", true, false),
        ("xray", false, true),
        ("tracecontext, b3, xray", true, true),
        ("none", false, false),
    ] {
        let propagation = on(&[("OTEL_PROPAGATORS", names)]).propagation;
        assert_eq!(propagation, TracePropagation { has_w3c, has_xray }, "{names}");
    }
}

/// The application in the same environment may be able to use such values.
#[test]
fn values_for_other_programs_do_not_prevent_the_start() {
    for (name, value, remedy) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "set it to otlp"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "always_on"),
        ("OTEL_PROPAGATORS", "b3multi", "add tracecontext"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/c.key", "set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "deflate", "to gzip, or to none"),
    ] {
        let reason = unavailable(name, value);
        let subject = format!("no traces are sent: {name} = {value:?}: ");
        assert!(reason.starts_with(&subject) && reason.contains(remedy), "{reason}");
    }
}

#[test]
fn faulty_values_are_problems() {
    for (name, value, fault) in [
        ("OTEL_SDK_DISABLED", "1", "must be true or false"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "from 1 to 600000 milliseconds"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0", "from 1 to 600000 milliseconds"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "-1", "from 1 to 600000 milliseconds"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "7", "from 8 to 100000 spans"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", "from 1 to 100000 spans"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name", "must be KEY=VALUE"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%zz", "%25"),
    ] {
        let problem = problem(name, value);
        let subject = format!("{name} = {value:?}\n");
        assert!(problem.starts_with(&subject) && problem.contains(fault), "{problem}");
    }
    assert_eq!(on(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")]).batches.max_batch, 100);
}

#[test]
fn headers_are_never_shown() {
    let name = "OTEL_EXPORTER_OTLP_HEADERS";
    let settings = on(&[(name, "Authorization=Bearer%20hunter2, x-team=a%3Db")]);
    assert_eq!(settings.headers["authorization"], "Bearer hunter2");
    assert_eq!(settings.headers["x-team"], "a=b");
    assert!(!format!("{settings:?}").contains("hunter2"));
    for value in ["hunter2", "a b=hunter2", "a=hunter2%0A", "a=hunter2%", "Host=hunter2"] {
        let problem = problem(name, value);
        assert!(problem.contains(name) && !problem.contains("hunter2"), "{problem}");
    }
}
