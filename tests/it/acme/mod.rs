//! Certificates from an authority: pebble, the test server of Let's Encrypt, behind a proxy that can misbehave.

mod authority;
mod challenges;
mod faults;
mod issue;
mod lasting;
mod pebble;
mod stored;
mod tls;

use std::{fs, net::SocketAddr, path::PathBuf};

use self::{authority::Authority, tls::names};
use crate::support::{App, Settings, Sideman, TempDir, eventually};

/// Sideman with plain HTTP and TLS, for names that the authority finds at its relays.
fn settings(
    authority: &Authority,
    storage: &TempDir,
    application: &App,
    domains: &str,
) -> Settings {
    with_authority(Settings::before(&application.url()), authority, storage, domains)
}

fn with_authority(
    settings: Settings,
    authority: &Authority,
    storage: &TempDir,
    domains: &str,
) -> Settings {
    settings
        .set("tls.listen", "127.0.0.1:0")
        .set("acme.domains", domains)
        .set("acme.directory", &authority.directory())
        .set("acme.storage", &storage.join("acme").display().to_string())
        .set("acme.tls_ca", &authority.ca_file().display().to_string())
}

/// Lets the authority's validations reach Sideman.
#[track_caller]
fn connect(authority: &Authority, sideman: &Sideman) -> SocketAddr {
    let address = tls_address(sideman);
    authority.lead_to(sideman.address(), address);
    address
}

/// The address of the TLS listener.
#[track_caller]
fn tls_address(sideman: &Sideman) -> SocketAddr {
    let line = sideman.event("listening for TLS address=");
    let (_, address) = line.split_once("address=").unwrap();
    address.split_whitespace().next().unwrap().parse().unwrap()
}

/// The files in the authority's directory below the storage, by their ends.
#[track_caller]
fn stored(storage: &TempDir, end: &str) -> PathBuf {
    let authority = fs::read_dir(storage.join("acme")).unwrap().next().unwrap().unwrap().path();
    let files = fs::read_dir(authority).unwrap().map(|entry| entry.unwrap().path());
    let mut found = files.filter(|path| path.to_str().unwrap().ends_with(end));
    found.next().unwrap_or_else(|| panic!("no file ends with {end}"))
}

/// Waits until clients get a certificate of the authority for this name.
#[track_caller]
fn until_issued(authority: &Authority, address: SocketAddr, name: &str) -> Vec<u8> {
    eventually("a certificate of the authority", || {
        let certificate = tls::certificate(address, name, &authority.issuer())?;
        names(&certificate).contains(&name.to_owned()).then_some(certificate)
    })
}
