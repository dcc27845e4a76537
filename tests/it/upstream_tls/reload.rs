//! A reload reads the certificates again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{authority::Authority, peer::TlsPeer, trusting};
use crate::support::{TempDir, eventually_is};

#[test]
fn reload_reads_a_new_authority() {
    let (authority, other, directory) =
        (Authority::new("Our authority"), Authority::new("Another"), TempDir::new());
    let peer = TlsPeer::start(other.issue(&["localhost"]).server_config(None), |served| {
        loop {
            served.head()?;
            served.respond(b"hello")?;
        }
    });
    let settings = trusting(&authority, &directory, &peer.url("localhost"));
    let sideman = settings.set("upstream.idle_timeout", "1m").start();
    assert_eq!(sideman.get("/").status, 502);
    other.write(&directory, "ca");
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    eventually_is("the response", &200, || sideman.get("/").status);
    // Kept connections to a server that is not trusted any more are not used.
    authority.write(&directory, "ca");
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    eventually_is("the response", &502, || sideman.get("/").status);
    // A file with a fault changes nothing.
    directory.write("ca.pem", "nothing");
    let reply = sideman.admin_post("/-/reload");
    assert!(reply.text().contains("upstream.tls_ca"), "{}", reply.text());
}

#[test]
fn reload_without_a_change_keeps_connections_and_sessions() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let full = Arc::new(AtomicUsize::new(0));
    let config = authority.issue(&["localhost"]).server_config(None);
    let peer = TlsPeer::start(config, {
        let full = Arc::clone(&full);
        move |served| {
            served.head()?;
            full.fetch_add(usize::from(!served.is_resumed()), Ordering::SeqCst);
            loop {
                served.respond(b"hello")?;
                served.head()?;
            }
        }
    });
    let settings = trusting(&authority, &directory, &peer.url("localhost"));
    let settings = settings.set("upstream.idle_timeout", "1m").set("server.workers", "1");
    let sideman = settings.start();
    assert_eq!(sideman.get("/").text(), "hello");
    let before = (peer.accepted(), full.load(Ordering::SeqCst));
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!(sideman.get("/").text(), "hello");
    assert_eq!((peer.accepted(), full.load(Ordering::SeqCst)), before);
}
