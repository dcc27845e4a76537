//! `rediss://`: Redis with TLS, and a certificate of an authority of our own.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{Site, UNAVAILABLE};
use crate::support::{Redis, Settings, Sideman, TempDir};

/// The files of an authority, and of a certificate that it has signed for this name.
struct Authority {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

// === impl Authority ===

impl Authority {
    fn write(directory: &TempDir, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let ca = params.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(params, ca_key);
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self {
            ca: directory.write("ca.pem", ca.pem()),
            certificate: directory.write("redis.pem", certificate.pem()),
            key: directory.write("redis.key", key.serialize_pem()),
        }
    }
}

fn start(site: &Site, port: u16, ca: Option<&PathBuf>) -> Sideman {
    let settings = Settings::before(&site.app.url())
        .set("cache.memory", "8MiB")
        .set("cache.redis", &format!("rediss://localhost:{port}"));
    match ca {
        Some(ca) => settings.set("cache.redis_ca", ca.to_str().unwrap()).start(),
        None => settings.start(),
    }
}

#[test]
fn purges_reach_others_over_tls() {
    let directory = TempDir::new();
    let authority = Authority::write(&directory, "localhost");
    let Some((_redis, port)) = Redis::with_tls(&authority.certificate, &authority.key) else {
        return;
    };
    let mut site = Site::unconnected("off", 0);
    site.sidemans = (0..2).map(|_| start(&site, port, Some(&authority.ca))).collect();
    for sideman in &site.sidemans {
        sideman.event("connected to Redis");
    }
    let stored = site.page(1, "/x");
    site.purge(0, "/", "Surrogate-Key: x\r\n");
    site.until_purged(1, "/x", &stored);
}

#[test]
fn certificate_of_an_unknown_authority_or_another_name_is_refused() {
    let directory = TempDir::new();
    let authority = Authority::write(&directory, "other.test");
    let Some((_redis, port)) = Redis::with_tls(&authority.certificate, &authority.key) else {
        return;
    };
    let site = Site::unconnected("off", 0);
    for (ca, fault) in [(None, "UnknownIssuer"), (Some(&authority.ca), "not valid for name")] {
        let sideman = start(&site, port, ca);
        let said = sideman.event(UNAVAILABLE);
        assert!(said.contains("cannot connect") && said.contains(fault), "{said}");
    }
}

#[test]
fn file_without_an_authority_prevents_the_start() {
    let directory = TempDir::new();
    let empty = directory.write("empty.pem", "");
    for path in [empty, directory.join("missing.pem")] {
        let ended = Settings::before("http://127.0.0.1:1")
            .set("cache.memory", "8MiB")
            .set("cache.redis", "rediss://localhost")
            .set("cache.redis_ca", path.to_str().unwrap())
            .run_to_end();
        assert_ne!(ended.code, Some(0));
        let is_said =
            ended.stderr.contains("cache.redis_ca") && ended.stderr.contains("name a PEM file");
        assert!(is_said, "{}", ended.stderr);
    }
}
