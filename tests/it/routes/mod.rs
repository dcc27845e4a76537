//! Named routes, on the wire.

mod access;
mod actions;
mod forwarding;
mod site;
