//! A client that sends exactly the given bytes, and reads responses by their framing.

use std::{
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
};

use socket2::{Domain, Socket, Type};

use super::{
    head::Head,
    wait::TIME_LIMIT,
    wire::{Failure, Wire},
};

/// One connection.
#[derive(Debug)]
pub(crate) struct Client(Wire);

/// A final response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: Head,
    /// Without its framing.
    pub(crate) body: Vec<u8>,
    /// The statuses of the interim responses (1xx) before it.
    pub(crate) interim: Vec<u16>,
}

// === impl Client ===

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    pub(crate) fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        TcpStream::connect_timeout(&address, TIME_LIMIT).map(|stream| Self(Wire::new(stream)))
    }

    /// Connects to a unix socket.
    pub(crate) fn connect_to(path: &Path) -> Self {
        let stream =
            UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(Wire::new(stream))
    }

    /// Connects with a small receive buffer: bytes that the client does not read stay at the server.
    pub(crate) fn connect_with_small_buffer(address: SocketAddr, room: usize) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        // The size must be set before connecting, or it does not limit the window.
        socket.set_recv_buffer_size(room).unwrap();
        socket.connect_timeout(&address.into(), TIME_LIMIT).unwrap();
        Self(Wire::new(socket))
    }

    /// Connects from this address, which must belong to the machine.
    pub(crate) fn connect_from(source: std::net::IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect_timeout(&address.into(), TIME_LIMIT).unwrap();
        Self(Wire::new(socket))
    }

    /// Sets the timeout of every read.
    pub(crate) fn with_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.0.read_timeout = timeout;
        self
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).unwrap_or_else(|error| panic!("cannot send: {error}"));
        self
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.write(bytes.as_ref())
    }

    /// Sends a GET with a Host that every server accepts.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, "")
    }

    /// Sends a request without a body; `fields` are whole lines, with CRLF.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, target: &str, fields: &str) -> Response {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n"));
        self.response_to(method)
    }

    /// Sends a request with a body and its Content-Length.
    #[track_caller]
    pub(crate) fn post(&mut self, target: &str, fields: &str, body: &[u8]) -> Response {
        let length = body.len();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\
             {fields}\r\n"
        );
        // In one write, so that a response to the head cannot arrive before the body is sent.
        self.send([head.as_bytes(), body].concat()).response()
    }

    /// Reads the response to a request with any method except HEAD.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    #[track_caller]
    pub(crate) fn response_to(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap_or_else(|failure| panic!("no whole answer: {failure}"))
    }

    pub(crate) fn try_response(&mut self, method: &str) -> Result<Response, Failure> {
        let (head, interim) = self.try_head()?;
        let wire = &mut self.0;
        let status = head.status().map_err(|what| wire.failure(what))?;
        let framing = head.framing_of_response(method).map_err(|what| wire.failure(what))?;
        let body = wire.body(framing)?;
        Ok(Response { status, head, body, interim })
    }

    /// Reads only the head of the final response.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Head {
        let (head, _) = self.try_head().unwrap_or_else(|failure| panic!("no head: {failure}"));
        head
    }

    /// Reads until this text has arrived; returns everything up to its end.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        match self.0.until(text.as_bytes()) {
            Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(None) => panic!("{}", self.0.failure(format!("closed before {text:?}"))),
            Err(failure) => panic!("{failure}"),
        }
    }

    /// Reads exactly this many bytes.
    #[track_caller]
    pub(crate) fn exact(&mut self, length: usize) -> Vec<u8> {
        self.0.exact(length).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Reads until the connection is closed without a reset.
    #[track_caller]
    pub(crate) fn until_closed(&mut self) -> Vec<u8> {
        self.0.rest().unwrap_or_else(|failure| panic!("not closed: {failure}"))
    }

    /// Reads until the connection is closed or reset.
    #[track_caller]
    pub(crate) fn until_gone(&mut self) -> Vec<u8> {
        match self.0.rest() {
            Ok(rest) => rest,
            Err(failure) if failure.to_string().contains("reset") => self.0.arrived(),
            Err(failure) => panic!("neither closed nor reset: {failure}"),
        }
    }

    /// Reads until the connection is reset.
    #[track_caller]
    pub(crate) fn until_reset(&mut self) {
        match self.0.rest() {
            Ok(_) => panic!("an orderly end"),
            Err(failure) if failure.to_string().contains("reset") => {}
            Err(failure) => panic!("not reset: {failure}"),
        }
    }

    /// Closes the sending direction.
    pub(crate) fn half_close(&mut self) {
        self.0.stream().shutdown(Shutdown::Write).unwrap();
    }

    /// Resets the connection, like a browser whose tab is closed during a response. A plain close, by
    /// dropping this, looks like a half-close.
    pub(crate) fn reset_connection(self) {
        let socket = socket2::SockRef::from(self.0.stream());
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    fn try_head(&mut self) -> Result<(Head, Vec<u16>), Failure> {
        let mut interim = Vec::new();
        loop {
            let Some(head) = self.0.head()? else {
                return Err(self.0.failure("closed before an answer"));
            };
            match head.status().map_err(|what| self.0.failure(what))? {
                status @ 100..=199 => interim.push(status),
                _ => return Ok((head, interim)),
            }
        }
    }
}

// === impl Response ===

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// Whether the connection closes after this response.
    pub(crate) fn closes(&self) -> bool {
        self.head.all("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
    }
}
