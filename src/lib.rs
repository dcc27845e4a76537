//! Sideman: the reverse-proxy sidecar for Django. ARCHITECTURE.md is the map; `pipeline` is the
//! file to read first. Modules in reading order, top layer last; tests/architecture.rs holds the
//! arrows.

pub mod config;
pub mod phase;
pub mod plan;
