//! Sends one request with a deadline for all steps: resolving the name, connecting, and every read.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use socket2::Socket;

/// The beginning of a fault if nothing listens at the address.
pub(super) const CANNOT_CONNECT: &str = "cannot connect";

/// Maximum number of response bytes to read for a check: enough for the head and a reason.
const MAX_CHECKED: usize = 16 * 1024;
/// Maximum number of response bytes to read if they are wanted.
const MAX_RESPONSE: usize = 1024 * 1024;
/// Maximum length of a reason.
const MAX_REASON: usize = 200;

/// The address of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckPeer {
    /// `host:port`.
    Host(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The time at which the check ends, in any step.
#[derive(Clone, Copy, Debug)]
struct CheckDeadline(Instant);

// === impl CheckDeadline ===

impl CheckDeadline {
    fn left(self) -> io::Result<Duration> {
        match self.0.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

/// The result of a request: the bytes of the response as far as it was read, and the error that ended it.
struct Exchange {
    response: Vec<u8>,
    read: io::Result<()>,
}

/// Requests a path. Returns an error message unless a 2xx response arrives within the time. `preface` is sent before
/// the request.
pub(super) fn get(
    peer: &CheckPeer,
    preface: &str,
    path: &str,
    time: Duration,
) -> Result<(), String> {
    let authority = match peer {
        CheckPeer::Host(authority) => authority.as_str(),
        CheckPeer::Unix(_) => "localhost",
    };
    // HTTP/1.0 avoids a chunked response.
    let request = format!(
        "{preface}GET {path} HTTP/1.0\r\nHost: {authority}\r\nUser-Agent: sideman-healthcheck\r\n\
         Connection: close\r\n\r\n"
    );
    let Exchange { response, read } =
        exchange(peer, &request, time, |read| read.len() >= MAX_CHECKED || is_good(read))?;
    match (status(&response), read) {
        (Some(200..=299), _) => Ok(()),
        (Some(status), _) => Err(format!("the response was {status}{}", reason(&response))),
        (None, Err(error)) => Err(describe(&error)),
        (None, Ok(())) if response.is_empty() => {
            Err("the connection was closed without a response".into())
        }
        (None, Ok(())) => Err("the response was not HTTP".into()),
    }
}

/// Sends a request as text, and returns the body of the response if its status is 200.
pub(super) fn send(peer: &CheckPeer, request: &str, time: Duration) -> Result<String, String> {
    let is_too_long = |read: &[u8]| read.len() > MAX_RESPONSE;
    let Exchange { response, read } = exchange(peer, request, time, is_too_long)?;
    if is_too_long(&response) {
        return Err(format!("the response has more than {MAX_RESPONSE} bytes"));
    }
    let text = String::from_utf8_lossy(&response);
    match (status(&response), read) {
        (Some(200), Ok(())) => {
            Ok(text.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
        }
        (_, Err(error)) => Err(describe(&error)),
        (Some(status), Ok(())) => Err(format!("the response was {status}{}", reason(&response))),
        (None, Ok(())) => Err("the response was not HTTP".into()),
    }
}

/// Sends a request as text, and returns the bytes of the response up to its end, or the first ones of a long response.
pub(super) fn fetch(peer: &CheckPeer, request: &str, time: Duration) -> Result<Vec<u8>, String> {
    let is_enough = |read: &[u8]| read.len() > MAX_RESPONSE || is_complete(read);
    let Exchange { response, read } = exchange(peer, request, time, is_enough)?;
    match read {
        Err(error) if response.is_empty() => Err(describe(&error)),
        Ok(()) | Err(_) => Ok(response),
    }
}

/// Opens a connection.
pub(super) fn open(peer: &CheckPeer, time: Duration) -> Result<Socket, String> {
    open_until(peer, CheckDeadline(Instant::now() + time))
}

/// Sends a request and reads until `is_enough`, or to the end.
fn exchange(
    peer: &CheckPeer,
    request: &str,
    time: Duration,
    is_enough: fn(&[u8]) -> bool,
) -> Result<Exchange, String> {
    let deadline = CheckDeadline(Instant::now() + time);
    let mut stream = open_until(peer, deadline)?;
    let mut response = Vec::new();
    let read = write(&mut stream, request.as_bytes(), deadline)
        .and_then(|()| receive(&mut stream, &mut response, deadline, is_enough));
    Ok(Exchange { response, read })
}

fn open_until(peer: &CheckPeer, deadline: CheckDeadline) -> Result<Socket, String> {
    match peer {
        CheckPeer::Host(authority) => connect(authority, deadline),
        CheckPeer::Unix(path) => {
            let stream = UnixStream::connect(path);
            Ok(stream.map_err(|error| format!("{CANNOT_CONNECT}: {error}"))?.into())
        }
    }
}

/// Whether the response has the length that it announces: some servers keep the connection open.
fn is_complete(response: &[u8]) -> bool {
    let Some(end) = response.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(response.get(..end).unwrap_or_default());
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse::<usize>().ok());
    length.is_some_and(|length| response.len() - end - 4 >= length)
}

fn is_good(response: &[u8]) -> bool {
    matches!(status(response), Some(200..=299))
}

fn connect(authority: &str, deadline: CheckDeadline) -> Result<Socket, String> {
    let mut last = String::from("the name has no address");
    for address in resolve(authority, deadline)? {
        let time = deadline.left().map_err(|error| describe(&error))?;
        match TcpStream::connect_timeout(&address, time) {
            Ok(stream) => return Ok(stream.into()),
            Err(error) => last = format!("{CANNOT_CONNECT}: {}", describe(&error)),
        }
    }
    Err(last)
}

/// Resolves a name in a separate thread, because the system's resolver cannot be cancelled.
fn resolve(authority: &str, deadline: CheckDeadline) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = authority.parse() {
        return Ok(vec![address]);
    }
    let (sender, receiver) = mpsc::channel();
    let name = authority.to_owned();
    thread::spawn(move || {
        let found = name.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // The check may have ended.
        let _ = sender.send(found);
    });
    let time = deadline.left().map_err(|error| describe(&error))?;
    match receiver.recv_timeout(time) {
        Ok(found) => found.map_err(|error| format!("cannot resolve the name: {error}")),
        Err(_) => Err(describe(&io::ErrorKind::TimedOut.into())),
    }
}

fn write(stream: &mut Socket, request: &[u8], deadline: CheckDeadline) -> io::Result<()> {
    stream.set_write_timeout(Some(deadline.left()?))?;
    stream.write_all(request)
}

/// Reads until the result is certain: enough, or the end of the stream.
fn receive(
    stream: &mut Socket,
    response: &mut Vec<u8>,
    deadline: CheckDeadline,
    is_enough: fn(&[u8]) -> bool,
) -> io::Result<()> {
    let mut buffer = [0; 2048];
    while !is_enough(response) {
        stream.set_read_timeout(Some(deadline.left()?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => response.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the status of a response whose status line is complete.
fn status(response: &[u8]) -> Option<u16> {
    let end = response.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(response.get(..end)?).ok()?;
    let rest = line.strip_prefix("HTTP/1.")?;
    let code = rest.split_ascii_whitespace().nth(1)?;
    code.parse().ok().filter(|code| (100..=999).contains(code))
}

/// Returns the first line of the body, which gives the reason, with a colon before it.
fn reason(response: &[u8]) -> String {
    let text = String::from_utf8_lossy(response);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match body.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", line.trim().chars().take(MAX_REASON).collect::<String>()),
        None => String::new(),
    }
}

fn describe(error: &io::Error) -> String {
    // Systems differ in the error for a read that times out.
    match matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
        true => "no response in time".into(),
        false => error.to_string(),
    }
}
