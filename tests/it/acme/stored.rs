//! Which stored certificate is used after a change of the settings, and files that the settings name.

use super::{authority::Authority, connect, settings, tls, tls_address, until_issued};
use crate::support::{App, Settings, TempDir};

#[test]
fn certificate_stays_in_use_when_domains_are_reordered_or_added() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let start = |domains: &str| settings(&authority, &storage, &application, domains).start();
    let sideman = start("a.test,b.test");
    let address = connect(&authority, &sideman);
    let issued = until_issued(&authority, address, "a.test");
    let issuer = authority.issuer();
    sideman.shut_down();

    // It is the certificate for these names, too.
    let sideman = start("b.test,a.test");
    let address = tls_address(&sideman);
    assert_eq!(tls::certificate(address, "b.test", &issuer).as_ref(), Some(&issued));
    sideman.event("stored certificate copied");
    sideman.event("certificate reloaded");
    assert_eq!(tls::certificate(address, "b.test", &issuer).as_ref(), Some(&issued));
    sideman.shut_down();
    assert_eq!(authority.requests("/order-plz"), 1);

    // Nobody is at this port, so the order fails.
    let nobody = "127.0.0.1:1".parse().unwrap();
    authority.lead_to(nobody, nobody);
    let sideman = start("c.test,b.test,a.test");
    let address = tls_address(&sideman);
    sideman.event("cannot obtain a certificate");
    for name in ["a.test", "b.test"] {
        assert_eq!(tls::certificate(address, name, &issuer).as_ref(), Some(&issued), "{name}");
    }
    assert_eq!(authority.requests("/order-plz"), 2);
}

#[test]
fn file_of_authorities_is_checked_before_a_start() {
    let home = TempDir::new();
    let settings = |path: &str| {
        Settings::default()
            .args(&["check"])
            .set("upstream.url", "http://127.0.0.1:1")
            .set("tls.listen", "127.0.0.1:0")
            .set("acme.domains", "a.test")
            .set("acme.tls_ca", path)
    };
    let missing = home.join("none.pem").display().to_string();
    let empty = home.write("empty.pem", "").display().to_string();
    for (path, part) in [(&missing, "the file is missing"), (&empty, "no certificate in the file")]
    {
        let ended = settings(path).run_to_end();
        assert_ne!(ended.code, Some(0), "{}", ended.stderr);
        let expected = format!("error: acme.tls_ca = {path:?}: {part}");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
        assert!(ended.stderr.contains("name a PEM file"), "{}", ended.stderr);
    }
}
