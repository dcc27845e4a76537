//! Renewal, and what is lost meanwhile: certificates that are revoked, account keys, directories.

use std::fs;

use instant_acme::{Account, AccountCredentials, RevocationRequest};
use rustls::pki_types::CertificateDer;

use super::{
    authority::{Authority, Fault, renewal_info},
    connect, names, settings, stored, tls, tls_address, until_issued,
};
use crate::support::{App, Settings, TempDir, eventually};

#[test]
fn revoked_certificate_is_replaced_while_clients_stay_connected() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test");
    let first = obtained(&authority, &settings);
    // At once, as after a revocation.
    revoke(&authority, &storage, &first);
    authority.suggest(-7200, -3600);
    // The suggestion is asked for every few hours; here, it is time to.
    ask_for_the_window_again(&storage);

    let sideman = settings.start();
    let address = tls_address(&sideman);
    let issuer = authority.issuer();
    let mut client = tls::connect(address, "a.test", tls::trusting(&issuer)).unwrap();
    assert_eq!(client.conn.peer_certificates().unwrap()[0].as_ref(), first);
    authority.lead_to(sideman.address(), address);
    sideman.event("certificate renewed");
    let second = eventually("another certificate", || {
        tls::certificate(address, "a.test", &issuer).filter(|other| *other != first)
    });
    assert_eq!(names(&second), ["a.test"]);
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    assert!(tls::read_all(&mut client, request).ends_with("\r\n\r\nhello"));
    assert_eq!(authority.requests("/sign-me-up"), 1);
}

/// Obtains a certificate that the authority wants to be renewed in a month, and ends. Returns the certificate.
fn obtained(authority: &Authority, settings: &Settings) -> Vec<u8> {
    authority.suggest(30 * 86_400, 31 * 86_400);
    let sideman = settings.start();
    let address = connect(authority, &sideman);
    let certificate = until_issued(authority, address, "a.test");
    eventually("a request for the window", || {
        (authority.requests("/renewal-info/") == 1).then_some(())
    });
    sideman.shut_down();
    certificate
}

/// Lets the next start ask for the authority's suggestion.
fn ask_for_the_window_again(storage: &TempDir) {
    let path = stored(storage, "history.json");
    let mut history: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    history["windows"][0]["check_at"] = 0.into();
    fs::write(&path, history.to_string()).unwrap();
}

#[test]
fn suggestion_without_a_pause_is_used() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    authority.suggest(30 * 86_400, 31 * 86_400);
    authority.fail_once("/renewal-info/", Fault::Respond(renewal_info(-7200, -3600, "")));
    let sideman = settings(&authority, &storage, &application, "a.test").start();
    connect(&authority, &sideman);
    sideman.event("certificate renewed");
}

#[test]
fn certificate_that_clients_cannot_use_does_not_replace_a_good_one() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test");
    let first = obtained(&authority, &settings);
    ask_for_the_window_again(&storage);
    authority.suggest(-7200, -3600);
    let garbage = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    authority.fail_once("/certZ/", Fault::Append(garbage));
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    let line = sideman.event("cannot renew the certificate");
    assert!(line.contains("contains a certificate that cannot be read"), "{line}");
    assert_eq!(tls::certificate(address, "a.test", &authority.issuer()), Some(first));
    // The authority counts it.
    let history = fs::read(stored(&storage, "history.json")).unwrap();
    let history: serde_json::Value = serde_json::from_slice(&history).unwrap();
    assert_eq!(history["issued"].as_array().unwrap().len(), 2, "{history}");
}

/// Revokes a certificate with the stored account.
fn revoke(authority: &Authority, storage: &TempDir, certificate: &[u8]) {
    let account = fs::read(stored(storage, "account.json")).unwrap();
    let account: AccountCredentials = serde_json::from_slice(&account).unwrap();
    let certificate = CertificateDer::from(certificate.to_vec());
    let client = Box::new(authority.client());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let account = Account::builder_with_http(client).from_credentials(account).await.unwrap();
        let request = RevocationRequest { certificate: &certificate, reason: None };
        account.revoke(&request).await.unwrap();
    });
}

#[test]
fn lost_account_key_is_replaced() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test");
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    let first = until_issued(&authority, address, "a.test");
    sideman.shut_down();
    // The certificate is still good without the account.
    fs::remove_file(stored(&storage, "account.json")).unwrap();
    let sideman = settings.start();
    assert_eq!(until_issued(&authority, tls_address(&sideman), "a.test"), first);
    sideman.shut_down();
    assert_eq!(authority.requests("/sign-me-up"), 1);
    // The next order makes another.
    fs::write(stored(&storage, ".pem"), "damaged").unwrap();
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    sideman.event("the stored certificate cannot be used");
    assert_ne!(until_issued(&authority, address, "a.test"), first);
    assert_eq!(authority.requests("/sign-me-up"), 2);
}

#[test]
fn damaged_account_key_is_replaced() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test");
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    let first = until_issued(&authority, address, "a.test");
    sideman.shut_down();
    let path = stored(&storage, "account.json");
    let mut account: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    account["key_pkcs8"] = "AAAA".into();
    fs::write(&path, account.to_string()).unwrap();
    fs::remove_file(stored(&storage, ".pem")).unwrap();
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    sideman.event("account.json of acme.storage is damaged: creating another account");
    assert_ne!(until_issued(&authority, address, "a.test"), first);
    assert_eq!(authority.requests("/sign-me-up"), 2);
}

#[test]
fn account_that_the_authority_has_forgotten_is_replaced() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test");
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    until_issued(&authority, address, "a.test");
    sideman.shut_down();
    let path = stored(&storage, "account.json");
    let mut account: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    account["id"] = format!("{}0", account["id"].as_str().unwrap()).into();
    fs::write(&path, account.to_string()).unwrap();
    fs::remove_file(stored(&storage, ".pem")).unwrap();
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    sideman.event("the authority does not know the account");
    until_issued(&authority, address, "a.test");
    assert_eq!(authority.requests("/sign-me-up"), 2);
}

#[test]
fn directory_that_cannot_be_written_to_stops_the_start() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let settings = settings(&authority, &storage, &application, "a.test");
    // A file in the place of the directory, because root may write anywhere.
    storage.write("acme", "");
    let ended = settings.run_to_end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let path = storage.join("acme");
    let expected = format!("acme.storage {} cannot be written to: ", path.display());
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert!(ended.stderr.contains("mount a volume there"), "{}", ended.stderr);
    assert_eq!(authority.requests(""), 0);
    // Later, nothing is ordered either. Other settings can be reloaded, and the certificate stays in use.
    fs::remove_file(&path).unwrap();
    let sideman = settings.start();
    let address = connect(&authority, &sideman);
    let issued = until_issued(&authority, address, "a.test");
    fs::remove_dir_all(&path).unwrap();
    storage.write("acme", "");
    let reply = sideman.admin_post("/-/reload");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let line = sideman.event("certificates cannot be obtained or renewed until this is fixed");
    assert!(line.contains(&expected), "{line}");
    assert_eq!(tls::certificate(address, "a.test", &authority.issuer()), Some(issued));
    assert_eq!(authority.requests("/order-plz"), 1);
}
