//! Sideman, the reverse-proxy sidecar for Django. ARCHITECTURE.md is the overview; read `pipeline` first. Modules are
//! in reading order, from the lowest layer up; tests/architecture.rs checks the dependencies between them.

#[cfg(any(test, fuzzing))]
mod fuzz_input;
#[cfg(test)]
mod generated_page;

pub mod compression;
pub mod error;
pub mod phase;
pub mod rfc;
mod sync;

pub mod body;
pub mod finding;
pub mod outgoing;
pub mod plan;
pub mod telemetry;

pub mod acme;
pub mod aws;
pub mod cache;
pub mod files;
pub mod redis;
pub mod upstream;

pub mod pipeline;

pub mod server;

pub mod config;
pub mod import_nginx;
pub mod lifecycle;

pub mod command;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
