//! Named routes, on the wire.

mod actions;
mod forwarding;
