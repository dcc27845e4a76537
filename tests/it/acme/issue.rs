//! The first certificate, and what is kept of it.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{
    authority::Authority, connect, names, settings, stored, tls, tls_address, until_issued,
    with_authority,
};
use crate::support::{App, Settings, TempDir, eventually};

#[test]
fn certificate_is_obtained_over_http_and_kept_across_restarts() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test,b.test")
        .set("server.redirect_https", "true")
        .set("server.allowed_hosts", "other.test");
    let sideman = settings.start();
    let address = tls_address(&sideman);
    // Self-signed until the validations reach it.
    assert_eq!(tls::certificate(address, "a.test", &authority.issuer()), None);
    authority.lead_to(sideman.address(), address);
    let line = sideman.event("certificate obtained");
    assert!(line.contains("a.test b.test") && line.contains(" GMT"), "{line}");
    let issued = until_issued(&authority, address, "a.test");
    assert_eq!(names(&issued), ["a.test", "b.test"]);
    assert_eq!(authority.requests("/order-plz"), 1);
    sideman.until_metric("sideman_acme_attempts_total", &[("result", "ok")], 1.0);
    let end = sideman.metric("sideman_tls_certificate_expiry_seconds", &[]);
    assert!(end > 1_800_000_000.0, "{end}");
    for file in [".pem", "account.json", "history.json"] {
        let mode = fs::metadata(stored(&storage, file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let directory = storage.join("acme");
    assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
    sideman.shut_down();

    let sideman = settings.start();
    let address = tls_address(&sideman);
    assert_eq!(tls::certificate(address, "b.test", &authority.issuer()), Some(issued));
    sideman.shut_down();
    assert_eq!(authority.requests("/order-plz"), 1);
    assert_eq!(authority.requests("/sign-me-up"), 1);
}

#[test]
fn certificate_is_obtained_over_tls_without_a_plain_listener() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = Settings::default()
        .args(&["run", "--listen", "none", "--admin", "127.0.0.1:0"])
        .args(&["--upstream", &application.url()])
        .set("shutdown.delay", "0s");
    let settings = with_authority(settings, &authority, &storage, "a.test,b.test");
    let sideman = settings.start_without_http();
    let address = tls_address(&sideman);
    authority.lead_to("127.0.0.1:1".parse().unwrap(), address);
    sideman.event("certificate obtained");
    let issued = until_issued(&authority, address, "b.test");
    assert_eq!(names(&issued), ["a.test", "b.test"]);
    let mut client = tls::connect(address, "a.test", tls::trusting(&authority.issuer())).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let response = tls::read_all(&mut client, request);
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
}

#[test]
fn another_domain_is_added_by_a_reload() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let file = |domains: &str| {
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = {:?}\n\
             [shutdown]\ndelay = \"0s\"\n[tls]\nlisten = [\"127.0.0.1:0\"]\n[acme]\ndomains = [{domains}]\n\
             directory = {:?}\nstorage = {:?}\ntls_ca = {:?}\n",
            application.url(),
            authority.directory(),
            storage.join("acme"),
            authority.ca_file(),
        );
        storage.write("sideman.toml", text)
    };
    let path = file("\"a.test\"");
    let settings = Settings::default().args(&["run", "--config", path.to_str().unwrap()]);
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    assert_eq!(names(&until_issued(&authority, address, "a.test")), ["a.test"]);
    file("\"a.test\", \"c.test\"");
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!(names(&until_issued(&authority, address, "c.test")), ["a.test", "c.test"]);
    assert_eq!(authority.requests("/order-plz"), 2);
    assert_eq!(authority.requests("/sign-me-up"), 1);
    // Unchanged settings order nothing.
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    sideman.shut_down();
    assert_eq!(authority.requests("/order-plz"), 2);
}

#[test]
fn one_of_two_processes_on_one_directory_orders() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test");
    let one = settings.start();
    eventually("an order", || (authority.requests("/order-plz") == 1).then_some(()));
    // The first has the lock, and waits for its validation.
    let other = settings.start();
    let addresses = [connect(&authority, &one), tls_address(&other)];
    let [issued, same] = addresses.map(|address| until_issued(&authority, address, "a.test"));
    assert_eq!(issued, same);
    assert_eq!(names(&issued), ["a.test"]);
    assert_eq!(authority.requests("/order-plz"), 1);
}
