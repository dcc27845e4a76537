//! The application behind the server: it records requests, and responds as the script says. The letters of a script:
//!
//! `c` chunked, `e` up to the end of the connection, `b` 150,000 bytes, `B` the same but chunked, `d` after three
//! seconds, `D` the body after three seconds, `s` an event stream, `t` truncated, `T` truncated between chunks, `x` no
//! response, `X` the request is not read, `y` and `Y` `b` and `B` truncated, `g` no HTTP, `i` early hints before it,
//! `k` the connection ends, `z` 204, `o` before the body was read, `r` more than was announced, `w` WebSocket, `l`
//! never; all others: a usual response.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    task::spawn_local,
    time::sleep,
};

use super::requests::{self, FuzzItem};

#[derive(Debug)]
pub(super) struct Application {
    behaviours: Vec<u8>,
    pub(super) received: RefCell<Vec<Received>>,
    /// The bytes of all connections that speak WebSocket.
    pub(super) tunnelled: RefCell<Vec<u8>>,
}

/// A request as it arrived.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) request: requests::FuzzRequest,
    pub(super) is_complete: bool,
    /// The letter that selects the response.
    pub(super) behaviour: u8,
    /// The body of the response.
    pub(super) response: Vec<u8>,
}

// === impl Application ===

impl Application {
    pub(super) fn new(behaviours: Vec<u8>) -> Rc<Self> {
        Rc::new(Self { behaviours, received: RefCell::default(), tunnelled: RefCell::default() })
    }

    /// Serves each connection on its own task.
    pub(super) async fn listen(self: Rc<Self>, listener: UnixListener) {
        while let Ok((stream, _)) = listener.accept().await {
            drop(spawn_local(Rc::clone(&self).serve(stream)));
        }
    }

    async fn serve(self: Rc<Self>, mut stream: UnixStream) {
        let mut bytes = Vec::new();
        // The other end may disconnect at any time.
        while let Ok(true) = self.exchange(&mut stream, &mut bytes).await {}
    }

    /// Handles one request and its response. Returns whether another one may follow.
    async fn exchange(&self, stream: &mut UnixStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let mut number = None;
        let (request, behaviour) = loop {
            let (item, end) = requests::first(bytes);
            match item {
                Some(FuzzItem::Begun(request)) => {
                    let at = self.note(&mut number, request.clone(), false);
                    let behaviour = self.behaviour(at);
                    if behaviour == b'o' {
                        break (request, behaviour);
                    }
                }
                Some(FuzzItem::Complete(request)) => {
                    bytes.drain(..end);
                    let at = self.note(&mut number, request.clone(), true);
                    break (request, self.behaviour(at));
                }
                Some(FuzzItem::Unread { .. }) | None => {}
            }
            if number.map(|number| self.behaviour(number)) == Some(b'X') {
                return Ok(false);
            }
            if number.is_none() && bytes.is_empty() {
                let next = self.received.borrow().len();
                if self.behaviour(next) == b'X' {
                    stream.readable().await?;
                    let request = requests::FuzzRequest::default();
                    // The application has read nothing of it.
                    self.note(&mut None, request, false);
                    return Ok(false);
                }
            }
            if stream.read_buf(bytes).await? == 0 {
                assert!(
                    bytes.is_empty() || number.is_some(),
                    "no request: {}",
                    bytes.escape_ascii()
                );
                return Ok(false);
            }
        };
        let number = number.unwrap_or_default();
        let is_whole = self.respond(stream, number, &request, behaviour).await?;
        let may_follow = is_whole && !request.announces_close && !b"ekowrX".contains(&behaviour);
        Ok(may_follow)
    }

    fn behaviour(&self, number: usize) -> u8 {
        self.behaviours.get(number).copied().unwrap_or(b'n')
    }

    /// Records the request as far as it is known, and returns its number.
    fn note(
        &self,
        number: &mut Option<usize>,
        request: requests::FuzzRequest,
        is_complete: bool,
    ) -> usize {
        let mut received = self.received.borrow_mut();
        let at = *number.get_or_insert(received.len());
        let behaviour = self.behaviour(at);
        let one = Received { request, is_complete, behaviour, response: Vec::new() };
        match received.get_mut(at) {
            Some(known) => *known = one,
            None => received.push(one),
        }
        at
    }

    /// Sends the response. Returns whether it was written completely.
    async fn respond(
        &self,
        stream: &mut UnixStream,
        number: usize,
        request: &requests::FuzzRequest,
        behaviour: u8,
    ) -> io::Result<bool> {
        let target = String::from_utf8_lossy(&request.target).into_owned();
        let is_long = matches!(behaviour, b'b' | b'B' | b'y' | b'Y');
        let mut body = format!("{number} {target}\n").into_bytes();
        if is_long {
            body.extend((0..150_000_u32).map(|at| b'a' + (at % 23) as u8));
        }
        if matches!(behaviour, b'z' | b'w') {
            body.clear();
        }
        let is_chunked = matches!(behaviour, b'c' | b'B' | b'T' | b'D' | b'Y');
        let to_head = request.method == b"HEAD";
        if !to_head {
            self.received.borrow_mut()[number].response.clone_from(&body);
        }
        let length = body.len();
        let framing = match behaviour {
            b'z' | b'e' | b's' | b'w' => String::new(),
            _ if is_chunked => "transfer-encoding: chunked\r\n".to_owned(),
            _ => format!("content-length: {length}\r\n"),
        };
        let seq = format!("x-seq: {number}\r\n");
        match behaviour {
            b'x' => return Ok(false),
            b'g' => {
                stream.write_all(b"\0garbage\r\n\r\n").await?;
                return Ok(false);
            }
            b'l' => sleep(Duration::from_secs(60)).await,
            b'd' => sleep(Duration::from_secs(3)).await,
            b'i' => stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await?,
            _ => {}
        }
        let head = match behaviour {
            b'z' => format!("HTTP/1.1 204 No Content\r\n{seq}\r\n"),
            b'w' if request.asks_upgrade => format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 {seq}\r\n"
            ),
            b's' => format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{seq}\r\n"),
            b'k' => format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{seq}{framing}\r\n"),
            _ => format!("HTTP/1.1 200 OK\r\n{seq}{framing}\r\n"),
        };
        stream.write_all(head.as_bytes()).await?;
        if behaviour == b'w' && request.asks_upgrade {
            return self.tunnel(stream).await;
        }
        if behaviour == b'w' || (to_head && matches!(behaviour, b'e' | b's')) {
            return Ok(false);
        }
        if to_head || behaviour == b'z' {
            return Ok(true);
        }
        if behaviour == b'D' {
            sleep(Duration::from_secs(3)).await;
        }
        if is_chunked {
            for chunk in body.chunks(body.len().div_ceil(3)) {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
                stream.write_all(chunk).await?;
                stream.write_all(b"\r\n").await?;
                if matches!(behaviour, b'T' | b'Y') {
                    return Ok(false);
                }
            }
            stream.write_all(b"0\r\n\r\n").await?;
            return Ok(true);
        }
        let (first, second) = body.split_at(length / 2);
        stream.write_all(first).await?;
        match behaviour {
            b't' | b'y' => return Ok(false),
            b's' => sleep(Duration::from_secs(1)).await,
            _ => {}
        }
        stream.write_all(second).await?;
        if behaviour == b'r' {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-seq: 999\r\ncontent-length: 0\r\n\r\n").await?;
        }
        Ok(!matches!(behaviour, b'e' | b's'))
    }

    /// Reads to the end, and sends a few bytes.
    async fn tunnel(&self, stream: &mut UnixStream) -> io::Result<bool> {
        stream.write_all(b"hello").await?;
        let mut bytes = Vec::new();
        while stream.read_buf(&mut bytes).await? > 0 {
            self.tunnelled.borrow_mut().append(&mut bytes);
        }
        stream.write_all(b"bye").await?;
        Ok(false)
    }
}
