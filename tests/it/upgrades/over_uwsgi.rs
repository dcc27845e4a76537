//! WebSocket for applications with the uwsgi protocol, as in uWSGI's own `websocket_handshake`.

use std::{
    fs::{self, File},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Stdio},
};

use super::uvicorn::{BINARY, CLOSE, Frame, TEXT, next_frame, send_frame};
use crate::support::{
    Django, Origin, Protocol, ReservedAddress, Step, TempDir, Transport, close, expect, pattern,
    receive, send, until_closed,
    websocket::{ACCEPT, ASK},
};

/// uWSGI with ws.py; killed when dropped.
#[derive(Debug)]
struct Uwsgi {
    child: Child,
    reserved: ReservedAddress,
    home: TempDir,
}

const WAYS: [Transport; 4] = [
    Transport { protocol: Protocol::Uwsgi, is_unix: false },
    Transport { protocol: Protocol::Uwsgi, is_unix: true },
    Transport { protocol: Protocol::GunicornUwsgi, is_unix: false },
    Transport { protocol: Protocol::GunicornUwsgi, is_unix: true },
];

#[test]
fn handshake_over_uwsgi_opens_a_tunnel() {
    let cgi = ACCEPT.replace("HTTP/1.1 101 Switching Protocols", "Status: 101 Switching Protocols");
    let uwsgi = ACCEPT.replace("101 Switching", "101 Web Socket Protocol Handshake, Switching");
    for transport in WAYS {
        for accept in [ACCEPT, &cgi, &uwsgi] {
            let steps: [Step; 6] = [
                expect("GET /ws "),
                send(format!("{accept}early ")),
                receive("from the client"),
                send("from the application"),
                receive("the end"),
                close(),
            ];
            let origin = Origin::reached(transport, [steps.into()]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            client.send(ASK);
            client.until("HTTP/1.1 101 Switching Protocols\r\n");
            let fields = client.until("\r\n\r\n").to_lowercase();
            for field in ["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: s3pp"]
            {
                assert!(fields.contains(field), "{transport:?} {accept}: {fields}");
            }
            assert!(!fields.contains("status:"), "{fields}");
            client.until("early ");
            client.send("from the client");
            client.until("from the application");
            client.send("the end");
            assert!(client.until_closed().is_empty());
            drop(client);
            let head = origin.request(0).head;
            for (name, value) in [
                ("upgrade", "websocket"),
                ("connection", "Upgrade"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ] {
                assert_eq!(head.get(name), Some(value), "{transport:?} {name}");
            }
            assert_eq!(sideman.log_of("/ws")["status"], 101);
        }
    }
}

#[test]
fn a_handshake_over_uwsgi_may_be_refused() {
    for transport in WAYS {
        let refusal = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        let origin = Origin::reached(transport, [vec![expect("GET /ws "), send(refusal), close()]]);
        let sideman = origin.settings().start();
        let response = sideman.connect().send(ASK).response();
        assert_eq!((response.status, response.text().as_str()), (403, "no"), "{transport:?}");
    }
}

#[test]
fn unrequested_protocol_over_uwsgi_is_refused() {
    for transport in WAYS {
        for answer in [ACCEPT, "Status: 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"] {
            let steps = vec![expect("GET /page "), send(answer), until_closed()];
            let origin = Origin::reached(transport, [steps]);
            let sideman = origin.settings().start();
            assert_eq!(sideman.get("/page").status, 502, "{transport:?}");
            assert_eq!(sideman.log_of("/page")["error"], "upstream_invalid_response");
            assert!(!origin.request(0).head.has("upgrade"));
        }
    }
}

#[test]
fn websocket_frames_are_echoed_by_a_real_uwsgi() {
    let Some(django) = Django::prepared() else { return };
    for is_unix in [false, true] {
        let uwsgi = Uwsgi::start(django, is_unix);
        let sideman = uwsgi.reserved.settings().set("upstream.wait", "15s").start().until_ready();
        let mut client = sideman.connect();
        client.send(ASK);
        let answer = client.until("\r\n\r\n").to_lowercase();
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        assert!(answer.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        send_frame(&mut client, TEXT, "grüße".as_bytes());
        assert_eq!(next_frame(&mut client), Frame { first: TEXT, payload: "grüße".into() });
        for size in [1, 126, 65_536, 900_000] {
            send_frame(&mut client, BINARY, &pattern(size));
            let frame = next_frame(&mut client);
            assert!(frame == Frame { first: BINARY, payload: pattern(size) }, "{size}");
        }
        send_frame(&mut client, CLOSE, &1000_u16.to_be_bytes());
        // uWSGI closes the connection without a close frame.
        client.until_gone();
        drop(client);
        assert_eq!(sideman.log_of("/ws")["status"], 101);
    }
}

// === impl Uwsgi ===

impl Uwsgi {
    fn start(django: &Django, is_unix: bool) -> Self {
        let (home, reserved) = (
            TempDir::new(),
            ReservedAddress::new(Transport { protocol: Protocol::Uwsgi, is_unix }),
        );
        let log = File::create(home.join("server.log")).unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upgrades/ws.py");
        let (bind, stdin) = match reserved.path() {
            Some(path) => (path.display().to_string(), Stdio::null()),
            None => ("fd://0".to_owned(), Stdio::from(OwnedFd::from(reserved.listen()))),
        };
        let mut command = django.command("uwsgi", home.path());
        command
            .args(["--master", "--need-app", "--buffer-size", "65535", "--uwsgi-socket", &bind])
            .args(["--die-on-term", "--no-orphans", "--virtualenv"])
            .arg(&django.environment)
            .arg("--wsgi-file")
            .arg(file)
            .stdin(stdin)
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log);
        Self { child: command.spawn().unwrap(), reserved, home }
    }
}

impl Drop for Uwsgi {
    fn drop(&mut self) {
        // Its worker notices (`--no-orphans`).
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
            eprintln!("--- the server's log\n{log}");
        }
    }
}
