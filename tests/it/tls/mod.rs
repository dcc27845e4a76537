//! TLS for clients, and listeners at unix sockets.

mod certificates;
mod client;
mod client_certificates;
mod handshake_limit;
mod handshakes;
mod messages;
mod redirect;
mod reload;
mod secrets;
mod sockets;
mod tools;

use std::{net::SocketAddr, path::Path, sync::Arc};

use self::client::{Tls, Trust};
use crate::support::{Settings, Sideman, TempDir};

/// A certificate for some names, with its key.
struct Pair {
    certificate: String,
    key: String,
}

// === impl Pair ===

impl Pair {
    fn new(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Self::of(&rcgen::CertificateParams::new(names).unwrap())
    }

    fn of(params: &rcgen::CertificateParams) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Replaces both files at nearly the same time; returns them as a setting.
    fn write(&self, directory: &TempDir, name: &str) -> String {
        let path = |end: &str| directory.join(&format!("{name}.{end}"));
        for (end, text) in [("key", &self.key), ("pem", &self.certificate)] {
            let new = directory.write(&format!("{name}.{end}.new"), text);
            std::fs::rename(new, path(end)).unwrap();
        }
        format!("{}={}", path("pem").display(), path("key").display())
    }
}

/// Sideman with a TLS listener beside the plain one, and a self-signed certificate.
fn self_signed(upstream: &str) -> Settings {
    Settings::before(upstream).set("tls.listen", "127.0.0.1:0").set("tls.self_signed", "true")
}

/// The address of the TLS listener.
#[track_caller]
fn address(sideman: &Sideman) -> SocketAddr {
    let line = sideman.event("listening for TLS address=");
    let (_, address) = line.split_once("address=").unwrap();
    address.split_whitespace().next().unwrap().parse().unwrap()
}

/// A TLS client that accepts any certificate.
#[track_caller]
fn connect(sideman: &Sideman) -> Tls {
    Tls::connect(address(sideman), &Trust::Anyone.config(), "localhost")
}

/// The first name in the certificate that a client gets for this host.
#[track_caller]
fn shown(address: SocketAddr, host: &str) -> String {
    let client = Tls::connect(address, &Trust::Anyone.config(), host);
    let own = client.certificate();
    let (_, own) = x509_parser::parse_x509_certificate(&own).unwrap();
    let names = own.subject_alternative_name().unwrap().unwrap();
    names.value.general_names[0].to_string()
}

/// The number of handshakes with this result.
#[track_caller]
fn until_handshakes(sideman: &Sideman, result: &str, count: f64) {
    sideman.until_metric("sideman_tls_handshakes_total", &[("result", result)], count);
}

/// Appends a row of fields to the client's settings.
fn with(
    config: &Arc<rustls::ClientConfig>,
    change: impl FnOnce(&mut rustls::ClientConfig),
) -> Arc<rustls::ClientConfig> {
    let mut config = rustls::ClientConfig::clone(config);
    change(&mut config);
    Arc::new(config)
}

/// Whether a file of any kind exists.
fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}
