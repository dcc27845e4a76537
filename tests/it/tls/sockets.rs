//! Listeners at unix sockets, plain and with TLS.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    client::{Tls, Trust},
    is_there,
};
use crate::support::{App, Request, Settings, Sideman, TempDir, pattern};

/// Echoes the received client information.
fn echo() -> App {
    App::start(|request: &Request| {
        let field = |name: &str| request.head.get(name).unwrap_or("-").to_owned();
        let told = ["x-forwarded-proto", "x-forwarded-port", "x-forwarded-for"].map(field);
        App::reply(told.join(" ").as_bytes())
    })
}

fn listening(application: &App, directory: &TempDir) -> (Settings, PathBuf, PathBuf) {
    let (bare, tls) = (directory.join("web.sock"), directory.join("tls.sock"));
    let settings = Settings::before(&application.url())
        .args(&["--listen", &format!("unix:{}", bare.display())])
        .set("tls.listen", &format!("unix:{}", tls.display()))
        .set("tls.self_signed", "true");
    (settings, bare, tls)
}

/// Sends one request; returns all received bytes.
fn ask(path: &Path, target: &str, fields: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n");
    stream.write_all(format!("{head}{fields}\r\n").as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

#[test]
fn unix_sockets_are_served_and_removed_at_exit() {
    let (application, directory) = (echo(), TempDir::new());
    let (settings, bare, tls) = listening(&application, &directory);
    directory.write("files/a.bin", pattern(1 << 20));
    let sideman = settings.files("/s/", &directory.join("files")).start().until_ready();
    assert!(ask(&bare, "/", "").ends_with("\r\n\r\nhttp 80 127.0.0.1"));
    let mut client = Tls::connect_unix(&tls, &Trust::Anyone.config());
    assert_eq!(client.get("/", "").text(), "https 443 127.0.0.1");
    for _ in 0..3 {
        assert!(client.get("/s/a.bin", "").body == pattern(1 << 20));
        assert!(ask(&bare, "/s/a.bin", "").len() > 1 << 20);
    }
    for path in [&bare, &tls] {
        assert_eq!(fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777, 0o660);
    }
    let line = sideman.log_of("/s/a.bin");
    assert_eq!(line["client"], "127.0.0.1", "{line}");
    drop(client);
    assert_eq!(sideman.shut_down().0, Some(0));
    assert!(!is_there(&bare) && !is_there(&tls));
}

#[test]
fn unix_socket_peer_is_a_trusted_proxy() {
    let (application, directory) = (echo(), TempDir::new());
    let (settings, bare, _) = listening(&application, &directory);
    let _sideman: Sideman = settings.start().until_ready();
    let told = "X-Forwarded-For: 198.51.100.7, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n";
    assert!(ask(&bare, "/", told).ends_with("\r\n\r\nhttps 443 192.0.2.1"));
    // The proxy's client is on this machine, and may send any headers.
    let told = "X-Forwarded-For: 198.51.100.7, 127.0.0.1\r\n";
    assert!(ask(&bare, "/", told).ends_with("\r\n\r\nhttp 80 127.0.0.1"));
}

#[test]
fn only_stale_sockets_are_replaced() {
    let (application, directory) = (echo(), TempDir::new());
    let (settings, bare, _) = listening(&application, &directory);
    drop(settings.start().until_ready());
    // Killed, so it could not remove its socket.
    assert!(is_there(&bare));
    let again = settings.start().until_ready();
    assert!(ask(&bare, "/", "").starts_with("HTTP/1.1 200 "));
    let ended = settings.run_to_end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("stop the program that listens there"), "{}", ended.stderr);
    assert!(ask(&bare, "/", "").starts_with("HTTP/1.1 200 "));
    assert_eq!(again.shut_down().0, Some(0));
    fs::write(&bare, "precious").unwrap();
    let ended = settings.run_to_end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("the path is a file, but not a socket"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&bare).unwrap(), "precious");
}
