//! Handshakes: versions of TLS, servers that end them or never complete them, and sessions that are resumed.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{authority::Authority, openssl::OpensslServer, peer::TlsPeer, trusting};
use crate::support::{Settings, TempDir};

#[test]
fn versions_of_tls() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let issued = authority.issue(&["localhost"]);
    for (arguments, shown) in [
        (&["-tls1_3"][..], Some("TLSv1.3")),
        (&["-tls1_2"], Some("TLSv1.2")),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], None),
    ] {
        let Some(server) = OpensslServer::start(&issued, arguments) else { return };
        let sideman = trusting(&authority, &directory, &server.url("localhost")).start();
        let response = sideman.get("/a");
        match shown {
            Some(version) => {
                assert_eq!(response.status, 200, "{arguments:?}");
                assert!(response.text().contains(version), "{arguments:?}");
            }
            None => {
                assert_eq!(response.status, 502, "{arguments:?}");
                assert_eq!(sideman.log_of("/a")["error"], "upstream_tls");
                let event = sideman.event("upstream server unavailable");
                assert!(event.contains("enable TLS 1.2 or 1.3"), "{event}");
            }
        }
    }
}

#[test]
fn silent_server_meets_the_connect_timeout() {
    let peer = TlsPeer::bare(|mut tcp| tcp.read_to_end(&mut Vec::new()).map(drop));
    let settings =
        Settings::before(&peer.url("127.0.0.1")).set("upstream.connect_timeout", "300ms");
    let sideman = settings.start();
    let begin = Instant::now();
    assert_eq!(sideman.get("/a").status, 504);
    let took = begin.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_secs(10)).contains(&took), "{took:?}");
    assert_eq!(sideman.log_of("/a")["error"], "upstream_connect_timeout");
    sideman.event("the server has not completed the TLS handshake");
}

#[test]
fn handshake_that_the_server_ends_is_named() {
    for (what, part, peer) in [
        (
            "closed after the first bytes",
            "closed the connection during the TLS handshake",
            TlsPeer::bare(|mut tcp| {
                tcp.read_exact(&mut [0; 16])?;
                tcp.shutdown(Shutdown::Both)
            }),
        ),
        (
            "no TLS",
            "does not speak TLS at this port: write http://",
            TlsPeer::bare(|mut tcp| {
                tcp.read_exact(&mut [0; 16])?;
                tcp.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
                tcp.shutdown(Shutdown::Write)?;
                tcp.read_to_end(&mut Vec::new()).map(drop)
            }),
        ),
    ] {
        let sideman = Settings::before(&peer.url("127.0.0.1")).start();
        assert_eq!(sideman.get("/a").status, 502, "{what}");
        assert_eq!(sideman.log_of("/a")["error"], "upstream_tls", "{what}");
        sideman.event(part);
    }
}

/// A request that waits for a certificate would only hide what is wrong.
#[test]
fn requests_do_not_wait_for_a_fault_that_lasts() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let config = authority.issue(&["other.test"]).server_config(None);
    let peer = TlsPeer::start(config, |served| served.head().map(drop));
    let settings = trusting(&authority, &directory, &peer.url("localhost"));
    let sideman = settings.set("upstream.wait", "30s").start();
    for _ in 0..3 {
        let begin = Instant::now();
        assert_eq!(sideman.get("/").status, 502);
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
}

#[test]
fn server_that_closes_during_the_handshake_is_waited_for() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let config = authority.issue(&["localhost"]).server_config(None);
    let connections = AtomicUsize::new(0);
    let peer = TlsPeer::bare(move |mut tcp| {
        // As while it restarts.
        if connections.fetch_add(1, Ordering::SeqCst) < 2 {
            tcp.read_exact(&mut [0; 16])?;
            return tcp.shutdown(Shutdown::Both);
        }
        let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::Stream::new(&mut connection, &mut tcp);
        let mut head = [0; 4096];
        while stream.read(&mut head)? > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    });
    let settings = trusting(&authority, &directory, &peer.url("localhost"));
    let sideman = settings.set("upstream.wait", "20s").start();
    assert_eq!(sideman.get("/").text(), "ok");
}

#[test]
fn sessions_are_resumed_by_all_workers() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let issued = authority.issue(&["localhost"]);
    for version in ["-tls1_3", "-tls1_2"] {
        let Some(server) = OpensslServer::start(&issued, &[version]) else { return };
        let sideman = trusting(&authority, &directory, &server.url("localhost")).start();
        let pages: Vec<String> = (0..6).map(|_| sideman.get("/").text()).collect();
        assert!(pages[0].contains("New, TLS"), "{}", pages[0]);
        // Connections of clients are on both workers.
        let resumed = pages.iter().filter(|page| page.contains("Reused, TLS")).count();
        assert!(resumed >= 4, "{version}: {resumed} of {pages:?}");
    }
}

#[test]
fn name_and_protocol_are_asked_for() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    for (host, name) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let mut config = rustls::ServerConfig::clone(&issued.server_config(None));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let seen = Arc::new(Mutex::new(None));
        let peer = TlsPeer::start(Arc::new(config), {
            let seen = Arc::clone(&seen);
            move |served| {
                served.head()?;
                *seen.lock().unwrap() = Some((served.server_name(), served.protocol()));
                served.respond(b"ok")
            }
        });
        let sideman = trusting(&authority, &directory, &peer.url(host)).start();
        assert_eq!(sideman.get("/").text(), "ok", "{host}");
        let (seen_name, protocol) = seen.lock().unwrap().take().unwrap();
        assert_eq!(seen_name.as_deref(), name, "{host}");
        assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]), "{host}");
    }
}
