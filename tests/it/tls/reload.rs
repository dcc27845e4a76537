//! Reloading TLS settings: new connections use the new ones, established ones keep the old.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Pair, address,
    client::{Tls, Trust},
    shown,
};
use crate::support::{App, Settings, Sideman, TempDir};

/// A settings file with these lines for TLS.
fn write(directory: &TempDir, application: &App, lines: &str) -> Settings {
    let text = format!(
        "server.listen = [\"127.0.0.1:0\"]\nadmin.listen = \"127.0.0.1:0\"\n\
         upstream.url = \"{}\"\nshutdown.delay = \"0s\"\n{lines}\n",
        application.url()
    );
    let path = directory.write("sideman.toml", text);
    Settings::default().args(&["run", "--config", path.to_str().unwrap()])
}

#[track_caller]
fn reload(sideman: &Sideman) -> String {
    let response = sideman.admin_post("/-/reload");
    assert_eq!(response.status, 200, "{}", response.text());
    response.text()
}

fn try_connect(address: SocketAddr) -> std::io::Result<Tls> {
    Tls::try_connect(address, &Trust::Anyone.config(), "localhost")
}

#[test]
fn reload_changes_certificates() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let old = Pair::new(&["old.test"]).write(&directory, "old");
    let new = Pair::new(&["new.test"]).write(&directory, "new");
    let lines =
        |pair: &str| format!("tls.listen = [\"127.0.0.1:0\"]\ntls.certificates = [{pair:?}]");
    let sideman = write(&directory, &application, &lines(&old)).start().until_ready();
    let address = address(&sideman);
    let mut kept = Tls::connect(address, &Trust::Anyone.config(), "old.test");
    assert_eq!(kept.get("/", "").body, b"hello");
    write(&directory, &application, &lines(&new));
    assert_eq!(reload(&sideman), "reloaded; changed: tls.certificates\n");
    assert_eq!(shown(address, "any.test"), "DNSName(new.test)");
    assert_eq!(kept.get("/", "").body, b"hello");
    // Changed contents of the same files are used at once, without waiting for the thread that watches them.
    Pair::new(&["third.test"]).write(&directory, "new");
    reload(&sideman);
    assert_eq!(shown(address, "any.test"), "DNSName(third.test)");
    // An invalid certificate fails the reload.
    directory.write("new.pem", "no certificate");
    assert_eq!(sideman.admin_post("/-/reload").status, 422);
    assert_eq!(shown(address, "any.test"), "DNSName(third.test)");
    assert_eq!(kept.get("/", "").body, b"hello");
}

#[test]
fn tickets_outlive_a_reload() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let lines = |timeout: &str| {
        format!(
            "tls.listen = [\"127.0.0.1:0\"]\ntls.self_signed = true\n\
             tls.handshake_timeout = {timeout:?}"
        )
    };
    let sideman = write(&directory, &application, &lines("5s")).start().until_ready();
    let (address, config) = (address(&sideman), Trust::Anyone.config());
    let mut first = Tls::connect(address, &config, "localhost");
    assert_eq!(first.get("/", "").body, b"hello");
    let certificate = first.certificate();
    write(&directory, &application, &lines("7s"));
    reload(&sideman);
    let mut again = Tls::connect(address, &Arc::clone(&config), "localhost");
    assert_eq!(again.get("/", "").body, b"hello");
    assert_eq!(again.connection().handshake_kind(), Some(rustls::HandshakeKind::Resumed));
    assert_eq!(try_connect(address).unwrap().certificate(), certificate);
}

#[test]
fn reload_enables_and_disables_tls_at_the_same_socket() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let plain = write(&directory, &application, "");
    let sideman = plain.start().until_ready();
    let address = sideman.address();
    let mut kept = sideman.connect();
    assert_eq!(kept.get("/").text(), "hello");
    let path = directory.join("sideman.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let secure = text.replace(
        "server.listen = [\"127.0.0.1:0\"]",
        "server.listen = []\ntls.listen = [\"127.0.0.1:0\"]\ntls.self_signed = true",
    );
    std::fs::write(&path, secure.replace("server.listen = []", "server.listen = [\"none\"]"))
        .unwrap();
    reload(&sideman);
    assert_eq!(try_connect(address).unwrap().get("/", "").body, b"hello");
    // A connection without TLS stays without it.
    assert_eq!(kept.get("/").text(), "hello");
    std::fs::write(&path, text).unwrap();
    reload(&sideman);
    assert_eq!(sideman.get("/").text(), "hello");
    assert!(try_connect(address).is_err());
    let metrics = sideman.admin_get("/metrics").text();
    assert!(!metrics.contains("certificate=\"self-signed\""), "{metrics}");
}
