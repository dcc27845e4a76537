//! Traces from the variables that all programs with OpenTelemetry read, `OTEL_*`. The application may be in the same
//! environment: variables that are not about traces are ignored, and so is everything while no variable names an
//! endpoint.
//!
//! A value that no program could use is a problem. A value that others can use, such as a sampler of their own, is only
//! a reason to send no traces, because the application would not start either.
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

mod values;
mod variables;

use self::variables::{OtelVariable, OtelVariables};
use super::{environment::Environment, problem::Problem};
use crate::plan::{
    CertificateFiles, RootSampling, TraceBatches, TraceEncoding, TracePropagation, TraceSampler,
    TraceSettings, Traces,
};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// Who has made the spans. The application in the same environment may have the same name of a service.
const SDK: [(&str, &str); 3] = [
    ("telemetry.sdk.name", "sideman"),
    ("telemetry.sdk.language", "rust"),
    ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
];

/// A reason to send no traces, with a remedy.
struct Unavailable(String);

/// Reads all variables, if one of them names an endpoint.
pub(super) fn traces(environment: &Environment, problems: &mut Vec<Problem>) -> Traces {
    let mut variables = OtelVariables::new(environment);
    let traces = read(&mut variables);
    problems.extend(variables.problems);
    match traces {
        Ok(Some(settings)) => Traces::On(Box::new(settings)),
        Ok(None) => Traces::Off,
        Err(Unavailable(reason)) => Traces::Unavailable(reason),
    }
}

fn read(variables: &mut OtelVariables<'_>) -> Result<Option<TraceSettings>, Unavailable> {
    let own = variables.find(&[TRACES_ENDPOINT]);
    let Some(named) = own.or_else(|| variables.find(&[ENDPOINT])) else { return Ok(None) };
    let disabled = variables.find(&["OTEL_SDK_DISABLED"]);
    if disabled.and_then(|one| variables.read(one, values::boolean)) == Some(true) {
        return Ok(None);
    }
    if !exports(variables)? {
        return Ok(None);
    }
    let encoding = encoding(variables)?;
    let client_certificate = client_certificate(variables)?;
    let is_compressed = is_compressed(variables)?;
    let endpoint = match own {
        Some(own) => variables.read_address(own, values::endpoint),
        None => variables.read_address(named, values::endpoint_below),
    };
    let headers =
        variables.find(&["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"]);
    let certificate = variables
        .find(&["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"]);
    let timeout =
        variables.find(&["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]);
    let sampler = sampler(variables)?;
    let propagation = propagation(variables)?;
    // An endpoint with a problem ends the start, so that any other value would do.
    Ok(Some(TraceSettings {
        endpoint: endpoint.unwrap_or_default(),
        encoding,
        headers: headers
            .and_then(|one| variables.read_secret(one, values::headers))
            .unwrap_or_default(),
        timeout: timeout
            .and_then(|one| variables.read(one, values::export_timeout))
            .unwrap_or(values::DEFAULT_EXPORT_TIMEOUT),
        certificate: certificate.and_then(|one| variables.read(one, values::file)),
        client_certificate,
        is_compressed,
        sampler,
        propagation,
        resource: resource(variables),
        batches: batches(variables),
    }))
}

/// Whether traces are exported by OTLP, as they are unless a variable says something else.
fn exports(variables: &mut OtelVariables<'_>) -> Result<bool, Unavailable> {
    let Some(exporter) = variables.find(&["OTEL_TRACES_EXPORTER"]) else { return Ok(true) };
    // The second name is that of Python.
    let is = |names: &[&str]| exporter.words().any(|word| names.contains(&word));
    if is(&["otlp", "otlp_proto_http"]) {
        return Ok(true);
    }
    if is(&["none"]) {
        return Ok(false);
    }
    Err(unsupported(exporter, "Sideman has the exporter otlp only: set it to otlp, or to none"))
}

fn encoding(variables: &mut OtelVariables<'_>) -> Result<TraceEncoding, Unavailable> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    let Some(protocol) = variables.find(&names) else { return Ok(TraceEncoding::default()) };
    match protocol.text {
        "http/protobuf" => Ok(TraceEncoding::Protobuf),
        "http/json" => Ok(TraceEncoding::Json),
        _ => Err(unsupported(
            protocol,
            "Sideman sends traces by http only: set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf, and an \
             endpoint with the collector's port for http, which is usually 4318",
        )),
    }
}

/// Returns the files of a certificate for the collector. One file may have both.
fn client_certificate(
    variables: &mut OtelVariables<'_>,
) -> Result<Option<CertificateFiles>, Unavailable> {
    let certificate = variables.find(&[
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    ]);
    let key =
        variables.find(&["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"]);
    match (certificate, key) {
        (None, None) => Ok(None),
        (None, Some(key)) => Err(unsupported(
            key,
            "this is the key of a certificate, which is missing: set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE to its file",
        )),
        (Some(certificate), key) => Ok(Some(CertificateFiles {
            certificate: certificate.text.into(),
            key: key.unwrap_or(certificate).text.into(),
        })),
    }
}

fn is_compressed(variables: &mut OtelVariables<'_>) -> Result<bool, Unavailable> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
    match variables.find(&names) {
        None => Ok(false),
        Some(compression) => match compression.text {
            "gzip" => Ok(true),
            "none" => Ok(false),
            _ => Err(unsupported(
                compression,
                "Sideman compresses traces with gzip only: set OTEL_EXPORTER_OTLP_TRACES_COMPRESSION to gzip, or to none",
            )),
        },
    }
}

fn sampler(variables: &mut OtelVariables<'_>) -> Result<TraceSampler, Unavailable> {
    let parent_based = |root| TraceSampler { follows_parent: true, root };
    let Some(name) = variables.find(&["OTEL_TRACES_SAMPLER"]) else {
        return Ok(parent_based(RootSampling::All));
    };
    let (follows_parent, root) = match name.text.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name.text),
    };
    let root = match root {
        "always_on" => RootSampling::All,
        "always_off" => RootSampling::Nothing,
        "traceidratio" => {
            let ratio = variables.find(&["OTEL_TRACES_SAMPLER_ARG"]);
            let ratio = ratio.and_then(|one| variables.read(one, values::ratio));
            RootSampling::of_ratio(ratio.unwrap_or(1.0))
        }
        _ => {
            return Err(unsupported(
                name,
                "Sideman has the samplers always_on, always_off and traceidratio, and each with parentbased_ in \
                 front: set OTEL_TRACES_SAMPLER to one of them",
            ));
        }
    };
    Ok(TraceSampler { follows_parent, root })
}

fn propagation(variables: &mut OtelVariables<'_>) -> Result<TracePropagation, Unavailable> {
    let Some(names) = variables.find(&["OTEL_PROPAGATORS"]) else {
        return Ok(TracePropagation { has_w3c: true, has_xray: false });
    };
    let has = |name| names.words().any(|word| word == name);
    let found = TracePropagation { has_w3c: has("tracecontext"), has_xray: has("xray") };
    if !found.has_w3c && !found.has_xray && !has("none") {
        return Err(unsupported(
            names,
            "Sideman has the propagators tracecontext and xray: add tracecontext in front",
        ));
    }
    Ok(found)
}

/// Returns the attributes, which always have the name of a service.
fn resource(variables: &mut OtelVariables<'_>) -> Vec<(String, String)> {
    const NAME: &str = "service.name";
    let attributes = variables.find(&["OTEL_RESOURCE_ATTRIBUTES"]);
    let attributes = attributes.and_then(|one| variables.read(one, values::pairs));
    let mut attributes = attributes.unwrap_or_default();
    if let Some(name) = variables.find(&["OTEL_SERVICE_NAME"]) {
        attributes.retain(|(key, _)| key != NAME);
        attributes.push((NAME.into(), name.text.into()));
    }
    if !attributes.iter().any(|(key, _)| key == NAME) {
        attributes.push((NAME.into(), "unknown_service:sideman".into()));
    }
    for (key, value) in SDK {
        attributes.retain(|(known, _)| known != key);
        attributes.push((key.into(), value.into()));
    }
    attributes
}

fn batches(variables: &mut OtelVariables<'_>) -> TraceBatches {
    let delay = variables.find(&["OTEL_BSP_SCHEDULE_DELAY"]);
    let timeout = variables.find(&["OTEL_BSP_EXPORT_TIMEOUT"]);
    let max_queue = variables.find(&["OTEL_BSP_MAX_QUEUE_SIZE"]);
    let max_queue = max_queue.and_then(|one| variables.read(one, values::queue));
    let max_queue = max_queue.unwrap_or(values::DEFAULT_QUEUE);
    let max_batch = variables.find(&["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]);
    let max_batch = max_batch.and_then(|one| variables.read(one, values::batch));
    TraceBatches {
        delay: delay
            .and_then(|one| variables.read(one, values::milliseconds))
            .unwrap_or(values::DEFAULT_DELAY),
        max_queue,
        max_batch: max_batch.unwrap_or(values::DEFAULT_BATCH).min(max_queue),
        timeout: timeout
            .and_then(|one| variables.read(one, values::milliseconds))
            .unwrap_or(values::DEFAULT_BATCH_TIMEOUT),
    }
}

fn unsupported(variable: OtelVariable<'_>, remedy: &str) -> Unavailable {
    Unavailable(format!("no traces are sent: {variable}: {remedy}"))
}

#[cfg(test)]
mod tests;
