//! Real WebSockets (RFC 6455) through Sideman to a real uvicorn.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Stdio},
};

use crate::support::{
    Client, Django, Settings, Sideman, TempDir, eventually, pattern, websocket::ASK,
};

/// uvicorn with echo.py; killed when dropped.
#[derive(Debug)]
struct Uvicorn {
    child: Child,
    home: TempDir,
}

/// A received frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// FIN and the opcode.
    pub(super) first: u8,
    pub(super) payload: Vec<u8>,
}

pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

#[test]
fn websocket_frames_of_every_size_are_echoed() {
    let Some(django) = Django::prepared() else { return };
    let uvicorn = Uvicorn::start(django);
    let sideman = uvicorn.behind_sideman();
    let mut client = sideman.connect();
    client.send(ASK.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat, other\r\n\r\n"));
    let answer = client.until("\r\n\r\n").to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nsec-websocket-protocol: chat\r\n"), "{answer}");
    // The digest of the key in RFC 6455, 1.3.
    assert!(answer.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");

    for text in ["hello", "", "grüße"] {
        send_frame(&mut client, TEXT, text.as_bytes());
        assert_eq!(next_frame(&mut client), Frame { first: TEXT, payload: text.into() });
    }
    for size in [1, 125, 126, 65_535, 65_536, 900_000] {
        send_frame(&mut client, BINARY, &pattern(size));
        let frame = next_frame(&mut client);
        assert!(frame == Frame { first: BINARY, payload: pattern(size) }, "{size}");
    }
    send_frame(&mut client, PING, b"there?");
    assert_eq!(next_frame(&mut client), Frame { first: PONG, payload: b"there?".into() });

    send_frame(&mut client, CLOSE, &1000_u16.to_be_bytes());
    assert_eq!(next_frame(&mut client).first, CLOSE);
    assert!(client.until_closed().is_empty());
    drop(client);
    assert_eq!(sideman.log_of("/ws")["status"], 101);
    sideman.until_metric("sideman_tunnels", &[], 0.0);
}

#[test]
fn application_can_refuse_and_close_a_websocket() {
    let Some(django) = Django::prepared() else { return };
    let uvicorn = Uvicorn::start(django);
    let sideman = uvicorn.behind_sideman();
    let mut client = sideman.connect();
    assert_eq!(client.send(ASK.replace("/ws", "/elsewhere")).response().status, 403);

    let mut client = super::open_tunnel(&sideman);
    send_frame(&mut client, TEXT, b"close");
    let frame = next_frame(&mut client);
    assert_eq!((frame.first, &frame.payload[2..]), (CLOSE, &b"as you like"[..]));
    assert_eq!(frame.payload[..2], 4001_u16.to_be_bytes());
    send_frame(&mut client, CLOSE, &frame.payload[..2]);
    assert!(client.until_closed().is_empty());
}

/// Clients mask their frames (RFC 6455, 5.3).
pub(super) fn send_frame(client: &mut Client, first: u8, payload: &[u8]) {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    client.send(frame);
}

#[track_caller]
pub(super) fn next_frame(client: &mut Client) -> Frame {
    let head = client.exact(2);
    let length = match head[1] {
        126 => usize::from(u16::from_be_bytes(client.exact(2).try_into().unwrap())),
        127 => u64::from_be_bytes(client.exact(8).try_into().unwrap()) as usize,
        length => usize::from(length),
    };
    Frame { first: head[0], payload: client.exact(length) }
}

// === impl Uvicorn ===

impl Uvicorn {
    fn start(django: &Django) -> Self {
        let home = TempDir::new();
        let log = File::create(home.join("server.log")).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upgrades");
        let mut command = django.command("python", home.path());
        command
            .args(["-m", "uvicorn", "--ws", "websockets", "--lifespan", "off", "--uds"])
            .arg(home.join("app.sock"))
            .arg("--app-dir")
            .arg(here)
            .arg("echo:app")
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log);
        Self { child: command.spawn().unwrap(), home }
    }

    fn behind_sideman(&self) -> Sideman {
        let url = format!("http+unix:{}", self.home.join("app.sock").display());
        let sideman = Settings::before(&url).start();
        eventually("an answer of uvicorn", || (sideman.get("/").status == 200).then_some(()));
        sideman
    }
}

impl Drop for Uvicorn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
            eprintln!("--- the server's log\n{log}");
        }
    }
}
