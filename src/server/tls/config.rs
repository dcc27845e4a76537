//! The TLS configuration: versions, protocols, certificates, tickets. It is built at the start and at each reload.
//! Between reloads, only the certificates change.

use std::{fmt, fs, sync::Arc, time::Duration};

use rustls::{
    ServerConfig, SupportedProtocolVersion, crypto::aws_lc_rs::Ticketer, server::ProducesTickets,
    version,
};
use tokio_rustls::TlsAcceptor;

use super::{
    certificate::{self, Certificate},
    certificate_resolver::CertificateResolver,
    handshake_limit::HandshakeLimit,
    self_signed,
    watch::{CertificateVersion, CertificateWatcher},
};
use crate::{
    acme::{self, ACME_TLS, PendingChallenges},
    plan::{self, CertificateSettings, TlsVersion},
    telemetry::TlsCounts,
};

/// The protocols that a client may choose by ALPN, best first. As without TLS, the first bytes show which protocol the
/// client speaks (`http1/read_head.rs`).
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// TLS in use.
pub struct TlsContext {
    pub(super) limit: HandshakeLimit,
    pub(super) acceptor: TlsAcceptor,
    pub(super) timeout: Duration,
    /// Kept across reloads, so that clients can resume older sessions.
    tickets: Arc<dyn ProducesTickets>,
    /// The self-signed certificate, if one was made.
    own: Option<Arc<Certificate>>,
    resolver: Arc<CertificateResolver>,
}

/// A TLS configuration that is ready: nothing of it is in use or watched yet.
#[derive(Debug)]
pub struct LoadedTls {
    tls: Arc<TlsContext>,
    watch: CertificateWatcher,
}

/// Why TLS cannot be used.
#[derive(Debug)]
pub struct TlsError(String);

// === impl TlsContext ===

impl TlsContext {
    /// Reads or makes the certificates, or returns all errors in them. State of `before` that is still valid is kept.
    pub fn load(
        plan: &plan::TlsSettings,
        counts: &Arc<TlsCounts>,
        challenges: &Arc<PendingChallenges>,
        before: Option<&Self>,
    ) -> Result<LoadedTls, Vec<TlsError>> {
        let self_signed = || match before.and_then(|before| before.own.as_ref()) {
            Some(own) => Ok(Arc::clone(own)),
            None => make().map(Arc::new).map_err(|error| vec![error]),
        };
        let (files, certificates, own) = match &plan.certificates {
            CertificateSettings::SelfSigned => {
                let own = self_signed()?;
                (Vec::new(), vec![Arc::clone(&own)], Some(own))
            }
            CertificateSettings::Acme(settings) => {
                let pair = settings.certificate_files();
                let version = CertificateVersion::of(&pair);
                // What the authority has issued. Whatever is stored later is written to the file that is watched. If
                // nothing can be read, what is in use stays so.
                let stored = certificate::load(&acme::stored_certificate(settings)).map(Arc::new);
                let issued = stored.ok().or_else(|| before?.in_use_for(&settings.domains));
                let (certificate, own) = match issued {
                    Some(issued) => (issued, None),
                    None => {
                        let own = self_signed()?;
                        (Arc::clone(&own), Some(own))
                    }
                };
                (vec![(pair, version)], vec![certificate], own)
            }
            CertificateSettings::Files(pairs) => {
                // Read before the contents, so that a change during the read leads to another read.
                let files =
                    pairs.iter().map(|pair| (pair.clone(), CertificateVersion::of(pair))).collect();
                let (mut certificates, mut errors) = (Vec::new(), Vec::new());
                for pair in pairs {
                    match certificate::load(pair) {
                        Ok(certificate) => certificates.push(Arc::new(certificate)),
                        Err(fault) => errors.push(TlsError(fault)),
                    }
                }
                if !errors.is_empty() {
                    return Err(errors);
                }
                (files, certificates, None)
            }
        };
        let challenges = plan.certificates.are_issued().then(|| Arc::clone(challenges));
        let resolver = CertificateResolver::new(&certificates).with_challenges(challenges);
        let resolver = Arc::new(resolver);
        let watch = CertificateWatcher::new(files, certificates, &resolver, Arc::clone(counts));
        let known = before.map(|before| Arc::clone(&before.tickets));
        let set_up = known.map_or_else(Ticketer::new, Ok).and_then(|tickets| {
            let config = config(plan, Arc::clone(&resolver), Arc::clone(&tickets))?;
            Ok((config, tickets))
        });
        let (config, tickets) = set_up.map_err(|error| {
            let fault = "internal error";
            vec![TlsError(format!("cannot set up TLS: {error}; {fault}"))]
        })?;
        let tls = Self {
            limit: HandshakeLimit::new(plan.handshakes),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            timeout: plan.handshake_timeout,
            tickets,
            own,
            resolver,
        };
        Ok(LoadedTls { tls: Arc::new(tls), watch })
    }

    /// Returns the certificate in use for one of these domains.
    fn in_use_for(&self, domains: &[String]) -> Option<Arc<Certificate>> {
        let certificates = self.resolver.current();
        let is_for = |one: &&Arc<Certificate>| one.names.iter().any(|name| domains.contains(name));
        certificates.iter().find(is_for).cloned()
    }

    /// Returns the errors of the current certificates, which would prevent a start.
    pub fn faults(plan: &plan::TlsSettings) -> Vec<TlsError> {
        let CertificateSettings::Files(pairs) = &plan.certificates else { return Vec::new() };
        let is_there = |pair: &&plan::CertificateFiles| {
            fs::metadata(&pair.certificate).is_ok() && fs::metadata(&pair.key).is_ok()
        };
        let there = pairs.iter().filter(is_there);
        there.filter_map(|pair| certificate::load(pair).err().map(TlsError)).collect()
    }
}

// === impl LoadedTls ===

impl LoadedTls {
    /// Starts to watch the certificate files, for as long as the returned context is in use.
    pub fn begin(self) -> Arc<TlsContext> {
        self.watch.begin();
        self.tls
    }
}

fn make() -> Result<Certificate, TlsError> {
    let name = rustix::system::uname();
    let host = name.nodename().to_str().unwrap_or_default();
    self_signed::make(host).map_err(TlsError)
}

impl fmt::Debug for TlsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, timeout, acceptor: _, tickets: _, own: _, resolver: _ } = self;
        f.debug_struct("Tls")
            .field("limit", limit)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

fn config(
    plan: &plan::TlsSettings,
    resolver: Arc<CertificateResolver>,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, rustls::Error> {
    const TLS12_AND_13: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
    const TLS13_ONLY: &[&SupportedProtocolVersion] = &[&version::TLS13];
    let versions = match plan.min_version {
        TlsVersion::V12 => TLS12_AND_13,
        TlsVersion::V13 => TLS13_ONLY,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(certificate::provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    if plan.certificates.are_issued() {
        config.alpn_protocols.push(ACME_TLS.to_vec());
    }
    // The keys change every six hours and stay in this process. The client stores its ticket, so session resumption
    // costs no memory here.
    config.ticketer = tickets;
    Ok(config)
}

// === impl TlsError ===

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}
