//! Listeners that are added and removed.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::{File, is_there, reload};
use crate::support::{App, Client, Sideman};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

/// The listening port at this loopback address.
#[track_caller]
fn at(sideman: &Sideman, ip: &str) -> SocketAddr {
    let line = sideman.event(&format!("listening address={ip}:"));
    let (_, address) = line.split_once("address=").unwrap();
    address.split_whitespace().next().unwrap().parse().unwrap()
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// One request on a connection that stays open.
#[track_caller]
fn get(stream: &mut UnixStream) -> String {
    stream.write_all(REQUEST).unwrap();
    let mut text = String::new();
    let mut piece = [0; 1024];
    while !text.ends_with("hello") {
        let read = stream.read(&mut piece).unwrap();
        assert_ne!(read, 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    text
}

#[test]
fn unix_socket_is_added_and_removed() {
    let application = App::saying("hello");
    let file = File::before(&application.url());
    let sideman = file.start();
    let mut kept = sideman.connect();
    assert_eq!(kept.get("/").text(), "hello");
    let path = file.directory.join("web.sock");
    file.set("server.listen", &format!("[\"127.0.0.1:0\", \"unix:{}\"]", path.display()));
    reload(&sideman);
    let mut client = connect(&path);
    get(&mut client);
    // The socket that existed before is unchanged.
    assert_eq!(kept.get("/").text(), "hello");
    assert_eq!(sideman.get("/").text(), "hello");
    file.set("server.listen", r#"["127.0.0.1:0"]"#);
    reload(&sideman);
    assert!(!is_there(&path));
    sideman.event("no longer listening address=unix:");
    // Its established connections stay open.
    get(&mut client);
    assert_eq!(sideman.get("/").text(), "hello");
}

#[test]
fn removed_port_keeps_its_connections() {
    let application = App::saying("hello");
    let file = File::before(&application.url());
    file.set("server.listen", r#"["127.0.0.1:0", "127.0.0.2:0"]"#);
    let sideman = file.start();
    let (stays, goes) = (at(&sideman, "127.0.0.1"), at(&sideman, "127.0.0.2"));
    let mut kept = Client::connect(goes);
    assert_eq!(kept.get("/").text(), "hello");
    // These connections were opened before the reload, whichever worker accepted them.
    let mut arrived: Vec<_> = (0..50)
        .map(|_| {
            let mut client = Client::connect(goes);
            client.send(REQUEST);
            client
        })
        .collect();
    file.set("server.listen", r#"["127.0.0.1:0"]"#);
    reload(&sideman);
    assert!(Client::try_connect(goes).is_err(), "somebody still listens");
    for client in &mut arrived {
        assert_eq!(client.response().text(), "hello");
    }
    assert_eq!(kept.get("/").text(), "hello");
    assert_eq!(Client::connect(stays).get("/").text(), "hello");
    // The port is added again, beside one with connected clients.
    file.set("server.listen", &format!("[\"127.0.0.1:0\", \"{goes}\"]"));
    reload(&sideman);
    assert_eq!(Client::connect(goes).get("/").text(), "hello");
    assert_eq!(kept.get("/").text(), "hello");
}
