//! Where the running process listens, which host and scheme it is asked with, and where the application is.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use crate::{
    command::{http_request::CheckPeer, listener_peer, own_port},
    config::{self, Environment, Flags, HealthTarget, LoadedSettings, ValueOrigin},
    plan::{ListenAddress, Plan, Protocol, UpstreamTarget},
};

use super::{
    probe::{Probe, ProbeResponse, Prober},
    site::SchemeSource,
};

/// Addresses outside of every network, to find our own: nothing is sent to them (RFC 5737, RFC 3849).
const OUTSIDE: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
/// An address in place of one that `exec` has chosen.
const CHOSEN: &str = "http://127.0.0.1:1";

/// What is asked, and how.
#[derive(Debug)]
pub(super) struct Target {
    /// One of the site's names.
    pub(super) host: String,
    /// Requests without a proxy in front.
    pub(super) plain: Prober,
    /// Requests for a client that uses https: as a trusted proxy sends them, or as Sideman forwards them.
    pub(super) https: Option<Prober>,
    /// Whether those go to the application without Sideman.
    is_direct: bool,
    pub(super) source: SchemeSource,
    /// Whether clients use https in any case.
    pub(super) is_https_only: bool,
    /// Addresses of the application that speak HTTP without TLS.
    pub(super) servers: Vec<CheckPeer>,
}

/// Loads the settings of the running process, and whether they have the application's address: `exec` chooses it.
pub(super) fn load(
    flags: &Flags,
    environment: &Environment,
) -> Result<(LoadedSettings, bool), String> {
    let problems = match config::load(flags, environment) {
        Ok(loaded) => return Ok((loaded, true)),
        Err(problems) => problems,
    };
    if !problems.iter().all(config::Problem::is_missing) {
        return Err(problems.to_string());
    }
    let mut flags = flags.clone();
    own_port::use_own_port(&mut flags, environment);
    flags.defaults.push(("upstream.url", CHOSEN.into(), ValueOrigin::Default));
    let loaded = config::load(&flags, environment).map_err(|_| problems.to_string())?;
    Ok((loaded, false))
}

// === impl Target ===

impl Target {
    pub(super) fn new(
        plan: &Plan,
        host: Option<&str>,
        time: Duration,
        knows_upstream: bool,
    ) -> Result<Self, String> {
        let server = &plan.server;
        let is_proxied = |listen: &&ListenAddress| server.proxy_protocol.contains(listen);
        let listen = server.listen.iter().find(|one| !is_proxied(one)).or(server.listen.first());
        let (peer, preface) = listener_peer::of_target(HealthTarget {
            listen: listen.cloned(),
            has_proxy_header: listen.as_ref().is_some_and(is_proxied),
            path: String::new(),
        })?;
        let plain = Prober { peer, preface, time };
        let has_socket = server.listen.iter().any(|one| matches!(one, ListenAddress::Unix(_)));
        let source = if server.external_scheme.is_some() || plan.tls.is_some() {
            SchemeSource::Own
        } else if server.trusted_proxies.is_empty() && !has_socket {
            SchemeSource::AlwaysHttp
        } else {
            SchemeSource::Proxy
        };
        let servers = if knows_upstream { servers(plan) } else { Vec::new() };
        let of_listener = match (source, server.external_scheme) {
            (_, Some("https")) => Some(plain.clone()),
            (SchemeSource::Proxy, _) => trusted(plan, listen, &plain),
            _ => None,
        };
        let may_be_https = source == SchemeSource::Proxy || plan.tls.is_some();
        let is_direct = of_listener.is_none() && may_be_https;
        let of_application = || {
            let peer = servers.first().filter(|_| is_direct)?.clone();
            Some(Prober { peer, preface: "", time })
        };
        let https = of_listener.or_else(of_application);
        Ok(Self {
            host: host.map_or_else(|| own_host(plan), str::to_owned),
            is_https_only: server.external_scheme == Some("https") || server.redirect_https,
            plain,
            https,
            is_direct,
            source,
            servers,
        })
    }

    /// Adds what a load balancer says about a client that uses https, or Sideman. CloudFront has a field of its own.
    pub(super) fn secure<'a>(&self, probe: Probe<'a>) -> Probe<'a> {
        if self.source != SchemeSource::Proxy && !self.is_direct {
            return probe;
        }
        probe
            .with("X-Forwarded-Proto", "https")
            .with("X-Forwarded-Port", "443")
            .with("CloudFront-Forwarded-Proto", "https")
    }

    /// Asks for a page, by https if that can be done.
    pub(super) fn get(&self, host: &str, path: &str) -> Result<ProbeResponse, String> {
        match &self.https {
            Some(https) => https.send(&self.secure(Probe::get(host, path))),
            None => self.plain.send(&Probe::get(host, path)),
        }
    }

    /// Asks Sideman for a file that a page loads: the application may not have it.
    pub(super) fn get_file(&self, path: &str) -> Result<ProbeResponse, String> {
        match self.is_direct {
            true => self.plain.send(&Probe::get(&self.host, path)),
            false => self.get(&self.host, path),
        }
    }
}

/// Returns a name that the application probably accepts.
fn own_host(plan: &Plan) -> String {
    let named = plan.server.allowed_hosts.iter().find(|host| !host.starts_with('.'));
    let host = plan.health.application_host.as_ref().or(named);
    host.cloned().unwrap_or_else(|| "localhost".into())
}

/// Returns a way to the listener by which this process is a trusted proxy.
fn trusted(plan: &Plan, listen: Option<&ListenAddress>, plain: &Prober) -> Option<Prober> {
    let ListenAddress::Tcp(address) = listen? else { return Some(plain.clone()) };
    let is_trusted = |ip: &IpAddr| plan.server.trusted_proxies.iter().any(|one| one.contains(ip));
    // A connection from this machine to one of its addresses comes from that address.
    let CheckPeer::Host(authority) = &plain.peer else { return None };
    let local = authority.parse::<SocketAddr>().ok()?.ip();
    if is_trusted(&local) {
        return Some(plain.clone());
    }
    let own = || OUTSIDE.iter().filter_map(|(from, to)| own_address(from, to));
    let ip = own().find(|ip| address.ip().is_unspecified() && is_trusted(ip))?;
    let peer = CheckPeer::Host(SocketAddr::new(ip, address.port()).to_string());
    Some(Prober { peer, ..plain.clone() })
}

/// Returns the address from which packets would be sent. Nothing is sent.
fn own_address(from: &str, to: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn servers(plan: &Plan) -> Vec<CheckPeer> {
    let upstream = &plan.upstream;
    if upstream.protocol != Protocol::Http1 || upstream.tls.is_some() {
        return Vec::new();
    }
    let peer = |target: &UpstreamTarget| match target {
        UpstreamTarget::Tcp { .. } => CheckPeer::Host(target.to_string()),
        UpstreamTarget::Unix(path) => CheckPeer::Unix(path.clone()),
    };
    upstream.targets.iter().map(peer).collect()
}
