//! Responses that Sideman makes itself, and headers that it adds to others.

mod errors;
mod fields;
mod files;
mod maintenance;

use crate::support::App;

/// An application whose responses are not HTTP: each becomes a 502.
fn nonsense() -> App {
    App::start(|_| b"nonsense\r\n\r\n".to_vec())
}
