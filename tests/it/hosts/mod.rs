//! Which site a request is for: allowed hosts, and the redirect to https.

mod allowed;
mod https;
