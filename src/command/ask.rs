//! One GET with a deadline over everything: looking the name up, connecting, and every read.

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

/// The answer is read up to here: enough for its head and a reason.
const ANSWER: usize = 16 * 1024;
/// A reason is cut here.
const REASON: usize = 200;

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckPeer {
    /// `host:port`.
    Host(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// The moment at which the check ends, whatever it is at.
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

/// Asks for a path; anything but a 2xx answer within the time is a sentence on what
/// came instead.
pub(super) fn ask(peer: &CheckPeer, path: &str, time: Duration) -> Result<(), String> {
    let deadline = CheckDeadline(Instant::now() + time);
    let (mut stream, authority) = match peer {
        CheckPeer::Host(authority) => (connect(authority, deadline)?, authority.as_str()),
        CheckPeer::Unix(path) => {
            let stream = UnixStream::connect(path);
            let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
            (stream.into(), "localhost")
        }
    };
    // HTTP/1.0 asks for an answer without chunks.
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {authority}\r\nUser-Agent: sideman-healthcheck\r\n\
         Connection: close\r\n\r\n"
    );
    let mut response = Vec::new();
    let read = send(&mut stream, request.as_bytes(), deadline)
        .and_then(|()| receive(&mut stream, &mut response, deadline));
    match (status(&response), read) {
        (Some(200..=299), _) => Ok(()),
        (Some(status), _) => Err(format!("the answer was {status}{}", reason(&response))),
        (None, Err(error)) => Err(describe(&error)),
        (None, Ok(())) if response.is_empty() => Err("the connection was closed unanswered".into()),
        (None, Ok(())) => Err("the answer was not HTTP".into()),
    }
}

fn connect(authority: &str, deadline: CheckDeadline) -> Result<Socket, String> {
    let mut last = String::from("the name has no address");
    for address in resolve(authority, deadline)? {
        let time = deadline.left().map_err(|error| describe(&error))?;
        match TcpStream::connect_timeout(&address, time) {
            Ok(stream) => return Ok(stream.into()),
            Err(error) => last = format!("cannot connect: {}", describe(&error)),
        }
    }
    Err(last)
}

/// Looks a name up in a thread of its own: the system's resolver cannot be told when to stop.
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
        Ok(found) => found.map_err(|error| format!("cannot look the name up: {error}")),
        Err(_) => Err(describe(&io::ErrorKind::TimedOut.into())),
    }
}

fn send(stream: &mut Socket, request: &[u8], deadline: CheckDeadline) -> io::Result<()> {
    stream.set_write_timeout(Some(deadline.left()?))?;
    stream.write_all(request)
}

/// Reads until the verdict is certain: a good status, the end, or enough of a bad answer.
fn receive(stream: &mut Socket, response: &mut Vec<u8>, deadline: CheckDeadline) -> io::Result<()> {
    let mut buffer = [0; 2048];
    while response.len() < ANSWER && !matches!(status(response), Some(200..=299)) {
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

/// The status of an answer whose first line is complete.
fn status(response: &[u8]) -> Option<u16> {
    let end = response.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(response.get(..end)?).ok()?;
    let rest = line.strip_prefix("HTTP/1.")?;
    let code = rest.split_ascii_whitespace().nth(1)?;
    code.parse().ok().filter(|code| (100..=999).contains(code))
}

/// The first line of the body, which says why, with a colon in front.
fn reason(response: &[u8]) -> String {
    let text = String::from_utf8_lossy(response);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match body.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", line.trim().chars().take(REASON).collect::<String>()),
        None => String::new(),
    }
}

fn describe(error: &io::Error) -> String {
    // A read that outlasts its time is called either, depending on the system.
    match matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
        true => "no answer in time".into(),
        false => error.to_string(),
    }
}
