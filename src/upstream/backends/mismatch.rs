//! Detects a server that speaks the other protocol: HTTP although `upstream.url` says uwsgi, or the reverse.
//!
//! Such a server never understands a request, and each combination fails in its own way. gunicorn, waitress and uWSGI's
//! HTTP router wait for a line end, which the uwsgi protocol does not have; uWSGI's `http-socket` does so for 4 s.
//! uvicorn responds to a packet with 400. uWSGI closes the connection of an HTTP request at once. With a large
//! `buffer-size` it closes after 4 s, because it waits for the rest of a packet. gunicorn with `--protocol uwsgi`
//! responds to an HTTP request with 500.
//!
//! None of this is proof: a slow start, a crash and a bad request look alike. So a server that fails before its
//! protocol is proven is probed once in the other protocol, independently of all requests, and not again for a while.
//! Only a response that an application has made counts.

use std::{
    io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use tokio::task::JoinSet;

use super::{
    server::{ServerAddress, UpstreamServer},
    state::Backends,
};
use crate::{
    error::{Error, FailureKind},
    plan::{self, Protocol, UpstreamTarget, UwsgiFlavour, UwsgiSettings},
    telemetry::EjectionCause,
    upstream::{probe::ProbeRequest, refusal::is_refusal},
};

/// How long a server may take to respond in the other protocol.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The assumed settings of a server that is probed with the uwsgi protocol: uWSGI's defaults.
const UWSGI: UwsgiSettings = UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, buffer_size: 4096 };

// === impl Backends ===

impl Backends {
    /// Reports a failure at a server whose protocol is not proven. The server is probed in the other protocol, unless
    /// that was done recently.
    pub(in crate::upstream) fn request_probe(&self, server: &UpstreamServer, host: &[u8]) {
        if !server.protocol.is_proven()
            && !self.settings().trusts_protocol
            && server.protocol.request(host, Instant::now())
        {
            self.unproven.notify_one();
        }
    }

    /// Like [`request_probe`](Self::request_probe), and waits for the result. Returns the error that names the
    /// protocol, if that is the cause.
    pub(in crate::upstream) async fn mismatch(
        &self,
        server: &UpstreamServer,
        host: &[u8],
        max_wait: Duration,
    ) -> Option<Error> {
        self.request_probe(server, host);
        server.protocol.is_other(max_wait).await.then(|| self.mismatch_error(server))
    }

    /// The error for a request at a server that speaks the other protocol.
    pub(in crate::upstream) fn mismatch_error(&self, server: &UpstreamServer) -> Error {
        let plan = self.settings();
        let (spoken, set) = match plan.protocol {
            Protocol::Http1 => ("the uwsgi protocol", "HTTP"),
            Protocol::Uwsgi(_) => ("HTTP", "the uwsgi protocol"),
        };
        let (name, url) = (server.name(), url(&plan, server));
        let text = format!("{name} speaks {spoken}, not {set}: set its URL to {url}");
        Error::io(FailureKind::UpstreamProtocol, io::Error::other(text))
    }

    /// Probes the servers that were reported; runs for ever.
    pub(super) async fn check_protocols(self: &Arc<Self>) {
        let mut checks = JoinSet::new();
        loop {
            tokio::select! {
                () = self.unproven.notified() => {}
                Some(_) = checks.join_next() => continue,
            }
            for server in self.servers().iter() {
                if let Some(host) = server.protocol.begin() {
                    let (backends, server) = (Arc::clone(self), Arc::clone(server));
                    checks.spawn(async move { backends.check_protocol(&server, &host).await });
                }
            }
        }
    }

    async fn check_protocol(self: &Arc<Self>, server: &UpstreamServer, host: &[u8]) {
        let protocol = self.settings().protocol;
        let is_other = self.speaks_other(server, host).await
            && !server.protocol.is_proven()
            // A reload may have changed the protocol meanwhile.
            && mem::discriminant(&protocol) == mem::discriminant(&self.settings().protocol);
        if is_other {
            let error = self.mismatch_error(server);
            self.mark_unavailable(server, &error, EjectionCause::Protocol);
            // Queued requests fail now, because such a server does not become available by itself.
            if let Some(error) =
                self.unavailable_error().filter(|it| it.kind() == FailureKind::UpstreamProtocol)
            {
                self.fail_all(&error);
            }
        }
        server.protocol.finish(is_other, Instant::now());
    }

    /// Whether a server that spoke the other protocol still does.
    pub(super) async fn still_speaks_other(&self, server: &UpstreamServer) -> bool {
        let host = server.protocol.host();
        self.speaks_other(server, &host).await
    }

    /// Requests `HEAD /`, like many health checks. A request that a server answers itself, such as `OPTIONS *`, would
    /// prove nothing.
    async fn speaks_other(&self, server: &UpstreamServer, host: &[u8]) -> bool {
        let plan = self.settings();
        let other = match plan.protocol {
            Protocol::Http1 => Protocol::Uwsgi(UWSGI),
            Protocol::Uwsgi(_) => Protocol::Http1,
        };
        let probe_request = ProbeRequest {
            method: &Method::HEAD,
            path: "/",
            host,
            scheme: None,
            max_wait: TIMEOUT,
        };
        let max = plan.connect_timeout.min(TIMEOUT);
        probe_request.send(&server.address, other, max).await.is_ok_and(|head| !is_refusal(&head))
    }
}

/// The URL to configure for this server, which speaks the other protocol.
fn url(plan: &plan::UpstreamSettings, server: &UpstreamServer) -> String {
    let scheme = match plan.protocol {
        Protocol::Http1 => "uwsgi",
        Protocol::Uwsgi(_) => "http",
    };
    match (&server.address, plan.targets.as_slice()) {
        (ServerAddress::Unix(path), _) => format!("{scheme}+unix:{}", path.display()),
        // A host name is kept as it was written.
        (ServerAddress::Tcp(_) | ServerAddress::Tls(_), [target @ UpstreamTarget::Tcp { .. }]) => {
            format!("{scheme}://{target}")
        }
        (ServerAddress::Tcp(address), _) => format!("{scheme}://{address}"),
        // `trusts_protocol` is set for such servers.
        (ServerAddress::Tls(server), _) => format!("{scheme}://{}", server.address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_what_was_written() {
        let of = |protocol, targets: Vec<UpstreamTarget>, address| {
            let plan =
                plan::UpstreamSettings { protocol, ..plan::UpstreamSettings::of_tests(targets) };
            url(&plan, &UpstreamServer::new(1, address))
        };
        let tcp = ServerAddress::Tcp("10.0.0.1:8000".parse().unwrap());
        let named = || vec![UpstreamTarget::Tcp { host: "app".into(), port: 8000 }];
        let unix = ServerAddress::Unix("/run/app.sock".into());
        assert_eq!(of(Protocol::Uwsgi(UWSGI), named(), tcp.clone()), "http://app:8000");
        assert_eq!(of(Protocol::Http1, named(), tcp.clone()), "uwsgi://app:8000");
        assert_eq!(of(Protocol::Http1, [named(), named()].concat(), tcp), "uwsgi://10.0.0.1:8000");
        assert_eq!(of(Protocol::Http1, Vec::new(), unix), "uwsgi+unix:/run/app.sock");
    }
}
