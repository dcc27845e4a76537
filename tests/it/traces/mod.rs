//! Traces by OpenTelemetry's variables: the spans of requests, and how they get to a collector.

mod collector;
mod delivery;
mod django;
mod propagation;
mod spans;
mod tls;
mod variables;
