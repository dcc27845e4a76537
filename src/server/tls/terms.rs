//! What Sideman speaks TLS on: versions, protocols, certificates, tickets. Made once; only the
//! certificates change while it runs.

use std::{fmt, sync::Arc, time::Duration};

use rustls::{ServerConfig, SupportedProtocolVersion, crypto::aws_lc_rs::Ticketer, version};
use tokio_rustls::TlsAcceptor;

use super::{
    certificate,
    choice::Choice,
    places::Places,
    self_signed,
    watch::{Version, Watch},
};
use crate::{
    plan::{self, Certificates, TlsVersion},
    telemetry::TlsCounts,
};

/// What a client may choose by ALPN, the best first. What it then speaks is told by its first bytes, as
/// without TLS (`preface.rs`).
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// TLS put to work.
pub struct Tls {
    pub(in crate::server) places: Places,
    pub(super) acceptor: TlsAcceptor,
    pub(super) timeout: Duration,
}

/// Why TLS can't be spoken.
#[derive(Debug)]
pub struct TlsError(String);

// === impl Tls ===

impl Tls {
    /// Reads or makes the certificates, and watches their files from now on.
    pub fn start(plan: &plan::Tls, counts: &Arc<TlsCounts>) -> Result<Arc<Self>, TlsError> {
        let (files, certificates) = match &plan.certificates {
            Certificates::SelfSigned => {
                let name = rustix::system::uname();
                let host = name.nodename().to_str().unwrap_or_default();
                (Vec::new(), vec![Arc::new(self_signed::make(host).map_err(TlsError)?)])
            }
            Certificates::Files(pairs) => {
                // Looked at first: what changes while it is read is read again.
                let files = pairs.iter().map(|pair| (pair.clone(), Version::of(pair))).collect();
                let load = |pair| certificate::load(pair).map(Arc::new).map_err(TlsError);
                (files, pairs.iter().map(load).collect::<Result<Vec<_>, _>>()?)
            }
        };
        let choice = Arc::new(Choice::new(&certificates));
        Watch::new(files, certificates, &choice, Arc::clone(counts)).begin();
        let config = config(plan, choice).map_err(|error| {
            TlsError(format!("TLS can't be set up: {error}; this is a mistake in sideman itself"))
        })?;
        Ok(Arc::new(Self {
            places: Places::new(plan.handshakes, Arc::clone(&counts.handshaking)),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            timeout: plan.handshake_timeout,
        }))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { places, timeout, acceptor: _ } = self;
        f.debug_struct("Tls")
            .field("places", places)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

fn config(plan: &plan::Tls, choice: Arc<Choice>) -> Result<ServerConfig, rustls::Error> {
    const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
    const NEW: &[&SupportedProtocolVersion] = &[&version::TLS13];
    let versions = match plan.min_version {
        TlsVersion::V12 => BOTH,
        TlsVersion::V13 => NEW,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(certificate::provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(choice);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // Keys that change every six hours and stay in this process: what a ticket holds is the client's
    // to keep, so that resuming costs no memory here.
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

// === impl TlsError ===

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}
