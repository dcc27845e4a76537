//! Client certificates: none is requested.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey, version};

use super::{
    address,
    client::{Tls, Trust},
    self_signed, with,
};
use crate::support::App;

/// Counts how often a server requests one.
#[derive(Debug, Default)]
struct Asked(AtomicUsize);

// === impl Asked ===

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn no_client_certificate_is_requested() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).start().until_ready();
    for version in [&version::TLS12, &version::TLS13] {
        let asked = Arc::new(Asked::default());
        let config = with(&Trust::Only(version).config(), |config| {
            config.client_auth_cert_resolver = Arc::<Asked>::clone(&asked);
        });
        let mut client = Tls::connect(address(&sideman), &config, "localhost");
        assert_eq!(client.get("/", "").text(), "hello");
        assert_eq!(asked.0.load(Ordering::Relaxed), 0, "{version:?}");
    }
}
