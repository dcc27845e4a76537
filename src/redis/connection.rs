//! A connection to Redis. Each wait has a limit.

use std::{fmt, io, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    fault::RedisFault,
    resp::{self, MAX_REPLY, Reply},
    tls::RedisTls,
};
use crate::plan::{RedisSettings, UpstreamTarget};

/// The longest time for a new connection, with TLS and password.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// The longest time for the replies to commands that are not meant to wait.
pub(super) const REPLY_TIME: Duration = Duration::from_secs(2);
/// Bytes that are read at once.
const READ_SIZE: usize = 16 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open connection.
pub(super) struct RedisConnection {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
}

// === impl RedisConnection ===

impl RedisConnection {
    /// Connects and authenticates.
    pub(super) async fn open(
        settings: &RedisSettings,
        tls: Option<&RedisTls>,
    ) -> Result<Self, RedisFault> {
        let opened = timeout(CONNECT_TIME, Self::connect(settings, tls)).await;
        opened.map_err(|_| RedisFault::Timeout)?
    }

    async fn connect(settings: &RedisSettings, tls: Option<&RedisTls>) -> Result<Self, RedisFault> {
        let stream: Box<dyn Stream> = match &settings.server {
            UpstreamTarget::Unix(path) => {
                Box::new(UnixStream::connect(path).await.map_err(RedisFault::Connect)?)
            }
            UpstreamTarget::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await;
                let stream = stream.map_err(RedisFault::Connect)?;
                stream.set_nodelay(true).map_err(RedisFault::Connect)?;
                match tls {
                    None => Box::new(stream),
                    Some(tls) => {
                        let name = ServerName::try_from(host.clone())
                            .map_err(|error| RedisFault::Connect(io::Error::other(error)))?;
                        let stream = tls.0.connect(name, stream).await;
                        Box::new(stream.map_err(RedisFault::Connect)?)
                    }
                }
            }
        };
        let mut connection = Self { stream, received: Vec::new() };
        if let Some(password) = &settings.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(settings.user.as_ref().map(|user| user.as_bytes()));
            words.push(password.as_bytes());
            connection.ask(&words).await?;
        }
        if settings.database != 0 {
            connection.ask(&[b"SELECT", settings.database.to_string().as_bytes()]).await?;
        }
        Ok(connection)
    }

    /// Sends a command, and returns its reply.
    pub(super) async fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, RedisFault> {
        let mut bytes = Vec::new();
        resp::push_command(&mut bytes, words.iter().copied());
        self.send(&bytes).await?;
        checked(self.reply(REPLY_TIME).await?)
    }

    /// Sends commands.
    pub(super) async fn send(&mut self, commands: &[u8]) -> Result<(), RedisFault> {
        let written = async {
            self.stream.write_all(commands).await?;
            // TLS may hold bytes back until then.
            self.stream.flush().await
        };
        let written = timeout(REPLY_TIME, written).await.map_err(|_| RedisFault::Timeout)?;
        written.map_err(|_| RedisFault::Closed)
    }

    /// Waits for the next reply, which may be an error.
    pub(super) async fn reply(&mut self, longest: Duration) -> Result<Reply, RedisFault> {
        timeout(longest, self.next_reply()).await.map_err(|_| RedisFault::Timeout)?
    }

    async fn next_reply(&mut self) -> Result<Reply, RedisFault> {
        loop {
            if let Some((reply, length)) = resp::parse(&self.received)? {
                self.received.drain(..length);
                return Ok(reply);
            }
            self.received.reserve(READ_SIZE.min(MAX_REPLY));
            let read = self.stream.read_buf(&mut self.received).await;
            if read.map_err(|_| RedisFault::Closed)? == 0 {
                return Err(RedisFault::Closed);
            }
        }
    }
}

/// Returns an error of Redis as a fault.
pub(super) fn checked(reply: Reply) -> Result<Reply, RedisFault> {
    match reply {
        Reply::Error(text) => Err(RedisFault::of_error(&text)),
        reply @ (Reply::Text(_) | Reply::Number(_) | Reply::Nothing | Reply::List(_)) => Ok(reply),
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection")
            .field("received", &self.received.len())
            .finish_non_exhaustive()
    }
}
