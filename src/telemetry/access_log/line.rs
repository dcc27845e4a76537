//! What a line can tell of one request.

use std::{net::IpAddr, time::Duration};

use crate::telemetry::labels::RouteLabel;

/// What is told of one request. Bytes are as they came from the network.
#[derive(Clone, Copy, Debug)]
pub struct AccessLogLine<'a> {
    pub client: IpAddr,
    pub method: &'a str,
    pub host: Option<&'a [u8]>,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub version: http::Version,
    /// The version of TLS that the client speaks with Sideman itself.
    pub tls: Option<&'static str>,
    /// 499 if the client left.
    pub status: u16,
    /// Of the answer's body.
    pub bytes: u64,
    /// Of the request's body, as far as it was taken.
    pub bytes_in: u64,
    pub duration: Duration,
    /// In the queue before the application, if it had to wait.
    pub queue: Option<Duration>,
    /// Until the application's head was there.
    pub upstream_time: Option<Duration>,
    /// The server that had it.
    pub upstream: Option<&'a str>,
    pub route: RouteLabel,
    pub request_id: &'a [u8],
    pub trace_id: Option<&'a str>,
    pub user_agent: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    /// Why it failed.
    pub error: Option<&'static str>,
}
