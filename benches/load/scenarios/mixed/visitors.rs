//! The clients of `mixed`: each makes requests of one kind, at a steady pace, one after the other.
//!
//! If the server closes a connection between two requests, the client opens a new one; if it closes
//! during a request, the request failed, and so did one whose response differs by a byte.

use std::{
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::{
    task::spawn_local,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    super::application::{self, ACCEPT, KEY},
    tally::Tally,
};
use crate::{
    client::{self, Ask, Client},
    endpoint::Door,
    http2::{self, Http2},
    wire::{self, Socket},
};

/// Longer than any allowed duration.
const TIME_LIMIT: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 4 << 10;
/// A masked text frame of five bytes (RFC 6455, 5.7).
const MESSAGE: &[u8] = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

/// The request that a visitor repeats.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) path: String,
    /// The body of a POST, if any.
    pub(super) upload: Vec<u8>,
    /// The expected response body.
    pub(super) answer: Vec<u8>,
}

/// The kind of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// HTTP/1.1, keep-alive.
    Kept,
    /// HTTP/1.1, one connection for each request.
    New,
    /// HTTP/2.
    Http2,
    /// A WebSocket with one message at a time.
    Socket,
}

/// A client and its open connection.
pub(super) struct Visitor {
    pub(super) kind: &'static str,
    pub(super) door: Door,
    pub(super) way: Way,
    pub(super) errand: Errand,
    pub(super) every: Duration,
}

/// The state of a visitor between requests.
#[derive(Default)]
struct Open {
    client: Option<Client>,
    http2: Option<SendRequest<Bytes>>,
    socket: Option<Socket>,
}

// === impl Errand ===

impl Errand {
    /// A GET of the application's page.
    pub(super) fn page() -> Self {
        let answer = crate::origin::body(application::PAGE);
        Self { path: "/page".into(), upload: Vec::new(), answer }
    }

    /// A POST of this number of bytes; the response has their digest.
    pub(super) fn upload(size: usize) -> Self {
        let upload = crate::content::noise(size as u64, size);
        let answer = application::receipt(&upload).into_bytes();
        Self { path: "/upload".into(), upload, answer }
    }
}

// === impl Visitor ===

impl Visitor {
    /// Makes requests until `end`, and waits for the last one.
    pub(super) async fn visit(self, tally: Rc<Tally>, end: Instant) {
        tally.expect(self.kind);
        let mut open = Open::default();
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if Instant::now() > end {
                return;
            }
            let began = Instant::now();
            let outcome = timeout(TIME_LIMIT, self.once(&mut open)).await.unwrap_or_else(|_| {
                let what = format!("no answer within {TIME_LIMIT:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, what))
            });
            if outcome.is_err() {
                open = Open::default();
            }
            tally.count(self.kind, &outcome, began.elapsed());
        }
    }

    async fn once(&self, open: &mut Open) -> io::Result<()> {
        match self.way {
            Way::Kept | Way::New => self.by_http1(&mut open.client).await,
            Way::Http2 => self.by_http2(&mut open.http2).await,
            Way::Socket => self.message(&mut open.socket).await,
        }
    }

    async fn by_http1(&self, kept: &mut Option<Client>) -> io::Result<()> {
        let mut client = match kept.take().and_then(open) {
            Some(client) => client,
            None => Client::connect(&self.door).await?,
        };
        let mut body = Vec::new();
        let reply = client.fetch(&self.request(), |piece| body.extend_from_slice(piece)).await?;
        self.demand(reply.status, &body)?;
        let last = reply.header("connection").is_some_and(|value| value == "close");
        if self.way == Way::Kept && !last {
            *kept = Some(client);
        }
        Ok(())
    }

    async fn by_http2(&self, kept: &mut Option<SendRequest<Bytes>>) -> io::Result<()> {
        let ask = Ask { request: self.request(), status: 200, length: 0, is_longest: false };
        let request = http2::request(&ask)?;
        // A connection with GOAWAY accepts no further request.
        let mut requests = match kept.take() {
            Some(requests) => requests.ready().await.ok(),
            None => None,
        };
        if requests.is_none() {
            let Http2 { requests: new, driver } = Http2::connect(&self.door).await?;
            // An error of the connection fails its requests.
            spawn_local(async { driver.await.is_ok() });
            requests = Some(new);
        }
        let mut requests = requests.ok_or_else(|| io::Error::other("not connected"))?;
        let upload = Bytes::from(self.errand.upload.clone());
        let answered = http2::call(&mut requests, request, upload).await?;
        self.demand(answered.status, &answered.body)?;
        *kept = Some(requests);
        Ok(())
    }

    /// A message there and back; the first one also opens the WebSocket, which then stays open.
    async fn message(&self, kept: &mut Option<Socket>) -> io::Result<()> {
        let mut socket = match kept.take() {
            Some(socket) => socket,
            None => self.upgraded().await?,
        };
        wire::write_all(&mut socket, MESSAGE).await?;
        let mut echo = [0; MESSAGE.len()];
        let mut filled = 0;
        while filled < echo.len() {
            match wire::read(&mut socket, echo.get_mut(filled..).unwrap_or_default()).await? {
                0 => return Err(io::Error::other("the WebSocket was closed")),
                count => filled += count,
            }
        }
        if echo != *MESSAGE {
            return Err(io::Error::other("the WebSocket's echo is another message"));
        }
        *kept = Some(socket);
        Ok(())
    }

    async fn upgraded(&self) -> io::Result<Socket> {
        let mut socket = self.door.enter().await?;
        let fields = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {KEY}\r\n"
        );
        let request = client::request(self.door.address, &self.errand.path, &fields);
        wire::write_all(&mut socket, &request).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            // Byte by byte, because the bytes after the head are the first message.
            let mut byte = [0];
            if wire::read(&mut socket, &mut byte).await? == 0 || head.len() > MAX_HEAD {
                return Err(io::Error::other("the upgrade was not answered"));
            }
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8_lossy(&head);
        if head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT) {
            return Ok(socket);
        }
        let line = head.lines().next().unwrap_or_default();
        Err(io::Error::other(format!("the upgrade was answered with {line}")))
    }

    fn request(&self) -> Vec<u8> {
        let Errand { path, upload, .. } = &self.errand;
        if upload.is_empty() {
            return client::request(self.door.address, path, "");
        }
        // HTTP/2 sends the body separately.
        if self.way == Way::Http2 {
            return client::post_head(self.door.address, path, upload.len());
        }
        client::post(self.door.address, path, upload)
    }

    fn demand(&self, status: u16, body: &[u8]) -> io::Result<()> {
        if status == 200 && body == self.errand.answer {
            return Ok(());
        }
        let same = if body == self.errand.answer { "the right" } else { "the wrong" };
        Err(io::Error::other(format!("status {status} with {same} {} bytes", body.len())))
    }
}

/// The client, unless the server has closed its connection.
fn open(mut client: Client) -> Option<Client> {
    client.is_open().then_some(client)
}
