//! Sideman: the reverse-proxy sidecar for Django. ARCHITECTURE.md is the map, `pipeline` the file
//! to read first. Modules stand in reading order, from the ground up; tests/architecture.rs holds
//! the arrows between them.

#[cfg(any(test, fuzzing))]
mod fuzz_input;

pub mod error;
pub mod phase;
pub mod rfc;
mod sync;

pub mod body;
pub mod plan;
pub mod telemetry;

pub mod files;
pub mod upstream;

pub mod pipeline;

pub mod server;

pub mod config;
pub mod lifecycle;

pub mod command;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
