//! What Sideman says itself, and what it adds to what others say.

mod errors;
mod fields;
mod files;
mod maintenance;

use crate::support::App;

/// An application whose answers are no HTTP: each of them becomes a 502.
fn nonsense() -> App {
    App::start(|_| b"nonsense\r\n\r\n".to_vec())
}
