//! Traces: which requests have spans, and where these are sent.

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, Uri};

use super::certificate_files::CertificateFiles;

/// Whether requests are traced.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Traces {
    #[default]
    Off,
    /// The environment asks for traces that Sideman cannot make: a sentence with a remedy.
    Unavailable(String),
    On(Box<TraceSettings>),
}

/// The settings of OpenTelemetry's variables.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The URL that gets the spans.
    pub endpoint: Uri,
    pub encoding: TraceEncoding,
    /// Fields of each request to the endpoint. `Debug` does not show the values.
    pub headers: HeaderMap,
    /// How long one request to the endpoint may take.
    pub timeout: Duration,
    /// The file with the authorities of the endpoint's certificate (PEM); `None` are those that browsers trust.
    pub certificate: Option<PathBuf>,
    /// The certificate for an endpoint that demands one.
    pub client_certificate: Option<CertificateFiles>,
    /// Whether the spans are compressed with gzip.
    pub is_compressed: bool,
    pub sampler: TraceSampler,
    pub propagation: TracePropagation,
    /// The attributes of everything that this process sends.
    pub resource: Vec<(String, String)>,
    pub batches: TraceBatches,
}

/// The form of the spans on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceEncoding {
    #[default]
    Protobuf,
    Json,
}

/// Decides which requests are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSampler {
    /// Whether the decision of the request's sender counts, if it has made one.
    pub follows_parent: bool,
    /// The decision about all other requests.
    pub root: RootSampling,
}

/// Which traces are recorded that begin here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootSampling {
    All,
    Nothing,
    /// Those whose id is below this number, in its last 8 bytes.
    Below(u64),
}

/// The header fields that are read from requests and written for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracePropagation {
    /// `traceparent`. `X-Amzn-Trace-Id` is read too, where a request has no `traceparent`.
    pub has_w3c: bool,
    /// `X-Amzn-Trace-Id`.
    pub has_xray: bool,
}

/// When spans are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceBatches {
    /// How long the first span waits for more.
    pub delay: Duration,
    /// Maximum number of spans that wait.
    pub max_queue: usize,
    /// Maximum number of spans in a request.
    pub max_batch: usize,
    /// How long sending a batch may take, with all retries.
    pub timeout: Duration,
}

// === impl Traces ===

impl Traces {
    /// Returns the settings, if requests are traced.
    pub fn settings(&self) -> Option<&TraceSettings> {
        match self {
            Self::On(settings) => Some(settings),
            Self::Off | Self::Unavailable(_) => None,
        }
    }
}

// === impl TraceSampler ===

impl TraceSampler {
    /// Whether a trace with this id is recorded. `parent` is the decision of the request's sender.
    pub fn is_sampled(self, trace_id: &[u8; 16], parent: Option<bool>) -> bool {
        match parent.filter(|_| self.follows_parent) {
            Some(is_sampled) => is_sampled,
            None => self.root.includes(trace_id),
        }
    }
}

// === impl RootSampling ===

impl RootSampling {
    /// Records this part of the traces, from 0 to 1. All implementations of OpenTelemetry choose the same ones.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest integer that there is"
    )]
    pub fn of_ratio(ratio: f64) -> Self {
        Self::Below((ratio * (u64::MAX as f64)) as u64)
    }

    fn includes(self, trace_id: &[u8; 16]) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Below(u64::MAX) => true,
            Self::Below(end) => {
                trace_id.last_chunk().is_some_and(|last| u64::from_be_bytes(*last) < end)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_id(last: u64) -> [u8; 16] {
        let mut id = [0xff; 16];
        id[8..].copy_from_slice(&last.to_be_bytes());
        id
    }

    #[test]
    fn ratio_counts_the_last_bytes_of_the_id() {
        for (ratio, last, expected) in [
            (0.0, 0, false),
            (0.5, 0x7fff_ffff_ffff_0000, true),
            (0.5, 0x8000_0000_0000_0000, false),
            (1.0, u64::MAX, true),
        ] {
            let root = RootSampling::of_ratio(ratio);
            assert_eq!(root.includes(&trace_id(last)), expected, "{ratio} {last:x}");
        }
    }

    #[test]
    fn decision_of_the_parent_counts_only_if_the_sampler_follows_it() {
        let all = RootSampling::All;
        for (follows_parent, root, parent, expected) in [
            (true, all, None, true),
            (true, all, Some(false), false),
            (true, RootSampling::Nothing, Some(true), true),
            (true, RootSampling::Nothing, None, false),
            (false, all, Some(false), true),
            (false, RootSampling::Nothing, Some(true), false),
        ] {
            let sampler = TraceSampler { follows_parent, root };
            assert_eq!(
                sampler.is_sampled(&trace_id(1), parent),
                expected,
                "{sampler:?} {parent:?}"
            );
        }
    }
}
