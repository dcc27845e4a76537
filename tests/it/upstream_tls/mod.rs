//! `https://` addresses of applications: certificates, handshakes, connections, and real TLS servers.

pub(crate) mod authority;
mod certificates;
mod client_certificates;
mod connections;
mod handshakes;
mod openssl;
mod other_origins;
pub(crate) mod peer;
mod python;
mod reload;
mod settings;

use self::authority::Authority;
use crate::support::{Settings, TempDir};

/// Sideman before an application at this URL, which trusts this authority.
fn trusting(authority: &Authority, directory: &TempDir, url: &str) -> Settings {
    before(url).set("upstream.tls_ca", &authority.write(directory, "ca"))
}

/// Sideman before an application at this URL. Requests wait for its name, and must not wait for faults that last.
fn before(url: &str) -> Settings {
    Settings::before(url).set("upstream.wait", "10s")
}
