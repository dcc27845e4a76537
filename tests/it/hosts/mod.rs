//! Which site a request is for: hosts that are allowed, and the way to https.

mod allowed;
mod https;
