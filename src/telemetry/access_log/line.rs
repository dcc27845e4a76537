//! The data of a line about one request.

use std::{net::IpAddr, time::Duration};

use crate::telemetry::labels::RouteLabel;

/// The data about one request. Bytes are as they came from the network.
#[derive(Clone, Copy, Debug)]
pub struct AccessLogLine<'a> {
    pub client: IpAddr,
    pub method: &'a str,
    pub host: Option<&'a [u8]>,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub version: http::Version,
    /// The TLS version of the client's connection to Sideman.
    pub tls: Option<&'static str>,
    /// 499 if the client disconnected.
    pub status: u16,
    /// Bytes of the response body.
    pub bytes: u64,
    /// Bytes of the request body that were read.
    pub bytes_in: u64,
    pub duration: Duration,
    /// Time in the queue, if the request was queued.
    pub queue: Option<Duration>,
    /// Time until the head of the application's response.
    pub upstream_time: Option<Duration>,
    /// The upstream server of the request.
    pub upstream: Option<&'a str>,
    pub route: RouteLabel,
    /// What the cache did, if the request reached it.
    pub cache: Option<&'static str>,
    pub request_id: &'a [u8],
    pub trace_id: Option<&'a str>,
    pub user_agent: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    /// The reason of the failure.
    pub error: Option<&'static str>,
}
